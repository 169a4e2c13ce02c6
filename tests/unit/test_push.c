/* The sender against a small HTTP server on the same loop. Names are answered by a resolver of the
 * test's own; policy, VAPID, encryption and verdicts are the real ones. */
#include "push/push.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "push/origin.h"
#include "push/transfer.h"
#include "push/trust.h"
#include "unit.h"

#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
#define UNAUTHORIZED "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"

enum { MANY = 100, WATCHDOG_MS = 20000 };

/* The server */

struct connection;

struct server {
    struct loop *loop;
    uv_tcp_t listener;
    SSL_CTX *tls; /* NULL: plain */
    int port;
    void (*answer)(struct server *server, struct connection *connection);
    const char *text; /* for answers of a fixed text */
    struct list connections;
    int accepted, open, requests, most_open;
    struct buf last; /* the last request, whole */
    char targets[MANY][32];
};

struct connection {
    struct list node;
    struct server *server;
    uv_tcp_t tcp;
    SSL *ssl;
    struct buf in;
    int requests;
};

static void on_gone(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    SSL_free(connection->ssl);
    buf_fini(&connection->in);
    free(connection);
}

static bool is_closing(struct connection *connection)
{
    return uv_is_closing((uv_handle_t *)&connection->tcp);
}

static void hang_up(struct connection *connection)
{
    if (is_closing(connection))
        return;
    connection->server->open--;
    list_remove(&connection->node);
    uv_close((uv_handle_t *)&connection->tcp, on_gone);
}

static void reset(struct connection *connection)
{
    connection->server->open--;
    list_remove(&connection->node);
    ck_assert_int_eq(uv_tcp_close_reset(&connection->tcp, on_gone), 0);
}

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
    free(request);
}

static void write_raw(struct connection *connection, const void *bytes, size_t length)
{
    uv_write_t *request = mem_new(sizeof *request);
    request->data = mem_copy(bytes, length);
    uv_buf_t part = uv_buf_init(request->data, (unsigned)length);
    ck_assert_int_eq(uv_write(request, (uv_stream_t *)&connection->tcp, &part, 1, on_written), 0);
}

static void flush_tls(struct connection *connection)
{
    char bytes[16384];
    int length;
    while ((length = BIO_read(SSL_get_wbio(connection->ssl), bytes, sizeof bytes)) > 0)
        write_raw(connection, bytes, (size_t)length);
}

static void say_bytes(struct connection *connection, const char *bytes, size_t length)
{
    if (!connection->ssl) {
        write_raw(connection, bytes, length);
        return;
    }
    ck_assert_int_gt(SSL_write(connection->ssl, bytes, (int)length), 0);
    flush_tls(connection);
}

static void say(struct connection *connection, const char *text)
{
    say_bytes(connection, text, strlen(text));
}

/* The length of a whole request at the front, or 0. */
static size_t whole_request(const struct buf *in)
{
    const char *end = in->length ? memmem(in->bytes, in->length, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    size_t head = (size_t)(end + 4 - (const char *)in->bytes);
    const char *field = memmem(in->bytes, head, "Content-Length: ", 16);
    size_t body = field ? strtoul(field + 16, NULL, 10) : 0;
    return in->length >= head + body ? head + body : 0;
}

static void take_request(struct connection *connection, size_t length)
{
    struct server *server = connection->server;
    buf_clear(&server->last);
    buf_add(&server->last, connection->in.bytes, length);
    buf_add(&server->last, "", 1);
    buf_consume(&connection->in, length);
    if (server->requests < MANY)
        sscanf((const char *)server->last.bytes, "POST %31s", server->targets[server->requests]);
    server->requests++;
    connection->requests++;
    uv_stop(&server->loop->uv);
    server->answer(server, connection);
}

static void take_tls(struct connection *connection, const char *bytes, size_t length)
{
    BIO_write(SSL_get_rbio(connection->ssl), bytes, (int)length);
    char clear[4096];
    int got;
    while ((got = SSL_read(connection->ssl, clear, sizeof clear)) > 0)
        buf_add(&connection->in, clear, (size_t)got);
    flush_tls(connection);
}

static void on_bytes(uv_stream_t *stream, ssize_t length, const uv_buf_t *into)
{
    struct connection *connection = stream->data;
    if (length < 0) {
        hang_up(connection);
    } else {
        if (connection->ssl)
            take_tls(connection, into->base, (size_t)length);
        else
            buf_add(&connection->in, into->base, (size_t)length);
        size_t whole = whole_request(&connection->in);
        if (whole)
            take_request(connection, whole);
    }
    free(into->base);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    (void)handle;
    *into = uv_buf_init(mem_new(suggested), (unsigned)suggested);
}

static void on_connection(uv_stream_t *listener, int status)
{
    ck_assert_int_eq(status, 0);
    struct server *server = listener->data;
    struct connection *connection = mem_new(sizeof *connection);
    connection->server = server;
    connection->tcp.data = connection;
    buf_init(&connection->in, 1 << 20);
    if (server->tls) {
        connection->ssl = SSL_new(server->tls);
        SSL_set_bio(connection->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(connection->ssl);
    }
    uv_tcp_init(&server->loop->uv, &connection->tcp);
    ck_assert_int_eq(uv_accept(listener, (uv_stream_t *)&connection->tcp), 0);
    uv_read_start((uv_stream_t *)&connection->tcp, give_room, on_bytes);
    list_init(&connection->node);
    list_append(&server->connections, &connection->node);
    server->accepted++;
    server->open++;
    if (server->open > server->most_open)
        server->most_open = server->open;
}

static void server_begin(struct server *server, struct loop *loop, SSL_CTX *tls,
                         const char *address)
{
    server->loop = loop;
    server->tls = tls;
    list_init(&server->connections);
    buf_init(&server->last, 1 << 20);
    uv_tcp_init(&loop->uv, &server->listener);
    server->listener.data = server;
    struct sockaddr_storage at;
    if (strchr(address, ':'))
        uv_ip6_addr(address, 0, (struct sockaddr_in6 *)&at);
    else
        uv_ip4_addr(address, 0, (struct sockaddr_in *)&at);
    ck_assert_int_eq(uv_tcp_bind(&server->listener, (struct sockaddr *)&at, 0), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&server->listener, 64, on_connection), 0);
    int length = sizeof at;
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&at, &length);
    server->port = ntohs(((struct sockaddr_in *)&at)->sin_port);
}

