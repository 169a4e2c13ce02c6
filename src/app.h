/* The one context of the process: everything hangs off it, made, reloaded and taken down in one
 * readable order. Nothing below web/ and control/ sees it. */
#ifndef DOORBELL_APP_H
#define DOORBELL_APP_H

#include "alert/lookout.h"
#include "base/absence.h"
#include "base/notify.h"
#include "bridge/bridge.h"
#include "config/config.h"
#include "config/likeness.h"
#include "control/server.h"
#include "push/linked_key.h"
#include "push/own_key.h"
#include "push/push.h"
#include "sandbox/sandbox.h"
#include "signal/signal.h"
#include "web/admin.h"
#include "web/exporter.h"
#include "web/web.h"

enum app_kind {
    APP_SERVER, /* links, web and control socket */
    APP_LOCAL,  /* the command line acting on the store by itself: no links, nobody listens */
    APP_FOUNDER /* likewise, and may make the key that a first start makes */
};

/* app_watch.h: what was said of the whole, and not yet that it is over. */
struct app_watch {
    struct timer timer;
    bool links_down, held_up, store_hangs;
    int64_t links_down_ms; /* since */
    uint64_t connects;     /* at the last look */
};

struct app {
    enum app_kind kind;
    struct config_sources sources;
    struct sandbox sandbox;
    struct loop loop;
    struct config *config;
    struct seal *seal; /* NULL: no key is given */
    struct store *store;
    size_t rows; /* accounts in it at the start */
    size_t links_descriptors;
    struct resolver *resolver;
    struct connector *connector;
    struct policy *policy;
    struct vapid *vapid;
    struct linked_key linked_key; /* as the store has it at the start */
    char *molly_file;             /* MollySocket's that was read at the start; NULL: none */
    int64_t took_over_unix;       /* accounts of MollySocket's, last; 0: never */
    bool made_key;                /* this time, because there was none */
    struct push *push;
    struct signal_server *signal;
    struct bridge *bridge;
    struct lookout *lookout;
    struct control *control;
    struct web *web;
    struct exporter *exporter;
    struct admin *admin;
    uv_signal_t signals[3];
    size_t signal_count;
    struct timer sweep;
    struct app_watch watch;
    struct absence absence;
    struct notify notify; /* the service manager */
    bool watches;         /* for absences: the server, once it has started */
    uint64_t events_at_trim, events_at_sweep;
    int64_t connections_asked;   /* web.connections as it was written (app_config.h) */
    struct likeness_files files; /* that the settings name, as they were loaded */
    struct abandoned *abandoned; /* of reloads that failed */
    struct err refusal;          /* of the last reload */
    int64_t refused_unix;        /* 0: it was not refused, or there was none */
};

/* Takes over `config`, also when it fails. What was made until then is taken down again by
 * app_stop, which the caller owes in every case. `sources` is where a reload loads from. */
int app_start(struct app *app, enum app_kind kind, const struct config_sources *sources,
              struct config *config, struct err *err);
/* Reads every file that a server would read with it, and changes nothing. Warns of keys that
 * everybody may read. */
int app_check_config(const struct config *config, struct err *err);
/* Whether Doorbell made the key by itself, and what to say then to whoever has accounts of
 * MollySocket's. Before the first change of the store only. */
bool app_key_is_own(const struct app *app, char text[OWN_KEY_TEXT_SIZE]);
/* From here on the log is as the configuration says. */
void app_take_log_settings(const struct config *config);
void app_run(struct app *app); /* until a signal ends it, or loop_stop */
void app_stop(struct app *app);

#endif
