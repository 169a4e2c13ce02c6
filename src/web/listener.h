/* One listening socket: web.listen's "127.0.0.1:8020", "[::]:8020" or "unix:PATH". Accepts in small
 * batches on the loop and hands each connection over, non-blocking; while descriptors are used up
 * it rests instead of spinning. */
#ifndef DOORBELL_WEB_LISTENER_H
#define DOORBELL_WEB_LISTENER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "net/address.h"

struct listener;

/* `fd` belongs to the callee. `peer` has length 0 for a Unix socket; IPv4 is never mapped. */
typedef void listener_fn(void *arg, int fd, const struct address *peer);

/* [::] takes IPv4, too, unless `only_ipv6`. The errors name the address and the reason; the caller
 * puts its setting before them. */
struct listener *listener_new(struct loop *loop, const char *where, bool only_ipv6,
                              listener_fn *accepted, void *arg, struct err *err);
/* Whether somebody else has that address, or no network card of this machine: nobody listens behind
 * it. What only another user may do, and Unix sockets, are not tried. */
int listener_try(const char *where, struct err *err);
/* For a socket that was opened for us (web/handed.h); closes it if it is no listening stream
 * socket.
 */
struct listener *listener_adopt(struct loop *loop, int fd, listener_fn *accepted, void *arg,
                                struct err *err);
/* The address in the form of web.listen. */
const char *listener_where(const struct listener *listener);
/* A Unix socket's file goes, too, if it is still this one's and we made it. */
void listener_free(struct listener *listener);

/* For "host:port" entries only: false for a Unix socket and for what cannot be read. */
bool listener_parse(struct address *address, const char *where);
/* How a proxy on this machine reaches what listens there: "127.0.0.1:8020". False: not by network.
 */
enum { LISTENER_UPSTREAM_SIZE = ADDRESS_TEXT_SIZE + 16 };
bool listener_upstream(char text[LISTENER_UPSTREAM_SIZE], const char *where);
/* Whether such an entry is for this machine alone. */
bool listener_is_loopback(const char *where);

#endif
