#include "cli/options.h"

#include <stdio.h>

#include "unit.h"

enum { ACCOUNT, TIMELINE, JSON };

static const struct cli_option table[] = {
    [ACCOUNT] = {"-a", "--account", "ID", "One account alone."},
    [TIMELINE] = {"-t", "--timeline", NULL, "What happened last."},
    [JSON] = {NULL, "--json", NULL, "For programs."},
    {0},
};

enum { MOST_WORDS = 8, WORD_SIZE = 32 };

static char texts[MOST_WORDS][WORD_SIZE], *words[MOST_WORDS];
static struct options options;

static void begin(const char *const *given)
{
    options = (struct options){.argv = words};
    for (; given[options.argc]; options.argc++) {
        words[options.argc] = texts[options.argc];
        snprintf(words[options.argc], WORD_SIZE, "%s", given[options.argc]);
    }
}

#define BEGIN(...) begin((const char *const[]){__VA_ARGS__, NULL})

static void next_is(int expected, const char *expected_value)
{
    const char *value;
    ck_assert_int_eq(options_next(&options, table, &value), expected);
    if (expected_value)
        ck_assert_str_eq(value, expected_value);
    else if (expected == ACCOUNT || expected == OPTIONS_END)
        ck_assert_ptr_null(value);
}

START_TEST(a_value_follows_or_is_attached)
{
    BEGIN("-a", "4c98", "-a4c98", "-a=4c98", "--account", "4c98", "--account=4c98");
    for (int i = 0; i < 5; i++)
        next_is(ACCOUNT, "4c98");
    next_is(OPTIONS_END, NULL);
    next_is(OPTIONS_END, NULL);
}
END_TEST

START_TEST(short_options_share_a_word_and_the_last_may_have_a_value)
{
    BEGIN("-tta4c98", "-ta", "-t", "-t");
    next_is(TIMELINE, NULL);
    next_is(TIMELINE, NULL);
    next_is(ACCOUNT, "4c98");
    next_is(TIMELINE, NULL);
    next_is(ACCOUNT, "-t");
    next_is(TIMELINE, NULL);
    next_is(OPTIONS_END, NULL);
}
END_TEST

START_TEST(two_hyphens_end_the_options_once)
{
    BEGIN("--json", "--", "--json", "-a", "--");
    next_is(JSON, NULL);
    next_is(OPTIONS_ARGUMENT, "--json");
    next_is(OPTIONS_ARGUMENT, "-a");
    next_is(OPTIONS_ARGUMENT, "--");
    next_is(OPTIONS_END, NULL);
    BEGIN("-t", "--");
    next_is(TIMELINE, NULL);
    next_is(OPTIONS_END, NULL);
}
END_TEST

START_TEST(arguments_stand_between_options)
{
    BEGIN("one", "--json", "-", "");
    next_is(OPTIONS_ARGUMENT, "one");
    next_is(JSON, NULL);
    next_is(OPTIONS_ARGUMENT, "-");
    next_is(OPTIONS_ARGUMENT, "");
    next_is(OPTIONS_END, NULL);
}
END_TEST

START_TEST(what_no_row_has_is_named)
{
    BEGIN("--jso", "--json=1", "--accounts", "-x", "-tx", "-t=1");
    next_is(OPTIONS_UNKNOWN, "--jso");
    next_is(OPTIONS_UNKNOWN, "--json=1");
    next_is(OPTIONS_UNKNOWN, "--accounts");
    next_is(OPTIONS_UNKNOWN, "-x");
    next_is(TIMELINE, NULL);
    next_is(OPTIONS_UNKNOWN, "-tx");
    next_is(TIMELINE, NULL);
    next_is(OPTIONS_UNKNOWN, "-t=1");
    next_is(OPTIONS_END, NULL);
}
END_TEST

START_TEST(a_value_may_be_missing_or_empty)
{
    BEGIN("--account=", "-a", "", "-a=", "-a");
    next_is(ACCOUNT, "");
    next_is(ACCOUNT, "");
    next_is(ACCOUNT, "");
    next_is(ACCOUNT, NULL);
    next_is(OPTIONS_END, NULL);
    BEGIN("--account");
    next_is(ACCOUNT, NULL);
    next_is(OPTIONS_END, NULL);
}
END_TEST

UNIT_MAIN("options", a_value_follows_or_is_attached,
          short_options_share_a_word_and_the_last_may_have_a_value,
          two_hyphens_end_the_options_once, arguments_stand_between_options,
          what_no_row_has_is_named, a_value_may_be_missing_or_empty)