static void server_end(struct server *server)
{
    struct list *node;
    while ((node = list_first(&server->connections)))
        hang_up(list_owner(node, struct connection, node));
    uv_close((uv_handle_t *)&server->listener, NULL);
    buf_fini(&server->last);
    SSL_CTX_free(server->tls);
}

/* Answers */

static void answer_text(struct server *server, struct connection *connection)
{
    say(connection, server->text);
}

static void answer_nothing(struct server *server, struct connection *connection)
{
    (void)server;
    (void)connection;
}

static void answer_reset(struct server *server, struct connection *connection)
{
    (void)server;
    reset(connection);
}

static void answer_eof(struct server *server, struct connection *connection)
{
    (void)server;
    hang_up(connection);
}

/* Certificates */

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static X509 *certify(EVP_PKEY *key, const char *name, const char *extension, const char *value,
                     const struct authority *by)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)random());
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, by ? X509_get_subject_name(by->certificate) : subject);
    X509_EXTENSION *more = X509V3_EXT_conf(NULL, NULL, extension, value);
    X509_add_ext(certificate, more, -1);
    X509_EXTENSION_free(more);
    ck_assert_int_gt(X509_sign(certificate, by ? by->key : key, EVP_sha256()), 0);
    return certificate;
}

static struct authority authority_new(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    return (struct authority){
        .key = key,
        .certificate = certify(key, "Test root", "basicConstraints", "critical,CA:TRUE", NULL),
    };
}

