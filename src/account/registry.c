#include "account/registry.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

_Static_assert(sizeof(struct account_key) == 18, "the key is hashed as bytes, so without gaps");

/* What all devices of a user have in common. */
struct user_id {
    uint8_t messenger;
    uint8_t uuid[16];
};
_Static_assert(sizeof(struct user_id) == 17, "hashed as bytes, so without gaps");

static struct user_id user_of(const struct account_key *key)
{
    struct user_id user = {.messenger = key->messenger};
    memcpy(user.uuid, key->uuid, sizeof user.uuid);
    return user;
}

static bool has_key(const struct map_node *node, const void *key)
{
    const struct account *account = map_owner(node, const struct account, by_key);
    return memcmp(&account->key, key, sizeof account->key) == 0;
}

static bool has_user(const struct map_node *node, const void *key)
{
    const struct account *account = map_owner(node, const struct account, by_user);
    struct user_id user = user_of(&account->key);
    return memcmp(&user, key, sizeof user) == 0;
}

/* Without the text: 64 bits of a keyed hash are enough to tell origins apart. */
static bool has_origin(const struct map_node *node, const void *key)
{
    return node->hash == *(const uint64_t *)key;
}

static bool has_endpoint(const struct map_node *node, const void *key)
{
    const struct account *account = map_owner(node, const struct account, by_endpoint);
    return strcmp(account->endpoint.url, key) == 0;
}

/* Nodes with the same key hang in one chain; map_find gives the first of them. */
static struct map_node *next_equal(const struct map_node *node, map_equal_fn *equal,
                                   const void *key)
{
    uint64_t hash = node->hash;
    struct map_node *next = node->next;
    while (next && !(next->hash == hash && equal(next, key)))
        next = next->next;
    return next;
}

static void add_endpoint(struct registry *registry, struct account *account)
{
    const char *url = account->endpoint.url;
    map_add(&registry->by_endpoint, &account->by_endpoint,
            map_hash(&registry->by_endpoint, url, strlen(url)));
    char origin[URL_ORIGIN_SIZE];
    endpoint_origin(url, origin);
    map_add(&registry->by_origin, &account->by_origin,
            map_hash(&registry->by_origin, origin, strlen(origin)));
}

static void remove_endpoint(struct registry *registry, struct account *account)
{
    map_remove(&registry->by_endpoint, &account->by_endpoint);
    map_remove(&registry->by_origin, &account->by_origin);
}

static void account_free(struct account *account)
{
    mem_free_secret(account->password);
    endpoint_fini(&account->endpoint);
    free(account);
}

void registry_init(struct registry *registry, const uint8_t pseudonym_key[STORE_SECRET_SIZE])
{
    map_init(&registry->by_key);
    map_init(&registry->by_user);
    map_init(&registry->by_endpoint);
    map_init(&registry->by_origin);
    memcpy(registry->pseudonym_key, pseudonym_key, sizeof registry->pseudonym_key);
    registry->seal = NULL;
}

static void free_node(void *arg, struct map_node *node)
{
    (void)arg;
    account_free(map_owner(node, struct account, by_key));
}

void registry_fini(struct registry *registry)
{
    map_each(&registry->by_key, free_node, NULL);
    map_fini(&registry->by_key);
    map_fini(&registry->by_user);
    map_fini(&registry->by_endpoint);
    map_fini(&registry->by_origin);
    sodium_memzero(registry->pseudonym_key, sizeof registry->pseudonym_key);
}

/* A state that this version does not know is found out anew. */
static enum endpoint_state endpoint_state_of(uint8_t stored)
{
    return stored <= ENDPOINT_GONE ? (enum endpoint_state)stored : ENDPOINT_OK;
}

static void endpoint_from_row(struct endpoint *endpoint, const struct store_account *row)
{
    endpoint->url = mem_text(row->endpoint);
    endpoint->proven = row->endpoint_proven;
    endpoint->state = endpoint_state_of(row->endpoint_state);
    endpoint->for_good = endpoint->state == ENDPOINT_GONE;
    endpoint->status = row->endpoint_status;
    endpoint->not_before_unix = row->endpoint_not_before_unix;
    endpoint->retry_unix = row->endpoint_retry_unix;
    endpoint->floor_unix = row->endpoint_floor_unix;
    endpoint->repeated = row->endpoint_repeated;
    if (!row->has_push_keys)
        return;
    endpoint->keys = mem_new(sizeof *endpoint->keys);
    memcpy(endpoint->keys->p256dh, row->push_p256dh, sizeof endpoint->keys->p256dh);
    memcpy(endpoint->keys->auth, row->push_auth, sizeof endpoint->keys->auth);
}

struct account *registry_add(struct registry *registry, const struct store_account *row)
{
    assert(!registry_find(registry, &row->key));
    struct account *account = mem_new(sizeof *account);
    account->key = row->key;
    account->password = seal_close(registry->seal, &row->key, row->password);
    endpoint_from_row(&account->endpoint, row);
    account->state = row->refused ? ACCOUNT_REFUSED : ACCOUNT_CONNECTING;
    account->registered_unix = row->registered_unix;
    account->owed_since_unix = row->owed_since_unix;
    account->spent_day = row->spent_day;
    account->spent = row->spent;
    registry_pseudonym(registry, &account->key, account->pseudonym);

    struct user_id user = user_of(&account->key);
    map_add(&registry->by_key, &account->by_key,
            map_hash(&registry->by_key, &account->key, sizeof account->key));
    map_add(&registry->by_user, &account->by_user,
            map_hash(&registry->by_user, &user, sizeof user));
    add_endpoint(registry, account);
    return account;
}

