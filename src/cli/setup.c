#include "cli/setup.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/options.h"
#include "config/setup_file.h"
#include "control/client.h"
#include "doctor/machine.h"
#include "doctor/report.h"
#include "doctor/running.h"

enum { WAIT_S = 600, WAIT_MOST_S = 7 * 24 * 3600, LINE_SIZE = 2048, MARK_WIDTH = 5 };

enum { OPTION_URL, OPTION_ALERT, OPTION_ALLOW, OPTION_WAIT, OPTION_QR, OPTION_NO_LINK };

const struct cli_option cli_setup_options[] = {
    [OPTION_URL] = {NULL, "--url", "URL",
                    "The https address under which phones reach this server, or none: then they "
                    "are added by hand."},
    [OPTION_ALERT] = {NULL, "--alert", "URL",
                      "Where to tell of trouble: an ntfy topic or another webhook, or none."},
    [OPTION_ALLOW] = {NULL, "--allow", "ORIGIN",
                      "A push server in a private network that may be rung; may be repeated."},
    [OPTION_WAIT] = {NULL, "--wait", "TIME",
                     "How long to wait for a phone, such as 90s, 10m or 600 (seconds): by default "
                     "ten minutes, or 0, not at all, without a terminal."},
    [OPTION_QR] = {NULL, "--qr", NULL, "Prints the code without a terminal, too."},
    [OPTION_NO_LINK] = {NULL, "--no-link", NULL, "Links no phone, and waits for none."},
    {0},
};

void setup_say(const char *format, ...)
{
    char text[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int mark = text[0] == '[' || text[0] == ' ' ? MARK_WIDTH : 0;
    printf("%.*s", mark, text);
    text_wrap(stdout, text + mark, mark, mark, terminal_columns(stdout));
}

/* Words */

/* Of what an option is followed by. */
static const char *const kinds[] = {
    [OPTION_URL] = "an https address such as https://push.example.org/, or none",
    [OPTION_ALERT] = "a web address such as https://ntfy.sh/my-alerts, or none",
    [OPTION_ALLOW] = "the address of a push server, such as https://ntfy.lan",
    [OPTION_WAIT] = "a time of up to a week, such as 90s, 10m or 600 (seconds)",
};

static int64_t seconds_of(const char *unit)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 24 * 3600}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0)
            return units[i].seconds;
    return 0;
}

static bool take_time(int64_t *ms, const char *text)
{
    char *unit;
    errno = 0;
    long long number = strtoll(text, &unit, 10);
    if (errno || unit == text || number < 0 || number > WAIT_MOST_S)
        return false;
    int64_t seconds = number * seconds_of(unit);
    if (!seconds_of(unit) || seconds > WAIT_MOST_S)
        return false;
    *ms = seconds * 1000;
    return true;
}

static bool take_option(struct setup_words *words, int option, const char *value)
{
    words->qr |= option == OPTION_QR;
    words->no_link |= option == OPTION_NO_LINK;
    if (option == OPTION_QR || option == OPTION_NO_LINK)
        return true;
    if (!value || !*value)
        return false;
    if (option == OPTION_URL)
        words->url = value;
    else if (option == OPTION_ALERT)
        words->alert = value;
    else if (option == OPTION_ALLOW && words->allow_count < SETUP_ALLOW_MOST)
        words->allow[words->allow_count++] = value;
    else
        return option == OPTION_WAIT && take_time(&words->wait_ms, value);
    return true;
}

static void tell_kind(const struct setup_words *words, int option)
{
    if (option == OPTION_ALLOW && words->allow_count == SETUP_ALLOW_MOST)
        fprintf(stderr, "doorbell: setup takes --allow at most %d times.\n", SETUP_ALLOW_MOST);
    else
        fprintf(stderr, "doorbell: setup needs %s behind %s.\n", kinds[option],
                cli_setup_options[option].whole);
}

static bool take_words(struct setup_words *words, int argc, char **argv)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    *words = (struct setup_words){.wait_ms = -1};
    while ((option = options_next(&read, cli_setup_options, &value)) >= 0)
        if (!take_option(words, option, value)) {
            tell_kind(words, option);
            return false;
        }
    if (option != OPTIONS_END)
        fprintf(stderr,
                "doorbell: setup takes --url URL, --alert URL, --allow ORIGIN, --wait TIME, --qr "
                "and --no-link, and there is \"%s\".\n",
                value);
    return option == OPTIONS_END;
}

/* The running server */

