#include "app.h"

#include <curl/curl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app_accounts.h"
#include "app_config.h"
#include "app_watch.h"
#include "backup/collect.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "web/qr.h"

enum {
    SWEEP_MS = 30 * 1000,
    TRIM_AFTER_EVENTS = 50, /* so many leave buffers worth giving back */
};

/* Asks for as many as the settings need: a usual limit of 1,024 is there to be raised. */
static void limit_descriptors(struct app *app)
{
    struct config *config = app->config;
    app->connections_asked = config->web_connections;
    struct descriptors share = app_share_descriptors(app, config);
    app->links_descriptors = (size_t)share.links;
    config->web_connections = share.strangers;
    if (share.needed > share.limit)
        log_warn("This process may open %lld files, but accounts.max (%lld) and web.connections "
                 "need %lld: the web server takes %lld connections at most, and accounts have %lld "
                 "for theirs. Raise the limit (LimitNOFILE=, ulimit -n) if there are more.",
                 (long long)share.limit, (long long)config->accounts_max, (long long)share.needed,
                 (long long)share.strangers, (long long)share.links);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= (rlim_t)share.limit)
        return;
    limit.rlim_cur = (rlim_t)share.limit;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Secrets stay out of core dumps and out of other processes' reach (security.md 18). */
static void protect_process(void)
{
    umask(077);
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
}

/* Reload */

/* The same by SIGHUP and by command. */
static int reload_when_told(void *arg, struct err *err)
{
    struct app *app = arg;
    notify_reloading(&app->notify);
    int result = app_reload(app, err);
    app_watch_ready(app);
    return result;
}

/* Loop */

static void on_signal(uv_signal_t *handle, int number)
{
    struct app *app = handle->data;
    if (number == SIGHUP) {
        struct err err;
        reload_when_told(app, &err); /* which has logged why not */
        return;
    }
    log_info("Stopping on %s.", number == SIGTERM ? "SIGTERM" : "SIGINT");
    notify_stopping(&app->notify);
    loop_stop(&app->loop);
}

static const int watched_signals[] = {SIGTERM, SIGINT, SIGHUP};

static void watch_signals(struct app *app)
{
    for (size_t i = 0; i < sizeof watched_signals / sizeof *watched_signals; i++) {
        uv_signal_init(&app->loop.uv, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, watched_signals[i]);
        app->signal_count++;
    }
}

/* libuv hands them back to their default, which would end the process in the middle of its last
 * writes. For good: it is on its way out. The store's thread takes none anyway. */
static void block_signals(void)
{
    sigset_t watched;
    sigemptyset(&watched);
    for (size_t i = 0; i < sizeof watched_signals / sizeof *watched_signals; i++)
        sigaddset(&watched, watched_signals[i]);
    pthread_sigmask(SIG_BLOCK, &watched, NULL);
}

/* One coarse look around: the machine's addresses change, and a wave of connects or messages leaves
 * memory that only this gives back, once its links are idle again (performance.md 2 and 9): so what
 * happened before the last look counts. */
static void on_sweep(void *arg)
{
    struct app *app = arg;
    struct bridge_counts counts;
    bridge_count(app->bridge, &counts);
    if (app->events_at_sweep - app->events_at_trim >= TRIM_AFTER_EVENTS) {
        app->events_at_trim = app->events_at_sweep;
        malloc_trim(0);
    }
    app->events_at_sweep = counts.connects + counts.messages;
    bridge_sweep(app->bridge);
    if (app->web) {
        web_sweep(app->web);
        lookout_certificate(app->lookout, web_certificate_ends_unix(app->web));
    }
    policy_refresh_own(app->policy);
    absence_look(&app->absence);
    loop_timer_set(&app->loop, &app->sweep, SWEEP_MS);
}

