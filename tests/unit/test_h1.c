#include "signal/h1.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/resolver.h"
#include "signal/roots.h"

#include "authority.h"
#include "loopback.h"
#include "unit.h"

/* A websocket server of its own on loopback: a thread that plays a script with each connection. It
 * asserts nothing, it writes down what it saw. */

enum { DEADLINE_MS = 20000, REQUEST_MAX = 4096, PATIENCE_S = 15 };

struct wire {
    int fd;
    SSL *tls; /* NULL: clear text */
};

struct frame {
    int head; /* first byte; -1: nothing came */
    bool masked;
    size_t length;
    uint8_t payload[1024];
};

struct peer;
typedef void script_fn(struct peer *peer, struct wire *wire);

static struct peer {
    script_fn *script;
    SSL_CTX *tls;
    int listener;
    uint16_t port;
    pthread_t thread;
    unsigned connections; /* that it will take before it ends */
    char request[REQUEST_MAX];
    char name[128]; /* SNI */
    uint8_t alpn[64];
    unsigned alpn_length;
    struct frame frames[4];
    unsigned messages; /* in order, counted by their first byte */
    _Atomic bool done;
    const char *answer, *endless; /* the second again and again after the first */
    size_t taken;                 /* how much of it went out */
} peer;

static ssize_t wire_read(struct wire *wire, void *bytes, size_t length)
{
    return wire->tls ? SSL_read(wire->tls, bytes, (int)length) : read(wire->fd, bytes, length);
}

static void wire_write(struct wire *wire, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t done = wire->tls ? SSL_write(wire->tls, at, (int)length)
                                 : send(wire->fd, at, length, MSG_NOSIGNAL);
        if (done <= 0)
            return;
        at += done;
        length -= (size_t)done;
    }
}

static bool wire_read_all(struct wire *wire, void *bytes, size_t length)
{
    uint8_t *at = bytes;
    while (length) {
        ssize_t done = wire_read(wire, at, length);
        if (done <= 0)
            return false;
        at += done;
        length -= (size_t)done;
    }
    return true;
}

static void read_request(struct wire *wire)
{
    size_t length = 0;
    while (length + 1 < sizeof peer.request && !strstr(peer.request, "\r\n\r\n")) {
        if (!wire_read_all(wire, peer.request + length, 1))
            return;
        peer.request[++length] = '\0';
    }
}

static void accept_upgrade(struct wire *wire, const char *and_then, size_t length)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    read_request(wire);
    const char *key = strstr(peer.request, name);
    if (!key)
        return;
    char text[128], accept[B64_TEXT_SIZE(20)];
    int used = snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                        key + strlen(name));
    uint8_t hash[20];
    EVP_Digest(text, (size_t)used, hash, NULL, EVP_sha1(), NULL);
    b64_encode(accept, hash, sizeof hash);
    char answer[1024];
    used = snprintf(answer, sizeof answer,
                    "HTTP/1.1 101 Switching Protocols\r\nVary: Accept-Encoding\r\n"
                    "X-Signal-Timestamp: 1750000000002\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Accept: %s\r\nConnection: Upgrade\r\n\r\n",
                    accept);
    memcpy(answer + used, and_then, length);
    wire_write(wire, answer, (size_t)used + length);
}

static size_t put_frame(uint8_t *to, int head, const void *payload, size_t length)
{
    size_t at = 0;
    to[at++] = (uint8_t)head;
    if (length < 126) {
        to[at++] = (uint8_t)length;
    } else {
        to[at++] = length < 65536 ? 126 : 127;
        for (int shift = length < 65536 ? 8 : 56; shift >= 0; shift -= 8)
            to[at++] = (uint8_t)((uint64_t)length >> shift);
    }
    if (length)
        memcpy(to + at, payload, length);
    return at + length;
}

static void send_frame(struct wire *wire, int head, const void *payload, size_t length)
{
    uint8_t *bytes = mem_new(length + 16);
    wire_write(wire, bytes, put_frame(bytes, head, payload, length));
    free(bytes);
}

static void send_close(struct wire *wire, int code, const char *reason)
{
    uint8_t payload[125] = {(uint8_t)(code >> 8), (uint8_t)code};
    memcpy(payload + 2, reason, strlen(reason));
    send_frame(wire, 0x88, payload, strlen(reason) + 2);
}

static struct frame read_frame(struct wire *wire)
{
    struct frame frame = {.head = -1};
    uint8_t head[2], more[2], mask[4] = {0};
    if (!wire_read_all(wire, head, 2))
        return frame;
    frame.length = head[1] & 0x7f;
    frame.masked = head[1] & 0x80;
    if (frame.length == 126 && wire_read_all(wire, more, 2))
        frame.length = (size_t)(more[0] << 8 | more[1]);
    if (frame.length > sizeof frame.payload ||
        (frame.masked && !wire_read_all(wire, mask, sizeof mask)) ||
        !wire_read_all(wire, frame.payload, frame.length))
        return frame;
    frame.head = head[0];
    for (size_t i = 0; i < frame.length; i++)
        frame.payload[i] ^= mask[i & 3];
    return frame;
}

/* Until the client has gone. */
static void await_end(struct wire *wire)
{
    char bytes[256];
    while (wire_read(wire, bytes, sizeof bytes) > 0)
        ;
}

static int on_name(SSL *tls, int *alert, void *arg)
{
    (void)alert, (void)arg;
    const char *name = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
    snprintf(peer.name, sizeof peer.name, "%s", name ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *tls, const unsigned char **out, unsigned char *out_length,
                   const unsigned char *in, unsigned length, void *arg)
{
    (void)tls, (void)arg, (void)out, (void)out_length;
    peer.alpn_length = length < sizeof peer.alpn ? length : sizeof peer.alpn;
    memcpy(peer.alpn, in, peer.alpn_length);
    return SSL_TLSEXT_ERR_NOACK;
}

static void serve_one(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    struct wire wire = {.fd = fd};
    if (peer.tls) {
        wire.tls = SSL_new(peer.tls);
        SSL_set_fd(wire.tls, fd);
        if (SSL_accept(wire.tls) == 1)
            peer.script(&peer, &wire);
        SSL_free(wire.tls);
    } else {
        peer.script(&peer, &wire);
    }
    close(fd);
}

static void *serve(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < peer.connections; i++) {
        int fd = accept(peer.listener, NULL, NULL);
        if (fd >= 0)
            serve_one(fd);
    }
    peer.done = true;
    return NULL;
}

static void start_peer_on(int listener, uint16_t port, script_fn *script, SSL_CTX *tls)
{
    memset(&peer, 0, sizeof peer);
    peer.script = script;
    peer.tls = tls;
    peer.connections = 1;
    peer.listener = listener;
    peer.port = port;
    ck_assert_int_eq(pthread_create(&peer.thread, NULL, serve, NULL), 0);
}

