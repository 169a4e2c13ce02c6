#include "web/http2_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "web/http2_stream.h"

enum {
    /* Twice the bound, so that a body which passes it is seen to do so. */
    STREAM_WINDOW = 2 * REQUEST_BODY_MAX,
    /* Whole bodies of all streams, so that none which stands still holds up another. What bounds
     * them all is the number of streams. */
    CONNECTION_WINDOW = HTTP2_STREAMS_MAX * REQUEST_BODY_MAX,
    ACKS_MAX = 64, /* of PING and SETTINGS that the peer does not read */
    /* Bytes of a peer that are neither body nor a request which was answered: a hundred streams
     * reset, some thousand PINGs. Proxies stay far below. */
    CREDIT_MAX = 128 * 1024,
    CREDIT_LOW = CREDIT_MAX / 2, /* time to go */
    CREDIT_PER_MS = 4,
    STREAM_COST = 1024, /* beside its bytes, when it comes to nothing: what it makes us do */
    ANY_STREAM = INT32_MAX,
};

static void add_credit(struct http2_session *session, int64_t bytes)
{
    session->credit += bytes;
    if (session->credit > CREDIT_MAX)
        session->credit = CREDIT_MAX;
}

static void refill_credit(struct http2_session *session)
{
    int64_t now_ms = loop_now_ms(session->shared->loop);
    int64_t passed_ms = now_ms - session->credit_at_ms;
    session->credit_at_ms = now_ms;
    add_credit(session, passed_ms < CREDIT_MAX ? passed_ms * CREDIT_PER_MS : CREDIT_MAX);
}

/* What nghttp2 says */

static struct http2_stream *find(nghttp2_session *frames, int32_t id)
{
    return nghttp2_session_get_stream_user_data(frames, id);
}

/* Whoever only sends slowly must not keep out those who ask. */
static bool make_room(struct http2_shared *shared)
{
    while (shared->streams >= shared->gate->most) {
        struct list *oldest = list_first(&shared->waiting);
        if (!oldest)
            return false;
        http2_stream_evict(list_owner(oldest, struct http2_stream, waiting));
    }
    return true;
}

static int on_begin_headers(nghttp2_session *frames, const nghttp2_frame *frame, void *arg)
{
    struct http2_session *session = arg;
    int32_t id = frame->hd.stream_id;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (session->credit < 0 || !make_room(session->shared)) {
        session->credit -= STREAM_COST;
        return http2_fatal_only(
            nghttp2_submit_rst_stream(frames, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM));
    }
    nghttp2_session_set_stream_user_data(frames, id, http2_stream_open(session, id));
    return 0;
}

/* Trailers are not kept. What is not kept costs its full length, as a few bytes may name a long
 * field of the table again and again. */
static int on_header(nghttp2_session *frames, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *arg)
{
    struct http2_session *session = arg;
    struct http2_stream *stream = find(frames, frame->hd.stream_id);
    (void)flags;
    if (stream && !stream->has_header &&
        http2_stream_field(stream, name, name_length, value, value_length))
        return 0;
    session->credit -= (int64_t)(name_length + value_length);
    return session->credit < 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

/* Left alone, nghttp2 would drop the header and go on. */
static int on_invalid_header(nghttp2_session *frames, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_length, const uint8_t *value,
                             size_t value_length, uint8_t flags, void *arg)
{
    struct http2_stream *stream = find(frames, frame->hd.stream_id);
    (void)name, (void)name_length, (void)value, (void)value_length;
    (void)flags;
    (void)arg;
    if (stream && !stream->has_header)
        stream->refusal = 400;
    return 0;
}

/* The PING that went after the notice: what was on its way when that went has come, too. */
static int on_ping(struct http2_session *session, const nghttp2_frame *frame)
{
    if (!(frame->hd.flags & NGHTTP2_FLAG_ACK) || !session->is_leaving || session->has_left)
        return 0;
    session->has_left = true;
    return http2_fatal_only(nghttp2_submit_goaway(
        session->frames, NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(session->frames), NGHTTP2_NO_ERROR, NULL, 0));
}

static int on_frame(nghttp2_session *frames, const nghttp2_frame *frame, void *arg)
{
    struct http2_stream *stream = find(frames, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_PING)
        return on_ping(arg, frame);
    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    bool is_whole = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!stream->has_header)
        return http2_stream_header_end(stream, is_whole);
    if (is_whole && !stream->is_asked)
        http2_stream_end(stream);
    return 0;
}

/* A PING overtakes what was submitted before it. */
static int on_sent(nghttp2_session *frames, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    if (frame->hd.type != NGHTTP2_GOAWAY || frame->goaway.last_stream_id != ANY_STREAM)
        return 0;
    return http2_fatal_only(nghttp2_submit_ping(frames, NGHTTP2_FLAG_NONE, NULL));
}

static int on_body(nghttp2_session *frames, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t length, void *arg)
{
    struct http2_session *session = arg;
    struct http2_stream *stream = find(frames, id);
    (void)flags;
    if (!stream)
        return http2_fatal_only(nghttp2_session_consume(frames, id, length));
    session->credit += (int64_t)length; /* bodies have bounds of their own */
    return http2_stream_body(stream, bytes, length);
}

