#include "net/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/tls_fault.h"

enum {
    PIECE = 16 * 1024,     /* the most that one record of TLS holds */
    TURN_MAX = 16 * PIECE, /* read in one turn of the loop, so that nobody has it alone */
    PROTOCOL_MAX = 255,    /* RFC 7301 section 3.1 */
    /* Closing on somebody who still sends would reset the connection and lose what he has not read
     * yet; one round trip is enough for his own end. */
    GOODBYE_MS = 1000,
};

enum stream_state {
    STATE_CONNECTING,
    STATE_SHAKING, /* TLS */
    STATE_OPEN,
    STATE_ENDED,   /* `ended` is due, or was delivered */
    STATE_LEAVING, /* after stream_finish: nobody's any more */
    STATE_FREED,   /* it is there until libuv has let go of it, so events may free it */
};

struct stream {
    uv_poll_t poll;
    struct timer timer; /* the deadline of connecting or of TLS; later for what is due soon */
    struct loop *loop;
    const struct stream_events *events;
    void *arg;
    SSL *tls;       /* NULL: clear text */
    struct buf out; /* wiped: a handshake's credentials may be in it */
    struct stream_end *end;
    uv_timer_t *linger; /* while it leaves; libuv's, for the loop's own has ended in loop_fini */
    int64_t handshake_timeout_ms;
    int fd;          /* -1: none, and `poll` is not libuv's */
    int write_errno; /* nothing can be sent any more; what had arrived before is read first */
    uint8_t state;   /* enum stream_state */
    uint8_t watched; /* what is polled for */
    bool has_more;   /* what is to be read is not all read, whatever the socket says */
    bool read_wants_writable, write_wants_readable; /* by the rules of TLS */
    bool said_goodbye, is_deaf;                     /* leaving: our end is out; theirs has come */
};

/* What the socket is watched for */

static void on_poll(uv_poll_t *poll, int status, int events);

/* Some message of its own, such as a ticket, is half in. To write, TLS would read on, and ahead: it
 * has to be where what it got is read after that. */
static bool is_amid_tls(const struct stream *stream)
{
    return stream->tls && SSL_in_init(stream->tls);
}

static int wanted(const struct stream *stream)
{
    int reading = stream->read_wants_writable ? UV_WRITABLE : UV_READABLE;
    bool waits = stream->write_wants_readable && is_amid_tls(stream);
    int writing = stream->out.length && !waits ? UV_WRITABLE : 0;
    switch (stream->state) {
    case STATE_CONNECTING:
        return UV_WRITABLE;
    case STATE_SHAKING:
        return reading;
    case STATE_OPEN:
        return (stream->has_more ? 0 : reading) | writing;
    case STATE_LEAVING:
        return (stream->is_deaf ? 0 : UV_READABLE) | (stream->said_goodbye ? 0 : UV_WRITABLE);
    default:
        return 0;
    }
}

static void watch(struct stream *stream)
{
    int events = wanted(stream);
    if (events == stream->watched)
        return;
    stream->watched = (uint8_t)events;
    if (events)
        uv_poll_start(&stream->poll, events, on_poll);
    else
        uv_poll_stop(&stream->poll);
}

static void soon(struct stream *stream)
{
    loop_timer_set(stream->loop, &stream->timer, 0);
}

/* The end */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_linger_closed(uv_handle_t *handle)
{
    free(handle);
}

static void dissolve(struct stream *stream)
{
    stream->state = STATE_FREED;
    SSL_free(stream->tls);
    buf_fini(&stream->out);
    free(stream->end);
    if (stream->linger)
        uv_close((uv_handle_t *)stream->linger, on_linger_closed);
    if (stream->fd < 0) {
        free(stream);
        return;
    }
    uv_close((uv_handle_t *)&stream->poll, on_closed);
    close(stream->fd);
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    loop_timer_cancel(stream->loop, &stream->timer);
    dissolve(stream);
}

