/* A stream of an HTTP/2 connection: one request and its answer. Shared by http2_stream.c and
 * http2_session.c only. A stream belongs to its session, and goes when nghttp2 closes it. */
#ifndef DOORBELL_WEB_HTTP2_STREAM_H
#define DOORBELL_WEB_HTTP2_STREAM_H

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "web/http2_session.h"

enum { HTTP2_FIELDS_MAX = 16 * 1024 }; /* bounds a request's header, as in HTTP/1 */

struct http2_session {
    struct http2_shared *shared;
    nghttp2_session *frames;
    struct address peer;
    http2_wake *wake;
    void *arg;
    struct list streams;
    size_t stream_count, asked_count, opened_count;
    int64_t credit, credit_at_ms; /* bytes that the peer may still send beside useful ones */
    bool is_leaving;              /* the peer was told to go on with another connection */
    bool has_left;                /* and has heard it: there are no new streams */
    int32_t left_at;              /* the last stream before that; 0: none */
    bool is_ending;
};

struct http2_stream {
    struct http2_session *session;
    struct list place;   /* on session->streams */
    struct list waiting; /* on shared->waiting, until it is asked */
    int32_t id;
    struct timer deadline;
    struct exchange exchange;
    struct buf fields; /* of the header: name, zero, value, zero */
    struct buf body;
    size_t discarded; /* of a body that is not wanted */
    size_t sent;      /* of the answer's body */
    int refusal;      /* the status; 0: none */
    bool has_header;
    bool is_asked; /* the request is complete, or refused */
    bool is_answered;
};

struct http2_stream *http2_stream_open(struct http2_session *session, int32_t id);
/* Takes back a question that is out. */
void http2_stream_close(struct http2_stream *stream);
/* Resets it for another's sake, and closes it: nothing was asked yet, it may be tried again. */
void http2_stream_evict(struct http2_stream *stream);

/* What comes, in this order. Results are 0 or what an nghttp2 callback returns to give up; of a
 * field whether it was kept. */
bool http2_stream_field(struct http2_stream *stream, const uint8_t *name, size_t name_length,
                        const uint8_t *value, size_t value_length);
int http2_stream_header_end(struct http2_stream *stream, bool is_whole);
int http2_stream_body(struct http2_stream *stream, const uint8_t *bytes, size_t length);
void http2_stream_end(struct http2_stream *stream);

/* Only a lack of memory ends a connection. */
int http2_fatal_only(int result);

#endif
