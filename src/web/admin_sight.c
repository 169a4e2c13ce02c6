#include "web/admin_sight.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What decides an account's place. A whole view has 2 kB, and there may be 10,000 of them: so there
 * are two walks, and views are kept of one page only. */
struct place {
    enum view_health health;
    bool owed;
    char pseudonym[PSEUDONYM_SIZE];
    unsigned device;
};

struct places {
    const struct admin_asked *asked;
    struct place *all;
    size_t count, room;
};

static struct place place_of(const struct account_view *view)
{
    struct place place = {
        .health = view->health, .owed = view->owed_since_unix, .device = view->device};
    memcpy(place.pseudonym, view->pseudonym, sizeof place.pseudonym);
    return place;
}

static int compare(const void *one, const void *other)
{
    const struct place *a = one, *b = other;
    if (a->health != b->health)
        return a->health > b->health ? -1 : 1;
    if (a->owed != b->owed)
        return a->owed ? -1 : 1;
    int order = strcmp(a->pseudonym, b->pseudonym);
    return order ? order : (a->device > b->device) - (a->device < b->device);
}

static void note_place(void *arg, const struct account_view *view)
{
    struct places *places = arg;
    const char *search = places->asked->search, *state = places->asked->state;
    if (strncasecmp(view->pseudonym, search, strlen(search)) != 0 ||
        (state && strcmp(view_health_name(view->health), state) != 0))
        return;
    if (places->count == places->room) {
        places->room = places->room ? 2 * places->room : ADMIN_PER_PAGE;
        places->all = mem_resize(places->all, places->room * sizeof *places->all);
    }
    places->all[places->count++] = place_of(view);
}

struct page {
    const struct place *places;
    struct admin_sight *sight;
};

static void copy_view(struct account_view *to, const struct account_view *from)
{
    *to = *from;
    if (from->advice == from->advice_text)
        to->advice = to->advice_text;
}

static void take_view(void *arg, const struct account_view *view)
{
    const struct page *page = arg;
    const struct place place = place_of(view);
    const struct place *found =
        bsearch(&place, page->places, page->sight->count, sizeof place, compare);
    if (found)
        copy_view(&page->sight->accounts[found - page->places], view);
}

/* Where two users have the same pseudonym and device number, one place is filled twice. */
static void drop_unfilled(struct admin_sight *sight)
{
    size_t filled = 0;
    for (size_t i = 0; i < sight->count; i++) {
        const struct account_view *view = &sight->accounts[i];
        if (view->timeline && i != filled)
            copy_view(&sight->accounts[filled], view);
        filled += view->timeline != NULL;
    }
    sight->count = filled;
}

static void note_origin(void *arg, const struct push_origin_state *state)
{
    struct admin_sight *sight = arg;
    if (view_origin_is_down(state) && sight->down_count < ADMIN_DOWN_MAX)
        sight->down[sight->down_count++] = *state;
}

void admin_sight_take(struct admin_sight *sight, struct bridge *bridge,
                      const struct admin_asked *asked, int64_t wall_ms)
{
    struct places places = {.asked = asked};
    *sight = (struct admin_sight){.now_unix = wall_ms / 1000};
    view_bridge(bridge, wall_ms, &sight->bridge);
    view_each_origin(bridge, note_origin, sight);
    sight->refused = arrivals_refused(bridge_arrivals(bridge), sight->now_unix);
    view_each(bridge, wall_ms, note_place, &places);
    sight->matching = places.count;
    sight->pages = places.count ? (places.count + ADMIN_PER_PAGE - 1) / ADMIN_PER_PAGE : 1;
    sight->page = asked->page < 1 ? 1 : asked->page > sight->pages ? sight->pages : asked->page;
    size_t first = (sight->page - 1) * ADMIN_PER_PAGE, left = places.count - first;
    sight->count = left < ADMIN_PER_PAGE ? left : ADMIN_PER_PAGE;
    if (!sight->count)
        return;
    qsort(places.all, places.count, sizeof *places.all, compare);
    sight->accounts = mem_new(sight->count * sizeof *sight->accounts);
    view_each(bridge, wall_ms, take_view, &(struct page){places.all + first, sight});
    drop_unfilled(sight);
    free(places.all);
}

void admin_sight_free(struct admin_sight *sight)
{
    free(sight->accounts);
}
