#include "base/absence.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    SLEPT_LEAST_MS = 10 * 1000, /* no peer hangs up within that, and no answer is late by it */
    AHEAD_LEAST_MS = 2 * 60 * 1000,
};

bool absence_between(const struct absence_clocks *before, const struct absence_clocks *after,
                     int64_t *slept_ms)
{
    int64_t slept =
        (after->boot_ms - before->boot_ms) - (after->monotonic_ms - before->monotonic_ms);
    int64_t ahead = (after->wall_ms - before->wall_ms) - (after->boot_ms - before->boot_ms);
    bool has_slept = slept >= SLEPT_LEAST_MS;
    *slept_ms = has_slept ? slept : 0;
    return has_slept || ahead >= AHEAD_LEAST_MS;
}

static struct absence_clocks read_clocks(void)
{
    return (struct absence_clocks){
        .monotonic_ms = clock_ms(), .boot_ms = clock_boot_ms(), .wall_ms = clock_wall_ms()};
}

void absence_look(struct absence *absence)
{
    struct absence_clocks now = read_clocks();
    int64_t slept_ms;
    bool away = absence_between(&absence->last, &now, &slept_ms);
    absence->last = now;
    if (away)
        absence->fn(absence->arg, slept_ms);
}

static void on_clock_set(uv_poll_t *poll, int status, int events)
{
    struct absence *absence = poll->data;
    uint64_t expired;
    (void)status;
    (void)events;
    /* Fails with ECANCELED, which is the news itself. */
    if (read(absence->fd, &expired, sizeof expired) < 0)
        absence_look(absence);
}

/* -1: not here. */
static int watch_clock(void)
{
    const struct itimerspec never = {.it_value.tv_sec = LONG_MAX};
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0)
        return fd;
    close(fd);
    return -1;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void absence_init(struct absence *absence, struct loop *loop, absence_fn *fn, void *arg)
{
    *absence = (struct absence){
        .loop = loop, .fn = fn, .arg = arg, .last = read_clocks(), .fd = watch_clock()};
    if (absence->fd < 0) {
        log_debug("The system does not tell when its clock is set: that is looked for instead.");
        return;
    }
    absence->poll = mem_new(sizeof *absence->poll);
    absence->poll->data = absence;
    if (uv_poll_init(&loop->uv, absence->poll, absence->fd) != 0) {
        free(absence->poll);
        absence->poll = NULL;
        return;
    }
    uv_poll_start(absence->poll, UV_READABLE, on_clock_set);
}

void absence_fini(struct absence *absence)
{
    if (absence->poll)
        uv_close((uv_handle_t *)absence->poll, on_closed);
    absence->poll = NULL;
    if (absence->fd >= 0)
        close(absence->fd);
    absence->fd = -1;
}
