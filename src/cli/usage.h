/* What --help prints, from the tables of commands and options (cli.h). */
#ifndef DOORBELL_CLI_USAGE_H
#define DOORBELL_CLI_USAGE_H

#include <stdio.h>

#include "cli/cli.h"

/* How far the words of a command line lead. */
struct cli_path {
    char words[64];                    /* "doorbell connection" */
    const struct cli_command *command; /* NULL: none yet */
    const struct cli_command *table;   /* what the next word is looked up in; NULL: an argument */
    bool wants_help;
};

void cli_print_usage(const struct cli *cli, const struct cli_path *path, FILE *to);

/* What stands behind a command's name: "COMMAND", "[COMMAND]" or its words, perhaps "". */
const char *cli_arguments(const struct cli_command *command);
/* "-c, --config FILE"; the caller frees it. */
char *cli_option_label(const struct cli_option *option);

/* A sentence on what it needs, or "". */
const char *cli_needs_text(const struct cli_command *command);

/* In all texts for people. */
extern const char cli_what_it_is[], cli_how_to_abbreviate[];

#endif
