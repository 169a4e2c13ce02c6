#include "signal/h1.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/buf.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/stream.h"
#include "signal/frames.h"

#include "unit.h"

/* The road between a stream and a connector that play along, in place of net/'s, and a server that
 * is played by hand. Nothing waits: the clock is moved by hand. test_h1.c has real sockets. */

enum { HANDSHAKE_MS = 15000, CLOSE_MS = 5000, FRAMES_MAX = 64 };

/* In place of net/connector.h and net/stream.h */

struct stream {
    const struct stream_events *events;
    void *arg;
    struct buf written;
    size_t unsent;    /* of it, where the server does not read */
    int write_result; /* of what is written from now on */
    bool stalls, finished, freed;
    unsigned idle;
};

struct attempt {
    connector_fn *fn;
    void *arg;
    bool ended, failed;
};

static struct loop loop;
static struct h1 *h1;
static struct stream *stream;
static struct attempt *attempt;

struct attempt *connector_start(struct connector *connector, enum connector_lane lane,
                                const char *host, uint16_t port, connector_fn *fn, void *arg)
{
    (void)connector;
    ck_assert_int_eq(lane, CONNECTOR_ACCOUNT);
    ck_assert_str_eq(host, "localhost");
    ck_assert_uint_eq(port, 8080);
    attempt->fn = fn;
    attempt->arg = arg;
    return attempt;
}

void connector_end(struct attempt *which)
{
    ck_assert(!which->ended);
    which->ended = true;
}

void connector_failed(struct attempt *which)
{
    ck_assert(!which->ended);
    which->failed = true;
}

int connector_take_socket(struct attempt *which)
{
    ck_assert(!which->ended);
    return -1;
}

struct stream *stream_open(struct loop *its_loop, const struct stream_target *target,
                           const struct address *address, int connected,
                           const struct stream_events *events, void *arg)
{
    (void)its_loop, (void)address, (void)connected;
    ck_assert_str_eq(target->host, "localhost");
    ck_assert_uint_eq(target->alpn_length, 9);
    ck_assert_mem_eq(target->alpn, "\x08http/1.1", 9);
    stream->events = events;
    stream->arg = arg;
    return stream;
}

int stream_write(struct stream *which, const void *bytes, size_t length)
{
    ck_assert(!which->freed);
    if (which->write_result != 0)
        return which->write_result;
    if (which->stalls)
        which->unsent += length;
    return buf_add(&which->written, bytes, length);
}

size_t stream_unsent(const struct stream *which)
{
    return which->unsent;
}

void stream_idle(struct stream *which)
{
    ck_assert(!which->freed);
    which->idle++;
}

void stream_free(struct stream *which)
{
    if (!which)
        return;
    ck_assert(!which->freed);
    which->freed = true;
}

void stream_finish(struct stream *which)
{
    stream_free(which);
    which->finished = true;
}

/* The owner */

enum moment { NEVER, IN_OPENED, IN_PIECE, IN_ENDED };

static struct seen {
    struct channel *channel;
    bool in_call, inside;
    bool anonymous;
    unsigned asked, opened, ended, messages;
    struct buf bytes;
    struct transport_end end;
    enum moment free_at, close_at;
} seen;

static void free_channel(void)
{
    if (seen.channel)
        h1_ops.free(seen.channel);
    seen.channel = NULL;
}

static void at_moment(enum moment moment)
{
    ck_assert(!seen.in_call);
    if (seen.close_at == moment)
        h1_ops.close(seen.channel, 1000, "");
    if (seen.free_at == moment)
        free_channel();
}

static void on_asking(void *arg, struct channel_credentials *credentials)
{
    ck_assert_ptr_eq(arg, &seen);
    ck_assert_uint_eq(stream->written.length, 0);
    seen.asked++;
    *credentials = (struct channel_credentials){.user_agent = "Doorbell/1"};
    if (!seen.anonymous)
        credentials->authorization = mem_text("Basic dXNlcjpwYXNz");
}

static void on_opened(void *arg)
{
    (void)arg;
    seen.opened++;
    ck_assert(attempt->ended && !attempt->failed);
    at_moment(IN_OPENED);
}

