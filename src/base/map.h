/* A hash table of nodes that live inside their owners. Strangers choose some of the keys, so the
 * hash is keyed (SipHash-2-4 with a random key per table). It grows by itself and never shrinks. */
#ifndef DOORBELL_BASE_MAP_H
#define DOORBELL_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **slots;
    size_t size; /* a power of two, 0 before the first node */
    size_t count;
    unsigned char key[16];
};

typedef bool map_equal_fn(const struct map_node *node, const void *key);

#define map_owner(node, type, member) ((type *)((uintptr_t)(node)-offsetof(type, member)))

void map_init(struct map *map);
void map_fini(struct map *map); /* the nodes belong to their owners */
uint64_t map_hash(const struct map *map, const void *key, size_t length);
struct map_node *map_find(const struct map *map, uint64_t hash, map_equal_fn *equal,
                          const void *key);
void map_add(struct map *map, struct map_node *node, uint64_t hash); /* must not be in it yet */
void map_remove(struct map *map, struct map_node *node);             /* must be in it */

/* Calls `each` for every node; it may remove the node that it is given, and nothing else. */
void map_each(struct map *map, void (*each)(void *arg, struct map_node *node), void *arg);

#endif
