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

#include "base/b64.h"
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
    char host[256]; /* that was asked for last */
    uint16_t port;
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

static void note_asked(struct resolver *resolver, const char *host, uint16_t port)
{
    snprintf(resolver->host, sizeof resolver->host, "%s", host);
    resolver->port = port;
}

struct lookup *resolver_start(struct resolver *resolver, enum resolver_lane lane, const char *host,
                              uint16_t port, bool proven, resolver_fn *fn, void *arg)
{
    (void)proven;
    note_asked(resolver, host, port);
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
    note_asked(resolver, host, port);
    ck_assert_int_eq(lane, RESOLVER_ENDPOINT);
    if (resolver->cached)
        *addresses = resolver->addresses;
    return resolver->cached;
}

/* The certificates of the system */

/* OpenSSL's own function is not reached: reading all of those roots takes seconds under valgrind,
 * for every sender again, and no test has a server that they vouch for. */
int X509_STORE_load_file(X509_STORE *store, const char *path)
{
    bool is_of_system = strcmp(path, "/etc/ssl/certs/ca-certificates.crt") == 0 ||
                        strcmp(path, X509_get_default_cert_file()) == 0;
    return is_of_system || X509_STORE_load_locations(store, path, NULL);
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

/* All but the settings that name the server, and the sender. */
static void prepare_at(const char *scheme, const char *host, const char *address, SSL_CTX *tls)
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
    config.push_breaker_failures = 5;
    config.push_breaker_open_ms = 600000;
    config.push_breaker_max_ms = 900000;
    config.push_vapid_subject = "mailto:test@example.com";
    entry = mem_format("%s://%s:%d", scheme, host, server.port);
}

static void begin_allowing(char **entries, size_t count)
{
    set_entries(entries, count);
    struct err err;
    vapid = vapid_generate(&err);
    push = push_new(&loop, &resolver, policy, vapid, &config, &err);
    ck_assert_msg(push != NULL, "%s", err.text);
}

static void begin_at(const char *scheme, const char *host, const char *address, SSL_CTX *tls)
{
    prepare_at(scheme, host, address, tls);
    begin_allowing(&entry, 1);
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
    run_until(&server.requests, 2);
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
    check_endless("HTTP/1.1 201 Created\r\n", VERDICT_RETRY, 0); /* it may say anything yet */
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

static bool has_token(void)
{
    return strstr((const char *)server.last.bytes, "\r\nAuthorization: ") != NULL;
}

static void answer_without_token(struct server *from, struct connection *connection)
{
    (void)from;
    say(connection, has_token() ? UNAUTHORIZED : CREATED);
}

START_TEST(autopushs_first_kind_of_endpoint_is_tried_once_without_a_token)
{
    begin();
    server.answer = answer_without_token;
    send_path("/wpush/v1/token", 0, true);
    run_until(&server.requests, 1);
    ck_assert(has_token());
    run_until(&outcome.calls, 1);
    ck_assert_int_eq(outcome.last.kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(server.requests, 2);

    server.answer = answer_text;
    server.text = UNAUTHORIZED;
    send_path("/wpush/v1/token", 0, true);
    run_until(&outcome.calls, 2);
    ck_assert_int_eq(outcome.last.kind, VERDICT_UNAUTHORIZED);
    ck_assert_int_eq(server.requests, 4);
    ck_assert(!has_token());
    send_path("/wpush/v2/token", 0, true);
    run_until(&outcome.calls, 3);
    ck_assert(has_token());
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

/* Names have other addresses at other times, settings only when somebody changes them. */
START_TEST(an_address_that_is_refused_is_tried_again_sooner_than_settings_that_forbid)
{
    begin_tls("push.example", true);
    static char star[] = "*", denied_host[] = "push.example";
    char *entries[] = {star}, *denials[] = {denied_host};
    set_entries(entries, 1);
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    ck_assert_int_eq(ring_once()->kind, VERDICT_DENIED);
    ck_assert_int_eq(outcome.last.floor_ms, 0);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "127.0.0.1"));
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "DNS"));
    config.push_denied = (struct strings){.items = denials, .count = 1};
    set_entries(entries, 1);
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    ck_assert_int_eq(ring_once()->kind, VERDICT_DENIED);
    ck_assert_int_gt(outcome.last.floor_ms, 0);
    ck_assert_ptr_null(strstr(outcome.last.text, "DNS"));
    config.push_denied = (struct strings){0};
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
    char origin[URL_ORIGIN_SIZE];
    url_origin(url, origin);
    struct transfer_request request = {
        .endpoint = url,
        .origin = origin,
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

/* push.connect_to */

/* https://push.example, which is known to be at inner.test and the server's port; the server's
 * certificate is for `name`. "*" is all that is allowed. */
static char *begin_elsewhere(const char *name)
{
    authority = authority_new();
    config.push_ca_file = write_file("", &authority);
    prepare_at("https", "push.example", "127.0.0.1", tls_for(&authority, name));
    static char *star = "*", *leads;
    leads = mem_format("push.example=inner.test:%d", server.port);
    config.push_connect_to = (struct strings){.items = &leads, .count = 1};
    begin_allowing(&star, 1);
    return leads;
}

static const struct verdict *ring_at(const char *endpoint)
{
    int before = outcome.calls;
    struct push_target target = {.endpoint = endpoint, .proven = true};
    send_to(&target, PUSH_RING, 0);
    run_until(&outcome.calls, before + 1);
    return &outcome.last;
}

START_TEST(a_push_server_may_be_elsewhere_and_keeps_its_name)
{
    char *leads = begin_elsewhere("push.example");
    const struct verdict *verdict = ring_at("https://push.example/up");
    ck_assert_msg(verdict->kind == VERDICT_ACCEPTED, "%s", verdict->text);
    ck_assert_str_eq(request_line("Host"), "push.example");
    ck_assert_str_eq(resolver.host, "inner.test");
    ck_assert_int_eq(resolver.port, server.port);
    free(leads);
    end();
}
END_TEST

START_TEST(its_certificate_is_checked_for_that_name)
{
    char *leads = begin_elsewhere("inner.test");
    ck_assert_int_eq(ring_at("https://push.example/up")->kind, VERDICT_RETRY);
    ck_assert_msg(strstr(outcome.last.text, "No trusted TLS connection") != NULL, "%s",
                  outcome.last.text);
    ck_assert_int_eq(server.requests, 0);
    free(leads);
    end();
}
END_TEST

START_TEST(no_other_origin_is_led_to_that_place)
{
    char *leads = begin_elsewhere("push.example");
    char *others[] = {
        mem_format("https://push.example:%d/up", server.port),
        mem_format("https://inner.example:%d/up", server.port),
        mem_format("https://other.push.example:%d/up", server.port),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ring_at(others[i]);
        ck_assert_msg(strstr(outcome.last.text, "has the private address 127.0.0.1") != NULL, "%s",
                      outcome.last.text);
        ck_assert_ptr_nonnull(strstr(outcome.last.text, "push.allowed_endpoints"));
        free(others[i]);
    }
    address_set_port(&resolver.addresses.items[0], 1);
    ring_at("https://push.example/up");
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "push.allowed_endpoints"));
    ck_assert_int_eq(server.accepted, 0);
    free(leads);
    end();
}
END_TEST

