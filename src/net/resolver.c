#include "net/resolver.h"

#include <ares.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/dns.h"
#include "net/name_cache.h"
#include "net/nameservers.h"

#define RESOLV_CONF "/etc/resolv.conf"

enum {
    HOST_MAX = 253, /* RFC 1035 section 3.1, without the last dot */

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

    /* Some nameservers, and routers before them, drop one of the two questions. */
    OTHER_FAMILY_MS = 500,
    HALF_ANSWER_FRESH_MS = 10000,

    STALE_FRESH_MS = 60000,
    STALE_NO_ANSWER_MS = 24 * 3600 * 1000,   /* RFC 8767 section 5 suggests one to three days */
    STALE_DENIED_MS = 2 * ENDPOINT_FRESH_MS, /* "no such name" is an answer: only a short doubt */
};

/* Look-ups of one kind: so many at a time, so many waiting. */
struct gate {
    struct list queue;
    size_t queued, queued_max;
    size_t asking, asking_max;
};

struct lane {
    struct dns *dns;
    struct map queries; /* queued or asking, by host */
    struct list asking;
    struct gate gates[2]; /* [proven] */
    struct name_cache cache;
    int64_t fresh_ms, deadline_ms;
};

struct settings {
    enum net_family family;
    char *nameservers; /* as c-ares reads them; NULL: the system's */
    int64_t deadlines_ms[2];
};

struct resolver {
    struct loop *loop;
    struct settings settings;
    struct dns *hosts; /* the system's file: for a name that it has, nobody else is asked */
    struct lane lanes[2];
    struct list done; /* queries whose waiters have not all been told */
    struct timer turn;
    struct stat followed; /* of RESOLV_CONF, when it was read */
};

/* One of the two families' question. */
struct side {
    struct query *query;
    struct question *question;
    struct address_list found;
    int status;
    bool answered;
};

enum { SIDE_IPV6, SIDE_IPV4, SIDES };
enum query_state { QUERY_QUEUED, QUERY_ASKING, QUERY_DONE };

struct query {
    struct map_node by_host;
    struct list node; /* its gate's queue, its lane's asking, or the resolver's done */
    struct list waiters;
    struct resolver *resolver;
    struct lane *lane;
    struct gate *gate; /* NULL when the answer was at hand */
    enum query_state state;
    bool proven;
    struct timer deadline;
    struct side sides[SIDES];
    size_t unanswered;
    struct address_list addresses;
    struct err err;
    char host[HOST_MAX + 1];
};

struct lookup {
    struct list node; /* its query's waiters */
    struct query *query;
    uint16_t port;
    resolver_fn *fn;
    void *arg;
};

static struct query *query_new(struct resolver *resolver, struct lane *lane)
{
    struct query *query = mem_new(sizeof *query);
    list_init(&query->node);
    list_init(&query->waiters);
    query->resolver = resolver;
    query->lane = lane;
    return query;
}

static void schedule_turn(struct resolver *resolver)
{
    if (!timer_is_set(&resolver->turn))
        loop_timer_set(resolver->loop, &resolver->turn, 0);
}

static void query_done(struct query *query)
{
    query->state = QUERY_DONE;
    list_remove(&query->node);
    if (list_empty(&query->waiters)) {
        free(query);
        return;
    }
    list_append(&query->resolver->done, &query->node);
    schedule_turn(query->resolver);
}

