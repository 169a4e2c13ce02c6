#include "base/clock.h"
#include "base/random.h"
#include "bridge/bell.h"
#include "push/allowance.h"

enum {
    ORIGIN_LEAST = 3, /* endpoints that are unknown alike make it the fault of their origin */
    FLOOR_WRITTEN_MS = 60 * 1000,
    FLOOR_MAX_S = 2 * 3600, /* no answer's floor is longer */
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What an answer makes of an endpoint, for the row. */
struct finding {
    enum endpoint_state state;
    bool accepted;
    int64_t not_before_unix;
    const struct verdict *verdict;
};

/* The floor that the next start must not go below. The least one is kept without being written down
 * (endpoint_life_resume_ms). */
static int64_t floor_unix(const struct bell *bell)
{
    const struct endpoint_life *life = &bell->endpoint_life;
    int64_t left_ms = life->soonest_ms - bell_now_ms(bell);
    if (life->soonest_ms == INT64_MAX)
        return INT64_MAX;
    return left_ms > FLOOR_WRITTEN_MS ? clock_unix() + left_ms / 1000 + 1 : 0;
}

static bool note_finding(struct endpoint *endpoint, const struct finding *finding)
{
    struct endpoint before = *endpoint;
    endpoint->for_good = finding->state == ENDPOINT_GONE &&
                         (endpoint->for_good || finding->verdict->kind == VERDICT_GONE);
    endpoint->state = finding->state;
    endpoint->proven |= finding->accepted;
    endpoint->not_before_unix = finding->not_before_unix;
    bool changed = endpoint->state != before.state || endpoint->proven != before.proven ||
                   endpoint->for_good != before.for_good ||
                   endpoint->not_before_unix != before.not_before_unix;
    if (changed) /* by itself not worth a write */
        endpoint->status = finding->verdict->status;
    return changed;
}

static void say_state(struct bell *bell, enum endpoint_state before, const struct verdict *verdict)
{
    enum endpoint_state state = bell->account->endpoint.state;
    if (state == before)
        return;
    if (state == ENDPOINT_OK)
        log_info("Account %s: its endpoint accepts rings again.", bell_name(bell));
    else
        log_warn("Account %s: its endpoint is %s. %s", bell_name(bell), endpoint_state_name(state),
                 verdict->text);
}

static void take_finding(struct bell *bell, const struct finding *finding)
{
    enum endpoint_state before = bell->account->endpoint.state;
    if (!note_finding(&bell->account->endpoint, finding))
        return;
    say_state(bell, before, finding->verdict);
    /* The whole row: where its endpoint could not be written yet, the state would be taken for that
     * of the one before. */
    struct store_account row;
    bell_row(bell, &row);
    store_put(bell->bridge->parts.store, &row, NULL, NULL);
}

/* Whether the push server rather than this endpoint is to blame for a 404: at least two others of
 * it are unknown alike, and it took a push of nobody since this one was first unknown. */
struct origin_look {
    const struct bell *self;
    unsigned unknown_alike;
    bool has_accepted;
};

static void look_at(void *arg, struct account *account)
{
    struct origin_look *look = arg;
    const struct bell *bell = account->owner;
    if (!bell || bell == look->self)
        return;
    const struct endpoint_life *life = &bell->endpoint_life;
    look->unknown_alike += endpoint_life_fails(life) && life->last_kind == VERDICT_SUSPECT;
    look->has_accepted |= life->accepted_ms > look->self->endpoint_life.suspect_since_ms;
}

static bool origin_is_at_fault(struct bell *bell)
{
    struct origin_look look = {.self = bell};
    if (!bell->endpoint_life.suspect_since_ms)
        return false;
    char origin[URL_ORIGIN_SIZE];
    endpoint_origin(bell->account->endpoint.url, origin);
    registry_each_of_origin(&bell->bridge->registry, origin, look_at, &look);
    return look.unknown_alike + 1 >= ORIGIN_LEAST && !look.has_accepted;
}

void verdicts_hurry(struct bell *bell)
{
    const struct endpoint_life *life = &bell->endpoint_life;
    bell_hurry(bell, later(life->soonest_ms, life->floor_until_ms));
}

static void hurry_one(void *arg, struct account *account)
{
    (void)arg;
    struct bell *bell = account->owner;
    if (!bell)
        return;
    const struct endpoint_life *life = &bell->endpoint_life;
    if (endpoint_life_fails(life) && (life->origin_trouble || life->last_kind == VERDICT_SUSPECT))
        verdicts_hurry(bell);
}

void verdicts_origin_recovered(struct bridge *bridge, const char *origin)
{
    registry_each_of_origin(&bridge->registry, origin, hurry_one, NULL);
}

/* What the push server knows again it may know of others, too. */
static void tell_others(struct bell *bell)
{
    char origin[URL_ORIGIN_SIZE];
    endpoint_origin(bell->account->endpoint.url, origin);
    verdicts_origin_recovered(bell->bridge, origin);
}

static unsigned budget_of(const struct bell *bell)
{
    struct url url;
    if (url_parse(&url, bell->account->endpoint.url, NULL) != 0)
        return 0;
    unsigned budget = allowance_daily(url.host);
    url_fini(&url);
    return budget;
}

/* The least distance of rings, where the phone has a budget. */
static void space(struct bell *bell, unsigned budget)
{
    wake_space(&bell->wake, spacing_ms(&bell->spending, budget, clock_unix()));
}

/* One message of it. */
static void spend(struct bell *bell)
{
    unsigned budget = budget_of(bell);
    if (budget)
        spending_note(&bell->spending, clock_unix());
    space(bell, budget);
}

/* An endpoint has one life, one budget and one floor, however many accounts it rings for. */

struct sharing {
    struct bell *from;
    const struct finding *finding;
    int64_t retry_at_ms;
};

/* While it fails one after the other rings, so that the next one knows what became of it. */
static void share_with(void *arg, struct account *account)
{
    struct sharing *sharing = arg;
    struct bell *bell = account->owner;
    if (!bell || bell == sharing->from)
        return;
    bell->endpoint_life = sharing->from->endpoint_life;
    bell->spending = sharing->from->spending;
    wake_space(&bell->wake, sharing->from->wake.spacing_ms);
    take_finding(bell, sharing->finding);
    if (!sharing->finding->accepted && sharing->retry_at_ms < INT64_MAX)
        sharing->retry_at_ms += 2 * bell->bridge->config->push_timeout_ms;
    ring_learned(bell, sharing->finding->accepted, sharing->retry_at_ms);
}

static void share(struct bell *bell, const struct finding *finding, int64_t retry_at_ms)
{
    struct sharing sharing = {.from = bell, .finding = finding, .retry_at_ms = retry_at_ms};
    registry_each_of_endpoint(&bell->bridge->registry, bell->account->endpoint.url, share_with,
                              &sharing);
}

struct search {
    const struct bell *self;
    struct bell *found;
};

static void look_for_other(void *arg, struct account *account)
{
    struct search *search = arg;
    if (account->owner && account->owner != search->self)
        search->found = account->owner;
}

int64_t verdicts_join(struct bell *bell)
{
    struct search search = {.self = bell};
    struct endpoint *endpoint = &bell->account->endpoint;
    registry_each_of_endpoint(&bell->bridge->registry, endpoint->url, look_for_other, &search);
    struct bell *other = search.found;
    if (!other) {
        space(bell, budget_of(bell));
        return 0;
    }
    const struct endpoint *known = &other->account->endpoint;
    endpoint->state = known->state;
    endpoint->proven = known->proven;
    endpoint->for_good = known->for_good;
    endpoint->status = known->status;
    endpoint->not_before_unix = known->not_before_unix;
    bell->endpoint_life = other->endpoint_life;
    bell->spending = other->spending;
    wake_space(&bell->wake, other->wake.spacing_ms);
    return known->state == ENDPOINT_OK ? 0 : other->wake.not_before_ms;
}

void verdicts_resume(struct bell *bell)
{
    const struct endpoint *endpoint = &bell->account->endpoint;
    struct endpoint_life *life = &bell->endpoint_life;
    int64_t now = bell_now_ms(bell);
    int64_t at =
        endpoint_life_resume_ms(&bell->bridge->endpoint_timing, endpoint->state, now, random_u32());
    int64_t left_s = endpoint->not_before_unix - clock_unix();
    if (endpoint->not_before_unix == INT64_MAX)
        at = INT64_MAX;
    else if (left_s > 0 && left_s <= FLOOR_MAX_S) /* more: the clock is another one */
        at = later(at, now + left_s * 1000);
    life->soonest_ms = at;
    if (at == INT64_MAX ||
        (endpoint->state != ENDPOINT_OK && (endpoint->status == 429 || endpoint->status == 507)))
        life->floor_until_ms = at;
    wake_hold_off(&bell->wake, at);
}

int64_t verdicts_take(struct bell *bell, const struct verdict *verdict)
{
    bool accepted = verdict->kind == VERDICT_ACCEPTED;
    bool unknown = verdict->kind == VERDICT_SUSPECT;
    bool was_unknown = bell->endpoint_life.last_kind == VERDICT_SUSPECT;
    struct endpoint_step step = endpoint_life_judge(
        &bell->endpoint_life, &bell->bridge->endpoint_timing, bell->account->endpoint.state,
        verdict, unknown && origin_is_at_fault(bell), bell_now_ms(bell), random_u32());
    struct finding finding = {.state = step.state,
                              .accepted = accepted,
                              .not_before_unix = accepted ? 0 : floor_unix(bell),
                              .verdict = verdict};
    take_finding(bell, &finding);
    bell->bridge->pushes += accepted;
    if (accepted)
        spend(bell);
    share(bell, &finding, step.retry_at_ms);
    if (accepted && was_unknown)
        tell_others(bell);
    if (!accepted)
        log_debug("Account %s: not accepted (%s). %s", bell_name(bell),
                  verdict_kind_name(verdict->kind), verdict->text);
    return step.retry_at_ms;
}