START_TEST(a_reload_leads_what_is_being_looked_up_to_the_new_place_and_a_failure_names_it)
{
    char *leads = begin_elsewhere("push.example");
    resolver.cached = false;
    static const char path[] = "https://push.example/up";
    struct push_target target = {.endpoint = path, .proven = true};
    send_to(&target, PUSH_RING, 0);
    ck_assert_str_eq(resolver.host, "inner.test");
    memcpy(strstr(leads, "inner"), "other", 5);
    struct policy *before = policy;
    policy = policy_new(&config, NULL);
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    policy_free(before);
    run_until(&outcome.calls, 1);
    ck_assert_msg(outcome.last.kind == VERDICT_ACCEPTED, "%s", outcome.last.text);
    ck_assert_str_eq(resolver.host, "other.test");
    ck_assert_int_eq(resolver.lookups, 2);
    resolver.fails = true;
    ring_at(path);
    ck_assert_msg(strstr(outcome.last.text, "push.connect_to: there is no such name") != NULL, "%s",
                  outcome.last.text);
    free(leads);
    end();
}
END_TEST

START_TEST(a_reload_leads_what_is_on_its_way_to_the_new_place)
{
    char *leads = begin_elsewhere("push.example");
    struct push_target target = {.endpoint = "https://push.example/up", .proven = true};
    send_to(&target, PUSH_RING, 0);
    snprintf(leads, strlen(leads) + 1, "push.example=other.test:1");
    address_set_port(&resolver.addresses.items[0], 1);
    struct policy *before = policy;
    policy = policy_new(&config, NULL);
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    policy_free(before);
    run_until(&outcome.calls, 1);
    ck_assert_str_eq(resolver.host, "other.test");
    ck_assert_msg(outcome.last.kind == VERDICT_RETRY, "%s", outcome.last.text);
    ck_assert_int_eq(server.requests, 0);
    free(leads);
    end();
}
END_TEST

/* push.headers_file */

static int sent(const char *find)
{
    int count = 0;
    for (const char *at = (const char *)server.last.bytes; (at = strstr(at, find)); at++)
        count++;
    return count;
}

static void set_headers(const char *format)
{
    char *text = mem_format("%s:\n%s", entry, format);
    FILE *file = fopen(config.push_headers_file, "w");
    fputs(text, file);
    fclose(file);
    free(text);
}

