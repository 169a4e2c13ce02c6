/* When to ring for an account, when a message may be acknowledged, and when a debt must be on disk
 * (architecture.md "The delivery guarantee"; settled.md "Ringing and pushing"). Pure: no clock, no
 * sockets, no store; times are arguments, and what is to be done comes back through struct
 * wake_ops, which a test or a simulation can implement as well as the bridge.
 *
 * The rule that everything here serves: a message is acknowledged only if it is not urgent, or a
 * ring whose request began after it was noted was accepted and the app has not subscribed anew
 * meanwhile, or the debt that covers it is on disk.
 */
#ifndef DOORBELL_WAKE_WAKE_H
#define DOORBELL_WAKE_WAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WAKE_HELD_MAX = 256 }; /* the messenger's own window (signal.md 2.3) */
#define WAKE_NO_RING (INT64_MIN / 2)

struct wake_timing {
    int64_t interval_ms; /* least distance between rings */
    int64_t hold_ms;     /* how long acks may wait for a ring */
    unsigned held_most;  /* more held acks than this: debt first */
};

/* What the owner does for it. None may call back into the same wake before it returns, except that
 * `ring` may call wake_ring_began, or wake_rung where it sends none now. */
struct wake_ops {
    void (*acknowledge)(void *arg, uint64_t ack);
    void (*ring)(void *arg);       /* send one; its end comes as wake_rung */
    void (*store_debt)(void *arg); /* make the debt durable; comes as wake_debt_stored */
    void (*clear_debt)(void *arg); /* best effort, ordered after store_debt */
    /* How long the message that asks for a ring now is to wait for it, so that its time and that of
     * the ring do not tell which belong together (push.jitter); 0: not at all. */
    int64_t (*blur_ms)(void *arg);
};

struct wake_held {
    uint64_t ack;
    uint64_t number;  /* of the message */
    int64_t until_ms; /* it must not be held any longer */
};

enum wake_debt { WAKE_DEBT_NONE, WAKE_DEBT_STORING, WAKE_DEBT_STORED };

struct wake {
    const struct wake_timing *timing;
    const struct wake_ops *ops;
    void *arg;
    uint64_t noted;           /* urgent messages so far */
    uint64_t covered;         /* of them, covered by an accepted ring */
    uint64_t ringing;         /* covered if the ring in flight is accepted; valid while in_flight */
    int64_t last_ring_ms;     /* when the last one left; WAKE_NO_RING: none to this endpoint */
    int64_t asked_ms;         /* when the one in flight was asked for; valid while in_flight */
    int64_t spacing_ms;       /* least distance between rings where it is more than the interval */
    int64_t not_before_ms;    /* no ring before that (interval, back-off); INT64_MAX: never */
    int64_t blurred_until_ms; /* nor before that (blur_ms) */
    int64_t debt_not_before_ms; /* the store failed: not again before that */
    bool in_flight;
    bool left;     /* the one in flight did */
    bool draining; /* connected, queue not yet empty */
    enum wake_debt debt : 8;
    uint16_t held_count, held_room;
    struct wake_held *held; /* oldest first; NULL while there are none */
};

void wake_init(struct wake *wake, const struct wake_timing *timing, const struct wake_ops *ops,
               void *arg);
void wake_fini(struct wake *wake);

/* At start: the store says that a ring is owed. */
void wake_owed(struct wake *wake, int64_t now_ms);
/* Takes over from a predecessor that owed a ring: rings, and makes the debt durable unless it is on
 * its way already. */
void wake_inherit(struct wake *wake, int64_t now_ms);
/* No ring before that: a floor that an answer demands, an endpoint that is gone (INT64_MAX). */
void wake_hold_off(struct wake *wake, int64_t not_before_ms);

/* Rings are at least so far apart from now on, besides the interval. */
void wake_space(struct wake *wake, int64_t spacing_ms);

void wake_link_up(struct wake *wake); /* the drain begins */
void wake_link_drained(struct wake *wake, int64_t now_ms);
void wake_link_down(struct wake *wake); /* held acks are void */

/* A message; `silent` ones (not urgent, or own copies) are acknowledged at once. ERR_LIMIT when
 * WAKE_HELD_MAX are held: the server broke its window, close the link. */
int wake_message(struct wake *wake, uint64_t ack, bool silent, int64_t now_ms);

/* The ring in flight leaves now, after it waited for its turn: what was noted meanwhile is covered,
 * too. */
void wake_ring_began(struct wake *wake, int64_t now_ms);
/* The ring in flight was accepted, or failed and must not be repeated before `retry_at_ms`
 * (INT64_MAX: never, until wake_new_endpoint). One that failed before it left counts for nothing.
 */
void wake_rung(struct wake *wake, bool accepted, int64_t retry_at_ms, int64_t now_ms);
/* The ring in flight was taken back without an answer. */
void wake_ring_cancelled(struct wake *wake, int64_t now_ms);

/* The ring in flight has left and may be of no use: its acceptance covers nothing, so that what it
 * was for keeps its record until another one, which follows it, is accepted. */
void wake_ring_outdated(struct wake *wake);

/* store_debt ended; when it failed, acks stay held and it is asked for again after `retry_at_ms`.
 */
void wake_debt_stored(struct wake *wake, bool stored, int64_t retry_at_ms, int64_t now_ms);

/* Forgets every back-off, and the ring in flight, which the owner has taken back: a new endpoint is
 * rung at `not_before_ms`, which is at once unless it is known from elsewhere. */
void wake_new_endpoint(struct wake *wake, int64_t not_before_ms, int64_t now_ms);
/* What is owed may be rung as early as `not_before_ms`, if that is earlier than planned (a test was
 * accepted). Rings nothing by itself: ask wake_next_ms when. */
void wake_hurry(struct wake *wake, int64_t not_before_ms);

/* Call wake_time at wake_next_ms (INT64_MAX: nothing to wait for). */
int64_t wake_next_ms(const struct wake *wake);
void wake_time(struct wake *wake, int64_t now_ms);

static inline bool wake_owes(const struct wake *wake)
{
    return wake->noted > wake->covered;
}

#endif
