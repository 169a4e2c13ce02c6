#include <langinfo.h>
#include <locale.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alert/overheard.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/options.h"
#include "control/client.h"
#include "doctor/diagnose.h"
#include "doctor/machine.h"
#include "doctor/report.h"
#include "doctor/running.h"
#include "web/certificate.h"
#include "web/listener.h"

/* Looks at the whole path and prints what it found. It changes nothing, rings nobody, and ends
 * within about 20 s, or 10 s more, whatever hangs. */

enum { PATIENCE_S = 5 };

const struct cli_option cli_doctor_options[] = {
    {NULL, "--json", NULL, "The same for programs."},
    {0},
};

static bool take_words(int argc, char **argv, bool *json)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    while ((option = options_next(&read, cli_doctor_options, &value)) >= 0)
        *json = true;
    if (option != OPTIONS_END)
        fprintf(stderr, "doorbell: doctor takes nothing but --json, and there is \"%s\".\n", value);
    return option == OPTIONS_END;
}

static json_t *status_of(struct cli *cli, const struct config *config, struct err *err)
{
    json_t *request = json_pack("{s:s}", "command", "status");
    json_t *answer = control_ask_within(config, request, PATIENCE_S, err);
    if (!answer && err->code == ERR_NOT_FOUND)
        answer = cli_ask(cli, request, err);
    json_decref(request);
    return cli_if_done(answer, err);
}

/* Most of these sentences have their remedy in them. */
static void add_no_status(struct findings *findings, const struct err *err)
{
    if (err->code == ERR_NOT_FOUND)
        findings_add(findings, SEVERITY_FAULT, "server", CLI_START_SERVER, "%s", err->text);
    else if (err->code == ERR_TIMEOUT)
        findings_add(findings, SEVERITY_FAULT, "server", "Restart it.",
                     "The running server has not answered for %d s: it hangs.", PATIENCE_S);
    else
        findings_add(findings, SEVERITY_FAULT, "server", NULL, "%s", err->text);
}

static void look_at_files(struct findings *findings, const struct config *config)
{
    struct err err;
    if (app_check_config(config, &err) != 0)
        findings_add(findings, SEVERITY_FAULT, "configuration", NULL, "%s", err.text);
    else
        findings_add(findings, SEVERITY_WELL, "configuration", NULL,
                     "All files that it names can be read.");
}

/* That of the file; 0: there is none, or it cannot be read, which is said of all files. */
static int64_t certificate_ends(const struct config *config)
{
    if (!config->web_enabled || !config->web_tls_cert)
        return 0;
    struct certificate *certificate =
        certificate_load(config->web_tls_cert, config->web_tls_key, NULL);
    int64_t ends_unix = certificate ? certificate->ends_unix : 0;
    certificate_free(certificate);
    return ends_unix;
}

/* The one in use, where a server runs: it may not have taken the newest. */
static void look_at_certificate(struct findings *findings, const struct config *config,
                                const json_t *status)
{
    const json_t *told = json_object_get(status, "certificate");
    int64_t ends_unix = json_integer_value(json_object_get(told, "ends"));
    diagnose_certificate(findings, told ? ends_unix : certificate_ends(config), clock_unix(),
                         config->alert_certificate_within_ms / 1000);
}

static void look_at_alerts(struct findings *findings, const struct config *config)
{
    char text[OVERHEARD_SIZE];
    if (alert_is_overheard(config, text))
        findings_add(findings, SEVERITY_WARNING, "alerts", OVERHEARD_ADVICE, "%s.", text);
}

/* Whether the next start of whoever signs with `file` takes the configuration's key: the same file,
 * or a credential of systemd's, which a command finds where it comes from and which wins over a key
 * beside the store. */
static bool is_followed(const struct config *config, const char *file)
{
    if (text_same(file, config->push_vapid_key_file))
        return true;
    if (!file || !config_is_credential(config, "push.vapid_key_file"))
        return false;
    char *beside = config_beside_store(config, "vapid.key");
    bool is_default = text_starts(file, "/run/credentials/") || strcmp(file, beside) == 0;
    free(beside);
    return is_default;
}

/* The running server's; empty: none runs, or its key is not where this configuration has it, as
 * where its unit has one of its own. */
static void ask_key(const struct config *config, char key[VAPID_PUBLIC_TEXT_SIZE], bool *elsewhere)
{
    struct err err;
    json_t *request = json_pack("{s:s}", "command", "key");
    json_t *answer = cli_if_done(control_ask_within(config, request, PATIENCE_S, &err), &err);
    const char *told = json_string_value(json_object_get(answer, "key"));
    const char *file = json_string_value(json_object_get(answer, "file"));
    *elsewhere = answer && !is_followed(config, file);
    snprintf(key, VAPID_PUBLIC_TEXT_SIZE, "%s", told && !*elsewhere ? told : "");
    json_decref(request);
    json_decref(answer);
}

