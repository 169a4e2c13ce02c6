#include "config/schema.h"

#include "base/log.h"
#include "config/internal.h"

#define MINUTE (60 * INT64_C(1000))
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Behind the help of a row there may stand FIXED or SECRET. */
#define FIXED .fixed = true
#define SECRET .secret = true

#define ROW(name, kind, field, by_default, low, high, words, checks, text, ...)                    \
    {                                                                                              \
        .path = name, .type = kind, .offset = offsetof(struct config, field),                      \
        .standard = by_default, .least = low, .most = high, .choices = words, .check = checks,     \
        .help = text, __VA_ARGS__                                                                  \
    }
#define TEXT(path, field, standard, check, ...)                                                    \
    ROW(path, SETTING_TEXT, field, standard, 0, 0, NULL, check, __VA_ARGS__, )
#define LIST(path, field, standard, check, ...)                                                    \
    ROW(path, SETTING_LIST, field, standard, 0, 0, NULL, check, __VA_ARGS__, )
#define BOOL(path, field, standard, ...)                                                           \
    ROW(path, SETTING_BOOL, field, standard, 0, 0, NULL, NULL, __VA_ARGS__, )
#define NUMBER(path, field, standard, least, most, ...)                                            \
    ROW(path, SETTING_NUMBER, field, standard, least, most, NULL, NULL, __VA_ARGS__, )
#define DURATION(path, field, standard, least, most, ...)                                          \
    ROW(path, SETTING_DURATION, field, standard, least, most, NULL, NULL, __VA_ARGS__, )
#define CHOICE(path, field, standard, choices, ...)                                                \
    ROW(path, SETTING_CHOICE, field, standard, 0, 0, choices, NULL, __VA_ARGS__, )

/* Choices are stored through an int, as positions. */
_Static_assert(sizeof(enum net_family) == sizeof(int), "a choice is stored as int");
_Static_assert(sizeof(enum signal_transport) == sizeof(int), "a choice is stored as int");
_Static_assert(sizeof(enum alert_format) == sizeof(int), "a choice is stored as int");

