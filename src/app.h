/* The one context of the process: everything hangs off it, made, reloaded and taken down in one
 * readable order. Nothing below web/ and control/ sees it. */
#ifndef DOORBELL_APP_H
#define DOORBELL_APP_H

#include "bridge/bridge.h"
#include "config/config.h"
#include "control/server.h"
#include "push/push.h"
#include "signal/signal.h"
#include "web/web.h"

enum app_kind {
    APP_SERVER, /* links, web and control socket */
    APP_LOCAL,  /* the command line acting on the store by itself: no links, nobody listens */
};

struct app {
    enum app_kind kind;
    struct config_sources sources;
    struct loop loop;
    struct config *config;
    struct store *store;
    struct resolver *resolver;
    struct connector *connector;
    struct policy *policy;
    struct vapid *vapid;
    struct push *push;
    struct signal_server *signal;
    struct bridge *bridge;
    struct control *control;
    struct web *web;
    uv_signal_t signals[3];
    size_t signal_count;
    struct timer sweep;
    uint64_t events_at_trim, events_at_sweep;
};

/* Takes over `config`, also when it fails. What was made until then is taken down again by
 * app_stop, which the caller owes in every case. `sources` is where a reload loads from. */
int app_start(struct app *app, enum app_kind kind, const struct config_sources *sources,
              struct config *config, struct err *err);
void app_run(struct app *app); /* until a signal ends it, or loop_stop */
void app_stop(struct app *app);

#endif
