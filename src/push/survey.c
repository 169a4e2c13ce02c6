#include <string.h>

#include "base/clock.h"
#include "push/request.h"

/* What there is to see of the push servers, for people and for whoever watches. */

const struct skew *push_skew(const struct push *push)
{
    return &push->skew;
}

struct survey {
    void (*each)(void *arg, const struct push_origin_state *state);
    void *arg;
    int64_t now_ms;
};

static void describe(void *arg, const struct origin *origin)
{
    const struct survey *survey = arg;
    struct origin_state state;
    origin_describe(origin, &state, survey->now_ms);
    bool strangers_only = state.breakers[ORIGIN_PROVEN].failures == 0;
    enum origin_breaker which = strangers_only ? ORIGIN_STRANGERS : ORIGIN_PROVEN;
    int64_t silent_ms = survey->now_ms - state.breakers[which].since_ms;
    int64_t wait = state.breakers[which].next_ms - survey->now_ms;
    const struct push_origin_state told = {
        .name = state.name,
        .proven = state.breakers[ORIGIN_PROVEN].state,
        .strangers = state.breakers[ORIGIN_STRANGERS].state,
        .silent_since_unix =
            state.breakers[which].failures > 0 ? clock_unix() - silent_ms / 1000 : 0,
        .retry_in_ms = wait > 0 ? wait : 0,
        .why = state.breakers[which].why,
        .waiting = state.waiting,
        .in_flight = state.in_flight,
        .errors_left = state.errors_left,
    };
    survey->each(survey->arg, &told);
}

void push_each_origin(struct push *push,
                      void (*each)(void *arg, const struct push_origin_state *state), void *arg)
{
    struct survey survey = {.each = each, .arg = arg, .now_ms = loop_now_ms(push->loop)};
    origins_each(&push->origins, describe, &survey);
}

struct figuring {
    struct push_figures *figures;
    struct answers *answers;
};

static void add_figures(void *arg, const struct push_origin_state *state)
{
    const struct figuring *figuring = arg;
    struct push_figures *figures = figuring->figures;
    figures->waiting += state->waiting;
    figures->in_flight += state->in_flight;
    figures->proven[state->proven]++;
    figures->strangers[state->strangers]++;
    if (state->proven != BREAKER_CLOSED)
        answers_note_down(figuring->answers, state->name);
}

void push_figures(struct push *push, struct push_figures *figures)
{
    struct figuring figuring = {.figures = figures, .answers = &push->answers};
    *figures = (struct push_figures){.answers = &push->answers};
    memcpy(figures->began, push->began, sizeof figures->began);
    memcpy(figures->accepted, push->accepted, sizeof figures->accepted);
    answers_all_up(&push->answers);
    push_each_origin(push, add_figures, &figuring);
}
