/* Where Prometheus finds our metrics: GET /metrics on metrics.listen, a socket apart from the web
 * port, so that strangers never come near it; who reaches it may read them (settled.md "/metrics").
 * The socket is one of web/side.h. */
#ifndef DOORBELL_WEB_EXPORTER_H
#define DOORBELL_WEB_EXPORTER_H

#include "alert/lookout.h"
#include "signal/signal.h"
#include "bridge/bridge.h"
#include "config/config.h"
#include "push/push.h"
#include "store/store.h"

struct exporter;

struct exporter *exporter_new(struct loop *loop, struct bridge *bridge, struct push *push,
                              struct store *store, const struct lookout *lookout,
                              const struct signal_server *signal, const struct config *config);
void exporter_free(struct exporter *exporter);
void exporter_reload(struct exporter *exporter, const struct config *config);
const char *exporter_refusal(const struct exporter *exporter); /* side_refusal */

#endif
