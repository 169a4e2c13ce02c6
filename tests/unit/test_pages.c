#include "web/pages.h"

#include <stdio.h>
#include <string.h>

#include "base/b64.h"
#include "base/mem.h"
#include "unit.h"
#include "web/about.h"

static const char vapid[] =
    "BOniQ9xHBPNY9gnQW4o-16vHqOb40pEIMifyUdFsxAgyzVkFMguxw0QrdbZcq8hRjN2zpeInRvKVPlkzABvuTnI";

/* Renders the linking page for an address that has this fault. */
static void render(struct response *response, enum url_fault fault, const char *url,
                   const char *host)
{
    struct public_url address = {
        .url = mem_text(url), .fault = fault, .guessed = true, .is_local = fault == URL_LOCAL_NAME};
    struct page page = {.vapid = vapid, .upstream = "127.0.0.1:8099", .address = &address};
    snprintf(address.host, sizeof address.host, "%s", host);
    snprintf(address.peer, sizeof address.peer, "203.0.113.7");
    *response = (struct response){0};
    page_link(response, &page);
    ck_assert_int_eq(response->status, 200);
    ck_assert_str_eq(response->type, "text/html; charset=utf-8");
    public_url_fini(&address);
}

static void assert_has(const struct response *response, const char *text)
{
    ck_assert_msg(strstr(response->body, text) != NULL, "missing: %s", text);
}

static void assert_lacks(const struct response *response, const char *text)
{
    ck_assert_msg(strstr(response->body, text) == NULL, "there is: %s", text);
}

START_TEST(a_good_address_gives_code_link_and_steps_and_no_warning)
{
    struct response response;
    render(&response, URL_GOOD, "https://m.example.org/molly/", "m.example.org");
    assert_has(&response, "<svg class=\"qr\"");
    assert_has(&response,
               "mollysocket://link?vapid=BOniQ9xHBPNY9gnQW4o-16vHqOb40pEIMifyUdFsxAgyzVkFM"
               "guxw0QrdbZcq8hRjN2zpeInRvKVPlkzABvuTnI&amp;url=https%3A%2F%2Fm.example.org"
               "%2Fmolly%2F&amp;type=webserver</textarea>");
    assert_has(&response, "Delivery service");
    assert_has(&response, "Linked devices");
    assert_has(&response, "Push server");
    assert_has(&response, "href=\"?airgapped\"");
    assert_lacks(&response, "Not ready yet");
    assert_lacks(&response, "<details");
    response_fini(&response);
}
END_TEST

START_TEST(the_airgapped_page_gives_its_link_and_its_command)
{
    struct public_url address = {.fault = URL_WITHOUT_HTTPS};
    struct page page = {.vapid = vapid, .upstream = "127.0.0.1:8020", .address = &address};
    struct response response = {0};
    page_airgapped(&response, &page);
    assert_has(&response, "TnI&amp;type=airgapped</textarea>");
    assert_has(&response, "<code>doorbell connection add -</code>");
    assert_has(&response, "<code>docker compose exec SERVICE doorbell connection add -</code>");
    assert_has(&response, "href=\"?\"");
    assert_lacks(&response, "Not ready yet");
    response_fini(&response);
}
END_TEST

START_TEST(each_broken_set_up_is_named_with_the_lines_that_mend_it)
{
    static const struct {
        enum url_fault fault;
        const char *url, *host;
        const char *texts[7];
    } faults[] = {
        {URL_WITHOUT_HTTPS,
         "https://m.example.org/",
         "m.example.org",
         {"came without https", "m.example.org {\n    reverse_proxy 127.0.0.1:8099\n}",
          "proxy_set_header Host $http_host;", "ProxyPreserveHost On", "a2enmod proxy_http headers",
          "public_url: https://m.example.org/",
          "DOORBELL_WEB_PUBLIC_URL: \"https://m.example.org/\""}},
        {URL_PROXY_NOT_TRUSTED,
         "https://m.example.org/",
         "m.example.org",
         {"<code>web.trusted_proxies</code>", "<b>203.0.113.7</b>",
          "trusted_proxies: [auto, \"203.0.113.7\"]",
          "public_url:", "DOORBELL_WEB_TRUSTED_PROXIES: \"auto,203.0.113.7\"",
          "- DOORBELL_WEB_TRUSTED_PROXIES=auto,203.0.113.7",
          "- DOORBELL_WEB_PUBLIC_URL=https://m.example.org/"}},
        {URL_WITHOUT_NAME,
         NULL,
         "",
         {"names no host", "proxy_set_header Host $http_host;", "public_url:"}},
        {URL_PROXY_WITHOUT_HTTPS,
         "https://m.example.org/",
         "m.example.org",
         {"came to it by http", "X-Forwarded-Proto",
          "public_url:", "reverse_proxy 127.0.0.1:8099 {\n    trusted_proxies private_ranges\n}",
          "proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;"}},
        {URL_LOCAL_NAME,
         "https://doorbell:8020/",
         "doorbell:8020",
         {"<b>doorbell:8020</b>", "proxy_set_header Host $http_host;", "ProxyPreserveHost On",
          "public_url: https://molly.example.org/"}},
        {URL_SETTING,
         "http://m.example.org/",
         "",
         {"<code>web.public_url</code> is <b>http://m.example.org/</b>", "public_url: https://"}},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct response response;
        render(&response, faults[i].fault, faults[i].url, faults[i].host);
        assert_has(&response, "Not ready yet: Molly could not use this address");
        for (size_t j = 0; j < 7 && faults[i].texts[j]; j++)
            assert_has(&response, faults[i].texts[j]);
        if (faults[i].url)
            assert_has(&response, "<summary>Show the code all the same</summary>");
        else
            assert_lacks(&response, "<svg class=\"qr\"");
        assert_has(&response, "href=\"?airgapped\"");
        response_fini(&response);
    }
}
END_TEST

