#include "signal/server.h"

#include <stdlib.h>

#include "base/mem.h"

void signal_server_init(struct signal_server *server, struct loop *loop,
                        const struct config *config, const struct transport_ops *transport,
                        void *road)
{
    *server = (struct signal_server){
        .loop = loop, .config = config, .transport = transport, .road = road};
}

struct signal_server *signal_server_new(struct loop *loop, struct connector *connector,
                                        const struct config *config, struct err *err)
{
    struct h1 *h1 = h1_new(loop, connector, config, err);
    if (!h1)
        return NULL;
    struct signal_server *server = mem_new(sizeof *server);
    signal_server_init(server, loop, config, &h1_ops, h1);
    return server;
}

void signal_server_free(struct signal_server *server)
{
    if (!server)
        return;
    h1_free(server->road);
    free(server);
}

void signal_server_reload(struct signal_server *server, const struct config *config)
{
    server->config = config;
    h1_reload(server->road, config);
}