static void start_peer(script_fn *script, SSL_CTX *tls)
{
    uint16_t port;
    int listener = listen_on_loopback(&port);
    start_peer_on(listener, port, script, tls);
}

static void stop_peer(void)
{
    pthread_join(peer.thread, NULL);
    close(peer.listener);
    SSL_CTX_free(peer.tls);
}

/* Certificates. */

static EVP_PKEY *rsa_key(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
}

static EVP_PKEY *ed25519_key(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static SSL_CTX *server_tls(const struct authority *authority, const char *alternative)
{
    SSL_CTX *tls = make_server_tls(authority, alternative, VALID_S);
    SSL_CTX_set_tlsext_servername_callback(tls, on_name);
    SSL_CTX_set_alpn_select_cb(tls, on_alpn, NULL);
    return tls;
}

static char ca_path[64];

static void write_file(const char *text, const struct authority *one, const struct authority *two)
{
    snprintf(ca_path, sizeof ca_path, "/tmp/doorbell-h1-XXXXXX");
    int fd = mkstemp(ca_path);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    if (one)
        PEM_write_X509(file, one->certificate);
    if (two)
        PEM_write_X509(file, two->certificate);
    fclose(file);
}

/* The client. */

static struct loop loop;
static struct config config;
static struct resolver *resolver;
static struct connector *connector;
static struct h1 *h1;
static char url[256];

enum moment { NEVER, IN_OPENED, IN_PIECE, IN_ENDED };

static struct seen {
    struct channel *channel;
    bool in_call;
    unsigned opened, ended, messages, inside;
    size_t pieces, longest, total;
    uint32_t sum; /* of the bytes, so that their order counts */
    struct transport_end end;
    enum moment free_at, close_at;
    const char *ack; /* sent as soon as it is open */
    int ack_result;
    bool stop;
} seen;

static void stop(void)
{
    seen.stop = true;
    loop_stop(&loop);
}

static void at_moment(enum moment moment)
{
    ck_assert(!seen.in_call);
    if (seen.close_at == moment)
        h1_ops.close(seen.channel, 1007, "cannot read this");
    if (seen.free_at != moment)
        return;
    h1_ops.free(seen.channel);
    seen.channel = NULL;
    stop();
}

static void on_opened(void *arg)
{
    ck_assert_ptr_eq(arg, &seen);
    seen.opened++;
    if (seen.ack)
        seen.ack_result = h1_ops.send(seen.channel, (const uint8_t *)seen.ack, strlen(seen.ack));
    at_moment(IN_OPENED);
}

static void on_piece(void *arg, const uint8_t *bytes, size_t length, bool first, bool last)
{
    (void)arg;
    ck_assert_uint_eq(seen.inside, !first);
    seen.inside = !last;
    seen.messages += last;
    seen.pieces++;
    seen.total += length;
    seen.longest = length > seen.longest ? length : seen.longest;
    for (size_t i = 0; i < length; i++)
        seen.sum = seen.sum * 31 + bytes[i];
    at_moment(IN_PIECE);
}

static void on_ended(void *arg, const struct transport_end *end)
{
    (void)arg;
    seen.ended++;
    seen.end = *end;
    stop();
    at_moment(IN_ENDED);
}

static void on_asking(void *arg, struct channel_credentials *credentials)
{
    ck_assert_ptr_eq(arg, &seen);
    ck_assert(!seen.in_call);
    *credentials = (struct channel_credentials){.authorization = mem_text("Basic dXNlcjpwYXNz"),
                                                .user_agent = "Doorbell/1"};
}

static const struct transport_events events = {
    .asking = on_asking, .opened = on_opened, .piece = on_piece, .ended = on_ended};

static void make_client(const char *scheme, const char *host, const char *ca_file)
{
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    snprintf(url, sizeof url, "%s://%s:%u/v1/websocket/", scheme, host, peer.port);
    config = (struct config){.signal_url = url,
                             .signal_ca_file = (char *)(uintptr_t)ca_file,
                             .net_family = *host == '[' ? NET_FAMILY_IPV6 : NET_FAMILY_IPV4,
                             .net_connect_timeout_ms = 5000,
                             .net_handshake_timeout_ms = 10000,
                             .net_dns_timeout_ms = 3000};
    loop_init(&loop);
    resolver = resolver_new(&loop, &config, &err);
    ck_assert_msg(resolver != NULL, "%s", err.text);
    connector = connector_new(&loop, resolver, &config);
    h1 = h1_new(&loop, connector, &config, &err);
    ck_assert_msg(h1 != NULL, "%s", err.text);
}

static void count_handle(uv_handle_t *handle, void *count)
{
    (void)handle;
    ++*(unsigned *)count;
}

static unsigned handles(void)
{
    unsigned count = 0;
    uv_walk(&loop.uv, count_handle, &count);
    return count;
}

static void free_client(void)
{
    if (seen.channel)
        h1_ops.free(seen.channel);
    h1_free(h1);
    connector_free(connector);
    resolver_free(resolver);
    uv_close((uv_handle_t *)&loop.driver, NULL);
    while (uv_run(&loop.uv, UV_RUN_NOWAIT) != 0)
        ;
    ck_assert_int_eq(uv_loop_close(&loop.uv), 0); /* nothing was forgotten in it */
    timers_fini(&loop.timers);
}

static void open_channel(void)
{
    memset(&seen, 0, sizeof seen);
    seen.in_call = true;
    seen.channel = h1_ops.open(h1, false, &events, &seen);
    seen.in_call = false;
}

static void on_too_late(void *arg)
{
    (void)arg;
    ck_abort_msg("nothing happened for %d ms", DEADLINE_MS);
}

/* Runs the loop until `*done`. */
static void run_until(const bool *done)
{
    struct timer deadline;
    timer_init(&deadline, on_too_late, NULL);
    loop_timer_set(&loop, &deadline, DEADLINE_MS);
    while (!*done)
        loop_run(&loop);
    loop_timer_cancel(&loop, &deadline);
}

static void run_until_ended(void)
{
    run_until(&seen.stop);
}

static void on_turn(void *arg)
{
    *(bool *)arg = true;
    loop_stop(&loop);
}

static void run_for(int64_t ms)
{
    bool done = false;
    struct timer timer;
    timer_init(&timer, on_turn, &done);
    loop_timer_set(&loop, &timer, ms);
    run_until(&done);
    loop_timer_cancel(&loop, &timer);
}

static void run_until_opened(void)
{
    while (!seen.opened && !seen.stop)
        run_for(1);
    ck_assert_uint_eq(seen.opened, 1);
}

/* One connection in clear text. */
static void begin(script_fn *script)
{
    start_peer(script, NULL);
    make_client("ws", "127.0.0.1", NULL);
    open_channel();
}

/* Lets the server see the end before the client's loop is taken away. */
static void finish(void)
{
    if (seen.channel)
        h1_ops.free(seen.channel);
    seen.channel = NULL;
    shutdown(peer.listener, SHUT_RDWR);
    while (!peer.done)
        run_for(1);
    free_client();
    stop_peer();
}

/* The handshake. */

static void close_politely(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, "", 0);
    send_close(wire, 1000, "OK");
    peer.frames[0] = read_frame(wire);
}

