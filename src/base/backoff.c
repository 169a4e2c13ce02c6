#include "base/backoff.h"

int64_t backoff_ceiling_ms(int64_t base_ms, int64_t cap_ms, unsigned failures)
{
    int64_t wait = base_ms;
    while (failures-- && wait < cap_ms)
        wait *= 2;
    return wait < cap_ms ? wait : cap_ms;
}

int64_t backoff_jitter_ms(int64_t least_ms, int64_t ceiling_ms, uint32_t random)
{
    if (ceiling_ms <= least_ms)
        return least_ms;
    return least_ms + (int64_t)((uint64_t)(ceiling_ms - least_ms + 1) * random >> 32);
}
