#include "base/text.h"

#include <string.h>

#include "base/b64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "unit.h"

START_TEST(foreign_text_becomes_printable_and_bounded)
{
    char to[12];
    ck_assert_uint_eq(text_printable(to, sizeof to, "a\x1b[31m\n\xff", 8), 8);
    ck_assert_str_eq(to, "a?[31m??");
    text_printable(to, sizeof to, "0123456789abcdef", 16);
    ck_assert_str_eq(to, "01234567...");
    text_printable(to, sizeof to, "a\0b", 3);
    ck_assert_str_eq(to, "a?b");
    char one[1];
    ck_assert_uint_eq(text_printable(one, sizeof one, "abc", 3), 0);
    ck_assert_str_eq(one, "");
}
END_TEST

START_TEST(texts_are_joined_and_what_does_not_fit_is_cut_off)
{
    char to[8];
    const char *end = to + sizeof to;
    char *at = text_add(to, end, "abc");
    ck_assert_ptr_eq(at, to + 3);
    at = text_add(text_add(at, end, ""), end, "defg");
    ck_assert_str_eq(to, "abcdefg");
    ck_assert_ptr_eq(at, to + 7);
    at = text_add(at, end, "h");
    ck_assert_str_eq(to, "abcdefg");
    ck_assert_ptr_eq(text_add(at, end, "i"), end);
    ck_assert_str_eq(to, "abcdefg");
    text_add(to, end, "0123456789");
    ck_assert_str_eq(to, "0123456");
}
END_TEST

START_TEST(what_may_be_an_identifier_is_not_repeated)
{
    static const char *const rows[][2] = {
        {"Container being shut down", "Container being shut down"},
        {"topic upabcdefghijkl is not for you", "topic ... is not for you"},
        {"topic  aB3x\tgone", "topic ... gone"},
        {"No messages for 9d0652a3-dcc3-4d11-975f-74d61598733f.2", "No messages for ..."},
        {"/up secretTokens4 me@example.org OK", "... ... ... OK"},
        {"", ""},
        {"a\x1b[m", "a [m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char to[64];
        text_words(to, sizeof to, rows[i][0], strlen(rows[i][0]));
        ck_assert_str_eq(to, rows[i][1]);
    }
    for (size_t size = 0; size < 20; size++) {
        char *to = malloc(size ? size : 1);
        size_t length = text_words(to, size, "one two three four", 18);
        ck_assert_uint_le(length, size ? size - 1 : 0);
        if (size)
            ck_assert_uint_eq(strlen(to), length);
        free(to);
    }
}
END_TEST

START_TEST(html_is_escaped)
{
    char *html = text_html("<a href=\"x\">'&'</a>");
    ck_assert_str_eq(html, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    free(html);
}
END_TEST

START_TEST(an_amount_of_time_is_told_in_the_unit_that_people_would_use)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{0, "0 s"},         {119, "119 s"},   {120, "2 min"},
                 {7199, "119 min"},  {7200, "2 h"},    {172799, "47 h"},
                 {172800, "2 days"}, {4186, "69 min"}, {INT64_MAX / 1000, "106751991167 days"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[TEXT_AMOUNT_SIZE];
        text_amount(text, cases[i].seconds);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(no_text_is_like_no_text_alone)
{
    ck_assert(text_same(NULL, NULL) && text_same("a", "a"));
    ck_assert(!text_same(NULL, "") && !text_same("", NULL) && !text_same("a", "b"));
}
END_TEST

START_TEST(distances_find_the_word_that_was_meant)
{
    ck_assert_uint_eq(text_distance("push.timeot", "push.timeout"), 1);
    ck_assert_uint_eq(text_distance("", "abc"), 3);
    ck_assert_uint_eq(text_distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(text_distance("same", "same"), 0);
}
END_TEST

START_TEST(base64_is_read_in_both_alphabets_padded_or_not)
{
    static const char *const texts[] = {"-_-_", "+/+/", "YQ", "YQ==", "", "YWI="};
    static const long lengths[] = {3, 3, 1, 1, 0, 2};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t bytes[8];
        ck_assert_int_eq(b64_decode(bytes, sizeof bytes, texts[i], strlen(texts[i])), lengths[i]);
    }
}
END_TEST

START_TEST(what_is_not_base64_is_refused)
{
    static const char *const wrong[] = {"a", "Y Q", "YQ\n", "Y=Q", "!!!!"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t bytes[8];
        ck_assert_int_eq(b64_decode(bytes, sizeof bytes, wrong[i], strlen(wrong[i])), ERR_INVALID);
    }
    uint8_t bytes[2];
    ck_assert_int_lt(b64_decode(bytes, sizeof bytes, "AAAA", 4), 0); /* three do not fit */
    char text[B64_TEXT_SIZE(3)];
    b64url_encode(text, "\xfb\xff\xbf", 3);
    ck_assert_str_eq(text, "-_-_");
    b64_encode(text, "a", 1);
    ck_assert_str_eq(text, "YQ==");
}
END_TEST

START_TEST(a_buffer_grows_to_its_bound_and_no_further)
{
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(buf_add(&buf, "0123456789", 10), 0);
    ck_assert_int_eq(buf_add(&buf, "x", 1), ERR_LIMIT);
    ck_assert_int_eq(buf_format(&buf, "%d", 1), ERR_LIMIT);
    ck_assert_uint_eq(buf.length, 100);
    buf_consume(&buf, 95);
    ck_assert_mem_eq(buf.bytes, "56789", 5);
    ck_assert_int_eq(buf_format(&buf, "%s-%d", "a", 7), 0);
    ck_assert_mem_eq(buf.bytes, "56789a-7", 8);
    buf_fini(&buf);
}
END_TEST

START_TEST(an_error_keeps_its_sentence_behind_a_prefix)
{
    struct err err;
    ck_assert_int_eq(err_set(&err, ERR_IO, "it is %s", "full"), ERR_IO);
    err_prefix(&err, "disk %d", 3);
    ck_assert_str_eq(err.text, "disk 3: it is full");
    ck_assert_int_eq(err_set(NULL, ERR_BUSY, "nobody reads this"), ERR_BUSY);
}
END_TEST

START_TEST(a_pseudonym_is_stable_under_its_key_and_only_there)
{
    uint8_t key[PSEUDONYM_KEY_SIZE] = {1}, other[PSEUDONYM_KEY_SIZE] = {2};
    char a[PSEUDONYM_SIZE], b[PSEUDONYM_SIZE], c[PSEUDONYM_SIZE];
    log_pseudonym(a, key, "account", 7);
    log_pseudonym(b, key, "account", 7);
    log_pseudonym(c, other, "account", 7);
    ck_assert_str_eq(a, b);
    ck_assert_str_ne(a, c);
    ck_assert_uint_eq(strlen(a), PSEUDONYM_SIZE - 1);
}
END_TEST

UNIT_MAIN("text", foreign_text_becomes_printable_and_bounded,
          texts_are_joined_and_what_does_not_fit_is_cut_off,
          what_may_be_an_identifier_is_not_repeated, html_is_escaped,
          an_amount_of_time_is_told_in_the_unit_that_people_would_use,
          no_text_is_like_no_text_alone, distances_find_the_word_that_was_meant,
          base64_is_read_in_both_alphabets_padded_or_not, what_is_not_base64_is_refused,
          a_buffer_grows_to_its_bound_and_no_further, an_error_keeps_its_sentence_behind_a_prefix,
          a_pseudonym_is_stable_under_its_key_and_only_there)
