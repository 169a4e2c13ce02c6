#include "bridge/bridge.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "bridge/alarms.h"
#include "bridge/bell.h"

enum { HELD_MOST = 8 }; /* settled.md "hold time" */

int64_t bridge_now_ms(const struct bridge *bridge)
{
    return loop_now_ms(bridge->parts.loop);
}

bool bridge_allows(const struct bridge *bridge, const struct account_key *key)
{
    return config_allows_account(bridge->config, key->uuid);
}

static void take_config(struct bridge *bridge, const struct config *config)
{
    bridge->config = config;
    for (size_t i = 0; i < FLEETS; i++)
        bridge->fleets[i].window_ms = config->signal_fleet_window_ms;
    bridge->wake_timing = (struct wake_timing){.interval_ms = config->wake_interval_ms,
                                               .hold_ms = config->push_hold_ms,
                                               .held_most = HELD_MOST};
    bridge->life_timing =
        (struct life_timing){.reconnect_min_ms = config->signal_reconnect_min_ms,
                             .reconnect_max_ms = config->signal_reconnect_max_ms,
                             .contested_min_ms = config->signal_contested_min_ms,
                             .contested_max_ms = config->signal_contested_max_ms,
                             .contested_end_ms = config->signal_contested_end_ms,
                             .refused_confirm_ms = config->signal_refused_confirm_ms,
                             .refused_max_ms = config->signal_refused_max_ms,
                             .refused_retry_ms = config->signal_refused_retry_ms,
                             .client_refused_min_ms = config->signal_client_refused_min_ms,
                             .client_refused_max_ms = config->signal_client_refused_max_ms,
                             .reconnect_reset_ms = config->signal_reconnect_reset_ms};
    bridge->endpoint_timing = (struct endpoint_timing){.retry_min_ms = config->push_retry_min_ms,
                                                       .retry_max_ms = config->push_retry_max_ms,
                                                       .gone_after_ms = config->push_gone_after_ms,
                                                       .gone_alike_ms = config->push_gone_alike_ms,
                                                       .suspect_after = config->push_suspect_after,
                                                       .floor_percent = config->push_floor_percent,
                                                       .time_out_ms = config->push_timeout_ms};
}

static void on_row(void *arg, const struct store_account *row)
{
    struct bridge *bridge = arg;
    registry_add(&bridge->registry, row);
}

static void on_bury_timer(void *arg)
{
    struct bridge *bridge = arg;
    while (!list_empty(&bridge->buried))
        bell_free(list_owner(list_first(&bridge->buried), struct bell, node));
}

static void start_bell(void *arg, struct account *account)
{
    struct bridge *bridge = arg;
    struct bell *bell = bell_new(bridge, account);
    account->owed_since_ms = bridge->started_ms;
    if (account->owed_since_unix)
        bell_owed(bell);
}

static void count_others(void *arg, struct account *account)
{
    const char **endpoint = arg;
    if (*endpoint && strcmp(account->endpoint.url, *endpoint) != 0)
        *endpoint = NULL;
}

static bool origin_is_shared(void *arg, const char *origin, const char *endpoint)
{
    struct bridge *bridge = arg;
    registry_each_of_origin(&bridge->registry, origin, count_others, &endpoint);
    return !endpoint;
}

static void origin_recovered(void *arg, const char *origin)
{
    verdicts_origin_recovered(arg, origin);
}

static const struct push_events push_events = {.origin_is_shared = origin_is_shared,
                                               .origin_recovered = origin_recovered};

struct bridge *bridge_new(const struct bridge_parts *parts, struct err *err)
{
    uint8_t pseudonym_key[STORE_SECRET_SIZE];
    if (store_secret(parts->store, "pseudonym", pseudonym_key, err) != 0)
        return NULL;
    struct bridge *bridge = mem_new(sizeof *bridge);
    bridge->parts = *parts;
    bridge->started_unix = clock_unix();
    bridge->started_ms = loop_now_ms(parts->loop);
    for (size_t i = 0; i < FLEETS; i++)
        fleet_init(&bridge->fleets[i]);
    take_config(bridge, parts->config);
    registry_init(&bridge->registry, pseudonym_key);
    bridge->registry.seal = parts->seal;
    limits_init(&bridge->limits);
    left_init(&bridge->left);
    list_init(&bridge->trials);
    list_init(&bridge->buried);
    list_init(&bridge->immediate);
    timer_init(&bridge->bury_timer, on_bury_timer, bridge);
    room_init(bridge);
    if (store_load(parts->store, on_row, bridge, err) != 0) {
        bridge_free(bridge);
        return NULL;
    }
    if (parts->push)
        push_listen(parts->push, &push_events, bridge);
    registry_each(&bridge->registry, start_bell, bridge);
    return bridge;
}

