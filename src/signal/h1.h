/* The first road: one HTTP/1.1 websocket per device, by libwebsockets on our loop. */
#ifndef DOORBELL_SIGNAL_H1_H
#define DOORBELL_SIGNAL_H1_H

#include "config/config.h"
#include "net/connector.h"
#include "signal/transport.h"

struct h1;

/* Makes the libwebsockets context with one TLS context for the server of config->signal_url and its
 * roots. Clears ambient http_proxy variables first (libraries.md). */
struct h1 *h1_new(struct loop *loop, struct connector *connector, const struct config *config,
                  struct err *err);
/* All channels must have been freed. The rest of it goes while the loop still turns, as in
 * loop_fini. */
void h1_free(struct h1 *h1);
void h1_reload(struct h1 *h1, const struct config *config);

extern const struct transport_ops h1_ops; /* its `transport` argument is a struct h1 * */

#endif
