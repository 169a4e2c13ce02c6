/* Loaded into a client (LD_PRELOAD) to time what happens between a message that is readable and the
 * POST that it causes: from the return of epoll to the end of SSL_write, in any program that reads
 * and writes through libssl on one thread. A POST belongs to the oldest message that has none yet.
 * At exit the samples, in nanoseconds, are written to the file that BENCH_SAMPLES names. */
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { SAMPLES_MAX = 100000, WAITING_MAX = 256 };

static const char message[] = "/api/v1/message", post[] = "POST ";

/* A library that is loaded ahead of others has nobody who could hand it its state. */
static struct {
    int64_t turn_ns;              /* when epoll returned */
    int64_t waiting[WAITING_MAX]; /* a ring: the turns in which messages were readable */
    size_t message_count, count;
    int64_t samples[SAMPLES_MAX];
} probe;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        fprintf(stderr, "probe: no %s behind this one\n", name);
        abort();
    }
    return found;
}

/* Several may come in one piece where many accounts share a connection. */
static void note_read(const void *bytes, size_t length)
{
    const char *at = bytes, *end = at + length;
    while ((at = memmem(at, (size_t)(end - at), message, strlen(message)))) {
        probe.waiting[probe.message_count++ % WAITING_MAX] = probe.turn_ns;
        at += strlen(message);
    }
}

static void note_written(const void *bytes, size_t length)
{
    if (length < strlen(post) || memcmp(bytes, post, strlen(post)) != 0)
        return;
    if (probe.count == probe.message_count || probe.count == SAMPLES_MAX)
        return;
    int64_t since_ns = probe.waiting[probe.count % WAITING_MAX];
    probe.samples[probe.count++] = now_ns() - since_ns;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    static int (*real)(int, struct epoll_event *, int, int);
    if (!real)
        real = (int (*)(int, struct epoll_event *, int, int))next("epoll_wait");
    int count = real(epoll, events, most, timeout_ms);
    probe.turn_ns = now_ns();
    return count;
}

int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout_ms,
                const sigset_t *signals)
{
    static int (*real)(int, struct epoll_event *, int, int, const sigset_t *);
    if (!real)
        real = (int (*)(int, struct epoll_event *, int, int, const sigset_t *))next("epoll_pwait");
    int count = real(epoll, events, most, timeout_ms, signals);
    probe.turn_ns = now_ns();
    return count;
}

int SSL_read(SSL *ssl, void *bytes, int room)
{
    static int (*real)(SSL *, void *, int);
    if (!real)
        real = (int (*)(SSL *, void *, int))next("SSL_read");
    int length = real(ssl, bytes, room);
    if (length > 0)
        note_read(bytes, (size_t)length);
    return length;
}

int SSL_read_ex(SSL *ssl, void *bytes, size_t room, size_t *length)
{
    static int (*real)(SSL *, void *, size_t, size_t *);
    if (!real)
        real = (int (*)(SSL *, void *, size_t, size_t *))next("SSL_read_ex");
    int done = real(ssl, bytes, room, length);
    if (done)
        note_read(bytes, *length);
    return done;
}

int SSL_write(SSL *ssl, const void *bytes, int length)
{
    static int (*real)(SSL *, const void *, int);
    if (!real)
        real = (int (*)(SSL *, const void *, int))next("SSL_write");
    int written = real(ssl, bytes, length);
    if (written > 0)
        note_written(bytes, (size_t)length);
    return written;
}

int SSL_write_ex(SSL *ssl, const void *bytes, size_t length, size_t *written)
{
    static int (*real)(SSL *, const void *, size_t, size_t *);
    if (!real)
        real = (int (*)(SSL *, const void *, size_t, size_t *))next("SSL_write_ex");
    int done = real(ssl, bytes, length, written);
    if (done)
        note_written(bytes, length);
    return done;
}

static __attribute__((destructor)) void write_samples(void)
{
    const char *path = getenv("BENCH_SAMPLES");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    for (size_t i = 0; i < probe.count; i++)
        fprintf(file, "%lld\n", (long long)probe.samples[i]);
    fclose(file);
}