static void authority_free(struct authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
    *authority = (struct authority){0};
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *length,
                   const unsigned char *in, unsigned in_length, void *arg)
{
    (void)ssl;
    (void)arg;
    static const unsigned char only[] = "\x08http/1.1";
    ck_assert_uint_eq(in_length, sizeof only - 1);
    ck_assert_mem_eq(in, only, in_length);
    *out = in + 1;
    *length = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *tls_for(const struct authority *authority, const char *name)
{
    char names[128];
    snprintf(names, sizeof names, "DNS:%s", name);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certify(key, name, "subjectAltName", names, authority);
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(tls, certificate);
    SSL_CTX_use_PrivateKey(tls, key);
    SSL_CTX_set_alpn_select_cb(tls, on_alpn, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}

static char *write_file(const char *text, const struct authority *authority)
{
    char *path = mem_text("/tmp/doorbell-test-push-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    if (authority)
        PEM_write_X509(file, authority->certificate);
    fclose(file);
    return path;
}

static void remove_file(char *path)
{
    unlink(path);
    free(path);
}

/* The resolver */

struct resolver {
    struct loop *loop;
    struct address_list addresses;
    bool cached, fails, silent;
    int lookups, cancelled;
};

struct lookup {
    struct resolver *resolver;
    struct timer timer;
    resolver_fn *fn;
    void *arg;
};

static void on_found(void *arg)
{
    struct lookup *lookup = arg;
    struct resolver *resolver = lookup->resolver;
    struct err err = {.code = ERR_NOT_FOUND, .text = "there is no such name"};
    lookup->fn(lookup->arg, resolver->fails ? NULL : &resolver->addresses, &err);
    free(lookup);
}

struct lookup *resolver_start(struct resolver *resolver, enum resolver_lane lane, const char *host,
                              uint16_t port, bool proven, resolver_fn *fn, void *arg)
{
    (void)host;
    (void)port;
    (void)proven;
    ck_assert_int_eq(lane, RESOLVER_ENDPOINT);
    struct lookup *lookup = mem_new(sizeof *lookup);
    lookup->resolver = resolver;
    lookup->fn = fn;
    lookup->arg = arg;
    timer_init(&lookup->timer, on_found, lookup);
    if (!resolver->silent)
        loop_timer_set(resolver->loop, &lookup->timer, 0);
    resolver->lookups++;
    return lookup;
}

void resolver_cancel(struct lookup *lookup)
{
    lookup->resolver->cancelled++;
    loop_timer_cancel(lookup->resolver->loop, &lookup->timer);
    free(lookup);
}

bool resolver_cached(struct resolver *resolver, enum resolver_lane lane, const char *host,
                     uint16_t port, struct address_list *addresses)
{
    (void)host;
    (void)port;
    ck_assert_int_eq(lane, RESOLVER_ENDPOINT);
    if (resolver->cached)
        *addresses = resolver->addresses;
    return resolver->cached;
}

/* The world of one test */

struct outcome {
    int calls, accepted;
    struct verdict last;
    char order[MANY];
};

static struct loop loop;
static struct server server;
static struct resolver resolver;
static struct config config;
static struct policy *policy;
static struct vapid *vapid;
static struct push *push;
static struct authority authority;
static struct outcome outcome;
static char *entry;
static struct timer watchdog;
static bool sending; /* push_send has not returned yet */

/* What comes of a transfer */
static struct push_answer told;
static char told_why[512];
static int transfers_ended;

static void on_watchdog(void *arg)
{
    (void)arg;
    ck_abort_msg("it does not come to an end");
}

static void add_address(const char *text)
{
    struct address *address = &resolver.addresses.items[resolver.addresses.count++];
    ck_assert_int_eq(address_parse(address, text, (uint16_t)server.port), 0);
}

static void set_entries(char **entries, size_t count)
{
    config.push_allowed_endpoints = (struct strings){.items = entries, .count = count};
    policy_free(policy);
    struct err err;
    policy = policy_new(&config, &err);
    ck_assert_msg(policy != NULL, "%s", err.text);
}

static void begin_at(const char *scheme, const char *host, const char *address, SSL_CTX *tls)
{
    memset(&outcome, 0, sizeof outcome);
    transfers_ended = 0;
    loop_init(&loop);
    timer_init(&watchdog, on_watchdog, NULL);
    loop_timer_set(&loop, &watchdog, WATCHDOG_MS);
    server_begin(&server, &loop, tls, address);
    server.answer = answer_text;
    server.text = CREATED;
    resolver.loop = &loop;
    resolver.cached = true;
    add_address(address);
    config.push_timeout_ms = 15000;
    config.push_connect_timeout_ms = 5000;
    config.push_vapid_subject = "mailto:test@example.com";
    entry = mem_format("%s://%s:%d", scheme, host, server.port);
    set_entries(&entry, 1);
    struct err err;
    vapid = vapid_generate(&err);
    push = push_new(&loop, &resolver, policy, vapid, &config, &err);
    ck_assert_msg(push != NULL, "%s", err.text);
}

/* http://push.example, which is the server. */
static void begin(void)
{
    begin_at("http", "push.example", "127.0.0.1", NULL);
}

/* https://push.example; the server's certificate is for `name`. */
static void begin_tls(const char *name, bool trusted)
{
    authority = authority_new();
    config.push_ca_file = trusted ? write_file("", &authority) : NULL;
    begin_at("https", "push.example", "127.0.0.1", tls_for(&authority, name));
}

static void end(void)
{
    loop_timer_cancel(&loop, &watchdog);
    push_free(push);
    server_end(&server);
    /* what the sender left open would keep the loop alive */
    uv_unref((uv_handle_t *)&loop.driver);
    for (int i = 0; i < 1000 && uv_run(&loop.uv, UV_RUN_NOWAIT); i++)
        ;
    ck_assert_int_eq(uv_loop_alive(&loop.uv), 0);
    loop_fini(&loop);
    policy_free(policy);
    vapid_free(vapid);
    free(entry);
    if (config.push_ca_file)
        remove_file(config.push_ca_file);
    authority_free(&authority);
    memset(&server, 0, sizeof server);
    memset(&resolver, 0, sizeof resolver);
    memset(&config, 0, sizeof config);
    policy = NULL;
    entry = NULL;
}

static void on_verdict(void *arg, const struct verdict *verdict)
{
    ck_assert_msg(!sending, "called back before push_send returned");
    if (outcome.calls < MANY)
        outcome.order[outcome.calls] = (char)(intptr_t)arg;
    outcome.calls++;
    outcome.accepted += verdict->kind == VERDICT_ACCEPTED;
    outcome.last = *verdict;
    uv_stop(&loop.uv);
}

/* What counts stops the loop, which would else wait for the next event. */
static void run_until(const int *count, int value)
{
    while (*count < value)
        uv_run(&loop.uv, UV_RUN_ONCE);
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static struct push_request *send_to(const struct push_target *target, enum push_kind kind,
                                    intptr_t number)
{
    sending = true;
    struct push_request *request = push_send(push, target, kind, on_verdict, (void *)number);
    sending = false;
    return request;
}

static struct push_request *send_path(const char *path, intptr_t number, bool proven)
{
    char *endpoint = mem_format("%s%s", entry, path);
    struct push_target target = {.endpoint = endpoint, .proven = proven};
    struct push_request *request = send_to(&target, PUSH_RING, number);
    free(endpoint);
    return request;
}

static struct push_request *ring(void)
{
    return send_path("/up", 0, true);
}

/* Sends one and waits for its verdict. */
static const struct verdict *ring_once(void)
{
    int before = outcome.calls;
    ring();
    run_until(&outcome.calls, before + 1);
    return &outcome.last;
}

/* The request */

static char *request_line(const char *name)
{
    static char value[2048];
    char find[64];
    snprintf(find, sizeof find, "\r\n%s: ", name);
    const char *at = strstr((const char *)server.last.bytes, find);
    ck_assert_msg(at != NULL, "there is no %s", name);
    at += strlen(find);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

static const char *request_body(void)
{
    return strstr((const char *)server.last.bytes, "\r\n\r\n") + 4;
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (const char *end = strstr(text, "\r\n\r\n"); text < end; text = strstr(text, "\r\n") + 2)
        lines++;
    return lines;
}

static void check_request(enum push_kind kind, const char *body, const char *topic)
{
    int before = outcome.calls;
    char *endpoint = mem_format("%s/up/..//Secret%%2e?a=b", entry);
    struct push_target target = {.endpoint = endpoint, .proven = true};
    send_to(&target, kind, 0);
    run_until(&outcome.calls, before + 1);
    free(endpoint);
    ck_assert_int_eq(outcome.last.kind, VERDICT_ACCEPTED);

    const char *request = (const char *)server.last.bytes;
    static const char first[] = "POST /up/..//Secret%2e?a=b HTTP/1.1\r\n";
    ck_assert_int_eq(strncmp(request, first, strlen(first)), 0);
    ck_assert_str_eq(request_line("Host"), entry + strlen("http://"));
    ck_assert_str_eq(request_line("User-Agent"), "Doorbell/" DOORBELL_VERSION);
    ck_assert_str_eq(request_line("TTL"), "2592000");
    ck_assert_str_eq(request_line("Urgency"), "high");
    ck_assert_str_eq(request_line("Content-Encoding"), "aes128gcm");
    ck_assert_str_eq(request_line("Content-Type"), "application/json");
    ck_assert_str_eq(request_line("Topic"), topic);
    ck_assert_int_eq(strncmp(request_line("Authorization"), "vapid t=", 8), 0);
    ck_assert_int_eq(atoi(request_line("Content-Length")), (int)strlen(body));
    ck_assert_int_eq(count_lines(request), 10);
    ck_assert_str_eq(request_body(), body);
}

START_TEST(a_request_is_just_what_molly_and_the_servers_expect)
{
    begin();
    check_request(PUSH_RING, "{\"urgent\":true}", "mollysocket");
    check_request(PUSH_TEST, "{\"test\":true}", "test");
    check_request(PUSH_CONTESTED, "{\"code\":4409}", "4409");
    end();
}
END_TEST

START_TEST(rings_are_alike_byte_for_byte)
{
    begin();
    ring_once();
    char *first = mem_text((const char *)server.last.bytes);
    ring_once();
    ck_assert_str_eq((const char *)server.last.bytes, first);
    free(first);
    end();
}
END_TEST

static struct push_target target_with_keys(const char *endpoint)
{
    struct push_target target = {.endpoint = endpoint, .proven = true, .has_keys = true};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    unsigned char *point = NULL;
    ck_assert_uint_eq(EVP_PKEY_get1_encoded_public_key(key, &point), ENCRYPT_KEY_SIZE);
    memcpy(target.p256dh, point, ENCRYPT_KEY_SIZE);
    memset(target.auth, 7, sizeof target.auth);
    OPENSSL_free(point);
    EVP_PKEY_free(key);
    return target;
}

START_TEST(with_the_phones_keys_only_size_and_topic_are_left_to_see)
{
    begin();
    struct push_target target = target_with_keys(entry);
    char topics[3][64];
    for (int kind = PUSH_RING; kind <= PUSH_CONTESTED; kind++) {
        send_to(&target, (enum push_kind)kind, 0);
        run_until(&outcome.calls, kind + 1);
        ck_assert_int_eq(outcome.last.kind, VERDICT_ACCEPTED);
        ck_assert_str_eq(request_line("Content-Type"), "application/octet-stream");
        ck_assert_str_eq(request_line("Content-Encoding"), "aes128gcm");
        ck_assert_int_eq(atoi(request_line("Content-Length")), ENCRYPT_BODY_SIZE);
        snprintf(topics[kind], sizeof topics[kind], "%s", request_line("Topic"));
        ck_assert_uint_eq(strlen(topics[kind]), 32);
        ck_assert_uint_eq(strspn(topics[kind],
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-_"),
                          32);
    }
    ck_assert_str_ne(topics[PUSH_RING], topics[PUSH_TEST]);
    ck_assert_str_eq(topics[PUSH_TEST], topics[PUSH_CONTESTED]);
    end();
}
END_TEST

START_TEST(a_topic_depends_on_the_endpoints_secret_alone)
{
    begin();
    struct push_target target = target_with_keys(entry);
    send_to(&target, PUSH_RING, 0);
    run_until(&outcome.calls, 1);
    char *topic = mem_text(request_line("Topic"));
    push_free(push);
    push = push_new(&loop, &resolver, policy, vapid, &config, NULL);
    send_to(&target, PUSH_RING, 0);
    run_until(&outcome.calls, 2);
    ck_assert_str_eq(request_line("Topic"), topic);
    target.auth[0] ^= 1;
    send_to(&target, PUSH_RING, 0);
    run_until(&outcome.calls, 3);
    ck_assert_str_ne(request_line("Topic"), topic);
    free(topic);
    end();
}
END_TEST

START_TEST(a_request_is_written_in_the_turn_of_the_loop_that_sent_it)
{
    begin();
    ring_once();
    ck_assert_int_eq(server.open, 1);
    ring();
    struct connection *connection =
        list_owner(list_first(&server.connections), struct connection, node);
    uv_os_fd_t fd;
    uv_fileno((uv_handle_t *)&connection->tcp, &fd);
    int waiting = 0;
    ioctl(fd, FIONREAD, &waiting);
    ck_assert_int_gt(waiting, 200);
    run_until(&outcome.calls, 2);
    end();
}
END_TEST

/* Answers */

START_TEST(an_answer_becomes_a_verdict)
{
    begin();
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(outcome.last.status, 201);
    server.text = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n";
    ck_assert_int_eq(ring_once()->kind, VERDICT_SUSPECT);
    server.text = "HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno\n\r\n0\r\n\r\n";
    ck_assert_int_eq(ring_once()->kind, VERDICT_GONE);
    server.text = "HTTP/1.1 429 Slow\r\nRetry-After: 1234\r\nContent-Length: 14\r\n\r\n"
                  "{\"code\":42901}";
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_int_eq(outcome.last.retry_after_ms, 1234000);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "42901"));
    ck_assert_int_eq(server.accepted, 1);
    end();
}
END_TEST

START_TEST(a_redirect_is_not_followed)
{
    begin();
    char *text = mem_format("HTTP/1.1 307 Moved\r\nLocation: %s/elsewhere\r\n"
                            "Content-Length: 0\r\n\r\n",
                            entry);
    server.text = text;
    ck_assert_int_eq(ring_once()->kind, VERDICT_MISCONFIGURED);
    ck_assert_int_eq(outcome.last.status, 307);
    ck_assert_int_eq(server.requests, 1);
    free(text);
    end();
}
END_TEST

START_TEST(a_server_that_never_answers_is_given_up_at_the_deadline)
{
    begin();
    ring_once();
    server.answer = answer_nothing;
    config.push_timeout_ms = 200;
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_int_eq(outcome.last.status, 0);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "no answer in time"));
    ck_assert_int_eq(server.requests, 2);
    end();
}
END_TEST

START_TEST(a_handshake_that_never_ends_is_given_up_at_the_connect_deadline)
{
    authority = authority_new();
    config.push_ca_file = write_file("", &authority);
    begin_at("https", "push.example", "127.0.0.1", NULL); /* it waits for a plain request */
    server.answer = answer_nothing;
    config.push_connect_timeout_ms = 100;
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "cannot be reached"));
    end();
}
END_TEST

