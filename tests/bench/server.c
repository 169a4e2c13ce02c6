/* The other side of the bench: a messenger's server that holds many idle websockets and sends
 * messages on command, and a push server that answers 201. It trusts its clients, which are the
 * bench's own. Usage: server CHAIN KEY. Says "ports LINKS PUSHES", then obeys lines on standard
 * input: links                       says "links N": those whose queue/empty was answered ring
 * COUNT MICROSECONDS     sends COUNT messages, one account after the other, so far apart; says
 * "rung COUNT PUSHES" once as many pushes came, or 2 s after the last Ends with its input. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    LINKS_MAX = 20000,
    INPUT_SIZE = 4096,
    FRAME_MAX = 1024,
    CONTENT_SIZE = 200, /* of a message's ciphertext */
    EVENTS_MAX = 256,
    BACKLOG = 4096,
    LAST_PUSH_MICROSECONDS = 2000000,
};

enum { OPCODE_BINARY = 2, OPCODE_CLOSE = 8 };
enum { TYPE_REQUEST = 1, TYPE_RESPONSE = 2 };

struct server;

struct source {
    void (*ready)(struct server *server, struct source *source);
    int fd;
};

struct peer {
    struct source source;
    SSL *ssl;
    bool is_link, is_open, has_answered;
    size_t used;
    uint8_t input[INPUT_SIZE];
};

struct server {
    SSL_CTX *tls;
    int epoll;
    struct source links, pushes, commands, timer;
    struct peer *open[LINKS_MAX]; /* websockets, in the order in which they came */
    size_t open_count, answered_count;
    size_t next, to_send, sent, pushed;
    bool finishing; /* all was sent, the last pushes are awaited */
    uint64_t id;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct server *server, struct source *source, int fd,
                  void (*ready)(struct server *, struct source *))
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    source->fd = fd;
    source->ready = ready;
    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void forget_link(struct server *server, struct peer *peer)
{
    for (size_t i = 0; i < server->open_count; i++)
        if (server->open[i] == peer) {
            server->open[i] = server->open[--server->open_count];
            server->answered_count -= peer->has_answered;
            return;
        }
}

static void hang_up(struct server *server, struct peer *peer)
{
    forget_link(server, peer);
    SSL_free(peer->ssl);
    close(peer->source.fd);
    free(peer);
}

/* Small pieces to clients that read: a socket that takes none is a fault of the bench. */
static void send_all(struct peer *peer, const void *bytes, size_t length)
{
    if (SSL_write(peer->ssl, bytes, (int)length) != (int)length)
        fputs("server: a client does not read\n", stderr);
}

/* Messages of the resource protocol: a type, then a request or a response. */

struct piece {
    uint8_t bytes[FRAME_MAX];
    size_t length;
};

static void put_number(struct piece *piece, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        piece->bytes[piece->length++] = (uint8_t)(value | 0x80);
    piece->bytes[piece->length++] = (uint8_t)value;
}

static void put_field(struct piece *piece, unsigned field, uint64_t value)
{
    put_number(piece, field << 3);
    put_number(piece, value);
}

static void put_bytes(struct piece *piece, unsigned field, const void *bytes, size_t length)
{
    put_number(piece, field << 3 | 2);
    put_number(piece, length);
    memcpy(piece->bytes + piece->length, bytes, length);
    piece->length += length;
}

static void put_text(struct piece *piece, unsigned field, const char *text)
{
    put_bytes(piece, field, text, strlen(text));
}

static void send_message(struct peer *peer, unsigned type, const struct piece *inner)
{
    struct piece message = {.length = 0};
    put_field(&message, 1, type);
    put_bytes(&message, type == TYPE_REQUEST ? 2 : 3, inner->bytes, inner->length);
    uint8_t frame[4 + FRAME_MAX] = {0x80 | OPCODE_BINARY};
    size_t head = message.length < 126 ? 2 : 4;
    frame[1] = (uint8_t)(head == 2 ? message.length : 126);
    if (head == 4) {
        frame[2] = (uint8_t)(message.length >> 8);
        frame[3] = (uint8_t)message.length;
    }
    memcpy(frame + head, message.bytes, message.length);
    send_all(peer, frame, head + message.length);
}

