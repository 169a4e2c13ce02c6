#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/url_normal.h"
#include "cli/add_line.h"
#include "cli/setup.h"
#include "cli/setup_progress.h"
#include "control/client.h"

enum { LOOK_EVERY_MS = 500, LOOK_SHARE = 20, LOOK_LATEST_MS = 10 * 1000 };

struct waiting {
    struct setup *setup;
    struct setup_progress progress;
    bool silent;                  /* the server does not answer; said once */
    int64_t look_ms;              /* how long the last look took */
    char pasted[URL_ORIGIN_SIZE]; /* the push server of the last line that was pasted here */
};

/* Where phones come in; NULL: they are added by hand. */
static const char *url_of(const struct waiting *waiting)
{
    const struct config *config = waiting->setup->config; /* which may be loaded anew */
    return config->web_enabled ? config->web_public_url : NULL;
}

/* What was said by the steps; each is one line of theirs. */
static void print_lines(struct buf *lines)
{
    buf_add(lines, "", 1);
    char *rest = (char *)lines->bytes, *line;
    while ((line = strsep(&rest, "\n")) && rest)
        setup_say("%s", line);
    fflush(stdout);
    buf_clear(lines);
}

/* Both of one look; `status` is the younger one. */
static bool look(struct waiting *waiting, json_t **registrations, json_t **status)
{
    struct err err;
    int64_t began_ms = clock_ms();
    *status = NULL;
    *registrations = setup_request(waiting->setup, "registrations", NULL, &err);
    if (*registrations)
        *status = setup_request(waiting->setup, "status", NULL, &err);
    waiting->look_ms = clock_ms() - began_ms;
    if (!*status && !waiting->silent)
        setup_say("[!!] %s%s", err.text, err.code == ERR_NOT_FOUND ? " " CLI_START_SERVER : "");
    else if (*status && waiting->silent)
        setup_say("[..] The server answers again.");
    waiting->silent = !*status;
    return *status;
}

static void forget(json_t *registrations, json_t *status)
{
    json_decref(registrations);
    json_decref(status);
}

/* The test ring */

static const char *find_id(const json_t *list, const char *pseudonym)
{
    const json_t *accounts = json_object_get(list, "accounts");
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        const json_t *account = json_array_get(accounts, i);
        const char *name = json_string_value(json_object_get(account, "pseudonym"));
        if (name && strcmp(name, pseudonym) == 0)
            return json_string_value(json_object_get(account, "uuid"));
    }
    return NULL;
}

static void test(struct waiting *waiting, struct buf *lines)
{
    struct err err;
    struct setup_progress *progress = &waiting->progress;
    json_t *list = setup_request(waiting->setup, "list", NULL, &err);
    const char *id = find_id(list, progress->account);
    int64_t sent_ms = clock_ms();
    json_t *answer = id ? setup_request(waiting->setup, "ping", id, &err) : NULL;
    setup_progress_tested(progress, json_object_get(answer, "answers"), clock_ms() - sent_ms,
                          lines);
    json_decref(answer);
    json_decref(list);
    print_lines(lines);
    if (progress->failed && setup_offer(waiting->setup, progress->origin, true))
        setup_progress_retry(progress);
}

/* A pasted line */

static void add(struct waiting *waiting, const char *text)
{
    struct err err = {0};
    struct add_line line = {0};
    add_line_split(&line, text);
    bool whole = line.count == ADD_LINE_WHOLE;
    json_t *request = whole ? add_line_request(&line, &err) : NULL;
    const struct config *config = waiting->setup->config;
    json_t *answer = request ? control_ask_within(config, request, SETUP_PATIENCE_S, &err) : NULL;
    /* What the server refuses is a registration that came, and is told as such. */
    if (line.count && !whole)
        setup_say(
            "[!!] It was not added: \"connection add\" has four words behind it. Paste the line "
            "that Molly shows once more, whole and as one line.");
    else if (!answer && line.count)
        setup_say("[!!] It was not added: %s", err.text);
    const char *endpoint = json_string_value(json_object_get(request, "endpoint"));
    char *normal = endpoint ? url_normal(endpoint, NULL) : NULL;
    endpoint_origin(normal ? normal : "", waiting->pasted);
    mem_free_secret(normal);
    json_decref(answer);
    json_decref(request);
    add_line_fini(&line);
}

