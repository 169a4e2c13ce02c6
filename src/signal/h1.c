#include "signal/h1.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"
#include "signal/roots.h"

enum {
    RX_BUFFER_SIZE = 512, /* per link: the size of a piece */
    SERVICE_BUFFER_SIZE = 2048,
    /* libwebsockets cuts Host lines at 128 bytes, and the request must fit into its service buffer.
     */
    HOST_MAX = 100,
    TARGET_MAX = 512,
    ANSWER_HEADERS_MAX = 16 * 1024,
    SEND_MAX = 512, /* one message; an answer has about 30 bytes */
    CLOSE_DEADLINE_MS = 5000,
    FAREWELL_MS = 300,
    /* Our deadline is the one that counts; libwebsockets' own is a safety net behind it. */
    SAFETY_NET_SECONDS = 600,
    RETRY_AFTER_MAX_SECONDS = 24 * 3600,
    CLOSE_ROUNDS = 3,
};

struct h1 {
    struct loop *loop;
    struct connector *connector;
    struct lws_context *context;
    struct lws_vhost *vhost;
    SSL_CTX *tls; /* NULL: clear text, for tests on loopback */
    struct url url;
    char host_line[URL_ORIGIN_SIZE]; /* with the port where it is not the scheme's own */
    int64_t handshake_timeout_ms;
    size_t websockets; /* open ones, those of channels that were freed, too */
    struct timer farewell;
    uv_idle_t undertaker; /* only while it is freed */
    unsigned rounds;
};

enum channel_state {
    CHANNEL_WAITING, /* for the connector's slot and address */
    CHANNEL_SHAKING, /* from TCP to the 101 */
    CHANNEL_OPEN,
    CHANNEL_CLOSING, /* our Close waits until the socket takes it and what was queued before it */
    CHANNEL_ENDED,   /* `ended` is due, or was delivered */
};

enum reached { REACHED_NOTHING, REACHED_TCP, REACHED_REQUEST };

struct channel {
    struct h1 *h1;
    const struct transport_events *events;
    void *arg;
    struct lws *wsi; /* NULL before the handshake, and once libwebsockets is left to finish alone */
    struct attempt *attempt;
    char *authorization, *user_agent; /* until the handshake is over */
    struct timer timer; /* handshake deadline, Close deadline, or delivery of `ended` */
    struct buf out;     /* messages, each after its length in two bytes */
    struct transport_end *end;
    uint32_t message_length; /* of the message that is coming in, so far */
    uint16_t close_code;     /* while closing */
    char *close_reason;
    uint8_t close_kind; /* what `ended` will say: TRANSPORT_STOPPED or TRANSPORT_VIOLATION */
    uint8_t state;
    uint8_t reached;
    bool inside_message;
    bool receiving; /* inside libwebsockets' reading */
};

/* libwebsockets' log callback has no argument to keep this in. */
static struct log_limit foreign_limit;

static void on_foreign_log(int level, const char *line)
{
    log_foreign(&foreign_limit, level == LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
                "libwebsockets", line, strlen(line));
}

/* The end of a channel. */

static void forget_credentials(struct channel *channel)
{
    mem_free_secret(channel->authorization);
    free(channel->user_agent);
    channel->authorization = channel->user_agent = NULL;
}

static void release_attempt(struct channel *channel)
{
    if (channel->attempt)
        connector_end(channel->attempt);
    channel->attempt = NULL;
}

/* Leaves the connection to libwebsockets: its callbacks find no channel from here on. */
static struct lws *let_go(struct channel *channel)
{
    struct lws *wsi = channel->wsi;
    if (wsi)
        lws_set_wsi_user(wsi, NULL);
    channel->wsi = NULL;
    return wsi;
}

/* Its timers need a turn of its own service to be armed. */
static void kill_wsi(struct h1 *h1, struct lws *wsi, int how)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, how);
    lws_cancel_service(h1->context);
}