START_TEST(the_request_is_exactly_this)
{
    begin(close_politely);
    run_until_ended();
    finish();
    char *key = strstr(peer.request, "Sec-WebSocket-Key: ");
    ck_assert_ptr_nonnull(key);
    memset(key + 19, 'K', 24);
    char wanted[1024];
    snprintf(wanted, sizeof wanted,
             "GET /v1/websocket/ HTTP/1.1\r\n"
             "Pragma: no-cache\r\n"
             "Cache-Control: no-cache\r\n"
             "Host: 127.0.0.1:%u\r\n"
             "Upgrade: websocket\r\n"
             "Connection: Upgrade\r\n"
             "Sec-WebSocket-Key: KKKKKKKKKKKKKKKKKKKKKKKK\r\n"
             "Sec-WebSocket-Version: 13\r\n"
             "authorization: Basic dXNlcjpwYXNz\r\n"
             "user-agent: Doorbell/1\r\n"
             "\r\n",
             peer.port);
    ck_assert_str_eq(peer.request, wanted);
    ck_assert_uint_eq(seen.opened, 1);
}
END_TEST

START_TEST(tls_names_the_host_and_offers_only_http_1)
{
    struct authority authority = make_authority(ec_key());
    write_file("", &authority, NULL);
    start_peer(close_politely, server_tls(&authority, "DNS:localhost"));
    make_client("wss", "localhost", ca_path);
    open_channel();
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_CLOSE);
    ck_assert_str_eq(peer.name, "localhost");
    ck_assert_uint_eq(peer.alpn_length, 9);
    ck_assert_mem_eq(peer.alpn, "\x08http/1.1", 9);
    unlink(ca_path);
    free_authority(&authority);
}
END_TEST

static void give_answer(struct peer *self, struct wire *wire)
{
    (void)self;
    read_request(wire);
    if (peer.answer)
        wire_write(wire, peer.answer, strlen(peer.answer));
    if (peer.answer && strstr(peer.answer, "keep-alive"))
        await_end(wire);
}

static void ask(const char *answer)
{
    start_peer(give_answer, NULL);
    peer.answer = answer;
    make_client("ws", "127.0.0.1", NULL);
    open_channel();
    run_until_ended();
    ck_assert_uint_eq(seen.opened, 0);
    ck_assert_uint_eq(seen.ended, 1);
    finish();
}

START_TEST(a_refusal_keeps_its_status_and_whether_the_messenger_spoke)
{
    static const struct {
        const char *answer;
        int status;
        bool has_timestamp;
        int64_t retry_after_ms;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\nDate: x\r\nX-Signal-Timestamp: 1750000000002\r\n"
         "Content-Type: text/html\r\nContent-Length: 9\r\n\r\nForbidden",
         403, true, 0},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", 403,
         false, 0},
        {"HTTP/1.1 499 499\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", 499, false, 0},
        {"HTTP/1.1 429 Too Many\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", 429, false,
         120000},
        {"HTTP/1.1 503 Busy\r\nretry-after: 99999999\r\nContent-Length: 0\r\n\r\n", 503, false,
         3600 * 1000},
        {"HTTP/1.1 503 Busy\r\nretry-after: 99999999999999999999999999\r\n\r\n", 503, false,
         3600 * 1000},
        {"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n", 503, false,
         3600 * 1000},
        {"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 9999\r\n\r\n", 503, false, 0},
        {"HTTP/1.1 503 Busy\r\nRetry-After: 5 minutes, or perhaps a bit longer than that, thank "
         "you\r\n\r\n",
         503, false, 0},
        {"HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n", 503, false, 0},
        {"HTTP/1.1 503 Busy\r\nRetry-After: -5\r\n\r\n", 503, false, 0},
        {"HTTP/1.1 500 Server Error\r\nx-signal-timestamp: 1\r\nContent-Length: 0\r\n\r\n", 500,
         true, 0},
        {"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n\r\n", 401, false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, false, 0},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: bm90IHRoaXMgb25lIGF0IGFsbA==\r\n\r\n",
         101, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask(rows[i].answer);
        ck_assert_msg(seen.end.kind == TRANSPORT_STATUS, "row %zu: kind %d", i, seen.end.kind);
        ck_assert_int_eq(seen.end.status, rows[i].status);
        ck_assert_msg(seen.end.has_timestamp == rows[i].has_timestamp, "row %zu", i);
        ck_assert_int_eq(seen.end.retry_after_ms, rows[i].retry_after_ms);
    }
}
END_TEST

START_TEST(a_redirect_is_reported_and_not_followed)
{
    static const char *const answers[] = {
        "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"};
    for (size_t i = 0; i < 3; i++) {
        ask(answers[i]);
        ck_assert_int_eq(seen.end.kind, TRANSPORT_STATUS);
        ck_assert_int_eq(seen.end.status, i == 0 ? 302 : i == 1 ? 301 : 307);
    }
}
END_TEST

START_TEST(no_usable_answer_is_a_server_that_is_not_reached)
{
    ask(NULL);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_UNREACHABLE);
    ck_assert_str_ne(seen.end.text, "");
    ask("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    ck_assert_int_ne(seen.end.kind, TRANSPORT_LOST);
    ck_assert_int_ne(seen.end.kind, TRANSPORT_CLOSE);
}
END_TEST

START_TEST(long_and_many_answer_headers_are_taken)
{
    char *answer = mem_new(16 * 1024);
    size_t used = (size_t)sprintf(answer, "HTTP/1.1 403 Forbidden\r\n");
    for (int i = 0; i < 100; i++)
        used += (size_t)sprintf(answer + used, "X-Proxy-Number-%d: %060d\r\n", i, i);
    sprintf(answer + used, "X-Signal-Timestamp: 17500000\r\nContent-Length: 0\r\n\r\n");
    ask(answer);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_STATUS);
    ck_assert_int_eq(seen.end.status, 403);
    ck_assert(seen.end.has_timestamp);
    free(answer);
}
END_TEST

/* Memory in use, the most of it seen while the loop turns until the end. */
static size_t most_memory_until_ended(void)
{
    size_t most = 0;
    while (!seen.stop) {
        run_for(1);
        size_t now = mallinfo2().uordblks;
        most = now > most ? now : most;
    }
    return most;
}

