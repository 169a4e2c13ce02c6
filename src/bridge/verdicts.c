#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "bridge/alarms.h"
#include "bridge/bell.h"
#include "push/allowance.h"

enum {
    ORIGIN_LEAST = 3, /* endpoints that are unknown alike make it the fault of their origin */
    FLOOR_WRITTEN_MS = 60 * 1000,
    FLOOR_MAX_S = 7 * 3600, /* no answer's floor is longer, also when it has doubled */
    SPENT_UNWRITTEN = 8,    /* pushes of a daily budget that the end of the process may forget */
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What an answer makes of an endpoint, for the row. */
struct finding {
    enum endpoint_state state;
    bool accepted;
    int64_t not_before_unix, retry_unix, floor_unix;
    unsigned repeated;
    const struct verdict *verdict;
};

/* The least floor is kept without being written down (endpoint_life_resume). */
static int64_t to_unix(const struct bell *bell, int64_t at_ms)
{
    int64_t left_ms = at_ms - bell_now_ms(bell);
    if (at_ms == INT64_MAX)
        return INT64_MAX;
    return left_ms > FLOOR_WRITTEN_MS ? clock_unix() + left_ms / 1000 + 1 : 0;
}

/* The floors that the next start must not go below. */
static void find_floors(const struct bell *bell, struct finding *finding)
{
    const struct endpoint_life *life = &bell->endpoint_life;
    finding->not_before_unix = to_unix(bell, life->soonest_ms);
    finding->retry_unix = to_unix(bell, life->retry_at_ms);
    finding->floor_unix = to_unix(bell, life->finite_until_ms);
    finding->repeated = life->repeated;
}

static void keep_floors(struct endpoint *endpoint, const struct finding *finding)
{
    endpoint->not_before_unix = finding->not_before_unix;
    endpoint->retry_unix = finding->retry_unix;
    endpoint->floor_unix = finding->floor_unix;
    endpoint->repeated = finding->repeated;
}

static bool same_floors(const struct endpoint *a, const struct endpoint *b)
{
    return a->not_before_unix == b->not_before_unix && a->retry_unix == b->retry_unix &&
           a->floor_unix == b->floor_unix && a->repeated == b->repeated;
}

static bool note_finding(struct endpoint *endpoint, const struct finding *finding)
{
    struct endpoint before = *endpoint;
    endpoint->for_good = finding->state == ENDPOINT_GONE &&
                         (endpoint->for_good || finding->verdict->kind == VERDICT_GONE);
    endpoint->state = finding->state;
    endpoint->proven |= finding->accepted;
    keep_floors(endpoint, finding);
    bool denied = finding->verdict->kind == VERDICT_DENIED; /* says nothing about the endpoint */
    bool another = !denied && endpoint->status != finding->verdict->status;
    bool changed = endpoint->state != before.state || endpoint->proven != before.proven ||
                   endpoint->for_good != before.for_good || !same_floors(endpoint, &before) ||
                   (another && endpoint->repeated);
    if (changed && another) /* by itself worth a write only for what doubles */
        endpoint->status = finding->verdict->status;
    return changed;
}

struct likeness {
    const struct bell *self;
    unsigned cause;
    bool found;
};

static void look_for_likeness(void *arg, struct account *account)
{
    struct likeness *likeness = arg;
    const struct bell *bell = account->owner;
    likeness->found |= bell && bell != likeness->self && account->endpoint.state != ENDPOINT_OK &&
                       bell->endpoint_life.last_cause == likeness->cause;
}

/* What a setting or a login at the push server mends, it mends for all of its endpoints: the first
 * line has said so. */
static bool another_fails_alike(const struct bell *bell, const struct verdict *verdict)
{
    struct likeness likeness = {.self = bell, .cause = verdict->cause};
    char origin[URL_ORIGIN_SIZE];
    endpoint_origin(bell->account->endpoint.url, origin);
    registry_each_of_origin(&bell->bridge->registry, origin, look_for_likeness, &likeness);
    return likeness.found;
}

/* What time mends is nobody's business yet: where it lasts, another line says so (app_watch.c), and
 * where all of a push server's endpoints fail, one about that server (push/tell.h). */
static bool needs_person(const struct bell *bell, const struct verdict *verdict)
{
    if (bell->account->endpoint.state == ENDPOINT_GONE)
        return true;
    return (verdict_needs_person(verdict->cause) || verdict->kind == VERDICT_DENIED) &&
           !another_fails_alike(bell, verdict);
}

static void say_state(struct bell *bell, enum endpoint_state before, const struct verdict *verdict)
{
    enum endpoint_state state = bell->account->endpoint.state;
    const char *meaning = verdict_meaning(verdict->cause);
    if (state == before)
        return;
    if (state == ENDPOINT_OK)
        log_info("Account %s: its endpoint accepts rings again.", bell_name(bell));
    else if (needs_person(bell, verdict))
        log_warn("Account %s: its endpoint is %s. %s.", bell_name(bell), endpoint_state_name(state),
                 verdict->text);
    else if (meaning && verdict->status)
        log_info("Account %s: its endpoint is %s. %s (%d).", bell_name(bell),
                 endpoint_state_name(state), meaning, verdict->status);
    else
        log_info("Account %s: its endpoint is %s. %s.", bell_name(bell), endpoint_state_name(state),
                 meaning ? meaning : verdict->text);
}

static void take_finding(struct bell *bell, const struct finding *finding)
{
    enum endpoint_state before = bell->account->endpoint.state;
    if (!note_finding(&bell->account->endpoint, finding))
        return;
    say_state(bell, before, finding->verdict);
    bell_put_quietly(bell); /* where the endpoint could not be written yet, its state alone would be
                            taken for that of the one before */
}

/* Whether the push server rather than this endpoint is to blame for a 404: at least two others of
 * it are unknown alike, and it took a push of nobody since this one was first unknown. Accounts
 * that share an endpoint are one. */
struct origin_look {
    const struct bell *self;
    const char *unknown[ORIGIN_LEAST - 1]; /* URLs */
    unsigned unknown_alike;
    bool has_accepted;
};

static void note_unknown(struct origin_look *look, const char *url)
{
    for (unsigned i = 0; i < look->unknown_alike; i++)
        if (strcmp(look->unknown[i], url) == 0)
            return;
    if (look->unknown_alike < ORIGIN_LEAST - 1)
        look->unknown[look->unknown_alike++] = url;
}

static void look_at(void *arg, struct account *account)
{
    struct origin_look *look = arg;
    const struct bell *bell = account->owner;
    if (!bell || endpoint_same_url(&account->endpoint, &look->self->account->endpoint))
        return;
    const struct endpoint_life *life = &bell->endpoint_life;
    if (endpoint_life_fails(life) && life->said_kind == VERDICT_SUSPECT)
        note_unknown(look, account->endpoint.url);
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

struct search {
    const struct bell *self;
    struct bell *found;
};

static void look_for_push(void *arg, struct account *account)
{
    struct search *search = arg;
    struct bell *bell = account->owner;
    if (bell && bell != search->self && (bell->ring || bell->notice))
        search->found = bell;
}

static bool another_pushes(const struct bell *bell)
{
    struct search search = {.self = bell};
    registry_each_of_endpoint(&bell->bridge->registry, bell->account->endpoint.url, look_for_push,
                              &search);
    return search.found;
}

/* Whether it can be rung nobody knows: else what was mended would look broken, and be an alert,
 * until a message comes. */
static bool has_never_worked(const struct bell *bell)
{
    const struct endpoint *endpoint = &bell->account->endpoint;
    return !endpoint->proven && endpoint->state != ENDPOINT_OK && !endpoint->for_good;
}

/* No ring is owed that would show as much, and nothing is under way that does: what comes of it is
 * told to all who share the endpoint. */
static bool may_test(const struct bell *bell)
{
    return bell->account->state != ACCOUNT_REFUSED && !wake_owes(&bell->wake) && !bell->notice &&
           !another_pushes(bell);
}

/* Something has changed, by which a test may be accepted that was not before. */
static void hurry_test(struct bell *bell)
{
    bool due = bell_now_ms(bell) >= bell->endpoint_life.soonest_ms;
    if (due && (has_never_worked(bell) || bell->held_until_ms) && may_test(bell))
        ring_test(bell);
}

void verdicts_before_ring(struct bell *bell)
{
    if (!wake_owes(&bell->wake) && has_never_worked(bell))
        verdicts_hurry(bell);
}

static void hurry_one(void *arg, struct account *account)
{
    (void)arg;
    struct bell *bell = account->owner;
    if (!bell)
        return;
    const struct endpoint_life *life = &bell->endpoint_life;
    hurry_test(bell);
    if (endpoint_life_fails(life) && (life->origin_trouble || life->said_kind == VERDICT_SUSPECT))
        verdicts_hurry(bell);
}

static bool has_other_login(const struct bell *bell)
{
    const struct push *push = bell->bridge->parts.push;
    char origin[URL_ORIGIN_SIZE];
    endpoint_origin(bell->account->endpoint.url, origin);
    return push && push_headers_changed(push, origin);
}

/* Where no ring shows whether the settings forbid it still, a test does. */
static void try_what_was_denied(struct bell *bell)
{
    const struct endpoint_life *life = &bell->endpoint_life;
    bool owes = wake_owes(&bell->wake);
    bell_hurry(bell, later(life->retry_at_ms, life->floor_until_ms));
    if (!owes)
        ring_test(bell);
}

/* It may be over soon, and asking again troubles no push server. */
static bool is_of_name(const struct bell *bell)
{
    unsigned cause = bridge_endpoint_cause(bell->account);
    return cause == verdict_cause_of_failure(PUSH_ELSEWHERE) ||
           cause == verdict_cause_of_failure(PUSH_NO_ADDRESS);
}

void verdicts_try_again(struct bell *bell)
{
    int64_t now = bell_now_ms(bell);
    bool failed = (is_of_name(bell) || has_never_worked(bell)) && now >= bell->wake.not_before_ms;
    bool held = bell->held_until_ms && now >= bell->held_until_ms;
    if ((failed || held) && may_test(bell))
        ring_test(bell);
}

void verdicts_follow_config(struct bell *bell)
{
    struct endpoint_life *life = &bell->endpoint_life;
    if (verdict_is_of_own_login(bridge_endpoint_cause(bell->account)) && has_other_login(bell))
        bell_hurry(bell, life->floor_until_ms);
    else if (life->denials)
        try_what_was_denied(bell);
    else
        hurry_test(bell);
    life->denials = 0;
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

static unsigned unwritten(const struct bell *bell)
{
    const struct spending *spending = &bell->spending;
    bool same_day = spending->day == bell->account->spent_day;
    return same_day ? spending->used - bell->account->spent : spending->used;
}

void verdicts_keep_spent(struct bell *bell)
{
    if (bell->bridge->parts.link_ops && unwritten(bell))
        bell_put_quietly(bell);
}

/* Not each of them, which would be a write for each ring. */
static void keep_many_spent(struct bell *bell)
{
    if (unwritten(bell) >= SPENT_UNWRITTEN)
        bell_put_quietly(bell);
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
    keep_many_spent(bell);
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

static void look_for_other(void *arg, struct account *account)
{
    struct search *search = arg;
    if (account->owner && account->owner != search->self)
        search->found = account->owner;
}

static void look_for_ring(void *arg, struct account *account)
{
    struct search *search = arg;
    struct bell *bell = account->owner;
    if (bell && bell != search->self && bell->ring)
        search->found = bell;
}

bool verdicts_another_rings(const struct bell *bell)
{
    struct search search = {.self = bell};
    registry_each_of_endpoint(&bell->bridge->registry, bell->account->endpoint.url, look_for_ring,
                              &search);
    return search.found;
}

static struct bell *find_other(const struct bell *bell)
{
    struct search search = {.self = bell};
    registry_each_of_endpoint(&bell->bridge->registry, bell->account->endpoint.url, look_for_other,
                              &search);
    return search.found;
}

void verdicts_leave(struct bell *bell)
{
    if (!find_other(bell))
        left_note(&bell->bridge->left, bell->account->endpoint.url,
                  bell->endpoint_life.finite_until_ms, bell_now_ms(bell));
}

/* Whoever had it before: no other account has it now. */
static int64_t take_what_is_left(struct bell *bell)
{
    struct endpoint *endpoint = &bell->account->endpoint;
    int64_t until_ms = left_take(&bell->bridge->left, endpoint->url, bell_now_ms(bell));
    space(bell, budget_of(bell));
    if (!until_ms)
        return 0;
    struct finding finding = {0};
    endpoint_life_begin_bound(&bell->endpoint_life, until_ms);
    find_floors(bell, &finding);
    keep_floors(endpoint, &finding);
    endpoint->state = ENDPOINT_FAILING;
    return until_ms;
}

int64_t verdicts_join(struct bell *bell)
{
    struct endpoint *endpoint = &bell->account->endpoint;
    struct bell *other = find_other(bell);
    if (!other)
        return take_what_is_left(bell);
    const struct endpoint *known = &other->account->endpoint;
    endpoint->state = known->state;
    endpoint->proven = known->proven;
    endpoint->for_good = known->for_good;
    endpoint->status = known->status;
    endpoint->not_before_unix = known->not_before_unix;
    endpoint->retry_unix = known->retry_unix;
    endpoint->floor_unix = known->floor_unix;
    endpoint->repeated = known->repeated;
    bell->endpoint_life = other->endpoint_life;
    bell->spending = other->spending;
    wake_space(&bell->wake, other->wake.spacing_ms);
    /* The other's distance is its own; it may have been hurried below what has doubled. */
    return earlier(other->wake.not_before_ms, bell->endpoint_life.retry_at_ms);
}

/* What was for ever is not any more. */
static void renew(struct bell *bell, int64_t *retry_at_ms)
{
    struct endpoint *endpoint = &bell->account->endpoint;
    if (!endpoint_life_renew(&bell->endpoint_life))
        return;
    struct finding finding = {0};
    find_floors(bell, &finding);
    keep_floors(endpoint, &finding);
    bool waits = bell->endpoint_life.floor_until_ms > bell_now_ms(bell);
    endpoint->state = waits ? ENDPOINT_FAILING : ENDPOINT_OK;
    endpoint->for_good = false;
    endpoint->status = 0;
    bell_put_quietly(bell);
    *retry_at_ms = later(*retry_at_ms, bell->endpoint_life.floor_until_ms);
    bell_hurry(bell, *retry_at_ms);
}

static void renew_other(void *arg, struct account *account)
{
    int64_t *retry_at_ms = arg;
    struct bell *bell = account->owner;
    if (!bell)
        return;
    *retry_at_ms += 2 * bell->bridge->config->push_timeout_ms;
    renew(bell, retry_at_ms);
}

/* What is under way. */
static void outdate(void *arg, struct account *account)
{
    struct bell *bell = account->owner;
    (void)arg;
    if (bell)
        ring_outdate(bell);
}

void verdicts_revive(struct bell *bell)
{
    int64_t retry_at_ms = bell_now_ms(bell);
    renew(bell, &retry_at_ms);
    registry_each_of_endpoint(&bell->bridge->registry, bell->account->endpoint.url, renew_other,
                              &retry_at_ms);
}

void verdicts_outdate(struct bell *bell)
{
    registry_each_of_endpoint(&bell->bridge->registry, bell->account->endpoint.url, outdate, NULL);
}

void verdicts_renew(struct bell *bell)
{
    verdicts_outdate(bell);
    verdicts_revive(bell);
}

static int64_t to_ms(const struct bell *bell, int64_t at_unix)
{
    int64_t left_s = at_unix == INT64_MAX ? 0 : at_unix - clock_unix();
    if (at_unix == INT64_MAX)
        return INT64_MAX;
    bool counts = left_s > 0 && left_s <= FLOOR_MAX_S; /* more: the clock is another one */
    return counts ? bell_now_ms(bell) + left_s * 1000 : 0;
}

/* Rows of one endpoint may disagree, because not all were written last; other days are over. */
static void take_most_spent(void *arg, struct account *account)
{
    struct spending *most = arg;
    const struct spending other = {.day = account->spent_day, .used = account->spent};
    int64_t now_unix = clock_unix();
    if (spending_today(&other, now_unix) > spending_today(most, now_unix))
        *most = other;
}

static void resume_spending(struct bell *bell)
{
    const struct account *account = bell->account;
    bell->spending = (struct spending){0};
    registry_each_of_endpoint(&bell->bridge->registry, account->endpoint.url, take_most_spent,
                              &bell->spending);
    space(bell, budget_of(bell));
}

/* One endpoint has one life, unless its rows disagree: the last one may not have been written. */
static void resume_alike(void *arg, struct account *account)
{
    struct bell *bell = arg, *other = account->owner;
    const struct endpoint *own = &bell->account->endpoint, *known = &account->endpoint;
    if (other && other != bell && own->state == known->state && own->status == known->status &&
        same_floors(own, known))
        bell->endpoint_life = other->endpoint_life;
}

void verdicts_resume(struct bell *bell)
{
    const struct endpoint *endpoint = &bell->account->endpoint;
    const struct endpoint_past past = {
        .state = endpoint->state,
        .status = endpoint->status,
        .soonest_ms = to_ms(bell, endpoint->not_before_unix),
        .retry_at_ms = to_ms(bell, endpoint->retry_unix),
        .floor_until_ms = to_ms(bell, endpoint->floor_unix),
        .repeated = endpoint->repeated,
    };
    endpoint_life_resume(&bell->endpoint_life, &bell->bridge->endpoint_timing, &past,
                         bell_now_ms(bell), random_u32());
    registry_each_of_endpoint(&bell->bridge->registry, endpoint->url, resume_alike, bell);
    wake_hold_off(&bell->wake, bell->endpoint_life.retry_at_ms);
    resume_spending(bell);
}

int64_t verdicts_take(struct bell *bell, const struct verdict *verdict)
{
    bool accepted = verdict->kind == VERDICT_ACCEPTED;
    bool unknown = verdict->kind == VERDICT_SUSPECT;
    bool was_unknown = bell->endpoint_life.said_kind == VERDICT_SUSPECT;
    struct endpoint_step step = endpoint_life_judge(
        &bell->endpoint_life, &bell->bridge->endpoint_timing, bell->account->endpoint.state,
        verdict, unknown && origin_is_at_fault(bell), bell_now_ms(bell), random_u32());
    struct finding finding = {.state = step.state, .accepted = accepted, .verdict = verdict};
    find_floors(bell, &finding);
    bell->bridge->pushes += accepted;
    if (accepted)
        spend(bell); /* first: the row has it, if there is one to write */
    take_finding(bell, &finding);
    keep_many_spent(bell);
    share(bell, &finding, step.retry_at_ms);
    if (accepted && was_unknown)
        tell_others(bell);
    if (!accepted)
        log_debug("Account %s: not accepted (%s). %s.", bell_name(bell),
                  verdict_kind_name(verdict->kind), verdict->text);
    return step.retry_at_ms;
}
