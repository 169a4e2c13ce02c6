#include "base/url_normal.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

static const struct {
    const char *text, *normal;
} rows[] = {
    /* What needs nothing stays as it is. */
    {"https://ntfy.example/upAbC?up=1&x=%2f%zz", "https://ntfy.example/upAbC?up=1&x=%2f%zz"},
    {"https://ntfy.example:8443/a/../b/./c%2e%2e/;p=[1]|^", NULL},
    {"http://192.0.2.1:8080/up", NULL},
    {"https://[2001:db8::1]:8443/up", NULL},
    {"https://ntfy.example./up", NULL},
    /* One spelling of scheme, host and port. */
    {"HTTPS://Ntfy.Example:443/Up", "https://ntfy.example/Up"},
    {"http://ntfy.example:80", "http://ntfy.example/"},
    {"https://ntfy.example?up", "https://ntfy.example/?up"},
    /* Host names that are not ASCII. */
    {"https://m\xc3\xbcnchen.example/up", "https://xn--mnchen-3ya.example/up"},
    {"https://M\xc3\x9cNCHEN.example:8443/up", "https://xn--mnchen-3ya.example:8443/up"},
    {"https://mu\xcc\x88nchen.example/up", "https://xn--mnchen-3ya.example/up"},
    {"https://XN--mnchen-3ya.example/up", "https://xn--mnchen-3ya.example/up"},
    {"https://stra\xc3\x9f"
     "e.example/",
     "https://xn--strae-oqa.example/"},
    {"https://\xe2\x98\x83.example/", "https://xn--n3h.example/"},
    {"https://m\xc3\xbcnchen\xe3\x80\x82"
     "example/",
     "https://xn--mnchen-3ya.example/"},
    /* They may come out as an address, or as a name that is special. */
    {"https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/up", "https://127.0.0.1/up"},
    {"https://127\xe3\x80\x82"
     "0\xe3\x80\x82"
     "0\xe3\x80\x82"
     "1/up",
     "https://127.0.0.1/up"},
    {"https://\xef\xbd\x8cocalhost:8443/up", "https://localhost:8443/up"},
    {"https://2130706433/up", "https://127.0.0.1/up"},
    {"https://0x7f.1/up", "https://127.0.0.1/up"},
    /* User names and passwords. */
    {"https://user:pw@ntfy.example/up", NULL},
    {"https://user@ntfy.example/up", NULL},
    {"https://:pw@ntfy.example/up", NULL},
    {"https://user:@ntfy.example/up", "https://user@ntfy.example/up"},
    {"https://@ntfy.example/up", "https://ntfy.example/up"},
    {"https://:@ntfy.example/up", "https://ntfy.example/up"},
    {"https://us%40er:p%3Aw@ntfy.example/up", NULL},
    {"https://user:p:w@e@ntfy.example/up", "https://user:p%3Aw%40e@ntfy.example/up"},
    {"https://us er:p\xc3\xa4@ntfy.example/up", "https://us%20er:p%C3%A4@ntfy.example/up"},
    {"https://u;a=b:[^|]@ntfy.example/up", "https://u%3Ba%3Db:%5B%5E%7C%5D@ntfy.example/up"},
    {"https://user:pw@m\xc3\xbcnchen.example:8443/up",
     "https://user:pw@xn--mnchen-3ya.example:8443/up"},
    /* A backslash ends the host. */
    {"https://ntfy.example\\@other.example/up", "https://ntfy.example/@other.example/up"},
    {"https://ntfy.example\\up", "https://ntfy.example/up"},
    {"https://ntfy.example/a\\b?c\\d", "https://ntfy.example/a/b?c\\d"},
    {"https://ntfy.example/up@b:c", NULL},
    /* Fragments, blanks and what is not ASCII. */
    {"https://ntfy.example/up#part", "https://ntfy.example/up"},
    {"https://ntfy.example#@other.example/", "https://ntfy.example/"},
    {"https://ntfy.example/up?a#?b#c", "https://ntfy.example/up?a"},
    {"https://ntfy.example/up?", "https://ntfy.example/up"},
    {"https://ntfy.example/up?#x", "https://ntfy.example/up"},
    {" \t\nhttps://ntfy.example/up \r\n", "https://ntfy.example/up"},
    {"ht\ntps://ntfy.exa\tmple/u\rp", "https://ntfy.example/up"},
    {"https://ntfy.example/u p/\xc3\xa4\x01\x7f", "https://ntfy.example/u%20p/%C3%A4%01%7F"},
    {"https://ntfy.example/\"<>`{}'", "https://ntfy.example/%22%3C%3E%60%7B%7D'"},
    {"https://ntfy.example/?a b\"<>`{}'\xc3\xa4",
     "https://ntfy.example/?a%20b%22%3C%3E`{}%27%C3%A4"},
};