static int on_stream_close(nghttp2_session *frames, int32_t id, uint32_t code, void *arg)
{
    struct http2_session *session = arg;
    struct http2_stream *stream = find(frames, id);
    if (!stream)
        return 0;
    /* An honest exchange costs nothing: its header, and what frames it took beside. Nor does what
     * had been begun when the peer was told to leave: all of it may be given up at once. */
    if (stream->is_answered && code == NGHTTP2_NO_ERROR)
        add_credit(session, (int64_t)stream->fields.length + STREAM_COST);
    else if (id > session->left_at)
        session->credit -= STREAM_COST;
    http2_stream_close(stream);
    return 0;
}

/* A session */

void http2_shared_init(struct http2_shared *shared, struct loop *loop, struct gate *gate,
                       exchange_handler *handler, void *arg)
{
    *shared = (struct http2_shared){.loop = loop, .gate = gate, .handler = handler, .arg = arg};
    list_init(&shared->waiting);
}

static int make_frames(struct http2_session *session)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = nghttp2_session_callbacks_new(&callbacks);
    if (result == 0)
        result = nghttp2_option_new(&option);
    if (result == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, 0);
        result = nghttp2_session_server_new2(&session->frames, callbacks, session, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return result;
}

/* The peer's header table stays at its 4 KiB: older Go (Debian 12's Caddy) does not heed less. */
static int introduce(struct http2_session *session)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_FIELDS_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int result = nghttp2_submit_settings(session->frames, NGHTTP2_FLAG_NONE, settings,
                                         sizeof settings / sizeof *settings);
    if (result != 0)
        return result;
    return nghttp2_session_set_local_window_size(session->frames, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW);
}

struct http2_session *http2_session_new(struct http2_shared *shared, const struct address *peer,
                                        http2_wake *wake, void *arg)
{
    struct http2_session *session = mem_new(sizeof *session);
    session->shared = shared;
    session->peer = *peer;
    session->wake = wake;
    session->arg = arg;
    session->credit = CREDIT_MAX;
    session->credit_at_ms = loop_now_ms(shared->loop);
    list_init(&session->streams);
    if (make_frames(session) == 0 && introduce(session) == 0)
        return session;
    http2_session_free(session);
    return NULL;
}

void http2_session_free(struct http2_session *session)
{
    if (!session)
        return;
    list_each_safe(place, &session->streams)
        http2_stream_close(list_owner(place, struct http2_stream, place));
    nghttp2_session_del(session->frames);
    free(session);
}

static void log_end(struct http2_session *session, const char *why)
{
    log_foreign(&session->shared->log_limit, LOG_LEVEL_DEBUG, "HTTP/2 ends", why, strlen(why));
}

/* RFC 9113 section 6.8: the notice first, then which stream is the last. */
static void leave(struct http2_session *session)
{
    if (session->is_leaving)
        return;
    session->is_leaving = true;
    session->left_at = nghttp2_session_get_last_proc_stream_id(session->frames);
    log_end(session, "much was begun and given up; what goes on is answered");
    nghttp2_submit_shutdown_notice(session->frames); /* else it ends at the end of its credit */
}

void http2_session_receive(struct http2_session *session, const uint8_t *bytes, size_t length)
{
    refill_credit(session);
    session->credit -= (int64_t)length;
    ssize_t taken = nghttp2_session_mem_recv(session->frames, bytes, length);
    if (taken < 0) {
        log_end(session, nghttp2_strerror((int)taken));
        http2_session_end(session, taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC
                                       ? NGHTTP2_PROTOCOL_ERROR
                                       : NGHTTP2_ENHANCE_YOUR_CALM); /* the library's own bounds */
    } else if (session->credit < 0) {
        log_end(session, "more was sent than requests need");
        http2_session_end(session, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (session->credit < CREDIT_LOW) {
        leave(session);
    }
}

int http2_session_send(struct http2_session *session, struct buf *out)
{
    while (out->length < HTTP2_OUT_FULL) {
        const uint8_t *bytes;
        ssize_t length = nghttp2_session_mem_send(session->frames, &bytes);
        if (length == 0)
            return 0;
        if (length < 0 || buf_add(out, bytes, (size_t)length) != 0)
            return ERR_IO;
    }
    return 0;
}

void http2_session_end(struct http2_session *session, uint32_t code)
{
    session->is_ending = true;
    /* Fails without memory only; then there is nothing to say, and the connection goes. */
    nghttp2_session_terminate_session(session->frames, code);
}

bool http2_session_is_ending(const struct http2_session *session)
{
    return session->is_ending;
}

bool http2_session_is_over(const struct http2_session *session)
{
    return !nghttp2_session_want_read(session->frames) &&
           !nghttp2_session_want_write(session->frames);
}

size_t http2_session_streams(const struct http2_session *session)
{
    return session->stream_count;
}

size_t http2_session_asked(const struct http2_session *session)
{
    return session->asked_count;
}

size_t http2_session_opened(const struct http2_session *session)
{
    return session->opened_count;
}
