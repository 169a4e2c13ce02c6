#include "net/resolver.h"

#include <ares.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/nameservers.h"
#include "net/query.h"

#define RESOLV_CONF "/etc/resolv.conf"

enum {
    /* Names that never worked are a stranger's: few at a time, so that silent nameservers fill
     * these slots and nothing else. */
    UNPROVEN_ASKING_MAX = 8,
    UNPROVEN_QUEUED_MAX = 256,
    PROVEN_ASKING_MAX = 32,
    PROVEN_QUEUED_MAX = 1024,

    ENDPOINT_NAMES_MAX = 4096,
    ENDPOINT_FRESH_MS = 60000,
    MESSENGER_NAMES_MAX = 64,
    MESSENGER_FRESH_MS = 10000, /* long enough that a thousand links that come back ask once */
};

void resolver_turn_soon(struct resolver *resolver)
{
    if (!timer_is_set(&resolver->turn))
        loop_timer_set(resolver->loop, &resolver->turn, 0);
}

/* What is being asked is asked again on the new channel, within its old deadline. */
static void lane_set_dns(struct lane *lane, struct dns *dns)
{
    struct list again;
    list_init(&again);
    while (!list_empty(&lane->asking)) {
        struct list *node = list_first(&lane->asking);
        struct query *query = list_owner(node, struct query, node);
        for (size_t i = 0; i < SIDES; i++)
            dns_forget(&query->sides[i].question);
        list_remove(node);
        list_append(&again, node);
    }
    dns_free(lane->dns);
    lane->dns = dns;
    while (!list_empty(&again)) {
        struct list *node = list_first(&again);
        list_remove(node);
        list_append(&lane->asking, node);
        query_ask_nameservers(list_owner(node, struct query, node));
    }
}

/* All of it or nothing. Takes over the nameservers' text when it succeeds. */
static int apply(struct resolver *resolver, const struct settings *settings, struct err *err)
{
    struct dns *fresh[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++) {
        struct dns_options options = {.lookups = "b",
                                      .nameservers = settings->nameservers,
                                      .timeout_ms = settings->deadlines_ms[i]};
        fresh[i] = dns_new(resolver->loop, &options, err);
        if (!fresh[i]) {
            dns_free(fresh[0]);
            return ERR_IO;
        }
    }
    if (resolver->settings.nameservers != settings->nameservers)
        free(resolver->settings.nameservers);
    resolver->settings = *settings;
    for (size_t i = 0; i < 2; i++) {
        resolver->lanes[i].deadline_ms = settings->deadlines_ms[i];
        lane_set_dns(&resolver->lanes[i], fresh[i]);
    }
    return 0;
}

static void read_identity(struct stat *identity)
{
    if (stat(RESOLV_CONF, identity) != 0)
        memset(identity, 0, sizeof *identity);
}