static void expect(const char *text, const char *normal)
{
    struct err err = {0};
    char *made = url_normal(text, &err);
    ck_assert_msg(made != NULL, "%s: %s", text, err.text);
    ck_assert_str_eq(made, normal);
    mem_free_secret(made);
}

START_TEST(each_spelling_comes_to_the_same_and_stays_it)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *normal = rows[i].normal ? rows[i].normal : rows[i].text;
        expect(rows[i].text, normal);
        expect(normal, normal);
        struct url url;
        ck_assert_int_eq(url_parse(&url, normal, NULL), 0);
        ck_assert(!url.has_fragment);
        url_fini(&url);
    }
}
END_TEST

START_TEST(what_is_no_web_address_is_refused_without_repeating_it)
{
    static const char *const wrong[] = {
        "",
        "secret",
        "wss://secret.example/",
        "ftp://secret.example/",
        "https:/secret.example/",
        "https://",
        "https:///secret",
        "https://user:secret@/",
        "https://e.example:0/secret",
        "https://e.example:x/secret",
        "https://e.example:1:2/secret",
        "https://secret\xff\xfe.example/",             /* not UTF-8 */
        "https://secret\xef\xbc\x8f\xc3\xa4.example/", /* a fullwidth slash */
        "https://secret\xef\xbc\xa0\xc3\xa4.example/", /* a fullwidth @ */
        "https://secret\xef\xbc\x9a"
        "80/", /* a fullwidth colon */
        "https://\xef\xbc\x85"
        "41secret.example/", /* a fullwidth percent sign */
        "https://%C3%A4 secret\xc3\xa4.example/",
        "https://[::1\xc3\xa4]/secret",
        "https://[::1%25lo]/secret",
        "https://%6c%6f/secret",
        "https://a%2fb.example/secret",
        "https://a%40b.example/secret",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        char *made = url_normal(wrong[i], &err);
        ck_assert_msg(!made, "%s: %s", wrong[i], made);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_uint_gt(strlen(err.text), 5);
        ck_assert_ptr_null(strstr(err.text, "secret"));
        ck_assert_ptr_null(url_normal(wrong[i], NULL));
    }
}
END_TEST

START_TEST(a_host_name_that_cannot_be_converted_is_told_with_the_fix)
{
    struct err err = {0};
    ck_assert_ptr_null(url_normal("https://\xff.example/", &err));
    ck_assert_str_eq(err.text, "the host name is not ASCII; write it in its xn-- form");
}
END_TEST

START_TEST(its_length_is_bounded_before_and_after)
{
    char text[URL_MAX + 2] = "https://e.org/";
    size_t start = strlen(text);
    memset(text + start, 'a', URL_MAX - start);
    expect(text, text);
    text[URL_MAX] = 'a';
    struct err err = {0};
    ck_assert_ptr_null(url_normal(text, &err));
    ck_assert_str_eq(err.text, "it is longer than 1000 bytes");
    text[URL_MAX] = '\0';
    text[URL_MAX - 1] = ' '; /* at the end it goes */
    text[URL_MAX - 2] = '"';
    ck_assert_ptr_null(url_normal(text, &err));
    char bare[URL_MAX + 1] = "https://e.org?"; /* which needs one byte more */
    memset(bare + strlen(bare), 'a', URL_MAX - strlen(bare));
    ck_assert_ptr_null(url_normal(bare, &err));
    ck_assert_str_eq(err.text, "it is longer than 1000 bytes");
}
END_TEST

UNIT_MAIN("url_normal", each_spelling_comes_to_the_same_and_stays_it,
          what_is_no_web_address_is_refused_without_repeating_it,
          a_host_name_that_cannot_be_converted_is_told_with_the_fix,
          its_length_is_bounded_before_and_after)
