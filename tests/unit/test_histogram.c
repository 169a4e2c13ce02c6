#include "base/histogram.h"

#include "unit.h"

START_TEST(bounds_grow_from_five_milliseconds_to_an_hour)
{
    ck_assert_int_eq(histogram_bounds_ms[0], 5);
    ck_assert_int_eq(histogram_bounds_ms[HISTOGRAM_BOUNDS - 1], 3600 * 1000);
    for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
        ck_assert_int_gt(histogram_bounds_ms[i], histogram_bounds_ms[i - 1]);
}
END_TEST

START_TEST(a_bound_belongs_to_its_own_bucket)
{
    struct histogram histogram = {0};
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        histogram_note(&histogram, histogram_bounds_ms[i]);
        ck_assert_uint_eq(histogram.counts[i], i ? 2 : 1);
        histogram_note(&histogram, histogram_bounds_ms[i] + 1);
        ck_assert_uint_eq(histogram.counts[i + 1], 1);
    }
}
END_TEST

START_TEST(a_clock_that_went_back_takes_nothing_from_the_sum)
{
    struct histogram histogram = {0};
    histogram_note(&histogram, 40);
    histogram_note(&histogram, -1000);
    ck_assert_uint_eq(histogram.sum_ms, 40);
    ck_assert_uint_eq(histogram.counts[0], 1);
}
END_TEST

UNIT_MAIN("histogram", bounds_grow_from_five_milliseconds_to_an_hour,
          a_bound_belongs_to_its_own_bucket, a_clock_that_went_back_takes_nothing_from_the_sum)
