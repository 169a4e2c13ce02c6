#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "signal/h2_parts.h"

enum {
    /* Of all streams together: whole messages of some, so that none which is read slowly holds up
     * another. What comes is taken as it comes, so that none of it takes memory. */
    WINDOW = 1024 * 1024,
    HEADER_LIST_MAX = 8192,
    RECORD = 4096, /* a hundred keep-alives */
    /* So long after the last write an answer waits, unless something must go sooner. Each write
     * wakes the server; but what comes in while nothing goes out is acknowledged by a packet of
     * its own. */
    TOGETHER_MS = 15,
    /* A link that is made anew finds the connection still there. */
    EMPTY_MS = 10 * 1000,
    UNANSWERED_MAX = 3,
    REFUSALS_MAX = 3, /* of one channel, each on another connection or after another limit */
};

#define SENT_AWAY "it sent us away (GOAWAY)"
#define TAKES_NONE "it takes no streams"

static const struct stream_events stream_events;

/* The end of a connection. */

/* Its channels hear of it on the next turn, so that this may be called from anywhere. */
static void fail(struct h2_connection *connection, enum transport_end_kind kind, const char *text)
{
    if (connection->failure)
        return;
    connection->failure = mem_new(sizeof *connection->failure);
    connection->failure->kind = kind;
    snprintf(connection->failure->text, sizeof connection->failure->text, "%s", text);
    loop_timer_set(connection->h2->loop, &connection->timer, 0);
    if (!connection->served)
        h2_rest(connection->h2);
    h2_connection_sort(connection);
}

static void release_attempt(struct h2_connection *connection)
{
    if (connection->attempt)
        connector_end(connection->attempt);
    connection->attempt = NULL;
}

static bool is_in_the_making(const struct h2_connection *connection)
{
    return connection->state == H2_DIALLING || connection->state == H2_GREETING;
}

static void cut_channels(struct h2_connection *connection, const struct transport_end *end)
{
    list_each_safe(node, &connection->channels)
        h2_channel_cut(list_owner(node, struct channel, node), end);
}

static void bury(struct h2_connection *connection)
{
    struct h2 *h2 = connection->h2;
    struct transport_end end = *connection->failure;
    bool came_to_nothing = !connection->served && !connection->sent_away; /* not told yet */
    if (connection->attempt && connection->stream)
        connector_failed(connection->attempt); /* another address may do better */
    cut_channels(connection, &end);
    h2_connection_free(connection);
    if (came_to_nothing)
        h2_give_up(h2, &end, h2->serving && h2->failures <= 1 ? h2->per_connection : SIZE_MAX);
}

/* Nobody needs it any more, or the server has asked us to go. */
static void retire(struct h2_connection *connection)
{
    connection->state = H2_LEAVING;
    nghttp2_session_terminate_session(connection->session, NGHTTP2_NO_ERROR);
    h2_connection_free(connection);
}

void h2_connection_free(struct h2_connection *connection)
{
    struct h2 *h2 = connection->h2;
    struct transport_end end = {.kind = TRANSPORT_STOPPED};
    bool in_the_making = is_in_the_making(connection);
    h2_connection_flush(connection);
    cut_channels(connection, &end);
    *(in_the_making ? &h2->in_the_making : &h2->standing) -= 1;
    h2->serving -= connection->served;
    release_attempt(connection);
    loop_timer_cancel(h2->loop, &connection->timer);
    loop_timer_cancel(h2->loop, &connection->flush);
    list_remove(&connection->node);
    if (connection->stream && (in_the_making || connection->failure))
        stream_free(connection->stream);
    else if (connection->stream)
        stream_finish(connection->stream);
    nghttp2_session_del(connection->session);
    free(connection->failure);
    free(connection);
    h2_wake(h2); /* whoever waits may have waited for it */
}

/* How many streams it carries. */

