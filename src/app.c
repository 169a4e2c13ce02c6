#include "app.h"

#include <curl/curl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"

enum {
    SWEEP_MS = 30 * 1000,
    TRIM_AFTER_EVENTS = 50,  /* so many leave buffers worth giving back */
    OTHER_DESCRIPTORS = 512, /* store, pushes, name look-ups, races of connects, control */
};

/* libwebsockets keeps tables for every descriptor that the limit allows, and a container may allow
 * 2^30 (libraries.md): ask for what the settings need and no more. */
static void limit_descriptors(const struct config *config)
{
    struct rlimit limit;
    rlim_t needed =
        (rlim_t)(config->accounts_max + config->web_connections) + (rlim_t)OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max != RLIM_INFINITY && needed > limit.rlim_max) {
        log_warn("This process may open %llu files, which is fewer than accounts.max (%lld) needs. "
                 "Raise the limit (LimitNOFILE=, ulimit -n) to %llu or lower accounts.max.",
                 (unsigned long long)limit.rlim_max, (long long)config->accounts_max,
                 (unsigned long long)needed);
        needed = limit.rlim_max;
    }
    limit.rlim_cur = needed;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Secrets stay out of core dumps and out of other processes' reach (security.md 18). */
static void protect_process(void)
{
    umask(077);
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
}

static void take_log_settings(const struct config *config)
{
    log_configure((enum log_level)config->log_level, (enum log_format)config->log_format);
}

/* Reload */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_list(const struct strings *a, const struct strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static int check_unchanged(const struct config *old, const struct config *new, struct err *err)
{
    const char *changed = NULL;
    if (!same_text(old->store_path, new->store_path))
        changed = "store.path";
    else if (!same_text(old->control_path, new->control_path))
        changed = "control.path";
    else if (!same_list(&old->web_listen, &new->web_listen) || old->web_enabled != new->web_enabled)
        changed = "web.listen or web.enabled";
    else if (!same_text(old->push_vapid_key_file, new->push_vapid_key_file))
        changed = "push.vapid_key_file";
    else if (old->accounts_max != new->accounts_max)
        changed = "accounts.max";
    else if (old->web_connections != new->web_connections)
        changed = "web.connections";
    if (!changed)
        return 0;
    return err_set(err, ERR_NOT_NOW, "%s cannot change while the server runs; restart it", changed);
}

static int use_config(struct app *app, struct config *config, struct policy *policy,
                      struct err *err)
{
    if (check_unchanged(app->config, config, err) != 0 ||
        signal_server_reload(app->signal, config, err) != 0 ||
        resolver_reload(app->resolver, config, err) != 0 ||
        push_reload(app->push, policy, config, err) != 0)
        return ERR_NOT_NOW;
    connector_reload(app->connector, config);
    bridge_reload(app->bridge, config, policy);
    if (app->web)
        web_reload(app->web, config);
    take_log_settings(config);
    return 0;
}

static void reload(struct app *app)
{
    struct err err;
    struct config *config = config_load(&app->sources, &err);
    struct policy *policy = config ? policy_new(config, &err) : NULL;
    struct config *kept = app->config;
    if (policy && use_config(app, config, policy, &err) == 0) {
        log_info("The configuration was loaded again.");
        policy_free(app->policy);
        app->policy = policy;
        app->config = config;
        config_free(kept);
        return;
    }
    log_error("The configuration was not loaded again, the old one stays in force: %s", err.text);
    if (policy) /* some parts may have taken the new one already */
        use_config(app, kept, app->policy, NULL);
    policy_free(policy);
    config_free(config);
}

/* Loop */

static void on_signal(uv_signal_t *handle, int number)
{
    struct app *app = handle->data;
    if (number == SIGHUP) {
        reload(app);
        return;
    }
    log_info("Stopping on %s.", number == SIGTERM ? "SIGTERM" : "SIGINT");
    loop_stop(&app->loop);
}

static void watch_signals(struct app *app)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_init(&app->loop.uv, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, numbers[i]);
        app->signal_count++;
    }
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
    app->events_at_sweep = counts.events;
    policy_refresh_own(app->policy);
    loop_timer_set(&app->loop, &app->sweep, SWEEP_MS);
}

static int start_server(struct app *app, struct err *err)
{
    struct config *config = app->config;
    app->control = control_new(&app->loop, app->bridge, config->control_path, err);
    if (!app->control)
        return err->code;
    if (config->web_enabled) {
        app->web = web_new(&app->loop, app->bridge, app->vapid, config, err);
        if (!app->web)
            return err->code;
    }
    watch_signals(app);
    loop_timer_set(&app->loop, &app->sweep, SWEEP_MS);
    struct bridge_counts counts;
    bridge_count(app->bridge, &counts);
    log_info("Doorbell " DOORBELL_VERSION " is ready: %zu account%s, store %s.", counts.accounts,
             counts.accounts == 1 ? "" : "s", config->store_path);
    return 0;
}

static int start_bridge(struct app *app, struct err *err)
{
    struct bridge_parts parts = {.loop = &app->loop,
                                 .config = app->config,
                                 .store = app->store,
                                 .push = app->push,
                                 .policy = app->policy};
    if (app->kind == APP_SERVER) {
        app->connector = connector_new(&app->loop, app->resolver, app->config);
        app->signal = signal_server_new(&app->loop, app->connector, app->config, err);
        if (!app->signal)
            return err->code;
        parts.link_ops = &signal_link_ops;
        parts.messenger = app->signal;
    }
    app->bridge = bridge_new(&parts, err);
    return app->bridge ? 0 : err->code;
}

int app_start(struct app *app, enum app_kind kind, const struct config_sources *sources,
              struct config *config, struct err *err)
{
    memset(app, 0, sizeof *app);
    app->kind = kind;
    app->sources = *sources;
    app->config = config;
    timer_init(&app->sweep, on_sweep, app);
    loop_init(&app->loop);
    take_log_settings(config);
    protect_process();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (kind == APP_SERVER)
        limit_descriptors(config);
    app->store = store_open(&store_sqlite, config->store_path, &app->loop, err);
    if (!app->store)
        return err->code;
    app->vapid = vapid_from_file(config->push_vapid_key_file, true, err);
    if (!app->vapid)
        return err->code;
    app->policy = policy_new(config, err);
    if (!app->policy)
        return err->code;
    app->resolver = resolver_new(&app->loop, config, err);
    if (!app->resolver)
        return err->code;
    app->push = push_new(&app->loop, app->resolver, app->policy, app->vapid, config, err);
    if (!app->push)
        return err->code;
    int result = start_bridge(app, err);
    if (result == 0 && kind == APP_SERVER)
        result = start_server(app, err);
    return result;
}

void app_run(struct app *app)
{
    loop_run(&app->loop);
}

void app_stop(struct app *app)
{
    loop_timer_cancel(&app->loop, &app->sweep);
    for (size_t i = 0; i < app->signal_count; i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
    if (app->web)
        web_free(app->web);
    if (app->control)
        control_free(app->control);
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
    vapid_free(app->vapid);
    policy_free(app->policy);
    loop_fini(&app->loop);
    config_free(app->config);
    curl_global_cleanup();
}
