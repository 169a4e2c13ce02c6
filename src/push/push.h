/* Sends one content-free wake-up at a time to an endpoint (RFC 8030) and says what came of it. Over
 * libcurl's multi interface on the loop, HTTP/1.1, addresses from our resolver only, policy on the
 * socket address, bounded answers (security.md 7 to 9). A request waits its turn as origin.h says:
 * for room, for the allowance of its origin and address, and while its push server is down. */
#ifndef DOORBELL_PUSH_PUSH_H
#define DOORBELL_PUSH_PUSH_H

#include "config/config.h"
#include "net/resolver.h"
#include "push/answers.h"
#include "push/breaker.h"
#include "push/encrypt.h"
#include "push/policy.h"
#include "push/vapid.h"
#include "push/verdict.h"

enum push_kind {
    PUSH_RING,      /* {"urgent":true}  Topic mollysocket */
    PUSH_TEST,      /* {"test":true}    Topic test */
    PUSH_CONTESTED, /* {"code":4409}    Topic 4409 */
};
enum { PUSH_KINDS = PUSH_CONTESTED + 1 };

struct push;
struct push_request;

/* The request is handed to libcurl now, for the first time; perhaps before push_send returns. Must
 * not cancel it. */
typedef void push_began_fn(void *arg);

struct push_target {
    const char *endpoint; /* copied */
    bool proven;          /* has accepted a push before */
    bool failing;         /* its last push failed: healthy ones do not wait for it */
    bool probe;           /* the operator asks: goes at once, also to a server that is down */
    push_began_fn *began; /* gets the `arg` of push_send; may be NULL */
    bool has_keys;
    uint8_t p256dh[ENCRYPT_KEY_SIZE];
    uint8_t auth[ENCRYPT_AUTH_SIZE];
};

typedef void push_fn(void *arg, const struct verdict *verdict);

struct push *push_new(struct loop *loop, struct resolver *resolver, struct policy *policy,
                      struct vapid *vapid, const struct config *config, struct err *err);
/* Cancels what is under way, without calling back. Not from within fn. */
void push_free(struct push *push);
/* New timings, policy and trust store; requests in flight go on. */
int push_reload(struct push *push, struct policy *policy, const struct config *config,
                struct err *err);

/* What stands in the Authorization of a push to this endpoint; whether what push.headers_file has
 * for this origin is not what it had before the last reload. */
enum push_login push_login_for(const struct push *push, const char *endpoint);
bool push_headers_changed(const struct push *push, const char *origin);

struct push_events {
    /* Whether an endpoint other than this one lives at the origin, too. */
    bool (*origin_is_shared)(void *arg, const char *origin, const char *endpoint);
    /* The push server works again after failures of its own: what is owed there may be rung. Never
     * called from within push_send. */
    void (*origin_recovered)(void *arg, const char *origin);
};

/* Both are asked for from now on; `events` must stay. */
void push_listen(struct push *push, const struct push_events *events, void *arg);

/* Calls `fn` once, never before returning; the request is over then. A ring for a push server that
 * is down waits until it answers; a test or notice fails at once, unless it is a probe. */
struct push_request *push_send(struct push *push, const struct push_target *target,
                               enum push_kind kind, push_fn *fn, void *arg);
void push_cancel(struct push_request *request); /* fn is not called */

/* Our own network works again: every push server that is down is tried now. */
void push_hurry(struct push *push);

/* What is known about our clock beside those of push servers (skew.h). */
struct skew;
const struct skew *push_skew(const struct push *push);

/* For people: every origin that is in use or remembered. */
struct push_origin_state {
    const char *name;
    enum breaker_state proven, strangers; /* for endpoints that worked once; for the others */
    int64_t silent_since_unix;            /* the first failure in a row; 0: none */
    int64_t retry_in_ms;                  /* 0: at once */
    const char *why;                      /* the last failure; may be empty */
    unsigned waiting, in_flight;
    int errors_left; /* of ALLOWANCE_ERRORS; below 0 healthy phones use their reserve */
};
void push_each_origin(struct push *push,
                      void (*each)(void *arg, const struct push_origin_state *state), void *arg);

/* For whoever watches: since the start, and at the moment. */
struct push_figures {
    uint64_t began[PUSH_KINDS], accepted[PUSH_KINDS];
    unsigned waiting, in_flight;
    /* Push servers that are in use or remembered, by breaker. */
    unsigned proven[BREAKER_STATES], strangers[BREAKER_STATES];
    const struct answers *answers; /* the push's own */
};
void push_figures(struct push *push, struct push_figures *figures);

#endif
