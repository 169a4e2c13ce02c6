#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "bridge/bell.h"

enum { STORE_RETRY_MS = 5000 };

/* The store */

static void say_store_failed(struct bell *bell, const struct err *err)
{
    if (bell->bridge->store_failing)
        return;
    bell->bridge->store_failing = true;
    log_error(
        "The store cannot be written: %s. Messages are kept at the messenger's server until it "
        "can; mend the disk soon.",
        err->text);
}

static void say_store_works(struct bell *bell)
{
    if (bell->bridge->store_failing)
        log_info("The store can be written again.");
    bell->bridge->store_failing = false;
}

static void on_debt_stored(void *arg, int result, const struct err *err)
{
    struct bell *bell = arg;
    if (result != 0)
        say_store_failed(bell, err);
    else
        say_store_works(bell);
    int64_t now = bell_now_ms(bell);
    wake_debt_stored(&bell->wake, result == 0, now + STORE_RETRY_MS, now);
    bell_plan_wake(bell);
}

/* The whole row: where an earlier write of it failed there is none yet that could carry the debt.
 */
static void op_store_debt(void *arg)
{
    struct bell *bell = arg;
    struct store_account row;
    if (!bell->account->owed_since_unix)
        bell->account->owed_since_unix = clock_unix();
    registry_row(bell->account, &row);
    store_put(bell->bridge->parts.store, &row, on_debt_stored, bell);
}

static void op_clear_debt(void *arg)
{
    struct bell *bell = arg;
    bell->account->owed_since_unix = 0;
    store_set_owed(bell->bridge->parts.store, &bell->account->key, 0, NULL, NULL);
}

/* A debt whose writing failed may be on disk all the same, from before. */
static void clear_stale_debt(struct bell *bell)
{
    if (bell->account->owed_since_unix && bell->wake.debt == WAKE_DEBT_NONE &&
        !wake_owes(&bell->wake))
        op_clear_debt(bell);
}

static void on_put(void *arg, int result, const struct err *err)
{
    struct bell *bell = arg;
    bell->puts_done++;
    if (result == 0) {
        say_store_works(bell);
    } else {
        say_store_failed(bell, err);
        loop_timer_set(bell->bridge->parts.loop, &bell->store_timer, STORE_RETRY_MS);
    }
    waits_answer_stored(bell, result == 0);
}

unsigned bell_put(struct bell *bell)
{
    struct store_account row;
    registry_row(bell->account, &row);
    store_put(bell->bridge->parts.store, &row, on_put, bell);
    return ++bell->puts_made;
}

void ring_on_store_timer(void *arg)
{
    bell_put(arg);
}

/* Only what a 410 said is gone for good: an endpoint that answers 404 is probed again, also after
 * the next start (settled.md "answers"). */
static void store_endpoint_state(struct bell *bell)
{
    const struct endpoint *endpoint = &bell->account->endpoint;
    bool by_404 = endpoint->state == ENDPOINT_GONE && bell->last_kind == VERDICT_SUSPECT;
    store_set_endpoint_state(bell->bridge->parts.store, &bell->account->key,
                             (uint8_t)(by_404 ? ENDPOINT_SUSPECT : endpoint->state),
                             endpoint->proven, NULL, NULL);
}

/* Pushing */

static void target_of(const struct bell *bell, struct push_target *target)
{
    const struct endpoint *endpoint = &bell->account->endpoint;
    *target = (struct push_target){
        .endpoint = endpoint->url, .proven = endpoint->proven, .has_keys = endpoint->has_keys};
    memcpy(target->p256dh, endpoint->p256dh, sizeof target->p256dh);
    memcpy(target->auth, endpoint->auth, sizeof target->auth);
}

