#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "control/client.h"
#include "control/commands.h"

enum { LINE_MAX_BYTES = 4096, WORDS_MAX = 8 };

/* Asking: the running server, or the store itself where no server runs. */

struct local {
    struct app *app;
    json_t *answer;
    bool over;
};

static void on_answer(void *arg, json_t *answer)
{
    struct local *local = arg;
    local->answer = answer;
    local->over = true;
    loop_stop(&local->app->loop);
}

/* Takes over `config`. */
static json_t *ask_store(struct cli *cli, struct config *config, const json_t *request,
                         struct err *err)
{
    struct app app;
    struct local local = {.app = &app};
    int level = config->log_level;
    if (config->log_level == LOG_LEVEL_INFO) /* the command prints what there is to say */
        config->log_level = LOG_LEVEL_WARN;
    int result = app_start(&app, APP_LOCAL, &cli->sources, config, err);
    config->log_level = level;
    if (result == 0) {
        commands_run(app.bridge, request, on_answer, &local);
        if (!local.over)
            app_run(&app);
    } else if (result == ERR_BUSY) {
        err_set(err, ERR_BUSY,
                "Another process holds the store, but no server answers on the control socket %s. "
                "Is a server running with another control.path, or with another folder mounted?",
                config->control_path);
    }
    app_stop(&app);
    return local.answer;
}

/* NULL: `err` says why. */
static json_t *ask(struct cli *cli, const json_t *request, struct err *err)
{
    struct config *config = config_load(&cli->sources, err);
    if (!config)
        return NULL;
    json_t *answer = control_ask(config->control_path, request, err);
    if (!answer && err->code == ERR_NOT_FOUND)
        return ask_store(cli, config, request, err);
    config_free(config);
    return answer;
}

/* Asks, and prints why it was not done. NULL where it was not. */
static json_t *ask_done(struct cli *cli, json_t *request)
{
    struct err err = {0};
    json_t *answer = ask(cli, request, &err);
    json_decref(request);
    if (answer && json_is_true(json_object_get(answer, "done")))
        return answer;
    const char *why = json_string_value(json_object_get(answer, "error"));
    if (why)
        err_set(&err, ERR_REFUSED, "%s", why);
    cli_fail(&err);
    json_decref(answer);
    return NULL;
}

/* The words of add: four arguments, or one line as the app shows it, or "-" for standard input. */

struct words {
    char *text; /* owns what the items point to */
    char *items[WORDS_MAX];
    int count;
};

static void split(struct words *words, const char *line)
{
    words->text = mem_text(line);
    char *rest = words->text, *word;
    while (words->count < WORDS_MAX && (word = strsep(&rest, " \t\r\n")))
        if (*word)
            words->items[words->count++] = word;
}

/* One line: at a terminal, pasting it and Enter is enough. */
static void read_words(struct words *words)
{
    char line[LINE_MAX_BYTES];
    if (fgets(line, sizeof line, stdin))
        split(words, line);
    explicit_bzero(line, sizeof line);
}

static void take_words(struct words *words, int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "-") == 0) {
        read_words(words);
    } else if (argc == 1) {
        split(words, argv[0]);
    } else {
        for (int i = 0; i < argc && i < WORDS_MAX; i++)
            words->items[words->count++] = argv[i];
    }
    /* The app's line begins with the command's own name. */
    if (words->count >= 2 && strcmp(words->items[0], "connection") == 0 &&
        strcmp(words->items[1], "add") == 0) {
        words->count -= 2;
        memmove(words->items, words->items + 2, (size_t)words->count * sizeof *words->items);
    }
}

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
    json_t *answer = ask_done(cli, json_pack("{s:s, s:s}", "command", "ping", "uuid", uuid));
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

static int add(struct cli *cli, const struct words *words)
{
    char *end;
    errno = 0;
    long long device = strtoll(words->items[1], &end, 10);
    if (errno || *end || end == words->items[1]) {
        fprintf(stderr, "doorbell: The device must be a number from 1 to 127.\n");
        return CLI_WRONG_WORDS;
    }
    json_t *request =
        json_pack("{s:s, s:s, s:I, s:s, s:s}", "command", "add", "uuid", words->items[0], "device",
                  (json_int_t)device, "password", words->items[2], "endpoint", words->items[3]);
    if (!request) {
        fprintf(stderr, "doorbell: The arguments have characters that are not text.\n");
        return CLI_WRONG_WORDS;
    }
    json_t *answer = ask_done(cli, request);
    if (!answer)
        return CLI_NOT_DONE;
    json_decref(answer);
    printf("Connection for %s added.\n", words->items[0]);
    fflush(stdout);
    ping(cli, words->items[0]); /* the account is added whether or not its push server answers */
    return CLI_DONE;
}

static int run_add(struct cli *cli, int argc, char **argv)
{
    struct words words = {0};
    take_words(&words, argc, argv);
    int status = CLI_WRONG_WORDS;
    if (words.count == 4)
        status = add(cli, &words);
    else
        fprintf(
            stderr,
            "doorbell: connection add needs four words: ACCOUNT_ID DEVICE_ID PASSWORD ENDPOINT. "
            "Paste the line that Molly shows, or give - and paste it on standard input.\n");
    mem_free_secret(words.text);
    return status;
}

static void print_account(const json_t *account, bool anonymized)
{
    const char *name =
        json_string_value(json_object_get(account, anonymized ? "pseudonym" : "uuid"));
    json_int_t owed = json_integer_value(json_object_get(account, "owed_since"));
    printf("%s  device %d  %s  endpoint %s at %s%s\n", name ? name : "?",
           (int)json_integer_value(json_object_get(account, "device")),
           json_string_value(json_object_get(account, "state")),
           json_string_value(json_object_get(account, "endpoint_state")),
           json_string_value(json_object_get(account, "endpoint")), owed ? "  owed a ring" : "");
}

static int run_list(struct cli *cli, int argc, char **argv)
{
    bool anonymized =
        argc == 1 && (strcmp(argv[0], "-a") == 0 || strcmp(argv[0], "--anonymized") == 0);
    if (argc && !anonymized) {
        fprintf(stderr, "doorbell: connection list takes --anonymized (-a) or nothing.\n");
        return CLI_WRONG_WORDS;
    }
    json_t *answer = ask_done(cli, json_pack("{s:s}", "command", "list"));
    if (!answer)
        return CLI_NOT_DONE;
    const json_t *accounts = json_object_get(answer, "accounts");
    for (size_t i = 0; i < json_array_size(accounts); i++)
        print_account(json_array_get(accounts, i), anonymized);
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
    json_t *answer = ask_done(cli, json_pack("{s:s, s:s}", "command", "remove", "uuid", argv[0]));
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

int cli_connection(struct cli *cli, int argc, char **argv)
{
    static const struct cli_command table[] = {
        {"add", run_add, "ACCOUNT_ID DEVICE_ID PASSWORD ENDPOINT | LINE | -",
         "Adds an account: paste what Molly shows in air-gapped mode; - reads it from standard "
         "input.",
         false},
        {"list", run_list, "[-a]", "Lists the accounts; -a shows pseudonyms instead of ids.",
         false},
        {"remove", run_remove, "ACCOUNT_ID", "Forgets an account and its devices.", false},
        {"ping", run_ping, "ACCOUNT_ID", "Sends a test push.", false},
        {0},
    };
    return cli_pick(table, "doorbell connection", cli, argc, argv);
}
