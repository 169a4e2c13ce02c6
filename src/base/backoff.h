/* Capped exponential back-off with full jitter, without clock and without dice: both are arguments.
 */
#ifndef DOORBELL_BASE_BACKOFF_H
#define DOORBELL_BASE_BACKOFF_H

#include <stdint.h>

/* base * 2^failures, at most cap; never overflows. `failures` is 0 for the first wait. */
int64_t backoff_ceiling_ms(int64_t base_ms, int64_t cap_ms, unsigned failures);

/* A uniform wait between least_ms and max(least_ms, ceiling_ms); `random` is any 32 random bits. */
int64_t backoff_jitter_ms(int64_t least_ms, int64_t ceiling_ms, uint32_t random);

#endif