json_t *setup_request(const struct setup *setup, const char *command, const char *uuid,
                      struct err *err)
{
    json_t *request = json_pack("{s:s, s:s*}", "command", command, "uuid", uuid);
    json_t *answer = control_ask_within(setup->config, request, SETUP_PATIENCE_S, err);
    json_decref(request);
    return cli_if_done(answer, err);
}

/* Its sentence becomes that of a server that has not taken it. `before` NULL: there was no file. */
static int take_back(const struct setup *setup, const struct config *before, struct err *err)
{
    struct err failure = {0};
    if (!before)
        unlink(setup->file);
    else if (setup_file_write(setup->file, setup->config->store_path, before, &failure) != 0)
        setup_say("%s", failure.text);
    /* It may have read them, and only its answer was late. */
    json_decref(setup_request(setup, "reload", NULL, &failure));
    char *why = mem_text(err->text);
    err_set(err, ERR_REFUSED, "The running server did not take the answers, which are not kept: %s",
            why);
    free(why);
    return ERR_REFUSED;
}

static int load_again(struct setup *setup, struct err *err)
{
    struct config *config = config_load(&setup->cli->sources, err);
    json_t *answer = config ? setup_request(setup, "reload", NULL, err) : NULL;
    if (!answer) {
        config_free(config);
        return err->code;
    }
    json_decref(answer);
    config_free(setup->config);
    setup->config = config;
    return 0;
}

int setup_save(struct setup *setup, struct err *err)
{
    if (!setup->changed)
        return 0;
    bool was_there = access(setup->file, F_OK) == 0;
    struct config *before = setup_file_read(setup->file, err);
    if (!before)
        return err->code;
    int result = setup_file_write(setup->file, setup->config->store_path, setup->answers, err);
    if (result == 0 && load_again(setup, err) != 0)
        result = take_back(setup, was_there ? before : NULL, err);
    struct config *left = result == 0 ? before : setup->answers;
    if (result != 0)
        setup->answers = before; /* or what was refused would come with the next answer */
    config_free(left);
    setup->changed = false;
    return result;
}

/* What it finds */

/* What the server's own environment says wins over every answer, and is not known here. Where
 * alerts go is a secret, which belongs there: setup can do without. */
static int check_environment(struct setup *setup, const json_t *comparison, struct err *err)
{
    static const char *const asked[] = {"web.public_url", "push.allowed_endpoints"};
    const char *alerts = running_place(comparison, "alert.url");
    snprintf(setup->alerts_place, sizeof setup->alerts_place, "%s", alerts ? alerts : "");
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *place = running_place(comparison, asked[i]);
        if (place)
            return err_set(err, ERR_REFUSED,
                           "The running server has another %s from its own environment or command "
                           "line (%s), which wins over what is answered here. Run this with the "
                           "same environment and options, or write that into doorbell.yaml, which "
                           "both read.",
                           asked[i], place);
    }
    return 0;
}

static void print_faults(const struct setup *setup, const json_t *status, const json_t *comparison)
{
    struct err err;
    struct machine_facts machine;
    struct findings *findings = mem_new(sizeof *findings); /* large for a stack */
    diagnose_running(findings, setup->config, status, comparison, NULL);
    machine_look(&machine, setup->config->store_path);
    diagnose_machine(findings, &machine);
    if (!machine_is_of_another(&machine) && app_check_config(setup->config, &err) != 0)
        findings_add(findings, SEVERITY_FAULT, "configuration", NULL, "%s", err.text);
    findings_sort(findings);
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].severity <= SEVERITY_WARNING)
            report_print_finding(stdout, &findings->items[i], false);
    free(findings);
}

static void print_advice(const json_t *bridge)
{
    const json_t *advice = json_object_get(bridge, "advice");
    for (size_t i = 0; i < json_array_size(advice); i++)
        setup_say("[!!] %s", json_string_value(json_array_get(advice, i)));
}

static void say_accounts(const json_t *bridge)
{
    json_int_t count = json_integer_value(json_object_get(bridge, "accounts"));
    json_int_t up = json_integer_value(json_object_get(json_object_get(bridge, "by_state"), "up"));
    if (count)
        setup_say("It has %d account%s, of which %d %s connected to Signal.", (int)count,
                  count == 1 ? "" : "s", (int)up, up == 1 ? "is" : "are");
    else
        setup_say("It has no account yet.");
}

static void say_status(struct setup *setup, const json_t *status, const json_t *comparison)
{
    const struct config *config = setup->config;
    const json_t *bridge = json_object_get(status, "bridge");
    bool listens = config->web_enabled && config->web_listen.count;
    setup_say("Doorbell " DOORBELL_VERSION " runs and %s%s.",
              listens ? "listens on " : "has no web server",
              listens ? config->web_listen.items[0] : "");
    setup->sealed = json_is_true(json_object_get(status, "sealed"));
    setup->first = json_integer_value(json_object_get(bridge, "accounts")) == 0;
    say_accounts(bridge);
    print_advice(bridge);
    print_faults(setup, status, comparison);
    fflush(stdout);
}

