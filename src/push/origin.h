/* Who may send next. Requests line up at their origin in three lanes, first come first served in
 * each; origins take turns. A request starts when there is room (4 in flight per origin, 64 in all,
 * fewer for the lanes that may hang), a token of its origin and of its address, and a closed
 * breaker; the lanes that may hang leave half of an address's room and tokens to the other one. The
 * probe of an open breaker is a phone that is not known to be silent, where one waits. Nothing that
 * waits fails here: it is sent when the server answers again.
 *
 * Pure: the time and the dice are arguments, no sockets. An origin is in memory while something of
 * it waits or is in flight, a bucket is not full, or a breaker has a failure to remember; of those
 * that only remember at most ORIGINS_IDLE stay, so that names which a stranger makes up (wildcard
 * DNS) cost a bounded amount of memory. */
#ifndef DOORBELL_PUSH_ORIGIN_H
#define DOORBELL_PUSH_ORIGIN_H

#include "base/timers.h"
#include "push/allowance.h"
#include "push/breaker.h"
#include "push/site.h"

enum {
    ORIGIN_IN_FLIGHT = 4,
    ORIGIN_IN_FLIGHT_FAILING = 2,
    ORIGIN_IN_FLIGHT_UNPROVEN = 1,
    ORIGINS_IN_FLIGHT = 64,
    ORIGINS_IN_FLIGHT_FAILING = 32,
    ORIGINS_IN_FLIGHT_UNPROVEN = 16,
    ORIGINS_IDLE = 4096,
};

/* Strangers' failures must not stop endpoints that worked. */
enum origin_breaker { ORIGIN_PROVEN, ORIGIN_STRANGERS, ORIGIN_BREAKERS };

struct origin;

/* Lives inside whoever waits. */
struct origin_place {
    struct list node;
    struct origin *origin; /* NULL: neither waiting nor in flight */
    struct site *site;     /* NULL: its address is not shared with others */
    enum push_lane lane;
    const char *endpoint;
    bool in_flight;
    bool probe;   /* goes at once, also while the breaker is open */
    bool probing; /* its answer decides about the breaker */
};

struct origins {
    struct map table;
    struct list idle;              /* origins that only remember, the longest idle first */
    struct list ready[PUSH_LANES]; /* lanes whose first may be able to start */
    unsigned in_flight[PUSH_LANES];
    unsigned idle_count;
    enum push_lane turn;  /* goes first where several lanes could */
    struct timers timers; /* lanes whose first waits for the time alone */
    struct sites sites;
    struct breaker_timing timing; /* may be changed at any time */
};

struct origin_request {
    const char *name;     /* what url_origin writes; copied */
    const char *endpoint; /* not copied */
    enum push_lane lane;
    enum allowance_kind kind;
    const struct address *address; /* NULL: without the limits of its address */
    bool probe;
};

/* What an answer means for the origin as a whole. */
enum origin_news {
    ORIGIN_SAME,
    ORIGIN_ALONE,     /* only one endpoint fails: origin_open where it is the origin's only one */
    ORIGIN_OPENED,    /* what is meant for it waits */
    ORIGIN_REOPENED,  /* after a probe that did not help */
    ORIGIN_RECOVERED, /* it works after failures that were not enough to open */
    ORIGIN_CLOSED,    /* it answers again; what waited may start */
};

struct origin_state {
    const char *name;
    struct {
        enum breaker_state state;
        int64_t since_ms, next_ms; /* the first failure; the next try (may be past) */
        unsigned failures;
        const char *why;
    } breakers[ORIGIN_BREAKERS];
    unsigned waiting, in_flight;
    int errors_left;
};

void origins_init(struct origins *origins, const struct breaker_timing *timing);
void origins_fini(struct origins *origins); /* every place must have left */

/* Waits at the end of its lane, a probe at the front. */
void origins_join(struct origins *origins, struct origin_place *place,
                  const struct origin_request *request, int64_t now_ms);

/* The next that may start, from now on in flight; NULL when nobody may. */
struct origin_place *origins_next(struct origins *origins, int64_t now_ms);

/* When something that waits may be able to start because time has passed; INT64_MAX: never. */
int64_t origins_next_ms(const struct origins *origins);

/* It has ended, or waits no longer; fine when it is nowhere. */
void origins_leave(struct origins *origins, struct origin_place *place, int64_t now_ms);

/* What is down may be tried now: the trouble may have been our own network. */
void origins_hurry(struct origins *origins, int64_t now_ms);

void origins_each(struct origins *origins, void (*each)(void *arg, const struct origin *origin),
                  void *arg);

/* What became of a request that is in flight; before it leaves. Says in `verdict` whether a
 * doubtful failure is taken for the origin's trouble. */
enum origin_news origin_judge(struct origin_place *place, struct verdict *verdict, int64_t now_ms,
                              uint32_t random);
/* After ORIGIN_ALONE. */
void origin_open(struct origin_place *place, int64_t now_ms, uint32_t random);

/* Another request of a place that is in flight: counted, not held up. */
void origin_again(struct origin_place *place, int64_t now_ms);

/* Whether it waits for a push server that does not answer, and not just for its turn. */
bool origin_is_held(const struct origin_place *place, int64_t now_ms);

/* Both places' requests share one breaker. */
bool origin_same_breaker(const struct origin_place *a, const struct origin_place *b);

enum origin_breaker origin_breaker_of(enum push_lane lane);
void origin_describe(const struct origin *origin, struct origin_state *state, int64_t now_ms);

#endif
