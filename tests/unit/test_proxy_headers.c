#include "web/proxy_headers.h"

#include <string.h>

#include "given.h"

static const struct client_case {
    struct given given;
    const char *client;
} clients[] = {
    /* nobody in front */
    {{"auto", "203.0.113.9", {{0}}}, "203.0.113.9"},
    {{"auto", "127.0.0.1", {{0}}}, "127.0.0.1"},
    {{"auto", "", {{0}}}, "127.0.0.1"},
    /* a stranger's own headers are not read */
    {{"auto", "203.0.113.9", {{"X-Forwarded-For", "198.51.100.1"}}}, "203.0.113.9"},
    {{"none", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1"}}}, "127.0.0.1"},
    /* one proxy */
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1"}}}, "198.51.100.1"},
    {{"auto", "", {{"x-forwarded-for", "198.51.100.1"}}}, "198.51.100.1"},
    {{"none", "", {{"X-Forwarded-For", "198.51.100.1"}}}, "198.51.100.1"},
    {{"auto", "172.17.0.1", {{"X-Forwarded-For", "  2001:db8::7 "}}}, "2001:db8::7"},
    {{"203.0.113.0/24", "203.0.113.9", {{"X-Forwarded-For", "198.51.100.1"}}}, "198.51.100.1"},
    {{"203.0.113.0/24", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1"}}}, "127.0.0.1"},
    /* spoofed hops stand left of what the proxy appended */
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "6.6.6.6, 198.51.100.1"}}}, "198.51.100.1"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "10.0.0.1, 198.51.100.1"}}}, "198.51.100.1"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "6.6.6.6"}, {"X-Forwarded-For", "198.51.100.1"}}},
     "198.51.100.1"},
    /* several proxies of ours */
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "6.6.6.6, 198.51.100.1, 10.1.2.3"}}},
     "198.51.100.1"},
    {{"auto 192.0.2.0/28", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1,192.0.2.3"}}},
     "198.51.100.1"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "192.168.1.20, 10.1.2.3"}}}, "192.168.1.20"},
    /* ports, brackets, IPv4 in IPv6 */
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1:4711"}}}, "198.51.100.1"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "[2001:db8::7]:4711"}}}, "2001:db8::7"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "::ffff:198.51.100.1"}}}, "198.51.100.1"},
    /* a hop that cannot be read ends the search where we still know who it was */
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1, unknown"}}}, "127.0.0.1"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1, , 10.1.2.3"}}}, "10.1.2.3"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", ""}}}, "127.0.0.1"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "[2001:db8::7"}}}, "127.0.0.1"},
    {{"auto", "127.0.0.1", {{"X-Forwarded-For", "1.2.3.4.5"}}}, "127.0.0.1"},
    /* RFC 7239 */
    {{"auto", "127.0.0.1", {{"Forwarded", "for=198.51.100.1;proto=https;by=10.0.0.1"}}},
     "198.51.100.1"},
    {{"auto", "127.0.0.1", {{"Forwarded", "for=6.6.6.6, For=\"[2001:db8:cafe::17]:4711\""}}},
     "2001:db8:cafe::17"},
    {{"auto", "127.0.0.1", {{"Forwarded", "proto=https; for=198.51.100.1 , for=10.0.0.1"}}},
     "198.51.100.1"},
    {{"auto", "127.0.0.1", {{"Forwarded", "for=6.6.6.6, proto=https"}}}, "127.0.0.1"},
    {{"auto", "127.0.0.1", {{"Forwarded", "for=6.6.6.6, for=_hidden"}}}, "127.0.0.1"},
    {{"auto", "127.0.0.1", {{"Forwarded", "for=198.51.100.1;secret=\"a, for=6.6.6.6\""}}},
     "198.51.100.1"},
    {{"auto", "127.0.0.1", {{"Forwarded", "for=6.6.6.6, for=\"198.51.100.1"}}}, "127.0.0.1"},
    {{"auto", "127.0.0.1", {{"Forwarded", "for=6.6.6.6"}, {"X-Forwarded-For", "198.51.100.1"}}},
     "198.51.100.1"},
};

START_TEST(the_client_is_the_rightmost_hop_that_is_not_a_trusted_proxy)
{
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        const struct client_case *test = &clients[i];
        struct proxies proxies;
        struct request request;
        struct address client;
        char text[ADDRESS_TEXT_SIZE];
        parse_trusted(&proxies, test->given.trusted);
        make_request(&request, &test->given, "/");
        proxies_client(&proxies, &request, &client);
        ck_assert_msg(client.length > 0, "case %zu is taken for the operator", i);
        address_format(text, &client);
        ck_assert_msg(strcmp(text, test->client) == 0, "case %zu: %s", i, text);
        request_fini(&request);
    }
}
END_TEST

