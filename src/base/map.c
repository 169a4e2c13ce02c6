#include "base/map.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void map_init(struct map *map)
{
    memset(map, 0, sizeof *map);
    crypto_shorthash_keygen(map->key);
}

void map_fini(struct map *map)
{
    free(map->slots);
    memset(map, 0, sizeof *map);
}

uint64_t map_hash(const struct map *map, const void *key, size_t length)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, key, length, map->key);
    return hash;
}

struct map_node *map_find(const struct map *map, uint64_t hash, map_equal_fn *equal,
                          const void *key)
{
    if (!map->size)
        return NULL;
    struct map_node *node = map->slots[hash & (map->size - 1)];
    while (node && !(node->hash == hash && equal(node, key)))
        node = node->next;
    return node;
}

static void grow(struct map *map)
{
    size_t size = map->size ? map->size * 2 : 16;
    struct map_node **slots = mem_new(size * sizeof *slots);
    for (size_t i = 0; i < map->size; i++) {
        struct map_node *node = map->slots[i];
        while (node) {
            struct map_node *next = node->next;
            node->next = slots[node->hash & (size - 1)];
            slots[node->hash & (size - 1)] = node;
            node = next;
        }
    }
    free(map->slots);
    map->slots = slots;
    map->size = size;
}

void map_add(struct map *map, struct map_node *node, uint64_t hash)
{
    if (map->count >= map->size)
        grow(map);
    node->hash = hash;
    node->next = map->slots[hash & (map->size - 1)];
    map->slots[hash & (map->size - 1)] = node;
    map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
    struct map_node **at = &map->slots[node->hash & (map->size - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    node->next = NULL;
    map->count--;
}

void map_each(struct map *map, void (*each)(void *arg, struct map_node *node), void *arg)
{
    for (size_t i = 0; i < map->size; i++) {
        struct map_node *node = map->slots[i];
        while (node) {
            struct map_node *next = node->next;
            each(arg, node);
            node = next;
        }
    }
}
