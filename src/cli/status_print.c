#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/terminal.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "cli/when.h"
#include "control/told.h"
#include "doctor/diagnose.h"
#include "doctor/refusal.h"

enum { NAMES_MOST = 5 };

#define NO_SERVER "No server runs, so nobody is rung. This is what the store knows:"

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* A sentence, or what stands behind a name, put together before it is wrapped. */
struct field {
    char text[WHEN_SIZE + FINDING_WHAT_SIZE + FINDING_FIX_SIZE + 64];
    size_t length;
};

static void __attribute__((format(printf, 2, 3))) add(struct field *field, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(field->text + field->length, sizeof field->text - field->length, format,
                           arguments);
    va_end(arguments);
    field->length += length > 0 ? (size_t)length : 0;
    if (field->length >= sizeof field->text)
        field->length = sizeof field->text - 1;
}

/* A program that reads it gets whole lines. */
static int line_width(void)
{
    return isatty(STDOUT_FILENO) ? terminal_columns(stdout) : INT_MAX;
}

static void print_wrapped(const struct field *field)
{
    text_wrap(stdout, field->text, 0, 0, line_width());
}

/* The whole */

static void add_counts(struct field *head, const json_t *bridge)
{
    static const struct {
        const char *state, *words;
    } states[] = {
        {"up", "linked"},           {"connecting", "connecting"}, {"backing-off", "not connected"},
        {"contested", "contested"}, {"refused", "refused"},       {"disabled", "disabled"},
    };
    const json_t *counts = json_object_get(bridge, "by_state");
    int64_t accounts = told_number(bridge, "accounts");
    const char *before = ": ";
    add(head, "%lld account%s", (long long)accounts, plural(accounts));
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        int64_t count = told_number(counts, states[i].state);
        bool unknown = strcmp(states[i].state, "connecting") == 0 && !told_true(bridge, "running");
        if (!count || unknown)
            continue;
        add(head, "%s%lld %s", before, (long long)count, states[i].words);
        before = ", ";
    }
}

static void print_head(const json_t *bridge)
{
    struct field head = {0};
    char when[WHEN_SIZE];
    int64_t owed = told_number(bridge, "owed"), heard = told_number(bridge, "heard");
    if (!told_true(bridge, "running"))
        printf(NO_SERVER "\n");
    if (!told_number(bridge, "accounts")) {
        printf("No account is registered.%s\n",
               told_true(bridge, "running") ? " \"doorbell setup\" links a phone." : "");
        return;
    }
    add_counts(&head, bridge);
    if (told_true(bridge, "running") && heard)
        add(&head, "; Signal last heard %s", when_text(when, heard, told_number(bridge, "now")));
    else if (told_true(bridge, "running"))
        add(&head, "; Signal not heard since the start");
    if (owed)
        add(&head, "; %lld %s owed a ring.", (long long)owed, owed == 1 ? "is" : "are");
    else
        add(&head, "; nothing is owed.");
    print_wrapped(&head);
}

/* The phone that came last, unless it was taken since. */
static void print_refused(const json_t *bridge)
{
    const json_t *refused = json_object_get(bridge, "refused");
    struct field field = {0};
    char when[WHEN_SIZE], what[FINDING_WHAT_SIZE], fix[FINDING_FIX_SIZE];
    if (!json_is_object(refused))
        return;
    refusal_explain(told_text(refused, "status"), told_text(refused, "why"),
                    told_text(refused, "origin"), what, fix);
    add(&field, "A phone came at %s and %s: %s. -> %s",
        when_text(when, told_number(refused, "at"), told_number(bridge, "now")),
        refusal_fate(told_text(refused, "status")), what, fix);
    print_wrapped(&field);
}

/* Only where HTTP/2 is set: that each account has a connection of its own is nothing to tell. */
static void print_road(const json_t *road)
{
    struct field field = {0};
    int64_t connections = told_number(road, "connections"), streams = told_number(road, "streams");
    if (told_text(road, "why")[0])
        add(&field, "Signal is reached over %s, because over HTTP/2: %s.", told_text(road, "name"),
            told_text(road, "why"));
    else if (told_is(road, "name", "HTTP/2") && streams)
        add(&field, "Signal is reached over HTTP/2: %lld link%s on %lld connection%s.",
            (long long)streams, plural(streams), (long long)connections, plural(connections));
    else
        return;
    print_wrapped(&field);
}

/* Only what is not as it should be: that all is on, doctor says. */
static void print_sandbox(const json_t *sandbox)
{
    bool files = strcmp(told_text(sandbox, "files"), "on") == 0;
    bool calls = strcmp(told_text(sandbox, "calls"), "on") == 0;
    if (!sandbox || (files && calls))
        return;
    if (strcmp(told_text(sandbox, "files"), "off") == 0)
        printf("The sandbox is off.\n");
    else
        printf("The sandbox lacks a wall: \"doorbell doctor\" says which.\n");
}

