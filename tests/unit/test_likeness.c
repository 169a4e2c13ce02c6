/* Which settings differ, without their values, and what a command makes of it. */
#include "config/likeness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/internal.h"
#include "config/schema.h"
#include "doctor/running.h"
#include "unit.h"

static struct config *written(const char *path, const char *value, const char *place)
{
    struct config *config = config_new();
    if (!path)
        return config;
    ck_assert_int_eq(schema_set(config, schema_find(path), value, NULL), 0);
    config_note_place(config, schema_find(path), place);
    return config;
}

static const struct likeness_files no_files;

/* As over the control socket. */
static json_t *compare(const struct config *here, const struct config *there)
{
    struct likeness_files files;
    likeness_read_files(&files, there);
    json_t *question = likeness_ask(here), *differ = likeness_answer(there, &files, question);
    ck_assert_ptr_nonnull(differ);
    json_decref(question);
    return json_pack("{s:b, s:o}", "done", 1, "differ", differ);
}

START_TEST(a_setting_of_any_kind_that_differs_is_named_and_no_other)
{
    static const struct {
        const char *path, *value;
    } cases[] = {{"alert.token", "tk_secret"},    {"web.enabled", "no"},  {"accounts.max", "7"},
                 {"push.timeout", "7s"},          {"net.family", "ipv4"}, {"push.denied", "a.lan"},
                 {"web.public_url", "https://x/"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *here = written(NULL, NULL, NULL);
        struct config *there = written(cases[i].path, cases[i].value, "doorbell.yaml:7");
        json_t *answer = compare(here, there), *same = compare(there, there);
        const json_t *differ = json_object_get(answer, "differ");
        ck_assert_uint_eq(json_array_size(json_object_get(same, "differ")), 0);
        ck_assert_uint_eq(json_array_size(differ), 1);
        const json_t *first = json_array_get(differ, 0);
        ck_assert_str_eq(json_string_value(json_object_get(first, "setting")), cases[i].path);
        ck_assert_str_eq(json_string_value(json_object_get(first, "place")), "doorbell.yaml:7");
        json_decref(same);
        json_decref(answer);
        config_free(here);
        config_free(there);
    }
}
END_TEST

START_TEST(lists_are_told_apart_by_where_their_members_end)
{
    struct config *here = written("push.denied", "a.lan, b.lan", "x");
    struct config *there = written("push.denied", "a.lanb.lan", "x");
    json_t *answer = compare(here, there);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "differ")), 1);
    json_decref(answer);
    config_free(here);
    config_free(there);
}
END_TEST

START_TEST(neither_question_nor_answer_has_a_value_and_no_two_questions_are_alike)
{
    struct config *here = written("alert.token", "tk_ofTheOperator", "DOORBELL_ALERT_TOKEN");
    struct config *there = written("alert.token", "tk_ofAnother", "DOORBELL_ALERT_TOKEN");
    json_t *one = likeness_ask(here), *other = likeness_ask(here);
    json_t *answer = likeness_answer(there, &no_files, one);
    char *question = json_dumps(one, 0), *answered = json_dumps(answer, 0);
    ck_assert_ptr_null(strstr(question, "tk_of"));
    ck_assert_ptr_null(strstr(answered, "tk_of"));
    for (size_t i = 0; i < schema_count; i++) {
        const json_t *a = json_object_get(json_object_get(one, "digests"), schema[i].path);
        const json_t *b = json_object_get(json_object_get(other, "digests"), schema[i].path);
        ck_assert_str_ne(json_string_value(a), json_string_value(b));
    }
    free(question);
    free(answered);
    json_decref(answer);
    json_decref(one);
    json_decref(other);
    config_free(here);
    config_free(there);
}
END_TEST

START_TEST(a_question_that_makes_no_sense_has_no_answer)
{
    static const char *const questions[] = {
        "{}", "{\"digests\": {}}", "{\"key\": \"00\", \"digests\": {}}",
        "{\"key\": 7, \"digests\": {}}",
        "{\"key\": \"zz\", \"digests\": {\"push.timeout\": \"00\"}}"};
    struct config *config = written(NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        json_t *question = json_loads(questions[i], 0, NULL);
        ck_assert_ptr_null(likeness_answer(config, &no_files, question));
        json_decref(question);
    }
    config_free(config);
}
END_TEST

