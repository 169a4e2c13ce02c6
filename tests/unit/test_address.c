#include "net/address.h"

#include <ifaddrs.h>
#include <string.h>

#include "unit.h"

struct example {
    const char *text;
    enum address_class class;
};

static struct address parsed(const char *text, uint16_t port)
{
    struct address address;
    ck_assert_msg(address_parse(&address, text, port) == 0, "%s is not taken", text);
    return address;
}

static void check_classes(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct address address = parsed(examples[i].text, 443);
        enum address_class class = address_classify(&address, NULL);
        ck_assert_msg(class == examples[i].class, "%s is class %d, not %d", examples[i].text, class,
                      examples[i].class);
    }
}

#define PUBLIC ADDRESS_PUBLIC
#define PRIVATE ADDRESS_PRIVATE
#define SPECIAL ADDRESS_SPECIAL

/* The first and last address of each range, and their neighbours outside of it. */
static const struct example v4_examples[] = {
    {"0.0.0.0", SPECIAL},         {"0.255.255.255", SPECIAL},   {"1.0.0.0", PUBLIC},
    {"9.255.255.255", PUBLIC},    {"10.0.0.0", PRIVATE},        {"10.255.255.255", PRIVATE},
    {"11.0.0.0", PUBLIC},         {"100.63.255.255", PUBLIC},   {"100.64.0.0", PRIVATE},
    {"100.127.255.255", PRIVATE}, {"100.128.0.0", PUBLIC},      {"126.255.255.255", PUBLIC},
    {"127.0.0.0", PRIVATE},       {"127.255.255.255", PRIVATE}, {"128.0.0.0", PUBLIC},
    {"168.63.129.15", PUBLIC},    {"168.63.129.16", SPECIAL},   {"168.63.129.17", PUBLIC},
    {"169.253.255.255", PUBLIC},  {"169.254.0.0", PRIVATE},     {"169.254.169.254", PRIVATE},
    {"169.254.255.255", PRIVATE}, {"169.255.0.0", PUBLIC},      {"172.15.255.255", PUBLIC},
    {"172.16.0.0", PRIVATE},      {"172.31.255.255", PRIVATE},  {"172.32.0.0", PUBLIC},
    {"191.255.255.255", PUBLIC},  {"192.0.0.0", SPECIAL},       {"192.0.0.255", SPECIAL},
    {"192.0.1.0", PUBLIC},        {"192.0.1.255", PUBLIC},      {"192.0.2.0", SPECIAL},
    {"192.0.2.255", SPECIAL},     {"192.0.3.0", PUBLIC},        {"192.31.195.255", PUBLIC},
    {"192.31.196.0", SPECIAL},    {"192.31.196.255", SPECIAL},  {"192.31.197.0", PUBLIC},
    {"192.52.192.255", PUBLIC},   {"192.52.193.0", SPECIAL},    {"192.52.193.255", SPECIAL},
    {"192.52.194.0", PUBLIC},     {"192.88.98.255", PUBLIC},    {"192.88.99.0", SPECIAL},
    {"192.88.99.255", SPECIAL},   {"192.88.100.0", PUBLIC},     {"192.167.255.255", PUBLIC},
    {"192.168.0.0", PRIVATE},     {"192.168.255.255", PRIVATE}, {"192.169.0.0", PUBLIC},
    {"192.175.47.255", PUBLIC},   {"192.175.48.0", SPECIAL},    {"192.175.48.255", SPECIAL},
    {"192.175.49.0", PUBLIC},     {"198.17.255.255", PUBLIC},   {"198.18.0.0", SPECIAL},
    {"198.19.255.255", SPECIAL},  {"198.20.0.0", PUBLIC},       {"198.51.99.255", PUBLIC},
    {"198.51.100.0", SPECIAL},    {"198.51.100.255", SPECIAL},  {"198.51.101.0", PUBLIC},
    {"203.0.112.255", PUBLIC},    {"203.0.113.0", SPECIAL},     {"203.0.113.255", SPECIAL},
    {"203.0.114.0", PUBLIC},      {"223.255.255.255", PUBLIC},  {"224.0.0.0", SPECIAL},
    {"239.255.255.255", SPECIAL}, {"240.0.0.0", SPECIAL},       {"255.255.255.255", SPECIAL},
};

