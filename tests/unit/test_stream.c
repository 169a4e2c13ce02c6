#include "net/stream.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/tls_fault.h"
#include "signal/tls.h"

#include "authority.h"
#include "loopback.h"
#include "unit.h"

/* The other side: a thread that plays a script with one connection. It asserts nothing, it writes
 * down what it saw. */

enum {
    DEADLINE_MS = 20000,
    PATIENCE_S = 15,
    MIB = 1024 * 1024,
    PIECE = 16 * 1024,
    TURN_MAX = 256 * 1024,
    LONG_MS = 60000,
    SHORT_MS = 50,
};

struct wire {
    int fd;
    SSL *tls; /* NULL: clear text */
};

typedef void script_fn(struct wire *wire);

static struct peer {
    script_fn *script;
    SSL_CTX *tls;
    int listener;
    uint16_t port;
    pthread_t thread;
    sem_t go, reached; /* what it waits for; where it has got to */
    size_t cut;        /* where what it says is cut in two */
    char name[128];    /* SNI */
    const char *choice;
    size_t taken;
    uint32_t sum;
    bool ended_in_order; /* by TLS's own end */
    _Atomic bool done;
} peer;

static uint32_t add_up(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static ssize_t wire_read(struct wire *wire, void *bytes, size_t length)
{
    return wire->tls ? SSL_read(wire->tls, bytes, (int)length) : read(wire->fd, bytes, length);
}

static bool wire_write(struct wire *wire, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t done = wire->tls ? SSL_write(wire->tls, at, (int)length)
                                 : send(wire->fd, at, length, MSG_NOSIGNAL);
        if (done <= 0)
            return false;
        at += done;
        length -= (size_t)done;
    }
    return true;
}

