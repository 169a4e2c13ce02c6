/* The settings of one process, typed and checked. The schema table (schema.h) is the one source of
 * names, types, defaults and help; YAML, environment, --help, the sample file and the README's
 * table all come from it. A config owns its strings; it is immutable once loaded: a reload loads a
 * second one, and whoever took the first must have let go of it by then. Precedence: built-in
 * defaults < package defaults < YAML file < DOORBELL_* environment < command line. Durations are
 * milliseconds. */
#ifndef DOORBELL_CONFIG_CONFIG_H
#define DOORBELL_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct strings {
    char **items;
    size_t count;
};

enum net_family { NET_FAMILY_AUTO, NET_FAMILY_IPV4, NET_FAMILY_IPV6 };

struct config {
    char *store_path;
    char *control_path; /* never NULL after loading: "doorbell.sock" beside the store by default */

    bool web_enabled;
    struct strings web_listen;          /* numeric: "127.0.0.1:80", "[::]:80"; "unix:PATH" */
    char *web_public_url;               /* NULL: guessed from the request */
    struct strings web_trusted_proxies; /* "auto", "none", or networks "10.0.0.0/8" */
    int64_t web_timeout_ms;             /* for a request's header and body */
    int64_t web_connections;            /* at most, in all */
    int64_t web_connections_per_address;

    char *signal_url;
    char *signal_ca_file; /* NULL: the two pinned roots */
    char *signal_user_agent;
    char *signal_user_agent_fallback;
    int64_t signal_keepalive_ms, signal_keepalive_timeout_ms;
    int64_t signal_reconnect_min_ms, signal_reconnect_max_ms;
    int64_t signal_contested_min_ms, signal_contested_max_ms; /* after 4409 */
    int64_t signal_refused_confirm_ms; /* least time between two 403 that are believed */
    int64_t signal_reauthenticate_ms;  /* 0: never */

    struct strings push_allowed_endpoints; /* "*", origins, origins with a path prefix */
    struct strings push_denied;            /* networks and hosts */
    char *push_ca_file;                    /* added to the system's roots; NULL: none */
    int64_t push_timeout_ms, push_connect_timeout_ms;
    int64_t push_hold_ms;
    int64_t push_retry_min_ms, push_retry_max_ms;
    int64_t push_suspect_after; /* answers 404 */
    int64_t push_gone_after_ms;
    char *push_vapid_key_file; /* never NULL after loading: "vapid.key" beside the store */
    char *push_vapid_subject;

    int64_t wake_interval_ms;
    bool wake_own_messages;

    struct strings accounts_allowed; /* "*" or account ids */
    int64_t accounts_max;
    int64_t accounts_verdict_ms; /* how long a registration waits for the messenger's word */

    enum net_family net_family;
    int64_t net_connect_timeout_ms, net_handshake_timeout_ms;
    int64_t net_dns_timeout_ms;     /* for a stranger's name */
    struct strings net_nameservers; /* empty: the system's; "address[:port]" */

    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
};

/* What to load from. `file` NULL: the file named by DOORBELL_CONFIG, else doorbell.yaml in the
 * working directory, else /etc/doorbell/doorbell.yaml, else none. `overrides` are "path=value" from
 * the command line (may be NULL), `environment` is environ's form. */
struct config_sources {
    const char *file;
    char **environment;
    const char *const *overrides;
    size_t override_count;
};

/* NULL with `err` filled: names the file and line or the variable, the key, what is wrong and the
 * fix. Secrets are never repeated. Unknown keys in the file stop with the nearest known name;
 * unknown DOORBELL_* variables are one warning each in the log. */
struct config *config_load(const struct config_sources *sources, struct err *err);
void config_free(struct config *config);

/* Overwrites in place the values of DOORBELL_* variables that hold secrets (unsetenv would leave
 * them in /proc/PID/environ). */
void config_wipe_environment(char **environment);

bool strings_contain(const struct strings *strings, const char *text);

#endif
