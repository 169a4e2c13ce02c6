/* The floor: websockets and pushes on the libraries that Doorbell uses, with the same settings, and
 * nothing else: no accounts, no store, no policy, no queue. Usage: bare COUNT PORT CA [PUSH_URL].
 * Opens COUNT websockets, says "settled" once all are idle and their memory was given back, and
 * with a PUSH_URL posts there for each message. Ends on SIGTERM. Without words: names the versions
 * of its libraries. */
#include <curl/curl.h>
#include <libwebsockets.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum {
    RX_BUFFER_SIZE = 512,
    SERVICE_BUFFER_SIZE = 2048,
    HEADERS_MAX = 16 * 1024,
    DESCRIPTORS = 11024, /* what Doorbell asks for by default */
    IN_FLIGHT = 64,      /* handshakes */
    IDLE_AFTER_MS = 1000,
    NEVER_SECONDS = 600,
    TRANSFERS = 64,
    CONNECTIONS = 4, /* to one push server */
    CURL_BUFFER_SIZE = 4096,
    CURL_UPLOAD_SIZE = 16384,
    ANSWER_SIZE = 13,
};

static const char message_path[] = "/api/v1/message";
static const char body[] = "{\"urgent\":true}";
/* A response: id 1, status 200, "OK". */
static const unsigned char answer[ANSWER_SIZE] = {0x08, 0x02, 0x1a, 0x09, 0x08, 0x01, 0x10,
                                                  0xc8, 0x01, 0x1a, 0x02, 'O',  'K'};

struct bare;

struct link {
    struct bare *bare;
    struct lws *wsi;
    bool is_drained;
};

struct transfer {
    CURL *easy;
    struct link *link; /* whose message it is for; NULL: idle */
};

struct bare {
    uv_loop_t loop;
    uv_timer_t idle, timeout;
    uv_signal_t end;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct link *links;
    size_t count, started, drained;
    int port;
    CURLM *multi;
    struct transfer transfers[TRANSFERS];
};

static void die(const char *what)
{
    fprintf(stderr, "bare: %s failed\n", what);
    exit(1);
}

/* Pushes */

static void report_ended(struct bare *bare)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(bare->multi, &left))) {
        struct transfer *transfer;
        if (message->data.result != CURLE_OK)
            die(curl_easy_strerror(message->data.result));
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(bare->multi, transfer->easy);
        lws_callback_on_writable(transfer->link->wsi);
        transfer->link = NULL;
    }
}

static void post(struct bare *bare, struct link *link)
{
    struct transfer *transfer = bare->transfers;
    while (transfer->link)
        if (++transfer == bare->transfers + TRANSFERS)
            die("keeping up");
    int running;
    transfer->link = link;
    curl_multi_add_handle(bare->multi, transfer->easy);
    curl_multi_socket_action(bare->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct bare *bare = poll->loop->data;
    int fd, running, what = status < 0 ? CURL_CSELECT_ERR : 0;
    what |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    what |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    uv_fileno((uv_handle_t *)poll, &fd);
    curl_multi_socket_action(bare->multi, fd, what, &running);
    report_ended(bare);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct bare *bare = arg;
    uv_poll_t *poll = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (poll)
            uv_close((uv_handle_t *)poll, on_poll_closed);
        return 0;
    }
    if (!poll) {
        poll = calloc(1, sizeof *poll);
        if (!poll || uv_poll_init_socket(&bare->loop, poll, fd) != 0)
            die("uv_poll_init_socket");
        curl_multi_assign(bare->multi, fd, poll);
    }
    uv_poll_start(
        poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
        on_ready);
    return 0;
}

