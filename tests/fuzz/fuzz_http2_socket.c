/* The life of a connection that may speak HTTP/2, over a real socket: the look at its first bytes,
 * handing it on unread, talking, lingering. The first byte chooses who the peer is and how it sends
 * the rest; fuzz_http2.c goes deeper into what is said. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "web/http2.h"

enum {
    MAY_BEGIN = 1, /* HTTP/2 */
    WITH_PREFACE = 2,
    READS = 4,
    SLOWLY = 8,    /* time passes */
    TOO_LATE = 16, /* more than it is given */
    HANGS_UP = 32, /* or the server ends first */
    SENT_MAX = 8 * 1024,
    TIMEOUT_MS = 10000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct loop *loop;
    struct gate gate;
    struct http2 *http2;
    int fd;                  /* the peer's end */
    uint8_t first[SENT_MAX]; /* what it sent first */
    size_t first_length;
    size_t pending; /* questions that are out */
    bool is_handed_on;
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void forget(void *waiting)
{
    struct world *world = waiting;
    expect(world->pending > 0);
    world->pending--;
}

/* A GET is answered at once, everything else never. */
static void handle(void *arg, struct exchange *exchange)
{
    struct world *world = arg;
    expect(!world->is_handed_on);
    if (strcmp(exchange->request.method, "GET") == 0) {
        response_set(&exchange->response, 200, "text/plain", mem_format("%020000d", 0));
        return;
    }
    world->pending++;
    exchange->waiting = world;
    exchange->forget = forget;
}

/* Nothing was read from it, and it is not counted any more. */
static void take_other(void *arg, int fd, const struct address *peer)
{
    struct world *world = arg;
    uint8_t bytes[SENT_MAX];
    expect(!world->is_handed_on && world->gate.inside == 0 && peer->length == 0);
    world->is_handed_on = true;
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    expect(got > 0 && (size_t)got <= world->first_length);
    expect(memcmp(bytes, world->first, (size_t)got) == 0);
    close(fd);
}

/* As if so much time had passed for everything that is set now. */
static void pass(struct world *world, int64_t ms)
{
    timers_fire(&world->loop->timers, loop_now_ms(world->loop) + ms);
}

static void turn(struct world *world, uint8_t how)
{
    char bytes[4096];
    uv_run(&world->loop->uv, UV_RUN_NOWAIT);
    while ((how & READS) && recv(world->fd, bytes, sizeof bytes, 0) > 0)
        continue;
    if (how & (SLOWLY | TOO_LATE))
        pass(world, how & TOO_LATE ? TIMEOUT_MS + 1 : TIMEOUT_MS / 4);
}

static void note(struct world *world, const uint8_t *bytes, size_t length)
{
    size_t room = sizeof world->first - world->first_length;
    if (length > room)
        length = room;
    memcpy(world->first + world->first_length, bytes, length);
    world->first_length += length;
}

/* False when the server takes no more. */
static bool say(struct world *world, uint8_t how, const uint8_t *bytes, size_t length)
{
    for (int tries = 0; length && tries < 8; tries++) {
        ssize_t sent = send(world->fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            note(world, bytes, (size_t)sent);
            bytes += sent;
            length -= (size_t)sent;
        }
        turn(world, how);
    }
    return length == 0;
}

static void converse(struct world *world, uint8_t how, const uint8_t *data, size_t size)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    size_t piece = (size_t)1 << 4 * (how >> 6);
    if ((how & WITH_PREFACE) && !say(world, how, preface, sizeof preface))
        return;
    while (size) {
        size_t length = piece < size ? piece : size;
        if (!say(world, how, data, length))
            return;
        data += length;
        size -= length;
    }
}

static void dial(struct world *world, bool may_begin)
{
    static const struct address local;
    int fds[2];
    expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    world->fd = fds[0];
    if (may_begin)
        http2_add(world->http2, fds[1], &local);
    else
        http2_look(world->http2, fds[1], &local);
    expect(world->gate.inside == 1);
}

/* The loop goes on until the handles have closed, and no longer. */
static void end(struct world *world, uint8_t how)
{
    if (how & HANGS_UP) {
        close(world->fd);
        for (int i = 0; i < 4; i++)
            uv_run(&world->loop->uv, UV_RUN_NOWAIT);
        /* What it left unread may outlast it for as long as we linger or wait for the rest. */
        pass(world, 20 * TIMEOUT_MS);
    }
    http2_free(world->http2);
    if (!(how & HANGS_UP))
        close(world->fd);
    uv_run(&world->loop->uv, UV_RUN_NOWAIT);
    expect(world->gate.inside == 0 && world->pending == 0 && world->loop->timers.count == 0);
    gate_fini(&world->gate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop loop;
    static bool is_ready;
    static const struct proxies nobody;
    if (!is_ready)
        loop_init(&loop);
    is_ready = true;
    if (size == 0)
        return 0;
    struct world world = {.loop = &loop};
    gate_init(&world.gate);
    world.gate.proxies = &nobody;
    world.gate.most = world.gate.most_per_network = 10;
    world.http2 = http2_new(&loop, &world.gate, handle, take_other, &world);
    http2_set_timeout(world.http2, TIMEOUT_MS);
    dial(&world, data[0] & MAY_BEGIN);
    converse(&world, data[0], data + 1, size - 1);
    end(&world, data[0]);
    return 0;
}
