#include "bridge/left.h"

#include <stdio.h>

#include "unit.h"

static struct left left;

static void note(unsigned number, int64_t until_ms, int64_t now_ms)
{
    char url[64];
    snprintf(url, sizeof url, "https://push.example.org/up%u", number);
    left_note(&left, url, until_ms, now_ms);
}

static int64_t take(unsigned number, int64_t now_ms)
{
    char url[64];
    snprintf(url, sizeof url, "https://push.example.org/up%u", number);
    return left_take(&left, url, now_ms);
}

START_TEST(a_floor_is_given_back_once_and_only_while_it_lasts)
{
    left_init(&left);
    ck_assert_int_eq(take(1, 0), 0);
    note(1, 1000, 0);
    note(2, 2000, 0);
    note(3, 500, 500); /* is over */
    ck_assert_int_eq(take(1, 999), 1000);
    ck_assert_int_eq(take(1, 999), 0);
    ck_assert_int_eq(take(2, 2000), 0);
    ck_assert_int_eq(take(3, 0), 0);
    ck_assert_uint_eq(left.count, 0);
}
END_TEST

START_TEST(where_there_is_no_room_what_is_over_goes_first_and_then_what_is_over_soonest)
{
    left_init(&left);
    for (unsigned i = 0; i < LEFT_MOST; i++)
        note(i, 1000 + i, 0);
    note(LEFT_MOST, 9000, 0);
    ck_assert_uint_eq(left.count, LEFT_MOST);
    ck_assert_int_eq(take(0, 0), 0);
    ck_assert_int_eq(take(1, 0), 1001);
    ck_assert_int_eq(take(LEFT_MOST, 0), 9000);
    note(1, 9000, 0);
    note(2 * LEFT_MOST, 9000, 1010); /* the first ones are over */
    ck_assert_uint_lt(left.count, LEFT_MOST);
    ck_assert_int_eq(take(11, 1010), 1011);
}
END_TEST

UNIT_MAIN("left", a_floor_is_given_back_once_and_only_while_it_lasts,
          where_there_is_no_room_what_is_over_goes_first_and_then_what_is_over_soonest)
