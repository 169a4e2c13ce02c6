#include "signal/h1.h"

#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/url.h"
#include "net/stream.h"
#include "signal/head.h"
#include "signal/tls.h"
#include "signal/websocket.h"

enum { KEY_BYTES = 16, REQUEST_MAX = 8 * 1024 };

struct h1 {
    struct websocket_road road;
    struct loop *loop;
    struct connector *connector;
    SSL_CTX *tls; /* NULL: clear text, for tests on loopback */
    struct url url;
    char authority[URL_ORIGIN_SIZE];
    int64_t connect_timeout_ms, handshake_timeout_ms;
};

struct channel {
    struct websocket websocket;
    struct h1 *h1;
    struct attempt *attempt; /* its slot among the handshakes; NULL: over */
    struct stream *stream;   /* NULL: not yet, or no more */
    struct head *head;       /* while it asks */
};

/* The end of a channel. */

static void end_handshake(struct channel *channel)
{
    if (channel->attempt)
        connector_end(channel->attempt);
    channel->attempt = NULL;
    free(channel->head);
    channel->head = NULL;
}

static void hang_up(struct channel *channel)
{
    end_handshake(channel);
    stream_free(channel->stream);
    channel->stream = NULL;
}

/* It came to nothing before the server gave an answer: another address may do better. */
static void end_unanswered(struct channel *channel, enum transport_end_kind kind, const char *text)
{
    if (channel->attempt)
        connector_failed(channel->attempt);
    hang_up(channel);
    websocket_end_text(&channel->websocket, kind, text);
}

static void on_timer(void *arg)
{
    struct channel *channel = arg;
    struct websocket *websocket = &channel->websocket;
    if (websocket->state == WEBSOCKET_ASKING) {
        end_unanswered(channel, TRANSPORT_UNREACHABLE, "no answer to the request in time");
    } else if (websocket->state == WEBSOCKET_CLOSING) {
        hang_up(channel);
        websocket_end_closing(websocket);
    } else {
        websocket_tell_end(websocket);
    }
}

/* The request */

/* Formatting would leave copies of the credentials behind. */
static void write_request(const struct h1 *h1, const char *key,
                          const struct channel_credentials *credentials, struct buf *request)
{
    buf_format(request,
               "GET %s HTTP/1.1\r\n"
               "Pragma: no-cache\r\n"
               "Cache-Control: no-cache\r\n"
               "Host: %s\r\n"
               "Upgrade: websocket\r\n"
               "Connection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\n"
               "Sec-WebSocket-Version: 13\r\n",
               h1->url.target, h1->authority, key);
    if (credentials->authorization) {
        buf_add_text(request, "authorization: ");
        buf_add_text(request, credentials->authorization);
        buf_add_text(request, "\r\n");
    }
    buf_add_text(request, "user-agent: ");
    buf_add_text(request, credentials->user_agent);
    buf_add_text(request, "\r\n\r\n");
}

static void ask(struct channel *channel)
{
    struct websocket *websocket = &channel->websocket;
    struct channel_credentials credentials;
    struct buf request;
    uint8_t bytes[KEY_BYTES];
    char key[HEAD_KEY_SIZE];
    random_bytes(bytes, sizeof bytes);
    b64_encode(key, bytes, sizeof bytes);
    channel->head = mem_new(sizeof *channel->head);
    head_init(channel->head, key);
    buf_init_secret(&request, REQUEST_MAX);
    websocket->events->asking(websocket->arg, &credentials);
    write_request(channel->h1, key, &credentials, &request);
    mem_free_secret(credentials.authorization);
    websocket_asked(websocket, channel->h1->handshake_timeout_ms);
    stream_write(channel->stream, request.bytes, request.length); /* if it fails, it ends */
    buf_fini(&request);
}

/* The answer */

static void refuse(struct channel *channel)
{
    const struct head *head = channel->head;
    struct transport_end end = {.kind = TRANSPORT_STATUS,
                                .status = head->status,
                                .has_timestamp = head->has_timestamp,
                                .retry_after_ms = head->retry_after_ms};
    hang_up(channel);
    websocket_end(&channel->websocket, &end);
}

/* False: nothing that follows may be heard. */
static bool read_head(struct channel *channel, const uint8_t **bytes, size_t *length)
{
    switch (head_take(channel->head, bytes, length)) {
    case HEAD_MORE:
        return false;
    case HEAD_WRONG:
        end_unanswered(channel, TRANSPORT_UNREACHABLE, "its answer is not one of HTTP/1.1");
        return false;
    case HEAD_DONE:
        break;
    }
    if (!head_grants(channel->head)) {
        refuse(channel);
        return false;
    }
    end_handshake(channel);
    if (websocket_open(&channel->websocket))
        return true;
    free(channel);
    return false;
}

/* What its stream says */

static void on_open(void *arg, const char *protocol)
{
    (void)protocol;
    ask(arg);
}

/* Once our Close is with the kernel, nothing is left to wait for. */
static void look_whether_closed(struct channel *channel)
{
    if (channel->websocket.state == WEBSOCKET_CLOSING && channel->websocket.said_all &&
        stream_unsent(channel->stream) == 0)
        websocket_end_closing(&channel->websocket);
}

static void on_received(void *arg, const uint8_t *bytes, size_t length)
{
    struct channel *channel = arg;
    if (channel->websocket.state == WEBSOCKET_ASKING && !read_head(channel, &bytes, &length))
        return;
    if (websocket_hear(&channel->websocket, bytes, length))
        look_whether_closed(channel);
    else
        free(channel);
}

static void on_sent(void *arg)
{
    look_whether_closed(arg);
}

