#include "cli/cli.h"

#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/user.h"
#include "cli/usage.h"

enum { WORD_MAX = 64 };

int cli_fail(const struct err *err)
{
    fprintf(stderr, "%sdoorbell: %s\n", log_priority(LOG_LEVEL_ERROR), err->text);
    return CLI_NOT_DONE;
}

bool cli_refuse_words(const char *command, int argc, char **argv)
{
    if (argc)
        fprintf(stderr, "doorbell: %s takes no arguments, but there is \"%s\"%s.\n", command,
                argv[0], argv[0][0] == '-' ? "; options stand before the command" : "");
    return argc > 0;
}

/* A container's first process has nobody else to be unless somebody says so. */
static const char *user_name(const struct config *config)
{
    if (geteuid() != 0)
        return NULL;
    if (config->user)
        return config->user;
    return getpid() == 1 && getpwnam("doorbell") ? "doorbell" : NULL;
}

static bool is_roots(const char *folder)
{
    struct stat status;
    return stat(folder, &status) == 0 && status.st_uid == 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* MollySocket's database stays as it is for the way back, whether or not it is the one that is
 * taken over. Our own store may have the same name. */
static int hand_over(const struct config *config, const struct user *user, const char *folder,
                     struct err *err)
{
    char *found = config_find_mollysocket(config);
    const char *names[] = {CONFIG_MOLLY_DATABASE, found ? last_part(found) : CONFIG_MOLLY_DATABASE};
    const char *spared[3] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], last_part(config->store_path)) != 0)
            spared[count++] = names[i];
    int result = user_take_over(user, folder, spared, err);
    free(found);
    return result;
}

/* Whom the package has for it when nobody names one must not be in the way of what MollySocket runs
 * with, as root: a container whose root can become no other (rootless without subordinate ids, all
 * capabilities dropped), a folder of somebody's own, one that cannot be given away. */
struct change {
    struct user user;
    const char *why_not; /* root stays root, which has little to give up here; NULL: it does not */
};

static void adapt(struct change *change, const char *folder, bool takes_over)
{
    struct user owner;
    if (user_of_folder(&owner, folder))
        change->user = owner;
    if (!user_is_possible(&change->user))
        change->why_not = "this container lets it become no other user.";
    else if (!takes_over && is_roots(folder)) /* as the server found it */
        change->why_not = "the folder of store.path is root's.";
}

static int take_over(const struct config *config, struct change *change, const char *folder,
                     struct err *err)
{
    int result = hand_over(config, &change->user, folder, err);
    if (result != ERR_REFUSED || !config_is_of_package(config, "user"))
        return result;
    change->why_not = "the folder of store.path cannot be given to another user (the capability "
                      "CHOWN is missing, or it is on CIFS or exFAT, or read-only).";
    return 0;
}

static int become(const struct config *config, const char *name, bool takes_over,
                  const char **why_not, struct err *err)
{
    struct change change = {.why_not = NULL};
    char *path = mem_text(config->store_path);
    const char *folder = dirname(path);
    int result = user_find(&change.user, name, err);
    if (result == 0 && config_is_of_package(config, "user"))
        adapt(&change, folder, takes_over);
    if (result == 0 && takes_over && !change.why_not)
        result = take_over(config, &change, folder, err);
    if (result == 0 && !change.why_not)
        result = user_become(&change.user, err);
    if (why_not)
        *why_not = change.why_not;
    free(path);
    return result;
}

int cli_become_user(const struct config *config, bool takes_over, struct err *err)
{
    return cli_become_server(config, takes_over, NULL, err);
}

int cli_become_server(const struct config *config, bool takes_over, const char **why_not,
                      struct err *err)
{
    const char *name = user_name(config);
    int result = name ? become(config, name, takes_over, why_not, err) : 0;
    if (result != 0)
        config_locate(config, err);
    return result;
}

int cli_start(struct cli *cli, struct app *app, enum app_kind kind, struct config *config,
              struct err *err)
{
    int level = config->log_level;
    if (level == LOG_LEVEL_INFO)
        config->log_level = LOG_LEVEL_ERROR;
    int result = app_start(app, kind, &cli->sources, config, err);
    config->log_level = level;
    return result;
}

const char *cli_why(const json_t *answer)
{
    const char *why = json_string_value(json_object_get(answer, "error"));
    return why ? why : "The running server's answer has no sense; is it of another version?";
}

