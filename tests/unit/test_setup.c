/* What "doorbell setup" is made of and needs no server: its file as a layer of the configuration,
 * the record of registrations, the lines for proxies, and what it tells while it waits. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "bridge/arrivals.h"
#include "cli/setup_progress.h"
#include "config/internal.h"
#include "config/setup_file.h"
#include "folder.h"
#include "unit.h"
#include "web/proxy_snippets.h"

/* The file */

static char *no_environment[] = {NULL};
static const char store[] = "store.path=./doorbell.db";

/* `override` NULL: none. */
static struct config *load(const char *file, const char *defaults, char **environment,
                           const char *override, struct err *err)
{
    const char *overrides[] = {store, override};
    *err = (struct err){0};
    return config_load(&(struct config_sources){.file = file,
                                                .defaults = defaults,
                                                .environment = environment,
                                                .overrides = overrides,
                                                .override_count = override ? 2 : 1},
                       err);
}

static void expect_url(const char *file, char **environment, const char *override, const char *url)
{
    struct err err;
    struct config *config = load(file, "defaults.yaml", environment, override, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_str_eq(config->web_public_url, url);
    config_free(config);
}

START_TEST(every_other_source_but_the_package_wins_over_the_answers)
{
    struct folder folder;
    char *ours[] = {"DOORBELL_WEB_PUBLIC_URL=https://variable/", NULL};
    enter_folder(&folder);
    write_file("defaults.yaml", "web:\n  public_url: https://package/\n");
    write_file("empty.yaml", "");
    write_file("own.yaml", "web:\n  public_url: https://file/\n");
    expect_url("empty.yaml", no_environment, NULL, "https://package/");
    write_file("setup.yaml", "web:\n  public_url: https://answer/\n");
    expect_url("empty.yaml", no_environment, NULL, "https://answer/");
    expect_url("own.yaml", no_environment, NULL, "https://file/");
    expect_url("own.yaml", ours, NULL, "https://variable/");
    expect_url("own.yaml", ours, "web.public_url=https://line/", "https://line/");
    leave_folder(&folder);
}
END_TEST

START_TEST(mollysockets_file_and_variables_win_over_the_answers)
{
    struct folder folder;
    struct err err;
    char *mollys[] = {"MOLLY_ALLOWED_ENDPOINTS=[\"https://variable\"]", NULL};
    enter_folder(&folder);
    write_file("setup.yaml", "push:\n  allowed_endpoints: [\"https://answer\"]\n");
    write_file("empty.toml", "");
    write_file("molly.toml", "allowed_endpoints = [\"https://file\"]\n");
    const struct {
        const char *file, *expected;
        char **environment;
    } cases[] = {{"empty.toml", "https://answer", no_environment},
                 {"molly.toml", "https://file", no_environment},
                 {"empty.toml", "https://variable", mollys}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *config = load(cases[i].file, NULL, cases[i].environment, NULL, &err);
        ck_assert_msg(config != NULL, "%s", err.text);
        ck_assert_uint_eq(config->push_allowed_endpoints.count, 1);
        ck_assert_str_eq(config->push_allowed_endpoints.items[0], cases[i].expected);
        config_free(config);
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(a_value_says_that_it_comes_from_the_answers)
{
    struct folder folder;
    struct err err;
    enter_folder(&folder);
    write_file("empty.yaml", "");
    write_file("setup.yaml", "# a comment\nalert:\n  url: https://ntfy.example.org/topic\n");
    struct config *config = load("empty.yaml", NULL, no_environment, NULL, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_str_eq(config->places[schema_find("alert.url") - schema], "./setup.yaml:3");
    ck_assert(setup_file_decides(config, "alert.url"));
    ck_assert(!setup_file_decides(config, "web.public_url"));
    ck_assert(!setup_file_decides(config, "store.path"));
    config_free(config);
    leave_folder(&folder);
}
END_TEST

START_TEST(what_is_wrong_in_the_answers_stops_the_start)
{
    static const char *const cases[][2] = {
        {"web:\n  public_url: ftp://x/\n", "./setup.yaml:2: web.public_url: it must begin with"},
        {"\nweb:\n  publik_url: x\n", "./setup.yaml:3: key \"web.publik_url\" is not known"},
        {"store:\n  path: other.db\n", "./setup.yaml:2: store.path does not belong into the file"},
        {"push:\n  timeout: 3s\n", "./setup.yaml:2: push.timeout does not belong into the file"},
    };
    struct folder folder;
    struct err err;
    enter_folder(&folder);
    write_file("empty.yaml", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file("setup.yaml", cases[i][0]);
        ck_assert_ptr_null(load("empty.yaml", NULL, no_environment, NULL, &err));
        ck_assert_msg(strncmp(err.text, cases[i][1], strlen(cases[i][1])) == 0, "%s", err.text);
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(an_empty_answer_is_none_also_where_the_package_has_one)
{
    struct folder folder;
    struct err err;
    enter_folder(&folder);
    write_file("empty.yaml", "");
    write_file("package.yaml", "web: {public_url: https://package.example/}\n");
    write_file("setup.yaml", "web: {public_url: \"\"}\nalert: {url: \"\"}\n");
    struct config *config = load("empty.yaml", "package.yaml", no_environment, NULL, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_ptr_null(config->web_public_url);
    ck_assert_ptr_null(config->alert_url);
    config_free(config);
    leave_folder(&folder);
}
END_TEST

START_TEST(what_is_written_is_read_again_and_is_the_owners_alone)
{
    struct folder folder;
    struct err err;
    struct stat status;
    enter_folder(&folder);
    struct config *answers = setup_file_read("./setup.yaml", &err);
    ck_assert_ptr_nonnull(answers);
    ck_assert_int_eq(setup_file_set(answers, "web.public_url", "https://a.example/m%22y/", &err),
                     0);
    ck_assert_int_lt(setup_file_set(answers, "alert.url", "topic", &err), 0);
    ck_assert_int_eq(setup_file_allow(answers, answers, "https://ntfy.lan", &err), 0);
    ck_assert_int_eq(setup_file_allow(answers, answers, "https://ntfy.lan", &err), 0);
    ck_assert_int_eq(setup_file_write("./setup.yaml", "./doorbell.db", answers, &err), 0);
    config_free(answers);
    ck_assert_int_eq(stat("setup.yaml", &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    answers = setup_file_read("./setup.yaml", &err);
    ck_assert_msg(answers != NULL, "%s", err.text);
    ck_assert_str_eq(answers->web_public_url, "https://a.example/m%22y/");
    ck_assert_uint_eq(answers->push_allowed_endpoints.count, 2);
    ck_assert_str_eq(answers->push_allowed_endpoints.items[1], "https://ntfy.lan");
    ck_assert_ptr_null(answers->places[schema_find("alert.url") - schema]);
    ck_assert_int_eq(setup_file_set(answers, "web.public_url", NULL, &err), 0);
    ck_assert_int_eq(setup_file_write("./setup.yaml", "./doorbell.db", answers, &err), 0);
    config_free(answers);
    answers = setup_file_read("./setup.yaml", &err);
    ck_assert_ptr_null(answers->web_public_url);
    config_free(answers);
    leave_folder(&folder); /* which has nothing else in it */
}
END_TEST

START_TEST(where_it_cannot_be_written_the_folder_is_named)
{
    struct err err;
    struct config *answers = config_new();
    ck_assert_int_lt(setup_file_write("/nonexistent/setup.yaml", "./doorbell.db", answers, &err),
                     0);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/setup.yaml cannot be written: No such"));
    config_free(answers);
}
END_TEST

/* The record */

START_TEST(the_last_registrations_are_kept_in_order)
{
    struct arrivals arrivals = {0};
    ck_assert_ptr_null(arrivals_at(&arrivals, 0));
    arrivals_note(&arrivals, REGISTRATION_OK, ARRIVAL_PHONE, "4c98aabbcc", "https://ntfy.lan", "",
                  100);
    const struct arrival *first = arrivals_at(&arrivals, 0);
    ck_assert_uint_eq(first->number, 1);
    ck_assert_str_eq(first->pseudonym, "4c98aabbcc");
    ck_assert_int_eq(first->at_unix, 100);
    ck_assert_ptr_null(arrivals_at(&arrivals, 1));
    for (int i = 0; i < ARRIVALS_KEPT; i++)
        arrivals_note(&arrivals, REGISTRATION_FORBIDDEN, ARRIVAL_PHONE, NULL, "", "n\033o",
                      101 + i);
    ck_assert_uint_eq(arrivals_at(&arrivals, 0)->number, 2);
    ck_assert_str_eq(arrivals_at(&arrivals, 0)->pseudonym, "");
    ck_assert_str_eq(arrivals_at(&arrivals, 0)->why, "n?o");
    ck_assert_uint_eq(arrivals_at(&arrivals, ARRIVALS_KEPT - 1)->number, ARRIVALS_KEPT + 1);
    ck_assert_ptr_null(arrivals_at(&arrivals, ARRIVALS_KEPT));
}
END_TEST

/* The lines */

static void expect_lines(const char *server, const char *path, const char *expected)
{
    const struct proxy_snippet *snippet = proxy_snippet_of(server);
    ck_assert_ptr_nonnull(snippet);
    char *lines = proxy_snippet_lines(snippet, "push.example.org", path, "127.0.0.1:8020");
    ck_assert_str_eq(lines, expected);
    free(lines);
}

START_TEST(proxies_are_known_by_their_header_and_get_the_path)
{
    expect_lines("Caddy", "/", "push.example.org {\n    reverse_proxy 127.0.0.1:8020\n}");
    expect_lines("caddy", "/molly/",
                 "push.example.org {\n    handle_path /molly/* {\n"
                 "        reverse_proxy 127.0.0.1:8020 {\n"
                 "            header_up X-Original-URL \"/molly/\"\n        }\n    }\n}");
    expect_lines("Apache/2.4.62 (Debian)", "/molly/",
                 "# Once: a2enmod proxy_http headers\n<Location /molly/>\n"
                 "    ProxyPreserveHost On\n    ProxyPass http://127.0.0.1:8020/\n"
                 "    RequestHeader set X-Forwarded-Proto \"https\"\n"
                 "    RequestHeader set X-Original-URL \"/molly/\"\n</Location>");
    ck_assert_str_eq(proxy_snippet_of("nginx/1.22.1")->name, "nginx");
    ck_assert_str_eq(proxy_snippet_of_silent(0)->name, "HAProxy");
    ck_assert_str_eq(proxy_snippet_of_silent(503)->name, "HAProxy");
    ck_assert_str_eq(proxy_snippet_of_silent(404)->name, "Traefik");
    ck_assert_ptr_null(proxy_snippet_of(""));
    ck_assert_ptr_null(proxy_snippet_of("lighttpd"));
}
END_TEST

/* Without comments, empty lines and the name, by which two samples differ. */
static char *essence(const char *text, const char *host)
{
    struct buf kept;
    buf_init(&kept, 8192);
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "\n");
        if (length && *at != '#')
            buf_format(&kept, "%.*s\n", (int)length, at);
        at += length + (at[length] == '\n');
    }
    char *all = mem_copy((const char *)kept.bytes, kept.length);
    buf_fini(&kept);
    char *name = strstr(all, host);
    ck_assert_ptr_nonnull(name);
    memmove(name, name + strlen(host), strlen(name + strlen(host)) + 1);
    return all;
}

static char *read_sample(const char *name)
{
    char text[4096];
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    ck_assert_uint_lt(length, sizeof text);
    return mem_copy(text, length);
}

START_TEST(the_lines_for_traefik_are_its_samples)
{
    static const struct {
        const char *sample, *host, *path;
    } pairs[] = {{"config/proxies/traefik.yaml", "push.example.org", "/"},
                 {"config/proxies/traefik-path.yaml", "www.example.org", "/molly/"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *sample = read_sample(pairs[i].sample);
        char *lines = proxy_snippet_lines(proxy_snippet_of("Traefik"), "a.example.net",
                                          pairs[i].path, "127.0.0.1:8020");
        char *expected = essence(sample, pairs[i].host), *told = essence(lines, "a.example.net");
        ck_assert_str_eq(told, expected);
        free(expected);
        free(told);
        free(lines);
        free(sample);
    }
}
END_TEST

/* The wait. One step of it: what the server says, and what is told for that. */

static const char origin[] = "https://ntfy.lan";
static const char url[] = "https://push.example.org/";

struct world {
    struct setup_progress progress;
    struct buf lines;
    json_t *registrations, *status;
    int64_t now_ms;
};

/* Both with ' for ". */
static json_t *read_json(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));
static json_t *read_json(const char *format, va_list arguments)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, arguments);
    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    ck_assert_msg(json != NULL, "%s: %s", error.text, text);
    return json;
}

static json_t *json_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static json_t *json_of(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *json = read_json(format, arguments);
    va_end(arguments);
    return json;
}

static void says(struct world *world, json_t *status, json_t *registrations)
{
    json_decref(world->status);
    json_decref(world->registrations);
    world->status = status;
    world->registrations = registrations;
}

static json_t *no_account(void)
{
    return json_of("{'bridge': {'advice': []}, 'accounts': []}");
}

static json_t *no_registration(void)
{
    return json_of("{'registrations': []}");
}

/* `advice` is JSON. */
static json_t *account(const char *link, const char *endpoint, int rings, const char *advice)
{
    return json_of("{'bridge': {'advice': []}, 'accounts': [{'pseudonym': '4c98aabbcc', 'advice': "
                   "%s, 'link': {'state': '%s', 'proven': %s}, 'endpoint': {'origin': "
                   "'https://ntfy.lan', 'state': '%s'}, 'ring': {'count': %d, 'latency_ms': 42, "
                   "'status': 200}}]}",
                   advice, link, strcmp(link, "up") == 0 ? "true" : "false", endpoint, rings);
}

static json_t *registration(int number, const char *status, const char *why)
{
    bool ok = strcmp(status, "ok") == 0;
    return json_of("{'registrations': [{'number': %d, 'status': '%s', %s'origin': '%s', 'why': "
                   "'%s'}]}",
                   number, status, ok ? "'account': '4c98aabbcc', " : "", origin, why);
}

static void begin(struct world *world)
{
    *world = (struct world){.now_ms = 1000};
    buf_init(&world->lines, SETUP_LINES_MAX);
    says(world, no_account(), no_registration());
    setup_progress_begin(&world->progress, world->status, world->registrations, world->now_ms);
}

static void finish(struct world *world)
{
    setup_progress_fini(&world->progress);
    says(world, NULL, NULL);
    buf_fini(&world->lines);
}

static void expect_told(struct world *world, const char *expected)
{
    buf_add(&world->lines, "", 1);
    ck_assert_str_eq((const char *)world->lines.bytes, expected);
    buf_clear(&world->lines);
}

static void expect(struct world *world, enum setup_want want, const char *told)
{
    enum setup_want wanted = setup_progress_step(
        &world->progress, world->status, world->registrations, url, world->now_ms, &world->lines);
    ck_assert_int_eq(wanted, want);
    expect_told(world, told);
}

static void test_is_answered(struct world *world, bool accepted, int status, const char *text)
{
    json_t *answers = json_of("[{'accepted': %s, 'status': %d, 'text': '%s'}]",
                              accepted ? "true" : "false", status, text);
    setup_progress_tested(&world->progress, answers, 17, &world->lines);
    json_decref(answers);
}

static const char test_told[] = "[ok] push server https://ntfy.lan answered 200\n"
                                "[ok] test ring sent, 17 ms: did the phone show it?\n"
                                "Lock the phone and let somebody write to you.\n";

START_TEST(each_step_is_told_once_as_it_happens)
{
    struct world world;
    begin(&world);
    expect(&world, SETUP_WAITS, "");
    says(&world, account("connecting", "ok", 0, "null"), registration(1, "ok", ""));
    expect(&world, SETUP_WAITS, "[ok] phone registered (account 4c98aabbcc)\n");
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "ok", 0, "null"), registration(1, "ok", ""));
    expect(&world, SETUP_WANTS_TEST, "[ok] Signal accepted the device\n");
    test_is_answered(&world, true, 200, "");
    expect_told(&world, test_told);
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "ok", 0, "null"), registration(2, "ok", ""));
    expect(&world, SETUP_WAITS, ""); /* Molly repeats itself */
    says(&world, account("up", "ok", 1, "null"), registration(2, "ok", ""));
    expect(&world, SETUP_IS_DONE, "[ok] a message waits: rang after 42 ms, 200\n");
    ck_assert(world.progress.rung && world.progress.accepted);
    finish(&world);
}
END_TEST

START_TEST(an_account_from_before_counts_when_it_registers_again)
{
    struct world world = {.now_ms = 1000};
    buf_init(&world.lines, SETUP_LINES_MAX);
    says(&world, account("up", "ok", 5, "null"), registration(7, "ok", ""));
    setup_progress_begin(&world.progress, world.status, world.registrations, world.now_ms);
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "ok", 5, "null"), registration(8, "ok", ""));
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    test_is_answered(&world, true, 200, "");
    expect_told(&world, test_told);
    expect(&world, SETUP_WAITS, ""); /* its five rings are of before */
    says(&world, account("up", "ok", 6, "null"), registration(8, "ok", ""));
    expect(&world, SETUP_IS_DONE, "[ok] a message waits: rang after 42 ms, 200\n");
    finish(&world);
}
END_TEST