/* http://other.example is the same server, and is allowed as well. */
static char *begin_with_headers(const char *lines)
{
    prepare_at("http", "push.example", "127.0.0.1", NULL);
    config.push_headers_file = write_file("", NULL);
    set_headers(lines);
    char *other = mem_format("http://other.example:%d", server.port);
    char *entries[] = {entry, other};
    begin_allowing(entries, 2);
    return other;
}

static void end_with_headers(char *other)
{
    remove_file(config.push_headers_file);
    free(other);
    end();
}

START_TEST(headers_of_the_operator_go_to_their_origin_alone_beside_the_token)
{
    char *other = begin_with_headers("  X-Token: one\n  X-More: 'a: b'\n");
    char *endpoint = mem_format("%s/up", other);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
        ck_assert_str_eq(request_line("X-Token"), "one");
        ck_assert_str_eq(request_line("X-More"), "a: b");
        ck_assert_int_eq(strncmp(request_line("Authorization"), "vapid t=", 8), 0);
        ck_assert_int_eq(count_lines((const char *)server.last.bytes), 12);
        ck_assert_int_eq(ring_at(endpoint)->kind, VERDICT_ACCEPTED);
        ck_assert_int_eq(sent("X-Token"), 0);
        ck_assert_int_eq(sent("X-More"), 0);
    }
    free(endpoint);
    end_with_headers(other);
}
END_TEST

START_TEST(a_login_of_the_operator_takes_the_place_of_the_token_and_is_not_tried_twice)
{
    char *other = begin_with_headers("  Authorization: Bearer tk_one\n");
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_str_eq(request_line("Authorization"), "Bearer tk_one");
    ck_assert_int_eq(sent("Authorization"), 1);
    ck_assert_int_eq(sent("vapid"), 0);
    ck_assert_str_eq(request_line("TTL"), "2592000");
    ck_assert_str_eq(request_line("Topic"), "mollysocket");
    ck_assert_int_eq(count_lines((const char *)server.last.bytes), 10);
    server.text = UNAUTHORIZED;
    ring_once();
    ck_assert_int_eq(outcome.last.status, 401);
    ck_assert_msg(strstr(outcome.last.text, "push.headers_file has for it (401)") != NULL, "%s",
                  outcome.last.text);
    ck_assert_int_eq(server.requests, 2);
    end_with_headers(other);
}
END_TEST

/* "http://user:p%40w@push.example:PORT/up" */
static char *endpoint_with(const char *login)
{
    return mem_format("http://%s@push.example:%d/up", login, server.port);
}

START_TEST(what_an_endpoint_carries_takes_the_place_of_the_token_and_is_not_tried_twice)
{
    begin();
    char *endpoint = endpoint_with("user:p%40w");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ring_at(endpoint)->kind, VERDICT_ACCEPTED);
        ck_assert_str_eq(request_line("Authorization"), "Basic dXNlcjpwQHc=");
        ck_assert_int_eq(sent("Authorization"), 1);
        ck_assert_int_eq(sent("vapid"), 0);
        ck_assert_int_eq(sent("p%40w"), 0);
        ck_assert_int_eq(strncmp(request_line("Host"), "push.example:", 13), 0);
        /* Without one it is another endpoint, also over the same connection. */
        ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
        ck_assert_int_eq(strncmp(request_line("Authorization"), "vapid t=", 8), 0);
    }
    server.text = "HTTP/1.1 401 No\r\nContent-Length: 12\r\n\r\nuser is p@w!";
    ring_at(endpoint);
    ck_assert_int_eq(server.requests, 5);
    ck_assert_int_eq(outcome.last.kind, VERDICT_UNAUTHORIZED);
    ck_assert_msg(strstr(outcome.last.text, "the endpoint carries (401)") != NULL, "%s",
                  outcome.last.text);
    ck_assert_int_eq(push_login_for(push, endpoint), LOGIN_ENDPOINT);
    free(endpoint);
    end();
}
END_TEST

START_TEST(what_an_endpoint_carries_wins_over_the_operators_login_and_leaves_other_headers)
{
    char *other = begin_with_headers("  X-One: 1\n  authorization: Bearer tk_one\n  X-Two: 2\n");
    char *endpoint = endpoint_with("user:p%40w");
    ck_assert_int_eq(ring_at(endpoint)->kind, VERDICT_ACCEPTED);
    ck_assert_str_eq(request_line("Authorization"), "Basic dXNlcjpwQHc=");
    ck_assert_int_eq(sent("tk_one"), 0);
    ck_assert_str_eq(request_line("X-One"), "1");
    ck_assert_str_eq(request_line("X-Two"), "2");
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(sent("Bearer tk_one"), 1);
    ck_assert_int_eq(sent("Basic"), 0);
    ck_assert_int_eq(push_login_for(push, entry), LOGIN_HEADERS_FILE);
    ck_assert_int_eq(push_login_for(push, other), LOGIN_TOKEN);
    free(endpoint);
    end_with_headers(other);
}
END_TEST

