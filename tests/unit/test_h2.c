#include "signal/h2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/stream.h"
#include "signal/h2_parts.h"

#include "unit.h"

/* The road between a stream and a connector that play along, in place of net/'s, and servers by
 * nghttp2's other half. Nothing waits: the clock is moved by hand. */

enum {
    STREAMS_MAX = 16,
    SOCKETS_MAX = 210,
    KEPT = (1 << 17) + 512,
    PIECES_MAX = 4096,
    KEEPALIVE_MS = 30000,
    TIMEOUT_MS = 20000,
    LAZY_MS = 1000, /* with these two */
    TOGETHER_MS = 15,
    HANDSHAKE_MS = 15000,
};

/* One stream as the server sees it. */
struct side {
    int32_t id;
    char fields[512]; /* "name: value\n"... */
    uint8_t got[KEPT];
    size_t got_length;
    struct buf out;
    bool ends; /* END_STREAM after `out` */
    bool ended, reset;
    uint32_t error;
};

struct stream {
    const struct stream_events *events;
    void *arg;
    struct buf to_server;
    nghttp2_session *server;
    struct side *sides[SOCKETS_MAX];
    size_t count;
    bool open, finished, freed, deaf;
    unsigned pings, writes, acknowledgements;
};

struct attempt {
    enum connector_lane lane;
    connector_fn *fn;
    void *arg;
    bool ended, failed;
};

static struct world {
    struct loop loop;
    struct config config;
    struct h2 *h2;
    struct stream *streams[STREAMS_MAX];
    size_t streams_count;
    struct attempt *attempts[STREAMS_MAX];
    size_t attempts_count;
    /* How servers behave. */
    int status;
    bool marks, answers, no_connect, refuses, gives_no_credit;
    bool leaves_in_order; /* a shutdown notice after the SETTINGS */
    uint32_t leaves_with; /* GOAWAY after the SETTINGS; 0: it stays */
    uint32_t most;
    uint32_t reset_with; /* RST_STREAM instead of an answer; 0: none */
    int early;           /* a status that another follows; 0: none */
    const char *retry_after;
    int write_result;
    unsigned opened;
    size_t chunk; /* bytes that arrive at once */
} world;

/* In place of net/connector.h and net/stream.h */

struct attempt *connector_start(struct connector *connector, enum connector_lane lane,
                                const char *host, uint16_t port, connector_fn *fn, void *arg)
{
    (void)connector;
    ck_assert_str_eq(host, "localhost");
    ck_assert_uint_eq(port, 8443);
    struct attempt *attempt = mem_new(sizeof *attempt);
    attempt->lane = lane;
    attempt->fn = fn;
    attempt->arg = arg;
    ck_assert_uint_lt(world.attempts_count, STREAMS_MAX);
    world.attempts[world.attempts_count++] = attempt;
    return attempt;
}

void connector_end(struct attempt *attempt)
{
    ck_assert(!attempt->ended);
    attempt->ended = true;
}

void connector_failed(struct attempt *attempt)
{
    ck_assert(!attempt->ended);
    attempt->failed = true;
}

int connector_take_socket(struct attempt *attempt)
{
    ck_assert(!attempt->ended);
    return -1;
}

struct stream *stream_open(struct loop *loop, const struct stream_target *target,
                           const struct address *address, int connected,
                           const struct stream_events *events, void *arg)
{
    (void)loop, (void)address, (void)connected;
    ck_assert_str_eq(target->host, "localhost");
    struct stream *stream = mem_new(sizeof *stream);
    stream->events = events;
    stream->arg = arg;
    buf_init(&stream->to_server, 1 << 20);
    ck_assert_uint_lt(world.streams_count, STREAMS_MAX);
    world.streams[world.streams_count++] = stream;
    return stream;
}

int stream_write(struct stream *stream, const void *bytes, size_t length)
{
    ck_assert(stream->open && !stream->freed);
    if (world.write_result != 0)
        return world.write_result;
    stream->writes++;
    return buf_add(&stream->to_server, bytes, length);
}

void stream_acknowledge(struct stream *stream)
{
    ck_assert(!stream->freed);
    stream->acknowledgements++;
}

void stream_idle(struct stream *stream)
{
    ck_assert(!stream->freed);
}

void stream_free(struct stream *stream)
{
    ck_assert(!stream->freed);
    stream->freed = true;
}

void stream_finish(struct stream *stream)
{
    stream_free(stream);
    stream->finished = true;
}

/* The server */

static struct side *side_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static ssize_t read_side(nghttp2_session *session, int32_t id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)source, (void)arg;
    struct side *side = side_of(session, id);
    size_t taken = side->out.length < length ? side->out.length : length;
    if (taken) {
        memcpy(to, side->out.bytes, taken);
        buf_consume(&side->out, taken);
    }
    if (side->out.length == 0 && side->ends)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return taken || (side->ends && side->out.length == 0) ? (ssize_t)taken : NGHTTP2_ERR_DEFERRED;
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void answer(struct stream *stream, struct side *side, int status)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", status);
    nghttp2_nv fields[3] = {nv(":status", digits)};
    size_t count = 1;
    nghttp2_data_provider data = {.read_callback = read_side};
    if (world.early) {
        char early[16];
        snprintf(early, sizeof early, "%d", world.early);
        nghttp2_nv first = nv(":status", early);
        nghttp2_submit_headers(stream->server, 0, side->id, NULL, &first, 1, NULL);
    }
    if (world.marks)
        fields[count++] = nv("x-signal-timestamp", "1750000000002");
    if (world.retry_after)
        fields[count++] = nv("retry-after", world.retry_after);
    nghttp2_submit_response(stream->server, side->id, fields, count, status == 200 ? &data : NULL);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct stream *stream = arg;
    struct side *side = mem_new(sizeof *side);
    side->id = frame->hd.stream_id;
    buf_init(&side->out, 4 << 20);
    ck_assert_uint_lt(stream->count, SOCKETS_MAX);
    stream->sides[stream->count++] = side;
    nghttp2_session_set_stream_user_data(session, side->id, side);
    return 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
                    void *arg)
{
    (void)arg;
    struct side *side = side_of(session, frame->hd.stream_id);
    size_t used = strlen(side->fields);
    snprintf(side->fields + used, sizeof side->fields - used, "%.*s: %.*s%s\n", (int)name_length,
             (const char *)name, (int)length, (const char *)value,
             flags & NGHTTP2_NV_FLAG_NO_INDEX ? " (never indexed)" : "");
    return 0;
}

static int on_server_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct stream *stream = arg;
    if (frame->hd.type == NGHTTP2_PING)
        stream->pings++;
    struct side *side = frame->hd.stream_id ? side_of(session, frame->hd.stream_id) : NULL;
    if (!side)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && world.reset_with)
        nghttp2_submit_rst_stream(session, 0, side->id, world.reset_with);
    else if (frame->hd.type == NGHTTP2_HEADERS && world.refuses)
        nghttp2_submit_rst_stream(session, 0, side->id, NGHTTP2_REFUSED_STREAM);
    else if (frame->hd.type == NGHTTP2_HEADERS && world.answers)
        answer(stream, side, world.status);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        side->ended = true;
    return 0;
}

static int on_server_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                          size_t length, void *arg)
{
    (void)flags, (void)arg;
    struct side *side = side_of(session, id);
    ck_assert_uint_le(side->got_length + length, KEPT);
    memcpy(side->got + side->got_length, bytes, length);
    side->got_length += length;
    return 0;
}

static int on_server_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    (void)arg;
    struct side *side = side_of(session, id);
    if (side) {
        side->error = error;
        side->reset = error != NGHTTP2_NO_ERROR;
    }
    return 0;
}

static void settle(struct stream *stream)
{
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, world.most},
                                         {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}};
    nghttp2_submit_settings(stream->server, 0, settings, world.no_connect ? 1 : 2);
}

static void start_server(struct stream *stream)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_server_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_server_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_server_close);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, world.gives_no_credit);
    nghttp2_session_server_new2(&stream->server, callbacks, stream, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    settle(stream);
    if (world.leaves_in_order)
        nghttp2_submit_shutdown_notice(stream->server);
    if (world.leaves_with)
        nghttp2_submit_goaway(stream->server, 0, 0, world.leaves_with, NULL, 0);
    stream->open = true;
    stream->events->open(stream->arg, "h2");
}

/* What the client has written, also what it wrote before it left. */
static bool to_server(struct stream *stream)
{
    struct buf *buf = &stream->to_server;
    if (buf->length == 0 || !stream->server || stream->deaf)
        return false;
    ck_assert_int_eq(nghttp2_session_mem_recv(stream->server, buf->bytes, buf->length),
                     (ssize_t)buf->length);
    buf_clear(buf);
    return true;
}

static bool to_client(struct stream *stream)
{
    const uint8_t *bytes;
    bool any = false;
    ssize_t length;
    while (stream->server && !stream->deaf &&
           (length = nghttp2_session_mem_send(stream->server, &bytes)) > 0) {
        any = true;
        for (size_t at = 0, piece; at < (size_t)length && !stream->freed; at += piece) {
            piece = world.chunk < (size_t)length - at ? world.chunk : (size_t)length - at;
            stream->events->received(stream->arg, bytes + at, piece);
        }
    }
    return any;
}