START_TEST(a_message_for_the_only_account_from_before_is_told_while_a_phone_is_waited_for)
{
    struct world world = {.now_ms = 1000};
    buf_init(&world.lines, SETUP_LINES_MAX);
    says(&world, account("up", "ok", 5, "null"), no_registration());
    setup_progress_begin(&world.progress, world.status, world.registrations, world.now_ms);
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "ok", 6, "null"), no_registration());
    expect(&world, SETUP_WAITS,
           "[ok] a message waits for account 4c98aabbcc, which was here before: rang after 42 ms, "
           "200. Still waiting for a phone.\n");
    says(&world, account("up", "ok", 7, "null"), no_registration());
    expect(&world, SETUP_WAITS, "");
    world.now_ms += SETUP_QUIET_MS;
    setup_progress_step(&world.progress, world.status, world.registrations, url, world.now_ms,
                        &world.lines);
    buf_add(&world.lines, "", 1);
    ck_assert_ptr_nonnull(strstr((const char *)world.lines.bytes, "No new phone has come yet."));
    buf_clear(&world.lines);
    setup_progress_end(&world.progress, url, &world.lines);
    expect_told(&world, "No new phone has rung yet: no phone came.\n");
    finish(&world);
}
END_TEST

/* The account of the others, another user's, and a third where `third`. */
static json_t *several(bool third)
{
    json_t *status = account("up", "ok", 5, "null");
    json_t *accounts = json_object_get(status, "accounts");
    const char *const more[] = {"aaaaaaaaaa", third ? "bbbbbbbbbb" : NULL};
    for (size_t i = 0; i < 2 && more[i]; i++) {
        json_t *other = json_deep_copy(json_array_get(accounts, 0));
        json_object_set_new(other, "pseudonym", json_string(more[i]));
        json_object_set_new(json_object_get(other, "ring"), "count", json_integer(0));
        json_array_append_new(accounts, other);
    }
    return status;
}

