#include "push/endpoint_life.h"

#include "base/backoff.h"

enum {
    RESUME_FAILING_MS = 60 * 1000,      /* the least floor of a 429 or 507 */
    RESUME_SUSPECT_MS = 11 * 60 * 1000, /* and of a 404 */
};

static int64_t scaled(const struct endpoint_timing *timing, int64_t floor_ms)
{
    return floor_ms > 0 ? (floor_ms * timing->floor_percent + 99) / 100 : floor_ms;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What is known by the state alone: short floors are not written down. */
static int64_t resume_ms(const struct endpoint_timing *timing, enum endpoint_state state,
                         int64_t now_ms, uint32_t random)
{
    if (state == ENDPOINT_OK)
        return now_ms;
    if (state == ENDPOINT_GONE)
        return INT64_MAX;
    int64_t floor_ms =
        scaled(timing, state == ENDPOINT_SUSPECT ? RESUME_SUSPECT_MS : RESUME_FAILING_MS);
    return now_ms + backoff_jitter_ms(floor_ms, floor_ms + floor_ms / 4, random);
}

static bool status_binds_all(int status)
{
    return status == 429 || status == 507;
}

void endpoint_life_resume(struct endpoint_life *life, const struct endpoint_timing *timing,
                          const struct endpoint_past *past, int64_t now_ms, uint32_t random)
{
    bool bound = past->state != ENDPOINT_OK && status_binds_all(past->status);
    int64_t soonest_ms = later(resume_ms(timing, past->state, now_ms, random), past->soonest_ms);
    int64_t until_ms = later(past->floor_until_ms, bound ? soonest_ms : 0);
    *life = (struct endpoint_life){
        .soonest_ms = soonest_ms,
        .retry_at_ms = later(later(soonest_ms, past->retry_at_ms), until_ms),
        .floor_until_ms = soonest_ms == INT64_MAX ? INT64_MAX : until_ms,
        .finite_until_ms = until_ms < INT64_MAX ? until_ms : 0,
        .repeated = past->repeated,
        .past = *past,
    };
}

void endpoint_life_begin_bound(struct endpoint_life *life, int64_t until_ms)
{
    *life = (struct endpoint_life){.soonest_ms = until_ms,
                                   .retry_at_ms = until_ms,
                                   .floor_until_ms = until_ms,
                                   .finite_until_ms = until_ms};
}

bool endpoint_life_renew(struct endpoint_life *life)
{
    int64_t until_ms = life->finite_until_ms;
    if (life->floor_until_ms < INT64_MAX)
        return false;
    endpoint_life_begin_bound(life, until_ms);
    return true;
}

void endpoint_life_begin(struct endpoint_life *life)
{
    *life = (struct endpoint_life){0};
}

static struct endpoint_step accepted(struct endpoint_life *life, const struct verdict *verdict,
                                     int64_t now_ms)
{
    *life = (struct endpoint_life){.last_status = verdict->status,
                                   .last_kind = verdict->kind,
                                   .last_cause = verdict->cause,
                                   .said_status = verdict->status,
                                   .said_kind = verdict->kind,
                                   .accepted_ms = now_ms};
    return (struct endpoint_step){.state = ENDPOINT_OK, .retry_at_ms = now_ms};
}

/* Whether it holds up tests and notices, too. */
static bool binds_all(const struct verdict *verdict)
{
    return status_binds_all(verdict->status) || verdict->floor_ms < 0;
}

/* Whether an answer like the last one is one more of them. What comes while the floor of that one
 * holds, of a test perhaps, or of a request that was under way already, is the same once more. */
static bool is_another(const struct endpoint_life *life, const struct verdict *verdict,
                       int64_t now_ms)
{
    if (binds_all(verdict) && now_ms < life->floor_until_ms)
        return false;
    return now_ms - life->alike_ms >= verdict->floor_ms;
}

/* What has doubled before the start goes on from there. Only time-outs have a floor and no status.
 */
static void go_on(struct endpoint_life *life, const struct verdict *verdict, int64_t now_ms)
{
    const struct endpoint_past past = life->past;
    life->alike = 0;
    life->alike_ms = now_ms;
    life->past = (struct endpoint_past){0};
    life->alike_before = 0;
    life->same_as_before = false;
    if (!past.repeated)
        return;
    if (past.status == 0) {
        life->time_outs = past.repeated;
        return;
    }
    if (past.status != verdict->status || verdict->floor_ms <= 0)
        return;
    int64_t another_ms = binds_all(verdict) ? life->floor_until_ms : past.soonest_ms;
    life->same_as_before = now_ms < another_ms;
    life->alike_before = past.repeated - life->same_as_before;
    if (life->same_as_before)
        life->alike_ms = past.soonest_ms - verdict->floor_ms; /* when that one came */
}

/* A ring and a test, perhaps, that waited for the same phone at the same time learned one thing. */
static bool is_another_time_out(const struct endpoint_life *life,
                                const struct endpoint_timing *timing, int64_t now_ms)
{
    return life->time_outs == 0 || now_ms - life->timed_out_ms >= timing->time_out_ms;
}

static void note_time_out(struct endpoint_life *life, const struct endpoint_timing *timing,
                          int64_t now_ms)
{
    if (!is_another_time_out(life, timing, now_ms))
        return;
    life->time_outs++;
    life->timed_out_ms = now_ms;
}

static void note_for_people(struct endpoint_life *life, const struct verdict *verdict)
{
    life->last_kind = verdict->kind;
    life->last_status = verdict->status;
    life->last_cause = verdict->cause;
}

static void note_answer(struct endpoint_life *life, const struct verdict *verdict, int64_t now_ms)
{
    bool alike = life->said_kind == verdict->kind && life->said_status == verdict->status;
    note_for_people(life, verdict);
    life->said_kind = verdict->kind;
    life->said_status = verdict->status;
    life->origin_trouble = verdict->origin_trouble || (verdict->doubtful && life->origin_trouble);
    if (!alike) {
        go_on(life, verdict, now_ms);
    } else if (is_another(life, verdict, now_ms)) {
        life->alike++;
        life->alike_ms = now_ms;
    }
}

static enum endpoint_state failed_state(struct endpoint_life *life,
                                        const struct endpoint_timing *timing,
                                        enum endpoint_state state, const struct verdict *verdict,
                                        bool origin_wide, int64_t now_ms)
{
    if (verdict->kind == VERDICT_GONE || state == ENDPOINT_GONE)
        return ENDPOINT_GONE; /* until it accepts a push or is replaced */
    if (verdict->kind != VERDICT_SUSPECT) {
        life->suspect_since_ms = 0;
        return ENDPOINT_FAILING;
    }
    if (!life->suspect_since_ms)
        life->suspect_since_ms = now_ms ? now_ms : 1;
    int64_t suspect_ms = life->alike_ms - life->suspect_since_ms;
    bool confirmed = life->alike + !life->same_as_before >= timing->suspect_after &&
                     suspect_ms >= timing->gone_after_ms;
    if (confirmed && origin_wide)
        confirmed = suspect_ms >= timing->gone_alike_ms;
    return confirmed ? ENDPOINT_GONE : ENDPOINT_SUSPECT;
}

static struct verdict scale(const struct endpoint_timing *timing, const struct verdict *answer)
{
    struct verdict verdict = *answer;
    verdict.floor_ms = scaled(timing, answer->floor_ms);
    verdict.cap_ms = scaled(timing, answer->cap_ms);
    verdict.first_ms = scaled(timing, answer->first_ms);
    return verdict;
}

/* What lengthens the wait. The floor of time-outs grows with them, that of another answer with
 * answers like it; without one, any failure makes us wait longer. */
static unsigned failures_before(const struct endpoint_life *life, const struct verdict *verdict)
{
    if (verdict->first_ms)
        return life->time_outs - 1; /* it is noted already */
    return verdict->floor_ms ? life->alike + life->alike_before : life->failures;
}

static int64_t demanded_until_ms(const struct endpoint_life *life, const struct verdict *verdict,
                                 int64_t now_ms)
{
    bool is_first = verdict->first_ms && life->time_outs == 1;
    int64_t floor_ms = is_first ? 0 : verdict->floor_ms;
    if (floor_ms < 0)
        return INT64_MAX;
    return now_ms + (verdict->retry_after_ms > floor_ms ? verdict->retry_after_ms : floor_ms);
}

/* Nobody was asked, so the push server has said nothing. */
static struct endpoint_step denied(struct endpoint_life *life, const struct endpoint_timing *timing,
                                   enum endpoint_state state, const struct verdict *verdict,
                                   int64_t now_ms, uint32_t random)
{
    int64_t wait_ms =
        verdict_wait_ms(verdict, life->denials, timing->retry_min_ms, timing->retry_max_ms, random);
    note_for_people(life, verdict);
    life->denials++;
    return (struct endpoint_step){.state = state == ENDPOINT_OK ? ENDPOINT_FAILING : state,
                                  .retry_at_ms =
                                      wait_ms == INT64_MAX ? INT64_MAX : now_ms + wait_ms};
}

struct endpoint_step endpoint_life_judge(struct endpoint_life *life,
                                         const struct endpoint_timing *timing,
                                         enum endpoint_state state, const struct verdict *answer,
                                         bool origin_wide, int64_t now_ms, uint32_t random)
{
    if (answer->kind == VERDICT_ACCEPTED)
        return accepted(life, answer, now_ms);
    const struct verdict verdict = scale(timing, answer);
    if (answer->kind == VERDICT_DENIED)
        return denied(life, timing, state, &verdict, now_ms, random);
    note_answer(life, &verdict, now_ms);
    if (verdict.first_ms)
        note_time_out(life, timing, now_ms);
    int64_t wait_ms = verdict_wait_ms(&verdict, failures_before(life, &verdict),
                                      timing->retry_min_ms, timing->retry_max_ms, random);
    const struct endpoint_step step = {
        .state = failed_state(life, timing, state, &verdict, origin_wide, now_ms),
        .retry_at_ms = wait_ms == INT64_MAX ? INT64_MAX : now_ms + wait_ms};
    life->soonest_ms = demanded_until_ms(life, &verdict, now_ms);
    if (verdict.floor_ms || verdict.retry_after_ms)
        life->retry_at_ms = later(life->retry_at_ms, step.retry_at_ms);
    life->repeated = verdict.floor_ms > 0 ? failures_before(life, &verdict) + 1 : 0;
    if (binds_all(&verdict) && step.retry_at_ms > life->floor_until_ms)
        life->floor_until_ms = step.retry_at_ms;
    if (binds_all(&verdict) && step.retry_at_ms < INT64_MAX)
        life->finite_until_ms = later(life->finite_until_ms, step.retry_at_ms);
    life->failures++;
    return step;
}
