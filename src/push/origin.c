#include "push/origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct lane {
    struct list ready; /* on origins->ready while its first may start */
    struct list waiting;
    unsigned in_flight;
};

struct origin {
    struct map_node node;
    struct lane lanes[ORIGIN_LANES];
    char name[];
};

static bool has_name(const struct map_node *node, const void *name)
{
    return strcmp(map_owner(node, struct origin, node)->name, name) == 0;
}

static struct origin *origin_new(const char *name)
{
    size_t size = strlen(name) + 1;
    struct origin *origin = mem_new(sizeof *origin + size);
    memcpy(origin->name, name, size);
    for (int i = 0; i < ORIGIN_LANES; i++) {
        list_init(&origin->lanes[i].ready);
        list_init(&origin->lanes[i].waiting);
    }
    return origin;
}

static struct origin *find_or_add(struct origins *origins, const char *name)
{
    uint64_t hash = map_hash(&origins->table, name, strlen(name));
    struct map_node *node = map_find(&origins->table, hash, has_name, name);
    if (node)
        return map_owner(node, struct origin, node);
    struct origin *origin = origin_new(name);
    map_add(&origins->table, &origin->node, hash);
    return origin;
}

static unsigned in_flight(const struct origin *origin)
{
    return origin->lanes[ORIGIN_PROVEN].in_flight + origin->lanes[ORIGIN_UNPROVEN].in_flight;
}

static bool has_room(const struct origin *origin, enum origin_lane lane)
{
    if (in_flight(origin) >= ORIGIN_IN_FLIGHT)
        return false;
    return lane == ORIGIN_PROVEN || origin->lanes[lane].in_flight < ORIGIN_IN_FLIGHT_UNPROVEN;
}

static bool is_idle(const struct origin *origin)
{
    return in_flight(origin) == 0 && list_empty(&origin->lanes[ORIGIN_PROVEN].waiting) &&
           list_empty(&origin->lanes[ORIGIN_UNPROVEN].waiting);
}

/* After every change: both lanes are on their ring or off it as they now deserve, and an origin
 * that nobody needs goes. */
static void settle(struct origins *origins, struct origin *origin)
{
    for (enum origin_lane i = 0; i < ORIGIN_LANES; i++) {
        struct lane *lane = &origin->lanes[i];
        bool ready = !list_empty(&lane->waiting) && has_room(origin, i);
        if (!ready)
            list_remove(&lane->ready);
        else if (list_empty(&lane->ready))
            list_append(&origins->ready[i], &lane->ready);
    }
    if (is_idle(origin)) {
        map_remove(&origins->table, &origin->node);
        free(origin);
    }
}

void origins_init(struct origins *origins)
{
    *origins = (struct origins){.turn = ORIGIN_PROVEN};
    map_init(&origins->table);
    for (int i = 0; i < ORIGIN_LANES; i++)
        list_init(&origins->ready[i]);
}

void origins_fini(struct origins *origins)
{
    map_fini(&origins->table);
}

void origins_join(struct origins *origins, struct origin_place *place, const char *name,
                  bool proven)
{
    struct origin *origin = find_or_add(origins, name);
    *place = (struct origin_place){
        .origin = origin,
        .lane = proven ? ORIGIN_PROVEN : ORIGIN_UNPROVEN,
    };
    list_append(&origin->lanes[place->lane].waiting, &place->node);
    settle(origins, origin);
}

static bool may_start(const struct origins *origins, enum origin_lane lane)
{
    if (list_empty(&origins->ready[lane]))
        return false;
    return lane == ORIGIN_PROVEN || origins->in_flight[lane] < ORIGINS_IN_FLIGHT_UNPROVEN;
}

static enum origin_lane other(enum origin_lane lane)
{
    return lane == ORIGIN_PROVEN ? ORIGIN_UNPROVEN : ORIGIN_PROVEN;
}

struct origin_place *origins_next(struct origins *origins)
{
    if (origins->in_flight[ORIGIN_PROVEN] + origins->in_flight[ORIGIN_UNPROVEN] >=
        ORIGINS_IN_FLIGHT)
        return NULL;
    enum origin_lane turn = origins->turn;
    if (!may_start(origins, turn))
        turn = other(turn);
    if (!may_start(origins, turn))
        return NULL;
    origins->turn = other(turn);

    struct lane *lane = list_owner(list_first(&origins->ready[turn]), struct lane, ready);
    struct origin_place *place = list_owner(list_first(&lane->waiting), struct origin_place, node);
    list_remove(&place->node);
    list_remove(&lane->ready); /* to the end of the ring, when it is still ready */
    place->in_flight = true;
    lane->in_flight++;
    origins->in_flight[turn]++;
    settle(origins, place->origin);
    return place;
}

void origins_leave(struct origins *origins, struct origin_place *place)
{
    struct origin *origin = place->origin;
    if (!origin)
        return;
    if (place->in_flight) {
        origin->lanes[place->lane].in_flight--;
        origins->in_flight[place->lane]--;
    } else {
        list_remove(&place->node);
    }
    place->origin = NULL;
    place->in_flight = false;
    settle(origins, origin);
}
