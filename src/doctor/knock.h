/* One anonymous websocket over HTTP/2, asked for by the very code with which the server asks for
 * those of its accounts: resolver, connector and transport, of its own each. No credentials; it
 * says one keep-alive, and is closed as soon as that is answered. */
#ifndef DOORBELL_DOCTOR_KNOCK_H
#define DOORBELL_DOCTOR_KNOCK_H

#include "base/loop.h"
#include "config/config.h"
#include "net/address.h"
#include "signal/transport.h"

struct knock;

struct knock_request {
    const struct config *config; /* signal.http2_url, signal.ca_file, net.* */
    int family;                  /* AF_UNSPEC: as net.family has it */
    const char *user_agent;      /* borrowed until the knock is freed */
    int64_t step_ms;             /* for each of TCP, TLS, the greeting and the two answers */
    int64_t total_ms;
};

/* NULL: the websocket opened and is alive; else how it ended without that. */
typedef void knock_fn(void *arg, const struct transport_end *end);

/* Calls `fn` once, never before returning; knock_free only after that has returned. NULL with a
 * sentence. SIGPIPE must be ignored (net/stream.h). */
struct knock *knock_new(struct loop *loop, const struct knock_request *request, knock_fn *fn,
                        void *arg, struct err *err);
void knock_free(struct knock *knock);

/* Whether this machine has a network that leads to one of them, as far as it can be told without
 * sending anything. */
bool knock_has_route(const struct address_list *addresses);

#endif
