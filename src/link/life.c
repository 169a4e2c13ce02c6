#include "link/life.h"

#include "base/backoff.h"

void life_init(struct life *life, bool candidate)
{
    *life = (struct life){.state = ACCOUNT_CONNECTING, .candidate = candidate};
}

void life_connecting(struct life *life)
{
    life->proven = false;
    if (life->state != ACCOUNT_CONTESTED && life->state != ACCOUNT_REFUSED)
        life->state = ACCOUNT_CONNECTING;
}

void life_up(struct life *life, int64_t now_ms)
{
    life->up_since_ms = now_ms;
}

void life_proven(struct life *life)
{
    life->proven = true;
    life->refusals = 0;
    life->unauthorized_since_ms = 0;
    if (life->state != ACCOUNT_CONTESTED)
        life->state = ACCOUNT_UP;
}

void life_drained(struct life *life)
{
    life->failures = 0;
}

/* The floor, and up to half of it or the shortest wait on top. */
static int64_t above(int64_t floor_ms, const struct life_timing *timing, uint32_t random)
{
    int64_t most =
        floor_ms / 2 > timing->reconnect_min_ms ? floor_ms / 2 : timing->reconnect_min_ms;
    return backoff_jitter_ms(floor_ms, floor_ms + most, random);
}

static int64_t again(struct life *life, const struct life_timing *timing, uint32_t random)
{
    int64_t ceiling =
        backoff_ceiling_ms(timing->reconnect_min_ms, timing->reconnect_max_ms, life->failures);
    life->failures++;
    return backoff_jitter_ms(timing->reconnect_min_ms / 2, ceiling, random);
}

static struct life_step contested(struct life *life, const struct life_timing *timing,
                                  uint32_t random)
{
    int64_t floor =
        backoff_ceiling_ms(timing->contested_min_ms, timing->contested_max_ms, life->displacements);
    struct life_step step = {.became_contested = life->displacements == 0,
                             .connect_in_ms = above(floor, timing, random)};
    life->state = ACCOUNT_CONTESTED;
    life->displacements++;
    return step;
}

/* A floor that doubles from one refusal to the next. */
static struct life_step refused(struct life *life, const struct life_timing *timing, int64_t min_ms,
                                int64_t max_ms, uint32_t random)
{
    int64_t floor = backoff_ceiling_ms(min_ms, max_ms, life->refusals++);
    return (struct life_step){.connect_in_ms = above(floor, timing, random)};
}

/* Dead credentials are asked again now and then, so that nothing is dead for ever: soon at first,
 * as a server that was wrong about them is likely to be mended within hours. */
static struct life_step dead(struct life *life, const struct life_timing *timing, uint32_t random)
{
    return refused(life, timing, timing->refused_max_ms, timing->refused_retry_ms, random);
}

/* Believed when it was said twice with time in between, and of this account alone; a candidate has
 * nothing to lose. */
static struct life_step unauthorized(struct life *life, const struct life_timing *timing,
                                     bool fleet_wide, int64_t now_ms, uint32_t random)
{
    if (life->candidate && !fleet_wide) {
        life->state = ACCOUNT_REFUSED;
        return (struct life_step){.connect_in_ms = -1, .became_refused = true};
    }
    if (life->state == ACCOUNT_REFUSED)
        return dead(life, timing, random);
    int64_t since = life->unauthorized_since_ms;
    if (since && !fleet_wide && now_ms - since >= timing->refused_confirm_ms) {
        life->state = ACCOUNT_REFUSED;
        life->refusals = 0;
        struct life_step step = dead(life, timing, random);
        step.became_refused = true;
        return step;
    }
    if (fleet_wide)
        life->unauthorized_since_ms = 0; /* it said nothing about this one */
    else if (!since)
        life->unauthorized_since_ms = now_ms ? now_ms : 1;
    life->state = ACCOUNT_BACKING_OFF;
    return refused(life, timing, timing->refused_confirm_ms, timing->refused_max_ms, random);
}

void life_absolve(struct life *life)
{
    life->state = ACCOUNT_BACKING_OFF;
    life->refusals = 0;
    life->unauthorized_since_ms = 0;
}

bool life_is_settled(const struct life *life, const struct life_timing *timing, int64_t now_ms)
{
    return life->proven && life->up_since_ms &&
           now_ms - life->up_since_ms >= timing->contested_end_ms;
}

bool life_settle(struct life *life, const struct life_timing *timing, int64_t now_ms)
{
    if (!life_is_settled(life, timing, now_ms))
        return false;
    life->displacements = 0;
    if (life->state != ACCOUNT_CONTESTED)
        return false;
    life->state = ACCOUNT_UP;
    return true;
}

struct life_step life_down(struct life *life, const struct life_timing *timing,
                           const struct link_down *down, bool fleet_wide, int64_t now_ms,
                           uint32_t random)
{
    if (life->up_since_ms) {
        if (down->reason != LINK_SILENT && now_ms - life->up_since_ms >= timing->reconnect_reset_ms)
            life->failures = 0;
        life_settle(life, timing, now_ms);
        life->up_since_ms = 0;
    }
    life->demanded = down->reason == LINK_CONTESTED || down->reason == LINK_UNAUTHORIZED ||
                     down->reason == LINK_CLIENT_REFUSED || down->retry_after_ms > 0;
    if (down->reason == LINK_CONTESTED)
        return contested(life, timing, random);
    if (down->reason == LINK_UNAUTHORIZED)
        return unauthorized(life, timing, fleet_wide, now_ms, random);
    bool stopped = down->reason == LINK_STOPPED;
    /* Contention that gives way to another trouble must not hide that one. */
    if (life->state != ACCOUNT_REFUSED && !(stopped && life->state == ACCOUNT_CONTESTED))
        life->state = ACCOUNT_BACKING_OFF;
    if (stopped)
        return (struct life_step){.connect_in_ms = 0};
    if (down->reason == LINK_CLIENT_REFUSED)
        return refused(life, timing, timing->client_refused_min_ms, timing->client_refused_max_ms,
                       random);
    int64_t wait_ms = again(life, timing, random);
    if (down->retry_after_ms > wait_ms)
        wait_ms = above(down->retry_after_ms, timing, random);
    return (struct life_step){.connect_in_ms = wait_ms};
}

int64_t life_resumed(struct life *life, int64_t left_ms, int64_t slept_ms)
{
    if (life->demanded)
        return left_ms > slept_ms ? left_ms - slept_ms : 0;
    life->failures = 0;
    return 0;
}
