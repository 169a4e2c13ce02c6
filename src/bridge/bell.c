#include "bridge/bell.h"

#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

int64_t bell_now_ms(const struct bell *bell)
{
    return bridge_now_ms(bell->bridge);
}

const char *bell_name(const struct bell *bell)
{
    return bell->account ? bell->account->pseudonym : "candidate";
}

static bool is_unconnected(enum account_state state)
{
    return state == ACCOUNT_CONNECTING || state == ACCOUNT_BACKING_OFF;
}

/* Tries that fail are one state for whoever asks since when. */
static void set_state(struct account *account, enum account_state state)
{
    bool same =
        state == account->state || (is_unconnected(state) && is_unconnected(account->state));
    if (!same || !account->record.state_since_unix)
        record_state(&account->record, clock_unix());
    account->state = state;
}

void bell_show_state(struct bell *bell)
{
    if (bell->account && bell->account->state != ACCOUNT_DISABLED)
        set_state(bell->account, bell->life.state);
}

/* Its debts stay, and are paid once it is allowed again. */
bool bell_is_disabled(const struct bell *bell)
{
    return bell->account && bell->account->state == ACCOUNT_DISABLED;
}

/* Timers */

void bell_plan_wake(struct bell *bell)
{
    int64_t next = bell_is_disabled(bell) ? INT64_MAX : wake_next_ms(&bell->wake);
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

void bell_hurry(struct bell *bell, int64_t not_before_ms)
{
    wake_hurry(&bell->wake, not_before_ms);
    if (!bell_is_disabled(bell))
        wake_time(&bell->wake, bell_now_ms(bell));
    bell_plan_wake(bell);
}

void bell_set_linked(struct bell *bell, bool linked)
{
    if (bell->linked == linked)
        return;
    bell->linked = linked;
    if (linked)
        room_entered(bell);
    else
        room_left(bell);
}

void bell_link(struct bell *bell)
{
    life_connecting(&bell->life);
    bell_show_state(bell);
    bell_set_linked(bell, true);
    bell->bridge->parts.link_ops->start(bell->link);
}

static void on_connect_timer(void *arg)
{
    struct bell *bell = arg;
    if (bell->linked) { /* and it did not show its queue */
        bell->stopped_for = LINK_SILENT;
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
    if (room_find(bell))
        bell_link(bell);
}

void bell_connect_in(struct bell *bell, int64_t wait_ms)
{
    if (bell->link)
        loop_timer_set(bell->bridge->parts.loop, &bell->connect_timer, wait_ms);
}

void bell_note(struct bell *bell, enum timeline_kind kind, unsigned detail)
{
    int64_t now_unix = clock_unix();
    if (!bell->account)
        return;
    timeline_note(&bell->account->timeline, kind, detail, now_unix);
    record_note(&bell->account->record, kind, detail, now_unix, bell_now_ms(bell));
}

/* Life */

bool bell_owes(const struct bell *bell)
{
    return wake_owes(&bell->wake) || bell->account->owed_since_unix;
}

static struct bell *make(struct bridge *bridge, bool candidate)
{
    struct bell *bell = mem_new(sizeof *bell);
    bell->bridge = bridge;
    list_init(&bell->node);
    list_init(&bell->room_node);
    list_init(&bell->waits);
    list_init(&bell->pings);
    life_init(&bell->life, candidate);
    wake_init(&bell->wake, &bridge->wake_timing, &ring_wake_ops, bell);
    timer_init(&bell->connect_timer, on_connect_timer, bell);
    timer_init(&bell->wake_timer, on_wake_timer, bell);
    timer_init(&bell->store_timer, ring_on_store_timer, bell);
    return bell;
}

static void open_link(struct bell *bell, const struct link_request *request)
{
    const struct bridge_parts *parts = &bell->bridge->parts;
    if (parts->link_ops)
        bell->link = parts->link_ops->open(parts->messenger, request, &bell_link_events, bell);
}

static void open_own_link(struct bell *bell)
{
    struct link_request request = {.device = bell->account->key.device,
                                   .password = bell->account->password,
                                   .seal = bell->bridge->registry.seal};
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
    verdicts_resume(bell);
    set_state(account, bridge_allows(bridge, &account->key) ? bell->life.state : ACCOUNT_DISABLED);
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
    bell->endpoint_life = old->endpoint_life;
    bell->wake.spacing_ms = old->wake.spacing_ms;
    bell->wake.last_ring_ms = old->wake.last_ring_ms;
    wake_hold_off(&bell->wake, old->wake.not_before_ms);
}

void bell_adopt(struct bell *bell, struct account *account, struct bell *old, bool same_url)
{
    bool owed = old && bell_owes(old);
    bell->account = account;
    bell->life.candidate = false;
    account->owner = bell;
    loop_timer_cancel(bell->bridge->parts.loop, &bell->connect_timer);
    bell->bridge->parts.link_ops->promote(bell->link);
    if (old) {
        bell->tests_full_at_ms = old->tests_full_at_ms;
        bell->spending = old->spending;
    }
    if (old && same_url)
        take_endpoint_history(bell, old);
    else
        wake_hold_off(&bell->wake, verdicts_join(bell));
    if (old)
        bell_bury(old);
    bell_show_state(bell);
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
    room_forget(bell);
    bell_set_linked(bell, false);
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

void bell_resumed(struct bell *bell, int64_t slept_ms)
{
    if (bell->linked)
        bell->bridge->parts.link_ops->test(bell->link);
    else if (timer_is_set(&bell->connect_timer))
        bell_connect_in(
            bell,
            life_resumed(&bell->life, bell->connect_timer.at_ms - bell_now_ms(bell), slept_ms));
    if (bell->account)
        verdicts_hurry(bell);
}

/* Not sooner than after a first refusal, and not all at once. */
void bell_refusal_is_over(struct bell *bell)
{
    int64_t least_ms = bell->bridge->life_timing.refused_confirm_ms;
    int64_t wait_ms = backoff_jitter_ms(least_ms, 2 * least_ms, random_u32());
    bool waits =
        !bell->linked && timer_is_set(&bell->connect_timer) &&
        bell->life.state == ACCOUNT_BACKING_OFF &&
        (bell->down_reason == LINK_UNAUTHORIZED || bell->down_reason == LINK_CLIENT_REFUSED);
    if (waits && bell_now_ms(bell) + wait_ms < bell->connect_timer.at_ms)
        bell_connect_in(bell, wait_ms);
}

void bell_absolve(struct bell *bell)
{
    if (bell->life.state != ACCOUNT_REFUSED ||
        !fleet_has_counted(&bell->bridge->fleets[FLEET_CREDENTIALS],
                           &bell->fleet_marks[FLEET_CREDENTIALS], bell_now_ms(bell)))
        return;
    life_absolve(&bell->life);
    bell_show_state(bell);
    store_set_refused(bell->bridge->parts.store, &bell->account->key, false, NULL, NULL);
    if (bell->down_reason == LINK_UNAUTHORIZED) /* what was said since is demanded still */
        bell_refusal_is_over(bell);
    log_info("Account %s: not given up after all, as others are refused alike.", bell_name(bell));
}

void bell_follow_config(struct bell *bell)
{
    bool allowed = bridge_allows(bell->bridge, &bell->account->key);
    bool disabled = bell->account->state == ACCOUNT_DISABLED;
    verdicts_follow_config(bell); /* whether the account is allowed or not */
    if (allowed != disabled)
        return;
    if (allowed) {
        log_info("Account %s: allowed again by the configuration.", bell_name(bell));
        set_state(bell->account, bell->life.state);
        if (!bell->link)
            open_own_link(bell);
        if (!bell->linked)
            bell_connect_in(bell, 0);
        bell->account->owed_since_ms = bell_now_ms(bell);
        if (bell->account->owed_since_unix && !wake_owes(&bell->wake))
            bell_inherit(bell);
        bell_plan_wake(bell);
        return;
    }
    log_warn("Account %s: disconnected: accounts.allowed does not have it any more.",
             bell_name(bell));
    set_state(bell->account, ACCOUNT_DISABLED);
    bell_plan_wake(bell);
    loop_timer_cancel(bell->bridge->parts.loop, &bell->connect_timer);
    room_forget(bell);
    if (bell->linked)
        bell->bridge->parts.link_ops->stop(bell->link);
}

void bell_remove_account(struct bell *bell, struct bell *heir)
{
    struct account *account = bell->account;
    log_info("Account %s: a device that was unlinked is removed; another one has taken its place.",
             bell_name(bell));
    bell_put_instead(heir, &account->key);
    verdicts_leave(bell);
    bell_bury(bell);
    registry_remove(&bell->bridge->registry, account);
}

void bell_sweep(struct bell *bell)
{
    verdicts_keep_spent(bell);
    verdicts_try_again(bell);
    if (bell->account->state != ACCOUNT_CONTESTED ||
        !life_settle(&bell->life, &bell->bridge->life_timing, bell_now_ms(bell)))
        return;
    bell_show_state(bell);
    log_info("Account %s: nobody else has used its device for an hour.", bell_name(bell));
}
