/* Names to addresses by c-ares on the loop; nothing in the process ever blocks in a look-up. Two
 * channels: messengers' names and strangers' (endpoints) never wait for each other (settled.md
 * "DNS"). Endpoints: 3 s deadline (net.dns_timeout), at most 8 names in flight that never worked
 * before, slots of their own for names that did; one query per name however many ask; a name that
 * worked keeps its last addresses for 60 s (also when a fresh look-up fails), so most rings need no
 * look-up at all. */
#ifndef DOORBELL_NET_RESOLVER_H
#define DOORBELL_NET_RESOLVER_H

#include "base/loop.h"
#include "config/config.h"
#include "net/address.h"

enum resolver_lane { RESOLVER_MESSENGER, RESOLVER_ENDPOINT };

struct resolver;
struct lookup;

/* `addresses` is NULL when the look-up failed; then err says why in one sentence. Addresses are in
 * the order in which to try them (families alternate from IPv6 on, RFC 8305 section 4, each sorted
 * by c-ares after RFC 6724) and carry the port. */
typedef void resolver_fn(void *arg, const struct address_list *addresses, const struct err *err);

struct resolver *resolver_new(struct loop *loop, const struct config *config, struct err *err);
void resolver_free(struct resolver *resolver); /* cancels what is under way, without calling back */
int resolver_reload(struct resolver *resolver, const struct config *config, struct err *err);

/* Calls `fn` once, never before returning. Numeric addresses are answered without a query.
 * `proven`: the name belongs to an endpoint that has accepted a push before. */
struct lookup *resolver_start(struct resolver *resolver, enum resolver_lane lane, const char *host,
                              uint16_t port, bool proven, resolver_fn *fn, void *arg);
void resolver_cancel(struct lookup *lookup); /* fn is not called */

/* From memory alone: true and filled when a fresh answer (or a numeric host) is at hand. */
bool resolver_cached(struct resolver *resolver, enum resolver_lane lane, const char *host,
                     uint16_t port, struct address_list *addresses);

#endif
