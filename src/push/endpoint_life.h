/* The life of an endpoint, apart from that of the credentials (architecture.md "Account states"):
 * ok, failing, suspect, gone, and when it may be tried again. A 410 is gone at once. A 404 only
 * after it was said push.suspect_after times over push.gone_after, and is asked again slowly even
 * then; one that comes sooner than gateways forget, after a test push perhaps, is none of those,
 * and lengthens no wait. Where other endpoints of its origin are unknown alike it is the origin's
 * fault, and for a long time none is given up (push-measured.md section 5). Both end with an
 * accepted push or a new endpoint. Pure: times and random bits are arguments. */
#ifndef DOORBELL_PUSH_ENDPOINT_LIFE_H
#define DOORBELL_PUSH_ENDPOINT_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "account/account.h"
#include "push/verdict.h"

struct endpoint_timing {
    int64_t retry_min_ms, retry_max_ms;
    int64_t gone_after_ms;
    int64_t gone_alike_ms; /* the same where others of its origin are unknown alike */
    int64_t suspect_after; /* answers 404 */
    int64_t floor_percent; /* of the floors that answers impose; 100 but in tests */
};

struct endpoint_life {
    int last_status;
    enum verdict_kind last_kind;
    uint8_t last_cause;     /* for people: verdict_meaning */
    unsigned alike;         /* answers like the last one before it, but not within its floor */
    int64_t alike_ms;       /* when the last that counts came */
    unsigned failures;      /* in a row, of any kind */
    unsigned time_outs;     /* of them */
    bool origin_trouble;    /* it failed with its whole origin, and at most doubtfully since */
    int64_t soonest_ms;     /* before that nobody asks again, not even where the origin recovered */
    int64_t floor_until_ms; /* what hurries a ring respects this; INT64_MAX: for ever */
    int64_t suspect_since_ms; /* 0: it is not suspect */
    int64_t accepted_ms;      /* the last accepted push; 0: none since the start */
};

struct endpoint_step {
    enum endpoint_state state;
    int64_t retry_at_ms; /* now where it was accepted; INT64_MAX: never, until a new endpoint */
};

/* Takes note of an answer. `origin_wide`: other endpoints of its origin are unknown alike. */
struct endpoint_step endpoint_life_judge(struct endpoint_life *life,
                                         const struct endpoint_timing *timing,
                                         enum endpoint_state state, const struct verdict *verdict,
                                         bool origin_wide, int64_t now_ms, uint32_t random);

/* When an endpoint of this state may be rung after a start, which knows the state but no floor:
 * INT64_MAX for never. Otherwise a process that is restarted often would ring below every floor. */
int64_t endpoint_life_resume_ms(const struct endpoint_timing *timing, enum endpoint_state state,
                                int64_t now_ms, uint32_t random);

/* A new endpoint: nothing is known about it. */
void endpoint_life_begin(struct endpoint_life *life);

static inline bool endpoint_life_fails(const struct endpoint_life *life)
{
    return life->failures > 0;
}

#endif