START_TEST(an_answer_that_repeats_what_an_endpoint_carries_is_not_quoted)
{
    begin();
    char *endpoint = endpoint_with("alice:word");
    server.text = "HTTP/1.1 413 No\r\nContent-Length: 19\r\n\r\nno room for word on";
    ring_at(endpoint);
    ck_assert_int_eq(outcome.last.status, 413);
    ck_assert_msg(!strstr(outcome.last.text, "word"), "%s", outcome.last.text);
    ring_once();
    ck_assert_msg(strstr(outcome.last.text, "word") != NULL, "%s", outcome.last.text);
    free(endpoint);
    end();
}
END_TEST

START_TEST(headers_are_read_again_on_reload_and_kept_where_they_cannot_be)
{
    char *other = begin_with_headers("  X-Token: one\n");
    server.answer = answer_nothing;
    ring();
    run_until(&server.requests, 1);
    set_headers("  X-Token: two\n");
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    turn();
    ck_assert_int_eq(outcome.calls, 0); /* what is out goes on, with its own */
    ck_assert_str_eq(request_line("X-Token"), "one");
    server.answer = answer_text;
    ring_once();
    ck_assert_str_eq(request_line("X-Token"), "two");
    set_headers("  Host: two\n");
    struct err err;
    ck_assert_int_ne(push_reload(push, policy, &config, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "push.headers_file: "));
    ring_once();
    ck_assert_str_eq(request_line("X-Token"), "two");
    end_with_headers(other);
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

START_TEST(failing_endpoints_leave_room_for_healthy_ones)
{
    begin();
    server.answer = answer_nothing;
    char *endpoint = mem_format("%s/failing", entry);
    struct push_target target = {.endpoint = endpoint, .proven = true, .failing = true};
    for (int i = 0; i < 5; i++)
        send_to(&target, PUSH_RING, i);
    send_path("/healthy", 5, true);
    run_until(&server.requests, 3);
    turn();
    ck_assert_int_eq(server.requests, ORIGIN_IN_FLIGHT_FAILING + 1);
    free(endpoint);
    end();
}
END_TEST

/* Two hundred at once, one more each 1.5 s. */
enum { NTFY_BURST = 200, NTFY_EVERY_MS = 1500 };

START_TEST(what_exceeds_the_allowance_of_public_ntfy_is_sent_when_it_may)
{
    begin_at("http", "ntfy.sh", "127.0.0.1", NULL);
    int64_t began_ms = loop_now_ms(&loop);
    for (int i = 0; i < NTFY_BURST + 1; i++)
        ring();
    run_until(&outcome.calls, NTFY_BURST + 1);
    ck_assert_int_eq(outcome.accepted, NTFY_BURST + 1);
    ck_assert_int_ge(loop_now_ms(&loop) - began_ms, NTFY_EVERY_MS);
    end();
}
END_TEST

START_TEST(second_tries_count_as_well)
{
    begin_at("http", "ntfy.sh", "127.0.0.1", NULL);
    server.text = UNAUTHORIZED;
    int64_t began_ms = loop_now_ms(&loop);
    for (int i = 0; i < NTFY_BURST / 2 + 1; i++)
        ring_once();
    ck_assert_int_eq(server.requests, NTFY_BURST + 2);
    ck_assert_int_ge(loop_now_ms(&loop) - began_ms, NTFY_EVERY_MS);
    end();
}
END_TEST

START_TEST(origins_that_the_operator_names_do_not_share_the_limits_of_their_address)
{
    begin();
    enum { NAMES = SITE_IN_FLIGHT / ORIGIN_IN_FLIGHT + 1 };
    char *names[NAMES];
    for (int i = 0; i < NAMES; i++)
        names[i] = mem_format("http://%d.example:%d", i, server.port);
    set_entries(names, NAMES);
    config.push_timeout_ms = 2 * WATCHDOG_MS; /* nobody makes room */
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    server.answer = answer_nothing;
    for (int i = 0; i < NAMES * ORIGIN_IN_FLIGHT; i++) {
        struct push_target target = {.endpoint = names[i % NAMES], .proven = true};
        send_to(&target, PUSH_RING, i);
    }
    run_until(&server.requests, NAMES * ORIGIN_IN_FLIGHT);
    for (int i = 0; i < NAMES; i++)
        free(names[i]);
    end();
}
END_TEST

/* Push servers that are down */

#define UNAVAILABLE "HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n"

static int recoveries, shared_questions;
static bool shared;

static bool is_shared(void *arg, const char *origin, const char *endpoint)
{
    ck_assert_ptr_eq(arg, &recoveries);
    ck_assert_str_eq(origin, entry);
    ck_assert_int_eq(strncmp(endpoint, entry, strlen(entry)), 0);
    shared_questions++;
    return shared;
}

static void on_recovered(void *arg, const char *origin)
{
    ck_assert_ptr_eq(arg, &recoveries);
    ck_assert_str_eq(origin, entry);
    ck_assert_msg(!sending, "called back before push_send returned");
    recoveries++;
}

static const struct push_events events = {.origin_is_shared = is_shared,
                                          .origin_recovered = on_recovered};

static void listen_to_push(void)
{
    recoveries = shared_questions = 0;
    shared = false;
    push_listen(push, &events, &recoveries);
}

/* Five rings that find it so. */
static void break_down(void)
{
    listen_to_push();
    server.text = UNAVAILABLE;
    for (int i = 0; i < 5; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        send_path(path, i, true);
    }
    run_until(&outcome.calls, 5);
    ck_assert_int_eq(outcome.accepted, 0);
    ck_assert_int_eq(server.requests, 5);
    server.text = CREATED;
}

START_TEST(rings_for_a_server_that_is_down_wait_until_it_answers)
{
    begin();
    break_down();
    for (int i = 0; i < 3; i++)
        ring();
    turn();
    ck_assert_int_eq(server.requests, 5);
    ck_assert_int_eq(outcome.calls, 5);
    ck_assert_int_eq(recoveries, 0);
    push_hurry(push);
    run_until(&server.requests, 6); /* the probe alone */
    run_until(&outcome.calls, 8);
    ck_assert_int_eq(outcome.accepted, 3);
    ck_assert_int_eq(recoveries, 1);
    ck_assert_int_eq(shared_questions, 0);
    end();
}
END_TEST

START_TEST(a_server_that_is_down_is_tried_again_by_itself)
{
    begin();
    config.push_breaker_open_ms = 20;
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    break_down();
    server.text = UNAVAILABLE;
    ring();
    run_until(&outcome.calls, 6);
    ck_assert_int_eq(outcome.last.status, 503);
    server.text = CREATED;
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(recoveries, 1);
    end();
}
END_TEST

START_TEST(a_test_push_to_a_server_that_is_down_fails_at_once_and_says_why)
{
    begin();
    break_down();
    char *endpoint = mem_format("%s/up", entry);
    struct push_target target = {.endpoint = endpoint, .proven = true};
    send_to(&target, PUSH_TEST, 0);
    ck_assert_int_eq(outcome.calls, 5);
    run_until(&outcome.calls, 6);
    ck_assert_int_eq(server.requests, 5);
    ck_assert_int_eq(outcome.last.kind, VERDICT_RETRY);
    ck_assert(outcome.last.origin_trouble);
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "has not answered for "));
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "tried again in 1"));
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "503"));
    target.probe = true; /* the operator's own */
    send_to(&target, PUSH_TEST, 0);
    run_until(&outcome.calls, 7);
    ck_assert_int_eq(outcome.last.kind, VERDICT_ACCEPTED);
    ck_assert_int_eq(recoveries, 1);
    free(endpoint);
    end();
}
END_TEST

