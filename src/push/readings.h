/* What was read of endpoints: those of one push server differ in their targets only, so a ring
 * finds the rest of its endpoint read already. Only what can be read in one way (url.h, `is_plain`)
 * is kept, of the origins that were used last: strangers choose them. Pure. */
#ifndef DOORBELL_PUSH_READINGS_H
#define DOORBELL_PUSH_READINGS_H

#include "base/list.h"
#include "base/map.h"
#include "base/url.h"

enum { READINGS_MOST = 256 };

struct readings {
    struct map by_origin;
    struct list used; /* least recently used first */
};

void readings_init(struct readings *readings);
void readings_fini(struct readings *readings);

/* Where another endpoint of its origin was kept: reads `url` and `origin` as the parser that read
 * that one and url_origin would; the caller calls url_fini. */
bool readings_find(struct readings *readings, const char *endpoint, struct url *url,
                   char origin[URL_ORIGIN_SIZE]);
/* Keeps what was read of an endpoint, where that is plain. */
void readings_keep(struct readings *readings, const struct url *url, const char *origin);

#endif