static void end_before_answer(struct channel *channel, const struct stream_end *end)
{
    static const enum transport_end_kind kinds[] = {
        [STREAM_UNREACHABLE] = TRANSPORT_UNREACHABLE,
        [STREAM_TLS] = TRANSPORT_TLS,
        [STREAM_UNTIMELY] = TRANSPORT_UNTIMELY,
        [STREAM_ENDED] = TRANSPORT_UNREACHABLE,
    };
    bool asked = channel->websocket.state == WEBSOCKET_ASKING;
    end_unanswered(channel, kinds[end->kind], asked ? "cut off without an answer" : end->text);
}

static void on_ended(void *arg, const struct stream_end *end)
{
    struct channel *channel = arg;
    struct websocket *websocket = &channel->websocket;
    if (websocket->state == WEBSOCKET_WAITING || websocket->state == WEBSOCKET_ASKING) {
        end_before_answer(channel, end);
        return;
    }
    hang_up(channel);
    if (websocket->state == WEBSOCKET_OPEN)
        websocket_end_text(websocket, TRANSPORT_LOST, "it ended without a Close");
    else if (websocket->state == WEBSOCKET_CLOSING)
        websocket_end_closing(websocket);
}

static const struct stream_events stream_events = {
    .open = on_open, .received = on_received, .sent = on_sent, .ended = on_ended};

static void on_connector(void *arg, const struct address *winner, const struct err *err)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    struct channel *channel = arg;
    const struct h1 *h1 = channel->h1;
    if (!winner) {
        struct transport_end end = {.kind = TRANSPORT_UNREACHABLE};
        text_printable(end.text, sizeof end.text, err->text, strlen(err->text));
        end_handshake(channel);
        websocket_end(&channel->websocket, &end);
        return;
    }
    struct stream_target target = {
        .tls = h1->tls,
        .host = h1->url.host,
        .alpn = alpn,
        .alpn_length = sizeof alpn - 1,
        .connect_timeout_ms = h1->connect_timeout_ms,
        .handshake_timeout_ms = h1->handshake_timeout_ms,
    };
    channel->stream = stream_open(h1->loop, &target, winner,
                                  connector_take_socket(channel->attempt), &stream_events, channel);
}

/* The transport's functions. */

static int h1_put(struct websocket *websocket, const uint8_t *frame, size_t length, size_t most)
{
    const struct channel *channel = list_owner(websocket, struct channel, websocket);
    if (!channel->stream)
        return ERR_NOT_NOW;
    if (stream_unsent(channel->stream) + length > most)
        return ERR_LIMIT;
    return stream_write(channel->stream, frame, length);
}

static struct channel *h1_open(void *transport, bool candidate,
                               const struct transport_events *events, void *arg)
{
    struct h1 *h1 = transport;
    struct channel *channel = mem_new(sizeof *channel);
    channel->h1 = h1;
    websocket_init(&channel->websocket, &h1->road, events, arg, on_timer, channel);
    channel->attempt =
        connector_start(h1->connector, candidate ? CONNECTOR_CANDIDATE : CONNECTOR_ACCOUNT,
                        h1->url.host, h1->url.port, on_connector, channel);
    return channel;
}

static int h1_send(struct channel *channel, const uint8_t *message, size_t length)
{
    return websocket_send(&channel->websocket, message, length);
}

static void h1_close(struct channel *channel, int code, const char *reason)
{
    struct websocket *websocket = &channel->websocket;
    if (websocket->state == WEBSOCKET_WAITING || websocket->state == WEBSOCKET_ASKING) {
        hang_up(channel);
        websocket_end_text(websocket, TRANSPORT_STOPPED, "");
    } else if (websocket->state == WEBSOCKET_OPEN) {
        websocket_close(websocket, code, reason);
        look_whether_closed(channel);
    }
}

static void h1_idle(struct channel *channel)
{
    if (channel->stream)
        stream_idle(channel->stream);
}

/* Where our Close was said, it and all before it still goes out. */
static void h1_free_channel(struct channel *channel)
{
    if (channel->stream && channel->websocket.said_all) {
        stream_finish(channel->stream);
        channel->stream = NULL;
    }
    hang_up(channel);
    if (websocket_fini(&channel->websocket))
        free(channel);
}

const struct transport_ops h1_ops = {
    .name = "http1",
    .open = h1_open,
    .send = h1_send,
    .send_lazily = h1_send,
    .close = h1_close,
    .idle = h1_idle,
    .free = h1_free_channel,
};

/* The server, and what proves that it is. */
static int take_server(struct h1 *h1, const struct config *config, struct err *err)
{
    if (url_parse(&h1->url, config->signal_url, err) != 0) {
        err_prefix(err, "signal.url");
        return ERR_INVALID;
    }
    url_authority(&h1->url, h1->authority);
    if (!url_wants_tls(&h1->url))
        return 0;
    h1->tls = tls_new(config->signal_ca_file, TLS1_2_VERSION, err);
    return h1->tls ? 0 : ERR_INVALID;
}

struct h1 *h1_new(struct loop *loop, struct connector *connector, const struct config *config,
                  struct err *err)
{
    struct h1 *h1 = mem_new(sizeof *h1);
    h1->road = (struct websocket_road){.loop = loop, .put = h1_put};
    h1->loop = loop;
    h1->connector = connector;
    h1_reload(h1, config);
    if (take_server(h1, config, err) == 0)
        return h1;
    h1_free(h1);
    return NULL;
}

void h1_free(struct h1 *h1)
{
    if (!h1)
        return;
    SSL_CTX_free(h1->tls);
    url_fini(&h1->url);
    free(h1);
}

void h1_reload(struct h1 *h1, const struct config *config)
{
    h1->connect_timeout_ms = config->net_connect_timeout_ms;
    h1->handshake_timeout_ms = config->net_handshake_timeout_ms;
}
