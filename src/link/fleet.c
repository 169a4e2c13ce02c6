#include "link/fleet.h"

#include <string.h>

enum { SECOND_MS = 1000 };

void fleet_init(struct fleet *fleet)
{
    *fleet = (struct fleet){.epoch = 1};
}

bool fleet_success(struct fleet *fleet, int64_t now_ms)
{
    bool was_wide = fleet->wide;
    if (!fleet->count)
        return false;
    if (was_wide)
        fleet->doubt_until_ms = now_ms + fleet->window_ms;
    fleet->count = 0;
    fleet->wide = false;
    if (++fleet->epoch == 0)
        fleet->epoch = 1;
    return was_wide;
}

/* Only what lies within the window of the newest counts. */
static void note(struct fleet *fleet, int64_t now_ms)
{
    unsigned old = fleet->count == FLEET_LEAST ? 1 : 0;
    while (old < fleet->count && now_ms - fleet->refused_ms[old] > fleet->window_ms)
        old++;
    fleet->count -= old;
    memmove(fleet->refused_ms, fleet->refused_ms + old, fleet->count * sizeof *fleet->refused_ms);
    fleet->refused_ms[fleet->count++] = now_ms;
}

bool fleet_is_wide(const struct fleet *fleet, int64_t now_ms)
{
    return fleet->wide || now_ms < fleet->doubt_until_ms;
}

bool fleet_has_counted(const struct fleet *fleet, const struct fleet_mark *mark, int64_t now_ms)
{
    return mark->epoch == fleet->epoch &&
           now_ms / SECOND_MS - mark->counted_s <= fleet->window_ms / SECOND_MS;
}

bool fleet_refused(struct fleet *fleet, struct fleet_mark *mark, int64_t now_ms, bool *alarm)
{
    *alarm = false;
    if (mark->epoch != fleet->epoch) {
        *mark =
            (struct fleet_mark){.epoch = fleet->epoch, .counted_s = (uint32_t)(now_ms / SECOND_MS)};
        note(fleet, now_ms);
        *alarm = !fleet->wide && fleet->count == FLEET_LEAST;
        fleet->wide |= *alarm;
    }
    return fleet_is_wide(fleet, now_ms);
}
