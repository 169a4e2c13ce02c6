/* The second road: websockets inside the streams of HTTP/2 connections (RFC 8441), many devices on
 * one TLS connection, by nghttp2 over net/stream.h on our loop. It is the only road of Signal's own
 * clients since July 2026 (signal.md 1.1, signal-measured.md 4). */
#ifndef DOORBELL_SIGNAL_H2_H
#define DOORBELL_SIGNAL_H2_H

#include "config/config.h"
#include "net/connector.h"
#include "signal/transport.h"

struct h2;

/* One TLS context and one pool of connections for the server of config->signal_http2_url. */
struct h2 *h2_new(struct loop *loop, struct connector *connector, const struct config *config,
                  struct err *err);
/* All channels must have been freed. Closes that are still under way go out while the loop turns.
 */
void h2_free(struct h2 *h2);
void h2_reload(struct h2 *h2, const struct config *config);

/* Connections that stand, and the websockets that are open on them. */
void h2_count(const struct h2 *h2, size_t *connections, size_t *open);

/* Connections that stand or are being made. */
size_t h2_connections(const struct h2 *h2);
/* How many websockets a connection carries: at least 1. */
size_t h2_shares(const struct h2 *h2);

extern const struct transport_ops h2_ops; /* its `transport` argument is a struct h2 * */

#endif
