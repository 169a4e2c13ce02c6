#include "base/absence.h"

#include <poll.h>

#include "unit.h"

static const struct absence_clocks noon = {
    .monotonic_ms = 5000000, .boot_ms = 9000000, .wall_ms = 1750000000000};

struct told {
    unsigned times;
    int64_t slept_ms;
};

static void on_absence(void *arg, int64_t slept_ms)
{
    struct told *told = arg;
    told->times++;
    told->slept_ms = slept_ms;
}

/* So much later by each of the clocks. */
static bool away(int64_t monotonic_ms, int64_t boot_ms, int64_t wall_ms, int64_t *slept_ms)
{
    struct absence_clocks later = {.monotonic_ms = noon.monotonic_ms + monotonic_ms,
                                   .boot_ms = noon.boot_ms + boot_ms,
                                   .wall_ms = noon.wall_ms + wall_ms};
    return absence_between(&noon, &later, slept_ms);
}

START_TEST(time_that_passes_for_all_clocks_is_no_absence)
{
    static const int64_t spans[] = {0, 1, 30000, INT64_C(86400000) * 365 * 100};
    int64_t slept_ms;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        ck_assert(!away(spans[i], spans[i], spans[i], &slept_ms));
        ck_assert_int_eq(slept_ms, 0);
    }
}
END_TEST

START_TEST(sleep_is_noticed_from_ten_seconds_on_and_measured)
{
    int64_t slept_ms;
    ck_assert(!away(500, 10499, 10499, &slept_ms));
    ck_assert(away(500, 10500, 10500, &slept_ms));
    ck_assert_int_eq(slept_ms, 10000);
    ck_assert(away(7000, 8 * 3600 * 1000 + 7000, 8 * 3600 * 1000 + 7000, &slept_ms));
    ck_assert_int_eq(slept_ms, 8 * 3600 * 1000);
}
END_TEST

START_TEST(sleep_is_noticed_whatever_the_wall_clock_says)
{
    int64_t slept_ms;
    ck_assert(away(0, 60000, -86400000, &slept_ms));
    ck_assert_int_eq(slept_ms, 60000);
}
END_TEST

/* A paused virtual machine, a board without a clock: nobody knows for how long. */
START_TEST(a_wall_clock_that_is_set_forward_is_an_absence_of_unknown_length)
{
    int64_t slept_ms;
    ck_assert(!away(1000, 1000, 120999, &slept_ms));
    ck_assert(away(1000, 1000, 121000, &slept_ms));
    ck_assert_int_eq(slept_ms, 0);
    ck_assert(!away(1000, 1000, -86400000, &slept_ms)); /* set back */
}
END_TEST

START_TEST(each_absence_is_told_once)
{
    struct loop loop;
    struct absence absence;
    struct told told = {0};
    loop_init(&loop);
    absence_init(&absence, &loop, on_absence, &told);
    absence_look(&absence);
    ck_assert_uint_eq(told.times, 0);
    absence.last.boot_ms -= 60000;
    absence_look(&absence);
    ck_assert_uint_eq(told.times, 1);
    /* Not to the millisecond: each clock is read and rounded for itself. */
    ck_assert_int_gt(told.slept_ms, 59000);
    ck_assert_int_lt(told.slept_ms, 61000);
    absence_look(&absence);
    ck_assert_uint_eq(told.times, 1);
    absence_fini(&absence);
    loop_fini(&loop);
}
END_TEST

START_TEST(watching_the_clock_wakes_nobody_and_leaves_nothing_behind)
{
    struct loop loop;
    struct absence absence;
    struct told told = {0};
    loop_init(&loop);
    absence_init(&absence, &loop, on_absence, &told);
    ck_assert_ptr_nonnull(absence.poll); /* the kernels that we are tested on have it */
    struct pollfd watched = {.fd = absence.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&watched, 1, 0), 0);
    ck_assert_uint_eq(loop.timers.count, 0);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    ck_assert_uint_eq(told.times, 0);
    absence_fini(&absence);
    uv_close((uv_handle_t *)&loop.driver, NULL);
    while (uv_run(&loop.uv, UV_RUN_NOWAIT) != 0)
        ;
    ck_assert_int_eq(uv_loop_close(&loop.uv), 0);
    timers_fini(&loop.timers);
}
END_TEST

UNIT_MAIN("absence", time_that_passes_for_all_clocks_is_no_absence,
          sleep_is_noticed_from_ten_seconds_on_and_measured,
          sleep_is_noticed_whatever_the_wall_clock_says,
          a_wall_clock_that_is_set_forward_is_an_absence_of_unknown_length,
          each_absence_is_told_once, watching_the_clock_wakes_nobody_and_leaves_nothing_behind)
