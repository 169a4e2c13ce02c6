/* What all links to the chat server share. Internal to signal/. */
#ifndef DOORBELL_SIGNAL_SERVER_H
#define DOORBELL_SIGNAL_SERVER_H

#include "signal/h1.h"
#include "signal/signal.h"
#include "signal/transport.h"

struct signal_server {
    struct loop *loop;
    const struct config *config;
    const struct transport_ops *transport;
    void *road;        /* the transport's own object */
    bool said_unknown; /* it sends requests that we do not know */
};

/* For a server whose transport is already made. */
void signal_server_init(struct signal_server *server, struct loop *loop,
                        const struct config *config, const struct transport_ops *transport,
                        void *road);

#endif
