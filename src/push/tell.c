#include "push/tell.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"

static int64_t seconds_until(int64_t at_ms, int64_t now_ms)
{
    return at_ms > now_ms ? (at_ms - now_ms + 999) / 1000 : 0;
}

void tell_news(enum origin_news news, const struct origin_state *state, enum origin_breaker which,
               int64_t now_ms)
{
    char wait[TEXT_AMOUNT_SIZE];
    text_amount(wait, seconds_until(state->breakers[which].next_ms, now_ms));
    if (news == ORIGIN_OPENED && which == ORIGIN_PROVEN)
        log_warn("The push server %s failed %u times in a row, so rings for it wait; next try in "
                 "%s. %s.",
                 state->name, state->breakers[which].failures, wait, state->breakers[which].why);
    else if (news == ORIGIN_OPENED)
        log_info("The push server %s failed %u times in a row for endpoints that never worked, so "
                 "pushes to these wait; next try in %s. %s.",
                 state->name, state->breakers[which].failures, wait, state->breakers[which].why);
    else if (news == ORIGIN_REOPENED)
        log_debug("The push server %s still fails; next try in %s. %s.", state->name, wait,
                  state->breakers[which].why);
    else if (news == ORIGIN_CLOSED)
        log_info("The push server %s answers again.", state->name);
}

void tell_clock(enum skew_news news, const char *origin, int64_t ahead_s)
{
    char distance[TEXT_AMOUNT_SIZE];
    text_amount(distance, llabs(ahead_s));
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
    char since[TEXT_AMOUNT_SIZE], wait[TEXT_AMOUNT_SIZE];
    text_amount(since, (now_ms - state->breakers[which].since_ms) / 1000);
    int64_t wait_s = seconds_until(state->breakers[which].next_ms, now_ms);
    text_amount(wait, wait_s);
    *verdict = (struct verdict){
        .kind = VERDICT_RETRY, .held_ms = wait_s * 1000, .held = true, .origin_trouble = true};
    snprintf(verdict->text, sizeof verdict->text,
             "The push server has not answered for %s; it is tried again in %s. The reason: %s",
             since, wait, state->breakers[which].why);
}