enum { ENDLESS_MAX = 64 * 1024 * 1024, FLOOD = 1024 * 1024, MEMORY_MAX = 512 * 1024 };

static void give_endless_answer(struct peer *self, struct wire *wire)
{
    (void)self;
    read_request(wire);
    wire_write(wire, peer.answer, strlen(peer.answer));
    size_t length = strlen(peer.endless);
    while (peer.taken < ENDLESS_MAX &&
           send(wire->fd, peer.endless, length, MSG_NOSIGNAL) == (ssize_t)length)
        peer.taken += length;
}

START_TEST(an_endless_answer_is_cut_off_and_costs_no_memory)
{
    static const struct {
        const char *answer, *endless;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\n", "X-Another: header\r\n"},
        {"HTTP/1.1 403 Forbidden\r\nX-Long: ", "and still it goes on "},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", "a body without a length "},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"},
        {"", "HTTP/1.1 100 Continue\r\n\r\n"},
        {"HTTP/1.1 101 Switching Protocols\r\n", "Upgrade: websocket\r\n"},
        {"", "no HTTP at all "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start_peer(give_endless_answer, NULL);
        peer.answer = rows[i].answer;
        peer.endless = rows[i].endless;
        make_client("ws", "127.0.0.1", NULL);
        config.net_handshake_timeout_ms = 500;
        h1_reload(h1, &config);
        open_channel();
        size_t before = mallinfo2().uordblks, most = most_memory_until_ended();
        finish();
        ck_assert_uint_eq(seen.opened, 0);
        ck_assert_msg(seen.end.kind == TRANSPORT_STATUS || seen.end.kind == TRANSPORT_UNREACHABLE,
                      "row %zu: kind %d", i, seen.end.kind);
        ck_assert_msg(most < before + MEMORY_MAX, "row %zu: %zu bytes more", i, most - before);
        ck_assert_msg(peer.taken < ENDLESS_MAX, "row %zu: it took everything", i);
    }
}
END_TEST

/* A listener whose queue of connections is full: the next connect is never answered. */
START_TEST(a_connect_that_nothing_answers_runs_into_its_own_deadline)
{
    enum { FILLERS = 4 };
    int fillers[FILLERS];
    memset(&peer, 0, sizeof peer);
    int listener = listen_on_loopback(&peer.port);
    ck_assert_int_eq(listen(listener, 0), 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(peer.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    make_client("ws", "127.0.0.1", NULL);
    config.net_connect_timeout_ms = 50; /* and 10 s for the handshake */
    h1_reload(h1, &config);
    open_channel();
    int64_t before = clock_ms();
    run_until_ended();
    ck_assert_int_lt(clock_ms() - before, 5000);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_UNREACHABLE);
    ck_assert_str_eq(seen.end.text, "no TCP connection in time");
    free_client();
    for (size_t i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(listener);
}
END_TEST

static void say_nothing(struct peer *self, struct wire *wire)
{
    (void)self;
    await_end(wire);
}

START_TEST(a_silent_server_runs_into_the_deadline)
{
    start_peer(say_nothing, NULL);
    make_client("ws", "127.0.0.1", NULL);
    config.net_handshake_timeout_ms = 500;
    h1_reload(h1, &config);
    open_channel();
    run_until_ended();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_UNREACHABLE);
    ck_assert_str_eq(seen.end.text, "no answer to the request in time");
    finish();
}
END_TEST

START_TEST(a_server_that_is_silent_in_tls_runs_into_the_deadline)
{
    start_peer(say_nothing, NULL);
    make_client("wss", "127.0.0.1", NULL);
    config.net_handshake_timeout_ms = 50;
    h1_reload(h1, &config);
    open_channel();
    run_until_ended();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_UNREACHABLE);
    ck_assert_str_eq(seen.end.text, "no answer to the TLS handshake in time");
    finish();
}
END_TEST

static void speak_no_tls(struct peer *self, struct wire *wire)
{
    (void)self;
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    wire_write(wire, answer, strlen(answer));
    await_end(wire);
}

static void hang_up(struct peer *self, struct wire *wire)
{
    char bytes[1];
    (void)self;
    wire_read(wire, bytes, 1);
}

/* With nothing unread, so that it is no reset. */
static void hang_up_in_order(struct peer *self, struct wire *wire)
{
    char hello[16 * 1024];
    (void)self;
    wire_read(wire, hello, sizeof hello);
}

START_TEST(a_server_without_tls_is_told_from_one_that_hangs_up)
{
    start_peer(speak_no_tls, NULL);
    make_client("wss", "127.0.0.1", NULL);
    open_channel();
    run_until_ended();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_TLS);
    ck_assert_str_eq(seen.end.text, "there is no TLS on this port");
    finish();
    script_fn *const scripts[] = {hang_up, hang_up_in_order};
    for (size_t i = 0; i < 2; i++) {
        start_peer(scripts[i], NULL);
        make_client("wss", "127.0.0.1", NULL);
        open_channel();
        run_until_ended();
        ck_assert_str_eq(seen.end.text, "cut off during the TLS handshake");
        ck_assert_int_eq(seen.end.kind, TRANSPORT_UNREACHABLE);
        finish();
    }
}
END_TEST

/* Opens until `times` attempts have failed: each must leave as many handles in the loop as the
 * last. */
static void check_unreachable(const char *host, int times)
{
    unsigned before = 0;
    make_client("ws", host, NULL);
    for (int i = 0; i < times; i++) {
        open_channel();
        run_until_ended();
        ck_assert_int_eq(seen.end.kind, TRANSPORT_UNREACHABLE);
        h1_ops.free(seen.channel);
        seen.channel = NULL;
        run_for(1);
        if (i == 0)
            before = handles();
    }
    ck_assert_uint_eq(handles(), before);
    free_client();
}

START_TEST(a_tcp_connection_that_fails_leaves_nothing_behind)
{
    memset(&peer, 0, sizeof peer);
    int fd = listen_on_loopback(&peer.port);
    close(fd); /* now nobody listens there */
    check_unreachable("127.0.0.1", 5);
    check_unreachable("255.255.255.255", 5); /* which the system refuses at once */
}
END_TEST

/* In place of the C library's: the connection is reset between the event
 * that says "connected" and the look at the socket's error. */
static bool reset_meanwhile;

int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int result = (int)syscall(SYS_getsockopt, fd, level, name, value, size);
    if (reset_meanwhile && level == SOL_SOCKET && name == SO_ERROR)
        *(int *)value = ECONNRESET;
    return result;
}