/* Until the client has gone. */
static void take_all(struct wire *wire)
{
    uint8_t bytes[PIECE];
    ssize_t got;
    while ((got = wire_read(wire, bytes, sizeof bytes)) > 0) {
        peer.sum = add_up(peer.sum, bytes, (size_t)got);
        peer.taken += (size_t)got;
    }
    peer.ended_in_order =
        wire->tls ? SSL_get_shutdown(wire->tls) & SSL_RECEIVED_SHUTDOWN : got == 0;
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
    (void)tls, (void)arg;
    for (unsigned i = 0; peer.choice && i < length; i += 1U + in[i]) {
        if (in[i] != strlen(peer.choice) || memcmp(in + i + 1, peer.choice, in[i]) != 0)
            continue;
        *out = in + i + 1;
        *out_length = in[i];
        return SSL_TLSEXT_ERR_OK;
    }
    return peer.choice ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

static void *serve(void *arg)
{
    (void)arg;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct wire wire = {.fd = accept(peer.listener, NULL, NULL)};
    setsockopt(wire.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(wire.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (peer.tls) {
        wire.tls = SSL_new(peer.tls);
        SSL_set_fd(wire.tls, wire.fd);
    }
    if (wire.fd >= 0 && (!wire.tls || SSL_accept(wire.tls) == 1))
        peer.script(&wire);
    SSL_free(wire.tls);
    if (wire.fd >= 0)
        close(wire.fd);
    peer.done = true;
    return NULL;
}

/* The client */

enum moment { NEVER, IN_OPEN, IN_RECEIVED, IN_SENT, IN_ENDED };

static struct loop loop;
static struct authority authority;
static SSL_CTX *client_tls;
static struct stream_target target;
static unsigned descriptors;

/* Stands before libuv's own, so that a test need not wait as long as a stream lingers. */
static uint64_t hurry;
int uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t after_ms, uint64_t repeat_ms)
{
    int (*real)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);
    *(void **)&real = dlsym(RTLD_NEXT, "uv_timer_start");
    return real(timer, fn, timer == &loop.driver ? after_ms : after_ms / hurry, repeat_ms);
}

static struct seen {
    struct stream *stream;
    bool in_call;
    unsigned open, received, sent, ended;
    char protocol[256];
    size_t total;
    uint32_t sum;
    struct stream_end end;
    enum moment free_at, finish_at;
    const char *greeting; /* written as soon as it is open */
    size_t await_total;
    bool stop;
} seen;

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void stop(void)
{
    seen.stop = true;
    loop_stop(&loop);
}

static void at_moment(enum moment moment)
{
    ck_assert(!seen.in_call);
    if (seen.free_at == moment)
        stream_free(seen.stream);
    if (seen.finish_at == moment)
        stream_finish(seen.stream);
    if (seen.free_at != moment && seen.finish_at != moment)
        return;
    seen.stream = NULL;
    stop();
}

static void write_now(const void *bytes, size_t length)
{
    bool before = seen.in_call;
    seen.in_call = true;
    ck_assert_int_eq(stream_write(seen.stream, bytes, length), 0);
    seen.in_call = before;
}

static void on_open(void *arg, const char *protocol)
{
    ck_assert_ptr_eq(arg, &seen);
    ck_assert_uint_eq(seen.ended, 0);
    seen.open++;
    snprintf(seen.protocol, sizeof seen.protocol, "%s", protocol);
    if (seen.greeting)
        write_now(seen.greeting, strlen(seen.greeting));
    loop_stop(&loop);
    at_moment(IN_OPEN);
}

static void on_received(void *arg, const uint8_t *bytes, size_t length)
{
    (void)arg;
    ck_assert_uint_eq(seen.open, 1);
    ck_assert_uint_eq(seen.ended, 0);
    ck_assert_ptr_nonnull(seen.stream);
    ck_assert_uint_gt(length, 0);
    seen.received++;
    seen.total += length;
    seen.sum = add_up(seen.sum, bytes, length);
    if (seen.await_total && seen.total >= seen.await_total)
        stop();
    at_moment(IN_RECEIVED);
}

static void on_sent(void *arg)
{
    (void)arg;
    ck_assert_ptr_nonnull(seen.stream);
    ck_assert_uint_eq(stream_unsent(seen.stream), 0);
    seen.sent++;
    loop_stop(&loop);
    at_moment(IN_SENT);
}

static void on_ended(void *arg, const struct stream_end *end)
{
    (void)arg;
    seen.ended++;
    seen.end = *end;
    stop();
    at_moment(IN_ENDED);
}

static const struct stream_events events = {
    .open = on_open, .received = on_received, .sent = on_sent, .ended = on_ended};

static SSL_CTX *make_client_tls(const struct authority *trusted, int oldest)
{
    char path[] = "/tmp/doorbell-stream-XXXXXX";
    struct err err;
    FILE *file = fdopen(mkstemp(path), "w");
    PEM_write_X509(file, trusted->certificate);
    fclose(file);
    SSL_CTX *tls = tls_new(path, oldest, &err);
    ck_assert_msg(tls != NULL, "%s", err.text);
    unlink(path);
    return tls;
}

/* `server_tls` NULL: the peer speaks clear text, which need not be what the client expects. */
static void begin(script_fn *script, SSL_CTX *server_tls)
{
    signal(SIGPIPE, SIG_IGN);
    memset(&peer, 0, sizeof peer);
    memset(&seen, 0, sizeof seen);
    hurry = 1;
    loop_init(&loop); /* libuv keeps some descriptors of the first one */
    loop_fini(&loop);
    descriptors = open_descriptors();
    sem_init(&peer.go, 0, 0);
    sem_init(&peer.reached, 0, 0);
    peer.script = script;
    peer.tls = server_tls;
    if (server_tls) {
        SSL_CTX_set_tlsext_servername_callback(server_tls, on_name);
        SSL_CTX_set_alpn_select_cb(server_tls, on_alpn, NULL);
    }
    peer.listener = listen_on_loopback(&peer.port);
    int little = 4 * PIECE;
    setsockopt(peer.listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    ck_assert_int_eq(pthread_create(&peer.thread, NULL, serve, NULL), 0);
    loop_init(&loop);
    target = (struct stream_target){
        .host = "localhost", .connect_timeout_ms = LONG_MS, .handshake_timeout_ms = LONG_MS};
}

static void begin_clear(script_fn *script)
{
    begin(script, NULL);
}

static void begin_tls(script_fn *script)
{
    authority = make_authority(ec_key());
    begin(script, make_server_tls(&authority, "DNS:localhost,IP:127.0.0.1", VALID_S));
    target.tls = client_tls = make_client_tls(&authority, TLS1_3_VERSION);
}

static void begin_either(bool tls, script_fn *script)
{
    if (tls)
        begin_tls(script);
    else
        begin_clear(script);
}

static struct address loopback(uint16_t port)
{
    struct address address;
    ck_assert_int_eq(address_parse(&address, "127.0.0.1", port), 0);
    return address;
}

static void open_with(int connected)
{
    struct address address = loopback(peer.port);
    seen.in_call = true;
    seen.stream = stream_open(&loop, &target, &address, connected, &events, &seen);
    seen.in_call = false;
    ck_assert_ptr_nonnull(seen.stream);
}

static void open_stream(void)
{
    open_with(-1);
}

/* With room for little. */
static int connect_myself(void)
{
    struct address address = loopback(peer.port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), little = PIECE;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little), 0);
    ck_assert_int_eq(connect(fd, &address.any, address.length), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void on_too_late(void *arg)
{
    (void)arg;
    ck_abort_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void turn_until_stopped(void)
{
    struct timer deadline;
    timer_init(&deadline, on_too_late, NULL);
    loop_timer_set(&loop, &deadline, DEADLINE_MS);
    loop_run(&loop);
    loop_timer_cancel(&loop, &deadline);
}

/* Until what the test waits for, or `ended`. */
static void run_until_stop(void)
{
    while (!seen.stop)
        turn_until_stopped();
}

static void run_until_open(void)
{
    while (!seen.open && !seen.stop)
        turn_until_stopped();
    ck_assert_msg(seen.open == 1, "%s", seen.end.text);
}

/* It is told only where something had to wait. */
static void run_until_sent(void)
{
    bool waits = stream_unsent(seen.stream) > 0;
    while (waits && !seen.sent && !seen.stop)
        turn_until_stopped();
    ck_assert_uint_le(seen.sent, 1);
    ck_assert_uint_eq(stream_unsent(seen.stream), 0);
}

static void on_turn(void *arg)
{
    (void)arg;
    loop_stop(&loop);
}

static void run_for(int64_t ms)
{
    struct timer timer;
    timer_init(&timer, on_turn, NULL);
    loop_timer_set(&loop, &timer, ms);
    while (timer_is_set(&timer))
        turn_until_stopped();
}

/* Ends all, and looks whether anything was forgotten. */
static void finish(void)
{
    if (seen.stream)
        stream_free(seen.stream);
    seen.stream = NULL;
    if (!seen.open) /* perhaps nobody has come, and nobody will */
        shutdown(peer.listener, SHUT_RDWR);
    while (!peer.done)
        run_for(1);
    uv_close((uv_handle_t *)&loop.driver, NULL);
    while (uv_run(&loop.uv, UV_RUN_NOWAIT) != 0)
        ;
    ck_assert_int_eq(uv_loop_close(&loop.uv), 0);
    timers_fini(&loop.timers);
    pthread_join(peer.thread, NULL);
    close(peer.listener);
    sem_destroy(&peer.go);
    sem_destroy(&peer.reached);
    SSL_CTX_free(peer.tls);
    SSL_CTX_free(client_tls);
    free_authority(&authority);
    client_tls = NULL;
    authority = (struct authority){0};
    ck_assert_uint_eq(open_descriptors(), descriptors);
}

static void check_end(enum stream_end_kind kind, const char *text)
{
    ck_assert_uint_eq(seen.ended, 1);
    ck_assert_str_eq(seen.end.text, text);
    ck_assert_int_eq(seen.end.kind, kind);
}

static uint8_t *pattern(size_t length)
{
    uint8_t *bytes = mem_new(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 24);
    return bytes;
}

/* There and back */

static void echo(struct wire *wire)
{
    uint8_t bytes[PIECE];
    ssize_t got;
    while ((got = wire_read(wire, bytes, sizeof bytes)) > 0) {
        peer.taken += (size_t)got;
        if (!wire_write(wire, bytes, (size_t)got))
            return;
    }
}

static void check_echo(bool tls, script_fn *script)
{
    uint8_t *bytes = pattern(MIB);
    begin_either(tls, script);
    open_stream();
    run_until_open();
    seen.await_total = MIB;
    write_now(bytes, MIB);
    run_until_stop();
    run_until_sent();
    ck_assert_uint_eq(seen.total, MIB);
    ck_assert_uint_eq(seen.sum, add_up(0, bytes, MIB));
    ck_assert_uint_eq(seen.ended, 0);
    finish();
    free(bytes);
}

START_TEST(a_mebibyte_goes_there_and_back)
{
    check_echo(true, echo);
    check_echo(false, echo);
}
END_TEST

/* After each piece, and it wants the client's anew as well. */
static void echo_with_new_keys(struct wire *wire)
{
    uint8_t bytes[PIECE];
    ssize_t got;
    while ((got = wire_read(wire, bytes, sizeof bytes)) > 0) {
        SSL_key_update(wire->tls, SSL_KEY_UPDATE_REQUESTED);
        if (!wire_write(wire, bytes, (size_t)got))
            return;
    }
}

START_TEST(the_keys_of_tls_may_change_while_both_talk)
{
    check_echo(true, echo_with_new_keys);
}
END_TEST

START_TEST(small_writes_arrive_in_order_and_nothing_is_told)
{
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, echo);
        open_stream();
        run_until_open();
        seen.await_total = 300;
        for (int i = 0; i < 300; i++)
            write_now(&(uint8_t){(uint8_t)i}, 1);
        run_until_stop();
        ck_assert_uint_eq(seen.sent, 0);
        uint32_t sum = 0;
        for (int i = 0; i < 300; i++)
            sum = add_up(sum, &(uint8_t){(uint8_t)i}, 1);
        ck_assert_uint_eq(seen.sum, sum);
        finish();
    }
}
END_TEST

START_TEST(a_quiet_stream_gives_its_buffers_back_and_goes_on)
{
    begin_tls(echo);
    open_stream();
    stream_idle(seen.stream);
    run_until_open();
    for (size_t i = 1; i <= 3; i++) {
        stream_idle(seen.stream);
        stream_idle(seen.stream);
        seen.stop = false;
        seen.await_total = 5 * i;
        write_now("hello", 5);
        stream_idle(seen.stream);
        run_until_stop();
        ck_assert_uint_eq(seen.total, 5 * i);
    }
    finish();
}
END_TEST

/* It reads nothing before it is told to. */
static void read_late(struct wire *wire)
{
    sem_wait(&peer.go);
    take_all(wire);
}

START_TEST(what_a_peer_does_not_read_is_bounded_and_arrives_when_it_reads)
{
    enum { PART = 100 * 1000 };
    uint8_t *bytes = pattern(STREAM_UNSENT_MAX + 1);
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, read_late);
        open_stream();
        run_until_open();
        ck_assert_int_eq(stream_write(seen.stream, bytes, STREAM_UNSENT_MAX + 1), ERR_LIMIT);
        ck_assert_uint_eq(stream_unsent(seen.stream), 0);
        uint32_t sum = 0;
        size_t total = 0;
        while (stream_write(seen.stream, bytes + total % 7, PART) == 0) {
            sum = add_up(sum, bytes + total % 7, PART);
            total += PART;
        }
        size_t unsent = stream_unsent(seen.stream);
        ck_assert_uint_gt(unsent, STREAM_UNSENT_MAX - PART);
        ck_assert_uint_le(unsent, STREAM_UNSENT_MAX);
        ck_assert_int_eq(stream_write(seen.stream, bytes, PART), ERR_LIMIT);
        ck_assert_uint_eq(stream_unsent(seen.stream), unsent);
        ck_assert_int_eq(stream_write(seen.stream, bytes, 0), 0);
        run_for(20);
        ck_assert_uint_eq(seen.sent, 0);
        sem_post(&peer.go);
        run_until_sent();
        ck_assert_uint_eq(seen.sent, 1);
        stream_finish(seen.stream);
        seen.stream = NULL;
        finish();
        ck_assert_uint_eq(peer.taken, total);
        ck_assert_uint_eq(peer.sum, sum);
        ck_assert(peer.ended_in_order);
    }
    free(bytes);
}
END_TEST

