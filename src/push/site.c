#include "push/site.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SWEEP = 2 }; /* idle ones looked at for each new one: more go than come */

void sites_init(struct sites *sites)
{
    map_init(&sites->table);
    list_init(&sites->idle);
}

static void forget(struct sites *sites, struct site *site)
{
    list_remove(&site->idle);
    map_remove(&sites->table, &site->node);
    free(site);
}

void sites_fini(struct sites *sites)
{
    struct list *node;
    while ((node = list_first(&sites->idle)))
        forget(sites, list_owner(node, struct site, idle));
    map_fini(&sites->table);
}

static void write_key(uint8_t key[SITE_KEY_SIZE], const struct address *address)
{
    address_limit_key(key, address); /* the /24 of an IPv4 address */
    if (key[0] != 4)
        return;
    if (address->any.sa_family == AF_INET)
        memcpy(key + 1, &address->v4.sin_addr, 4);
    else
        memcpy(key + 1, address->v6.sin6_addr.s6_addr + 12, 4);
}

static bool has_key(const struct map_node *node, const void *key)
{
    return memcmp(map_owner(node, struct site, node)->key, key, SITE_KEY_SIZE) == 0;
}

static void sweep(struct sites *sites, int64_t now_ms)
{
    for (int i = 0; i < SWEEP && !list_empty(&sites->idle); i++) {
        struct site *site = list_owner(list_first(&sites->idle), struct site, idle);
        if (site->bucket.full_at_ms <= now_ms) {
            forget(sites, site);
        } else {
            list_remove(&site->idle);
            list_append(&sites->idle, &site->idle);
        }
    }
}

static struct site *add(struct sites *sites, const uint8_t key[SITE_KEY_SIZE], uint64_t hash)
{
    struct site *site = mem_new(sizeof *site);
    memcpy(site->key, key, SITE_KEY_SIZE);
    list_init(&site->idle);
    list_init(&site->waiting);
    bucket_init(&site->bucket, SITE_EVERY_MS, SITE_BURST);
    map_add(&sites->table, &site->node, hash);
    return site;
}

struct site *sites_use(struct sites *sites, const struct address *address, int64_t now_ms)
{
    uint8_t key[SITE_KEY_SIZE];
    write_key(key, address);
    sweep(sites, now_ms);
    uint64_t hash = map_hash(&sites->table, key, sizeof key);
    struct map_node *node = map_find(&sites->table, hash, has_key, key);
    struct site *site = node ? map_owner(node, struct site, node) : add(sites, key, hash);
    list_remove(&site->idle);
    site->users++;
    return site;
}

int64_t site_next_ms(const struct site *site, bool healthy, int64_t now_ms)
{
    return bucket_next_leaving_ms(&site->bucket, healthy ? 0 : SITE_RESERVE, now_ms);
}

bool site_has_room(const struct site *site, bool healthy)
{
    return site->in_flight < SITE_IN_FLIGHT &&
           (healthy || site->unhealthy_in_flight < SITE_IN_FLIGHT_UNHEALTHY);
}

void site_enter(struct site *site, bool healthy)
{
    site->in_flight++;
    site->unhealthy_in_flight += !healthy;
}

void site_leave(struct site *site, bool healthy)
{
    site->in_flight--;
    site->unhealthy_in_flight -= !healthy;
}

void sites_release(struct sites *sites, struct site *site, int64_t now_ms)
{
    if (--site->users > 0)
        return;
    if (site->bucket.full_at_ms <= now_ms)
        forget(sites, site);
    else
        list_append(&sites->idle, &site->idle);
}