/* Lets go and hangs up. Safe from anywhere, also from inside a callback of this connection. */
static void drop(struct channel *channel)
{
    struct lws *wsi = let_go(channel);
    if (wsi)
        kill_wsi(channel->h1, wsi, LWS_TO_KILL_ASYNC);
}

/* `ended` is delivered on the next turn of the loop, so never from inside a call or a callback of
 * libwebsockets. */
static void finish(struct channel *channel, const struct transport_end *end)
{
    release_attempt(channel);
    forget_credentials(channel);
    buf_fini(&channel->out);
    channel->state = CHANNEL_ENDED;
    channel->end = mem_new(sizeof *channel->end);
    *channel->end = *end;
    loop_timer_set(channel->h1->loop, &channel->timer, 0);
}

static void finish_text(struct channel *channel, enum transport_end_kind kind, const char *text)
{
    struct transport_end end = {.kind = kind};
    snprintf(end.text, sizeof end.text, "%s", text);
    finish(channel, &end);
}

/* The handshake came to nothing before the server gave an answer: another address may do better. */
static void finish_unanswered(struct channel *channel, enum transport_end_kind kind,
                              const char *text)
{
    connector_forget(channel->h1->connector, channel->h1->url.host, channel->h1->url.port);
    finish_text(channel, kind, text);
}

/* Our Close has gone out, or waited in vain. */
static void finish_closing(struct channel *channel)
{
    bool violation = channel->close_kind == TRANSPORT_VIOLATION;
    finish_text(channel, channel->close_kind, violation ? channel->close_reason : "");
}

static void on_handshake_deadline(struct channel *channel)
{
    static const char *const texts[] = {
        [REACHED_NOTHING] = "no TCP connection in time",
        [REACHED_TCP] = "no answer to the TLS handshake in time",
        [REACHED_REQUEST] = "no answer to the request in time",
    };
    drop(channel);
    finish_unanswered(channel, TRANSPORT_UNREACHABLE, texts[channel->reached]);
}

static void on_timer(void *arg)
{
    struct channel *channel = arg;
    if (channel->state == CHANNEL_SHAKING) {
        on_handshake_deadline(channel);
        return;
    }
    if (channel->state == CHANNEL_CLOSING) {
        drop(channel);
        finish_closing(channel);
        return;
    }
    struct transport_end end = *channel->end;
    channel->events->ended(channel->arg, &end);
}

/* The handshake. */

/* Where the system refuses to connect at once (no route), libwebsockets (4.1.6, 4.3.5) closes its
 * socket and forgets the watcher, which would stay in the loop for ever. */
static void on_watcher_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_watcher(uv_handle_t *handle, void *wsi)
{
    if (handle->type == UV_POLL && handle->data == wsi && !uv_is_closing(handle))
        uv_close(handle, on_watcher_closed);
}

static void close_forgotten_watcher(struct h1 *h1, struct lws *wsi)
{
    uv_walk(&h1->loop->uv, close_watcher, wsi);
}

static void start_handshake(struct channel *channel, const char *address)
{
    /* All zero: no pings of libwebsockets, whose timers are one long list (performance.md 3). The
     * context and the vhost take such a policy and do not heed it. */
    static const lws_retry_bo_t no_pings;
    struct h1 *h1 = channel->h1;
    int tls = h1->tls ? LCCSCF_USE_SSL : 0;
    struct lws_client_connect_info info = {
        .context = h1->context,
        .vhost = h1->vhost,
        .address = address,
        .port = h1->url.port,
        .path = h1->url.target,
        .host = h1->host_line,
        .local_protocol_name = "signal",
        .alpn = "http/1.1",
        /* A redirect would carry the credentials to wherever it points. */
        .ssl_connection = tls | LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
        .retry_and_idle_policy = &no_pings,
        .userdata = channel,
        .ietf_version_or_minus_one = -1,
    };
    channel->state = CHANNEL_SHAKING;
    loop_timer_set(h1->loop, &channel->timer, h1->handshake_timeout_ms);
    if (lws_client_connect_via_info(&info) || channel->state == CHANNEL_ENDED)
        return;
    if (channel->wsi)
        close_forgotten_watcher(h1, channel->wsi);
    channel->wsi = NULL;
    finish_unanswered(channel, TRANSPORT_UNREACHABLE, "no TCP connection");
}

