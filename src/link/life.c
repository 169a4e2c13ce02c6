#include "link/life.h"

#include "base/backoff.h"

enum {
    HOUR_MS = 60 * 60 * 1000,
    DAY_MS = 24 * HOUR_MS,
    CLIENT_REFUSED_MIN_MS = 5 * 60 * 1000, /* nothing here changes within minutes */
    CLIENT_REFUSED_MAX_MS = HOUR_MS,
};

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
    if (life->state == ACCOUNT_CONNECTING || life->state == ACCOUNT_BACKING_OFF)
        life->state = ACCOUNT_UP;
}

void life_proven(struct life *life)
{
    life->proven = true;
    life->failures = 0;
    life->unauthorized_since_ms = 0;
    if (life->state == ACCOUNT_REFUSED)
        life->state = ACCOUNT_UP;
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
    struct life_step step = {.became_contested = life->state != ACCOUNT_CONTESTED,
                             .connect_in_ms = above(floor, timing, random)};
    life->state = ACCOUNT_CONTESTED;
    life->displacements++;
    return step;
}

/* Believed when it was said twice with time in between, and of this account alone; a candidate has
 * nothing to lose. Dead credentials are asked again once a day, so that nothing is dead for ever.
 */
static struct life_step unauthorized(struct life *life, const struct life_timing *timing,
                                     bool fleet_wide, int64_t now_ms, uint32_t random)
{
    if (life->candidate) {
        life->state = ACCOUNT_REFUSED;
        return (struct life_step){.connect_in_ms = -1, .became_refused = true};
    }
    if (life->state == ACCOUNT_REFUSED)
        return (struct life_step){.connect_in_ms = above(DAY_MS, timing, random)};
    int64_t since = life->unauthorized_since_ms;
    if (since && !fleet_wide && now_ms - since >= timing->refused_confirm_ms) {
        life->state = ACCOUNT_REFUSED;
        return (struct life_step){.connect_in_ms = above(DAY_MS, timing, random),
                                  .became_refused = true};
    }
    if (!since)
        life->unauthorized_since_ms = now_ms ? now_ms : 1;
    life->state = ACCOUNT_BACKING_OFF;
    int64_t floor = backoff_ceiling_ms(timing->refused_confirm_ms, HOUR_MS, life->failures);
    life->failures++;
    return (struct life_step){.connect_in_ms = above(floor, timing, random)};
}

struct life_step life_down(struct life *life, const struct life_timing *timing,
                           const struct link_down *down, bool fleet_wide, int64_t now_ms,
                           uint32_t random)
{
    if (life->up_since_ms) {
        int64_t up_ms = now_ms - life->up_since_ms;
        if (up_ms >= timing->proven_after_ms)
            life->failures = 0;
        if (up_ms >= HOUR_MS) {
            life->displacements = 0;
            if (life->state == ACCOUNT_CONTESTED)
                life->state = ACCOUNT_UP;
        }
        life->up_since_ms = 0;
    }
    if (down->reason == LINK_CONTESTED)
        return contested(life, timing, random);
    if (down->reason == LINK_UNAUTHORIZED)
        return unauthorized(life, timing, fleet_wide, now_ms, random);
    if (life->state != ACCOUNT_CONTESTED && life->state != ACCOUNT_REFUSED)
        life->state = ACCOUNT_BACKING_OFF;
    if (down->reason == LINK_STOPPED)
        return (struct life_step){.connect_in_ms = 0};
    if (down->reason == LINK_CLIENT_REFUSED) {
        int64_t floor =
            backoff_ceiling_ms(CLIENT_REFUSED_MIN_MS, CLIENT_REFUSED_MAX_MS, life->failures);
        life->failures++;
        return (struct life_step){.connect_in_ms = above(floor, timing, random)};
    }
    int64_t wait_ms = again(life, timing, random);
    if (down->retry_after_ms > wait_ms)
        wait_ms = above(down->retry_after_ms, timing, random);
    return (struct life_step){.connect_in_ms = wait_ms};
}
