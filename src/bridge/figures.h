/* How all accounts fare together, for whoever watches (web/prometheus.c): what has been counted
 * since the start, and what one walk over the registry finds at the moment. */
#ifndef DOORBELL_BRIDGE_FIGURES_H
#define DOORBELL_BRIDGE_FIGURES_H

#include "bridge/bridge.h"
#include "bridge/tally.h"

struct bridge_figures {
    size_t accounts[ACCOUNT_STATES];   /* in each state */
    size_t endpoints[ENDPOINT_STATES]; /* accounts by the state of theirs */
    size_t owed;                       /* accounts to which a ring is owed */
    int64_t oldest_owed_ms;            /* how long the one that waits longest has done so */
    size_t late;                       /* accounts whose ring is late (bridge/alarms.h) */
    size_t rung;      /* accounts that were rung within the time after which one is late */
    int64_t silent_s; /* since a messenger was heard last, or since the start */
    int64_t started_unix;
    bool store_failing;
    uint64_t connects, reconnections;
    const struct tally *tally; /* the bridge's own */
};

void bridge_figures(struct bridge *bridge, struct bridge_figures *figures);

#endif