static void advance(int64_t ms)
{
    world.loop.uv.time += (uint64_t)ms;
    timers_fire(&world.loop.timers, loop_now_ms(&world.loop));
}

/* Until nothing moves any more without time. */
static void settle_down(void)
{
    bool moved = true;
    while (moved) {
        moved = false;
        advance(0);
        for (size_t i = 0; i < world.attempts_count; i++) {
            struct attempt *attempt = world.attempts[i];
            struct address address = {.length = 1};
            connector_fn *fn = attempt->fn;
            attempt->fn = NULL;
            if (!fn || attempt->ended)
                continue;
            fn(attempt->arg, &address, NULL);
            moved = true;
        }
        for (size_t i = 0; i < world.streams_count; i++) {
            struct stream *stream = world.streams[i];
            if (!stream->server && !stream->freed) {
                start_server(stream);
                moved = true;
            }
            moved = to_server(stream) || moved;
            moved = (!stream->freed && to_client(stream)) || moved;
        }
        moved = moved || timers_next_ms(&world.loop.timers) <= loop_now_ms(&world.loop);
    }
}

/* What waits for company has gone, and what comes next goes at once. */
static void let_go(void)
{
    settle_down();
    advance(TOGETHER_MS);
    settle_down();
}

/* The owners of channels */

struct owner {
    struct channel *channel;
    bool anonymous, opened, over, frees_in_piece, closes_in_piece, sends_in_piece;
    struct transport_end end;
    uint8_t message[KEPT];
    size_t length;
    unsigned asked, messages, place; /* among all that opened */
};

static void on_opened(void *arg)
{
    struct owner *owner = arg;
    ck_assert(!owner->opened && !owner->over);
    owner->opened = true;
    owner->place = ++world.opened;
}

static void on_piece(void *arg, const uint8_t *bytes, size_t length, bool first, bool last)
{
    struct owner *owner = arg;
    ck_assert(owner->opened && !owner->over && owner->channel);
    if (first)
        owner->length = 0;
    ck_assert_uint_le(owner->length + length, KEPT);
    if (length)
        memcpy(owner->message + owner->length, bytes, length);
    owner->length += length;
    owner->messages += last;
    if (owner->sends_in_piece)
        ck_assert_int_eq(h2_ops.send(owner->channel, (const uint8_t *)"taken", 5), 0);
    if (owner->closes_in_piece)
        h2_ops.close(owner->channel, 1007, "no");
    if (owner->frees_in_piece) {
        h2_ops.free(owner->channel);
        owner->channel = NULL;
    }
}

static void on_ended(void *arg, const struct transport_end *end)
{
    struct owner *owner = arg;
    ck_assert(!owner->over && owner->channel);
    owner->over = true;
    owner->end = *end;
    h2_ops.free(owner->channel);
    owner->channel = NULL;
}

static void on_asking(void *arg, struct channel_credentials *credentials)
{
    struct owner *owner = arg;
    ck_assert(!owner->over);
    owner->asked++;
    *credentials = (struct channel_credentials){
        .authorization = owner->anonymous ? NULL : mem_text("Basic c2VjcmV0"),
        .user_agent = "Doorbell"};
}

static const struct transport_events events = {
    .asking = on_asking, .opened = on_opened, .piece = on_piece, .ended = on_ended};

static struct owner *open_channel(void)
{
    struct owner *owner = mem_new(sizeof *owner);
    owner->channel = h2_ops.open(world.h2, false, &events, owner);
    return owner;
}

static void close_owner(struct owner *owner)
{
    if (owner->channel)
        h2_ops.free(owner->channel);
    free(owner);
}

static void set_up(void)
{
    struct err err;
    world = (struct world){
        .status = 200, .marks = true, .answers = true, .most = 100, .chunk = SIZE_MAX};
    world.config = (struct config){.signal_http2_url =
                                       (char *)(uintptr_t) "http://localhost:8443/v1/websocket/",
                                   .signal_accounts_per_connection = 100,
                                   .signal_keepalive_ms = KEEPALIVE_MS,
                                   .signal_keepalive_timeout_ms = TIMEOUT_MS,
                                   .net_connect_timeout_ms = HANDSHAKE_MS,
                                   .net_handshake_timeout_ms = HANDSHAKE_MS};
    loop_init(&world.loop);
    world.h2 = h2_new(&world.loop, NULL, &world.config, &err);
    ck_assert_ptr_nonnull(world.h2);
}

static void free_stream(struct stream *stream)
{
    ck_assert(stream->freed);
    nghttp2_session_del(stream->server);
    for (size_t i = 0; i < stream->count; i++) {
        buf_fini(&stream->sides[i]->out);
        free(stream->sides[i]);
    }
    buf_fini(&stream->to_server);
    free(stream);
}

static void tear_down(void)
{
    struct h2 *h2 = world.h2;
    settle_down();
    ck_assert_uint_eq(h2->queued, 0);
    ck_assert_uint_le(h2->serving, h2->standing);
    h2_free(h2);
    ck_assert_uint_eq(world.loop.timers.count, 0);
    for (size_t i = 0; i < world.streams_count; i++)
        free_stream(world.streams[i]);
    for (size_t i = 0; i < world.attempts_count; i++) {
        ck_assert(world.attempts[i]->ended);
        free(world.attempts[i]);
    }
    loop_fini(&world.loop);
}

/* Frames as the server writes and reads them, by hand. */

static void say(struct stream *stream, size_t place, int head, const void *payload, size_t length)
{
    struct side *side = stream->sides[place];
    uint8_t header[4] = {(uint8_t)head, (uint8_t)length};
    size_t size = 2;
    if (length > 125) {
        header[1] = 126;
        header[2] = (uint8_t)(length >> 8);
        header[3] = (uint8_t)length;
        size = 4;
    }
    buf_add(&side->out, header, size);
    buf_add(&side->out, payload, length);
    nghttp2_session_resume_data(stream->server, side->id);
}

static void say_close(struct stream *stream, size_t place, int code)
{
    uint8_t payload[] = {(uint8_t)(code >> 8), (uint8_t)code, 'b', 'y', 'e'};
    stream->sides[place]->ends = true;
    say(stream, place, 0x88, payload, sizeof payload);
}

/* The next frame of what the client said; its payload is unmasked in place. -1: none. */
static int next_frame(struct side *side, size_t *at, const uint8_t **payload, size_t *length)
{
    if (*at >= side->got_length)
        return -1;
    uint8_t *frame = side->got + *at;
    ck_assert(frame[1] & 0x80);
    *length = frame[1] & 0x7f;
    size_t header = 2;
    if (*length == 126) {
        *length = (size_t)(frame[2] << 8 | frame[3]);
        header = 4;
    }
    for (size_t i = 0; i < *length; i++)
        frame[header + 4 + i] ^= frame[header + (i & 3)];
    *payload = frame + header + 4;
    *at += header + 4 + *length;
    ck_assert_uint_le(*at, side->got_length);
    return frame[0];
}

static void expect_frame(struct side *side, size_t *at, int head, const void *wanted, size_t length)
{
    const uint8_t *payload;
    size_t got;
    ck_assert_int_eq(next_frame(side, at, &payload, &got), head);
    ck_assert_uint_eq(got, length);
    ck_assert_int_eq(memcmp(payload, wanted, length), 0);
}

START_TEST(a_websocket_is_asked_for_as_rfc_8441_has_it_and_carries_messages)
{
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->opened);
    struct stream *stream = world.streams[0];
    struct side *side = stream->sides[0];
    ck_assert_str_eq(side->fields, ":method: CONNECT\n:protocol: websocket\n:scheme: http\n"
                                   ":authority: localhost:8443\n:path: /v1/websocket/\n"
                                   "sec-websocket-version: 13\n"
                                   "user-agent: Doorbell\n"
                                   "authorization: Basic c2VjcmV0 (never indexed)\n");
    say(stream, 0, 0x02, "hel", 3);
    say(stream, 0, 0x89, "?", 1);
    say(stream, 0, 0x80, "lo", 2);
    settle_down();
    ck_assert_uint_eq(owner->messages, 1);
    ck_assert_uint_eq(owner->length, 5);
    ck_assert_int_eq(memcmp(owner->message, "hello", 5), 0);
    ck_assert_int_eq(h2_ops.send(owner->channel, (const uint8_t *)"seen", 4), 0);
    let_go();
    size_t at = 0;
    expect_frame(side, &at, 0x8a, "?", 1);
    expect_frame(side, &at, 0x82, "seen", 4);
    close_owner(owner);
}
END_TEST

START_TEST(who_has_no_credentials_asks_without_and_may_close_at_once)
{
    struct owner *owner = open_channel();
    owner->anonymous = true;
    settle_down();
    ck_assert(owner->opened);
    struct side *side = world.streams[0]->sides[0];
    ck_assert_ptr_null(strstr(side->fields, "authorization"));
    ck_assert_ptr_nonnull(strstr(side->fields, "user-agent: Doorbell\n"));
    h2_ops.close(owner->channel, 1000, "");
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_STOPPED);
    size_t at = 0;
    expect_frame(side, &at, 0x88, "\x03\xe8", 2);
    close_owner(owner);
}
END_TEST