START_TEST(a_connection_that_is_reset_as_it_is_made_leaves_nothing_behind)
{
    memset(&peer, 0, sizeof peer);
    int listener = listen_on_loopback(&peer.port);
    reset_meanwhile = true;
    check_unreachable("127.0.0.1", 5);
    reset_meanwhile = false;
    close(listener);
}
END_TEST

START_TEST(a_name_without_address_says_so)
{
    memset(&peer, 0, sizeof peer);
    peer.port = 443;
    make_client("ws", "nowhere.invalid", NULL);
    /* Closed while the name is looked up; whatever the look-up says, one end comes. */
    open_channel();
    h1_ops.close(seen.channel, 1000, "");
    run_until_ended();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_STOPPED);
    free_client();
}
END_TEST

/* Certificates. */

static void try_tls(const struct authority *server, const char *names, const char *ca_file)
{
    start_peer(close_politely, server_tls(server, names));
    make_client("wss", "127.0.0.1", ca_file);
    open_channel();
    run_until_ended();
    finish();
}

START_TEST(two_roots_of_one_name_are_both_trusted)
{
    struct authority rsa = make_authority(rsa_key()), ed25519 = make_authority(ed25519_key());
    write_file("# two of them\n", &rsa, &ed25519);
    for (int i = 0; i < 2; i++) {
        try_tls(i ? &ed25519 : &rsa, "IP:127.0.0.1", ca_path);
        ck_assert_msg(seen.end.kind == TRANSPORT_CLOSE, "%s", seen.end.text);
        ck_assert_uint_eq(seen.opened, 1);
    }
    unlink(ca_path);
    write_file("", &ed25519, &rsa); /* in either order */
    for (int i = 0; i < 2; i++) {
        try_tls(i ? &ed25519 : &rsa, "IP:127.0.0.1", ca_path);
        ck_assert_msg(seen.end.kind == TRANSPORT_CLOSE, "%s", seen.end.text);
    }
    unlink(ca_path);
    free_authority(&rsa);
    free_authority(&ed25519);
}
END_TEST

START_TEST(a_certificate_of_somebody_else_is_refused)
{
    struct authority ours = make_authority(ec_key()), other = make_authority(ec_key());
    write_file("", &ours, NULL);
    try_tls(&other, "IP:127.0.0.1", ca_path);
    ck_assert_uint_eq(seen.opened, 0);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_TLS);
    ck_assert(text_starts(seen.end.text, "its certificate is not accepted: "));
    ck_assert_str_eq(peer.request, "");
    try_tls(&ours, "IP:127.0.0.1", NULL); /* the built-in roots are others */
    ck_assert_int_eq(seen.end.kind, TRANSPORT_TLS);
    unlink(ca_path);
    free_authority(&ours);
    free_authority(&other);
}
END_TEST

START_TEST(a_certificate_for_another_name_is_refused)
{
    struct authority ours = make_authority(ec_key());
    write_file("", &ours, NULL);
    try_tls(&ours, "DNS:chat.signal.org,IP:127.0.0.2", ca_path);
    ck_assert_uint_eq(seen.opened, 0);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_TLS);
    ck_assert_str_eq(peer.request, "");
    start_peer(close_politely, server_tls(&ours, "DNS:otherhost"));
    make_client("wss", "localhost", ca_path);
    open_channel();
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_TLS);
    ck_assert_ptr_nonnull(strstr(seen.end.text, "ostname"));
    unlink(ca_path);
    free_authority(&ours);
}
END_TEST

/* -1: this machine has no IPv6. */
static int listen_on_ipv6(uint16_t *port)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof address;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        *port = ntohs(address.sin6_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

START_TEST(an_ipv6_address_is_proven_by_the_certificate_too)
{
    uint16_t port;
    struct authority authority = make_authority(ec_key());
    write_file("", &authority, NULL);
    for (int right = 0; right < 2; right++) {
        int listener = listen_on_ipv6(&port);
        if (listener < 0)
            break;
        start_peer_on(listener, port, close_politely,
                      server_tls(&authority, right ? "IP:::1" : "IP:::2"));
        make_client("wss", "[::1]", ca_path);
        open_channel();
        run_until_ended();
        finish();
        ck_assert_int_eq(seen.end.kind, right ? TRANSPORT_CLOSE : TRANSPORT_TLS);
        ck_assert_str_eq(peer.name, "");
        ck_assert_int_eq(strstr(peer.request, "Host: [::1]:") != NULL, right);
    }
    unlink(ca_path);
    free_authority(&authority);
}
END_TEST

static void fingerprint(X509 *certificate, char text[65])
{
    uint8_t hash[32];
    unsigned length = sizeof hash;
    ck_assert_int_eq(X509_digest(certificate, EVP_sha256(), hash, &length), 1);
    sodium_bin2hex(text, 65, hash, sizeof hash);
}

START_TEST(the_built_in_roots_are_signals)
{
    static const char *const wanted[] = {
        "ddb0f92bb95c8d6fd202ea6e8cc5ccd182b544f8cd696f47d580659ddc9df65a",
        "2642f1f90b389fed2558d7324ca26d70e750b06f87c595c5de955e2560821657"};
    bool found[2] = {false, false};
    X509_STORE *store = roots_load(NULL, NULL);
    ck_assert_ptr_nonnull(store);
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    ck_assert_int_eq(sk_X509_OBJECT_num(objects), 2);
    for (int i = 0; i < 2; i++) {
        char text[65];
        fingerprint(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i)), text);
        for (int j = 0; j < 2; j++)
            found[j] |= strcmp(text, wanted[j]) == 0;
    }
    ck_assert(found[0] && found[1]);
    X509_STORE_free(store);
}
END_TEST