static int say_found(struct setup *setup)
{
    struct err err;
    json_t *status = setup_request(setup, "status", NULL, &err);
    if (!status && err.code == ERR_NOT_FOUND)
        err_set(&err, ERR_NOT_FOUND, "No server runs here. " CLI_START_SERVER);
    if (!status)
        return cli_fail(&err);
    json_t *comparison = running_compare(setup->config);
    int result = check_environment(setup, comparison, &err);
    if (result == 0)
        say_status(setup, status, comparison);
    json_decref(comparison);
    json_decref(status);
    return result == 0 ? CLI_DONE : cli_fail(&err);
}

/* The steps */

/* Held, they are read where it suits, so that answers are taken whole and the end has its words. */
static void hold_interrupts(struct setup *setup, bool held)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (setup->interrupts < 0)
        setup->interrupts = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (setup->interrupts >= 0)
        sigprocmask(held ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static int settle(struct setup *setup)
{
    struct err err = {0};
    int result = setup_questions(setup, &err);
    bool answered = result == 0, changed = answered && setup->changed;
    if (answered)
        result = setup_save(setup, &err);
    else
        printf("Nothing was changed.\n");
    fflush(stdout);
    /* Whoever interrupts knows. */
    if (result != 0)
        return result == ERR_BUSY ? CLI_NOT_DONE : cli_fail(&err);
    if (changed)
        setup_say("Kept in %s, and loaded by the server.", setup->file);
    return CLI_DONE;
}

/* Where an alert goes was just said: whether it arrives shows now, or when it is missed. */
static void try_alert(const struct setup *setup)
{
    struct err err;
    char origin[URL_ORIGIN_SIZE];
    endpoint_origin(setup->config->alert_url, origin);
    json_t *answer = setup_request(setup, "try-alert", NULL, &err);
    if (answer)
        setup_say("[ok] a message was sent to %s: did it arrive?", origin);
    else
        setup_say("[!!] alerts do not reach %s: %s. The answer is kept: mend that, or give another "
                  "one with --alert.",
                  origin, err.text);
    json_decref(answer);
    fflush(stdout);
}

/* Whoever did not say how long may expect it to. */
static bool waits(struct setup *setup)
{
    bool is_said = setup->words.wait_ms >= 0;
    if (!is_said)
        setup->words.wait_ms = setup->asks ? WAIT_S * 1000 : 0;
    if (!is_said && !setup->words.wait_ms)
        setup_say("It does not wait for the phone here; \"doorbell setup --wait 10m\" does, and "
                  "\"doorbell status\" shows who registered.");
    return setup->words.wait_ms;
}

static int run(struct setup *setup)
{
    int status = say_found(setup);
    if (status != CLI_DONE)
        return status;
    char *alerts = mem_text(setup->config->alert_url);
    hold_interrupts(setup, true);
    status = settle(setup);
    bool told_elsewhere = setup->config->alert_url && !text_same(alerts, setup->config->alert_url);
    free(alerts);
    if (status != CLI_DONE)
        return status;
    hold_interrupts(setup, false); /* a check may take long, and changes nothing */
    setup_seal(setup, setup->sealed);
    if (told_elsewhere)
        try_alert(setup);
    setup_check(setup);
    if (setup->words.no_link)
        return CLI_DONE;
    status = setup_show_code(setup);
    if (status != CLI_DONE || !waits(setup))
        return status;
    hold_interrupts(setup, true);
    return setup_wait(setup);
}

int cli_setup(struct cli *cli, int argc, char **argv)
{
    struct setup setup = {.cli = cli, .interrupts = -1};
    struct err err;
    if (!take_words(&setup.words, argc, argv))
        return CLI_WRONG_WORDS;
    setup.config = cli_load_config(cli);
    if (!setup.config)
        return CLI_NOT_DONE;
    int status = CLI_NOT_DONE;
    setup.file = setup_file_path(setup.config);
    if (cli_become_user(setup.config, false, &err) == 0 &&
        (setup.answers = setup_file_read(setup.file, &err))) {
        setup.asks = isatty(STDIN_FILENO);
        status = run(&setup);
    } else {
        cli_fail(&err);
    }
    if (setup.interrupts >= 0)
        close(setup.interrupts);
    config_free(setup.answers);
    config_free(setup.config);
    free(setup.file);
    return status;
}