static void on_absence(void *arg, int64_t slept_ms)
{
    struct app *app = arg;
    if (slept_ms)
        log_info("This machine slept for %lld s: all links are tested.",
                 (long long)slept_ms / 1000);
    else
        log_info("The clock was set forward, as after a pause: all links are tested.");
    connector_forget_all(app->connector);
    signal_server_resumed(app->signal);
    push_hurry(app->push);
    bridge_resumed(app->bridge, slept_ms);
}

static int back_up(void *arg, bool secrets, struct buf *content, struct err *err)
{
    struct app *app = arg;
    return backup_collect(app->config, app->seal, secrets, content, err);
}

static json_t *expect_visit(void *arg)
{
    struct app *app = arg;
    char nonce[WITNESS_NONCE_SIZE];
    if (!app->web)
        return NULL;
    web_expect(app->web, nonce);
    return json_pack("{s:s}", "nonce", nonce);
}

static json_t *tell_visit(void *arg, const char *nonce)
{
    struct app *app = arg;
    return app->web ? web_tell(app->web, nonce) : NULL;
}

static json_t *tell_refused_reload(void *arg)
{
    const struct app *app = arg;
    char why[sizeof app->refusal.text];
    if (!app->refused_unix)
        return json_null();
    text_printable(why, sizeof why, app->refusal.text, strlen(app->refusal.text));
    return json_pack("{s:I, s:s, s:b}", "at", (json_int_t)app->refused_unix, "why", why,
                     "for_restart", app->refusal.code == ERR_NOT_NOW);
}

static json_t *tell_delivery(const struct lookout *lookout, enum lookout_receiver receiver)
{
    char origin[URL_ORIGIN_SIZE];
    struct lookout_delivery delivery;
    lookout_delivery(lookout, receiver, &delivery);
    if (!delivery.url)
        return json_null();
    endpoint_origin(delivery.url, origin);
    return json_pack("{s:s, s:I, s:s}", "origin", origin, "since", (json_int_t)delivery.since_unix,
                     "why", delivery.why);
}

static json_t *tell_told(void *arg)
{
    const struct app *app = arg;
    return json_pack("{s:o, s:o}", "alerts", tell_delivery(app->lookout, LOOKOUT_ALERTS),
                     "heartbeat", tell_delivery(app->lookout, LOOKOUT_HEARTBEATS));
}

static json_t *tell_certificate(void *arg)
{
    const struct app *app = arg;
    int64_t ends_unix = app->web ? web_certificate_ends_unix(app->web) : 0;
    int64_t near_s = app->config->alert_certificate_within_ms / 1000;
    if (!ends_unix)
        return json_null();
    return json_pack("{s:I, s:b}", "ends", (json_int_t)ends_unix, "near",
                     ends_unix - clock_unix() <= near_s);
}

static json_t *tell_road(void *arg)
{
    const struct app *app = arg;
    struct signal_report report;
    signal_server_report(app->signal, &report);
    return json_pack("{s:s, s:s?, s:I, s:I}", "name", report.road, "why", report.why, "connections",
                     (json_int_t)report.connections, "streams", (json_int_t)report.streams);
}

static void add_deaf(json_t *list, const char *setting, const char *refusal)
{
    if (refusal)
        json_array_append_new(list, json_pack("{s:s, s:s}", "setting", setting, "why", refusal));
}

static json_t *tell_deaf(void *arg)
{
    const struct app *app = arg;
    json_t *list = json_array();
    add_deaf(list, "metrics.listen", exporter_refusal(app->exporter));
    add_deaf(list, "admin.listen", admin_refusal(app->admin));
    return list;
}

static json_t *compare(void *arg, const json_t *question)
{
    const struct app *app = arg;
    struct config written = *app->config; /* shares what that has */
    written.web_connections = app->connections_asked;
    return likeness_answer(&written, &app->files, question);
}

