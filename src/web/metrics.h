/* MollySocket's five series at GET /metrics (mollysocket.md 3), for its users' dashboards: only
 * where Doorbell is set up as MollySocket is, and only for who asks directly, from this machine or
 * a private network, by an address or a name of that. What a proxy hands on may come from anybody
 * (settled.md, "/metrics"); one that says nothing of itself is known by the first phone that comes
 * through it (silent_proxies.h). */
#ifndef DOORBELL_WEB_METRICS_H
#define DOORBELL_WEB_METRICS_H

#include "bridge/bridge.h"
#include "web/request.h"
#include "web/silent_proxies.h"

bool metrics_may_see(const struct silent_proxies *silent, const struct request *request);
void metrics_show(struct bridge *bridge, struct response *response);

#endif
