#include "push/origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SWEEP = 4 }; /* idle origins looked at for each that joins: more go than come */

struct lane {
    struct list place; /* on origins->ready, on site->waiting, or nowhere */
    struct list waiting;
    struct timer timer;
    struct origin *origin;
    enum push_lane kind;
    unsigned waiting_count, in_flight;
};

struct origin {
    struct map_node node;
    struct list idle;
    struct origins *owner;
    struct lane lanes[PUSH_LANES];
    struct allowance allowance;
    struct breaker breakers[ORIGIN_BREAKERS];
    bool troubled; /* nothing was accepted since the last failure of its own */
    char name[];
};

static const struct {
    unsigned of_origin, of_all;
} caps[] = {
    [PUSH_HEALTHY] = {ORIGIN_IN_FLIGHT, ORIGINS_IN_FLIGHT},
    [PUSH_FAILING] = {ORIGIN_IN_FLIGHT_FAILING, ORIGINS_IN_FLIGHT_FAILING},
    [PUSH_UNPROVEN] = {ORIGIN_IN_FLIGHT_UNPROVEN, ORIGINS_IN_FLIGHT_UNPROVEN},
};

enum origin_breaker origin_breaker_of(enum push_lane lane)
{
    return lane == PUSH_UNPROVEN ? ORIGIN_STRANGERS : ORIGIN_PROVEN;
}

static struct breaker *breaker_of(const struct origin_place *place)
{
    return &place->origin->breakers[origin_breaker_of(place->lane)];
}

/* Lanes */

/* To be looked at in the next origins_next. */
static void wake(struct lane *lane)
{
    struct origins *origins = lane->origin->owner;
    timers_cancel(&origins->timers, &lane->timer);
    list_remove(&lane->place);
    if (!list_empty(&lane->waiting))
        list_append(&origins->ready[lane->kind], &lane->place);
}

static void on_time(void *arg)
{
    wake(arg);
}

/* One that is ready already keeps its turn. */
static void wake_all(struct origin *origin)
{
    for (int i = 0; i < PUSH_LANES; i++) {
        struct lane *lane = &origin->lanes[i];
        bool waits = !list_empty(&lane->waiting);
        if (!waits || list_empty(&lane->place))
            wake(lane);
    }
}

static unsigned in_flight(const struct origin *origin)
{
    unsigned sum = 0;
    for (int i = 0; i < PUSH_LANES; i++)
        sum += origin->lanes[i].in_flight;
    return sum;
}

static bool has_room(const struct lane *lane)
{
    return in_flight(lane->origin) < ORIGIN_IN_FLIGHT &&
           lane->in_flight < caps[lane->kind].of_origin;
}

static bool is_healthy(const struct origin_place *place)
{
    return place->lane == PUSH_HEALTHY;
}

static int64_t earliest_ms(const struct lane *lane, const struct origin_place *place,
                           int64_t now_ms)
{
    if (place->probe)
        return now_ms;
    int64_t next = allowance_next_ms(&lane->origin->allowance, lane->kind, now_ms);
    int64_t breaker = breaker_next_ms(breaker_of(place));
    int64_t site = place->site ? site_next_ms(place->site, is_healthy(place), now_ms) : now_ms;
    next = next > breaker ? next : breaker;
    return next > site ? next : site;
}

/* Whether it would be the probe of a server that is down although a phone waits there that is not
 * known to be silent: that one's answer tells more. It is woken when that one's turn is over. */
static bool is_lesser_probe(const struct lane *lane, const struct origin_place *place)
{
    const struct lane *healthy = &lane->origin->lanes[PUSH_HEALTHY];
    return lane->kind == PUSH_FAILING && !place->probe &&
           breaker_of(place)->state == BREAKER_OPEN && !list_empty(&healthy->waiting);
}