static void on_piece(void *arg, const uint8_t *bytes, size_t length, bool first, bool last)
{
    (void)arg;
    ck_assert(seen.opened && !seen.ended && first != seen.inside);
    seen.inside = !last;
    seen.messages += last;
    buf_add(&seen.bytes, bytes, length);
    at_moment(IN_PIECE);
}

static void on_ended(void *arg, const struct transport_end *end)
{
    (void)arg;
    seen.ended++;
    seen.end = *end;
    ck_assert(attempt->ended);
    at_moment(IN_ENDED);
}

static const struct transport_events events = {
    .asking = on_asking, .opened = on_opened, .piece = on_piece, .ended = on_ended};

static void advance(int64_t ms)
{
    loop.uv.time += (uint64_t)ms;
    timers_fire(&loop.timers, loop_now_ms(&loop));
}

static void begin(void)
{
    static const struct config config = {
        .signal_url = (char *)(uintptr_t) "ws://localhost:8080/v1/websocket/",
        .net_connect_timeout_ms = 10000,
        .net_handshake_timeout_ms = HANDSHAKE_MS};
    seen = (struct seen){0};
    buf_init(&seen.bytes, 1 << 20);
    loop_init(&loop);
    stream = mem_new(sizeof *stream);
    buf_init(&stream->written, 1 << 20);
    attempt = mem_new(sizeof *attempt);
    h1 = h1_new(&loop, NULL, &config, NULL);
    seen.channel = h1_ops.open(h1, false, &events, &seen);
    ck_assert_uint_eq(seen.asked, 0);
}

/* Nothing of it stays. */
static void finish(void)
{
    bool opened_stream = stream->events;
    free_channel();
    ck_assert_uint_eq(loop.timers.count, 0);
    ck_assert(attempt->ended);
    ck_assert_int_eq(stream->freed, opened_stream);
    h1_free(h1);
    buf_fini(&stream->written);
    buf_fini(&seen.bytes);
    free(stream);
    free(attempt);
    loop_fini(&loop);
}

static void connect_tcp(void)
{
    struct address address = {.length = 1};
    attempt->fn(attempt->arg, &address, NULL);
    ck_assert_uint_eq(seen.asked, 0); /* nothing secret before TLS stands */
}

static void connect_stream(void)
{
    connect_tcp();
    stream->events->open(stream->arg, "http/1.1");
    ck_assert_uint_eq(seen.asked, 1);
}

/* From a copy of its own size, so that reading past it is seen. */
static void arrive(const void *bytes, size_t length)
{
    if (stream->freed || length == 0)
        return;
    uint8_t *copy = mem_new(length);
    memcpy(copy, bytes, length);
    stream->events->received(stream->arg, copy, length);
    free(copy);
}

static void arrive_text(const char *text)
{
    arrive(text, strlen(text));
}

static void end_stream(enum stream_end_kind kind, const char *text)
{
    struct stream_end end = {.kind = kind};
    snprintf(end.text, sizeof end.text, "%s", text);
    stream->events->ended(stream->arg, &end);
    advance(0);
}

/* All that waited has gone out. */
static void tell_sent(void)
{
    stream->unsent = 0;
    stream->events->sent(stream->arg);
}

/* The answer that grants it, and what follows in the same flight. Returns its length. */
static size_t grant(char answer[512], const char *and_then, size_t length)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    char text[128], accept[B64_TEXT_SIZE(20)];
    uint8_t hash[EVP_MAX_MD_SIZE];
    buf_add(&stream->written, "", 1);
    const char *key = strstr((char *)stream->written.bytes, name);
    ck_assert_ptr_nonnull(key);
    int used = snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                        key + strlen(name));
    EVP_Digest(text, (size_t)used, hash, NULL, EVP_sha1(), NULL);
    b64_encode(accept, hash, 20);
    used = snprintf(answer, 512,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                    accept);
    memcpy(answer + used, and_then, length);
    buf_clear(&stream->written);
    return (size_t)used + length;
}

static void open_with(const char *and_then, size_t length)
{
    char answer[512];
    begin();
    connect_stream();
    arrive(answer, grant(answer, and_then, length));
}

