/* Where curl connects for a request: to the addresses that we looked up and to no others, of the
 * endpoint's own host or of the one that push.connect_to names. Neither the Host header nor the
 * name that TLS is checked for depends on it. */
#ifndef DOORBELL_PUSH_ROUTE_H
#define DOORBELL_PUSH_ROUTE_H

#include <curl/curl.h>

#include "net/address.h"
#include "push/connect_to.h"

enum {
    ROUTE_PLACE_SIZE = 272,                     /* a host and a port */
    ROUTE_ADDRESS_SIZE = ADDRESS_TEXT_SIZE + 3, /* brackets, comma */
    ROUTE_RESOLVE_SIZE = ROUTE_PLACE_SIZE + ADDRESS_LIST_MAX * ROUTE_ADDRESS_SIZE,
};

/* Of one handle of curl's, which reads it to its end. */
struct route {
    CURL *easy;
    bool is_numeric; /* the host that is connected to: it needs no look-up */
    bool is_elsewhere;
    bool has_resolve, has_connect_to; /* the handle has, from before */
    struct curl_slist resolve, connect_to;
    char resolve_text[ROUTE_RESOLVE_SIZE];
    char connect_to_text[ROUTE_PLACE_SIZE];
};

/* First, once: curl looks nothing up by itself from then on. */
void route_attach(struct route *route, CURL *easy);
/* `target` NULL: the endpoint's own host. */
void route_write(struct route *route, const struct url *endpoint,
                 const struct connect_target *target, const struct address_list *addresses);
void route_apply(struct route *route);

#endif
