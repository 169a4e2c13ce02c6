#include "web/public_url.h"

#include <string.h>

#include "given.h"

#define HTTPS                                                                                      \
    {                                                                                              \
        "X-Forwarded-Proto", "https"                                                               \
    }

static const struct url_case {
    struct given given;
    const char *setting, *target;
    const char *url; /* NULL: none */
    enum url_fault fault;
} urls[] = {
    /* the setting ends guessing */
    {{"auto", "127.0.0.1", {{"Host", "other.example"}, HTTPS}},
     "https://set.example/m/",
     "/",
     "https://set.example/m/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{0}}}, "http://set.example/", "/", "http://set.example/", URL_SETTING},
    {{"auto", "127.0.0.1", {{0}}},
     "HTTPS://set.example/",
     "/",
     "HTTPS://set.example/",
     URL_SETTING},
    /* usual proxies */
    {{"auto", "127.0.0.1", {{"Host", "M.example.org"}, HTTPS}},
     NULL,
     "/?x",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "", {{"Host", "m.example.org:8443"}, HTTPS}},
     NULL,
     "/",
     "https://m.example.org:8443/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org:443"}, HTTPS}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto",
      "127.0.0.1",
      {{"Host", "bridge:8020"}, HTTPS, {"X-Forwarded-Host", "m.example.org, inner.example"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto",
      "127.0.0.1",
      {{"Host", "bridge:8020"}, {"Forwarded", "for=1.2.3.4;host=\"m.example.org\";proto=https"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Forwarded-For", "1.2.3.4"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    /* paths */
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "/molly/"}}},
     NULL,
     "/",
     "https://m.example.org/molly/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "/molly/?airgapped#x"}}},
     NULL,
     "/",
     "https://m.example.org/molly/",
     URL_GOOD},
    {{"auto",
      "127.0.0.1",
      {{"Host", "inner"}, {"X-Original-URL", "https://m.example.org:8443/molly/?a"}}},
     NULL,
     "/",
     "https://m.example.org:8443/molly/",
     URL_GOOD},
    {{"auto",
      "127.0.0.1",
      {{"Host", "m.example.org"}, HTTPS, {"X-Original-URL", "http://m.example.org/molly/"}}},
     NULL,
     "/",
     "https://m.example.org/molly/",
     URL_GOOD},
    {{"auto",
      "127.0.0.1",
      {{"Host", "m.example.org"}, {"X-Original-URL", "http://m.example.org/"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_PROXY_WITHOUT_HTTPS},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "/a\"><script>"}}},
     NULL,
     "/",
     "https://m.example.org/a%22%3E%3Cscript%3E",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "/my bell/gl\xc3\xb6/"}}},
     NULL,
     "/",
     "https://m.example.org/my%20bell/gl%C3%B6/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "/100%/a%20b%2/"}}},
     NULL,
     "/",
     "https://m.example.org/100%25/a%20b%252/",
     URL_GOOD},
    {{"auto",
      "127.0.0.1",
      {{"Host", "inner"}, {"X-Original-URL", "https://m.example.org/my bell/"}}},
     NULL,
     "/",
     "https://m.example.org/my%20bell/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "inner"}, {"X-Original-URL", "https://m.example.org"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "https:///molly/"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "/a\tb"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto",
      "127.0.0.1",
      {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Prefix", "/a b/\xc3\xb6"}}},
     NULL,
     "/",
     "https://m.example.org/a%20b/%C3%B6/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "not a url"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Prefix", "/molly"}}},
     NULL,
     "/",
     "https://m.example.org/molly/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Prefix", "/molly"}}},
     NULL,
     "//",
     "https://m.example.org/molly/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS}},
     NULL,
     "//",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Prefix", "/molly/"}}},
     NULL,
     "/",
     "https://m.example.org/molly/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Prefix", "molly"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    /* nothing in front, or nothing that says so */
    {{"auto", "192.168.1.9", {{"Host", "192.168.1.2:8020"}}},
     NULL,
     "/",
     "https://192.168.1.2:8020/",
     URL_WITHOUT_HTTPS},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_WITHOUT_HTTPS},
    /* nothing but a browser, which says this by https, and of this machine */
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"Sec-Fetch-Site", "none"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "localhost:8020"}, {"Sec-Fetch-Site", "none"}}},
     NULL,
     "/",
     "https://localhost:8020/",
     URL_WITHOUT_HTTPS},
    /* what only the browser's word mends: the inner one of two proxies speaks of itself */
    {{"auto",
      "127.0.0.1",
      {{"Host", "m.example.org"}, {"X-Forwarded-Proto", "http"}, {"Sec-Fetch-Site", "none"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"none",
      "203.0.113.9",
      {{"Host", "m.example.org"}, {"X-Forwarded-Proto", "http"}, {"Sec-Fetch-Site", "none"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_PROXY_NOT_TRUSTED},
    {{"auto",
      "127.0.0.1",
      {{"Host", "localhost:8080"}, {"X-Forwarded-Proto", "http"}, {"Sec-Fetch-Site", "none"}}},
     NULL,
     "/",
     "https://localhost:8080/",
     URL_PROXY_WITHOUT_HTTPS},
    /* which to Tor's browser are as good as https, but not to Molly */
    {{"auto", "127.0.0.1", {{"Host", "abcdefgh.onion:8080"}, {"Sec-Fetch-Site", "none"}}},
     NULL,
     "/",
     "https://abcdefgh.onion:8080/",
     URL_WITHOUT_HTTPS},
    {{"auto", "127.0.0.1", {{"Host", "abcdefgh.onion"}, HTTPS}},
     NULL,
     "/",
     "https://abcdefgh.onion/",
     URL_GOOD},
    /* ports */
    {{"auto",
      "127.0.0.1",
      {{"Host", "127.0.0.1"},
       HTTPS,
       {"X-Forwarded-Host", "m.example.org"},
       {"X-Forwarded-Port", "8443"}}},
     NULL,
     "/",
     "https://m.example.org:8443/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Port", "8443"}}},
     NULL,
     "/",
     "https://m.example.org:8443/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org:443"}, HTTPS, {"X-Forwarded-Port", "8443"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org:9443"}, HTTPS, {"X-Forwarded-Port", "8443"}}},
     NULL,
     "/",
     "https://m.example.org:9443/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Port", "80"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Port", "8443<b>"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"none", "203.0.113.9", {{"Host", "m.example.org"}, {"X-Forwarded-Port", "8443"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_PROXY_NOT_TRUSTED},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org:80"}, HTTPS}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    /* the dot that ends a name */
    {{"auto", "127.0.0.1", {{"Host", "m.example.org."}, HTTPS}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org.:8443"}, HTTPS}},
     NULL,
     "/",
     "https://m.example.org:8443/",
     URL_GOOD},
    /* http in front */
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Forwarded-Proto", "http"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_PROXY_WITHOUT_HTTPS},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Forwarded-Proto", "https, http"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"Forwarded", "proto=http"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_PROXY_WITHOUT_HTTPS},
    /* addresses: certificates are there for public ones */
    {{"auto", "127.0.0.1", {{"Host", "9.9.9.9:8443"}, HTTPS}},
     NULL,
     "/",
     "https://9.9.9.9:8443/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "[2620:fe::9]"}, HTTPS}},
     NULL,
     "/",
     "https://[2620:fe::9]/",
     URL_GOOD},
    {{"auto", "127.0.0.1", {{"Host", "192.168.1.2"}, HTTPS}},
     NULL,
     "/",
     "https://192.168.1.2/",
     URL_LOCAL_NAME},
    {{"auto", "127.0.0.1", {{"Host", "[fd00::2]:8443"}, HTTPS}},
     NULL,
     "/",
     "https://[fd00::2]:8443/",
     URL_LOCAL_NAME},
    /* a name that means nothing outside */
    {{"auto", "127.0.0.1", {{"Host", "127.0.0.1:8020"}, HTTPS}},
     NULL,
     "/",
     "https://127.0.0.1:8020/",
     URL_LOCAL_NAME},
    {{"auto", "127.0.0.1", {{"Host", "[::1]:8020"}, HTTPS}},
     NULL,
     "/",
     "https://[::1]:8020/",
     URL_LOCAL_NAME},
    {{"auto", "127.0.0.1", {{"Host", "localhost"}, HTTPS}},
     NULL,
     "/",
     "https://localhost/",
     URL_LOCAL_NAME},
    {{"auto", "127.0.0.1", {{"Host", "a.localhost"}, HTTPS}},
     NULL,
     "/",
     "https://a.localhost/",
     URL_LOCAL_NAME},
    {{"auto", "127.0.0.1", {{"Host", "doorbell:8020"}, HTTPS}},
     NULL,
     "/",
     "https://doorbell:8020/",
     URL_LOCAL_NAME},
    {{"auto", "127.0.0.1", {{"Host", "notlocalhost.example"}, HTTPS}},
     NULL,
     "/",
     "https://notlocalhost.example/",
     URL_GOOD},
    /* a proxy that is not trusted is not read */
    {{"none",
      "203.0.113.9",
      {{"Host", "m.example.org"},
       HTTPS,
       {"X-Forwarded-Host", "evil.example"},
       {"X-Original-URL", "https://evil.example/x"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_PROXY_NOT_TRUSTED},
    {{"auto", "203.0.113.9", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Prefix", "/x"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_PROXY_NOT_TRUSTED},
    /* no name, or none that may go any further */
    {{"auto", "127.0.0.1", {HTTPS}}, NULL, "/", NULL, URL_WITHOUT_NAME},
    {{"auto", "127.0.0.1", {{"Host", "a\"><script>"}, HTTPS}}, NULL, "/", NULL, URL_WITHOUT_NAME},
    {{"auto", "127.0.0.1", {{"Host", "user@m.example.org"}, HTTPS}},
     NULL,
     "/",
     NULL,
     URL_WITHOUT_NAME},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org/path"}, HTTPS}},
     NULL,
     "/",
     NULL,
     URL_WITHOUT_NAME},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org:"}, HTTPS}}, NULL, "/", NULL, URL_WITHOUT_NAME},
    {{"auto", "127.0.0.1", {{"Host", "m.example.org:70000"}, HTTPS}},
     NULL,
     "/",
     NULL,
     URL_WITHOUT_NAME},
    {{"auto", "127.0.0.1", {{"Host", "[::1"}, HTTPS}}, NULL, "/", NULL, URL_WITHOUT_NAME},
    {{"auto", "127.0.0.1", {{"Host", "[]"}, HTTPS}}, NULL, "/", NULL, URL_WITHOUT_NAME},
    /* a forwarded host that cannot be read leaves the Host header */
    {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS, {"X-Forwarded-Host", "<b>"}}},
     NULL,
     "/",
     "https://m.example.org/",
     URL_GOOD},
};

START_TEST(the_public_url_and_what_is_wrong_with_it_are_found)
{
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        const struct url_case *test = &urls[i];
        struct proxies proxies;
        struct request request;
        struct public_url found;
        parse_trusted(&proxies, test->given.trusted);
        make_request(&request, &test->given, test->target);
        public_url_find(&found, &proxies, test->setting, &request);
        const char *url = found.url ? found.url : "none", *wanted = test->url ? test->url : "none";
        ck_assert_msg(strcmp(url, wanted) == 0, "case %zu: %s", i, url);
        ck_assert_msg(found.fault == test->fault, "case %zu: fault %d", i, (int)found.fault);
        ck_assert_int_eq(found.guessed, !test->setting);
        public_url_fini(&found);
        request_fini(&request);
    }
}
END_TEST

static const struct scheme_case {
    struct header headers[HEADERS_MAX];
    const char *scheme;
    enum url_fault fault;
} schemes[] = {
    {{{"X-Forwarded-For", "1.2.3.4"}}, "", URL_GOOD},
    {{{"X-Forwarded-Proto", "https"}}, "https", URL_GOOD},
    {{{"X-Forwarded-Proto", "HTTPS"}}, "https", URL_GOOD},
    {{{"X-Forwarded-Proto", "http, https"}}, "http", URL_PROXY_WITHOUT_HTTPS},
    {{{"X-Forwarded-Scheme", "https"}}, "https", URL_GOOD},
    {{{"X-Forwarded-Scheme", "http"}}, "http", URL_PROXY_WITHOUT_HTTPS},
    {{{"X-Forwarded-Ssl", "on"}}, "https", URL_GOOD},
    {{{"X-Forwarded-Ssl", "off"}}, "http", URL_PROXY_WITHOUT_HTTPS},
    {{{"Front-End-Https", "On"}}, "https", URL_GOOD},
    {{{"Front-End-Https", "off"}}, "http", URL_PROXY_WITHOUT_HTTPS},
    {{{"CF-Visitor", "{\"scheme\":\"https\"}"}}, "https", URL_GOOD},
    {{{"CF-Visitor", "{\"scheme\":\"http\"}"}}, "http", URL_PROXY_WITHOUT_HTTPS},
    {{{"Forwarded", "for=1.2.3.4;proto=https"}}, "https", URL_GOOD},
    /* of two proxies each speaks of itself */
    {{{"X-Forwarded-Proto", "http"}, {"CF-Visitor", "{\"scheme\":\"https\"}"}}, "https", URL_GOOD},
    {{{"X-Forwarded-Proto", "http"}, {"X-Forwarded-Ssl", "on"}}, "https", URL_GOOD},
    {{{"X-Forwarded-Proto", "http"}, {"Forwarded", "proto=http"}}, "http", URL_PROXY_WITHOUT_HTTPS},
    {{{"X-Forwarded-Proto", "http"}, {"X-Original-URL", "https://m.example.org/"}},
     "http",
     URL_GOOD},
};

START_TEST(each_way_to_tell_of_https_is_read_and_outermost_where_there_are_two)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct given given = {.trusted = "auto", .peer = "127.0.0.1"};
        struct proxies proxies;
        struct request request;
        struct public_url found;
        char scheme[PROXY_SCHEME_SIZE];
        memcpy(given.headers, schemes[i].headers, sizeof given.headers);
        parse_trusted(&proxies, given.trusted);
        make_request(&request, &given, "/");
        ck_assert_msg(proxies_forwarded(&request), "case %zu: no proxy", i);
        request.headers[request.header_count++] = (struct header){"Host", "m.example.org"};
        proxies_scheme(&request, scheme);
        ck_assert_msg(strcmp(scheme, schemes[i].scheme) == 0, "case %zu: %s", i, scheme);
        public_url_find(&found, &proxies, NULL, &request);
        ck_assert_msg(found.fault == schemes[i].fault, "case %zu: fault %d", i, (int)found.fault);
        public_url_fini(&found);
        request_fini(&request);
    }
}
END_TEST