static const char *const net_families[] = {
    [NET_FAMILY_AUTO] = "auto",
    [NET_FAMILY_IPV4] = "ipv4",
    [NET_FAMILY_IPV6] = "ipv6",
    NULL,
};
static const char *const signal_transports[] = {
    [SIGNAL_TRANSPORT_AUTO] = "auto",
    [SIGNAL_TRANSPORT_HTTP1] = "http1",
    [SIGNAL_TRANSPORT_HTTP2] = "http2",
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

static const char *const alert_formats[] = {
    [ALERT_FORMAT_TEXT] = "text",
    [ALERT_FORMAT_JSON] = "json",
    NULL,
};

/* The least durations are small because tests shorten them. Sections stand together: the documents
 * that are made from this table keep its order. What has no default
 * may be empty. */
const struct setting schema[] = {
    TEXT("store.path", store_path, "./data/doorbell.db", check_file_path,
         "The database; its folder also holds what has no path of its own.", FIXED),
    DURATION("store.retry", store_retry_ms, "5s", 1, HOUR,
             "How long to wait before a write that failed, on a full disk for instance, is tried "
             "again."),
    TEXT("store.key_file", store_key_file, NULL, check_file_path,
         "A file outside the folder of store.path with a key, 32 bytes in base64, that device "
         "passwords are sealed with in the store (docs/sealing.md); empty means that they are not, "
         "unless systemd hands over a credential doorbell-key.",
         FIXED),
    TEXT("store.key", store_key, NULL, NULL,
         "That key itself, for those who cannot give a file; store.key_file wins over it.", FIXED,
         SECRET),
    TEXT("store.mollysocket", store_mollysocket, NULL, check_file_path,
         "MollySocket's database, whose accounts are taken over and which is never written; empty "
         "means mollysocket.db beside store.path or in the working directory, none means none.",
         FIXED),

    TEXT("control.path", control_path, NULL, check_socket_path,
         "The socket on which commands reach the running server; empty means doorbell.sock beside "
         "store.path.",
         FIXED),

    BOOL("web.enabled", web_enabled, "true",
         "Whether to serve the API and pages over HTTP; without them, linking is air-gapped only.",
         FIXED),
    LIST("web.listen", web_listen, "127.0.0.1:8020", check_listen,
         "Where to listen: addresses with a port such as 127.0.0.1:8020 or [::]:8020, or "
         "unix:PATH; sockets of systemd's socket activation take their place.",
         FIXED),
    TEXT("web.public_url", web_public_url, NULL, check_http_url,
         "The address under which phones reach this server, such as https://push.example.org/; "
         "empty means that it is taken from each request."),
    TEXT("web.tls_cert", web_tls_cert, NULL, check_file_path,
         "A PEM file with this server's certificate and those that lead from it to a root, such as "
         "fullchain.pem: then the addresses with a port speak HTTPS only; read again when it "
         "changes."),
    TEXT("web.tls_key", web_tls_key, NULL, check_file_path,
         "The PEM file with the certificate's private key, such as privkey.pem, readable for the "
         "user that Doorbell runs as; read again when it changes."),
    TEXT("web.privacy_contact", web_privacy_contact, NULL, check_contact,
         "Who runs this server and how to reach them, for strangers to read on the public page "
         "/status, such as Jane Doe, jane@example.org."),
    LIST("web.trusted_proxies", web_trusted_proxies, "auto", check_trusted_proxy,
         "Whose forwarding headers are believed, and who may speak HTTP/2 without TLS: auto "
         "(loopback and private addresses), none, or networks such as 10.0.0.0/8."),
    DURATION("web.timeout", web_timeout_ms, "10s", 1, HOUR,
             "How long a client may take for a request's header and body."),
    NUMBER("web.connections", web_connections, "512", 1, 100000,
           "The most connections that are open at once.", FIXED),
    NUMBER("web.connections_per_address", web_connections_per_address, "32", 1, 100000,
           "The most connections from one client address."),

    TEXT("metrics.listen", metrics_listen, "127.0.0.1:9102", check_metrics_listen,
         "Where Prometheus finds the metrics, at /metrics: an address with a port or unix:PATH, "
         "readable for whoever reaches it; none switches them off."),

    TEXT("admin.listen", admin_listen, "none", check_admin_listen,
         "Where the status page is: an address with a port such as 127.0.0.1:9103, unix:PATH, web "
         "for /admin on the web port, or none; it asks for the token that \"doorbell admin token\" "
         "makes."),
    TEXT("admin.token_file", admin_token_file, NULL, check_file_path,
         "Where the hash of that token is kept; empty means admin.token beside store.path."),
    DURATION("admin.session", admin_session_ms, "12h", 1, 30 * DAY,
             "How long the status page stays open after the token was entered."),

    TEXT("signal.url", signal_url, CONFIG_SIGNAL_URL, check_signal_url,
         "The messenger server; plain ws:// is taken for this machine only.", FIXED),
    CHOICE(
        "signal.transport", signal_transport, "auto", signal_transports,
        "The road to Signal: http2 (many accounts share a connection, as with Signal's own apps), "
        "http1 (each account has its own), or auto (http2, and http1 while that fails). A "
        "signal.url of your own without signal.http2_url means http1."),
    TEXT("signal.http2_url", signal_http2_url, CONFIG_HTTP2_URL, check_signal_http2_url,
         "The messenger server for HTTP/2; plain http:// is taken for this machine only.", FIXED),
    NUMBER("signal.accounts_per_connection", signal_accounts_per_connection, "100", 1, 1000,
           "How many accounts share one connection over HTTP/2, never more than the server takes; "
           "with 1 each has its own, so that Signal does not see which ones live together."),
    TEXT("signal.ca_file", signal_ca_file, NULL, check_file_path,
         "A PEM file with the roots to trust instead of Signal's own; empty means Signal's own.",
         FIXED),
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
    DURATION("signal.reconnect_reset", signal_reconnect_reset_ms, "60s", 1, DAY,
             "After how long a link counts as good even if its queue was not seen to its end, so "
             "that the waits begin anew."),
    DURATION("signal.proof", signal_proof_ms, "60s", 1, HOUR,
             "How long a link that was accepted may take to show the account's queue, by which it "
             "counts as connected; after that it is given up as silent and made again."),
    DURATION("signal.contested_min", signal_contested_min_ms, "10s", 1, HOUR,
             "The first wait after another program took over the link of an account; it doubles "
             "each time."),
    DURATION("signal.contested_max", signal_contested_max_ms, "30m", 1, DAY,
             "The longest wait after another program took over the link of an account."),
    DURATION("signal.contested_end", signal_contested_end_ms, "1h", 1, 30 * DAY,
             "How long a link must hold before contention counts as over."),
    DURATION("signal.refused_confirm", signal_refused_confirm_ms, "60s", 1, DAY,
             "The least time between two refusals of an account before it counts as unlinked."),
    DURATION(
        "signal.refused_max", signal_refused_max_ms, "1h", 1, DAY,
        "The longest wait between refusals of an account that does not count as unlinked yet."),
    DURATION(
        "signal.refused_retry", signal_refused_retry_ms, "24h", 1, 30 * DAY,
        "The longest wait before an account that counts as unlinked is tried again; the first is "
        "signal.refused_max, and it doubles each time."),
    DURATION("signal.client_refused_min", signal_client_refused_min_ms, "5m", 1, DAY,
             "The first wait after the messenger server refused every user agent; it doubles each "
             "time."),
    DURATION("signal.client_refused_max", signal_client_refused_max_ms, "1h", 1, DAY,
             "The longest wait after the messenger server refused every user agent."),
    DURATION("signal.fleet_window", signal_fleet_window_ms, "10m", 1, DAY,
             "Within what time three accounts that are refused alike mean that something refuses "
             "all of them; for so long after its end no refusal is believed."),
    DURATION("signal.reauthenticate", signal_reauthenticate_ms, "24h", 0, 30 * DAY,
             "How often a link is made anew to see that the account is still linked; 0s means "
             "never."),

    LIST("push.allowed_endpoints", push_allowed_endpoints, "*", check_allowed_endpoint,
         "Which push servers may be rung: * for any public one over https, or URLs such as "
         "https://ntfy.example.org or, with a path prefix, http://192.168.1.5:8080/up; private "
         "addresses need an entry. registered: the public ones of who is registered, and no new "
         "one."),
    LIST("push.denied", push_denied, NULL, check_denied,
         "Networks such as 203.0.113.0/24 and host names that are never rung, whatever else allows "
         "them."),
    LIST("push.connect_to", push_connect_to, NULL, NULL,
         "Push servers that are at another place than their name says, such as "
         "ntfy.example.org=192.168.1.5:8443 for https://ntfy.example.org; TLS is checked for the "
         "name, and private addresses need no further entry. It holds for alert.url and "
         "alert.heartbeat_url as well."),
    TEXT("push.headers_file", push_headers_file, NULL, check_file_path,
         "A YAML file with request headers for single push servers, such as an ntfy token: below "
         "the line \"https://ntfy.example.org:\" a line \"  Authorization: Bearer tk_...\"; read "
         "again on reload."),
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
    NUMBER("push.floor_percent", push_floor_percent, "100", 1, 1000,
           "How long the waits are that answers such as 429, 507 and 404 impose, in percent of the "
           "measured ones; less than 100 is for tests and gets a server banned."),
    NUMBER(
        "push.suspect_after", push_suspect_after, "3", 1, 1000,
        "How many answers of 404 in a row, over push.gone_after, make an endpoint count as gone."),
    DURATION("push.gone_after", push_gone_after_ms, "1h", 1, 30 * DAY,
             "How long an endpoint must have answered 404 before it counts as gone."),
    DURATION("push.gone_alike", push_gone_alike_ms, "24h", 1, 30 * DAY,
             "The same where several endpoints of a push server are unknown to it: then it is more "
             "likely the server's fault."),
    NUMBER("push.breaker_failures", push_breaker_failures, "5", 1, 1000,
           "After how many failures in a row (no connection, no TLS, 502 to 504; 500 or no answer "
           "where several phones meet it) a push server counts as down; rings for it then wait "
           "until it answers again."),
    DURATION("push.breaker_open", push_breaker_open_ms, "30s", 1, 15 * MINUTE,
             "How long a push server that is down is left alone before one ring tries it again; it "
             "doubles each time."),
    DURATION("push.breaker_max", push_breaker_max_ms, "15m", 1, DAY,
             "The longest that a push server which is down is left alone."),
    DURATION("push.jitter", push_jitter_ms, "0s", 0, HOUR,
             "The most that a ring is put off, by chance, so that whoever sees messages arrive and "
             "rings leave cannot tell which belong together."),
    TEXT("push.vapid_key_file", push_vapid_key_file, NULL, check_file_path,
         "The key that signs pushes, made on the first start; empty means vapid.key beside "
         "store.path.",
         FIXED),
    TEXT("push.vapid_key", push_vapid_key, NULL, NULL,
         "That key itself, as \"doorbell vapid generate\" prints it, for those who cannot give a "
         "file; push.vapid_key_file wins over it.",
         FIXED, SECRET),
    TEXT("push.vapid_subject", push_vapid_subject, "https://github.com/doorbell-push/doorbell",
         check_vapid_subject,
         "Whom a push server's operator may contact: an https:// or mailto: address."),

    DURATION("wake.interval", wake_interval_ms, "1s", 1, HOUR,
             "The least time between two rings of one account."),
    BOOL("wake.own_messages", wake_own_messages, "false",
         "Whether copies of messages that the owner sent from the main device ring, too."),

    LIST("accounts.allowed", accounts_allowed, "*", check_allowed_account,
         "Who may use this server: * for everyone, or account ids; registered for those who are "
         "registered already, and nobody new.",
         SECRET),
    NUMBER("accounts.max", accounts_max, "10000", 1, 1000000, "The most accounts that are taken.",
           FIXED),
    DURATION("accounts.verdict", accounts_verdict_ms, "5s", 1, MINUTE,
             "How long a registration waits for the messenger server's word."),

    DURATION("health.links_down_after", health_links_down_after_ms, "5m", 1, 30 * DAY,
             "How long no account may be connected before /readyz and \"doorbell health --links\" "
             "say so; /healthz and \"doorbell health\" stay well."),

    CHOICE("net.family", net_family, "auto", net_families,
           "Which kind of addresses are connected to."),
    DURATION("net.connect_timeout", net_connect_timeout_ms, "10s", 1, 10 * MINUTE,
             "The longest that connecting to one address of the messenger server may take."),
    DURATION("net.handshake_timeout", net_handshake_timeout_ms, "30s", 1, 10 * MINUTE,
             "The longest that each step from that connection to a working link may take: TLS, and "
             "the server's answer."),
    DURATION("net.dns_timeout", net_dns_timeout_ms, "3s", 1, MINUTE,
             "The longest that looking up the name of a push server may take."),
    LIST(
        "net.nameservers", net_nameservers, NULL, check_nameserver,
        "Numeric addresses of nameservers, with a port if it is not 53; empty means the system's."),

    TEXT("alert.url", alert_url, NULL, check_alert_url,
         "Where to tell the operator of trouble, one message when it begins and one when it is "
         "over: the address of an ntfy topic or any webhook that takes a POST. push.connect_to "
         "holds for it, too.",
         SECRET),
    TEXT("alert.token", alert_token, NULL, check_token,
         "An access token for alert.url, sent as a bearer token; with http:// in the clear.",
         SECRET),
    CHOICE("alert.format", alert_format, "text", alert_formats,
           "What is posted to alert.url: the text, with its title and priority in headers as ntfy "
           "wants them, or JSON with title, text, kind, state and count."),
    DURATION("alert.after", alert_after_ms, "10m", 1, 30 * DAY,
             "How long a ring may be overdue, an endpoint refuse pushes, a link be silent, or a "
             "push server's clock differ, before it is an alert."),
    DURATION("alert.unlinked_after", alert_unlinked_after_ms, "1h", 1, 365 * DAY,
             "How long after a start without any account that is an alert: whoever set this up "
             "waits for a phone that does not come."),
    DURATION("alert.certificate_within", alert_certificate_within_ms, "14d", 1, 365 * DAY,
             "How long before the end of the certificate of web.tls_cert that is worth an alert."),
    DURATION("alert.every", alert_every_ms, "1h", 1, 30 * DAY,
             "While one kind of trouble lasts, how often what came and went is told at most, "
             "together in one message."),
    DURATION("alert.interval", alert_interval_ms, "30s", 50, HOUR,
             "How often to look whether something needs the operator; each look goes over all "
             "accounts."),
    DURATION("alert.retry_min", alert_retry_min_ms, "10s", 1, HOUR,
             "The first wait before an alert that was not taken is sent again; it doubles each "
             "time."),
    DURATION("alert.retry_max", alert_retry_max_ms, "15m", 1, DAY,
             "The longest wait before an alert that was not taken is sent again."),
    TEXT("alert.heartbeat_url", alert_heartbeat_url, NULL, check_alert_url,
         "An address that is called while all is well, of a service that tells when the calls "
         "stop; they stop with this server, without a link, and without a store to write to.",
         SECRET),
    DURATION("alert.heartbeat_interval", alert_heartbeat_interval_ms, "5m", 1, DAY,
             "How often alert.heartbeat_url is called."),

    TEXT("user", user, NULL, NULL,
         "Whom to become when it is started as root, by name or as 1000:1000; the folder of "
         "store.path is handed over.",
         FIXED),

    BOOL("sandbox", sandbox, "true",
         "Whether the running server walls itself in, so that it reaches no files and system calls "
         "but those that it needs (docs/sandbox.md).",
         FIXED),

    CHOICE("log.level", log_level, "info", log_levels, "How much is logged."),
    CHOICE("log.format", log_format, "text", log_formats, "How log lines look."),
};

const size_t schema_count = sizeof schema / sizeof *schema;
