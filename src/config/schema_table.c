#include "config/schema.h"

#include "base/log.h"
#include "config/internal.h"

#define MINUTE (60 * INT64_C(1000))
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define ROW(path, type, field, standard, least, most, choices, check, help)                        \
    {                                                                                              \
        path, type, offsetof(struct config, field), standard, least, most, choices, check, help    \
    }
#define TEXT(path, field, standard, check, help)                                                   \
    ROW(path, SETTING_TEXT, field, standard, 0, 0, NULL, check, help)
#define LIST(path, field, standard, check, help)                                                   \
    ROW(path, SETTING_LIST, field, standard, 0, 0, NULL, check, help)
#define BOOL(path, field, standard, help)                                                          \
    ROW(path, SETTING_BOOL, field, standard, 0, 0, NULL, NULL, help)
#define NUMBER(path, field, standard, least, most, help)                                           \
    ROW(path, SETTING_NUMBER, field, standard, least, most, NULL, NULL, help)
#define DURATION(path, field, standard, least, most, help)                                         \
    ROW(path, SETTING_DURATION, field, standard, least, most, NULL, NULL, help)
#define CHOICE(path, field, standard, choices, help)                                               \
    ROW(path, SETTING_CHOICE, field, standard, 0, 0, choices, NULL, help)

/* Choices are stored through an int, as positions. */
_Static_assert(sizeof(enum net_family) == sizeof(int), "a choice is stored as int");

static const char *const net_families[] = {
    [NET_FAMILY_AUTO] = "auto",
    [NET_FAMILY_IPV4] = "ipv4",
    [NET_FAMILY_IPV6] = "ipv6",
    NULL,
};
static const char *const log_levels[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
    NULL,
};
static const char *const log_formats[] = {
    [LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_JSON] = "json",
    NULL,
};

/* The least durations are small because tests shorten them. Sections stand together: the documents
 * that are made from this table keep its order. What has no default
 * may be empty. */
