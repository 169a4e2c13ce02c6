/* The operator's status page: on a socket of its own (admin.listen), or below /admin on the web
 * port. It opens with the token that "doorbell admin token" made (admin_token.h), which is given in
 * a form and answered with a cookie; while there is none the page says how to make one. Whoever
 * gives many wrong tokens is told to wait, each client network for itself; the right one opens it
 * at any time, so that nobody locks the operator out. GET changes nothing; a POST is taken from our
 * own page only. What goes wrong is a sentence on the page, and what anybody can cause is in the
 * log once a minute at most; Doorbell runs without it as well. */
#ifndef DOORBELL_WEB_ADMIN_H
#define DOORBELL_WEB_ADMIN_H

#include "alert/lookout.h"
#include "bridge/bridge.h"
#include "config/config.h"
#include "push/push.h"
#include "web/request.h"

struct admin;

struct admin *admin_new(struct loop *loop, struct bridge *bridge, struct push *push,
                        const struct lookout *lookout, const struct config *config);
/* After the web server, before the bridge and the lookout: tests that are out are answered to
 * nobody. */
void admin_free(struct admin *admin);
void admin_reload(struct admin *admin, const struct config *config);
const char *admin_refusal(const struct admin *admin); /* side_refusal */

/* For the web port (web_add_part): whether a request there is for the status page. */
bool admin_takes(void *admin, const struct request *request);
void admin_answer_on_web(void *admin, struct exchange *exchange);

#endif