static void flood(struct wire *wire)
{
    uint8_t *bytes = pattern(MIB);
    for (int i = 0; i < 8; i++)
        wire_write(wire, bytes, MIB);
    free(bytes);
    take_all(wire);
}

START_TEST(a_stream_that_never_ends_does_not_have_the_loop_alone)
{
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, flood);
        open_stream();
        run_until_open();
        while (seen.total < 8 * MIB) {
            size_t before = seen.total;
            ck_assert_uint_eq(seen.ended, 0);
            uv_run(&loop.uv, UV_RUN_NOWAIT);
            ck_assert_uint_le(seen.total - before, 2 * (TURN_MAX + PIECE)); /* an event, a timer */
        }
        finish();
    }
}
END_TEST

/* Beginnings */

START_TEST(the_name_is_sent_and_the_protocol_that_was_chosen_is_told)
{
    static const struct {
        const char *host, *name, *choice, *told;
    } rows[] = {
        {"localhost", "localhost", "h2", "h2"},
        {"localhost", "localhost", "http/1.1", "http/1.1"},
        {"localhost", "localhost", NULL, ""},
        {"127.0.0.1", "", "h2", "h2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_tls(take_all);
        peer.choice = rows[i].choice;
        target.host = rows[i].host;
        target.alpn = (const unsigned char *)"\x02h2\x08http/1.1";
        target.alpn_length = 12;
        open_stream();
        run_until_open();
        ck_assert_str_eq(seen.protocol, rows[i].told);
        finish();
        ck_assert_str_eq(peer.name, rows[i].name);
    }
}
END_TEST

START_TEST(a_server_that_refuses_every_protocol_says_so)
{
    begin_tls(take_all);
    peer.choice = "spdy/3";
    target.alpn = (const unsigned char *)"\x02h2";
    target.alpn_length = 3;
    open_stream();
    run_until_stop();
    check_end(STREAM_TLS, "the TLS handshake failed: no application protocol");
    finish();
}
END_TEST

START_TEST(clear_text_has_no_protocol)
{
    begin_clear(echo);
    seen.greeting = "hello";
    seen.await_total = 5;
    open_stream();
    run_until_stop();
    ck_assert_str_eq(seen.protocol, "");
    ck_assert_uint_eq(seen.sum, add_up(0, (const uint8_t *)"hello", 5));
    finish();
}
END_TEST

START_TEST(a_socket_that_is_connected_already_is_taken_over)
{
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, echo);
        seen.greeting = "hello";
        seen.await_total = 5;
        int fd = connect_myself(), no_delay = 0;
        socklen_t size = sizeof no_delay;
        open_with(fd);
        run_until_stop();
        ck_assert_uint_eq(seen.total, 5);
        ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
        ck_assert_int_ne(no_delay, 0);
        finish(); /* the socket, too */
    }
}
END_TEST

