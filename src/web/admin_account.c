#include "web/admin_account.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "web/frame.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, JUST_NOW = 5 };

static void add_distance(struct buf *page, int64_t seconds)
{
    int64_t length = seconds < 0 ? -seconds : seconds;
    const char *unit = "s";
    if (length < JUST_NOW) {
        frame_add(page, "just now");
        return;
    }
    if (length >= 2 * DAY) {
        length /= DAY;
        unit = "days";
    } else if (length >= 2 * HOUR) {
        length /= HOUR;
        unit = "h";
    } else if (length >= 2 * MINUTE) {
        length /= MINUTE;
        unit = "min";
    }
    buf_format(page, seconds < 0 ? "in %lld %s" : "%lld %s ago", (long long)length, unit);
}

/* Begins the element; false: there is no time. */
static bool begin_time(struct buf *page, const char *before, int64_t unix_s, struct tm *local)
{
    time_t at = (time_t)unix_s;
    struct tm utc;
    char exact[32], whole[48];
    if (!unix_s || !gmtime_r(&at, &utc) || !localtime_r(&at, local))
        return false;
    strftime(exact, sizeof exact, "%Y-%m-%dT%H:%M:%SZ", &utc);
    strftime(whole, sizeof whole, "%Y-%m-%d %H:%M:%S %z", local);
    buf_format(page, "%s<time datetime=\"%s\" title=\"%s\">", before, exact, whole);
    return true;
}

void admin_add_distance(struct buf *page, const char *before, int64_t unix_s, int64_t now_unix)
{
    struct tm local;
    if (!begin_time(page, before, unix_s, &local))
        return;
    add_distance(page, now_unix - unix_s);
    frame_add(page, "</time>");
}

void admin_add_clock(struct buf *page, const char *before, int64_t unix_s, int64_t now_unix)
{
    time_t now = (time_t)now_unix;
    struct tm local, today;
    char text[32];
    if (!localtime_r(&now, &today) || !begin_time(page, before, unix_s, &local))
        return;
    bool is_this_year = local.tm_year == today.tm_year;
    bool is_today = is_this_year && local.tm_yday == today.tm_yday;
    strftime(text, sizeof text,
             is_today       ? "%H:%M:%S"
             : is_this_year ? "%b %e %H:%M"
                            : "%Y-%m-%d %H:%M",
             &local);
    frame_add(page, text);
    frame_add(page, "</time>");
}

void admin_add_health(struct buf *page, enum view_health health)
{
    const char *name = view_health_name(health);
    buf_format(page, "<b class=\"badge %s\">%s</b>", name, name);
}

static void begin_fact(struct buf *page, const char *name)
{
    buf_format(page, "<div><dt>%s</dt><dd>", name);
}

static void end_fact(struct buf *page)
{
    frame_add(page, "</dd></div>\n");
}

static void add_link(struct buf *page, const struct link_view *link, int64_t now_unix)
{
    begin_fact(page, "Signal");
    frame_add_escaped(page, link->words);
    admin_add_clock(page, ", since ", link->since_unix, now_unix);
    admin_add_distance(page, ", next try ", link->next_unix, now_unix);
    end_fact(page);
}

static void add_endpoint(struct buf *page, const struct endpoint_view *endpoint, int64_t now_unix)
{
    begin_fact(page, "Push server");
    frame_add_escaped(page, endpoint->origin);
    frame_add(page, ": ");
    frame_add_escaped(page, endpoint->words);
    admin_add_distance(page, "; the last accepted push ", endpoint->accepted_unix, now_unix);
    admin_add_clock(page, "; not asked before ", endpoint->not_before_unix, now_unix);
    end_fact(page);
}

static void add_messages(struct buf *page, const struct messages_view *messages, int64_t now_unix)
{
    begin_fact(page, "Last message");
    if (!messages->last_unix && !messages->own_unix)
        frame_add(page, "none since the start");
    admin_add_distance(page, "", messages->last_unix, now_unix);
    if (messages->last_unix && !messages->urgent)
        frame_add(page, " (not urgent, not rung)");
    admin_add_distance(page,
                       messages->last_unix ? "; own message, not rung, " : "own one, not rung, ",
                       messages->own_unix, now_unix);
    end_fact(page);
}

static void add_rings(struct buf *page, const struct rings_view *rings, int64_t now_unix)
{
    begin_fact(page, "Last ring");
    if (!rings->accepted_unix && !rings->failed_unix)
        frame_add(page, "none since the start");
    admin_add_distance(page, "", rings->accepted_unix, now_unix);
    if (rings->accepted_unix)
        buf_format(page, " (answer %d)", rings->accepted_status);
    if (rings->accepted_unix && rings->latency_ms)
        buf_format(page, ", %lld ms after the message", (long long)rings->latency_ms);
    admin_add_distance(page, rings->accepted_unix ? "; not accepted " : "not accepted ",
                       rings->failed_unix, now_unix);
    if (rings->failed_unix && rings->failed_status)
        buf_format(page, " (answer %d)", rings->failed_status);
    else if (rings->failed_unix)
        frame_add(page, " (no answer)");
    end_fact(page);
}

