#include "base/roff.h"

#include <string.h>

#include "unit.h"

static struct buf page;
static size_t begun;

static void begin(void)
{
    buf_init(&page, 4096);
    roff_begin(&page, "X", "1", "Y");
    begun = page.length;
}

static void ends(const char *expected)
{
    ck_assert_int_eq(buf_add(&page, "", 1), 0);
    ck_assert_str_eq((const char *)page.bytes + begun, expected);
    buf_fini(&page);
}

START_TEST(what_roff_would_take_for_its_own_is_shown_as_it_is)
{
    begin();
    roff_paragraph(&page, "a\\nb --set 'x' \"y\" ~/z^");
    ends(".PP\na\\enb \\-\\-set \\(aqx\\(aq \\(dqy\\(dq \\(ti/z\\(ha\n");
}
END_TEST

START_TEST(a_line_that_begins_like_a_request_is_none)
{
    begin();
    roff_paragraph(&page, ".sh is a file");
    roff_example(&page, ".yaml\n'so");
    ends(".PP\n\\&.sh is a file\n.PP\n.RS 4\n.EX\n\\&.yaml\n\\&\\(aqso\n.EE\n.RE\n");
}
END_TEST

START_TEST(a_text_is_broken_into_lines_of_which_none_is_a_request)
{
    begin();
    roff_paragraph(&page, "0123456789 0123456789 0123456789 0123456789 0123456789 01234567 .toml");
    ends(".PP\n0123456789 0123456789 0123456789 0123456789 0123456789 01234567\n\\&.toml\n");
}
END_TEST

START_TEST(words_in_backquotes_are_bold_also_over_several_words)
{
    begin();
    roff_paragraph(&page, "see `doorbell server`(1).");
    ends(".PP\nsee \\fBdoorbell server\\fR(1).\n");
}
END_TEST

START_TEST(an_entry_has_its_label_in_one_argument_and_a_heading_begins_its_paragraph)
{
    begin();
    roff_heading(&page, "SEE ALSO");
    roff_paragraph(&page, "a");
    roff_entry(&page, "-c \"F\"", "b");
    roff_more(&page, "c");
    ends(".SH \"SEE ALSO\"\na\n.TP\n.B \"\\-c \\(dqF\\(dq\"\nb\n.IP\nc\n");
}
END_TEST

UNIT_MAIN("roff", what_roff_would_take_for_its_own_is_shown_as_it_is,
          a_line_that_begins_like_a_request_is_none,
          a_text_is_broken_into_lines_of_which_none_is_a_request,
          words_in_backquotes_are_bold_also_over_several_words,
          an_entry_has_its_label_in_one_argument_and_a_heading_begins_its_paragraph)
