#include "push/route.h"

#include <stdio.h>

/* The entry goes when it is as old as CURLOPT_DNS_CACHE_TIMEOUT says ("+"), so that strangers'
 * names do not pile up in curl; each transfer replaces its own, or takes it away ("-"). */
static void write_resolve(struct route *route, const char *host, uint16_t port,
                          const struct address_list *addresses)
{
    char *text = route->resolve_text;
    bool some = addresses->count > 0;
    size_t length = (size_t)snprintf(text, ROUTE_RESOLVE_SIZE, "%s%s:%u%s", some ? "+" : "-", host,
                                     port, some ? ":" : "");
    for (size_t i = 0; i < addresses->count; i++) {
        const struct address *address = &addresses->items[i];
        char at[ADDRESS_TEXT_SIZE];
        address_format(at, address);
        bool v6 = address->any.sa_family == AF_INET6;
        length += (size_t)snprintf(text + length, ROUTE_RESOLVE_SIZE - length, "%s%s%s%s",
                                   i > 0 ? "," : "", v6 ? "[" : "", at, v6 ? "]" : "");
    }
    route->resolve = (struct curl_slist){.data = text};
}

/* For whatever host and port the URL has: a handle has but one. */
static void write_connect_to(struct route *route, const struct connect_target *target)
{
    snprintf(route->connect_to_text, ROUTE_PLACE_SIZE, "::%s%s%s:%u", target->is_ipv6 ? "[" : "",
             target->host, target->is_ipv6 ? "]" : "", target->port);
    route->connect_to = (struct curl_slist){.data = route->connect_to_text};
}

void route_write(struct route *route, const struct url *endpoint,
                 const struct connect_target *target, const struct address_list *addresses)
{
    route->is_elsewhere = target != NULL;
    route->is_numeric = target ? target->is_address : endpoint->is_address;
    if (target)
        write_connect_to(route, target);
    if (!route->is_numeric)
        write_resolve(route, target ? target->host : endpoint->host,
                      target ? target->port : endpoint->port, addresses);
}

/* Curl asks before it would look a name up, which it must never do; a numeric host needs none. */
static int on_resolve(void *state, void *reserved, void *arg)
{
    (void)state;
    (void)reserved;
    const struct route *route = arg;
    return route->is_numeric ? 0 : 1;
}

void route_attach(struct route *route, CURL *easy)
{
    route->easy = easy;
    route->has_resolve = route->has_connect_to = false;
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, route);
}

/* NULL: none. */
static void set_list(CURL *easy, CURLoption option, struct curl_slist *list, bool *has_one)
{
    if (list || *has_one)
        curl_easy_setopt(easy, option, list);
    *has_one = list != NULL;
}

void route_apply(struct route *route)
{
    set_list(route->easy, CURLOPT_RESOLVE, route->is_numeric ? NULL : &route->resolve,
             &route->has_resolve);
    set_list(route->easy, CURLOPT_CONNECT_TO, route->is_elsewhere ? &route->connect_to : NULL,
             &route->has_connect_to);
}