START_TEST(examples_name_a_host_that_may_have_a_certificate)
{
    static const struct {
        const char *host, *named;
    } hosts[] = {{"m.example.org", "https://m.example.org/"},
                 {"m.example.org:8020", "https://molly.example.org/"},
                 {"9.9.9.9", "https://molly.example.org/"}};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct response response;
        render(&response, URL_WITHOUT_HTTPS, "https://m.example.org/", hosts[i].host);
        char *line = mem_format("public_url: %s<", hosts[i].named);
        assert_has(&response, line);
        free(line);
        response_fini(&response);
    }
}
END_TEST

START_TEST(below_the_code_stands_where_it_leads_and_what_to_do_if_not_there)
{
    struct public_url address = {.url = mem_text("https://m.example.org/"), .guessed = true};
    struct page page = {.vapid = vapid, .upstream = "127.0.0.1:8020", .address = &address};
    struct response response = {0};
    page_link(&response, &page);
    assert_has(&response, "This code leads to <b>https://m.example.org/</b>. If your browser");
    assert_has(&response, "<code>DOORBELL_WEB_PUBLIC_URL</code>");
    address.guessed = false;
    page_link(&response, &page);
    assert_has(&response, "This code leads to <b>https://m.example.org/</b>, as");
    assert_lacks(&response, "If your browser");
    response_fini(&response);
    public_url_fini(&address);
}
END_TEST

START_TEST(a_proxy_that_does_not_say_who_asks_is_told_of)
{
    struct public_url address = {.url = mem_text("https://m.example.org/"), .lacks_client = true};
    struct page page = {.vapid = vapid, .upstream = "127.0.0.1:8020", .address = &address};
    struct response response = {0};
    page_link(&response, &page);
    assert_has(&response, "the proxy does not say who asks");
    assert_has(&response, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;");
    assert_lacks(&response, "limits");
    address.lacks_client = false;
    page_link(&response, &page);
    assert_lacks(&response, "who asks");
    response_fini(&response);
    public_url_fini(&address);
}
END_TEST

START_TEST(what_came_from_outside_is_escaped)
{
    static const enum url_fault all[] = {
        URL_GOOD,       URL_WITHOUT_HTTPS, URL_PROXY_NOT_TRUSTED, URL_PROXY_WITHOUT_HTTPS,
        URL_LOCAL_NAME, URL_SETTING};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct response response;
        render(&response, all[i], "https://a.b\"'><img src=x>&/", "a.b\"'><img src=x>&");
        assert_lacks(&response, "<img");
        assert_lacks(&response, "\"'>");
        response_fini(&response);
    }
}
END_TEST

/* What stands between the first `open` and the `close` after it must be what `directive` allows. */
static void assert_hash_allows(const struct response *response, const char *directive,
                               const char *open, const char *close)
{
    const char *start = strstr(response->body, open) + strlen(open);
    const char *end = strstr(start, close);
    unsigned char hash[crypto_hash_sha256_BYTES];
    char encoded[B64_TEXT_SIZE(sizeof hash)], source[256];
    crypto_hash_sha256(hash, (const unsigned char *)start, (unsigned long long)(end - start));
    b64_encode(encoded, hash, sizeof hash);
    snprintf(source, sizeof source, "%s 'sha256-%s'", directive, encoded);
    ck_assert_msg(strstr(response->policy, source) != NULL, "%s not in %s", source,
                  response->policy);
}