static void check_refusal(enum stream_end_kind kind, int verdict, const char *and_more)
{
    char text[sizeof seen.end.text];
    snprintf(text, sizeof text, "its certificate is not accepted: %s%s",
             X509_verify_cert_error_string(verdict), and_more);
    check_end(kind, text);
}

START_TEST(a_certificate_that_is_not_the_servers_is_refused_and_the_reason_told)
{
    static const struct {
        const char *host, *alternative;
        long ends_in_s;
        bool is_trusted;
        enum stream_end_kind kind;
        int verdict;
        const char *and_more;
    } rows[] = {
        {"localhost", "DNS:elsewhere.test", VALID_S, true, STREAM_TLS, X509_V_ERR_HOSTNAME_MISMATCH,
         ""},
        {"127.0.0.1", "DNS:localhost", VALID_S, true, STREAM_TLS, X509_V_ERR_IP_ADDRESS_MISMATCH,
         ""},
        {"localhost", "DNS:localhost", VALID_S, false, STREAM_TLS,
         X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ""},
        {"localhost", "DNS:localhost", -60, true, STREAM_UNTIMELY, X509_V_ERR_CERT_HAS_EXPIRED,
         "; is this machine's clock right?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct authority other = make_authority(ec_key());
        authority = make_authority(ec_key());
        begin(take_all, make_server_tls(&authority, rows[i].alternative, rows[i].ends_in_s));
        target.host = rows[i].host;
        target.tls = client_tls =
            make_client_tls(rows[i].is_trusted ? &authority : &other, TLS1_3_VERSION);
        open_stream();
        run_until_stop();
        ck_assert_uint_eq(seen.open, 0);
        check_refusal(rows[i].kind, rows[i].verdict, rows[i].and_more);
        finish();
        free_authority(&other);
    }
}
END_TEST

START_TEST(a_server_with_an_older_tls_than_is_asked_for_is_refused)
{
    for (int oldest = TLS1_2_VERSION; oldest <= TLS1_3_VERSION; oldest++) {
        authority = make_authority(ec_key());
        SSL_CTX *old = make_server_tls(&authority, "DNS:localhost", VALID_S);
        SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
        begin(echo, old);
        target.tls = client_tls = make_client_tls(&authority, oldest);
        seen.greeting = "hello";
        seen.await_total = 5;
        open_stream();
        run_until_stop();
        ck_assert_uint_eq(seen.total, oldest == TLS1_2_VERSION ? 5 : 0);
        if (oldest == TLS1_3_VERSION)
            check_end(STREAM_TLS, "the TLS handshake failed: protocol version");
        finish();
    }
}
END_TEST

static void speak_no_tls(struct wire *wire)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    wire_write(wire, answer, strlen(answer));
    take_all(wire);
}