START_TEST(a_port_where_nobody_listens_cannot_be_reached)
{
    begin();
    uv_close((uv_handle_t *)&server.listener, NULL);
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "cannot be reached"));
    ck_assert(outcome.last.origin_trouble);
    uv_tcp_init(&loop.uv, &server.listener);
    end();
}
END_TEST

START_TEST(too_few_file_descriptors_are_our_own_trouble)
{
    begin();
    struct rlimit before, none = {0};
    getrlimit(RLIMIT_NOFILE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    ring_once();
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert_int_eq(outcome.last.kind, VERDICT_MISCONFIGURED);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "descriptor"));
    ck_assert(!outcome.last.origin_trouble);
    end();
}
END_TEST

/* More lines or bytes than anyone reads, and no end. */
static void pour(struct connection *connection, const char *piece)
{
    for (int i = 0; i < 3000; i++)
        say(connection, piece);
}

static void answer_endless(struct server *from, struct connection *connection)
{
    say(connection, from->text);
    if (strstr(from->text, "100 Continue"))
        pour(connection, "HTTP/1.1 100 Continue\r\n\r\n");
    else if (strstr(from->text, "chunked"))
        pour(connection, "X-Trailer: 0123456789\r\n");
    else if (strstr(from->text, "\r\n\r\n"))
        pour(connection, "0123456789abcdef");
    else
        pour(connection, "X-Header: 0123456789\r\n");
}

