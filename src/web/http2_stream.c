#include "web/http2_stream.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

enum { OWN_FIELDS = 3 }; /* of an answer: status, length, date */

/* nghttp2 names its texts writable, and copies them. */
static uint8_t *bytes_of(const char *text)
{
    return (uint8_t *)(uintptr_t)text;
}

int http2_fatal_only(int result)
{
    return nghttp2_is_fatal(result) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int reset(struct http2_stream *stream, uint32_t code)
{
    return nghttp2_submit_rst_stream(stream->session->frames, NGHTTP2_FLAG_NONE, stream->id, code);
}

/* It may hold a device's password. What is released makes room in the connection's window. */
static void release_body(struct http2_stream *stream)
{
    struct buf *body = &stream->body;
    stream->exchange.request.body = NULL;
    stream->exchange.request.body_length = 0;
    if (!body->bytes)
        return;
    nghttp2_session_consume(stream->session->frames, stream->id, body->length);
    sodium_memzero(body->bytes, body->room);
    buf_fini(body);
}

void http2_stream_close(struct http2_stream *stream)
{
    struct http2_session *session = stream->session;
    struct exchange *exchange = &stream->exchange;
    if (exchange->waiting)
        exchange->forget(exchange->waiting);
    loop_timer_cancel(session->shared->loop, &stream->deadline);
    release_body(stream);
    list_remove(&stream->place);
    list_remove(&stream->waiting);
    session->stream_count--;
    session->shared->streams--;
    session->asked_count -= stream->is_asked;
    request_fini(&exchange->request);
    response_fini(&exchange->response);
    buf_fini(&stream->fields);
    free(stream);
}

/* Answers */

static ssize_t read_response(nghttp2_session *frames, int32_t id, uint8_t *to, size_t length,
                             uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct http2_stream *stream = source->ptr;
    const struct response *response = &stream->exchange.response;
    size_t left = response->length - stream->sent;
    (void)frames;
    (void)id;
    (void)arg;
    if (length > left)
        length = left;
    if (length)
        memcpy(to, response->body + stream->sent, length);
    stream->sent += length;
    if (length == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)length;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = bytes_of(name),
                        .value = bytes_of(value),
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

/* RFC 9110 section 5.6.7. */
static void write_date(char *date, size_t size)
{
    time_t now = (time_t)clock_unix();
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, size, "%a, %d %b %Y %H:%M:%S GMT", &utc);
}

static int submit_response(struct http2_stream *stream)
{
    const struct response *response = &stream->exchange.response;
    struct header headers[RESPONSE_HEADERS_MAX];
    char policy[RESPONSE_POLICY_SIZE], status[16], length[24], date[48];
    nghttp2_nv fields[OWN_FIELDS + RESPONSE_HEADERS_MAX];
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_response};
    snprintf(status, sizeof status, "%03d", response->status);
    snprintf(length, sizeof length, "%zu", response->length);
    write_date(date, sizeof date);
    fields[0] = field(":status", status);
    fields[1] = field("content-length", length);
    fields[2] = field("date", date);
    size_t count = response_headers(response, headers, policy);
    for (size_t i = 0; i < count; i++)
        fields[OWN_FIELDS + i] = field(headers[i].name, headers[i].value);
    bool without_body = strcmp(stream->exchange.request.method, "HEAD") == 0;
    return nghttp2_submit_response(stream->session->frames, stream->id, fields, OWN_FIELDS + count,
                                   without_body ? NULL : &body);
}

static void set_deadline(struct http2_stream *stream)
{
    struct http2_shared *shared = stream->session->shared;
    loop_timer_set(shared->loop, &stream->deadline, shared->timeout_ms);
}

static void answer(struct http2_stream *stream)
{
    stream->is_answered = true;
    release_body(stream);
    set_deadline(stream);
    if (submit_response(stream) != 0)
        reset(stream, NGHTTP2_INTERNAL_ERROR);
}

static void on_answered(struct exchange *exchange)
{
    struct http2_stream *stream = list_owner(exchange, struct http2_stream, exchange);
    answer(stream);
    stream->session->wake(stream->session->arg);
}

/* Requests */

static void take_up(struct http2_stream *stream)
{
    stream->is_asked = true;
    stream->session->asked_count++;
    list_remove(&stream->waiting);
}

void http2_stream_end(struct http2_stream *stream)
{
    struct http2_shared *shared = stream->session->shared;
    struct exchange *exchange = &stream->exchange;
    take_up(stream);
    loop_timer_cancel(shared->loop, &stream->deadline);
    exchange->request.body = stream->body.bytes;
    exchange->request.body_length = stream->body.length;
    shared->handler(shared->arg, exchange);
    if (exchange->response.status)
        answer(stream);
}

/* The rest of its body is still read, and discarded. */
static void refuse(struct http2_stream *stream, int status)
{
    take_up(stream);
    response_refuse(&stream->exchange.response, status);
    answer(stream);
}

static void add_header(struct http2_stream *stream, const char *name, const char *value)
{
    struct request *request = &stream->exchange.request;
    if (request->header_count == REQUEST_HEADERS_MAX)
        stream->refusal = 431;
    else
        request->headers[request->header_count++] = (struct header){name, value};
}

/* Where :authority and Host are both there they must say the same (RFC 9113 section 8.3.1). */
static void take_host(struct http2_stream *stream, const char *value)
{
    const char *known = request_header(&stream->exchange.request, "host");
    if (!known)
        add_header(stream, "host", value);
    else if (strcasecmp(known, value) != 0)
        stream->refusal = 400;
}

