/* How often a wait was how long, for whoever watches: counts by upper bounds that fit from the
 * 5 ms of a ring on a good day to the hour of one on a bad day. Pure. */
#ifndef DOORBELL_BASE_HISTOGRAM_H
#define DOORBELL_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 17 };
extern const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS];

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last: longer than all bounds */
    uint64_t sum_ms;
};

/* One more wait; less than nothing, where a clock was set, counts as nothing. */
void histogram_note(struct histogram *histogram, int64_t wait_ms);

#endif
