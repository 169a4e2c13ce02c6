#include "net/name_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct name {
    struct map_node by_host;
    struct list node;
    int64_t answered_ms, fresh_until_ms;
    struct address_list addresses;
    char host[];
};

void name_cache_init(struct name_cache *cache, size_t most)
{
    map_init(&cache->map);
    list_init(&cache->order);
    cache->most = most;
}

static void drop(struct name_cache *cache, struct name *name)
{
    map_remove(&cache->map, &name->by_host);
    list_remove(&name->node);
    free(name);
}

void name_cache_fini(struct name_cache *cache)
{
    list_each_safe(node, &cache->order)
        drop(cache, list_owner(node, struct name, node));
    map_fini(&cache->map);
}

static bool has_host(const struct map_node *node, const void *host)
{
    return strcmp(map_owner(node, struct name, by_host)->host, host) == 0;
}

static struct name *find(struct name_cache *cache, const char *host)
{
    uint64_t hash = map_hash(&cache->map, host, strlen(host));
    struct map_node *node = map_find(&cache->map, hash, has_host, host);
    return node ? map_owner(node, struct name, by_host) : NULL;
}

static struct name *add(struct name_cache *cache, const char *host)
{
    if (cache->map.count >= cache->most)
        drop(cache, list_owner(list_first(&cache->order), struct name, node));
    size_t length = strlen(host);
    struct name *name = mem_new(sizeof *name + length + 1);
    memcpy(name->host, host, length);
    list_init(&name->node);
    map_add(&cache->map, &name->by_host, map_hash(&cache->map, host, length));
    return name;
}

static void use(struct name_cache *cache, struct name *name)
{
    list_remove(&name->node);
    list_append(&cache->order, &name->node);
}

void name_cache_put(struct name_cache *cache, const char *host,
                    const struct address_list *addresses, int64_t now_ms, int64_t fresh_ms)
{
    struct name *name = find(cache, host);
    if (!name)
        name = add(cache, host);
    name->addresses = *addresses;
    name->answered_ms = now_ms;
    name->fresh_until_ms = now_ms + fresh_ms;
    use(cache, name);
}

const struct address_list *name_cache_fresh(struct name_cache *cache, const char *host,
                                            int64_t now_ms)
{
    struct name *name = find(cache, host);
    if (!name || now_ms >= name->fresh_until_ms)
        return NULL;
    use(cache, name);
    return &name->addresses;
}

const struct address_list *name_cache_stale(struct name_cache *cache, const char *host,
                                            int64_t now_ms, int64_t most_age_ms, int64_t fresh_ms)
{
    struct name *name = find(cache, host);
    if (!name)
        return NULL;
    if (now_ms - name->answered_ms > most_age_ms) {
        drop(cache, name);
        return NULL;
    }
    name->fresh_until_ms = now_ms + fresh_ms;
    use(cache, name);
    return &name->addresses;
}