static void free_bell(void *arg, struct account *account)
{
    struct bell *bell = account->owner;
    (void)arg;
    if (!bell)
        return;
    bell_put_last(bell);
    verdicts_keep_spent(bell);
    bell_free(bell);
}

void bridge_free(struct bridge *bridge)
{
    registry_each(&bridge->registry, free_bell, NULL);
    while (!list_empty(&bridge->trials))
        bell_free(list_owner(list_first(&bridge->trials), struct bell, node));
    on_bury_timer(bridge);
    loop_timer_cancel(bridge->parts.loop, &bridge->bury_timer);
    room_fini(bridge);
    waits_answer_immediate(bridge);
    limits_fini(&bridge->limits);
    registry_fini(&bridge->registry);
    free(bridge);
}

static void follow_config(void *arg, struct account *account)
{
    (void)arg;
    bell_follow_config(bell_of(account));
}

static bool is_other(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

/* Which client we say that we are. */
static bool says_else(const struct config *before, const struct config *now)
{
    return is_other(before->signal_user_agent, now->signal_user_agent) ||
           is_other(before->signal_user_agent_fallback, now->signal_user_agent_fallback);
}

void bridge_reload(struct bridge *bridge, const struct config *config, const struct policy *policy)
{
    bool other_client = says_else(bridge->config, config);
    bridge->parts.policy = policy;
    take_config(bridge, config);
    registry_each(&bridge->registry, follow_config, NULL);
    room_review(bridge);
    if (other_client)
        bridge_refusals_are_over(bridge);
}

static void resume_one(void *slept_ms, struct account *account)
{
    bell_resumed(bell_of(account), *(const int64_t *)slept_ms);
}

void bridge_resumed(struct bridge *bridge, int64_t slept_ms)
{
    registry_each(&bridge->registry, resume_one, &slept_ms);
    list_each(node, &bridge->trials)
        bell_resumed(list_owner(node, struct bell, node), slept_ms);
    room_review(bridge);
}

static void recover_one(void *arg, struct account *account)
{
    (void)arg;
    bell_refusal_is_over(bell_of(account));
}

void bridge_refusals_are_over(struct bridge *bridge)
{
    registry_each(&bridge->registry, recover_one, NULL);
    list_each(node, &bridge->trials)
        bell_refusal_is_over(list_owner(node, struct bell, node));
}

static void absolve_one(void *arg, struct account *account)
{
    (void)arg;
    bell_absolve(bell_of(account));
}

void bridge_absolve(struct bridge *bridge)
{
    registry_each(&bridge->registry, absolve_one, NULL);
}

static void sweep_one(void *arg, struct account *account)
{
    (void)arg;
    bell_sweep(bell_of(account));
}

static void retry_one(void *arg, struct account *account)
{
    bool *retried = arg;
    if (!*retried)
        bell_put_quietly(bell_of(account));
    *retried = true;
}

/* What could not be written may be of no use by now, and nobody else finds out that the store can
 * be written again: one row is, as it is. */
static void retry_store(struct bridge *bridge)
{
    bool retried = false;
    registry_each(&bridge->registry, retry_one, &retried);
    bridge->store_failing = retried;
}

void bridge_sweep(struct bridge *bridge)
{
    if (bridge->store_failing)
        retry_store(bridge);
    registry_each(&bridge->registry, sweep_one, NULL);
    room_review(bridge);
}

static int key_of(const char *uuid, struct account_key *key, struct err *err)
{
    *key = (struct account_key){.messenger = MESSENGER_SIGNAL};
    if (uuid_parse(key->uuid, uuid) != 0)
        return err_set(err, ERR_INVALID,
                       "The account id must be a UUID, like 01234567-89ab-cdef-0123-456789abcdef.");
    return 0;
}

static void count_one(void *arg, struct account *account)
{
    (void)account;
    ++*(unsigned *)arg;
}

static int find_user(struct bridge *bridge, const char *uuid, struct account_key *key,
                     unsigned *devices, struct err *err)
{
    *devices = 0;
    if (key_of(uuid, key, err) != 0)
        return ERR_INVALID;
    registry_each_of_user(&bridge->registry, key, count_one, devices);
    return *devices ? 0 : err_set(err, ERR_NOT_FOUND, "No account has this id.");
}

/* What the removal of a user's last device reports. */
struct removal {
    struct bridge *bridge;
    store_done_fn *done;
    void *arg;
    unsigned left;
};

static void remove_one(void *arg, struct account *account)
{
    struct removal *removal = arg;
    bool last = --removal->left == 0;
    log_info("Account %s: removed.", account->pseudonym);
    store_remove(removal->bridge->parts.store, &account->key, last ? removal->done : NULL,
                 removal->arg);
    verdicts_leave(bell_of(account));
    bell_free(bell_of(account));
    registry_remove(&removal->bridge->registry, account);
}

/* So that MollySocket's database does not bring it back (import.h). */
static void remember_removal(struct bridge *bridge, const struct account_key *key)
{
    uint8_t mark[STORE_MARK_SIZE];
    registry_user_mark(&bridge->registry, key, mark);
    store_mark(bridge->parts.store, mark, clock_unix());
}

int bridge_remove(struct bridge *bridge, const char *uuid, store_done_fn *done, void *arg,
                  struct err *err)
{
    struct account_key key;
    struct removal removal = {.bridge = bridge, .done = done, .arg = arg};
    int result = find_user(bridge, uuid, &key, &removal.left, err);
    if (result != 0)
        return result;
    remember_removal(bridge, &key);
    registry_each_of_user(&bridge->registry, &key, remove_one, &removal);
    return 0;
}

void bridge_ping_account(struct account *account, push_fn *fn, void *arg)
{
    bell_ping(bell_of(account), fn, arg);
}

struct pinging {
    push_fn *fn;
    void *arg;
};

static void ping_one(void *arg, struct account *account)
{
    const struct pinging *pinging = arg;
    bridge_ping_account(account, pinging->fn, pinging->arg);
}

int bridge_ping(struct bridge *bridge, const char *uuid, push_fn *fn, void *arg, unsigned *expected,
                struct err *err)
{
    struct account_key key;
    int result = find_user(bridge, uuid, &key, expected, err);
    if (result == 0)
        registry_each_of_user(&bridge->registry, &key, ping_one, &(struct pinging){fn, arg});
    return result;
}

static void count_endpoint(struct bridge_counts *counts, const struct account *account)
{
    bool gone = account->endpoint.state == ENDPOINT_GONE;
    bool rejected = !gone && verdict_needs_person(bridge_endpoint_cause(account));
    counts->gone += gone;
    counts->rejected += rejected;
    counts->overdue += !rejected && bridge_is_late(account);
}

static void count_state(void *arg, struct account *account)
{
    struct bridge_counts *counts = arg;
    counts->accounts++;
    counts->up += account->state == ACCOUNT_UP;
    counts->refused += account->state == ACCOUNT_REFUSED;
    counts->contested += account->state == ACCOUNT_CONTESTED;
    if (account->state != ACCOUNT_REFUSED && account->state != ACCOUNT_DISABLED)
        count_endpoint(counts, account);
}

void bridge_count(struct bridge *bridge, struct bridge_counts *counts)
{
    *counts = (struct bridge_counts){.connects = bridge->connects,
                                     .reconnections = bridge->reconnections,
                                     .messages = bridge->messages,
                                     .pushes = bridge->pushes};
    registry_each(&bridge->registry, count_state, counts);
}

const char *bridge_down_text(const struct bridge *bridge)
{
    return bridge->down_text;
}

struct registry *bridge_registry(struct bridge *bridge)
{
    return &bridge->registry;
}

struct arrivals *bridge_arrivals(struct bridge *bridge)
{
    return &bridge->arrivals;
}

bool bridge_makes_links(const struct bridge *bridge)
{
    return bridge->parts.link_ops;
}