START_TEST(frames_may_arrive_byte_by_byte)
{
    uint8_t message[70000];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 7);
    world.chunk = 1;
    struct owner *owner = open_channel();
    settle_down();
    say(world.streams[0], 0, 0x02, message, 40000);
    say(world.streams[0], 0, 0x80, message + 40000, 30000);
    settle_down();
    ck_assert_uint_eq(owner->messages, 1);
    ck_assert_uint_eq(owner->length, sizeof message);
    ck_assert_int_eq(memcmp(owner->message, message, sizeof message), 0);
    close_owner(owner);
}
END_TEST

static void open_many(struct owner **owners, size_t count)
{
    for (size_t i = 0; i < count; i++)
        owners[i] = open_channel();
    for (int i = 0; i < 1000 && !owners[count - 1]->opened; i++) {
        settle_down();
        advance(10);
    }
    for (size_t i = 0; i < count; i++)
        ck_assert(owners[i]->opened);
}

static void close_many(struct owner **owners, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close_owner(owners[i]);
}

START_TEST(connections_are_filled_one_after_the_other_up_to_what_both_sides_take)
{
    static const struct {
        int64_t ours;
        uint32_t theirs;
        size_t connections;
    } rows[] = {{100, 100, 2}, {1000, 100, 2}, {100, 40, 4}, {20, 100, 8}};
    enum { ACCOUNTS = 150 };
    struct owner *owners[ACCOUNTS];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (i > 0)
            set_up();
        world.config.signal_accounts_per_connection = rows[i].ours;
        world.most = rows[i].theirs;
        h2_reload(world.h2, &world.config);
        open_many(owners, ACCOUNTS);
        size_t most = rows[i].ours < rows[i].theirs ? (size_t)rows[i].ours : rows[i].theirs;
        ck_assert_uint_eq(world.streams_count, rows[i].connections);
        for (size_t j = 0; j < world.streams_count; j++)
            ck_assert_uint_le(world.streams[j]->count, most);
        close_many(owners, ACCOUNTS);
        if (i + 1 < sizeof rows / sizeof *rows)
            tear_down();
    }
}
END_TEST

START_TEST(with_one_account_for_each_connection_none_is_shared)
{
    struct owner *owners[5];
    world.config.signal_accounts_per_connection = 1;
    h2_reload(world.h2, &world.config);
    open_many(owners, 5);
    ck_assert_uint_eq(world.streams_count, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(world.streams[i]->count, 1);
    close_many(owners, 5);
}
END_TEST

START_TEST(an_answer_that_is_no_websocket_ends_that_stream_alone)
{
    static const int statuses[] = {302, 403, 404, 431, 499, 500, 502, 503};
    struct owner *first = open_channel();
    settle_down();
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        world.status = statuses[i];
        world.marks = i % 2;
        struct owner *owner = open_channel();
        settle_down();
        ck_assert(owner->over && !owner->opened);
        ck_assert_int_eq(owner->end.kind, TRANSPORT_STATUS);
        ck_assert_int_eq(owner->end.status, statuses[i]);
        ck_assert(owner->end.has_timestamp == world.marks);
        free(owner);
    }
    ck_assert_uint_eq(world.streams_count, 1);
    ck_assert(!first->over);
    close_owner(first);
}
END_TEST

START_TEST(what_was_queued_goes_out_before_the_answer_to_the_servers_close)
{
    struct owner *owner = open_channel();
    settle_down();
    struct stream *stream = world.streams[0];
    ck_assert_int_eq(h2_ops.send(owner->channel, (const uint8_t *)"late", 4), 0);
    say_close(stream, 0, 4409);
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_CLOSE);
    ck_assert_int_eq(owner->end.close_code, 4409);
    ck_assert_str_eq(owner->end.text, "bye");
    size_t at = 0;
    expect_frame(stream->sides[0], &at, 0x82, "late", 4);
    expect_frame(stream->sides[0], &at, 0x88, "\x11\x39", 2);
    ck_assert(stream->sides[0]->ended && !stream->sides[0]->reset);
    free(owner);
}
END_TEST

START_TEST(our_close_goes_out_although_its_owner_has_left_and_is_not_waited_for_for_ever)
{
    for (int answers = 0; answers < 2; answers++) {
        struct owner *owner = open_channel();
        settle_down();
        struct stream *stream = world.streams[0];
        size_t place = stream->count - 1;
        h2_ops.send(owner->channel, (const uint8_t *)"last", 4);
        h2_ops.close(owner->channel, 1000, "");
        h2_ops.free(owner->channel);
        settle_down();
        struct side *side = stream->sides[place];
        size_t at = 0;
        expect_frame(side, &at, 0x82, "last", 4);
        expect_frame(side, &at, 0x88, "\x03\xe8", 2);
        ck_assert(side->ended && !side->reset);
        if (answers)
            say_close(stream, place, 1000);
        settle_down();
        advance(6000);
        settle_down();
        ck_assert(side->reset == !answers);
        free(owner);
    }
}
END_TEST

START_TEST(an_owner_that_closes_hears_that_it_did)
{
    struct owner *owner = open_channel();
    settle_down();
    h2_ops.close(owner->channel, 1000, "");
    ck_assert(!owner->over);
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_STOPPED);
    free(owner);
    owner = open_channel(); /* while it waits for its turn */
    h2_ops.close(owner->channel, 1000, "");
    settle_down();
    ck_assert_int_eq(owner->end.kind, TRANSPORT_STOPPED);
    free(owner);
}
END_TEST

START_TEST(a_frame_that_must_not_be_ends_that_websocket_with_its_code)
{
    struct owner *owners[2] = {open_channel(), open_channel()};
    settle_down();
    struct stream *stream = world.streams[0];
    buf_add(&stream->sides[0]->out, "\x82\x80masked", 8);
    nghttp2_session_resume_data(stream->server, stream->sides[0]->id);
    settle_down();
    ck_assert(owners[0]->over && !owners[1]->over);
    ck_assert_int_eq(owners[0]->end.kind, TRANSPORT_VIOLATION);
    const uint8_t *payload;
    size_t at = 0, length;
    ck_assert_int_eq(next_frame(stream->sides[0], &at, &payload, &length), 0x88);
    ck_assert_int_eq(payload[0] << 8 | payload[1], 1002);
    close_many(owners, 2);
}
END_TEST

START_TEST(a_stream_that_ends_or_is_reset_without_a_close_is_a_lost_link)
{
    struct owner *owners[3] = {open_channel(), open_channel(), open_channel()};
    settle_down();
    struct stream *stream = world.streams[0];
    stream->sides[0]->ends = true;
    nghttp2_session_resume_data(stream->server, stream->sides[0]->id);
    nghttp2_submit_rst_stream(stream->server, 0, stream->sides[1]->id, NGHTTP2_CANCEL);
    settle_down();
    ck_assert(owners[0]->over && owners[1]->over && !owners[2]->over);
    ck_assert_int_eq(owners[0]->end.kind, TRANSPORT_LOST);
    ck_assert_int_eq(owners[1]->end.kind, TRANSPORT_LOST);
    close_many(owners, 3);
}
END_TEST

START_TEST(a_refused_stream_is_asked_for_elsewhere)
{
    struct owner *owners[3];
    open_many(owners, 3);
    world.refuses = true;
    struct owner *fourth = open_channel();
    settle_down();
    world.refuses = false;
    settle_down();
    ck_assert_uint_ge(world.streams_count, 2);
    for (int i = 0; i < 100 && !fourth->opened && !fourth->over; i++) {
        advance(100);
        settle_down();
    }
    ck_assert(fourth->opened || fourth->over);
    ck_assert_uint_ge(fourth->asked, 2);
    ck_assert(!owners[0]->over && !owners[1]->over && !owners[2]->over);
    ck_assert(!world.streams[0]->freed);
    close_many(owners, 3);
    close_owner(fourth);
}
END_TEST

START_TEST(a_server_that_takes_no_stream_at_all_is_not_asked_again_at_once)
{
    world.refuses = true;
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->over && !owner->opened);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_UNREACHABLE);
    free(owner);
    owner = open_channel();
    world.refuses = false;
    for (int i = 0; i < 200 && !owner->opened; i++) {
        advance(100);
        settle_down();
    }
    ck_assert(owner->opened || owner->over);
    close_owner(owner);
}
END_TEST

START_TEST(after_goaway_streams_go_on_and_new_ones_go_elsewhere)
{
    struct owner *owners[2];
    open_many(owners, 2);
    struct stream *old = world.streams[0];
    nghttp2_submit_goaway(old->server, 0, old->sides[1]->id, NGHTTP2_NO_ERROR, NULL, 0);
    settle_down();
    ck_assert(!owners[0]->over && !owners[1]->over);
    struct owner *third = open_channel();
    settle_down();
    ck_assert(third->opened);
    ck_assert_uint_eq(world.streams_count, 2);
    say(old, 0, 0x82, "still", 5);
    settle_down();
    ck_assert_uint_eq(owners[0]->messages, 1);
    say_close(old, 0, 1001);
    say_close(old, 1, 1001);
    settle_down();
    ck_assert(owners[0]->over && owners[1]->over);
    ck_assert(old->finished);
    close_many(owners, 2);
    close_owner(third);
}
END_TEST