/* `ended` is delivered in a later turn of the loop, so never from inside a call. */
static void finish(struct stream *stream, enum stream_end_kind kind, const char *text)
{
    stream->state = STATE_ENDED;
    stream->end = mem_new(sizeof *stream->end);
    stream->end->kind = kind;
    snprintf(stream->end->text, sizeof stream->end->text, "%s", text);
    if (stream->fd >= 0)
        watch(stream);
    soon(stream);
}

static const char *errno_words(int error)
{
    return uv_strerror(uv_translate_sys_error(error));
}

static void finish_without_tcp(struct stream *stream, int error)
{
    char text[sizeof stream->end->text];
    snprintf(text, sizeof text, "no TCP connection: %s", errno_words(error));
    finish(stream, STREAM_UNREACHABLE, text);
}

/* It was open. `error`: 0 where the other side has ended it. */
static void finish_open(struct stream *stream, int error)
{
    char text[sizeof stream->end->text];
    const char *alert = stream->tls && error ? tls_fault_alert(stream->tls) : NULL;
    if (alert)
        snprintf(text, sizeof text, "TLS failed: %s", alert);
    else if (error == 0 || error == EPIPE)
        snprintf(text, sizeof text, "the server hung up");
    else if (error == ECONNRESET)
        snprintf(text, sizeof text, "the server reset the connection");
    else
        snprintf(text, sizeof text, "the connection failed: %s", errno_words(error));
    finish(stream, STREAM_ENDED, text);
}

/* Receiving */

static size_t read_clear(struct stream *stream, uint8_t *bytes)
{
    ssize_t got = recv(stream->fd, bytes, PIECE, 0);
    if (got > 0)
        return (size_t)got;
    if (got == 0)
        finish_open(stream, 0);
    else if (errno != EAGAIN && errno != EINTR)
        finish_open(stream, errno);
    return 0;
}

/* An error of TLS that it has not told as one of the socket. */
static int tls_errno(void)
{
    int reason = ERR_GET_REASON(ERR_peek_error());
    return reason == SSL_R_UNEXPECTED_EOF_WHILE_READING ? 0 : EPROTO;
}

/* OpenSSL (3.0) cannot answer a demand for new keys while a record waits to go out, and fails. Not
 * to read meanwhile would be worse: two who both wait until the other reads wait for ever. */
static size_t read_tls(struct stream *stream, uint8_t *bytes)
{
    size_t got = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(stream->tls, bytes, PIECE, &got), error = errno;
    if (result == 1)
        return got;
    switch (SSL_get_error(stream->tls, result)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_WANT_WRITE:
        stream->read_wants_writable = true;
        break;
    case SSL_ERROR_ZERO_RETURN:
        finish_open(stream, 0);
        break;
    case SSL_ERROR_SYSCALL:
        finish_open(stream, error);
        break;
    default:
        finish_open(stream, tls_errno());
    }
    ERR_clear_error();
    return 0;
}

/* 0: there is nothing more now, or it has ended. */
static size_t read_some(struct stream *stream, uint8_t *bytes)
{
    size_t got = stream->tls ? read_tls(stream, bytes) : read_clear(stream, bytes);
    if (got == 0 && stream->state == STATE_OPEN && stream->write_errno)
        finish_open(stream, stream->write_errno);
    return got;
}

/* OpenSSL, which reads ahead (see make_tls), holds nothing that could be read. What the socket
 * still has, or gets, is an event, so that neither has to be asked once more. */
static bool is_read_up(const struct stream *stream, size_t got)
{
    if (stream->state != STATE_OPEN || stream->write_errno)
        return false;
    return stream->tls ? !SSL_has_pending(stream->tls) : got < PIECE;
}

static void receive(struct stream *stream)
{
    uint8_t bytes[PIECE];
    size_t taken = 0;
    stream->has_more = stream->read_wants_writable = false;
    while (stream->state == STATE_OPEN) {
        if (taken >= TURN_MAX) {
            stream->has_more = true;
            soon(stream);
            return;
        }
        size_t got = read_some(stream, bytes);
        if (got == 0)
            return;
        taken += got;
        stream->events->received(stream->arg, bytes, got);
        if (is_read_up(stream, got))
            return;
    }
}

