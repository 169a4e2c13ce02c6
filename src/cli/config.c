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
    struct policy *policy = policy_new(config, &err); /* its lists have rules of their own */
    int status = policy ? CLI_DONE : cli_fail(&err);
    policy_free(policy);
    config_free(config);
    if (status == CLI_DONE)
        puts("The configuration can be loaded.");
    return status;
}

int cli_config(struct cli *cli, int argc, char **argv)
{
    static const struct cli_command table[] = {
        {"check", run_check, "", "Loads the configuration and says what is wrong with it.", false},
        {"sample", run_sample, "",
         "Prints a configuration file with every setting and its default.", false},
        {"table", run_table, "", "Prints the settings as the table of the README.", false},
        {0},
    };
    return cli_pick(table, "doorbell config", cli, argc, argv);
}
