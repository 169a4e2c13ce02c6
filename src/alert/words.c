#include "alert/words.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bridge/view.h"
#include "push/verdict.h"

enum {
    WHO_SIZE = 128,
    SENTENCE_SIZE = 512,
    LASTED_MIN_MS = 60 * 1000,
    LASTED_SIZE = TEXT_AMOUNT_SIZE + 16
};

#define GONE_HERE "removed or disabled here"
#define NOBODY_LEFT ", or there is none left to connect"

/* Where it is about accounts, they stand between the two halves of a sentence. */
static const struct {
    const char *name;
    bool plural;
    const char *title_bad, *title_well;
    const char *bad, *bad_end;
    const char *fix;
    const char *well, *well_end;
} kinds[ALERT_KINDS] = {
    [ALERT_REFUSED] = {"refused", true, "account refused", "account no longer refused",
                       "Signal does not accept ", " any more",
                       "The device was probably unlinked: link the app again.",
                       "Signal no longer refuses ", ": linked again, or " GONE_HERE},
    [ALERT_CONTESTED] = {"contested", true, "account contested", "account no longer contested",
                         "Another program uses the linked device of ", "",
                         "Stop the other bridge (a MollySocket that was left running, a second "
                         "Doorbell), or link the app anew with this one.",
                         "Nobody else uses the linked device of ",
                         " any more, or it was " GONE_HERE},
    [ALERT_SILENT] = {"silent", true, "account not connected", "account connected again",
                      "What answers in Signal's place takes the link of ",
                      " and never shows its messages",
                      "A proxy that swallows the login does so: let this machine reach Signal's "
                      "server directly; where it does, link the app anew.",
                      "The link of ", " shows its messages again, or is wanted no more"},
    [ALERT_ENDPOINT] = {"endpoint", true, "account cannot be rung", "account can be rung again",
                        "The push server takes no ring for ", "",
                        "See that the push server works and that the app is registered with it; "
                        "the log says what it answers.",
                        "Rings for ", " are no longer held up: taken again, or " GONE_HERE},
    [ALERT_LINKS] = {"links", false, "not connected", "connected again",
                     "No account is connected to Signal", "",
                     "Check this machine's network and name resolution; the log says why.",
                     "Accounts are connected to Signal again", NOBODY_LEFT},
    [ALERT_CLIENT] = {"client", false, "refused by Signal", "accepted by Signal again",
                      "Signal wants a newer client than this version of Doorbell", "",
                      "Update Doorbell, or name a current client in signal.user_agent_fallback.",
                      "Signal accepts this version of Doorbell again", NOBODY_LEFT},
    [ALERT_ALIKE] = {"alike", false, "accounts refused alike", "accounts accepted again",
                     "All accounts that connect to Signal now are refused alike, and none is given "
                     "up for that",
                     "", "The log says why; where Signal itself works, update Doorbell.",
                     "Signal lets accounts in again", NOBODY_LEFT},
    [ALERT_STORE] = {"store", false, "store not writable", "store writable again",
                     "The store cannot be written", "",
                     "See that its disk works and is neither full nor read-only; until it can be "
                     "written, messages stay at Signal.",
                     "The store can be written again", ""},
    [ALERT_CLOCK] =
        {"clock", false, "clock wrong", "clock right again",
         "The clock of this machine seems to be wrong", "",
         "Check this machine's date and time: where they are wrong, push servers refuse "
         "rings, and no certificate is good.",
         "The clock of this machine agrees with others again", ""},
    [ALERT_CERTIFICATE] = {"certificate", false, "certificate ends", "certificate good again",
                           "The end of the certificate of web.tls_cert is near, or has passed", "",
                           "See why whatever renews it did not; phones refuse this server once it "
                           "has ended. A new one is taken into use by itself.",
                           "The certificate of web.tls_cert is good for longer again", ""},
    [ALERT_UNLINKED] = {"unlinked", false, "no phone linked", "phone linked",
                        "No phone was linked with Doorbell since it started", "",
                        "\"doorbell doctor\" looks at the way from a phone to here.",
                        "A phone is linked with Doorbell", ""},
};

static const char *const unlinked_fixes[] = {
    [UNLINKED_NOBODY_CAME] =
        "Nobody opened its linking page either: see that the name, the proxy and the port "
        "forwarding of the public address lead here (\"doorbell doctor\" looks); air-gapped, paste "
        "the line that Molly shows (\"doorbell setup\" takes it).",
    [UNLINKED_BY_HAND] = "Its web pages are off, so the line that Molly shows has to be pasted: "
                         "\"doorbell setup\" shows the code for Molly and takes the line.",
    [UNLINKED_ELSEWHERE] =
        "A phone came to a path at which it is not answered: let the proxy take the path of the "
        "public address away. \"doorbell doctor\" has the line for it.",
    [UNLINKED_MISLED] =
        "Its linking page was opened, but nothing told by which address that can be reached from "
        "outside, so its code leads nowhere: the page has the proxy's lines that mend it, and "
        "web.public_url wins over them.",
    [UNLINKED_AT_PAGE] =
        "Its linking page was opened: scan the code in Molly's Settings, Notifications, "
        "UnifiedPush. Where that entry is missing, this Molly is itself a linked device, and its "
        "primary phone is the one to link.",
    [UNLINKED_REFUSED] = "A phone came and was not taken: \"doorbell doctor\" says why.",
};

