#include "wake/wake.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum { HELD_ROOM_FIRST = 8 };

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t distance_ms(const struct wake *wake)
{
    return later(wake->timing->interval_ms, wake->spacing_ms);
}

void wake_init(struct wake *wake, const struct wake_timing *timing, const struct wake_ops *ops,
               void *arg)
{
    *wake = (struct wake){.timing = timing, .ops = ops, .arg = arg, .last_ring_ms = WAKE_NO_RING};
}

static void forget_held(struct wake *wake)
{
    free(wake->held);
    wake->held = NULL;
    wake->held_count = wake->held_room = 0;
}

void wake_fini(struct wake *wake)
{
    forget_held(wake);
}

static void hold(struct wake *wake, uint64_t ack, int64_t now_ms)
{
    if (wake->held_count == wake->held_room) {
        wake->held_room = wake->held_room ? (uint16_t)(wake->held_room * 2) : HELD_ROOM_FIRST;
        wake->held = mem_resize(wake->held, wake->held_room * sizeof *wake->held);
    }
    wake->held[wake->held_count++] = (struct wake_held){
        .ack = ack, .number = wake->noted, .until_ms = now_ms + wake->timing->hold_ms};
}

/* Answers what is held for messages up to `number`, in the order in which they came. */
static void acknowledge_up_to(struct wake *wake, uint64_t number)
{
    uint16_t done = 0;
    while (done < wake->held_count && wake->held[done].number <= number)
        wake->ops->acknowledge(wake->arg, wake->held[done++].ack);
    if (done == wake->held_count) {
        forget_held(wake);
        return;
    }
    wake->held_count = (uint16_t)(wake->held_count - done);
    memmove(wake->held, wake->held + done, wake->held_count * sizeof *wake->held);
}

/* When held acks make a debt necessary; INT64_MAX: not at all. The messenger delivers nothing newer
 * while an old message is unanswered, so a queue that is being drained, or many, do not wait. */
static int64_t debt_due_ms(const struct wake *wake)
{
    if (!wake->held_count || wake->debt != WAKE_DEBT_NONE)
        return INT64_MAX;
    if (wake->draining || wake->held_count > wake->timing->held_most)
        return wake->debt_not_before_ms;
    return later(wake->held[0].until_ms, wake->debt_not_before_ms);
}

static int64_t ring_due_ms(const struct wake *wake)
{
    if (!wake_owes(wake) || wake->in_flight)
        return INT64_MAX;
    return later(wake->not_before_ms, wake->blurred_until_ms);
}

/* While the queue is drained a debt stays where it is: the next message is likely to need it. */
static void clear_debt_if_paid(struct wake *wake)
{
    if (wake->debt != WAKE_DEBT_STORED || wake_owes(wake) || wake->draining)
        return;
    wake->debt = WAKE_DEBT_NONE;
    wake->ops->clear_debt(wake->arg);
}

void wake_time(struct wake *wake, int64_t now_ms)
{
    if (ring_due_ms(wake) <= now_ms) {
        wake->in_flight = true;
        wake->left = false;
        wake->ringing = wake->noted;
        wake->asked_ms = now_ms;
        wake->ops->ring(wake->arg);
    }
    if (debt_due_ms(wake) <= now_ms) {
        wake->debt = WAKE_DEBT_STORING;
        wake->ops->store_debt(wake->arg);
    }
}

int64_t wake_next_ms(const struct wake *wake)
{
    int64_t ring = ring_due_ms(wake), debt = debt_due_ms(wake);
    return ring < debt ? ring : debt;
}

void wake_owed(struct wake *wake, int64_t now_ms)
{
    wake->noted++;
    wake->debt = WAKE_DEBT_STORED;
    wake_time(wake, now_ms);
}

