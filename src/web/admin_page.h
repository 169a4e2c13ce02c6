/* The status page of the operator: what there is to see of the bridge and of each account
 * (bridge/view.h), for who gave the admin token; before that, the form that asks for it, or, where
 * there is none yet, how to make one. No account ids, passwords and endpoint paths, because the
 * view has none. Works without JavaScript; links and forms are relative, so that it may be served
 * below any path. Pure but for time zones. */
#ifndef DOORBELL_WEB_ADMIN_PAGE_H
#define DOORBELL_WEB_ADMIN_PAGE_H

#include "web/admin_sessions.h"
#include "web/admin_sight.h"
#include "web/request.h"

/* The command that makes a token is told, and nothing else. */
void admin_page_without_token(struct response *response);
/* Why what was given did not open it; NULL: nothing was given. */
void admin_page_login(struct response *response, const char *fault);
/* `test` is the last that this browser asked for. */
void admin_page(struct response *response, const struct admin_sight *sight,
                const struct admin_asked *asked, const struct admin_test *test);

#endif
