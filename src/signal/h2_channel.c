#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "signal/answer.h"
#include "signal/h2_parts.h"

enum {
    STATUS_FINAL = 200, /* below it are those that another follows */
    STATUS_OK = 200,
    STATUS_DIGITS = 3,
};

struct channel *h2_channel_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* The end of a channel. */

/* Each account has a channel: no pointer where its road shows the way. */
static struct h2 *h2_of(const struct channel *channel)
{
    return list_owner(channel->websocket.road, struct h2, road);
}

static void drop_unsent(struct channel *channel)
{
    if (channel->out)
        buf_fini(channel->out);
    free(channel->out);
    channel->out = NULL;
}

static void destroy(struct channel *channel)
{
    list_remove(&channel->node);
    drop_unsent(channel);
    if (websocket_fini(&channel->websocket))
        free(channel);
}

/* nghttp2 knows the stream on, until it is closed there; it finds no channel any more. */
static void leave_stream(struct channel *channel, uint32_t error)
{
    struct h2_connection *connection = channel->connection;
    int32_t id = channel->id;
    channel->id = 0;
    channel->connection = NULL;
    list_remove(&channel->node);
    if (!id)
        return;
    nghttp2_session_set_stream_user_data(connection->session, id, NULL);
    nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, id, error);
    h2_connection_flush(connection);
}

/* It got no answer. Where others do, it is not the road's fault. */
static void end_unanswered(struct channel *channel, const char *text)
{
    struct transport_end end = {.kind = TRANSPORT_UNREACHABLE,
                                .alone = h2_of(channel)->serving > 0};
    snprintf(end.text, sizeof end.text, "%s", text);
    websocket_end(&channel->websocket, &end);
}

static void on_timer(void *arg)
{
    struct channel *channel = arg;
    struct websocket *websocket = &channel->websocket;
    if (!websocket->events) {
        leave_stream(channel, NGHTTP2_CANCEL);
        destroy(channel);
    } else if (websocket->state == WEBSOCKET_ASKING) {
        h2_connection_is_mute(channel->connection);
        leave_stream(channel, NGHTTP2_CANCEL);
        end_unanswered(channel, "no answer to the request in time");
    } else if (websocket->state == WEBSOCKET_CLOSING) {
        leave_stream(channel, NGHTTP2_CANCEL);
        websocket_end_closing(websocket);
    } else {
        websocket_tell_end(websocket);
    }
}

/* What we send. */

/* nghttp2 asks for what goes into the next DATA frame. Once it has all, it keeps nothing of the
 * stream's sending side: an idle link costs no room for it, there or here. Our Close goes with
 * END_STREAM. */
static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t length,
                       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)source, (void)arg;
    struct channel *channel = h2_channel_of(session, id);
    if (!channel)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    struct websocket *websocket = &channel->websocket;
    struct buf *out = channel->out;
    size_t taken = length < out->length ? length : out->length;
    memcpy(to, out->bytes, taken);
    buf_consume(out, taken);
    if (out->length)
        return (ssize_t)taken;
    drop_unsent(channel);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!websocket->said_all)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    else if (websocket->state == WEBSOCKET_CLOSING && websocket->events)
        websocket_end_closing(websocket);
    return (ssize_t)taken;
}

static bool has_more_unsent(const struct channel *channel, size_t most)
{
    return channel->out && channel->out->length > most;
}

int h2_channel_put(struct websocket *websocket, const uint8_t *frame, size_t length, size_t most)
{
    static const nghttp2_data_provider provider = {.read_callback = on_read};
    struct channel *channel = list_owner(websocket, struct channel, websocket);
    channel->connection->due |= channel->connection->inside; /* a PONG, or an answer right away */
    if (has_more_unsent(channel, most - length))
        return ERR_LIMIT;
    if (channel->out)
        return buf_add(channel->out, frame, length);
    channel->out = mem_new(sizeof *channel->out);
    buf_init(channel->out, WEBSOCKET_UNSENT_MAX);
    buf_add(channel->out, frame, length);
    int result = nghttp2_submit_data(channel->connection->session, NGHTTP2_FLAG_END_STREAM,
                                     channel->id, &provider);
    return result == 0 ? 0 : ERR_LIMIT;
}

/* The answer to CONNECT. */

void h2_channel_asked(struct channel *channel, struct h2_connection *connection, int32_t id)
{
    channel->connection = connection;
    channel->id = id;
    channel->websocket.end = mem_new(sizeof *channel->websocket.end);
    websocket_asked(&channel->websocket, h2_of(channel)->handshake_timeout_ms);
}