static json_t *tell_key(void *arg, const char *origin, struct err *err)
{
    const struct app *app = arg;
    const char *subject = app->config->push_vapid_subject, *header = NULL;
    if (origin && !(header = vapid_header(app->vapid, origin, subject, clock_unix(), err)))
        return NULL;
    return json_pack("{s:s, s:s?, s:s*}", "key", vapid_public_text(app->vapid), "file",
                     app->config->push_vapid_key_file, "authorization", header);
}

static int try_alert(void *arg, lookout_tried_fn *tried, void *tried_arg, struct err *err)
{
    return lookout_try(((struct app *)arg)->lookout, tried, tried_arg, err);
}

/* Where MollySocket logs the code itself. */
static void tell_how_to_link(const struct app *app)
{
    char *link = qr_link_airgapped(vapid_public_text(app->vapid));
    log_info("The web server is off, so Molly is linked air-gapped: \"doorbell qr-code airgapped\" "
             "shows the code to scan, which is %s",
             link);
    free(link);
}

/* Units that are written for MollySocket may forbid Unix sockets, which it has none of: rings
 * matter more than commands. */
static int open_control(struct app *app, const struct commands_host *host, struct err *err)
{
    app->control = control_new(&app->loop, host, app->config->control_path, err);
    if (app->control || err->code != ERR_REFUSED)
        return app->control ? 0 : err->code;
    log_warn("%s Doorbell runs on, but no command reaches it: add AF_UNIX to "
             "RestrictAddressFamilies= of its unit.",
             err->text);
    return 0;
}

static int start_server(struct app *app, struct err *err)
{
    struct config *config = app->config;
    const struct commands_host host = {.bridge = app->bridge,
                                       .sandbox = &app->sandbox,
                                       .reload = reload_when_told,
                                       .refused_reload = tell_refused_reload,
                                       .told = tell_told,
                                       .road = tell_road,
                                       .certificate = tell_certificate,
                                       .deaf = tell_deaf,
                                       .compare = compare,
                                       .back_up = back_up,
                                       .expect = expect_visit,
                                       .seen = tell_visit,
                                       .key = tell_key,
                                       .try_alert = try_alert,
                                       .arg = app};
    if (open_control(app, &host, err) != 0)
        return err->code;
    if (config->web_enabled) {
        app->web = web_new(&app->loop, app->bridge, app->vapid, config, err);
        if (!app->web)
            return err->code;
    } else {
        tell_how_to_link(app);
    }
    app->exporter = exporter_new(&app->loop, app->bridge, app->push, app->store, app->lookout,
                                 app->signal, config);
    app->admin = admin_new(&app->loop, app->bridge, app->push, app->lookout, config);
    if (app->web)
        web_add_part(app->web, admin_takes, admin_answer_on_web, app->admin);
    watch_signals(app);
    absence_init(&app->absence, &app->loop, on_absence, app);
    app->watches = true;
    loop_timer_set(&app->loop, &app->sweep, SWEEP_MS);
    if (app->web)
        lookout_certificate(app->lookout, web_certificate_ends_unix(app->web));
    lookout_begin(app->lookout, app->bridge);
    app_watch_begin(app);
    return 0;
}

static int start_bridge(struct app *app, struct err *err)
{
    struct bridge_parts parts = {.loop = &app->loop,
                                 .took_over_unix = app->took_over_unix,
                                 .linked_key = app->linked_key,
                                 .config = app->config,
                                 .store = app->store,
                                 .seal = app->seal,
                                 .push = app->push,
                                 .policy = app->policy};
    if (app->kind == APP_SERVER) {
        app->connector = connector_new(&app->loop, app->resolver, app->config);
        app->signal = signal_server_new(&app->loop, app->connector, app->config, err);
        if (!app->signal)
            return err->code;
        parts.link_ops = &signal_link_ops;
        parts.messenger = app->signal;
        parts.descriptors = app->links_descriptors;
    }
    app->bridge = bridge_new(&parts, err);
    return app->bridge ? 0 : err->code;
}

