#include "base/histogram.h"

const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS] = {
    5,         10,         25,         50,          100,        250,
    500,       1000,       2500,       5 * 1000,    10 * 1000,  30 * 1000,
    60 * 1000, 120 * 1000, 300 * 1000, 1200 * 1000, 3600 * 1000};

void histogram_note(struct histogram *histogram, int64_t wait_ms)
{
    int i = 0;
    while (i < HISTOGRAM_BOUNDS && wait_ms > histogram_bounds_ms[i])
        i++;
    histogram->counts[i]++;
    histogram->sum_ms += wait_ms > 0 ? (uint64_t)wait_ms : 0;
}