/* The first of a lane that is on no list; one that may not start is woken when it may. */
static struct origin_place *admit(struct lane *lane, int64_t now_ms)
{
    struct list *first = list_first(&lane->waiting);
    if (!first || !has_room(lane))
        return NULL;
    struct origin_place *place = list_owner(first, struct origin_place, node);
    int64_t at = earliest_ms(lane, place, now_ms);
    if (at > now_ms) {
        if (at < INT64_MAX)
            timers_set(&lane->origin->owner->timers, &lane->timer, at);
        return NULL;
    }
    if (is_lesser_probe(lane, place))
        return NULL;
    if (place->site && !site_has_room(place->site, is_healthy(place))) {
        list_append(&place->site->waiting, &lane->place);
        return NULL;
    }
    return place;
}

/* Origins in memory */

static bool has_name(const struct map_node *node, const void *name)
{
    return strcmp(map_owner(node, struct origin, node)->name, name) == 0;
}

static struct origin *origin_new(struct origins *origins, const char *name)
{
    size_t size = strlen(name) + 1;
    struct origin *origin = mem_new(sizeof *origin + size);
    memcpy(origin->name, name, size);
    origin->owner = origins;
    list_init(&origin->idle);
    for (enum push_lane i = 0; i < PUSH_LANES; i++) {
        struct lane *lane = &origin->lanes[i];
        list_init(&lane->place);
        list_init(&lane->waiting);
        timer_init(&lane->timer, on_time, lane);
        lane->origin = origin;
        lane->kind = i;
    }
    return origin;
}

static void set_idle(struct origin *origin, bool idle)
{
    struct origins *origins = origin->owner;
    if (idle == !list_empty(&origin->idle))
        return;
    list_remove(&origin->idle);
    if (idle)
        list_append(&origins->idle, &origin->idle);
    origins->idle_count += idle ? 1u : -1u;
}

static void forget(struct origin *origin)
{
    set_idle(origin, false);
    map_remove(&origin->owner->table, &origin->node);
    free(origin);
}

static bool is_in_use(const struct origin *origin)
{
    for (int i = 0; i < PUSH_LANES; i++)
        if (origin->lanes[i].in_flight > 0 || !list_empty(&origin->lanes[i].waiting))
            return true;
    return false;
}

static bool has_memories(const struct origin *origin, int64_t now_ms)
{
    for (int i = 0; i < ORIGIN_BREAKERS; i++)
        if (origin->breakers[i].failures > 0)
            return true;
    return origin->troubled || !allowance_is_full(&origin->allowance, now_ms);
}

/* Nobody uses it now. */
static void rest(struct origin *origin, int64_t now_ms)
{
    if (has_memories(origin, now_ms))
        set_idle(origin, true);
    else
        forget(origin);
}

/* Those that the operator or our own table names; of the latter a stranger could make up as many as
 * there are ports. */
static bool is_precious(const struct origin *origin)
{
    bool has_port = strrchr(origin->name, ':')[1] != '/';
    return origin->allowance.kind == ALLOWANCE_NAMED ||
           (origin->allowance.kind == ALLOWANCE_PUBLIC_NTFY && !has_port);
}

static bool is_dispensable(const struct origin *origin, int64_t now_ms)
{
    bool too_many = origin->owner->idle_count > ORIGINS_IDLE;
    return !has_memories(origin, now_ms) || (too_many && !is_precious(origin));
}

static void sweep(struct origins *origins, int64_t now_ms)
{
    for (int i = 0; i < SWEEP && !list_empty(&origins->idle); i++) {
        struct origin *origin = list_owner(list_first(&origins->idle), struct origin, idle);
        if (is_dispensable(origin, now_ms)) {
            forget(origin);
        } else {
            list_remove(&origin->idle);
            list_append(&origins->idle, &origin->idle);
        }
    }
}

