#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "signal/answer.h"
#include "signal/h2_parts.h"

enum {
    SEND_MAX = 512, /* one message; an answer has about 30 bytes */
    CLOSE_DEADLINE_MS = 5000,
    STATUS_FINAL = 200, /* below it are those that another follows */
    STATUS_OK = 200,
    STATUS_DIGITS = 3,
};

struct channel *h2_channel_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* The end of a channel. */

static void drop_unsent(struct channel *channel)
{
    if (channel->out)
        buf_fini(channel->out);
    free(channel->out);
    channel->out = NULL;
}

static void destroy(struct channel *channel)
{
    loop_timer_cancel(channel->h2->loop, &channel->timer);
    list_remove(&channel->node);
    frames_fini(&channel->frames);
    drop_unsent(channel);
    free(channel->end);
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

/* Its owner hears of it on the next turn. The stream may have to live on for our Close. */
static void finish(struct channel *channel, const struct transport_end *end)
{
    channel->state = H2_ENDED;
    channel->end = mem_new(sizeof *channel->end);
    *channel->end = *end;
    loop_timer_set(channel->h2->loop, &channel->timer, 0);
}

/* It got no answer. Where others do, it is not the road's fault. */
static void finish_unanswered(struct channel *channel, const char *text)
{
    struct transport_end end = {.kind = TRANSPORT_UNREACHABLE, .alone = channel->h2->serving > 0};
    snprintf(end.text, sizeof end.text, "%s", text);
    free(channel->end);
    finish(channel, &end);
}

static void finish_text(struct channel *channel, enum transport_end_kind kind, const char *text)
{
    struct transport_end end = {.kind = kind};
    snprintf(end.text, sizeof end.text, "%s", text);
    finish(channel, &end);
}

static void finish_closing(struct channel *channel)
{
    bool violation = channel->close_kind == TRANSPORT_VIOLATION;
    struct transport_end end = {.kind = channel->close_kind};
    if (violation)
        end = *channel->end;
    free(channel->end);
    finish(channel, &end);
}

static void on_timer(void *arg)
{
    struct channel *channel = arg;
    if (!channel->events) {
        leave_stream(channel, NGHTTP2_CANCEL);
        destroy(channel);
    } else if (channel->state == H2_ASKING) {
        h2_connection_is_mute(channel->connection);
        leave_stream(channel, NGHTTP2_CANCEL);
        finish_unanswered(channel, "no answer to the request in time");
    } else if (channel->state == H2_CLOSING) {
        leave_stream(channel, NGHTTP2_CANCEL);
        finish_closing(channel);
    } else {
        struct transport_end end = *channel->end;
        channel->events->ended(channel->arg, &end);
    }
}

/* What we send. */

/* nghttp2 asks for what goes into the next DATA frame. Once it has all, it keeps nothing of the
 * stream's sending side: an idle link costs no room for it, there or here. */
static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t length,
                       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)source, (void)arg;
    struct channel *channel = h2_channel_of(session, id);
    if (!channel)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    struct buf *out = channel->out;
    size_t taken = length < out->length ? length : out->length;
    memcpy(to, out->bytes, taken);
    buf_consume(out, taken);
    if (out->length)
        return (ssize_t)taken;
    drop_unsent(channel);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!channel->said_all)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    else if (channel->state == H2_CLOSING && channel->events)
        finish_closing(channel);
    return (ssize_t)taken;
}

static int put_frame(struct channel *channel, enum frames_opcode opcode, const uint8_t *payload,
                     size_t length)
{
    static const nghttp2_data_provider provider = {.read_callback = on_read};
    uint8_t frame[FRAMES_HEADER_MAX + SEND_MAX];
    if (length > SEND_MAX || channel->said_all)
        return ERR_LIMIT;
    size_t size = frames_write(frame, opcode, payload, length);
    if (channel->out)
        return buf_add(channel->out, frame, size) == 0 ? 0 : ERR_LIMIT;
    channel->out = mem_new(sizeof *channel->out);
    buf_init(channel->out, TRANSPORT_UNSENT_MAX);
    buf_add(channel->out, frame, size);
    int result = nghttp2_submit_data(channel->connection->session, NGHTTP2_FLAG_END_STREAM,
                                     channel->id, &provider);
    return result == 0 ? 0 : ERR_LIMIT;
}