START_TEST(the_policy_allows_exactly_this_style_and_this_script)
{
    struct response response;
    struct header headers[RESPONSE_HEADERS_MAX];
    char policy[RESPONSE_POLICY_SIZE];
    render(&response, URL_GOOD, "https://m.example.org/", "m.example.org");
    assert_hash_allows(&response, "style-src", "<style>", "</style>");
    assert_hash_allows(&response, "script-src", "<script>", "</script>");
    size_t count = response_headers(&response, headers, policy);
    ck_assert_uint_ge(count, 7);
    ck_assert_ptr_nonnull(strstr(policy, "default-src 'none';"));
    ck_assert_ptr_nonnull(strstr(policy, "frame-ancestors 'none'"));
    ck_assert_ptr_nonnull(strstr(policy, response.policy));
    response_fini(&response);
}
END_TEST

START_TEST(nothing_on_a_page_needs_what_the_policy_forbids)
{
    struct response response;
    render(&response, URL_LOCAL_NAME, "https://localhost/", "localhost");
    assert_lacks(&response, " style=");
    assert_lacks(&response, " src=");
    assert_lacks(&response, " onclick=");
    assert_lacks(&response, "<link");
    assert_lacks(&response, "@import");
    assert_lacks(&response, "<form");
    response_fini(&response);
}
END_TEST

START_TEST(the_script_compares_only_an_address_that_was_guessed)
{
    struct public_url address = {.url = mem_text("https://m.example.org/"), .guessed = false};
    struct page page = {.vapid = vapid, .upstream = "127.0.0.1:8020", .address = &address};
    struct response response = {0};
    page_link(&response, &page);
    assert_lacks(&response, "id=\"mismatch\"");
    address.guessed = true;
    page_link(&response, &page);
    assert_has(&response, "id=\"mismatch\" data-url=\"https://m.example.org/\"");
    response_fini(&response);
    public_url_fini(&address);
}
END_TEST

START_TEST(pages_say_their_language_and_title_and_fit_a_phone)
{
    struct response response;
    render(&response, URL_GOOD, "https://m.example.org/", "m.example.org");
    assert_has(&response, "<html lang=\"en\">");
    assert_has(&response, "<title>Doorbell");
    assert_has(&response, "name=\"viewport\"");
    assert_has(&response, "<h1>");
    assert_has(&response, "<label for=\"link\">");
    response_fini(&response);
}
END_TEST

START_TEST(the_picture_of_who_does_what_has_words_for_those_who_do_not_see_it)
{
    struct response response;
    render(&response, URL_GOOD, "https://m.example.org/", "m.example.org");
    assert_has(&response, "role=\"img\" aria-labelledby=\"picture-title\" "
                          "aria-describedby=\"picture-what\"");
    assert_has(&response, "<title id=\"picture-title\">");
    assert_has(&response, "<desc id=\"picture-what\">");
    static const char *const names[] = {"Signal", "Doorbell", "Push server", "Your phone"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *text = mem_format(">%s</text>", names[i]);
        assert_has(&response, text);
        free(text);
    }
    response_fini(&response);
}
END_TEST

START_TEST(the_public_page_says_whether_all_is_well_and_who_runs_it)
{
    struct response response = {0};
    page_about(&response, &(struct about){0});
    assert_has(&response, "It is well");
    assert_has(&response, "Doorbell " DOORBELL_VERSION);
    assert_has(&response, "What it stores");
    assert_lacks(&response, "Trouble");
    assert_lacks(&response, "is run by");
    page_about(&response, &(struct about){1795903500, "J. <b>Doe</b> & \"co\""});
    assert_has(&response, "Trouble since 2026-11-28 22:05 UTC");
    assert_has(&response, "J. &lt;b&gt;Doe&lt;/b&gt; &amp; ");
    assert_lacks(&response, "It is well");
    assert_lacks(&response, "<b>Doe");
    assert_lacks(&response, "<script");
    ck_assert_ptr_null(strstr(response.policy, "script-src"));
    response_fini(&response);
}
END_TEST

START_TEST(what_is_not_there_is_a_page_with_a_way_back_for_people_and_short_for_programs)
{
    static const char *const ways[][2] = {
        {"/x", "\"./\""}, {"/x/", "\"./../\""}, {"//x/y.z", "\"./../../\""}};
    struct response response = {0};
    page_not_found(&response, "/x", false);
    ck_assert_int_eq(response.status, 404);
    ck_assert_uint_lt(response.length, 600);
    assert_has(&response, "<html lang=\"en\">");
    assert_has(&response, "<main>");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        page_not_found(&response, ways[i][0], true);
        ck_assert_int_eq(response.status, 404);
        assert_has(&response, "<footer");
        assert_has(&response, ways[i][1]);
    }
    response_fini(&response);
}
END_TEST

