#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

int cli_fail(const struct err *err)
{
    fprintf(stderr, "doorbell: %s\n", err->text);
    return CLI_NOT_DONE;
}

bool cli_refuse_words(const char *command, int argc, char **argv)
{
    if (argc)
        fprintf(stderr, "doorbell: %s takes no arguments, but there is \"%s\".\n", command,
                argv[0]);
    return argc > 0;
}

struct config *cli_load_config(struct cli *cli)
{
    struct err err;
    struct config *config = config_load(&cli->sources, &err);
    if (!config)
        cli_fail(&err);
    return config;
}

static void print_command(const struct cli_command *command, const char *prefix, FILE *to)
{
    fprintf(to, "  %s %s%s%s\n      %s\n", prefix, command->name, *command->words ? " " : "",
            command->words, command->help);
}

static void print_usage(const struct cli_command *table, const char *prefix, FILE *to)
{
    fprintf(to, "Usage:\n");
    for (const struct cli_command *command = table; command->name; command++)
        print_command(command, prefix, to);
    fprintf(to, "Options come before the command:\n"
                "  -c, --config FILE   the configuration to load\n"
                "  --set PATH=VALUE    a setting, over file and environment; may be repeated\n"
                "  -V, --version       the version\n");
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int cli_pick(const struct cli_command *table, const char *prefix, struct cli *cli, int argc,
             char **argv)
{
    const char *word = argc ? argv[0] : "";
    if (asks_for_help(word) || strcmp(word, "help") == 0) {
        print_usage(table, prefix, stdout);
        return CLI_DONE;
    }
    for (const struct cli_command *command = table; command->name; command++) {
        if (strcmp(command->name, word) != 0)
            continue;
        if (argc == 2 && !command->has_table && asks_for_help(argv[1])) {
            printf("Usage:\n");
            print_command(command, prefix, stdout);
            return CLI_DONE;
        }
        return command->run(cli, argc - 1, argv + 1);
    }
    if (*word)
        fprintf(stderr, "doorbell: \"%s\" is not a command.\n", word);
    print_usage(table, prefix, stderr);
    return CLI_WRONG_WORDS;
}
