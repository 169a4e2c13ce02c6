/* The other side of the bench: a messenger's server that holds many idle websockets, over HTTP/1.1
 * and in streams of HTTP/2 (RFC 8441), and sends messages on command; and a push server that
 * answers 201. It trusts its clients, which are the bench's own. Usage: server CHAIN KEY. Says
 * "ports HTTP1 HTTP2 PUSHES", then obeys lines on standard input:
 *
 * open: lets in whoever wants a websocket; says "open".
 * shut: hangs up on all who have one, and is not there for others until it opens again; says
 * "shut". links: says "links COUNT KEEPALIVES ANSWERS": those whose queue/empty was answered, how
 * often a client said that it is alive, and how often one answered. ring COUNT MICROSECONDS: sends
 * COUNT messages, one account after the other, so far apart; says "rung COUNT PUSHES ENDPOINTS"
 * once as many pushes came, or 2 s after the last; ENDPOINTS is to how many different ones.
 *
 * Ends with its input. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
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
    LINKS_MAX = 120000,
    INPUT_SIZE = 4096,
    FRAMES_SIZE = 256, /* of what a client sends: answers and keep-alives */
    STREAMS_MAX = 100, /* as Signal has it */
    HEADER_LIST_MAX = 8192,
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

struct link;

struct peer {
    struct source source;
    struct server *server;
    struct peer *next, *previous; /* in a ring of all that speak to the messenger */
    SSL *ssl;
    nghttp2_session *session; /* HTTP/2 */
    struct link *link;        /* HTTP/1.1, once it is open */
    void (*on_input)(struct server *server, struct peer *peer);
    bool is_over; /* to be hung up on */
    size_t used;
    uint8_t input[INPUT_SIZE];
};

/* A websocket, with a connection or a stream of its own. */
struct link {
    struct peer *peer;
    size_t place;   /* among those that are open */
    int32_t stream; /* 0: HTTP/1.1 */
    bool has_answered;
    uint8_t *out; /* frames that its stream has not taken yet */
    size_t out_length, used;
    uint8_t input[FRAMES_SIZE];
};

struct server {
    SSL_CTX *tls;
    int epoll;
    struct source http1, http2, pushes, commands, timer;
    struct peer peers; /* the ring */
    unsigned ports[2]; /* of http1, http2 */
    struct link *open[LINKS_MAX];
    size_t open_count, answered_count, keepalives, answers;
    bool is_rung[LINKS_MAX]; /* by the number in an endpoint's path */
    size_t rung_count;
    size_t next, to_send, sent, pushed;
    bool finishing; /* all was sent, the last pushes are awaited */
    bool shutting;  /* once the events at hand are dealt with, which may be of those who go */
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

/* Small pieces to clients that read: a socket that takes none is a fault of the bench. */
static void send_all(struct peer *peer, const void *bytes, size_t length)
{
    if (SSL_write(peer->ssl, bytes, (int)length) != (int)length)
        fputs("server: a client does not read\n", stderr);
}

/* What nghttp2 has to say. */
static void flush(struct peer *peer)
{
    const uint8_t *bytes;
    ssize_t length;
    while ((length = nghttp2_session_mem_send(peer->session, &bytes)) > 0)
        send_all(peer, bytes, (size_t)length);
}

/* Links */

static struct link *add_link(struct server *server, struct peer *peer, int32_t stream)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link || server->open_count == LINKS_MAX)
        die("another link");
    link->peer = peer;
    link->stream = stream;
    link->place = server->open_count++;
    server->open[link->place] = link;
    return link;
}

static void remove_link(struct server *server, struct link *link)
{
    struct link *last = server->open[--server->open_count];
    server->open[link->place] = last;
    last->place = link->place;
    server->answered_count -= link->has_answered;
    free(link->out);
    free(link);
}

/* In a stream it goes out with the next flush. */
static void send_frames(struct link *link, const uint8_t *bytes, size_t length)
{
    if (!link->stream) {
        send_all(link->peer, bytes, length);
        return;
    }
    link->out = realloc(link->out, link->out_length + length);
    if (!link->out)
        die("realloc");
    memcpy(link->out + link->out_length, bytes, length);
    link->out_length += length;
    nghttp2_session_resume_data(link->peer->session, link->stream);
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

static void send_message(struct link *link, unsigned type, const struct piece *inner)
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
    send_frames(link, frame, head + message.length);
}

