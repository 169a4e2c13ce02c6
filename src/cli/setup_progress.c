#include "cli/setup_progress.h"

#include <stdio.h>
#include <string.h>

#include "doctor/refusal.h"

enum { RING_SIZE = 64 };

/* Printable text of the server's, which is ours: only lengths are bounded. */

static const char *text_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static json_int_t number_in(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void keep(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
}

/* Accounts */

/* Of several devices of one user the one that is linked. */
static const json_t *find_account(const json_t *accounts, const char *pseudonym)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        const json_t *account = json_array_get(accounts, i);
        if (!is(text_in(account, "pseudonym"), pseudonym))
            continue;
        bool up = is(text_in(json_object_get(account, "link"), "state"), "up");
        if (!found || up)
            found = account;
    }
    return found;
}

static json_int_t rings_of(const json_t *account)
{
    return number_in(json_object_get(account, "ring"), "count");
}

static bool has_other_user(const json_t *accounts, const char *pseudonym)
{
    for (size_t i = 0; i < json_array_size(accounts); i++)
        if (!is(text_in(json_array_get(accounts, i), "pseudonym"), pseudonym))
            return true;
    return false;
}

/* As it was before: many phones do so while we wait for the operator's. */
static bool is_repeated(const struct setup_progress *progress, const char *pseudonym,
                        const char *origin)
{
    const json_t *known = find_account(progress->before, pseudonym);
    return known && is(text_in(json_object_get(known, "endpoint"), "origin"), origin);
}

static bool is_to_be_followed(struct setup_progress *progress, const char *pseudonym, bool repeated,
                              struct buf *lines)
{
    if (*progress->account)
        return progress->repeated && !repeated;
    if (!repeated || !has_other_user(progress->before, pseudonym))
        return true;
    if (!progress->passed)
        buf_format(lines,
                   "[..] A phone that was known already came (account %s), as they do many times a "
                   "day. Waiting for a new one, or one with another push server.\n",
                   pseudonym);
    progress->passed = true;
    return false;
}

/* With another endpoint all that follows from that is new, too. */
static void follow(struct setup_progress *progress, const char *pseudonym, const char *origin,
                   struct buf *lines)
{
    bool same = is(progress->account, pseudonym);
    bool repeated = is_repeated(progress, pseudonym, origin);
    if (same && progress->failed)
        setup_progress_retry(progress);
    if (same ? is(progress->origin, origin)
             : !is_to_be_followed(progress, pseudonym, repeated, lines))
        return;
    progress->repeated = repeated;
    keep(progress->account, sizeof progress->account, pseudonym);
    keep(progress->origin, sizeof progress->origin, origin);
    progress->linked = progress->linked && same;
    setup_progress_retry(progress);
    buf_format(lines, "[ok] phone registered (account %s)\n", pseudonym);
}

/* Registrations */

/* Whether it may be one to allow: then there is another remedy. */
static bool take_refusal(struct setup_progress *progress, const json_t *arrival, struct buf *lines)
{
    const char *status = text_in(arrival, "status"), *why = text_in(arrival, "why");
    const char *origin = text_in(arrival, "origin");
    if (is(status, "invalid_endpoint") && *origin) {
        keep(progress->refused, sizeof progress->refused, origin);
        buf_format(lines, "[!!] a phone came, but its push server was refused: %s.\n", why);
        return true;
    }
    buf_format(lines, "[!!] a phone came, and was answered \"%s\": %s. -> %s\n", status, why,
               refusal_remedy(status, why));
    return false;
}

static json_int_t last_number(const json_t *registrations)
{
    const json_t *list = json_object_get(registrations, "registrations");
    size_t count = json_array_size(list);
    return count ? number_in(json_array_get(list, count - 1), "number") : 0;
}