/* RFC 9113 section 6.8: a first one that names no stream, a second one that does. */
START_TEST(a_goaway_in_two_steps_leaves_the_streams_alone_that_it_serves)
{
    struct owner *owners[2];
    open_many(owners, 2);
    struct stream *old = world.streams[0];
    nghttp2_submit_shutdown_notice(old->server);
    settle_down();
    nghttp2_submit_goaway(old->server, 0, old->sides[0]->id, NGHTTP2_NO_ERROR, NULL, 0);
    settle_down();
    ck_assert(!owners[0]->over);
    ck_assert(owners[1]->over);
    ck_assert_int_eq(owners[1]->end.kind, TRANSPORT_LOST);
    say(old, 0, 0x82, "still", 5);
    settle_down();
    ck_assert_uint_eq(owners[0]->messages, 1);
    close_many(owners, 2);
}
END_TEST

START_TEST(streams_above_the_last_of_a_goaway_are_asked_for_again)
{
    struct owner *owners[2] = {open_channel()};
    settle_down();
    world.answers = false;
    owners[1] = open_channel();
    settle_down();
    struct stream *old = world.streams[0];
    ck_assert_uint_eq(old->count, 2);
    world.answers = true;
    nghttp2_submit_goaway(old->server, 0, old->sides[0]->id, NGHTTP2_NO_ERROR, NULL, 0);
    settle_down();
    ck_assert(owners[1]->opened && !owners[0]->over);
    ck_assert_uint_eq(world.streams_count, 2);
    close_many(owners, 2);
}
END_TEST

START_TEST(who_is_sent_away_or_cut_off_before_any_answer_hears_it_and_there_is_a_pause)
{
    static const struct stream_end hung_up = {.kind = STREAM_ENDED, .text = "the server hung up"};
    world.answers = false;
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            set_up();
        world.answers = false;
        struct owner *owners[2] = {open_channel(), NULL};
        settle_down();
        struct stream *stream = world.streams[0];
        owners[1] = open_channel();
        if (i == 0)
            nghttp2_submit_goaway(stream->server, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
        else if (i == 1)
            stream->events->ended(stream->arg, &hung_up);
        else
            nghttp2_submit_goaway(stream->server, 0, 1, NGHTTP2_ENHANCE_YOUR_CALM, NULL, 0);
        for (int turn = 0; turn < 100 && !(owners[0]->over && owners[1]->over); turn++) {
            settle_down();
            advance(HANDSHAKE_MS / 50);
        }
        ck_assert(owners[0]->over && owners[1]->over);
        ck_assert(owners[0]->end.sent_away == (i != 1) || i == 2);
        close_many(owners, 2);
        struct owner *next = open_channel();
        size_t before = world.streams_count;
        settle_down();
        ck_assert_uint_le(world.streams_count, before + 1);
        close_owner(next);
        if (i + 1 < 3)
            tear_down();
    }
}
END_TEST

START_TEST(who_is_sent_away_is_told_so_and_comes_later)
{
    enum { LOAD_SHEDDING = 0x40 };
    world.answers = false;
    struct owner *owner = open_channel();
    settle_down();
    nghttp2_submit_goaway(world.streams[0]->server, 0, 0, LOAD_SHEDDING, NULL, 0);
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_UNREACHABLE);
    ck_assert(owner->end.sent_away);
    free(owner);
    owner = open_channel();
    settle_down();
    ck_assert_uint_eq(world.streams_count, 1);
    close_owner(owner);
}
END_TEST

/* As Signal's front sheds load: SETTINGS, GOAWAY, EOF. */
START_TEST(whoever_waits_for_a_connection_that_sends_us_away_at_once_is_told_so)
{
    enum { LOAD_SHEDDING = 0x40 };
    world.leaves_with = LOAD_SHEDDING;
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_UNREACHABLE);
    ck_assert(owner->end.sent_away);
    ck_assert_uint_eq(world.streams[0]->count, 0);
    free(owner);
    world.leaves_with = 0;
    owner = open_channel();
    settle_down();
    ck_assert_uint_eq(world.streams_count, 1);
    advance(1000);
    settle_down();
    ck_assert(owner->opened);
    close_owner(owner);
}
END_TEST

START_TEST(a_lost_connection_is_lost_for_all_that_shared_it)
{
    static const struct stream_end end = {.kind = STREAM_ENDED, .text = "the server hung up"};
    struct owner *owners[5];
    open_many(owners, 5);
    struct stream *stream = world.streams[0];
    stream->events->ended(stream->arg, &end);
    ck_assert(!owners[0]->over);
    settle_down();
    for (size_t i = 0; i < 5; i++) {
        ck_assert(owners[i]->over);
        ck_assert_int_eq(owners[i]->end.kind, TRANSPORT_LOST);
        ck_assert_str_eq(owners[i]->end.text, end.text);
    }
    close_many(owners, 5);
}
END_TEST

START_TEST(a_server_without_websockets_over_http2_is_no_road)
{
    world.no_connect = true;
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_NO_ROAD);
    free(owner);
}
END_TEST

START_TEST(a_connection_that_comes_to_nothing_is_told_to_all_that_wait_and_rests)
{
    static const struct stream_end end = {.kind = STREAM_TLS, .text = "its certificate"};
    struct owner *owners[3] = {open_channel(), open_channel(), open_channel()};
    struct address address = {.length = 1};
    advance(0);
    ck_assert_uint_eq(world.attempts_count, 1);
    world.attempts[0]->fn(world.attempts[0]->arg, &address, NULL);
    world.attempts[0]->fn = NULL;
    world.streams[0]->events->ended(world.streams[0]->arg, &end);
    advance(0);
    advance(0);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(owners[i]->over);
        ck_assert_int_eq(owners[i]->end.kind, TRANSPORT_TLS);
        ck_assert_str_eq(owners[i]->end.text, end.text);
        free(owners[i]);
    }
    ck_assert(world.attempts[0]->failed);
    owners[0] = open_channel();
    advance(400);
    ck_assert_uint_eq(world.attempts_count, 1);
    advance(700);
    ck_assert_uint_eq(world.attempts_count, 2);
    settle_down();
    ck_assert(owners[0]->opened);
    close_owner(owners[0]);
}
END_TEST

START_TEST(a_request_that_is_not_answered_has_a_deadline)
{
    world.answers = false;
    struct owner *owner = open_channel();
    settle_down();
    advance(HANDSHAKE_MS - 1);
    settle_down();
    ck_assert(!owner->over);
    advance(1);
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_UNREACHABLE);
    ck_assert(world.streams[0]->sides[0]->reset);
    free(owner);
}
END_TEST

START_TEST(a_connection_behind_which_nobody_answers_is_left)
{
    struct owner *first = open_channel();
    settle_down();
    world.answers = false;
    for (int i = 0; i < 3; i++) {
        struct owner *owner = open_channel();
        settle_down();
        ck_assert_uint_eq(world.streams_count, 1);
        advance(HANDSHAKE_MS);
        settle_down();
        ck_assert(owner->over);
        free(owner);
    }
    world.answers = true;
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->opened && !first->over);
    ck_assert_uint_eq(world.streams_count, 2);
    close_owner(owner);
    close_owner(first);
}
END_TEST

START_TEST(one_ping_finds_a_dead_peer_for_all)
{
    struct owner *owners[3];
    open_many(owners, 3);
    struct stream *stream = world.streams[0];
    for (int i = 0; i < 3; i++) {
        advance(KEEPALIVE_MS);
        settle_down();
        advance(TIMEOUT_MS);
        settle_down();
    }
    ck_assert_uint_ge(stream->pings, 2);
    ck_assert(!owners[0]->over);
    stream->deaf = true;
    advance(KEEPALIVE_MS);
    settle_down();
    advance(TIMEOUT_MS);
    settle_down();
    advance(KEEPALIVE_MS + TIMEOUT_MS - 60000);
    settle_down();
    for (size_t i = 0; i < 3; i++) {
        ck_assert(owners[i]->over);
        ck_assert_int_eq(owners[i]->end.kind, TRANSPORT_LOST);
    }
    close_many(owners, 3);
}
END_TEST

START_TEST(a_limit_that_is_lowered_holds_for_new_streams)
{
    struct owner *owners[12];
    open_many(owners, 12);
    ck_assert_uint_eq(world.streams_count, 1);
    world.most = 10;
    settle(world.streams[0]);
    settle_down();
    struct owner *more = open_channel();
    settle_down();
    ck_assert(more->opened);
    ck_assert_uint_eq(world.streams_count, 2);
    ck_assert_uint_eq(h2_shares(world.h2), 10);
    ck_assert_uint_eq(h2_connections(world.h2), 2);
    for (size_t i = 0; i < 12; i++)
        ck_assert(!owners[i]->over);
    close_many(owners, 12);
    close_owner(more);
}
END_TEST

