/* What the push servers at one address get together: an attacker may point any number of names at a
 * victim, and each name has an allowance of its own. An IPv4 address, or the /64 of an IPv6 one. In
 * memory only while somebody needs it or its bucket is not full. Neither breaker nor error budget:
 * many servers may stand behind one address, and what one of them fails at says nothing about the
 * others; those of its name (origin.h) stop a name that points at a stranger. Pure. */
#ifndef DOORBELL_PUSH_SITE_H
#define DOORBELL_PUSH_SITE_H

#include "base/bucket.h"
#include "base/list.h"
#include "base/map.h"
#include "net/address.h"

enum {
    SITE_IN_FLIGHT = 16,
    SITE_IN_FLIGHT_UNHEALTHY = SITE_IN_FLIGHT / 2, /* what may hang leaves room for what does not */
    SITE_EVERY_MS = 1000 / 40,
    SITE_BURST = 400,
    SITE_RESERVE = SITE_BURST / 2, /* tokens that are for healthy endpoints only */
    SITE_KEY_SIZE = 9,
};

struct site {
    struct map_node node;
    struct list idle;    /* on sites->idle while nobody uses it */
    struct list waiting; /* what its owner lines up for room */
    unsigned users, in_flight, unhealthy_in_flight;
    struct bucket bucket;
    uint8_t key[SITE_KEY_SIZE];
};

struct sites {
    struct map table;
    struct list idle; /* the longest idle first */
};

void sites_init(struct sites *sites);
void sites_fini(struct sites *sites); /* nobody may use one any more */

/* One more user of it. */
struct site *sites_use(struct sites *sites, const struct address *address, int64_t now_ms);
/* When the next request may start there, as far as the bucket goes; now_ms for at once. */
int64_t site_next_ms(const struct site *site, bool healthy, int64_t now_ms);
/* Whether one more request may start there. */
bool site_has_room(const struct site *site, bool healthy);
/* One started, or one ended. */
void site_enter(struct site *site, bool healthy);
void site_leave(struct site *site, bool healthy);
/* `site` may be gone afterwards. */
void sites_release(struct sites *sites, struct site *site, int64_t now_ms);

#endif