START_TEST(a_test_push_that_waits_is_given_up_when_the_server_goes_down)
{
    begin();
    listen_to_push();
    config.push_breaker_failures = ORIGIN_IN_FLIGHT;
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    server.answer = answer_nothing;
    for (int i = 0; i < 2 * ORIGIN_IN_FLIGHT; i++)
        send_path(i % 2 ? "/a" : "/b", i, true);
    char *endpoint = mem_format("%s/up", entry);
    struct push_target target = {.endpoint = endpoint, .proven = true};
    send_to(&target, PUSH_TEST, 'T');
    run_until(&server.requests, ORIGIN_IN_FLIGHT);
    list_each(node, &server.connections)
        say(list_owner(node, struct connection, node), UNAVAILABLE);
    run_until(&outcome.calls, ORIGIN_IN_FLIGHT + 1);
    ck_assert_int_eq(outcome.order[ORIGIN_IN_FLIGHT], 'T');
    ck_assert_ptr_nonnull(strstr(outcome.last.text, "has not answered"));
    run_until(&server.requests, 2 * ORIGIN_IN_FLIGHT - 1); /* before the last of the failures */
    turn();
    ck_assert_int_eq(server.requests, 2 * ORIGIN_IN_FLIGHT - 1);
    ck_assert_int_eq(outcome.calls, ORIGIN_IN_FLIGHT + 1);
    free(endpoint);
    end();
}
END_TEST

START_TEST(failures_of_one_endpoint_alone_do_not_stop_the_others_of_its_origin)
{
    begin();
    listen_to_push();
    shared = true;
    server.text = UNAVAILABLE;
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(ring_once()->status, 503);
    ck_assert_int_eq(shared_questions, 3);
    shared = false; /* now it is the only one */
    ck_assert_int_eq(ring_once()->status, 503);
    ring();
    turn();
    ck_assert_int_eq(outcome.calls, 8);
    end();
}
END_TEST