START_TEST(a_proxy_that_does_not_say_who_asks_is_noticed)
{
    static const struct {
        struct given given;
        const char *setting;
        bool lacks;
    } cases[] = {
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS}}, NULL, true},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, HTTPS}}, "https://a.example/", true},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Original-URL", "/"}}}, NULL, true},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"Sec-Fetch-Site", "none"}}},
         NULL,
         true},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Forwarded-For", "1.2.3.4"}}},
         NULL,
         false},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"Forwarded", "for=1.2.3.4"}}},
         NULL,
         false},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}}}, NULL, false},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}}}, "https://a.example/", false},
        {{"auto", "127.0.0.1", {{"Host", "localhost:8020"}, {"Sec-Fetch-Site", "none"}}},
         NULL,
         false},
        {{"none", "203.0.113.9", {{"Host", "m.example.org"}, HTTPS}}, NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxies proxies;
        struct request request;
        struct public_url found;
        parse_trusted(&proxies, cases[i].given.trusted);
        make_request(&request, &cases[i].given, "/");
        public_url_find(&found, &proxies, cases[i].setting, &request);
        ck_assert_msg(found.lacks_client == cases[i].lacks, "case %zu", i);
        public_url_fini(&found);
        request_fini(&request);
    }
}
END_TEST

START_TEST(with_tls_of_our_own_nobody_need_stand_in_front)
{
    static const struct {
        struct given given;
        enum url_fault fault;
    } cases[] = {
        {{"auto", "203.0.113.9", {{"Host", "m.example.org"}}}, URL_GOOD},
        {{"auto", "192.168.1.7", {{"Host", "nas"}}}, URL_LOCAL_NAME},
        {{"auto", "203.0.113.9", {{"Host", "m.example.org"}, {"Via", "1.1 cdn"}}},
         URL_PROXY_NOT_TRUSTED},
        {{"auto", "127.0.0.1", {{"Host", "m.example.org"}, {"X-Forwarded-Proto", "http"}}},
         URL_PROXY_WITHOUT_HTTPS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxies proxies;
        struct request request;
        struct public_url found;
        parse_trusted(&proxies, cases[i].given.trusted);
        make_request(&request, &cases[i].given, "/");
        request.is_tls = true;
        public_url_find(&found, &proxies, NULL, &request);
        ck_assert_msg(found.fault == cases[i].fault, "case %zu: %d", i, (int)found.fault);
        public_url_fini(&found);
        request_fini(&request);
    }
}
END_TEST

UNIT_MAIN("public_url", the_public_url_and_what_is_wrong_with_it_are_found,
          each_way_to_tell_of_https_is_read_and_outermost_where_there_are_two,
          a_proxy_that_does_not_say_who_asks_is_noticed,
          with_tls_of_our_own_nobody_need_stand_in_front)
