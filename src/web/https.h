/* HTTP/1 over our own TLS (web.tls_cert, web.tls_key): libmicrohttpd's, by GnuTLS, TLS 1.2 and 1.3.
 * A handshake is bounded like a request's header and costs a socket and nothing else. The two files
 * are looked at while connections come and at each sweep; once they have changed, and stand still,
 * new connections get the new pair, and those that are open live on with the former one. A new pair
 * that cannot be used is told once, and the one in use stays. An end of the certificate that is
 * near, or has passed, is told once each. */
#ifndef DOORBELL_WEB_HTTPS_H
#define DOORBELL_WEB_HTTPS_H

#include "base/loop.h"
#include "web/gate.h"
#include "web/request.h"

struct https;

/* NULL: the pair cannot be used; the sentence names the setting, the file and the fix. */
struct https *https_new(struct loop *loop, struct gate *gate, exchange_handler *handler, void *arg,
                        const char *cert_path, const char *key_path, struct err *err);
void https_free(struct https *https); /* as http1_free; NULL is fine */
void https_set_timeout(struct https *https, int64_t timeout_ms);

/* At a reload: reads the files at once, which may be others. */
void https_reload(struct https *https, const char *cert_path, const char *key_path);
/* Whether the files have changed, at most twice in a second, and whether the certificate ends. */
void https_look(struct https *https);
int64_t https_ends_unix(const struct https *https);

/* As those of http1.h. */
void https_add(struct https *https, int fd, const struct address *peer);
bool https_make_room(struct https *https);
int64_t https_waiting_since_ms(const struct https *https);

#endif