json_t *cli_if_done(json_t *answer, struct err *err)
{
    if (!answer || json_is_true(json_object_get(answer, "done")))
        return answer;
    err_set(err, ERR_REFUSED, "%s", cli_why(answer));
    json_decref(answer);
    return NULL;
}

struct config *cli_load_config(struct cli *cli)
{
    struct err err;
    struct config *config = config_load(&cli->sources, &err);
    if (!config)
        cli_fail(&err);
    return config;
}

static bool begins_with(const struct cli_command *command, const char *word)
{
    return *word && strncmp(command->name, word, strlen(word)) == 0;
}

static bool is_same(const struct cli_command *a, const struct cli_command *b)
{
    return a->run == b->run && a->table == b->table;
}

/* Of several that a word could mean it is MollySocket's, so that what its users write keeps its
 * meaning. */
const struct cli_command *cli_find(const struct cli_command *table, const char *word, bool *several)
{
    const struct cli_command *found = NULL;
    *several = false;
    for (const struct cli_command *command = table; command->name; command++) {
        if (strcmp(command->name, word) == 0) {
            *several = false;
            return command;
        }
        if (!begins_with(command, word) || (found && found->mollysockets))
            continue;
        *several = found && !command->mollysockets && !is_same(found, command);
        found = command;
    }
    return *several ? NULL : found;
}

static void refuse_word(const struct cli_path *path, const char *word, bool several)
{
    const char *nearest = NULL;
    unsigned least = (unsigned)strnlen(word, WORD_MAX) / 3 + 1; /* more is another word */
    for (const struct cli_command *command = path->table; command->name; command++) {
        unsigned distance = strlen(word) < WORD_MAX ? text_distance(word, command->name) : least;
        if (distance < least) {
            least = distance;
            nearest = command->name;
        }
    }
    if (several)
        fprintf(stderr, "doorbell: \"%s\" could mean several commands; write more of it.\n", word);
    else if (nearest)
        fprintf(stderr, "doorbell: \"%s\" is not a command; did you mean \"%s\"?\n", word, nearest);
    else
        fprintf(stderr, "doorbell: \"%s\" is not %s. \"%s --help\" tells what there is.\n", word,
                *word == '-' ? "an option here" : "a command", path->words);
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static void enter(struct cli_path *path, const struct cli_command *command)
{
    size_t length = strlen(path->words);
    snprintf(path->words + length, sizeof path->words - length, " %s", command->name);
    path->command = command;
    path->table = command->table;
}

/* Follows the words as far as there are tables; how many they were, or -1: said why not. */
static int follow(struct cli_path *path, int argc, char **argv)
{
    bool ended = false;
    for (int i = 0; i < argc; i++)
        ended |= strcmp(argv[i], "--") == 0;
    int at = 0;
    for (; path->table && at < argc && !asks_for_help(argv[at]); at++) {
        bool several;
        if (strcmp(argv[at], "help") == 0) {
            path->wants_help = true;
            continue;
        }
        const struct cli_command *command = cli_find(path->table, argv[at], &several);
        if (!command) {
            refuse_word(path, argv[at], several);
            return -1;
        }
        enter(path, command);
    }
    if (at < argc) /* also before a command that it is not for, as MollySocket takes it */
        path->wants_help |= asks_for_help(argv[at]) || (!ended && asks_for_help(argv[argc - 1]));
    return at;
}

/* A command without options takes each word as it is, but for the mark that ends options. */
static int drop_mark(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        memmove(argv + i, argv + i + 1, sizeof *argv * (size_t)(argc - i - 1));
        return argc - 1;
    }
    return argc;
}

int cli_run(struct cli *cli, int argc, char **argv)
{
    struct cli_path path = {.words = "doorbell", .table = cli->commands};
    int taken = follow(&path, argc, argv);
    if (taken < 0)
        return CLI_WRONG_WORDS;
    if (path.wants_help) {
        cli_print_usage(cli, &path, stdout);
        return CLI_DONE;
    }
    int left = argc - taken;
    if (path.command && path.command->run) {
        left = path.command->options ? left : drop_mark(left, argv + taken);
        return path.command->run(cli, left, argv + taken);
    }
    cli_print_usage(cli, &path, stderr);
    return CLI_WRONG_WORDS;
}
