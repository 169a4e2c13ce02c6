/* "doorbell setup": from a server that runs to a phone that rings. What it finds out by itself it
 * does not ask; what it asks has a default; without a terminal on standard input it asks nothing.
 *
 * Answers go to setup.yaml beside the store (config/setup_file.h) and are in force at once. A fault
 * that it finds is told with its remedy and stops nothing but what depends on it. Nothing is
 * written before all questions are answered, and what the server refuses to load is taken back.
 *
 * Internal to the command, which is divided among setup*.c. */
#ifndef DOORBELL_CLI_SETUP_H
#define DOORBELL_CLI_SETUP_H

#include "cli/cli.h"

enum {
    SETUP_ALLOW_MOST = 16,
    SETUP_ANSWER_SIZE = 4096,
    SETUP_PATIENCE_S = 30,
    SETUP_DECLINED_MOST = 16 /* then none is offered any more: somebody plays with us */
};

/* From the command line. */
struct setup_words {
    const char *url, *alert; /* NULL: not given; "none" */
    const char *allow[SETUP_ALLOW_MOST];
    size_t allow_count;
    int64_t wait_ms; /* -1: not given */
    bool qr, no_link;
};

struct setup {
    struct cli *cli;
    struct setup_words words;
    struct config *config;  /* what is in force */
    struct config *answers; /* what setup.yaml has, or is to have */
    char *file;             /* its path */
    bool asks;              /* there is somebody at a terminal */
    bool changed;           /* `answers` are not in the file yet */
    int interrupts;         /* becomes readable with SIGINT and SIGTERM; -1: it cannot be told */
    int64_t ends_ms;        /* questions wait no longer; 0: for ever */
    bool sealed;            /* device passwords, in the store */
    bool first;             /* there was no account at the beginning */
    char alerts_place[64];  /* of the running server's own environment, which says where they go;
                               empty: it does not */
    char declined[SETUP_DECLINED_MOST][URL_ORIGIN_SIZE]; /* that are not to be allowed */
    size_t declined_count;
};

/* Prints words, wrapped; behind a mark, "[ok] " or as many blanks, all lines of them. */
void setup_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* setup_ask.c */

enum setup_event { SETUP_TIME_PASSED, SETUP_LINE, SETUP_INTERRUPTED };

/* Until time has passed (-1: for ever), somebody interrupts or, where `line` is not NULL, there is
 * a line of standard input: without its newline. */
enum setup_event setup_wait_for(struct setup *setup, int64_t ms, char line[SETUP_ANSWER_SIZE]);
/* An empty answer is the default. False: interrupted. */
bool setup_ask(struct setup *setup, const char *question, char answer[SETUP_ANSWER_SIZE]);

/* setup_questions.c: changes `answers`. ERR_BUSY: interrupted, which needs no words. */
int setup_questions(struct setup *setup, struct err *err);
/* Where something else than setup.yaml says what this setting is, which wins; NULL: nothing does.
 */
const char *setup_stronger(const struct setup *setup, const char *setting);

/* setup_allow.c */

/* Adds to what `answers` allow. ERR_REFUSED: another place decides, and the sentence says which and
 * what to write there. */
int setup_allow(struct setup *setup, const char *origin, struct err *err);
/* Where the settings alone are in the way of this push server: asks. True: they are not any more.
 * Strangers may register, too: yes is the default only for a first account, and only where Signal
 * has accepted it or the operator has entered it (`trusted`). */
bool setup_offer(struct setup *setup, const char *origin, bool trusted);

/* setup.c: the file is written and the running server has loaded it, or neither. */
int setup_save(struct setup *setup, struct err *err);
json_t *setup_request(const struct setup *setup, const char *command, const char *uuid,
                      struct err *err);

/* setup_seal.c: makes the key that seals the store, where there is a place for it */
void setup_seal(const struct setup *setup, bool is_sealed);
void setup_check(const struct setup *setup);    /* setup_check.c: Signal, the public address */
int setup_show_code(const struct setup *setup); /* setup_code.c */
int setup_wait(struct setup *setup);            /* setup_wait.c: the exit status */

#endif
