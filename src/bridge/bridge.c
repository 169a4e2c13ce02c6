#include "bridge/bridge.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "bridge/bell.h"

enum {
    HELD_MOST = 8,               /* settled.md "hold time" */
    PROVEN_AFTER_MS = 60 * 1000, /* settled.md "back-off" */
};

int64_t bridge_now_ms(const struct bridge *bridge)
{
    return loop_now_ms(bridge->parts.loop);
}

bool bridge_allows(const struct bridge *bridge, const struct account_key *key)
{
    const struct strings *allowed = &bridge->config->accounts_allowed;
    for (size_t i = 0; i < allowed->count; i++) {
        uint8_t uuid[16];
        if (strcmp(allowed->items[i], "*") == 0)
            return true;
        if (uuid_parse(uuid, allowed->items[i]) == 0 && memcmp(uuid, key->uuid, 16) == 0)
            return true;
    }
    return false;
}

static void take_config(struct bridge *bridge, const struct config *config)
{
    bridge->config = config;
    bridge->wake_timing = (struct wake_timing){.interval_ms = config->wake_interval_ms,
                                               .hold_ms = config->push_hold_ms,
                                               .held_most = HELD_MOST};
    bridge->life_timing =
        (struct life_timing){.reconnect_min_ms = config->signal_reconnect_min_ms,
                             .reconnect_max_ms = config->signal_reconnect_max_ms,
                             .contested_min_ms = config->signal_contested_min_ms,
                             .contested_max_ms = config->signal_contested_max_ms,
                             .refused_confirm_ms = config->signal_refused_confirm_ms,
                             .proven_after_ms = PROVEN_AFTER_MS};
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
    struct bell *bell = bell_new(arg, account);
    if (account->owed_since_unix)
        bell_owed(bell);
}

struct bridge *bridge_new(const struct bridge_parts *parts, struct err *err)
{
    uint8_t pseudonym_key[STORE_SECRET_SIZE];
    if (store_secret(parts->store, "pseudonym", pseudonym_key, err) != 0)
        return NULL;
    struct bridge *bridge = mem_new(sizeof *bridge);
    bridge->parts = *parts;
    take_config(bridge, parts->config);
    registry_init(&bridge->registry, pseudonym_key);
    fleet_init(&bridge->fleet);
    limits_init(&bridge->limits);
    list_init(&bridge->trials);
    list_init(&bridge->buried);
    list_init(&bridge->immediate);
    timer_init(&bridge->bury_timer, on_bury_timer, bridge);
    if (store_load(parts->store, on_row, bridge, err) != 0) {
        bridge_free(bridge);
        return NULL;
    }
    registry_each(&bridge->registry, start_bell, bridge);
    return bridge;
}

static void free_bell(void *arg, struct account *account)
{
    (void)arg;
    if (account->owner)
        bell_free(account->owner);
}

void bridge_free(struct bridge *bridge)
{
    registry_each(&bridge->registry, free_bell, NULL);
    while (!list_empty(&bridge->trials))
        bell_free(list_owner(list_first(&bridge->trials), struct bell, node));
    on_bury_timer(bridge);
    loop_timer_cancel(bridge->parts.loop, &bridge->bury_timer);
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

void bridge_reload(struct bridge *bridge, const struct config *config, const struct policy *policy)
{
    bridge->parts.policy = policy;
    take_config(bridge, config);
    registry_each(&bridge->registry, follow_config, NULL);
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
    bell_free(bell_of(account));
    registry_remove(&removal->bridge->registry, account);
}

int bridge_remove(struct bridge *bridge, const char *uuid, store_done_fn *done, void *arg,
                  struct err *err)
{
    struct account_key key;
    struct removal removal = {.bridge = bridge, .done = done, .arg = arg};
    int result = find_user(bridge, uuid, &key, &removal.left, err);
    if (result == 0)
        registry_each_of_user(&bridge->registry, &key, remove_one, &removal);
    return result;
}

struct pinging {
    struct bridge *bridge;
    push_fn *fn;
    void *arg;
};

static void ping_one(void *arg, struct account *account)
{
    struct pinging *pinging = arg;
    bell_ping(bell_of(account), pinging->fn, pinging->arg);
}

int bridge_ping(struct bridge *bridge, const char *uuid, push_fn *fn, void *arg, unsigned *expected,
                struct err *err)
{
    struct account_key key;
    int result = find_user(bridge, uuid, &key, expected, err);
    if (result == 0)
        registry_each_of_user(&bridge->registry, &key, ping_one,
                              &(struct pinging){bridge, fn, arg});
    return result;
}

static void count_state(void *arg, struct account *account)
{
    struct bridge_counts *counts = arg;
    counts->accounts++;
    counts->up += account->state == ACCOUNT_UP;
    counts->refused += account->state == ACCOUNT_REFUSED;
    counts->contested += account->state == ACCOUNT_CONTESTED;
}

void bridge_count(struct bridge *bridge, struct bridge_counts *counts)
{
    *counts = (struct bridge_counts){.events = bridge->events};
    registry_each(&bridge->registry, count_state, counts);
}

struct registry *bridge_registry(struct bridge *bridge)
{
    return &bridge->registry;
}
