/* Looks at the bridge and its store and says how well they are (health.h). */
#ifndef DOORBELL_BRIDGE_CHECKUP_H
#define DOORBELL_BRIDGE_CHECKUP_H

#include "bridge/bridge.h"
#include "bridge/health.h"

/* To be asked now and then even if nobody wants to know: how long no link has been up counts from
 * the first look that found none. Accounts are looked at once a second at most, because strangers
 * may ask as often as they like. */
enum health bridge_health(struct bridge *bridge);
/* Of the store alone, for whoever only looks on. */
enum health bridge_store_health(struct bridge *bridge);

#endif
