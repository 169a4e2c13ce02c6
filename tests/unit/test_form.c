#include "web/form.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"
#include "web/same_origin.h"

static void expect_value(const char *form, const char *name, const char *expected)
{
    char *value = form_value(form, strlen(form), name);
    if (expected)
        ck_assert_msg(value && strcmp(value, expected) == 0, "%s: %s", form,
                      value ? value : "nothing");
    else
        ck_assert_msg(!value, "%s: %s", form, value);
    free(value);
}

START_TEST(a_value_is_found_by_its_whole_name_and_decoded)
{
    expect_value("token=abc", "token", "abc");
    expect_value("a=1&token=abc&token=2", "token", "abc");
    expect_value("token", "token", "");
    expect_value("token=", "token", "");
    expect_value("token=a%2Bb+c%3d%C3%a9", "token", "a+b c=\xc3\xa9");
    expect_value("tokens=1&oken=2&token=3", "token", "3");
    expect_value("a=b=c", "a", "b=c");
    expect_value("&&a=1", "a", "1");
}
END_TEST

START_TEST(what_is_not_there_or_cannot_be_decoded_is_nothing)
{
    static const char *const wrong[] = {"",         "tokens=1",  "a=token",     "token=%",
                                        "token=%4", "token=%g1", "token=a%00b", "TOKEN=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_value(wrong[i], "token", NULL);
    ck_assert_ptr_null(form_value("token=a\0b", 9, "token"));
    ck_assert_ptr_null(form_value("token=%41", 8, "token")); /* ends before its last byte */
}
END_TEST

static void expect_cookie(const struct request *request, const char *expected)
{
    char *value = form_cookie(request, "id", 0);
    if (expected)
        ck_assert_str_eq(value, expected);
    else
        ck_assert_ptr_null(value);
    free(value);
}

START_TEST(a_cookie_is_found_in_one_header_or_in_one_of_several)
{
    struct request request = {.header_count = 1, .headers = {{"Cookie", "a=1; id=x=y; b=2"}}};
    expect_cookie(&request, "x=y");
    request.headers[0].value = "xid=1; ids=2; id";
    expect_cookie(&request, NULL);
    request.headers[0].value = "id=";
    expect_cookie(&request, "");
    request = (struct request){.header_count = 3,
                               .headers = {{"cookie", "a=1"}, {"X", "id=no"}, {"COOKIE", "id=z"}}};
    expect_cookie(&request, "z");
    request.header_count = 0;
    expect_cookie(&request, NULL);
}
END_TEST

START_TEST(each_of_several_cookies_of_one_name_is_found)
{
    static const char *const expected[] = {"1", "2", "", "3"};
    struct request request = {.header_count = 2,
                              .headers = {{"Cookie", "id=1; a=b; id=2"}, {"Cookie", "id=; id=3"}}};
    for (size_t skip = 0; skip < 4; skip++) {
        char *value = form_cookie(&request, "id", skip);
        ck_assert_str_eq(value, expected[skip]);
        free(value);
    }
    ck_assert_ptr_null(form_cookie(&request, "id", 4));
}
END_TEST

START_TEST(query_and_body_are_forms)
{
    struct request request = {.body = (const unsigned char *)"q=body", .body_length = 6};
    request_set_target(&request, "/?page=2&q=query");
    char *of_query = form_of_query(&request, "q"), *of_body = form_of_body(&request, "q");
    ck_assert_str_eq(of_query, "query");
    ck_assert_str_eq(of_body, "body");
    free(of_query);
    free(of_body);
    request_set_target(&request, "/");
    request.body_length = 0;
    ck_assert_ptr_null(form_of_query(&request, "q"));
    ck_assert_ptr_null(form_of_body(&request, "q"));
    request_fini(&request);
}
END_TEST

START_TEST(a_post_is_ours_when_the_browser_says_that_it_comes_from_our_own_page)
{
    static const char public_url[] = "https://push.example.org/molly/";
    static const struct {
        const char *origin, *site, *host;
        bool ours;
    } posts[] = {
        {"https://a.example", NULL, "a.example", true},
        {"http://A.example:9103", NULL, "a.example:9103", true},
        {"http://[::1]:9103", NULL, "[::1]:9103", true},
        {"https://push.example.org", NULL, "127.0.0.1:8020", true},   /* by the setting */
        {"https://b.example", "same-origin", "127.0.0.1:8020", true}, /* by its own verdict */
        {NULL, NULL, "a.example", false},
        {NULL, "same-origin", "a.example", false},
        {"null", NULL, "a.example", false},
        {"", NULL, "", false},
        {"https://", NULL, "", false},
        {"https://a.example", NULL, NULL, false},
        {"https://b.example", NULL, "a.example", false},
        {"http://push.example.org", NULL, "127.0.0.1:8020", false},
        {"https://push.example.org.evil.example", NULL, "127.0.0.1:8020", false},
        {"https://a.example.evil.example", NULL, "a.example", false},
        {"https://a.example:444", NULL, "a.example", false},
        {"https://a.example", "cross-site", "a.example", false},
        {"https://a.example", "same-site", "a.example", false},
        {"https://a.example", "none", "a.example", false},
    };
    for (size_t i = 0; i < sizeof posts / sizeof *posts; i++) {
        struct request request = {0};
        const struct header all[] = {{"Origin", posts[i].origin},
                                     {"Sec-Fetch-Site", posts[i].site},
                                     {"Host", posts[i].host}};
        for (size_t j = 0; j < 3; j++)
            if (all[j].value)
                request.headers[request.header_count++] = all[j];
        ck_assert_msg(same_origin(&request, public_url) == posts[i].ours, "post %zu", i);
    }
    struct request twice = {
        .header_count = 3,
        .headers = {{"Origin", "https://a"}, {"Origin", "https://a"}, {"Host", "a"}}};
    ck_assert(!same_origin(&twice, NULL));
}
END_TEST

START_TEST(where_tls_ends_here_the_origin_is_one_of_https)
{
    struct request request = {.is_tls = true,
                              .header_count = 2,
                              .headers = {{"Origin", "https://a.example"}, {"Host", "a.example"}}};
    ck_assert(same_origin(&request, NULL));
    request.headers[0].value = "http://a.example";
    ck_assert(!same_origin(&request, NULL));
    request.is_tls = false; /* a proxy may have handed it on */
    ck_assert(same_origin(&request, NULL));
}
END_TEST

START_TEST(https_is_what_the_browser_has_whoever_took_it_off)
{
    struct request request = {.header_count = 1, .headers = {{"Origin", "https://a.example"}}};
    ck_assert(same_origin_is_https(&request));
    request.headers[0].value = "http://a.example";
    ck_assert(!same_origin_is_https(&request));
    request.is_tls = true;
    ck_assert(same_origin_is_https(&request));
}
END_TEST

static const char *value_of(const struct response *response, const char *name)
{
    static char policy[RESPONSE_POLICY_SIZE];
    static struct header headers[RESPONSE_HEADERS_MAX];
    size_t count = response_headers(response, headers, policy);
    for (size_t i = 0; i < count; i++)
        if (strcmp(headers[i].name, name) == 0)
            return headers[i].value;
    return NULL;
}

START_TEST(only_a_page_with_forms_may_post_them_and_only_to_itself)
{
    struct response response = {0};
    response_set(&response, 200, "text/html", mem_text(""));
    ck_assert_ptr_nonnull(
        strstr(value_of(&response, "Content-Security-Policy"), "form-action 'none';"));
    ck_assert_str_eq(value_of(&response, "Referrer-Policy"), "no-referrer");
    response.has_forms = true;
    ck_assert_ptr_nonnull(
        strstr(value_of(&response, "Content-Security-Policy"), "form-action 'self';"));
    ck_assert_str_eq(value_of(&response, "Referrer-Policy"), "same-origin");
    response_set(&response, 200, "text/html", mem_text(""));
    ck_assert(!response.has_forms);
    response_fini(&response);
}
END_TEST

START_TEST(a_redirection_and_a_cookie_are_sent_where_there_are_any)
{
    struct response response = {0};
    response_see_other(&response, "./?q=a#result");
    ck_assert_int_eq(response.status, 303);
    ck_assert_str_eq(value_of(&response, "Location"), "./?q=a#result");
    ck_assert_ptr_null(value_of(&response, "Set-Cookie"));
    response.cookie = mem_text("id=x");
    ck_assert_str_eq(value_of(&response, "Set-Cookie"), "id=x");
    response_set(&response, 200, "text/html", mem_text(""));
    ck_assert_ptr_null(value_of(&response, "Set-Cookie"));
    ck_assert_ptr_null(value_of(&response, "Location"));
    response_fini(&response);
}
END_TEST

UNIT_MAIN("form", a_value_is_found_by_its_whole_name_and_decoded,
          what_is_not_there_or_cannot_be_decoded_is_nothing,
          a_cookie_is_found_in_one_header_or_in_one_of_several,
          each_of_several_cookies_of_one_name_is_found, query_and_body_are_forms,
          a_post_is_ours_when_the_browser_says_that_it_comes_from_our_own_page,
          where_tls_ends_here_the_origin_is_one_of_https,
          https_is_what_the_browser_has_whoever_took_it_off,
          only_a_page_with_forms_may_post_them_and_only_to_itself,
          a_redirection_and_a_cookie_are_sent_where_there_are_any)