static void on_connector(void *arg, const struct address *winner, const struct err *err)
{
    struct channel *channel = arg;
    if (!winner) {
        struct transport_end end = {.kind = TRANSPORT_UNREACHABLE};
        text_printable(end.text, sizeof end.text, err->text, strlen(err->text));
        finish(channel, &end);
        return;
    }
    char address[ADDRESS_TEXT_SIZE];
    address_format(address, winner);
    start_handshake(channel, address);
}

static int add_header(struct lws *wsi, const char *name, const char *value, unsigned char **at,
                      unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), at, end);
}

static int on_request(struct channel *channel, struct lws *wsi, void *in, size_t length)
{
    unsigned char **at = in, *end = *at + length;
    channel->reached = REACHED_REQUEST;
    if (channel->authorization &&
        add_header(wsi, "authorization:", channel->authorization, at, end) != 0)
        return -1;
    if (channel->user_agent && add_header(wsi, "user-agent:", channel->user_agent, at, end) != 0)
        return -1;
    return 0;
}

static int64_t retry_after_ms(struct lws *wsi)
{
    char text[16];
    if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_RETRY_AFTER) <= 0)
        return 0;
    char *rest;
    long seconds = strtol(text, &rest, 10);
    if (rest == text || *rest || seconds <= 0)
        return 0; /* a date: nobody in front of the messenger was seen to send one */
    return 1000 * (int64_t)(seconds < RETRY_AFTER_MAX_SECONDS ? seconds : RETRY_AFTER_MAX_SECONDS);
}

static bool has_signal_timestamp(struct lws *wsi)
{
    static const char name[] = "x-signal-timestamp:";
    return lws_hdr_custom_length(wsi, name, (int)strlen(name)) > 0;
}

/* It answered our first message, and not with a message of TLS. */
static bool speaks_no_tls(const SSL *ssl)
{
    return SSL_get_state(ssl) == TLS_ST_CW_CLNT_HELLO && BIO_number_read(SSL_get_rbio(ssl)) > 0;
}

static void finish_tls(struct channel *channel, SSL *ssl)
{
    char text[sizeof channel->end->text];
    long verdict = SSL_get_verify_result(ssl);
    int alert = (int)(intptr_t)SSL_get_app_data(ssl);
    if (verdict != X509_V_OK) {
        snprintf(text, sizeof text, "its certificate is not accepted: %s",
                 X509_verify_cert_error_string(verdict));
        finish_unanswered(channel, TRANSPORT_TLS, text);
    } else if (alert) {
        snprintf(text, sizeof text, "the TLS handshake failed: %s",
                 SSL_alert_desc_string_long(alert));
        finish_unanswered(channel, TRANSPORT_TLS, text);
    } else if (speaks_no_tls(ssl)) {
        finish_unanswered(channel, TRANSPORT_TLS, "there is no TLS on this port");
    } else {
        finish_unanswered(channel, TRANSPORT_UNREACHABLE, "cut off during the TLS handshake");
    }
}

