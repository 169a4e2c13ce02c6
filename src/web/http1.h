/* HTTP/1 by libmicrohttpd on our loop, over sockets that we accepted ourselves (libraries.md,
 * "libmicrohttpd"). It turns requests into exchanges, asks the handler, and sends what comes back,
 * at once or later. Time is bounded for every connection: web.timeout for a request's header and
 * body, the same again for reading our answer. */
#ifndef DOORBELL_WEB_HTTP1_H
#define DOORBELL_WEB_HTTP1_H

#include "base/loop.h"
#include "web/certificate.h"
#include "web/gate.h"
#include "web/request.h"

struct http1;

/* With a `certificate`, which is not kept, connections are TLS; NULL: plain. */
struct http1 *http1_new(struct loop *loop, struct gate *gate, exchange_handler *handler, void *arg,
                        const struct certificate *certificate, struct err *err);
void http1_free(struct http1 *http1); /* drops connections; questions that are out are taken back */
void http1_set_timeout(struct http1 *http1, int64_t timeout_ms);

/* Takes the socket in any case. `peer` of length 0: it came through a Unix socket. */
void http1_add(struct http1 *http1, int fd, const struct address *peer);

/* Cuts the connection that has been without a complete request for longest, so that somebody else
 * can come in. False when all of them are being answered. */
bool http1_make_room(struct http1 *http1);
/* Since when that connection has been so; INT64_MAX: there is none. */
int64_t http1_waiting_since_ms(const struct http1 *http1);

#endif
