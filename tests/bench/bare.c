/* The floor over HTTP/1.1: websockets and pushes on the libraries that Doorbell uses, with the same
 * settings, and nothing else: no accounts, no store, no policy, no queue.
 * Usage: bare COUNT PORT CA KEEPALIVE_MS [PUSH_URL]. Says "started", opens COUNT websockets, says
 * "settled" once all are idle and their memory was given back, and with a PUSH_URL posts there for
 * each message. Ends on SIGTERM. Without words: names the versions of its libraries. */
#include <libwebsockets.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <nghttp2/nghttp2ver.h>
#include <stdbool.h>

#include "client.h"

enum {
    RX_BUFFER_SIZE = 512,
    SERVICE_BUFFER_SIZE = 2048,
    HEADERS_MAX = 16 * 1024,
    IN_FLIGHT = 64, /* handshakes */
    NEVER_SECONDS = 600,
    FRAME_MAX = 64,
};

struct bare;

struct link {
    struct bare *bare;
    struct lws *wsi;
    bool is_drained, answer_is_due, keepalive_is_due;
};

struct bare {
    uv_loop_t loop;
    uv_timer_t idle, keepalive;
    uv_signal_t end;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct link *links;
    size_t count, started, drained, next_alive;
    uint64_t keepalive_ms;
    int port;
    struct pushes pushes;
};

/* Links */

static void start_links(struct bare *bare)
{
    while (bare->started < bare->count && bare->started - bare->drained < IN_FLIGHT) {
        struct link *link = &bare->links[bare->started++];
        struct lws_client_connect_info info = {
            .context = bare->context,
            .vhost = bare->vhost,
            .address = "127.0.0.1",
            .port = bare->port,
            .path = "/v1/websocket/",
            .host = "localhost",
            .local_protocol_name = "signal",
            .alpn = "http/1.1",
            .ssl_connection = LCCSCF_USE_SSL,
            .userdata = link,
            .ietf_version_or_minus_one = -1,
        };
        link->bare = bare;
        if (!lws_client_connect_via_info(&info))
            die("lws_client_connect_via_info");
    }
}

static void on_keepalive(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    struct link *link = &bare->links[bare->next_alive++ % bare->count];
    link->keepalive_is_due = true;
    lws_callback_on_writable(link->wsi);
}

static void on_idle(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    for (size_t i = 0; i < bare->count; i++)
        SSL_free_buffers(lws_get_ssl(bare->links[i].wsi));
    malloc_trim(0);
    say("settled");
    start_keepalives(&bare->keepalive, on_keepalive, bare->count, bare->keepalive_ms);
}

static int write_message(struct lws *wsi, const unsigned char *message, size_t length)
{
    unsigned char frame[LWS_PRE + FRAME_MAX];
    memcpy(frame + LWS_PRE, message, length);
    return lws_write(wsi, frame + LWS_PRE, length, LWS_WRITE_BINARY) < 0 ? -1 : 0;
}

static int on_writable(struct link *link, struct lws *wsi)
{
    bool both = link->answer_is_due && link->keepalive_is_due;
    int result = 0;
    if (link->answer_is_due) {
        link->answer_is_due = false;
        result = write_message(wsi, answer, sizeof answer);
    } else if (link->keepalive_is_due) {
        link->keepalive_is_due = false;
        result = write_message(wsi, keepalive, sizeof keepalive);
    }
    if (both)
        lws_callback_on_writable(wsi);
    return result;
}

static void acknowledge(void *arg)
{
    struct link *link = arg;
    link->answer_is_due = true;
    lws_callback_on_writable(link->wsi);
}

static void on_drained(struct link *link, struct lws *wsi)
{
    struct bare *bare = link->bare;
    link->wsi = wsi;
    link->is_drained = true;
    acknowledge(link);
    if (++bare->drained == bare->count)
        uv_timer_start(&bare->idle, on_idle, IDLE_AFTER_MS, 0);
    start_links(bare);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t length)
{
    struct link *link = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (!link->is_drained)
            on_drained(link, wsi);
        else if (link->bare->pushes.multi && memmem(in, length, message_path, strlen(message_path)))
            pushes_post(&link->bare->pushes, link);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(link, wsi);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        die("a handshake");
        return -1;
    default:
        return 0;
    }
}

static SSL_CTX *make_tls(const char *ca)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_file(tls, ca) != 1)
        die("the CA file");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return tls;
}

static void make_context(struct bare *bare, SSL_CTX *tls)
{
    static const struct lws_protocols protocols[] = {
        {.name = "signal", .callback = on_lws, .rx_buffer_size = RX_BUFFER_SIZE},
        {.name = NULL},
    };
    static const lws_retry_bo_t no_pings;
    void *loops[] = {&bare->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .foreign_loops = loops,
        .pt_serv_buf_size = SERVICE_BUFFER_SIZE,
        .max_http_header_data = HEADERS_MAX,
        .timeout_secs = NEVER_SECONDS,
        .connect_timeout_secs = NEVER_SECONDS,
        .timeout_secs_ah_idle = NEVER_SECONDS,
        .retry_and_idle_policy = &no_pings,
        .vhost_name = "signal",
        .alpn = "http/1.1",
        .provided_client_ssl_ctx = tls,
    };
#ifdef LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE
    info.options |= LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE;
#endif
    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    bare->context = lws_create_context(&info);
    if (!bare->context || !(bare->vhost = lws_create_vhost(bare->context, &info)))
        die("libwebsockets");
}

static void print_versions(void)
{
    printf("OpenSSL %s, libwebsockets %d.%d.%d, nghttp2 %s, libcurl %s, libuv %s\n",
           OpenSSL_version(OPENSSL_VERSION_STRING), LWS_LIBRARY_VERSION_MAJOR,
           LWS_LIBRARY_VERSION_MINOR, LWS_LIBRARY_VERSION_PATCH, NGHTTP2_VERSION,
           curl_version_info(CURLVERSION_NOW)->version, uv_version_string());
}

int main(int count, char **words)
{
    static struct bare bare;
    if (count < 5) {
        print_versions();
        return 0;
    }
    prepare(&bare.loop, &bare.end);
    uv_timer_init(&bare.loop, &bare.idle);
    uv_timer_init(&bare.loop, &bare.keepalive);
    bare.idle.data = bare.keepalive.data = &bare;
    bare.count = strtoul(words[1], NULL, 10);
    bare.port = (int)strtol(words[2], NULL, 10);
    bare.keepalive_ms = strtoul(words[4], NULL, 10);
    bare.links = calloc(bare.count + 1, sizeof *bare.links);
    make_context(&bare, make_tls(words[3]));
    if (count > 5)
        pushes_start(&bare.pushes, &bare.loop, words[5], words[3], acknowledge);
    say("started");
    start_links(&bare);
    if (bare.count == 0)
        uv_timer_start(&bare.idle, on_idle, 0, 0);
    uv_run(&bare.loop, UV_RUN_DEFAULT);
    return 0;
}