static bool is_named(const char *name, size_t length, const char *wanted)
{
    return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

/* nghttp2 saw to it that there is one :status, of three digits. */
void h2_channel_header(struct channel *channel, const char *name, size_t name_length,
                       const char *value, size_t length)
{
    if (channel->websocket.state != WEBSOCKET_ASKING)
        return;
    struct transport_end *end = channel->websocket.end;
    if (is_named(name, name_length, ":status"))
        for (size_t i = 0; i < length && i < STATUS_DIGITS; i++)
            end->status = 10 * end->status + value[i] - '0';
    else if (is_named(name, name_length, "x-signal-timestamp"))
        end->has_timestamp = length > 0;
    else if (is_named(name, name_length, "retry-after"))
        end->retry_after_ms = answer_retry_after_ms(value, length);
}

void h2_channel_answered(struct channel *channel)
{
    struct websocket *websocket = &channel->websocket;
    if (websocket->state != WEBSOCKET_ASKING)
        return;
    if (websocket->end->status < STATUS_FINAL) {
        websocket->end->status = 0;
        return;
    }
    h2_connection_serves(channel->connection);
    if (websocket->end->status == STATUS_OK) {
        if (!websocket_open(websocket))
            free(channel);
        return;
    }
    struct transport_end end = *websocket->end;
    end.kind = TRANSPORT_STATUS;
    leave_stream(channel, NGHTTP2_CANCEL);
    websocket_end(websocket, &end);
}

/* What comes in. */

void h2_channel_received(struct channel *channel, const uint8_t *bytes, size_t length)
{
    if (!websocket_hear(&channel->websocket, bytes, length))
        free(channel);
}

static void end_lost(struct channel *channel)
{
    if (channel->websocket.state == WEBSOCKET_OPEN)
        websocket_end_text(&channel->websocket, TRANSPORT_LOST, "it ended without a Close");
    else
        end_unanswered(channel, "cut off without an answer");
}

/* The server has ended its side, and so the websocket, whether it said so or not. */
void h2_channel_heard_all(struct channel *channel)
{
    if (channel->websocket.state != WEBSOCKET_OPEN)
        return;
    end_lost(channel);
    leave_stream(channel, NGHTTP2_CANCEL);
}

void h2_channel_refused(struct channel *channel)
{
    channel->id = 0;
    channel->connection = NULL;
    list_remove(&channel->node);
    websocket_wait(&channel->websocket);
    h2_enqueue(h2_of(channel), channel);
}

void h2_channel_closed(struct channel *channel)
{
    struct websocket *websocket = &channel->websocket;
    channel->id = 0;
    channel->connection = NULL;
    list_remove(&channel->node);
    if (!websocket->events)
        destroy(channel);
    else if (websocket->state == WEBSOCKET_CLOSING)
        websocket_end_closing(websocket);
    else if (websocket->state != WEBSOCKET_ENDED)
        end_lost(channel);
}

void h2_channel_cut(struct channel *channel, const struct transport_end *end)
{
    struct websocket *websocket = &channel->websocket;
    channel->id = 0;
    channel->connection = NULL;
    list_remove(&channel->node);
    if (!websocket->events) {
        destroy(channel);
    } else if (websocket->state == WEBSOCKET_CLOSING) {
        websocket_end_closing(websocket);
    } else if (websocket->state != WEBSOCKET_ENDED) {
        bool is_open = websocket->state == WEBSOCKET_OPEN;
        struct transport_end its_own = *end;
        if (is_open && its_own.kind == TRANSPORT_UNREACHABLE)
            its_own.kind = TRANSPORT_LOST;
        else if (!is_open && its_own.kind == TRANSPORT_LOST)
            its_own.kind = TRANSPORT_UNREACHABLE;
        websocket_end(websocket, &its_own);
    }
}

/* The transport's functions. */

struct channel *h2_channel_new(struct h2 *h2, bool candidate, const struct transport_events *events,
                               void *arg)
{
    struct channel *channel = mem_new(sizeof *channel);
    channel->lane = candidate ? CONNECTOR_CANDIDATE : CONNECTOR_ACCOUNT;
    list_init(&channel->node);
    websocket_init(&channel->websocket, &h2->road, events, arg, on_timer, channel);
    return channel;
}

int h2_channel_send(struct channel *channel, const uint8_t *message, size_t length)
{
    int result = websocket_send(&channel->websocket, message, length);
    if (!channel->connection)
        return result;
    if (has_more_unsent(channel,
                        TRANSPORT_UNSENT_MAX / 2)) /* only the server's reading sets limits */
        h2_connection_flush(channel->connection);
    else
        h2_connection_flush_answers(channel->connection);
    return result;
}

int h2_channel_send_lazily(struct channel *channel, const uint8_t *message, size_t length)
{
    int result = websocket_send(&channel->websocket, message, length);
    if (channel->connection)
        h2_connection_flush_soon(channel->connection);
    return result;
}

void h2_channel_close(struct channel *channel, int code, const char *reason)
{
    struct websocket *websocket = &channel->websocket;
    if (websocket->state == WEBSOCKET_WAITING || websocket->state == WEBSOCKET_ASKING) {
        if (websocket->state == WEBSOCKET_WAITING)
            h2_of(channel)->queued--;
        leave_stream(channel, NGHTTP2_CANCEL);
        websocket_end_text(websocket, TRANSPORT_STOPPED, "");
    } else if (websocket->state == WEBSOCKET_OPEN) {
        websocket_close(websocket, code, reason);
        h2_connection_flush(channel->connection);
    }
}

void h2_channel_idle(struct channel *channel)
{
    if (channel->connection)
        h2_connection_idle(channel->connection);
}

/* A stream in which our Close is said, or about to be, lives on until the server ends it, too: to
 * reset it could overtake what it has not read yet. */
void h2_channel_free(struct channel *channel)
{
    struct websocket *websocket = &channel->websocket;
    websocket->events = NULL;
    if (channel->id && websocket->said_all) {
        loop_timer_set(h2_of(channel)->loop, &websocket->timer, WEBSOCKET_CLOSE_MS);
        return;
    }
    if (websocket->state == WEBSOCKET_WAITING)
        h2_of(channel)->queued--;
    leave_stream(channel, NGHTTP2_CANCEL);
    destroy(channel);
}
