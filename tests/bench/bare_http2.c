/* The floor over HTTP/2: websockets in the streams of TLS connections (RFC 8441), a hundred in
 * each, and pushes, on the libraries that Doorbell uses, with the same settings, and nothing else.
 * It trusts the bench's server: a frame comes as a whole. Words and behaviour: as bare.c. */
#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "client.h"

enum {
    STREAMS_MAX = 100, /* in a connection */
    WINDOW = 1024 * 1024,
    HEADER_LIST_MAX = 8192,
    INPUT_SIZE = 16 * 1024,
};

struct bare;

struct connection {
    uv_poll_t poll;
    struct bare *bare;
    SSL *ssl;
    nghttp2_session *session;
};

struct link {
    struct connection *connection;
    int32_t stream;
    bool is_drained, answer_is_due, keepalive_is_due;
};

struct bare {
    uv_loop_t loop;
    uv_timer_t idle, keepalive;
    uv_signal_t end;
    SSL_CTX *tls;
    struct connection *connections;
    struct link *links;
    size_t count, started, drained, next_alive;
    uint16_t port;
    uint64_t keepalive_ms;
    struct pushes pushes;
};

static void flush(struct connection *connection)
{
    const uint8_t *bytes;
    ssize_t length;
    while ((length = nghttp2_session_mem_send(connection->session, &bytes)) > 0)
        if (SSL_write(connection->ssl, bytes, (int)length) != (int)length)
            die("SSL_write");
}

/* What a link says */

static ssize_t on_wanted(nghttp2_session *session, int32_t stream, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session, (void)stream, (void)length, (void)flags, (void)arg;
    struct link *link = source->ptr;
    size_t used = 0;
    if (link->answer_is_due)
        used += put_frame(to, answer, sizeof answer);
    if (link->keepalive_is_due)
        used += put_frame(to + used, keepalive, sizeof keepalive);
    link->answer_is_due = link->keepalive_is_due = false;
    return used ? (ssize_t)used : NGHTTP2_ERR_DEFERRED;
}

static void resume(struct link *link)
{
    nghttp2_session_resume_data(link->connection->session, link->stream);
}

static void acknowledge(void *arg)
{
    struct link *link = arg;
    link->answer_is_due = true;
    resume(link);
    flush(link->connection);
}

static void on_keepalive(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    struct link *link = &bare->links[bare->next_alive++ % bare->count];
    link->keepalive_is_due = true;
    resume(link);
    flush(link->connection);
}

/* Connections, one after the other */

static void start_connection(struct bare *bare);

static void on_idle(uv_timer_t *timer)
{
    struct bare *bare = timer->data;
    for (size_t i = 0; i * STREAMS_MAX < bare->count; i++)
        SSL_free_buffers(bare->connections[i].ssl);
    malloc_trim(0);
    say("settled");
    start_keepalives(&bare->keepalive, on_keepalive, bare->count, bare->keepalive_ms);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t length, void *arg)
{
    (void)flags;
    struct connection *connection = arg;
    struct bare *bare = connection->bare;
    struct link *link = nghttp2_session_get_stream_user_data(session, stream);
    if (!link->is_drained) {
        link->is_drained = link->answer_is_due = true;
        bare->drained++;
        resume(link);
    } else if (bare->pushes.multi && memmem(bytes, length, message_path, strlen(message_path))) {
        pushes_post(&bare->pushes, link);
    }
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct connection *connection = poll->data;
    struct bare *bare = connection->bare;
    size_t drained = bare->drained;
    uint8_t input[INPUT_SIZE];
    int length;
    while ((length = SSL_read(connection->ssl, input, sizeof input)) > 0)
        if (nghttp2_session_mem_recv(connection->session, input, (size_t)length) != length)
            die("nghttp2_session_mem_recv");
    if (SSL_get_error(connection->ssl, length) != SSL_ERROR_WANT_READ)
        die("SSL_read");
    flush(connection);
    if (bare->drained == drained || bare->drained < bare->started)
        return;
    if (bare->drained == bare->count)
        uv_timer_start(&bare->idle, on_idle, IDLE_AFTER_MS, 0);
    else
        start_connection(bare);
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void start_link(struct connection *connection, struct link *link)
{
    const nghttp2_nv fields[] = {
        field(":method", "CONNECT"),         field(":protocol", "websocket"),
        field(":scheme", "https"),           field(":authority", "localhost"),
        field(":path", "/v1/websocket/"),    field("sec-websocket-version", "13"),
        field("authorization", CREDENTIALS), field("user-agent", "bare"),
    };
    nghttp2_data_provider frames = {.source.ptr = link, .read_callback = on_wanted};
    link->connection = connection;
    link->stream = nghttp2_submit_request(connection->session, NULL, fields,
                                          sizeof fields / sizeof *fields, &frames, link);
    if (link->stream < 0)
        die("nghttp2_submit_request");
}

static void start_session(struct connection *connection)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
    };
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
        die("nghttp2");
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, 0);
    if (nghttp2_session_client_new2(&connection->session, callbacks, connection, option) != 0)
        die("nghttp2");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
                            sizeof settings / sizeof *settings);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

static void start_connection(struct bare *bare)
{
    struct connection *connection = &bare->connections[bare->started / STREAMS_MAX];
    connection->bare = bare;
    connection->ssl = dial(bare->tls, bare->port);
    start_session(connection);
    for (int i = 0; i < STREAMS_MAX && bare->started < bare->count; i++)
        start_link(connection, &bare->links[bare->started++]);
    uv_poll_init_socket(&bare->loop, &connection->poll, SSL_get_fd(connection->ssl));
    connection->poll.data = connection;
    uv_poll_start(&connection->poll, UV_READABLE, on_readable);
    flush(connection);
}

int main(int count, char **words)
{
    static const unsigned char alpn[] = {2, 'h', '2'};
    static struct bare bare;
    if (count < 5)
        return 2;
    prepare(&bare.loop, &bare.end);
    uv_timer_init(&bare.loop, &bare.idle);
    uv_timer_init(&bare.loop, &bare.keepalive);
    bare.idle.data = bare.keepalive.data = &bare;
    bare.count = strtoul(words[1], NULL, 10);
    bare.port = (uint16_t)strtoul(words[2], NULL, 10);
    bare.keepalive_ms = strtoul(words[4], NULL, 10);
    bare.links = calloc(bare.count + 1, sizeof *bare.links);
    bare.connections = calloc(bare.count / STREAMS_MAX + 1, sizeof *bare.connections);
    bare.tls = make_tls(words[3], TLS1_3_VERSION, alpn, sizeof alpn);
    if (count > 5)
        pushes_start(&bare.pushes, &bare.loop, words[5], words[3], acknowledge);
    say("started");
    if (bare.count)
        start_connection(&bare);
    else
        uv_timer_start(&bare.idle, on_idle, 0, 0);
    uv_run(&bare.loop, UV_RUN_DEFAULT);
    return 0;
}
