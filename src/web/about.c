#include "web/about.h"

#include <time.h>

#include "web/frame.h"

static const char lead[] = "Rings phones when a Signal message waits. This page says whether it is "
                           "well, and what it knows of those who use it.";

static void add_health(struct buf *page, int64_t trouble_since_unix)
{
    time_t since = (time_t)trouble_since_unix;
    struct tm utc;
    char text[32];
    if (!trouble_since_unix || !gmtime_r(&since, &utc)) {
        frame_add(page, "<section aria-labelledby=\"health\"><h2 id=\"health\">It is well</h2>\n"
                        "<p>Nothing is known that would keep back the rings of all who use "
                        "it, or of many. A single phone&#8217;s push server may be in trouble all "
                        "the same: whoever runs this server is shown that.</p></section>\n");
        return;
    }
    strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
    frame_add(page, "<section class=\"fault\" aria-labelledby=\"health\"><h2 id=\"health\">Trouble "
                    "since ");
    frame_add(page, text);
    frame_add(page,
              "</h2>\n<p>Rings may come late, or not at all, until it is over. Nothing is lost: "
              "Signal keeps the messages, and Molly shows them when it is opened. Whoever runs "
              "this server is shown what is wrong.</p></section>\n");
}

/* What the store has is in store/migrate.c, what the memory has in account/record.h and
 * account/timeline.h. */
static void add_stored(struct buf *page)
{
    frame_add(
        page,
        "<section aria-labelledby=\"stored\"><h2 id=\"stored\">What it stores</h2>\n"
        "<p>For each phone that is linked: the Signal account&#8217;s id (not the phone number), "
        "the number and password of the linked device that Molly made for this bridge, the "
        "address that its push server gave it and the keys that belong to that, when it "
        "registered, how the last push was answered, whether Signal refuses the device, and since "
        "when a ring is owed.</p>\n"
        "<p>No message, no name, no contact, no key of a conversation: those stay on the phone, "
        "and what passes here is encrypted for it.</p>\n"
        "<p>In memory only, and gone with a restart: when the last messages came and rings left, "
        "how many they were, what became of the last registrations, with their push servers and "
        "why one was refused, and from which networks new phones asked, against abuse. The log "
        "has pseudonyms in place of accounts, and no client addresses; of a phone that was refused "
        "it may name the push server. A web server in front of it may keep a log of its own.</p>"
        "</section>\n");
}

static void add_inferred(struct buf *page)
{
    frame_add(
        page,
        "<section aria-labelledby=\"inferred\"><h2 id=\"inferred\">What can be inferred</h2>\n"
        "<ul>\n<li>Whoever runs this server can see when an account gets messages, and from "
        "which network address its phone registers. Not what they say; who sent them only where "
        "Signal itself does not hide it, and Doorbell looks no further than whether it was "
        "oneself.</li>\n"
        "<li>Signal sees that a device of the account is connected from this server.</li>\n"
        "<li>The push server sees when it is asked to ring, and nothing of the message.</li>\n"
        "<li>Whoever watches both sides of this server can join the times.</li>\n"
        "</ul></section>\n");
}

static void add_end(struct buf *page, const char *contact)
{
    frame_add(
        page,
        "<section aria-labelledby=\"end\"><h2 id=\"end\">How long, and how to be forgotten</h2>\n"
        "<p>Until whoever runs this server removes the account; a device that Molly has "
        "replaced by another goes by itself. Copies in backups last as long as those.</p>\n"
        "<p>In Molly, choose another delivery service in Settings, Notifications, and remove this "
        "bridge under Settings, Linked devices. From then on Signal lets it see nothing of the "
        "account any more. Then ask for the account to be removed here: it takes one command, "
        "<code>doorbell connection remove</code>, and leaves a mark that only this server can "
        "read, so that an old database of MollySocket does not bring it back.</p>\n");
    if (contact) {
        frame_add(page, "<p>This server is run by: <b>");
        frame_add_escaped(page, contact);
        frame_add(page, "</b></p>\n");
    }
    frame_add(page, "</section>\n");
}

void page_about(struct response *response, const struct about *about)
{
    struct buf page;
    frame_begin(&page, "Doorbell: status and privacy", lead);
    add_health(&page, about->trouble_since_unix);
    add_stored(&page);
    add_inferred(&page);
    add_end(&page, about->contact);
    frame_end(response, &page, " &#183; <a href=\"./\">Connect Molly</a>", NULL);
}
