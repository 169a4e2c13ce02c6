/* The sub-commands: one file each, thin: read the words, call, print. Each returns the exit status:
 * 0 done, 1 not done, 2 wrong words. */
#ifndef DOORBELL_CLI_CLI_H
#define DOORBELL_CLI_CLI_H

#include "app.h"

enum { CLI_DONE = 0, CLI_NOT_DONE = 1, CLI_WRONG_WORDS = 2 };

struct cli {
    struct config_sources sources; /* from --config and --set */
};

struct cli_command {
    const char *name;
    int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the word after the name */
    const char *words;                                  /* its arguments, for help */
    const char *help;
    bool has_table; /* of commands of its own, which has its own help */
};

int cli_server(struct cli *cli, int argc, char **argv);
int cli_connection(struct cli *cli, int argc, char **argv);
int cli_vapid(struct cli *cli, int argc, char **argv);
int cli_qr_code(struct cli *cli, int argc, char **argv);
int cli_config(struct cli *cli, int argc, char **argv);
int cli_version(struct cli *cli, int argc, char **argv);

/* Picks the command of a table by the first word; prints the table's usage where the words are
 * wrong. */
int cli_pick(const struct cli_command *table, const char *prefix, struct cli *cli, int argc,
             char **argv);

/* For a command without arguments: says so and returns true where there are some. */
bool cli_refuse_words(const char *command, int argc, char **argv);

/* Prints "doorbell: sentence" on standard error and returns CLI_NOT_DONE. */
int cli_fail(const struct err *err);
/* Loads the configuration, or prints why not and returns NULL. */
struct config *cli_load_config(struct cli *cli);

#endif
