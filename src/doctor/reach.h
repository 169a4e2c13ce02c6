/* What the visits to Signal's server came to, on one road and on both (docs/roads.md). Pure. */
#ifndef DOORBELL_DOCTOR_REACH_H
#define DOORBELL_DOCTOR_REACH_H

#include "doctor/probes.h"

enum { REACH_STATUS_REFUSED = 499 };

/* The settings leave it open, and so it was visited. */
bool reach_is_open(const struct road_facts *road);

/* Of IPv4 and IPv6 whichever came further. */
const struct visit_facts *reach_best(const struct road_facts *road);
/* A websocket, over one of them at least. */
bool reach_opens(const struct road_facts *road);
/* The second User-Agent is not refused as too old. */
bool reach_takes_other(const struct road_facts *road);
/* Nobody gets a websocket there, with neither User-Agent. */
bool reach_fails(const struct road_facts *road);
/* The same went wrong on both roads, as where this machine has no network. */
bool reach_is_alike(const struct road_facts *a, const struct road_facts *b);

/* The road that links take, where the settings leave both and the server found what was seen. */
enum road reach_taken(const struct signal_facts *signal);

#endif
