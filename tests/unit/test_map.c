#include "base/map.h"

#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "unit.h"

struct item {
    struct map_node node;
    struct list place;
    unsigned key;
};

static bool same(const struct map_node *node, const void *key)
{
    return map_owner(node, struct item, node)->key == *(const unsigned *)key;
}

static struct item *find(const struct map *map, unsigned key)
{
    struct map_node *node = map_find(map, map_hash(map, &key, sizeof key), same, &key);
    return node ? map_owner(node, struct item, node) : NULL;
}

static void drop_odd(void *arg, struct map_node *node)
{
    struct item *item = map_owner(node, struct item, node);
    if (item->key % 2 == 0)
        return;
    map_remove(arg, node);
    free(item);
}

static void drop(void *arg, struct map_node *node)
{
    map_remove(arg, node);
    free(map_owner(node, struct item, node));
}

START_TEST(what_was_added_is_found_until_it_is_removed)
{
    struct map map;
    map_init(&map);
    ck_assert_ptr_null(find(&map, 1));
    for (unsigned key = 0; key < 5000; key++) {
        struct item *item = mem_new(sizeof *item);
        item->key = key;
        map_add(&map, &item->node, map_hash(&map, &key, sizeof key));
    }
    map_each(&map, drop_odd, &map);
    ck_assert_uint_eq(map.count, 2500);
    for (unsigned key = 0; key < 5000; key++) {
        struct item *item = find(&map, key);
        ck_assert_int_eq(item != NULL, key % 2 == 0);
        ck_assert(!item || item->key == key);
    }
    map_each(&map, drop, &map);
    ck_assert_uint_eq(map.count, 0);
    map_fini(&map);
}
END_TEST

START_TEST(tables_hash_alike_only_by_chance)
{
    struct map a, b;
    map_init(&a);
    map_init(&b);
    ck_assert_uint_ne(map_hash(&a, "stranger", 8), map_hash(&b, "stranger", 8));
}
END_TEST

START_TEST(a_list_is_a_queue_whose_nodes_can_leave_at_any_time)
{
    struct list head;
    struct item items[4];
    list_init(&head);
    for (unsigned i = 0; i < 4; i++) {
        items[i].key = i;
        list_append(&head, &items[i].place);
    }
    list_remove(&items[1].place);
    list_remove(&items[1].place); /* twice is fine */
    unsigned expected[] = {0, 2, 3}, at = 0;
    list_each_safe(node, &head) {
        ck_assert_uint_eq(list_owner(node, struct item, place)->key, expected[at++]);
        list_remove(node);
    }
    ck_assert_uint_eq(at, 3);
    ck_assert(list_empty(&head));
    ck_assert_ptr_null(list_first(&head));
}
END_TEST

UNIT_MAIN("map", what_was_added_is_found_until_it_is_removed, tables_hash_alike_only_by_chance,
          a_list_is_a_queue_whose_nodes_can_leave_at_any_time)