static void hang_up(struct wire *wire)
{
    char byte;
    wire_read(wire, &byte, 1);
}

/* With nothing unread, so that it is no reset. */
static void hang_up_in_order(struct wire *wire)
{
    uint8_t hello[PIECE];
    wire_read(wire, hello, sizeof hello);
}

/* The client wants TLS, the server does not have it. */
static void begin_one_sided(script_fn *script)
{
    authority = make_authority(ec_key());
    begin(script, NULL);
    target.tls = client_tls = make_client_tls(&authority, TLS1_3_VERSION);
}

START_TEST(a_server_without_tls_is_told_from_one_that_hangs_up)
{
    begin_one_sided(speak_no_tls);
    open_stream();
    run_until_stop();
    check_end(STREAM_TLS, "there is no TLS on this port");
    finish();
    script_fn *const scripts[] = {hang_up, hang_up_in_order};
    for (size_t i = 0; i < 2; i++) {
        begin_one_sided(scripts[i]);
        open_stream();
        run_until_stop();
        check_end(STREAM_UNREACHABLE, "cut off during the TLS handshake");
        finish();
    }
}
END_TEST

START_TEST(a_handshake_that_is_never_answered_ends_in_time)
{
    begin_one_sided(take_all);
    target.handshake_timeout_ms = SHORT_MS;
    open_stream();
    run_until_stop();
    check_end(STREAM_UNREACHABLE, "no answer to the TLS handshake in time");
    run_for(2 * SHORT_MS);
    ck_assert_uint_eq(seen.ended, 1);
    finish();
}
END_TEST

START_TEST(a_refused_connection_says_so)
{
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, take_all);
        uint16_t port = peer.port;
        int fd = listen_on_loopback(&peer.port); /* and nobody there from now on */
        close(fd);
        open_stream();
        run_until_stop();
        check_end(STREAM_UNREACHABLE, "no TCP connection: connection refused");
        peer.port = port;
        finish();
    }
}
END_TEST

START_TEST(an_address_that_cannot_be_dialled_ends_like_any_other)
{
    struct address nowhere = {.length = sizeof nowhere.v4, .v4 = {.sin_family = AF_UNSPEC}};
    begin_tls(take_all);
    seen.stream = stream_open(&loop, &target, &nowhere, -1, &events, &seen);
    ck_assert_uint_eq(seen.ended, 0);
    ck_assert_int_eq(stream_write(seen.stream, "x", 1), ERR_NOT_NOW);
    stream_idle(seen.stream);
    run_until_stop();
    check_end(STREAM_UNREACHABLE, "no TCP connection: address family not supported");
    stream_finish(seen.stream);
    seen.stream = stream_open(&loop, &target, &nowhere, -1, &events, &seen);
    finish(); /* before it is told */
    ck_assert_uint_eq(seen.ended, 1);
}
END_TEST