START_TEST(of_several_users_one_that_only_repeats_itself_is_not_taken_for_the_new_phone)
{
    struct world world = {.now_ms = 1000};
    buf_init(&world.lines, SETUP_LINES_MAX);
    says(&world, several(false), registration(7, "ok", ""));
    setup_progress_begin(&world.progress, world.status, world.registrations, world.now_ms);
    says(&world, several(false), registration(8, "ok", ""));
    expect(&world, SETUP_WAITS,
           "[..] A phone that was known already came (account 4c98aabbcc), as they do many times a "
           "day. Waiting for a new one, or one with another push server.\n");
    says(&world, several(false), registration(9, "ok", ""));
    expect(&world, SETUP_WAITS, "");
    json_t *rung = several(false);
    json_t *first = json_array_get(json_object_get(rung, "accounts"), 0);
    json_object_set_new(json_object_get(first, "ring"), "count", json_integer(6));
    says(&world, rung, registration(9, "ok", ""));
    expect(&world, SETUP_WAITS, ""); /* whose message it is, is not known */
    says(&world, several(true), registration(9, "ok", ""));
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account bbbbbbbbbb)\n[ok] Signal accepted the device\n");
    finish(&world);
}
END_TEST

START_TEST(a_new_phone_takes_the_place_of_one_that_only_repeated_itself)
{
    struct world world = {.now_ms = 1000};
    buf_init(&world.lines, SETUP_LINES_MAX);
    says(&world, account("up", "ok", 5, "null"), registration(7, "ok", ""));
    setup_progress_begin(&world.progress, world.status, world.registrations, world.now_ms);
    says(&world, account("up", "ok", 5, "null"), registration(8, "ok", ""));
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    test_is_answered(&world, true, 200, "");
    expect_told(&world, test_told);
    says(&world, several(false), registration(8, "ok", ""));
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account aaaaaaaaaa)\n[ok] Signal accepted the device\n");
    says(&world, several(true), registration(9, "ok", ""));
    test_is_answered(&world, true, 200, "");
    expect_told(&world, test_told);
    expect(&world, SETUP_WAITS, ""); /* the first new one stays */
    finish(&world);
}
END_TEST