static void check_endless(const char *text, enum verdict_kind kind, int status)
{
    server.answer = answer_endless;
    server.text = text;
    ck_assert_int_eq(ring_once()->kind, kind);
    ck_assert_int_eq(outcome.last.status, status);
    while (server.open > 0) /* the connection is not kept */
        uv_run(&loop.uv, UV_RUN_ONCE);
}

START_TEST(an_endless_answer_is_cut_and_judged_by_its_status)
{
    begin();
    check_endless("HTTP/1.1 201 Created\r\n", VERDICT_ACCEPTED, 201);
    check_endless("HTTP/1.1 201 Created\r\n\r\n", VERDICT_ACCEPTED, 201);
    check_endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
                  VERDICT_ACCEPTED, 200);
    check_endless("HTTP/1.1 404 Not Found\r\n\r\n", VERDICT_SUSPECT, 404);
    check_endless("HTTP/1.1 100 Continue\r\n\r\n", VERDICT_RETRY, 0);
    end();
}
END_TEST

START_TEST(what_is_no_http_is_a_broken_answer)
{
    begin();
    server.text = "SSH-2.0-OpenSSH\r\n";
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_int_eq(outcome.last.status, 0);
    ck_assert_int_eq(server.requests, 1);
    end();
}
END_TEST

/* Kept connections */

START_TEST(connections_are_kept)
{
    begin();
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(server.accepted, 1);
    ck_assert_int_eq(server.requests, 5);
    end();
}
END_TEST

/* The second request on a connection is reset. */
static void answer_first_only(struct server *from, struct connection *connection)
{
    if (connection->requests > 1)
        reset(connection);
    else
        say(connection, from->text);
}

START_TEST(a_reset_on_a_kept_connection_is_tried_once_more_at_once)
{
    begin();
    server.answer = answer_first_only;
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(server.requests, 3);
    ck_assert_int_eq(server.accepted, 2);
    end();
}
END_TEST

static void check_one_further_try(void (*answer)(struct server *, struct connection *))
{
    begin();
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    server.answer = answer;
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_int_eq(outcome.last.status, 0);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "closed the connection"));
    ck_assert_int_eq(server.requests, 3);
    ck_assert_int_eq(server.accepted, 2);
    end();
}

START_TEST(a_reset_of_the_further_try_is_the_end)
{
    check_one_further_try(answer_reset);
}
END_TEST

START_TEST(a_close_of_the_further_try_is_the_end)
{
    check_one_further_try(answer_eof);
}
END_TEST

/* Four connections are kept, and each would give curl a reason to try the next. */
START_TEST(many_dead_connections_are_still_one_further_try)
{
    begin();
    server.answer = answer_nothing;
    for (int i = 0; i < 4; i++)
        ring();
    run_until(&server.requests, 4);
    list_each(node, &server.connections)
        say(list_owner(node, struct connection, node), CREATED);
    run_until(&outcome.calls, 4);
    server.answer = answer_reset;
    ck_assert_int_eq(server.open, 4);
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_int_eq(server.requests, 4 + 2);
    ck_assert_int_eq(server.accepted, 4 + 1);
    turn();
    ck_assert_int_ge(server.open, 2); /* nor does it use them up */
    end();
}
END_TEST

START_TEST(a_reset_on_a_fresh_connection_is_not_tried_again)
{
    begin();
    server.answer = answer_reset;
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_int_eq(server.requests, 1);
    end();
}
END_TEST

static void answer_half(struct server *from, struct connection *connection)
{
    say(connection, from->text);
    hang_up(connection);
}

START_TEST(a_request_whose_answer_began_is_not_tried_again)
{
    begin();
    ring_once();
    server.answer = answer_half;
    server.text = "HTTP/1.1 503 Busy\r\nContent-Length: 10\r\n\r\nhal";
    ring_once();
    ck_assert_int_eq(outcome.last.status, 503);
    ck_assert_int_eq(server.requests, 2);
    end();
}
END_TEST

static void answer_and_reset(struct server *from, struct connection *connection)
{
    say(connection, from->text);
    reset(connection);
}

START_TEST(an_answer_counts_though_a_reset_follows_it_at_once)
{
    begin();
    server.answer = answer_and_reset;
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(server.requests, 2);
    end();
}
END_TEST

START_TEST(a_connection_that_the_server_closed_meanwhile_costs_nothing)
{
    begin();
    ring_once();
    hang_up(list_owner(list_first(&server.connections), struct connection, node));
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(server.requests, 2);
    end();
}
END_TEST

/* Signing anew */

static void answer_known_token(struct server *from, struct connection *connection)
{
    say(connection, from->requests > 1 ? CREATED : UNAUTHORIZED);
}

