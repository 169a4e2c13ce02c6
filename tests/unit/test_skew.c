#include "push/skew.h"

#include "unit.h"

#define A "https://a.example"
#define B "https://b.example"
#define HOUR_MS ((int64_t)3600 * 1000)

static struct skew skew;
static int64_t set_by_s; /* our clock, since the start */

static enum skew_news judge(const char *origin, int64_t ahead_s, int64_t now_ms)
{
    const struct skew_moment now = {.now_ms = now_ms,
                                    .now_unix = 1800000000 + set_by_s + now_ms / 1000};
    return skew_judge(&skew, origin, ahead_s, &now);
}

static void begin(void)
{
    set_by_s = 0;
    skew_init(&skew);
}

START_TEST(five_minutes_are_no_trouble)
{
    begin();
    ck_assert_int_eq(judge(A, 300, 0), SKEW_SAME);
    ck_assert_int_eq(judge(A, -300, 0), SKEW_SAME);
    ck_assert_int_eq(judge(A, -301, 0), SKEW_WRONG);
}
END_TEST

START_TEST(a_difference_is_told_once_whoever_shows_it)
{
    begin();
    ck_assert_int_eq(judge(A, 600, 0), SKEW_WRONG);
    for (int i = 1; i < 1000; i++) {
        ck_assert_int_eq(judge(A, 600, i * HOUR_MS), SKEW_SAME);
        ck_assert_int_eq(judge(B, 600, i * HOUR_MS), SKEW_SAME);
    }
    ck_assert_str_eq(skew.origin, A);
}
END_TEST

START_TEST(any_server_that_agrees_shows_that_our_clock_is_right)
{
    begin();
    judge(A, 600, 0);
    ck_assert_int_eq(judge(B, 0, 1), SKEW_RIGHT);
    ck_assert_str_eq(skew.origin, "");
    ck_assert_int_eq(judge(A, 0, 2), SKEW_SAME);
    ck_assert_int_eq(judge(A, 600, 3), SKEW_WRONG);
    ck_assert_int_eq(judge(A, 0, 4), SKEW_RIGHT);
}
END_TEST

START_TEST(one_that_differs_from_us_and_from_another_is_wrong_itself)
{
    begin();
    ck_assert_int_eq(judge(B, 10, 0), SKEW_SAME);
    for (int i = 1; i < 100; i++)
        ck_assert_int_eq(judge(A, -600, i * HOUR_MS), SKEW_SAME);
    ck_assert_str_eq(skew.origin, "");
    ck_assert_int_eq(judge(B, -600, 100 * HOUR_MS), SKEW_WRONG); /* now both say so */
    ck_assert_str_eq(skew.origin, B);
}
END_TEST

START_TEST(what_agreed_before_our_clock_was_set_shows_nothing)
{
    begin();
    judge(B, 0, 0);
    set_by_s = -7200;
    ck_assert_int_eq(judge(A, 7200, 1000), SKEW_WRONG);
}
END_TEST

START_TEST(a_server_that_says_now_this_now_that_cannot_fill_the_log)
{
    begin();
    int told = 0;
    for (int i = 0; i < 10000; i++)
        told += judge(A, i % 2 ? 0 : 600, i) != SKEW_SAME;
    ck_assert_int_eq(told, 6);
    ck_assert_int_eq(judge(A, 600, 10001), SKEW_SAME); /* no line is left for it, but it is known */
    ck_assert_str_eq(skew.origin, A);
    ck_assert_int_eq(judge(A, 600, HOUR_MS + 10000), SKEW_WRONG);
}
END_TEST

START_TEST(after_a_day_without_a_word_another_server_may_be_told_of)
{
    begin();
    judge(A, 600, 0);
    ck_assert_int_eq(judge(B, 600, 25 * HOUR_MS), SKEW_WRONG);
}
END_TEST

START_TEST(a_certificate_that_is_out_of_time_counts_until_a_clock_was_seen)
{
    begin();
    skew_untimely(&skew);
    ck_assert(skew.untimely && !skew.judged);
    judge(A, 0, 0);
    ck_assert(!skew.untimely);
}
END_TEST

UNIT_MAIN("skew", five_minutes_are_no_trouble, a_difference_is_told_once_whoever_shows_it,
          any_server_that_agrees_shows_that_our_clock_is_right,
          one_that_differs_from_us_and_from_another_is_wrong_itself,
          what_agreed_before_our_clock_was_set_shows_nothing,
          a_server_that_says_now_this_now_that_cannot_fill_the_log,
          after_a_day_without_a_word_another_server_may_be_told_of,
          a_certificate_that_is_out_of_time_counts_until_a_clock_was_seen)
