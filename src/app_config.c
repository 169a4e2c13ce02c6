#include "app_config.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/schema.h"
#include "push/headers.h"
#include "push/trust.h"
#include "signal/roots.h"
#include "web/certificate.h"

static int64_t descriptors_allowed(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
        return INT64_MAX;
    return (int64_t)limit.rlim_max;
}

/* Of HTTP/1.1 each account needs one, and it may have to carry all of them. */
static int64_t least_for_links(const struct config *config, int64_t accounts)
{
    int64_t shares = config->signal_accounts_per_connection;
    bool all_share = config->signal_transport == SIGNAL_TRANSPORT_HTTP2;
    return all_share ? (accounts + shares - 1) / shares : accounts;
}

/* Each account that is stored already is one that was taken, whatever accounts.max says now. */
struct descriptors app_share_descriptors(const struct app *app, const struct config *config)
{
    int64_t rows = (int64_t)app->rows, most = config->accounts_max;
    int64_t accounts = rows > most ? rows : most;
    return descriptors_share(descriptors_allowed(), accounts, least_for_links(config, accounts),
                             config->web_connections);
}

void app_take_log_settings(const struct config *config)
{
    log_configure((enum log_level)config->log_level, (enum log_format)config->log_format);
}

/* Checks: nothing is taken or changed */

static int check_roots(const char *ca_file, struct err *err)
{
    X509_STORE *roots = roots_load(ca_file, err);
    X509_STORE_free(roots);
    return roots ? 0 : err->code;
}

static int check_trust(const char *ca_file, struct err *err)
{
    struct trust *trust = trust_load(NULL, ca_file, err);
    trust_free(trust);
    return trust ? 0 : err->code;
}

/* One that is not there may be made; where it cannot be, the store beside it has more to say. */
static int check_key(const struct config *config, struct err *err)
{
    const char *path = config->push_vapid_key_file;
    if (path && access(path, F_OK) != 0)
        return 0;
    struct vapid *vapid = vapid_from_config(config, err);
    vapid_free(vapid);
    return vapid ? 0 : err->code;
}

static int check_headers(const char *path, struct err *err)
{
    struct headers *headers = headers_load(path, err);
    headers_free(headers);
    return headers ? 0 : err->code;
}

static int check_certificate(const struct config *config, struct err *err)
{
    if (!config->web_enabled || !config->web_tls_cert)
        return 0;
    struct certificate *certificate =
        certificate_load(config->web_tls_cert, config->web_tls_key, err);
    certificate_free(certificate);
    return certificate ? 0 : err->code;
}

static int check_seal(const struct config *config, struct err *err)
{
    struct seal *seal;
    int result = seal_from_config(&seal, config, err);
    seal_free(seal);
    return result;
}

static int check_policy(const struct config *config, struct err *err)
{
    struct policy *policy = policy_new(config, err);
    policy_free(policy);
    return policy ? 0 : err->code;
}

static void warn_of_open_keys(const struct config *config)
{
    const struct {
        const char *setting, *path;
    } keys[] = {{"push.vapid_key_file", config->push_vapid_key_file},
                {"store.key_file", config->store_key_file}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].path && file_is_open(keys[i].path))
            log_warn("%s: the key in %s is open to every user of this machine; run: chmod o= %s",
                     keys[i].setting, keys[i].path, keys[i].path);
}

int app_check_config(const struct config *config, struct err *err)
{
    warn_of_open_keys(config);
    if (check_policy(config, err) == 0 && check_roots(config->signal_ca_file, err) == 0 &&
        check_trust(config->push_ca_file, err) == 0 &&
        check_headers(config->push_headers_file, err) == 0 && check_key(config, err) == 0 &&
        check_seal(config, err) == 0 && check_certificate(config, err) == 0)
        return 0;
    config_locate(config, err);
    return err->code;
}

/* Reload */

static int check_unchanged(const struct config *old, const struct config *new, struct err *err)
{
    const struct setting *changed = schema_changed(old, new);
    if (!changed)
        return 0;
    return err_set(err, ERR_NOT_NOW, "%s cannot change while the server runs; restart it",
                   changed->path);
}

/* What would be refused, before any part takes it: there may be no way back. */
static int check_reload(const struct app *app, const struct config *config, struct err *err)
{
    if (check_unchanged(app->config, config, err) != 0 ||
        sandbox_check(&app->sandbox, config, err) != 0 ||
        check_headers(config->push_headers_file, err) != 0)
        return err->code;
    return check_trust(config->push_ca_file, err);
}

static int use_config(struct app *app, struct config *config, struct policy *policy,
                      struct err *err)
{
    if (resolver_reload(app->resolver, config, err) != 0 ||
        push_reload(app->push, policy, config, err) != 0 ||
        lookout_reload(app->lookout, config, err) != 0)
        return ERR_NOT_NOW;
    signal_server_reload(app->signal, config);
    connector_reload(app->connector, config);
    bridge_reload(app->bridge, config, policy);
    if (app->web)
        web_reload(app->web, config);
    exporter_reload(app->exporter, config);
    admin_reload(app->admin, config);
    app_take_log_settings(config);
    return 0;
}

/* A reload that failed half way, whose files of before have gone meanwhile, so that there is no
 * way back: some part may hold this until the end. */
struct abandoned {
    struct config *config;
    struct policy *policy;
    struct abandoned *next;
};

static void abandon(struct app *app, struct config *config, struct policy *policy)
{
    struct abandoned *abandoned = mem_new(sizeof *abandoned);
    *abandoned = (struct abandoned){config, policy, app->abandoned};
    app->abandoned = abandoned;
}

void app_free_abandoned(struct app *app)
{
    while (app->abandoned) {
        struct abandoned *abandoned = app->abandoned;
        app->abandoned = abandoned->next;
        policy_free(abandoned->policy);
        config_free(abandoned->config);
        free(abandoned);
    }
}

static void keep_refusal(struct app *app, const struct err *err)
{
    app->refusal = *err;
    app->refused_unix = clock_unix();
    log_error("The configuration was not loaded again, the old one stays in force: %s", err->text);
}

int app_reload(struct app *app, struct err *err)
{
    struct config *config = config_load(&app->sources, err);
    struct config *kept = app->config;
    if (config && config->web_connections == app->connections_asked)
        config->web_connections = kept->web_connections; /* what descriptors allow of it */
    bool usable = config && check_reload(app, config, err) == 0;
    struct policy *policy = usable ? policy_new(config, err) : NULL;
    if (policy && use_config(app, config, policy, err) == 0) {
        log_info("The configuration was loaded again.");
        policy_free(app->policy);
        app->policy = policy;
        app->config = config;
        likeness_read_files(&app->files, config);
        app->refused_unix = 0;
        config_free(kept);
        return 0;
    }
    if (config)
        config_locate(config, err);
    keep_refusal(app, err);
    /* Some parts may have taken the new one already. */
    if (policy && use_config(app, kept, app->policy, NULL) != 0) {
        abandon(app, config, policy);
        return err->code;
    }
    policy_free(policy);
    config_free(config);
    return err->code;
}
