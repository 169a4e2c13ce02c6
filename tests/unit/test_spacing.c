#include "wake/spacing.h"

#include "unit.h"

enum { BUDGET = 250, DAY_S = 24 * 3600 };
static const int64_t midnight = (int64_t)20000 * DAY_S;

START_TEST(without_a_known_budget_there_is_no_spacing)
{
    struct spending spending = {0};
    for (int i = 0; i < 1000; i++)
        spending_note(&spending, midnight + i);
    ck_assert_int_eq(spacing_ms(&spending, 0, midnight + 2000), 0);
}
END_TEST

START_TEST(it_grows_from_a_second_to_five_minutes_and_never_further)
{
    struct spending spending = {0};
    int64_t last = 0;
    for (int i = 0; i < 3 * BUDGET; i++) {
        int64_t spacing = spacing_ms(&spending, BUDGET, midnight);
        ck_assert_int_ge(spacing, last);
        ck_assert_int_le(spacing, SPACING_MAX_MS);
        last = spacing;
        spending_note(&spending, midnight);
    }
    ck_assert_int_eq(last, SPACING_MAX_MS);
    struct spending fresh = {0};
    ck_assert_int_eq(spacing_ms(&fresh, BUDGET, midnight), 1000);
}
END_TEST

START_TEST(a_busy_chat_cannot_burn_the_budget_in_minutes)
{
    struct spending spending = {0};
    int64_t now_ms = midnight * 1000;
    for (int i = 0; i < BUDGET; i++) {
        now_ms += spacing_ms(&spending, BUDGET, now_ms / 1000);
        spending_note(&spending, now_ms / 1000);
        if (i == 99)
            ck_assert_int_lt(now_ms / 1000 - midnight, 8 * 60);
    }
    ck_assert_int_gt(now_ms / 1000 - midnight, 3 * 3600);
}
END_TEST

START_TEST(a_new_day_has_a_new_budget)
{
    struct spending spending = {0};
    for (int i = 0; i < BUDGET; i++)
        spending_note(&spending, midnight - 1);
    ck_assert_int_eq(spacing_ms(&spending, BUDGET, midnight - 1), SPACING_MAX_MS);
    ck_assert_int_eq(spacing_ms(&spending, BUDGET, midnight), 1000);
    spending_note(&spending, midnight);
    ck_assert_uint_eq(spending.used, 1);
    /* A clock that goes back costs a budget too many, never a crash or a wait beyond the most. */
    spending_note(&spending, midnight - DAY_S);
    ck_assert_uint_eq(spending.used, 1);
    ck_assert_int_eq(spacing_ms(&spending, BUDGET, -1), 1000);
}
END_TEST

UNIT_MAIN("spacing", without_a_known_budget_there_is_no_spacing,
          it_grows_from_a_second_to_five_minutes_and_never_further,
          a_busy_chat_cannot_burn_the_budget_in_minutes, a_new_day_has_a_new_budget)