/* A listener whose queue of connections is full: the next connect is never answered. */
START_TEST(a_connect_that_nothing_answers_ends_in_time)
{
    enum { FILLERS = 4 };
    int fillers[FILLERS];
    begin_clear(take_all);
    uint16_t port = peer.port;
    int full = listen_on_loopback(&peer.port);
    ck_assert_int_eq(listen(full, 0), 0);
    struct address address = loopback(peer.port);
    for (size_t i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], &address.any, address.length);
    }
    target.connect_timeout_ms = SHORT_MS;
    open_stream();
    run_until_stop();
    check_end(STREAM_UNREACHABLE, "no TCP connection in time");
    for (size_t i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(full);
    peer.port = port;
    finish();
}
END_TEST

/* Ends */

static void say_and_go(struct wire *wire)
{
    char bytes[5];
    wire_read(wire, bytes, sizeof bytes);
    wire_write(wire, "last words", 10);
}

static void say_and_end_in_order(struct wire *wire)
{
    say_and_go(wire);
    SSL_shutdown(wire->tls);
    take_all(wire);
}

static void say_and_reset(struct wire *wire)
{
    struct linger at_once = {.l_onoff = 1};
    say_and_go(wire);
    sem_wait(&peer.go);
    setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void say_and_break_tls(struct wire *wire)
{
    say_and_go(wire);
    ck_assert_int_gt(send(wire->fd, "\x17\x03\x03\x00\x20no record of these keys at all..", 37, 0),
                     0);
    take_all(wire);
}

START_TEST(the_other_sides_end_is_told_once_and_after_what_it_sent)
{
    static const struct {
        bool tls;
        script_fn *script;
        const char *text;
    } rows[] = {
        {false, say_and_go, "the server hung up"},
        {true, say_and_go, "the server hung up"},
        {true, say_and_end_in_order, "the server hung up"},
        {false, say_and_reset, "the server reset the connection"},
        {true, say_and_reset, "the server reset the connection"},
        {true, say_and_break_tls, "TLS failed: bad record mac"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_either(rows[i].tls, rows[i].script);
        seen.greeting = "hello";
        seen.await_total = 10;
        open_stream();
        run_until_stop();
        sem_post(&peer.go);
        seen.stop = seen.ended;
        run_until_stop();
        check_end(STREAM_ENDED, rows[i].text);
        ck_assert_uint_eq(seen.sum, add_up(0, (const uint8_t *)"last words", 10));
        ck_assert_int_eq(stream_write(seen.stream, "x", 1), ERR_NOT_NOW);
        run_for(5);
        ck_assert_uint_eq(seen.ended, 1);
        finish();
    }
}
END_TEST

/* What it says from `hold` to `let_go` waits, to be sent in pieces. */
static void hold(struct wire *wire)
{
    SSL_set0_wbio(wire->tls, BIO_new(BIO_s_mem()));
}

static size_t let_go(struct wire *wire, uint8_t bytes[PIECE])
{
    char *said;
    long length = BIO_get_mem_data(SSL_get_wbio(wire->tls), &said);
    ck_assert_int_le(length, PIECE);
    memcpy(bytes, said, (size_t)length);
    SSL_set0_wbio(wire->tls, BIO_new_socket(wire->fd, BIO_NOCLOSE));
    return (size_t)length;
}

static void say_it_in_two_and_go(struct wire *wire)
{
    uint8_t bytes[PIECE];
    hold(wire);
    for (int i = 0; i < 3; i++)
        SSL_write(wire->tls, "hello", 5);
    SSL_shutdown(wire->tls);
    size_t length = let_go(wire, bytes), first = peer.cut % length;
    send(wire->fd, bytes, first, MSG_NOSIGNAL);
    usleep(first ? 1000 : 0);
    send(wire->fd, bytes + first, length - first, MSG_NOSIGNAL | MSG_MORE);
    shutdown(wire->fd, SHUT_WR);
    usleep(1000);
}

START_TEST(what_comes_cut_anywhere_and_with_the_end_is_all_read)
{
    for (size_t cut = 0; cut < 100; cut += 3) {
        begin_tls(say_it_in_two_and_go);
        peer.cut = cut;
        open_stream();
        run_until_stop();
        ck_assert_uint_eq(seen.total, 15);
        ck_assert_uint_eq(seen.ended, 1);
        ck_assert_str_eq(seen.end.text, "the server hung up");
        finish();
    }
}
END_TEST

static int make_a_long_ticket(SSL *tls, void *arg)
{
    static const uint8_t much[1500];
    (void)arg;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(tls), much, sizeof much);
}

/* A ticket in several records, the first of them ahead; then the rest and what follows it. */
static void say_behind_a_ticket(struct wire *wire)
{
    enum { RECORD_HEAD = 5 };
    uint8_t bytes[PIECE];
    sem_wait(&peer.go);
    SSL_set_max_send_fragment(wire->tls, 512);
    hold(wire);
    SSL_new_session_ticket(wire->tls);
    SSL_write(wire->tls, "message", 7);
    size_t length = let_go(wire, bytes), first = RECORD_HEAD + (size_t)(bytes[3] << 8 | bytes[4]);
    ck_assert_uint_lt(first, length);
    send(wire->fd, bytes, first, MSG_NOSIGNAL);
    sem_post(&peer.reached);
    sem_wait(&peer.go);
    send(wire->fd, bytes + first, length - first, MSG_NOSIGNAL);
    sem_post(&peer.reached);
    take_all(wire);
}

/* The loop is late: what it has not heard of is in the socket by now. */
static void write_late(void *arg)
{
    (void)arg;
    sem_post(&peer.go);
    sem_wait(&peer.reached);
    usleep(5000);
    write_now("x", 1);
}

/* To write, OpenSSL reads the rest of the ticket first, and ahead. */
START_TEST(what_a_write_has_read_does_not_stay_unheard)
{
    struct timer timer;
    begin_tls(say_behind_a_ticket);
    SSL_CTX_set_session_ticket_cb(peer.tls, make_a_long_ticket, NULL, NULL);
    open_stream();
    run_until_open();
    sem_post(&peer.go);
    sem_wait(&peer.reached);
    run_for(50);
    seen.await_total = 7;
    timer_init(&timer, write_late, NULL);
    loop_timer_set(&loop, &timer, 1);
    run_until_stop();
    ck_assert(!peer.done); /* its end would be an event, too */
    ck_assert_uint_eq(seen.total, 7);
    run_until_sent();
    stream_finish(seen.stream);
    seen.stream = NULL;
    finish();
    ck_assert_uint_eq(peer.taken, 1);
}
END_TEST

/* What it does not read makes the kernel reset the connection. */
static void say_and_do_not_listen(struct wire *wire)
{
    int at_once = 1;
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    sem_wait(&peer.go);
    wire_write(wire, "last words", 10);
    close(wire->fd);
    wire->fd = -1;
    sem_post(&peer.reached);
}

START_TEST(what_arrived_before_a_write_failed_is_still_delivered)
{
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, say_and_do_not_listen);
        open_stream();
        run_until_open();
        write_now("unheard", 7);
        sem_post(&peer.go);
        sem_wait(&peer.reached);
        while (stream_write(seen.stream, "unheard", 7) == 0)
            ;
        ck_assert_int_eq(stream_write(seen.stream, "unheard", 7), ERR_NOT_NOW);
        ck_assert_uint_eq(stream_unsent(seen.stream), 0);
        ck_assert_uint_eq(seen.received + seen.ended, 0);
        run_until_stop();
        ck_assert_uint_eq(seen.ended, 1);
        ck_assert_int_eq(seen.end.kind, STREAM_ENDED);
        ck_assert_uint_eq(seen.total, 10);
        ck_assert_uint_eq(seen.sent, 0);
        finish();
    }
}
END_TEST