static void check_refused_file(const char *path)
{
    struct err err = {0};
    ck_assert_ptr_null(roots_load(path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert(text_starts(err.text, "signal.ca_file: "));
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

START_TEST(a_ca_file_that_cannot_be_used_is_named)
{
    check_refused_file("/nonexistent/ca.pem");
    check_refused_file("/tmp");
    write_file("", NULL, NULL);
    check_refused_file(ca_path);
    unlink(ca_path);
    struct authority authority = make_authority(ec_key());
    write_file("-----BEGIN CERTIFICATE-----\nMIIB6jCCAZyg\n-----END CERTIFICATE-----\n", &authority,
               NULL);
    check_refused_file(ca_path);
    unlink(ca_path);
    free_authority(&authority);
}
END_TEST

START_TEST(a_url_that_cannot_be_read_is_refused)
{
    struct err err = {0};
    struct config wrong = config;
    peer.port = 1;
    make_client("ws", "127.0.0.1", NULL);
    wrong.signal_url = (char *)(uintptr_t) "nonsense";
    ck_assert_ptr_null(h1_new(&loop, connector, &wrong, &err));
    ck_assert(text_starts(err.text, "signal.url: "));
    ck_assert_ptr_nonnull(strstr(err.text, "http"));
    free_client();
}
END_TEST

START_TEST(a_proxy_of_the_environment_is_not_used)
{
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("HTTPS_PROXY", "http://127.0.0.1:9", 1);
    setenv("All_Proxy", "http://127.0.0.1:9", 1);
    begin(close_politely);
    run_until_ended();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_CLOSE);
    finish();
}
END_TEST

/* Messages. */

static uint8_t *pattern(size_t length)
{
    uint8_t *bytes = mem_new(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    return bytes;
}

static uint32_t pattern_sum(size_t length)
{
    uint8_t *bytes = pattern(length);
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + bytes[i];
    free(bytes);
    return sum;
}

enum {
    SERVER_FRAME = 65536,   /* as the chat server cuts its messages */
    RECORD_MAX = 16 * 1024, /* of TLS; no message is put together */
};
static size_t big;

static void send_big(struct peer *self, struct wire *wire)
{
    (void)self;
    uint8_t *bytes = pattern(big);
    accept_upgrade(wire, "", 0);
    for (size_t at = 0; at < big; at += SERVER_FRAME) {
        int head = (at ? 0 : 2) | (at + SERVER_FRAME == big ? 0x80 : 0);
        send_frame(wire, head, bytes + at, SERVER_FRAME);
        if (at == 2 * SERVER_FRAME)
            send_frame(wire, 0x89, "still there?", 12);
    }
    free(bytes);
    peer.frames[0] = read_frame(wire);
    send_close(wire, 1000, "OK");
    peer.frames[1] = read_frame(wire);
}

static void check_big(void)
{
    ck_assert_uint_eq(seen.messages, 1);
    ck_assert_uint_eq(seen.total, big);
    ck_assert_uint_le(seen.longest, RECORD_MAX);
    ck_assert_uint_eq(seen.sum, pattern_sum(big));
    ck_assert_int_eq(peer.frames[0].head, 0x8a);
    ck_assert_uint_eq(peer.frames[0].length, 12);
    ck_assert_mem_eq(peer.frames[0].payload, "still there?", 12);
    ck_assert(peer.frames[0].masked);
}

START_TEST(a_big_fragmented_message_streams_past_a_ping)
{
    big = 1024 * 1024;
    begin(send_big);
    run_until_ended();
    finish();
    check_big();
}
END_TEST

START_TEST(a_big_message_streams_over_tls)
{
    struct authority authority = make_authority(ec_key());
    big = 4 * SERVER_FRAME;
    write_file("", &authority, NULL);
    start_peer(send_big, server_tls(&authority, "IP:127.0.0.1"));
    make_client("wss", "127.0.0.1", ca_path);
    open_channel();
    run_until_opened();
    h1_ops.idle(seen.channel);
    run_until_ended();
    h1_ops.idle(seen.channel); /* nothing to free any more */
    finish();
    check_big();
    unlink(ca_path);
    free_authority(&authority);
}
END_TEST

static void send_small_ones(struct peer *self, struct wire *wire)
{
    (void)self;
    uint8_t bytes[256], *at = bytes;
    at += put_frame(at, 0x82, "first", 5);
    at += put_frame(at, 0x81, "text is not for us", 18);
    at += put_frame(at, 0x01, "nor ", 4);
    at += put_frame(at, 0x89, "", 0);
    at += put_frame(at, 0x80, "this", 4);
    at += put_frame(at, 0x82, "", 0);
    at += put_frame(at, 0x02, "", 0);
    at += put_frame(at, 0x80, "last", 4);
    at += put_frame(at, 0x88, "\x03\xe8", 2);
    accept_upgrade(wire, (char *)bytes, (size_t)(at - bytes)); /* in the flight of the 101 */
    peer.frames[0] = read_frame(wire);
    peer.frames[1] = read_frame(wire);
}

START_TEST(small_messages_come_one_by_one_and_text_is_ignored)
{
    begin(send_small_ones);
    run_until_ended();
    finish();
    ck_assert_uint_eq(seen.opened, 1);
    ck_assert_uint_eq(seen.messages, 3);
    ck_assert_uint_eq(seen.total, 9);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_CLOSE);
    ck_assert_int_eq(seen.end.close_code, 1000);
    ck_assert_str_eq(seen.end.text, "");
}
END_TEST

static void displace(struct peer *self, struct wire *wire)
{
    (void)self;
    static const char payload[] = "\x11\x39"
                                  "Connected elsewhere\x1b[2J";
    uint8_t frame[64];
    size_t length = put_frame(frame, 0x88, payload, sizeof payload - 1);
    accept_upgrade(wire, (const char *)frame, length); /* in the flight of the 101 */
    peer.frames[0] = read_frame(wire);
    peer.frames[1] = read_frame(wire);
}

START_TEST(what_was_sent_before_the_close_was_seen_still_reaches_the_server)
{
    begin(displace);
    seen.ack = "late ack";
    run_until_ended();
    ck_assert_int_eq(seen.ack_result, 0);
    ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"x", 1), ERR_NOT_NOW);
    finish();
    ck_assert_uint_eq(seen.ended, 1);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_CLOSE);
    ck_assert_int_eq(seen.end.close_code, 4409);
    ck_assert_str_eq(seen.end.text, "Connected elsewhere ...");
    ck_assert_int_eq(peer.frames[0].head, 0x82);
    ck_assert_uint_eq(peer.frames[0].length, 8);
    ck_assert_mem_eq(peer.frames[0].payload, "late ack", 8);
    ck_assert(peer.frames[0].masked);
    ck_assert_int_eq(peer.frames[1].head, 0x88);
}
END_TEST

static void close_without_reason(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, "", 0);
    send_frame(wire, 0x88, "", 0);
    peer.frames[0] = read_frame(wire);
}

START_TEST(a_close_without_code_is_1005)
{
    begin(close_without_reason);
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_CLOSE);
    ck_assert_int_eq(seen.end.close_code, 1005);
}
END_TEST

static void close_and_end(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, "", 0);
    send_close(wire, 1001, "Container being shut down");
    shutdown(wire->fd, SHUT_WR);
    await_end(wire);
}

START_TEST(a_close_followed_by_the_end_of_the_connection_keeps_its_code)
{
    begin(close_and_end);
    seen.ack = "too late";
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_CLOSE);
    ck_assert_int_eq(seen.end.close_code, 1001);
    ck_assert_str_eq(seen.end.text, "Container being shut down");
}
END_TEST

static void count_messages(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, "", 0);
    for (;;) {
        struct frame frame = read_frame(wire);
        peer.frames[0] = frame;
        if (frame.head != 0x82)
            break;
        unsigned number;
        memcpy(&number, frame.payload, sizeof number);
        if (number == peer.messages && frame.masked && frame.length == 30)
            peer.messages++;
    }
    send_close(wire, 1000, "OK");
    await_end(wire);
}