static void send_request(struct server *server, struct peer *peer, const char *path,
                         const struct piece *body)
{
    struct piece request = {.length = 0};
    put_text(&request, 1, "PUT");
    put_text(&request, 2, path);
    if (body)
        put_bytes(&request, 3, body->bytes, body->length);
    put_field(&request, 4, ++server->id);
    put_text(&request, 5, "X-Signal-Timestamp:1750000000002");
    send_message(peer, TYPE_REQUEST, &request);
}

/* An urgent sealed-sender envelope. */
static void send_envelope(struct server *server, struct peer *peer)
{
    uint8_t content[CONTENT_SIZE] = {0}, guid[16] = {1};
    struct piece envelope = {.length = 0};
    put_field(&envelope, 1, 6);
    put_field(&envelope, 5, 1750000000000);
    put_bytes(&envelope, 8, content, sizeof content);
    put_field(&envelope, 10, 1750000000001);
    put_field(&envelope, 14, 1);
    put_bytes(&envelope, 21, guid, sizeof guid);
    send_request(server, peer, "/api/v1/message", &envelope);
}

/* Links */

static void accept_upgrade(struct server *server, struct peer *peer)
{
    static const char name[] = "sec-websocket-key:",
                      suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char joined[64], accepted[64], answer[256], key[32] = "";
    const char *at = strcasestr((const char *)peer->input, name);
    if (!at || sscanf(at + strlen(name), " %31s", key) != 1 || server->open_count == LINKS_MAX) {
        hang_up(server, peer);
        return;
    }
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_length;
    int length = snprintf(joined, sizeof joined, "%.24s%s", key, suffix);
    EVP_Digest(joined, (size_t)length, hash, &hash_length, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accepted, hash, (int)hash_length);
    length =
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 101 Switching Protocols\r\nX-Signal-Timestamp: 1750000000000\r\n"
                 "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                 accepted);
    peer->is_open = true;
    peer->used = 0;
    server->open[server->open_count++] = peer;
    send_all(peer, answer, (size_t)length);
    send_request(server, peer, "/api/v1/queue/empty", NULL);
}

static uint64_t take_number(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

/* The id of a request, whose other fields all carry their length. */
static uint64_t request_id(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint64_t tag = take_number(&at, end), value = take_number(&at, end);
        if (tag == (4 << 3 | 0))
            return value;
        if (value > (uint64_t)(end - at))
            break;
        at += value;
    }
    return 0;
}

static void on_message(struct server *server, struct peer *peer, const uint8_t *message,
                       size_t length)
{
    if (length < 4 || message[1] == TYPE_RESPONSE) {
        server->answered_count += !peer->has_answered;
        peer->has_answered = true;
        return;
    }
    struct piece answer = {.length = 0};
    put_field(&answer, 1, request_id(message + 4, message + length));
    put_field(&answer, 2, 200);
    put_text(&answer, 3, "OK");
    send_message(peer, TYPE_RESPONSE, &answer);
}

/* True: a frame was taken off the input. */
static bool take_frame(struct server *server, struct peer *peer)
{
    enum { HEAD = 2, MASK = 4 };
    uint8_t *input = peer->input;
    if (peer->used < HEAD)
        return false;
    size_t length = input[1] & 0x7f, whole = HEAD + MASK + length;
    if ((input[0] & 0xf) == OPCODE_CLOSE || length > 125) {
        hang_up(server, peer);
        return false;
    }
    if (peer->used < whole)
        return false;
    for (size_t i = 0; i < length; i++)
        input[HEAD + MASK + i] ^= input[HEAD + i % MASK];
    if ((input[0] & 0xf) == OPCODE_BINARY)
        on_message(server, peer, input + HEAD + MASK, length);
    peer->used -= whole;
    memmove(input, input + whole, peer->used);
    return true;
}

static void on_link_input(struct server *server, struct peer *peer)
{
    if (peer->is_open) {
        while (take_frame(server, peer))
            ;
    } else if (memmem(peer->input, peer->used, "\r\n\r\n", 4)) {
        accept_upgrade(server, peer);
    }
}

/* Pushes */