/* Freed and finished at any time */

static void flood_and_go(struct wire *wire)
{
    uint8_t *bytes = pattern(MIB);
    char hello[5];
    wire_read(wire, hello, sizeof hello);
    wire_write(wire, bytes, MIB);
    free(bytes);
}

/* Up to the moment at which the owner does what it was told. */
static void run_until_moment(enum moment moment)
{
    seen.greeting = "hello";
    open_stream();
    if (moment == IN_SENT) {
        uint8_t *bytes = pattern(MIB);
        run_until_open();
        while (stream_unsent(seen.stream) == 0)
            write_now(bytes, MIB);
        sem_post(&peer.go);
        free(bytes);
    }
    run_until_stop();
}

START_TEST(a_stream_may_be_freed_inside_every_event)
{
    for (int tls = 0; tls < 2; tls++)
        for (enum moment moment = IN_OPEN; moment <= IN_ENDED; moment++) {
            begin_either(tls, moment == IN_SENT ? read_late : flood_and_go);
            seen.free_at = moment;
            run_until_moment(moment);
            ck_assert_ptr_null(seen.stream);
            unsigned before = seen.received;
            run_for(10);
            ck_assert_uint_eq(seen.received, before);
            ck_assert_uint_eq(seen.ended, moment == IN_ENDED);
            if (moment == IN_RECEIVED)
                ck_assert_uint_eq(seen.received, 1);
            finish();
        }
}
END_TEST

START_TEST(a_stream_may_be_finished_inside_every_event)
{
    for (int tls = 0; tls < 2; tls++)
        for (enum moment moment = IN_OPEN; moment <= IN_ENDED; moment++) {
            begin_either(tls, moment == IN_SENT ? read_late : flood_and_go);
            hurry = 50;
            seen.finish_at = moment;
            run_until_moment(moment);
            unsigned before = seen.received;
            run_for(10);
            ck_assert_uint_eq(seen.received, before);
            ck_assert_uint_eq(seen.ended, moment == IN_ENDED);
            finish();
        }
}
END_TEST

