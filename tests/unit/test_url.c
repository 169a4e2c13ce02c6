#include "base/url.h"

#include <string.h>

#include "unit.h"

START_TEST(origins_are_canonical)
{
    static const struct {
        const char *text, *origin, *target;
    } rows[] = {
        {"https://Push.Example.ORG/a/B?c=D", "https://push.example.org", "/a/B?c=D"},
        {"https://push.example.org:443/x", "https://push.example.org", "/x"},
        {"https://push.example.org:0443/x", "https://push.example.org", "/x"},
        {"https://push.example.org:8443", "https://push.example.org:8443", "/"},
        {"http://192.0.2.1:80/x", "http://192.0.2.1", "/x"},
        {"https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443", "/x"},
        {"wss://chat.signal.org/v1/websocket/", "wss://chat.signal.org", "/v1/websocket/"},
        {"ws://localhost:8080/v1/websocket/", "ws://localhost:8080", "/v1/websocket/"},
        {"https://e.org/a/../b/./c%2e%2e/", "https://e.org", "/a/../b/./c%2e%2e/"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct url url;
        struct err err;
        char origin[URL_ORIGIN_SIZE];
        ck_assert_msg(url_parse(&url, rows[i].text, &err) == 0, "%s: %s", rows[i].text, err.text);
        url_origin(&url, origin);
        ck_assert_str_eq(origin, rows[i].origin);
        ck_assert_str_eq(url.target, rows[i].target);
        url_fini(&url);
    }
}
END_TEST

static void assert_same(const char *text, const struct url *a, const struct url *b)
{
    ck_assert_msg(strcmp(a->host, b->host) == 0 && strcmp(a->target, b->target) == 0,
                  "%s: \"%s\" with \"%s\" and \"%s\" with \"%s\"", text, a->host, a->target,
                  b->host, b->target);
    ck_assert_msg(strcmp(a->scheme, b->scheme) == 0 && a->port == b->port, "%s", text);
    ck_assert_msg(a->is_address == b->is_address && a->is_ipv6 == b->is_ipv6, "%s", text);
    ck_assert_msg(!a->has_userinfo == !b->has_userinfo && a->has_fragment == b->has_fragment, "%s",
                  text);
}

/* In capitals the scheme says nothing else, and curl's parser is asked. */
START_TEST(what_is_plain_is_read_as_curl_reads_it)
{
    static const char *const rests[] = {"e.org/up?up=1",
                                        "e.org",
                                        "e.org?a",
                                        "e.org/?",
                                        "e.org/a?b?c",
                                        "e.org/a?b?",
                                        "e.org/a??",
                                        "e.org/a?b#c",
                                        "e.org/a b",
                                        "e.org/a\x7f",
                                        "e.org/a@b:c//d\\e",
                                        "e.org/%2e%2E/%00/+",
                                        "e.org/a/../b/./c",
                                        "e.org.:8443/",
                                        "e.org:/",
                                        "e.org:0/",
                                        "e.org:08443/",
                                        "e.org:443/",
                                        "e.org:80/",
                                        "e.org:65535/",
                                        "e.org:65536/",
                                        "e.org:4294967376/",
                                        "e.org:80a/",
                                        "e.org:80:80/",
                                        "e.org:80@a/",
                                        "a:80@e.org/",
                                        "me@e.org/",
                                        "E.org/",
                                        "e_x-1.org/",
                                        "-.org/",
                                        ".org/",
                                        "./",
                                        ".../",
                                        "e..org/",
                                        "/",
                                        ":80/",
                                        "192.0.2.1/",
                                        "192.0.2.1:8080/x",
                                        "192.0.2.1./",
                                        "192.0.2.256/",
                                        "192.0.2.01/",
                                        "192.0.2/",
                                        "127.1/",
                                        "0x7f.1/",
                                        "1.0x7f/",
                                        "0x7f000001/",
                                        "2130706433/",
                                        "0/",
                                        "1a/",
                                        "1.1a/",
                                        "a.1/",
                                        "1.2.3.4.5/",
                                        "localhost/",
                                        "[::1]/",
                                        "e.org%2fa/",
                                        "e.org\\a/"};
    static const char *const schemes[][2] = {
        {"https", "HTTPS"}, {"http", "HTTP"}, {"wss", "WSS"}, {"ws", "WS"}};
    size_t read = 0;
    for (size_t i = 0; i < sizeof rests / sizeof *rests * 4; i++) {
        char plain[64], capital[64];
        struct url a, b;
        snprintf(plain, sizeof plain, "%s://%s", schemes[i % 4][0], rests[i / 4]);
        snprintf(capital, sizeof capital, "%s://%s", schemes[i % 4][1], rests[i / 4]);
        int result = url_parse(&a, plain, NULL);
        ck_assert_msg(result == url_parse(&b, capital, NULL), "%s", plain);
        if (result != 0)
            continue;
        assert_same(plain, &a, &b);
        url_fini(&a);
        url_fini(&b);
        read++;
    }
    ck_assert_uint_gt(read, sizeof rests / sizeof *rests * 2);
}
END_TEST

START_TEST(what_is_unusual_is_told)
{
    struct url url;
    ck_assert_int_eq(url_parse(&url, "https://me:secret@e.org/#part", NULL), 0);
    ck_assert(url.has_userinfo && url.has_fragment);
    url_fini(&url);
    ck_assert_int_eq(url_parse(&url, "https://[::1]/", NULL), 0);
    ck_assert(url.is_address && url.is_ipv6);
    url_fini(&url);
    ck_assert_int_eq(url_parse(&url, "https://10.0.0.1/", NULL), 0);
    ck_assert(url.is_address && !url.is_ipv6);
    url_fini(&url);
}
END_TEST

START_TEST(what_is_not_a_url_is_refused_without_repeating_it)
{
    static const char *const wrong[] = {"",
                                        "secret",
                                        "ftp://e.org/secret",
                                        "https://",
                                        "https:///secret",
                                        "https://e.org:0/secret",
                                        "https://e.org:65536/secret",
                                        "https://e.org/sec ret",
                                        "https://e.org/secret\n",
                                        "https://[::1%25lo]/secret",
                                        "https://[::g]/secret",
                                        "https://\xc3\xa4.org/secret",
                                        "file:///secret",
                                        "https://e.org:x/secret"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct url url;
        struct err err = {0};
        ck_assert_msg(url_parse(&url, wrong[i], &err) == ERR_INVALID, "%s", wrong[i]);
        ck_assert_ptr_null(strstr(err.text, "secret"));
        ck_assert_uint_gt(strlen(err.text), 5);
    }
    char longest[URL_MAX + 2];
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "https://e.org/", 14);
    longest[URL_MAX + 1] = '\0';
    struct url url;
    ck_assert_int_eq(url_parse(&url, longest, NULL), ERR_INVALID);
    longest[URL_MAX] = '\0';
    ck_assert_int_eq(url_parse(&url, longest, NULL), 0);
    url_fini(&url);
}
END_TEST

UNIT_MAIN("url", origins_are_canonical, what_is_plain_is_read_as_curl_reads_it,
          what_is_unusual_is_told, what_is_not_a_url_is_refused_without_repeating_it)
