/* GET /healthz (liveness) and /readyz (readiness) for container runtimes and load balancers
 * (bridge/health.h): 200 or 503, and a word. Strangers may ask, and learn nothing else. */
#ifndef DOORBELL_WEB_PROBES_H
#define DOORBELL_WEB_PROBES_H

#include "bridge/bridge.h"
#include "web/request.h"

bool probes_know(const struct request *request); /* whether it asks for one of them */
void probes_answer(struct bridge *bridge, const struct request *request, struct response *response);

#endif