START_TEST(a_phone_that_did_not_wait_for_the_word_is_found_among_the_accounts)
{
    struct world world;
    begin(&world);
    says(&world, account("up", "ok", 0, "null"), no_registration());
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    finish(&world);
}
END_TEST

START_TEST(what_is_known_is_from_the_first_answer)
{
    struct world world = {.now_ms = 1000};
    buf_init(&world.lines, SETUP_LINES_MAX);
    setup_progress_begin(&world.progress, NULL, NULL, world.now_ms);
    says(&world, account("up", "ok", 5, "null"), registration(7, "ok", ""));
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "ok", 5, "null"), registration(1, "ok", ""));
    expect(&world, SETUP_WANTS_TEST, /* of a server that was started anew */
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    finish(&world);
}
END_TEST

START_TEST(each_refusal_is_told_with_its_remedy)
{
    static const struct {
        const char *status, *why, *told;
        enum setup_want want;
    } cases[] = {
        {"forbidden", "the messenger's server refused the credentials",
         "[!!] a phone came, and was answered \"forbidden\": the messenger's server refused the "
         "credentials. -> In Molly choose another delivery service and then UnifiedPush again, so "
         "that it makes new credentials.\n",
         SETUP_WAITS},
        {"invalid_uuid", "accounts.allowed does not have this account id",
         "[!!] a phone came, and was answered \"invalid_uuid\": accounts.allowed does not have "
         "this account id. -> Add the id to accounts.allowed, or leave that setting out.\n",
         SETUP_WAITS},
        {"internal_error", "the messenger's server has not answered yet; the trial goes on",
         "[!!] a phone came, and was answered \"internal_error\": the messenger's server has not "
         "answered yet; the trial goes on. -> Nothing needs to be done: Molly asks again.\n",
         SETUP_WAITS},
        {"internal_error", "the messenger's server cannot be reached; the trial goes on",
         "[!!] a phone came, and was answered \"internal_error\": the messenger's server cannot be "
         "reached; the trial goes on. -> Let this machine reach Signal's server directly "
         "(\"doorbell "
         "doctor\" looks at the way), then tap Test configuration in Molly.\n",
         SETUP_WAITS},
        {"internal_error", "too many",
         "[!!] a phone came, and was answered \"internal_error\": too many. -> Tap Test "
         "configuration in Molly in a minute.\n",
         SETUP_WAITS},
        {"invalid_endpoint", "ntfy.lan is a name of the local network",
         "[!!] a phone came, but its push server was refused: ntfy.lan is a name of the local "
         "network.\n",
         SETUP_WANTS_ALLOWANCE},
    };
    struct world world;
    begin(&world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *arrival =
            json_pack("{s:[{s:i, s:s, s:s, s:s}]}", "registrations", "number", (int)i + 1, "status",
                      cases[i].status, "origin", origin, "why", cases[i].why);
        says(&world, no_account(), arrival);
        expect(&world, cases[i].want, cases[i].told);
        expect(&world, SETUP_WAITS, "");
    }
    ck_assert_str_eq(world.progress.refused, origin);
    finish(&world);
}
END_TEST

