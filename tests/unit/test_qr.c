#include "web/qr.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

static const char vapid[] =
    "BOniQ9xHBPNY9gnQW4o-16vHqOb40pEIMifyUdFsxAgyzVkFMguxw0QrdbZcq8hRjN2zpeInRvKVPlkzABvuTnI";

START_TEST(the_webserver_link_is_byte_for_byte_what_molly_reads)
{
    char *link = qr_link_webserver(vapid, "https://molly.example.org/a_b/");
    ck_assert_str_eq(link,
                     "mollysocket://link?vapid=BOniQ9xHBPNY9gnQW4o-16vHqOb40pEIMifyUdFsxAgyzVk"
                     "FMguxw0QrdbZcq8hRjN2zpeInRvKVPlkzABvuTnI&url=https%3A%2F%2F"
                     "molly.example.org%2Fa_b%2F&type=webserver");
    free(link);
}
END_TEST

START_TEST(the_airgapped_link_has_no_url)
{
    char *link = qr_link_airgapped(vapid);
    ck_assert_str_eq(link,
                     "mollysocket://link?vapid=BOniQ9xHBPNY9gnQW4o-16vHqOb40pEIMifyUdFsxAgyzVk"
                     "FMguxw0QrdbZcq8hRjN2zpeInRvKVPlkzABvuTnI&type=airgapped");
    free(link);
}
END_TEST

START_TEST(the_url_is_form_encoded)
{
    char *link = qr_link_webserver("k", "https://[::1]:8443/~a b+c&d=%20\xc3\xa9*");
    ck_assert_str_eq(link,
                     "mollysocket://link?vapid=k&url=https%3A%2F%2F%5B%3A%3A1%5D%3A8443%2F%7Ea+b"
                     "%2Bc%26d%3D%2520%C3%A9*&type=webserver");
    free(link);
}
END_TEST

START_TEST(the_svg_forces_black_on_white_and_has_a_name_for_screen_readers)
{
    char *svg = qr_svg("hello");
    /* Five bytes make the smallest code, 21 modules, and four light ones on each side. */
    ck_assert_ptr_nonnull(strstr(svg, "viewBox=\"0 0 29 29\""));
    ck_assert_ptr_nonnull(strstr(svg, "<rect width=\"29\" height=\"29\" fill=\"#fff\"/>"));
    ck_assert_ptr_nonnull(strstr(svg, "<path fill=\"#000\" d=\"M4 4h7v1h-7z"));
    ck_assert_ptr_nonnull(strstr(svg, "role=\"img\""));
    ck_assert_ptr_nonnull(strstr(svg, "<title id=\"qr-title\">"));
    ck_assert_ptr_null(strstr(svg, "style="));
    free(svg);
}
END_TEST

START_TEST(the_svg_draws_nothing_in_its_quiet_zone)
{
    char *svg = qr_svg("hello");
    const char *at = strstr(svg, " d=\"") + 4;
    size_t rows = 0;
    for (int x, y, width; sscanf(at, "M%d %dh%dv1h-", &x, &y, &width) == 3; rows++) {
        ck_assert_int_ge(x, 4);
        ck_assert_int_ge(y, 4);
        ck_assert_int_le(x + width, 25);
        ck_assert_int_le(y, 24);
        at = strchr(at, 'z') + 1;
    }
    ck_assert_uint_gt(rows, 21);
    ck_assert_int_eq(*at, '"');
    free(svg);
}
END_TEST

/* The columns that a line of the terminal takes, its colours checked and left out. */
static size_t columns_of(const char *line, size_t length)
{
    static const char start[] = "\033[38;5;16;48;5;231m", end[] = "\033[0m";
    size_t columns = 0;
    ck_assert_uint_gt(length, sizeof start + sizeof end);
    ck_assert_int_eq(strncmp(line, start, sizeof start - 1), 0);
    ck_assert_int_eq(strncmp(line + length - (sizeof end - 1), end, sizeof end - 1), 0);
    for (size_t i = sizeof start - 1; i < length - (sizeof end - 1); i++)
        columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    return columns;
}

START_TEST(the_terminal_code_is_a_rectangle_with_its_own_colours_on_every_line)
{
    char *code = qr_terminal("hello");
    size_t lines = 0;
    for (const char *at = code; *at; at = strchr(at, '\n') + 1, lines++)
        ck_assert_uint_eq(columns_of(at, strcspn(at, "\n")), 21 + 2 * QR_QUIET_TERMINAL);
    ck_assert_uint_eq(lines, (21 + 2 * QR_QUIET_TERMINAL + 1) / 2);
    ck_assert_int_eq(qr_terminal_lines("hello"), (int)lines);
    free(code);
}
END_TEST

START_TEST(a_usual_link_fits_a_terminal_of_80_columns)
{
    char *link = qr_link_webserver(vapid, "https://doorbell.a-long-name.example.org/molly/");
    char *code = qr_terminal(link);
    ck_assert_uint_le(columns_of(code, strcspn(code, "\n")), 80);
    free(code);
    free(link);
}
END_TEST

START_TEST(a_text_that_is_too_long_makes_no_code)
{
    char *text = mem_new(3001);
    memset(text, 'x', 3000);
    ck_assert_ptr_null(qr_svg(text));
    ck_assert_ptr_null(qr_terminal(text));
    free(text);
}
END_TEST

UNIT_MAIN("qr", the_webserver_link_is_byte_for_byte_what_molly_reads, the_airgapped_link_has_no_url,
          the_url_is_form_encoded, the_svg_forces_black_on_white_and_has_a_name_for_screen_readers,
          the_svg_draws_nothing_in_its_quiet_zone,
          the_terminal_code_is_a_rectangle_with_its_own_colours_on_every_line,
          a_usual_link_fits_a_terminal_of_80_columns, a_text_that_is_too_long_makes_no_code)
