/* What strangers reach: the Molly API and the linking page, served by libmicrohttpd on our loop
 * from sockets that we accept ourselves (settled.md "who serves HTTP to strangers", security.md 11
 * to 14). */
#ifndef DOORBELL_WEB_WEB_H
#define DOORBELL_WEB_WEB_H

#include "bridge/bridge.h"
#include "config/config.h"
#include "push/vapid.h"

struct web;

/* Listens on every address of web.listen; ERR_IO names the one that failed and why. */
struct web *web_new(struct loop *loop, struct bridge *bridge, const struct vapid *vapid,
                    const struct config *config, struct err *err);
void web_free(struct web *web); /* drops connections */
/* Limits, URL and trusted proxies of a reloaded configuration; listening sockets stay. */
void web_reload(struct web *web, const struct config *config);

#endif
