#include "push/breaker.h"

#include <string.h>

#include "base/backoff.h"
#include "base/text.h"

bool breaker_knows(const struct breaker *breaker, uint64_t endpoint)
{
    for (unsigned i = 0; i < breaker->endpoint_count; i++)
        if (breaker->endpoints[i] == endpoint)
            return true;
    return false;
}

static void note_endpoint(struct breaker *breaker, uint64_t endpoint)
{
    if (breaker->endpoint_count < BREAKER_ENDPOINTS && !breaker_knows(breaker, endpoint))
        breaker->endpoints[breaker->endpoint_count++] = endpoint;
}

bool breaker_fail(struct breaker *breaker, const struct breaker_timing *timing, uint64_t endpoint,
                  const char *why, int64_t now_ms)
{
    if (breaker->failures == 0)
        breaker->since_ms = now_ms;
    note_endpoint(breaker, endpoint);
    text_printable(breaker->why, sizeof breaker->why, why, strlen(why));
    if (breaker->failures < UINT32_MAX)
        breaker->failures++;
    return breaker->state == BREAKER_CLOSED && breaker->failures >= timing->failures;
}

void breaker_open(struct breaker *breaker, const struct breaker_timing *timing, int64_t now_ms,
                  uint32_t random)
{
    breaker->tries = breaker->state == BREAKER_CLOSED ? 0 : breaker->tries + 1;
    breaker_wait(breaker, timing, now_ms, random);
}

void breaker_wait(struct breaker *breaker, const struct breaker_timing *timing, int64_t now_ms,
                  uint32_t random)
{
    int64_t wait = backoff_ceiling_ms(timing->open_ms, timing->open_max_ms, breaker->tries);
    breaker->next_ms = now_ms + backoff_jitter_ms(wait, wait + wait / 4, random);
    breaker->state = BREAKER_OPEN;
}

bool breaker_close(struct breaker *breaker)
{
    bool was_open = breaker->state != BREAKER_CLOSED;
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
    return was_open;
}

int64_t breaker_next_ms(const struct breaker *breaker)
{
    if (breaker->state == BREAKER_OPEN)
        return breaker->next_ms;
    return breaker->state == BREAKER_HALF_OPEN ? INT64_MAX : 0;
}

bool breaker_start(struct breaker *breaker)
{
    if (breaker->state == BREAKER_CLOSED)
        return false;
    breaker->state = BREAKER_HALF_OPEN;
    return true;
}

void breaker_abandon(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state != BREAKER_HALF_OPEN)
        return;
    breaker->state = BREAKER_OPEN;
    breaker->next_ms = now_ms;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "answers",
        [BREAKER_OPEN] = "does not answer",
        [BREAKER_HALF_OPEN] = "is being tried",
    };
    return names[state];
}
