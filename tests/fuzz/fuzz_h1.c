/* What may arrive on an HTTP/1.1 connection to the chat server once TLS is taken off. The input is
 * a list of steps: a byte below 0xf0 is the length of what arrives next, the others are what the
 * owner does meanwhile, what becomes of the connection, and time. */
#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/stream.h"
#include "signal/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In place of net/stream.h and net/connector.h */

struct stream {
    const struct stream_events *events;
    void *arg;
    size_t unsent;
    bool stalls, over;
    char key[25];
};

struct attempt {
    connector_fn *fn;
    void *arg;
};

static struct loop loop;
static struct h1 *h1;
static struct stream *current;
static struct attempt *waiting; /* or under way */
static bool called;             /* it has its address */

struct attempt *connector_start(struct connector *connector, enum connector_lane lane,
                                const char *host, uint16_t port, connector_fn *fn, void *arg)
{
    (void)connector, (void)lane, (void)host, (void)port;
    waiting = calloc(1, sizeof *waiting);
    assert(waiting);
    waiting->fn = fn;
    waiting->arg = arg;
    called = false;
    return waiting;
}

void connector_end(struct attempt *attempt)
{
    assert(waiting == attempt);
    waiting = NULL;
    free(attempt);
}

void connector_failed(struct attempt *attempt)
{
    assert(waiting == attempt);
}

int connector_take_socket(struct attempt *attempt)
{
    assert(waiting == attempt);
    return -1;
}

struct stream *stream_open(struct loop *its_loop, const struct stream_target *target,
                           const struct address *address, int connected,
                           const struct stream_events *events, void *arg)
{
    (void)its_loop, (void)target, (void)address, (void)connected;
    struct stream *stream = calloc(1, sizeof *stream);
    assert(stream && !current);
    stream->events = events;
    stream->arg = arg;
    current = stream;
    return stream;
}

static void keep_key(struct stream *stream, const char *bytes, size_t length)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    const char *found = memmem(bytes, length, name, strlen(name));
    if (!stream->key[0] && found)
        snprintf(stream->key, sizeof stream->key, "%.24s", found + strlen(name));
}

int stream_write(struct stream *stream, const void *bytes, size_t length)
{
    assert(stream == current && bytes && length);
    if (stream->over)
        return ERR_NOT_NOW;
    keep_key(stream, bytes, length);
    stream->unsent += stream->stalls ? length : 0;
    assert(stream->unsent <= STREAM_UNSENT_MAX);
    return 0;
}

size_t stream_unsent(const struct stream *stream)
{
    return stream->unsent;
}

void stream_idle(struct stream *stream)
{
    assert(stream == current);
}

void stream_free(struct stream *stream)
{
    assert(!stream || current == stream);
    if (stream)
        current = NULL;
    free(stream);
}

void stream_finish(struct stream *stream)
{
    stream_free(stream);
}

/* The owner of the channel */

static struct channel *channel;
static bool opened, inside;
static uint8_t at_once; /* what its owner does as soon as it is open */

static void free_channel(void)
{
    if (channel)
        h1_ops.free(channel);
    channel = NULL;
}

static void on_opened(void *arg)
{
    assert(!arg && channel && !opened && !waiting);
    opened = true;
    if (at_once == 0xff)
        h1_ops.close(channel, 1000, "");
    else if (at_once == 0xfe)
        free_channel();
    at_once = 0;
}

static void on_piece(void *arg, const uint8_t *bytes, size_t length, bool first, bool last)
{
    assert(!arg && channel && opened && first != inside);
    inside = !last;
    if (length && bytes[0] == 0xff)
        h1_ops.close(channel, 1007, "unreadable");
    else if (length && bytes[0] == 0xfe)
        free_channel();
}

static void on_ended(void *arg, const struct transport_end *end)
{
    assert(!arg && channel);
    assert(memchr(end->text, '\0', sizeof end->text));
    free_channel();
}