static void send_request(struct server *server, struct link *link, const char *path,
                         const struct piece *body)
{
    struct piece request = {.length = 0};
    put_text(&request, 1, "PUT");
    put_text(&request, 2, path);
    if (body)
        put_bytes(&request, 3, body->bytes, body->length);
    put_field(&request, 4, ++server->id);
    put_text(&request, 5, "X-Signal-Timestamp:1750000000002");
    send_message(link, TYPE_REQUEST, &request);
}

/* An urgent sealed-sender envelope. */
static void send_envelope(struct server *server, struct link *link)
{
    uint8_t content[CONTENT_SIZE] = {0}, guid[16] = {1};
    struct piece envelope = {.length = 0};
    put_field(&envelope, 1, 6);
    put_field(&envelope, 5, 1750000000000);
    put_bytes(&envelope, 8, content, sizeof content);
    put_field(&envelope, 10, 1750000000001);
    put_field(&envelope, 14, 1);
    put_bytes(&envelope, 21, guid, sizeof guid);
    send_request(server, link, "/api/v1/message", &envelope);
    if (link->stream)
        flush(link->peer);
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

static void on_message(struct server *server, struct link *link, const uint8_t *message,
                       size_t length)
{
    if (length < 4 || message[1] == TYPE_RESPONSE) {
        server->answered_count += !link->has_answered;
        link->has_answered = true;
        server->answers++;
        return;
    }
    struct piece answer = {.length = 0};
    put_field(&answer, 1, request_id(message + 4, message + length));
    put_field(&answer, 2, 200);
    put_text(&answer, 3, "OK");
    send_message(link, TYPE_RESPONSE, &answer);
    server->keepalives++;
}

/* 1: a frame was taken off the input; 0: there is none; -1: the client leaves. */
static int take_frame(struct server *server, struct link *link)
{
    enum { HEAD = 2, MASK = 4 };
    uint8_t *input = link->input;
    if (link->used < HEAD)
        return 0;
    size_t length = input[1] & 0x7f, whole = HEAD + MASK + length;
    if ((input[0] & 0xf) == OPCODE_CLOSE || length > 125)
        return -1;
    if (link->used < whole)
        return 0;
    for (size_t i = 0; i < length; i++)
        input[HEAD + MASK + i] ^= input[HEAD + i % MASK];
    if ((input[0] & 0xf) == OPCODE_BINARY)
        on_message(server, link, input + HEAD + MASK, length);
    link->used -= whole;
    memmove(input, input + whole, link->used);
    return 1;
}

/* False: the client leaves. */
static bool take_frames(struct server *server, struct link *link, const uint8_t *bytes,
                        size_t length)
{
    while (length) {
        size_t room = sizeof link->input - link->used, taken = length < room ? length : room;
        memcpy(link->input + link->used, bytes, taken);
        link->used += taken;
        bytes += taken;
        length -= taken;
        int result;
        while ((result = take_frame(server, link)) > 0)
            ;
        if (result < 0)
            return false;
    }
    return true;
}

/* HTTP/1.1 */

static void accept_upgrade(struct server *server, struct peer *peer)
{
    static const char name[] = "sec-websocket-key:",
                      suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char joined[64], accepted[64], answer[256], key[32] = "";
    const char *at = strcasestr((const char *)peer->input, name);
    if (!at || sscanf(at + strlen(name), " %31s", key) != 1) {
        peer->is_over = true;
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
    send_all(peer, answer, (size_t)length);
    peer->used = 0;
    peer->link = add_link(server, peer, 0);
    send_request(server, peer->link, "/api/v1/queue/empty", NULL);
}

static void on_http1_input(struct server *server, struct peer *peer)
{
    if (peer->link) {
        peer->is_over = !take_frames(server, peer->link, peer->input, peer->used);
        peer->used = 0;
    } else if (memmem(peer->input, peer->used, "\r\n\r\n", 4)) {
        accept_upgrade(server, peer);
    }
}

/* HTTP/2. A stream's data is its link. */

static ssize_t on_wanted(nghttp2_session *session, int32_t stream, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session, (void)stream, (void)flags, (void)arg;
    struct link *link = source->ptr;
    if (!link->out_length)
        return NGHTTP2_ERR_DEFERRED;
    size_t taken = length < link->out_length ? length : link->out_length;
    memcpy(to, link->out, taken);
    link->out_length -= taken;
    memmove(link->out, link->out + taken, link->out_length);
    return (ssize_t)taken;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

/* Whatever is asked for is taken for a websocket's CONNECT. */
static void on_asked(struct peer *peer, int32_t stream)
{
    const nghttp2_nv fields[] = {field(":status", "200"),
                                 field("x-signal-timestamp", "1750000000000")};
    struct link *link = add_link(peer->server, peer, stream);
    nghttp2_data_provider frames = {.source.ptr = link, .read_callback = on_wanted};
    nghttp2_session_set_stream_user_data(peer->session, stream, link);
    nghttp2_submit_response(peer->session, stream, fields, sizeof fields / sizeof *fields, &frames);
    send_request(peer->server, link, "/api/v1/queue/empty", NULL);
}

static int on_h2_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    if (frame->hd.type == NGHTTP2_HEADERS)
        on_asked(arg, frame->hd.stream_id);
    else if (frame->hd.type == NGHTTP2_DATA && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_CANCEL);
    return 0;
}

static int on_h2_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                      size_t length, void *arg)
{
    (void)flags;
    struct peer *peer = arg;
    struct link *link = nghttp2_session_get_stream_user_data(session, stream);
    if (!take_frames(peer->server, link, bytes, length))
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    return 0;
}

static int on_h2_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
    (void)error;
    struct peer *peer = arg;
    struct link *link = nghttp2_session_get_stream_user_data(session, stream);
    if (link)
        remove_link(peer->server, link);
    return 0;
}

