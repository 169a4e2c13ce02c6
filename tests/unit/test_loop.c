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

struct leaving {
    uv_timer_t last;
    uv_prepare_t watcher;
    unsigned turns;
};

static void on_turn(uv_prepare_t *watcher)
{
    struct leaving *leaving = watcher->data;
    leaving->turns++;
}

static void on_last(uv_timer_t *last)
{
    struct leaving *leaving = last->data;
    uv_close((uv_handle_t *)&leaving->watcher, NULL);
    uv_close((uv_handle_t *)last, NULL);
}

/* A connection that says goodbye may take seconds. */
START_TEST(what_ends_by_itself_is_waited_for_asleep)
{
    struct loop loop;
    struct leaving leaving = {.turns = 0};
    loop_init(&loop);
    uv_timer_init(&loop.uv, &leaving.last);
    uv_prepare_init(&loop.uv, &leaving.watcher);
    leaving.last.data = leaving.watcher.data = &leaving;
    uv_timer_start(&leaving.last, on_last, 50, 0);
    uv_prepare_start(&leaving.watcher, on_turn);
    loop_fini(&loop);
    ck_assert_uint_gt(leaving.turns, 0);
    ck_assert_uint_lt(leaving.turns, 10);
}
END_TEST

UNIT_MAIN("loop", a_timer_that_sets_itself_for_now_keeps_nobody_else_waiting,
          what_ends_by_itself_is_waited_for_asleep)
