#include <stdio.h>

#include "cli/cli.h"

int cli_version(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    if (cli_refuse_words("version", argc, argv))
        return CLI_WRONG_WORDS;
    puts("doorbell " DOORBELL_VERSION);
    return CLI_DONE;
}
