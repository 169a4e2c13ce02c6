/* What the chat server's end of a link may do, through the link above a transport that plays along:
 * the input is a list of steps. A byte below 0xc0 is a piece of a message: its lower six bits are
 * the length of what follows, 0x40 ends the message, 0x80 is a length eight times as large. Other
 * bytes are events: an owner that acknowledges, time that passes, the connection's
 * end, a machine that was away. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "signal/resource.h"
#include "signal/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECE_MAX = 512, HELD_MAX = 64 };

struct channel {
    const struct transport_events *events;
    void *arg;
    bool open, closed, inside;
};

static struct world {
    struct channel *channel;
    uint64_t held[HELD_MAX];
    size_t held_count, sent;
    uint8_t last_sent[RESOURCE_REQUEST_MAX];
    size_t last_length;
    int send_result;
    bool in_call, down;
} world;

static struct loop loop;
static struct signal_server server;
static struct link *subject;

static struct channel *road_open(void *road, bool candidate, const struct transport_events *events,
                                 void *arg)
{
    (void)road, (void)candidate;
    struct channel_credentials credentials;
    events->asking(arg, &credentials);
    mem_free_secret(credentials.authorization);
    struct channel *channel = calloc(1, sizeof *channel);
    assert(channel && !world.channel);
    channel->events = events;
    channel->arg = arg;
    world.channel = channel;
    return channel;
}

static int road_send(struct channel *channel, const uint8_t *message, size_t length)
{
    assert(channel == world.channel && channel->open && length <= sizeof world.last_sent);
    if (channel->closed)
        return ERR_NOT_NOW;
    if (world.send_result != 0)
        return world.send_result;
    world.sent++;
    memcpy(world.last_sent, message, length);
    world.last_length = length;
    return 0;
}

static void road_close(struct channel *channel, int code, const char *reason)
{
    assert(channel == world.channel && reason && (code == 1000 || code == 1007));
    channel->closed = true;
}

static void road_idle(struct channel *channel)
{
    assert(channel == world.channel && channel->open);
}

static void road_free(struct channel *channel)
{
    assert(channel == world.channel);
    world.channel = NULL;
    free(channel);
}

static const struct transport_ops road_ops = {.name = "fuzz",
                                              .open = road_open,
                                              .send = road_send,
                                              .send_lazily = road_send,
                                              .close = road_close,
                                              .idle = road_idle,
                                              .free = road_free};

static void on_up(void *arg)
{
    (void)arg;
    assert(!world.in_call && world.channel->open);
}

static void on_waiting(void *arg, uint64_t ack, bool urgent, bool own)
{
    (void)arg, (void)urgent, (void)own;
    assert(!world.in_call && world.channel->open && !world.channel->closed);
    if (world.held_count < HELD_MAX)
        world.held[world.held_count++] = ack;
}

static void on_drained(void *arg)
{
    (void)arg;
    assert(!world.in_call && world.channel->open);
}

static void acknowledge(void)
{
    if (world.held_count == 0)
        return;
    uint64_t ack = world.held[--world.held_count];
    uint8_t wanted[RESOURCE_ANSWER_MAX];
    size_t length = resource_ok(wanted, ack), sent = world.sent;
    world.in_call = true;
    signal_link_ops.acknowledge(subject, ack);
    world.in_call = false;
    if (world.sent != sent)
        assert(world.last_length == length && memcmp(world.last_sent, wanted, length) == 0);
}

static void on_down(void *arg, const struct link_down *down)
{
    (void)arg;
    assert(!world.in_call && !world.channel && !world.down);
    assert(memchr(down->text, '\0', sizeof down->text) && down->text[0]);
    world.down = true;
    world.held_count = 0;
}

static const struct link_events events = {
    .up = on_up, .waiting = on_waiting, .drained = on_drained, .down = on_down};

static void start(void)
{
    world.down = false;
    signal_link_ops.start(subject);
    world.channel->open = true;
    world.channel->events->opened(world.channel->arg);
}

static void end(struct transport_end *transport_end)
{
    struct channel *channel = world.channel;
    channel->events->ended(channel->arg, transport_end);
    assert(world.down);
    start();
}

static void advance(int64_t ms)
{
    loop.uv.time += (uint64_t)ms;
    timers_fire(&loop.timers, loop_now_ms(&loop));
    if (world.down)
        start();
}

static void piece(const uint8_t *bytes, size_t length, bool last)
{
    struct channel *channel = world.channel;
    if (channel->closed)
        return;
    uint8_t *copy =
        malloc(length ? length : 1); /* of its own size, so that reading past it is seen */
    assert(copy);
    if (length)
        memcpy(copy, bytes, length);
    bool first = !channel->inside;
    channel->inside = !last;
    channel->events->piece(channel->arg, copy, length, first, last);
    free(copy);
}

static void event(uint8_t kind, uint8_t value)
{
    struct transport_end transport_end = {.kind = TRANSPORT_LOST};
    switch (kind & 7) {
    case 0:
        acknowledge();
        break;
    case 1:
        advance(value * 200);
        break;
    case 2:
        end(&transport_end);
        break;
    case 3:
        transport_end.kind = TRANSPORT_CLOSE;
        transport_end.close_code = (value & 0x80 ? 4300 : 900) + value;
        end(&transport_end);
        break;
    case 4:
        transport_end.kind = TRANSPORT_STATUS;
        transport_end.status = value & 1 ? 499 : 300 + value;
        end(&transport_end);
        break;
    case 5:
        world.in_call = true;
        signal_link_ops.stop(subject);
        world.in_call = false;
        break;
    case 6:
        world.send_result = value & 1 ? ERR_LIMIT : 0;
        break;
    default:
        if (value & 1)
            signal_link_ops.promote(subject);
        else
            signal_link_ops.test(subject);
        break;
    }
}

static void make_world(const struct config *config)
{
    memset(&world, 0, sizeof world);
    signal_server_init(&server, &loop, config, &road_ops, NULL);
    struct link_request request = {.device = 2, .password = "password"};
    subject = signal_link_ops.open(&server, &request, &events, NULL);
    start();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    static const struct config config = {.signal_user_agent = (char *)(uintptr_t) "a",
                                         .signal_user_agent_fallback = (char *)(uintptr_t) "b",
                                         .signal_keepalive_ms = 30000,
                                         .signal_keepalive_timeout_ms = 20000,
                                         .signal_reauthenticate_ms = 600000};
    if (!ready)
        loop_init(&loop);
    ready = true;
    make_world(&config);
    for (size_t at = 0; at < size;) {
        uint8_t step = data[at++];
        size_t left = size - at;
        if (step >= 0xc0) {
            event(step, left ? data[at] : 0);
            at += left > 0;
            continue;
        }
        size_t length = (step & 0x3fu) * (step & 0x80 ? 8 : 1);
        length = length < left ? length : left;
        piece(data + at, length < PIECE_MAX ? length : PIECE_MAX, step & 0x40);
        at += length;
    }
    signal_link_ops.free(subject);
    assert(!world.channel && loop.timers.count == 0);
    return 0;
}