static bool take_registrations(struct setup_progress *progress, const json_t *registrations,
                               struct buf *lines)
{
    const json_t *list = json_object_get(registrations, "registrations");
    bool refused = false;
    if (last_number(registrations) < progress->number) /* it was started anew */
        progress->number = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *arrival = json_array_get(list, i);
        if (number_in(arrival, "number") <= progress->number)
            continue;
        progress->number = number_in(arrival, "number");
        progress->came = true;
        if (!is(text_in(arrival, "status"), "ok"))
            refused |= take_refusal(progress, arrival, lines);
        else if (*text_in(arrival, "account"))
            follow(progress, text_in(arrival, "account"), text_in(arrival, "origin"), lines);
    }
    return refused;
}

/* Some phones do not wait for the word that they are taken. */
static void look_for_new(struct setup_progress *progress, const json_t *accounts, struct buf *lines)
{
    for (size_t i = 0; i < json_array_size(accounts) && (!*progress->account || progress->repeated);
         i++) {
        const json_t *account = json_array_get(accounts, i);
        const char *pseudonym = text_in(account, "pseudonym");
        if (!find_account(progress->before, pseudonym))
            follow(progress, pseudonym, text_in(json_object_get(account, "endpoint"), "origin"),
                   lines);
    }
}

static bool has_known(const struct setup_progress *progress)
{
    return json_array_size(progress->before);
}

static void add_why_no_phone(const char *url, struct buf *lines)
{
    if (url)
        buf_format(lines,
                   "Open %s in the phone's browser: if that fails, the phone cannot reach this "
                   "server.",
                   url);
    else
        buf_add_text(lines, "Molly shows the line to paste once it has scanned the code: it begins "
                            "with \"connection add\".");
    buf_add_text(lines, " If Molly's settings have no UnifiedPush, this Molly is itself a linked "
                        "device, or is of a flavour that does without.");
}

static void hint(struct setup_progress *progress, const char *url, int64_t now_ms,
                 struct buf *lines)
{
    if (progress->came || progress->hinted || *progress->account ||
        now_ms - progress->began_ms < SETUP_QUIET_MS)
        return;
    progress->hinted = true;
    buf_format(lines, "[..] No %sphone has %s yet. ", has_known(progress) ? "new " : "",
               url ? "come" : "been added");
    add_why_no_phone(url, lines);
    buf_add_text(lines, " Still waiting.\n");
}

/* The account that is followed */

static void advise(struct setup_progress *progress, const char *advice, struct buf *lines)
{
    if (!*advice || is(progress->said, advice))
        return;
    keep(progress->said, sizeof progress->said, advice);
    buf_format(lines, "[!!] %s\n", advice);
}

/* "rang after 42 ms, 200" */
static void write_ring(char text[RING_SIZE], const json_t *account)
{
    const json_t *ring = json_object_get(account, "ring");
    char after[32] = "";
    if (number_in(ring, "latency_ms"))
        snprintf(after, sizeof after, " after %lld ms", (long long)number_in(ring, "latency_ms"));
    snprintf(text, RING_SIZE, "rang%s, %lld", after, (long long)number_in(ring, "status"));
}

static void tell_ring(struct setup_progress *progress, const json_t *account, struct buf *lines)
{
    char ring[RING_SIZE];
    write_ring(ring, account);
    progress->rung = true;
    buf_format(lines, "[ok] a message waits: %s\n", ring);
}

/* Messages that do not ring */

static const char own_came[] = "Your own message came; own messages do not ring "
                               "(wake.own_messages): let somebody else write.";
static const char quiet_came[] = "A message came that is not urgent; such ones do not ring.";
static const char why_no_message[] = "Signal has nothing for this account: nobody wrote to it, or "
                                     "the message is still on the sender's phone.";

static bool is_up(const json_t *account)
{
    const json_t *link = json_object_get(account, "link");
    return is(text_in(link, "state"), "up") && json_is_true(json_object_get(link, "proven"));
}

static void wonder(struct setup_progress *progress, int64_t now_ms, struct buf *lines)
{
    if (!progress->nothing || progress->wondered || now_ms - progress->ready_ms < SETUP_QUIET_MS)
        return;
    progress->wondered = true;
    buf_format(lines, "[..] No message has come yet. %s Still waiting.\n", why_no_message);
}

