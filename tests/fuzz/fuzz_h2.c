/* What may arrive on an HTTP/2 connection to the chat server once TLS is taken off, with websockets
 * in its streams. The input is a list of steps: a byte below 0xf0 is the length of what arrives
 * next, the others are what the owners do meanwhile, and time. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/mem.h"
#include "net/stream.h"
#include "signal/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OWNERS = 4 };

/* In place of net/stream.h and net/connector.h */

struct stream {
    const struct stream_events *events;
    void *arg;
    size_t written;
};

struct attempt {
    connector_fn *fn;
    void *arg;
};

static struct loop loop;
static struct h2 *h2;
static struct stream *current; /* the newest that is not freed */
static struct attempt *waiting;

struct attempt *connector_start(struct connector *connector, enum connector_lane lane,
                                const char *host, uint16_t port, connector_fn *fn, void *arg)
{
    (void)connector, (void)lane, (void)host, (void)port;
    struct attempt *attempt = calloc(1, sizeof *attempt);
    assert(attempt);
    attempt->fn = fn;
    attempt->arg = arg;
    waiting = attempt;
    return attempt;
}

void connector_end(struct attempt *attempt)
{
    if (waiting == attempt)
        waiting = NULL;
    free(attempt);
}

void connector_failed(struct attempt *attempt)
{
    assert(attempt);
}

int connector_take_socket(struct attempt *attempt)
{
    assert(attempt);
    return -1;
}

struct stream *stream_open(struct loop *its_loop, const struct stream_target *target,
                           const struct address *address, int connected,
                           const struct stream_events *events, void *arg)
{
    (void)its_loop, (void)target, (void)address, (void)connected;
    struct stream *stream = calloc(1, sizeof *stream);
    assert(stream);
    stream->events = events;
    stream->arg = arg;
    current = stream;
    return stream;
}

int stream_write(struct stream *stream, const void *bytes, size_t length)
{
    assert(stream && bytes && length);
    stream->written += length;
    return stream->written < STREAM_UNSENT_MAX ? 0 : ERR_LIMIT;
}

void stream_acknowledge(struct stream *stream)
{
    assert(stream);
}

void stream_idle(struct stream *stream)
{
    assert(stream);
}

void stream_free(struct stream *stream)
{
    if (current == stream)
        current = NULL;
    free(stream);
}

void stream_finish(struct stream *stream)
{
    stream_free(stream);
}

/* The owners of channels */

static struct owner {
    struct channel *channel;
    bool opened, inside, over;
} owners[OWNERS];

static void on_opened(void *arg)
{
    struct owner *owner = arg;
    assert(owner->channel && !owner->opened && !owner->over);
    owner->opened = true;
}

static void on_piece(void *arg, const uint8_t *bytes, size_t length, bool first, bool last)
{
    struct owner *owner = arg;
    assert(owner->channel && owner->opened && !owner->over && first != owner->inside);
    owner->inside = !last;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] == 0xff && bytes[0] == 0xff) /* read, and acted upon from in here */
            h2_ops.close(owner->channel, 1007, "unreadable");
    if (length && bytes[0] == 0xfe) {
        h2_ops.free(owner->channel);
        owner->channel = NULL;
    }
}

static void on_ended(void *arg, const struct transport_end *end)
{
    struct owner *owner = arg;
    assert(owner->channel && !owner->over);
    assert(memchr(end->text, '\0', sizeof end->text));
    owner->over = true;
    h2_ops.free(owner->channel);
    owner->channel = NULL;
}

static void on_asking(void *arg, struct channel_credentials *credentials)
{
    const struct owner *owner = arg;
    assert(!owner->over);
    *credentials = (struct channel_credentials){.authorization = mem_text("Basic eA=="),
                                                .user_agent = "Doorbell"};
}

static const struct transport_events events = {
    .asking = on_asking, .opened = on_opened, .piece = on_piece, .ended = on_ended};

static void open_owner(struct owner *owner)
{
    if (owner->channel)
        return;
    *owner = (struct owner){0};
    owner->channel = h2_ops.open(h2, false, &events, owner);
}

static void free_owner(struct owner *owner)
{
    if (owner->channel)
        h2_ops.free(owner->channel);
    owner->channel = NULL;
}

/* The world */

static void advance(int64_t ms)
{
    loop.uv.time += (uint64_t)ms;
    timers_fire(&loop.timers, loop_now_ms(&loop));
}

static void connect_waiting(void)
{
    struct attempt *attempt = waiting;
    struct address address = {.length = 1};
    advance(0);
    if (!attempt || !waiting)
        return;
    waiting = NULL;
    attempt->fn(attempt->arg, &address, NULL);
    if (current)
        current->events->open(current->arg, "h2");
    advance(0);
}

static void act(uint8_t step)
{
    static const struct stream_end lost = {.kind = STREAM_ENDED, .text = "the server hung up"};
    struct owner *owner = &owners[step & (OWNERS - 1)];
    switch (step >> 2 & 3) {
    case 0:
        open_owner(owner);
        advance(1000);
        connect_waiting();
        break;
    case 1:
        if (owner->channel)
            h2_ops.send(owner->channel, (const uint8_t *)"acknowledged", 12);
        break;
    case 2:
        if (owner->channel && (step & 1))
            h2_ops.close(owner->channel, 1000, "");
        else
            free_owner(owner);
        break;
    default:
        if ((step & 3) == 3 && current)
            current->events->ended(current->arg, &lost);
        advance(1000 << (step & 3) * 2);
        connect_waiting();
        break;
    }
}

static void arrive(const uint8_t *bytes, size_t length)
{
    if (!current || !length)
        return;
    uint8_t *copy = malloc(length); /* of its own size, so that reading past it is seen */
    assert(copy);
    memcpy(copy, bytes, length);
    current->events->received(current->arg, copy, length);
    free(copy);
    advance(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    static const struct config config = {
        .signal_http2_url = (char *)(uintptr_t) "http://localhost:8443/v1/websocket/",
        .signal_accounts_per_connection = 3,
        .signal_keepalive_ms = 30000,
        .signal_keepalive_timeout_ms = 20000,
        .net_connect_timeout_ms = 10000,
        .net_handshake_timeout_ms = 15000};
    if (!ready)
        loop_init(&loop);
    ready = true;
    memset(owners, 0, sizeof owners);
    h2 = h2_new(&loop, NULL, &config, NULL);
    for (size_t i = 0; i < 2; i++)
        open_owner(&owners[i]);
    connect_waiting();
    for (size_t at = 0; at < size;) {
        uint8_t step = data[at++];
        size_t left = size - at, length = step < left ? step : left;
        if (step >= 0xf0) {
            act(step);
            continue;
        }
        arrive(data + at, length);
        at += length;
    }
    for (size_t i = 0; i < OWNERS; i++)
        free_owner(&owners[i]);
    h2_free(h2);
    assert(!current && !waiting && loop.timers.count == 0);
    return 0;
}