/* The wait */

/* With thousands of accounts a look costs the server time that belongs to rings. */
static int64_t pause_ms(const struct waiting *waiting)
{
    int64_t pause_ms = LOOK_EVERY_MS + LOOK_SHARE * waiting->look_ms;
    return pause_ms < LOOK_LATEST_MS ? pause_ms : LOOK_LATEST_MS;
}

static bool step(struct waiting *waiting, struct buf *lines)
{
    json_t *registrations, *status;
    struct setup_progress *progress = &waiting->progress;
    enum setup_want want = SETUP_WAITS;
    if (look(waiting, &registrations, &status))
        want = setup_progress_step(progress, status, registrations, url_of(waiting), clock_ms(),
                                   lines);
    forget(registrations, status);
    print_lines(lines);
    if (want == SETUP_WANTS_TEST)
        test(waiting, lines);
    bool ours = strcmp(progress->refused, waiting->pasted) == 0;
    if (want == SETUP_WANTS_ALLOWANCE && setup_offer(waiting->setup, progress->refused, ours))
        setup_say("     %s", url_of(waiting) ? "Now tap Test configuration in Molly, or open Molly "
                                               "again: it registers anew."
                                             : "Now paste the line again.");
    return want != SETUP_IS_DONE;
}

static void wait_until(struct waiting *waiting, int64_t end_ms)
{
    char line[SETUP_ANSWER_SIZE];
    struct buf lines;
    buf_init(&lines, SETUP_LINES_MAX);
    while (step(waiting, &lines) && clock_ms() < end_ms) {
        enum setup_event event =
            setup_wait_for(waiting->setup, pause_ms(waiting), url_of(waiting) ? NULL : line);
        if (event == SETUP_INTERRUPTED)
            break;
        if (event == SETUP_LINE)
            add(waiting, line);
        explicit_bzero(line, sizeof line);
    }
    buf_fini(&lines);
}

static int end(const struct waiting *waiting)
{
    struct buf lines;
    const struct setup_progress *progress = &waiting->progress;
    buf_init(&lines, SETUP_LINES_MAX);
    setup_progress_end(progress, url_of(waiting), &lines);
    printf("\n");
    print_lines(&lines);
    buf_fini(&lines);
    setup_say("Later \"doorbell status\" shows how each account fares, \"doorbell doctor\" what "
              "is wrong and its remedy, and this can be run again at any time.");
    return progress->rung || progress->accepted ? CLI_DONE : CLI_NOT_DONE;
}

/* "10 minutes" */
static void say_waiting(int64_t ms)
{
    int64_t number = ms / 1000;
    const char *unit = "second";
    if (number && number % 3600 == 0) {
        number /= 3600;
        unit = "hour";
    } else if (number && number % 60 == 0) {
        number /= 60;
        unit = "minute";
    }
    setup_say("Waiting for the phone, for up to %lld %s%s; Ctrl-C ends it ...", (long long)number,
              unit, number == 1 ? "" : "s");
    fflush(stdout);
}

int setup_wait(struct setup *setup)
{
    struct waiting waiting = {.setup = setup};
    json_t *registrations, *status;
    int64_t now_ms = clock_ms();
    look(&waiting, &registrations, &status);
    setup_progress_begin(&waiting.progress, status, registrations, now_ms);
    forget(registrations, status);
    say_waiting(setup->words.wait_ms);
    setup->ends_ms = now_ms + setup->words.wait_ms;
    wait_until(&waiting, setup->ends_ms);
    int result = end(&waiting);
    setup_progress_fini(&waiting.progress);
    return result;
}
