/* Deadlines by the thousand: a binary heap of timers that live inside their owners. Exact to the
 * millisecond, O(log n), and silent while nothing is due, so that a small board can sleep. It knows
 * no clock: the loop and the simulation both drive it. */
#ifndef DOORBELL_BASE_TIMERS_H
#define DOORBELL_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer;
typedef void timer_fn(void *arg);

struct timer {
    int64_t at_ms;
    timer_fn *fn;
    void *arg;
    size_t place; /* in the heap, from 1; 0: not set */
};

struct timers {
    struct timer **heap;
    size_t count, room;
};

void timers_init(struct timers *timers);
void timers_fini(struct timers *timers); /* forgets what is still set */

void timer_init(struct timer *timer, timer_fn *fn, void *arg);
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->place != 0;
}

/* Sets or moves a timer; it fires once. A timer belongs to one struct timers while it is set. */
void timers_set(struct timers *timers, struct timer *timer, int64_t at_ms);
void timers_cancel(struct timers *timers, struct timer *timer); /* fine when it is not set */

/* The next deadline, or INT64_MAX. */
int64_t timers_next_ms(const struct timers *timers);

/* Fires what is due at now_ms, in order of deadline, and at most as many as were set when it began:
 * timers that set themselves anew for now cannot keep it for ever. */
void timers_fire(struct timers *timers, int64_t now_ms);

#endif