static void report_rung(struct server *server)
{
    printf("rung %zu %zu\n", server->sent, server->pushed);
    server->sent = server->to_send = server->pushed = 0;
    server->finishing = false;
    timerfd_settime(server->timer.fd, 0, &(struct itimerspec){.it_value.tv_sec = 0}, NULL);
}

static void on_push_input(struct server *server, struct peer *peer)
{
    static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    static const char name[] = "content-length:";
    const char *end = memmem(peer->input, peer->used, "\r\n\r\n", 4);
    const char *length = strcasestr((const char *)peer->input, name);
    if (!end || !length)
        return;
    size_t whole = (size_t)(end + 4 - (const char *)peer->input) +
                   (size_t)strtoul(length + strlen(name), NULL, 10);
    if (peer->used < whole)
        return;
    peer->used = 0;
    send_all(peer, answer, strlen(answer));
    server->pushed++;
    if (server->finishing && server->pushed == server->sent)
        report_rung(server);
}

/* Peers */

static void on_peer(struct server *server, struct source *source)
{
    struct peer *peer = (struct peer *)source;
    for (;;) {
        size_t room = sizeof peer->input - 1 - peer->used;
        int length = SSL_read(peer->ssl, peer->input + peer->used, (int)room);
        if (length <= 0) {
            if (SSL_get_error(peer->ssl, length) != SSL_ERROR_WANT_READ)
                hang_up(server, peer);
            return;
        }
        peer->used += (size_t)length;
        peer->input[peer->used] = '\0';
        if (SSL_pending(peer->ssl) == 0)
            break;
    }
    if (peer->is_link)
        on_link_input(server, peer);
    else
        on_push_input(server, peer);
}

static void on_listener(struct server *server, struct source *source)
{
    int fd;
    while ((fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = calloc(1, sizeof *peer);
        if (!peer)
            die("calloc");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        peer->ssl = SSL_new(server->tls);
        peer->is_link = source == &server->links;
        SSL_set_fd(peer->ssl, fd);
        SSL_set_accept_state(peer->ssl);
        watch(server, &peer->source, fd, on_peer);
    }
}

static unsigned listen_at(struct server *server, struct source *source)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    watch(server, source, fd, on_listener);
    return ntohs(address.sin_port);
}

/* Commands */

static void set_timer(struct server *server, long microseconds)
{
    struct timespec wait = {.tv_sec = microseconds / 1000000,
                            .tv_nsec = microseconds % 1000000 * 1000};
    timerfd_settime(server->timer.fd, 0, &(struct itimerspec){wait, wait}, NULL);
}

static void on_timer(struct server *server, struct source *source)
{
    uint64_t expirations;
    if (read(source->fd, &expirations, sizeof expirations) != sizeof expirations)
        return;
    if (server->finishing || server->open_count == 0) {
        report_rung(server);
        return;
    }
    send_envelope(server, server->open[server->next++ % server->open_count]);
    if (++server->sent == server->to_send) {
        server->finishing = true;
        set_timer(server, LAST_PUSH_MICROSECONDS);
    }
}

static void on_command(struct server *server, struct source *source)
{
    char line[128];
    long microseconds;
    ssize_t length = read(source->fd, line, sizeof line - 1);
    if (length <= 0)
        exit(0);
    line[length] = '\0';
    if (strncmp(line, "links", 5) == 0)
        printf("links %zu\n", server->answered_count);
    else if (server->open_count &&
             sscanf(line, "ring %zu %ld", &server->to_send, &microseconds) == 2)
        set_timer(server, microseconds);
    else
        printf("what?\n");
}

static SSL_CTX *make_tls(const char *chain, const char *key)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, chain) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        fputs("server: the certificate or its key cannot be used\n", stderr);
        exit(1);
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

static void run(struct server *server)
{
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(server->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct source *source = events[i].data.ptr;
            source->ready(server, source);
        }
    }
}

int main(int count, char **words)
{
    static struct server server;
    struct rlimit limit;
    if (count != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    server.tls = make_tls(words[1], words[2]);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    unsigned links = listen_at(&server, &server.links);
    unsigned pushes = listen_at(&server, &server.pushes);
    watch(&server, &server.commands, STDIN_FILENO, on_command);
    watch(&server, &server.timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
          on_timer);
    printf("ports %u %u\n", links, pushes);
    run(&server);
}
