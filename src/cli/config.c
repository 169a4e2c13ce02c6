#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "config/schema.h"

static int print_document(char *text)
{
    fputs(text, stdout);
    free(text);
    return CLI_DONE;
}

static int run_sample(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    if (cli_refuse_words("config sample", argc, argv))
        return CLI_WRONG_WORDS;
    return print_document(schema_sample_yaml());
}

static int run_table(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    if (cli_refuse_words("config table", argc, argv))
        return CLI_WRONG_WORDS;
    return print_document(schema_markdown());
}

static int run_check(struct cli *cli, int argc, char **argv)
{
    if (cli_refuse_words("config check", argc, argv))
        return CLI_WRONG_WORDS;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    struct err err;
    int status = app_check_config(config, &err) == 0 ? CLI_DONE : cli_fail(&err);
    config_free(config);
    if (status == CLI_DONE)
        puts("The configuration can be loaded.");
    return status;
}

int cli_config_effective(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    int status = print_document(schema_effective_yaml(config));
    config_free(config);
    return status;
}

const struct cli_command cli_config[] = {
    {.name = "check",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Loads the configuration and says what is wrong with it.",
     .run = run_check,
     .details = "Reads every file that a server would read with it, and changes nothing.",
     .example = "doorbell -c new.yaml config check"},
    {.name = "sample",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints a configuration file with every setting and its default.",
     .run = run_sample,
     .example = "doorbell config sample > doorbell.yaml"},
    {.name = "table",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints the settings as the table of the README.",
     .run = run_table},
    {0},
};