const struct setting schema[] = {
    TEXT("store.path", store_path, "./data/doorbell.db", check_file_path,
         "The database; its folder also holds what has no path of its own."),

    TEXT("control.path", control_path, NULL, check_socket_path,
         "The socket on which commands reach the running server; empty means doorbell.sock beside "
         "store.path."),

    BOOL("web.enabled", web_enabled, "true",
         "Whether to serve the API and pages over HTTP; without them, linking is air-gapped only."),
    LIST("web.listen", web_listen, "127.0.0.1:8020", check_listen,
         "Where to listen: addresses with a port such as 127.0.0.1:8020 or [::]:8020, or "
         "unix:PATH."),
    TEXT("web.public_url", web_public_url, NULL, check_http_url,
         "The address under which phones reach this server, such as https://push.example.org/; "
         "empty means that it is taken from each request."),
    LIST("web.trusted_proxies", web_trusted_proxies, "auto", check_trusted_proxy,
         "Whose forwarding headers are believed: auto (loopback and private addresses), none, or "
         "networks such as 10.0.0.0/8."),
    DURATION("web.timeout", web_timeout_ms, "10s", 1, HOUR,
             "How long a client may take for a request's header and body."),
    NUMBER("web.connections", web_connections, "512", 1, 100000,
           "The most connections that are open at once."),
    NUMBER("web.connections_per_address", web_connections_per_address, "32", 1, 100000,
           "The most connections from one client address."),

    TEXT("signal.url", signal_url, "wss://chat.signal.org/v1/websocket/", check_signal_url,
         "The messenger server; plain ws:// is taken for this machine only."),
    TEXT("signal.ca_file", signal_ca_file, NULL, check_file_path,
         "A PEM file with the roots to trust instead of Signal's own; empty means Signal's own."),
    TEXT("signal.user_agent", signal_user_agent, "Doorbell/" DOORBELL_VERSION, check_user_agent,
         "How this server introduces itself to the messenger server."),
    TEXT("signal.user_agent_fallback", signal_user_agent_fallback,
         "Signal-Android/8.19.2 Android/36", check_user_agent,
         "What it says instead when the first one is refused as too old."),
    DURATION("signal.keepalive", signal_keepalive_ms, "30s", 1, 10 * MINUTE,
             "How often a link shows that it is alive."),
    DURATION("signal.keepalive_timeout", signal_keepalive_timeout_ms, "20s", 1, 10 * MINUTE,
             "How long to wait for the answer before the link counts as dead."),
    DURATION("signal.reconnect_min", signal_reconnect_min_ms, "2s", 1, HOUR,
             "The first wait before a lost link is made again; it doubles each time."),
    DURATION("signal.reconnect_max", signal_reconnect_max_ms, "5m", 1, DAY,
             "The longest wait before a lost link is made again."),
    DURATION("signal.contested_min", signal_contested_min_ms, "10s", 1, HOUR,
             "The first wait after another program took over the link of an account; it doubles "
             "each time."),
    DURATION("signal.contested_max", signal_contested_max_ms, "30m", 1, DAY,
             "The longest wait after another program took over the link of an account."),
    DURATION("signal.refused_confirm", signal_refused_confirm_ms, "60s", 1, DAY,
             "The least time between two refusals of an account before it counts as unlinked."),
    DURATION("signal.reauthenticate", signal_reauthenticate_ms, "24h", 0, 30 * DAY,
             "How often a link is made anew to see that the account is still linked; 0s means "
             "never."),

    LIST("push.allowed_endpoints", push_allowed_endpoints, "*", check_allowed_endpoint,
         "Which push servers may be rung: * for any public one over https, or URLs such as "
         "https://ntfy.example.org or, with a path prefix, http://192.168.1.5:8080/up; private "
         "addresses need an entry."),
    LIST("push.denied", push_denied, NULL, check_denied,
         "Networks such as 203.0.113.0/24 and host names that are never rung, whatever else allows "
         "them."),
    TEXT("push.ca_file", push_ca_file, NULL, check_file_path,
         "A PEM file with roots to trust for push servers in addition to the system's."),
    DURATION("push.timeout", push_timeout_ms, "15s", 1, 10 * MINUTE,
             "The longest that one push may take."),
    DURATION("push.connect_timeout", push_connect_timeout_ms, "5s", 1, 10 * MINUTE,
             "The longest that connecting to a push server may take."),
    DURATION("push.hold", push_hold_ms, "20s", 1, 10 * MINUTE,
             "How long a message stays unconfirmed while its ring is on the way; then the ring is "
             "written down as owed."),
    DURATION("push.retry_min", push_retry_min_ms, "2s", 1, HOUR,
             "The first wait before a failed push is tried again; it doubles each time."),
    DURATION("push.retry_max", push_retry_max_ms, "15m", 1, DAY,
             "The longest wait before a failed push is tried again."),
    NUMBER("push.suspect_after", push_suspect_after, "3", 1, 1000,
           "How many answers of 404 in a row make an endpoint suspect."),
    DURATION("push.gone_after", push_gone_after_ms, "1h", 1, 30 * DAY,
             "How long an endpoint must have answered 404 before it counts as gone."),
    TEXT("push.vapid_key_file", push_vapid_key_file, NULL, check_file_path,
         "The key that signs pushes, made on the first start; empty means vapid.key beside "
         "store.path."),
    TEXT("push.vapid_subject", push_vapid_subject, "https://github.com/doorbell-push/doorbell",
         check_vapid_subject,
         "Whom a push server's operator may contact: an https:// or mailto: address."),

    DURATION("wake.interval", wake_interval_ms, "1s", 1, HOUR,
             "The least time between two rings of one account."),
    BOOL("wake.own_messages", wake_own_messages, "false",
         "Whether copies of messages that the owner sent from the main device ring, too."),

    LIST("accounts.allowed", accounts_allowed, "*", check_allowed_account,
         "Who may use this server: * for everyone, or account ids."),
    NUMBER("accounts.max", accounts_max, "10000", 1, 1000000, "The most accounts that are taken."),
    DURATION("accounts.verdict", accounts_verdict_ms, "5s", 1, MINUTE,
             "How long a registration waits for the messenger server's word."),

    CHOICE("net.family", net_family, "auto", net_families,
           "Which kind of addresses are connected to."),
    DURATION("net.connect_timeout", net_connect_timeout_ms, "10s", 1, 10 * MINUTE,
             "The longest that connecting to one address of the messenger server may take."),
    DURATION("net.handshake_timeout", net_handshake_timeout_ms, "30s", 1, 10 * MINUTE,
             "The longest from that connection to a working link."),
    DURATION("net.dns_timeout", net_dns_timeout_ms, "3s", 1, MINUTE,
             "The longest that looking up the name of a push server may take."),
    LIST(
        "net.nameservers", net_nameservers, NULL, check_nameserver,
        "Numeric addresses of nameservers, with a port if it is not 53; empty means the system's."),

    CHOICE("log.level", log_level, "info", log_levels, "How much is logged."),
    CHOICE("log.format", log_format, "text", log_formats, "How log lines look."),
};

const size_t schema_count = sizeof schema / sizeof *schema;