void registry_remove(struct registry *registry, struct account *account)
{
    map_remove(&registry->by_key, &account->by_key);
    map_remove(&registry->by_user, &account->by_user);
    remove_endpoint(registry, account);
    account_free(account);
}

struct account *registry_find(const struct registry *registry, const struct account_key *key)
{
    uint64_t hash = map_hash(&registry->by_key, key, sizeof *key);
    struct map_node *node = map_find(&registry->by_key, hash, has_key, key);
    return node ? map_owner(node, struct account, by_key) : NULL;
}

size_t registry_count(const struct registry *registry)
{
    return registry->by_key.count;
}

void registry_each_of_user(struct registry *registry, const struct account_key *any_device,
                           void (*each)(void *arg, struct account *account), void *arg)
{
    struct user_id user = user_of(any_device);
    uint64_t hash = map_hash(&registry->by_user, &user, sizeof user);
    struct map_node *node = map_find(&registry->by_user, hash, has_user, &user);
    while (node) {
        struct map_node *next = next_equal(node, has_user, &user);
        each(arg, map_owner(node, struct account, by_user));
        node = next;
    }
}

void registry_each_of_origin(struct registry *registry, const char *origin,
                             void (*each)(void *arg, struct account *account), void *arg)
{
    uint64_t hash = map_hash(&registry->by_origin, origin, strlen(origin));
    struct map_node *node = map_find(&registry->by_origin, hash, has_origin, &hash);
    for (; node; node = next_equal(node, has_origin, &hash))
        each(arg, map_owner(node, struct account, by_origin));
}

struct each_call {
    void (*each)(void *arg, struct account *account);
    void *arg;
};

static void call_each(void *arg, struct map_node *node)
{
    const struct each_call *call = arg;
    call->each(call->arg, map_owner(node, struct account, by_key));
}

void registry_each(struct registry *registry, void (*each)(void *arg, struct account *account),
                   void *arg)
{
    struct each_call call = {each, arg};
    map_each(&registry->by_key, call_each, &call);
}

void registry_each_of_endpoint(struct registry *registry, const char *url,
                               void (*each)(void *arg, struct account *account), void *arg)
{
    uint64_t hash = map_hash(&registry->by_endpoint, url, strlen(url));
    struct map_node *node = map_find(&registry->by_endpoint, hash, has_endpoint, url);
    for (; node; node = next_equal(node, has_endpoint, url))
        each(arg, map_owner(node, struct account, by_endpoint));
}

size_t registry_count_endpoint(const struct registry *registry, const char *url)
{
    size_t count = 0;
    uint64_t hash = map_hash(&registry->by_endpoint, url, strlen(url));
    const struct map_node *node = map_find(&registry->by_endpoint, hash, has_endpoint, url);
    for (; node; node = next_equal(node, has_endpoint, url))
        count++;
    return count;
}

void registry_set_endpoint(struct registry *registry, struct account *account,
                           const struct endpoint *endpoint)
{
    if (endpoint == &account->endpoint)
        return;
    if (endpoint_same_url(&account->endpoint, endpoint)) {
        endpoint_set_keys(&account->endpoint, endpoint->keys);
        return;
    }
    struct endpoint copy = {.url = mem_text(endpoint->url)};
    endpoint_set_keys(&copy, endpoint->keys);
    remove_endpoint(registry, account);
    endpoint_fini(&account->endpoint);
    account->endpoint = copy;
    add_endpoint(registry, account);
}

/* All were opened once when the store was: one that cannot be any more was altered in memory. */
char *registry_password(const struct registry *registry, const struct account *account)
{
    char *password = seal_open(registry->seal, &account->key, account->password);
    assert(password);
    return password;
}

bool registry_same_password(const struct registry *registry, const struct account *account,
                            const char *password)
{
    return seal_same(registry->seal, &account->key, account->password, password);
}

void registry_set_password(const struct registry *registry, struct account *account,
                           const char *password)
{
    mem_free_secret(account->password);
    account->password = seal_close(registry->seal, &account->key, password);
}

void registry_row(const struct account *account, struct store_account *row)
{
    memset(row, 0, sizeof *row);
    row->key = account->key;
    row->password = account->password;
    row->endpoint = account->endpoint.url;
    endpoint_keys_to_row(&account->endpoint, row);
    row->refused = account->state == ACCOUNT_REFUSED;
    row->endpoint_proven = account->endpoint.proven;
    row->endpoint_state = (uint8_t)endpoint_state_to_store(&account->endpoint);
    row->endpoint_status = account->endpoint.status;
    row->endpoint_not_before_unix = account->endpoint.not_before_unix;
    row->endpoint_retry_unix = account->endpoint.retry_unix;
    row->endpoint_floor_unix = account->endpoint.floor_unix;
    row->endpoint_repeated = account->endpoint.repeated;
    row->registered_unix = account->registered_unix;
    row->owed_since_unix = account->owed_since_unix;
    row->spent_day = account->spent_day;
    row->spent = account->spent;
}

void registry_pseudonym(const struct registry *registry, const struct account_key *key,
                        char text[PSEUDONYM_SIZE])
{
    struct user_id user = user_of(key);
    log_pseudonym(text, registry->pseudonym_key, &user, sizeof user);
}

void registry_user_mark(const struct registry *registry, const struct account_key *any_device,
                        uint8_t mark[STORE_MARK_SIZE])
{
    struct user_id user = user_of(any_device);
    crypto_generichash(mark, STORE_MARK_SIZE, (const unsigned char *)&user, sizeof user,
                       registry->pseudonym_key, sizeof registry->pseudonym_key);
}
