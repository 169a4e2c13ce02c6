#include "base/terminal.h"

#include <pty.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "unit.h"

START_TEST(sentences_keep_to_the_terminal_within_what_can_be_read)
{
    ck_assert_int_eq(terminal_columns_of(80), 80);
    ck_assert_int_eq(terminal_columns_of(20), 40);
    ck_assert_int_eq(terminal_columns_of(250), 100);
    ck_assert_int_eq(terminal_columns_of(0), 100);
}
END_TEST

START_TEST(the_width_is_that_of_the_terminal_that_is_printed_to)
{
    struct winsize size = {.ws_row = 24, .ws_col = 57};
    int ours, theirs;
    ck_assert_int_eq(openpty(&ours, &theirs, NULL, NULL, &size), 0);
    FILE *to = fdopen(theirs, "w");
    ck_assert_int_eq(terminal_width(to), 57);
    ck_assert_int_eq(terminal_columns(to), 57);
    fclose(to);
    close(ours);
}
END_TEST

START_TEST(what_is_no_terminal_has_no_width)
{
    FILE *to = fopen("/dev/null", "w");
    ck_assert_int_eq(terminal_width(to), 0);
    ck_assert_int_eq(terminal_columns(to), 100);
    fclose(to);
}
END_TEST

START_TEST(a_dumb_terminal_says_so)
{
    setenv("TERM", "dumb", 1);
    ck_assert(terminal_is_dumb());
    setenv("TERM", "xterm", 1);
    ck_assert(!terminal_is_dumb());
    unsetenv("TERM");
    ck_assert(!terminal_is_dumb());
}
END_TEST

UNIT_MAIN("terminal", sentences_keep_to_the_terminal_within_what_can_be_read,
          the_width_is_that_of_the_terminal_that_is_printed_to, what_is_no_terminal_has_no_width,
          a_dumb_terminal_says_so)
