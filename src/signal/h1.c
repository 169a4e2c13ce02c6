#include "signal/h1_context.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"
#include "net/tls_fault.h"
#include "signal/answer.h"

enum {
    SEND_MAX = 512, /* one message; an answer has about 30 bytes */
    CLOSE_DEADLINE_MS = 5000,
    RETRY_AFTER_SIZE = 48,
};

enum channel_state {
    CHANNEL_WAITING, /* for the connector's slot and address */
    CHANNEL_SHAKING, /* from the connect to the 101 */
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

/* The end of a channel. */

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
    connector_failed(channel->attempt);
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
        [REACHED_TCP] = TLS_FAULT_LATE,
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

static char not_connected; /* the mark of a connection that has not reached the server yet */

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
        .opaque_user_data = &not_connected,
        .ietf_version_or_minus_one = -1,
    };
    channel->state = CHANNEL_SHAKING;
    loop_timer_set(h1->loop, &channel->timer, h1->connect_timeout_ms);
    if (lws_client_connect_via_info(&info) || channel->state == CHANNEL_ENDED)
        return;
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

static void on_tcp(struct channel *channel)
{
    channel->reached = REACHED_TCP;
    loop_timer_set(channel->h1->loop, &channel->timer, channel->h1->handshake_timeout_ms);
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
    struct channel_credentials credentials;
    channel->reached = REACHED_REQUEST;
    channel->events->asking(channel->arg, &credentials);
    int result = add_header(wsi, "authorization:", credentials.authorization, at, end);
    if (result == 0)
        result = add_header(wsi, "user-agent:", credentials.user_agent, at, end);
    mem_free_secret(credentials.authorization);
    return result == 0 ? 0 : -1;
}

static int64_t retry_after_ms(struct lws *wsi)
{
    char text[RETRY_AFTER_SIZE];
    int length = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_RETRY_AFTER);
    return length > 0 ? answer_retry_after_ms(text, (size_t)length) : 0;
}

static bool has_signal_timestamp(struct lws *wsi)
{
    static const char name[] = "x-signal-timestamp:";
    return lws_hdr_custom_length(wsi, name, (int)strlen(name)) > 0;
}

static void finish_tls(struct channel *channel, const SSL *ssl)
{
    static const enum transport_end_kind kinds[] = {
        [TLS_FAULT_CUT_OFF] = TRANSPORT_UNREACHABLE,
        [TLS_FAULT_HANDSHAKE] = TRANSPORT_TLS,
        [TLS_FAULT_UNTIMELY] = TRANSPORT_UNTIMELY,
    };
    char text[sizeof channel->end->text];
    enum tls_fault fault = tls_fault_of_handshake(ssl, text, sizeof text);
    finish_unanswered(channel, kinds[fault], text);
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

/* Messages. */

static int on_established(struct channel *channel)
{
    channel->state = CHANNEL_OPEN;
    loop_timer_cancel(channel->h1->loop, &channel->timer);
    release_attempt(channel);
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

static struct h1 *h1_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* `user` is the channel, or NULL once it was let go; for other reasons it may be something else. */
int h1_on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
              size_t length)
{
    struct channel *channel = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_HTTP_BIND_PROTOCOL:
        if (channel)
            channel->wsi = wsi;
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        lws_set_opaque_user_data(wsi, NULL);
        if (channel)
            on_tcp(channel);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (lws_get_opaque_user_data(wsi) == &not_connected)
            h1_close_forgotten_watcher(h1_of(wsi), wsi);
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
        h1_of(wsi)->websockets++;
        return on_established(channel);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return channel ? on_receive(channel, wsi, in, length) : 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return channel ? drain(channel) : 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return channel ? on_peer_close(channel, in, length) : -1;
    case LWS_CALLBACK_CLIENT_CLOSED:
        h1_of(wsi)->websockets--;
        if (channel)
            on_closed(channel, wsi);
        return 0;
    default:
        return 0;
    }
}

/* The transport's functions. */

static struct channel *h1_open(void *transport, bool candidate,
                               const struct transport_events *events, void *arg)
{
    struct h1 *h1 = transport;
    struct channel *channel = mem_new(sizeof *channel);
    channel->h1 = h1;
    channel->events = events;
    channel->arg = arg;
    timer_init(&channel->timer, on_timer, channel);
    buf_init(&channel->out, TRANSPORT_UNSENT_MAX);
    channel->attempt =
        connector_start(h1->connector, candidate ? CONNECTOR_CANDIDATE : CONNECTOR_ACCOUNT,
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
