#include "bridge/trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static struct bell *bell_at(struct list *node)
{
    return list_owner(node, struct bell, node);
}

static bool same_user(const struct account_key *a, const struct account_key *b)
{
    return a->messenger == b->messenger && memcmp(a->uuid, b->uuid, sizeof a->uuid) == 0;
}

static bool same_key(const struct account_key *a, const struct account_key *b)
{
    return same_user(a, b) && a->device == b->device;
}

static void leave_table(struct bell *bell)
{
    list_remove(&bell->node);
    bell->bridge->trial_count--;
}

void trial_free(struct bell *bell)
{
    struct trial *trial = bell->trial;
    leave_table(bell);
    mem_free_secret(trial->password);
    endpoint_fini(&trial->endpoint);
    free(trial);
    bell->trial = NULL;
}

static struct bell *find(struct bridge *bridge, const struct account_key *key, const char *password)
{
    list_each(node, &bridge->trials) {
        struct trial *trial = bell_at(node)->trial;
        if (same_key(&trial->key, key) &&
            seal_same(bridge->registry.seal, key, trial->password, password))
            return bell_at(node);
    }
    return NULL;
}

/* Who asked is known by the endpoint, and by the account that is there already. */
static const char *known_by(const struct bell *bell, char origin[URL_ORIGIN_SIZE])
{
    const struct trial *trial = bell->trial;
    const struct account *account = registry_find(&bell->bridge->registry, &trial->key);
    endpoint_origin(trial->endpoint.url, origin);
    return account ? account->pseudonym : NULL;
}

void trial_explain(struct bell *bell, enum registration_status status, const char *why)
{
    char origin[URL_ORIGIN_SIZE];
    const char *pseudonym = known_by(bell, origin);
    arrivals_explain(&bell->bridge->arrivals, status, pseudonym, origin, why);
}

static void note_taken(struct bell *bell)
{
    char origin[URL_ORIGIN_SIZE];
    const char *pseudonym = known_by(bell, origin);
    arrivals_taken(&bell->bridge->arrivals, pseudonym, origin);
}

/* Nobody may be waiting for the answer any more. */
static void end(struct bell *bell, enum registration_status status, const char *why)
{
    trial_explain(bell, status, why);
    waits_answer(bell, status, why);
    bell_bury(bell);
}

/* The newest few per user only: the oldest makes room. */
static void make_room(struct bridge *bridge, const struct account_key *key)
{
    unsigned count = 0;
    struct bell *oldest = NULL;
    list_each(node, &bridge->trials) {
        if (!same_user(&bell_at(node)->trial->key, key))
            continue;
        if (!oldest)
            oldest = bell_at(node);
        count++;
    }
    if (count >= TRIALS_PER_USER_MAX)
        end(oldest, REGISTRATION_INTERNAL_ERROR, "newer credentials took its place");
}

struct bell *trial_find_or_start(struct bridge *bridge, const struct account_key *key,
                                 const char *password, const struct endpoint *endpoint,
                                 struct err *err)
{
    struct bell *bell = find(bridge, key, password);
    if (bell) {
        endpoint_fini(&bell->trial->endpoint);
        endpoint_copy(&bell->trial->endpoint, endpoint);
        return bell;
    }
    make_room(bridge, key);
    if (bridge->trial_count >= TRIALS_MAX) {
        err_set(err, ERR_LIMIT, "%d unknown accounts are being tried already", TRIALS_MAX);
        return NULL;
    }
    struct trial *trial = mem_new(sizeof *trial);
    trial->key = *key;
    trial->password = seal_close(bridge->registry.seal, key, password);
    endpoint_copy(&trial->endpoint, endpoint);
    trial->expires_ms = bridge_now_ms(bridge) + TRIAL_LIFE_MS;
    struct link_request request = {.device = key->device,
                                   .password = trial->password,
                                   .seal = bridge->registry.seal,
                                   .candidate = true};
    memcpy(request.uuid, key->uuid, sizeof request.uuid);
    bell = bell_on_trial(bridge, trial, &request);
    list_append(&bridge->trials, &bell->node);
    bridge->trial_count++;
    bell_connect_in(bell, 0);
    return bell;
}

void trial_end(struct bridge *bridge, const struct account_key *key, const char *password)
{
    struct bell *bell = find(bridge, key, password);
    if (!bell)
        return;
    note_taken(bell);
    waits_answer(bell, REGISTRATION_INTERNAL_ERROR, "the operator entered the account meanwhile");
    bell_bury(bell);
}

/* Two connections for one device would displace each other: one trial of a device at a time. */
bool trial_may_connect(struct bell *bell)
{
    list_each(node, &bell->bridge->trials) {
        struct bell *other = bell_at(node);
        if (other != bell && other->linked && same_key(&other->trial->key, &bell->trial->key))
            return false;
    }
    return true;
}