static size_t most(const struct h2_connection *connection)
{
    size_t most = nghttp2_session_get_remote_settings(connection->session,
                                                      NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (most > connection->most)
        most = connection->most;
    return most < connection->h2->per_connection ? most : connection->h2->per_connection;
}

/* Where the server's window is used up, nothing could be said in another stream either; and where
 * accounts share no connection, one that another has used is not taken. */
bool h2_connection_has_room(const struct h2_connection *connection)
{
    return connection->state == H2_READY && !connection->failure &&
           !(connection->h2->per_connection == 1 && connection->served) &&
           connection->streams < most(connection) &&
           nghttp2_session_get_remote_window_size(connection->session) > 0;
}

void h2_connection_sort(struct h2_connection *connection)
{
    struct h2 *h2 = connection->h2;
    list_remove(&connection->node);
    if (h2_connection_has_room(connection)) {
        list_append(&h2->roomy, &connection->node);
        h2_wake(h2);
    } else {
        list_append(&h2->others, &connection->node);
    }
}

void h2_connection_serves(struct h2_connection *connection)
{
    connection->h2->failures = 0;
    connection->h2->serving += !connection->served;
    connection->served = true;
    connection->unanswered = 0;
}

void h2_connection_is_mute(struct h2_connection *connection)
{
    if (++connection->unanswered < UNANSWERED_MAX || connection->state != H2_READY)
        return;
    connection->state = H2_LEAVING;
    h2_connection_sort(connection);
}

/* What nghttp2 says */

static void on_settings(struct h2_connection *connection)
{
    struct h2 *h2 = connection->h2;
    if (connection->failure)
        return;
    if (connection->state == H2_GREETING) {
        if (!nghttp2_session_get_remote_settings(connection->session,
                                                 NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL)) {
            fail(connection, TRANSPORT_NO_ROAD, "it has no websockets over HTTP/2");
            return;
        }
        connection->state = H2_READY;
        h2->in_the_making--;
        h2->standing++;
        release_attempt(connection);
        loop_timer_set(h2->loop, &connection->timer, h2->keepalive_ms);
    }
    uint32_t announced = nghttp2_session_get_remote_settings(
        connection->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (announced != connection->announced)
        connection->most = SIZE_MAX;
    connection->announced = announced;
    h2->announced = announced;
    if (announced == 0 && connection->streams == 0)
        fail(connection, TRANSPORT_UNREACHABLE, TAKES_NONE);
    h2_connection_sort(connection);
}

/* Instead of any answer, or with an error such as load shedding's: then it is meant for all. */
static void on_goaway(struct h2_connection *connection, uint32_t error)
{
    if (connection->state != H2_READY)
        return; /* the second of two is the usual farewell (RFC 9113 section 6.8) */
    connection->state = H2_LEAVING;
    connection->sent_away = error != NGHTTP2_NO_ERROR || !connection->h2->serving;
    if (!connection->served)
        h2_rest(connection->h2);
    if (connection->sent_away) {
        struct transport_end end = {
            .kind = TRANSPORT_UNREACHABLE, .text = SENT_AWAY, .sent_away = true};
        h2_give_up(connection->h2, &end, SIZE_MAX);
    }
    h2_connection_sort(connection);
    if (connection->streams == 0)
        loop_timer_set(connection->h2->loop, &connection->timer, 0);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_connection *connection = arg;
    struct channel *channel = h2_channel_of(session, frame->hd.stream_id);
    uint8_t flags = frame->hd.flags;
    connection->due |= frame->hd.type != NGHTTP2_DATA; /* as a window that opens */
    if (frame->hd.type == NGHTTP2_SETTINGS && !(flags & NGHTTP2_FLAG_ACK))
        on_settings(connection);
    else if (frame->hd.type == NGHTTP2_GOAWAY)
        on_goaway(connection, frame->goaway.error_code);
    else if (frame->hd.type == NGHTTP2_WINDOW_UPDATE && !frame->hd.stream_id)
        h2_connection_sort(connection);
    if (channel && frame->hd.type == NGHTTP2_HEADERS)
        h2_channel_answered(channel);
    if (!(flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    channel = h2_channel_of(session, frame->hd.stream_id); /* it may have left the stream */
    if (channel && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
        h2_channel_heard_all(channel);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
                     void *arg)
{
    (void)flags, (void)arg;
    struct channel *channel = h2_channel_of(session, frame->hd.stream_id);
    if (channel)
        h2_channel_header(channel, (const char *)name, name_length, (const char *)value, length);
    return 0;
}

/* nghttp2 gives the windows back as this returns: nothing of it is kept. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t length, void *arg)
{
    (void)flags, (void)arg;
    struct channel *channel = h2_channel_of(session, id);
    if (channel)
        h2_channel_received(channel, bytes, length);
    return 0;
}

/* It took fewer streams than it says, or goes away: whoever was above the last that it takes asks
 * elsewhere, and not for ever. */
static void on_refused(struct h2_connection *connection, struct channel *channel)
{
    struct transport_end end = {.kind = TRANSPORT_UNREACHABLE,
                                .sent_away = connection->sent_away,
                                .alone = connection->h2->serving && !connection->sent_away};
    bool takes_none = connection->state == H2_READY &&
                      (connection->streams == 0 || ++channel->refusals > REFUSALS_MAX);
    if (!connection->sent_away && !takes_none) {
        connection->most = connection->streams;
        h2_channel_refused(channel);
        return;
    }
    snprintf(end.text, sizeof end.text, "%s", connection->sent_away ? SENT_AWAY : TAKES_NONE);
    h2_rest(connection->h2);
    h2_channel_cut(channel, &end);
}

static void on_empty(struct h2_connection *connection)
{
    if (connection->h2->per_connection == 1 && connection->state == H2_READY)
        connection->state = H2_LEAVING;
    if (!connection->failure)
        loop_timer_set(connection->h2->loop, &connection->timer,
                       connection->state == H2_LEAVING ? 0 : EMPTY_MS);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    static const struct transport_end wants_http1 = {.kind = TRANSPORT_NO_ROAD,
                                                     .text = "it wants HTTP/1.1"};
    struct h2_connection *connection = arg;
    struct channel *channel = h2_channel_of(session, id);
    connection->streams--;
    if (channel && error == NGHTTP2_REFUSED_STREAM && channel->websocket.state == WEBSOCKET_ASKING)
        on_refused(connection, channel);
    else if (channel && error == NGHTTP2_HTTP_1_1_REQUIRED &&
             channel->websocket.state == WEBSOCKET_ASKING)
        h2_channel_cut(channel, &wants_http1);
    else if (channel)
        h2_channel_closed(channel);
    if (connection->streams == 0)
        on_empty(connection);
    h2_connection_sort(connection);
    return 0;
}

/* nghttp2 wants to hear no more: it ended the session for a fault of the server's, but for one that
 * goes away. */
static bool may_be_silent(const struct h2_connection *connection)
{
    return connection->state == H2_LEAVING && connection->streams == 0;
}

/* nghttp2 gives frame by frame; one record of TLS, and one call, takes them together. `fault`:
 * nghttp2's. Otherwise as stream_write. */
static int send_all(struct h2_connection *connection, int *fault)
{
    uint8_t record[RECORD];
    size_t used = 0;
    const uint8_t *bytes;
    ssize_t given;
    int result = 0;
    while (result == 0 && (given = nghttp2_session_mem_send(connection->session, &bytes)) > 0) {
        size_t length = (size_t)given;
        connection->sent_at_ms = loop_now_ms(connection->h2->loop);
        connection->unconfirmed = false;
        if (used && length > sizeof record - used) {
            result = stream_write(connection->stream, record, used);
            used = 0;
        }
        if (length <= sizeof record) {
            memcpy(record + used, bytes, length);
            used += length;
        } else if (result == 0) {
            result = stream_write(connection->stream, bytes, length);
        }
        if (connection->wipes)
            sodium_memzero((uint8_t *)(uintptr_t)bytes, length);
    }
    if (result == 0 && used)
        result = stream_write(connection->stream, record, used);
    if (connection->wipes)
        sodium_memzero(record, sizeof record);
    if (result == 0 && given < 0)
        *fault = (int)given;
    return result;
}

void h2_connection_flush(struct h2_connection *connection)
{
    connection->due = true;
    if (connection->inside || !connection->session || connection->failure)
        return;
    loop_timer_cancel(connection->h2->loop, &connection->flush);
    int fault = 0;
    connection->due = false;
    connection->inside = true;
    int result = send_all(connection, &fault);
    connection->inside = connection->wipes = false;
    if (result == ERR_LIMIT)
        fail(connection, TRANSPORT_LOST, "it does not read what we send");
    else if (result != 0)
        return; /* it has ended: what had arrived before still comes, and then its end */
    else if (fault)
        fail(connection, TRANSPORT_VIOLATION, nghttp2_strerror(fault));
    else if (!nghttp2_session_want_read(connection->session) && !may_be_silent(connection))
        fail(connection, TRANSPORT_VIOLATION, "it broke a rule of HTTP/2");
    else if (connection->state == H2_READY && !h2_connection_has_room(connection))
        h2_connection_sort(connection); /* its window may just have been used up */
}

static void on_flush(void *arg)
{
    h2_connection_flush(arg);
}

static void flush_within(struct h2_connection *connection, int64_t most_ms)
{
    struct loop *loop = connection->h2->loop;
    if (!timer_is_set(&connection->flush) || connection->flush.at_ms > loop_now_ms(loop) + most_ms)
        loop_timer_set(loop, &connection->flush, most_ms);
}

void h2_connection_flush_answers(struct h2_connection *connection)
{
    int64_t since_ms = loop_now_ms(connection->h2->loop) - connection->sent_at_ms;
    if (since_ms >= TOGETHER_MS) {
        h2_connection_flush(connection);
        return;
    }
    flush_within(connection, TOGETHER_MS - since_ms);
    if (connection->unconfirmed && !connection->due) {
        stream_acknowledge(connection->stream);
        connection->unconfirmed = false;
    }
}

void h2_connection_flush_soon(struct h2_connection *connection)
{
    flush_within(connection, connection->h2->lazy_ms); /* less after a reload, maybe */
}

/* Whether it has something to say besides its streams' DATA, or will hear no more, which is its
 * end. */
static bool wants_more_than_data(nghttp2_session *session)
{
    return nghttp2_session_get_outbound_queue_size(session) > 0 ||
           !nghttp2_session_want_read(session);
}

/* What its stream says */

static void on_received(void *arg, const uint8_t *bytes, size_t length)
{
    struct h2_connection *connection = arg;
    connection->heard_at_ms = loop_now_ms(connection->h2->loop);
    connection->answer_by_ms = 0;
    connection->unconfirmed = true;
    if (connection->failure)
        return;
    connection->inside = true;
    ssize_t result = nghttp2_session_mem_recv(connection->session, bytes, length);
    connection->inside = false;
    if (result < 0)
        fail(connection, TRANSPORT_VIOLATION, nghttp2_strerror((int)result));
    else if (connection->due || wants_more_than_data(connection->session))
        h2_connection_flush(connection);
}

static void on_ended(void *arg, const struct stream_end *end)
{
    static const enum transport_end_kind kinds[] = {
        [STREAM_UNREACHABLE] = TRANSPORT_UNREACHABLE,
        [STREAM_TLS] = TRANSPORT_TLS,
        [STREAM_UNTIMELY] = TRANSPORT_UNTIMELY,
        [STREAM_ENDED] = TRANSPORT_UNREACHABLE,
    };
    struct h2_connection *connection = arg;
    fail(connection, kinds[end->kind], end->text);
}

/* nghttp2 keeps copies of headers, credentials among them, and gives them back as they are. */
static void *take_memory(size_t size, void *arg)
{
    (void)arg;
    return malloc(size);
}

static void *take_zeroed(size_t count, size_t size, void *arg)
{
    (void)arg;
    return calloc(count, size);
}

static void *take_other(void *old, size_t size, void *arg)
{
    size_t had = malloc_usable_size(old);
    void *new = take_memory(size, arg);
    if (!new || !old)
        return new;
    memcpy(new, old, had < size ? had : size);
    mem_free_wiped(old);
    return new;
}

static void give_back(void *memory, void *arg)
{
    (void)arg;
    mem_free_wiped(memory);
}

static nghttp2_session *new_session(struct h2_connection *connection)
{
    nghttp2_mem memory = {
        .malloc = take_memory, .free = give_back, .calloc = take_zeroed, .realloc = take_other};
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_option_new(&option) == 0) {
        /* Nothing of a credential stays in a table, and no account's headers help to guess
         * another's. */
        nghttp2_option_set_max_deflate_dynamic_table_size(option, 0);
        nghttp2_session_client_new3(&session, callbacks, connection, option, &memory);
        nghttp2_option_del(option);
    }
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void greet(struct h2_connection *connection)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
    };
    struct h2 *h2 = connection->h2;
    connection->session = new_session(connection);
    if (!connection->session) {
        fail(connection, TRANSPORT_UNREACHABLE, "there is no memory for HTTP/2");
        return;
    }
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
                            sizeof settings / sizeof *settings);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
    connection->state = H2_GREETING;
    loop_timer_set(h2->loop, &connection->timer, h2->handshake_timeout_ms);
    h2_connection_flush(connection);
}

static void on_open(void *arg, const char *protocol)
{
    struct h2_connection *connection = arg;
    if (connection->h2->tls && strcmp(protocol, "h2") != 0)
        fail(connection, TRANSPORT_NO_ROAD, "it does not speak HTTP/2");
    else
        greet(connection);
}

static const struct stream_events stream_events = {
    .open = on_open, .received = on_received, .ended = on_ended};

static void on_connector(void *arg, const struct address *winner, const struct err *err)
{
    static const unsigned char alpn[] = {2, 'h', '2'};
    struct h2_connection *connection = arg;
    struct h2 *h2 = connection->h2;
    if (!winner) {
        char text[sizeof connection->failure->text];
        text_printable(text, sizeof text, err->text, strlen(err->text));
        fail(connection, TRANSPORT_UNREACHABLE, text);
        return;
    }
    struct stream_target target = {
        .tls = h2->tls,
        .host = h2->url.host,
        .alpn = alpn,
        .alpn_length = sizeof alpn,
        .connect_timeout_ms = h2->connect_timeout_ms,
        .handshake_timeout_ms = h2->handshake_timeout_ms,
    };
    connection->stream =
        stream_open(h2->loop, &target, winner, connector_take_socket(connection->attempt),
                    &stream_events, connection);
}

/* Time. The websockets' own keep-alives tell the server that we are there, which a PING does not
 * (signal-measured.md 4); a PING tells us that the server is, once for all that share the
 * connection. */
static void look_after(struct h2_connection *connection)
{
    struct h2 *h2 = connection->h2;
    int64_t now_ms = loop_now_ms(h2->loop), due_ms = connection->heard_at_ms + h2->keepalive_ms;
    if (connection->answer_by_ms) {
        due_ms = connection->answer_by_ms;
    } else if (due_ms <= now_ms) {
        nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
        due_ms = connection->answer_by_ms = now_ms + h2->keepalive_timeout_ms;
    }
    loop_timer_set(h2->loop, &connection->timer, due_ms - now_ms);
    h2_connection_flush(connection);
}

static void on_timer(void *arg)
{
    struct h2_connection *connection = arg;
    if (connection->failure)
        bury(connection);
    else if (connection->state == H2_GREETING)
        fail(connection, TRANSPORT_UNREACHABLE, "no answer to the greeting of HTTP/2 in time");
    else if (connection->streams == 0)
        retire(connection);
    else if (connection->answer_by_ms &&
             connection->answer_by_ms <= loop_now_ms(connection->h2->loop))
        fail(connection, TRANSPORT_LOST, "no answer to a PING");
    else
        look_after(connection);
}

struct h2_connection *h2_connection_new(struct h2 *h2, enum connector_lane lane)
{
    struct h2_connection *connection = mem_new(sizeof *connection);
    connection->h2 = h2;
    connection->most = SIZE_MAX;
    list_init(&connection->channels);
    list_append(&h2->others, &connection->node);
    timer_init(&connection->timer, on_timer, connection);
    timer_init(&connection->flush, on_flush, connection);
    h2->in_the_making++;
    connection->attempt =
        connector_start(h2->connector, lane, h2->url.host, h2->url.port, on_connector, connection);
    return connection;
}

/* Asking for a websocket (RFC 8441 section 4; signal-measured.md 4). */

static nghttp2_nv field(const char *name, const char *value, uint8_t flags)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = flags};
}