START_TEST(only_the_nearest_hops_are_looked_at)
{
    struct given given = {"auto", "127.0.0.1", {{0}}};
    char many[4096] = "198.51.100.1";
    for (int i = 0; i < 100; i++)
        strcat(many, ", 10.0.0.1");
    given.headers[0] = (struct header){"X-Forwarded-For", many};
    struct proxies proxies;
    struct request request;
    struct address client;
    char text[ADDRESS_TEXT_SIZE];
    parse_trusted(&proxies, "auto");
    make_request(&request, &given, "/");
    proxies_client(&proxies, &request, &client);
    address_format(text, &client);
    ck_assert_str_eq(text, "10.0.0.1");
    request_fini(&request);
}
END_TEST

START_TEST(only_a_trusted_proxy_that_names_nobody_hides_its_clients)
{
    static const struct {
        struct given given;
        bool is_tls, hides;
    } cases[] = {
        {{"auto", "127.0.0.1", {{0}}}, false, true},
        {{"auto", "", {{0}}}, false, true},
        {{"auto", "172.17.0.1", {{"X-Forwarded-Proto", "https"}}}, false, true},
        {{"auto", "172.17.0.1", {{"Via", "1.1 a"}}}, true, true},
        /* a phone of this network */
        {{"auto", "192.168.1.7", {{0}}}, true, false},
        /* named, be it wrongly */
        {{"auto", "127.0.0.1", {{"X-Forwarded-For", "198.51.100.1"}}}, false, false},
        {{"auto", "127.0.0.1", {{"X-Forwarded-For", "10.0.0.1"}}}, false, false},
        {{"auto", "127.0.0.1", {{"X-Forwarded-For", "x"}}}, false, false},
        {{"auto", "127.0.0.1", {{"Forwarded", "for=10.0.0.1"}}}, false, false},
        /* not trusted */
        {{"auto", "203.0.113.9", {{0}}}, false, false},
        {{"none", "127.0.0.1", {{"Via", "1.1 a"}}}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxies proxies;
        struct request request;
        parse_trusted(&proxies, cases[i].given.trusted);
        make_request(&request, &cases[i].given, "/");
        request.is_tls = cases[i].is_tls;
        ck_assert_msg(proxies_hide_client(&proxies, &request) == cases[i].hides, "case %zu", i);
        request_fini(&request);
    }
}
END_TEST

START_TEST(wrong_trusted_proxies_are_told)
{
    char *not_a_network[] = {"auto", "example.org"}, *none_and_more[] = {"none", "10.0.0.0/8"};
    struct strings settings[] = {{not_a_network, 2}, {none_and_more, 2}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct proxies proxies;
        struct err err = {0};
        ck_assert_int_lt(proxies_parse(&proxies, &settings[i], &err), 0);
        ck_assert_ptr_nonnull(strstr(err.text, "web.trusted_proxies"));
    }
}
END_TEST

START_TEST(a_target_is_split_into_path_and_query)
{
    static const struct {
        const char *target, *path, *query;
    } targets[] = {
        {"/", "/", NULL},
        {"/?airgapped", "/", "airgapped"},
        {"/discover?", "/discover", ""},
        {"http://m.example.org/discover?x=1", "/discover", "x=1"},
        {"http://m.example.org", "/", NULL},
        {"http://m.example.org?x", "/", "x"},
        {"/a://b/c", "/a://b/c", NULL},
        {"*", "*", NULL},
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct request request = {0};
        request_set_target(&request, targets[i].target);
        ck_assert_str_eq(request.path, targets[i].path);
        if (targets[i].query)
            ck_assert_str_eq(request.query, targets[i].query);
        else
            ck_assert_ptr_null(request.query);
        request_fini(&request);
    }
}
END_TEST

START_TEST(a_parameter_is_found_by_its_whole_name)
{
    static const struct {
        const char *target;
        bool has;
    } targets[] = {
        {"/?airgapped", true},
        {"/?airgapped=", true},
        {"/?a=b&airgapped", true},
        {"/?airgapped=1&b", true},
        {"/", false},
        {"/?", false},
        {"/?airgappedx", false},
        {"/?a=airgapped", false},
        {"/?air", false},
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct request request = {0};
        request_set_target(&request, targets[i].target);
        ck_assert_int_eq(request_has_parameter(&request, "airgapped"), targets[i].has);
        request_fini(&request);
    }
}
END_TEST

UNIT_MAIN("proxy_headers", the_client_is_the_rightmost_hop_that_is_not_a_trusted_proxy,
          only_the_nearest_hops_are_looked_at,
          only_a_trusted_proxy_that_names_nobody_hides_its_clients, wrong_trusted_proxies_are_told,
          a_target_is_split_into_path_and_query, a_parameter_is_found_by_its_whole_name)
