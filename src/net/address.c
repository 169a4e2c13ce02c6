#include "net/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

/* A container host may have hundreds of bridges; past this something is broken. */
enum { OWN_NETWORKS_MAX = 1024 };

struct own_networks {
    struct network *items; /* the interface's own address with its on-link prefix */
    size_t count, room;
};

struct range_v4 {
    uint32_t prefix;
    unsigned bits;
};

struct range_v6 {
    uint8_t prefix[16];
    unsigned bits;
};

static const struct range_v4 private_v4[] = {
    {0x0a000000, 8},  /* 10.0.0.0/8 */
    {0x64400000, 10}, /* 100.64.0.0/10, behind carrier-grade NAT */
    {0x7f000000, 8},  /* 127.0.0.0/8 */
    {0xa9fe0000, 16}, /* 169.254.0.0/16, link-local */
    {0xac100000, 12}, /* 172.16.0.0/12 */
    {0xc0a80000, 16}, /* 192.168.0.0/16 */
};

/* Those marked "global" can be reached from anywhere, but are never a push server (push.md 3.4). */
static const struct range_v4 special_v4[] = {
    {0x00000000, 8},  /* 0.0.0.0/8, "this network"; Linux connects 0.0.0.0 to itself */
    {0xa83f8110, 32}, /* 168.63.129.16, Azure's host, global by number */
    {0xc0000000, 24}, /* 192.0.0.0/24, protocol assignments */
    {0xc0000200, 24}, /* 192.0.2.0/24, documentation */
    {0xc01fc400, 24}, /* 192.31.196.0/24, AS112, global */
    {0xc034c100, 24}, /* 192.52.193.0/24, AMT, global */
    {0xc0586300, 24}, /* 192.88.99.0/24, 6to4 relays */
    {0xc0af3000, 24}, /* 192.175.48.0/24, AS112, global */
    {0xc6120000, 15}, /* 198.18.0.0/15, benchmarks */
    {0xc6336400, 24}, /* 198.51.100.0/24, documentation */
    {0xcb007100, 24}, /* 203.0.113.0/24, documentation */
    {0xe0000000, 4},  /* 224.0.0.0/4, multicast */
    {0xf0000000, 4},  /* 240.0.0.0/4, reserved and broadcast */
};

static const struct range_v6 private_v6[] = {
    {{[15] = 1}, 128},  /* ::1 */
    {{0xfc}, 7},        /* fc00::/7, ULA */
    {{0xfe, 0x80}, 10}, /* fe80::/10, link-local */
};

static const struct range_v6 global_v6 = {{0x20}, 3}; /* 2000::/3; nothing else is ever public */