static void open_up(void)
{
    open_with("", 0);
    ck_assert_uint_eq(seen.opened, 1);
}

/* What the client wrote, frame by frame, without its mask. */
struct frame {
    uint8_t start;
    size_t length;
    uint8_t payload[600];
};

static size_t read_frames(struct frame frames[FRAMES_MAX])
{
    const uint8_t *at = stream->written.bytes, *end = at + stream->written.length;
    size_t count = 0;
    for (; at < end; count++) {
        ck_assert_uint_lt(count, FRAMES_MAX);
        struct frame *frame = &frames[count];
        frame->start = *at++;
        ck_assert(*at & 0x80); /* masked */
        frame->length = *at++ & 0x7f;
        if (frame->length == 126) {
            frame->length = (size_t)(at[0] << 8 | at[1]);
            at += 2;
        }
        const uint8_t *mask = at;
        at += 4;
        ck_assert_uint_le(frame->length, sizeof frame->payload);
        for (size_t i = 0; i < frame->length; i++)
            frame->payload[i] = *at++ ^ mask[i % 4];
    }
    return count;
}

static void check_close(const struct frame *frame, const char *payload, size_t length)
{
    ck_assert_uint_eq(frame->start, 0x88);
    ck_assert_uint_eq(frame->length, length);
    ck_assert_mem_eq(frame->payload, payload, length);
}

static void check_end(enum transport_end_kind kind, const char *text)
{
    advance(0);
    ck_assert_uint_eq(seen.ended, 1);
    ck_assert_int_eq(seen.end.kind, kind);
    ck_assert_str_eq(seen.end.text, text);
}

/* The handshake */

START_TEST(the_credentials_are_asked_for_when_they_can_be_written)
{
    static const char ends[] = "authorization: Basic dXNlcjpwYXNz\r\n"
                               "user-agent: Doorbell/1\r\n\r\n";
    begin();
    connect_stream();
    size_t length = stream->written.length, end = strlen(ends);
    ck_assert_uint_gt(length, end);
    ck_assert_mem_eq(stream->written.bytes, "GET /v1/websocket/ HTTP/1.1\r\n", 29);
    ck_assert_mem_eq(stream->written.bytes + length - end, ends, end);
    ck_assert(!attempt->ended); /* it holds its slot until there is an answer */
    finish();
}
END_TEST

START_TEST(who_has_no_credentials_asks_without)
{
    begin();
    seen.anonymous = true;
    connect_stream();
    buf_add(&stream->written, "", 1);
    const char *request = (const char *)stream->written.bytes;
    ck_assert_ptr_null(strstr(request, "authorization"));
    ck_assert_ptr_nonnull(strstr(request, "Version: 13\r\nuser-agent: Doorbell/1\r\n\r\n"));
    finish();
}
END_TEST

START_TEST(the_answer_may_come_byte_by_byte_and_with_frames)
{
    static const char frames[] = "\x82\x05"
                                 "first\x02\x02se\x89\x01!\x80\x04"
                                 "cond";
    char answer[512];
    for (size_t piece = 1; piece < sizeof answer; piece++) {
        begin();
        connect_stream();
        size_t length = grant(answer, frames, sizeof frames - 1);
        for (size_t at = 0; at < length; at += piece)
            arrive(answer + at, length - at < piece ? length - at : piece);
        ck_assert_uint_eq(seen.opened, 1);
        ck_assert_uint_eq(seen.messages, 2);
        ck_assert_uint_eq(seen.bytes.length, 11);
        ck_assert_mem_eq(seen.bytes.bytes, "firstsecond", 11);
        struct frame said[FRAMES_MAX];
        ck_assert_uint_eq(read_frames(said), 1);
        ck_assert_uint_eq(said[0].start, 0x8a);
        ck_assert_mem_eq(said[0].payload, "!", 1);
        finish();
    }
}
END_TEST

START_TEST(a_server_that_hangs_up_at_any_byte_of_its_answer_gave_none)
{
    char answer[512];
    for (size_t at = 0, length = 1; at < length; at++) {
        begin();
        connect_stream();
        length = grant(answer, "", 0);
        arrive(answer, at);
        end_stream(STREAM_ENDED, "the server hung up");
        check_end(TRANSPORT_UNREACHABLE, "cut off without an answer");
        ck_assert_uint_eq(seen.opened, 0);
        ck_assert(attempt->failed && stream->freed && !stream->finished);
        finish();
    }
}
END_TEST

