#include "bridge/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/bucket.h"
#include "base/mem.h"

enum { CLIENTS_MAX = 4096, BURST = 30, KEY_SIZE = 1 + 9 };

/* All phones of a server link anew on one day where its key has changed; a stranger who would shut
 * them out must come more often than once a second. */
enum { PROXY_EVERY_MS = 1000, PROXY_BURST = 300 };

struct client {
    struct map_node node;
    uint8_t key[KEY_SIZE]; /* which bucket, and the neighbourhood */
    struct bucket bucket;
};

struct sweep {
    struct limits *limits;
    int64_t now_ms;
};

static bool same_key(const struct map_node *node, const void *key)
{
    return memcmp(map_owner(node, struct client, node)->key, key, KEY_SIZE) == 0;
}

static void drop(struct limits *limits, struct client *client)
{
    map_remove(&limits->clients, &client->node);
    free(client);
}

static void drop_any(void *arg, struct map_node *node)
{
    drop(arg, map_owner(node, struct client, node));
}

/* A bucket that is full again remembers nothing. */
static void drop_full(void *arg, struct map_node *node)
{
    struct sweep *sweep = arg;
    struct client *client = map_owner(node, struct client, node);
    if (client->bucket.full_at_ms <= sweep->now_ms)
        drop(sweep->limits, client);
}

void limits_init(struct limits *limits)
{
    map_init(&limits->clients);
}

void limits_fini(struct limits *limits)
{
    map_each(&limits->clients, drop_any, limits);
    map_fini(&limits->clients);
}

bool limits_admit(struct limits *limits, const struct address *address, bool is_proxy,
                  int64_t now_ms)
{
    uint8_t key[KEY_SIZE];
    key[0] = is_proxy;
    address_limit_key(key + 1, address);
    uint64_t hash = map_hash(&limits->clients, key, sizeof key);
    struct map_node *node = map_find(&limits->clients, hash, same_key, key);
    if (node)
        return bucket_take(&map_owner(node, struct client, node)->bucket, now_ms);
    if (limits->clients.count >= CLIENTS_MAX)
        map_each(&limits->clients, drop_full, &(struct sweep){limits, now_ms});
    if (limits->clients.count >= CLIENTS_MAX)
        return false;
    struct client *client = mem_new(sizeof *client);
    memcpy(client->key, key, sizeof key);
    bucket_init(&client->bucket, is_proxy ? PROXY_EVERY_MS : LIMITS_EVERY_MS,
                is_proxy ? PROXY_BURST : BURST);
    map_add(&limits->clients, &client->node, hash);
    return bucket_take(&client->bucket, now_ms);
}
