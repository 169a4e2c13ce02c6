/* The sub-commands: one file each, thin: read the words, call, print. Each returns the exit status:
 * 0 done, 1 not done, 2 wrong words. */
#ifndef DOORBELL_CLI_CLI_H
#define DOORBELL_CLI_CLI_H

#include <jansson.h>

#include "app.h"

enum { CLI_DONE = 0, CLI_NOT_DONE = 1, CLI_WRONG_WORDS = 2 };

/* What to do where no server runs. */
#define CLI_START_SERVER                                                                           \
    "Start it (systemctl start doorbell, docker compose up -d, or doorbell server)."

struct cli;

/* An option that --help, the manual and completion tell of, and the parser's name for it. */
struct cli_option {
    const char *brief; /* "-c"; NULL: none */
    const char *whole; /* "--config" */
    const char *value; /* "FILE"; NULL: it takes none. Completion knows FILE and PATH=VALUE */
    const char *help;
};

/* What a command needs beside its configuration, which --help and the manual tell. */
enum cli_needs {
    CLI_NEEDS_UNSAID, /* a group of commands; the server itself */
    CLI_NEEDS_NOTHING,
    CLI_NEEDS_FILES,  /* of the server's: a key, a token */
    CLI_NEEDS_STORE,  /* beside the server or without it */
    CLI_NEEDS_REST,   /* of the server: it must not hold the store */
    CLI_NEEDS_EITHER, /* it asks the server, or else the store */
    CLI_NEEDS_SERVER,
};

/* A row of a table of commands, which --help, the manual and completion are made from. What a
 * command does not have is left out. */
struct cli_command {
    const char *name;
    const char *words;                                  /* its arguments; NULL: none */
    const char *help;                                   /* a sentence */
    int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the word after the name */
    const struct cli_command *table; /* commands of its own; `run` is then for no further word */
    const struct cli_option *options;
    enum cli_needs needs;
    const char *details; /* more sentences, for its own --help and the manual */
    const char *example; /* a whole command line */
    bool mollysockets;   /* MollySocket has it: any beginning of its name means it */
};

struct cli {
    struct config_sources sources;      /* from --config and --set */
    const struct cli_command *commands; /* every one; ends with an empty row, as all tables do */
    const struct cli_option *options;   /* those before the command */
};

extern const struct cli_command cli_connection[], cli_vapid[], cli_qr_code[], cli_test[], cli_man[],
    cli_completion[], cli_config[], cli_admin[];

extern const struct cli_option cli_import_options[], cli_export_options[], cli_status_options[],
    cli_health_options[], cli_doctor_options[], cli_setup_options[], cli_backup_options[],
    cli_restore_options[];

int cli_server(struct cli *cli, int argc, char **argv);
int cli_import(struct cli *cli, int argc, char **argv);
int cli_export(struct cli *cli, int argc, char **argv);
int cli_backup(struct cli *cli, int argc, char **argv);
int cli_restore(struct cli *cli, int argc, char **argv);
int cli_unseal(struct cli *cli, int argc, char **argv);
int cli_health(struct cli *cli, int argc, char **argv);
int cli_config_effective(struct cli *cli, int argc, char **argv);
int cli_setup(struct cli *cli, int argc, char **argv);
int cli_status(struct cli *cli, int argc, char **argv);
int cli_doctor(struct cli *cli, int argc, char **argv);
int cli_version(struct cli *cli, int argc, char **argv);
int cli_version_line(void); /* --version: the first line of it */

/* Runs the command that the words name, each of which may be a beginning that means no other one;
 * prints the usage where they are wrong. */
int cli_run(struct cli *cli, int argc, char **argv);
/* The command of a table that a word means; NULL: none, or `*several`. */
const struct cli_command *cli_find(const struct cli_command *table, const char *word,
                                   bool *several);

/* For a command without arguments: says so and returns true where there are some. */
bool cli_refuse_words(const char *command, int argc, char **argv);

/* Prints "doorbell: sentence" on standard error and returns CLI_NOT_DONE. */
int cli_fail(const struct err *err);
/* The answer to a request (control/commands.h) of the running server, or of the store where none
 * runs. NULL: `err` says why. */
json_t *cli_ask(struct cli *cli, const json_t *request, struct err *err);
/* app_start for a command, which prints by itself what there is to say; the caller owes app_stop.
 */
int cli_start(struct cli *cli, struct app *app, enum app_kind kind, struct config *config,
              struct err *err);
/* Why an answer says that it was not done. */
const char *cli_why(const json_t *answer);
/* Takes over `answer` (may be NULL: then `err` says why); NULL where it says that it was not done.
 */
json_t *cli_if_done(json_t *answer, struct err *err);
/* Takes over `request`; prints why it was not done, and is NULL where it was not. */
json_t *cli_ask_done(struct cli *cli, json_t *request);
/* The key that the running server signs with, as a link has it, and a header of its for an origin;
 * of the configuration's key where no server runs, which cli_public_key makes on the first start.
 */
int cli_public_key(struct cli *cli, char key[VAPID_PUBLIC_TEXT_SIZE], struct err *err);
int cli_authorization(const struct config *config, const char *origin,
                      char header[VAPID_HEADER_SIZE], struct err *err);
/* Started as root, becomes the user whom the configuration names; with `takes_over` it hands the
 * store's folder over to that user (security.md 20): before anything in there is opened or made, a
 * thread started, or a byte from outside read. */
int cli_become_user(const struct config *config, bool takes_over, struct err *err);
/* Likewise; `*why_not` (NULL: nobody asks) says why it stays root although there is somebody to
 * become, or is NULL. */
int cli_become_server(const struct config *config, bool takes_over, const char **why_not,
                      struct err *err);
/* Whether the settings allow this endpoint, by its text and by the addresses of its name. */
int cli_check_endpoint(const struct config *config, const char *endpoint, struct err *err);
/* The QR code of a link as lines for standard output; NULL where it cannot be shown there. `*note`
 * is a sentence on that, or on how to see it whole, or NULL; the caller frees both. */
char *cli_code_of(const char *link, char **note);
/* Loads the configuration, or prints why not and returns NULL. */
struct config *cli_load_config(struct cli *cli);

#endif
