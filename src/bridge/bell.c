#include "bridge/bell.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

enum {
    TESTS_BURST = 5,
    TESTS_EVERY_MS = 60 * 1000,
    STORE_RETRY_MS = 5000,
    PROOF_MS = 60 * 1000, /* a link on trial that shows no queue by then is of no use */
};

static const struct link_events link_events;
static const struct wake_ops wake_ops;

static int64_t now_of(const struct bell *bell)
{
    return bridge_now_ms(bell->bridge);
}

static const char *name_of(const struct bell *bell)
{
    return bell->account ? bell->account->pseudonym : "candidate";
}

static void show_state(struct bell *bell)
{
    if (bell->account && bell->account->state != ACCOUNT_DISABLED)
        bell->account->state = bell->life.state;
}

/* Timers */

static void plan_wake(struct bell *bell)
{
    int64_t next = wake_next_ms(&bell->wake);
    struct loop *loop = bell->bridge->parts.loop;
    if (next == INT64_MAX)
        loop_timer_cancel(loop, &bell->wake_timer);
    else
        loop_timer_set(loop, &bell->wake_timer, next - now_of(bell));
}

static void on_wake_timer(void *arg)
{
    struct bell *bell = arg;
    wake_time(&bell->wake, now_of(bell));
    plan_wake(bell);
}

static void on_connect_timer(void *arg)
{
    struct bell *bell = arg;
    if (bell->linked) { /* on trial, and it did not show its queue */
        bell->bridge->parts.link_ops->stop(bell->link);
        return;
    }
    if (bell->trial && now_of(bell) >= trial_expires_ms(bell)) {
        trial_expired(bell);
        return;
    }
    if (bell->trial && !trial_may_connect(bell)) {
        bell_connect_in(bell, bell->bridge->life_timing.reconnect_min_ms);
        return;
    }
    life_connecting(&bell->life);
    show_state(bell);
    bell->linked = true;
    bell->bridge->parts.link_ops->start(bell->link);
}

void bell_connect_in(struct bell *bell, int64_t wait_ms)
{
    if (bell->link)
        loop_timer_set(bell->bridge->parts.loop, &bell->connect_timer, wait_ms);
}

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
    int64_t now = now_of(bell);
    wake_debt_stored(&bell->wake, result == 0, now + STORE_RETRY_MS, now);
    plan_wake(bell);
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

static void on_store_timer(void *arg)
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
        log_info("Account %s: its endpoint accepts rings again.", name_of(bell));
    else if (endpoint->state != state)
        log_warn("Account %s: its endpoint is %s. %s", name_of(bell), endpoint_state_name(state),
                 verdict->text);
    endpoint->state = state;
    endpoint->proven = proven;
    store_endpoint_state(bell);
}

static enum endpoint_state failed_state(struct bell *bell, const struct verdict *verdict)
{
    const struct config *config = bell->bridge->config;
    int64_t now = now_of(bell);
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
    int64_t now = now_of(bell);
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
    log_debug("Account %s: not accepted (%s). %s", name_of(bell), verdict_kind_name(verdict->kind),
              verdict->text);
    return next;
}

static void on_rung(void *arg, const struct verdict *verdict)
{
    struct bell *bell = arg;
    bell->ring = NULL;
    int64_t next = judge(bell, verdict);
    wake_rung(&bell->wake, verdict->kind == VERDICT_ACCEPTED, next, now_of(bell));
    clear_stale_debt(bell);
    plan_wake(bell);
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
        wake_hurry(&bell->wake, now_of(bell), now_of(bell));
    else
        wake_hold_off(&bell->wake, next);
    plan_wake(bell);
}

static void send_notice(struct bell *bell, enum push_kind kind);

static void on_noticed(void *arg, const struct verdict *verdict)
{
    struct bell *bell = arg;
    bool test = bell->test_due, contested = bell->contested_due;
    bell->notice = NULL;
    bell->test_due = bell->contested_due = false;
    learn(bell, verdict);
    if (contested)
        send_notice(bell, PUSH_CONTESTED);
    if (test)
        send_notice(bell, PUSH_TEST);
}

/* One at a time: what comes meanwhile follows. */
static void send_notice(struct bell *bell, enum push_kind kind)
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
    int64_t now = now_of(bell);
    if (bell->account->state == ACCOUNT_DISABLED || !bucket_take(&bell->tests, now))
        return;
    if (now >= bell->floor_until_ms)
        send_notice(bell, PUSH_TEST);
    wake_hurry(&bell->wake, bell->floor_until_ms, now);
    plan_wake(bell);
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