void wake_inherit(struct wake *wake, int64_t now_ms)
{
    wake->noted++;
    /* Never two on their way: the word on the second would come when the first was paid. */
    if (wake->debt == WAKE_DEBT_NONE) {
        wake->debt = WAKE_DEBT_STORING;
        wake->ops->store_debt(wake->arg);
    }
    wake_time(wake, now_ms);
}

void wake_hold_off(struct wake *wake, int64_t not_before_ms)
{
    wake->not_before_ms = later(wake->not_before_ms, not_before_ms);
}

void wake_space(struct wake *wake, int64_t spacing_ms)
{
    wake->spacing_ms = spacing_ms;
}

void wake_link_up(struct wake *wake)
{
    wake->draining = true;
}

void wake_link_drained(struct wake *wake, int64_t now_ms)
{
    wake->draining = false;
    clear_debt_if_paid(wake);
    wake_time(wake, now_ms);
}

void wake_link_down(struct wake *wake)
{
    forget_held(wake);
    wake->draining = false;
    clear_debt_if_paid(wake);
}

/* No ring that covers what comes now is in sight yet. */
static bool asks_for_ring(const struct wake *wake)
{
    return wake->noted == (wake->in_flight ? wake->ringing : wake->covered);
}

int wake_message(struct wake *wake, uint64_t ack, bool silent, int64_t now_ms)
{
    if (silent) {
        wake->ops->acknowledge(wake->arg, ack);
        return 0;
    }
    if (wake->held_count == WAKE_HELD_MAX)
        return ERR_LIMIT;
    if (asks_for_ring(wake))
        wake->blurred_until_ms = now_ms + wake->ops->blur_ms(wake->arg);
    wake->noted++;
    if (wake->debt == WAKE_DEBT_STORED)
        wake->ops->acknowledge(wake->arg, ack);
    else
        hold(wake, ack, now_ms);
    wake_time(wake, now_ms);
    return 0;
}

void wake_ring_began(struct wake *wake, int64_t now_ms)
{
    wake->ringing = wake->noted;
    wake->left = true;
    wake->last_ring_ms = now_ms;
    wake->not_before_ms = later(wake->not_before_ms, now_ms + distance_ms(wake));
}

void wake_rung(struct wake *wake, bool accepted, int64_t retry_at_ms, int64_t now_ms)
{
    wake->in_flight = false;
    if (accepted) {
        if (!wake->left)
            wake->last_ring_ms = wake->asked_ms;
        wake->covered = wake->ringing;
        wake->not_before_ms = wake->last_ring_ms + distance_ms(wake);
        acknowledge_up_to(wake, wake->covered);
        clear_debt_if_paid(wake);
    } else {
        wake_hold_off(wake, retry_at_ms);
    }
    wake_time(wake, now_ms);
}

void wake_ring_cancelled(struct wake *wake, int64_t now_ms)
{
    wake->in_flight = false;
    wake->not_before_ms = now_ms;
    wake_time(wake, now_ms);
}

void wake_ring_outdated(struct wake *wake)
{
    wake->ringing = wake->covered;
}

void wake_debt_stored(struct wake *wake, bool stored, int64_t retry_at_ms, int64_t now_ms)
{
    wake->debt = stored ? WAKE_DEBT_STORED : WAKE_DEBT_NONE;
    wake->debt_not_before_ms = stored ? 0 : retry_at_ms;
    if (stored)
        acknowledge_up_to(wake, wake->noted);
    clear_debt_if_paid(wake);
    wake_time(wake, now_ms);
}

void wake_new_endpoint(struct wake *wake, int64_t not_before_ms, int64_t now_ms)
{
    wake->in_flight = false;
    wake->last_ring_ms = WAKE_NO_RING;
    wake->not_before_ms = not_before_ms;
    wake_time(wake, now_ms);
}

void wake_hurry(struct wake *wake, int64_t not_before_ms)
{
    int64_t earliest = later(not_before_ms, wake->last_ring_ms + distance_ms(wake));
    if (earliest < wake->not_before_ms)
        wake->not_before_ms = earliest;
}
