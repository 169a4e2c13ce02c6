#include "base/bucket.h"

void bucket_init(struct bucket *bucket, int64_t every_ms, int64_t burst)
{
    *bucket = (struct bucket){.every_ms = every_ms > 0 ? every_ms : 1, .burst = burst};
}

int64_t bucket_next_leaving_ms(const struct bucket *bucket, int64_t left, int64_t now_ms)
{
    int64_t one_there_ms = bucket->full_at_ms - (bucket->burst - 1 - left) * bucket->every_ms;
    return one_there_ms > now_ms ? one_there_ms : now_ms;
}

int64_t bucket_next_ms(const struct bucket *bucket, int64_t now_ms)
{
    return bucket_next_leaving_ms(bucket, 0, now_ms);
}

bool bucket_take(struct bucket *bucket, int64_t now_ms)
{
    if (bucket_next_ms(bucket, now_ms) > now_ms)
        return false;
    if (bucket->full_at_ms < now_ms)
        bucket->full_at_ms = now_ms;
    bucket->full_at_ms += bucket->every_ms;
    return true;
}
