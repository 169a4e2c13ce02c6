#include "web/http2.h"

#include <errno.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "unit.h"
#include "web/http2_session.h"

enum {
    DEADLINE_MS = 20000,
    LONG_MS = 10 * 1000,
    STREAMS = 64,
    PENDING_MAX = 64,
    BODY_SIZE = 100 * 1000,
    CALM = NGHTTP2_ENHANCE_YOUR_CALM,
};

struct server {
    struct loop loop;
    struct proxies proxies;
    struct gate gate;
    struct http2 *http2;
    struct exchange *pending[PENDING_MAX]; /* questions that the test answers */
    size_t pending_count, asked;
    unsigned forgotten;
    size_t body_length;    /* of the request that came last */
    char host[64];         /* likewise */
    int other;             /* the socket that was handed on; -1: none */
    struct address others; /* its peer */
};

static void forget(void *waiting)
{
    struct server *server = waiting;
    server->forgotten++;
}

/* "/later" waits for the test, "/large" is long, everything else says "hello". */
static void handle(void *arg, struct exchange *exchange)
{
    struct server *server = arg;
    const struct request *request = &exchange->request;
    const char *host = request_header(request, "Host");
    server->asked++;
    server->body_length = request->body_length;
    snprintf(server->host, sizeof server->host, "%s", host ? host : "");
    if (strcmp(request->path, "/later") == 0) {
        ck_assert_uint_lt(server->pending_count, PENDING_MAX);
        server->pending[server->pending_count++] = exchange;
        exchange->waiting = server;
        exchange->forget = forget;
    } else if (strcmp(request->path, "/large") == 0) {
        response_set(&exchange->response, 200, "text/plain", mem_format("%0*d", BODY_SIZE, 0));
    } else {
        response_set(&exchange->response, 200, "text/plain", mem_text("hello"));
    }
}

static void answer_all(struct server *server)
{
    for (size_t i = 0; i < server->pending_count; i++) {
        struct exchange *exchange = server->pending[i];
        exchange->waiting = NULL;
        response_json(&exchange->response, mem_text("{}"));
        exchange->answered(exchange);
    }
    server->pending_count = 0;
}

static void take_other(void *arg, int fd, const struct address *peer)
{
    struct server *server = arg;
    server->other = fd;
    server->others = *peer;
}

static void start(struct server *server)
{
    memset(server, 0, sizeof *server);
    loop_init(&server->loop);
    gate_init(&server->gate);
    server->gate.proxies = &server->proxies;
    server->gate.most = server->gate.most_per_network = 100;
    server->http2 = http2_new(&server->loop, &server->gate, handle, take_other, server);
    server->other = -1;
    http2_set_timeout(server->http2, LONG_MS);
}

static void stop(struct server *server)
{
    http2_free(server->http2);
    ck_assert_uint_eq(server->gate.inside, 0);
    gate_fini(&server->gate);
    loop_fini(&server->loop);
}

static void turn(struct server *server)
{
    uv_run(&server->loop.uv, UV_RUN_NOWAIT);
}

/* As if so much time had passed for everything that is set now. */
static void pass(struct server *server, int64_t ms)
{
    int64_t until_ms = loop_now_ms(&server->loop) + ms;
    for (int i = 0; i < 10 && timers_next_ms(&server->loop.timers) <= until_ms; i++)
        timers_fire(&server->loop.timers, until_ms);
    turn(server);
}

/* The other end, by nghttp2's client. */
struct answer {
    int status;
    size_t length;          /* of the body */
    long declared;          /* Content-Length */
    bool is_whole;          /* ended by the server */
    int reset;              /* the code; -1: none */
    bool has_protection;    /* the header that every answer has */
    bool has_date, has_100; /* "100 Continue" came first */
};

struct client {
    struct server *server;
    int fd;
    nghttp2_session *frames;
    struct answer answers[STREAMS]; /* the newest */
    int goaway;                     /* the code; -1: none */
    bool at_end, does_not_read;
};

static struct answer *answer_of(struct client *client, int32_t id)
{
    return &client->answers[(id - 1) / 2 % STREAMS];
}

static int on_header(nghttp2_session *frames, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *arg)
{
    struct answer *answer = answer_of(arg, frame->hd.stream_id);
    const char *text = (const char *)value;
    (void)frames, (void)flags, (void)name_length, (void)value_length;
    if (strcmp((const char *)name, ":status") == 0) {
        answer->status = atoi(text);
        answer->has_100 |= answer->status == 100;
    }
    if (strcmp((const char *)name, "content-length") == 0)
        answer->declared = atol(text);
    answer->has_date |= strcmp((const char *)name, "date") == 0;
    answer->has_protection |= strcmp((const char *)name, "x-content-type-options") == 0;
    return 0;
}

static int on_body(nghttp2_session *frames, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t length, void *arg)
{
    (void)frames, (void)flags, (void)bytes;
    answer_of(arg, id)->length += length;
    return 0;
}

static int on_frame(nghttp2_session *frames, const nghttp2_frame *frame, void *arg)
{
    struct client *client = arg;
    (void)frames;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        client->goaway = (int)frame->goaway.error_code;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        answer_of(client, frame->hd.stream_id)->reset = (int)frame->rst_stream.error_code;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        answer_of(client, frame->hd.stream_id)->is_whole = true;
    return 0;
}