START_TEST(what_only_one_of_the_two_knows_is_no_difference)
{
    struct config *here = written(NULL, NULL, NULL);
    struct config *there = written("push.timeout", "7s", "x");
    json_t *question = likeness_ask(here);
    json_t *digests = json_object_get(question, "digests");
    json_object_set_new(digests, "push.of_a_later_version", json_string("00"));
    json_object_del(digests, "push.timeout");
    json_t *differ = likeness_answer(there, &no_files, question);
    ck_assert_uint_eq(json_array_size(differ), 0);
    json_decref(differ);
    json_decref(question);
    config_free(here);
    config_free(there);
}
END_TEST

/* Files */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(what_is_in_a_file_now_is_compared_with_what_was_in_it_when_it_was_loaded)
{
    static const char *const settings[] = {"push.ca_file", "push.headers_file"};
    char folder[] = "/tmp/likeness-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct config *config = written(settings[i], path, "DOORBELL_PUSH_FILE");
        struct likeness_files loaded;
        write_file(path, "tk_ofBefore");
        likeness_read_files(&loaded, config);
        json_t *question = likeness_ask(config);
        json_t *differ = likeness_answer(config, &loaded, question);
        ck_assert_uint_eq(json_array_size(differ), 0);
        json_decref(differ);
        json_decref(question);
        write_file(path, "tk_ofNow");
        question = likeness_ask(config);
        differ = likeness_answer(config, &loaded, question);
        ck_assert_uint_eq(json_array_size(differ), 1);
        json_t *comparison = json_pack("{s:O}", "differ", differ);
        struct findings findings = {0};
        diagnose_running(&findings, config, NULL, comparison, NULL);
        ck_assert_uint_eq(findings.count, 1);
        ck_assert_ptr_nonnull(strstr(findings.items[0].what, settings[i]));
        ck_assert_ptr_nonnull(strstr(findings.items[0].what, " (what is in that file)."));
        ck_assert_ptr_nonnull(strstr(findings.items[0].fix, "Reload it"));
        json_decref(comparison);
        json_decref(differ);
        json_decref(question);
        unlink(path);
        question = likeness_ask(config); /* it cannot be read here: nobody knows */
        differ = likeness_answer(config, &loaded, question);
        ck_assert_uint_eq(json_array_size(differ), 0);
        json_decref(differ);
        json_decref(question);
        config_free(config);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* What is said */

struct sides {
    const char *path, *here, *here_place, *there, *there_place; /* NULL: the default */
};

static void diagnose(struct findings *findings, const struct sides *sides, json_t *status)
{
    struct config *here = written(sides->here ? sides->path : NULL, sides->here, sides->here_place);
    struct config *there =
        written(sides->there ? sides->path : NULL, sides->there, sides->there_place);
    json_t *comparison = compare(here, there);
    *findings = (struct findings){0};
    diagnose_running(findings, here, status, comparison, NULL);
    json_decref(comparison);
    config_free(here);
    config_free(there);
}

START_TEST(where_a_difference_comes_from_says_what_to_do)
{
    static const struct {
        struct sides sides;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {{"push.denied", "a.lan", "doorbell.yaml:3", NULL, NULL},
         SEVERITY_WARNING,
         "It has not loaded what is configured here: it has another push.denied.",
         "Reload it (systemctl reload"},
        {{"push.denied", NULL, NULL, "a.lan", "doorbell.yaml:3"},
         SEVERITY_WARNING,
         "another push.denied.",
         "Reload it"},
        {{"web.listen", "127.0.0.1:1", "doorbell.yaml:3", NULL, NULL},
         SEVERITY_WARNING,
         "another web.listen.",
         "Restart it (systemctl restart"},
        {{"alert.url", NULL, NULL, "https://a.example/", "DOORBELL_ALERT_URL"},
         SEVERITY_UNCHECKED,
         "another alert.url (DOORBELL_ALERT_URL), which this command does not",
         "Run this with the same environment"},
        {{"push.denied", NULL, NULL, "a.lan", "command line"},
         SEVERITY_UNCHECKED,
         "another push.denied (command line), which",
         "Run this with the same"},
        {{"alert.url", "https://a.example/", "DOORBELL_ALERT_URL", NULL, NULL},
         SEVERITY_WARNING,
         "This command has another alert.url (DOORBELL_ALERT_URL)",
         "Take that"},
        {{"log.level", "debug", "doorbell.yaml:3", NULL, NULL},
         SEVERITY_WARNING,
         "another log.level.",
         "Reload it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings;
        diagnose(&findings, &cases[i].sides, NULL);
        const struct finding *finding = &findings.items[0];
        ck_assert_uint_eq(findings.count, 1);
        ck_assert_int_eq(finding->severity, cases[i].severity);
        ck_assert_msg(strstr(finding->what, cases[i].what), "%s", finding->what);
        ck_assert_msg(strstr(finding->fix, cases[i].fix), "%s", finding->fix);
    }
}
END_TEST

START_TEST(what_is_told_elsewhere_or_changes_nothing_is_not_told)
{
    static const struct sides cases[] = {
        {"push.vapid_key_file", NULL, NULL, "/run/credentials/vapid.key", "credential vapid.key"},
        {"push.vapid_key_file", "/etc/credstore/k", "credential vapid.key", NULL, NULL},
        {"log.level", "debug", "command line", NULL, NULL},
        {"log.level", NULL, NULL, "debug", "RUST_LOG"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings;
        diagnose(&findings, &cases[i], NULL);
        ck_assert_msg(findings.count == 0, "%zu: %s", i, findings.items[0].what);
    }
}
END_TEST

static json_t *refused(const char *why, bool for_restart)
{
    return json_pack("{s:{s:i, s:s, s:b}}", "refused_reload", "at", 7, "why", why, "for_restart",
                     for_restart);
}

START_TEST(a_refused_reload_is_told_with_its_sentence_also_where_nothing_differs)
{
    static const struct sides differs = {"push.denied", "a.lan", "doorbell.yaml:3", NULL, NULL},
                              same = {"push.denied", NULL, NULL, NULL, NULL};
    struct findings findings;
    json_t *status = refused("push.ca_file: restart it", true);
    diagnose(&findings, &differs, status);
    ck_assert_uint_eq(findings.count, 1);
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, "was refused: push.ca_file: restart it."));
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, "other than here are push.denied."));
    ck_assert_ptr_nonnull(strstr(findings.items[0].fix, "Restart it"));
    json_decref(status);
    status = refused("push.timeout: it is empty", false);
    diagnose(&findings, &same, status);
    ck_assert_uint_eq(findings.count, 1);
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, "stays in force."));
    ck_assert_ptr_nonnull(strstr(findings.items[0].fix, "Mend that and reload it"));
    json_decref(status);
}
END_TEST