/* Sending */

static size_t write_failed(struct stream *stream, int error)
{
    stream->write_errno = error ? error : EPIPE;
    return 0;
}

static size_t write_clear(struct stream *stream, const uint8_t *bytes, size_t length)
{
    ssize_t sent = send(stream->fd, bytes, length, MSG_NOSIGNAL);
    if (sent >= 0)
        return (size_t)sent;
    return errno == EAGAIN || errno == EINTR ? 0 : write_failed(stream, errno);
}

static size_t write_tls(struct stream *stream, const uint8_t *bytes, size_t length)
{
    size_t sent = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(stream->tls, bytes, length, &sent), error = errno;
    if (result == 1)
        return sent;
    int kind = SSL_get_error(stream->tls, result);
    ERR_clear_error();
    stream->write_wants_readable = kind == SSL_ERROR_WANT_READ;
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        return 0;
    return write_failed(stream, kind == SSL_ERROR_SYSCALL ? error : EPROTO);
}

/* As much as the socket takes now. */
static size_t write_some(struct stream *stream, const uint8_t *bytes, size_t length)
{
    size_t used = 0, sent = 1;
    stream->write_wants_readable = false;
    while (used < length && sent > 0) {
        sent = stream->tls ? write_tls(stream, bytes + used, length - used)
                           : write_clear(stream, bytes + used, length - used);
        used += sent;
    }
    return used;
}

/* A quiet stream keeps no room for what waits. */
static void empty_out(struct stream *stream)
{
    buf_fini(&stream->out);
    buf_init_secret(&stream->out, STREAM_UNSENT_MAX);
}

/* Whether that was the last of what had waited. */
static bool flush(struct stream *stream)
{
    struct buf *out = &stream->out;
    if (out->length == 0)
        return false;
    size_t used = write_some(stream, out->bytes, out->length);
    if (used == out->length || stream->write_errno)
        empty_out(stream);
    else
        buf_consume(out, used);
    return out->length == 0 && !stream->write_errno;
}

int stream_write(struct stream *stream, const void *bytes, size_t length)
{
    if (stream->state != STATE_OPEN || stream->write_errno)
        return ERR_NOT_NOW;
    if (length > STREAM_UNSENT_MAX - stream->out.length)
        return ERR_LIMIT;
    if (length == 0)
        return 0;
    size_t used = stream->out.length || is_amid_tls(stream) ? 0 : write_some(stream, bytes, length);
    if (stream->write_errno) {
        stream->has_more = true;
        soon(stream);
        return ERR_NOT_NOW;
    }
    buf_add(&stream->out, (const uint8_t *)bytes + used, length - used);
    watch(stream);
    return 0;
}

size_t stream_unsent(const struct stream *stream)
{
    return stream->out.length;
}

void stream_acknowledge(struct stream *stream)
{
    static const int now = 1, later = 0; /* what comes next is acknowledged later again */
    if (stream->state != STATE_OPEN)
        return;
    setsockopt(stream->fd, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof now);
    setsockopt(stream->fd, IPPROTO_TCP, TCP_QUICKACK, &later, sizeof later);
}

void stream_idle(struct stream *stream)
{
    if (stream->state == STATE_OPEN && stream->tls && stream->out.length == 0 &&
        !SSL_has_pending(stream->tls))
        SSL_free_buffers(stream->tls);
}

/* Opening */

static void open_up(struct stream *stream)
{
    char protocol[PROTOCOL_MAX + 1] = "";
    const unsigned char *chosen = NULL;
    unsigned length = 0;
    if (stream->tls)
        SSL_get0_alpn_selected(stream->tls, &chosen, &length);
    if (chosen && length <= PROTOCOL_MAX && text_is_token((const char *)chosen, length))
        snprintf(protocol, sizeof protocol, "%.*s", (int)length, (const char *)chosen);
    loop_timer_cancel(stream->loop, &stream->timer);
    stream->read_wants_writable = false;
    stream->state = STATE_OPEN;
    stream->events->open(stream->arg, protocol);
    receive(stream);
}

