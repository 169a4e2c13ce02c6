/* What names resolved to lately. Bounded: the name that was used longest ago goes first. Pure: the
 * time is an argument. Hosts are compared byte by byte, so callers give them in lower case. */
#ifndef DOORBELL_NET_NAME_CACHE_H
#define DOORBELL_NET_NAME_CACHE_H

#include "base/list.h"
#include "base/map.h"
#include "net/address.h"

struct name_cache {
    struct map map;
    struct list order;
    size_t most;
};

void name_cache_init(struct name_cache *cache, size_t most);
void name_cache_fini(struct name_cache *cache);

/* A real answer, fresh for `fresh_ms`. */
void name_cache_put(struct name_cache *cache, const char *host,
                    const struct address_list *addresses, int64_t now_ms, int64_t fresh_ms);

/* NULL when there is none, or none that is fresh. */
const struct address_list *name_cache_fresh(struct name_cache *cache, const char *host,
                                            int64_t now_ms);

/* For when a look-up failed: the last answer, if it is at most `most_age_ms` old, made fresh for
 * another `fresh_ms`. Otherwise NULL, and the name is forgotten. */
const struct address_list *name_cache_stale(struct name_cache *cache, const char *host,
                                            int64_t now_ms, int64_t most_age_ms, int64_t fresh_ms);

#endif
