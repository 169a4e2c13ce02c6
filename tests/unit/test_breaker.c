#include "push/breaker.h"

#include <string.h>

#include "unit.h"

static const struct breaker_timing timing = {
    .failures = 5, .open_ms = 30000, .open_max_ms = 900000};

static struct breaker breaker;

static bool failed(uint64_t endpoint, int64_t now_ms)
{
    return breaker_fail(&breaker, &timing, endpoint, "Refused", now_ms);
}

/* Five failures of two endpoints, and it is open from 1000 on without jitter. */
static void trip(void)
{
    breaker = (struct breaker){0};
    for (int i = 0; i < 5; i++)
        failed((uint64_t)i % 2, 1000);
    breaker_open(&breaker, &timing, 1000, 0);
}

START_TEST(five_failures_in_a_row_are_enough)
{
    breaker = (struct breaker){0};
    for (int i = 0; i < 4; i++)
        ck_assert(!failed(7, 1000 + i));
    ck_assert_int_eq(breaker_next_ms(&breaker), 0);
    ck_assert(failed(7, 1004));
    ck_assert_uint_eq(breaker.endpoint_count, 1);
    ck_assert_int_eq(breaker.since_ms, 1000);
    ck_assert_str_eq(breaker.why, "Refused");
    ck_assert(failed(8, 1005));
    ck_assert_uint_eq(breaker.endpoint_count, 2);
}
END_TEST

START_TEST(an_answer_begins_the_row_anew)
{
    breaker = (struct breaker){0};
    for (int i = 0; i < 4; i++)
        failed((uint64_t)i, 1000);
    ck_assert(!breaker_close(&breaker));
    for (int i = 0; i < 4; i++)
        ck_assert(!failed(9, 2000));
    ck_assert_uint_eq(breaker.endpoint_count, 1);
    ck_assert_int_eq(breaker.since_ms, 2000);
}
END_TEST

START_TEST(a_row_may_be_shorter_where_the_settings_say_so)
{
    const struct breaker_timing one = {.failures = 1, .open_ms = 1};
    breaker = (struct breaker){0};
    ck_assert(breaker_fail(&breaker, &one, 7, "", 0));
}
END_TEST

START_TEST(it_waits_then_lets_one_probe_through)
{
    trip();
    ck_assert_int_eq(breaker_next_ms(&breaker), 31000);
    ck_assert(breaker_start(&breaker));
    ck_assert_int_eq(breaker_next_ms(&breaker), INT64_MAX);
    ck_assert(breaker_close(&breaker));
    ck_assert_int_eq(breaker_next_ms(&breaker), 0);
    ck_assert(!breaker_start(&breaker));
}
END_TEST

START_TEST(probes_that_fail_double_the_wait_up_to_fifteen_minutes)
{
    trip();
    static const int64_t waits[] = {30000, 60000, 120000, 240000, 480000, 900000, 900000};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        ck_assert_int_eq(breaker_next_ms(&breaker), 1000 + waits[i]);
        breaker_start(&breaker);
        failed(1, 1000);
        breaker_open(&breaker, &timing, 1000, 0);
    }
    breaker_close(&breaker);
    for (int i = 0; i < 5; i++)
        failed((uint64_t)i, 1000);
    breaker_open(&breaker, &timing, 1000, 0);
    ck_assert_int_eq(breaker_next_ms(&breaker), 31000);
}
END_TEST

START_TEST(a_probe_that_learned_nothing_waits_as_long_as_the_last)
{
    trip();
    breaker_start(&breaker);
    breaker_open(&breaker, &timing, 1000, 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(breaker_next_ms(&breaker), 61000);
        ck_assert(breaker_start(&breaker));
        breaker_wait(&breaker, &timing, 1000, 0);
    }
}
END_TEST

START_TEST(it_knows_who_failed_in_this_row)
{
    breaker = (struct breaker){0};
    ck_assert(!breaker_knows(&breaker, 0));
    for (uint64_t i = 0; i < 100; i++) /* more than it remembers */
        failed(i, 1000);
    ck_assert(breaker_knows(&breaker, 0));
    ck_assert(breaker_knows(&breaker, BREAKER_ENDPOINTS - 1));
    ck_assert(!breaker_knows(&breaker, 100));
    breaker_close(&breaker);
    ck_assert(!breaker_knows(&breaker, 0));
}
END_TEST

START_TEST(jitter_lies_above_the_wait)
{
    trip();
    breaker.state = BREAKER_CLOSED;
    breaker_open(&breaker, &timing, 1000, UINT32_MAX);
    ck_assert_int_eq(breaker_next_ms(&breaker), 1000 + 37500);
}
END_TEST

START_TEST(failures_while_it_is_open_change_nothing)
{
    trip();
    for (int i = 0; i < 20; i++)
        ck_assert(!failed(3, 5000));
    ck_assert_int_eq(breaker_next_ms(&breaker), 31000);
    ck_assert_int_eq(breaker.since_ms, 1000);
}
END_TEST

START_TEST(a_probe_that_is_given_up_makes_room_for_the_next)
{
    trip();
    breaker_start(&breaker);
    breaker_abandon(&breaker, 40000);
    ck_assert_int_eq(breaker_next_ms(&breaker), 40000);
    breaker_start(&breaker);
    breaker_close(&breaker);
    breaker_abandon(&breaker, 50000);
    ck_assert_int_eq(breaker_next_ms(&breaker), 0);
}
END_TEST

UNIT_MAIN("breaker", five_failures_in_a_row_are_enough, an_answer_begins_the_row_anew,
          a_row_may_be_shorter_where_the_settings_say_so, it_waits_then_lets_one_probe_through,
          probes_that_fail_double_the_wait_up_to_fifteen_minutes,
          a_probe_that_learned_nothing_waits_as_long_as_the_last, it_knows_who_failed_in_this_row,
          jitter_lies_above_the_wait, failures_while_it_is_open_change_nothing,
          a_probe_that_is_given_up_makes_room_for_the_next)
