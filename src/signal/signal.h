/* Signal's chat server as a messenger: struct link_ops over its websocket resource protocol
 * (signal.md 1 to 5, signal-measured.md). One struct signal per process holds what all its links
 * share: connector, the roads (HTTP/2, HTTP/1.1), settings. */
#ifndef DOORBELL_SIGNAL_SIGNAL_H
#define DOORBELL_SIGNAL_SIGNAL_H

#include "config/config.h"
#include "link/link.h"
#include "net/connector.h"
#include "signal/roads.h"

struct signal_server;

/* Which roads the configuration leaves. An operator's own server has HTTP/2 only where it is
 * named: credentials go to nobody who was not (settled.md). */
void signal_server_roads(const struct config *config, bool wanted[ROADS]);

struct signal_server *signal_server_new(struct loop *loop, struct connector *connector,
                                        const struct config *config, struct err *err);
/* All links must have been freed. */
void signal_server_free(struct signal_server *server);

/* Timings and User-Agents of a reloaded configuration, which replaces the old one; links stay. */
void signal_server_reload(struct signal_server *server, const struct config *config);

/* The machine may be in another network now, where the better road is open. */
void signal_server_resumed(struct signal_server *server);

/* How Signal is reached now, for the operator. */
struct signal_report {
    const char *road; /* that links take: "HTTP/2" */
    const char *why;  /* not the better one, as a part of a sentence; NULL: it is that, or the
                         setting  leaves one only */
    /* Of HTTP/2: TLS connections that stand, and the links on them. */
    size_t connections, streams;
};
void signal_server_report(const struct signal_server *server, struct signal_report *report);

extern const struct link_ops
    signal_link_ops; /* its `messenger` argument is a struct signal_server * */

#endif
