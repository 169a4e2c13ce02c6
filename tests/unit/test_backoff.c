#include "base/backoff.h"

#include "base/bucket.h"
#include "unit.h"

START_TEST(the_ceiling_doubles_and_never_overflows)
{
    ck_assert_int_eq(backoff_ceiling_ms(2000, 300000, 0), 2000);
    ck_assert_int_eq(backoff_ceiling_ms(2000, 300000, 3), 16000);
    ck_assert_int_eq(backoff_ceiling_ms(2000, 300000, 4000000000u), 300000);
    ck_assert_int_eq(backoff_ceiling_ms(500000, 300000, 0), 300000);
}
END_TEST

START_TEST(jitter_stays_between_its_bounds)
{
    ck_assert_int_eq(backoff_jitter_ms(1000, 5000, 0), 1000);
    ck_assert_int_eq(backoff_jitter_ms(1000, 5000, UINT32_MAX), 5000);
    ck_assert_int_eq(backoff_jitter_ms(5000, 1000, UINT32_MAX), 5000);
}
END_TEST

START_TEST(a_bucket_gives_its_burst_and_then_its_rate)
{
    struct bucket bucket;
    int64_t now = 1000000;
    bucket_init(&bucket, 5000, 30);
    for (int i = 0; i < 30; i++)
        ck_assert(bucket_take(&bucket, now));
    ck_assert(!bucket_take(&bucket, now));
    ck_assert_int_eq(bucket_next_ms(&bucket, now), now + 5000);
    ck_assert(!bucket_take(&bucket, now + 4999));
    ck_assert(bucket_take(&bucket, now + 5000));
    ck_assert(!bucket_take(&bucket, now + 5000));
    now += 10 * 3600 * 1000;
    for (int i = 0; i < 30; i++)
        ck_assert(bucket_take(&bucket, now));
    ck_assert(!bucket_take(&bucket, now));
}
END_TEST

UNIT_MAIN("backoff", the_ceiling_doubles_and_never_overflows, jitter_stays_between_its_bounds,
          a_bucket_gives_its_burst_and_then_its_rate)