START_TEST(after_a_401_a_fresh_token_is_tried_once_on_a_fresh_connection)
{
    begin();
    server.answer = answer_known_token;
    ring();
    run_until(&server.requests, 1);
    char *token = mem_text(request_line("Authorization"));
    run_until(&outcome.calls, 1);
    ck_assert_int_eq(outcome.last.kind, VERDICT_ACCEPTED);
    ck_assert_str_ne(request_line("Authorization"), token);
    ck_assert_int_eq(server.requests, 2);
    ck_assert_int_eq(server.accepted, 2);
    free(token);

    server.answer = answer_text;
    server.text = UNAUTHORIZED;
    ck_assert_int_eq(ring_once()->kind, VERDICT_UNAUTHORIZED);
    ck_assert_int_eq(server.requests, 4);
    end();
}
END_TEST

/* TLS */

START_TEST(a_certificate_of_push_ca_file_is_trusted)
{
    begin_tls("push.example", true);
    const struct verdict *verdict = ring_once();
    ck_assert_msg(verdict->kind == VERDICT_ACCEPTED, "%s", verdict->text);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(server.accepted, 1);
    end();
}
END_TEST

START_TEST(an_unknown_certificate_is_refused)
{
    begin_tls("push.example", false);
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "TLS"));
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "certificate"));
    ck_assert_int_eq(server.requests, 0);
    end();
}
END_TEST

START_TEST(a_certificate_for_another_name_is_refused)
{
    begin_tls("other.example", true);
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "TLS"));
    ck_assert_int_eq(server.requests, 0);
    end();
}
END_TEST

START_TEST(a_root_that_a_reload_takes_away_is_not_trusted_any_more)
{
    begin_tls("push.example", true);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    remove_file(config.push_ca_file);
    config.push_ca_file = NULL;
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_int_eq(server.requests, 1);
    end();
}
END_TEST

START_TEST(trust_needs_the_systems_roots_or_a_file)
{
    struct err err;
    ck_assert_ptr_null(trust_load("/nonexistent/bundle", NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "ca-certificates"));

    authority = authority_new();
    char *good = write_file("", &authority), *bad = write_file("no certificate\n", NULL);
    struct trust *trust = trust_load("/nonexistent/bundle", good, &err);
    ck_assert_ptr_nonnull(trust);
    trust_free(trust);
    ck_assert_ptr_null(trust_load(good, bad, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "push.ca_file"));
    ck_assert_ptr_null(trust_load(good, "/nonexistent/ca", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
    remove_file(good);
    remove_file(bad);
    authority_free(&authority);
}
END_TEST

/* Addresses */

START_TEST(a_private_address_is_refused_without_an_entry)
{
    begin_tls("push.example", true);
    static char star[] = "*";
    char *entries[] = {star};
    set_entries(entries, 1);
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    ck_assert_int_eq(ring_once()->kind, VERDICT_DENIED);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "push.allowed_endpoints"));
    ck_assert_int_eq(server.accepted, 0);
    end();
}
END_TEST

static void on_transfer(void *arg, const struct push_answer *answer, const char *why)
{
    (void)arg;
    told = *answer;
    snprintf(told_why, sizeof told_why, "%s", why);
    transfers_ended++;
    uv_stop(&loop.uv);
}

static void transfer_once(struct transfers *transfers, const struct url *url,
                          const struct address_list *addresses)
{
    struct transfer_request request = {
        .endpoint = url,
        .addresses = addresses,
        .authorization = "x",
        .topic = "x",
        .content_type = "x",
        .body = "x",
        .length = 1,
        .connect_ms = 5000,
        .total_ms = 5000,
    };
    int before = transfers_ended;
    ck_assert_ptr_nonnull(transfer_start(transfers, &request, on_transfer, NULL));
    run_until(&transfers_ended, before + 1);
}

/* Looked up or kept from before: the socket's address is judged all the same. */
START_TEST(the_sockets_address_decides_for_new_and_for_kept_connections)
{
    authority = authority_new();
    config.push_ca_file = write_file("", &authority);
    begin_at("https", "push.example", "127.0.0.1", tls_for(&authority, "push.example"));
    static char star[] = "*";
    char *below = mem_format("%s/allowed", entry);
    char *entries[] = {star, below};
    set_entries(entries, 2);
    struct trust *trust = trust_load(NULL, config.push_ca_file, NULL);
    struct transfers *transfers = transfers_new(&loop, policy, trust, NULL);
    struct url allowed, other;
    char *text = mem_format("%s/other", entry);
    url_parse(&allowed, below, NULL);
    url_parse(&other, text, NULL);

    transfer_once(transfers, &other, &resolver.addresses);
    ck_assert_int_eq(told.failure, PUSH_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(told_why, "push.allowed_endpoints"));
    ck_assert_int_eq(server.accepted, 0);
    transfer_once(transfers, &allowed, &resolver.addresses);
    ck_assert_int_eq(told.status, 201);
    transfer_once(transfers, &other, &resolver.addresses);
    ck_assert_int_eq(told.failure, PUSH_FORBIDDEN);
    ck_assert_int_eq(server.requests, 1);
    ck_assert_int_eq(server.accepted, 1);

    transfers_free(transfers);
    url_fini(&allowed);
    url_fini(&other);
    free(text);
    free(below);
    end();
}
END_TEST

START_TEST(curl_never_looks_a_name_up)
{
    begin_at("http", "localhost", "127.0.0.1", NULL);
    server.text = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct trust *trust = trust_load(NULL, NULL, NULL);
    struct transfers *transfers = transfers_new(&loop, policy, trust, NULL);
    struct url url;
    url_parse(&url, entry, NULL);
    struct address_list none = {.count = 0};
    transfer_once(transfers, &url, &none);
    ck_assert_int_eq(told.failure, PUSH_NO_ADDRESS);
    transfer_once(transfers, &url, &resolver.addresses);
    ck_assert_int_eq(told.status, 201);
    transfer_once(transfers, &url, &none); /* nor does it remember */
    ck_assert_int_eq(told.failure, PUSH_NO_ADDRESS);
    ck_assert_int_eq(server.accepted, 1);
    transfers_free(transfers);
    url_fini(&url);
    end();
}
END_TEST

