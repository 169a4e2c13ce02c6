#include "push/skew.h"

#include "unit.h"

#define A "https://a.example"
#define B "https://b.example"
#define HOUR_MS ((int64_t)3600 * 1000)

static struct skew skew;

START_TEST(five_minutes_are_no_trouble)
{
    skew_init(&skew);
    ck_assert_int_eq(skew_judge(&skew, A, 300, 0), SKEW_SAME);
    ck_assert_int_eq(skew_judge(&skew, A, -300, 0), SKEW_SAME);
    ck_assert_int_eq(skew_judge(&skew, A, -301, 0), SKEW_WRONG);
}
END_TEST

START_TEST(a_difference_is_told_once_whoever_shows_it)
{
    skew_init(&skew);
    ck_assert_int_eq(skew_judge(&skew, A, 600, 0), SKEW_WRONG);
    for (int i = 1; i < 1000; i++) {
        ck_assert_int_eq(skew_judge(&skew, A, 600, i * HOUR_MS), SKEW_SAME);
        ck_assert_int_eq(skew_judge(&skew, B, 600, i * HOUR_MS), SKEW_SAME);
    }
}
END_TEST

START_TEST(the_server_that_differed_says_when_all_is_well)
{
    skew_init(&skew);
    skew_judge(&skew, A, 600, 0);
    ck_assert_int_eq(skew_judge(&skew, B, 0, 1), SKEW_SAME);
    ck_assert_int_eq(skew_judge(&skew, A, 0, 2), SKEW_RIGHT);
    ck_assert_int_eq(skew_judge(&skew, A, 0, 3), SKEW_SAME);
    ck_assert_int_eq(skew_judge(&skew, B, 600, 4), SKEW_WRONG);
}
END_TEST

START_TEST(a_server_that_says_now_this_now_that_cannot_fill_the_log)
{
    skew_init(&skew);
    int told = 0;
    for (int i = 0; i < 10000; i++)
        told += skew_judge(&skew, A, i % 2 ? 0 : 600, i) != SKEW_SAME;
    ck_assert_int_eq(told, 6);
}
END_TEST

START_TEST(after_a_day_without_a_word_another_server_may_be_told_of)
{
    skew_init(&skew);
    skew_judge(&skew, A, 600, 0);
    ck_assert_int_eq(skew_judge(&skew, B, 600, 25 * HOUR_MS), SKEW_WRONG);
}
END_TEST

UNIT_MAIN("skew", five_minutes_are_no_trouble, a_difference_is_told_once_whoever_shows_it,
          the_server_that_differed_says_when_all_is_well,
          a_server_that_says_now_this_now_that_cannot_fill_the_log,
          after_a_day_without_a_word_another_server_may_be_told_of)