START_TEST(what_keeps_it_from_asking_is_told)
{
    static const struct {
        enum stream_end_kind kind;
        enum transport_end_kind told;
        const char *text;
    } rows[] = {
        {STREAM_UNREACHABLE, TRANSPORT_UNREACHABLE, "no TCP connection in time"},
        {STREAM_TLS, TRANSPORT_TLS, "there is no TLS on this port"},
        {STREAM_UNTIMELY, TRANSPORT_UNTIMELY, "its certificate has expired"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        connect_tcp();
        end_stream(rows[i].kind, rows[i].text);
        check_end(rows[i].told, rows[i].text);
        ck_assert(attempt->failed);
        ck_assert_uint_eq(seen.asked, 0);
        finish();
    }
    struct err err;
    begin();
    err_set(&err, ERR_IO, "nobody\x1b answers");
    attempt->fn(attempt->arg, NULL, &err);
    ck_assert_uint_eq(seen.ended, 0); /* never from inside a call */
    check_end(TRANSPORT_UNREACHABLE, "nobody? answers");
    ck_assert(!attempt->failed);
    finish();
}
END_TEST

START_TEST(an_answer_has_its_deadline)
{
    begin();
    connect_stream();
    advance(HANDSHAKE_MS - 1);
    arrive_text("HTTP/1.1 100 Continue\r\n\r\n");
    ck_assert_uint_eq(seen.ended, 0);
    advance(1);
    check_end(TRANSPORT_UNREACHABLE, "no answer to the request in time");
    ck_assert(attempt->failed && stream->freed);
    finish();
    open_up();
    advance(10 * HANDSHAKE_MS); /* an open one has none */
    ck_assert_uint_eq(seen.ended, 0);
    finish();
}
END_TEST

START_TEST(an_answer_that_grants_nothing_keeps_its_status)
{
    begin();
    connect_stream();
    arrive_text("HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nX-Signal-Timestamp: 1\r\n\r\nbody");
    check_end(TRANSPORT_STATUS, "");
    ck_assert_int_eq(seen.end.status, 429);
    ck_assert(seen.end.has_timestamp);
    ck_assert_int_eq(seen.end.retry_after_ms, 7000);
    ck_assert(!attempt->failed && stream->freed); /* the address is a good one */
    finish();
    begin();
    connect_stream();
    arrive_text("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x82\x01x");
    check_end(TRANSPORT_STATUS, "");
    ck_assert_int_eq(seen.end.status, 101);
    ck_assert_uint_eq(seen.opened + seen.messages, 0);
    finish();
}
END_TEST

START_TEST(what_is_no_answer_of_http_ends_it)
{
    begin();
    connect_stream();
    arrive_text("220 mail.example ESMTP\r\n");
    check_end(TRANSPORT_UNREACHABLE, "its answer is not one of HTTP/1.1");
    ck_assert(attempt->failed && stream->freed);
    finish();
}
END_TEST

START_TEST(a_handshake_may_be_stopped_at_any_time)
{
    for (int step = 0; step < 3; step++) {
        begin();
        if (step == 1)
            connect_tcp();
        if (step == 2)
            connect_stream();
        seen.in_call = true;
        h1_ops.close(seen.channel, 1000, "");
        h1_ops.close(seen.channel, 1000, "");
        ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"x", 1), ERR_NOT_NOW);
        h1_ops.idle(seen.channel);
        seen.in_call = false;
        check_end(TRANSPORT_STOPPED, "");
        ck_assert(!attempt->failed);
        finish();
    }
}
END_TEST

/* What is said */