/* Once a test was accepted, which is when a message is asked for. */
static void look_for_message(struct setup_progress *progress, const json_t *account, int64_t now_ms,
                             struct buf *lines)
{
    const json_t *message = json_object_get(account, "message");
    json_int_t at = number_in(message, "at"), own_at = number_in(message, "own_at");
    if (!progress->tested || progress->failed) {
        progress->message_at = at;
        progress->own_at = own_at;
        progress->ready_ms = 0;
        progress->nothing = false;
        return;
    }
    if (!progress->ready_ms)
        progress->ready_ms = now_ms;
    if (own_at > progress->own_at && !progress->own)
        buf_format(lines, "[..] %s\n", own_came);
    bool came = at > progress->message_at;
    bool quiet = came && !json_is_true(json_object_get(message, "urgent"));
    if (quiet && !progress->quiet)
        buf_format(lines, "[..] %s\n", quiet_came);
    progress->own |= own_at > progress->own_at;
    progress->quiet |= quiet;
    progress->due |= came && !quiet;
    progress->nothing = !progress->own && !progress->quiet && !progress->due && is_up(account);
    wonder(progress, now_ms, lines);
}

/* It counts from its start on. */
static json_int_t rings_before(const struct setup_progress *progress)
{
    return progress->restarted ? 0 : rings_of(find_account(progress->before, progress->account));
}

/* Of several, whoever runs this need not be one. */
static void look_at_known(struct setup_progress *progress, const json_t *accounts,
                          struct buf *lines)
{
    char pseudonym[PSEUDONYM_SIZE], ring[RING_SIZE];
    keep(pseudonym, sizeof pseudonym, text_in(json_array_get(progress->before, 0), "pseudonym"));
    if (*progress->account || progress->known_rang || !has_known(progress) ||
        has_other_user(progress->before, pseudonym))
        return;
    const json_t *before = find_account(progress->before, pseudonym);
    const json_t *account = find_account(accounts, pseudonym);
    if (rings_of(account) <= (progress->restarted ? 0 : rings_of(before)))
        return;
    progress->known_rang = true;
    write_ring(ring, account);
    buf_format(lines,
               "[ok] a message waits for account %s, which was here before: %s. Still waiting for "
               "a phone.\n",
               pseudonym, ring);
}

static enum setup_want step_account(struct setup_progress *progress, const json_t *account,
                                    int64_t now_ms, struct buf *lines)
{
    bool up = is_up(account);
    const char *endpoint = text_in(json_object_get(account, "endpoint"), "state");
    if (up && !progress->linked) {
        progress->linked = true;
        buf_format(lines, "[ok] Signal accepted the device\n");
    }
    if (rings_of(account) > rings_before(progress)) {
        tell_ring(progress, account, lines);
        return SETUP_IS_DONE;
    }
    look_for_message(progress, account, now_ms, lines);
    progress->refuses |= progress->failed && !is(endpoint, "ok");
    if (up && progress->refuses && is(endpoint, "ok"))
        setup_progress_retry(progress);
    if (up && !progress->tested)
        return SETUP_WANTS_TEST;
    /* Why a test failed was said in its own words. */
    if (!up || !progress->failed)
        advise(progress, text_in(account, "advice"), lines);
    return SETUP_WAITS;
}

static void note_start(struct setup_progress *progress, const json_t *status)
{
    json_int_t started = number_in(json_object_get(status, "bridge"), "started");
    progress->restarted |= progress->started && started != progress->started;
    progress->started = started;
}

