/* One listening socket of ours: web.listen's "127.0.0.1:8020", "[::]:8020" or "unix:PATH". Accepts
 * in small batches on the loop and hands each connection over, non-blocking; while descriptors are
 * used up it rests instead of spinning. */
#ifndef DOORBELL_WEB_LISTENER_H
#define DOORBELL_WEB_LISTENER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "net/address.h"

struct listener;

/* `fd` belongs to the callee. `peer` has length 0 for a Unix socket; IPv4 is never mapped. */
typedef void listener_fn(void *arg, int fd, const struct address *peer);

/* [::] takes IPv4, too, unless `only_ipv6`. The errors name the address, the reason and the
 * setting. */
struct listener *listener_new(struct loop *loop, const char *where, bool only_ipv6,
                              listener_fn *accepted, void *arg, struct err *err);
/* A Unix socket's file goes, too, if it is still this one's. */
void listener_free(struct listener *listener);

/* For "host:port" entries only: false for a Unix socket and for what cannot be read. */
bool listener_parse(struct address *address, const char *where);

#endif