START_TEST(a_close_goes_out_before_the_end_is_told)
{
    struct frame said[FRAMES_MAX];
    open_up();
    ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"an ack", 6), 0);
    stream->stalls = true;
    seen.in_call = true;
    h1_ops.close(seen.channel, 1007, "unreadable");
    seen.in_call = false;
    ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"x", 1), ERR_NOT_NOW);
    arrive("\x82\x01x", 3);
    advance(CLOSE_MS - 1);
    ck_assert_uint_eq(seen.ended + seen.messages, 0);
    tell_sent();
    check_end(TRANSPORT_STOPPED, "");
    ck_assert_uint_eq(read_frames(said), 2);
    ck_assert_uint_eq(said[0].start, 0x82);
    ck_assert_mem_eq(said[0].payload, "an ack", 6);
    check_close(&said[1], "\x03\xefunreadable", 12);
    free_channel();
    ck_assert(stream->finished);
    finish();
}
END_TEST

START_TEST(a_close_that_nothing_holds_up_ends_at_once)
{
    struct frame said[FRAMES_MAX];
    open_up();
    seen.in_call = true;
    h1_ops.close(seen.channel, 1000, "");
    seen.in_call = false;
    ck_assert_uint_eq(seen.ended, 0);
    check_end(TRANSPORT_STOPPED, "");
    ck_assert_uint_eq(read_frames(said), 1);
    check_close(&said[0], "\x03\xe8", 2);
    free_channel();
    ck_assert(stream->finished); /* it is not cut off behind the Close */
    finish();
}
END_TEST

START_TEST(a_close_that_nobody_reads_ends_in_time)
{
    open_up();
    stream->stalls = true;
    h1_ops.close(seen.channel, 1000, "");
    advance(CLOSE_MS);
    check_end(TRANSPORT_STOPPED, "");
    ck_assert(stream->freed && !stream->finished);
    finish();
}
END_TEST

START_TEST(what_is_not_read_is_bounded_and_a_close_always_fits)
{
    static const uint8_t message[512];
    open_up();
    stream->stalls = true;
    ck_assert_int_eq(h1_ops.send(seen.channel, message, 513), ERR_LIMIT);
    while (h1_ops.send(seen.channel, message, sizeof message) == 0)
        ck_assert_uint_le(stream->unsent, TRANSPORT_UNSENT_MAX);
    ck_assert_uint_ge(stream->unsent + sizeof message + FRAMES_HEADER_MAX, TRANSPORT_UNSENT_MAX);
    while (h1_ops.send(seen.channel, message, 1) == 0)
        ck_assert_uint_le(stream->unsent, TRANSPORT_UNSENT_MAX);
    size_t before = stream->unsent;
    arrive("\x89\x02hi", 4); /* goes unanswered */
    ck_assert_uint_eq(stream->unsent, before);
    h1_ops.close(seen.channel, 1000, "");
    ck_assert_uint_eq(stream->unsent, before + 8);
    tell_sent();
    check_end(TRANSPORT_STOPPED, "");
    finish();
}
END_TEST

START_TEST(a_write_that_fails_is_followed_by_the_end)
{
    open_up();
    stream->write_result = ERR_NOT_NOW;
    ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"x", 1), ERR_NOT_NOW);
    arrive("\x82\x01x", 3); /* what had arrived before */
    ck_assert_uint_eq(seen.messages, 1);
    end_stream(STREAM_ENDED, "the server hung up");
    check_end(TRANSPORT_LOST, "it ended without a Close");
    finish();
    open_up();
    stream->write_result = ERR_NOT_NOW;
    h1_ops.close(seen.channel, 1000, "");
    end_stream(STREAM_ENDED, "the server hung up");
    check_end(TRANSPORT_STOPPED, "");
    finish();
    begin();
    connect_tcp();
    stream->write_result = ERR_NOT_NOW;
    stream->events->open(stream->arg, "");
    end_stream(STREAM_ENDED, "the server hung up");
    check_end(TRANSPORT_UNREACHABLE, "cut off without an answer");
    finish();
}
END_TEST

START_TEST(buffers_are_given_back_when_it_is_idle)
{
    open_up();
    h1_ops.idle(seen.channel);
    ck_assert_uint_eq(stream->idle, 1);
    finish();
}
END_TEST

/* What is heard */

