#include "signal/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void signal_server_init(struct signal_server *server, struct loop *loop,
                        const struct config *config, const struct transport_ops *transport,
                        void *road)
{
    *server = (struct signal_server){
        .loop = loop, .config = config, .transport = transport, .road = road};
    list_init(&server->up);
    server->slept_ms = clock_boot_ms() - clock_ms();
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

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int signal_server_reload(struct signal_server *server, const struct config *config, struct err *err)
{
    const struct config *old = server->config;
    if (!same(old->signal_url, config->signal_url))
        return err_set(err, ERR_NOT_NOW,
                       "signal.url cannot change while the server runs; restart it");
    if (!same(old->signal_ca_file, config->signal_ca_file))
        return err_set(err, ERR_NOT_NOW,
                       "signal.ca_file cannot change while the server runs; restart it");
    server->config = config;
    h1_reload(server->road, config);
    return 0;
}