static void dial_as(struct client *client, struct server *server,
                    void (*take)(struct http2 *http2, int fd, const struct address *peer))
{
    int fds[2];
    struct address local = {0};
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    memset(client, 0, sizeof *client);
    client->server = server;
    client->goaway = -1;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    client->fd = fds[0];
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option_set_no_http_messaging(option, 1); /* or it would not say what is wrong */
    ck_assert_int_eq(nghttp2_session_client_new2(&client->frames, callbacks, client, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    take(server->http2, fds[1], &local);
}

static void dial(struct client *client, struct server *server)
{
    dial_as(client, server, http2_add);
}

static void hello(struct client *client)
{
    ck_assert_int_eq(nghttp2_submit_settings(client->frames, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

static void hang_up(struct client *client)
{
    close(client->fd);
    nghttp2_session_del(client->frames);
    for (int i = 0; i < 5; i++)
        turn(client->server);
}

/* False when the server has closed. */
static bool say(struct client *client, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    while (length) {
        ssize_t sent = send(client->fd, at, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            at += sent;
            length -= (size_t)sent;
        }
        turn(client->server);
    }
    return true;
}

static void listen_to(struct client *client)
{
    uint8_t bytes[4096];
    ssize_t got;
    while ((got = recv(client->fd, bytes, sizeof bytes, 0)) > 0)
        ck_assert_int_eq(nghttp2_session_mem_recv(client->frames, bytes, (size_t)got), got);
    client->at_end |= got == 0 || errno != EAGAIN;
}

static void work(struct client *client)
{
    const uint8_t *bytes;
    ssize_t length;
    while (!client->at_end && (length = nghttp2_session_mem_send(client->frames, &bytes)) > 0)
        if (!say(client, bytes, (size_t)length))
            break;
    turn(client->server);
    if (!client->does_not_read)
        listen_to(client);
}

static void until(struct client *client, const bool *happened)
{
    int64_t deadline = clock_ms() + DEADLINE_MS;
    while (!*happened) {
        ck_assert_msg(clock_ms() < deadline, "it does not happen");
        work(client);
    }
}

static void work_on(struct client *client)
{
    for (int i = 0; i < 20; i++)
        work(client);
}

/* A request's body of a length. */
static ssize_t read_body(nghttp2_session *frames, int32_t id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    size_t *left = source->ptr;
    (void)frames, (void)id, (void)arg;
    if (length > *left)
        length = *left;
    memset(to, 'x', length);
    *left -= length;
    if (!*left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)length;
}

/* Keeps the stream open without a body to its end. */
static ssize_t read_nothing(nghttp2_session *frames, int32_t id, uint8_t *to, size_t length,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)frames, (void)id, (void)to, (void)length, (void)flags, (void)source, (void)arg;
    return NGHTTP2_ERR_DEFERRED;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

/* One more header may be given; `body` may be NULL. */
static int32_t submit(struct client *client, const char *method, const char *path, const char *name,
                      const char *value, const nghttp2_data_provider *body)
{
    nghttp2_nv fields[] = {field(":method", method), field(":scheme", "http"),
                           field(":authority", "m.example.org"), field(":path", path),
                           field(name ? name : "x", name ? value : "y")};
    int32_t id = nghttp2_submit_request(client->frames, NULL, fields,
                                        sizeof fields / sizeof *fields, body, NULL);
    ck_assert_int_gt(id, 0);
    *answer_of(client, id) = (struct answer){.reset = -1};
    return id;
}

static const struct answer *ask(struct client *client, const char *method, const char *path)
{
    struct answer *answer = answer_of(client, submit(client, method, path, NULL, NULL, NULL));
    until(client, &answer->is_whole);
    return answer;
}

static int32_t begin_post(struct client *client)
{
    static const nghttp2_data_provider endless = {.read_callback = read_nothing};
    int32_t id = submit(client, "POST", "/later", NULL, NULL, &endless);
    work_on(client);
    return id;
}

static const struct answer *post(struct client *client, size_t length, const char *name,
                                 const char *value)
{
    nghttp2_data_provider body = {.source.ptr = &length, .read_callback = read_body};
    struct answer *answer = answer_of(client, submit(client, "POST", "/", name, value, &body));
    until(client, &answer->is_whole);
    work_on(client); /* the rest of the body */
    return answer;
}

START_TEST(a_request_is_answered_with_status_headers_and_body)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    const struct answer *answer = ask(&client, "GET", "/");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_uint_eq(answer->length, strlen("hello"));
    ck_assert_int_eq(answer->declared, (long)strlen("hello"));
    ck_assert(answer->has_protection && answer->has_date);
    ck_assert_str_eq(server.host, "m.example.org");
    ck_assert_uint_eq(ask(&client, "GET", "/large")->length, BODY_SIZE);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(head_is_answered_with_the_length_and_without_the_body)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    const struct answer *answer = ask(&client, "HEAD", "/");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_uint_eq(answer->length, 0);
    ck_assert_int_eq(answer->declared, (long)strlen("hello"));
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(the_preface_may_come_byte_by_byte)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    submit(&client, "GET", "/", NULL, NULL, NULL);
    const uint8_t *bytes;
    ssize_t length = nghttp2_session_mem_send(client.frames, &bytes);
    ck_assert_int_ge(length, 24);
    for (ssize_t i = 0; i < length; i++) {
        ck_assert(say(&client, bytes + i, 1));
        turn(&server);
    }
    until(&client, &client.answers[0].is_whole);
    ck_assert_int_eq(client.answers[0].status, 200);
    ck_assert_int_eq(server.other, -1);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(who_is_only_looked_at_is_handed_on_whatever_comes)
{
    struct server server;
    struct client client;
    char byte;
    start(&server);
    dial_as(&client, &server, http2_look);
    for (int i = 0; i < 5; i++)
        turn(&server);
    ck_assert_int_lt(server.other, 0);
    ck_assert_uint_eq(server.gate.inside, 1);
    say(&client, "P", 1);
    int64_t deadline = clock_ms() + DEADLINE_MS;
    while (server.other < 0) {
        ck_assert_msg(clock_ms() < deadline, "it is not handed on");
        turn(&server);
    }
    ck_assert_uint_eq(server.gate.inside, 0);
    ck_assert_int_eq(recv(server.other, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'P');
    close(server.other);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(what_does_not_begin_with_the_preface_is_handed_on_unread)
{
    static const char *const sayings[][2] = {{"GET / HTTP/1.1\r\n", ""},
                                             {"P", "OST / HTTP/1.1\r\n"},
                                             {"PRI * HTTP/", "1.1\r\n\r\n"},
                                             {"\x16\x03\x01", ""}};
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        struct server server;
        struct client client;
        char bytes[64], whole[64];
        start(&server);
        dial(&client, &server);
        ck_assert_uint_eq(server.gate.inside, 1);
        say(&client, sayings[i][0], strlen(sayings[i][0]));
        turn(&server);
        say(&client, sayings[i][1], strlen(sayings[i][1]));
        int64_t deadline = clock_ms() + DEADLINE_MS;
        while (server.other < 0) {
            ck_assert_msg(clock_ms() < deadline, "it is not handed on");
            turn(&server);
        }
        ck_assert_uint_eq(server.gate.inside, 0);
        ck_assert_uint_eq(server.others.length, 0);
        snprintf(whole, sizeof whole, "%s%s", sayings[i][0], sayings[i][1]);
        ssize_t got = recv(server.other, bytes, sizeof bytes, 0);
        ck_assert_int_eq(got, (ssize_t)strlen(whole));
        ck_assert_int_eq(memcmp(bytes, whole, (size_t)got), 0);
        close(server.other);
        hang_up(&client);
        stop(&server);
    }
}
END_TEST

START_TEST(an_answer_may_come_later_than_those_to_later_questions)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    struct answer *late = answer_of(&client, submit(&client, "POST", "/later", NULL, NULL, NULL));
    ck_assert_int_eq(ask(&client, "GET", "/")->status, 200);
    ck_assert_int_eq(late->status, 0);
    pass(&server, LONG_MS + 1); /* waiting for us is not slowness */
    answer_all(&server);
    until(&client, &late->is_whole);
    ck_assert_int_eq(late->status, 200);
    ck_assert_uint_eq(server.forgotten, 0);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_question_is_taken_back_when_its_stream_is_reset)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    int32_t id = submit(&client, "POST", "/later", NULL, NULL, NULL);
    submit(&client, "POST", "/later", NULL, NULL, NULL);
    work_on(&client);
    ck_assert_uint_eq(server.pending_count, 2);
    nghttp2_submit_rst_stream(client.frames, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    work_on(&client);
    ck_assert_uint_eq(server.forgotten, 1);
    ck_assert_int_eq(ask(&client, "GET", "/")->status, 200);
    hang_up(&client);
    ck_assert_uint_eq(server.forgotten, 2); /* and when the connection goes */
    stop(&server);
}
END_TEST

START_TEST(the_end_of_the_server_is_said_and_takes_questions_back)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    submit(&client, "POST", "/later", NULL, NULL, NULL);
    work_on(&client);
    http2_free(server.http2);
    server.http2 = NULL;
    ck_assert_uint_eq(server.forgotten, 1);
    work_on(&client);
    ck_assert_int_eq(client.goaway, NGHTTP2_NO_ERROR);
    ck_assert(client.at_end);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_host_that_is_not_the_authority_is_refused)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    struct answer *same =
        answer_of(&client, submit(&client, "GET", "/", "host", "M.example.org", NULL));
    struct answer *other =
        answer_of(&client, submit(&client, "GET", "/", "host", "n.example.org", NULL));
    until(&client, &same->is_whole);
    until(&client, &other->is_whole);
    ck_assert_int_eq(same->status, 200);
    ck_assert_int_eq(other->status, 400);
    ck_assert_uint_eq(server.asked, 1);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_header_value_with_a_control_character_is_refused)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    struct answer *answer =
        answer_of(&client, submit(&client, "GET", "/", "forwarded", "for=a\x01", NULL));
    until(&client, &answer->is_whole);
    ck_assert_int_eq(answer->status, 400);
    ck_assert_uint_eq(server.asked, 0);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(too_many_and_too_long_headers_are_refused_and_the_connection_goes_on)
{
    struct server server;
    struct client client;
    nghttp2_nv fields[4 + REQUEST_HEADERS_MAX] = {field(":method", "GET"), field(":scheme", "http"),
                                                  field(":path", "/"),
                                                  field(":authority", "m.example.org")};
    char *value = mem_format("%0*d", 17000, 0);
    start(&server);
    dial(&client, &server);
    hello(&client);
    for (size_t i = 0; i < REQUEST_HEADERS_MAX; i++)
        fields[4 + i] = field("x", "y");
    /* The name of the host is one of them. */
    int32_t most = nghttp2_submit_request(client.frames, NULL, fields, 4 + REQUEST_HEADERS_MAX - 1,
                                          NULL, NULL);
    int32_t many =
        nghttp2_submit_request(client.frames, NULL, fields, 4 + REQUEST_HEADERS_MAX, NULL, NULL);
    struct answer *long_one = answer_of(&client, submit(&client, "GET", "/", "x", value, NULL));
    until(&client, &answer_of(&client, most)->is_whole);
    until(&client, &answer_of(&client, many)->is_whole);
    until(&client, &long_one->is_whole);
    ck_assert_int_eq(answer_of(&client, most)->status, 200);
    ck_assert_int_eq(answer_of(&client, many)->status, 431);
    ck_assert_int_eq(long_one->status, 431);
    ck_assert_int_eq(ask(&client, "GET", "/")->status, 200);
    free(value);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_body_over_64_kib_is_413_and_the_connection_goes_on)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    ck_assert_int_eq(post(&client, REQUEST_BODY_MAX, NULL, NULL)->status, 200);
    ck_assert_uint_eq(server.body_length, REQUEST_BODY_MAX);
    ck_assert_int_eq(post(&client, REQUEST_BODY_MAX + 1, NULL, NULL)->status, 413);
    ck_assert_int_eq(post(&client, 1024 * 1024, "content-length", "1048576")->status, 413);
    ck_assert_int_eq(post(&client, 1024 * 1024, NULL, NULL)->status, 413);
    ck_assert_int_eq(post(&client, 4 * 1024 * 1024, NULL, NULL)->status, 413);
    ck_assert_int_eq(post(&client, 300, NULL, NULL)->status, 200);
    ck_assert_uint_eq(server.body_length, 300);
    ck_assert_uint_eq(server.asked, 2);
    hang_up(&client);
    stop(&server);
}
END_TEST

/* The rest of it does not come. */
static ssize_t read_half(nghttp2_session *frames, int32_t id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    size_t *left = source->ptr;
    if (!*left)
        return NGHTTP2_ERR_DEFERRED;
    ssize_t read = read_body(frames, id, to, length, flags, source, arg);
    *flags = NGHTTP2_DATA_FLAG_NONE;
    return read;
}

START_TEST(bodies_that_stand_still_leave_the_others_their_window)
{
    enum { STANDING = HTTP2_STREAMS_MAX / 2 };
    struct server server;
    struct client client;
    size_t left[STANDING];
    start(&server);
    dial(&client, &server);
    hello(&client);
    for (size_t i = 0; i < STANDING; i++) {
        left[i] = REQUEST_BODY_MAX;
        nghttp2_data_provider half = {.source.ptr = &left[i], .read_callback = read_half};
        submit(&client, "POST", "/", NULL, NULL, &half);
        work_on(&client);
        ck_assert_uint_eq(left[i], 0);
    }
    ck_assert_int_eq(post(&client, REQUEST_BODY_MAX, NULL, NULL)->status, 200);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(who_expects_it_is_told_to_go_on)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    const struct answer *answer = post(&client, 10, "expect", "100-continue");
    ck_assert(answer->has_100);
    ck_assert_int_eq(answer->status, 200);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_thousand_honest_requests_are_no_flood)
{
    struct server server;
    start(&server);
    for (int round = 0; round < 2; round++) {
        struct client client;
        dial(&client, &server);
        hello(&client);
        for (int i = 0; i < 1000; i++)
            ck_assert_int_eq(ask(&client, "GET", "/")->status, 200);
        ck_assert_int_eq(client.goaway, -1);
        hang_up(&client);
    }
    ck_assert_uint_eq(server.asked, 2000);
    stop(&server);
}
END_TEST

/* Frames as no library makes them. */

struct flood {
    const char *name;
    const char *first; /* once, hexadecimal */
    const char *again; /* for ever, hexadecimal; "%" is the next stream's number in 8 digits */
    int end;           /* what the server says in the end; -1: it only closes */
};

/* RFC 7541: GET, http, /, an authority. */
#define GET_BLOCK "828684410161"
#define HEADERS_OPEN "000006010000000001" GET_BLOCK
#define ONE_PING "0000080600000000003132333435363738"

static const struct flood floods[] = {
    {"pings", "", ONE_PING, CALM},
    {"settings", "", "000006040000000000000100001000", CALM},
    {"empty settings", "", "000000040000000000", CALM},
    {"answers to settings that were never sent", "", "000000040100000000", NGHTTP2_PROTOCOL_ERROR},
    {"streams that are reset", "", "0000060105%" GET_BLOCK "0000040300%00000008", CALM},
    {"streams that never end", "", "0000060104%" GET_BLOCK, NGHTTP2_PROTOCOL_ERROR},
    {"empty data", "000006010400000001" GET_BLOCK, "000000000000000001", CALM},
    {"data for no stream", "", "000010000000000099" GET_BLOCK GET_BLOCK "00000000",
     NGHTTP2_PROTOCOL_ERROR},
    {"continuations", HEADERS_OPEN,
     "000005090000000001"
     "0001610162",
     CALM},
    {"empty continuations", HEADERS_OPEN, "000000090000000001", CALM},
    {"priorities", "", "0000050200%0000000010", CALM},
    {"windows", "", "00000408000000000000000001", CALM},
    {"unknown frames", "",
     "000001ee0000000001"
     "78",
     CALM},
    {"farewells", "", "0000080700000000000000000000000000", -1},
    {"resets of no stream", "", "00000403000000000300000008", NGHTTP2_PROTOCOL_ERROR},
};

static unsigned digit(char hex)
{
    return (unsigned)(hex <= '9' ? hex - '0' : hex - 'a' + 10);
}

static void add_hex(struct buf *to, const char *hex, uint32_t stream)
{
    uint8_t id[] = {(uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8),
                    (uint8_t)stream};
    int result = 0;
    while (*hex && result == 0) {
        uint8_t byte = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
        bool is_stream = *hex == '%';
        result = buf_add(to, is_stream ? id : &byte, is_stream ? sizeof id : 1);
        hex += is_stream ? 1 : 2;
    }
    ck_assert_int_eq(result, 0);
}

/* nghttp2's client would not go on listening after what these do. */
static void listen_raw(struct client *client, struct buf *said)
{
    uint8_t bytes[4096];
    ssize_t got;
    while ((got = recv(client->fd, bytes, sizeof bytes, 0)) > 0)
        ck_assert_int_eq(buf_add(said, bytes, (size_t)got), 0);
    client->at_end |= got == 0 || errno != EAGAIN;
    while (said->length >= 9) {
        size_t length = (size_t)said->bytes[0] << 16 | (size_t)said->bytes[1] << 8 | said->bytes[2];
        if (said->length < 9 + length)
            return;
        if (said->bytes[3] == NGHTTP2_GOAWAY)
            client->goaway =
                said->bytes[9 + 7]; /* the last word; before it comes a friendlier one */
        buf_consume(said, 9 + length);
    }
}

static void pour(struct client *client, const struct flood *flood)
{
    enum { BATCH = 64, TIMES = 60000 };
    struct buf bytes, said;
    bool goes_on = true;
    buf_init(&bytes, 1 << 16);
    buf_init(&said, 1 << 16);
    add_hex(&bytes, flood->first, 0);
    for (uint32_t n = 0; n < TIMES && goes_on && client->goaway <= 0 && !client->at_end; n++) {
        add_hex(&bytes, flood->again, 1 + 2 * n);
        if (n % BATCH)
            continue;
        goes_on = say(client, bytes.bytes, bytes.length);
        buf_clear(&bytes);
        turn(client->server);
        listen_raw(client, &said);
    }
    for (int i = 0; i < 5; i++) {
        turn(client->server);
        listen_raw(client, &said);
    }
    buf_fini(&bytes);
    buf_fini(&said);
}

START_TEST(floods_are_told_to_calm_down)
{
    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
        const struct flood *flood = &floods[i];
        struct server server;
        struct client client;
        start(&server);
        dial(&client, &server);
        hello(&client);
        work_on(&client);
        pour(&client, flood);
        ck_assert_msg(client.at_end, "%s: no end", flood->name);
        ck_assert_msg(client.goaway == flood->end, "%s: %d", flood->name, client.goaway);
        ck_assert_uint_lt(server.asked, 200);
        hang_up(&client);
        stop(&server);
    }
}
END_TEST

/* A field of 4000 bytes enters the table (RFC 7541 section 6.2.1), and is named 10000 times. */
static void add_bomb(struct buf *to, const char *first)
{
    struct buf block;
    buf_init(&block, 1 << 16);
    add_hex(&block, first, 0);
    add_hex(&block, "4001617fa11e", 0);
    for (int i = 0; i < 4000; i++)
        add_hex(&block, "62", 0);
    for (int i = 0; i < 10000; i++)
        add_hex(&block, "be", 0);
    uint8_t head[] = {0, (uint8_t)(block.length >> 8), (uint8_t)block.length, 1, 5, 0, 0, 0, 1};
    ck_assert_int_eq(buf_add(to, head, sizeof head), 0);
    ck_assert_int_eq(buf_add(to, block.bytes, block.length), 0);
    buf_fini(&block);
}

START_TEST(a_field_that_is_named_again_and_again_ends_the_connection_at_once)
{
    for (int in_trailers = 0; in_trailers < 2; in_trailers++) {
        struct server server;
        struct client client;
        struct buf bytes, said;
        buf_init(&bytes, 1 << 16);
        buf_init(&said, 1 << 16);
        start(&server);
        dial(&client, &server);
        hello(&client);
        work_on(&client);
        add_hex(&bytes, in_trailers ? "000006010400000001" GET_BLOCK : "", 0);
        add_bomb(&bytes, in_trailers ? "" : GET_BLOCK);
        say(&client, bytes.bytes, bytes.length);
        for (int i = 0; i < 5; i++) {
            turn(&server);
            listen_raw(&client, &said);
        }
        ck_assert_int_eq(client.goaway, CALM);
        ck_assert(client.at_end);
        ck_assert_uint_eq(server.asked, 0);
        buf_fini(&said);
        buf_fini(&bytes);
        hang_up(&client);
        stop(&server);
    }
}
END_TEST

static void begin_and_give_up(struct client *client)
{
    int32_t id = begin_post(client);
    nghttp2_submit_rst_stream(client->frames, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    work(client);
}

/* A proxy's clients share its connection. */
START_TEST(a_request_lives_through_the_resets_of_others_and_ends_the_connection)
{
    struct server server;
    struct client client;
    int given_up = 0;
    start(&server);
    dial(&client, &server);
    hello(&client);
    struct answer *later = answer_of(&client, submit(&client, "POST", "/later", NULL, NULL, NULL));
    for (; client.goaway < 0 && given_up < 100; given_up++)
        begin_and_give_up(&client);
    ck_assert_int_gt(given_up, 30);
    ck_assert_int_lt(given_up, 80);
    work_on(&client);
    ck_assert_int_eq(client.goaway, NGHTTP2_NO_ERROR);
    ck_assert_int_eq(later->reset, -1);
    ck_assert(!client.at_end);
    answer_all(&server);
    until(&client, &later->is_whole);
    ck_assert_int_eq(later->status, 200);
    work_on(&client);
    ck_assert(client.at_end);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_request_lives_through_a_full_connection_that_is_given_up)
{
    enum { BEGUN = HTTP2_STREAMS_MAX - 1 };
    struct server server;
    struct client client;
    int32_t begun[BEGUN];
    start(&server);
    dial(&client, &server);
    hello(&client);
    int32_t later = submit(&client, "POST", "/later", NULL, NULL, NULL);
    for (int i = 0; i < 50; i++)
        begin_and_give_up(&client);
    ck_assert_int_eq(client.goaway, -1);
    for (size_t i = 0; i < BEGUN; i++)
        begun[i] = begin_post(&client);
    for (size_t i = 0; i < BEGUN; i++) {
        nghttp2_submit_rst_stream(client.frames, NGHTTP2_FLAG_NONE, begun[i], NGHTTP2_CANCEL);
        work(&client);
    }
    work_on(&client);
    ck_assert_int_eq(client.goaway, NGHTTP2_NO_ERROR);
    ck_assert(!client.at_end);
    struct answer *answer = answer_of(&client, later);
    *answer = (struct answer){.reset = -1}; /* another stream had its place */
    answer_all(&server);
    until(&client, &answer->is_whole);
    ck_assert_int_eq(answer->status, 200);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_request_that_crosses_the_notice_to_leave_is_answered)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    work_on(&client);
    client.does_not_read = true;
    for (int i = 0; i < 80; i++)
        begin_and_give_up(&client);
    struct answer *answer = answer_of(&client, submit(&client, "GET", "/", NULL, NULL, NULL));
    work_on(&client);
    ck_assert_uint_eq(server.asked, 1);
    client.does_not_read = false;
    until(&client, &answer->is_whole);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_int_eq(client.goaway, NGHTTP2_NO_ERROR);
    work_on(&client);
    ck_assert(client.at_end);
    hang_up(&client);
    stop(&server);
}
END_TEST

/* So much is not taken without end from who reads nothing. */
START_TEST(nothing_is_read_from_a_peer_that_does_not_read)
{
    struct server server;
    struct client client;
    struct buf bytes;
    start(&server);
    dial(&client, &server);
    hello(&client);
    work_on(&client);
    client.does_not_read = true;
    for (int i = 0; i < 20; i++)
        submit(&client, "GET", "/large", NULL, NULL, NULL);
    nghttp2_submit_window_update(client.frames, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    work_on(&client);
    buf_init(&bytes, 1 << 20);
    while (bytes.length < 512 * 1024)
        add_hex(&bytes, ONE_PING, 0);
    size_t taken = 0;
    for (int i = 0; i < 200; i++) {
        ssize_t sent = send(client.fd, bytes.bytes, bytes.length, MSG_NOSIGNAL);
        taken += sent > 0 ? (size_t)sent : 0;
        turn(&server);
    }
    ck_assert_uint_lt(taken, bytes.length);
    pass(&server, LONG_MS + 1);
    ck_assert_uint_eq(server.gate.inside, 0);
    buf_fini(&bytes);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(an_answer_that_the_window_does_not_let_out_is_given_up_in_time)
{
    struct server server;
    struct client client;
    nghttp2_settings_entry none = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    start(&server);
    dial(&client, &server);
    ck_assert_int_eq(nghttp2_submit_settings(client.frames, NGHTTP2_FLAG_NONE, &none, 1), 0);
    struct answer *answer = answer_of(&client, submit(&client, "GET", "/", NULL, NULL, NULL));
    work_on(&client);
    ck_assert_int_eq(answer->status, 200);
    ck_assert(!answer->is_whole);
    pass(&server, LONG_MS + 1);
    work_on(&client);
    ck_assert_int_eq(answer->reset, NGHTTP2_CANCEL);
    ck_assert_uint_eq(server.gate.inside, 1);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_request_that_comes_too_slowly_loses_its_stream)
{
    struct server server;
    struct client client;
    nghttp2_data_provider endless = {.read_callback = read_nothing};
    start(&server);
    dial(&client, &server);
    hello(&client);
    struct answer *answer = answer_of(&client, submit(&client, "POST", "/", NULL, NULL, &endless));
    work_on(&client);
    pass(&server, LONG_MS + 1);
    work_on(&client);
    ck_assert_int_eq(answer->reset, NGHTTP2_CANCEL);
    ck_assert_int_eq(ask(&client, "GET", "/")->status, 200);
    ck_assert_uint_eq(server.asked, 1);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(a_header_that_does_not_end_ends_the_connection)
{
    struct server server;
    struct client client;
    struct buf bytes;
    start(&server);
    dial(&client, &server);
    hello(&client);
    work_on(&client);
    buf_init(&bytes, 1000);
    add_hex(&bytes, HEADERS_OPEN, 0);
    say(&client, bytes.bytes, bytes.length);
    work_on(&client);
    pass(&server, LONG_MS + 1);
    work_on(&client);
    ck_assert_int_eq(client.goaway, NGHTTP2_NO_ERROR);
    ck_assert(client.at_end);
    buf_fini(&bytes);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(who_asks_nothing_is_sent_away_and_who_asked_may_be_idle_for_longer)
{
    struct server server;
    struct client silent, polite, asker;
    start(&server);
    dial(&silent, &server);
    dial(&polite, &server);
    hello(&polite);
    work_on(&polite);
    dial(&asker, &server);
    hello(&asker);
    ask(&asker, "GET", "/");
    pass(&server, LONG_MS + 1);
    work_on(&silent);
    work_on(&polite);
    work_on(&asker);
    ck_assert(silent.at_end && polite.at_end && !asker.at_end);
    ck_assert_int_eq(polite.goaway, NGHTTP2_NO_ERROR);
    pass(&server, 125 * 1000); /* Caddy closes after two minutes, and must come first */
    work_on(&asker);
    ck_assert(!asker.at_end);
    pass(&server, 131 * 1000);
    work_on(&asker);
    ck_assert(asker.at_end);
    ck_assert_int_eq(asker.goaway, NGHTTP2_NO_ERROR);
    hang_up(&silent);
    hang_up(&polite);
    hang_up(&asker);
    stop(&server);
}
END_TEST

START_TEST(with_each_request_the_idle_time_begins_anew)
{
    struct server server;
    struct client client;
    start(&server);
    dial(&client, &server);
    hello(&client);
    ask(&client, "GET", "/");
    int64_t first_ms = timers_next_ms(&server.loop.timers), began_ms = loop_now_ms(&server.loop);
    while (loop_now_ms(&server.loop) < began_ms + 2)
        turn(&server);
    ask(&client, "GET", "/");
    ck_assert_int_gt(timers_next_ms(&server.loop.timers), first_ms);
    hang_up(&client);
    stop(&server);
}
END_TEST

START_TEST(room_is_made_by_the_one_that_asked_nothing_for_longest)
{
    struct server server;
    struct client asking, idle;
    start(&server);
    ck_assert(!http2_make_room(server.http2));
    dial(&asking, &server);
    hello(&asking);
    submit(&asking, "POST", "/later", NULL, NULL, NULL);
    work_on(&asking);
    ck_assert_int_eq(http2_waiting_since_ms(server.http2), INT64_MAX);
    ck_assert(!http2_make_room(server.http2));
    dial(&idle, &server);
    hello(&idle);
    ask(&idle, "GET", "/");
    ck_assert_int_lt(http2_waiting_since_ms(server.http2), INT64_MAX);
    ck_assert(http2_make_room(server.http2));
    work_on(&idle);
    ck_assert(idle.at_end);
    ck_assert_int_eq(idle.goaway, NGHTTP2_NO_ERROR);
    ck_assert_uint_eq(server.gate.inside, 1);
    answer_all(&server);
    until(&asking, &asking.answers[0].is_whole);
    ck_assert(http2_make_room(server.http2));
    hang_up(&idle);
    hang_up(&asking);
    stop(&server);
}
END_TEST

START_TEST(who_asks_again_and_is_answered_at_once_goes_to_the_end_of_that_line)
{
    struct server server;
    struct client first, second;
    start(&server);
    dial(&first, &server);
    hello(&first);
    ask(&first, "GET", "/");
    dial(&second, &server);
    hello(&second);
    ask(&second, "GET", "/");
    ask(&first, "GET", "/");
    ck_assert(http2_make_room(server.http2));
    work_on(&first);
    work_on(&second);
    ck_assert(second.at_end && !first.at_end);
    hang_up(&first);
    hang_up(&second);
    stop(&server);
}
END_TEST

START_TEST(a_new_stream_takes_the_place_of_the_one_that_sends_for_longest)
{
    struct server server;
    struct client first, second;
    start(&server);
    server.gate.most = 3;
    dial(&first, &server);
    hello(&first);
    dial(&second, &server);
    hello(&second);
    submit(&first, "POST", "/later", NULL, NULL, NULL);
    int32_t oldest = begin_post(&first);
    int32_t older = begin_post(&second);
    ck_assert_int_eq(ask(&second, "GET", "/")->status, 200);
    work_on(&first);
    ck_assert_int_eq(answer_of(&first, oldest)->reset, NGHTTP2_REFUSED_STREAM);
    ck_assert_int_eq(answer_of(&second, older)->reset, -1);
    begin_post(&second);
    int32_t newest = begin_post(&second); /* of the same connection */
    ck_assert_int_eq(answer_of(&second, older)->reset, NGHTTP2_REFUSED_STREAM);
    ck_assert_int_eq(answer_of(&second, newest)->reset, -1);
    ck_assert_uint_eq(server.pending_count, 1);
    server.gate.most = 2; /* as a reload may do */
    submit(&first, "POST", "/later", NULL, NULL, NULL);
    work_on(&first);
    work_on(&second);
    ck_assert_int_eq(answer_of(&second, newest)->reset, NGHTTP2_REFUSED_STREAM);
    ck_assert_uint_eq(server.pending_count, 2);
    answer_all(&server);
    until(&first, &first.answers[0].is_whole);
    hang_up(&first);
    hang_up(&second);
    stop(&server);
}
END_TEST

/* Nothing else could be understood on its connection. */
START_TEST(a_stream_that_goes_in_the_middle_of_its_header_takes_the_connection_with_it)
{
    struct server server;
    struct client halting, asking;
    struct buf bytes;
    start(&server);
    server.gate.most = 1;
    dial(&halting, &server);
    hello(&halting);
    work_on(&halting);
    buf_init(&bytes, 1000);
    add_hex(&bytes, HEADERS_OPEN, 0);
    say(&halting, bytes.bytes, bytes.length);
    work_on(&halting);
    dial(&asking, &server);
    hello(&asking);
    ck_assert_int_eq(ask(&asking, "GET", "/")->status, 200);
    work_on(&halting);
    ck_assert_int_eq(halting.goaway, NGHTTP2_NO_ERROR);
    ck_assert(halting.at_end);
    buf_fini(&bytes);
    hang_up(&halting);
    hang_up(&asking);
    stop(&server);
}
END_TEST

START_TEST(no_more_streams_wait_for_us_than_connections_may_be)
{
    struct server server;
    struct client first, second;
    start(&server);
    server.gate.most = 3;
    dial(&first, &server);
    hello(&first);
    dial(&second, &server);
    hello(&second);
    submit(&first, "POST", "/later", NULL, NULL, NULL);
    submit(&first, "POST", "/later", NULL, NULL, NULL);
    work_on(&first);
    submit(&second, "POST", "/later", NULL, NULL, NULL);
    int32_t id = submit(&second, "POST", "/later", NULL, NULL, NULL);
    work_on(&second);
    ck_assert_uint_eq(server.pending_count, 3);
    ck_assert_int_eq(answer_of(&second, id)->reset, NGHTTP2_REFUSED_STREAM);
    answer_all(&server);
    work_on(&first);
    ck_assert_int_eq(ask(&second, "GET", "/")->status, 200);
    hang_up(&first);
    hang_up(&second);
    stop(&server);
}
END_TEST

UNIT_MAIN("http2", a_request_is_answered_with_status_headers_and_body,
          head_is_answered_with_the_length_and_without_the_body, the_preface_may_come_byte_by_byte,
          what_does_not_begin_with_the_preface_is_handed_on_unread,
          who_is_only_looked_at_is_handed_on_whatever_comes,
          an_answer_may_come_later_than_those_to_later_questions,
          a_question_is_taken_back_when_its_stream_is_reset,
          the_end_of_the_server_is_said_and_takes_questions_back,
          a_host_that_is_not_the_authority_is_refused,
          a_header_value_with_a_control_character_is_refused,
          too_many_and_too_long_headers_are_refused_and_the_connection_goes_on,
          a_body_over_64_kib_is_413_and_the_connection_goes_on,
          bodies_that_stand_still_leave_the_others_their_window, who_expects_it_is_told_to_go_on,
          a_thousand_honest_requests_are_no_flood, floods_are_told_to_calm_down,
          a_field_that_is_named_again_and_again_ends_the_connection_at_once,
          a_request_lives_through_the_resets_of_others_and_ends_the_connection,
          a_request_lives_through_a_full_connection_that_is_given_up,
          a_request_that_crosses_the_notice_to_leave_is_answered,
          nothing_is_read_from_a_peer_that_does_not_read,
          an_answer_that_the_window_does_not_let_out_is_given_up_in_time,
          a_request_that_comes_too_slowly_loses_its_stream,
          a_header_that_does_not_end_ends_the_connection,
          who_asks_nothing_is_sent_away_and_who_asked_may_be_idle_for_longer,
          with_each_request_the_idle_time_begins_anew,
          room_is_made_by_the_one_that_asked_nothing_for_longest,
          who_asks_again_and_is_answered_at_once_goes_to_the_end_of_that_line,
          a_new_stream_takes_the_place_of_the_one_that_sends_for_longest,
          a_stream_that_goes_in_the_middle_of_its_header_takes_the_connection_with_it,
          no_more_streams_wait_for_us_than_connections_may_be)
