#include "base/loop.h"

#include <stdlib.h>

#include "base/log.h"

static void on_driver(uv_timer_t *driver);

static void arm(struct loop *loop)
{
    int64_t next = timers_next_ms(&loop->timers);
    if (next == INT64_MAX) {
        uv_timer_stop(&loop->driver);
        return;
    }
    int64_t after = next - loop_now_ms(loop);
    /* libuv 1.44 runs a timer that is set for now by a timer in the same turn: whoever does that
     * each time would keep the loop from everything else for ever. */
    int64_t soonest = loop->firing ? 1 : 0;
    uv_timer_start(&loop->driver, on_driver, (uint64_t)(after > soonest ? after : soonest), 0);
}

static void on_driver(uv_timer_t *driver)
{
    struct loop *loop = driver->data;
    loop->firing = true;
    timers_fire(&loop->timers, loop_now_ms(loop));
    arm(loop);
    loop->firing = false;
}

void loop_init(struct loop *loop)
{
    timers_init(&loop->timers);
    loop->firing = false;
    if (uv_loop_init(&loop->uv) != 0 || uv_timer_init(&loop->uv, &loop->driver) != 0) {
        log_error("The event loop cannot be made: too few file descriptors?");
        abort();
    }
    loop->driver.data = loop;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_fini(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->driver, NULL);
    while (uv_run(&loop->uv, UV_RUN_ONCE) != 0)
        ;
    if (uv_loop_close(&loop->uv) != 0)
        log_warn("The event loop was left with open handles.");
    timers_fini(&loop->timers);
}

int64_t loop_now_ms(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

void loop_timer_set(struct loop *loop, struct timer *timer, int64_t after_ms)
{
    int64_t at = loop_now_ms(loop) + (after_ms > 0 ? after_ms : 0);
    timers_set(&loop->timers, timer, at);
    if (!loop->firing && timers_next_ms(&loop->timers) == at)
        arm(loop);
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
    timers_cancel(&loop->timers, timer);
}
