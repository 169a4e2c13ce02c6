#include <stdio.h>
#include <time.h>

#include "cli/add_line.h"
#include "cli/options.h"

static bool print_ping(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "text"));
    bool accepted = json_is_true(json_object_get(answer, "accepted"));
    if (accepted)
        printf("The push server accepted a test push; the phone should show it now.\n");
    else
        fprintf(stderr, "doorbell: The test push was not accepted: %s\n", text ? text : "");
    return accepted;
}

static int ping(struct cli *cli, const char *uuid)
{
    json_t *answer = cli_ask_done(cli, json_pack("{s:s, s:s}", "command", "ping", "uuid", uuid));
    if (!answer)
        return CLI_NOT_DONE;
    const json_t *answers = json_object_get(answer, "answers");
    int status = CLI_DONE;
    for (size_t i = 0; i < json_array_size(answers); i++)
        if (!print_ping(json_array_get(answers, i)))
            status = CLI_NOT_DONE;
    json_decref(answer);
    return status;
}

/* Takes over `request`. */
static int add(struct cli *cli, json_t *request, const char *uuid)
{
    json_t *answer = cli_ask_done(cli, request);
    if (!answer)
        return CLI_NOT_DONE;
    json_decref(answer);
    printf("Connection for %s added.\n", uuid);
    fflush(stdout);
    ping(cli, uuid); /* the account is added whether or not its push server answers */
    return CLI_DONE;
}

static int run_add(struct cli *cli, int argc, char **argv)
{
    struct add_line line = {0};
    struct err err;
    add_line_take(&line, argc, argv);
    json_t *request = add_line_request(&line, &err);
    int status = CLI_WRONG_WORDS;
    if (request)
        status = add(cli, request, line.items[0]);
    else
        cli_fail(&err);
    add_line_fini(&line);
    return status;
}

/* A server of an earlier version has the name of the state alone. */
static const char *endpoint_words(const json_t *account)
{
    const char *words = json_string_value(json_object_get(account, "endpoint_words"));
    return words ? words : json_string_value(json_object_get(account, "endpoint_state"));
}

static void print_account(const json_t *account, bool anonymized)
{
    const char *name =
        json_string_value(json_object_get(account, anonymized ? "pseudonym" : "uuid"));
    json_int_t owed = json_integer_value(json_object_get(account, "owed_since"));
    const char *password = json_string_value(json_object_get(account, "password"));
    printf("%s  device %d  %s  endpoint %s at %s%s%s%s\n", name ? name : "?",
           (int)json_integer_value(json_object_get(account, "device")),
           json_string_value(json_object_get(account, "state")), endpoint_words(account),
           json_string_value(json_object_get(account, "endpoint")), owed ? "  owed a ring" : "",
           password ? "  password " : "", password ? password : "");
}

static void print_timeline(const json_t *account)
{
    const json_t *entries = json_object_get(account, "timeline");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        time_t at = (time_t)json_integer_value(json_object_get(entry, "at"));
        struct tm local;
        char when[32];
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &local));
        printf("    %s  %s\n", when, json_string_value(json_object_get(entry, "text")));
    }
}

enum { LIST_TIMELINE, LIST_ANONYMIZED, LIST_SECRETS, LIST_OPTIONS };

static const struct cli_option list_options[] = {
    [LIST_TIMELINE] = {"-t", "--timeline", NULL, "What happened to each account last."},
    [LIST_ANONYMIZED] = {"-a", "--anonymized", NULL, "Pseudonyms instead of account ids."},
    [LIST_SECRETS] = {NULL, "--show-secrets", NULL, "Passwords and whole endpoints, too."},
    [LIST_OPTIONS] = {0},
};

static bool take_list_options(int given[LIST_OPTIONS], int argc, char **argv)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    while ((option = options_next(&read, list_options, &value)) >= 0)
        given[option] = 1;
    return option == OPTIONS_END && !(given[LIST_ANONYMIZED] && given[LIST_SECRETS]);
}

static int run_list(struct cli *cli, int argc, char **argv)
{
    int given[LIST_OPTIONS] = {0};
    if (!take_list_options(given, argc, argv)) {
        fprintf(stderr, "doorbell: connection list takes --timeline (-t), and --anonymized (-a) or "
                        "--show-secrets.\n");
        return CLI_WRONG_WORDS;
    }
    json_t *answer =
        cli_ask_done(cli, json_pack("{s:s, s:b, s:b}", "command", "list", "timeline",
                                    given[LIST_TIMELINE], "secrets", given[LIST_SECRETS]));
    if (!answer)
        return CLI_NOT_DONE;
    const json_t *accounts = json_object_get(answer, "accounts");
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        print_account(json_array_get(accounts, i), given[LIST_ANONYMIZED]);
        print_timeline(json_array_get(accounts, i));
    }
    if (json_array_size(accounts) == 0)
        printf("No account is registered.\n");
    json_decref(answer);
    return CLI_DONE;
}

static bool has_one_id(const char *command, int argc)
{
    if (argc != 1)
        fprintf(stderr, "doorbell: connection %s needs one word: ACCOUNT_ID.\n", command);
    return argc == 1;
}

static int run_remove(struct cli *cli, int argc, char **argv)
{
    if (!has_one_id("remove", argc))
        return CLI_WRONG_WORDS;
    json_t *answer =
        cli_ask_done(cli, json_pack("{s:s, s:s}", "command", "remove", "uuid", argv[0]));
    if (!answer)
        return CLI_NOT_DONE;
    json_decref(answer);
    printf("Connection for %s successfully removed.\n", argv[0]);
    return CLI_DONE;
}

static int run_ping(struct cli *cli, int argc, char **argv)
{
    return has_one_id("ping", argc) ? ping(cli, argv[0]) : CLI_WRONG_WORDS;
}

const struct cli_command cli_connection[] = {
    {.name = "add",
     .words = "ACCOUNT_ID DEVICE_ID PASSWORD ENDPOINT | LINE | -",
     .needs = CLI_NEEDS_EITHER,
     .help = "Adds an account: paste the line that Molly shows in air-gapped mode.",
     .run = run_add,
     .details = "With - the line is read from standard input, which keeps the password out of the "
                "shell's history and the list of processes. A test push is sent at once.",
     .example = "doorbell connection add -",
     .mollysockets = true},
    {.name = "list",
     .words = "[-t] [-a | --show-secrets]",
     .needs = CLI_NEEDS_EITHER,
     .help = "Lists the accounts with the states of both halves, link and endpoint.",
     .run = run_list,
     .options = list_options,
     .details =
         "The link is up, connecting, backing-off, contested, refused or disabled. The endpoint is "
         "ok, failing, suspect or gone; ok (not tried since the start) where its last push, before "
         "the start or of MollySocket, was accepted; not tried yet where it has accepted none; not "
         "allowed where push.allowed_endpoints or push.denied forbids it.",
     .example = "doorbell connection list --timeline",
     .mollysockets = true},
    {.name = "remove",
     .words = "ACCOUNT_ID",
     .needs = CLI_NEEDS_EITHER,
     .help = "Forgets an account and its devices.",
     .run = run_remove,
     .mollysockets = true},
    {.name = "ping",
     .words = "ACCOUNT_ID",
     .needs = CLI_NEEDS_EITHER,
     .help = "Sends a test push and says what the push server answered.",
     .run = run_ping,
     .mollysockets = true},
    {0},
};
