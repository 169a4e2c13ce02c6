/* Whether a push server is worth a connection. After some failures in a row that are its own (no
 * connection, no TLS, 502 to 504) the breaker opens: what is meant for the server waits. When the
 * wait is over one request goes ahead as a probe; its failure doubles the wait. What one phone
 * alone may have caused, such as a time-out, counts where other endpoints meet it, too (settled.md
 * "breaker"; push-measured.md section 5). Pure. */
#ifndef DOORBELL_PUSH_BREAKER_H
#define DOORBELL_PUSH_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "push/verdict.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
enum { BREAKER_STATES = BREAKER_HALF_OPEN + 1 };

enum { BREAKER_ENDPOINTS = 8 }; /* it remembers of a row; more than open it by default */

struct breaker_timing {
    int64_t failures; /* in a row, that open it */
    int64_t open_ms;  /* the first wait; it doubles */
    int64_t open_max_ms;
};

struct breaker {
    enum breaker_state state;
    unsigned failures;                     /* in a row, while closed */
    unsigned tries;                        /* probes that failed, while open */
    uint64_t endpoints[BREAKER_ENDPOINTS]; /* that failed in this row, the first of them */
    unsigned endpoint_count;
    int64_t since_ms;            /* of the first failure in the row */
    int64_t next_ms;             /* when a probe may go; only while open */
    char why[VERDICT_TEXT_SIZE]; /* the last failure */
};

/* A failure of the server's own, seen by `endpoint` (any number that is its own). True when the
 * breaker is still closed but has seen enough: the caller opens it, or leaves it where only one of
 * several endpoints fails. */
bool breaker_fail(struct breaker *breaker, const struct breaker_timing *timing, uint64_t endpoint,
                  const char *why, int64_t now_ms);

/* Whether a failure of this endpoint is known to be in the row. */
bool breaker_knows(const struct breaker *breaker, uint64_t endpoint);

/* Opens it, or opens it again after a probe that did not help. The wait gets up to a quarter of
 * jitter above; `random` is any 32 random bits. */
void breaker_open(struct breaker *breaker, const struct breaker_timing *timing, int64_t now_ms,
                  uint32_t random);

/* Opens it again after a probe that learned nothing: the wait is as long as the last one. */
void breaker_wait(struct breaker *breaker, const struct breaker_timing *timing, int64_t now_ms,
                  uint32_t random);

/* The server answered. True when the breaker was not closed. */
bool breaker_close(struct breaker *breaker);

/* When a request may go: 0 while closed, INT64_MAX while a probe is under way. */
int64_t breaker_next_ms(const struct breaker *breaker);

/* A request goes now. True when it is the probe. */
bool breaker_start(struct breaker *breaker);

/* The probe was given up before its answer: another may go at once. */
void breaker_abandon(struct breaker *breaker, int64_t now_ms);

const char *breaker_state_name(enum breaker_state state);

#endif
