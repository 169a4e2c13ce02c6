/* The settings of one process, typed and checked. The schema table (schema.h) is the one source of
 * names, types, defaults and help; YAML, environment, --help, the sample file and the README's
 * table all come from it. A config owns its strings; it is immutable once loaded: a reload loads a
 * second one, and whoever took the first must have let go of it by then. Precedence: built-in
 * defaults < package defaults < setup.yaml (setup_file.h) < MollySocket's file < our YAML file <
 * MOLLY_* environment < DOORBELL_* environment < command line. Durations are milliseconds. */
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

enum alert_format { ALERT_FORMAT_TEXT, ALERT_FORMAT_JSON };
enum signal_transport { SIGNAL_TRANSPORT_AUTO, SIGNAL_TRANSPORT_HTTP1, SIGNAL_TRANSPORT_HTTP2 };
enum net_family { NET_FAMILY_AUTO, NET_FAMILY_IPV4, NET_FAMILY_IPV6 };

struct config {
    char **places;        /* where each setting was written, by row of the table; NULL: nowhere */
    bool *in_their_way;   /* likewise: whether it was in MollySocket's way */
    struct strings files; /* that were read for it */
    char *own_file, *molly_file; /* which of them the operator wrote; NULL: there is none */

    char *store_path;
    int64_t store_retry_ms;
    char *store_key_file;    /* NULL: none, or a credential's after loading. Wins over store_key */
    char *store_key;         /* secret; NULL: none */
    char *store_mollysocket; /* MollySocket's database, "none", or NULL: where it usually lies */
    char *control_path; /* never NULL after loading: "doorbell.sock" beside the store by default */

    bool web_enabled;
    struct strings web_listen;          /* numeric: "127.0.0.1:80", "[::]:80"; "unix:PATH" */
    char *web_public_url;               /* NULL: guessed from the request */
    char *web_tls_cert, *web_tls_key;   /* both or neither */
    char *web_privacy_contact;          /* for strangers to read; NULL: none */
    struct strings web_trusted_proxies; /* "auto", "none", or networks "10.0.0.0/8" */
    int64_t web_timeout_ms;             /* for a request's header and body */
    int64_t web_connections;            /* at most, in all */
    int64_t web_connections_per_address;

    char *metrics_listen; /* as one of web_listen, or "none" */

    char *admin_listen; /* likewise, or "web" */
    char
        *admin_token_file; /* never NULL after loading: "admin.token" beside the store by default */
    int64_t admin_session_ms;

    char *signal_url;
    char *signal_http2_url;
    enum signal_transport signal_transport;
    int64_t signal_accounts_per_connection; /* over HTTP/2 */
    char *signal_ca_file;                   /* NULL: the two pinned roots */
    char *signal_user_agent;
    char *signal_user_agent_fallback;
    int64_t signal_keepalive_ms, signal_keepalive_timeout_ms;
    int64_t signal_reconnect_min_ms, signal_reconnect_max_ms;
    int64_t signal_reconnect_reset_ms;
    int64_t signal_proof_ms;
    int64_t signal_contested_min_ms, signal_contested_max_ms, signal_contested_end_ms; /* 4409 */
    int64_t signal_refused_confirm_ms; /* least time between two 403 that are believed */
    int64_t signal_refused_max_ms, signal_refused_retry_ms;
    int64_t signal_client_refused_min_ms, signal_client_refused_max_ms; /* after 499 */
    int64_t signal_fleet_window_ms;
    int64_t signal_reauthenticate_ms; /* 0: never */

    struct strings push_allowed_endpoints; /* "*", origins, origins with a path prefix */
    bool push_keeps_proven;                /* what MollySocket rang under "*" is rung on */
    bool push_exact_logins; /* that list was written in MollySocket's way: origins, an entry with
                               user name and password for those alone */
    struct strings push_denied;     /* networks and hosts */
    struct strings push_connect_to; /* "host[:port]=host[:port]" */
    char *push_headers_file;        /* NULL: none */
    char *push_ca_file;             /* added to the system's roots; NULL: none */
    int64_t push_timeout_ms, push_connect_timeout_ms;
    int64_t push_hold_ms;
    int64_t push_retry_min_ms, push_retry_max_ms;
    int64_t push_floor_percent; /* of the waits that answers impose */
    int64_t push_jitter_ms;
    int64_t push_suspect_after; /* answers 404 */
    int64_t push_gone_after_ms, push_gone_alike_ms;
    int64_t push_breaker_failures; /* in a row */
    int64_t push_breaker_open_ms, push_breaker_max_ms;
    char *push_vapid_key_file; /* after loading NULL only where there is push_vapid_key; "vapid.key"
                                  beside the store by default. Wins over it */
    char *push_vapid_key;      /* secret */
    char *push_vapid_subject;

    int64_t wake_interval_ms;
    bool wake_own_messages;

    struct strings accounts_allowed; /* "*" or account ids */
    int64_t accounts_max;
    int64_t accounts_verdict_ms; /* how long a registration waits for the messenger's word */

    int64_t health_links_down_after_ms; /* without any link, readiness fails */

