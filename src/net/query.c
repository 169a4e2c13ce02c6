#include "net/query.h"

#include <ares.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
    /* Some nameservers, and routers before them, drop one of the two questions. */
    OTHER_FAMILY_MS = 500,
    HALF_ANSWER_FRESH_MS = 10000,

    STALE_FRESH_MS = 60000,
    STALE_NO_ANSWER_MS = 24 * 3600 * 1000, /* RFC 8767 section 5 suggests one to three days */
    STALE_DENIED_MS = 120000, /* "no such name" is an answer: a doubt of twice a name's freshness */
};

struct query *query_new(struct resolver *resolver, struct lane *lane)
{
    struct query *query = mem_new(sizeof *query);
    list_init(&query->node);
    list_init(&query->waiters);
    query->resolver = resolver;
    query->lane = lane;
    return query;
}

void query_done(struct query *query)
{
    query->state = QUERY_DONE;
    list_remove(&query->node);
    if (list_empty(&query->waiters)) {
        free(query);
        return;
    }
    list_append(&query->resolver->done, &query->node);
    resolver_turn_soon(query->resolver);
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

void query_explain(struct query *query, int status)
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
        query_explain(query, status);
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
        resolver_turn_soon(query->resolver);
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

void query_ask_nameservers(struct query *query)
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
        query_ask_nameservers(query);
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

void query_ask(struct query *query)
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

void query_enqueue(struct query *query, bool proven)
{
    query->state = QUERY_QUEUED;
    query->proven = proven;
    query->gate = &query->lane->gates[proven];
    query->gate->queued++;
    list_append(&query->gate->queue, &query->node);
    resolver_turn_soon(query->resolver);
}

void query_leave_queue(struct query *query)
{
    query->gate->queued--;
    list_remove(&query->node);
}
