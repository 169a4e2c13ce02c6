/* What both bare clients share, whichever road their websockets take: TLS, what they say in them,
 * their keep-alives, and pushes by libcurl on their loop, with the settings that Doorbell gives it.
 */
#ifndef DOORBELL_BENCH_CLIENT_H
#define DOORBELL_BENCH_CLIENT_H

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum {
    DESCRIPTORS = 11024, /* what Doorbell asks for by default */
    IDLE_AFTER_MS = 1000,
    TRANSFERS = 64,
    CONNECTIONS = 4, /* to one push server */
    CURL_BUFFER_SIZE = 4096,
    CURL_UPLOAD_SIZE = 16384,
    FRAME_HEAD = 6, /* of a masked frame: opcode, length, mask */
};

static const char message_path[] = "/api/v1/message";
/* A response: id 1, status 200, "OK". */
static const unsigned char answer[] = {0x08, 0x02, 0x1a, 0x09, 0x08, 0x01, 0x10,
                                       0xc8, 0x01, 0x1a, 0x02, 'O',  'K'};
/* A request: GET /v1/keepalive, id 1. */
static const unsigned char keepalive[] = {0x08, 0x01, 0x12, 22,  0x0a, 3,   'G',  'E', 'T',
                                          0x12, 13,   '/',  'v', '1',  '/', 'k',  'e', 'e',
                                          'p',  'a',  'l',  'i', 'v',  'e', 0x20, 0x01};
static const char body[] = "{\"urgent\":true}";
#define CREDENTIALS                                                                                \
    "Basic MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwLjI6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NQ=="

struct transfer {
    CURL *easy;
    void *link; /* whose message it is for; NULL: idle */
};

struct pushes {
    uv_timer_t timeout;
    CURLM *multi;               /* NULL: none are wanted */
    void (*pushed)(void *link); /* what its message was for is done */
    struct transfer transfers[TRANSFERS];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bare: %s failed\n", what);
    exit(1);
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void on_end(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static void prepare(uv_loop_t *loop, uv_signal_t *end)
{
    struct rlimit limit;
    signal(SIGPIPE, SIG_IGN);
    unsetenv("http_proxy");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    uv_loop_init(loop);
    uv_signal_init(loop, end);
    uv_signal_start(end, on_end, SIGTERM);
}

/* Connections to the messenger's server */

static SSL_CTX *make_tls(const char *ca, int oldest, const unsigned char *alpn, unsigned length)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_file(tls, ca) != 1)
        die("the CA file");
    SSL_CTX_set_min_proto_version(tls, oldest);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_protos(tls, alpn, length);
    return tls;
}

/* It may block: nothing else is to be done meanwhile. What was made does not. */
static SSL *dial(SSL_CTX *tls, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    SSL *ssl = SSL_new(tls);
    if (!ssl || SSL_set1_host(ssl, "localhost") != 1 || SSL_set_fd(ssl, fd) != 1)
        die("SSL_new");
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (SSL_connect(ssl) != 1)
        die("SSL_connect");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return ssl;
}

/* Returns its length. */
static size_t put_frame(uint8_t *to, const unsigned char *message, size_t length)
{
    static const uint8_t no_mask[4];
    to[0] = 0x82;
    to[1] = (uint8_t)(0x80 | length);
    memcpy(to + 2, no_mask, sizeof no_mask);
    memcpy(to + FRAME_HEAD, message, length);
    return FRAME_HEAD + length;
}

/* One link after the other, so that each has its turn once in `every_ms` (0: never). */
static void start_keepalives(uv_timer_t *timer, uv_timer_cb say_next, size_t count,
                             uint64_t every_ms)
{
    uint64_t distance_ms = count ? every_ms / count : 0;
    if (every_ms)
        uv_timer_start(timer, say_next, distance_ms, distance_ms ? distance_ms : 1);
}

/* Pushes */

static void report_ended(struct pushes *pushes)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(pushes->multi, &left))) {
        struct transfer *transfer;
        if (message->data.result != CURLE_OK)
            die(curl_easy_strerror(message->data.result));
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(pushes->multi, transfer->easy);
        void *link = transfer->link;
        transfer->link = NULL;
        pushes->pushed(link);
    }
}

static void pushes_post(struct pushes *pushes, void *link)
{
    struct transfer *transfer = pushes->transfers;
    while (transfer->link)
        if (++transfer == pushes->transfers + TRANSFERS)
            die("keeping up");
    int running;
    transfer->link = link;
    curl_multi_add_handle(pushes->multi, transfer->easy);
    curl_multi_socket_action(pushes->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct pushes *pushes = poll->data;
    int fd, running, what = status < 0 ? CURL_CSELECT_ERR : 0;
    what |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    what |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    uv_fileno((uv_handle_t *)poll, &fd);
    curl_multi_socket_action(pushes->multi, fd, what, &running);
    report_ended(pushes);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct pushes *pushes = arg;
    uv_poll_t *poll = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (poll)
            uv_close((uv_handle_t *)poll, on_poll_closed);
        return 0;
    }
    if (!poll) {
        poll = calloc(1, sizeof *poll);
        if (!poll || uv_poll_init_socket(pushes->timeout.loop, poll, fd) != 0)
            die("uv_poll_init_socket");
        poll->data = pushes;
        curl_multi_assign(pushes->multi, fd, poll);
    }
    uv_poll_start(
        poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
        on_ready);
    return 0;
}

static void on_timeout(uv_timer_t *timer)
{
    struct pushes *pushes = timer->data;
    int running;
    curl_multi_socket_action(pushes->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    report_ended(pushes);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct pushes *pushes = arg;
    if (timeout_ms < 0)
        uv_timer_stop(&pushes->timeout);
    else
        uv_timer_start(&pushes->timeout, on_timeout, (uint64_t)timeout_ms, 0);
    return 0;
}

static struct curl_slist *make_headers(void)
{
    /* As long as Doorbell's with its default subject: a token, a signature and a key. */
    enum { AUTHORIZATION_LENGTH = 371 };
    char authorization[AUTHORIZATION_LENGTH + 1] = "Authorization: vapid t=";
    size_t begun = strlen(authorization);
    memset(authorization + begun, 'a', AUTHORIZATION_LENGTH - begun);
    const char *lines[] = {authorization,
                           "Topic: mollysocket",
                           "Content-Type: application/json",
                           ("User-Agent: Doorbell/" DOORBELL_VERSION),
                           "TTL: 2592000",
                           "Urgency: high",
                           "Content-Encoding: aes128gcm",
                           "Accept:",
                           "Expect:"};
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        list = curl_slist_append(list, lines[i]);
    return list;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

static void pushes_start(struct pushes *pushes, uv_loop_t *loop, const char *url, const char *ca,
                         void (*pushed)(void *link))
{
    uv_timer_init(loop, &pushes->timeout);
    pushes->timeout.data = pushes;
    pushes->pushed = pushed;
    struct curl_slist *headers = make_headers();
    pushes->multi = curl_multi_init();
    curl_multi_setopt(pushes->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(pushes->multi, CURLMOPT_SOCKETDATA, pushes);
    curl_multi_setopt(pushes->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(pushes->multi, CURLMOPT_TIMERDATA, pushes);
    curl_multi_setopt(pushes->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS);
    for (size_t i = 0; i < TRANSFERS; i++) {
        struct transfer *transfer = &pushes->transfers[i];
        CURL *easy = transfer->easy = curl_easy_init();
        if (!easy)
            die("curl_easy_init");
        curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)CURL_BUFFER_SIZE);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)CURL_UPLOAD_SIZE);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    }
}

#endif
