/* One connection's HTTP/2 by nghttp2: bytes go in, exchanges are asked of the handler, bytes come
 * out. It knows no sockets; http2.c moves the bytes. Everything that a peer could make us keep or
 * do has a bound: streams at once, headers, bodies, acknowledgements, and how much it may send
 * beside bodies and requests that were answered; whoever passes that one is told to calm down. At
 * half of it the peer is asked to go on with another connection, as it may be a proxy whose clients
 * give up, and others of them still wait for answers here.
 * Each request has web.timeout for its header and body, and the same again for reading our answer;
 * who does not keep to it loses the stream, not the connection. Where there are as many streams as
 * there may be, a new one takes the place of the one that has been without a complete request for
 * longest. */
#ifndef DOORBELL_WEB_HTTP2_SESSION_H
#define DOORBELL_WEB_HTTP2_SESSION_H

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "web/gate.h"
#include "web/request.h"

enum {
    /* At once on one connection. Go's client (Caddy, Traefik) begins with so many before it has
     * read our settings, and may still pass a smaller number just after. */
    HTTP2_STREAMS_MAX = 100,
    /* What http2_session_send fills and leaves at most: one frame of 16 KiB may come on top. */
    HTTP2_OUT_FULL = 16 * 1024,
    HTTP2_OUT_MAX = 2 * HTTP2_OUT_FULL + 1024,
};

/* What all sessions of a carrier share. Borrowed by them. */
struct http2_shared {
    struct loop *loop;
    struct gate *gate; /* gate->most bounds the streams of all sessions, too */
    exchange_handler *handler;
    void *arg;
    int64_t timeout_ms;
    size_t streams;
    struct list waiting; /* streams whose request is not complete, the oldest first */
    struct log_limit log_limit;
};

struct http2_session;

/* There may be something to send, outside of a call: an answer came, or time ran out. */
typedef void http2_wake(void *arg);

void http2_shared_init(struct http2_shared *shared, struct loop *loop, struct gate *gate,
                       exchange_handler *handler, void *arg);

/* NULL: out of memory. */
struct http2_session *http2_session_new(struct http2_shared *shared, const struct address *peer,
                                        http2_wake *wake, void *arg);
void http2_session_free(struct http2_session *session); /* takes back questions that are out */

/* What the peer sent, from the preface on. Nothing after http2_session_end, or once it has ended
 * by itself: http2_session_is_ending. */
void http2_session_receive(struct http2_session *session, const uint8_t *bytes, size_t length);
/* Adds what is to be sent to `out`, whose bound is HTTP2_OUT_MAX, until it is full. ERR_IO: the
 * connection must be closed. */
int http2_session_send(struct http2_session *session, struct buf *out);

/* Says goodbye (GOAWAY) with NGHTTP2_NO_ERROR or another code of RFC 9113 section 7. */
void http2_session_end(struct http2_session *session, uint32_t code);
bool http2_session_is_ending(const struct http2_session *session);
/* Neither side has any more to say; all of it was taken by http2_session_send. */
bool http2_session_is_over(const struct http2_session *session);

size_t http2_session_streams(const struct http2_session *session);
size_t http2_session_asked(const struct http2_session *session);  /* with a complete request */
size_t http2_session_opened(const struct http2_session *session); /* streams there ever were */

#endif
