#include "base/loop.h"

#include "unit.h"

struct busy {
    struct loop loop;
    struct timer timer;
    uv_async_t async;
    unsigned fired, fired_when_heard;
};

static void again(void *arg)
{
    struct busy *busy = arg;
    if (++busy->fired < 100000)
        loop_timer_set(&busy->loop, &busy->timer, 0);
    else
        loop_stop(&busy->loop);
}

static void on_async(uv_async_t *async)
{
    struct busy *busy = async->data;
    busy->fired_when_heard = busy->fired;
    loop_stop(&busy->loop);
}

START_TEST(a_timer_that_sets_itself_for_now_keeps_nobody_else_waiting)
{
    struct busy busy = {0};
    loop_init(&busy.loop);
    timer_init(&busy.timer, again, &busy);
    uv_async_init(&busy.loop.uv, &busy.async, on_async);
    busy.async.data = &busy;
    loop_timer_set(&busy.loop, &busy.timer, 0);
    uv_async_send(&busy.async);
    loop_run(&busy.loop);
    ck_assert_uint_lt(busy.fired_when_heard, 100);
    ck_assert_uint_gt(busy.fired, 0);
    loop_timer_cancel(&busy.loop, &busy.timer);
    uv_close((uv_handle_t *)&busy.async, NULL);
    loop_fini(&busy.loop);
}
END_TEST

UNIT_MAIN("loop", a_timer_that_sets_itself_for_now_keeps_nobody_else_waiting)
