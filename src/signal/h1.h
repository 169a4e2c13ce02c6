/* The first road: one HTTP/1.1 websocket per device (RFC 6455 section 4.1), each on a connection of
 * its own by net/stream.h. */
#ifndef DOORBELL_SIGNAL_H1_H
#define DOORBELL_SIGNAL_H1_H

#include "config/config.h"
#include "net/connector.h"
#include "signal/transport.h"

struct h1;

/* One TLS context for the server of config->signal_url and its roots. */
struct h1 *h1_new(struct loop *loop, struct connector *connector, const struct config *config,
                  struct err *err);
/* All channels must have been freed. Closes that are still under way go out while the loop turns.
 */
void h1_free(struct h1 *h1);
void h1_reload(struct h1 *h1, const struct config *config);

extern const struct transport_ops h1_ops; /* its `transport` argument is a struct h1 * */

#endif
