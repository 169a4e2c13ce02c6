#include "push/tell.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum { AMOUNT_SIZE = 32 };

/* "40 s", "12 min", "3 h", "5 days" */
static void write_amount(char text[AMOUNT_SIZE], int64_t seconds)
{
    static const struct {
        int64_t below_s, unit_s;
        const char *unit;
    } units[] = {{120, 1, "s"},
                 {120 * 60, 60, "min"},
                 {48 * 3600, 3600, "h"},
                 {INT64_MAX, 24 * 3600, "days"}};
    size_t i = 0;
    while (seconds >= units[i].below_s)
        i++;
    snprintf(text, AMOUNT_SIZE, "%lld %s", (long long)(seconds / units[i].unit_s), units[i].unit);
}

static int64_t seconds_until(int64_t at_ms, int64_t now_ms)
{
    return at_ms > now_ms ? (at_ms - now_ms + 999) / 1000 : 0;
}

void tell_news(enum origin_news news, const struct origin_state *state, enum origin_breaker which,
               int64_t now_ms)
{
    char wait[AMOUNT_SIZE];
    write_amount(wait, seconds_until(state->breakers[which].next_ms, now_ms));
    if (news == ORIGIN_OPENED && which == ORIGIN_PROVEN)
        log_warn("The push server %s does not answer (failures in a row: %u, the last: %s). Rings "
                 "for it wait; next try in %s.",
                 state->name, state->breakers[which].failures, state->breakers[which].why, wait);
    else if (news == ORIGIN_OPENED)
        log_info("The push server %s does not answer endpoints that never worked (failures in a "
                 "row: %u, the last: %s). Pushes to these wait; next try in %s.",
                 state->name, state->breakers[which].failures, state->breakers[which].why, wait);
    else if (news == ORIGIN_REOPENED)
        log_debug("The push server %s still does not answer (%s); next try in %s.", state->name,
                  state->breakers[which].why, wait);
    else if (news == ORIGIN_CLOSED)
        log_info("The push server %s answers again.", state->name);
}

void tell_clock(enum skew_news news, const char *origin, int64_t ahead_s)
{
    char distance[AMOUNT_SIZE];
    write_amount(distance, llabs(ahead_s));
    if (news == SKEW_WRONG)
        log_warn("The clock of the push server %s is %s %s ours. Push servers refuse our VAPID "
                 "tokens where the time is wrong: check this machine's date and time.",
                 origin, distance, ahead_s > 0 ? "ahead of" : "behind");
    else if (news == SKEW_RIGHT)
        log_info("Our clock is right by that of the push server %s.", origin);
}

void tell_held(struct verdict *verdict, const struct origin_state *state, enum origin_breaker which,
               int64_t now_ms)
{
    char since[AMOUNT_SIZE], wait[AMOUNT_SIZE];
    write_amount(since, (now_ms - state->breakers[which].since_ms) / 1000);
    write_amount(wait, seconds_until(state->breakers[which].next_ms, now_ms));
    *verdict = (struct verdict){.kind = VERDICT_RETRY, .origin_trouble = true};
    snprintf(verdict->text, sizeof verdict->text,
             "The push server has not answered for %s; it is tried again in %s. The reason: %s",
             since, wait, state->breakers[which].why);
}