static void start_http2(struct peer *peer)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        die("nghttp2");
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_h2_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_h2_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_h2_close);
    if (nghttp2_session_server_new(&peer->session, callbacks, peer) != 0)
        die("nghttp2");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, settings,
                            sizeof settings / sizeof *settings);
}

static void on_http2_input(struct server *server, struct peer *peer)
{
    (void)server;
    ssize_t taken = nghttp2_session_mem_recv(peer->session, peer->input, peer->used);
    peer->used = 0;
    flush(peer);
    peer->is_over = taken < 0 || !nghttp2_session_want_read(peer->session);
}

/* Pushes */

static void set_timer(struct server *server, long microseconds)
{
    struct timespec wait = {.tv_sec = microseconds / 1000000,
                            .tv_nsec = microseconds % 1000000 * 1000};
    timerfd_settime(server->timer.fd, 0, &(struct itimerspec){wait, wait}, NULL);
}

static void report_rung(struct server *server)
{
    printf("rung %zu %zu %zu\n", server->sent, server->pushed, server->rung_count);
    server->sent = server->to_send = server->pushed = server->rung_count = 0;
    memset(server->is_rung, 0, sizeof server->is_rung);
    server->finishing = false;
    timerfd_settime(server->timer.fd, 0, &(struct itimerspec){.it_value.tv_sec = 0}, NULL);
}

static void note_endpoint(struct server *server, const struct peer *peer)
{
    static const char start[] = "POST /up/";
    size_t number = LINKS_MAX;
    if (strncmp((const char *)peer->input, start, strlen(start)) == 0)
        number = strtoul((const char *)peer->input + strlen(start), NULL, 10);
    if (number >= LINKS_MAX || server->is_rung[number])
        return;
    server->is_rung[number] = true;
    server->rung_count++;
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
    note_endpoint(server, peer);
    server->pushed++;
    if (server->finishing && server->pushed == server->sent)
        report_rung(server);
    else if (server->finishing)
        set_timer(server, LAST_PUSH_MICROSECONDS);
}

/* Peers */

static void hang_up(struct peer *peer)
{
    struct server *server = peer->server;
    if (peer->link)
        remove_link(server, peer->link);
    for (size_t i = server->open_count; peer->session && i-- > 0;)
        if (server->open[i]->peer == peer)
            remove_link(server, server->open[i]);
    peer->previous->next = peer->next;
    peer->next->previous = peer->previous;
    nghttp2_session_del(peer->session);
    SSL_free(peer->ssl);
    close(peer->source.fd);
    free(peer);
}