START_TEST(a_connection_whose_window_is_used_up_takes_no_more_streams_until_it_opens)
{
    enum { WINDOW = 65535, ANSWER = 300, TOO_MANY = WINDOW / ANSWER + 1 };
    static const uint8_t answer[ANSWER];
    world.gives_no_credit = true;
    world.most = 1;
    struct owner *owners[2] = {open_channel()};
    settle_down();
    for (int i = 0; i < TOO_MANY; i++)
        ck_assert_int_eq(h2_ops.send(owners[0]->channel, answer, sizeof answer), 0);
    let_go();
    ck_assert_uint_eq(world.streams[0]->sides[0]->got_length, WINDOW);
    h2_ops.free(owners[0]->channel);
    free(owners[0]);
    settle_down();
    owners[0] = open_channel();
    settle_down();
    ck_assert_uint_eq(world.streams_count, 2);
    ck_assert(owners[0]->opened);
    nghttp2_submit_window_update(world.streams[0]->server, 0, 0, WINDOW);
    settle_down();
    owners[1] = open_channel();
    settle_down();
    ck_assert_uint_eq(world.streams_count, 2);
    ck_assert(owners[1]->opened);
    close_many(owners, 2);
}
END_TEST

START_TEST(a_server_that_does_not_read_one_stream_does_not_hold_up_another)
{
    uint8_t message[400] = {0};
    struct owner *owners[2];
    open_many(owners, 2);
    struct stream *stream = world.streams[0];
    int result = 0;
    stream->deaf = true; /* nothing of it is read, and no window comes back */
    for (int i = 0; i < 1000 && result == 0; i++)
        result = h2_ops.send(owners[0]->channel, message, sizeof message);
    ck_assert_int_eq(result, ERR_LIMIT);
    stream->deaf = false;
    ck_assert_int_eq(h2_ops.send(owners[1]->channel, (const uint8_t *)"mine", 4), 0);
    say(stream, 1, 0x82, "yours", 5);
    settle_down();
    ck_assert_uint_eq(owners[1]->messages, 1);
    size_t at = 0;
    expect_frame(stream->sides[1], &at, 0x82, "mine", 4);
    close_many(owners, 2);
}
END_TEST

START_TEST(megabytes_for_one_do_not_stop_and_neither_does_its_neighbour)
{
    static uint8_t part[60000];
    struct owner *owners[2];
    open_many(owners, 2);
    struct stream *stream = world.streams[0];
    for (int i = 0; i < 50; i++)
        say(stream, 0, 0x82, part, sizeof part);
    say(stream, 1, 0x82, "small", 5);
    settle_down();
    ck_assert_uint_eq(owners[0]->messages, 50);
    ck_assert_uint_eq(owners[1]->messages, 1);
    close_many(owners, 2);
}
END_TEST

START_TEST(an_owner_may_free_or_close_from_inside_a_message)
{
    struct owner *owners[3] = {open_channel(), open_channel(), open_channel()};
    settle_down();
    struct stream *stream = world.streams[0];
    owners[0]->frees_in_piece = true;
    owners[1]->closes_in_piece = true;
    for (size_t i = 0; i < 3; i++) {
        say(stream, i, 0x82, "one", 3);
        say(stream, i, 0x82, "two", 3);
    }
    settle_down();
    ck_assert_ptr_null(owners[0]->channel);
    ck_assert(!owners[0]->over);
    ck_assert(stream->sides[0]->reset);
    ck_assert(owners[1]->over);
    ck_assert_uint_eq(owners[1]->messages, 1);
    ck_assert_uint_eq(owners[2]->messages, 2);
    close_many(owners, 3);
}
END_TEST

START_TEST(a_connection_without_streams_is_kept_for_a_moment_and_then_closed_in_order)
{
    struct owner *owner = open_channel();
    settle_down();
    close_owner(owner);
    settle_down();
    advance(5000);
    owner = open_channel();
    settle_down();
    ck_assert_uint_eq(world.streams_count, 1);
    close_owner(owner);
    settle_down();
    ck_assert(!world.streams[0]->freed);
    advance(10000);
    settle_down();
    advance(KEEPALIVE_MS);
    settle_down();
    ck_assert(world.streams[0]->finished);
}
END_TEST

START_TEST(a_server_that_announces_no_room_is_told_and_asked_again_later)
{
    world.most = 0;
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_UNREACHABLE);
    free(owner);
    world.most = 100;
    owner = open_channel();
    settle_down();
    ck_assert(!owner->opened);
    advance(1100);
    settle_down();
    ck_assert(owner->opened);
    close_owner(owner);
}
END_TEST

START_TEST(all_that_was_sent_arrives_however_much_waited)
{
    enum { MESSAGES = 150, SIZE = 400 };
    uint8_t message[SIZE];
    struct owner *owner = open_channel();
    settle_down();
    for (int i = 0; i < MESSAGES; i++) {
        memset(message, i, SIZE);
        ck_assert_int_eq(h2_ops.send(owner->channel, message, SIZE), 0);
    }
    h2_ops.close(owner->channel, 1000, "");
    settle_down();
    struct side *side = world.streams[0]->sides[0];
    size_t at = 0;
    for (int i = 0; i < MESSAGES; i++) {
        memset(message, i, SIZE);
        expect_frame(side, &at, 0x82, message, SIZE);
    }
    expect_frame(side, &at, 0x88, "\x03\xe8", 2);
    ck_assert(side->ended && owner->over);
    free(owner);
}
END_TEST

/* Fills the windows that the server gave at first. */
static void shut_window(struct owner *owner)
{
    uint8_t message[512] = {0};
    int result = 0;
    for (int i = 0; i < 1000 && result == 0; i++) {
        result = h2_ops.send(owner->channel, message, sizeof message);
        settle_down();
    }
    ck_assert_int_eq(result, ERR_LIMIT);
}

START_TEST(a_close_that_cannot_go_out_is_not_waited_for_for_ever)
{
    world.gives_no_credit = true;
    struct owner *owner = open_channel();
    settle_down();
    shut_window(owner);
    h2_ops.close(owner->channel, 1000, "");
    advance(4900);
    settle_down();
    ck_assert(!owner->over);
    advance(200);
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_STOPPED);
    ck_assert(world.streams[0]->sides[0]->reset);
    free(owner);
}
END_TEST

START_TEST(a_close_finds_room_where_nothing_else_does)
{
    enum { CLOSE_FRAME = 2 + 4 + 2 }; /* with its mask and a code */
    world.gives_no_credit = true;
    struct owner *owner = open_channel();
    settle_down();
    struct stream *stream = world.streams[0];
    struct side *side = stream->sides[0];
    shut_window(owner);
    while (h2_ops.send(owner->channel, (const uint8_t *)"x", 1) == 0)
        ck_assert(!side->ended); /* to the last byte */
    h2_ops.close(owner->channel, 1000, "");
    settle_down();
    ck_assert(!owner->over && !side->ended);
    nghttp2_submit_window_update(stream->server, 0, 0, KEPT);
    nghttp2_submit_window_update(stream->server, 0, side->id, KEPT);
    settle_down();
    ck_assert(owner->over && side->ended && !side->reset);
    size_t at = side->got_length - CLOSE_FRAME;
    expect_frame(side, &at, 0x88, "\x03\xe8", 2);
    ck_assert_uint_eq(at, side->got_length);
    free(owner);
}
END_TEST

/* So many bytes more may come, a few at a time. */
static void open_window(struct stream *stream, int bytes)
{
    enum { STEP = 5 };
    for (int given = 0; given < bytes; given += STEP) {
        nghttp2_submit_window_update(stream->server, 0, 0, STEP);
        nghttp2_submit_window_update(stream->server, 0, stream->sides[0]->id, STEP);
        settle_down();
    }
}

START_TEST(what_a_small_window_cuts_into_pieces_arrives_whole_in_order_and_once)
{
    enum { LENGTH = 512, FRAME = LENGTH + 8, BEFORE = 65535 / FRAME };
    static const uint8_t filling[LENGTH];
    size_t at = 0;
    world.gives_no_credit = true;
    struct owner *owner = open_channel();
    settle_down();
    struct stream *stream = world.streams[0];
    struct side *side = stream->sides[0];
    for (int i = 0; i < BEFORE; i++)
        ck_assert_int_eq(h2_ops.send(owner->channel, filling, sizeof filling), 0);
    ck_assert_int_eq(h2_ops.send(owner->channel, (const uint8_t *)"one", 3), 0);
    settle_down();
    ck_assert_int_eq(h2_ops.send(owner->channel, (const uint8_t *)"two", 3), 0);
    let_go();
    ck_assert_uint_eq(side->got_length, 65535); /* in the middle of it */
    ck_assert_int_eq(h2_ops.send(owner->channel, (const uint8_t *)"three", 5), 0);
    open_window(stream, 20); /* all of it, and some of what follows */
    ck_assert(!side->ended);
    ck_assert_int_eq(h2_ops.send(owner->channel, (const uint8_t *)"four", 4), 0);
    settle_down();
    h2_ops.close(owner->channel, 1000, "");
    settle_down();
    ck_assert(!owner->over && !side->ended);
    open_window(stream, 20);
    for (int i = 0; i < BEFORE; i++)
        expect_frame(side, &at, 0x82, filling, sizeof filling);
    expect_frame(side, &at, 0x82, "one", 3);
    expect_frame(side, &at, 0x82, "two", 3);
    expect_frame(side, &at, 0x82, "three", 5);
    expect_frame(side, &at, 0x82, "four", 4);
    expect_frame(side, &at, 0x88, "\x03\xe8", 2);
    ck_assert_uint_eq(at, side->got_length);
    ck_assert(side->ended && !side->reset);
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_STOPPED);
    free(owner);
}
END_TEST

