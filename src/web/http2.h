/* Clear-text HTTP/2 with prior knowledge (RFC 9113 section 3.3) on the port of HTTP/1, for reverse
 * proxies that are set up so (Caddy's h2c://, mollysocket.md 3). It takes the sockets of peers that
 * may speak it, looks at what they send first without taking it away, and hands on whoever does not
 * begin with HTTP/2's preface. web.timeout bounds the first bytes and an output that is not read;
 * connections without a request are closed after a while, or when somebody else needs the place. */
#ifndef DOORBELL_WEB_HTTP2_H
#define DOORBELL_WEB_HTTP2_H

#include "base/loop.h"
#include "web/gate.h"
#include "web/request.h"

struct http2;

/* Takes a socket whose peer speaks something else; nothing was read from it. It has left the gate.
 */
typedef void http2_other(void *arg, int fd, const struct address *peer);

/* `arg` is for both. */
struct http2 *http2_new(struct loop *loop, struct gate *gate, exchange_handler *handler,
                        http2_other *other, void *arg);
void http2_free(struct http2 *http2); /* says goodbye, and takes back questions that are out */
void http2_set_timeout(struct http2 *http2, int64_t timeout_ms);

/* Takes the socket in any case. `peer` of length 0: it came through a Unix socket. */
void http2_add(struct http2 *http2, int fd, const struct address *peer);
/* Hands it on as soon as something has come, whatever it is: for who may not speak HTTP/2. */
void http2_look(struct http2 *http2, int fd, const struct address *peer);

/* As http1_make_room and http1_waiting_since_ms. */
bool http2_make_room(struct http2 *http2);
int64_t http2_waiting_since_ms(const struct http2 *http2);

#endif
