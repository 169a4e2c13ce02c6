/* Sends one content-free wake-up at a time to an endpoint (RFC 8030) and says what came of it. Over
 * libcurl's multi interface on the loop, HTTP/1.1, addresses from our resolver only, policy on the
 * socket address, bounded answers (security.md 7 to 9). At most 4 requests in flight per origin and
 * 64 in all; what exceeds that waits its turn, first come first served per origin, origins in turn.
 */
#ifndef DOORBELL_PUSH_PUSH_H
#define DOORBELL_PUSH_PUSH_H

#include "config/config.h"
#include "net/resolver.h"
#include "push/encrypt.h"
#include "push/policy.h"
#include "push/vapid.h"
#include "push/verdict.h"

enum push_kind {
    PUSH_RING,      /* {"urgent":true}  Topic mollysocket */
    PUSH_TEST,      /* {"test":true}    Topic test */
    PUSH_CONTESTED, /* {"code":4409}    Topic 4409 */
};

struct push;
struct push_request;

struct push_target {
    const char *endpoint; /* copied */
    bool proven;          /* has accepted a push before */
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

/* Calls `fn` once, never before returning; the request is over then. */
struct push_request *push_send(struct push *push, const struct push_target *target,
                               enum push_kind kind, push_fn *fn, void *arg);
void push_cancel(struct push_request *request); /* fn is not called */

#endif