/* :scheme is the sender's word, and says nothing about how the request came to the proxy. */
static void take_field(struct http2_stream *stream, const char *name, const char *value)
{
    struct request *request = &stream->exchange.request;
    if (strcmp(name, ":method") == 0)
        request->method = value;
    else if (strcmp(name, ":path") == 0)
        request_set_target(request, value);
    else if (strcmp(name, ":authority") == 0 || strcmp(name, "host") == 0)
        take_host(stream, value);
    else if (name[0] != ':')
        add_header(stream, name, value);
}

static void take_fields(struct http2_stream *stream)
{
    struct request *request = &stream->exchange.request;
    const char *at = (const char *)stream->fields.bytes, *end = at + stream->fields.length;
    request->peer = stream->session->peer;
    while (at < end) {
        const char *name = at, *value = name + strlen(name) + 1;
        at = value + strlen(value) + 1;
        take_field(stream, name, value);
    }
    if (!request->path)
        request_set_target(request, "*"); /* CONNECT has none */
    if (!request->method) {
        request->method = "";
        stream->refusal = 400;
    }
}

/* nghttp2 saw to it that there is one length at most, and that it is a number. */
static bool is_too_large(const struct request *request)
{
    const char *length = request_header(request, "content-length");
    return length && strtoull(length, NULL, 10) > REQUEST_BODY_MAX;
}

static int invite_body(struct http2_stream *stream)
{
    const char *expected = request_header(&stream->exchange.request, "expect");
    nghttp2_nv status = field(":status", "100");
    if (!expected || strcasecmp(expected, "100-continue") != 0)
        return 0;
    return http2_fatal_only(nghttp2_submit_headers(stream->session->frames, NGHTTP2_FLAG_NONE,
                                                   stream->id, NULL, &status, 1, NULL));
}

int http2_stream_header_end(struct http2_stream *stream, bool is_whole)
{
    stream->has_header = true;
    take_fields(stream);
    if (!stream->refusal && is_too_large(&stream->exchange.request))
        stream->refusal = 413;
    if (stream->refusal)
        refuse(stream, stream->refusal);
    else if (is_whole)
        http2_stream_end(stream);
    else
        return invite_body(stream);
    return 0;
}

/* In the middle of a header nothing else can be understood on the connection. */
static void give_up(struct http2_stream *stream, uint32_t code)
{
    struct http2_session *session = stream->session;
    if (!stream->has_header || reset(stream, code) != 0)
        http2_session_end(session, NGHTTP2_NO_ERROR);
    session->wake(session->arg);
}

static void on_deadline(void *arg)
{
    struct http2_stream *stream = arg;
    nghttp2_session *frames = stream->session->frames;
    bool has_answer = nghttp2_session_get_stream_local_close(frames, stream->id) == 1;
    give_up(stream, has_answer ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
}

/* The library keeps the stream until the reset has gone; what it still says of it is for nobody. */
void http2_stream_evict(struct http2_stream *stream)
{
    nghttp2_session_set_stream_user_data(stream->session->frames, stream->id, NULL);
    give_up(stream, NGHTTP2_REFUSED_STREAM);
    http2_stream_close(stream);
}

struct http2_stream *http2_stream_open(struct http2_session *session, int32_t id)
{
    struct http2_stream *stream = mem_new(sizeof *stream);
    stream->session = session;
    stream->id = id;
    stream->exchange.answered = on_answered;
    timer_init(&stream->deadline, on_deadline, stream);
    buf_init(&stream->fields, HTTP2_FIELDS_MAX);
    buf_init(&stream->body, REQUEST_BODY_MAX);
    list_append(&session->streams, &stream->place);
    list_init(&stream->waiting);
    list_append(&session->shared->waiting, &stream->waiting);
    session->stream_count++;
    session->shared->streams++;
    session->opened_count++;
    set_deadline(stream);
    return stream;
}

/* Only whole ones are kept. */
bool http2_stream_field(struct http2_stream *stream, const uint8_t *name, size_t name_length,
                        const uint8_t *value, size_t value_length)
{
    struct buf *fields = &stream->fields;
    size_t before = fields->length;
    if (stream->refusal)
        return false;
    if ((name_length && memchr(name, '\0', name_length)) ||
        (value_length && memchr(value, '\0', value_length))) {
        stream->refusal = 400;
        return false;
    }
    if (buf_add(fields, name, name_length) == 0 && buf_add(fields, "", 1) == 0 &&
        buf_add(fields, value, value_length) == 0 && buf_add(fields, "", 1) == 0)
        return true;
    fields->length = before;
    stream->refusal = 431;
    return false;
}

static int discard(struct http2_stream *stream, size_t length)
{
    int result = nghttp2_session_consume(stream->session->frames, stream->id, length);
    stream->discarded += length;
    if (result == 0 && stream->discarded > REQUEST_DISCARD_MAX)
        result = reset(stream, NGHTTP2_NO_ERROR);
    return http2_fatal_only(result);
}

int http2_stream_body(struct http2_stream *stream, const uint8_t *bytes, size_t length)
{
    if (!stream->is_asked && buf_add(&stream->body, bytes, length) == 0)
        return 0;
    if (!stream->is_asked)
        refuse(stream, 413);
    return discard(stream, length);
}