static const struct example v6_examples[] = {
    {"::", SPECIAL},
    {"::1", PRIVATE},
    {"::2", SPECIAL},
    {"::10.0.0.1", SPECIAL},
    {"::8.8.8.8", SPECIAL},
    {"::fffe:8.8.8.8", SPECIAL},
    {"::ffff:0:8.8.8.8", SPECIAL},
    {"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"64:ff9b:0:0:0:1::", SPECIAL},
    {"64:ff9b:1::", SPECIAL},
    {"64:ff9b:1:ffff:ffff:ffff:808:808", SPECIAL},
    {"100::1", SPECIAL},
    {"100:0:0:1::1", SPECIAL},
    {"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"2000::", PUBLIC},
    {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC},
    {"2001::", SPECIAL},
    {"2001:0:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"2001:1::1", SPECIAL},
    {"2001:2::", SPECIAL},
    {"2001:10::", SPECIAL},
    {"2001:20::", SPECIAL},
    {"2001:30::", SPECIAL},
    {"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"2001:200::", PUBLIC},
    {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC},
    {"2001:db8::", SPECIAL},
    {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"2001:db9::", PUBLIC},
    {"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC},
    {"2002::", SPECIAL},
    {"2002:808:808::1", SPECIAL},
    {"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"2003::", PUBLIC},
    {"2606:4700::1111", PUBLIC},
    {"2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", PUBLIC},
    {"2620:4f:8000::", SPECIAL},
    {"2620:4f:8000:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"2620:4f:8001::", PUBLIC},
    {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC},
    {"3fff::", SPECIAL},
    {"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"3fff:1000::", PUBLIC},
    {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC},
    {"4000::", SPECIAL},
    {"5f00::1", SPECIAL},
    {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"fc00::", PRIVATE},
    {"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PRIVATE},
    {"fe00::", SPECIAL},
    {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
    {"fe80::", PRIVATE},
    {"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PRIVATE},
    {"fec0::", SPECIAL},
    {"ff00::", SPECIAL},
    {"ff02::1", SPECIAL},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SPECIAL},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

START_TEST(both_sides_of_every_ipv4_boundary_are_judged)
{
    check_classes(v4_examples, COUNT(v4_examples));
}
END_TEST

START_TEST(both_sides_of_every_ipv6_boundary_are_judged)
{
    check_classes(v6_examples, COUNT(v6_examples));
}
END_TEST

START_TEST(ipv4_inside_ipv6_is_judged_as_the_ipv4_host)
{
    static const char *const prefixes[] = {"::ffff:", "64:ff9b::"};
    for (size_t p = 0; p < COUNT(prefixes); p++) {
        for (size_t i = 0; i < COUNT(v4_examples); i++) {
            char text[64];
            snprintf(text, sizeof text, "%s%s", prefixes[p], v4_examples[i].text);
            const struct example example = {text, v4_examples[i].class};
            check_classes(&example, 1);
        }
    }
}
END_TEST

START_TEST(what_is_no_internet_address_is_special)
{
    struct address address = {.any.sa_family = AF_UNIX, .length = sizeof address.any};
    char text[ADDRESS_TEXT_SIZE];
    ck_assert_int_eq(address_classify(&address, NULL), ADDRESS_SPECIAL);
    address_format(text, &address);
    ck_assert_str_eq(text, "unknown");
    ck_assert_uint_eq(address_port(&address), 0);
    ck_assert(!address_same_host(&address, &address));
}
END_TEST

static enum address_class class_near(const struct own_networks *own, const char *text,
                                     uint16_t port)
{
    struct address address = parsed(text, port);
    return address_classify(&address, own);
}

static struct own_networks *a_machine(void)
{
    struct own_networks *own = own_networks_read();
    struct address v4 = parsed("8.8.4.20", 0), v6 = parsed("2a00:1450::20", 0);
    struct address tunnel = parsed("9.9.9.9", 0);
    own_networks_add(own, &v4, 24);
    own_networks_add(own, &v6, 64);
    own_networks_add(own, &tunnel, 0);
    return own;
}

START_TEST(own_networks_count_as_private)
{
    struct own_networks *own = a_machine();
    ck_assert_int_eq(class_near(own, "8.8.4.20", 8443), ADDRESS_PRIVATE);
    ck_assert_int_eq(class_near(own, "8.8.4.0", 443), ADDRESS_PRIVATE);
    ck_assert_int_eq(class_near(own, "8.8.4.255", 443), ADDRESS_PRIVATE);
    ck_assert_int_eq(class_near(own, "8.8.3.255", 443), ADDRESS_PUBLIC);
    ck_assert_int_eq(class_near(own, "8.8.5.0", 443), ADDRESS_PUBLIC);
    ck_assert_int_eq(class_near(own, "2a00:1450::20", 80), ADDRESS_PRIVATE);
    ck_assert_int_eq(class_near(own, "2a00:1450::21", 443), ADDRESS_PRIVATE);
    ck_assert_int_eq(class_near(own, "2a00:1450:0:1::", 443), ADDRESS_PUBLIC);
    ck_assert_int_eq(class_near(own, "240.0.0.77", 443), ADDRESS_SPECIAL);
    ck_assert_int_eq(class_near(own, "::ffff:8.8.4.20", 8443), ADDRESS_PRIVATE);
    ck_assert_int_eq(class_near(own, "64:ff9b::8.8.4.21", 443), ADDRESS_PRIVATE);
    own_networks_free(own);
}
END_TEST

START_TEST(port_443_of_an_own_public_address_stays_public)
{
    struct own_networks *own = a_machine();
    struct address lan = parsed("192.168.7.7", 0);
    own_networks_add(own, &lan, 24);
    ck_assert_int_eq(class_near(own, "8.8.4.20", 443), ADDRESS_PUBLIC);
    ck_assert_int_eq(class_near(own, "2a00:1450::20", 443), ADDRESS_PUBLIC);
    ck_assert_int_eq(class_near(own, "::ffff:8.8.4.20", 443), ADDRESS_PUBLIC);
    ck_assert_int_eq(class_near(own, "192.168.7.7", 443), ADDRESS_PRIVATE);
    own_networks_free(own);
}
END_TEST

START_TEST(a_tunnel_to_everywhere_does_not_make_everybody_a_neighbour)
{
    struct own_networks *own = a_machine();
    ck_assert_int_eq(class_near(own, "9.9.9.9", 80), ADDRESS_PRIVATE);
    ck_assert_int_eq(class_near(own, "9.9.9.10", 443), ADDRESS_PUBLIC);
    own_networks_free(own);
}
END_TEST

START_TEST(the_machines_interfaces_are_read)
{
    struct own_networks *own = own_networks_read();
    struct ifaddrs *all;
    ck_assert_int_eq(getifaddrs(&all), 0);
    for (struct ifaddrs *at = all; at; at = at->ifa_next) {
        struct address address;
        if (!at->ifa_addr ||
            address_from_sockaddr(&address, at->ifa_addr, sizeof(struct sockaddr_in6)) != 0)
            continue;
        char text[ADDRESS_TEXT_SIZE];
        address_format(text, &address);
        address_set_port(&address, 8443);
        ck_assert_msg(address_classify(&address, own) == ADDRESS_PRIVATE, "%s", text);
    }
    freeifaddrs(all);
    own_networks_free(own);
}
END_TEST

START_TEST(only_plain_numeric_addresses_are_parsed)
{
    static const char *const wrong[] = {
        "",           "127.1",        "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.",
        "127.0.0.1 ", "1.2.3.256",    "[::1]",      "::1%lo",     "fe80::1%1",  "::1::",
        "localhost",  "::ffff:1.2.3", "1.2.3.4:80", "12345::",
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct address address;
        ck_assert_msg(address_parse(&address, wrong[i], 1) == ERR_INVALID, "%s", wrong[i]);
    }
}
END_TEST

START_TEST(text_and_port_survive)
{
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "::1", "::ffff:192.0.2.1"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct address address = parsed(texts[i], 8443), copy;
        char text[ADDRESS_TEXT_SIZE];
        ck_assert_int_eq(address_from_sockaddr(&copy, &address.any, address.length), 0);
        address_format(text, &copy);
        ck_assert_str_eq(text, texts[i]);
        ck_assert_uint_eq(address_port(&copy), 8443);
        address_set_port(&copy, 1);
        ck_assert_uint_eq(address_port(&copy), 1);
        ck_assert(address_same_host(&address, &copy));
    }
}
END_TEST

START_TEST(short_or_foreign_socket_addresses_are_refused)
{
    struct address v6 = parsed("2001:db8::1", 1), copy;
    struct sockaddr local = {.sa_family = AF_UNIX};
    ck_assert_int_eq(address_from_sockaddr(&copy, &v6.any, sizeof(struct sockaddr_in)),
                     ERR_INVALID);
    ck_assert_int_eq(address_from_sockaddr(&copy, &v6.any, 1), ERR_INVALID);
    ck_assert_int_eq(address_from_sockaddr(&copy, &local, sizeof local), ERR_INVALID);
    ck_assert_uint_eq(copy.length, 0);
}
END_TEST

START_TEST(a_mapped_address_is_the_same_host_and_a_translated_one_is_not)
{
    struct address plain = parsed("192.0.2.1", 1), mapped = parsed("::ffff:192.0.2.1", 2);
    struct address translated = parsed("64:ff9b::192.0.2.1", 1), other = parsed("192.0.2.2", 1);
    ck_assert(address_same_host(&plain, &mapped));
    ck_assert(address_same_host(&mapped, &plain));
    ck_assert(!address_same_host(&plain, &translated));
    ck_assert(!address_same_host(&plain, &other));
    struct address here = parsed("fe80::1", 1), there = here;
    there.v6.sin6_scope_id = 2;
    ck_assert(!address_same_host(&here, &there));
}
END_TEST

static bool share_a_limit(const char *a, const char *b)
{
    uint8_t key_a[9], key_b[9];
    struct address address_a = parsed(a, 1), address_b = parsed(b, 2);
    address_limit_key(key_a, &address_a);
    address_limit_key(key_b, &address_b);
    return memcmp(key_a, key_b, sizeof key_a) == 0;
}

START_TEST(limits_apply_to_a_24_or_a_64)
{
    ck_assert(share_a_limit("192.0.2.0", "192.0.2.255"));
    ck_assert(share_a_limit("192.0.2.9", "::ffff:192.0.2.77"));
    ck_assert(!share_a_limit("192.0.2.255", "192.0.3.0"));
    ck_assert(share_a_limit("2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    ck_assert(!share_a_limit("2001:db8:1:2::", "2001:db8:1:3::"));
    ck_assert(!share_a_limit("192.0.2.0", "c000:200::"));
    uint8_t key[9];
    struct address address = parsed("192.0.2.33", 80);
    address_limit_key(key, &address);
    ck_assert_mem_eq(key, "\x04\xc0\x00\x02\x00\x00\x00\x00\x00", 9);
    address = parsed("2001:db8:1:2:3::", 80);
    address_limit_key(key, &address);
    ck_assert_mem_eq(key, "\x06\x20\x01\x0d\xb8\x00\x01\x00\x02", 9);
}
END_TEST

static bool contains(const char *network_text, const char *text)
{
    struct network network;
    struct err err = {0};
    ck_assert_msg(network_parse(&network, network_text, &err) == 0, "%s", err.text);
    struct address address = parsed(text, 1);
    return network_contains(&network, &address);
}

START_TEST(networks_contain_what_is_inside)
{
    ck_assert(contains("10.0.0.0/8", "10.255.255.255"));
    ck_assert(contains("10.1.2.3/8", "10.0.0.0"));
    ck_assert(!contains("10.0.0.0/8", "11.0.0.0"));
    ck_assert(contains("192.0.2.128/25", "192.0.2.128"));
    ck_assert(!contains("192.0.2.128/25", "192.0.2.127"));
    ck_assert(contains("192.0.2.1", "192.0.2.1"));
    ck_assert(!contains("192.0.2.1", "192.0.2.0"));
    ck_assert(contains("0.0.0.0/0", "255.255.255.255"));
    ck_assert(!contains("0.0.0.0/0", "2001:db8::1"));
    ck_assert(contains("2001:db8::/33", "2001:db8:7fff::"));
    ck_assert(!contains("2001:db8::/33", "2001:db8:8000::"));
    ck_assert(contains("::/0", "2001:db8::1"));
    ck_assert(!contains("::/0", "192.0.2.1"));
    ck_assert(contains("::1", "::1"));
    ck_assert(!contains("::1", "::"));
}
END_TEST

START_TEST(an_ipv4_network_contains_its_hosts_in_every_spelling)
{
    ck_assert(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    ck_assert(contains("10.0.0.0/8", "64:ff9b::10.1.2.3"));
    ck_assert(!contains("10.0.0.0/8", "::10.1.2.3"));
    ck_assert(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
    ck_assert(!contains("::ffff:10.0.0.0/104", "11.1.2.3"));
    ck_assert(contains("64:ff9b::/96", "64:ff9b::10.1.2.3"));
}
END_TEST

START_TEST(what_is_no_network_is_explained)
{
    static const char *const wrong[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10/8",
        "10.0.0.0/8 ",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "::/129",
        "::/1000",
        "example.org",
        "10.0.0.0/+8",
        "10.0.0.0/4294967297",
        "0123456789012345678901234567890123456789012345678901234567890123/8",
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct network network;
        struct err err = {0};
        ck_assert_msg(network_parse(&network, wrong[i], &err) == ERR_INVALID, "%s", wrong[i]);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_msg(strlen(err.text) > 20, "%s", err.text);
    }
    struct network network;
    struct err err = {0};
    ck_assert_int_lt(network_parse(&network, "a\nb", &err), 0);
    ck_assert_ptr_null(strchr(err.text, '\n'));
    ck_assert_int_lt(network_parse(&network, "10.0.0.0/33", NULL), 0);
}
END_TEST

UNIT_MAIN("address", both_sides_of_every_ipv4_boundary_are_judged,
          both_sides_of_every_ipv6_boundary_are_judged, ipv4_inside_ipv6_is_judged_as_the_ipv4_host,
          what_is_no_internet_address_is_special, own_networks_count_as_private,
          port_443_of_an_own_public_address_stays_public,
          a_tunnel_to_everywhere_does_not_make_everybody_a_neighbour,
          the_machines_interfaces_are_read, only_plain_numeric_addresses_are_parsed,
          text_and_port_survive, short_or_foreign_socket_addresses_are_refused,
          a_mapped_address_is_the_same_host_and_a_translated_one_is_not,
          limits_apply_to_a_24_or_a_64, networks_contain_what_is_inside,
          an_ipv4_network_contains_its_hosts_in_every_spelling, what_is_no_network_is_explained)