static const struct verdict *ring_phone_once(int phone, bool failing)
{
    int before = outcome.calls;
    char *endpoint = mem_format("%s/phone/%d", entry, phone);
    struct push_target target = {.endpoint = endpoint, .proven = true, .failing = failing};
    send_to(&target, PUSH_RING, phone);
    free(endpoint);
    run_until(&outcome.calls, before + 1);
    return &outcome.last;
}

START_TEST(failures_of_several_phones_are_the_servers_and_their_verdicts_say_so)
{
    begin();
    listen_to_push();
    server.text = "HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n";
    for (int i = 0; i < 20; i++)
        ck_assert(!ring_phone_once(9, true)->origin_trouble);
    for (int i = 0; i < 5; i++)
        ck_assert(ring_phone_once(i, false)->origin_trouble);
    ck_assert_int_eq(server.requests, 25);
    ring(); /* waits */
    turn();
    ck_assert_int_eq(server.requests, 25);
    server.text = CREATED;
    push_hurry(push);
    run_until(&outcome.calls, 26);
    ck_assert_int_eq(outcome.accepted, 1);
    ck_assert_int_eq(recoveries, 1);
    end();
}
END_TEST

START_TEST(what_is_accepted_after_a_failure_of_the_server_is_told)
{
    begin();
    listen_to_push();
    server.text = UNAVAILABLE;
    ring_once();
    server.text = CREATED;
    ring_once();
    ck_assert_int_eq(recoveries, 1);
    ring_once();
    ck_assert_int_eq(recoveries, 1);
    end();
}
END_TEST

START_TEST(a_server_that_moved_while_it_was_down_is_found)
{
    begin();
    resolver.addresses.count = 0;
    add_address("127.0.0.9"); /* nobody listens there */
    listen_to_push();
    for (int i = 0; i < 5; i++)
        ring_once();
    ck_assert_int_eq(server.accepted, 0);
    ring(); /* with the old address at hand */
    turn();
    resolver.cached = false;
    resolver.addresses.count = 0;
    add_address("127.0.0.1");
    push_hurry(push);
    run_until(&outcome.calls, 6);
    ck_assert_int_eq(outcome.accepted, 1);
    ck_assert_int_eq(resolver.lookups, 1);
    end();
}
END_TEST

START_TEST(a_probe_can_be_cancelled_while_its_name_is_looked_up)
{
    begin();
    break_down();
    struct push_request *request = ring();
    ring();
    resolver.cached = false;
    resolver.silent = true;
    push_hurry(push);
    ck_assert_int_eq(resolver.lookups, 1);
    push_cancel(request);
    ck_assert_int_eq(resolver.lookups, 1); /* not now: whoever cancels may cancel more */
    turn();
    ck_assert_int_eq(resolver.lookups, 2); /* the next is the probe */
    resolver.fails = true;
    end();
}
END_TEST

START_TEST(a_name_that_is_gone_keeps_a_server_that_is_down_closed)
{
    begin();
    break_down();
    ring();
    ring();
    resolver.cached = false;
    resolver.fails = true;
    push_hurry(push);
    run_until(&outcome.calls, 6);
    turn();
    ck_assert_int_eq(outcome.calls, 6);
    ck_assert_int_eq(resolver.lookups, 1);
    ck_assert_int_eq(server.requests, 5);
    end();
}
END_TEST

static struct push_origin_state seen;
static int seen_count;

static void on_origin(void *arg, const struct push_origin_state *state)
{
    ck_assert_ptr_eq(arg, &seen);
    seen = *state;
    seen_count++;
}

START_TEST(public_ntfy_is_one_origin_however_its_name_and_scheme_are_written)
{
    static const char *const names[] = {"https://ntfy.sh/up", "https://ntfy.sh./up",
                                        "http://ntfy.sh/up", "http://ntfy.sh.:80/up"};
    static char plain[] = "http://ntfy.sh", secure[] = "https://ntfy.sh";
    char *entries[] = {plain, secure};
    begin();
    set_entries(entries, 2);
    ck_assert_int_eq(push_reload(push, policy, &config, NULL), 0);
    for (int i = 0; i < 4; i++) {
        struct push_target target = {.endpoint = names[i], .proven = true};
        send_to(&target, PUSH_RING, i);
    }
    seen_count = 0;
    push_each_origin(push, on_origin, &seen);
    ck_assert_int_eq(seen_count, 1);
    ck_assert_str_eq(seen.name, "https://ntfy.sh");
    ck_assert_uint_eq(seen.in_flight + seen.waiting, 4);
    run_until(&outcome.calls, 4);
    end();
}
END_TEST

