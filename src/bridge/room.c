#include "bridge/room.h"

#include "bridge/bell.h"

static struct room *room_of(const struct bell *bell)
{
    return &bell->bridge->room;
}

size_t room_most(const struct bridge *bridge)
{
    const struct link_ops *ops = bridge->parts.link_ops;
    size_t descriptors = bridge->parts.descriptors;
    if (!descriptors || !ops || !ops->most)
        return descriptors;
    size_t most = ops->most(bridge->parts.messenger, descriptors);
    return most ? most : 1; /* connections that are on their way out may have them all */
}

static bool is_full(const struct bridge *bridge)
{
    size_t most = room_most(bridge);
    return most && bridge->room.linked >= most;
}

/* The messenger refuses dead credentials once more, and nothing else is to be expected. */
static bool is_needed(const struct bell *bell)
{
    return bell->account && bell->account->state != ACCOUNT_DISABLED &&
           bell->life.state != ACCOUNT_REFUSED;
}

static void count_absent(void *arg, struct account *account)
{
    const struct bell *bell = account->owner;
    *(size_t *)arg += bell && !bell->linked && is_needed(bell);
}

/* Whether there is room beyond what accounts need that will come back, or wait already. */
static bool is_spare(struct bridge *bridge)
{
    size_t most = room_most(bridge), linked = bridge->room.linked, absent = 0;
    if (!most || linked + registry_count(&bridge->registry) < most)
        return true;
    if (linked < most)
        registry_each(&bridge->registry, count_absent, &absent);
    return linked + absent < most;
}

static void say(struct room *room)
{
    if (!room->said)
        log_error("Not every account can be connected, because this process may not open more "
                  "files; the others are not rung. Raise the limit (LimitNOFILE=, ulimit -n) and "
                  "restart.");
    room->said = true;
}

/* One trial for each account that waits and is needed, the oldest first: true ones are proven
 * within moments. */
static void make_way(struct bridge *bridge)
{
    struct room *room = &bridge->room;
    if (room->leaving >= room->needed)
        return;
    list_each(node, &bridge->trials) {
        struct bell *bell = list_owner(node, struct bell, node);
        if (!bell->linked || bell->makes_way)
            continue;
        bell->makes_way = true;
        room->leaving++;
        bridge->parts.link_ops->stop(bell->link);
        return;
    }
}

static void wait_for_room(struct bell *bell)
{
    struct room *room = room_of(bell);
    if (!list_empty(&bell->room_node))
        return;
    list_append(&room->waiting, &bell->room_node);
    bell->needs_room = is_needed(bell);
    room->needed += bell->needs_room;
    make_way(bell->bridge);
    if (room_lacks(room))
        say(room);
}

bool room_find(struct bell *bell)
{
    struct room *room = room_of(bell);
    if (bell->trial) {
        bool spare = is_spare(bell->bridge);
        if (!spare)
            bell_connect_in(bell, bell->bridge->life_timing.reconnect_max_ms);
        return spare;
    }
    if (!is_full(bell->bridge) && list_empty(&room->waiting))
        return true;
    wait_for_room(bell);
    return false;
}

void room_forget(struct bell *bell)
{
    if (list_empty(&bell->room_node))
        return;
    list_remove(&bell->room_node);
    room_of(bell)->needed -= bell->needs_room;
}

void room_entered(struct bell *bell)
{
    room_of(bell)->linked++;
}

void room_review(struct bridge *bridge)
{
    if (!list_empty(&bridge->room.waiting))
        loop_timer_set(bridge->parts.loop, &bridge->room.timer, 0);
}

void room_left(struct bell *bell)
{
    struct room *room = room_of(bell);
    room->linked--;
    room->leaving -= bell->makes_way;
    bell->makes_way = false;
    room_review(bell->bridge);
}

static void on_timer(void *arg)
{
    struct bridge *bridge = arg;
    struct room *room = &bridge->room;
    while (!list_empty(&room->waiting) && !is_full(bridge)) {
        struct bell *bell = list_owner(list_first(&room->waiting), struct bell, room_node);
        room_forget(bell);
        bell_link(bell);
    }
}

void room_init(struct bridge *bridge)
{
    struct room *room = &bridge->room;
    list_init(&room->waiting);
    timer_init(&room->timer, on_timer, bridge);
}

void room_fini(struct bridge *bridge)
{
    loop_timer_cancel(bridge->parts.loop, &bridge->room.timer);
}