START_TEST(what_is_not_in_force_is_to_be_mended_before_other_faults)
{
    static const struct sides sides = {"push.denied", "a.lan", "doorbell.yaml:3", NULL, NULL};
    struct findings findings;
    diagnose(&findings, &sides, NULL);
    diagnose_running_first(&findings);
    ck_assert(!findings.has_fault);
    findings_add(&findings, SEVERITY_FAULT, "accounts", NULL, "Nobody is rung.");
    diagnose_running_first(&findings);
    findings_sort(&findings);
    ck_assert_str_eq(findings.items[0].subject, "running server");
    ck_assert_int_eq(findings.items[0].severity, SEVERITY_FAULT);
}
END_TEST

START_TEST(more_settings_than_fit_into_a_sentence_are_counted)
{
    struct config *here = config_new(), *there = config_new();
    struct findings findings = {0};
    for (size_t i = 0, taken = 0; i < schema_count && taken < 8; i++) {
        if (schema[i].type != SETTING_BOOL && schema[i].type != SETTING_DURATION)
            continue;
        bool is_bool = schema[i].type == SETTING_BOOL;
        bool now = is_bool && *(bool *)(void *)((char *)here + schema[i].offset);
        ck_assert_int_eq(schema_set(here, &schema[i],
                                    !is_bool ? "59s"
                                    : now    ? "false"
                                             : "true",
                                    NULL),
                         0);
        config_note_place(here, &schema[i], "doorbell.yaml:1");
        taken++;
    }
    json_t *comparison = compare(here, there);
    size_t differ = json_array_size(json_object_get(comparison, "differ"));
    char end[32];
    diagnose_running(&findings, here, NULL, comparison, NULL);
    ck_assert_uint_gt(differ, 5);
    snprintf(end, sizeof end, " and %zu more.", differ - 5);
    ck_assert_msg(strstr(findings.items[0].what, end), "%s", findings.items[0].what);
    json_decref(comparison);
    config_free(here);
    config_free(there);
}
END_TEST

/* What follows for what was looked at by other settings */

