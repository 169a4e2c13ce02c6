/* Which endpoints and addresses a push may reach (security.md 6, 7). Pure; the lists come from the
 * configuration. Text is judged at registration, the socket address before every connection. */
#ifndef DOORBELL_PUSH_POLICY_H
#define DOORBELL_PUSH_POLICY_H

#include "base/url.h"
#include "config/config.h"
#include "net/address.h"
#include "push/connect_to.h"

struct policy;

/* ERR_INVALID names the entry of push.allowed_endpoints, push.denied or push.connect_to that cannot
 * be read. */
struct policy *policy_new(const struct config *config, struct err *err);
void policy_free(struct policy *policy);

/* By its text alone, as url_normal writes it: 0, ERR_INVALID (not an endpoint) or ERR_REFUSED (a
 * setting forbids it), with a sentence that names the setting that would allow it. Never repeats
 * the path. `proven`: it has accepted a push, here or from MollySocket. While the list is
 * MollySocket's, "*" covers such endpoints as it did there, without TLS and on other ports as well.
 */
int policy_check_endpoint(const struct policy *policy, const char *endpoint, bool proven,
                          struct err *err);
/* The same, and what was read of it where it may be used. */
int policy_read_endpoint(const struct policy *policy, struct url *url, const char *endpoint,
                         bool proven, struct err *err);

/* Whether a connection for this endpoint may go to this address, which carries the port: private
 * ones only where an entry other than "*" names the endpoint or push.connect_to names the place for
 * its origin; special ones never; push.denied wins.
 * What the settings forbid by text is refused as well, so that a reload also holds for endpoints
 * that are known. */
int policy_check_address(const struct policy *policy, const struct url *endpoint, bool proven,
                         const struct address *address, struct err *err);

/* Likewise for what is known of an endpoint by its origin alone, where its text is allowed: an
 * entry for any path below that origin counts. */
int policy_check_origin(const struct policy *policy, const struct url *origin,
                        const struct address *address, struct err *err);

/* Whether an entry other than "*" names it. */
bool policy_is_listed(const struct policy *policy, const struct url *endpoint);
/* Whether such an entry names its origin, whatever the path. */
bool policy_names_origin(const struct policy *policy, const struct url *endpoint);

/* Whether push.connect_to names another place to connect to; fills `target` then. */
bool policy_connect_to(const struct policy *policy, const struct url *endpoint,
                       struct connect_target *target);

/* Reads the machine's interfaces again (they change). */
void policy_refresh_own(struct policy *policy);

#endif
