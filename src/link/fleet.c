#include "link/fleet.h"

void fleet_init(struct fleet *fleet)
{
    *fleet = (struct fleet){.epoch = 1};
}

void fleet_success(struct fleet *fleet)
{
    if (!fleet->refused)
        return;
    fleet->refused = 0;
    if (++fleet->epoch == 0)
        fleet->epoch = 1;
}

bool fleet_refused(struct fleet *fleet, unsigned *mark, int64_t now_ms, bool *alarm)
{
    *alarm = false;
    /* The window is for building up; what is fleet-wide stays so until somebody is let in. */
    if (fleet->refused && fleet->refused < FLEET_LEAST &&
        now_ms - fleet->since_ms > FLEET_WINDOW_MS)
        fleet_success(fleet);
    if (*mark != fleet->epoch) {
        *mark = fleet->epoch;
        if (!fleet->refused)
            fleet->since_ms = now_ms;
        fleet->refused++;
        *alarm = fleet->refused == FLEET_LEAST;
    }
    return fleet->refused >= FLEET_LEAST;
}