enum setup_want setup_progress_step(struct setup_progress *progress, const json_t *status,
                                    const json_t *registrations, const char *url, int64_t now_ms,
                                    struct buf *lines)
{
    json_t *accounts = json_object_get(status, "accounts");
    if (!progress->before) { /* the first answer */
        progress->before = json_incref(accounts);
        progress->number = last_number(registrations);
    }
    note_start(progress, status);
    bool refused = take_registrations(progress, registrations, lines);
    look_for_new(progress, accounts, lines);
    look_at_known(progress, accounts, lines);
    const json_t *account = *progress->account ? find_account(accounts, progress->account) : NULL;
    enum setup_want want = account ? step_account(progress, account, now_ms, lines) : SETUP_WAITS;
    const json_t *advice = json_object_get(json_object_get(status, "bridge"), "advice");
    if (json_array_size(advice))
        advise(progress, json_string_value(json_array_get(advice, 0)), lines);
    hint(progress, url, now_ms, lines);
    return refused && want == SETUP_WAITS ? SETUP_WANTS_ALLOWANCE : want;
}

void setup_progress_tested(struct setup_progress *progress, const json_t *answers, int64_t took_ms,
                           struct buf *lines)
{
    progress->tested = true;
    progress->failed = true;
    const char *text = "no answer came";
    for (size_t i = 0; i < json_array_size(answers) && progress->failed; i++) {
        const json_t *answer = json_array_get(answers, i);
        progress->failed = !json_is_true(json_object_get(answer, "accepted"));
        text = text_in(answer, "text");
        if (progress->failed)
            continue;
        progress->accepted = true;
        buf_format(lines,
                   "[ok] push server %s answered %lld\n"
                   "[ok] test ring sent, %lld ms: did the phone show it?\n"
                   "Lock the phone and let somebody write to you.\n",
                   progress->origin, (long long)number_in(answer, "status"), (long long)took_ms);
    }
    if (progress->failed)
        buf_format(lines,
                   "[!!] push server %s: %s. Then tap Test configuration in Molly, or open Molly "
                   "again: it is tried anew.\n",
                   progress->origin, text);
}

void setup_progress_retry(struct setup_progress *progress)
{
    progress->tested = progress->failed = progress->refuses = false;
}

/* Beginning and end */

void setup_progress_begin(struct setup_progress *progress, const json_t *status,
                          const json_t *registrations, int64_t now_ms)
{
    *progress = (struct setup_progress){.began_ms = now_ms};
    progress->before = json_incref(json_object_get(status, "accounts"));
    progress->number = last_number(registrations);
    note_start(progress, status);
}

static void end_of_message(const struct setup_progress *progress, struct buf *lines)
{
    buf_add_text(lines, "The push server took a test ring; a message has not rung yet.");
    const char *why = "";
    if (progress->due)
        why = "One came, and no push server has taken its ring yet.";
    else if (progress->own)
        why = own_came;
    else if (progress->quiet)
        why = quiet_came;
    else if (progress->nothing && !progress->wondered)
        why = why_no_message;
    buf_format(lines, "%s%s", *why ? " " : "", why);
}

static void end_of_phone(const struct setup_progress *progress, const char *url, struct buf *lines)
{
    bool is_new = !*progress->account && has_known(progress);
    buf_add_text(lines, is_new ? "No new phone has rung yet" : "Nothing has rung yet");
    if (progress->failed)
        buf_add_text(lines, ": the push server did not take the test; why stands above.");
    else if (*progress->account && !progress->linked)
        buf_add_text(lines, ": a phone registered, but Signal has not accepted its device yet.");
    else if (progress->passed)
        buf_add_text(lines, ": only phones came that were known before.");
    else if (progress->came)
        buf_add_text(lines, ": a phone came and was not taken; why stands above.");
    else
        buf_format(lines, ": no phone %s.", url ? "came" : "was added");
    if (progress->came || progress->hinted || *progress->account)
        return;
    buf_add_text(lines, " ");
    add_why_no_phone(url, lines);
}

void setup_progress_end(const struct setup_progress *progress, const char *url, struct buf *lines)
{
    if (progress->rung)
        buf_add_text(lines, "All is well: messages ring the phone.");
    else if (progress->accepted)
        end_of_message(progress, lines);
    else
        end_of_phone(progress, url, lines);
    buf_add_text(lines, "\n");
}

void setup_progress_fini(struct setup_progress *progress)
{
    json_decref(progress->before);
}
