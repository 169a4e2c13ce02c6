/* What "doorbell setup" tells while it waits for a phone: each thing once, as it happens, from two
 * answers of the running server, "registrations" and "status" (control/commands.h). Pure: whoever
 * calls it asks, waits and prints.
 *
 * One account is followed: the first that registers from the beginning on. Phones repeat their
 * registration many times a day, so one that was known and comes as it was is followed only where
 * there is no other user, and a new one takes its place. Until one is followed, a message that
 * rings the only user of before is told, too: whoever waits may be waiting for just that. */
#ifndef DOORBELL_CLI_SETUP_PROGRESS_H
#define DOORBELL_CLI_SETUP_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/url.h"
#include "bridge/view.h"

/* After so long without a phone, or a message, the likely cause is told. */
enum { SETUP_LINES_MAX = 64 * 1024, SETUP_QUIET_MS = 60 * 1000 };

enum setup_want {
    SETUP_WAITS,
    SETUP_WANTS_TEST,      /* of the account that is followed: setup_progress_tested */
    SETUP_WANTS_ALLOWANCE, /* `refused` was refused, and may be one to allow */
    SETUP_IS_DONE,         /* a message has rung */
};

struct setup_progress {
    json_t *before;     /* accounts, as they were at the beginning */
    json_int_t number;  /* of the last registration that was looked at */
    json_int_t started; /* when the server did; 0: it has not answered yet */
    bool restarted;     /* since the beginning, so that it counts rings from 0 again */
    int64_t began_ms;
    bool came;                    /* a registration, whatever became of it */
    bool passed;                  /* it was told that a known phone is not followed */
    bool known_rang;              /* and that the only user of before was rung */
    bool hinted;                  /* at why none comes */
    char account[PSEUDONYM_SIZE]; /* that is followed; empty: none yet */
    bool repeated;                /* it was known, and came as it was */
    char origin[URL_ORIGIN_SIZE]; /* of its endpoint */
    char refused[URL_ORIGIN_SIZE];
    bool linked, tested;
    bool failed, refuses;          /* the test; and its endpoint has been seen not to take pushes */
    bool accepted, rung;           /* a test, a message's ring */
    int64_t ready_ms;              /* since when a message is waited for; 0: it is not yet */
    json_int_t message_at, own_at; /* the last ones before that */
    bool own, quiet;               /* such a message came since, which does not ring */
    bool due;                      /* one came since that is to ring */
    bool nothing;                  /* at the last look Signal had none, of any kind */
    bool wondered;                 /* why no message comes */
    char said[VIEW_ADVICE_SIZE];   /* the last advice */
};

/* NULL: no answer yet; then the first step is the beginning. */
void setup_progress_begin(struct setup_progress *progress, const json_t *status,
                          const json_t *registrations, int64_t now_ms);
void setup_progress_fini(struct setup_progress *progress);

/* Adds lines to `lines`, each with a newline. `status` is not older than `registrations`. `url` is
 * where phones come in; NULL: they are added by hand. */
enum setup_want setup_progress_step(struct setup_progress *progress, const json_t *status,
                                    const json_t *registrations, const char *url, int64_t now_ms,
                                    struct buf *lines);
/* `answers` of "ping", which took so long. */
void setup_progress_tested(struct setup_progress *progress, const json_t *answers, int64_t took_ms,
                           struct buf *lines);
/* How it ended, with the likely cause of what did not come, where it was not told before. */
void setup_progress_end(const struct setup_progress *progress, const char *url, struct buf *lines);
/* What failed is worth another test. */
void setup_progress_retry(struct setup_progress *progress);

#endif
