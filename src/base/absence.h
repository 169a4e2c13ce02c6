/* Notices that the machine was away: it slept (CLOCK_BOOTTIME went on, CLOCK_MONOTONIC stood
 * still), or the wall clock was set forward by minutes, which is how a virtual machine that was
 * paused and a board without a clock of its own learn what time it is. Whoever held connections is
 * told, once each time, so that they are tested at once: peers have hung up long ago, and every
 * timer of the loop stood still meanwhile.
 *
 * It costs no wake-up of an idle board: a timerfd on CLOCK_REALTIME that never expires and is
 * cancelled by each discontinuous change of that clock (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET)
 * becomes readable the moment the kernel resumes, because a resume sets the clock. Where a kernel
 * does not have that, absence_look from any timer that runs anyway finds out later.
 *
 * Nothing is decided by the wall clock here but to look whether links still work. On the loop. */
#ifndef DOORBELL_BASE_ABSENCE_H
#define DOORBELL_BASE_ABSENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

/* One look at all three. */
struct absence_clocks {
    int64_t monotonic_ms, boot_ms, wall_ms;
};

/* Pure: whether the machine was away between two looks; `*slept_ms` is how long of that time
 * CLOCK_MONOTONIC does not know about (0 when only the wall clock was set). */
bool absence_between(const struct absence_clocks *before, const struct absence_clocks *after,
                     int64_t *slept_ms);

typedef void absence_fn(void *arg, int64_t slept_ms);

struct absence {
    struct loop *loop;
    absence_fn *fn;
    void *arg;
    struct absence_clocks last;
    uv_poll_t *poll; /* freed when it has closed; NULL: the system has no such timer */
    int fd;
};

void absence_init(struct absence *absence, struct loop *loop, absence_fn *fn, void *arg);
void absence_fini(struct absence *absence);

/* Calls `fn` before it returns if the machine was away since the last look. */
void absence_look(struct absence *absence);

#endif
