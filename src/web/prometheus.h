/* All that Doorbell counts, in Prometheus' text format 0.0.4 (docs/metrics.md). Costs one walk over
 * the accounts and one over the push servers. No label tells one account from another, or holds a
 * path; of push servers only those are named that the operator or our own table names
 * (security.md 16). */
#ifndef DOORBELL_WEB_PROMETHEUS_H
#define DOORBELL_WEB_PROMETHEUS_H

#include "alert/lookout.h"
#include "signal/signal.h"
#include "bridge/bridge.h"
#include "push/push.h"
#include "store/store.h"

/* The caller frees it. */
char *prometheus_text(struct bridge *bridge, struct push *push, struct store *store,
                      const struct lookout *lookout, const struct signal_server *signal);

#endif
