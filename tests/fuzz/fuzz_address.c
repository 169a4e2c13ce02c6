/* Addresses, networks and nameservers by their text, and what classification says about them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/nameservers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void expect_sentence(const struct err *err)
{
    expect(err->text[0] != '\0');
    for (const char *c = err->text; *c; c++)
        expect(*c >= ' ' && *c < 0x7f);
}

/* The text that we make of an address means the same address to us. */
static void expect_round_trip(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address again;
    address_format(text, address);
    expect(address_parse(&again, text, address_port(address)) == 0);
    expect(address_same_host(address, &again));
    expect(address_classify(address, NULL) == address_classify(&again, NULL));
}

/* An IPv4 host is the same to the policy however IPv6 spells it, and shares the limit of its /24.
 */
static void expect_same_in_ipv6(const struct address *v4)
{
    static const char *const prefixes[] = {"::ffff:", "64:ff9b::"};
    char text[ADDRESS_TEXT_SIZE], long_text[2 * ADDRESS_TEXT_SIZE];
    uint8_t key[9], mapped_key[9];
    struct address v6;
    address_format(text, v4);
    for (size_t i = 0; i < 2; i++) {
        snprintf(long_text, sizeof long_text, "%s%s", prefixes[i], text);
        expect(address_parse(&v6, long_text, 443) == 0);
        expect(address_classify(&v6, NULL) == address_classify(v4, NULL));
        address_limit_key(key, v4);
        address_limit_key(mapped_key, &v6);
        expect((memcmp(key, mapped_key, sizeof key) == 0) == (i == 0));
    }
}

static void expect_private_when_own(const struct address *v4)
{
    struct own_networks *own = own_networks_read();
    struct address near = *v4;
    own_networks_add(own, v4, 24);
    address_set_port(&near, 80);
    expect(address_classify(&near, own) == ADDRESS_PRIVATE);
    own_networks_free(own);
}

static void try_address(const struct address *address)
{
    expect_round_trip(address);
    if (address->any.sa_family != AF_INET)
        return;
    expect_same_in_ipv6(address);
    expect_private_when_own(address);
}

static void try_network(const char *text)
{
    struct network network;
    struct err err = {0};
    if (network_parse(&network, text, &err) != 0) {
        expect_sentence(&err);
        return;
    }
    expect(network.bits <= (network.address.any.sa_family == AF_INET ? 32 : 128));
    expect(network_contains(&network, &network.address));
}

static void try_nameserver(char *text)
{
    const struct strings one = {&text, 1};
    struct err err = {0};
    char *csv = NULL;
    if (nameservers_read(&csv, &one, &err) != 0)
        expect_sentence(&err);
    else
        expect(csv && !strpbrk(csv, ", \t\n%"));
    free(csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_copy((const char *)data, size);
    struct address address;
    if (address_parse(&address, text, 443) == 0)
        try_address(&address);
    try_network(text);
    try_nameserver(text);
    free(text);
    return 0;
}