static void end_pings(struct bell *bell)
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
    int64_t now = now_of(bell);
    bell->failures = bell->failures_in_a_row = 0;
    bell->floor_until_ms = 0;
    bell->suspect_since_ms = 0;
    end_pings(bell);
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
    plan_wake(bell);
}

/* The link */

static void op_acknowledge(void *arg, uint64_t ack)
{
    struct bell *bell = arg;
    if (bell->linked)
        bell->bridge->parts.link_ops->acknowledge(bell->link, ack);
}

static void say_connected(struct bell *bell)
{
    if (bell->said == SAID_CONNECTED)
        return;
    bell->said = SAID_CONNECTED;
    log_info("Account %s: connected to %s.", name_of(bell),
             bell->bridge->parts.link_ops->messenger);
}

/* The link has shown its queue: it is an authenticated one. False: the trial ended differently. */
static bool prove(struct bell *bell)
{
    bool was_refused = bell->life.state == ACCOUNT_REFUSED;
    if (bell->life.proven && !bell->trial)
        return true;
    life_proven(&bell->life);
    fleet_success(&bell->bridge->fleet);
    if (bell->trial)
        trial_proven(bell);
    if (!bell->account)
        return false;
    if (was_refused)
        store_set_refused(bell->bridge->parts.store, &bell->account->key, false, NULL, NULL);
    show_state(bell);
    say_connected(bell);
    return true;
}

static void on_up(void *arg)
{
    struct bell *bell = arg;
    bell->bridge->events++;
    life_up(&bell->life, now_of(bell));
    show_state(bell);
    wake_link_up(&bell->wake);
    if (bell->trial)
        bell_connect_in(bell, PROOF_MS);
}

static void on_waiting(void *arg, uint64_t ack, bool urgent, bool own)
{
    struct bell *bell = arg;
    bell->bridge->events++;
    if (!prove(bell))
        return;
    bool silent = !urgent || (own && !bell->bridge->config->wake_own_messages);
    if (wake_message(&bell->wake, ack, silent, now_of(bell)) != 0) {
        log_warn("Account %s: the server sent more unanswered messages than its own window allows; "
                 "the connection is made anew.",
                 name_of(bell));
        bell->broke_window = true;
        bell->bridge->parts.link_ops->stop(bell->link);
    }
    plan_wake(bell);
}

static void on_drained(void *arg)
{
    struct bell *bell = arg;
    if (!prove(bell))
        return;
    wake_link_drained(&bell->wake, now_of(bell));
    plan_wake(bell);
}

static void became_refused(struct bell *bell, const struct link_down *down)
{
    log_warn("Account %s: %s The device was probably unlinked: link it again in the app.",
             name_of(bell), down->text);
    store_set_refused(bell->bridge->parts.store, &bell->account->key, true, NULL, NULL);
}

static void became_contested(struct bell *bell)
{
    log_warn(
        "Account %s: somebody else uses the same linked device. If another bridge runs for this "
        "account, stop it, or link the app anew with this one.",
        name_of(bell));
    send_notice(bell, PUSH_CONTESTED);
}

static bool is_fleet_wide(struct bell *bell, const struct link_down *down)
{
    if (down->reason != LINK_UNAUTHORIZED || bell->trial)
        return false;
    bool alarm;
    bool wide = fleet_refused(&bell->bridge->fleet, &bell->fleet_mark, now_of(bell), &alarm);
    if (alarm)
        log_error(
            "The messenger's server refuses all accounts alike (%s). That says nothing about any "
            "one of them, so none is given up; this needs a look.",
            down->text);
    return wide;
}

static void say_down(struct bell *bell, const struct link_down *down, int64_t wait_ms)
{
    if (down->reason == LINK_STOPPED)
        return;
    bool person = down->reason == LINK_CLIENT_REFUSED || down->reason == LINK_MISCONFIGURED;
    bool first = bell->said != SAID_DOWN;
    if (!bell->account)
        return;
    bell->said = SAID_DOWN;
    log_write(person  ? LOG_LEVEL_WARN
              : first ? LOG_LEVEL_INFO
                      : LOG_LEVEL_DEBUG,
              "Account %s: not connected (%s): %s Next try in %lld s.", name_of(bell),
              link_reason_name(down->reason), down->text, (long long)(wait_ms + 999) / 1000);
}

/* A device that the server refuses goes once another one of the same user stands beside it. */
static void look_for_other(void *arg, struct account *account)
{
    struct account **other = arg;
    if (account->state != ACCOUNT_REFUSED)
        *other = account;
}