static void on_handshake_failed(struct channel *channel, struct lws *wsi)
{
    int status = (int)lws_http_client_http_response(wsi);
    bool ended = channel->state == CHANNEL_ENDED;
    let_go(channel);
    if (ended)
        return;
    if (channel->reached == REACHED_REQUEST && status) {
        struct transport_end end = {.kind = TRANSPORT_STATUS,
                                    .status = status,
                                    .has_timestamp = has_signal_timestamp(wsi),
                                    .retry_after_ms = retry_after_ms(wsi)};
        finish(channel, &end);
    } else if (channel->reached == REACHED_REQUEST) {
        finish_unanswered(channel, TRANSPORT_UNREACHABLE, "cut off without an answer");
    } else if (channel->reached == REACHED_TCP && lws_get_ssl(wsi)) {
        finish_tls(channel, lws_get_ssl(wsi));
    } else {
        finish_unanswered(channel, TRANSPORT_UNREACHABLE, "no TCP connection");
    }
}

/* SSL_get_app_data keeps the last alert, sent or received, for finish_tls. */
static void on_tls_event(const SSL *ssl, int where, int value)
{
    if (where & SSL_CB_ALERT)
        SSL_set_app_data((SSL *)(uintptr_t)ssl, (void *)(intptr_t)value);
}

/* Messages. */

static int on_established(struct channel *channel)
{
    channel->state = CHANNEL_OPEN;
    loop_timer_cancel(channel->h1->loop, &channel->timer);
    release_attempt(channel);
    forget_credentials(channel);
    channel->events->opened(channel->arg);
    return 0;
}

/* Hands over what the socket takes now. -1: the connection is gone. */
static int flush(struct channel *channel)
{
    struct buf *out = &channel->out;
    size_t used = 0;
    int result = 0;
    while (used < out->length && !lws_send_pipe_choked(channel->wsi)) {
        uint8_t frame[LWS_PRE + SEND_MAX];
        uint16_t length;
        memcpy(&length, out->bytes + used, sizeof length);
        memcpy(frame + LWS_PRE, out->bytes + used + sizeof length, length);
        used += sizeof length + length;
        if (lws_write(channel->wsi, frame + LWS_PRE, length, LWS_WRITE_BINARY) < 0) {
            result = -1;
            break;
        }
    }
    if (used < out->length) {
        buf_consume(out, used);
    } else {
        buf_fini(out); /* an idle link keeps no room for messages */
        buf_init(out, TRANSPORT_UNSENT_MAX);
    }
    return result;
}

/* Leaves the closing handshake, and ignoring what still comes, to libwebsockets. With a reason set,
 * this "kill" only begins to close. To return -1 from a callback would be the documented way, but
 * where it was built with _DEBUG (Debian) that closes twice, which hangs up before the Close is
 * out. */
static void say_goodbye(struct channel *channel, int code, const char *reason)
{
    unsigned char text[sizeof channel->end->text];
    size_t length = text_printable((char *)text, sizeof text, reason, strlen(reason));
    lws_close_reason(channel->wsi, (enum lws_close_status)code, text, length);
    kill_wsi(channel->h1, let_go(channel), LWS_TO_KILL_SYNC);
}

/* Once everything has gone out, the Close of a channel that closes follows. */
static int drain(struct channel *channel)
{
    if (flush(channel) != 0)
        return -1;
    bool closing = channel->state == CHANNEL_CLOSING;
    if (channel->out.length || (closing && lws_send_pipe_choked(channel->wsi))) {
        lws_callback_on_writable(channel->wsi);
    } else if (closing) {
        say_goodbye(channel, channel->close_code, channel->close_reason);
        finish_closing(channel);
    }
    return 0;
}

/* libwebsockets 4.1.6 never comes back from reading when the closing begins in there and TLS holds
 * more for it: then the Close waits until it has read what came and asks for something to write. */
static void begin_close(struct channel *channel, int code, const char *reason,
                        enum transport_end_kind kind)
{
    channel->state = CHANNEL_CLOSING;
    channel->close_code = (uint16_t)code;
    channel->close_reason = mem_text(reason);
    channel->close_kind = (uint8_t)kind;
    loop_timer_set(channel->h1->loop, &channel->timer, CLOSE_DEADLINE_MS);
    if (channel->receiving)
        lws_callback_on_writable(channel->wsi);
    else
        drain(channel);
}

