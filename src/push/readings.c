#include "push/readings.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct reading {
    struct map_node by_origin;
    struct list use;
    struct url url; /* without a target */
    size_t length;
    char origin[];
};

struct prefix {
    const char *text;
    size_t length;
};

static bool is_same(const struct map_node *node, const void *key)
{
    const struct reading *reading = map_owner(node, struct reading, by_origin);
    const struct prefix *prefix = key;
    return reading->length == prefix->length &&
           memcmp(reading->origin, prefix->text, prefix->length) == 0;
}

static struct reading *find(const struct readings *readings, const char *text, size_t length)
{
    const struct prefix prefix = {text, length};
    uint64_t hash = map_hash(&readings->by_origin, text, length);
    struct map_node *node = map_find(&readings->by_origin, hash, is_same, &prefix);
    return node ? map_owner(node, struct reading, by_origin) : NULL;
}

static void drop(struct readings *readings, struct reading *reading)
{
    map_remove(&readings->by_origin, &reading->by_origin);
    list_remove(&reading->use);
    free(reading);
}

void readings_init(struct readings *readings)
{
    map_init(&readings->by_origin);
    list_init(&readings->used);
}

void readings_fini(struct readings *readings)
{
    struct list *node;
    while ((node = list_first(&readings->used)))
        drop(readings, list_owner(node, struct reading, use));
    map_fini(&readings->by_origin);
}

bool readings_find(struct readings *readings, const char *endpoint, struct url *url,
                   char origin[URL_ORIGIN_SIZE])
{
    const char *target = url_plain_target(endpoint);
    struct reading *reading = target ? find(readings, endpoint, (size_t)(target - endpoint)) : NULL;
    if (!reading)
        return false;
    list_remove(&reading->use);
    list_append(&readings->used, &reading->use);
    *url = reading->url;
    url->target = mem_text(target);
    memcpy(origin, reading->origin, reading->length + 1);
    return true;
}

void readings_keep(struct readings *readings, const struct url *url, const char *origin)
{
    size_t length = strlen(origin);
    if (!url->is_plain || find(readings, origin, length))
        return;
    if (readings->by_origin.count >= READINGS_MOST)
        drop(readings, list_owner(list_first(&readings->used), struct reading, use));
    struct reading *reading = mem_new(sizeof *reading + length + 1);
    list_init(&reading->use);
    reading->url = *url;
    reading->url.target = NULL;
    reading->length = length;
    memcpy(reading->origin, origin, length + 1);
    map_add(&readings->by_origin, &reading->by_origin,
            map_hash(&readings->by_origin, origin, length));
    list_append(&readings->used, &reading->use);
}