START_TEST(advice_is_told_when_it_changes)
{
    struct world world;
    begin(&world);
    says(&world, account("backing-off", "ok", 0, "'Signal cannot be reached.'"),
         registration(1, "ok", ""));
    expect(&world, SETUP_WAITS,
           "[ok] phone registered (account 4c98aabbcc)\n[!!] Signal cannot be reached.\n");
    expect(&world, SETUP_WAITS, "");
    says(&world, account("refused", "ok", 0, "'Signal unlinked it.'"), registration(1, "ok", ""));
    expect(&world, SETUP_WAITS, "[!!] Signal unlinked it.\n");
    json_t *status = no_account();
    json_array_append_new(json_object_get(json_object_get(status, "bridge"), "advice"),
                          json_string("The store cannot be written."));
    says(&world, status, no_registration());
    expect(&world, SETUP_WAITS, "[!!] The store cannot be written.\n");
    finish(&world);
}
END_TEST

START_TEST(a_test_that_failed_is_tried_again_once_something_changed)
{
    struct world world;
    begin(&world);
    says(&world, account("up", "ok", 0, "null"), registration(1, "ok", ""));
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    test_is_answered(&world, false, 403, "It refuses us (403)");
    expect_told(&world, "[!!] push server https://ntfy.lan: It refuses us (403). Then tap Test "
                        "configuration in Molly, or open Molly again: it is tried anew.\n");
    says(&world, account("up", "failing", 0, "'Mend it.'"), registration(1, "ok", ""));
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "failing", 0, "'Mend it.'"), registration(2, "ok", ""));
    expect(&world, SETUP_WANTS_TEST, ""); /* the phone came again */
    test_is_answered(&world, false, 0, "No answer");
    buf_clear(&world.lines);
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "ok", 0, "null"), registration(2, "ok", ""));
    expect(&world, SETUP_WANTS_TEST, ""); /* another push was accepted */
    ck_assert(!world.progress.accepted);
    finish(&world);
}
END_TEST