static void on_peer(struct server *server, struct source *source)
{
    struct peer *peer = (struct peer *)source;
    do {
        size_t room = sizeof peer->input - 1 - peer->used;
        int length = SSL_read(peer->ssl, peer->input + peer->used, (int)room);
        if (length <= 0) {
            peer->is_over = SSL_get_error(peer->ssl, length) != SSL_ERROR_WANT_READ;
            break;
        }
        peer->used += (size_t)length;
        peer->input[peer->used] = '\0';
        peer->on_input(server, peer);
    } while (!peer->is_over && SSL_pending(peer->ssl));
    if (peer->is_over)
        hang_up(peer);
}

static void join(struct server *server, struct peer *peer)
{
    peer->next = &server->peers;
    peer->previous = server->peers.previous;
    peer->previous->next = peer->next->previous = peer;
}

static void on_listener(struct server *server, struct source *source)
{
    int fd;
    while ((fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = calloc(1, sizeof *peer);
        if (!peer)
            die("calloc");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        peer->server = server;
        peer->next = peer->previous = peer;
        if (source != &server->pushes)
            join(server, peer);
        peer->ssl = SSL_new(server->tls);
        peer->on_input = source == &server->http1   ? on_http1_input
                         : source == &server->http2 ? on_http2_input
                                                    : on_push_input;
        if (source == &server->http2)
            start_http2(peer);
        SSL_set_app_data(peer->ssl, peer);
        SSL_set_fd(peer->ssl, fd);
        SSL_set_accept_state(peer->ssl);
        watch(server, &peer->source, fd, on_peer);
    }
}

/* 0: at any port. */
static unsigned listen_at(struct source *source, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    source->fd = fd;
    return ntohs(address.sin_port);
}

/* Commands */

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

static void open_doors(struct server *server)
{
    if (server->http1.fd < 0) {
        listen_at(&server->http1, server->ports[0]);
        listen_at(&server->http2, server->ports[1]);
    }
    watch(server, &server->http1, server->http1.fd, on_listener);
    watch(server, &server->http2, server->http2.fd, on_listener);
    puts("open");
}

static void shut_doors(struct server *server)
{
    close(server->http1.fd);
    close(server->http2.fd);
    server->http1.fd = server->http2.fd = -1;
    while (server->peers.next != &server->peers)
        hang_up(server->peers.next);
    server->shutting = false;
    puts("shut");
}

static void on_command(struct server *server, struct source *source)
{
    char line[128];
    long microseconds;
    ssize_t length = read(source->fd, line, sizeof line - 1);
    if (length <= 0)
        exit(0);
    line[length] = '\0';
    if (strncmp(line, "open", 4) == 0)
        open_doors(server);
    else if (strncmp(line, "shut", 4) == 0)
        server->shutting = true;
    else if (strncmp(line, "links", 5) == 0)
        printf("links %zu %zu %zu\n", server->answered_count, server->keepalives, server->answers);
    else if (server->open_count &&
             sscanf(line, "ring %zu %ld", &server->to_send, &microseconds) == 2)
        set_timer(server, microseconds);
    else
        printf("what?\n");
}

static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length,
                           const unsigned char *offered, unsigned length, void *arg)
{
    (void)offered, (void)length, (void)arg;
    const struct peer *peer = SSL_get_app_data(ssl);
    if (!peer->session)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = (const unsigned char *)"h2";
    *chosen_length = 2;
    return SSL_TLSEXT_ERR_OK;
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
    SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
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
        if (server->shutting)
            shut_doors(server);
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
    server.peers.next = server.peers.previous = &server.peers;
    server.ports[0] = listen_at(&server.http1, 0);
    server.ports[1] = listen_at(&server.http2, 0);
    unsigned pushes = listen_at(&server.pushes, 0);
    watch(&server, &server.pushes, server.pushes.fd, on_listener);
    watch(&server, &server.commands, STDIN_FILENO, on_command);
    watch(&server, &server.timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
          on_timer);
    printf("ports %u %u %u\n", server.ports[0], server.ports[1], pushes);
    run(&server);
}
