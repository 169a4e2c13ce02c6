#include "base/timers.h"

#include "base/mem.h"
#include "base/random.h"
#include "unit.h"

struct item {
    struct timer timer;
    struct timers *timers;
    int64_t *last_ms;
    unsigned *fired;
    int64_t again_at_ms;
};

static void on_fire(void *arg)
{
    struct item *item = arg;
    ck_assert_int_le(*item->last_ms, item->timer.at_ms);
    *item->last_ms = item->timer.at_ms;
    ++*item->fired;
    if (item->again_at_ms)
        timers_set(item->timers, &item->timer, item->again_at_ms);
}

START_TEST(timers_fire_once_in_the_order_of_their_deadlines)
{
    enum { COUNT = 2000 };
    struct timers timers;
    struct item *items = mem_new(COUNT * sizeof *items);
    int64_t last = 0;
    unsigned fired = 0, cancelled = 0;
    timers_init(&timers);
    for (size_t i = 0; i < COUNT; i++) {
        items[i] = (struct item){.timers = &timers, .last_ms = &last, .fired = &fired};
        timer_init(&items[i].timer, on_fire, &items[i]);
        timers_set(&timers, &items[i].timer, 1 + random_u32() % 10000);
    }
    for (size_t i = 0; i < COUNT; i += 3) {
        timers_cancel(&timers, &items[i].timer);
        cancelled++;
    }
    for (size_t i = 1; i < COUNT; i += 3)
        timers_set(&timers, &items[i].timer, 1 + random_u32() % 10000); /* moved */
    for (int64_t now = 0; now <= 10000; now += 100) {
        timers_fire(&timers, now);
        ck_assert_int_gt(timers_next_ms(&timers), now);
    }
    ck_assert_uint_eq(fired, COUNT - cancelled);
    ck_assert(timers_next_ms(&timers) == INT64_MAX);
    timers_fini(&timers);
    free(items);
}
END_TEST

START_TEST(a_timer_that_sets_itself_for_now_waits_for_the_next_call)
{
    struct timers timers;
    int64_t last = 0;
    unsigned fired = 0;
    struct item item = {.timers = &timers, .last_ms = &last, .fired = &fired, .again_at_ms = 5};
    timers_init(&timers);
    timer_init(&item.timer, on_fire, &item);
    timers_set(&timers, &item.timer, 5);
    timers_fire(&timers, 5);
    ck_assert_uint_eq(fired, 1);
    timers_fire(&timers, 5);
    ck_assert_uint_eq(fired, 2);
    timers_fini(&timers);
    ck_assert(!timer_is_set(&item.timer));
}
END_TEST

UNIT_MAIN("timers", timers_fire_once_in_the_order_of_their_deadlines,
          a_timer_that_sets_itself_for_now_waits_for_the_next_call)
