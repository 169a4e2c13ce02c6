/* Who may send next. At most 4 requests in flight per origin and 64 in all; what exceeds that
 * waits, first come first served within its origin, origins in turn. Endpoints that never accepted
 * a push share one of their origin's places and a quarter of all, so that strangers cannot fill an
 * origin, nor many origins of their own the bridge (settled.md "endpoints that never succeeded").
 * Pure: no clock, no sockets. An origin is in memory only while something of it waits or is in
 * flight. */
#ifndef DOORBELL_PUSH_ORIGIN_H
#define DOORBELL_PUSH_ORIGIN_H

#include <stdbool.h>

#include "base/list.h"
#include "base/map.h"

enum {
    ORIGIN_IN_FLIGHT = 4,
    ORIGIN_IN_FLIGHT_UNPROVEN = 1,
    ORIGINS_IN_FLIGHT = 64,
    ORIGINS_IN_FLIGHT_UNPROVEN = 16,
};

enum origin_lane { ORIGIN_PROVEN, ORIGIN_UNPROVEN, ORIGIN_LANES };

struct origin;

/* Lives inside whoever waits. */
struct origin_place {
    struct list node;
    struct origin *origin; /* NULL: neither waiting nor in flight */
    enum origin_lane lane;
    bool in_flight;
};

struct origins {
    struct map table;
    struct list ready[ORIGIN_LANES]; /* lanes whose origin has room for the first that waits */
    unsigned in_flight[ORIGIN_LANES];
    enum origin_lane turn; /* goes first where both lanes could */
};

void origins_init(struct origins *origins);
void origins_fini(struct origins *origins); /* every place must have left */

/* Waits at the end of the lane. `name` is what url_origin writes. */
void origins_join(struct origins *origins, struct origin_place *place, const char *name,
                  bool proven);

/* The next that may start, from now on in flight; NULL when nobody may. */
struct origin_place *origins_next(struct origins *origins);

/* It has ended, or waits no longer; fine when it is nowhere. */
void origins_leave(struct origins *origins, struct origin_place *place);

#endif
