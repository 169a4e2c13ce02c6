#include "signal/h2.h"

#include <stdlib.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "base/random.h"
#include "signal/h2_parts.h"
#include "signal/tls.h"

enum {
    /* A stream costs the server what a handshake does but for TLS, which is most of it. */
    ACCOUNT_START_MS = 2,    /* 500 a second */
    CANDIDATE_START_MS = 20, /* 50 a second, as the connector has it */
    ACCOUNT_BURST = 50,
    CANDIDATE_BURST = 5,
    /* While none stands, one is tried at a time; then they double. */
    MAKING_MAX = 8,
    /* Between connections that come to nothing, however many accounts wait for one. */
    REST_MIN_MS = 1000,
    REST_MAX_MS = 60 * 1000,
    LAZY_MS = 1000,
};

void h2_wake(struct h2 *h2)
{
    if (!timer_is_set(&h2->pump) || h2->pump.at_ms > loop_now_ms(h2->loop))
        loop_timer_set(h2->loop, &h2->pump, 0);
}

void h2_enqueue(struct h2 *h2, struct channel *channel)
{
    list_append(&h2->queues[channel->lane], &channel->node);
    h2->queued++;
    h2_wake(h2);
}

void h2_rest(struct h2 *h2)
{
    int64_t now_ms = loop_now_ms(h2->loop);
    if (now_ms < h2->rest_until_ms)
        return; /* for all that one event brings about */
    int64_t most_ms = backoff_ceiling_ms(REST_MIN_MS, REST_MAX_MS, h2->failures++);
    h2->rest_until_ms = now_ms + backoff_jitter_ms(most_ms / 2, most_ms, random_u32());
}

void h2_give_up(struct h2 *h2, const struct transport_end *end, size_t most)
{
    h2_rest(h2);
    for (size_t lane = 0; lane < H2_LANES; lane++) {
        struct list *queue = &h2->queues[lane];
        for (; most > 0 && !list_empty(queue); most--, h2->queued--)
            h2_channel_cut(list_owner(list_first(queue), struct channel, node), end);
    }
    h2_wake(h2);
}

/* Places. */

static struct h2_connection *roomy(const struct h2 *h2)
{
    struct list *node = list_first(&h2->roomy);
    return node ? list_owner(node, struct h2_connection, node) : NULL;
}

/* False: none waits in this lane, or there is no room or no token for it. */
static bool place_one(struct h2 *h2, size_t lane)
{
    struct list *queue = &h2->queues[lane];
    if (list_empty(queue) || !roomy(h2) || !bucket_take(&h2->buckets[lane], loop_now_ms(h2->loop)))
        return false;
    struct channel *channel = list_owner(list_first(queue), struct channel, node);
    list_remove(&channel->node);
    if (h2_connection_take(roomy(h2), channel))
        h2->queued--;
    else
        list_append(queue, &channel->node);
    return true;
}

/* By turns, so that neither accounts nor candidates shut out the others. */
static void place(struct h2 *h2)
{
    for (size_t missed = 0; missed < H2_LANES; h2->turn = (h2->turn + 1) % H2_LANES)
        missed = place_one(h2, h2->turn) ? 0 : missed + 1;
}

static bool wants_connection(const struct h2 *h2)
{
    size_t most = h2->standing < MAKING_MAX ? h2->standing : MAKING_MAX;
    if (!most)
        most = 1;
    return !roomy(h2) && h2->in_the_making < most &&
           h2->in_the_making * h2->per_connection < h2->queued;
}

static void wake_at(struct h2 *h2, int64_t at_ms)
{
    if (!timer_is_set(&h2->pump) || h2->pump.at_ms > at_ms)
        loop_timer_set(h2->loop, &h2->pump, at_ms - loop_now_ms(h2->loop));
}

/* What waits for a connection in the making is woken by it. */
static void on_pump(void *arg)
{
    struct h2 *h2 = arg;
    int64_t now_ms = loop_now_ms(h2->loop);
    place(h2);
    while (now_ms >= h2->rest_until_ms && wants_connection(h2))
        h2_connection_new(h2, list_empty(&h2->queues[CONNECTOR_ACCOUNT]) ? CONNECTOR_CANDIDATE
                                                                         : CONNECTOR_ACCOUNT);
    if (wants_connection(h2))
        wake_at(h2, h2->rest_until_ms);
    for (size_t lane = 0; lane < H2_LANES && roomy(h2); lane++)
        if (!list_empty(&h2->queues[lane]))
            wake_at(h2, bucket_next_ms(&h2->buckets[lane], now_ms));
}

/* The transport's functions. */

