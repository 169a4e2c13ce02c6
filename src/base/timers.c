#include "base/timers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void timers_init(struct timers *timers)
{
    memset(timers, 0, sizeof *timers);
}

void timers_fini(struct timers *timers)
{
    for (size_t i = 1; i <= timers->count; i++)
        timers->heap[i]->place = 0;
    free(timers->heap);
    timers_init(timers);
}

void timer_init(struct timer *timer, timer_fn *fn, void *arg)
{
    *timer = (struct timer){.fn = fn, .arg = arg};
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct timers *timers, struct timer *timer, size_t place)
{
    while (place > 1 && timers->heap[place / 2]->at_ms > timer->at_ms) {
        put(timers, place, timers->heap[place / 2]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void sift_down(struct timers *timers, struct timer *timer, size_t place)
{
    for (;;) {
        size_t child = place * 2;
        if (child < timers->count && timers->heap[child + 1]->at_ms < timers->heap[child]->at_ms)
            child++;
        if (child > timers->count || timers->heap[child]->at_ms >= timer->at_ms)
            break;
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

void timers_set(struct timers *timers, struct timer *timer, int64_t at_ms)
{
    timers_cancel(timers, timer);
    if (timers->count + 1 >= timers->room) {
        timers->room = timers->room ? timers->room * 2 : 64;
        timers->heap = mem_resize(timers->heap, timers->room * sizeof(struct timer *));
    }
    timer->at_ms = at_ms;
    timers->count++;
    sift_up(timers, timer, timers->count);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
    if (!timer->place)
        return;
    size_t place = timer->place;
    struct timer *last = timers->heap[timers->count--];
    timer->place = 0;
    if (last == timer)
        return;
    if (place > 1 && timers->heap[place / 2]->at_ms > last->at_ms)
        sift_up(timers, last, place);
    else
        sift_down(timers, last, place);
}

int64_t timers_next_ms(const struct timers *timers)
{
    return timers->count ? timers->heap[1]->at_ms : INT64_MAX;
}

void timers_fire(struct timers *timers, int64_t now_ms)
{
    size_t most = timers->count;
    while (most-- && timers->count && timers->heap[1]->at_ms <= now_ms) {
        struct timer *timer = timers->heap[1];
        timers_cancel(timers, timer);
        timer->fn(timer->arg);
    }
}