static bool same_identity(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* We may be started before the network is there, or live through a change of it. */
static void follow_system(struct resolver *resolver)
{
    struct stat now;
    if (resolver->settings.nameservers)
        return;
    read_identity(&now);
    if (same_identity(&now, &resolver->followed))
        return;
    resolver->followed = now;
    const struct settings same = resolver->settings;
    struct err err;
    if (apply(resolver, &same, &err) == 0)
        log_info(RESOLV_CONF " changed: asking the nameservers that it names now.");
    else
        log_warn(RESOLV_CONF " changed, but %s.", err.text);
}

/* Turns: everything that calls out happens here, on the loop and outside of c-ares. */

static void start_queued(struct lane *lane)
{
    for (size_t i = 0; i < 2; i++) {
        struct gate *gate = &lane->gates[i];
        while (gate->queued && gate->asking < gate->asking_max)
            query_ask(list_owner(list_first(&gate->queue), struct query, node));
    }
}

/* One waiter a turn, as the last thing, so that its function may do whatever it likes. */
static void tell_one(struct resolver *resolver)
{
    struct list *first = list_first(&resolver->done);
    if (!first)
        return;
    struct query *query = list_owner(first, struct query, node);
    struct lookup *next = list_owner(list_first(&query->waiters), struct lookup, node);
    struct lookup lookup = *next;
    struct address_list addresses = query->addresses;
    struct err err = query->err;
    for (size_t i = 0; i < addresses.count; i++)
        address_set_port(&addresses.items[i], lookup.port);
    resolver_cancel(next);
    if (!list_empty(&resolver->done))
        resolver_turn_soon(resolver);
    lookup.fn(lookup.arg, addresses.count ? &addresses : NULL, addresses.count ? NULL : &err);
}

static void on_turn(void *arg)
{
    struct resolver *resolver = arg;
    if (resolver->lanes[0].queries.count || resolver->lanes[1].queries.count)
        follow_system(resolver);
    start_queued(&resolver->lanes[RESOLVER_MESSENGER]);
    start_queued(&resolver->lanes[RESOLVER_ENDPOINT]);
    tell_one(resolver);
}

static int read_settings(struct settings *settings, const struct config *config, struct err *err)
{
    *settings = (struct settings){.family = config->net_family};
    settings->deadlines_ms[RESOLVER_ENDPOINT] = config->net_dns_timeout_ms;
    /* As patient as with one address that does not answer. */
    settings->deadlines_ms[RESOLVER_MESSENGER] = config->net_connect_timeout_ms;
    return nameservers_read(&settings->nameservers, &config->net_nameservers, err);
}

int resolver_reload(struct resolver *resolver, const struct config *config, struct err *err)
{
    struct settings settings;
    int code = read_settings(&settings, config, err);
    if (code != 0)
        return code;
    read_identity(&resolver->followed);
    code = apply(resolver, &settings, err);
    if (code != 0) {
        free(settings.nameservers);
        return code;
    }
    for (size_t i = 0; i < 2; i++) {
        size_t most = resolver->lanes[i].cache.most;
        name_cache_fini(&resolver->lanes[i].cache);
        name_cache_init(&resolver->lanes[i].cache, most);
    }
    return 0;
}

static void gate_init(struct gate *gate, size_t asking_max, size_t queued_max)
{
    *gate = (struct gate){.asking_max = asking_max, .queued_max = queued_max};
    list_init(&gate->queue);
}

static void lane_init(struct lane *lane, size_t names_max, int64_t fresh_ms)
{
    map_init(&lane->queries);
    list_init(&lane->asking);
    gate_init(&lane->gates[false], UNPROVEN_ASKING_MAX, UNPROVEN_QUEUED_MAX);
    gate_init(&lane->gates[true], PROVEN_ASKING_MAX, PROVEN_QUEUED_MAX);
    name_cache_init(&lane->cache, names_max);
    lane->fresh_ms = fresh_ms;
}

struct resolver *resolver_new(struct loop *loop, const struct config *config, struct err *err)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        err_set(err, ERR_IO, "c-ares cannot be initialised");
        return NULL;
    }
    struct resolver *resolver = mem_new(sizeof *resolver);
    resolver->loop = loop;
    list_init(&resolver->done);
    timer_init(&resolver->turn, on_turn, resolver);
    lane_init(&resolver->lanes[RESOLVER_MESSENGER], MESSENGER_NAMES_MAX, MESSENGER_FRESH_MS);
    lane_init(&resolver->lanes[RESOLVER_ENDPOINT], ENDPOINT_NAMES_MAX, ENDPOINT_FRESH_MS);
    struct dns_options hosts = {.lookups = "f", .timeout_ms = config->net_dns_timeout_ms};
    resolver->hosts = dns_new(loop, &hosts, err);
    if (!resolver->hosts || resolver_reload(resolver, config, err) != 0) {
        resolver_free(resolver);
        return NULL;
    }
    return resolver;
}

static void free_queries(struct list *queries)
{
    list_each_safe(node, queries) {
        struct query *query = list_owner(node, struct query, node);
        list_each_safe(waiter, &query->waiters)
            free(list_owner(waiter, struct lookup, node));
        for (size_t i = 0; i < SIDES; i++)
            dns_forget(&query->sides[i].question);
        loop_timer_cancel(query->resolver->loop, &query->deadline);
        free(query);
    }
}

static void lane_fini(struct lane *lane)
{
    free_queries(&lane->asking);
    free_queries(&lane->gates[false].queue);
    free_queries(&lane->gates[true].queue);
    map_fini(&lane->queries);
    name_cache_fini(&lane->cache);
    dns_free(lane->dns);
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    loop_timer_cancel(resolver->loop, &resolver->turn);
    free_queries(&resolver->done);
    lane_fini(&resolver->lanes[RESOLVER_MESSENGER]);
    lane_fini(&resolver->lanes[RESOLVER_ENDPOINT]);
    dns_free(resolver->hosts);
    free(resolver->settings.nameservers);
    free(resolver);
    ares_library_cleanup();
}