static void print_refused_reload(const json_t *answer)
{
    const json_t *refused = json_object_get(answer, "refused_reload");
    struct field field = {0};
    char when[WHEN_SIZE];
    if (!json_is_object(refused))
        return;
    add(&field, "The reload at %s was refused, and what was loaded before stays in force: %s.",
        when_text(when, told_number(refused, "at"),
                  told_number(json_object_get(answer, "bridge"), "now")),
        told_text(refused, "why"));
    print_wrapped(&field);
}

static void print_undelivered(const json_t *answer, const char *key, const char *what)
{
    const json_t *told = json_object_get(json_object_get(answer, "told"), key);
    struct field field = {0};
    char when[WHEN_SIZE];
    if (!told_number(told, "since"))
        return;
    add(&field, "%s have not reached %s since %s: %s.", what, told_text(told, "origin"),
        when_text(when, told_number(told, "since"),
                  told_number(json_object_get(answer, "bridge"), "now")),
        told_text(told, "why"));
    print_wrapped(&field);
}

/* That it is good for long, doctor says. */
static void print_certificate(const json_t *answer)
{
    const json_t *certificate = json_object_get(answer, "certificate");
    int64_t now = told_number(json_object_get(answer, "bridge"), "now");
    time_t ends = (time_t)told_number(certificate, "ends");
    struct tm parts;
    char date[WHEN_SIZE] = "";
    if (!told_true(certificate, "near"))
        return;
    if (gmtime_r(&ends, &parts))
        strftime(date, sizeof date, "%Y-%m-%d", &parts);
    printf("The certificate of web.tls_cert %s on %s.\n", ends > now ? "ends" : "ended", date);
}

static void print_origins(const json_t *bridge)
{
    const json_t *origins = json_object_get(bridge, "origins_down");
    for (size_t i = 0; i < json_array_size(origins); i++) {
        const json_t *origin = json_array_get(origins, i);
        int64_t now = told_number(bridge, "now");
        char since[WHEN_SIZE], next[WHEN_SIZE];
        struct field field = {0};
        add(&field,
            "Push server %s has taken no push since %s; next try %s; pushes that wait: %lld.",
            told_text(origin, "origin"), when_text(since, told_number(origin, "since"), now),
            when_text(next, told_number(origin, "next_try"), now),
            (long long)told_number(origin, "waiting"));
        print_wrapped(&field);
    }
}

/* One line for each account */

/* Where the columns have one blank between them instead of two, and no push server fits. */
struct table {
    int width; /* of the terminal; 0: whatever is none gets whole names */
    const char *gap;
    bool narrow;
};

/* One that does not say how wide it is may be as wide as most. */
static struct table table_here(void)
{
    int width = terminal_width(stdout);
    bool narrow = width && width < TERMINAL_MOST;
    if (!width && isatty(STDOUT_FILENO))
        width = TERMINAL_MOST;
    return (struct table){.width = width, .gap = narrow ? "" : " ", .narrow = narrow};
}

static const char *link_state(const json_t *account)
{
    const json_t *link = json_object_get(account, "link");
    const char *state = told_text(link, "state");
    bool connecting = strcmp(state, "connecting") == 0;
    return connecting && !told_true(link, "known") ? "no server" : state;
}

/* A server of an earlier version has the name of the state alone. */
static const char *endpoint_summary(const json_t *endpoint)
{
    const char *summary = told_text(endpoint, "summary");
    return *summary ? summary : told_text(endpoint, "state");
}

/* The same in the room of a column. */
static const char *endpoint_state(const json_t *account)
{
    static const char *const shorter[][2] = {{"ok (not tried since the start)", "was ok"},
                                             {"not tried yet", "untried"},
                                             {"not allowed", "denied"}};
    const char *summary = endpoint_summary(json_object_get(account, "endpoint"));
    for (size_t i = 0; i < sizeof shorter / sizeof *shorter; i++)
        if (strcmp(summary, shorter[i][0]) == 0)
            return shorter[i][1];
    return summary;
}

/* "09:12:03 200"; "none": there was no answer. */
static void last_ring(const json_t *account, int64_t now, char text[WHEN_SIZE + 8])
{
    const json_t *ring = json_object_get(account, "ring");
    int64_t at = told_number(ring, "at"), failed_at = told_number(ring, "failed_at");
    bool failed = failed_at > at;
    int64_t status = told_number(ring, failed ? "failed_status" : "status");
    char when[WHEN_SIZE];
    when_text(when, failed ? failed_at : at, now);
    if (status)
        snprintf(text, WHEN_SIZE + 8, "%s %d", when, (int)status);
    else
        snprintf(text, WHEN_SIZE + 8, "%s%s", when, failed ? " none" : "");
}