static void finish_handshake(struct stream *stream)
{
    static const enum stream_end_kind kinds[] = {
        [TLS_FAULT_CUT_OFF] = STREAM_UNREACHABLE,
        [TLS_FAULT_HANDSHAKE] = STREAM_TLS,
        [TLS_FAULT_UNTIMELY] = STREAM_UNTIMELY,
    };
    char text[sizeof stream->end->text];
    enum tls_fault fault = tls_fault_of_handshake(stream->tls, text, sizeof text);
    finish(stream, kinds[fault], text);
}

static void shake(struct stream *stream)
{
    ERR_clear_error();
    int result = SSL_connect(stream->tls), kind = SSL_get_error(stream->tls, result);
    ERR_clear_error();
    stream->read_wants_writable = kind == SSL_ERROR_WANT_WRITE;
    if (result == 1)
        open_up(stream);
    else if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
        finish_handshake(stream);
}

static void on_connected(struct stream *stream)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        finish_without_tcp(stream, error);
    } else if (!stream->tls) {
        open_up(stream);
    } else {
        stream->state = STATE_SHAKING;
        loop_timer_set(stream->loop, &stream->timer, stream->handshake_timeout_ms);
        shake(stream);
    }
}

/* Leaving */

/* False: it has to wait for the socket. */
static bool say_end_of_tls(struct stream *stream)
{
    if (!stream->tls)
        return true;
    ERR_clear_error();
    int result = SSL_shutdown(stream->tls);
    bool waits = result < 0 && SSL_get_error(stream->tls, result) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return !waits;
}

static void on_linger(uv_timer_t *timer)
{
    dissolve(timer->data);
}

static void leave(struct stream *stream)
{
    flush(stream);
    if (!stream->write_errno && !stream->said_goodbye && stream->out.length == 0 &&
        say_end_of_tls(stream)) {
        shutdown(stream->fd, SHUT_WR);
        stream->said_goodbye = true;
        if (uv_timer_get_due_in(stream->linger) > GOODBYE_MS)
            uv_timer_start(stream->linger, on_linger, GOODBYE_MS, 0);
    }
    if (stream->write_errno || (stream->said_goodbye && stream->is_deaf))
        dissolve(stream);
    else
        watch(stream);
}

/* What still comes goes into the void, undeciphered. */
static void drain(struct stream *stream)
{
    uint8_t bytes[PIECE];
    ssize_t got = recv(stream->fd, bytes, sizeof bytes, 0);
    if (got == 0)
        stream->is_deaf = true;
    else if (got < 0 && errno != EAGAIN && errno != EINTR)
        stream->write_errno = errno;
}

void stream_finish(struct stream *stream)
{
    if (stream->state != STATE_OPEN || stream->write_errno) {
        stream_free(stream);
        return;
    }
    loop_timer_cancel(stream->loop, &stream->timer);
    stream->state = STATE_LEAVING;
    stream->linger = mem_new(sizeof *stream->linger);
    uv_timer_init(&stream->loop->uv, stream->linger);
    stream->linger->data = stream;
    uv_timer_start(stream->linger, on_linger, STREAM_LINGER_MS, 0);
    leave(stream);
}

/* Events */

static void on_open_poll(struct stream *stream)
{
    if (flush(stream) && stream->events->sent)
        stream->events->sent(stream->arg);
    if (stream->state == STATE_OPEN && !stream->has_more)
        receive(stream);
}