static void set_endpoint_state(struct bell *bell, enum endpoint_state state, bool proven,
                               const struct verdict *verdict)
{
    struct endpoint *endpoint = &bell->account->endpoint;
    if (endpoint->state == state && endpoint->proven == proven)
        return;
    if (endpoint->state != state && state == ENDPOINT_OK)
        log_info("Account %s: its endpoint accepts rings again.", bell_name(bell));
    else if (endpoint->state != state)
        log_warn("Account %s: its endpoint is %s. %s", bell_name(bell), endpoint_state_name(state),
                 verdict->text);
    endpoint->state = state;
    endpoint->proven = proven;
    store_endpoint_state(bell);
}

static enum endpoint_state failed_state(struct bell *bell, const struct verdict *verdict)
{
    const struct config *config = bell->bridge->config;
    int64_t now = bell_now_ms(bell);
    if (verdict->kind == VERDICT_GONE || bell->account->endpoint.state == ENDPOINT_GONE)
        return ENDPOINT_GONE; /* until it accepts a push or is replaced */
    if (verdict->kind != VERDICT_SUSPECT) {
        bell->suspect_since_ms = 0;
        return ENDPOINT_FAILING;
    }
    if (!bell->suspect_since_ms)
        bell->suspect_since_ms = now;
    bool confirmed = bell->failures + 1 >= config->push_suspect_after &&
                     now - bell->suspect_since_ms >= config->push_gone_after_ms;
    return confirmed ? ENDPOINT_GONE : ENDPOINT_SUSPECT;
}

/* Takes note of an answer; returns when the next ring may be tried. */
static int64_t judge(struct bell *bell, const struct verdict *verdict)
{
    const struct config *config = bell->bridge->config;
    int64_t now = bell_now_ms(bell);
    if (verdict->kind == VERDICT_ACCEPTED) {
        bell->failures = bell->failures_in_a_row = 0;
        bell->last_status = verdict->status;
        bell->last_kind = verdict->kind;
        bell->floor_until_ms = 0;
        bell->suspect_since_ms = 0;
        set_endpoint_state(bell, ENDPOINT_OK, true, verdict);
        return now;
    }
    bool alike = bell->last_kind == verdict->kind && bell->last_status == verdict->status;
    bell->failures = alike ? bell->failures + 1 : 0;
    unsigned in_a_row = bell->failures_in_a_row++;
    bell->last_kind = verdict->kind;
    bell->last_status = verdict->status;
    set_endpoint_state(bell, failed_state(bell, verdict), bell->account->endpoint.proven, verdict);
    /* An answer's own floor grows with answers like it; without one, any failure makes us wait
     * longer. */
    bool own_floor = verdict->floor_ms != 0 && verdict->first_ms == 0;
    int64_t wait =
        verdict_wait_ms(verdict, own_floor ? bell->failures : in_a_row, config->push_retry_min_ms,
                        config->push_retry_max_ms, random_u32());
    bool floor_for_all = verdict->status == 429 || verdict->status == 507;
    int64_t next = wait == INT64_MAX ? INT64_MAX : now + wait;
    if ((floor_for_all || wait == INT64_MAX) && next > bell->floor_until_ms)
        bell->floor_until_ms = next;
    log_debug("Account %s: not accepted (%s). %s", bell_name(bell),
              verdict_kind_name(verdict->kind), verdict->text);
    return next;
}

static void on_rung(void *arg, const struct verdict *verdict)
{
    struct bell *bell = arg;
    bell->ring = NULL;
    int64_t next = judge(bell, verdict);
    wake_rung(&bell->wake, verdict->kind == VERDICT_ACCEPTED, next, bell_now_ms(bell));
    clear_stale_debt(bell);
    bell_plan_wake(bell);
}

static void op_ring(void *arg)
{
    struct bell *bell = arg;
    struct push_target target;
    target_of(bell, &target);
    bell->ring = push_send(bell->bridge->parts.push, &target, PUSH_RING, on_rung, bell);
}