/* The token is for the origin as the endpoint has it. */
START_TEST(a_token_for_public_ntfy_names_the_endpoints_own_origin)
{
    char claims[512], wanted[128];
    begin_at("http", "ntfy.sh", "127.0.0.1", NULL);
    ck_assert_int_eq(ring_once()->kind, VERDICT_ACCEPTED);
    const char *payload = strchr(request_line("Authorization"), '.') + 1;
    long length = b64_decode(claims, sizeof claims - 1, payload, strcspn(payload, "."));
    ck_assert_int_gt(length, 0);
    claims[length] = '\0';
    snprintf(wanted, sizeof wanted, "\"aud\":\"%s\"", entry);
    ck_assert_ptr_nonnull(strstr(claims, wanted));
    end();
}
END_TEST

START_TEST(the_operator_sees_how_each_origin_fares)
{
    begin();
    break_down();
    ring();
    ring();
    seen_count = 0;
    push_each_origin(push, on_origin, &seen);
    ck_assert_int_eq(seen_count, 1);
    ck_assert_str_eq(seen.name, entry);
    ck_assert_int_eq(seen.proven, BREAKER_OPEN);
    ck_assert_int_eq(seen.strangers, BREAKER_CLOSED);
    ck_assert_int_gt(seen.silent_since_unix, 0);
    ck_assert_int_gt(seen.retry_in_ms, 500000);
    ck_assert_ptr_nonnull(strstr(seen.why, "503"));
    ck_assert_uint_eq(seen.waiting, 2);
    ck_assert_uint_eq(seen.in_flight, 0);
    ck_assert_int_eq(seen.errors_left, 200); /* of a server that the operator names */
    end();
}
END_TEST

/* When it began */

static int began;

static void on_began(void *arg)
{
    (void)arg;
    began++;
}

START_TEST(that_a_request_began_is_said_once_when_it_leaves_the_queue)
{
    begin();
    began = 0;
    server.answer = answer_nothing;
    char *endpoint = mem_format("%s/up", entry);
    struct push_target target = {.endpoint = endpoint, .proven = true, .began = on_began};
    for (int i = 0; i < 6; i++)
        send_to(&target, PUSH_RING, i);
    ck_assert_int_eq(began, ORIGIN_IN_FLIGHT);
    run_until(&server.requests, ORIGIN_IN_FLIGHT);
    ck_assert_int_eq(began, ORIGIN_IN_FLIGHT);
    server.answer = answer_text;
    server.text = UNAUTHORIZED; /* a second try each */
    list_each(node, &server.connections)
        say(list_owner(node, struct connection, node), UNAUTHORIZED);
    run_until(&outcome.calls, 6);
    ck_assert_int_eq(began, 6);
    ck_assert_int_eq(server.requests, 12);
    target.endpoint = "http://elsewhere.example/up";
    send_to(&target, PUSH_RING, 6);
    run_until(&outcome.calls, 7);
    ck_assert_int_eq(began, 6);
    free(endpoint);
    end();
}
END_TEST

/* Clocks */

/* What the log says while `answers` rings get this Date. */
static char *log_of_rings(int64_t ahead_s, int answers)
{
    char date[64];
    time_t at = (time_t)(time(NULL) + ahead_s);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&at));
    char *text = mem_format("HTTP/1.1 201 Created\r\nDate: %s\r\nContent-Length: 0\r\n\r\n", date);
    server.text = text;
    FILE *file = tmpfile();
    int stderr_fd = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    for (int i = 0; i < answers; i++)
        ring_once();
    dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    free(text);
    static char log[4096];
    rewind(file);
    size_t length = fread(log, 1, sizeof log - 1, file);
    log[length] = '\0';
    fclose(file);
    return log;
}