static bool is_superseded(struct bell *bell)
{
    struct account *other = NULL;
    registry_each_of_user(&bell->bridge->registry, &bell->account->key, look_for_other, &other);
    return other != NULL;
}

void bell_remove_account(struct bell *bell)
{
    struct account *account = bell->account;
    log_info("Account %s: a device that was unlinked is removed; another one has taken its place.",
             name_of(bell));
    store_remove(bell->bridge->parts.store, &account->key, NULL, NULL);
    bell_bury(bell);
    registry_remove(&bell->bridge->registry, account);
}

static void on_down(void *arg, const struct link_down *end)
{
    struct bell *bell = arg;
    struct link_down copy = *end;
    const struct link_down *down = &copy;
    if (bell->broke_window) /* we stopped it, but not for nothing: no hurry to come back */
        copy.reason = LINK_PROTOCOL;
    bell->broke_window = false;
    bool wide = is_fleet_wide(bell, down);
    bell->linked = false;
    wake_link_down(&bell->wake);
    struct life_step step =
        life_down(&bell->life, &bell->bridge->life_timing, down, wide, now_of(bell), random_u32());
    show_state(bell);
    if (bell->trial && step.became_refused) {
        trial_refused(bell);
        return;
    }
    say_down(bell, down, step.connect_in_ms);
    if (bell->account && bell->account->state == ACCOUNT_DISABLED)
        return;
    if (bell->account && step.became_refused)
        became_refused(bell, down);
    bool dead = bell->account && bell->life.state == ACCOUNT_REFUSED &&
                down->reason == LINK_UNAUTHORIZED && !wide;
    if (dead && is_superseded(bell)) {
        bell_remove_account(bell);
        return;
    }
    /* New credentials of the device, which are being tried here, look like somebody else. */
    if (bell->account && step.became_contested &&
        !trial_is_linked(bell->bridge, &bell->account->key))
        became_contested(bell);
    bell_connect_in(bell, step.connect_in_ms);
    plan_wake(bell);
}

static const struct link_events link_events = {
    .up = on_up, .waiting = on_waiting, .drained = on_drained, .down = on_down};

static const struct wake_ops wake_ops = {.acknowledge = op_acknowledge,
                                         .ring = op_ring,
                                         .store_debt = op_store_debt,
                                         .clear_debt = op_clear_debt};

/* Life */

static struct bell *make(struct bridge *bridge, bool candidate)
{
    struct bell *bell = mem_new(sizeof *bell);
    bell->bridge = bridge;
    list_init(&bell->node);
    list_init(&bell->waits);
    list_init(&bell->pings);
    life_init(&bell->life, candidate);
    wake_init(&bell->wake, &bridge->wake_timing, &wake_ops, bell);
    timer_init(&bell->connect_timer, on_connect_timer, bell);
    timer_init(&bell->wake_timer, on_wake_timer, bell);
    timer_init(&bell->store_timer, on_store_timer, bell);
    bucket_init(&bell->tests, TESTS_EVERY_MS, TESTS_BURST);
    return bell;
}

static void open_link(struct bell *bell, const struct link_request *request)
{
    const struct bridge_parts *parts = &bell->bridge->parts;
    if (parts->link_ops)
        bell->link = parts->link_ops->open(parts->messenger, request, &link_events, bell);
}

static void open_own_link(struct bell *bell)
{
    struct link_request request = {.device = bell->account->key.device,
                                   .password = bell->account->password};
    memcpy(request.uuid, bell->account->key.uuid, sizeof request.uuid);
    open_link(bell, &request);
}

struct bell *bell_new(struct bridge *bridge, struct account *account)
{
    struct bell *bell = make(bridge, false);
    bell->account = account;
    account->owner = bell;
    if (account->state == ACCOUNT_REFUSED)
        bell->life.state = ACCOUNT_REFUSED;
    if (account->endpoint.state == ENDPOINT_GONE)
        wake_hold_off(&bell->wake, INT64_MAX);
    account->state = bridge_allows(bridge, &account->key) ? bell->life.state : ACCOUNT_DISABLED;
    if (account->state == ACCOUNT_DISABLED)
        return bell;
    plan_wake(bell);
    open_own_link(bell);
    bell_connect_in(bell, 0);
    return bell;
}

struct bell *bell_on_trial(struct bridge *bridge, struct trial *trial,
                           const struct link_request *request)
{
    struct bell *bell = make(bridge, true);
    bell->trial = trial;
    open_link(bell, request);
    return bell;
}

