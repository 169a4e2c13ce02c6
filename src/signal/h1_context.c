#include "signal/h1_context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "signal/tls.h"

enum {
    RX_BUFFER_SIZE = 512, /* per link: the size of a piece */
    SERVICE_BUFFER_SIZE = 2048,
    /* libwebsockets cuts Host lines at 128 bytes, and the request must fit into its service buffer.
     */
    HOST_MAX = 100,
    TARGET_MAX = 512,
    ANSWER_HEADERS_MAX = 16 * 1024,
    /* The channels' own deadlines are the ones that count; libwebsockets' are a safety net behind
       them. */
    SAFETY_NET_SECONDS = 600,
    FAREWELL_MS = 300,
    CLOSE_ROUNDS = 3,
};

/* libwebsockets' log callback has no argument to keep this in. */
static struct log_limit foreign_limit;

/* While it starts, nothing of ours says in words what is wrong. */
static void on_start_log(int level, const char *line)
{
    log_foreign(&foreign_limit, level == LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
                "libwebsockets", line, strlen(line));
}

/* Later each of its errors ends a connection, and the account's own line says why. */
static void on_foreign_log(int level, const char *line)
{
    (void)level;
    log_foreign(&foreign_limit, LOG_LEVEL_DEBUG, "libwebsockets", line, strlen(line));
}

static bool is_proxy_variable(const char *entry)
{
    static const char *const names[] = {"http_proxy=", "https_proxy=", "all_proxy="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_starts_nocase(entry, names[i]))
            return true;
    return false;
}

/* A proxy is a setting, never ambient: libwebsockets would take the one of the environment. */
static void clear_ambient_proxies(void)
{
    for (char **entry = environ; entry && *entry;) {
        if (!is_proxy_variable(*entry)) {
            entry++;
            continue;
        }
        char *name = mem_copy(*entry, strcspn(*entry, "="));
        unsetenv(name);
        free(name);
        entry = environ;
    }
}

static int take_url(struct h1 *h1, const char *text, struct err *err)
{
    if (url_parse(&h1->url, text, err) != 0) {
        err_prefix(err, "signal.url");
        return ERR_INVALID;
    }
    const struct url *url = &h1->url;
    bool tls = strcmp(url->scheme, "wss") == 0 || strcmp(url->scheme, "https") == 0;
    if (strlen(url->host) > HOST_MAX)
        return err_set(err, ERR_INVALID, "signal.url: the host name is longer than %d bytes",
                       HOST_MAX);
    if (strlen(url->target) > TARGET_MAX)
        return err_set(err, ERR_INVALID, "signal.url: the path is longer than %d bytes",
                       TARGET_MAX);
    if (tls && url->is_ipv6)
        return err_set(err, ERR_INVALID,
                       "signal.url: with TLS the server needs a name, not an IPv6 address");
    const char *open = url->is_ipv6 ? "[" : "", *close = url->is_ipv6 ? "]" : "";
    if (url->port == url_default_port(url->scheme))
        snprintf(h1->host_line, sizeof h1->host_line, "%s%s%s", open, url->host, close);
    else
        snprintf(h1->host_line, sizeof h1->host_line, "%s%s%s:%u", open, url->host, close,
                 url->port);
    return tls ? 1 : 0;
}

static int make_tls(struct h1 *h1, const char *ca_file, struct err *err)
{
    h1->tls = tls_new(ca_file, TLS1_2_VERSION, err);
    return h1->tls ? 0 : ERR_INVALID;
}

static int make_context(struct h1 *h1, struct err *err)
{
    static const struct lws_protocols protocols[] = {
        {.name = "signal", .callback = h1_on_lws, .rx_buffer_size = RX_BUFFER_SIZE},
        {.name = NULL},
    };
    void *loops[] = {&h1->loop->uv};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .foreign_loops = loops,
        .user = h1,
        .pt_serv_buf_size = SERVICE_BUFFER_SIZE,
        .max_http_header_data = ANSWER_HEADERS_MAX,
        .timeout_secs = SAFETY_NET_SECONDS,
        .connect_timeout_secs = SAFETY_NET_SECONDS,
        .timeout_secs_ah_idle = SAFETY_NET_SECONDS,
        .vhost_name = "signal",
        .alpn = "http/1.1",
    };
    info.provided_client_ssl_ctx = h1->tls;
