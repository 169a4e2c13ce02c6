#include "web/http2.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "web/http2_session.h"

enum {
    PIECE = 16 * 1024,    /* read in one turn of the loop, so that nobody has it alone */
    LOOK_AGAIN_MS = 20,   /* at a preface that has only begun to come */
    IDLE_MS = 130 * 1000, /* longer than proxies keep idle connections, as in HTTP/1 */
    /* Closing on somebody who still sends would reset the connection and lose our goodbye. */
    LINGER_MS = 1000,
    LINGER_MAX = 256 * 1024,
};

/* No request line of HTTP/1 begins so. */
static const char preface[] = "PRI * HTTP/2.0\r\n";

struct http2 {
    struct http2_shared shared;
    http2_other *other;
    struct list waiting; /* connections without a complete request, the oldest first */
    struct list busy;
};

/* What ends a connection's patience. */
enum patience {
    PATIENCE_FIRST,  /* nothing was asked yet */
    PATIENCE_IDLE,   /* something was; now nothing is */
    PATIENCE_UNSENT, /* the peer does not read */
    PATIENCE_LINGER,
    PATIENCE_NONE, /* streams have deadlines of their own */
};

struct connection {
    struct http2 *http2;
    bool may_begin;    /* HTTP/2 */
    struct list place; /* on http2->waiting or http2->busy */
    bool is_busy;
    int64_t waiting_since_ms;
    struct timer deadline, soon;
    enum patience patience;
    uv_poll_t *poll; /* freed when it has closed */
    int fd;
    struct address peer;
    struct gate_pass pass;
    struct http2_session *session; /* NULL: before the preface, and while it lingers */
    struct buf out;                /* what the socket does not take yet */
    size_t opened, lingered;       /* streams; bytes */
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* Life */

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Everything but the descriptor. */
static void dissolve(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    loop_timer_cancel(http2->shared.loop, &connection->deadline);
    loop_timer_cancel(http2->shared.loop, &connection->soon);
    list_remove(&connection->place);
    http2_session_free(connection->session);
    gate_leave(http2->shared.gate, &connection->pass);
    uv_close((uv_handle_t *)connection->poll, on_closed);
    buf_fini(&connection->out);
    free(connection);
}

static void close_connection(struct connection *connection)
{
    int fd = connection->fd;
    dissolve(connection);
    close(fd);
}

static void wait_from_now(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    connection->waiting_since_ms = loop_now_ms(http2->shared.loop);
    list_remove(&connection->place);
    list_append(&http2->waiting, &connection->place);
}

static int64_t patience_ms(const struct connection *connection)
{
    switch (connection->patience) {
    case PATIENCE_IDLE:
        return IDLE_MS;
    case PATIENCE_LINGER:
        return LINGER_MS;
    default:
        return connection->http2->shared.timeout_ms;
    }
}

/* Time that runs for the same reason goes on running. */
static void be_patient(struct connection *connection, enum patience patience)
{
    struct loop *loop = connection->http2->shared.loop;
    if (connection->patience == patience)
        return;
    connection->patience = patience;
    if (patience == PATIENCE_NONE)
        loop_timer_cancel(loop, &connection->deadline);
    else
        loop_timer_set(loop, &connection->deadline, patience_ms(connection));
}

/* After our goodbye: what still comes is read into the void. */
static void linger(struct connection *connection)
{
    loop_timer_cancel(connection->http2->shared.loop, &connection->soon);
    shutdown(connection->fd, SHUT_WR);
    http2_session_free(connection->session);
    connection->session = NULL;
    if (connection->is_busy)
        wait_from_now(connection);
    connection->is_busy = false;
    be_patient(connection, PATIENCE_LINGER);
    uv_poll_start(connection->poll, UV_READABLE, on_poll);
}

static void drain(struct connection *connection)
{
    char piece[PIECE];
    ssize_t got = recv(connection->fd, piece, sizeof piece, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    connection->lingered += got > 0 ? (size_t)got : 0;
    if (got <= 0 || connection->lingered > LINGER_MAX)
        close_connection(connection);
}

/* Talking */

static void settle(struct connection *connection)
{
    const struct http2_session *session = connection->session;
    size_t opened = http2_session_opened(session);
    bool is_busy = http2_session_asked(session) > 0;
    bool has_asked = opened != connection->opened; /* and was answered already, perhaps */
    if (is_busy) {
        list_remove(&connection->place);
        list_append(&connection->http2->busy, &connection->place);
    } else if (connection->is_busy || has_asked) {
        wait_from_now(connection);
    }
    connection->is_busy = is_busy;
    connection->opened = opened;
    bool has_streams = http2_session_streams(session) > 0;
    if (has_asked || has_streams)
        be_patient(connection, PATIENCE_NONE);
    if (!has_streams)
        be_patient(connection, opened ? PATIENCE_IDLE : PATIENCE_FIRST);
    uv_poll_start(connection->poll, UV_READABLE, on_poll);
}

/* Nothing is read, and so nothing grows, until the peer has read. */
static void wait_for_reader(struct connection *connection)
{
    be_patient(connection, PATIENCE_UNSENT);
    uv_poll_start(connection->poll, UV_WRITABLE, on_poll);
}

/* 0: all of it went; 1: not all; ERR_IO. */
static int send_out(struct connection *connection)
{
    struct buf *out = &connection->out;
    while (http2_session_send(connection->session, out) == 0) {
        if (out->length == 0) {
            buf_fini(out); /* an idle connection keeps none */
            buf_init(out, HTTP2_OUT_MAX);
            return 0;
        }
        ssize_t sent = send(connection->fd, out->bytes, out->length, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? 1 : ERR_IO;
        buf_consume(out, (size_t)sent);
    }
    return ERR_IO;
}

static void go_on(struct connection *connection)
{
    int result = send_out(connection);
    if (result < 0)
        close_connection(connection);
    else if (result > 0)
        wait_for_reader(connection);
    else if (http2_session_is_over(connection->session))
        linger(connection);
    else
        settle(connection);
}

/* False at the end of the stream. */
static bool receive(struct connection *connection)
{
    uint8_t piece[PIECE];
    ssize_t got = recv(connection->fd, piece, sizeof piece, 0);
    if (got < 0)
        return errno == EAGAIN;
    if (got > 0 && !http2_session_is_ending(connection->session))
        http2_session_receive(connection->session, piece, (size_t)got);
    if (got > 0)
        explicit_bzero(piece, (size_t)got); /* there may be a password */
    return got > 0;
}

static void say_goodbye(struct connection *connection)
{
    if (!connection->session)
        return;
    http2_session_end(connection->session, NGHTTP2_NO_ERROR);
    send_out(connection); /* what the socket takes at once */
}

static void on_wake(void *arg)
{
    struct connection *connection = arg;
    loop_timer_set(connection->http2->shared.loop, &connection->soon, 0);
}

/* The first bytes */

static void hand_on(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    struct address peer = connection->peer;
    int fd = connection->fd;
    dissolve(connection);
    http2->other(http2->shared.arg, fd, &peer);
}

static void begin(struct connection *connection)
{
    int yes = 1;
    /* Fails on a Unix socket, which needs it not. */
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->session =
        http2_session_new(&connection->http2->shared, &connection->peer, on_wake, connection);
    if (connection->session)
        go_on(connection);
    else
        close_connection(connection);
}

/* A part of the preface stays in the socket, which would go on being readable: that is looked at
 * again a little later. */
static void look(struct connection *connection)
{
    char first[sizeof preface - 1];
    ssize_t got = recv(connection->fd, first, sizeof first, MSG_PEEK);
    if (got < 0 && errno == EAGAIN) {
        uv_poll_start(connection->poll, UV_READABLE, on_poll);
    } else if (got <= 0) {
        close_connection(connection);
    } else if (!connection->may_begin || memcmp(first, preface, (size_t)got) != 0) {
        hand_on(connection);
    } else if ((size_t)got == sizeof first) {
        begin(connection);
    } else {
        uv_poll_stop(connection->poll);
        loop_timer_set(connection->http2->shared.loop, &connection->soon, LOOK_AGAIN_MS);
    }
}

/* Events */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;
    if (status < 0)
        close_connection(connection);
    else if (connection->patience == PATIENCE_LINGER)
        drain(connection);
    else if (!connection->session)
        look(connection);
    else if ((events & UV_READABLE) && !receive(connection))
        close_connection(connection);
    else
        go_on(connection);
}

static void on_soon(void *arg)
{
    struct connection *connection = arg;
    if (connection->session)
        go_on(connection);
    else
        look(connection);
}

static void on_deadline(void *arg)
{
    struct connection *connection = arg;
    bool is_quiet = connection->patience == PATIENCE_FIRST || connection->patience == PATIENCE_IDLE;
    if (!connection->session || !is_quiet) {
        close_connection(connection);
        return;
    }
    http2_session_end(connection->session, NGHTTP2_NO_ERROR);
    go_on(connection);
}

/* The carrier */

struct http2 *http2_new(struct loop *loop, struct gate *gate, exchange_handler *handler,
                        http2_other *other, void *arg)
{
    struct http2 *http2 = mem_new(sizeof *http2);
    http2_shared_init(&http2->shared, loop, gate, handler, arg);
    http2->other = other;
    list_init(&http2->waiting);
    list_init(&http2->busy);
    return http2;
}

static void end_all(struct list *connections)
{
    list_each_safe(place, connections) {
        struct connection *connection = list_owner(place, struct connection, place);
        say_goodbye(connection);
        close_connection(connection);
    }
}

void http2_free(struct http2 *http2)
{
    if (!http2)
        return;
    end_all(&http2->waiting);
    end_all(&http2->busy);
    free(http2);
}

void http2_set_timeout(struct http2 *http2, int64_t timeout_ms)
{
    http2->shared.timeout_ms = timeout_ms;
}

static uv_poll_t *watch(struct http2 *http2, int fd, struct connection *connection)
{
    uv_poll_t *poll = mem_new(sizeof *poll);
    poll->data = connection;
    if (uv_poll_init(&http2->shared.loop->uv, poll, fd) == 0)
        return poll;
    free(poll);
    return NULL;
}

static void add(struct http2 *http2, int fd, const struct address *peer, bool may_begin)
{
    struct connection *connection = mem_new(sizeof *connection);
    connection->poll = watch(http2, fd, connection);
    if (!connection->poll) {
        free(connection);
        close(fd);
        return;
    }
    connection->http2 = http2;
    connection->may_begin = may_begin;
    connection->fd = fd;
    connection->peer = *peer;
    buf_init(&connection->out, HTTP2_OUT_MAX);
    timer_init(&connection->deadline, on_deadline, connection);
    timer_init(&connection->soon, on_soon, connection);
    list_init(&connection->place);
    wait_from_now(connection);
    connection->patience = PATIENCE_NONE;
    be_patient(connection, PATIENCE_FIRST);
    gate_enter(http2->shared.gate, peer, &connection->pass);
    look(connection);
}

void http2_add(struct http2 *http2, int fd, const struct address *peer)
{
    add(http2, fd, peer, true);
}

void http2_look(struct http2 *http2, int fd, const struct address *peer)
{
    add(http2, fd, peer, false);
}

static struct connection *oldest(const struct http2 *http2)
{
    struct list *place = list_first(&http2->waiting);
    return place ? list_owner(place, struct connection, place) : NULL;
}

bool http2_make_room(struct http2 *http2)
{
    struct connection *connection = oldest(http2);
    if (!connection)
        return false;
    say_goodbye(connection);
    close_connection(connection);
    return true;
}

int64_t http2_waiting_since_ms(const struct http2 *http2)
{
    const struct connection *connection = oldest(http2);
    return connection ? connection->waiting_since_ms : INT64_MAX;
}
