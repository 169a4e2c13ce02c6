/* The life of one account's link: when to connect again, how long to wait, when credentials count
 * as dead (settled.md "Links"; signal.md 8; signal-measured.md 5). Pure: times and random bits are
 * arguments. */
#ifndef DOORBELL_LINK_LIFE_H
#define DOORBELL_LINK_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "account/account.h"
#include "link/link.h"

struct life_timing {
    int64_t reconnect_min_ms, reconnect_max_ms;
    int64_t contested_min_ms, contested_max_ms;
    int64_t contested_end_ms;   /* so long up ends contention */
    int64_t refused_confirm_ms; /* least time between the two 403 that are believed */
    int64_t refused_max_ms;     /* the longest wait before that */
    int64_t refused_retry_ms;   /* dead credentials are asked again at first after refused_max_ms,
                                   then less and less often, down to this */
    int64_t client_refused_min_ms, client_refused_max_ms;
    int64_t reconnect_reset_ms; /* so long up resets the back-off without queue/empty */
};

struct life {
    enum account_state state : 8;
    bool candidate;
    bool proven;            /* this connection has shown its queue */
    bool demanded;          /* the wait that is on is not ours to shorten */
    unsigned failures;      /* since queue/empty, or since it was up for reconnect_reset_ms */
    unsigned refusals;      /* 403 and 499 since its queue or since it became refused: an outage
                               before them says nothing about how long to wait between them */
    unsigned displacements; /* since it was last up for contested_end_ms */
    int64_t up_since_ms;    /* valid while up */
    int64_t unauthorized_since_ms; /* first 403 that nothing contradicted; 0: none */
};

/* What to do after the link went down. */
struct life_step {
    int64_t connect_in_ms; /* -1: do not connect again */
    bool became_contested; /* tell the phone once */
    bool became_refused;   /* confirmed dead: record it */
};

void life_init(struct life *life, bool candidate);
void life_connecting(struct life *life);
/* The handshake succeeded, which shows little: what answers may be anybody, or the link anonymous.
 * Only life_proven makes the state ACCOUNT_UP. */
void life_up(struct life *life, int64_t now_ms);
/* queue/empty or a first message: the link is an authenticated one. */
void life_proven(struct life *life);
/* queue/empty, after life_proven: the server works, so that the back-off begins anew. A message
 * alone does not show that: Signal's server with a dead store sends one and closes with 1011 when
 * it is answered (signal-measured.md 3). */
void life_drained(struct life *life);
/* Whether its link is a proven one that is up, and has been for contested_end_ms. */
bool life_is_settled(const struct life *life, const struct life_timing *timing, int64_t now_ms);
/* A proven link that was up long enough ends contention. True when it did; life_down sees to it,
 * too. */
bool life_settle(struct life *life, const struct life_timing *timing, int64_t now_ms);
/* What it was refused for is refused to everybody, as it turns out: it is dead no more. */
void life_absolve(struct life *life);
/* `fleet_wide`: other accounts are refused alike, so it says nothing about this one. */
struct life_step life_down(struct life *life, const struct life_timing *timing,
                           const struct link_down *down, bool fleet_wide, int64_t now_ms,
                           uint32_t random);
/* The machine was away while the link waited; what is left of a wait of `left_ms`. The network may
 * be another one now, so it is tried at once, and again soon if that is not up yet. What a server
 * demanded, or contention, stays a floor, but the time slept counts: other clocks went on. */
int64_t life_resumed(struct life *life, int64_t left_ms, int64_t slept_ms);

#endif