/* With an error libuv has stopped to watch, and what it is the next call on the socket says. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;
    if (status < 0)
        stream->watched = 0;
    switch (stream->state) {
    case STATE_CONNECTING:
        on_connected(stream);
        break;
    case STATE_SHAKING:
        shake(stream);
        break;
    case STATE_OPEN:
        on_open_poll(stream);
        break;
    case STATE_LEAVING:
        if (status < 0 || (events & UV_READABLE))
            drain(stream);
        leave(stream);
        return;
    default:
        return;
    }
    if (stream->state != STATE_FREED && stream->state != STATE_LEAVING)
        watch(stream);
}

static void on_soon(struct stream *stream)
{
    if (stream->has_more)
        receive(stream);
    if (stream->state == STATE_OPEN)
        watch(stream);
}

static void on_timer(void *arg)
{
    struct stream *stream = arg;
    switch (stream->state) {
    case STATE_CONNECTING:
        finish(stream, STREAM_UNREACHABLE, "no TCP connection in time");
        return;
    case STATE_SHAKING:
        finish(stream, STREAM_UNREACHABLE, TLS_FAULT_LATE);
        return;
    case STATE_OPEN:
        on_soon(stream);
        return;
    default:;
        struct stream_end end = *stream->end;
        stream->events->ended(stream->arg, &end);
    }
}

/* Beginning */

static bool is_numeric(const char *host)
{
    struct address address;
    return address_parse(&address, host, 0) == 0;
}

/* OpenSSL's macro for it takes the const away. */
static bool set_server_name(SSL *tls, const char *host)
{
    void *name = (void *)(uintptr_t)host; /* it is copied */
    return SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name) == 1;
}

/* NULL where OpenSSL cannot. */
static SSL *make_tls(const struct stream_target *target)
{
    SSL *tls = SSL_new(target->tls);
    if (!tls)
        return NULL;
    /* What is written first may move before it is written again, and goes record by record. */
    SSL_set_mode(tls, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_set_read_ahead(tls, 1); /* not the head of a record and then the rest of it */
    SSL_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool done = SSL_set1_host(tls, target->host) == 1;
    if (done && !is_numeric(target->host))
        done = set_server_name(tls, target->host);
    if (done && target->alpn) /* which says 0 when it is well */
        done = SSL_set_alpn_protos(tls, target->alpn, target->alpn_length) == 0;
    if (done)
        return tls;
    SSL_free(tls);
    return NULL;
}

/* -1, and errno, where no connection is under way. */
static int dial(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &address->any, address->length) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* ERR_IO, and errno. */
static int adopt(struct stream *stream, int fd)
{
    int yes = 1;
    if (fd < 0)
        return ERR_IO;
    int status = stream->tls && SSL_set_fd(stream->tls, fd) != 1 ? UV_ENOMEM : 0;
    if (status == 0)
        status = uv_poll_init(&stream->loop->uv, &stream->poll, fd);
    if (status != 0) {
        close(fd);
        errno = -status;
        return ERR_IO;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    stream->poll.data = stream;
    stream->fd = fd;
    return 0;
}

struct stream *stream_open(struct loop *loop, const struct stream_target *target,
                           const struct address *address, int connected,
                           const struct stream_events *events, void *arg)
{
    struct stream *stream = mem_new(sizeof *stream);
    stream->loop = loop;
    stream->events = events;
    stream->arg = arg;
    stream->handshake_timeout_ms = target->handshake_timeout_ms;
    stream->fd = -1;
    buf_init_secret(&stream->out, STREAM_UNSENT_MAX);
    timer_init(&stream->timer, on_timer, stream);
    stream->tls = target->tls ? make_tls(target) : NULL;
    if (target->tls && !stream->tls) {
        if (connected >= 0)
            close(connected);
        finish(stream, STREAM_TLS, "OpenSSL cannot begin a connection");
    } else if (adopt(stream, connected >= 0 ? connected : dial(address)) != 0) {
        finish_without_tcp(stream, errno);
    } else {
        loop_timer_set(loop, &stream->timer, target->connect_timeout_ms);
        watch(stream);
    }
    return stream;
}