/* The last that we say, with END_STREAM. Where the server does not read, its deadline passes. */
static void put_close(struct channel *channel, int code, const char *reason)
{
    uint8_t payload[FRAMES_CONTROL_MAX];
    size_t length = code == FRAMES_NO_CODE ? 0 : frames_close_payload(payload, code, reason);
    put_frame(channel, FRAMES_CLOSE, payload, length);
    channel->said_all = true;
}

/* The answer to CONNECT. */

void h2_channel_asked(struct channel *channel, struct h2_connection *connection, int32_t id)
{
    channel->connection = connection;
    channel->id = id;
    channel->state = H2_ASKING;
    channel->end = mem_new(sizeof *channel->end);
    loop_timer_set(channel->h2->loop, &channel->timer, channel->h2->handshake_timeout_ms);
}

static bool is_named(const char *name, size_t length, const char *wanted)
{
    return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

/* nghttp2 saw to it that there is one :status, of three digits. */
void h2_channel_header(struct channel *channel, const char *name, size_t name_length,
                       const char *value, size_t length)
{
    if (channel->state != H2_ASKING)
        return;
    struct transport_end *end = channel->end;
    if (is_named(name, name_length, ":status"))
        for (size_t i = 0; i < length && i < STATUS_DIGITS; i++)
            end->status = 10 * end->status + value[i] - '0';
    else if (is_named(name, name_length, "x-signal-timestamp"))
        end->has_timestamp = length > 0;
    else if (is_named(name, name_length, "retry-after"))
        end->retry_after_ms = answer_retry_after_ms(value, length);
}

static void open_up(struct channel *channel)
{
    free(channel->end);
    channel->end = NULL;
    channel->state = H2_OPEN;
    loop_timer_cancel(channel->h2->loop, &channel->timer);
    channel->events->opened(channel->arg);
}

void h2_channel_answered(struct channel *channel)
{
    if (channel->state != H2_ASKING)
        return;
    if (channel->end->status < STATUS_FINAL) {
        channel->end->status = 0;
        return;
    }
    h2_connection_serves(channel->connection);
    if (channel->end->status == STATUS_OK) {
        open_up(channel);
        return;
    }
    struct transport_end end = *channel->end;
    end.kind = TRANSPORT_STATUS;
    free(channel->end);
    leave_stream(channel, NGHTTP2_CANCEL);
    finish(channel, &end);
}

/* What comes in. */

static void begin_close(struct channel *channel, int code, const char *reason,
                        enum transport_end_kind kind)
{
    channel->state = H2_CLOSING;
    channel->close_kind = (uint8_t)kind;
    channel->end = mem_new(sizeof *channel->end);
    channel->end->kind = kind;
    snprintf(channel->end->text, sizeof channel->end->text, "%s", reason);
    loop_timer_set(channel->h2->loop, &channel->timer, CLOSE_DEADLINE_MS);
    put_close(channel, code, reason);
}

static void on_peer_close(struct channel *channel, const struct frames_item *item)
{
    struct transport_end end = {.kind = TRANSPORT_CLOSE, .close_code = item->code};
    text_words(end.text, sizeof end.text, item->bytes, item->length);
    put_close(channel, item->code, "");
    finish(channel, &end);
}

static void take(struct channel *channel, const struct frames_item *item)
{
    switch (item->kind) {
    case FRAMES_IS_PIECE:
        channel->events->piece(channel->arg, item->bytes, item->length, item->first, item->last);
        break;
    case FRAMES_IS_PING:
        put_frame(channel, FRAMES_PONG, item->bytes, item->length);
        break;
    case FRAMES_IS_CLOSE:
        on_peer_close(channel, item);
        break;
    case FRAMES_IS_FAULT:
        begin_close(channel, item->code, item->text, TRANSPORT_VIOLATION);
        break;
    case FRAMES_IS_MORE:
        break;
    }
}

/* Its owner may close or free it at any item. */
void h2_channel_received(struct channel *channel, const uint8_t *bytes, size_t length)
{
    nghttp2_session *session = channel->connection->session;
    int32_t id = channel->id;
    struct frames_item item = {.kind = FRAMES_IS_PIECE};
    while (item.kind != FRAMES_IS_MORE && h2_channel_of(session, id) == channel &&
           channel->state == H2_OPEN) {
        frames_next(&channel->frames, &bytes, &length, TRANSPORT_MESSAGE_MAX, &item);
        take(channel, &item);
    }
}

static void finish_lost(struct channel *channel)
{
    if (channel->state == H2_OPEN)
        finish_text(channel, TRANSPORT_LOST, "it ended without a Close");
    else
        finish_unanswered(channel, "cut off without an answer");
}

/* The server has ended its side, and so the websocket, whether it said so or not. */
void h2_channel_heard_all(struct channel *channel)
{
    if (channel->state != H2_OPEN)
        return;
    finish_lost(channel);
    leave_stream(channel, NGHTTP2_CANCEL);
}

void h2_channel_refused(struct channel *channel)
{
    free(channel->end);
    channel->end = NULL;
    channel->id = 0;
    channel->connection = NULL;
    channel->state = H2_QUEUED;
    loop_timer_cancel(channel->h2->loop, &channel->timer);
    list_remove(&channel->node);
    h2_enqueue(channel->h2, channel);
}

void h2_channel_closed(struct channel *channel)
{
    channel->id = 0;
    channel->connection = NULL;
    list_remove(&channel->node);
    if (!channel->events)
        destroy(channel);
    else if (channel->state == H2_CLOSING)
        finish_closing(channel);
    else if (channel->state != H2_ENDED)
        finish_lost(channel);
}

void h2_channel_cut(struct channel *channel, const struct transport_end *end)
{
    channel->id = 0;
    channel->connection = NULL;
    list_remove(&channel->node);
    if (!channel->events) {
        destroy(channel);
    } else if (channel->state == H2_CLOSING) {
        finish_closing(channel);
    } else if (channel->state != H2_ENDED) {
        struct transport_end its_own = *end;
        if (channel->state == H2_OPEN && its_own.kind == TRANSPORT_UNREACHABLE)
            its_own.kind = TRANSPORT_LOST;
        else if (channel->state != H2_OPEN && its_own.kind == TRANSPORT_LOST)
            its_own.kind = TRANSPORT_UNREACHABLE;
        free(channel->end);
        finish(channel, &its_own);
    }
}

/* The transport's functions. */

struct channel *h2_channel_new(struct h2 *h2, bool candidate, const struct transport_events *events,
                               void *arg)
{
    struct channel *channel = mem_new(sizeof *channel);
    channel->h2 = h2;
    channel->events = events;
    channel->arg = arg;
    channel->lane = candidate ? CONNECTOR_CANDIDATE : CONNECTOR_ACCOUNT;
    list_init(&channel->node);
    timer_init(&channel->timer, on_timer, channel);
    frames_init(&channel->frames);
    return channel;
}

int h2_channel_send(struct channel *channel, const uint8_t *message, size_t length)
{
    if (channel->state != H2_OPEN)
        return ERR_NOT_NOW;
    int result = put_frame(channel, FRAMES_BINARY, message, length);
    h2_connection_flush(channel->connection);
    return result;
}

void h2_channel_close(struct channel *channel, int code, const char *reason)
{
    if (channel->state == H2_QUEUED || channel->state == H2_ASKING) {
        if (channel->state == H2_QUEUED)
            channel->h2->queued--;
        leave_stream(channel, NGHTTP2_CANCEL);
        free(channel->end);
        finish_text(channel, TRANSPORT_STOPPED, "");
    } else if (channel->state == H2_OPEN) {
        begin_close(channel, code, reason, TRANSPORT_STOPPED);
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
    channel->events = NULL;
    if (channel->id && channel->said_all) {
        loop_timer_set(channel->h2->loop, &channel->timer, CLOSE_DEADLINE_MS);
        return;
    }
    if (channel->state == H2_QUEUED)
        channel->h2->queued--;
    leave_stream(channel, NGHTTP2_CANCEL);
    destroy(channel);
}