static struct origin *find_or_add(struct origins *origins, const struct origin_request *request)
{
    uint64_t hash = map_hash(&origins->table, request->name, strlen(request->name));
    struct map_node *node = map_find(&origins->table, hash, has_name, request->name);
    struct origin *origin =
        node ? map_owner(node, struct origin, node) : origin_new(origins, request->name);
    if (!node)
        map_add(&origins->table, &origin->node, hash);
    if (!node || origin->allowance.kind != request->kind)
        allowance_init(&origin->allowance, request->kind);
    set_idle(origin, false);
    return origin;
}

void origins_init(struct origins *origins, const struct breaker_timing *timing)
{
    *origins = (struct origins){.turn = PUSH_HEALTHY, .timing = *timing};
    map_init(&origins->table);
    list_init(&origins->idle);
    for (int i = 0; i < PUSH_LANES; i++)
        list_init(&origins->ready[i]);
    timers_init(&origins->timers);
    sites_init(&origins->sites);
}

void origins_fini(struct origins *origins)
{
    struct list *node;
    while ((node = list_first(&origins->idle)))
        forget(list_owner(node, struct origin, idle));
    map_fini(&origins->table);
    timers_fini(&origins->timers);
    sites_fini(&origins->sites);
}

/* Places */

void origins_join(struct origins *origins, struct origin_place *place,
                  const struct origin_request *request, int64_t now_ms)
{
    sweep(origins, now_ms);
    struct origin *origin = find_or_add(origins, request);
    struct lane *lane = &origin->lanes[request->lane];
    *place = (struct origin_place){
        .origin = origin,
        .lane = request->lane,
        .endpoint = request->endpoint,
        .probe = request->probe,
    };
    if (request->address)
        place->site = sites_use(&origins->sites, request->address, now_ms);
    lane->waiting_count++;
    bool is_first = place->probe || list_empty(&lane->waiting);
    list_append(place->probe ? lane->waiting.next : &lane->waiting, &place->node);
    if (is_first)
        wake(lane);
}

void origin_again(struct origin_place *place, int64_t now_ms)
{
    allowance_spend(&place->origin->allowance, place->lane, now_ms);
    if (!place->site)
        return;
    struct bucket *bucket = &place->site->bucket;
    if (!bucket_take(bucket, now_ms))
        bucket->full_at_ms += bucket->every_ms;
}

static void start(struct origins *origins, struct lane *lane, struct origin_place *place,
                  int64_t now_ms)
{
    list_remove(&place->node);
    lane->waiting_count--;
    place->in_flight = true;
    place->probing = breaker_start(breaker_of(place));
    lane->in_flight++;
    origins->in_flight[lane->kind]++;
    if (place->site)
        site_enter(place->site, is_healthy(place));
    origin_again(place, now_ms);
    wake(lane); /* at the end of the ring, while more of it waits */
}

static unsigned all_in_flight(const struct origins *origins)
{
    unsigned sum = 0;
    for (int i = 0; i < PUSH_LANES; i++)
        sum += origins->in_flight[i];
    return sum;
}

static struct origin_place *next_of(struct origins *origins, enum push_lane kind, int64_t now_ms)
{
    struct list *node;
    while (origins->in_flight[kind] < caps[kind].of_all &&
           (node = list_first(&origins->ready[kind]))) {
        struct lane *lane = list_owner(node, struct lane, place);
        list_remove(node);
        struct origin_place *place = admit(lane, now_ms);
        if (!place)
            continue;
        start(origins, lane, place, now_ms);
        return place;
    }
    return NULL;
}

struct origin_place *origins_next(struct origins *origins, int64_t now_ms)
{
    timers_fire(&origins->timers, now_ms);
    if (all_in_flight(origins) >= ORIGINS_IN_FLIGHT)
        return NULL;
    for (unsigned i = 0; i < PUSH_LANES; i++) {
        enum push_lane kind = (origins->turn + i) % PUSH_LANES;
        struct origin_place *place = next_of(origins, kind, now_ms);
        if (!place)
            continue;
        origins->turn = (kind + 1) % PUSH_LANES;
        return place;
    }
    return NULL;
}

