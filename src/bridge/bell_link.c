#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "bridge/bell.h"

/* What the link of an account tells, and what becomes of it. */

static void say_connected(struct bell *bell)
{
    bell_note(bell, TIMELINE_CONNECTED, 0);
    if (bell->said == SAID_CONNECTED)
        return;
    bell->said = SAID_CONNECTED;
    log_info("Account %s: connected to %s.", bell_name(bell),
             bell->bridge->parts.link_ops->messenger);
}

static bool end_alarms(struct bridge *bridge, int64_t now_ms)
{
    bool ended = false;
    for (size_t i = 0; i < FLEETS; i++)
        ended |= fleet_success(&bridge->fleets[i], now_ms);
    return ended;
}

/* The link has shown its queue: it is an authenticated one. False: the trial ended differently. */
static bool prove(struct bell *bell)
{
    bool was_refused = bell->life.state == ACCOUNT_REFUSED;
    if (bell->life.proven && !bell->trial)
        return true;
    bell->bridge->connects++;
    bell->bridge->reconnections += bell->said != SAID_NOTHING;
    bell->silent = bell->bridge->said_silent = false;
    loop_timer_cancel(bell->bridge->parts.loop, &bell->connect_timer);
    life_proven(&bell->life);
    if (end_alarms(bell->bridge, bell_now_ms(bell))) {
        log_info("Signal lets accounts in again.");
        bridge_refusals_are_over(bell->bridge);
    }
    if (bell->trial)
        trial_proven(bell);
    if (!bell->account)
        return false;
    if (was_refused) {
        store_set_refused(bell->bridge->parts.store, &bell->account->key, false, NULL, NULL);
        bell->account->owed_since_ms = bell_now_ms(bell);
    }
    bell_show_state(bell);
    say_connected(bell);
    return true;
}

static void on_heard(void *arg)
{
    struct bell *bell = arg;
    bell->bridge->heard_unix = clock_unix();
}

static void on_up(void *arg)
{
    struct bell *bell = arg;
    life_up(&bell->life, bell_now_ms(bell));
    wake_link_up(&bell->wake);
    if (!bell_is_disabled(bell)) /* else it is being stopped */
        bell_connect_in(bell, bell->bridge->config->signal_proof_ms);
}

static enum tally_message kind_of(bool urgent, bool own_silent)
{
    if (!urgent)
        return TALLY_QUIET;
    return own_silent ? TALLY_OWN : TALLY_URGENT;
}

static void on_waiting(void *arg, uint64_t ack, bool urgent, bool own)
{
    struct bell *bell = arg;
    bell->bridge->messages++;
    bell->bridge->message_unix = clock_unix();
    if (!prove(bell))
        return;
    bool own_silent = own && !bell->bridge->config->wake_own_messages;
    bool silent = !urgent || own_silent;
    bell_note(bell,
              !urgent      ? TIMELINE_QUIET_MESSAGE
              : own_silent ? TIMELINE_OWN_MESSAGE
                           : TIMELINE_MESSAGE,
              0);
    bell->bridge->tally.messages[kind_of(urgent, own_silent)]++;
    if (!silent)
        verdicts_before_ring(bell);
    if (wake_message(&bell->wake, ack, silent, bell_now_ms(bell)) != 0) {
        log_warn(
            "Account %s: Signal's server sent more unanswered messages than its own window allows; "
            "the connection is made anew.",
            bell_name(bell));
        bell->stopped_for = LINK_PROTOCOL;
        bell->bridge->parts.link_ops->stop(bell->link);
    }
    bell_plan_wake(bell);
}

static void on_drained(void *arg)
{
    struct bell *bell = arg;
    if (!prove(bell))
        return;
    life_drained(&bell->life);
    wake_link_drained(&bell->wake, bell_now_ms(bell));
    bell_plan_wake(bell);
}

static void became_refused(struct bell *bell, const struct link_down *down)
{
    bell_note(bell, TIMELINE_REFUSED, 0);
    log_warn("Account %s: %s The device was probably unlinked: link it again in the app.",
             bell_name(bell), down->text);
    store_set_refused(bell->bridge->parts.store, &bell->account->key, true, NULL, NULL);
}