START_TEST(whoever_answers_closes_and_leaves_inside_a_message_is_heard_to_the_end)
{
    struct owner *owner = open_channel();
    settle_down();
    struct stream *stream = world.streams[0];
    owner->closes_in_piece = owner->frees_in_piece = owner->sends_in_piece = true;
    say(stream, 0, 0x82, "message", 7);
    settle_down();
    struct side *side = stream->sides[0];
    size_t at = 0;
    expect_frame(side, &at, 0x82, "taken", 5);
    const uint8_t *payload;
    size_t length;
    ck_assert_int_eq(next_frame(side, &at, &payload, &length), 0x88);
    ck_assert(side->ended && !side->reset);
    say_close(stream, 0, 1000);
    settle_down();
    advance(6000);
    settle_down();
    ck_assert(!side->reset);
    close_owner(owner);
}
END_TEST

START_TEST(answers_that_another_follows_are_skipped_and_retry_after_is_read)
{
    world.early = 103;
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->opened);
    close_owner(owner);
    world.status = 503;
    world.retry_after = "17";
    owner = open_channel();
    settle_down();
    ck_assert_int_eq(owner->end.status, 503);
    ck_assert_int_eq(owner->end.retry_after_ms, 17000);
    free(owner);
}
END_TEST

START_TEST(a_message_beyond_all_bounds_is_a_violation)
{
    static uint8_t part[60000];
    struct owner *owner = open_channel();
    settle_down();
    for (int i = 0; i < 40 && !owner->over; i++) {
        owner->length = 0;
        say(world.streams[0], 0, i ? 0x00 : 0x02, part, sizeof part);
        settle_down();
    }
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_VIOLATION);
    ck_assert(owner->end.text[0]);
    const uint8_t *payload;
    size_t at = 0, length;
    ck_assert_int_eq(next_frame(world.streams[0]->sides[0], &at, &payload, &length), 0x88);
    ck_assert_int_eq(payload[0] << 8 | payload[1], 1009);
    free(owner);
}
END_TEST

START_TEST(where_nothing_can_be_sent_any_more_what_had_arrived_still_counts)
{
    static const struct stream_end end = {.kind = STREAM_ENDED, .text = "the server hung up"};
    struct owner *owners[2];
    open_many(owners, 2);
    struct stream *stream = world.streams[0];
    world.write_result = ERR_NOT_NOW;
    h2_ops.send(owners[0]->channel, (const uint8_t *)"ack", 3);
    say_close(stream, 0, 4409);
    settle_down();
    ck_assert(owners[0]->over && !owners[1]->over);
    ck_assert_int_eq(owners[0]->end.close_code, 4409);
    stream->events->ended(stream->arg, &end);
    settle_down();
    ck_assert_int_eq(owners[1]->end.kind, TRANSPORT_LOST);
    ck_assert_str_eq(owners[1]->end.text, end.text);
    world.write_result = 0;
    close_many(owners, 2);
}
END_TEST

START_TEST(a_server_that_reads_nothing_at_all_is_lost)
{
    struct owner *owner = open_channel();
    let_go();
    world.write_result = ERR_LIMIT;
    h2_ops.send(owner->channel, (const uint8_t *)"ack", 3);
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_LOST);
    world.write_result = 0;
    free(owner);
}
END_TEST

static const uint8_t broken[] = {0, 0, 1, 6, 0, 0, 0, 0, 0, 'x'}; /* a PING of one byte */

START_TEST(a_server_that_breaks_a_rule_of_http2_ends_it_for_all_also_after_its_farewell)
{
    for (int leaves = 0; leaves < 2; leaves++) {
        struct owner *owners[2];
        if (leaves)
            set_up();
        open_many(owners, 2);
        struct stream *stream = world.streams[0];
        if (leaves)
            nghttp2_submit_goaway(stream->server, 0, stream->sides[1]->id, 0, NULL, 0);
        settle_down();
        stream->events->received(stream->arg, broken, sizeof broken);
        stream->deaf = true;
        settle_down();
        for (size_t i = 0; i < 2; i++) {
            ck_assert(owners[i]->over);
            ck_assert_int_eq(owners[i]->end.kind, TRANSPORT_VIOLATION);
        }
        ck_assert(stream->freed);
        close_many(owners, 2);
        if (!leaves)
            tear_down();
    }
}
END_TEST

static struct owner *open_candidate(void)
{
    struct owner *owner = mem_new(sizeof *owner);
    owner->channel = h2_ops.open(world.h2, true, &events, owner);
    return owner;
}

START_TEST(candidates_have_their_turn_beside_accounts)
{
    struct owner *owners[6];
    struct owner *first = open_candidate();
    settle_down();
    ck_assert(first->opened);
    unsigned first_place = first->place;
    ck_assert_int_eq(world.attempts[0]->lane, CONNECTOR_CANDIDATE);
    close_owner(first);
    settle_down();
    world.config.signal_accounts_per_connection = 1;
    h2_reload(world.h2, &world.config);
    for (size_t i = 0; i < 6; i++)
        owners[i] = open_channel();
    struct owner *candidate = open_candidate();
    for (int i = 0; i < 1000 && !candidate->opened; i++) {
        settle_down();
        advance(10);
    }
    ck_assert(candidate->opened);
    ck_assert_uint_le(candidate->place, first_place + 3);
    close_owner(candidate);
    close_many(owners, 6);
}
END_TEST

START_TEST(a_reload_that_lowers_the_number_holds_for_connections_that_stand)
{
    struct owner *owners[3];
    open_many(owners, 3);
    world.config.signal_accounts_per_connection = 1;
    h2_reload(world.h2, &world.config);
    struct owner *fourth = open_channel();
    settle_down();
    ck_assert(fourth->opened);
    ck_assert_uint_eq(world.streams_count, 2);
    close_owner(fourth);
    fourth = open_channel(); /* not on what another has used */
    settle_down();
    ck_assert(fourth->opened);
    ck_assert_uint_eq(world.streams_count, 3);
    world.config.signal_accounts_per_connection = 100;
    h2_reload(world.h2, &world.config);
    struct owner *fifth = open_channel();
    settle_down();
    ck_assert(fifth->opened);
    ck_assert_uint_eq(world.streams_count, 3);
    close_many(owners, 3);
    close_owner(fourth);
    close_owner(fifth);
}
END_TEST

START_TEST(an_empty_connection_that_was_used_is_not_taken_where_none_is_shared)
{
    struct owner *owner = open_channel();
    settle_down();
    close_owner(owner);
    settle_down();
    world.config.signal_accounts_per_connection = 1;
    h2_reload(world.h2, &world.config);
    owner = open_channel();
    settle_down();
    ck_assert(owner->opened);
    ck_assert_uint_eq(world.streams_count, 2);
    close_owner(owner);
}
END_TEST

START_TEST(one_connection_that_fails_while_others_serve_takes_no_more_than_its_share)
{
    enum { WAITING = 30, SHARE = 10 };
    static const struct stream_end end = {.kind = STREAM_UNREACHABLE, .text = "no TCP"};
    struct owner *owners[SHARE], *waiting[WAITING];
    struct address address = {.length = 1};
    world.config.signal_accounts_per_connection = SHARE;
    h2_reload(world.h2, &world.config);
    open_many(owners, SHARE);
    for (size_t i = 0; i < WAITING; i++)
        waiting[i] = open_channel();
    advance(100);
    ck_assert_uint_eq(world.attempts_count, 2);
    world.attempts[1]->fn(world.attempts[1]->arg, &address, NULL);
    world.attempts[1]->fn = NULL;
    world.streams[1]->events->ended(world.streams[1]->arg, &end);
    advance(0);
    advance(0);
    size_t over = 0;
    for (size_t i = 0; i < WAITING; i++)
        over += waiting[i]->over;
    ck_assert_uint_eq(over, SHARE);
    for (int i = 0; i < 200; i++) {
        advance(20);
        settle_down();
    }
    for (size_t i = 0; i < WAITING; i++)
        ck_assert(waiting[i]->opened || waiting[i]->over);
    close_many(owners, SHARE);
    close_many(waiting, WAITING);
}
END_TEST

START_TEST(a_thousand_streams_are_not_asked_for_in_one_moment)
{
    enum { ACCOUNTS = 90 };
    struct owner *owners[ACCOUNTS];
    for (size_t i = 0; i < ACCOUNTS; i++)
        owners[i] = open_channel();
    settle_down();
    size_t opened = 0, asked = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        opened += owners[i]->opened;
        asked += owners[i]->asked;
    }
    ck_assert_uint_eq(opened, 50);
    ck_assert_uint_eq(asked, 50); /* the others' credentials are nowhere yet */
    advance(40);
    settle_down();
    for (size_t i = opened = 0; i < ACCOUNTS; i++)
        opened += owners[i]->opened;
    ck_assert_uint_eq(opened, 70);
    close_many(owners, ACCOUNTS);
}
END_TEST