/* What a push that was no ring says about when to ring: acceptance ends every floor. */
static void learn(struct bell *bell, const struct verdict *verdict)
{
    int64_t next = judge(bell, verdict);
    if (verdict->kind == VERDICT_ACCEPTED)
        wake_hurry(&bell->wake, bell_now_ms(bell), bell_now_ms(bell));
    else
        wake_hold_off(&bell->wake, next);
    bell_plan_wake(bell);
}

static void on_noticed(void *arg, const struct verdict *verdict)
{
    struct bell *bell = arg;
    bool test = bell->test_due, contested = bell->contested_due;
    bell->notice = NULL;
    bell->test_due = bell->contested_due = false;
    learn(bell, verdict);
    if (contested)
        ring_notice(bell, PUSH_CONTESTED);
    if (test)
        ring_notice(bell, PUSH_TEST);
}

/* One at a time: what comes meanwhile follows. */
void ring_notice(struct bell *bell, enum push_kind kind)
{
    struct push_target target;
    if (bell->notice) {
        *(kind == PUSH_TEST ? &bell->test_due : &bell->contested_due) = true;
        return;
    }
    target_of(bell, &target);
    bell->notice = push_send(bell->bridge->parts.push, &target, kind, on_noticed, bell);
}

void bell_test_push(struct bell *bell)
{
    int64_t now = bell_now_ms(bell);
    if (bell->account->state == ACCOUNT_DISABLED || !bucket_take(&bell->tests, now))
        return;
    if (now >= bell->floor_until_ms)
        ring_notice(bell, PUSH_TEST);
    wake_hurry(&bell->wake, bell->floor_until_ms, now);
    bell_plan_wake(bell);
}

struct ping {
    struct list node;
    struct bell *bell;
    struct push_request *request;
    push_fn *fn;
    void *arg;
};

static void ping_end(struct ping *ping, const struct verdict *verdict)
{
    ping->fn(ping->arg, verdict);
    list_remove(&ping->node);
    free(ping);
}

static void on_pinged(void *arg, const struct verdict *verdict)
{
    struct ping *ping = arg;
    learn(ping->bell, verdict);
    ping_end(ping, verdict);
}

void bell_ping(struct bell *bell, push_fn *fn, void *arg)
{
    struct ping *ping = mem_new(sizeof *ping);
    struct push_target target;
    *ping = (struct ping){.bell = bell, .fn = fn, .arg = arg};
    list_append(&bell->pings, &ping->node);
    target_of(bell, &target);
    ping->request = push_send(bell->bridge->parts.push, &target, PUSH_TEST, on_pinged, ping);
}

void ring_end_pings(struct bell *bell)
{
    static const struct verdict gone = {.kind = VERDICT_RETRY,
                                        .text = "The account changed before the answer came."};
    while (!list_empty(&bell->pings)) {
        struct ping *ping = list_owner(list_first(&bell->pings), struct ping, node);
        push_cancel(ping->request);
        ping_end(ping, &gone);
    }
}

void bell_endpoint_changed(struct bell *bell)
{
    int64_t now = bell_now_ms(bell);
    bell->failures = bell->failures_in_a_row = 0;
    bell->floor_until_ms = 0;
    bell->suspect_since_ms = 0;
    ring_end_pings(bell);
    if (bell->notice) {
        push_cancel(bell->notice);
        bell->notice = NULL;
        bell->test_due = bell->contested_due = false;
    }
    if (bell->ring) {
        push_cancel(bell->ring);
        bell->ring = NULL;
        wake_ring_cancelled(&bell->wake, now);
    }
    wake_new_endpoint(&bell->wake, now);
    bell_plan_wake(bell);
}

/* What the wake asks for */

static void op_acknowledge(void *arg, uint64_t ack)
{
    struct bell *bell = arg;
    if (bell->linked)
        bell->bridge->parts.link_ops->acknowledge(bell->link, ack);
}

const struct wake_ops ring_wake_ops = {.acknowledge = op_acknowledge,
                                       .ring = op_ring,
                                       .store_debt = op_store_debt,
                                       .clear_debt = op_clear_debt};