bool h2_connection_take(struct h2_connection *connection, struct channel *channel)
{
    struct h2 *h2 = connection->h2;
    struct channel_credentials credentials;
    channel->websocket.events->asking(channel->websocket.arg, &credentials);
    bool anonymous = !credentials.authorization;
    const nghttp2_nv fields[] = {
        field(":method", "CONNECT", NGHTTP2_NV_FLAG_NONE),
        field(":protocol", "websocket", NGHTTP2_NV_FLAG_NONE),
        field(":scheme", h2->tls ? "https" : "http", NGHTTP2_NV_FLAG_NONE),
        field(":authority", h2->authority, NGHTTP2_NV_FLAG_NONE),
        field(":path", h2->url.target, NGHTTP2_NV_FLAG_NONE),
        field("sec-websocket-version", "13", NGHTTP2_NV_FLAG_NONE),
        field("user-agent", credentials.user_agent, NGHTTP2_NV_FLAG_NONE),
        field("authorization", anonymous ? "" : credentials.authorization,
              NGHTTP2_NV_FLAG_NO_INDEX),
    };
    int32_t id = nghttp2_submit_headers(connection->session, NGHTTP2_FLAG_NONE, -1, NULL, fields,
                                        sizeof fields / sizeof *fields - anonymous, channel);
    mem_free_secret(credentials.authorization);
    if (id < 0) { /* its numbers are used up */
        connection->state = H2_LEAVING;
        h2_connection_sort(connection);
        return false;
    }
    connection->streams++;
    connection->wipes = true;
    list_append(&connection->channels, &channel->node);
    h2_channel_asked(channel, connection, id);
    h2_connection_flush(connection);
    h2_connection_sort(connection);
    return true;
}

void h2_connection_idle(struct h2_connection *connection)
{
    if (connection->stream)
        stream_idle(connection->stream);
}