static void on_asking(void *arg, struct channel_credentials *credentials)
{
    assert(!arg && channel);
    *credentials = (struct channel_credentials){.authorization = mem_text("Basic eA=="),
                                                .user_agent = "Doorbell"};
}

static const struct transport_events events = {
    .asking = on_asking, .opened = on_opened, .piece = on_piece, .ended = on_ended};

/* The world */

static void advance(int64_t ms)
{
    loop.uv.time += (uint64_t)ms;
    timers_fire(&loop.timers, loop_now_ms(&loop));
}

static void open_channel(void)
{
    if (channel)
        return;
    opened = inside = false;
    channel = h1_ops.open(h1, false, &events, NULL);
}

static void connect_channel(void)
{
    struct address address = {.length = 1};
    open_channel();
    if (!waiting || called)
        return;
    called = true;
    waiting->fn(waiting->arg, &address, NULL);
    current->events->open(current->arg, "");
}

static void find_no_address(void)
{
    static const struct err nobody = {.code = ERR_IO, .text = "nobody answers"};
    if (!waiting || called)
        return;
    called = true;
    waiting->fn(waiting->arg, NULL, &nobody);
}

static void arrive(const uint8_t *bytes, size_t length)
{
    if (!current || current->over || !length)
        return;
    uint8_t *copy = malloc(length); /* of its own size, so that reading past it is seen */
    assert(copy);
    memcpy(copy, bytes, length);
    current->events->received(current->arg, copy, length);
    free(copy);
}

/* What no fuzzer would find. */
static void grant(void)
{
    char text[128], accept[B64_TEXT_SIZE(20)];
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (!current)
        return;
    int used = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", current->key);
    EVP_Digest(text, (size_t)used, hash, NULL, EVP_sha1(), NULL);
    b64_encode(accept, hash, 20);
    used = snprintf(text, sizeof text, "Sec-WebSocket-Accept: %s\r\n", accept);
    arrive((const uint8_t *)text, (size_t)used);
}

static void end_stream(void)
{
    static const struct stream_end hung_up = {.kind = STREAM_ENDED, .text = "the server hung up"};
    if (!current || current->over)
        return;
    current->over = true;
    current->events->ended(current->arg, &hung_up);
}

/* The other half of the steps: what happens before there is a connection, or as it opens. */
static bool act_early(uint8_t step)
{
    switch (step) {
    case 0xf8:
        free_channel();
        open_channel();
        return true;
    case 0xf9:
        find_no_address();
        return true;
    case 0xfa:
        if (channel)
            h1_ops.idle(channel);
        return true;
    case 0xfb:
        at_once = 0xff;
        return true;
    case 0xfc:
        at_once = 0xfe;
        return true;
    default:
        return false;
    }
}

static void act(uint8_t step)
{
    if (act_early(step))
        return;
    switch (step & 7) {
    case 0:
        connect_channel();
        break;
    case 1:
        grant();
        break;
    case 2:
        if (channel)
            h1_ops.send(channel, (const uint8_t *)"acknowledged", 12);
        break;
    case 3:
        if (channel)
            h1_ops.close(channel, 1000, "");
        break;
    case 4:
        free_channel();
        break;
    case 5:
        end_stream();
        break;
    case 6:
        if (current)
            current->stalls = true;
        break;
    default:
        if (current && !current->over && current->unsent) {
            current->stalls = false;
            current->unsent = 0;
            current->events->sent(current->arg);
        }
        advance(step & 8 ? 5000 : 0);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    static const struct config config = {
        .signal_url = (char *)(uintptr_t) "ws://localhost:8080/v1/websocket/",
        .net_connect_timeout_ms = 10000,
        .net_handshake_timeout_ms = 4000};
    if (!ready)
        loop_init(&loop);
    ready = true;
    h1 = h1_new(&loop, NULL, &config, NULL);
    at_once = 0;
    connect_channel();
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
    free_channel();
    h1_free(h1);
    assert(!current && !waiting && loop.timers.count == 0);
    return 0;
}
