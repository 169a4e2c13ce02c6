/* How often strangers from one neighbourhood (/24 or /64) may bring unknown credentials (settled.md
 * "Links": a bucket of 30, one more every 5 s). A proxy that names nobody has one of 300 and one
 * every second for all who come through it, apart from its neighbours'. A table of bounded size. */
#ifndef DOORBELL_BRIDGE_LIMITS_H
#define DOORBELL_BRIDGE_LIMITS_H

#include "base/map.h"
#include "net/address.h"

enum { LIMITS_EVERY_MS = 5000 };

struct limits {
    struct map clients;
};

void limits_init(struct limits *limits);
void limits_fini(struct limits *limits);
bool limits_admit(struct limits *limits, const struct address *client, bool is_proxy,
                  int64_t now_ms);

#endif
