/* What the status page says of one account, and the words that it shares with the whole. */
#ifndef DOORBELL_WEB_ADMIN_ACCOUNT_H
#define DOORBELL_WEB_ADMIN_ACCOUNT_H

#include "base/buf.h"
#include "bridge/view.h"
#include "web/admin_sessions.h"

/* `test` is the last that this browser asked for, of any account. */
void admin_account_add(struct buf *page, const struct account_view *view,
                       const struct admin_test *test, int64_t now_unix);

/* `before`, and "3 min ago" or "in 3 min"; or "22:10:03", with the day where it is another one. The
 * whole time is there for who points at it. Nothing at all for 0. */
void admin_add_distance(struct buf *page, const char *before, int64_t unix_s, int64_t now_unix);
void admin_add_clock(struct buf *page, const char *before, int64_t unix_s, int64_t now_unix);
void admin_add_health(struct buf *page, enum view_health health);

#endif
