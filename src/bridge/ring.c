#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/bucket.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "bridge/bell.h"

/* The store */

static void say_store_failed(struct bell *bell, const struct err *err)
{
    if (bell->bridge->store_failing)
        return;
    bell->bridge->store_failing = true;
    log_error("The store cannot be written: %s Messages are kept at Signal's server until it "
              "can; mend the disk soon.",
              err->text);
}

static void say_store_works(struct bell *bell)
{
    if (bell->bridge->store_failing)
        log_info("The store can be written again.");
    bell->bridge->store_failing = false;
}

/* That the messenger refuses the device is kept of an account that the settings disable, too. */
static void write_row(const struct bell *bell, struct store_account *row)
{
    bell->account->spent_day = bell->spending.day;
    bell->account->spent = bell->spending.used;
    registry_row(bell->account, row);
    row->refused = bell->life.state == ACCOUNT_REFUSED;
}

/* What was spent is written with the next row, or once more at the next look around. */
static void note_row_failed(struct bell *bell)
{
    bell->account->spent_day = bell->account->spent = 0;
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

static void on_debt_stored(void *arg, int result, const struct err *err)
{
    struct bell *bell = arg;
    if (result != 0) {
        say_store_failed(bell, err);
        note_row_failed(bell);
    } else {
        say_store_works(bell);
        bell_note(bell, TIMELINE_DEBT, 0);
    }
    int64_t now = bell_now_ms(bell);
    wake_debt_stored(&bell->wake, result == 0, now + bell->bridge->config->store_retry_ms, now);
    clear_stale_debt(bell); /* it may have been paid meanwhile */
    bell_plan_wake(bell);
}

/* The whole row: where an earlier write of it failed there is none yet that could carry the debt.
 */
static void op_store_debt(void *arg)
{
    struct bell *bell = arg;
    struct store_account row;
    if (!bell->account->owed_since_unix) {
        bell->account->owed_since_unix = clock_unix();
        bell->account->owed_since_ms = bell_now_ms(bell);
    }
    write_row(bell, &row);
    store_put(bell->bridge->parts.store, &row, on_debt_stored, bell);
}

/* One that succeeds has all that failed before it. */
static void end_put(struct bell *bell, int result, const struct err *err)
{
    struct loop *loop = bell->bridge->parts.loop;
    if (result == 0) {
        say_store_works(bell);
        loop_timer_cancel(loop, &bell->store_timer);
        return;
    }
    say_store_failed(bell, err);
    note_row_failed(bell);
    loop_timer_set(loop, &bell->store_timer, bell->bridge->config->store_retry_ms);
}

static void put_row(struct bell *bell);

static void on_put(void *arg, int result, const struct err *err)
{
    struct bell *bell = arg;
    bell->put_out = false;
    if (result == 0)
        bell->puts_kept = bell->puts_out;
    end_put(bell, result, err);
    waits_answer_stored(bell, bell->puts_out, result == 0);
    if (bell->put_due)
        put_row(bell);
}

static void put_row(struct bell *bell)
{
    struct store_account row;
    bell->put_out = true;
    bell->put_due = false;
    bell->puts_out = bell->puts_asked;
    write_row(bell, &row);
    store_put(bell->bridge->parts.store, &row, on_put, bell);
}

/* One at a time: while the disk hangs no more of them wait than there are accounts, however often
 * rows change. */
void bell_put_quietly(struct bell *bell)
{
    if (bell->put_out)
        bell->put_due = true;
    else
        put_row(bell);
}

unsigned bell_put(struct bell *bell)
{
    unsigned number = ++bell->puts_asked;
    bell_put_quietly(bell);
    return number;
}

void bell_put_last(struct bell *bell)
{
    struct store_account row;
    if (!bell->put_out && !bell->put_due && !timer_is_set(&bell->store_timer))
        return;
    write_row(bell, &row);
    store_put(bell->bridge->parts.store, &row, NULL, NULL);
}

static void on_put_instead(void *arg, int result, const struct err *err)
{
    end_put(arg, result, err);
}

void bell_put_instead(struct bell *bell, const struct account_key *gone)
{
    struct store_account row;
    write_row(bell, &row);
    store_put_instead(bell->bridge->parts.store, &row, gone, on_put_instead, bell);
}

void ring_on_store_timer(void *arg)
{
    bell_put_quietly(arg);
}

/* Pushing */

static bool is_failing(const struct bell *bell)
{
    return bell->account->endpoint.state != ENDPOINT_OK ||
           endpoint_life_fails(&bell->endpoint_life);
}

static void target_of(const struct bell *bell, struct push_target *target)
{
    const struct endpoint *endpoint = &bell->account->endpoint;
    *target = (struct push_target){.endpoint = endpoint->url,
                                   .proven = endpoint->proven,
                                   .failing = is_failing(bell),
                                   .has_keys = endpoint->keys != NULL};
    if (!endpoint->keys)
        return;
    memcpy(target->p256dh, endpoint->keys->p256dh, sizeof target->p256dh);
    memcpy(target->auth, endpoint->keys->auth, sizeof target->auth);
}

static void take_back_notice(struct bell *bell)
{
    if (!bell->notice || bell->notice_left ||
        bell_now_ms(bell) >= bell->endpoint_life.floor_until_ms)
        return;
    push_cancel(bell->notice);
    bell->notice = NULL;
    bell->test_due = bell->contested_due = false;
}

/* When the next ring may be tried. A 410 may have been on its way already when the app subscribed
 * anew. */
static int64_t take_verdict(struct bell *bell, const struct verdict *verdict, bool outdated)
{
    int64_t next = verdicts_take(bell, verdict);
    if (!outdated || verdict->kind != VERDICT_GONE)
        return next;
    verdicts_revive(bell);
    return bell->endpoint_life.retry_at_ms;
}

static void on_rung(void *arg, const struct verdict *verdict)
{
    struct bell *bell = arg;
    bool accepted = verdict->kind == VERDICT_ACCEPTED;
    bell->ring = NULL;
    int64_t next = take_verdict(bell, verdict, bell->ring_outdated);
    bell_note(bell, accepted ? TIMELINE_RUNG : TIMELINE_NOT_RUNG, (unsigned)verdict->status);
    take_back_notice(bell);
    if (accepted && !bell->ring_outdated && bell->account->record.latency_ms)
        histogram_note(&bell->bridge->tally.delay, bell->account->record.latency_ms);
    wake_rung(&bell->wake, accepted, next, bell_now_ms(bell));
    clear_stale_debt(bell);
    bell_plan_wake(bell);
}

static void on_ring_began(void *arg)
{
    struct bell *bell = arg;
    bell->ring_left = true;
    bell->ring_outdated = false;
    record_ring_left(&bell->account->record);
    wake_ring_began(&bell->wake, bell_now_ms(bell));
}

/* Of accounts that share an endpoint that fails one rings at a time: what becomes of that ring is
 * told to the others (verdicts_take), or, where it is taken back, they find out. */
static bool waits_for_another(struct bell *bell)
{
    int64_t now = bell_now_ms(bell);
    if (!is_failing(bell) || !verdicts_another_rings(bell))
        return false;
    wake_rung(&bell->wake, false, now + 2 * bell->bridge->config->push_timeout_ms, now);
    return true;
}

static void op_ring(void *arg)
{
    struct bell *bell = arg;
    struct push_target target;
    if (waits_for_another(bell))
        return;
    target_of(bell, &target);
    target.began = on_ring_began;
    bell->ring_left = false;
    bell->ring = push_send(bell->bridge->parts.push, &target, PUSH_RING, on_rung, bell);
}

/* It waits for its turn still. */
static void take_back_ring(struct bell *bell, int64_t retry_at_ms)
{
    push_cancel(bell->ring);
    bell->ring = NULL;
    wake_rung(&bell->wake, false, retry_at_ms, bell_now_ms(bell));
}

/* It waits behind those that fail, or as a stranger, and is neither any more. */
static void line_up_anew(struct bell *bell)
{
    push_cancel(bell->ring);
    bell->ring = NULL;
    wake_ring_cancelled(&bell->wake, bell_now_ms(bell));
}

/* In line, while its endpoint turned out to fail: it must not go below a floor, nor beside another
 * account's. */
static bool must_not_leave(const struct bell *bell)
{
    return bell_now_ms(bell) < bell->endpoint_life.soonest_ms || verdicts_another_rings(bell);
}

/* Acceptance ends every floor. */
void ring_learned(struct bell *bell, bool accepted, int64_t retry_at_ms)
{
    bool waits = bell->ring && !bell->ring_left;
    if (accepted && waits)
        line_up_anew(bell);
    else if (accepted)
        bell_hurry(bell, bell_now_ms(bell));
    else if (waits && must_not_leave(bell))
        take_back_ring(bell, retry_at_ms);
    else
        wake_hold_off(&bell->wake, retry_at_ms);
    take_back_notice(bell); /* last: it makes room for what waits behind it */
    bell_plan_wake(bell);
}

/* What a push that was no ring says about when to ring. */
static void learn(struct bell *bell, const struct verdict *verdict, bool outdated)
{
    int64_t next = take_verdict(bell, verdict, outdated);
    bell_note(bell, TIMELINE_TEST, (unsigned)verdict->status);
    ring_learned(bell, verdict->kind == VERDICT_ACCEPTED, next);
}

static void on_noticed(void *arg, const struct verdict *verdict)
{
    struct bell *bell = arg;
    bool test = bell->test_due, contested = bell->contested_due;
    bell->notice = NULL;
    bell->test_due = bell->contested_due = false;
    bell->held_until_ms = 0;
    if (verdict->held) /* that its server is down is known */
        bell->held_until_ms = bell_now_ms(bell) + verdict->held_ms;
    else
        learn(bell, verdict, bell->notice_left && bell->notice_outdated);
    if (contested)
        ring_notice(bell, PUSH_CONTESTED);
    if (test)
        ring_notice(bell, PUSH_TEST);
}

static void on_notice_began(void *arg)
{
    struct bell *bell = arg;
    bell->notice_left = true;
    bell->notice_outdated = false;
}

/* One at a time: what comes meanwhile follows. None below a floor: nobody misses it. */
void ring_notice(struct bell *bell, enum push_kind kind)
{
    struct push_target target;
    if (bell_now_ms(bell) < bell->endpoint_life.floor_until_ms)
        return;
    if (bell->notice) {
        bell->test_due |= kind == PUSH_TEST;
        bell->contested_due |= kind != PUSH_TEST;
        return;
    }
    target_of(bell, &target);
    bell->notice_left = false;
    target.began = on_notice_began;
    bell->notice = push_send(bell->bridge->parts.push, &target, kind, on_noticed, bell);
}

static bool may_test(struct bell *bell)
{
    enum { BURST = 5, EVERY_MS = 60 * 1000 };
    struct bucket bucket = {
        .every_ms = EVERY_MS, .burst = BURST, .full_at_ms = bell->tests_full_at_ms};
    bool taken = bucket_take(&bucket, bell_now_ms(bell));
    bell->tests_full_at_ms = bucket.full_at_ms;
    return taken;
}

bool ring_test(struct bell *bell)
{
    if (bell->account->state == ACCOUNT_DISABLED || !may_test(bell))
        return false;
    ring_notice(bell, PUSH_TEST);
    return true;
}

void bell_test_push(struct bell *bell)
{
    if (ring_test(bell))
        bell_hurry(bell, bell->endpoint_life.floor_until_ms);
}

struct ping {
    struct list node;
    struct bell *bell;
    struct push_request *request;
    push_fn *fn;
    void *arg;
    bool outdated;
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
    learn(ping->bell, verdict, ping->outdated);
    ping_end(ping, verdict);
}

static void on_ping_began(void *arg)
{
    struct ping *ping = arg;
    ping->outdated = false;
}

void bell_ping(struct bell *bell, push_fn *fn, void *arg)
{
    struct ping *ping = mem_new(sizeof *ping);
    struct push_target target;
    *ping = (struct ping){.bell = bell, .fn = fn, .arg = arg};
    list_append(&bell->pings, &ping->node);
    target_of(bell, &target);
    target.probe = true;
    target.began = on_ping_began;
    ping->request = push_send(bell->bridge->parts.push, &target, PUSH_TEST, on_pinged, ping);
}

void ring_outdate(struct bell *bell)
{
    bell->ring_outdated = bell->notice_outdated = true;
    list_each(node, &bell->pings)
        list_owner(node, struct ping, node)->outdated = true;
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

static void drop_notice(struct bell *bell)
{
    if (bell->notice)
        push_cancel(bell->notice);
    bell->notice = NULL;
    bell->test_due = bell->contested_due = false;
}

void bell_keys_changed(struct bell *bell)
{
    bool left = bell->ring && bell->ring_left, waits = bell->ring && !bell->ring_left;
    bell_note(bell, TIMELINE_ENDPOINT, 0);
    ring_end_pings(bell);
    if (!bell->notice_left)
        drop_notice(bell);
    if (left)
        wake_ring_outdated(&bell->wake);
    verdicts_renew(bell);
    if (waits)
        take_back_ring(bell, bell_now_ms(bell));
    bell_plan_wake(bell);
}

void bell_endpoint_changed(struct bell *bell)
{
    int64_t now = bell_now_ms(bell);
    endpoint_life_begin(&bell->endpoint_life);
    bell->account->owed_since_ms = now;
    bell_note(bell, TIMELINE_ENDPOINT, 0);
    ring_end_pings(bell);
    drop_notice(bell);
    bell->held_until_ms = 0;
    if (bell->ring)
        push_cancel(bell->ring);
    bell->ring = NULL;
    int64_t earliest = verdicts_join(bell);
    wake_new_endpoint(&bell->wake, earliest > now ? earliest : now, now);
    bell_plan_wake(bell);
}

/* What the wake asks for */

static void op_acknowledge(void *arg, uint64_t ack)
{
    struct bell *bell = arg;
    if (bell->linked)
        bell->bridge->parts.link_ops->acknowledge(bell->link, ack);
}

static int64_t op_blur_ms(void *arg)
{
    struct bell *bell = arg;
    return backoff_jitter_ms(0, bell->bridge->config->push_jitter_ms, random_u32());
}

const struct wake_ops ring_wake_ops = {.acknowledge = op_acknowledge,
                                       .ring = op_ring,
                                       .store_debt = op_store_debt,
                                       .clear_debt = op_clear_debt,
                                       .blur_ms = op_blur_ms};
