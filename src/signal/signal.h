/* Signal's chat server as a messenger: struct link_ops over its websocket resource protocol
 * (signal.md 1 to 5, signal-measured.md). One struct signal per process holds what all its links
 * share: connector, transport (HTTP/1.1 now), settings. */
#ifndef DOORBELL_SIGNAL_SIGNAL_H
#define DOORBELL_SIGNAL_SIGNAL_H

#include "config/config.h"
#include "link/link.h"
#include "net/connector.h"

struct signal_server;

struct signal_server *signal_server_new(struct loop *loop, struct connector *connector,
                                        const struct config *config, struct err *err);
/* All links must have been freed. */
void signal_server_free(struct signal_server *server);

/* Timings and User-Agents of a reloaded configuration, which replaces the old one; links stay. */
void signal_server_reload(struct signal_server *server, const struct config *config);

extern const struct link_ops
    signal_link_ops; /* its `messenger` argument is a struct signal_server * */

#endif