START_TEST(messages_go_out_in_order_and_before_our_close)
{
    begin(count_messages);
    run_until_opened();
    for (unsigned i = 0; i < 300; i++) {
        uint8_t message[30] = {0};
        memcpy(message, &i, sizeof i);
        ck_assert_int_eq(h1_ops.send(seen.channel, message, sizeof message), 0);
    }
    h1_ops.close(seen.channel, 1007, "cannot read this");
    ck_assert_int_eq(h1_ops.send(seen.channel, (const uint8_t *)"x", 1), ERR_NOT_NOW);
    run_until_ended();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_STOPPED);
    finish();
    ck_assert_uint_eq(peer.messages, 300);
    ck_assert_int_eq(peer.frames[0].head, 0x88);
    ck_assert_uint_eq(peer.frames[0].length, 18);
    ck_assert_mem_eq(peer.frames[0].payload,
                     "\x03\xef"
                     "cannot read this",
                     18);
}
END_TEST

static void never_read(struct peer *self, struct wire *wire)
{
    (void)self;
    int size = 4096;
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    accept_upgrade(wire, "", 0);
    while (!__atomic_load_n(&peer.messages, __ATOMIC_ACQUIRE))
        usleep(1000);
}

START_TEST(what_a_server_does_not_read_is_bounded)
{
    begin(never_read);
    run_until_opened();
    uint8_t message[512] = {0};
    size_t sent = 0;
    ck_assert_int_eq(h1_ops.send(seen.channel, message, 100000), ERR_LIMIT);
    for (int refused = 0; refused < 50;) { /* until the sockets' buffers are full, too */
        int result = h1_ops.send(seen.channel, message, sizeof message);
        if (result == 0) {
            sent += sizeof message;
            refused = 0;
            continue;
        }
        ck_assert_int_eq(result, ERR_LIMIT);
        refused++;
        run_for(1);
    }
    ck_assert_uint_ge(sent, TRANSPORT_UNSENT_MAX - 2048);
    h1_ops.close(seen.channel, 1000, ""); /* cannot go out: the deadline ends it */
    ck_assert_uint_eq(seen.ended, 0);
    timers_fire(&loop.timers, loop_now_ms(&loop) + 5000);
    run_until_ended();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_STOPPED);
    __atomic_store_n(&peer.messages, 1, __ATOMIC_RELEASE);
    finish();
}
END_TEST

/* Servers that break rules. */

static void announce_too_much(struct peer *self, struct wire *wire)
{
    (void)self;
    static const uint8_t head[] = {0x82, 127, 0, 0, 0, 0, 0, 0x20, 0, 1};
    uint8_t *bytes = pattern(2048);
    accept_upgrade(wire, "", 0);
    wire_write(wire, head, sizeof head);
    wire_write(wire, bytes, 2048);
    free(bytes);
    peer.frames[0] = read_frame(wire);
}

static void send_too_much(struct peer *self, struct wire *wire)
{
    (void)self;
    uint8_t *bytes = pattern(SERVER_FRAME);
    accept_upgrade(wire, "", 0);
    for (int i = 0; i < 33; i++)
        send_frame(wire, i ? 0 : 2, bytes, SERVER_FRAME);
    free(bytes);
    peer.frames[0] = read_frame(wire);
}

START_TEST(a_message_over_two_megabytes_is_refused_with_1009)
{
    begin(announce_too_much);
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_VIOLATION);
    ck_assert_uint_eq(seen.pieces, 0);
    ck_assert_int_eq(peer.frames[0].head, 0x88);
    ck_assert_mem_eq(peer.frames[0].payload, "\x03\xf1", 2);
    begin(send_too_much);
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_VIOLATION);
    ck_assert_uint_eq(seen.messages, 0);
    ck_assert_uint_le(seen.total, TRANSPORT_MESSAGE_MAX);
}
END_TEST

static const uint8_t *violation;
static size_t violation_length;

static void break_framing(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, (const char *)violation, violation_length);
    await_end(wire);
}

START_TEST(frames_that_must_not_be_are_a_violation)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
        {"\x83\x00", 2},                                  /* an opcode that does not exist */
        {"\x80\x00", 2},                                  /* a continuation of nothing */
        {"\xc2\x01x", 3},                                 /* a bit of an extension */
        {"\x09\x00", 2},                                  /* a ping in fragments */
        {"\x89\x7e\x00\x7e", 4},                          /* a ping of 126 bytes */
        {"\x02\x01x\x82\x01y", 6},                        /* a message inside a message */
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10}, /* a length of 2^64 - 1 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        violation = (const uint8_t *)rows[i].bytes;
        violation_length = rows[i].length;
        begin(break_framing);
        run_until_ended();
        finish();
        ck_assert_msg(seen.end.kind == TRANSPORT_VIOLATION, "row %zu: %d", i, seen.end.kind);
        ck_assert_uint_eq(seen.messages, 0);
    }
}
END_TEST

static void send_masked(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, "\x82\x82\x01\x02\x03\x04\x40\x40\x88\x02\x03\xe8", 12);
    await_end(wire);
}

/* RFC 6455 section 5.1. */
START_TEST(a_masked_frame_of_a_server_is_refused)
{
    begin(send_masked);
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_VIOLATION);
    ck_assert_uint_eq(seen.messages, 0);
}
END_TEST