static int make_lookout(struct app *app, struct err *err)
{
    const struct lookout_parts parts = {.loop = &app->loop,
                                        .resolver = app->resolver,
                                        .store = app->store,
                                        .push = app->push,
                                        .config = app->config};
    app->lookout = lookout_new(&parts, err);
    return app->lookout ? 0 : err->code;
}

static int start_parts(struct app *app, struct err *err)
{
    struct config *config = app->config;
    app->policy = policy_new(config, err);
    if (!app->policy)
        return err->code;
    if (app_open_accounts(app, err) != 0)
        return err->code;
    if (app->kind == APP_SERVER)
        limit_descriptors(app);
    app->resolver = resolver_new(&app->loop, config, err);
    if (!app->resolver)
        return err->code;
    app->push = push_new(&app->loop, app->resolver, app->policy, app->vapid, config, err);
    if (!app->push || (app->kind == APP_SERVER && make_lookout(app, err) != 0))
        return err->code;
    if (app->kind == APP_SERVER)
        likeness_read_files(&app->files, config);
    int result = start_bridge(app, err);
    if (result == 0 && app->kind == APP_SERVER)
        result = start_server(app, err);
    return result;
}

/* A folder that is to be let in has to be there. */
static int make_folders(const struct config *config, struct err *err)
{
    const char *key = config->push_vapid_key_file;
    if (key && access(key, F_OK) != 0)
        vapid_make_folder(key);
    if (store_make_folders(config->store_path, err) == 0)
        return 0;
    err_prefix(err, "store.path");
    return err->code;
}

/* First of all: a wrong configuration leaves no store and no key behind, and what reads a byte from
 * outside, or is a thread, is inside. */
static int wall_in(struct app *app, struct err *err)
{
    struct config *config = app->config;
    if (app_check_config(config, err) != 0 || make_folders(config, err) != 0)
        return err->code;
    char *database = config_find_mollysocket(config);
    sandbox_enter(&app->sandbox, config, database);
    free(database);
    return 0;
}

int app_start(struct app *app, enum app_kind kind, const struct config_sources *sources,
              struct config *config, struct err *err)
{
    memset(app, 0, sizeof *app);
    app->kind = kind;
    app->sources = *sources;
    app->config = config;
    timer_init(&app->sweep, on_sweep, app);
    app_take_log_settings(config);
    protect_process();
    app->molly_file = mem_text(config->molly_file);
    app->sources.molly_before = app->molly_file;
    int result = kind == APP_SERVER ? wall_in(app, err) : 0;
    loop_init(&app->loop);
    notify_init(&app->notify, &app->loop);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (result == 0)
        result = start_parts(app, err);
    if (result != 0)
        config_locate(config, err);
    return result;
}

void app_run(struct app *app)
{
    loop_run(&app->loop);
}

void app_stop(struct app *app)
{
    if (app->signal_count)
        block_signals();
    loop_timer_cancel(&app->loop, &app->sweep);
    app_watch_end(app);
    notify_fini(&app->notify);
    if (app->watches)
        absence_fini(&app->absence);
    for (size_t i = 0; i < app->signal_count; i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
    exporter_free(app->exporter);
    if (app->web)
        web_free(app->web);
    admin_free(app->admin);
    if (app->control)
        control_free(app->control);
    lookout_free(app->lookout);
    if (app->bridge)
        bridge_free(app->bridge);
    if (app->signal)
        signal_server_free(app->signal);
    if (app->push)
        push_free(app->push);
    if (app->connector)
        connector_free(app->connector);
    if (app->resolver)
        resolver_free(app->resolver);
    if (app->store)
        store_close(app->store);
    seal_free(app->seal);
    vapid_free(app->vapid);
    policy_free(app->policy);
    loop_fini(&app->loop);
    config_free(app->config);
    free(app->molly_file);
    app_free_abandoned(app);
    curl_global_cleanup();
}