/* What links phones, and what signs pushes from the next start on. */
static void look_at_key(struct findings *findings, const struct config *config,
                        const json_t *status)
{
    struct err err;
    struct key_facts facts = {.place = config->push_vapid_key_file};
    const json_t *bridge = json_object_get(status, "bridge");
    bool elsewhere;
    ask_key(config, facts.running, &elsewhere);
    if (elsewhere)
        return;
    facts.linked = json_integer_value(json_object_get(bridge, "accounts")) > 0;
    struct vapid *vapid = vapid_from_config(config, &err);
    facts.missing = !vapid && err.code == ERR_NOT_FOUND;
    if (vapid)
        snprintf(facts.next, sizeof facts.next, "%s", vapid_public_text(vapid));
    vapid_free(vapid);
    diagnose_key(findings, &facts);
}

/* NULL with a sentence: nothing could be looked at. */
static struct probe_facts *look_outside(const struct config *config, const json_t *status,
                                        const json_t *comparison, struct err *err)
{
    struct probe_facts *facts = mem_new(sizeof *facts); /* large for a stack */
    if (probes_run(facts, config, status, err) == 0) {
        running_mark(facts, config, status, comparison);
        return facts;
    }
    free(facts);
    return NULL;
}

/* Of the server that runs; or of one that is to be started, and could not. */
static void look_at_ports(struct findings *findings, const struct config *config,
                          const json_t *status, const struct err *err)
{
    struct err why;
    const json_t *running = json_object_get(json_object_get(status, "bridge"), "running");
    bool rests = status ? json_is_false(running) : err->code == ERR_NOT_FOUND;
    diagnose_deaf(findings, status);
    if (!rests || !config->web_enabled)
        return;
    for (size_t i = 0; i < config->web_listen.count; i++)
        if (listener_try(config->web_listen.items[i], &why) != 0)
            diagnose_port(findings, why.text);
}

/* First: by what is configured here the rest is judged. Before it what cannot be loaded: no reload
 * takes that. */
static void look_at_settings(struct findings *findings, const struct config *config, bool readable,
                             const json_t *status, const json_t *comparison,
                             const struct probe_facts *facts)
{
    if (readable)
        look_at_files(findings, config);
    if (status)
        diagnose_running(findings, config, status, comparison, facts);
}

/* By the store's word, where no server runs, a user may have been changed to: first. */
static void examine(struct findings *findings, struct cli *cli, const struct config *config)
{
    struct err err = {0}, blind = {0};
    struct machine_facts machine;
    uint8_t key[PSEUDONYM_KEY_SIZE]; /* of this report */
    json_t *status = status_of(cli, config, &err);
    json_t *comparison = status ? running_compare(config) : NULL;
    look_at_ports(findings, config, status, &err);
    struct probe_facts *facts = look_outside(config, status, comparison, &blind);
    machine_look(&machine, config->store_path);
    bool readable = !machine_is_of_another(&machine);
    randombytes_buf(key, sizeof key);
    look_at_settings(findings, config, readable, status, comparison, facts);
    if (status) {
        diagnose_accounts(findings, status, key, facts);
        diagnose_road(findings, status, facts);
        diagnose_seal(findings, status);
        diagnose_sandbox(findings, status);
    } else {
        add_no_status(findings, &err);
    }
    diagnose_machine(findings, &machine);
    if (readable)
        look_at_key(findings, config, status);
    look_at_certificate(findings, config, status);
    look_at_alerts(findings, config);
    if (facts)
        diagnose_path(findings, facts, status, key);
    else
        findings_add(findings, SEVERITY_UNCHECKED, "network", "Mend that first.",
                     "Nothing outside was looked at: %s", blind.text);
    if (status)
        diagnose_phones(findings, status, facts ? facts->public.linking : probes_linking(config));
    diagnose_running_first(findings);
    free(facts);
    json_decref(comparison);
    json_decref(status);
}

static bool shows_symbols(void)
{
    return isatty(STDOUT_FILENO) && setlocale(LC_CTYPE, "") &&
           strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void print(const struct findings *findings, bool json)
{
    if (!json) {
        report_print(stdout, findings, clock_unix(), shows_symbols());
        return;
    }
    json_t *report = report_json(findings, clock_unix());
    json_dumpf(report, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(report);
}

int cli_doctor(struct cli *cli, int argc, char **argv)
{
    bool json = false;
    if (!take_words(argc, argv, &json))
        return CLI_WRONG_WORDS;
    struct err err = {0};
    struct findings *findings = mem_new(sizeof *findings); /* large for a stack */
    struct config *config = config_load(&cli->sources, &err);
    if (config)
        examine(findings, cli, config);
    else
        findings_add(findings, SEVERITY_FAULT, "configuration", NULL, "%s", err.text);
    config_free(config);
    findings_sort(findings);
    print(findings, json);
    bool has_fault = findings->has_fault;
    free(findings);
    return has_fault ? CLI_NOT_DONE : CLI_DONE;
}
