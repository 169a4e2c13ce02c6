/* What all links to the chat server share: the roads to it, and which of them is taken. Internal to
 * signal/. */
#ifndef DOORBELL_SIGNAL_SERVER_H
#define DOORBELL_SIGNAL_SERVER_H

#include "base/bucket.h"
#include "signal/roads.h"
#include "signal/signal.h"
#include "signal/transport.h"

struct signal_server {
    struct loop *loop;
    struct connector *connector;
    const struct config *config;
    const struct transport_ops *transports[ROADS];
    void *ways[ROADS]; /* the transports' own objects; NULL: not made */
    struct roads roads;
    size_t links[ROADS]; /* that were started and are not down */
    bool crowded;        /* no other link may be started, when that was asked last */
    struct bucket moves; /* links that leave a road which a reload has closed, or make room */
    int told;            /* the road that was last named in the log; -1: none */
    bool said_unknown;   /* it sends requests that we do not know */
};

/* For a server with one transport that is already made. */
void signal_server_init(struct signal_server *server, struct loop *loop,
                        const struct config *config, const struct transport_ops *transport,
                        void *way);

enum road server_pick_road(struct signal_server *server, bool candidate);
void server_note_success(struct signal_server *server, enum road road);
void server_note_failure(struct signal_server *server, enum road road,
                         const struct transport_end *end);
/* A link on this road, with nothing under way, should be made anew on another one. */
bool server_wants_move(struct signal_server *server, enum road road);
/* link_ops' `most`. Links on HTTP/1.1 move once HTTP/2 is back and all room is taken. */
size_t server_most_links(struct signal_server *server, size_t descriptors);

#endif