static void render_wrong_path(struct response *response, enum url_fault fault, const char *path)
{
    struct public_url address = {.host = "m.example.org", .fault = fault};
    struct page page = {.vapid = vapid, .upstream = "10.1.2.3:8021", .address = &address};
    *response = (struct response){0};
    page_wrong_path(response, &page, path);
    ck_assert_int_eq(response->status, 404);
    ck_assert_uint_lt(response->length, 16 * 1024);
    assert_has(response, "X-Original-URL");
}

START_TEST(a_path_that_was_not_taken_away_gets_the_lines_that_do_so)
{
    static const char *const paths[] = {"/molly/", "/molly", "/molly/discover", "/molly/discover/",
                                        "/molly/status"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct response response;
        render_wrong_path(&response, URL_GOOD, paths[i]);
        assert_has(&response, "below /molly/?");
        assert_has(&response, "handle_path /molly/* {");
        assert_has(&response, "location /molly/ {\n    proxy_pass http://127.0.0.1:8020/;");
        assert_has(&response, "proxy_set_header X-Original-URL /molly/;");
        assert_has(&response, "&lt;Location /molly/&gt;");
        assert_has(&response, "http-request replace-path /molly/(.*) /\\1");
        assert_has(&response, "prefixes: [&quot;/molly&quot;]");
        assert_has(&response, "Forward Hostname / IP");
        response_fini(&response);
    }
    struct response response;
    render_wrong_path(&response, URL_GOOD, "/a/b/");
    assert_has(&response, "below /a/b/?");
    response_fini(&response);
}
END_TEST

START_TEST(where_only_the_path_is_wrong_strangers_do_not_learn_our_own_address)
{
    struct response response;
    render_wrong_path(&response, URL_GOOD, "/molly/");
    assert_lacks(&response, "10.1.2.3");
    assert_has(&response, "<code>127.0.0.1:8020</code>, leave that as it is");
    response_fini(&response);
    render_wrong_path(&response, URL_LOCAL_NAME, "/molly/");
    assert_has(&response, "10.1.2.3:8021");
    assert_lacks(&response, "127.0.0.1:8020");
    response_fini(&response);
}
END_TEST

START_TEST(nothing_is_guessed_from_a_path_that_is_no_plain_prefix)
{
    static const char *const paths[] = {
        "/",        "/favicon.ico", "/metrics",       "/status/",    "/.env",
        "/a/../b/", "/a//b/",       "/a%20b/",        "/a\"><img>/", "/wp/login.php",
        "*",        "molly/",       "/mo{upstream}/", "/a;b/",       "/.well-known/x/",
        "//a/",
    };
    struct response response;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        render_wrong_path(&response, URL_GOOD, paths[i]);
        assert_lacks(&response, "id=\"strip\"");
        assert_lacks(&response, "<img");
        response_fini(&response);
    }
    char *deep = mem_format("/%0*d/", 200, 1);
    render_wrong_path(&response, URL_GOOD, deep);
    assert_lacks(&response, "id=\"strip\"");
    free(deep);
    response_fini(&response);
}
END_TEST

UNIT_MAIN("pages", a_good_address_gives_code_link_and_steps_and_no_warning,
          the_airgapped_page_gives_its_link_and_its_command,
          each_broken_set_up_is_named_with_the_lines_that_mend_it,
          examples_name_a_host_that_may_have_a_certificate,
          below_the_code_stands_where_it_leads_and_what_to_do_if_not_there,
          a_proxy_that_does_not_say_who_asks_is_told_of, what_came_from_outside_is_escaped,
          the_policy_allows_exactly_this_style_and_this_script,
          nothing_on_a_page_needs_what_the_policy_forbids,
          the_script_compares_only_an_address_that_was_guessed,
          pages_say_their_language_and_title_and_fit_a_phone,
          the_picture_of_who_does_what_has_words_for_those_who_do_not_see_it,
          what_is_not_there_is_a_page_with_a_way_back_for_people_and_short_for_programs,
          the_public_page_says_whether_all_is_well_and_who_runs_it,
          a_path_that_was_not_taken_away_gets_the_lines_that_do_so,
          where_only_the_path_is_wrong_strangers_do_not_learn_our_own_address,
          nothing_is_guessed_from_a_path_that_is_no_plain_prefix)
