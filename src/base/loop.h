/* The one event loop: libuv, our timers on it, and deferred calls. One thread owns it; only
 * loop_wake-ups made with uv_async may come from another. */
#ifndef DOORBELL_BASE_LOOP_H
#define DOORBELL_BASE_LOOP_H

#include <uv.h>

#include "base/timers.h"

struct loop {
    uv_loop_t uv;
    struct timers timers;
    uv_timer_t driver;
    bool firing;
};

void loop_init(struct loop *loop);
void loop_run(struct loop *loop);  /* until loop_stop */
void loop_stop(struct loop *loop); /* from a callback on the loop */

/* All handles must have been closed by their owners; runs the loop until their close callbacks ran.
 */
void loop_fini(struct loop *loop);

/* Monotonic milliseconds of this turn of the loop. */
int64_t loop_now_ms(const struct loop *loop);

void loop_timer_set(struct loop *loop, struct timer *timer, int64_t after_ms);
void loop_timer_cancel(struct loop *loop, struct timer *timer);

#endif