static int count_of(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

START_TEST(a_clock_that_differs_is_told_once_and_when_it_is_right_again)
{
    begin();
    ck_assert_str_eq(log_of_rings(200, 3), "");
    const char *log = log_of_rings(700, 5);
    ck_assert_int_eq(count_of(log, "\n"), 1);
    ck_assert_int_eq(count_of(log, entry), 1);
    ck_assert_int_eq(count_of(log, "warn"), 1);
    ck_assert_int_eq(count_of(log, " is 11 min ahead of ours."), 1);
    ck_assert_int_eq(count_of(log, "this machine's date and time"), 1);
    log = log_of_rings(0, 3);
    ck_assert_int_eq(count_of(log, "\n"), 1);
    ck_assert_int_eq(count_of(log, "info"), 1);
    ck_assert_int_eq(count_of(log, "Our clock is right by that of"), 1);
    log = log_of_rings(-3 * 24 * 3600 - 60, 1);
    ck_assert_int_eq(count_of(log, " is 3 days behind ours."), 1);
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

UNIT_MAIN(
    "push", a_request_is_just_what_molly_and_the_servers_expect, rings_are_alike_byte_for_byte,
    with_the_phones_keys_only_size_and_topic_are_left_to_see,
    a_topic_depends_on_the_endpoints_secret_alone,
    a_request_is_written_in_the_turn_of_the_loop_that_sent_it, an_answer_becomes_a_verdict,
    a_redirect_is_not_followed, a_server_that_never_answers_is_given_up_at_the_deadline,
    a_handshake_that_never_ends_is_given_up_at_the_connect_deadline,
    a_port_where_nobody_listens_cannot_be_reached, too_few_file_descriptors_are_our_own_trouble,
    an_endless_answer_is_cut_and_judged_by_its_status, what_is_no_http_is_a_broken_answer,
    connections_are_kept, a_reset_on_a_kept_connection_is_tried_once_more_at_once,
    a_reset_of_the_further_try_is_the_end, a_close_of_the_further_try_is_the_end,
    many_dead_connections_are_still_one_further_try,
    a_reset_on_a_fresh_connection_is_not_tried_again,
    a_request_whose_answer_began_is_not_tried_again,
    an_answer_counts_though_a_reset_follows_it_at_once,
    a_connection_that_the_server_closed_meanwhile_costs_nothing,
    after_a_401_a_fresh_token_is_tried_once_on_a_fresh_connection,
    autopushs_first_kind_of_endpoint_is_tried_once_without_a_token,
    a_certificate_of_push_ca_file_is_trusted, an_unknown_certificate_is_refused,
    a_certificate_for_another_name_is_refused,
    a_root_that_a_reload_takes_away_is_not_trusted_any_more,
    trust_needs_the_systems_roots_or_a_file, a_private_address_is_refused_without_an_entry,
    an_address_that_is_refused_is_tried_again_sooner_than_settings_that_forbid,
    the_sockets_address_decides_for_new_and_for_kept_connections, curl_never_looks_a_name_up,
    a_push_server_may_be_elsewhere_and_keeps_its_name, its_certificate_is_checked_for_that_name,
    no_other_origin_is_led_to_that_place, a_reload_leads_what_is_on_its_way_to_the_new_place,
    a_reload_leads_what_is_being_looked_up_to_the_new_place_and_a_failure_names_it,
    headers_of_the_operator_go_to_their_origin_alone_beside_the_token,
    a_login_of_the_operator_takes_the_place_of_the_token_and_is_not_tried_twice,
    what_an_endpoint_carries_takes_the_place_of_the_token_and_is_not_tried_twice,
    what_an_endpoint_carries_wins_over_the_operators_login_and_leaves_other_headers,
    an_answer_that_repeats_what_an_endpoint_carries_is_not_quoted,
    headers_are_read_again_on_reload_and_kept_where_they_cannot_be, a_name_may_end_in_a_dot,
    the_next_address_is_tried_where_one_does_not_answer,
    each_request_goes_to_the_addresses_that_it_was_given, numeric_endpoints_work_for_both_families,
    an_ipv6_address_of_a_name_works, a_name_that_is_not_at_hand_is_looked_up,
    a_proxy_of_the_environment_is_not_used, four_at_a_time_go_to_an_origin_in_order,
    endpoints_that_never_worked_go_one_at_a_time, failing_endpoints_leave_room_for_healthy_ones,
    what_exceeds_the_allowance_of_public_ntfy_is_sent_when_it_may, second_tries_count_as_well,
    origins_that_the_operator_names_do_not_share_the_limits_of_their_address,
    rings_for_a_server_that_is_down_wait_until_it_answers,
    a_server_that_is_down_is_tried_again_by_itself,
    a_test_push_to_a_server_that_is_down_fails_at_once_and_says_why,
    a_test_push_that_waits_is_given_up_when_the_server_goes_down,
    failures_of_one_endpoint_alone_do_not_stop_the_others_of_its_origin,
    failures_of_several_phones_are_the_servers_and_their_verdicts_say_so,
    what_is_accepted_after_a_failure_of_the_server_is_told,
    a_server_that_moved_while_it_was_down_is_found,
    a_probe_can_be_cancelled_while_its_name_is_looked_up,
    a_name_that_is_gone_keeps_a_server_that_is_down_closed,
    public_ntfy_is_one_origin_however_its_name_and_scheme_are_written,
    a_token_for_public_ntfy_names_the_endpoints_own_origin, the_operator_sees_how_each_origin_fares,
    that_a_request_began_is_said_once_when_it_leaves_the_queue,
    a_clock_that_differs_is_told_once_and_when_it_is_right_again,
    a_refused_endpoint_is_told_in_a_turn_of_its_own,
    a_request_can_be_cancelled_while_its_name_is_looked_up,
    a_request_can_be_cancelled_while_it_waits_and_while_it_runs,
    a_request_can_be_cancelled_in_its_further_try,
    a_request_that_has_ended_can_be_cancelled_before_it_is_told,
    a_verdict_may_cancel_another_request_and_send_a_new_one, all_can_be_given_up_in_every_phase,
    a_reload_refuses_what_still_waits)
