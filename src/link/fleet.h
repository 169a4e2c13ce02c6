/* Whether refusals say something about an account or about all of us: three accounts or more that
 * are refused alike within minutes, with no success in between, are one alarm and disable nobody
 * (architecture.md "Account states"). One of these for each kind of refusal (credentials, client).
 * Candidates never count. Pure. */
#ifndef DOORBELL_LINK_FLEET_H
#define DOORBELL_LINK_FLEET_H

#include <stdbool.h>
#include <stdint.h>

enum { FLEET_LEAST = 3 };

struct fleet {
    int64_t window_ms; /* within that the refusals lie; and as what refused everybody may soon do
                          so again, none is believed for so long after its end */
    unsigned epoch;    /* begins anew with every success; never 0 */
    int64_t refused_ms[FLEET_LEAST]; /* the first refusals of the last accounts, oldest first */
    unsigned count;
    bool wide; /* until somebody is let in */
    int64_t doubt_until_ms;
};

/* An account's own: when it was last counted, so that it is counted once. All zero at first. */
struct fleet_mark {
    unsigned epoch;
    uint32_t counted_s; /* by the clock of `now_ms`; every account has some of these */
};

void fleet_init(struct fleet *fleet); /* but for window_ms, which is the owner's to set */
/* Somebody was let in. True when that ends an alarm: to be said once, as the alarm was. */
bool fleet_success(struct fleet *fleet, int64_t now_ms);

/* Whether all are refused at the moment, or were until lately; counts nothing. */
bool fleet_is_wide(const struct fleet *fleet, int64_t now_ms);

/* Whether an account was refused with those that are being refused now: since somebody was let in,
 * and within the window. */
bool fleet_has_counted(const struct fleet *fleet, const struct fleet_mark *mark, int64_t now_ms);

/* True when it is fleet-wide, or was until lately; `*alarm` is set by the refusal that makes it so.
 */
bool fleet_refused(struct fleet *fleet, struct fleet_mark *mark, int64_t now_ms, bool *alarm);

#endif