const char *alert_kind_name(enum alert_kind kind)
{
    return kinds[kind].name;
}

bool alert_kind_is_plural(enum alert_kind kind)
{
    return kinds[kind].plural;
}

/* "account 1f2e3d4c5b", "312 accounts (1f2e3d4c5b, 0a1b2c3d4e, 9f8e7d6c5b, ...)" */
static void write_who(char who[WHO_SIZE], const struct alert_news *news, size_t count)
{
    who[0] = '\0';
    if (!kinds[news->kind].plural)
        return;
    if (count == 1 && news->named == 1 && *news->names[0]) {
        snprintf(who, WHO_SIZE, "account %s", news->names[0]);
        return;
    }
    size_t length = (size_t)snprintf(who, WHO_SIZE, "%zu account%s", count, count == 1 ? "" : "s");
    size_t written = 0;
    for (size_t i = 0; i < news->named && length < WHO_SIZE; i++)
        if (*news->names[i])
            length += (size_t)snprintf(who + length, WHO_SIZE - length, "%s%s",
                                       written++ ? ", " : " (", news->names[i]);
    if (written && length < WHO_SIZE)
        snprintf(who + length, WHO_SIZE - length, "%s)", written < count ? ", ..." : "");
}

/* " (for 12 min)" */
static void write_lasted(char text[LASTED_SIZE], int64_t lasted_ms)
{
    char amount[TEXT_AMOUNT_SIZE];
    text[0] = '\0';
    if (lasted_ms < LASTED_MIN_MS)
        return;
    text_amount(amount, lasted_ms / 1000);
    snprintf(text, LASTED_SIZE, " (for %s)", amount);
}

static void write_bad(char text[SENTENCE_SIZE], const struct alert_news *news, size_t count)
{
    char who[WHO_SIZE], lasted[LASTED_SIZE];
    write_who(who, news, count);
    write_lasted(lasted, news->lasted_ms);
    snprintf(text, SENTENCE_SIZE, "%s%s%s%s%s%s.", kinds[news->kind].bad, who,
             kinds[news->kind].bad_end, news->where ? ": " : "", news->where ? news->where : "",
             lasted);
}

static void write_well(char text[SENTENCE_SIZE], const struct alert_news *news, size_t count)
{
    char who[WHO_SIZE];
    write_who(who, news, count);
    snprintf(text, SENTENCE_SIZE, "%s%s%s.", kinds[news->kind].well, who,
             kinds[news->kind].well_end);
}

static void add(struct alert_message *message, const char *words, size_t count)
{
    size_t length = strlen(message->text);
    snprintf(message->text + length, sizeof message->text - length, " %s %zu.", words, count);
}

static const char *link_fix(enum alert_kind kind, unsigned cause)
{
    const char *advice =
        cause ? view_down_advice((enum link_reason)(cause - ALERT_CAUSE_OF_LINK(0))) : NULL;
    return advice ? advice : kinds[kind].fix;
}

/* What mends this cause is better than what may mend one of this kind. */
static void write_remedy(char text[SENTENCE_SIZE], const struct alert_news *news)
{
    if (news->kind == ALERT_UNLINKED) {
        bool known = news->cause < sizeof unlinked_fixes / sizeof *unlinked_fixes;
        snprintf(text, SENTENCE_SIZE, "%s",
                 known ? unlinked_fixes[news->cause] : kinds[news->kind].fix);
        return;
    }
    if (news->kind == ALERT_LINKS || news->kind == ALERT_ALIKE) {
        snprintf(text, SENTENCE_SIZE, "%s", link_fix(news->kind, news->cause));
        return;
    }
    const char *meaning = verdict_meaning(news->cause), *advice = verdict_advice(news->cause);
    if (!meaning)
        snprintf(text, SENTENCE_SIZE, "%s", kinds[news->kind].fix);
    else if (!advice)
        snprintf(text, SENTENCE_SIZE, "%s. %s", meaning, kinds[news->kind].fix);
    else
        snprintf(text, SENTENCE_SIZE, "%s. %s.", meaning, advice);
}

static void write_fresh(const struct alert_news *news, struct alert_message *message)
{
    char bad[SENTENCE_SIZE], remedy[SENTENCE_SIZE];
    size_t others = news->back + news->over;
    write_bad(bad, news, news->fresh);
    write_remedy(remedy, news);
    snprintf(message->text, sizeof message->text, "%s %s", bad, remedy);
    if (news->bad > news->fresh)
        add(message, "In all it is so for", news->bad);
    if (others && kinds[news->kind].plural)
        add(message, "It is over for", others);
}

/* Only of what nobody was told of, how it was has to be said, too. */
static void write_end(const struct alert_news *news, struct alert_message *message)
{
    char bad[SENTENCE_SIZE] = "", well[SENTENCE_SIZE];
    size_t count = news->back + news->over;
    if (!news->back)
        write_bad(bad, news, count);
    write_well(well, news, count);
    snprintf(message->text, sizeof message->text, "%s%s%s", bad, *bad ? " That is over. " : "",
             well);
    if (news->bad)
        add(message, "It is still so for", news->bad);
}

void words_write(const struct alert_news *news, struct alert_message *message)
{
    message->kind = news->kind;
    message->bad = news->fresh > 0;
    message->count = news->bad;
    message->title = message->bad ? kinds[news->kind].title_bad : kinds[news->kind].title_well;
    if (message->bad)
        write_fresh(news, message);
    else
        write_end(news, message);
}
