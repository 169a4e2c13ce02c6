#include "push/readings.h"

#include <stdio.h>
#include <string.h>

#include "push/strict_url.h"
#include "unit.h"

/* As push.c does; whether it was found. */
static bool read_one(struct readings *readings, const char *endpoint, struct url *url,
                     char origin[URL_ORIGIN_SIZE])
{
    if (readings_find(readings, endpoint, url, origin))
        return true;
    ck_assert_int_eq(strict_url_parse_login(url, endpoint, NULL), 0);
    url_origin(url, origin);
    readings_keep(readings, url, origin);
    return false;
}

static bool is_found(struct readings *readings, const char *endpoint)
{
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    bool found = read_one(readings, endpoint, &url, origin);
    url_fini(&url);
    return found;
}

static void expect_like_parser(struct readings *readings, const char *endpoint)
{
    struct url found, parsed;
    char origin[URL_ORIGIN_SIZE], parsed_origin[URL_ORIGIN_SIZE];
    ck_assert(read_one(readings, endpoint, &found, origin));
    ck_assert_int_eq(strict_url_parse_login(&parsed, endpoint, NULL), 0);
    url_origin(&parsed, parsed_origin);
    ck_assert_str_eq(origin, parsed_origin);
    ck_assert_str_eq(found.scheme, parsed.scheme);
    ck_assert_str_eq(found.host, parsed.host);
    ck_assert_str_eq(found.target, parsed.target);
    ck_assert_ptr_null(found.userinfo);
    ck_assert_uint_eq(found.port, parsed.port);
    ck_assert_int_eq(found.is_address, parsed.is_address);
    ck_assert(found.is_plain && !found.is_ipv6 && !found.has_userinfo && !found.has_fragment);
    url_fini(&found);
    url_fini(&parsed);
}

START_TEST(of_a_known_origin_each_target_is_read_as_the_parser_reads_it)
{
    static const char *const endpoints[] = {
        "https://ntfy.example.org/upAbC?up=1",  "https://ntfy.example.org/",
        "https://ntfy.example.org/a:b://c/d@e", "http://192.168.1.7:8080/up",
        "https://ntfy.example.org:8443/x?y=/z",
    };
    struct readings readings;
    readings_init(&readings);
    ck_assert(!is_found(&readings, "https://ntfy.example.org:443/first"));
    ck_assert(!is_found(&readings, "http://192.168.1.7:8080/first"));
    ck_assert(!is_found(&readings, "https://ntfy.example.org:8443/first"));
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        expect_like_parser(&readings, endpoints[i]);
    readings_fini(&readings);
}
END_TEST

/* Else what the parser refuses, or reads in a way of its own, would be taken as it stands. */
START_TEST(what_is_not_plain_is_left_to_the_parser)
{
    static const char *const endpoints[] = {
        "https://ntfy.example.org",
        "https://ntfy.example.org?x",
        "https://ntfy.example.org/a b",
        "https://ntfy.example.org/a#b",
        "https://ntfy.example.org/a?",
        "https://ntfy.example.org/\xc3\xa4",
        "https://ntfy.example.org:8443/a",
        "https://user:word@ntfy.example.org/a",
        "https://NTFY.example.org/a",
        "HTTPS://ntfy.example.org/a",
        "http://ntfy.example.org/a",
        "https://ntfy.example.org.evil.example/a",
        "https://ntfy.example.or/a",
        "https:///a",
        "https:/ntfy.example.org/a",
        "ntfy.example.org/a",
        "",
    };
    struct readings readings;
    struct url url;
    char origin[URL_ORIGIN_SIZE], longest[URL_MAX + 2] = "https://ntfy.example.org/";
    readings_init(&readings);
    ck_assert(!is_found(&readings, "https://ntfy.example.org/first"));
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        ck_assert_msg(!readings_find(&readings, endpoints[i], &url, origin), "%s", endpoints[i]);
    memset(longest + strlen(longest), 'a', URL_MAX + 1 - strlen(longest));
    ck_assert(!readings_find(&readings, longest, &url, origin));
    longest[URL_MAX] = '\0';
    ck_assert(readings_find(&readings, longest, &url, origin));
    url_fini(&url);
    readings_fini(&readings);
}
END_TEST

START_TEST(what_is_not_plain_is_not_kept)
{
    static const char *const endpoints[] = {"https://user:word@ntfy.example.org/a",
                                            "https://NTFY.example.org/a", "https://[2001:db8::1]/a",
                                            "https://ntfy.example.org"};
    struct readings readings;
    readings_init(&readings);
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        ck_assert(!is_found(&readings, endpoints[i]));
        ck_assert(!is_found(&readings, endpoints[i]));
    }
    ck_assert_uint_eq(readings.by_origin.count, 0);
    readings_fini(&readings);
}
END_TEST

START_TEST(of_many_origins_the_one_used_longest_ago_gives_way)
{
    char endpoint[64];
    struct readings readings;
    readings_init(&readings);
    ck_assert(!is_found(&readings, "https://unused.example/a"));
    ck_assert(!is_found(&readings, "https://used.example/a"));
    for (int i = 0; i < READINGS_MOST - 1; i++) {
        snprintf(endpoint, sizeof endpoint, "https://n%d.example/a", i);
        ck_assert(!is_found(&readings, endpoint));
        ck_assert(is_found(&readings, "https://used.example/b"));
    }
    ck_assert_uint_eq(readings.by_origin.count, READINGS_MOST);
    ck_assert(!is_found(&readings, "https://unused.example/a"));
    ck_assert(is_found(&readings, "https://used.example/a"));
    readings_fini(&readings);
}
END_TEST

UNIT_MAIN("readings", of_a_known_origin_each_target_is_read_as_the_parser_reads_it,
          what_is_not_plain_is_left_to_the_parser, what_is_not_plain_is_not_kept,
          of_many_origins_the_one_used_longest_ago_gives_way)
