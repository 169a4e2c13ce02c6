/* The floor over HTTP/1.1: websockets and pushes on the libraries that Doorbell uses, with the same
 * settings, and nothing else: no accounts, no store, no policy, no queue. It trusts the bench's
 * server: a frame comes as a whole.
 * Usage: bare COUNT PORT CA KEEPALIVE_MS [PUSH_URL]. Says "started", opens COUNT websockets, says
 * "settled" once all are idle and their memory was given back, and with a PUSH_URL posts there for
 * each message. Ends on SIGTERM. Without words: names the versions of its libraries. */
#include <malloc.h>
#include <nghttp2/nghttp2ver.h>
#include <stdbool.h>

#include "client.h"

enum { FRAME_MAX = 64, INPUT_SIZE = 16 * 1024 };

static const char request[] = "GET /v1/websocket/ HTTP/1.1\r\nHost: localhost\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                              "authorization: " CREDENTIALS "\r\nuser-agent: bare\r\n\r\n";
static const char queue_empty[] = "/api/v1/queue/empty";

struct bare;

struct link {
    uv_poll_t poll;
    struct bare *bare;
    SSL *ssl;
    bool is_drained;
};

struct bare {
    uv_loop_t loop;
    uv_timer_t idle, keepalive;
    uv_signal_t end;
    SSL_CTX *tls;
    struct link *links;
    size_t count, started, drained, next_alive;
    uint64_t keepalive_ms;
    uint16_t port;
    struct pushes pushes;
};

static void write_all(struct link *link, const void *bytes, size_t length)
{
    if (SSL_write(link->ssl, bytes, (int)length) != (int)length)
        die("SSL_write");
}

static void write_message(struct link *link, const unsigned char *message, size_t length)
{
    uint8_t frame[FRAME_MAX];
    write_all(link, frame, put_frame(frame, message, length));
}

static void acknowledge(void *arg)
{
    write_message(arg, answer, sizeof answer);
}

static void on_keepalive(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    write_message(&bare->links[bare->next_alive++ % bare->count], keepalive, sizeof keepalive);
}

static void on_idle(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    for (size_t i = 0; i < bare->count; i++)
        SSL_free_buffers(bare->links[i].ssl);
    malloc_trim(0);
    say("settled");
    start_keepalives(&bare->keepalive, on_keepalive, bare->count, bare->keepalive_ms);
}

/* Links, one after the other */

static void start_link(struct bare *bare);

static void on_drained(struct link *link)
{
    struct bare *bare = link->bare;
    link->is_drained = true;
    acknowledge(link);
    if (++bare->drained == bare->count)
        uv_timer_start(&bare->idle, on_idle, IDLE_AFTER_MS, 0);
    else
        start_link(bare);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct link *link = poll->data;
    struct pushes *pushes = &link->bare->pushes;
    uint8_t input[INPUT_SIZE];
    int length;
    while ((length = SSL_read(link->ssl, input, sizeof input)) > 0) {
        if (!link->is_drained && memmem(input, (size_t)length, queue_empty, strlen(queue_empty)))
            on_drained(link);
        else if (pushes->multi && memmem(input, (size_t)length, message_path, strlen(message_path)))
            pushes_post(pushes, link);
    }
    if (SSL_get_error(link->ssl, length) != SSL_ERROR_WANT_READ)
        die("SSL_read");
}

static void start_link(struct bare *bare)
{
    struct link *link = &bare->links[bare->started++];
    link->bare = bare;
    link->ssl = dial(bare->tls, bare->port);
    uv_poll_init_socket(&bare->loop, &link->poll, SSL_get_fd(link->ssl));
    link->poll.data = link;
    uv_poll_start(&link->poll, UV_READABLE, on_readable);
    write_all(link, request, strlen(request));
}

static void print_versions(void)
{
    printf("OpenSSL %s, nghttp2 %s, libcurl %s, libuv %s\n",
           OpenSSL_version(OPENSSL_VERSION_STRING), NGHTTP2_VERSION,
           curl_version_info(CURLVERSION_NOW)->version, uv_version_string());
}

int main(int count, char **words)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    static struct bare bare;
    if (count < 5) {
        print_versions();
        return 0;
    }
    prepare(&bare.loop, &bare.end);
    uv_timer_init(&bare.loop, &bare.idle);
    uv_timer_init(&bare.loop, &bare.keepalive);
    bare.idle.data = bare.keepalive.data = &bare;
    bare.count = strtoul(words[1], NULL, 10);
    bare.port = (uint16_t)strtoul(words[2], NULL, 10);
    bare.keepalive_ms = strtoul(words[4], NULL, 10);
    bare.links = calloc(bare.count + 1, sizeof *bare.links);
    bare.tls = make_tls(words[3], TLS1_2_VERSION, alpn, sizeof alpn - 1);
    if (count > 5)
        pushes_start(&bare.pushes, &bare.loop, words[5], words[3], acknowledge);
    say("started");
    if (bare.count)
        start_link(&bare);
    else
        uv_timer_start(&bare.idle, on_idle, 0, 0);
    uv_run(&bare.loop, UV_RUN_DEFAULT);
    return 0;
}