static bool is_denial(int status)
{
    return status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

static void add(struct address_list *list, const struct address *address)
{
    if (list->count < ADDRESS_LIST_MAX)
        list->items[list->count++] = *address;
}

static void alternate(struct query *query)
{
    const struct address_list *v6 = &query->sides[SIDE_IPV6].found;
    const struct address_list *v4 = &query->sides[SIDE_IPV4].found;
    struct address_list *all = &query->addresses;
    for (size_t i = 0; i < v6->count || i < v4->count; i++) {
        if (i < v6->count)
            add(all, &v6->items[i]);
        if (i < v4->count)
            add(all, &v4->items[i]);
    }
}

/* A question that may have another answer later is what people must hear of; else that the name
 * exists, which is more than that it does not. */
static int worst_status(const struct query *query)
{
    int worst = ARES_ENOTFOUND;
    for (size_t i = 0; i < SIDES; i++) {
        int status = query->sides[i].answered ? query->sides[i].status : ARES_ETIMEOUT;
        if (status == ARES_SUCCESS || status == ARES_ENOTFOUND)
            continue;
        if (worst == ARES_ENOTFOUND || !is_denial(status))
            worst = status;
    }
    return worst;
}

static void explain(struct query *query, int status)
{
    static const char *const kinds[] = {
        [NET_FAMILY_AUTO] = "", [NET_FAMILY_IPV4] = "IPv4 ", [NET_FAMILY_IPV6] = "IPv6 "};
    const char *host = query->host;
    struct err *err = &query->err;
    switch (status) {
    case ARES_ENOTFOUND:
        err_set(err, ERR_NOT_FOUND, "The name \"%s\" does not exist (NXDOMAIN)", host);
        break;
    case ARES_ENODATA:
        err_set(err, ERR_NOT_FOUND, "The name \"%s\" exists, but has no %saddress", host,
                kinds[query->resolver->settings.family]);
        break;
    case ARES_ETIMEOUT:
        err_set(err, ERR_TIMEOUT, "No nameserver answered in %g s for \"%s\"",
                (double)query->lane->deadline_ms / 1000, host);
        break;
    case ARES_ECONNREFUSED: /* c-ares 1.18 says so for SERVFAIL, too */
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
        err_set(err, ERR_IO, "Every nameserver was unreachable or failed when asked for \"%s\"",
                host);
        break;
    case ARES_EBADNAME:
        err_set(err, ERR_INVALID, "\"%s\" is not a valid name", host);
        break;
    default:
        err_set(err, ERR_IO, "The look-up of \"%s\" failed: %s", host, ares_strerror(status));
    }
}

static void fall_back(struct query *query, int status)
{
    const struct address_list *last = NULL;
    if (query->proven)
        last = name_cache_stale(
            &query->lane->cache, query->host, loop_now_ms(query->resolver->loop),
            is_denial(status) ? STALE_DENIED_MS : STALE_NO_ANSWER_MS, STALE_FRESH_MS);
    if (!last) {
        explain(query, status);
        return;
    }
    query->addresses = *last;
}

static bool is_whole(const struct query *query)
{
    for (size_t i = 0; i < SIDES; i++)
        if (!query->sides[i].answered ||
            !(query->sides[i].status == ARES_SUCCESS || is_denial(query->sides[i].status)))
            return false;
    return true;
}

static void finish(struct query *query)
{
    struct lane *lane = query->lane;
    loop_timer_cancel(query->resolver->loop, &query->deadline);
    for (size_t i = 0; i < SIDES; i++)
        dns_forget(&query->sides[i].question);
    alternate(query);
    if (query->addresses.count)
        name_cache_put(&lane->cache, query->host, &query->addresses,
                       loop_now_ms(query->resolver->loop),
                       is_whole(query) ? lane->fresh_ms : HALF_ANSWER_FRESH_MS);
    else
        fall_back(query, worst_status(query));
    query->gate->asking--;
    if (query->gate->queued)
        schedule_turn(query->resolver);
    map_remove(&lane->queries, &query->by_host);
    query_done(query);
}

static void on_deadline(void *arg)
{
    finish(arg);
}

static void on_side(void *arg, int status, const struct address_list *found)
{
    struct side *side = arg;
    struct query *query = side->query;
    side->answered = true;
    side->status = status;
    side->found = *found;
    if (--query->unanswered == 0) {
        finish(query);
        return;
    }
    int64_t left_ms = query->deadline.at_ms - loop_now_ms(query->resolver->loop);
    if (found->count && left_ms > OTHER_FAMILY_MS)
        loop_timer_set(query->resolver->loop, &query->deadline, OTHER_FAMILY_MS);
}

static void ask_nameservers(struct query *query)
{
    enum net_family family = query->resolver->settings.family;
    const bool wanted[SIDES] = {
        [SIDE_IPV6] = family != NET_FAMILY_IPV4, [SIDE_IPV4] = family != NET_FAMILY_IPV6};
    query->unanswered = 0;
    for (size_t i = 0; i < SIDES; i++) {
        query->sides[i] =
            (struct side){.query = query, .status = ARES_ENOTFOUND, .answered = !wanted[i]};
        query->unanswered += wanted[i];
    }
    /* The last answer may come at once, and then the query is gone. */
    struct dns *dns = query->lane->dns;
    for (size_t i = 0, left = query->unanswered; i < SIDES && left; i++) {
        if (!wanted[i])
            continue;
        left--;
        dns_ask(dns, query->host, i == SIDE_IPV6 ? AF_INET6 : AF_INET, &query->sides[i].question,
                on_side, &query->sides[i]);
    }
}

static void on_hosts(void *arg, int status, const struct address_list *found)
{
    struct query *query = arg;
    if (status != ARES_SUCCESS) {
        ask_nameservers(query);
        return;
    }
    for (size_t i = 0; i < SIDES; i++)
        query->sides[i] = (struct side){.query = query, .status = ARES_SUCCESS, .answered = true};
    for (size_t i = 0; i < found->count; i++) {
        bool v6 = found->items[i].any.sa_family == AF_INET6;
        add(&query->sides[v6 ? SIDE_IPV6 : SIDE_IPV4].found, &found->items[i]);
    }
    finish(query);
}

static void ask(struct query *query)
{
    static const int families[] = {
        [NET_FAMILY_AUTO] = AF_UNSPEC, [NET_FAMILY_IPV4] = AF_INET, [NET_FAMILY_IPV6] = AF_INET6};
    struct resolver *resolver = query->resolver;
    query->state = QUERY_ASKING;
    query->gate->queued--;
    query->gate->asking++;
    list_remove(&query->node);
    list_append(&query->lane->asking, &query->node);
    timer_init(&query->deadline, on_deadline, query);
    loop_timer_set(resolver->loop, &query->deadline, query->lane->deadline_ms);
    dns_ask(resolver->hosts, query->host, families[resolver->settings.family],
            &query->sides[SIDE_IPV6].question, on_hosts, query);
}

static void enqueue(struct query *query, bool proven)
{
    query->state = QUERY_QUEUED;
    query->proven = proven;
    query->gate = &query->lane->gates[proven];
    query->gate->queued++;
    list_append(&query->gate->queue, &query->node);
    schedule_turn(query->resolver);
}

static void leave_queue(struct query *query)
{
    query->gate->queued--;
    list_remove(&query->node);
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
        ask_nameservers(list_owner(node, struct query, node));
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
            ask(list_owner(list_first(&gate->queue), struct query, node));
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
        schedule_turn(resolver);
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
        leave_queue(query);
        enqueue(query, true);
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
    enqueue(query, proven);
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
        explain(query, ARES_EBADNAME);
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
    *addresses = (struct address_list){.count = 0};
    if (!read_host(name, host) || !known(resolver, &resolver->lanes[lane], name, addresses))
        return false;
    for (size_t i = 0; i < addresses->count; i++)
        address_set_port(&addresses->items[i], port);
    return true;
}