static struct channel *h2_open(void *transport, bool candidate,
                               const struct transport_events *events, void *arg)
{
    struct h2 *h2 = transport;
    struct channel *channel = h2_channel_new(h2, candidate, events, arg);
    h2_enqueue(h2, channel);
    return channel;
}

const struct transport_ops h2_ops = {
    .name = "http2",
    .open = h2_open,
    .send = h2_channel_send,
    .send_lazily = h2_channel_send_lazily,
    .close = h2_channel_close,
    .idle = h2_channel_idle,
    .free = h2_channel_free,
};

static int take_url(struct h2 *h2, const char *text, struct err *err)
{
    if (url_parse(&h2->url, text, err) != 0) {
        err_prefix(err, "signal.http2_url");
        return ERR_INVALID;
    }
    url_authority(&h2->url, h2->authority);
    return 0;
}

struct h2 *h2_new(struct loop *loop, struct connector *connector, const struct config *config,
                  struct err *err)
{
    struct h2 *h2 = mem_new(sizeof *h2);
    h2->loop = loop;
    h2->road = (struct websocket_road){.loop = loop, .put = h2_channel_put};
    h2->connector = connector;
    list_init(&h2->queues[CONNECTOR_ACCOUNT]);
    list_init(&h2->queues[CONNECTOR_CANDIDATE]);
    list_init(&h2->roomy);
    list_init(&h2->others);
    bucket_init(&h2->buckets[CONNECTOR_ACCOUNT], ACCOUNT_START_MS, ACCOUNT_BURST);
    bucket_init(&h2->buckets[CONNECTOR_CANDIDATE], CANDIDATE_START_MS, CANDIDATE_BURST);
    timer_init(&h2->pump, on_pump, h2);
    h2_reload(h2, config);
    if (take_url(h2, config->signal_http2_url, err) == 0) {
        if (!url_wants_tls(&h2->url))
            return h2;
        h2->tls = tls_new(config->signal_ca_file, TLS1_3_VERSION, err);
        if (h2->tls)
            return h2;
    }
    h2_free(h2);
    return NULL;
}

static void count_open(const struct list *connections, size_t *open)
{
    list_each(node, connections) {
        const struct h2_connection *connection = list_owner(node, struct h2_connection, node);
        list_each(channel, &connection->channels)
            *open += list_owner(channel, struct channel, node)->websocket.state == WEBSOCKET_OPEN;
    }
}

void h2_count(const struct h2 *h2, size_t *connections, size_t *open)
{
    *connections = h2->standing;
    *open = 0;
    count_open(&h2->roomy, open);
    count_open(&h2->others, open);
}

size_t h2_connections(const struct h2 *h2)
{
    return h2->standing + h2->in_the_making;
}

size_t h2_shares(const struct h2 *h2)
{
    return h2->announced > 0 && h2->announced < h2->per_connection ? h2->announced
                                                                   : h2->per_connection;
}

static void free_connections(struct list *list)
{
    while (!list_empty(list))
        h2_connection_free(list_owner(list_first(list), struct h2_connection, node));
}

void h2_free(struct h2 *h2)
{
    if (!h2)
        return;
    free_connections(&h2->roomy);
    free_connections(&h2->others);
    loop_timer_cancel(h2->loop, &h2->pump);
    SSL_CTX_free(h2->tls);
    url_fini(&h2->url);
    free(h2);
}

static void move(struct list *node, struct list *to)
{
    list_remove(node);
    list_append(to, node);
}

/* Another number of accounts may share them now. */
static void sort_all(struct h2 *h2)
{
    struct list all;
    list_init(&all);
    while (!list_empty(&h2->roomy))
        move(list_first(&h2->roomy), &all);
    while (!list_empty(&h2->others))
        move(list_first(&h2->others), &all);
    while (!list_empty(&all))
        h2_connection_sort(list_owner(list_first(&all), struct h2_connection, node));
}

/* A small part of what a keep-alive has until it is due, and until it must be answered. */
static int64_t lazy_ms(const struct config *config)
{
    int64_t part_ms = config->signal_keepalive_ms / 30, most_ms = LAZY_MS;
    if (config->signal_keepalive_timeout_ms / 10 < part_ms)
        part_ms = config->signal_keepalive_timeout_ms / 10;
    return part_ms < most_ms ? part_ms : most_ms;
}

void h2_reload(struct h2 *h2, const struct config *config)
{
    h2->connect_timeout_ms = config->net_connect_timeout_ms;
    h2->handshake_timeout_ms = config->net_handshake_timeout_ms;
    h2->keepalive_ms = config->signal_keepalive_ms;
    h2->keepalive_timeout_ms = config->signal_keepalive_timeout_ms;
    h2->lazy_ms = lazy_ms(config);
    h2->per_connection = (size_t)config->signal_accounts_per_connection;
    sort_all(h2);
}
