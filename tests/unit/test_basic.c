#include "push/basic.h"

#include <string.h>

#include "unit.h"

static void parse(struct url *url, const char *text)
{
    ck_assert_msg(url_parse(url, text, NULL) == 0, "%s", text);
}

START_TEST(what_an_endpoint_carries_is_decoded_before_it_is_sent)
{
    static const struct {
        const char *endpoint, *header;
    } rows[] = {
        {"https://user:pw@ntfy.example/up", "Basic dXNlcjpwdw=="},
        {"https://user@ntfy.example/up", "Basic dXNlcjo="},
        {"https://:pw@ntfy.example/up", "Basic OnB3"},
        {"https://us%40er:p%3Aw@ntfy.example/up", "Basic dXNAZXI6cDp3"},
        {"https://u:%C3%a4%00b@ntfy.example/up", "Basic dTrDpABi"},
        {"https://u:%zz%4@ntfy.example/up", "Basic dTolenolNA=="},
        {"https://u:%41@ntfy.example/up", "Basic dTpB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct url url;
        char header[BASIC_HEADER_SIZE];
        parse(&url, rows[i].endpoint);
        ck_assert(basic_header(&url, header));
        ck_assert_str_eq(header, rows[i].header);
        url_fini(&url);
    }
}
END_TEST

START_TEST(an_endpoint_that_carries_nothing_has_no_header)
{
    static const char *const none[] = {"https://ntfy.example/up", "https://@ntfy.example/up",
                                       "https://:@ntfy.example/up"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct url url;
        char header[BASIC_HEADER_SIZE];
        parse(&url, none[i]);
        ck_assert(!basic_header(&url, header));
        ck_assert(!basic_is_named(&url, "user:pw", 7));
        url_fini(&url);
    }
}
END_TEST

START_TEST(the_longest_one_fits)
{
    char text[URL_MAX + 1], header[BASIC_HEADER_SIZE];
    struct url url;
    memset(text, 'a', URL_MAX);
    memcpy(text, "https://u:", 10);
    memcpy(text + URL_MAX - 3, "@h/", 4);
    parse(&url, text);
    ck_assert(basic_header(&url, header));
    ck_assert_uint_lt(strlen(header), sizeof header);
    url_fini(&url);
}
END_TEST

START_TEST(an_answer_that_repeats_it_in_any_form_is_known)
{
    static const struct {
        const char *body;
        bool named;
    } rows[] = {
        {"no such user", false},
        {"alice may not", true},
        {"wrong: hunter@2!", true},
        {"at hunter%402!", true},
        {"Basic YWxpY2U6aHVudGVyQDIh is wrong", true},
        {"", false},
    };
    struct url url;
    parse(&url, "https://alice:hunter%402!@ntfy.example/up");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(basic_is_named(&url, rows[i].body, strlen(rows[i].body)) == rows[i].named,
                      "%s", rows[i].body);
    ck_assert(!basic_is_named(&url, NULL, 0));
    url_fini(&url);
}
END_TEST

UNIT_MAIN("basic", what_an_endpoint_carries_is_decoded_before_it_is_sent,
          an_endpoint_that_carries_nothing_has_no_header, the_longest_one_fits,
          an_answer_that_repeats_it_in_any_form_is_known)
