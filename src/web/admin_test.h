/* The test button: a test push to one device, and what the push server said of it, which the
 * browser that asked is led to. A browser that goes away meanwhile, or is logged out, changes
 * nothing for the push. */
#ifndef DOORBELL_WEB_ADMIN_TEST_H
#define DOORBELL_WEB_ADMIN_TEST_H

#include "base/list.h"
#include "bridge/bridge.h"
#include "web/admin_sessions.h"
#include "web/request.h"

struct admin_tests {
    struct bridge *bridge;
    struct admin_sessions *sessions;
    struct list pending; /* whose answers are out */
};

void admin_tests_init(struct admin_tests *tests, struct bridge *bridge,
                      struct admin_sessions *sessions);
/* Answers that still come are for nobody. */
void admin_tests_fini(struct admin_tests *tests);

/* Answers the exchange later. ERR_NOT_FOUND: no user with this pseudonym has this device, or two
 * do. */
int admin_tests_begin(struct admin_tests *tests, const struct admin_session *session,
                      const char *pseudonym, unsigned device, struct exchange *exchange);

#endif