#ifdef LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE
    info.options |= LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE;
#endif
    lws_set_log_level(LLL_ERR | LLL_WARN, on_start_log);
    h1->context = lws_create_context(&info);
    if (!h1->context)
        return err_set(err, ERR_IO,
                       "libwebsockets does not start; is its plugin for libuv installed "
                       "(Debian: libwebsockets-evlib-uv)?");
    h1->vhost = lws_create_vhost(h1->context, &info);
    if (!h1->vhost)
        return err_set(err, ERR_IO, "libwebsockets cannot make its client");
    lws_set_log_level(LLL_ERR | LLL_WARN, on_foreign_log);
    return 0;
}

struct h1 *h1_new(struct loop *loop, struct connector *connector, const struct config *config,
                  struct err *err)
{
    struct h1 *h1 = mem_new(sizeof *h1);
    h1->loop = loop;
    h1->connector = connector;
    h1_reload(h1, config);
    clear_ambient_proxies();
    int tls = take_url(h1, config->signal_url, err);
    if (tls >= 0 && (!tls || make_tls(h1, config->signal_ca_file, err) == 0) &&
        make_context(h1, err) == 0)
        return h1;
    h1_free(h1);
    return NULL;
}

static void on_watcher_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_watcher(uv_handle_t *handle, void *wsi)
{
    if (handle->type == UV_POLL && handle->data == wsi && !uv_is_closing(handle))
        uv_close(handle, on_watcher_closed);
}

void h1_close_forgotten_watcher(struct h1 *h1, struct lws *wsi)
{
    uv_walk(&h1->loop->uv, close_watcher, wsi);
}

static void bury(struct h1 *h1)
{
    if (h1->context)
        lws_context_destroy(h1->context);
    SSL_CTX_free(h1->tls);
    url_fini(&h1->url);
    free(h1);
}

/* Each call of this comes one round of closed handles later. */
static void on_round(uv_handle_t *handle)
{
    struct h1 *h1 = handle->data;
    if (h1->rounds == 0) {
        bury(h1);
        return;
    }
    h1->rounds--;
    uv_idle_init(&h1->loop->uv, &h1->undertaker);
    uv_close(handle, on_round);
}

/* uv_run might otherwise wait for another event after this one. */
static void on_farewell(void *arg)
{
    struct h1 *h1 = arg;
    uv_stop(&h1->loop->uv);
}

/* The Closes of links that were freed just now get a moment to go out. */
static void let_closes_out(struct h1 *h1)
{
    timer_init(&h1->farewell, on_farewell, h1);
    loop_timer_set(h1->loop, &h1->farewell, FAREWELL_MS);
    while (h1->websockets && timer_is_set(&h1->farewell))
        uv_run(&h1->loop->uv, UV_RUN_ONCE);
    loop_timer_cancel(h1->loop, &h1->farewell);
}

/* libwebsockets' context ends in two steps on a loop that is not its own: the first closes its
 * connections, a round later its other handles are closed, and what they need may be freed only
 * when that is over, too. */
void h1_free(struct h1 *h1)
{
    if (!h1)
        return;
    if (!h1->context) {
        bury(h1);
        return;
    }
    let_closes_out(h1);
    lws_context_destroy(h1->context);
    h1->rounds = CLOSE_ROUNDS;
    uv_idle_init(&h1->loop->uv, &h1->undertaker);
    h1->undertaker.data = h1;
    uv_close((uv_handle_t *)&h1->undertaker, on_round);
}

void h1_reload(struct h1 *h1, const struct config *config)
{
    h1->connect_timeout_ms = config->net_connect_timeout_ms;
    h1->handshake_timeout_ms = config->net_handshake_timeout_ms;
}