START_TEST(a_name_may_end_in_a_dot)
{
    begin_at("http", "push.example.", "127.0.0.1", NULL);
    const struct verdict *verdict = ring_once();
    ck_assert_msg(verdict->kind == VERDICT_ACCEPTED, "%s", verdict->text);
    end();
}
END_TEST

START_TEST(the_next_address_is_tried_where_one_does_not_answer)
{
    begin();
    resolver.addresses.count = 0;
    add_address("127.0.0.9");
    add_address("127.0.0.1");
    const struct verdict *verdict = ring_once();
    ck_assert_msg(verdict->kind == VERDICT_ACCEPTED, "%s", verdict->text);
    end();
}
END_TEST

START_TEST(each_request_goes_to_the_addresses_that_it_was_given)
{
    begin();
    server.text = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    resolver.addresses.count = 0;
    add_address("127.0.0.9");
    ck_assert_int_eq(ring_once()->status, 0);
    resolver.addresses.count = 0;
    add_address("127.0.0.1");
    ck_assert_int_eq(ring_once()->status, 201);
    resolver.addresses.count = 0;
    add_address("127.0.0.9");
    ck_assert_int_eq(ring_once()->status, 0);
    end();
}
END_TEST

START_TEST(numeric_endpoints_work_for_both_families)
{
    begin_at("http", "[::1]", "::1", NULL);
    const struct verdict *verdict = ring_once();
    ck_assert_msg(verdict->kind == VERDICT_ACCEPTED, "%s", verdict->text);
    end();
    begin_at("http", "127.0.0.1", "127.0.0.1", NULL);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    end();
}
END_TEST

START_TEST(an_ipv6_address_of_a_name_works)
{
    begin_at("http", "push.example", "::1", NULL);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    end();
}
END_TEST

START_TEST(a_name_that_is_not_at_hand_is_looked_up)
{
    begin();
    resolver.cached = false;
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(resolver.lookups, 1);
    resolver.fails = true;
    ck_assert_int_eq(ring_once()->kind, VERDICT_RETRY);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "there is no such name"));
    end();
}
END_TEST

START_TEST(a_proxy_of_the_environment_is_not_used)
{
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("all_proxy", "http://127.0.0.1:9", 1);
    begin();
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    end();
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}
END_TEST

/* Order */

START_TEST(four_at_a_time_go_to_an_origin_in_order)
{
    begin();
    server.answer = answer_nothing;
    for (int i = 0; i < 10; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        send_path(path, i, true);
    }
    run_until(&server.requests, ORIGIN_IN_FLIGHT);
    for (int i = 0; i < 20; i++)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    ck_assert_int_eq(server.requests, ORIGIN_IN_FLIGHT);
    server.answer = answer_text;
    list_each(node, &server.connections)
        say(list_owner(node, struct connection, node), CREATED);
    run_until(&outcome.calls, 10);
    ck_assert_int_eq(outcome.accepted, 10);
    ck_assert_int_eq(server.most_open, ORIGIN_IN_FLIGHT);
    for (int i = ORIGIN_IN_FLIGHT; i < 10; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        ck_assert_str_eq(server.targets[i], path);
    }
    end();
}
END_TEST

START_TEST(endpoints_that_never_worked_go_one_at_a_time)
{
    begin();
    server.answer = answer_nothing;
    for (int i = 0; i < 5; i++)
        send_path("/stranger", i, false);
    send_path("/proven", 5, true);
    run_until(&server.requests, 2);
    for (int i = 0; i < 20; i++)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    ck_assert_int_eq(server.requests, 2);
    ck_assert_int_eq(server.accepted, 2);
    end();
}
END_TEST

/* Ends */

START_TEST(a_refused_endpoint_is_told_in_a_turn_of_its_own)
{
    begin();
    struct push_target target = {.endpoint = "http://elsewhere.example/up"};
    send_to(&target, PUSH_RING, 0);
    ck_assert_int_eq(outcome.calls, 0);
    run_until(&outcome.calls, 1);
    ck_assert_int_eq(outcome.last.kind, VERDICT_DENIED);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "push.allowed_endpoints"));
    target.endpoint = "no endpoint at all";
    send_to(&target, PUSH_RING, 0);
    run_until(&outcome.calls, 2);
    ck_assert_int_eq(outcome.last.kind, VERDICT_DENIED);
    end();
}
END_TEST

START_TEST(a_request_can_be_cancelled_while_its_name_is_looked_up)
{
    begin();
    resolver.cached = false;
    resolver.silent = true;
    push_cancel(ring());
    ck_assert_int_eq(resolver.cancelled, 1);
    turn();
    ck_assert_int_eq(outcome.calls, 0);
    end();
}
END_TEST

START_TEST(a_request_can_be_cancelled_while_it_waits_and_while_it_runs)
{
    begin();
    server.answer = answer_nothing;
    struct push_request *requests[7];
    for (int i = 0; i < 7; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        requests[i] = send_path(path, i, true);
    }
    push_cancel(requests[4]); /* waits */
    push_cancel(requests[0]); /* connects; makes room for 5 */
    run_until(&server.requests, 4);
    push_cancel(requests[1]); /* was sent; makes room for 6 */
    run_until(&server.requests, 5);
    ck_assert_str_eq(server.targets[4], "/6");
    server.answer = answer_text;
    list_each(node, &server.connections)
        say(list_owner(node, struct connection, node), CREATED);
    run_until(&outcome.calls, 4);
    turn();
    ck_assert_int_eq(outcome.calls, 4);
    ck_assert_int_eq(outcome.accepted, 4);
    end();
}
END_TEST

