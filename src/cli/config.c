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
    (void)argc;
    (void)argv;
    return print_document(schema_sample_yaml());
}

static int run_table(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    (void)argc;
    (void)argv;
    return print_document(schema_markdown());
}

static int run_check(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    config_free(config);
    puts("The configuration can be loaded.");
    return CLI_DONE;
}

int cli_config(struct cli *cli, int argc, char **argv)
{
    static const struct cli_command table[] = {
        {"check", run_check, "", "Loads the configuration and says what is wrong with it."},
        {"sample", run_sample, "",
         "Prints a configuration file with every setting and its default."},
        {"table", run_table, "", "Prints the settings as the table of the README."},
        {0},
    };
    return cli_pick(table, "doorbell config", cli, argc, argv);
}