static void on_timeout(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    int running;
    curl_multi_socket_action(bare->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    report_ended(bare);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct bare *bare = arg;
    if (timeout_ms < 0)
        uv_timer_stop(&bare->timeout);
    else
        uv_timer_start(&bare->timeout, on_timeout, (uint64_t)timeout_ms, 0);
    return 0;
}

static struct curl_slist *make_headers(void)
{
    /* As long as a real one: a token, a signature and a key. */
    char authorization[320] = "Authorization: vapid t=";
    memset(authorization + strlen(authorization), 'a', sizeof authorization - 40);
    const char *lines[] = {authorization,
                           "Topic: mollysocket",
                           "Content-Type: application/json",
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

static void start_pushing(struct bare *bare, const char *url, const char *ca)
{
    struct curl_slist *headers = make_headers();
    bare->multi = curl_multi_init();
    curl_multi_setopt(bare->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(bare->multi, CURLMOPT_SOCKETDATA, bare);
    curl_multi_setopt(bare->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(bare->multi, CURLMOPT_TIMERDATA, bare);
    curl_multi_setopt(bare->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS);
    for (size_t i = 0; i < TRANSFERS; i++) {
        struct transfer *transfer = &bare->transfers[i];
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

/* Links */

static void start_links(struct bare *bare)
{
    while (bare->started < bare->count && bare->started - bare->drained < IN_FLIGHT) {
        struct link *link = &bare->links[bare->started++];
        struct lws_client_connect_info info = {
            .context = bare->context,
            .vhost = bare->vhost,
            .address = "127.0.0.1",
            .port = bare->port,
            .path = "/v1/websocket/",
            .host = "localhost",
            .local_protocol_name = "signal",
            .alpn = "http/1.1",
            .ssl_connection = LCCSCF_USE_SSL,
            .userdata = link,
            .ietf_version_or_minus_one = -1,
        };
        link->bare = bare;
        if (!lws_client_connect_via_info(&info))
            die("lws_client_connect_via_info");
    }
}

static void on_idle(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    for (size_t i = 0; i < bare->count; i++)
        SSL_free_buffers(lws_get_ssl(bare->links[i].wsi));
    malloc_trim(0);
    puts("settled");
    fflush(stdout);
}

static int on_writable(struct lws *wsi)
{
    unsigned char frame[LWS_PRE + ANSWER_SIZE];
    memcpy(frame + LWS_PRE, answer, ANSWER_SIZE);
    return lws_write(wsi, frame + LWS_PRE, ANSWER_SIZE, LWS_WRITE_BINARY) < 0 ? -1 : 0;
}

static void on_drained(struct link *link, struct lws *wsi)
{
    struct bare *bare = link->bare;
    link->wsi = wsi;
    link->is_drained = true;
    lws_callback_on_writable(wsi);
    if (++bare->drained == bare->count)
        uv_timer_start(&bare->idle, on_idle, IDLE_AFTER_MS, 0);
    start_links(bare);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t length)
{
    struct link *link = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (!link->is_drained)
            on_drained(link, wsi);
        else if (link->bare->multi && memmem(in, length, message_path, strlen(message_path)))
            post(link->bare, link);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return link->is_drained ? on_writable(wsi) : 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        die("a handshake");
        return -1;
    default:
        return 0;
    }
}

static SSL_CTX *make_tls(const char *ca)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_file(tls, ca) != 1)
        die("the CA file");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return tls;
}

static void make_context(struct bare *bare, SSL_CTX *tls)
{
    static const struct lws_protocols protocols[] = {
        {.name = "signal", .callback = on_lws, .rx_buffer_size = RX_BUFFER_SIZE},
        {.name = NULL},
    };
    static const lws_retry_bo_t no_pings;
    void *loops[] = {&bare->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .foreign_loops = loops,
        .pt_serv_buf_size = SERVICE_BUFFER_SIZE,
        .max_http_header_data = HEADERS_MAX,
        .timeout_secs = NEVER_SECONDS,
        .connect_timeout_secs = NEVER_SECONDS,
        .timeout_secs_ah_idle = NEVER_SECONDS,
        .retry_and_idle_policy = &no_pings,
        .vhost_name = "signal",
        .alpn = "http/1.1",
        .provided_client_ssl_ctx = tls,
    };
#ifdef LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE
    info.options |= LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE;
#endif
    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    bare->context = lws_create_context(&info);
    if (!bare->context || !(bare->vhost = lws_create_vhost(bare->context, &info)))
        die("libwebsockets");
}

static void on_end(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static void make_loop(struct bare *bare)
{
    uv_loop_init(&bare->loop);
    bare->loop.data = bare;
    uv_timer_init(&bare->loop, &bare->idle);
    uv_timer_init(&bare->loop, &bare->timeout);
    uv_signal_init(&bare->loop, &bare->end);
    bare->idle.data = bare->timeout.data = bare;
    uv_signal_start(&bare->end, on_end, SIGTERM);
}

static void print_versions(void)
{
    printf("OpenSSL %s, libwebsockets %d.%d.%d, libcurl %s, libuv %s\n",
           OpenSSL_version(OPENSSL_VERSION_STRING), LWS_LIBRARY_VERSION_MAJOR,
           LWS_LIBRARY_VERSION_MINOR, LWS_LIBRARY_VERSION_PATCH,
           curl_version_info(CURLVERSION_NOW)->version, uv_version_string());
}

int main(int count, char **words)
{
    static struct bare bare;
    struct rlimit limit;
    if (count < 4) {
        print_versions();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    unsetenv("http_proxy");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    bare.count = strtoul(words[1], NULL, 10);
    bare.port = (int)strtol(words[2], NULL, 10);
    bare.links = calloc(bare.count + 1, sizeof *bare.links);
    make_loop(&bare);
    make_context(&bare, make_tls(words[3]));
    if (count > 4)
        start_pushing(&bare, words[4], words[3]);
    start_links(&bare);
    if (bare.count == 0)
        uv_timer_start(&bare.idle, on_idle, 0, 0);
    uv_run(&bare.loop, UV_RUN_DEFAULT);
    return 0;
}