static const struct range_v6 special_v6[] = {
    {{0x20, 0x01}, 23},                         /* 2001::/23: Teredo, ORCHID, benchmarks ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},             /* 2001:db8::/32, documentation */
    {{0x20, 0x02}, 16},                         /* 2002::/16, 6to4 */
    {{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, 48}, /* 2620:4f:8000::/48, AS112, global */
    {{0x3f, 0xff}, 20},                         /* 3fff::/20, documentation */
};

static const struct range_v6 mapped_v6 = {{[10] = 0xff, [11] = 0xff}, 96}; /* ::ffff:0:0/96 */
static const struct range_v6 nat64_v6 = {{0x00, 0x64, 0xff, 0x9b}, 96};    /* 64:ff9b::/96 */

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

static bool in_range_v6(const struct range_v6 *range, const struct address *address)
{
    return same_bits(range->prefix, address->v6.sin6_addr.s6_addr, range->bits);
}

static bool in_ranges_v4(const struct range_v4 *ranges, size_t count, uint32_t host)
{
    for (size_t i = 0; i < count; i++)
        if ((host ^ ranges[i].prefix) >> (32 - ranges[i].bits) == 0)
            return true;
    return false;
}

static bool in_ranges_v6(const struct range_v6 *ranges, size_t count, const struct address *address)
{
    for (size_t i = 0; i < count; i++)
        if (in_range_v6(&ranges[i], address))
            return true;
    return false;
}

static bool is_v4(const struct address *address)
{
    return address->any.sa_family == AF_INET;
}

static bool is_v6(const struct address *address)
{
    return address->any.sa_family == AF_INET6;
}

static struct address embedded_v4(const struct address *address)
{
    struct address v4 = {.length = sizeof v4.v4, .v4.sin_family = AF_INET};
    v4.v4.sin_port = address->v6.sin6_port;
    memcpy(&v4.v4.sin_addr, address->v6.sin6_addr.s6_addr + 12, 4);
    return v4;
}

/* An IPv4 address that is written as IPv6 is the same host. */
static struct address unmapped(const struct address *address)
{
    return is_v6(address) && in_range_v6(&mapped_v6, address) ? embedded_v4(address) : *address;
}

/* The host where a connection to this address ends: NAT64 hands it to the IPv4 host, too. */
static struct address destination(const struct address *address)
{
    if (is_v6(address) && in_range_v6(&nat64_v6, address))
        return embedded_v4(address);
    return unmapped(address);
}

static const uint8_t *host_bytes(const struct address *address, unsigned *bits)
{
    *bits = is_v4(address) ? 32 : 128;
    return is_v4(address) ? (const uint8_t *)&address->v4.sin_addr : address->v6.sin6_addr.s6_addr;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static enum address_class classify_v4(uint32_t host)
{
    if (in_ranges_v4(private_v4, COUNT(private_v4), host))
        return ADDRESS_PRIVATE;
    return in_ranges_v4(special_v4, COUNT(special_v4), host) ? ADDRESS_SPECIAL : ADDRESS_PUBLIC;
}

static enum address_class classify_v6(const struct address *address)
{
    if (in_ranges_v6(private_v6, COUNT(private_v6), address))
        return ADDRESS_PRIVATE;
    if (!in_range_v6(&global_v6, address))
        return ADDRESS_SPECIAL;
    return in_ranges_v6(special_v6, COUNT(special_v6), address) ? ADDRESS_SPECIAL : ADDRESS_PUBLIC;
}

static enum address_class classify_anywhere(const struct address *address)
{
    if (is_v4(address))
        return classify_v4(ntohl(address->v4.sin_addr.s_addr));
    return is_v6(address) ? classify_v6(address) : ADDRESS_SPECIAL;
}

enum address_class address_classify(const struct address *address, const struct own_networks *own)
{
    struct address host = destination(address);
    enum address_class class = classify_anywhere(&host);
    if (class == ADDRESS_PRIVATE || !own)
        return class;
    bool is_own = false, is_on_link = false;
    for (size_t i = 0; i < own->count; i++) {
        is_own = is_own || address_same_host(&own->items[i].address, &host);
        is_on_link = is_on_link || network_contains(&own->items[i], &host);
    }
    /* A push server on the same machine, under its public name, is what self-hosters have. */
    if (is_own && class == ADDRESS_PUBLIC && address_port(&host) == 443)
        return ADDRESS_PUBLIC;
    return is_own || is_on_link ? ADDRESS_PRIVATE : class;
}

static unsigned prefix_length(const struct sockaddr *mask, int family)
{
    if (!mask)
        return family == AF_INET ? 32 : 128;
    /* A mask's own family may be unset, so that of its address decides. */
    struct address address = {0};
    memcpy(&address.v6, mask,
           family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    address.any.sa_family = (sa_family_t)family;
    unsigned bits, length = 0;
    const uint8_t *bytes = host_bytes(&address, &bits);
    while (length < bits && bytes[length / 8] >> (7 - length % 8) & 1)
        length++;
    return length;
}

void own_networks_add(struct own_networks *own, const struct address *address, unsigned bits)
{
    unsigned most;
    host_bytes(address, &most);
    if (own->count == OWN_NETWORKS_MAX)
        return;
    if (own->count == own->room) {
        own->room = own->room ? own->room * 2 : 16;
        own->items = mem_resize(own->items, own->room * sizeof *own->items);
    }
    /* A tunnel may call the whole internet its link; that says nothing about neighbours. */
    own->items[own->count++] = (struct network){*address, bits == 0 || bits > most ? most : bits};
}

static void add_interface(struct own_networks *own, const struct sockaddr *at,
                          const struct sockaddr *mask)
{
    struct address address;
    if (at && address_from_sockaddr(&address, at, sizeof address.v6) == 0)
        own_networks_add(own, &address, prefix_length(mask, at->sa_family));
}

struct own_networks *own_networks_read(void)
{
    struct own_networks *own = mem_new(sizeof *own);
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0) {
        log_warn("The machine's own addresses cannot be read, so its public ones are treated like "
                 "any other public address.");
        return own;
    }
    for (struct ifaddrs *at = all; at; at = at->ifa_next) {
        add_interface(own, at->ifa_addr, at->ifa_netmask);
        if (at->ifa_flags & IFF_POINTOPOINT)
            add_interface(own, at->ifa_dstaddr, NULL);
    }
    freeifaddrs(all);
    return own;
}

void own_networks_free(struct own_networks *own)
{
    if (!own)
        return;
    free(own->items);
    free(own);
}

int address_parse(struct address *address, const char *text, uint16_t port)
{
    *address = (struct address){0};
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->length = sizeof address->v4;
        address->v4.sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
        address->length = sizeof address->v6;
        address->v6.sin6_family = AF_INET6;
    } else {
        return ERR_INVALID;
    }
    address_set_port(address, port);
    return 0;
}

int address_from_sockaddr(struct address *address, const struct sockaddr *from, socklen_t length)
{
    *address = (struct address){0};
    if (length < sizeof(struct sockaddr))
        return ERR_INVALID;
    if (from->sa_family == AF_INET)
        address->length = sizeof address->v4;
    else if (from->sa_family == AF_INET6)
        address->length = sizeof address->v6;
    if (address->length == 0 || length < address->length) {
        address->length = 0;
        return ERR_INVALID;
    }
    memcpy(&address->v6, from, address->length);
    return 0;
}

uint16_t address_port(const struct address *address)
{
    if (is_v4(address))
        return ntohs(address->v4.sin_port);
    return is_v6(address) ? ntohs(address->v6.sin6_port) : 0;
}

void address_set_port(struct address *address, uint16_t port)
{
    if (is_v4(address))
        address->v4.sin_port = htons(port);
    else if (is_v6(address))
        address->v6.sin6_port = htons(port);
}

bool address_same_host(const struct address *a, const struct address *b)
{
    struct address host_a = unmapped(a), host_b = unmapped(b);
    if (host_a.any.sa_family != host_b.any.sa_family || !(is_v4(&host_a) || is_v6(&host_a)))
        return false;
    if (is_v6(&host_a) && host_a.v6.sin6_scope_id != host_b.v6.sin6_scope_id)
        return false;
    unsigned bits;
    const uint8_t *bytes = host_bytes(&host_a, &bits);
    return same_bits(bytes, host_bytes(&host_b, &bits), bits);
}

void address_format(char text[ADDRESS_TEXT_SIZE], const struct address *address)
{
    unsigned bits;
    if (!(is_v4(address) || is_v6(address)) ||
        !inet_ntop(address->any.sa_family, host_bytes(address, &bits), text, ADDRESS_TEXT_SIZE))
        snprintf(text, ADDRESS_TEXT_SIZE, "unknown");
}

void address_limit_key(uint8_t key[9], const struct address *address)
{
    struct address host = unmapped(address);
    memset(key, 0, 9);
    if (is_v4(&host)) {
        key[0] = 4;
        memcpy(key + 1, &host.v4.sin_addr, 3);
    } else if (is_v6(&host)) {
        key[0] = 6;
        memcpy(key + 1, host.v6.sin6_addr.s6_addr, 8);
    }
}

/* Up to three digits without leading zeros or signs; -1 for anything else. */
static int parse_bits(const char *text)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 3 || text[length] || (text[0] == '0' && length > 1))
        return -1;
    return atoi(text);
}

