/* How many connections there may be, in all and for each client network (security.md 11). Trusted
 * proxies stand for many clients, so only the limit in all holds for them. Owned by web.c, used by
 * whoever carries requests. */
#ifndef DOORBELL_WEB_GATE_H
#define DOORBELL_WEB_GATE_H

#include "base/map.h"
#include "web/proxy_headers.h"

struct gate {
    struct map networks; /* of struct gate_network */
    size_t inside, most, most_per_network;
    const struct proxies *proxies; /* borrowed */
};

/* What a connection holds while it is inside. */
struct gate_network;
struct gate_pass {
    struct gate_network *network; /* NULL: a proxy's */
};

enum gate_answer {
    GATE_OPEN,
    GATE_FULL,         /* as many as there may be: room can be made */
    GATE_NETWORK_FULL, /* this client's network has its share */
};

void gate_init(struct gate *gate);
void gate_fini(struct gate *gate); /* everybody must have left */
enum gate_answer gate_ask(const struct gate *gate, const struct address *peer);
/* Whether it is open was asked before. */
void gate_enter(struct gate *gate, const struct address *peer, struct gate_pass *pass);
void gate_leave(struct gate *gate, struct gate_pass *pass);

#endif
