#include "bridge/bell.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

enum {
    TESTS_BURST = 5,
    TESTS_EVERY_MS = 60 * 1000,
    PROOF_MS = 60 * 1000, /* a link on trial that shows no queue by then is of no use */
};

static const struct link_events link_events;

int64_t bell_now_ms(const struct bell *bell)
{
    return bridge_now_ms(bell->bridge);
}

const char *bell_name(const struct bell *bell)
{
    return bell->account ? bell->account->pseudonym : "candidate";
}

static void show_state(struct bell *bell)
{
    if (bell->account && bell->account->state != ACCOUNT_DISABLED)
        bell->account->state = bell->life.state;
}

/* Timers */

void bell_plan_wake(struct bell *bell)
{
    bool disabled = bell->account && bell->account->state == ACCOUNT_DISABLED;
    int64_t next = disabled ? INT64_MAX : wake_next_ms(&bell->wake);
    struct loop *loop = bell->bridge->parts.loop;
    if (next == INT64_MAX)
        loop_timer_cancel(loop, &bell->wake_timer);
    else
        loop_timer_set(loop, &bell->wake_timer, next - bell_now_ms(bell));
}

static void on_wake_timer(void *arg)
{
    struct bell *bell = arg;
    wake_time(&bell->wake, bell_now_ms(bell));
    bell_plan_wake(bell);
}

static void on_connect_timer(void *arg)
{
    struct bell *bell = arg;
    if (bell->linked) { /* on trial, and it did not show its queue */
        bell->bridge->parts.link_ops->stop(bell->link);
        return;
    }
    if (bell->trial && bell_now_ms(bell) >= trial_expires_ms(bell)) {
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

/* The link */

static void say_connected(struct bell *bell)
{
    if (bell->said == SAID_CONNECTED)
        return;
    bell->said = SAID_CONNECTED;
    log_info("Account %s: connected to %s.", bell_name(bell),
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
    life_up(&bell->life, bell_now_ms(bell));
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
    if (wake_message(&bell->wake, ack, silent, bell_now_ms(bell)) != 0) {
        log_warn("Account %s: the server sent more unanswered messages than its own window allows; "
                 "the connection is made anew.",
                 bell_name(bell));
        bell->broke_window = true;
        bell->bridge->parts.link_ops->stop(bell->link);
    }
    bell_plan_wake(bell);
}

static void on_drained(void *arg)
{
    struct bell *bell = arg;
    if (!prove(bell))
        return;
    wake_link_drained(&bell->wake, bell_now_ms(bell));
    bell_plan_wake(bell);
}

static void became_refused(struct bell *bell, const struct link_down *down)
{
    log_warn("Account %s: %s The device was probably unlinked: link it again in the app.",
             bell_name(bell), down->text);
    store_set_refused(bell->bridge->parts.store, &bell->account->key, true, NULL, NULL);
}

static void became_contested(struct bell *bell)
{
    log_warn(
        "Account %s: somebody else uses the same linked device. If another bridge runs for this "
        "account, stop it, or link the app anew with this one.",
        bell_name(bell));
    ring_notice(bell, PUSH_CONTESTED);
}

static bool is_fleet_wide(struct bell *bell, const struct link_down *down)
{
    if (down->reason != LINK_UNAUTHORIZED || bell->trial)
        return false;
    bool alarm;
    bool wide = fleet_refused(&bell->bridge->fleet, &bell->fleet_mark, bell_now_ms(bell), &alarm);
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
              "Account %s: not connected (%s): %s Next try in %lld s.", bell_name(bell),
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
             bell_name(bell));
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
    struct life_step step = life_down(&bell->life, &bell->bridge->life_timing, down, wide,
                                      bell_now_ms(bell), random_u32());
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
    bell_plan_wake(bell);
}

static const struct link_events link_events = {
    .up = on_up, .waiting = on_waiting, .drained = on_drained, .down = on_down};

/* Life */

static struct bell *make(struct bridge *bridge, bool candidate)
{
    struct bell *bell = mem_new(sizeof *bell);
    bell->bridge = bridge;
    list_init(&bell->node);
    list_init(&bell->waits);
    list_init(&bell->pings);
    life_init(&bell->life, candidate);
    wake_init(&bell->wake, &bridge->wake_timing, &ring_wake_ops, bell);
    timer_init(&bell->connect_timer, on_connect_timer, bell);
    timer_init(&bell->wake_timer, on_wake_timer, bell);
    timer_init(&bell->store_timer, ring_on_store_timer, bell);
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
    bell_plan_wake(bell);
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
    wake_owed(&bell->wake, bell_now_ms(bell));
    bell_plan_wake(bell);
}

/* Some other bell of the account said so, or the store long ago: its debt is made durable once
 * more. */
void bell_inherit(struct bell *bell)
{
    if (!bell->bridge->parts.link_ops)
        return;
    wake_inherit(&bell->wake, bell_now_ms(bell));
    bell_plan_wake(bell);
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
    bell_plan_wake(bell);
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
    ring_end_pings(bell);
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
    if (allowed &&
        bell->last_kind == VERDICT_DENIED) { /* perhaps the endpoint is allowed now, too */
        wake_hurry(&bell->wake, bell_now_ms(bell), bell_now_ms(bell));
        bell_plan_wake(bell);
    }
    if (allowed != disabled)
        return;
    if (allowed) {
        log_info("Account %s: allowed again by the configuration.", bell_name(bell));
        bell->account->state = bell->life.state;
        if (!bell->link)
            open_own_link(bell);
        if (!bell->linked)
            bell_connect_in(bell, 0);
        if (bell->account->owed_since_unix && !wake_owes(&bell->wake))
            bell_inherit(bell);
        bell_plan_wake(bell);
        return;
    }
    log_warn("Account %s: disconnected: accounts.allowed does not have it any more.",
             bell_name(bell));
    bell->account->state = ACCOUNT_DISABLED;
    bell_plan_wake(bell);
    loop_timer_cancel(bell->bridge->parts.loop, &bell->connect_timer);
    if (bell->linked)
        bell->bridge->parts.link_ops->stop(bell->link);
}
