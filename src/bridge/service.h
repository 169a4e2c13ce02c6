/* Whether the service as a whole rings phones, for those who use it and must not learn of each
 * other: the public page (web/about.h) says that and no more. Stricter than readiness (health.h),
 * which asks whether a restart or another server would help: where the messenger refuses every
 * account, or nobody's push server takes a ring, a restart does not, and yet no phone rings.
 *
 * What befalls one user is no trouble of the service, and whoever has an account here must not be
 * able to make it seem so: on a server of few, a late ring would tell strangers when somebody was
 * written to. Pure but for bridge_serves. */
#ifndef DOORBELL_BRIDGE_SERVICE_H
#define DOORBELL_BRIDGE_SERVICE_H

#include "bridge/figures.h"
#include "bridge/health.h"

/* Late rings of so many accounts are not one user's: Signal allows five linked devices. */
enum { SERVICE_SEVERAL = 6 };

/* False: rings of all, or of most that were due, are kept back at the moment. */
bool service_judge(const struct bridge_figures *figures, enum health health);
/* Accounts are looked at once a second at most, because strangers may ask as often as they like. */
bool bridge_serves(struct bridge *bridge);

#endif