int network_parse(struct network *network, const char *text, struct err *err)
{
    char host[ADDRESS_TEXT_SIZE], shown[ADDRESS_TEXT_SIZE];
    text_printable(shown, sizeof shown, text, strlen(text));
    size_t length = strcspn(text, "/");
    if (length >= sizeof host)
        return err_set(err, ERR_INVALID, "\"%s\" is too long for a network address", shown);
    memcpy(host, text, length);
    host[length] = '\0';
    if (address_parse(&network->address, host, 0) != 0)
        return err_set(err, ERR_INVALID,
                       "\"%s\" is not a network; write it like 10.0.0.0/8 or 2001:db8::/32", shown);
    unsigned most;
    host_bytes(&network->address, &most);
    int bits = text[length] ? parse_bits(text + length + 1) : (int)most;
    if (bits < 0 || (unsigned)bits > most)
        return err_set(err, ERR_INVALID, "\"%s\" must end in a prefix length from /0 to /%u", shown,
                       most);
    network->bits = (unsigned)bits;
    if (network->bits >= mapped_v6.bits && is_v6(&network->address) &&
        in_range_v6(&mapped_v6, &network->address)) {
        network->address = embedded_v4(&network->address);
        network->bits -= mapped_v6.bits;
    }
    return 0;
}

bool network_contains(const struct network *network, const struct address *address)
{
    struct address host = is_v4(&network->address) ? destination(address) : *address;
    if (network->address.any.sa_family != host.any.sa_family)
        return false;
    unsigned bits;
    return same_bits(host_bytes(&network->address, &bits), host_bytes(&host, &bits), network->bits);
}