enum { RIVAL_DAYS = 7 };

/* Where accounts were taken over from MollySocket of late, whoever holds their devices soon after
 * the start is that MollySocket, left running. */
static bool is_likely_mollysocket(const struct bell *bell)
{
    const struct bridge *bridge = bell->bridge;
    int64_t took_over_unix = bridge->parts.took_over_unix;
    return took_over_unix && clock_unix() - took_over_unix < RIVAL_DAYS * 24 * 3600 &&
           bell_now_ms(bell) - bridge->started_ms < bridge->life_timing.contested_end_ms;
}

/* One line for all accounts, and no phone is woken: only who runs both can do anything about it. */
static void say_rival(struct bell *bell)
{
    if (!bell->bridge->said_rival)
        log_warn("Another program uses the same linked devices (4409), most likely the MollySocket "
                 "in whose place Doorbell runs: stop it (docker stop, or systemctl disable --now "
                 "mollysocket). Doorbell waits longer each time and then connects by itself; once "
                 "it is stopped, a restart of Doorbell does so at once.");
    bell->bridge->said_rival = true;
    log_debug("Account %s: somebody else uses the same linked device.", bell_name(bell));
}

static void became_contested(struct bell *bell)
{
    bell_note(bell, TIMELINE_CONTESTED, 0);
    if (is_likely_mollysocket(bell)) {
        say_rival(bell);
        return;
    }
    log_warn(
        "Account %s: somebody else uses the same linked device. If another bridge runs for this "
        "account (a MollySocket that was left running, a second Doorbell), stop it, or link the "
        "app anew with this one.",
        bell_name(bell));
    ring_notice(bell, PUSH_CONTESTED);
}

static int fleet_kind(enum link_reason reason)
{
    switch (reason) {
    case LINK_UNAUTHORIZED:
        return FLEET_CREDENTIALS;
    case LINK_CLIENT_REFUSED:
        return FLEET_CLIENT;
    case LINK_MISCONFIGURED:
        return FLEET_SERVER;
    case LINK_UNTIMELY:
        return FLEET_CLOCK;
    default:
        return -1;
    }
}

static bool is_fleet_wide(struct bell *bell, const struct link_down *down)
{
    int kind = fleet_kind(down->reason);
    if (kind < 0)
        return false;
    /* One more dead device, or one that nobody knows yet, says nothing about the others. */
    if (bell->trial || bell->life.state == ACCOUNT_REFUSED)
        return fleet_is_wide(&bell->bridge->fleets[kind], bell_now_ms(bell));
    bool alarm;
    bool wide = fleet_refused(&bell->bridge->fleets[kind], &bell->fleet_marks[kind],
                              bell_now_ms(bell), &alarm);
    if (alarm && (kind == FLEET_SERVER || kind == FLEET_CLOCK))
        log_error("All accounts meet the same fault at Signal's server: %s None can be connected "
                  "until that is mended.",
                  down->text);
    else if (alarm)
        log_error("Signal refuses all accounts alike: %s That says nothing about any one of them, "
                  "so none is given up; this needs a look.",
                  down->text);
    if (alarm && kind == FLEET_CREDENTIALS)
        bridge_absolve(bell->bridge);
    return wide;
}

/* How loud. The same again, what is everybody's and what another line says in full is only for
 * those who look closely. A session that was ended, and a first refusal, say nothing yet: the next
 * try shows whether the device was unlinked. */
static enum log_level level_of(const struct bell *bell, const struct link_down *down,
                               const struct life_step *step, bool wide)
{
    bool first = bell->said != SAID_DOWN || bell->said_reason != bell->down_reason;
    bool undecided = bell->life.state != ACCOUNT_REFUSED &&
                     (down->reason == LINK_REVOKED || down->reason == LINK_UNAUTHORIZED);
    bool person = down->reason == LINK_CLIENT_REFUSED || down->reason == LINK_MISCONFIGURED ||
                  down->reason == LINK_UNTIMELY ||
                  (down->reason == LINK_SILENT && !bell->bridge->said_silent);
    if (wide || !first || undecided || step->became_refused || step->became_contested)
        return LOG_LEVEL_DEBUG;
    return person ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
}