static int64_t next_try(const json_t *account)
{
    int64_t link = told_number(json_object_get(account, "link"), "next_try");
    int64_t ring = told_number(json_object_get(account, "ring"), "next_try");
    return link && (!ring || link < ring) ? link : ring;
}

static void print_server(const json_t *account, int room)
{
    static const char https[] = "https://";
    const char *origin = told_text(json_object_get(account, "endpoint"), "origin");
    if (strncmp(origin, https, strlen(https)) == 0)
        origin += strlen(https);
    if (room && (int)strlen(origin) > room)
        printf("%.*s...\n", room - 3, origin);
    else
        printf("%s\n", origin);
}

static void print_timeline(const json_t *account, int64_t now)
{
    const json_t *entries = json_object_get(account, "timeline");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        char when[WHEN_SIZE];
        int column = printf("    %-12s  ", when_text(when, told_number(entry, "at"), now));
        text_wrap(stdout, told_text(entry, "text"), column, column, line_width());
    }
}

static int64_t last_message(const json_t *account)
{
    const json_t *message = json_object_get(account, "message");
    int64_t at = told_number(message, "at"), own = told_number(message, "own_at");
    return own > at ? own : at;
}

static void print_titles(const struct table *table)
{
    const char *gap = table->gap;
    printf("\n%-10s %3s %s%-11s %s%-8s %s%-12s %s%-16s %s%s", "ACCOUNT", "DEV", gap, "LINK", gap,
           "ENDPOINT", gap, "LAST MESSAGE", gap, "LAST RING", gap, "NEXT TRY");
    printf("%s\n", table->narrow ? "" : "      PUSH SERVER");
}

static void print_line(const struct table *table, const json_t *account, int64_t now)
{
    char message[WHEN_SIZE], ring[WHEN_SIZE + 8], next[WHEN_SIZE];
    const char *gap = table->gap;
    last_ring(account, now, ring);
    int used = printf("%-10s %3d %s%-11s %s%-8s %s%-12s %s%-16s %s",
                      told_text(account, "pseudonym"), (int)told_number(account, "device"), gap,
                      link_state(account), gap, endpoint_state(account), gap,
                      when_text(message, last_message(account), now), gap, ring, gap);
    when_text(next, next_try(account), now);
    if (table->narrow) {
        printf("%s\n", next);
        return;
    }
    used += printf("%-12s  ", next);
    print_server(account, table->width ? table->width - used : 0);
}

static void print_lines(const json_t *answer)
{
    const json_t *accounts = json_object_get(answer, "accounts");
    int64_t now = told_number(json_object_get(answer, "bridge"), "now");
    struct table table = table_here();
    if (!json_array_size(accounts))
        return;
    print_titles(&table);
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        print_line(&table, json_array_get(accounts, i), now);
        print_timeline(json_array_get(accounts, i), now);
    }
}

/* What is to be done */

/* `said` has what was said: few, where there may be tens of thousands of accounts. */
static bool is_said_before(json_t *said, const char *advice)
{
    if (json_object_get(said, advice))
        return true;
    json_object_set_new(said, advice, json_true());
    return false;
}

/* "ab12cd34ef, 0011223344 and 7 more: " and the sentence. */
static void print_advice(const json_t *accounts, size_t first)
{
    const char *advice = told_text(json_array_get(accounts, first), "advice");
    const char *before = "";
    size_t more = 0, named = 0;
    for (size_t i = first; i < json_array_size(accounts); i++) {
        const json_t *account = json_array_get(accounts, i);
        if (strcmp(told_text(account, "advice"), advice) != 0)
            continue;
        if (named++ < NAMES_MOST)
            printf("%s%s", before, told_text(account, "pseudonym"));
        else
            more++;
        before = ", ";
    }
    if (more)
        printf(" and %zu more", more);
    printf(":\n");
    text_wrap(stdout, advice, 0, 4, terminal_columns(stdout));
}

static void print_advice_on_all(const json_t *bridge)
{
    const json_t *list = json_object_get(bridge, "advice");
    for (size_t i = 0; i < json_array_size(list); i++) {
        printf("\nFor all accounts:\n");
        text_wrap(stdout, json_string_value(json_array_get(list, i)), 0, 4,
                  terminal_columns(stdout));
    }
}

static void print_all_advice(const json_t *answer)
{
    const json_t *accounts = json_object_get(answer, "accounts");
    const json_t *bridge = json_object_get(answer, "bridge");
    json_t *said = json_object();
    print_advice_on_all(bridge);
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        const char *advice = told_text(json_array_get(accounts, i), "advice");
        if (!*advice || diagnose_is_said_of_all(bridge, advice) || is_said_before(said, advice))
            continue;
        printf("\n");
        print_advice(accounts, i);
    }
    json_decref(said);
}