START_TEST(a_request_can_be_cancelled_in_its_further_try)
{
    begin();
    ring_once();
    server.answer = answer_reset;
    struct push_request *request = ring();
    run_until(&server.requests, 2);
    server.answer = answer_nothing;
    run_until(&server.requests, 3);
    push_cancel(request);
    turn();
    ck_assert_int_eq(outcome.calls, 1);
    end();
}
END_TEST

START_TEST(a_request_that_has_ended_can_be_cancelled_before_it_is_told)
{
    begin();
    struct push_target target = {.endpoint = "http://elsewhere.example/up"};
    push_cancel(send_to(&target, PUSH_RING, 0));
    turn();
    ck_assert_int_eq(outcome.calls, 0);
    end();
}
END_TEST

static struct push_request *victim;

static void cancel_victim(void *arg, const struct verdict *verdict)
{
    if (victim)
        push_cancel(victim);
    victim = NULL;
    on_verdict(arg, verdict);
    if (outcome.calls == 1)
        send_path("/again", 0, true);
}

START_TEST(a_verdict_may_cancel_another_request_and_send_a_new_one)
{
    begin();
    char *endpoint = mem_format("%s/up", entry);
    struct push_target target = {.endpoint = endpoint, .proven = true};
    server.answer = answer_nothing;
    push_send(push, &target, PUSH_RING, cancel_victim, NULL);
    victim = ring();
    run_until(&server.requests, 2);
    server.answer = answer_text;
    /* both answers arrive in the same turn */
    list_each(node, &server.connections)
        say(list_owner(node, struct connection, node), CREATED);
    run_until(&outcome.calls, 2);
    turn();
    ck_assert_int_eq(outcome.calls, 2);
    ck_assert_int_eq(server.requests, 3);
    free(endpoint);
    end();
}
END_TEST

START_TEST(all_can_be_given_up_in_every_phase)
{
    begin_tls("push.example", true);
    server.answer = answer_nothing;
    for (int i = 0; i < 3; i++)
        ring();
    run_until(&server.requests, 2);
    for (int i = 0; i < 20; i++)
        ring(); /* one connects, the rest waits */
    resolver.cached = false;
    ring();
    struct push_target target = {.endpoint = "http://elsewhere.example/up"};
    send_to(&target, PUSH_RING, 0);
    push_free(push);
    push = NULL;
    turn();
    ck_assert_int_eq(outcome.calls, 0);
    ck_assert_int_eq(resolver.cancelled, 1);
    end();
}
END_TEST

START_TEST(a_reload_refuses_what_still_waits)
{
    begin();
    server.answer = answer_nothing;
    for (int i = 0; i < 6; i++)
        ring();
    run_until(&server.requests, 4);
    set_entries(NULL, 0);
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    run_until(&outcome.calls, 2);
    ck_assert_int_eq(outcome.last.kind, VERDICT_DENIED);
    turn();
    ck_assert_int_eq(outcome.calls, 2); /* what is under way goes on */
    list_each(node, &server.connections)
        say(list_owner(node, struct connection, node), CREATED);
    run_until(&outcome.calls, 6);
    ck_assert_int_eq(outcome.accepted, 4);
    ck_assert_int_eq(ring_once()->kind, VERDICT_DENIED);
    ck_assert_int_eq(server.requests, 4);
    end();
}
END_TEST

UNIT_MAIN("push", a_request_is_just_what_molly_and_the_servers_expect,
          rings_are_alike_byte_for_byte, with_the_phones_keys_only_size_and_topic_are_left_to_see,
          a_topic_depends_on_the_endpoints_secret_alone,
          a_request_is_written_in_the_turn_of_the_loop_that_sent_it, an_answer_becomes_a_verdict,
          a_redirect_is_not_followed, a_server_that_never_answers_is_given_up_at_the_deadline,
          a_handshake_that_never_ends_is_given_up_at_the_connect_deadline,
          a_port_where_nobody_listens_cannot_be_reached,
          too_few_file_descriptors_are_our_own_trouble,
          an_endless_answer_is_cut_and_judged_by_its_status, what_is_no_http_is_a_broken_answer,
          connections_are_kept, a_reset_on_a_kept_connection_is_tried_once_more_at_once,
          a_reset_of_the_further_try_is_the_end, a_close_of_the_further_try_is_the_end,
          many_dead_connections_are_still_one_further_try,
          a_reset_on_a_fresh_connection_is_not_tried_again,
          a_request_whose_answer_began_is_not_tried_again,
          an_answer_counts_though_a_reset_follows_it_at_once,
          a_connection_that_the_server_closed_meanwhile_costs_nothing,
          after_a_401_a_fresh_token_is_tried_once_on_a_fresh_connection,
          a_certificate_of_push_ca_file_is_trusted, an_unknown_certificate_is_refused,
          a_certificate_for_another_name_is_refused,
          a_root_that_a_reload_takes_away_is_not_trusted_any_more,
          trust_needs_the_systems_roots_or_a_file, a_private_address_is_refused_without_an_entry,
          the_sockets_address_decides_for_new_and_for_kept_connections, curl_never_looks_a_name_up,
          a_name_may_end_in_a_dot, the_next_address_is_tried_where_one_does_not_answer,
          each_request_goes_to_the_addresses_that_it_was_given,
          numeric_endpoints_work_for_both_families, an_ipv6_address_of_a_name_works,
          a_name_that_is_not_at_hand_is_looked_up, a_proxy_of_the_environment_is_not_used,
          four_at_a_time_go_to_an_origin_in_order, endpoints_that_never_worked_go_one_at_a_time,
          a_refused_endpoint_is_told_in_a_turn_of_its_own,
          a_request_can_be_cancelled_while_its_name_is_looked_up,
          a_request_can_be_cancelled_while_it_waits_and_while_it_runs,
          a_request_can_be_cancelled_in_its_further_try,
          a_request_that_has_ended_can_be_cancelled_before_it_is_told,
          a_verdict_may_cancel_another_request_and_send_a_new_one,
          all_can_be_given_up_in_every_phase, a_reload_refuses_what_still_waits)