int64_t origins_next_ms(const struct origins *origins)
{
    return timers_next_ms(&origins->timers);
}

static void leave_site(struct origins *origins, struct origin_place *place, int64_t now_ms)
{
    struct site *site = place->site;
    if (!site)
        return;
    if (place->in_flight)
        site_leave(site, is_healthy(place));
    struct list *node;
    while ((node = list_first(&site->waiting)))
        wake(list_owner(node, struct lane, place));
    sites_release(&origins->sites, site, now_ms);
}

void origins_leave(struct origins *origins, struct origin_place *place, int64_t now_ms)
{
    struct origin *origin = place->origin;
    if (!origin)
        return;
    if (place->probing)
        breaker_abandon(breaker_of(place), now_ms);
    if (place->in_flight) {
        origin->lanes[place->lane].in_flight--;
        origins->in_flight[place->lane]--;
    } else {
        list_remove(&place->node);
        origin->lanes[place->lane].waiting_count--;
    }
    leave_site(origins, place, now_ms);
    *place = (struct origin_place){.origin = NULL};
    wake_all(origin);
    if (!is_in_use(origin))
        rest(origin, now_ms);
}

/* Answers */

/* Whether its answer decides when the next probe goes. */
static bool decides(const struct origin_place *place)
{
    return place->probing && breaker_of(place)->state == BREAKER_HALF_OPEN;
}

/* What stands for its endpoint. */
static uint64_t endpoint_of(const struct origin_place *place)
{
    return map_hash(&place->origin->owner->table, place->endpoint, strlen(place->endpoint));
}

static enum origin_news count_failure(struct origin_place *place, const struct verdict *verdict,
                                      int64_t now_ms, uint32_t random)
{
    const struct breaker_timing *timing = &place->origin->owner->timing;
    struct breaker *breaker = breaker_of(place);
    bool enough = breaker_fail(breaker, timing, endpoint_of(place), verdict->text, now_ms);
    if (decides(place)) {
        breaker_open(breaker, timing, now_ms, random);
        return ORIGIN_REOPENED;
    }
    if (!enough)
        return ORIGIN_SAME;
    if (breaker->endpoint_count < 2)
        return ORIGIN_ALONE;
    breaker_open(breaker, timing, now_ms, random);
    return ORIGIN_OPENED;
}

static enum origin_news judge_failure(struct origin_place *place, const struct verdict *verdict,
                                      int64_t now_ms, uint32_t random)
{
    place->origin->troubled = true;
    return count_failure(place, verdict, now_ms, random);
}

/* A stranger's 404 may come from a proxy whose push server is down: only what was accepted speaks
 * for the other lanes. */
static enum origin_news judge_success(struct origin_place *place, bool accepted)
{
    struct origin *origin = place->origin;
    bool was_open = breaker_close(breaker_of(place));
    if (accepted) {
        for (int i = 0; i < ORIGIN_BREAKERS; i++)
            was_open |= breaker_close(&origin->breakers[i]);
    }
    bool recovers = accepted && origin->troubled;
    origin->troubled = origin->troubled && !accepted;
    if (was_open)
        return ORIGIN_CLOSED;
    return recovers ? ORIGIN_RECOVERED : ORIGIN_SAME;
}

static enum origin_news judge_silence(struct origin_place *place, int64_t now_ms, uint32_t random)
{
    if (!decides(place))
        return ORIGIN_SAME;
    breaker_open(breaker_of(place), &place->origin->owner->timing, now_ms, random);
    return ORIGIN_REOPENED;
}

/* A failure that one silent phone may have caused counts where the endpoint's last push had not
 * failed, and once each: then several of them are the server's. Others only put off the next probe,
 * by no more than the last time. While the server is down it is taken for the cause of all. */