bool trial_is_linked(const struct bridge *bridge, const struct account_key *key)
{
    list_each(node, &bridge->trials) {
        struct bell *bell = bell_at(node);
        if (bell->linked && same_key(&bell->trial->key, key))
            return true;
    }
    return false;
}

int64_t trial_expires_ms(const struct bell *bell)
{
    return bell->trial->expires_ms;
}

void trial_refused(struct bell *bell)
{
    end(bell, REGISTRATION_FORBIDDEN, "the messenger's server refused the credentials");
}

void trial_expired(struct bell *bell)
{
    end(bell, REGISTRATION_INTERNAL_ERROR,
        "the messenger's server has not let it in for a day, and the trial has ended");
}

/* Devices of the user that were unlinked make room for the one that takes their place, and leave it
 * what they are owed: the app on the phone is still the same. */
struct succession {
    const struct trial *heir;
    struct bell *bell; /* the heir's */
    size_t dead, dead_on_endpoint;
    bool owed;
};

static bool is_dead(const struct account *account, const struct succession *succession)
{
    return account->state == ACCOUNT_REFUSED && !same_key(&account->key, &succession->heir->key);
}

static void look_at_dead(void *arg, struct account *account)
{
    struct succession *succession = arg;
    if (!is_dead(account, succession))
        return;
    succession->dead++;
    succession->dead_on_endpoint +=
        strcmp(account->endpoint.url, succession->heir->endpoint.url) == 0;
    succession->owed |= bell_owes(bell_of(account));
}

static void drop_dead(void *arg, struct account *account)
{
    const struct succession *succession = arg;
    if (is_dead(account, succession))
        bell_remove_account(bell_of(account), succession->bell);
}

/* Why it cannot become an account although it is a true one; NULL: it can. */
static const char *obstacle(struct bridge *bridge, const struct succession *succession,
                            const struct account *known, enum registration_status *status)
{
    const struct trial *trial = succession->heir;
    if (!bridge_admits(bridge, &trial->key)) {
        *status = REGISTRATION_INVALID_UUID;
        return "accounts.allowed does not have this account id any more";
    }
    bool uses_it = known && strcmp(known->endpoint.url, trial->endpoint.url) == 0;
    size_t users = registry_count_endpoint(&bridge->registry, trial->endpoint.url);
    if (users - uses_it - succession->dead_on_endpoint >= ACCOUNT_PER_ENDPOINT_MAX) {
        *status = REGISTRATION_INVALID_ENDPOINT;
        return "three other accounts use this endpoint already";
    }
    size_t others = registry_count(&bridge->registry) - succession->dead;
    if (!known && (int64_t)others >= bridge->config->accounts_max) {
        *status = REGISTRATION_INTERNAL_ERROR;
        return "there are as many accounts as accounts.max allows";
    }
    return NULL;
}

static struct account *make_account(struct bridge *bridge, const struct trial *trial)
{
    const struct endpoint *endpoint = &trial->endpoint;
    struct store_account row = {
        .key = trial->key, .password = trial->password, .endpoint = endpoint->url};
    endpoint_keys_to_row(endpoint, &row);
    return registry_add(&bridge->registry, &row);
}

/* The account takes over the password that the link reads at each start. */
static void hand_over_password(struct account *account, struct trial *trial)
{
    mem_free_secret(account->password);
    account->password = trial->password;
    trial->password = NULL;
}

void trial_proven(struct bell *bell)
{
    struct bridge *bridge = bell->bridge;
    struct trial *trial = bell->trial;
    struct account *account = registry_find(&bridge->registry, &trial->key);
    struct bell *old = account ? bell_of(account) : NULL;
    enum registration_status status;
    struct succession succession = {.heir = trial, .bell = bell};
    registry_each_of_user(&bridge->registry, &trial->key, look_at_dead, &succession);
    const char *why = obstacle(bridge, &succession, account, &status);
    if (why) {
        log_warn("A registration was not taken: %s.", why);
        end(bell, status, why);
        return;
    }
    note_taken(bell);
    bool same = account && endpoint_same(&account->endpoint, &trial->endpoint);
    bool same_url = account && endpoint_same_url(&account->endpoint, &trial->endpoint);
    if (account && !same_url)
        verdicts_leave(old);
    if (!account)
        account = make_account(bridge, trial);
    else if (!same)
        registry_set_endpoint(&bridge->registry, account, &trial->endpoint);
    if (same_url && !same)
        verdicts_outdate(old); /* before it rings with the new keys */
    bell_adopt(bell, account, old, same_url);
    if (same_url && !same)
        verdicts_revive(bell);
    hand_over_password(account, trial);
    account->registered_unix = clock_unix();
    linked_key_note(&bridge->parts.linked_key, bridge->parts.store);
    log_info("Account %s: registered.", account->pseudonym);
    if (succession.owed)
        bell_inherit(bell);
    waits_bind(bell, bell_put(bell));
    registry_each_of_user(&bridge->registry, &trial->key, drop_dead, &succession);
    trial_free(bell);
    bell_test_push(bell);
}
