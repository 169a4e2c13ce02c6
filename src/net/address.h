/* Socket addresses and what they are to us: public, private or special. Used for endpoints that
 * strangers choose (security.md 6, 7) and for peers of the web port. Pure, except own_networks. */
#ifndef DOORBELL_NET_ADDRESS_H
#define DOORBELL_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct address {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

enum { ADDRESS_TEXT_SIZE = 64, ADDRESS_LIST_MAX = 16 };

struct address_list {
    struct address items[ADDRESS_LIST_MAX];
    size_t count;
};

enum address_class {
    ADDRESS_PUBLIC,
    ADDRESS_PRIVATE, /* loopback, RFC 1918, ULA, link-local, 100.64/10, own interfaces' networks */
    ADDRESS_SPECIAL, /* everything else that is not a unicast host: multicast, reserved,
                        documentation, unspecified, 6to4, Teredo ... */
};

/* The machine's own interface addresses and on-link prefixes. */
struct own_networks;
struct own_networks *own_networks_read(void); /* never NULL; empty when it cannot be read */
/* One more interface: its own address, and how many bits of it are the on-link prefix. */
void own_networks_add(struct own_networks *own, const struct address *address, unsigned bits);
void own_networks_free(struct own_networks *own);

/* Decodes IPv4 that is embedded in IPv6 (mapped, NAT64 64:ff9b::/96) and judges that (push.md 3.4).
 * `own` may be NULL. An own public address counts as private except on port 443. */
enum address_class address_classify(const struct address *address, const struct own_networks *own);

/* Numeric only ("127.0.0.1", "::1"; no zone, no brackets). ERR_INVALID otherwise. */
int address_parse(struct address *address, const char *text, uint16_t port);
int address_from_sockaddr(struct address *address, const struct sockaddr *from, socklen_t length);
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);
bool address_same_host(const struct address *a, const struct address *b);

/* Without brackets and port: "192.0.2.1", "2001:db8::1". */
void address_format(char text[ADDRESS_TEXT_SIZE], const struct address *address);

/* Where per-client limits apply: the /24 of an IPv4 (or mapped) address, the /64 of an IPv6 one,
 * written as a 9-byte key (family byte, then the prefix, zero-padded). */
void address_limit_key(uint8_t key[9], const struct address *address);

/* "10.0.0.0/8", "2001:db8::/32", or a bare address as /32 or /128. */
struct network {
    struct address address;
    unsigned bits;
};
int network_parse(struct network *network, const char *text, struct err *err);
bool network_contains(const struct network *network, const struct address *address);

#endif