static enum origin_news judge_doubt(struct origin_place *place, struct verdict *verdict,
                                    int64_t now_ms, uint32_t random)
{
    struct breaker *breaker = breaker_of(place);
    bool counts = is_healthy(place) && !breaker_knows(breaker, endpoint_of(place));
    verdict->origin_trouble = counts || breaker->state != BREAKER_CLOSED;
    if (counts) {
        enum origin_news news = count_failure(place, verdict, now_ms, random);
        return news == ORIGIN_ALONE ? ORIGIN_SAME : news;
    }
    if (!decides(place))
        return ORIGIN_SAME;
    breaker_wait(breaker, &place->origin->owner->timing, now_ms, random);
    return ORIGIN_REOPENED;
}

enum origin_news origin_judge(struct origin_place *place, struct verdict *verdict, int64_t now_ms,
                              uint32_t random)
{
    enum origin_news news;
    if (verdict->doubtful)
        news = judge_doubt(place, verdict, now_ms, random);
    else if (verdict->origin_trouble)
        news = judge_failure(place, verdict, now_ms, random);
    else if (verdict->status > 0)
        news = judge_success(place, verdict->kind == VERDICT_ACCEPTED);
    else
        news = judge_silence(place, now_ms, random);
    allowance_judge(&place->origin->allowance, verdict->status, now_ms);
    place->probing = false;
    wake_all(place->origin);
    return news;
}

void origin_open(struct origin_place *place, int64_t now_ms, uint32_t random)
{
    breaker_open(breaker_of(place), &place->origin->owner->timing, now_ms, random);
}

static void hurry(void *arg, struct map_node *node)
{
    const int64_t *now_ms = arg;
    struct origin *origin = map_owner(node, struct origin, node);
    for (int i = 0; i < ORIGIN_BREAKERS; i++)
        if (origin->breakers[i].state == BREAKER_OPEN && origin->breakers[i].next_ms > *now_ms)
            origin->breakers[i].next_ms = *now_ms;
    wake_all(origin);
}

void origins_hurry(struct origins *origins, int64_t now_ms)
{
    map_each(&origins->table, hurry, &now_ms);
}

/* Looking at them */

bool origin_is_held(const struct origin_place *place, int64_t now_ms)
{
    if (!place->origin || place->in_flight || place->probe)
        return false;
    const struct breaker *breaker = breaker_of(place);
    return breaker->state == BREAKER_OPEN && breaker->next_ms > now_ms;
}

bool origin_same_breaker(const struct origin_place *a, const struct origin_place *b)
{
    return a->origin == b->origin && origin_breaker_of(a->lane) == origin_breaker_of(b->lane);
}

void origin_describe(const struct origin *origin, struct origin_state *state, int64_t now_ms)
{
    *state = (struct origin_state){
        .name = origin->name,
        .in_flight = in_flight(origin),
        .errors_left = allowance_errors_left(&origin->allowance, now_ms),
    };
    for (int i = 0; i < PUSH_LANES; i++)
        state->waiting += origin->lanes[i].waiting_count;
    for (int i = 0; i < ORIGIN_BREAKERS; i++) {
        const struct breaker *breaker = &origin->breakers[i];
        state->breakers[i].state = breaker->state;
        state->breakers[i].since_ms = breaker->since_ms;
        state->breakers[i].next_ms = breaker->next_ms;
        state->breakers[i].failures = breaker->failures;
        state->breakers[i].why = breaker->why;
    }
}

struct walk {
    void (*each)(void *arg, const struct origin *origin);
    void *arg;
};

static void visit(void *arg, struct map_node *node)
{
    const struct walk *walk = arg;
    walk->each(walk->arg, map_owner(node, struct origin, node));
}

void origins_each(struct origins *origins, void (*each)(void *arg, const struct origin *origin),
                  void *arg)
{
    struct walk walk = {.each = each, .arg = arg};
    map_each(&origins->table, visit, &walk);
}