START_TEST(one_event_for_many_streams_is_one_failure)
{
    enum { ACCOUNTS = 10, LOAD_SHEDDING = 0x40 };
    struct owner *owners[ACCOUNTS];
    world.answers = false;
    for (size_t i = 0; i < ACCOUNTS; i++)
        owners[i] = open_channel();
    settle_down();
    nghttp2_submit_goaway(world.streams[0]->server, 0, 0, LOAD_SHEDDING, NULL, 0);
    settle_down();
    for (size_t i = 0; i < ACCOUNTS; i++)
        ck_assert(owners[i]->over && owners[i]->end.sent_away);
    close_many(owners, ACCOUNTS);
    world.answers = true;
    struct owner *next = open_channel();
    advance(1100);
    settle_down();
    ck_assert(next->opened);
    close_owner(next);
}
END_TEST

START_TEST(a_name_that_is_not_found_is_told)
{
    struct owner *owner = open_channel();
    struct err err;
    err_set(&err, ERR_IO, "there is no such name");
    advance(0);
    world.attempts[0]->fn(world.attempts[0]->arg, NULL, &err);
    world.attempts[0]->fn = NULL;
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_UNREACHABLE);
    ck_assert_str_eq(owner->end.text, err.text);
    ck_assert(!world.attempts[0]->failed);
    free(owner);
}
END_TEST

START_TEST(a_stream_that_is_refused_again_and_again_comes_to_an_end)
{
    struct owner *first = open_channel();
    settle_down();
    world.refuses = true;
    struct owner *owner = open_channel();
    for (int i = 0; i < 100 && !owner->over; i++) {
        world.most = 50 + (uint32_t)i % 2; /* another limit each time: as if there were room */
        for (size_t j = 0; j < world.streams_count; j++)
            if (!world.streams[j]->freed)
                settle(world.streams[j]);
        settle_down();
    }
    ck_assert(owner->over && !first->over);
    size_t asked = 0;
    for (size_t j = 0; j < world.streams_count; j++)
        asked += world.streams[j]->count;
    ck_assert_uint_le(asked, 6);
    free(owner);
    close_owner(first);
}
END_TEST

START_TEST(a_server_that_wants_http1_is_no_road)
{
    world.reset_with = NGHTTP2_HTTP_1_1_REQUIRED;
    struct owner *owner = open_channel();
    settle_down();
    ck_assert(owner->over);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_NO_ROAD);
    free(owner);
}
END_TEST

/* Keep-alives: a write, a record of TLS and the processor's way there cost more than they do. */
START_TEST(what_is_in_no_hurry_goes_together)
{
    struct owner *owners[3];
    open_many(owners, 3);
    struct stream *stream = world.streams[0];
    unsigned before = stream->writes;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(h2_ops.send_lazily(owners[i]->channel, (const uint8_t *)"alive", 5), 0);
        advance(LAZY_MS / 4);
        settle_down();
        ck_assert_uint_eq(stream->writes, before);
    }
    advance(LAZY_MS / 4);
    settle_down();
    ck_assert_uint_eq(stream->writes, before + 1);
    for (int i = 0; i < 3; i++) {
        size_t at = 0;
        expect_frame(stream->sides[i], &at, 0x82, "alive", 5);
        ck_assert_uint_eq(at, stream->sides[i]->got_length);
    }
    close_many(owners, 3);
}
END_TEST

START_TEST(what_is_in_a_hurry_takes_along_what_is_not)
{
    struct owner *owners[2];
    open_many(owners, 2);
    struct stream *stream = world.streams[0];
    let_go();
    unsigned before = stream->writes;
    ck_assert_int_eq(h2_ops.send_lazily(owners[0]->channel, (const uint8_t *)"alive", 5), 0);
    ck_assert_int_eq(h2_ops.send(owners[1]->channel, (const uint8_t *)"taken", 5), 0);
    ck_assert_uint_eq(stream->writes, before + 1);
    settle_down();
    advance(2 * LAZY_MS);
    settle_down();
    ck_assert_uint_eq(stream->writes, before + 1);
    size_t at = 0;
    expect_frame(stream->sides[0], &at, 0x82, "alive", 5);
    at = 0;
    expect_frame(stream->sides[1], &at, 0x82, "taken", 5);
    close_many(owners, 2);
}
END_TEST

/* The first of a burst goes at once, the others by the time of the next write. */
START_TEST(answers_that_follow_each_other_closely_go_together)
{
    struct owner *owners[3];
    open_many(owners, 3);
    struct stream *stream = world.streams[0];
    let_go();
    unsigned before = stream->writes;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(h2_ops.send(owners[i]->channel, (const uint8_t *)"taken", 5), 0);
    ck_assert_uint_eq(stream->writes, before + 1);
    advance(TOGETHER_MS - 1);
    settle_down();
    ck_assert_uint_eq(stream->writes, before + 1);
    advance(1);
    settle_down();
    ck_assert_uint_eq(stream->writes, before + 2);
    for (int i = 0; i < 3; i++) {
        size_t at = 0;
        expect_frame(stream->sides[i], &at, 0x82, "taken", 5);
        ck_assert_uint_eq(at, stream->sides[i]->got_length);
    }
    close_many(owners, 3);
}
END_TEST

/* What comes in sends nothing out, unless it wants an answer of its own. */
START_TEST(an_answer_waits_on_while_messages_come_and_goes_with_what_must_go)
{
    struct owner *owners[3];
    open_many(owners, 3);
    struct stream *stream = world.streams[0];
    let_go();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(h2_ops.send(owners[i]->channel, (const uint8_t *)"taken", 5), 0);
    unsigned before = stream->writes;
    say(stream, 2, 0x82, "hi", 2);
    settle_down();
    ck_assert_uint_eq(stream->writes, before);
    say(stream, 2, 0x89, "?", 1);
    settle_down();
    ck_assert_uint_eq(stream->writes, before + 1); /* the PONG, and the answer */
    size_t at = 0;
    expect_frame(stream->sides[1], &at, 0x82, "taken", 5);
    at = 0;
    expect_frame(stream->sides[2], &at, 0x8a, "?", 1);
    ck_assert_int_eq(h2_ops.send(owners[0]->channel, (const uint8_t *)"again", 5), 0);
    ck_assert_uint_eq(stream->writes, before + 1);
    nghttp2_submit_ping(stream->server, 0, NULL);
    settle_down();
    ck_assert_uint_eq(stream->writes, before + 2);
    at = 0;
    expect_frame(stream->sides[0], &at, 0x82, "taken", 5);
    expect_frame(stream->sides[0], &at, 0x82, "again", 5);
    close_many(owners, 3);
}
END_TEST

START_TEST(what_arrived_is_acknowledged_once_where_its_answer_waits)
{
    struct owner *owners[2];
    open_many(owners, 2);
    struct stream *stream = world.streams[0];
    let_go();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(h2_ops.send(owners[i]->channel, (const uint8_t *)"taken", 5), 0);
    ck_assert_uint_eq(stream->acknowledgements, 0); /* the first one carries it */
    say(stream, 1, 0x82, "hi", 2);
    settle_down();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(h2_ops.send(owners[i]->channel, (const uint8_t *)"again", 5), 0);
    ck_assert_uint_eq(stream->acknowledgements, 1);
    close_many(owners, 2);
}
END_TEST

/* That they wait for company is no fault of the server's reading. */
START_TEST(as_many_answers_at_once_as_the_server_reads_find_room)
{
    enum { ANSWER = 60, FRAME = 2 + 4 + ANSWER, MANY = 2 * TRANSPORT_UNSENT_MAX / FRAME };
    static const uint8_t answer[ANSWER];
    struct owner *owner = open_channel();
    let_go();
    struct stream *stream = world.streams[0];
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(h2_ops.send(owner->channel, answer, sizeof answer), 0);
        settle_down();
    }
    owner->sends_in_piece = true; /* while what was said last still waits */
    say(stream, 0, 0x82, "hi", 2);
    let_go();
    ck_assert_uint_eq(stream->sides[0]->got_length, MANY * FRAME + 2 + 4 + strlen("taken"));
    close_owner(owner);
}
END_TEST

START_TEST(no_hurry_is_less_after_a_reload)
{
    struct owner *owners[2];
    open_many(owners, 2);
    unsigned before = world.streams[0]->writes;
    ck_assert_int_eq(h2_ops.send_lazily(owners[0]->channel, (const uint8_t *)"alive", 5), 0);
    world.config.signal_keepalive_timeout_ms = 500;
    h2_reload(world.h2, &world.config);
    ck_assert_int_eq(h2_ops.send_lazily(owners[1]->channel, (const uint8_t *)"alive", 5), 0);
    advance(49);
    ck_assert_uint_eq(world.streams[0]->writes, before);
    advance(1);
    ck_assert_uint_eq(world.streams[0]->writes, before + 1);
    settle_down();
    close_many(owners, 2);
}
END_TEST