static struct probe_facts *marked(const struct sides *sides, enum visit_end end, const char *why,
                                  bool rung)
{
    struct config *here = written(sides->here ? sides->path : NULL, sides->here, sides->here_place);
    struct config *there =
        written(sides->there ? sides->path : NULL, sides->there, sides->there_place);
    json_t *comparison = compare(here, there);
    json_t *status = json_pack("{s:[{s:{s:s, s:s, s:i}}]}", "accounts", "endpoint", "origin",
                               "https://a.lan", "state", "ok", "accepted", rung ? 7 : 0);
    struct probe_facts *facts = calloc(1, sizeof *facts);
    snprintf(facts->origins[0].origin, sizeof facts->origins[0].origin, "https://a.lan");
    facts->origin_count = 1;
    facts->origins[0].visit.end = facts->alerts.visit.end = end;
    facts->signal.roads[ROAD_HTTP1].v4.end = end;
    facts->signal.roads[ROAD_HTTP1].v4.status = 499;
    snprintf(facts->origins[0].visit.why, sizeof facts->origins[0].visit.why, "%s", why);
    running_mark(facts, here, status, comparison);
    json_decref(status);
    json_decref(comparison);
    config_free(here);
    config_free(there);
    return facts;
}

START_TEST(what_other_settings_decide_is_not_held_against_the_running_server)
{
    static const struct sides file = {"push.allowed_endpoints", "*", "doorbell.yaml:3",
                                      "https://a.lan", "doorbell.yaml:3"},
                              theirs = {"push.allowed_endpoints", NULL, NULL, "https://a.lan",
                                        "DOORBELL_PUSH_ALLOWED"},
                              ours = {"push.allowed_endpoints", "https://b.lan",
                                      "DOORBELL_PUSH_ALLOWED", NULL, NULL},
                              roots = {"push.ca_file", NULL, NULL, "/ca.pem",
                                       "DOORBELL_PUSH_CA_FILE"},
                              place = {"push.connect_to", NULL, NULL, "a.lan=127.0.0.1",
                                       "command line"},
                              denied = {"push.denied", "a.lan", "DOORBELL_PUSH_DENIED", NULL, NULL},
                              other = {"push.timeout", NULL, NULL, "7s", "DOORBELL_PUSH_TIMEOUT"};
    static const char private[] = "a.lan has the private address 10.0.0.1; to allow it add "
                                  "\"https://a.lan\" to push.allowed_endpoints",
                      entry[] = "a.lan is forbidden by the entry \"a.lan\" of push.denied",
                      blocked[] = "a.lan is at 0.0.0.0, as what blocks names answers; no setting "
                                  "allows it";
    static const struct {
        const struct sides *sides;
        enum visit_end end;
        const char *why;
        bool rung;
        enum judged judged;
    } cases[] = {
        {&file, VISIT_DENIED, private, true, JUDGED_NOT_LOADED},
        {&file, VISIT_DENIED, private, false, JUDGED_ALIKE}, /* no sign that it is any better now */
        {&file, VISIT_DENIED, blocked, true, JUDGED_ALIKE},
        {&file, VISIT_DENIED, entry, true, JUDGED_ALIKE},
        {&file, VISIT_NO_CONNECT, "", true, JUDGED_ALIKE},
        {&file, VISIT_ANSWERED, "", true, JUDGED_ALIKE},
        {&theirs, VISIT_DENIED, private, false, JUDGED_OTHERWISE},
        {&theirs, VISIT_DENIED, blocked, false, JUDGED_ALIKE},
        {&ours, VISIT_DENIED, private, false, JUDGED_OTHERWISE},
        {&denied, VISIT_DENIED, entry, false, JUDGED_OTHERWISE},
        {&denied, VISIT_DENIED, private, false, JUDGED_ALIKE},
        {&roots, VISIT_NO_TLS, "", false, JUDGED_OTHERWISE},
        {&roots, VISIT_DENIED, private, false, JUDGED_ALIKE},
        {&place, VISIT_NO_ADDRESS, "", false, JUDGED_OTHERWISE},
        {&place, VISIT_DENIED, blocked, false, JUDGED_OTHERWISE},
        {&place, VISIT_NOT_MADE, "", false, JUDGED_ALIKE},
        {&other, VISIT_NO_ANSWER, "", false, JUDGED_ALIKE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct probe_facts *facts =
            marked(cases[i].sides, cases[i].end, cases[i].why, cases[i].rung);
        ck_assert_msg(facts->origins[0].judged == cases[i].judged, "%zu: %d", i,
                      facts->origins[0].judged);
        ck_assert_int_eq(facts->signal.judged, JUDGED_ALIKE);
        free(facts);
    }
}
END_TEST

START_TEST(what_a_reload_would_silence_is_to_be_mended_before_it)
{
    static const struct sides sides = {"push.denied", "a.lan", "doorbell.yaml:3", NULL, NULL};
    struct config *here = written(sides.path, sides.here, sides.here_place), *there = config_new();
    struct probe_facts *facts = marked(&sides, VISIT_DENIED, "push.denied", true);
    json_t *comparison = compare(here, there),
           *status = refused("push.timeout: it is empty", false);
    struct findings findings = {0};
    diagnose_running(&findings, here, NULL, comparison, facts);
    ck_assert_ptr_nonnull(strstr(findings.items[0].fix, "First mend what is told of a push"));
    ck_assert_ptr_nonnull(strstr(findings.items[0].fix, " Reload it (systemctl"));
    diagnose_running(&findings, here, status, comparison, facts);
    ck_assert_ptr_nonnull(strstr(findings.items[1].fix, "First mend what is told of a push"));
    json_decref(status);
    json_decref(comparison);
    free(facts);
    config_free(here);
    config_free(there);
}
END_TEST

START_TEST(how_signal_is_met_by_another_client_is_not_held_against_the_running_server)
{
    static const struct sides theirs = {"signal.user_agent", NULL, NULL, "Newer/1",
                                        "DOORBELL_SIGNAL_USER_AGENT"},
                              file = {"signal.user_agent", "Newer/1", "doorbell.yaml:3", NULL,
                                      NULL},
                              roots = {"signal.ca_file", NULL, NULL, "/ca.pem",
                                       "DOORBELL_SIGNAL_CA_FILE"},
                              url = {"signal.url", NULL, NULL, "wss://other.lan/",
                                     "DOORBELL_SIGNAL_URL"},
                              road = {"signal.transport", "http1", "doorbell.yaml:3", "http2",
                                      "DOORBELL_SIGNAL_TRANSPORT"},
                              other_road = {"signal.http2_url", NULL, NULL, "https://other.lan/",
                                            "DOORBELL_SIGNAL_HTTP2_URL"};
    static const struct {
        const struct sides *sides;
        enum visit_end end;
        enum judged judged;
    } cases[] = {{&theirs, VISIT_ANSWERED, JUDGED_OTHERWISE},
                 {&theirs, VISIT_NO_CONNECT, JUDGED_ALIKE}, /* whatever client it is */
                 {&file, VISIT_ANSWERED, JUDGED_ALIKE},
                 {&roots, VISIT_NO_TLS, JUDGED_OTHERWISE},
                 {&roots, VISIT_ANSWERED, JUDGED_ALIKE},
                 {&url, VISIT_NO_CONNECT, JUDGED_OTHERWISE},
                 {&road, VISIT_NO_CONNECT, JUDGED_OTHERWISE},
                 {&other_road, VISIT_NO_CONNECT, JUDGED_ALIKE}}; /* which was not visited */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct probe_facts *facts = marked(cases[i].sides, cases[i].end, "", false);
        ck_assert_msg(facts->signal.judged == cases[i].judged, "%zu: %d", i, facts->signal.judged);
        free(facts);
    }
}
END_TEST

UNIT_MAIN("likeness", a_setting_of_any_kind_that_differs_is_named_and_no_other,
          lists_are_told_apart_by_where_their_members_end,
          neither_question_nor_answer_has_a_value_and_no_two_questions_are_alike,
          a_question_that_makes_no_sense_has_no_answer,
          what_only_one_of_the_two_knows_is_no_difference,
          what_is_in_a_file_now_is_compared_with_what_was_in_it_when_it_was_loaded,
          what_other_settings_decide_is_not_held_against_the_running_server,
          what_a_reload_would_silence_is_to_be_mended_before_it,
          how_signal_is_met_by_another_client_is_not_held_against_the_running_server,
          where_a_difference_comes_from_says_what_to_do,
          what_is_told_elsewhere_or_changes_nothing_is_not_told,
          a_refused_reload_is_told_with_its_sentence_also_where_nothing_differs,
          what_is_not_in_force_is_to_be_mended_before_other_faults,
          more_settings_than_fit_into_a_sentence_are_counted)