START_TEST(a_test_without_an_answer_is_not_repeated_by_itself)
{
    struct world world;
    begin(&world);
    says(&world, account("up", "ok", 0, "null"), registration(1, "ok", ""));
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    setup_progress_tested(&world.progress, NULL, 30000, &world.lines);
    expect_told(&world, "[!!] push server https://ntfy.lan: no answer came. Then tap Test "
                        "configuration in Molly, or open Molly again: it is tried anew.\n");
    expect(&world, SETUP_WAITS, "");
    says(&world, account("up", "ok", 0, "null"), registration(2, "ok", ""));
    expect(&world, SETUP_WANTS_TEST, "");
    finish(&world);
}
END_TEST

/* Up to where somebody is asked to write. */
static void become_ready(struct world *world)
{
    begin(world);
    says(world, account("up", "ok", 0, "null"), registration(1, "ok", ""));
    expect(world, SETUP_WANTS_TEST,
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    test_is_answered(world, true, 200, "");
    expect_told(world, test_told);
    expect(world, SETUP_WAITS, "");
}

static json_t *started(json_t *status, int at)
{
    json_object_set_new(json_object_get(status, "bridge"), "started", json_integer(at));
    return status;
}

/* The last messages of the account. */
static json_t *message(json_t *status, int at, bool urgent, int own_at)
{
    json_t *one = json_array_get(json_object_get(status, "accounts"), 0);
    json_object_set_new(one, "message",
                        json_pack("{s:i, s:b, s:i}", "at", at, "urgent", urgent, "own_at", own_at));
    return status;
}

static void expect_end(struct world *world, const char *address, const char *told)
{
    setup_progress_end(&world->progress, address, &world->lines);
    expect_told(world, told);
}

START_TEST(a_message_is_seen_although_the_server_was_started_anew_while_it_was_waited_for)
{
    struct world world = {.now_ms = 1000};
    buf_init(&world.lines, SETUP_LINES_MAX);
    says(&world, started(account("up", "ok", 5, "null"), 100), registration(7, "ok", ""));
    setup_progress_begin(&world.progress, world.status, world.registrations, world.now_ms);
    says(&world, started(account("up", "ok", 5, "null"), 100), registration(8, "ok", ""));
    expect(&world, SETUP_WANTS_TEST,
           "[ok] phone registered (account 4c98aabbcc)\n[ok] Signal accepted the device\n");
    test_is_answered(&world, true, 200, "");
    expect_told(&world, test_told);
    says(&world, started(account("up", "ok", 0, "null"), 200), no_registration());
    expect(&world, SETUP_WAITS, "");
    says(&world, started(account("up", "ok", 1, "null"), 200), no_registration());
    expect(&world, SETUP_IS_DONE, "[ok] a message waits: rang after 42 ms, 200\n");
    expect_end(&world, url, "All is well: messages ring the phone.\n");
    finish(&world);
}
END_TEST

START_TEST(messages_that_do_not_ring_are_told_once)
{
    struct world world;
    become_ready(&world);
    says(&world, message(account("up", "ok", 0, "null"), 0, false, 50), no_registration());
    expect(&world, SETUP_WAITS,
           "[..] Your own message came; own messages do not ring (wake.own_messages): let somebody "
           "else write.\n");
    says(&world, message(account("up", "ok", 0, "null"), 60, false, 55), no_registration());
    expect(&world, SETUP_WAITS, "[..] A message came that is not urgent; such ones do not ring.\n");
    world.now_ms += 2 * SETUP_QUIET_MS;
    says(&world, message(account("up", "ok", 0, "null"), 70, false, 75), no_registration());
    expect(&world, SETUP_WAITS, "");
    expect_end(&world, url,
               "The push server took a test ring; a message has not rung yet. Your own message "
               "came; own messages do not ring (wake.own_messages): let somebody else write.\n");
    says(&world, message(account("up", "failing", 0, "null"), 90, true, 75), no_registration());
    expect(&world, SETUP_WAITS, "");
    expect_end(&world, url,
               "The push server took a test ring; a message has not rung yet. One came, and no "
               "push server has taken its ring yet.\n");
    finish(&world);
}
END_TEST

START_TEST(messages_from_before_the_test_are_none_of_those_that_are_waited_for)
{
    struct world world;
    begin(&world);
    says(&world, message(account("connecting", "ok", 0, "null"), 40, false, 50),
         registration(1, "ok", ""));
    expect(&world, SETUP_WAITS, "[ok] phone registered (account 4c98aabbcc)\n");
    says(&world, message(account("up", "ok", 0, "null"), 41, false, 51), no_registration());
    expect(&world, SETUP_WANTS_TEST, "[ok] Signal accepted the device\n");
    test_is_answered(&world, true, 200, "");
    expect_told(&world, test_told);
    expect(&world, SETUP_WAITS, "");
    finish(&world);
}
END_TEST

START_TEST(where_no_message_comes_the_likely_cause_is_told_once)
{
    struct world world;
    become_ready(&world);
    world.now_ms += SETUP_QUIET_MS - 1;
    expect(&world, SETUP_WAITS, "");
    says(&world, account("backing-off", "ok", 0, "null"), no_registration());
    world.now_ms++;
    expect(&world, SETUP_WAITS, ""); /* nobody knows then what Signal has */
    expect_end(&world, url, "The push server took a test ring; a message has not rung yet.\n");
    says(&world, account("up", "ok", 0, "null"), no_registration());
    expect(&world, SETUP_WAITS,
           "[..] No message has come yet. Signal has nothing for this account: nobody wrote to it, "
           "or the message is still on the sender's phone. Still waiting.\n");
    world.now_ms += SETUP_QUIET_MS;
    expect(&world, SETUP_WAITS, "");
    expect_end(&world, url, "The push server took a test ring; a message has not rung yet.\n");
    finish(&world);
}
END_TEST

#define NO_UNIFIEDPUSH                                                                             \
    " If Molly's settings have no UnifiedPush, this Molly is itself a linked device, or is of a "  \
    "flavour that does without."

START_TEST(where_no_line_is_pasted_the_likely_cause_is_told_once)
{
    static const char why[] = "Molly shows the line to paste once it has scanned the code: it "
                              "begins with \"connection add\"." NO_UNIFIEDPUSH;
    struct world world;
    char hint[512], end[512];
    snprintf(hint, sizeof hint, "[..] No phone has been added yet. %s Still waiting.\n", why);
    snprintf(end, sizeof end, "Nothing has rung yet: no phone was added. %s\n", why);
    begin(&world);
    expect_end(&world, NULL, end);
    world.now_ms += SETUP_QUIET_MS;
    setup_progress_step(&world.progress, world.status, world.registrations, NULL, world.now_ms,
                        &world.lines);
    expect_told(&world, hint);
    expect_end(&world, NULL, "Nothing has rung yet: no phone was added.\n");
    finish(&world);
}
END_TEST

START_TEST(the_end_names_how_far_it_came)
{
    struct world world;
    begin(&world);
    expect_end(&world, url,
               "Nothing has rung yet: no phone came. Open https://push.example.org/ in the "
               "phone's browser: if that fails, the phone cannot reach this server." NO_UNIFIEDPUSH
               "\n");
    says(&world, no_account(), registration(1, "forbidden", "no"));
    setup_progress_step(&world.progress, world.status, world.registrations, url, world.now_ms,
                        &world.lines);
    buf_clear(&world.lines);
    expect_end(&world, url,
               "Nothing has rung yet: a phone came and was not taken; why stands above.\n");
    says(&world, account("connecting", "ok", 0, "null"), registration(2, "ok", ""));
    expect(&world, SETUP_WAITS, "[ok] phone registered (account 4c98aabbcc)\n");
    expect_end(&world, url,
               "Nothing has rung yet: a phone registered, but Signal has not accepted its device "
               "yet.\n");
    says(&world, account("up", "ok", 0, "null"), registration(2, "ok", ""));
    expect(&world, SETUP_WANTS_TEST, "[ok] Signal accepted the device\n");
    test_is_answered(&world, false, 403, "It refuses us (403)");
    buf_clear(&world.lines);
    expect_end(&world, url,
               "Nothing has rung yet: the push server did not take the test; why stands above.\n");
    finish(&world);
}
END_TEST

START_TEST(where_nothing_comes_the_likely_cause_is_told_once)
{
    struct world world;
    begin(&world);
    world.now_ms += SETUP_QUIET_MS - 1;
    expect(&world, SETUP_WAITS, "");
    world.now_ms++;
    expect(&world, SETUP_WAITS,
           "[..] No phone has come yet. Open https://push.example.org/ in the phone's browser: if "
           "that fails, the phone cannot reach this server. If Molly's settings have no "
           "UnifiedPush, this Molly is itself a linked device, or is of a flavour that does "
           "without. Still waiting.\n");
    world.now_ms += 10 * SETUP_QUIET_MS;
    expect(&world, SETUP_WAITS, "");
    finish(&world);
}
END_TEST

UNIT_MAIN("setup", every_other_source_but_the_package_wins_over_the_answers,
          mollysockets_file_and_variables_win_over_the_answers,
          a_value_says_that_it_comes_from_the_answers, what_is_wrong_in_the_answers_stops_the_start,
          an_empty_answer_is_none_also_where_the_package_has_one,
          what_is_written_is_read_again_and_is_the_owners_alone,
          where_it_cannot_be_written_the_folder_is_named, the_last_registrations_are_kept_in_order,
          proxies_are_known_by_their_header_and_get_the_path, the_lines_for_traefik_are_its_samples,
          each_step_is_told_once_as_it_happens,
          an_account_from_before_counts_when_it_registers_again,
          a_message_for_the_only_account_from_before_is_told_while_a_phone_is_waited_for,
          of_several_users_one_that_only_repeats_itself_is_not_taken_for_the_new_phone,
          a_new_phone_takes_the_place_of_one_that_only_repeated_itself,
          a_phone_that_did_not_wait_for_the_word_is_found_among_the_accounts,
          what_is_known_is_from_the_first_answer, each_refusal_is_told_with_its_remedy,
          advice_is_told_when_it_changes, a_test_that_failed_is_tried_again_once_something_changed,
          a_test_without_an_answer_is_not_repeated_by_itself,
          a_message_is_seen_although_the_server_was_started_anew_while_it_was_waited_for,
          messages_that_do_not_ring_are_told_once,
          messages_from_before_the_test_are_none_of_those_that_are_waited_for,
          where_no_message_comes_the_likely_cause_is_told_once,
          where_no_line_is_pasted_the_likely_cause_is_told_once, the_end_names_how_far_it_came,
          where_nothing_comes_the_likely_cause_is_told_once)