static bool has_host(const struct map_node *node, const void *host)
{
    return strcmp(map_owner(node, struct query, by_host)->host, host) == 0;
}

/* In lower case; false when it cannot be a host's name. */
static bool read_host(char host[HOST_MAX + 1], const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > HOST_MAX || !text_is_token(text, length))
        return false;
    for (size_t i = 0; i <= length; i++)
        host[i] = (char)tolower((unsigned char)text[i]);
    return true;
}

static bool known(struct resolver *resolver, struct lane *lane, const char *host,
                  struct address_list *addresses)
{
    if (address_parse(&addresses->items[0], host, 0) == 0) {
        addresses->count = 1;
        return true;
    }
    const struct address_list *cached =
        name_cache_fresh(&lane->cache, host, loop_now_ms(resolver->loop));
    if (cached)
        *addresses = *cached;
    return cached != NULL;
}

static struct query *query_join(struct lane *lane, const char *host, bool proven)
{
    uint64_t hash = map_hash(&lane->queries, host, strlen(host));
    struct map_node *node = map_find(&lane->queries, hash, has_host, host);
    if (!node)
        return NULL;
    struct query *query = map_owner(node, struct query, by_host);
    if (proven && !query->proven && query->state == QUERY_QUEUED) {
        query_leave_queue(query);
        query_enqueue(query, true);
    }
    query->proven = query->proven || proven;
    return query;
}

static void query_begin(struct query *query, bool proven)
{
    struct lane *lane = query->lane;
    if (lane->gates[proven].queued >= lane->gates[proven].queued_max) {
        err_set(&query->err, ERR_LIMIT,
                "\"%s\" was not looked up, because %zu other names are waiting for their turn",
                query->host, lane->gates[proven].queued);
        query_done(query);
        return;
    }
    map_add(&lane->queries, &query->by_host,
            map_hash(&lane->queries, query->host, strlen(query->host)));
    query_enqueue(query, proven);
}

struct lookup *resolver_start(struct resolver *resolver, enum resolver_lane lane_name,
                              const char *host, uint16_t port, bool proven, resolver_fn *fn,
                              void *arg)
{
    struct lane *lane = &resolver->lanes[lane_name];
    char name[HOST_MAX + 1] = "";
    /* Messengers are named by the operator. */
    proven = proven || lane_name == RESOLVER_MESSENGER;
    bool valid = read_host(name, host);
    struct query *query = valid ? query_join(lane, name, proven) : NULL;
    bool joined = query != NULL;
    if (!joined)
        query = query_new(resolver, lane);
    struct lookup *lookup = mem_new(sizeof *lookup);
    *lookup = (struct lookup){.query = query, .port = port, .fn = fn, .arg = arg};
    list_init(&lookup->node);
    list_append(&query->waiters, &lookup->node);
    if (joined)
        return lookup;
    memcpy(query->host, name, sizeof name);
    if (!valid) {
        text_printable(query->host, sizeof query->host, host, strlen(host));
        query_explain(query, ARES_EBADNAME);
        query_done(query);
    } else if (known(resolver, lane, name, &query->addresses)) {
        query_done(query);
    } else {
        query_begin(query, proven);
    }
    return lookup;
}

void resolver_cancel(struct lookup *lookup)
{
    struct query *query = lookup->query;
    list_remove(&lookup->node);
    free(lookup);
    /* What is being asked goes on, so that its answer is there for the next. */
    if (!list_empty(&query->waiters) || query->state == QUERY_ASKING)
        return;
    if (query->state == QUERY_QUEUED) {
        map_remove(&query->lane->queries, &query->by_host);
        query->gate->queued--;
    }
    list_remove(&query->node);
    free(query);
}

bool resolver_cached(struct resolver *resolver, enum resolver_lane lane, const char *host,
                     uint16_t port, struct address_list *addresses)
{
    char name[HOST_MAX + 1];
    addresses->count = 0;
    if (!read_host(name, host) || !known(resolver, &resolver->lanes[lane], name, addresses))
        return false;
    for (size_t i = 0; i < addresses->count; i++)
        address_set_port(&addresses->items[i], port);
    return true;
}
