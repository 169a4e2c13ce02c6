/* One HTTP request at a time, done by libcurl on the loop: HTTP/1.1, the addresses it is given and
 * no others, the policy's word on every socket address, no redirects, a bounded answer (security.md
 * 7 to 9). A kept connection that dies under a request before a byte of the answer gets one further
 * try on a fresh one, at once. */
#ifndef DOORBELL_PUSH_TRANSFER_H
#define DOORBELL_PUSH_TRANSFER_H

#include "base/loop.h"
#include "net/address.h"
#include "push/basic.h"
#include "push/headers.h"
#include "push/policy.h"
#include "push/trust.h"
#include "push/vapid.h"
#include "push/verdict.h"

enum {
    TRANSFER_AUTHORIZATION_SIZE = (int)BASIC_HEADER_SIZE > (int)VAPID_HEADER_SIZE
                                      ? (int)BASIC_HEADER_SIZE
                                      : (int)VAPID_HEADER_SIZE,
};

struct transfers;
struct transfer;

/* What `endpoint`, `origin`, `addresses` and `body` show must stay until the end. */
struct transfer_request {
    const struct url *endpoint;
    const char *origin; /* the endpoint's */
    bool proven;        /* as the policy asks */
    const struct address_list *addresses;
    const struct connect_target *connect_to; /* whose addresses these are; NULL: the endpoint's */
    const char *authorization;               /* NULL: without; wins over one of `headers` */
    const struct header_list *headers;       /* more of them; NULL: none */
    const char *topic;
    const char *content_type;
    const void *body;
    size_t length;
    bool fresh; /* not over a kept connection */
    int64_t connect_ms, total_ms;
};

/* `why` is curl's reason where no status came, or the policy's; printable, may be empty. `answer`
 * and `why` last until it returns. */
typedef void transfer_fn(void *arg, const struct push_answer *answer, const char *why);

/* Takes `trust` over, also when it fails (NULL); the policy belongs to the caller. */
struct transfers *transfers_new(struct loop *loop, const struct policy *policy, struct trust *trust,
                                struct err *err);
void transfers_free(
    struct transfers *transfers); /* cancels what is under way; not from within fn */

/* What begins from now on obeys these, also where a connection was kept from before. Takes `trust`
 * over. */
void transfers_renew(struct transfers *transfers, const struct policy *policy, struct trust *trust);

/* Starts in this turn of the loop; calls `fn` once, in a later one. NULL when curl refuses. */
struct transfer *transfer_start(struct transfers *transfers, const struct transfer_request *request,
                                transfer_fn *fn, void *arg);
void transfer_cancel(struct transfer *transfer); /* fn is not called */

#endif