void status_print_all(const json_t *answer)
{
    print_head(json_object_get(answer, "bridge"));
    print_road(json_object_get(answer, "road"));
    print_sandbox(json_object_get(answer, "sandbox"));
    print_refused_reload(answer);
    print_certificate(answer);
    print_undelivered(answer, "alerts", "Alerts");
    print_undelivered(answer, "heartbeat", "Heartbeats");
    print_refused(json_object_get(answer, "bridge"));
    print_origins(json_object_get(answer, "bridge"));
    print_lines(answer);
    print_all_advice(answer);
}

/* One account, a field on each line */

static void add_time(struct field *field, const char *words, int64_t unix_s, int64_t now)
{
    char when[WHEN_SIZE];
    if (unix_s)
        add(field, "%s %s", words, when_text(when, unix_s, now));
}

static void print_field(const char *name, const struct field *field)
{
    int column = printf("  %-10s", name);
    text_wrap(stdout, field->text, column, column, terminal_columns(stdout));
}

static void print_link(const json_t *link, int64_t now)
{
    struct field field = {0};
    add(&field, "%s", told_text(link, "words"));
    if (told_true(link, "known"))
        add_time(&field, ", since", told_number(link, "since"), now);
    add_time(&field, ", next try", told_number(link, "next_try"), now);
    print_field("link", &field);
}

static void print_endpoint(const json_t *endpoint, int64_t now)
{
    struct field field = {0};
    add(&field, "%s at %s: %s", endpoint_summary(endpoint), told_text(endpoint, "origin"),
        told_text(endpoint, "words"));
    add_time(&field, "; the last accepted push", told_number(endpoint, "accepted"), now);
    add_time(&field, "; not asked before", told_number(endpoint, "not_before"), now);
    print_field("endpoint", &field);
}

static void print_messages(const json_t *message, int64_t now)
{
    struct field field = {0};
    add(&field, "%lld since the start", (long long)told_number(message, "count"));
    add_time(&field, ", the last", told_number(message, "at"), now);
    if (told_number(message, "at") && !told_true(message, "urgent"))
        add(&field, " (not urgent, not rung)");
    add_time(&field, ", the last own one (not rung)", told_number(message, "own_at"), now);
    print_field("messages", &field);
}

static void print_rings(const json_t *ring, int64_t now)
{
    struct field field = {0};
    int64_t at = told_number(ring, "at"), failed_at = told_number(ring, "failed_at");
    int64_t latency_ms = told_number(ring, "latency_ms"),
            failed = told_number(ring, "failed_status");
    add(&field, "%lld since the start", (long long)told_number(ring, "count"));
    add_time(&field, ", the last", at, now);
    if (at)
        add(&field, " (answer %d)", (int)told_number(ring, "status"));
    if (at && latency_ms)
        add(&field, ", %lld ms after the message", (long long)latency_ms);
    add_time(&field, ", not accepted", failed_at, now);
    if (failed_at && failed)
        add(&field, " (answer %d)", (int)failed);
    else if (failed_at)
        add(&field, " (no answer)");
    print_field("rings", &field);
}

static void print_debt(const json_t *account, int64_t now)
{
    struct field field = {0};
    const json_t *ring = json_object_get(account, "ring");
    bool owed = told_number(account, "owed_since");
    add(&field, owed ? "a ring" : "nothing");
    add_time(&field, ", since", told_number(account, "owed_since"), now);
    if (told_true(ring, "sent"))
        add(&field, ", which is under way");
    else if (told_true(ring, "queued"))
        add(&field, ", which waits for its turn at the push server");
    else
        add_time(&field, ", next try", told_number(ring, "next_try"), now);
    print_field("owed", &field);
}

static void print_account(const json_t *account, const json_t *bridge)
{
    const char *advice = told_text(account, "advice");
    int64_t now = told_number(bridge, "now");
    printf("Account %s, device %d:\n", told_text(account, "pseudonym"),
           (int)told_number(account, "device"));
    print_link(json_object_get(account, "link"), now);
    print_endpoint(json_object_get(account, "endpoint"), now);
    print_messages(json_object_get(account, "message"), now);
    print_rings(json_object_get(account, "ring"), now);
    print_debt(account, now);
    print_timeline(account, now);
    if (*advice && !diagnose_is_said_of_all(bridge, advice))
        text_wrap(stdout, advice, 0, 2, terminal_columns(stdout));
}

void status_print_one(const json_t *answer)
{
    const json_t *bridge = json_object_get(answer, "bridge");
    const json_t *accounts = json_object_get(answer, "accounts");
    if (!told_true(bridge, "running"))
        printf(NO_SERVER "\n");
    for (size_t i = 0; i < json_array_size(accounts); i++)
        print_account(json_array_get(accounts, i), bridge);
    print_advice_on_all(bridge);
}
