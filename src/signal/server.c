#include "signal/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "signal/h1.h"
#include "signal/h2.h"

enum { MOVE_EVERY_MS = 20, MOVE_BURST = 10 }; /* 50 links a second */

static int64_t now_ms(const struct signal_server *server)
{
    return loop_now_ms(server->loop);
}

static void init(struct signal_server *server, struct loop *loop, const struct config *config)
{
    *server = (struct signal_server){
        .loop = loop,
        .config = config,
        .transports = {[ROAD_HTTP2] = &h2_ops, [ROAD_HTTP1] = &h1_ops},
        .told = -1,
    };
    bucket_init(&server->moves, MOVE_EVERY_MS, MOVE_BURST);
}

void signal_server_init(struct signal_server *server, struct loop *loop,
                        const struct config *config, const struct transport_ops *transport,
                        void *way)
{
    init(server, loop, config);
    server->transports[ROAD_HTTP1] = transport;
    server->ways[ROAD_HTTP1] = way;
    roads_init(&server->roads, false, true);
}

enum road server_pick_road(struct signal_server *server, bool candidate)
{
    return roads_pick(&server->roads, candidate, now_ms(server));
}

/* Once per change, and where there is a choice. */
static void tell(struct signal_server *server, enum road road)
{
    const struct roads *roads = &server->roads;
    bool has_choice = roads->open[ROAD_HTTP1] && roads->open[ROAD_HTTP2];
    bool is_late = road == ROAD_HTTP1 && !roads->fallen; /* it began before HTTP/2 was back */
    if (!has_choice || is_late || server->told == (int)road)
        return;
    if (road == ROAD_HTTP1)
        log_warn("Signal is reached over HTTP/1.1 instead of HTTP/2 (%s). Doorbell tries HTTP/2 "
                 "again by itself; until then each account has a connection of its own.",
                 roads->why);
    else
        log_info("Signal is reached over HTTP/2%s.", server->told < 0 ? "" : " again");
    server->told = (int)road;
}

void server_note_success(struct signal_server *server, enum road road)
{
    roads_worked(&server->roads, road);
    tell(server, road);
}

void server_note_failure(struct signal_server *server, enum road road,
                         const struct transport_end *end)
{
    roads_failed(&server->roads, road, end, now_ms(server), random_u32());
}

bool server_wants_move(struct signal_server *server, enum road road)
{
    bool takes_room = server->crowded && road == ROAD_HTTP1 && roads_prefers_http2(&server->roads);
    return (takes_room || !server->roads.open[road]) && bucket_take(&server->moves, now_ms(server));
}

size_t server_most_links(struct signal_server *server, size_t descriptors)
{
    const struct h2 *h2 = server->ways[ROAD_HTTP2];
    struct roads_use use = {.connections = h2 ? h2_connections(h2) : 0,
                            .shares = h2 ? h2_shares(h2) : 1};
    memcpy(use.links, server->links, sizeof use.links);
    size_t most = roads_most_links(&server->roads, &use, descriptors, now_ms(server));
    server->crowded = use.links[ROAD_HTTP1] + use.links[ROAD_HTTP2] >= most;
    return most;
}

void signal_server_roads(const struct config *config, bool wanted[ROADS])
{
    bool has_http2 = config_has_http2(config);
    wanted[ROAD_HTTP2] = has_http2 && config->signal_transport != SIGNAL_TRANSPORT_HTTP1;
    wanted[ROAD_HTTP1] = !has_http2 || config->signal_transport != SIGNAL_TRANSPORT_HTTP2;
}

static int make_way(struct signal_server *server, enum road road, struct err *err)
{
    void **way = &server->ways[road];
    if (*way)
        return 0;
    if (road == ROAD_HTTP2)
        *way = h2_new(server->loop, server->connector, server->config, err);
    else
        *way = h1_new(server->loop, server->connector, server->config, err);
    return *way ? 0 : ERR_IO;
}

static int make_ways(struct signal_server *server, struct err *err)
{
    bool wanted[ROADS];
    signal_server_roads(server->config, wanted);
    for (int road = 0; road < ROADS; road++)
        if (wanted[road] && make_way(server, (enum road)road, err) != 0)
            return ERR_IO;
    roads_init(&server->roads, wanted[ROAD_HTTP2], wanted[ROAD_HTTP1]);
    return 0;
}

struct signal_server *signal_server_new(struct loop *loop, struct connector *connector,
                                        const struct config *config, struct err *err)
{
    struct signal_server *server = mem_new(sizeof *server);
    init(server, loop, config);
    server->connector = connector;
    if (make_ways(server, err) == 0)
        return server;
    signal_server_free(server);
    return NULL;
}

void signal_server_free(struct signal_server *server)
{
    if (!server)
        return;
    h2_free(server->ways[ROAD_HTTP2]);
    h1_free(server->ways[ROAD_HTTP1]);
    free(server);
}

void signal_server_resumed(struct signal_server *server)
{
    roads_resumed(&server->roads);
}

void signal_server_report(const struct signal_server *server, struct signal_report *report)
{
    const struct roads *roads = &server->roads;
    bool is_http2 = roads_prefers_http2(roads);
    *report = (struct signal_report){.road = road_name(is_http2 ? ROAD_HTTP2 : ROAD_HTTP1),
                                     .why = roads->fallen ? roads->why : NULL};
    if (server->ways[ROAD_HTTP2])
        h2_count(server->ways[ROAD_HTTP2], &report->connections, &report->streams);
}

/* Links that are up on a road which is closed now leave it one after the other. */
static void change_roads(struct signal_server *server)
{
    struct err err;
    bool wanted[ROADS];
    const struct roads *roads = &server->roads;
    signal_server_roads(server->config, wanted);
    if (wanted[ROAD_HTTP2] == roads->open[ROAD_HTTP2] &&
        wanted[ROAD_HTTP1] == roads->open[ROAD_HTTP1])
        return;
    server->told = -1;
    if (make_ways(server, &err) != 0)
        log_error("signal.transport stays as it was: %s", err.text);
}

void signal_server_reload(struct signal_server *server, const struct config *config)
{
    server->config = config;
    if (server->ways[ROAD_HTTP2])
        h2_reload(server->ways[ROAD_HTTP2], config);
    if (server->ways[ROAD_HTTP1])
        h1_reload(server->ways[ROAD_HTTP1], config);
    change_roads(server);
}