/* Its connection goes while it waits. */
START_TEST(what_is_in_no_hurry_may_come_too_late)
{
    static const struct stream_end hung_up = {.kind = STREAM_ENDED, .text = "the server hung up"};
    struct owner *owners[2];
    open_many(owners, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(h2_ops.send_lazily(owners[i]->channel, (const uint8_t *)"alive", 5), 0);
    h2_ops.free(owners[0]->channel); /* which is said at once, and the other's with it */
    owners[0]->channel = NULL;
    ck_assert_int_eq(h2_ops.send_lazily(owners[1]->channel, (const uint8_t *)"again", 5), 0);
    world.streams[0]->events->ended(world.streams[0]->arg, &hung_up);
    settle_down();
    advance(2 * LAZY_MS);
    settle_down();
    ck_assert(owners[1]->over);
    ck_assert_int_eq(owners[1]->end.kind, TRANSPORT_LOST);
    free(owners[0]);
    free(owners[1]);
}
END_TEST

START_TEST(who_is_heard_is_not_pinged)
{
    struct owner *owner = open_channel();
    settle_down();
    for (int i = 0; i < 10; i++) {
        advance(KEEPALIVE_MS - 1000);
        say(world.streams[0], 0, 0x82, "hello", 5);
        settle_down();
    }
    ck_assert_uint_eq(world.streams[0]->pings, 0);
    close_owner(owner);
}
END_TEST

START_TEST(who_fails_alone_where_others_are_served_says_so)
{
    struct owner *served = open_channel();
    settle_down();
    world.answers = false;
    struct owner *owner = open_channel();
    settle_down();
    advance(HANDSHAKE_MS);
    settle_down();
    ck_assert(owner->over && owner->end.alone);
    ck_assert_int_eq(owner->end.kind, TRANSPORT_UNREACHABLE);
    free(owner);
    close_owner(served);
}
END_TEST

START_TEST(where_connections_fail_again_and_again_all_that_wait_hear_it_although_others_serve)
{
    enum { WAITING = 30 };
    static const struct stream_end end = {.kind = STREAM_UNREACHABLE, .text = "no TCP"};
    struct owner *first, *waiting[WAITING];
    struct address address = {.length = 1};
    world.config.signal_accounts_per_connection = 1;
    h2_reload(world.h2, &world.config);
    first = open_channel();
    settle_down();
    for (size_t i = 0; i < WAITING; i++)
        waiting[i] = open_channel();
    size_t over = 0;
    for (int turn = 0; turn < 200 && over < WAITING; turn++) {
        advance(100);
        for (size_t i = 0; i < world.attempts_count; i++) {
            struct attempt *attempt = world.attempts[i];
            connector_fn *fn = attempt->fn;
            attempt->fn = NULL;
            if (fn && !attempt->ended) {
                fn(attempt->arg, &address, NULL);
                struct stream *stream = world.streams[world.streams_count - 1];
                stream->events->ended(stream->arg, &end);
            }
        }
        advance(0);
        for (size_t i = over = 0; i < WAITING; i++)
            over += waiting[i]->over;
    }
    ck_assert_uint_eq(over, WAITING);
    ck_assert_uint_le(world.attempts_count, 4);
    ck_assert(!first->over);
    close_owner(first);
    close_many(waiting, WAITING);
}
END_TEST

START_TEST(an_ordinary_farewell_of_a_new_connection_cuts_nobody_while_another_serves)
{
    struct owner *owners[2], *waiting[3];
    world.config.signal_accounts_per_connection = 2;
    h2_reload(world.h2, &world.config);
    open_many(owners, 2);
    world.leaves_in_order = true;
    for (size_t i = 0; i < 3; i++)
        waiting[i] = open_channel();
    settle_down();
    world.leaves_in_order = false;
    for (int i = 0; i < 200 && !waiting[2]->opened; i++) {
        advance(20);
        settle_down();
    }
    for (size_t i = 0; i < 3; i++)
        ck_assert(waiting[i]->opened && !waiting[i]->over);
    close_many(owners, 2);
    close_many(waiting, 3);
}
END_TEST

START_TEST(a_connection_whose_window_is_used_up_gets_no_more_streams)
{
    world.gives_no_credit = true;
    struct owner *owners[4];
    open_many(owners, 4);
    for (size_t i = 0; i < 4; i++) {
        uint8_t message[512] = {0};
        for (int j = 0; j < 100; j++) {
            h2_ops.send(owners[i]->channel, message, sizeof message);
            settle_down();
        }
    }
    let_go();
    struct owner *fifth = open_channel();
    settle_down();
    ck_assert(fifth->opened);
    ck_assert_uint_eq(world.streams_count, 2);
    ck_assert_uint_eq(world.streams[0]->count, 4);
    close_many(owners, 4);
    close_owner(fifth);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("h2");
    TCase *tcase = tcase_create("h2");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    const TTest *tests[] = {
        a_websocket_is_asked_for_as_rfc_8441_has_it_and_carries_messages,
        who_has_no_credentials_asks_without_and_may_close_at_once,
        frames_may_arrive_byte_by_byte,
        connections_are_filled_one_after_the_other_up_to_what_both_sides_take,
        with_one_account_for_each_connection_none_is_shared,
        an_answer_that_is_no_websocket_ends_that_stream_alone,
        what_was_queued_goes_out_before_the_answer_to_the_servers_close,
        our_close_goes_out_although_its_owner_has_left_and_is_not_waited_for_for_ever,
        an_owner_that_closes_hears_that_it_did,
        a_frame_that_must_not_be_ends_that_websocket_with_its_code,
        a_stream_that_ends_or_is_reset_without_a_close_is_a_lost_link,
        a_refused_stream_is_asked_for_elsewhere,
        a_server_that_takes_no_stream_at_all_is_not_asked_again_at_once,
        after_goaway_streams_go_on_and_new_ones_go_elsewhere,
        a_goaway_in_two_steps_leaves_the_streams_alone_that_it_serves,
        streams_above_the_last_of_a_goaway_are_asked_for_again,
        who_is_sent_away_or_cut_off_before_any_answer_hears_it_and_there_is_a_pause,
        who_is_sent_away_is_told_so_and_comes_later,
        whoever_waits_for_a_connection_that_sends_us_away_at_once_is_told_so,
        a_connection_whose_window_is_used_up_takes_no_more_streams_until_it_opens,
        a_lost_connection_is_lost_for_all_that_shared_it,
        a_server_without_websockets_over_http2_is_no_road,
        a_connection_that_comes_to_nothing_is_told_to_all_that_wait_and_rests,
        a_request_that_is_not_answered_has_a_deadline,
        a_connection_behind_which_nobody_answers_is_left,
        one_ping_finds_a_dead_peer_for_all,
        a_limit_that_is_lowered_holds_for_new_streams,
        a_server_that_does_not_read_one_stream_does_not_hold_up_another,
        megabytes_for_one_do_not_stop_and_neither_does_its_neighbour,
        an_owner_may_free_or_close_from_inside_a_message,
        a_connection_without_streams_is_kept_for_a_moment_and_then_closed_in_order,
        a_server_that_announces_no_room_is_told_and_asked_again_later,
        all_that_was_sent_arrives_however_much_waited,
        a_close_that_cannot_go_out_is_not_waited_for_for_ever,
        a_close_finds_room_where_nothing_else_does,
        what_a_small_window_cuts_into_pieces_arrives_whole_in_order_and_once,
        whoever_answers_closes_and_leaves_inside_a_message_is_heard_to_the_end,
        answers_that_another_follows_are_skipped_and_retry_after_is_read,
        a_message_beyond_all_bounds_is_a_violation,
        where_nothing_can_be_sent_any_more_what_had_arrived_still_counts,
        a_server_that_reads_nothing_at_all_is_lost,
        a_server_that_breaks_a_rule_of_http2_ends_it_for_all_also_after_its_farewell,
        candidates_have_their_turn_beside_accounts,
        a_reload_that_lowers_the_number_holds_for_connections_that_stand,
        an_empty_connection_that_was_used_is_not_taken_where_none_is_shared,
        one_connection_that_fails_while_others_serve_takes_no_more_than_its_share,
        a_thousand_streams_are_not_asked_for_in_one_moment,
        one_event_for_many_streams_is_one_failure,
        a_name_that_is_not_found_is_told,
        a_stream_that_is_refused_again_and_again_comes_to_an_end,
        a_server_that_wants_http1_is_no_road,
        what_is_in_no_hurry_goes_together,
        what_is_in_a_hurry_takes_along_what_is_not,
        answers_that_follow_each_other_closely_go_together,
        an_answer_waits_on_while_messages_come_and_goes_with_what_must_go,
        what_arrived_is_acknowledged_once_where_its_answer_waits,
        as_many_answers_at_once_as_the_server_reads_find_room,
        no_hurry_is_less_after_a_reload,
        what_is_in_no_hurry_may_come_too_late,
        who_is_heard_is_not_pinged,
        who_fails_alone_where_others_are_served_says_so,
        where_connections_fail_again_and_again_all_that_wait_hear_it_although_others_serve,
        an_ordinary_farewell_of_a_new_connection_cuts_nobody_while_another_serves,
        a_connection_whose_window_is_used_up_gets_no_more_streams,
    };
    if (sodium_init() < 0)
        return 1;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