static void take_piece(struct channel *channel, struct lws *wsi, const uint8_t *bytes,
                       size_t length)
{
    bool first = !channel->inside_message, last = lws_is_final_fragment(wsi);
    uint64_t known = (first ? 0 : channel->message_length) + length;
    uint64_t announced = lws_remaining_packet_payload(wsi);
    if (known + announced > TRANSPORT_MESSAGE_MAX) { /* a length has 63 bits at most */
        begin_close(channel, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "message too big",
                    TRANSPORT_VIOLATION);
        return;
    }
    channel->message_length = (uint32_t)known;
    channel->inside_message = !last;
    if (lws_frame_is_binary(wsi))
        channel->events->piece(channel->arg, bytes, length, first, last);
}

static int on_receive(struct channel *channel, struct lws *wsi, const uint8_t *bytes, size_t length)
{
    if (channel->state != CHANNEL_OPEN)
        return 0;
    channel->receiving = true;
    take_piece(channel, wsi, bytes, length);
    if (lws_wsi_user(wsi) == channel) /* it was not freed meanwhile */
        channel->receiving = false;
    return 0;
}

static int on_peer_close(struct channel *channel, const uint8_t *payload, size_t length)
{
    if (channel->state == CHANNEL_CLOSING) {
        let_go(channel);
        finish_closing(channel);
        return 0;
    }
    struct transport_end end = {.kind = TRANSPORT_CLOSE, .close_code = 1005};
    if (length >= 2) {
        end.close_code = payload[0] << 8 | payload[1];
        text_words(end.text, sizeof end.text, payload + 2, length - 2);
    }
    int result = flush(channel);
    let_go(channel);
    finish(channel, &end);
    return result;
}

/* Nobody sent a Close: either the server is gone, or libwebsockets hung up on it because of a frame
 * that must not be; it does not say which. */
static bool server_is_gone(struct lws *wsi)
{
    SSL *ssl = lws_get_ssl(wsi);
    if (ssl && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN))
        return true;
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return true;
    return info.tcpi_state != TCP_ESTABLISHED;
}

static void on_closed(struct channel *channel, struct lws *wsi)
{
    bool gone = server_is_gone(wsi), closing = channel->state == CHANNEL_CLOSING;
    let_go(channel);
    if (closing)
        finish_closing(channel);
    else if (gone)
        finish_text(channel, TRANSPORT_LOST, "it ended without a Close");
    else
        finish_text(channel, TRANSPORT_VIOLATION, "a frame that websockets do not have");
}

static size_t *websocket_count(struct lws *wsi)
{
    struct h1 *h1 = lws_context_user(lws_get_context(wsi));
    return &h1->websockets;
}

/* `user` is the channel, or NULL once it was let go; for other reasons it may be something else. */
static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t length)
{
    struct channel *channel = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_HTTP_BIND_PROTOCOL:
        if (channel)
            channel->wsi = wsi;
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        if (channel)
            channel->reached = REACHED_TCP;
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return channel ? on_request(channel, wsi, in, length) : -1;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        if (channel)
            on_handshake_failed(channel, wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
        return channel ? 0 : -1;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        ++*websocket_count(wsi);
        return on_established(channel);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return channel ? on_receive(channel, wsi, in, length) : 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return channel ? drain(channel) : 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return channel ? on_peer_close(channel, in, length) : -1;
    case LWS_CALLBACK_CLIENT_CLOSED:
        --*websocket_count(wsi);
        if (channel)
            on_closed(channel, wsi);
        return 0;
    default:
        return 0;
    }
}

/* The transport's functions. */