static void add_debt(struct buf *page, const struct account_view *view, int64_t now_unix)
{
    begin_fact(page, "Owed");
    frame_add(page, view->owed_since_unix ? "a ring" : "nothing");
    admin_add_clock(page, ", since ", view->owed_since_unix, now_unix);
    if (view->rings.sent)
        frame_add(page, ", which is under way");
    else if (view->rings.queued)
        frame_add(page, ", which waits for its turn at the push server");
    else
        admin_add_distance(page, ", next try ", view->rings.next_unix, now_unix);
    end_fact(page);
}

static void add_counts(struct buf *page, const struct account_view *view)
{
    begin_fact(page, "Since the start");
    buf_format(page, "%u message%s, %u ring%s", view->messages.count,
               view->messages.count == 1 ? "" : "s", view->rings.count,
               view->rings.count == 1 ? "" : "s");
    end_fact(page);
}

/* Which of the many of its kind on the page it is, for who hears them one by one. */
static void add_whose(struct buf *page, const char *before, const struct account_view *view)
{
    buf_format(page, "%s%s, device %u", before, view->pseudonym, view->device);
}

static void add_timeline(struct buf *page, const struct account_view *view, int64_t now_unix)
{
    const struct timeline *timeline = view->timeline;
    if (!timeline->used)
        return;
    add_whose(page, "<details><summary aria-label=\"What happened last: ", view);
    frame_add(page, "\">What happened last</summary><ol class=\"timeline\">\n");
    for (size_t i = timeline->used; i-- > 0;) {
        const struct timeline_entry *entry = timeline_at(timeline, i);
        char text[TIMELINE_TEXT_SIZE];
        timeline_text(entry, text);
        admin_add_clock(page, "<li>", entry->unix_s, now_unix);
        frame_add(page, " <span>");
        frame_add_escaped(page, text);
        frame_add(page, "</span></li>\n");
    }
    frame_add(page, "</ol></details>\n");
}

/* The text is the push server's in part. */
static void add_test(struct buf *page, const struct admin_test *test, int64_t now_unix)
{
    buf_format(page,
               "<div class=\"answer\" id=\"result\" role=\"status\" tabindex=\"-1\">\n"
               "<p>Device %u: ",
               test->device);
    frame_add(page, test->accepted
                        ? "the push server accepted a test push; the phone should show it now"
                        : "the test push was not accepted: ");
    if (!test->accepted)
        frame_add_escaped(page, test->text);
    admin_add_distance(page, " (", test->at_unix, now_unix);
    frame_add(page, ")</p>\n</div>\n");
}

static void add_button(struct buf *page, const struct account_view *view)
{
    buf_format(page,
               "<form method=\"post\" action=\"test\">"
               "<input type=\"hidden\" name=\"account\" value=\"%s\">"
               "<input type=\"hidden\" name=\"device\" value=\"%u\">",
               view->pseudonym, view->device);
    add_whose(page, "<button aria-label=\"Send a test push to ", view);
    frame_add(page, "\">Send a test push</button></form>\n");
}

static bool is_of(const struct admin_test *test, const struct account_view *view)
{
    return test->at_unix && test->device == view->device &&
           strcmp(test->pseudonym, view->pseudonym) == 0;
}

void admin_account_add(struct buf *page, const struct account_view *view,
                       const struct admin_test *test, int64_t now_unix)
{
    buf_format(page,
               "<article class=\"account\" aria-labelledby=\"a-%s-%u\">"
               "<h3 id=\"a-%s-%u\"><code>%s</code> <span class=\"soft\">device %u</span> ",
               view->pseudonym, view->device, view->pseudonym, view->device, view->pseudonym,
               view->device);
    admin_add_health(page, view->health);
    frame_add(page, "</h3>\n");
    if (view->advice) {
        frame_add(page, "<p class=\"advice\">");
        frame_add_escaped(page, view->advice);
        frame_add(page, "</p>\n");
    }
    frame_add(page, "<dl>\n");
    add_link(page, &view->link, now_unix);
    add_endpoint(page, &view->endpoint, now_unix);
    add_messages(page, &view->messages, now_unix);
    add_rings(page, &view->rings, now_unix);
    add_debt(page, view, now_unix);
    add_counts(page, view);
    frame_add(page, "</dl>\n");
    add_timeline(page, view, now_unix);
    add_button(page, view);
    if (is_of(test, view))
        add_test(page, test, now_unix);
    frame_add(page, "</article>\n");
}
