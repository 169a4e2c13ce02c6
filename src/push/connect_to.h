/* push.connect_to: push servers that are connected to at another place than their name says, behind
 * a router that does not lead back to itself (hairpin NAT) or in a container network. An entry is
 *
 *     ntfy.example.org=192.168.1.5:8443     or     NAME[:PORT]=HOST[:PORT]
 *
 * the host as it stands in the endpoint, and where it is. Without a port the left side means the
 * endpoint that has none either, and the right side the endpoint's port. "=" needs no quotes in
 * YAML, in a shell or in a compose file; names and addresses have none. Only the address changes:
 * TLS is checked for the endpoint's own name, which is also the Host. The operator's word for it is
 * enough for a private address, of this origin and of no other one. Pure. */
#ifndef DOORBELL_PUSH_CONNECT_TO_H
#define DOORBELL_PUSH_CONNECT_TO_H

#include <stdbool.h>

#include "base/url.h"
#include "config/config.h"
#include "net/address.h"

struct connect_to;

struct connect_target {
    char host[256]; /* a name or a numeric address, no brackets */
    uint16_t port;
    bool is_address, is_ipv6;
};

/* ERR_INVALID names the entry that cannot be read and how to write it. */
struct connect_to *connect_to_new(const struct strings *entries, struct err *err);
void connect_to_free(struct connect_to *list); /* NULL is fine */

/* Whether there is an entry for the endpoint's origin; fills `target` then. */
bool connect_to_find(const struct connect_to *list, const struct url *endpoint,
                     struct connect_target *target);

/* Whether this address, with its port, is one that the entry names. A name may be at any. */
bool connect_target_is(const struct connect_target *target, const struct address *address);

#endif
