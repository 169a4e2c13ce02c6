#include "web/silent_proxies.h"

#include <stdio.h>

#include "given.h"

static const char plainly[] = "127.0.0.1:8020";

static void visit(struct silent_proxies *silent, const char *peer, const char *host,
                  const char *header, bool is_mollys)
{
    struct given given = {.peer = peer, .headers = {{"Host", host}, {header, "none"}}};
    struct request request;
    make_request(&request, &given, "/");
    silent_proxies_note(silent, &request, is_mollys);
    request_fini(&request);
}

/* Asks as a Prometheus does, and as strangers do whose proxy says nothing. */
static bool would_see(const struct silent_proxies *silent, const char *peer)
{
    struct given given = {.peer = peer, .headers = {{"Host", plainly}}};
    struct request request;
    make_request(&request, &given, "/metrics");
    bool sees = silent_proxies_came_directly(silent, &request);
    request_fini(&request);
    return sees;
}

START_TEST(who_came_directly_shows_it_by_the_name_that_was_asked_for)
{
    static const struct {
        const char *host, *mark;
        bool is_http10, direct;
    } cases[] = {
        {"127.0.0.1:8020", NULL, false, true},
        {"[::1]", NULL, false, true},
        {"mollysocket", NULL, false, true},
        {"prometheus.lan:8020", NULL, false, true},
        {"mollysocket.default.svc.cluster.local:8020", NULL, false, true},
        {"mollysocket.default.svc:8020", NULL, false, true},
        {"nas.tail1234.ts.net", NULL, false, true},
        {"lan", NULL, false, true},
        {"m.example.org:8020", NULL, false, false},
        {"notlan.example", NULL, false, false},
        {"127.0.0.1:8020", NULL, true, false},
        {"m.example.org", NULL, false, false},
        {"m.example.org:443", NULL, false, false},
        {"m.example.org:", NULL, false, false},
        {"127.0.0.1:8020", "Via", false, false},
        {NULL, NULL, false, false},
        {"m.example.org:80", NULL, false, false},
        {"127.0.0.1:8020", "CF-Visitor", false, false},
        {"127.0.0.1:8020", "Front-End-Https", false, false},
        {"9.9.9.9", NULL, false, false},
        {"9.9.9.9:8020", NULL, false, false},
    };
    const struct silent_proxies silent = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request request = {.is_http10 = cases[i].is_http10};
        ck_assert_int_eq(address_parse(&request.peer, "172.17.0.1", 4711), 0);
        if (cases[i].host)
            request.headers[request.header_count++] = (struct header){"Host", cases[i].host};
        if (cases[i].mark)
            request.headers[request.header_count++] = (struct header){cases[i].mark, "1.1 a"};
        ck_assert_msg(silent_proxies_came_directly(&silent, &request) == cases[i].direct,
                      "case %zu", i);
    }
}
END_TEST

START_TEST(a_proxy_that_says_nothing_shows_by_what_only_a_proxy_hands_on)
{
    static const struct {
        const char *host, *header;
        bool is_mollys, shows;
    } cases[] = {
        {plainly, NULL, true, true},
        {"m.example.org", NULL, false, true},
        {"9.9.9.9:8020", NULL, false, true},
        {"x.onion", NULL, false, true},
        {"a b", NULL, false, true},
        {"doorbell:8020", "Sec-Fetch-Site", false, true},
        {"192.168.1.7:8020", "sec-fetch-site", false, true},
        {"nas.lan", "Sec-Fetch-Site", false, true},
        /* whoever uses this network */
        {plainly, NULL, false, false},
        {"nas.lan:8020", NULL, false, false},
        {plainly, "Sec-Fetch-Site", false, false},
        {"127.3.2.1", "Sec-Fetch-Site", false, false},
        {"localhost:8020", "Sec-Fetch-Site", false, false},
        {"a.localhost", "Sec-Fetch-Site", false, false},
        {"[::1]:8020", "Sec-Fetch-Site", false, false},
        /* a proxy that says what it is */
        {plainly, "X-Forwarded-For", true, false},
        {"m.example.org", "X-Forwarded-Proto", false, false},
        {"m.example.org", "Via", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct silent_proxies silent = {0};
        visit(&silent, "172.17.0.1", cases[i].host, cases[i].header, cases[i].is_mollys);
        ck_assert_msg(would_see(&silent, "172.17.0.1") == !cases[i].shows, "case %zu", i);
        ck_assert(would_see(&silent, "172.17.0.2"));
    }
}
END_TEST

START_TEST(http_1_0_shows_a_proxy_and_tls_of_our_own_shows_none)
{
    struct silent_proxies silent = {0};
    struct given given = {.peer = "192.168.1.7", .headers = {{"Host", "m.example.org"}}};
    struct request request;
    make_request(&request, &given, "/");
    request.is_tls = true;
    silent_proxies_note(&silent, &request, true);
    ck_assert(would_see(&silent, "192.168.1.7"));
    request.is_tls = false;
    request.is_http10 = true;
    request.headers[0].value = plainly;
    silent_proxies_note(&silent, &request, false);
    ck_assert(!would_see(&silent, "192.168.1.7"));
    request_fini(&request);
}
END_TEST

START_TEST(strangers_and_sockets_take_no_place_and_a_full_table_trusts_nobody)
{
    struct silent_proxies silent = {0};
    char peer[16];
    visit(&silent, "203.0.113.9", "m.example.org", NULL, true);
    visit(&silent, "", "m.example.org", NULL, true);
    ck_assert_uint_eq(silent.count, 0);
    for (int i = 1; i <= SILENT_PROXIES_MOST; i++) {
        ck_assert(would_see(&silent, "127.0.0.1"));
        snprintf(peer, sizeof peer, "10.0.0.%d", i);
        visit(&silent, peer, plainly, NULL, true);
        visit(&silent, peer, plainly, NULL, true);
        ck_assert_uint_eq(silent.count, (size_t)i);
    }
    ck_assert(!would_see(&silent, "127.0.0.1"));
    visit(&silent, "10.0.0.99", plainly, NULL, true);
    ck_assert_uint_eq(silent.count, SILENT_PROXIES_MOST);
}
END_TEST

UNIT_MAIN("silent_proxies", who_came_directly_shows_it_by_the_name_that_was_asked_for,
          a_proxy_that_says_nothing_shows_by_what_only_a_proxy_hands_on,
          http_1_0_shows_a_proxy_and_tls_of_our_own_shows_none,
          strangers_and_sockets_take_no_place_and_a_full_table_trusts_nobody)
