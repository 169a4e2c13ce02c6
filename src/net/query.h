/* One name that is being looked up, for all who ask for it: the resolver's own, which says when it
 * may begin and tells whoever waits (resolver.c). Both families are asked side by side; where one
 * has an answer the other one gets half a second more. */
#ifndef DOORBELL_NET_QUERY_H
#define DOORBELL_NET_QUERY_H

#include <sys/stat.h>

#include "base/list.h"
#include "base/map.h"
#include "net/dns.h"
#include "net/name_cache.h"
#include "net/resolver.h"

enum { HOST_MAX = 253 /* RFC 1035 section 3.1, without the last dot */ };

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

struct query *query_new(struct resolver *resolver, struct lane *lane);
/* Waits for its turn at its gate, which has room. */
void query_enqueue(struct query *query, bool proven);
void query_leave_queue(struct query *query);
/* Its turn has come. */
void query_ask(struct query *query);
/* Once more, on a lane that has another channel. The last answer may come at once, and then the
 * query is gone. */
void query_ask_nameservers(struct query *query);
/* In one sentence why there is no address; `status` is c-ares'. */
void query_explain(struct query *query, int status);
/* Whoever waits for it is told in a later turn of the loop. */
void query_done(struct query *query);

void resolver_turn_soon(struct resolver *resolver);

#endif