/* The store says so: at the start. Without links nobody rings: the debt stays for the server. */
void bell_owed(struct bell *bell)
{
    if (!bell->bridge->parts.link_ops || bell->account->state == ACCOUNT_DISABLED)
        return;
    wake_owed(&bell->wake, now_of(bell));
    plan_wake(bell);
}

/* Some other bell of the account said so, or the store long ago: its debt is made durable once
 * more. */
void bell_inherit(struct bell *bell)
{
    if (!bell->bridge->parts.link_ops)
        return;
    wake_inherit(&bell->wake, now_of(bell));
    plan_wake(bell);
}

/* A floor, what counts against the endpoint and the bucket of tests belong to the endpoint and the
 * user, whoever links now. */
static void take_endpoint_history(struct bell *bell, const struct bell *old)
{
    bell->last_status = old->last_status;
    bell->last_kind = old->last_kind;
    bell->failures = old->failures;
    bell->failures_in_a_row = old->failures_in_a_row;
    bell->floor_until_ms = old->floor_until_ms;
    bell->suspect_since_ms = old->suspect_since_ms;
    wake_hold_off(&bell->wake, old->wake.not_before_ms);
}

void bell_adopt(struct bell *bell, struct account *account, struct bell *old, bool same_endpoint)
{
    bool owed = old && (wake_owes(&old->wake) || account->owed_since_unix);
    bell->account = account;
    bell->life.candidate = false;
    account->owner = bell;
    loop_timer_cancel(bell->bridge->parts.loop, &bell->connect_timer);
    bell->bridge->parts.link_ops->promote(bell->link);
    if (old)
        bell->tests = old->tests;
    if (old && same_endpoint)
        take_endpoint_history(bell, old);
    if (old)
        bell_bury(old);
    show_state(bell);
    if (owed)
        bell_inherit(bell);
    plan_wake(bell);
}

static void close_all(struct bell *bell)
{
    struct loop *loop = bell->bridge->parts.loop;
    loop_timer_cancel(loop, &bell->connect_timer);
    loop_timer_cancel(loop, &bell->wake_timer);
    loop_timer_cancel(loop, &bell->store_timer);
    if (bell->ring)
        push_cancel(bell->ring);
    if (bell->notice)
        push_cancel(bell->notice);
    bell->ring = bell->notice = NULL;
    end_pings(bell);
    store_forget(bell->bridge->parts.store, bell);
    waits_answer(bell, REGISTRATION_INTERNAL_ERROR, "the account was replaced meanwhile");
    if (bell->account && bell->account->owner == bell)
        bell->account->owner = NULL;
    bell->account = NULL;
    bell->linked = false;
}

static void close_link(struct bell *bell)
{
    if (bell->link)
        bell->bridge->parts.link_ops->free(bell->link);
    bell->link = NULL;
}

void bell_free(struct bell *bell)
{
    close_all(bell);
    close_link(bell);
    if (bell->trial)
        trial_free(bell);
    list_remove(&bell->node);
    wake_fini(&bell->wake);
    free(bell);
}

void bell_bury(struct bell *bell)
{
    struct bridge *bridge = bell->bridge;
    close_all(bell);
    close_link(bell); /* its password belongs to an account or trial that may go now */
    if (bell->trial)
        trial_free(bell);
    list_remove(&bell->node);
    list_append(&bridge->buried, &bell->node);
    loop_timer_set(bridge->parts.loop, &bridge->bury_timer, 0);
}

void bell_follow_config(struct bell *bell)
{
    bool allowed = bridge_allows(bell->bridge, &bell->account->key);
    bool disabled = bell->account->state == ACCOUNT_DISABLED;
    if (allowed != disabled)
        return;
    if (allowed) {
        log_info("Account %s: allowed again by the configuration.", name_of(bell));
        bell->account->state = bell->life.state;
        if (!bell->link)
            open_own_link(bell);
        if (!bell->linked)
            bell_connect_in(bell, 0);
        if (bell->account->owed_since_unix && !wake_owes(&bell->wake))
            bell_inherit(bell);
        plan_wake(bell);
        return;
    }
    log_warn("Account %s: disconnected: accounts.allowed does not have it any more.",
             name_of(bell));
    bell->account->state = ACCOUNT_DISABLED;
    loop_timer_cancel(bell->bridge->parts.loop, &bell->connect_timer);
    if (bell->linked)
        bell->bridge->parts.link_ops->stop(bell->link);
}
