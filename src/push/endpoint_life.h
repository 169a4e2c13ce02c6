/* The life of an endpoint, apart from that of the credentials (architecture.md "Account states"):
 * ok, failing, suspect, gone, and when it may be tried again. A 410 is gone at once. A 404 only
 * after it was said push.suspect_after times over push.gone_after, and is asked again slowly even
 * then; one that comes sooner than gateways forget, after a test push perhaps, is none of those,
 * and lengthens no wait. Where other endpoints of its origin are unknown alike it is the origin's
 * fault, and for a long time none is given up (push-measured.md section 5). Both end with an
 * accepted push or a new endpoint. What our own settings forbid is no answer, and changes nothing
 * that answers demand. Pure: times and random bits are arguments. */
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
    int64_t time_out_ms;   /* so long a push goes without an answer, at most */
};

/* What the store has of an endpoint at the start; times are monotonic, INT64_MAX for never. */
struct endpoint_past {
    enum endpoint_state state;
    int status;                                      /* of its last answer; 0: there was none */
    int64_t soonest_ms, retry_at_ms, floor_until_ms; /* as in struct endpoint_life */
    unsigned repeated;                               /* likewise */
};

struct endpoint_life {
    int last_status; /* for people, as are the next two: what came of the last push */
    enum verdict_kind last_kind : 8;
    uint8_t last_cause;              /* verdict_meaning */
    enum verdict_kind said_kind : 8; /* with said_status */
    bool same_as_before; /* the first answer since the start is the last one before it once more */
    bool origin_trouble; /* it failed with its whole origin, and at most doubtfully since */
    unsigned denials;    /* by our own settings, since a push was accepted or they changed */
    int said_status;     /* the last answer of the push server itself */
    unsigned alike;      /* answers like the last one before it, but not within its floor */
    unsigned alike_before;  /* those before the start */
    unsigned repeated;      /* how often the last answer's floor has grown, and once more; 0: it has
                               none */
    int64_t alike_ms;       /* when the last that counts came */
    unsigned failures;      /* in a row, of any kind */
    unsigned time_outs;     /* of them, each of a push that left after the one before had ended */
    int64_t timed_out_ms;   /* when the last that counts came */
    int64_t soonest_ms;     /* before that nobody asks again, not even where the origin recovered */
    int64_t retry_at_ms;    /* no ring before, as any answer demands since a push was accepted, with
                               what has doubled, and jitter; a back-off of our own is none */
    int64_t floor_until_ms; /* what hurries a ring respects this; INT64_MAX: for ever */
    int64_t finite_until_ms;   /* of that what is not for ever */
    struct endpoint_past past; /* until the first answer after a start */
    int64_t suspect_since_ms;  /* 0: it is not suspect */
    int64_t accepted_ms;       /* the last accepted push; 0: none since the start */
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

/* At the start: goes on where the process before left it, so that one that is restarted often does
 * not ring below every floor. The ring may leave at `retry_at_ms`. */
void endpoint_life_resume(struct endpoint_life *life, const struct endpoint_timing *timing,
                          const struct endpoint_past *past, int64_t now_ms, uint32_t random);

/* The app has subscribed anew at the same URL, with other keys. That ends what was for ever, and
 * nothing else: floors belong to the URL. False where nothing has changed. */
bool endpoint_life_renew(struct endpoint_life *life);

/* A new endpoint: nothing is known about it, or no more than what binds it until then. */
void endpoint_life_begin(struct endpoint_life *life);
void endpoint_life_begin_bound(struct endpoint_life *life, int64_t until_ms);

static inline bool endpoint_life_fails(const struct endpoint_life *life)
{
    return life->failures > 0;
}

#endif