START_TEST(a_stream_may_be_freed_in_every_turn_of_the_handshake)
{
    for (int turns = 0; turns < 8; turns++) {
        begin_tls(take_all);
        open_stream();
        for (int i = 0; i < turns; i++)
            uv_run(&loop.uv, UV_RUN_NOWAIT);
        if (turns % 2)
            stream_finish(seen.stream); /* which is the same as long as it is not open */
        else
            stream_free(seen.stream);
        seen.stream = NULL;
        unsigned events_before = seen.open + seen.ended;
        run_for(1);
        ck_assert_uint_eq(seen.open + seen.ended, events_before);
        finish();
    }
}
END_TEST

START_TEST(a_finished_stream_still_delivers_what_was_written)
{
    uint8_t *bytes = pattern(MIB);
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, read_late);
        open_with(connect_myself());
        run_until_open();
        write_now(bytes, MIB);
        ck_assert_uint_gt(stream_unsent(seen.stream), 0);
        stream_finish(seen.stream);
        seen.stream = NULL;
        sem_post(&peer.go);
        finish();
        ck_assert_uint_eq(seen.sent + seen.ended, 0);
        ck_assert_uint_eq(peer.taken, MIB);
        ck_assert_uint_eq(peer.sum, add_up(0, bytes, MIB));
        ck_assert(peer.ended_in_order);
    }
    free(bytes);
}
END_TEST

/* To hang up on one who still answers would be a reset, which takes away what he has not got. */
START_TEST(a_finished_stream_hears_an_answering_peer_out)
{
    uint8_t *bytes = pattern(MIB);
    for (int tls = 0; tls < 2; tls++) {
        begin_either(tls, echo);
        open_with(connect_myself());
        run_until_open();
        write_now(bytes, MIB);
        stream_finish(seen.stream);
        seen.stream = NULL;
        finish();
        ck_assert_uint_eq(seen.received, 0);
        ck_assert_uint_eq(peer.taken, MIB);
    }
    free(bytes);
}
END_TEST

/* Nor ends. */
static void never_read(struct wire *wire)
{
    (void)wire;
    sem_wait(&peer.go);
}

static void check_lingering(bool tls, size_t length)
{
    uint8_t *bytes = pattern(MIB);
    begin_either(tls, never_read);
    hurry = 100;
    open_with(connect_myself());
    run_until_open();
    write_now(bytes, length);
    if (length == MIB)
        ck_assert_uint_gt(stream_unsent(seen.stream), 0);
    stream_finish(seen.stream);
    seen.stream = NULL;
    uv_close((uv_handle_t *)&loop.driver, NULL); /* as loop_fini begins */
    while (uv_run(&loop.uv, UV_RUN_NOWAIT) != 0)
        ;
    ck_assert_uint_eq(seen.sent + seen.ended, 0);
    ck_assert_int_eq(uv_timer_init(&loop.uv, &loop.driver), 0);
    loop.driver.data = &loop;
    sem_post(&peer.go);
    finish();
    free(bytes);
}

START_TEST(a_finished_stream_does_not_wait_for_ever)
{
    for (int tls = 0; tls < 2; tls++) {
        check_lingering(tls, 5);
        check_lingering(tls, MIB);
    }
}
END_TEST

UNIT_MAIN("stream", a_mebibyte_goes_there_and_back, the_keys_of_tls_may_change_while_both_talk,
          small_writes_arrive_in_order_and_nothing_is_told,
          a_quiet_stream_gives_its_buffers_back_and_goes_on,
          what_a_peer_does_not_read_is_bounded_and_arrives_when_it_reads,
          a_stream_that_never_ends_does_not_have_the_loop_alone,
          the_name_is_sent_and_the_protocol_that_was_chosen_is_told,
          a_server_that_refuses_every_protocol_says_so, clear_text_has_no_protocol,
          a_socket_that_is_connected_already_is_taken_over,
          a_certificate_that_is_not_the_servers_is_refused_and_the_reason_told,
          a_server_with_an_older_tls_than_is_asked_for_is_refused,
          a_server_without_tls_is_told_from_one_that_hangs_up,
          a_handshake_that_is_never_answered_ends_in_time, a_refused_connection_says_so,
          an_address_that_cannot_be_dialled_ends_like_any_other,
          a_connect_that_nothing_answers_ends_in_time,
          the_other_sides_end_is_told_once_and_after_what_it_sent,
          what_comes_cut_anywhere_and_with_the_end_is_all_read,
          what_a_write_has_read_does_not_stay_unheard,
          what_arrived_before_a_write_failed_is_still_delivered,
          a_stream_may_be_freed_inside_every_event, a_stream_may_be_finished_inside_every_event,
          a_stream_may_be_freed_in_every_turn_of_the_handshake,
          a_finished_stream_still_delivers_what_was_written,
          a_finished_stream_hears_an_answering_peer_out, a_finished_stream_does_not_wait_for_ever)