static struct channel *h1_open(void *transport, const struct channel_request *request,
                               const struct transport_events *events, void *arg)
{
    struct h1 *h1 = transport;
    struct channel *channel = mem_new(sizeof *channel);
    channel->h1 = h1;
    channel->events = events;
    channel->arg = arg;
    channel->authorization = mem_text(request->authorization);
    channel->user_agent = mem_text(request->user_agent);
    timer_init(&channel->timer, on_timer, channel);
    buf_init(&channel->out, TRANSPORT_UNSENT_MAX);
    channel->attempt =
        connector_start(h1->connector, request->candidate ? CONNECTOR_CANDIDATE : CONNECTOR_ACCOUNT,
                        h1->url.host, h1->url.port, on_connector, channel);
    return channel;
}

static int h1_send(struct channel *channel, const uint8_t *message, size_t length)
{
    if (channel->state != CHANNEL_OPEN)
        return ERR_NOT_NOW;
    uint16_t head = (uint16_t)length;
    if (length > SEND_MAX || sizeof head + length > channel->out.most - channel->out.length)
        return ERR_LIMIT;
    buf_add(&channel->out, &head, sizeof head);
    buf_add(&channel->out, message, length);
    lws_callback_on_writable(channel->wsi);
    return 0;
}

static void h1_close(struct channel *channel, int code, const char *reason)
{
    if (channel->state == CHANNEL_WAITING || channel->state == CHANNEL_SHAKING) {
        drop(channel);
        finish_text(channel, TRANSPORT_STOPPED, "");
    } else if (channel->state == CHANNEL_OPEN) {
        begin_close(channel, code, reason, TRANSPORT_STOPPED);
    }
}

static void h1_idle(struct channel *channel)
{
    SSL *ssl = channel->state == CHANNEL_OPEN ? lws_get_ssl(channel->wsi) : NULL;
    if (ssl)
        SSL_free_buffers(ssl);
}

static void h1_free_channel(struct channel *channel)
{
    drop(channel);
    release_attempt(channel);
    forget_credentials(channel);
    loop_timer_cancel(channel->h1->loop, &channel->timer);
    buf_fini(&channel->out);
    free(channel->close_reason);
    free(channel->end);
    free(channel);
}

const struct transport_ops h1_ops = {
    .name = "http1",
    .open = h1_open,
    .send = h1_send,
    .close = h1_close,
    .idle = h1_idle,
    .free = h1_free_channel,
};

/* The context. */

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

/* One TLS context for all links, with the pinned roots and nothing of the system's. */
static int make_tls(struct h1 *h1, const char *ca_file, struct err *err)
{
    X509_STORE *roots = roots_load(ca_file, err);
    if (!roots)
        return ERR_INVALID;
    h1->tls = SSL_CTX_new(TLS_client_method());
    if (!h1->tls) {
        X509_STORE_free(roots);
        return err_set(err, ERR_IO, "OpenSSL cannot make a TLS context");
    }
    SSL_CTX_set_cert_store(h1->tls, roots);
    SSL_CTX_set_min_proto_version(h1->tls, TLS1_2_VERSION);
    /* A ticket would join two accounts in the server's eyes (security.md 23). */
    SSL_CTX_set_session_cache_mode(h1->tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(h1->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_info_callback(h1->tls, on_tls_event);
    return 0;
}

static int make_context(struct h1 *h1, struct err *err)
{
    static const struct lws_protocols protocols[] = {
        {.name = "signal", .callback = on_lws, .rx_buffer_size = RX_BUFFER_SIZE},
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
    lws_set_log_level(LLL_ERR | LLL_WARN, on_foreign_log);
    h1->context = lws_create_context(&info);
    if (!h1->context)
        return err_set(err, ERR_IO,
                       "libwebsockets does not start; is its plugin for libuv installed "
                       "(Debian: libwebsockets-evlib-uv)?");
    h1->vhost = lws_create_vhost(h1->context, &info);
    return h1->vhost ? 0 : err_set(err, ERR_IO, "libwebsockets cannot make its client");
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
    h1->handshake_timeout_ms = config->net_handshake_timeout_ms;
}
