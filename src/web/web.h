/* What strangers reach: the Molly API, the linking page and the public page, served by
 * libmicrohttpd on our loop from sockets that we accept ourselves (settled.md "who serves HTTP to
 * strangers", security.md 11 to 14). Peers that web.trusted_proxies names may speak HTTP/2 there as
 * well. */
#ifndef DOORBELL_WEB_WEB_H
#define DOORBELL_WEB_WEB_H

#include "bridge/bridge.h"
#include "config/config.h"
#include "push/vapid.h"
#include "web/request.h"
#include "web/witness.h"

struct web;

/* Listens on the sockets that systemd handed over (web/handed.h), else on every address of
 * web.listen; ERR_IO names the one that failed and why. */
struct web *web_new(struct loop *loop, struct bridge *bridge, const struct vapid *vapid,
                    const struct config *config, struct err *err);
void web_free(struct web *web); /* drops connections */
/* Requests that `takes` says yes to are answered by `answer`, after what TLS demands. */
typedef bool web_takes_fn(void *arg, const struct request *request);
void web_add_part(struct web *web, web_takes_fn *takes, exchange_handler *answer, void *arg);
/* Limits, URL, trusted proxies and TLS of a reloaded configuration; listening sockets stay. */
void web_reload(struct web *web, const struct config *config);
/* Now and then: whether certificate and key have changed, and how long they are good; since when
 * there is trouble, for the public page. */
void web_sweep(struct web *web);
/* A nonce that a request to the public address may have, and what became of that (witness.h). */
void web_expect(struct web *web, char nonce[WITNESS_NONCE_SIZE]);
json_t *web_tell(struct web *web, const char *nonce);
/* When the certificate of web.tls_cert ends; 0: there is none. */
int64_t web_certificate_ends_unix(const struct web *web);

#endif