    enum net_family net_family;
    int64_t net_connect_timeout_ms, net_handshake_timeout_ms;
    int64_t net_dns_timeout_ms;     /* for a stranger's name */
    struct strings net_nameservers; /* empty: the system's; "address[:port]" */

    char *alert_url, *alert_token; /* secret; NULL: none */
    enum alert_format alert_format;
    int64_t alert_after_ms, alert_unlinked_after_ms, alert_certificate_within_ms;
    int64_t alert_every_ms, alert_interval_ms;
    int64_t alert_retry_min_ms, alert_retry_max_ms;
    char *alert_heartbeat_url; /* secret; NULL: none */
    int64_t alert_heartbeat_interval_ms;

    bool
        mollysocket; /* Doorbell stands in its place: a setting, its name or its database says so */

    char *user; /* whom to become when started as root; NULL: nobody else */
    bool sandbox;

    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
};

/* Signal's own servers (signal.md 1.1). */
#define CONFIG_SIGNAL_URL "wss://chat.signal.org/v1/websocket/"
#define CONFIG_HTTP2_URL "https://grpc.chat.signal.org/v1/websocket/"

/* An entry of the two lists of what is allowed: what is registered, and nothing new. */
#define CONFIG_REGISTERED "registered"

/* What to load from. `file`, or what DOORBELL_CONFIG names, is ours; a `file` that is TOML, or one
 * that MOLLY_CONF names, is MollySocket's. Where none is named: doorbell.yaml in the working
 * directory, else /etc/doorbell/doorbell.yaml, else MollySocket's in the places where it looks for
 * it, else none. `defaults` NULL: the package's, /usr/share/doorbell/defaults.yaml, if it is there.
 * `overrides` are "path=value" from the command line (may be NULL), `environment` is environ's
 * form. */
struct config_sources {
    const char *file;
    const char *defaults;
    char **environment;
    const char *const *overrides;
    size_t override_count;
    bool as_mollysocket; /* the program was called by its name */
    bool took_over;      /* the store has accounts that were taken over from it: config_stand_in */
    /* MollySocket's file that was there before: a reload without it would be one with other
     * settings. NULL: there was none. */
    const char *molly_before;
    const char *home;   /* of the user, where the environment has no HOME; NULL: not known */
    bool without_files; /* no file but the package's: for whoever can do without the others */
    int verbose;        /* how often -v was given: what is logged is at least info, then debug */
};

/* MollySocket's images before 1.7 worked in `old`; those since work in `here`, as ours does. Where
 * its database is in a volume at the old place, and not in the working directory `here`, that
 * becomes the working directory, so that everything without a folder is found there. */
void config_follow_volume(const char *here, const char *old);

/* MollySocket's database: where it lies unless store.mollysocket says it (the caller frees both),
 * and where a server that starts finds it. NULL: nowhere; the caller frees it. */
#define CONFIG_MOLLY_DATABASE "mollysocket.db"
enum { CONFIG_MOLLY_PLACES = 2 };
void config_mollysocket_places(const struct config *config, char *places[CONFIG_MOLLY_PLACES]);
char *config_find_mollysocket(const struct config *config);

/* Accounts were taken over from MollySocket, as the store says: they are rung on. */
void config_stand_in(struct config *config);

/* All defaults; what is derived from other settings is still NULL. */
struct config *config_new(void);
/* NULL with `err` filled: names the file and line or the variable, the key, what is wrong and the
 * fix. Secrets are never repeated. Unknown keys in the file stop with the nearest known name;
 * unknown DOORBELL_* variables are one warning each in the log. */
struct config *config_load(const struct config_sources *sources, struct err *err);
void config_free(struct config *config);

/* Where it was written: "FILE:LINE", a variable; NULL: nowhere. */
const char *config_place(const struct config *config, const char *path);
/* A file beside the database; the caller frees its path. */
char *config_beside_store(const struct config *config, const char *name);
/* A file that systemd hands over, or that lies where it takes it from. */
bool config_is_credential(const struct config *config, const char *path);
/* Whether somebody wrote it, and it is not just the default. */
bool config_is_set(const struct config *config, const char *path);
/* Whether nobody set it but the package or the image. */
bool config_is_of_package(const struct config *config, const char *path);

/* For what only the user of a setting can judge. Before a sentence that begins with the name of a
 * setting, puts where that was written: "FILE:LINE", the variable, or "command line". A sentence
 * about a default, or about something else, stays as it is. */
void config_locate(const struct config *config, struct err *err);

/* A copy of the environment, for reloads; then the values of variables that hold secrets are
 * overwritten in `environment` itself (unsetenv would leave them in /proc/PID/environ). */
char **config_take_environment(char **environment);
void config_free_environment(char **taken);

/* Whether there is a server to be reached over HTTP/2: an operator's own signal.url has one only
 * where signal.http2_url names it, so that credentials go to nobody who was not named. */
bool config_has_http2(const struct config *config);

bool config_allows_account(const struct config *config, const uint8_t uuid[16]);
/* Whether it may also come new: it need not be registered already. */
bool config_admits_account(const struct config *config, const uint8_t uuid[16]);
bool strings_contain(const struct strings *strings, const char *text);

#endif