static void say_down(struct bell *bell, const struct link_down *down, const struct life_step *step,
                     bool wide)
{
    if (down->reason == LINK_STOPPED || !bell->account)
        return;
    enum log_level level = level_of(bell, down, step, wide);
    char wait[TEXT_AMOUNT_SIZE];
    text_amount(wait, (step->connect_in_ms + 999) / 1000);
    bell->bridge->said_silent |= down->reason == LINK_SILENT;
    snprintf(bell->bridge->down_text, sizeof bell->bridge->down_text, "%s", down->text);
    bell_note(bell, TIMELINE_DISCONNECTED,
              (unsigned)(down->status ? down->status : down->close_code));
    bell->said = SAID_DOWN;
    bell->said_reason = bell->down_reason;
    log_write(level, "Account %s: not connected (%s): %s Next try in %s.", bell_name(bell),
              link_reason_name(down->reason), down->text, wait);
}

/* A device that the server refuses goes once another one of the same user stands beside it. */
static void look_for_other(void *arg, struct account *account)
{
    struct account **other = arg;
    if (account->state != ACCOUNT_REFUSED)
        *other = account;
}

static struct account *successor(struct bell *bell)
{
    struct account *other = NULL;
    registry_each_of_user(&bell->bridge->registry, &bell->account->key, look_for_other, &other);
    return other;
}

/* We stopped it, but not for nothing: no hurry to come back. */
static void take_end(struct bell *bell, const struct link_down *end, struct link_down *down)
{
    *down = *end;
    if (end->reason == LINK_STOPPED)
        down->reason = bell->stopped_for;
    if (down->reason == LINK_SILENT)
        snprintf(down->text, sizeof down->text,
                 "What answers accepted the link, and said nothing of messages for %lld s.",
                 (long long)(bell->bridge->config->signal_proof_ms + 999) / 1000);
    bell->silent |= down->reason == LINK_SILENT;
    bell->stopped_for = LINK_STOPPED;
}

/* One of the two User-Agents was refused once more, where both were: the other one follows at once.
 */
static bool is_between_clients(const struct bell *bell, const struct link_down *down)
{
    bool stays_down = bell->trial || bell->said == SAID_DOWN;
    return stays_down && bell->down_reason == LINK_CLIENT_REFUSED && down->status &&
           down->reason == LINK_CLOSED;
}

static void on_down(void *arg, const struct link_down *end)
{
    struct bell *bell = arg;
    struct link_down taken;
    const struct link_down *down = &taken;
    take_end(bell, end, &taken);
    if (!is_between_clients(bell, down))
        bell->down_reason = down->reason;
    bell->bridge->tally.downs[down->reason] += bell->account != NULL;
    bool wide = is_fleet_wide(bell, down);
    bell_set_linked(bell, false);
    wake_link_down(&bell->wake);
    struct life_step step = life_down(&bell->life, &bell->bridge->life_timing, down, wide,
                                      bell_now_ms(bell), random_u32());
    bell_show_state(bell);
    if (bell->trial && step.became_refused) {
        trial_refused(bell);
        return;
    }
    if (bell->trial)
        waits_explain(bell);
    say_down(bell, down, &step, wide);
    if (bell_is_disabled(bell))
        return;
    if (bell->account && step.became_refused)
        became_refused(bell, down);
    bool dead = bell->account && bell->life.state == ACCOUNT_REFUSED &&
                down->reason == LINK_UNAUTHORIZED && !wide;
    struct account *heir = dead ? successor(bell) : NULL;
    if (heir) {
        if (bell_owes(bell))
            bell_inherit(bell_of(heir));
        bell_remove_account(bell, bell_of(heir));
        return;
    }
    /* New credentials of the device, which are being tried here, look like somebody else. */
    if (bell->account && step.became_contested &&
        !trial_is_linked(bell->bridge, &bell->account->key))
        became_contested(bell);
    bell_connect_in(bell, step.connect_in_ms);
    bell_plan_wake(bell);
}

const struct link_events bell_link_events = {
    .heard = on_heard, .up = on_up, .waiting = on_waiting, .drained = on_drained, .down = on_down};
