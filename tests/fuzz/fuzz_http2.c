/* What a peer may send over clear-text HTTP/2. The first byte chooses how: whether the preface is
 * put in front, whether the peer reads, whether there is little room, how long the pieces are in
 * which the rest arrives. Between the pieces answers come and time passes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "web/http2_session.h"

enum {
    WITH_PREFACE = 1,
    READS = 2,
    SLOWLY = 4,  /* time passes */
    CROWDED = 8, /* new streams take the places of old ones */
    PENDING_MAX = HTTP2_STREAMS_MAX,
    TIMEOUT_MS = 10000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct loop *loop;
    struct exchange *pending[PENDING_MAX];
    size_t pending_count;
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static size_t place_of(const struct world *world, const struct exchange *exchange)
{
    size_t i = 0;
    while (i < world->pending_count && world->pending[i] != exchange)
        i++;
    return i;
}

static void take_back(struct world *world, const struct exchange *exchange)
{
    size_t place = place_of(world, exchange);
    expect(place < world->pending_count);
    world->pending[place] = world->pending[--world->pending_count];
}

/* A question that is out: where it belongs. */
struct question {
    struct world *world;
    struct exchange *exchange;
};

static void forget(void *waiting)
{
    struct question *question = waiting;
    take_back(question->world, question->exchange);
    free(question);
}

static void check(const struct request *request)
{
    expect(request->method && request->path);
    expect(request->header_count <= REQUEST_HEADERS_MAX);
    expect(request->body_length <= REQUEST_BODY_MAX);
    expect(request_count_header(request, "host") <= 1);
    size_t length = 0;
    for (size_t i = 0; i < request->header_count; i++)
        length += strlen(request->headers[i].name) + strlen(request->headers[i].value);
    for (size_t i = 0; i < request->body_length; i++)
        length += request->body[i]; /* all of it is there */
    expect(length <= 16 * 1024 + 255 * (size_t)REQUEST_BODY_MAX);
}

static void handle(void *arg, struct exchange *exchange)
{
    struct world *world = arg;
    check(&exchange->request);
    if (strcmp(exchange->request.method, "POST") != 0) {
        response_set(&exchange->response, 200, "text/plain", mem_format("%020000d", 0));
        return;
    }
    struct question *question = mem_new(sizeof *question);
    *question = (struct question){world, exchange};
    expect(world->pending_count < PENDING_MAX);
    world->pending[world->pending_count++] = exchange;
    exchange->waiting = question;
    exchange->forget = forget;
}

static void answer_one(struct world *world)
{
    if (world->pending_count == 0)
        return;
    struct exchange *exchange = world->pending[world->pending_count - 1];
    take_back(world, exchange);
    free(exchange->waiting);
    exchange->waiting = NULL;
    response_json(&exchange->response, mem_text("{}"));
    exchange->answered(exchange);
}

static void on_wake(void *arg)
{
    (void)arg;
}

static void pass(struct loop *loop, int64_t ms)
{
    loop->uv.time += (uint64_t)ms;
    timers_fire(&loop->timers, loop_now_ms(loop));
}

/* False when the connection would be closed. */
static bool send_out(struct http2_session *session, struct buf *out, bool reads)
{
    do {
        if (reads)
            buf_clear(out);
        if (http2_session_send(session, out) != 0)
            return false;
        expect(out->length <= HTTP2_OUT_MAX);
    } while (reads && out->length);
    return !http2_session_is_over(session);
}

static void converse(struct http2_session *session, struct world *world, uint8_t how,
                     const uint8_t *data, size_t size)
{
    size_t piece = (size_t)1 << (how >> 4);
    struct buf out;
    buf_init(&out, HTTP2_OUT_MAX);
    while (size && send_out(session, &out, how & READS) && !http2_session_is_ending(session)) {
        size_t length = piece < size ? piece : size;
        http2_session_receive(session, data, length);
        data += length;
        size -= length;
        expect(http2_session_streams(session) <= HTTP2_STREAMS_MAX);
        expect(http2_session_asked(session) <= http2_session_streams(session));
        expect(world->pending_count <= http2_session_asked(session));
        if (length & 1)
            answer_one(world);
        if (how & SLOWLY)
            pass(world->loop, TIMEOUT_MS / 4);
    }
    send_out(session, &out, true);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t opening[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    static struct loop loop;
    static bool is_ready;
    if (!is_ready)
        loop_init(&loop);
    is_ready = true;
    if (size == 0)
        return 0;
    struct world world = {.loop = &loop};
    struct gate gate = {.most = data[0] & CROWDED ? 2 : 100};
    struct http2_shared shared;
    http2_shared_init(&shared, &loop, &gate, handle, &world);
    shared.timeout_ms = TIMEOUT_MS;
    struct address peer = {0};
    struct http2_session *session = http2_session_new(&shared, &peer, on_wake, NULL);
    expect(session != NULL);
    if (data[0] & WITH_PREFACE)
        http2_session_receive(session, opening, sizeof opening);
    converse(session, &world, data[0], data + 1, size - 1);
    http2_session_free(session);
    expect(world.pending_count == 0 && shared.streams == 0 && loop.timers.count == 0);
    return 0;
}