START_TEST(a_close_of_the_servers_is_answered_and_told)
{
    struct frame said[FRAMES_MAX];
    open_up();
    ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"late ack", 8), 0);
    arrive("\x88\x0b\x11\x39"
           "elsewhere\x82\x01x",
           16);
    ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"x", 1), ERR_NOT_NOW);
    check_end(TRANSPORT_CLOSE, "elsewhere");
    ck_assert_int_eq(seen.end.close_code, 4409);
    ck_assert_uint_eq(seen.messages, 0);
    end_stream(STREAM_ENDED, "the server hung up"); /* is no second end */
    ck_assert_uint_eq(seen.ended, 1);
    ck_assert_uint_eq(read_frames(said), 2);
    ck_assert_mem_eq(said[0].payload, "late ack", 8);
    check_close(&said[1], "\x11\x39", 2);
    finish();
    open_with("\x88\x00", 2); /* in the flight of the answer, without a code */
    check_end(TRANSPORT_CLOSE, "");
    ck_assert_int_eq(seen.end.close_code, 1005);
    ck_assert_uint_eq(read_frames(said), 1);
    check_close(&said[0], "", 0);
    free_channel();
    ck_assert(stream->finished);
    finish();
}
END_TEST

START_TEST(a_server_that_breaks_a_rule_is_told_so)
{
    struct frame said[FRAMES_MAX];
    open_with("\x82\x81\x01\x02\x03\x04x", 7);
    ck_assert_uint_eq(read_frames(said), 1);
    check_close(&said[0],
                "\x03\xea"
                "a masked frame, as only clients send them",
                43);
    arrive("\x82\x01x", 3);
    ck_assert_uint_eq(seen.ended + seen.messages, 0);
    check_end(TRANSPORT_VIOLATION, "a masked frame, as only clients send them");
    finish();
    open_with("\x82\x7f\x00\x00\x00\x00\x00\x20\x00\x01", 10);
    end_stream(STREAM_ENDED, "the server hung up");
    check_end(TRANSPORT_VIOLATION, "message too big");
    finish();
}
END_TEST

START_TEST(an_end_without_close_is_a_loss)
{
    open_with("\x02\x03xy", 4);
    end_stream(STREAM_ENDED, "the server reset the connection");
    check_end(TRANSPORT_LOST, "it ended without a Close");
    finish();
}
END_TEST

START_TEST(it_may_be_freed_or_closed_inside_every_event)
{
    static const char frames[] = "\x82\x01x\x89\x02hi\x82\x01y\x88\x02\x03\xe8";
    static const unsigned messages[] = {[IN_OPENED] = 0, [IN_PIECE] = 1, [IN_ENDED] = 2};
    for (enum moment moment = IN_OPENED; moment <= IN_ENDED; moment++) {
        char answer[512];
        for (int closes = 0; closes < (moment == IN_ENDED ? 1 : 2); closes++) {
            begin();
            seen.free_at = closes ? NEVER : moment;
            seen.close_at = closes ? moment : NEVER;
            connect_stream();
            arrive(answer, grant(answer, frames, sizeof frames - 1));
            advance(0);
            ck_assert_uint_eq(seen.messages, messages[moment]);
            ck_assert_uint_eq(seen.ended, closes || moment == IN_ENDED);
            finish();
        }
    }
}
END_TEST

UNIT_MAIN("h1_channel", the_credentials_are_asked_for_when_they_can_be_written,
          who_has_no_credentials_asks_without, the_answer_may_come_byte_by_byte_and_with_frames,
          a_server_that_hangs_up_at_any_byte_of_its_answer_gave_none,
          what_keeps_it_from_asking_is_told, an_answer_has_its_deadline,
          an_answer_that_grants_nothing_keeps_its_status, what_is_no_answer_of_http_ends_it,
          a_handshake_may_be_stopped_at_any_time, a_close_goes_out_before_the_end_is_told,
          a_close_that_nothing_holds_up_ends_at_once, a_close_that_nobody_reads_ends_in_time,
          what_is_not_read_is_bounded_and_a_close_always_fits,
          a_write_that_fails_is_followed_by_the_end, buffers_are_given_back_when_it_is_idle,
          a_close_of_the_servers_is_answered_and_told, a_server_that_breaks_a_rule_is_told_so,
          an_end_without_close_is_a_loss, it_may_be_freed_or_closed_inside_every_event)
