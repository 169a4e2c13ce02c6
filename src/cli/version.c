#include <stdio.h>

#include "cli/cli.h"

int cli_version(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    (void)argc;
    (void)argv;
    puts("doorbell " DOORBELL_VERSION);
    return CLI_DONE;
}