/* And never reads the answers. */
static void ping_without_end(struct peer *self, struct wire *wire)
{
    (void)self;
    uint8_t bytes[127] = {0x89, 125};
    int little = 4096;
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    struct timeval patience = {.tv_usec = 200 * 1000}; /* the client stops reading then, too */
    setsockopt(wire->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    accept_upgrade(wire, "", 0);
    while (peer.taken < 6 * FLOOD && send(wire->fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        peer.taken += sizeof bytes;
}

static void send_empty_fragments(struct peer *self, struct wire *wire)
{
    (void)self;
    uint8_t bytes[4096] = {0};
    accept_upgrade(wire, "\x02\x00", 2);
    while (peer.taken < FLOOD && send(wire->fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        peer.taken += sizeof bytes;
}

START_TEST(floods_of_pings_and_of_empty_fragments_cost_no_memory)
{
    static script_fn *const floods[] = {ping_without_end, send_empty_fragments};
    for (size_t i = 0; i < 2; i++) {
        begin(floods[i]);
        run_until_opened();
        size_t before = mallinfo2().uordblks, most = most_memory_until_ended();
        finish();
        ck_assert_msg(most < before + MEMORY_MAX, "flood %zu: %zu bytes more", i, most - before);
        ck_assert_uint_eq(seen.messages, 0);
        ck_assert_uint_eq(seen.total, 0);
    }
}
END_TEST

static void open_and_go(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, "\x02\x03xy", 4);
}

START_TEST(a_connection_that_ends_without_close_is_lost)
{
    begin(open_and_go);
    run_until_ended();
    finish();
    ck_assert_uint_eq(seen.opened, 1);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_LOST);
    struct authority authority = make_authority(ec_key());
    write_file("", &authority, NULL);
    start_peer(open_and_go, server_tls(&authority, "IP:127.0.0.1"));
    make_client("wss", "127.0.0.1", ca_path);
    open_channel();
    run_until_ended();
    finish();
    ck_assert_int_eq(seen.end.kind, TRANSPORT_LOST);
    unlink(ca_path);
    free_authority(&authority);
}
END_TEST

/* Freed and closed at any time. */

static void send_one_and_close(struct peer *self, struct wire *wire)
{
    (void)self;
    accept_upgrade(wire, "", 0);
    send_frame(wire, 0x02, "one", 3);
    send_frame(wire, 0x80, "two", 3);
    send_close(wire, 1000, "OK");
    await_end(wire);
}

START_TEST(a_channel_may_be_freed_inside_every_event)
{
    for (enum moment moment = IN_OPENED; moment <= IN_ENDED; moment++) {
        begin(send_one_and_close);
        seen.free_at = moment;
        run_until_ended();
        run_for(20);
        ck_assert_uint_eq(seen.ended, moment == IN_ENDED);
        ck_assert_uint_eq(seen.pieces, moment == IN_OPENED ? 0 : moment == IN_PIECE ? 1 : 2);
        finish();
    }
}
END_TEST

START_TEST(a_channel_may_be_closed_inside_every_event)
{
    for (enum moment moment = IN_OPENED; moment <= IN_PIECE; moment++) {
        begin(count_messages);
        peer.script = moment == IN_PIECE ? send_one_and_close : count_messages;
        seen.close_at = moment;
        run_until_ended();
        ck_assert_uint_eq(seen.ended, 1);
        ck_assert_int_eq(seen.end.kind, TRANSPORT_STOPPED);
        finish();
    }
}
END_TEST

START_TEST(a_channel_may_be_freed_in_every_phase_of_the_handshake)
{
    struct authority authority = make_authority(ec_key());
    write_file("", &authority, NULL);
    for (int ms = -1; ms < 12; ms++) {
        start_peer(send_one_and_close, server_tls(&authority, "IP:127.0.0.1"));
        make_client("wss", "127.0.0.1", ca_path);
        open_channel();
        if (ms >= 0)
            run_for(ms);
        h1_ops.free(seen.channel);
        seen.channel = NULL;
        unsigned events_before = seen.opened + seen.ended;
        run_for(10);
        ck_assert_uint_eq(seen.opened + seen.ended, events_before);
        finish();
    }
    unlink(ca_path);
    free_authority(&authority);
}
END_TEST

START_TEST(a_channel_may_be_freed_while_the_server_says_nothing)
{
    static const char *const schemes[] = {"ws", "wss"};
    for (int i = 0; i < 2; i++) {
        start_peer(say_nothing, NULL);
        make_client(schemes[i], "127.0.0.1", NULL);
        open_channel();
        run_for(20);
        h1_ops.free(seen.channel);
        seen.channel = NULL;
        finish(); /* which ends only because the connection was dropped */
        ck_assert_uint_eq(seen.opened + seen.ended, 0);
    }
}
END_TEST

START_TEST(a_channel_freed_after_close_still_says_goodbye)
{
    begin(count_messages);
    run_until_opened();
    h1_ops.close(seen.channel, 1000, "");
    h1_ops.free(seen.channel);
    seen.channel = NULL;
    run_for(50);
    ck_assert_uint_eq(seen.ended, 0);
    finish();
    ck_assert_int_eq(peer.frames[0].head, 0x88);
    ck_assert_mem_eq(peer.frames[0].payload, "\x03\xe8", 2);
}
END_TEST

START_TEST(a_handshake_may_be_stopped)
{
    begin(say_nothing);
    run_for(10);
    seen.in_call = true;
    h1_ops.close(seen.channel, 1000, "");
    h1_ops.close(seen.channel, 1000, "");
    seen.in_call = false;
    run_until_ended();
    ck_assert_uint_eq(seen.ended, 1);
    ck_assert_int_eq(seen.end.kind, TRANSPORT_STOPPED);
    finish();
}
END_TEST

UNIT_MAIN("h1", the_request_is_exactly_this, tls_names_the_host_and_offers_only_http_1,
          a_refusal_keeps_its_status_and_whether_the_messenger_spoke,
          a_redirect_is_reported_and_not_followed, no_usable_answer_is_a_server_that_is_not_reached,
          long_and_many_answer_headers_are_taken, an_endless_answer_is_cut_off_and_costs_no_memory,
          a_connect_that_nothing_answers_runs_into_its_own_deadline,
          a_silent_server_runs_into_the_deadline,
          a_server_that_is_silent_in_tls_runs_into_the_deadline,
          a_server_without_tls_is_told_from_one_that_hangs_up,
          a_tcp_connection_that_fails_leaves_nothing_behind,
          a_connection_that_is_reset_as_it_is_made_leaves_nothing_behind,
          a_name_without_address_says_so, two_roots_of_one_name_are_both_trusted,
          a_certificate_of_somebody_else_is_refused, a_certificate_for_another_name_is_refused,
          an_ipv6_address_is_proven_by_the_certificate_too, the_built_in_roots_are_signals,
          a_ca_file_that_cannot_be_used_is_named, a_url_that_cannot_be_read_is_refused,
          a_proxy_of_the_environment_is_not_used, a_big_fragmented_message_streams_past_a_ping,
          a_big_message_streams_over_tls, small_messages_come_one_by_one_and_text_is_ignored,
          what_was_sent_before_the_close_was_seen_still_reaches_the_server,
          a_close_without_code_is_1005,
          a_close_followed_by_the_end_of_the_connection_keeps_its_code,
          messages_go_out_in_order_and_before_our_close, what_a_server_does_not_read_is_bounded,
          a_message_over_two_megabytes_is_refused_with_1009,
          frames_that_must_not_be_are_a_violation, a_masked_frame_of_a_server_is_refused,
          floods_of_pings_and_of_empty_fragments_cost_no_memory,
          a_connection_that_ends_without_close_is_lost, a_channel_may_be_freed_inside_every_event,
          a_channel_may_be_closed_inside_every_event,
          a_channel_may_be_freed_in_every_phase_of_the_handshake,
          a_channel_may_be_freed_while_the_server_says_nothing,
          a_channel_freed_after_close_still_says_goodbye, a_handshake_may_be_stopped)
