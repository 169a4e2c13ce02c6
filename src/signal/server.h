/* What all links to the chat server share. Internal to signal/. */
#ifndef DOORBELL_SIGNAL_SERVER_H
#define DOORBELL_SIGNAL_SERVER_H

#include "base/list.h"
#include "signal/h1.h"
#include "signal/signal.h"
#include "signal/transport.h"

struct signal_server {
    struct loop *loop;
    const struct config *config;
    const struct transport_ops *transport;
    void *road;       /* the transport's own object */
    struct list up;   /* links that are up: all are tested when the machine has slept */
    int64_t slept_ms; /* of the boot-time clock's lead over the monotonic one, at the last look */
};

/* For a server whose transport is already made. */
void signal_server_init(struct signal_server *server, struct loop *loop,
                        const struct config *config, const struct transport_ops *transport,
                        void *road);

#endif
