/* What is TOML and what is not, and that each mistake has its line and its fix. */
#include "config/toml.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/internal.h"
#include "config/toml_internal.h"
#include "unit.h"

enum { DUMP_MAX = 4 * CONFIG_FILE_MAX };

/* One line per value: "LINE KEY TYPE TEXT", a list's members between bars. */
static int dump(void *arg, const char *key, const struct toml_value *value, struct err *err)
{
    static const char *const types[] = {"string", "integer", "float", "bool",
                                        "date",   "strings", "other"};
    struct buf *buf = arg;
    (void)err;
    buf_format(buf, "%u %s %s", value->line, key, types[value->type]);
    if (value->text)
        buf_format(buf, " %s", value->text);
    for (size_t i = 0; i < value->count; i++)
        buf_format(buf, "|%s", value->items[i]);
    return buf_add_text(buf, "\n");
}

static char *dump_of(const char *text, size_t length)
{
    struct buf buf;
    struct err err = {0};
    unsigned line = 0;
    buf_init(&buf, DUMP_MAX);
    int result = toml_read(text, length, dump, &buf, &line, &err);
    ck_assert_msg(result == 0, "%.200s: line %u: %s", text, line, err.text);
    ck_assert_uint_eq(line, 0);
    char *whole = mem_copy((const char *)buf.bytes, buf.length);
    buf_fini(&buf);
    return whole;
}

static void expect_dump(const char *text, const char *expected)
{
    char *whole = dump_of(text, strlen(text));
    ck_assert_str_eq(whole, expected);
    free(whole);
}

/* The value of "a = VALUE" as dump writes it, without its newline. */
static void expect_value(const char *value, const char *expected)
{
    char *text = mem_format("a = %s", value), *whole = mem_format("1 a %s\n", expected);
    expect_dump(text, whole);
    free(whole);
    free(text);
}

static int ignore(void *arg, const char *key, const struct toml_value *value, struct err *err)
{
    (void)arg;
    (void)key;
    (void)value;
    (void)err;
    return 0;
}

static void expect_wrong_bytes(const char *text, size_t length, unsigned expected_line,
                               const char *sentence)
{
    struct err err = {0};
    unsigned line = 0;
    int result = toml_read(text, length, ignore, NULL, &line, &err);
    ck_assert_msg(result == ERR_INVALID && err.code == ERR_INVALID, "%.200s: %d", text, result);
    ck_assert_msg(strcmp(err.text, sentence) == 0, "%.200s: %s", text, err.text);
    ck_assert_msg(line == expected_line, "%.200s: line %u: %s", text, line, err.text);
}

static void expect_wrong(const char *text, unsigned line, const char *sentence)
{
    expect_wrong_bytes(text, strlen(text), line, sentence);
}

START_TEST(nothing_to_read_is_fine)
{
    static const char *const texts[] = {"",
                                        "\n\r\n",
                                        "# a comment",
                                        " \t# \xc3\xa9\n",
                                        "\xef\xbb\xbf",
                                        "\xef\xbb\xbf# x\r\n",
                                        "[table]",
                                        "[[tables]]\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_dump(texts[i], "");
    ck_assert_int_eq(toml_read(NULL, 0, ignore, NULL, NULL, NULL), 0);
}
END_TEST

START_TEST(the_file_of_a_mollysocket_is_read)
{
    expect_dump("# Sample\n"
                "host = \"0.0.0.0\"\n"
                "port = 8020 # as always\n"
                "webserver = true\n"
                "\n"
                "signal_env = 'Production'\n"
                "allowed_endpoints = ['*']\n"
                "allowed_uuids = [ # two of us\n"
                "\t\"one\", # one\n"
                "\n"
                "\t'two', # two\n"
                "]\n"
                "db = './mollysocket.db'",
                "2 host string 0.0.0.0\n"
                "3 port integer 8020\n"
                "4 webserver bool true\n"
                "6 signal_env string Production\n"
                "7 allowed_endpoints strings|*\n"
                "8 allowed_uuids strings|one|two\n"
                "13 db string ./mollysocket.db\n");
    expect_dump("\xef\xbb\xbfhost = \"a\"\r\nlist = [\r\n  'b',\r\n]\r\n",
                "1 host string a\n2 list strings|b\n");
}
END_TEST

START_TEST(strings_are_decoded)
{
    static const struct {
        const char *value, *expected;
    } right[] = {
        {"\"\"", ""},
        {"''", ""},
        {"\"# no comment\" # a comment", "# no comment"},
        {"'C:\\new'", "C:\\new"},
        {"'\"'", "\""},
        {"\"'\"", "'"},
        {"\"\\b\\t\\n\\f\\r\\\"\\\\\"", "\b\t\n\f\r\"\\"},
        {"\"\t\"", "\t"},
        {"\"\\u0041\\u00e9\\u20AC\\U0001f600\"", "A\u00e9\u20ac\U0001f600"},
        {"\"\\u007f\\uD7FF\\uE000\\U0010FFFF\"", "\x7f\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
        {"\"\u00e9\u20ac\U0001f600\"", "\u00e9\u20ac\U0001f600"},
        {"\"\"\"\"\"\"", ""},
        {"''''''", ""},
        {"\"\"\"one\ntwo\"\"\"", "one\ntwo"},
        {"\"\"\"\n\none\r\ntwo\"\"\"", "\none\ntwo"},
        {"'''\r\none\\\ntwo\\n'''", "one\\\ntwo\\n"},
        {"\"\"\"one \\\n\n  \t two\"\"\"", "one two"},
        {"\"\"\"one\\ \t\r\n  two \\\n\"\"\"", "onetwo "},
        {"\"\"\"a \"\"b\"\" \"c\"\"\"", "a \"\"b\"\" \"c"},
        {"\"\"\"a\\\"\"\"\"", "a\""},
        {"\"\"\"\"a\"\"\"\"\"", "\"a\"\""},
        {"'''''a''''", "''a'"},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        char *expected = mem_format("string %s", right[i].expected);
        expect_value(right[i].value, expected);
        free(expected);
    }
}
END_TEST

START_TEST(numbers_become_decimal)
{
    static const struct {
        const char *value, *expected;
    } right[] = {
        {"0", "integer 0"},
        {"+0", "integer 0"},
        {"-0", "integer 0"},
        {"+99", "integer 99"},
        {"-17\t", "integer -17"},
        {"1_2_3_456", "integer 123456"},
        {"0xDEAD_beef", "integer 3735928559"},
        {"0x00", "integer 0"},
        {"0o0755", "integer 493"},
        {"0b1101_0110#", "integer 214"},
        {"9223372036854775807", "integer 9223372036854775807"},
        {"-9223372036854775808", "integer -9223372036854775808"},
        {"0x7fff_ffff_ffff_ffff", "integer 9223372036854775807"},
        {"1.0", "float 1.0"},
        {"+3.14_15", "float +3.1415"},
        {"-0.01", "float -0.01"},
        {"5e+22", "float 5e+22"},
        {"0e0", "float 0e0"},
        {"1e0_6", "float 1e06"},
        {"6.626E-34", "float 6.626E-34"},
        {"inf", "float inf"},
        {"+nan", "float +nan"},
        {"-inf", "float -inf"},
        {"true", "bool true"},
        {"false", "bool false"},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        expect_value(right[i].value, right[i].expected);
}
END_TEST

START_TEST(dates_and_times_are_known)
{
    static const char *const right[] = {
        "1979-05-27T07:32:00Z",
        "1979-05-27t07:32:00z",
        "1979-05-27 07:32:00.5-07:00",
        "1979-05-27T00:32:00.999999999+23:59",
        "1979-05-27T07:32:60",
        "1979-05-27",
        "2000-02-29",
        "2024-02-29",
        "0000-12-31",
        "23:59:59",
        "00:32:00.9",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        char *expected = mem_format("date %s", right[i]);
        expect_value(right[i], expected);
        free(expected);
    }
    expect_dump("a = 1979-05-27 # 07:32:00\nb = [1979-05-27 07:32:00, 1979-05-27 ]\n",
                "1 a date 1979-05-27\n2 b other\n");
}
END_TEST

START_TEST(arrays_of_strings_are_handed_out_and_others_checked)
{
    static const struct {
        const char *value, *expected;
    } right[] = {
        {"[]", "strings"},
        {"[ # none\n]", "strings"},
        {"[\"a\"]", "strings|a"},
        {"[ 'a' , \"b\" , ]", "strings|a|b"},
        {"[\n'a' # one\n, # two\n\n'b'\n# end\n]", "strings|a|b"},
        {"['''a\nb''', '']", "strings|a\nb|"},
        {"['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']", "strings|a|b|c|d|e|f|g|h|i"},
        {"[1, 2]", "other"},
        {"['a', 1, 'b']", "other"},
        {"['a', ['b', 'c'], {}]", "other"},
        {"[[[['a']]], []]", "other"},
        {"{}", "other"},
        {"{ }", "other"},
        {"{a = 1, b.c = [1, \n2], b.d = {'e' = \"\"\"\n\"\"\"} , \"f\" = 'g' }", "other"},
        {"[{a = 1}, {a = 2}]", "other"},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        expect_value(right[i].value, right[i].expected);
}
END_TEST

START_TEST(keys_are_dotted_paths)
{
    expect_dump("a-b_9 = 1\n"
                "1234 = 1\n"
                "\"host\" = 1\n"
                "'a b' = 1\n"
                "\"\" = 1\n"
                "x . \"y\" .z=1\n"
                "x.'y.z' = 1\n"
                "3.14 = 1\n"
                "\"\\u001b\\u20ac\" = 1\n"
                "[ t . 'u' ]\n"
                "v = 1\n"
                "w.x = 1\n"
                "[[l]]\n"
                "a = 1\n"
                "[[ \"l\" ]] # again\n"
                "a = 1\n",
                "1 a-b_9 integer 1\n"
                "2 1234 integer 1\n"
                "3 host integer 1\n"
                "4 \"a b\" integer 1\n"
                "5 \"\" integer 1\n"
                "6 x.y.z integer 1\n"
                "7 x.\"y.z\" integer 1\n"
                "8 3.14 integer 1\n"
                "9 \"????\" integer 1\n"
                "11 t.u.v integer 1\n"
                "12 t.u.w.x integer 1\n"
                "14 l.a integer 1\n"
                "16 l.a integer 1\n");
}
END_TEST

START_TEST(long_paths_end_in_dots)
{
    char name[CONFIG_PATH_SIZE + 1] = {0};
    memset(name, 'k', CONFIG_PATH_SIZE);
    char *text = mem_format("%s = 1\nx.%s = 2\n[%s2]\nb = 3", name, name, name);
    char *expected = mem_format("1 %.124s... integer 1\n2 x.%.122s... integer 2\n"
                                "4 %.124s... integer 3\n",
                                name, name, name);
    expect_dump(text, expected);
    free(expected);
    free(text);
}
END_TEST

START_TEST(tables_may_be_opened_once_and_grow_as_toml_allows)
{
    static const char *const texts[] = {
        "[a.b]\nx=1\n[a]\nx=1\n",
        "[a.b.c]\n[a]\nb.d = 1\n",
        "[a]\nb.c = 1\nb.d = 1\n[a.b.e]\nx = 1\n",
        "a.b.c = 1\na.d = 1\n[a.e]\n[a.b.f]\n",
        "[[a]]\n[a.b]\n[[a.c]]\nx=1\n[[a.c]]\nx=1\n[[a]]\n[a.b]\n[[a.c]]\nx=1\n",
        "[a]\n[[a.b]]\n[a.b.c]\n[a.d]\n",
        "[a]\na = 1\n[b]\na = 1\n",
        "a = {b = 1, c = {b = 1}}\nb = {b = 1}\n",
        "a = 1\n\"A\" = 1\n' a' = 1\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(dump_of(texts[i], strlen(texts[i])));
}
END_TEST

#define NO_UTF8 "this is not plain text in UTF-8; save it as such"
#define CONTROL                                                                                    \
    "a control character stands in this line; take it away (a string in double quotes may have "   \
    "it as \\uXXXX)"
#define RETURN                                                                                     \
    "a carriage return without a newline stands in this line; save the text with the line ends "   \
    "of Unix or Windows"

START_TEST(what_is_not_plain_text_is_refused)
{
    static const struct {
        const char *text;
        size_t length;
        unsigned line;
        const char *sentence;
    } wrong[] = {
        {"\xff\xfe"
         "a\0=\0"
         "1\0",
         8, 1, NO_UTF8},
        {"a\0=\0", 4, 1, NO_UTF8},
        {"a = 1\n# \xe9t\xe9\n", 12, 2, NO_UTF8},
        {"a = '\x80'", 7, 1, NO_UTF8},
        {"a = '\xc0\xaf'", 8, 1, NO_UTF8},
        {"a = '\xe0\x9f\xbf'", 9, 1, NO_UTF8},
        {"a = '\xf0\x8f\xbf\xbf'", 10, 1, NO_UTF8},
        {"a = '\xed\xa0\x80'", 9, 1, NO_UTF8},
        {"a = '\xf4\x90\x80\x80'", 10, 1, NO_UTF8},
        {"a = '\xf5\x80\x80\x80'", 10, 1, NO_UTF8},
        {"a = '\xe2\x82'", 8, 1, NO_UTF8},
        {"# \xe2\x82", 4, 1, NO_UTF8},
        {"a = '\n\x1b'", 7, 2, CONTROL},
        {"# \x7f", 3, 1, CONTROL},
        {"a = 1\n\fb = 2", 12, 2, CONTROL},
        {"a = 1\rb = 2\r", 12, 1, RETURN},
        {"a = '''\n\r'''", 12, 2, RETURN},
        {"a = 1\r", 6, 1, RETURN},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_wrong_bytes(wrong[i].text, wrong[i].length, wrong[i].line, wrong[i].sentence);
}
END_TEST

struct wrong {
    const char *text;
    unsigned line;
    const char *sentence;
};

static void expect_all_wrong(const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_wrong(wrong[i].text, wrong[i].line, wrong[i].sentence);
}

#define EXPECT_ALL_WRONG(wrong) expect_all_wrong(wrong, sizeof(wrong) / sizeof *(wrong))

#define NO_NAME "a name is missing here; a line is written as name = \"value\""
#define NO_NAME_CHARACTER                                                                          \
    "no name begins here; one that has other characters than letters, digits, - and _ must stand " \
    "in quotes"
#define COLON "a : stands after the name; write = instead: name = \"value\""
#define NO_EQUALS                                                                                  \
    "the = after the name is missing: name = \"value\"; a name that has other characters than "    \
    "letters, digits, - and _ must stand in quotes"
#define NAME_ONLY "this line has no =; write it as name = \"value\", or put a # before it"
#define COMMENT "this is not a setting; a comment begins with #"
#define TYPOGRAPHIC "a typographic quote stands here; write the plain \" instead"
#define OTHER_SPACE "a space stands here that is not the plain one; write it anew"
#define MORE                                                                                       \
    "something that does not belong here follows in this line; take it away, or put a # before it"

START_TEST(a_line_that_is_no_setting_is_explained)
{
    static const struct wrong wrong[] = {
        {"= 1", 1, NO_NAME},
        {"\n\n.a = 1", 3, NO_NAME},
        {"a. = 1", 1, NO_NAME},
        {"a..b = 1", 1, NO_NAME},
        {"[]", 1, NO_NAME},
        {"[a.]", 1, NO_NAME},
        {"[", 1, NO_NAME},
        {"]", 1, NO_NAME},
        {"[a]\n{", 2, NO_NAME_CHARACTER},
        {"*", 1, NO_NAME_CHARACTER},
        {"[[a], [b]]", 1, "the name of the table must end with ]]"},
        {"\u00e9 = 1", 1, NO_NAME_CHARACTER},
        {"// host", 1, COMMENT},
        {"; host", 1, COMMENT},
        {"\u201chost\u201d = 1", 1, TYPOGRAPHIC},
        {"`host` = 1", 1, TYPOGRAPHIC},
        {"\u00a0host = 1", 1, OTHER_SPACE},
        {"host\u00a0= 1", 1, OTHER_SPACE},
        {"a = 1\nhost: \"x\"", 2, COLON},
        {"\"host\" : \"x\",", 1, COLON},
        {"host", 1, NAME_ONLY},
        {"host # x", 1, NAME_ONLY},
        {"host\r\n", 1, NAME_ONLY},
        {"host \"x\"", 1, NO_EQUALS},
        {"my host = \"x\"", 1, NO_EQUALS},
        {"h\u00f6st = \"x\"", 1, NO_EQUALS},
        {"\"\"\"host\"\"\" = 1", 1, NO_EQUALS},
        {"[a", 1, "the name of the table must end with ]"},
        {"[a b]", 1, "the name of the table must end with ]"},
        {"[[a]", 1, "the name of the table must end with ]]"},
        {"[[a] ]", 1, "the name of the table must end with ]]"},
        {"[ [a]]", 1, NO_NAME_CHARACTER},
        {"[a] b = 1", 1, MORE},
        {"[a]]", 1, MORE},
        {"a = 1 b = 2", 1, MORE},
        {"a = 'x' // y", 1, MORE},
        {"a = 'x';", 1, MORE},
        {"a = ''''''''''", 1, MORE},
        {"a = 'x' \u2018y\u2019", 1, TYPOGRAPHIC},
        {"a = 'x'\u00a0", 1, OTHER_SPACE},
        {"a = 'x', 'y'", 1,
         "a comma follows the value; put several values in brackets: [\"one\", \"two\"]"},
    };
    EXPECT_ALL_WRONG(wrong);
}
END_TEST

#define QUOTES "text must stand in quotes: \"text\""
#define NO_NUMBER                                                                                  \
    "this is neither a number nor a date as TOML writes them; put text in quotes: \"text\""
#define ZERO "a number does not begin with 0; leave the zero out, or put the value in quotes"
#define TOO_LARGE "this number does not fit 64 bits; correct it, or put the value in quotes"
#define NO_VALUE                                                                                   \
    "the value is missing; write one after the =, or put a # before the line to leave it out"
#define BOOL "write true or false here, in small letters and without quotes"

START_TEST(a_value_without_quotes_is_explained)
{
    static const struct wrong wrong[] = {
        {"a =", 1, NO_VALUE},
        {"a = \nb = 1", 1, NO_VALUE},
        {"a = # x", 1, NO_VALUE},
        {"a = ,", 1, "a value is missing before this ,; write one, or take the , away"},
        {"a = ]", 1, "a value is missing before this ]; write one, or take the ] away"},
        {"a = }", 1, "a value is missing before this }; write one, or take the } away"},
        {"a = x", 1, QUOTES},
        {"a = *", 1, QUOTES},
        {"a = == 1", 1, QUOTES},
        {"a = /data/x.db", 1, QUOTES},
        {"a = https://a.tld", 1, QUOTES},
        {"a = -", 1, QUOTES},
        {"a = truely", 1, QUOTES},
        {"a = [\n*]", 2, QUOTES},
        {"a = \u201cx\u201d", 1, TYPOGRAPHIC},
        {"a = \u00abx\u00bb", 1, TYPOGRAPHIC},
        {"a = [\u2018x\u2019]", 1, TYPOGRAPHIC},
        {"a =\u00a0'x'", 1, OTHER_SPACE},
        {"a = True", 1, BOOL},
        {"a = FALSE", 1, BOOL},
        {"a = yes", 1, BOOL},
        {"a = Off", 1, BOOL},
        {"a = 127.0.0.1", 1, NO_NUMBER},
        {"a = 15s", 1, NO_NUMBER},
        {"a = 1.", 1, NO_NUMBER},
        {"a = .5", 1, NO_NUMBER},
        {"a = 1.e5", 1, NO_NUMBER},
        {"a = 1e", 1, NO_NUMBER},
        {"a = 1__0", 1, NO_NUMBER},
        {"a = 1_", 1, NO_NUMBER},
        {"a = 1._5", 1, NO_NUMBER},
        {"a = ++1", 1, NO_NUMBER},
        {"a = -0x1", 1, NO_NUMBER},
        {"a = 0x", 1, NO_NUMBER},
        {"a = 0xg", 1, NO_NUMBER},
        {"a = 0X1", 1, NO_NUMBER},
        {"a = 0o8", 1, NO_NUMBER},
        {"a = 0b2", 1, NO_NUMBER},
        {"a = 0b_1", 1, NO_NUMBER},
        {"a = 01.5", 1, NO_NUMBER},
        {"a = 0d2ff653-3d88-43de-bcdb-f6657d3484e4", 1, NO_NUMBER},
        {"a = 2023-02-29", 1, NO_NUMBER},
        {"a = 1900-02-29", 1, NO_NUMBER},
        {"a = 2023-04-31", 1, NO_NUMBER},
        {"a = 2023-13-01", 1, NO_NUMBER},
        {"a = 2023-00-01", 1, NO_NUMBER},
        {"a = 2023-01-00", 1, NO_NUMBER},
        {"a = 2023-1-1", 1, NO_NUMBER},
        {"a = 2023-01-01T", 1, NO_NUMBER},
        {"a = 2023-01-01T24:00:00", 1, NO_NUMBER},
        {"a = 2023-01-01T00:60:00", 1, NO_NUMBER},
        {"a = 2023-01-01T00:00:61", 1, NO_NUMBER},
        {"a = 2023-01-01T00:00:00.", 1, NO_NUMBER},
        {"a = 2023-01-01T00:00:00+1:00", 1, NO_NUMBER},
        {"a = 2023-01-01T00:00:00+01", 1, NO_NUMBER},
        {"a = 2023-01-01 00:00", 1, NO_NUMBER},
        {"a = 2023-01-01  00:00:00", 1, MORE},
        {"a = 00:00:00Z", 1, NO_NUMBER},
        {"a = 007", 1, ZERO},
        {"a = +01", 1, ZERO},
        {"a = 0_1", 1, ZERO},
        {"a = 9223372036854775808", 1, TOO_LARGE},
        {"a = -9223372036854775809", 1, TOO_LARGE},
        {"a = 99999999999999999999999", 1, TOO_LARGE},
        {"a = 0x8000000000000000", 1, TOO_LARGE},
    };
    EXPECT_ALL_WRONG(wrong);
}
END_TEST

#define SHORT_OPEN(quote)                                                                          \
    "the string that begins in this line is not closed in it; put a plain " quote " at its end"
#define LONG_OPEN                                                                                  \
    "the string that begins here with three quotes is not closed; put three at its end"
#define ESCAPE                                                                                     \
    "a \\ in double quotes begins an escape, and this is none; write \\\\ for a backslash, or "    \
    "put "                                                                                         \
    "the text in single quotes"
#define HEXADECIMAL                                                                                \
    "\\u takes four hexadecimal digits and \\U takes eight; write \\\\ for a backslash, or put "   \
    "the text in single quotes"
#define SCALAR                                                                                     \
    "\\u and \\U take no surrogates (D800 to DFFF) and nothing above 10FFFF; write the character " \
    "itself"
#define ZERO_BYTE "\\u0000 is not taken in a name or a value; take it away"

START_TEST(a_string_that_is_wrong_is_explained)
{
    static const struct wrong wrong[] = {
        {"a = \"x\nb = 1", 1, SHORT_OPEN("\"")},
        {"\na = 'x", 2, SHORT_OPEN("'")},
        {"a = \"x\\", 1, SHORT_OPEN("\"")},
        {"a = \"x\\\"\r\n", 1, SHORT_OPEN("\"")},
        {"a = \"x\u201d\n", 1, SHORT_OPEN("\"")},
        {"\"a = 1", 1, SHORT_OPEN("\"")},
        {"['a", 1, SHORT_OPEN("'")},
        {"\na = \"\"\"x\n\ny\"\"\nb = 1", 2, LONG_OPEN},
        {"a = '''x", 1, LONG_OPEN},
        {"a = \"\"\"x\\", 1, LONG_OPEN},
        {"a = \"C:\\data\"", 1, ESCAPE},
        {"a = \"\\x41\"", 1, ESCAPE},
        {"a = \"\\e\"", 1, ESCAPE},
        {"a = \"x\\\ny\"", 1, ESCAPE},
        {"a = \"\"\"\nx\\ y\"\"\"", 2, ESCAPE},
        {"a = \"\"\"\\\n\n\\d\"\"\"", 3, ESCAPE},
        {"a = \"\\u12\"", 1, HEXADECIMAL},
        {"a = \"\\U0001f60\"", 1, HEXADECIMAL},
        {"a = \"C:\\users\"", 1, HEXADECIMAL},
        {"a = \"\\u00", 1, HEXADECIMAL},
        {"a = \"\\ud800\"", 1, SCALAR},
        {"a = \"\\udfff\"", 1, SCALAR},
        {"a = \"\\U00110000\"", 1, SCALAR},
        {"a = \"\\UFFFFFFFF\"", 1, SCALAR},
        {"a = \"\\u0000\"", 1, ZERO_BYTE},
        {"\"\\U00000000\" = 1", 1, ZERO_BYTE},
    };
    EXPECT_ALL_WRONG(wrong);
}
END_TEST

#define ARRAY_OPEN "the array that begins here is not closed; put a ] after its last member"
#define NO_COMMA "a comma is missing between two members of the array, or the ] after the last"
#define BRACES                                                                                     \
    "a table in braces stands in one line, with commas between its members and none after the "    \
    "last: {a = 1, b = 2}"

START_TEST(an_array_or_a_table_in_braces_that_is_wrong_is_explained)
{
    static const struct wrong wrong[] = {
        {"\na = [", 2, ARRAY_OPEN},
        {"a = ['x'\n\n", 1, ARRAY_OPEN},
        {"a = ['x',\n# y", 1, ARRAY_OPEN},
        {"a = [\n['x'],\n[", 3, ARRAY_OPEN},
        {"\na = ['x',\nport = 1\n", 2, ARRAY_OPEN},
        {"\na = ['x'\nport = 1\n", 2, ARRAY_OPEN},
        {"a = [\n'x' 'y']", 2, NO_COMMA},
        {"a = [\n'x'\n'y']", 3, NO_COMMA},
        {"a = ['x'\n[table]", 2, NO_COMMA},
        {"a = ['x'}", 1, NO_COMMA},
        {"a = ['x'\u00a0]", 1, OTHER_SPACE},
        {"a = [,]", 1, "a value is missing before this ,; write one, or take the , away"},
        {"a = ['x',\n,'y']", 2, "a value is missing before this ,; write one, or take the , away"},
        {"a = [x y]", 1, QUOTES},
        {"a = ['x']]", 1, MORE},
        {"a = {", 1, BRACES},
        {"a = {b = 1", 1, BRACES},
        {"a = {b = 1 # x\n}", 1, BRACES},
        {"a = {\nb = 1}", 1, BRACES},
        {"a = {b = 1,\nc = 1}", 1, BRACES},
        {"a = {b = 1,}", 1, BRACES},
        {"a = {b = 1 c = 1}", 1, BRACES},
        {"a = {b = 1 \u201cc\u201d = 1}", 1, TYPOGRAPHIC},
        {"a = {,}", 1, NO_NAME},
        {"a = {b: 1}", 1, COLON},
        {"a = {b}", 1, NO_EQUALS},
        {"a = {b = }", 1, "a value is missing before this }; write one, or take the } away"},
    };
    EXPECT_ALL_WRONG(wrong);
}
END_TEST

#define TWICE(name, line)                                                                          \
    "key \"" name "\" appears a second time, first in line " line "; make them one"
#define TABLE_TWICE(name, line)                                                                    \
    "table \"" name "\" appears a second time, first in line " line "; make them one"
#define BOTH(name, line)                                                                           \
    "\"" name "\" is the name of a value and of a table, first in line " line "; rename one of "   \
    "them"
#define HEADER(name, line)                                                                         \
    "table \"" name "\" has its own header in line " line "; put this key below that"
#define BRACKETS(name, line)                                                                       \
    "\"" name "\" is written as one table and as an array of tables, first in line " line          \
    "; write all its headers in the same brackets"

START_TEST(a_name_that_is_used_twice_is_explained)
{
    static const struct wrong wrong[] = {
        {"host = 1\n\nhost = 1", 3, TWICE("host", "1")},
        {"host = 1\n\"h\\u006fst\" = 1", 2, TWICE("host", "1")},
        {"a.b = 1\na . 'b' = 1", 2, TWICE("a.b", "1")},
        {"[t]\na = 1\n[u]\na = 1\na = 1", 5, TWICE("u.a", "4")},
        {"'a b' = 1\n'a b' = 1", 2, TWICE("\"a b\"", "1")},
        {"[[l]]\na = 1\n[[l]]\na = 1\na = 1", 5, TWICE("l.a", "4")},
        {"x = {a = 1, a = 2}", 1, TWICE("a", "1")},
        {"x = [{a = 1}, {b.c = 1, b.c = 2}]", 1, TWICE("b.c", "1")},
        {"[a]\n[b]\n[a]", 3, TABLE_TWICE("a", "1")},
        {"[a.b]\n[a]\n[a]", 3, TABLE_TWICE("a", "2")},
        {"a.b = 1\n[a]", 2, TABLE_TWICE("a", "1")},
        {"[a]\nb.c.d = 1\n[a.b.c]", 3, TABLE_TWICE("a.b.c", "2")},
        {"[a.b.c]\n[a]\nb.d = 1\n[a.b]", 4, TABLE_TWICE("a.b", "1")},
        {"a = 1\n[a]", 2, BOTH("a", "1")},
        {"a = 1\n[a.b]", 2, BOTH("a", "1")},
        {"a = 1\n[[a]]", 2, BOTH("a", "1")},
        {"a = 1\na.b = 1", 2, BOTH("a", "1")},
        {"a.b = 1\na = 1", 2, BOTH("a", "1")},
        {"a = []\n[[a]]", 2, BOTH("a", "1")},
        {"a = {b = 1}\na.c = 1", 2, BOTH("a", "1")},
        {"a = {}\n[a.b]", 2, BOTH("a", "1")},
        {"[a.b]\n[a]\nb = 1", 3, BOTH("a.b", "1")},
        {"x = {a.b = 1, a = 2}", 1, BOTH("a", "1")},
        {"x = {a = {}, a.b = 2}", 1, BOTH("a", "1")},
        {"[a.b]\n[a]\nb.c = 1", 3, HEADER("a.b", "1")},
        {"[[a.b]]\n[a]\nb.c = 1", 3, HEADER("a.b", "1")},
        {"[a.b.c]\n[a]\nb.c.d = 1", 3, HEADER("a.b.c", "1")},
        {"[a]\n[[a]]", 2, BRACKETS("a", "1")},
        {"[[a]]\n[a]", 2, BRACKETS("a", "1")},
        {"[a.b]\n[[a]]", 2, BRACKETS("a", "1")},
        {"a.b = 1\n[[a]]", 2, BRACKETS("a", "1")},
    };
    EXPECT_ALL_WRONG(wrong);
}
END_TEST

static void add_repeated(struct buf *buf, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(buf_add_text(buf, text), 0);
}

static void expect_text(struct buf *buf, unsigned line, const char *sentence)
{
    size_t length = buf->length;
    ck_assert_int_eq(buf_add(buf, "", 1), 0);
    if (sentence)
        expect_wrong_bytes((const char *)buf->bytes, length, line, sentence);
    else
        free(dump_of((const char *)buf->bytes, length));
    buf_clear(buf);
}

START_TEST(a_name_or_a_value_has_a_longest_length)
{
    static const char sentence[] =
        "a name or a value is longer than 4095 bytes; is it the right file?";
    static const struct {
        const char *before, *after;
    } wraps[] = {{"\n", " = 1"},      {"\na = '", "'"},   {"\na = '''", "'''"},
                 {"\na = ['", "' ]"}, {"\n\"", "\" = 1"}, {"\n[", "]"}};
    struct buf buf;
    buf_init(&buf, 2 * CONFIG_VALUE_MAX);
    for (size_t i = 0; i < sizeof wraps / sizeof *wraps; i++) {
        for (size_t more = 0; more < 2; more++) {
            buf_add_text(&buf, wraps[i].before);
            add_repeated(&buf, "x", CONFIG_VALUE_MAX + more);
            buf_add_text(&buf, wraps[i].after);
            expect_text(&buf, 2, more ? sentence : NULL);
        }
    }
    buf_add_text(&buf, "a = ");
    add_repeated(&buf, "1", CONFIG_VALUE_MAX + 1);
    expect_text(&buf, 1, sentence);
    buf_add_text(&buf, "a = \"");
    add_repeated(&buf, "x", CONFIG_VALUE_MAX - 1);
    buf_add_text(&buf, "\\u00e9\"");
    expect_text(&buf, 1, sentence);
    buf_fini(&buf);
}
END_TEST

START_TEST(brackets_nest_to_a_bound)
{
    static const char sentence[] = "more than 32 brackets are open here; is it the right file?";
    struct buf buf;
    buf_init(&buf, CONFIG_VALUE_MAX);
    for (size_t more = 0; more < 2; more++) {
        buf_add_text(&buf, "a = ");
        add_repeated(&buf, "[", TOML_DEPTH_MAX + more);
        add_repeated(&buf, "]", TOML_DEPTH_MAX + more);
        expect_text(&buf, 1, more ? sentence : NULL);
        buf_add_text(&buf, "a = ");
        add_repeated(&buf, "{a = [", (TOML_DEPTH_MAX + more) / 2);
        buf_add_text(&buf, more ? "{" : "1");
        add_repeated(&buf, "]}", (TOML_DEPTH_MAX + more) / 2);
        expect_text(&buf, 1, more ? sentence : NULL);
    }
    buf_fini(&buf);
}
END_TEST

START_TEST(an_array_and_the_names_of_a_document_have_a_largest_number)
{
    struct buf buf;
    buf_init(&buf, CONFIG_FILE_MAX);
    for (size_t more = 0; more < 2; more++) {
        buf_add_text(&buf, "a = [\n");
        add_repeated(&buf, "'',", CONFIG_LIST_MAX + more);
        buf_add_text(&buf, "\n]");
        expect_text(&buf, 2, more ? "the array has more than 16384 members" : NULL);
        for (size_t i = 0; i < TOML_NAMES_MAX + more; i++)
            buf_format(&buf, "a%zu = 1\n", i);
        expect_text(&buf, TOML_NAMES_MAX + 1,
                    more ? "it has more than 16384 names; is it the right file?" : NULL);
    }
    buf_add_text(&buf, "a = [");
    add_repeated(&buf, "1,", CONFIG_LIST_MAX + 1);
    buf_add_text(&buf, "]");
    expect_text(&buf, 1, NULL);
    buf_fini(&buf);
}
END_TEST

START_TEST(a_document_has_a_largest_size)
{
    struct buf buf;
    struct err err;
    unsigned line;
    buf_init(&buf, CONFIG_FILE_MAX + 1);
    add_repeated(&buf, "\n", CONFIG_FILE_MAX);
    ck_assert_int_eq(toml_read(buf.bytes, buf.length, ignore, NULL, &line, &err), 0);
    add_repeated(&buf, "\n", 1);
    ck_assert_int_eq(toml_read(buf.bytes, buf.length, ignore, NULL, &line, &err), ERR_LIMIT);
    ck_assert_str_eq(err.text, "it is larger than 1024 KiB; is it the right file?");
    ck_assert_uint_eq(line, 1);
    buf_fini(&buf);
}
END_TEST

static int refuse_port(void *arg, const char *key, const struct toml_value *value, struct err *err)
{
    (void)value;
    ++*(int *)arg;
    return strcmp(key, "port") == 0 ? err_set(err, ERR_REFUSED, "not that port") : 0;
}

START_TEST(a_value_that_the_caller_refuses_ends_the_reading)
{
    static const char text[] = "a = 1\n\nport = [\n'x',\n]\nb = 1\n";
    int calls = 0;
    unsigned line = 0;
    struct err err;
    ck_assert_int_eq(toml_read(text, strlen(text), refuse_port, &calls, &line, &err), ERR_REFUSED);
    ck_assert_int_eq(calls, 2);
    ck_assert_uint_eq(line, 3);
    ck_assert_str_eq(err.text, "not that port");
}
END_TEST

START_TEST(a_line_is_handed_out_when_all_of_it_is_right)
{
    static const char text[] = "a = 1\nport = 1 2\n";
    int calls = 0;
    ck_assert_int_eq(toml_read(text, strlen(text), refuse_port, &calls, NULL, NULL), ERR_INVALID);
    ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(lists_of_the_environment_may_lack_quotes)
{
    static const struct {
        const char *text, *expected;
    } right[] = {
        {"[]", ""},
        {" [ ] ", ""},
        {"[\"https://a.tld\",\"*\"]", "https://a.tld|*|"},
        {"[https://a.tld,*]", "https://a.tld|*|"},
        {"[ https://a.tld , '*' , ]", "https://a.tld|*|"},
        {"\n[\n  a,\r\n\t\"b\"\n]\n", "a|b|"},
        {"[http://[fd00::1]:8080/#x]", "http://[fd00::1]:8080/#x|"},
        {"[1, true]", "1|true|"},
        {"[\"a,b\", 'c\\d', \"\\u0065\", \"\"]", "a,b|c\\d|e||"},
        {"['''a''']", "a|"},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        char **items, *whole = mem_text("");
        size_t count;
        struct err err = {0};
        int result = toml_read_array(right[i].text, &items, &count, &err);
        ck_assert_msg(result == 0, "%s: %s", right[i].text, err.text);
        for (size_t j = 0; j < count; j++) {
            char *longer = mem_format("%s%s|", whole, items[j]);
            free(whole);
            whole = longer;
            free(items[j]);
        }
        ck_assert_str_eq(whole, right[i].expected);
        free(whole);
        free(items);
    }
}
END_TEST

#define LIST_COMMA                                                                                 \
    "a comma is missing between two members of the list, or a quote at one end of a member"

START_TEST(a_list_of_the_environment_that_is_wrong_is_explained)
{
    static const struct {
        const char *text, *sentence;
    } wrong[] = {
        {"", "a list must stand in brackets: [\"one\", \"two\"]"},
        {"a,b]", "a list must stand in brackets: [\"one\", \"two\"]"},
        {"\"[a]\"", "a list must stand in brackets: [\"one\", \"two\"]"},
        {"[", "the ] at the end of the list is missing"},
        {"[a,b", "the ] at the end of the list is missing"},
        {"[\"a\"] # x", "the ] at the end of the list is missing"},
        {"[,]", "a member of the list is empty; take one comma away"},
        {"[a,,b]", "a member of the list is empty; take one comma away"},
        {"[a b]", LIST_COMMA},
        {"[\"a\" \"b\"]", LIST_COMMA},
        {"[a\"]", LIST_COMMA},
        {"[\"a\"b]", LIST_COMMA},
        {"[a, \u201cb\u201d]", TYPOGRAPHIC},
        {"[a,\u00a0b]", OTHER_SPACE},
        {"[\"a]", SHORT_OPEN("\"")},
        {"['''a]", LONG_OPEN},
        {"[\"\\d\"]", ESCAPE},
        {"[a\x1b]", CONTROL},
        {"[\xff]", NO_UTF8},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *nothing = NULL, **items = &nothing;
        size_t count = 1;
        struct err err = {0};
        int result = toml_read_array(wrong[i].text, &items, &count, &err);
        ck_assert_msg(result == ERR_INVALID, "%s: %d", wrong[i].text, result);
        ck_assert_msg(strcmp(err.text, wrong[i].sentence) == 0, "%s: %s", wrong[i].text, err.text);
        ck_assert(!items && count == 0);
    }
}
END_TEST

START_TEST(a_list_of_the_environment_has_the_same_bounds)
{
    struct buf buf;
    struct err err = {0};
    char **items;
    size_t count;
    buf_init(&buf, CONFIG_FILE_MAX);
    buf_add_text(&buf, "[");
    add_repeated(&buf, "x,", CONFIG_LIST_MAX + 1);
    buf_add(&buf, "]", sizeof "]");
    ck_assert_int_eq(toml_read_array((char *)buf.bytes, &items, &count, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "the array has more than 16384 members");
    buf_clear(&buf);
    buf_add_text(&buf, "[");
    add_repeated(&buf, "x", CONFIG_VALUE_MAX + 1);
    buf_add(&buf, "]", sizeof "]");
    ck_assert_int_eq(toml_read_array((char *)buf.bytes, &items, &count, &err), ERR_INVALID);
    ck_assert_str_eq(err.text,
                     "a name or a value is longer than 4095 bytes; is it the right file?");
    buf_fini(&buf);
}
END_TEST

UNIT_MAIN("toml", nothing_to_read_is_fine, the_file_of_a_mollysocket_is_read, strings_are_decoded,
          numbers_become_decimal, dates_and_times_are_known,
          arrays_of_strings_are_handed_out_and_others_checked, keys_are_dotted_paths,
          long_paths_end_in_dots, tables_may_be_opened_once_and_grow_as_toml_allows,
          what_is_not_plain_text_is_refused, a_line_that_is_no_setting_is_explained,
          a_value_without_quotes_is_explained, a_string_that_is_wrong_is_explained,
          an_array_or_a_table_in_braces_that_is_wrong_is_explained,
          a_name_that_is_used_twice_is_explained, a_name_or_a_value_has_a_longest_length,
          brackets_nest_to_a_bound, an_array_and_the_names_of_a_document_have_a_largest_number,
          a_document_has_a_largest_size, a_value_that_the_caller_refuses_ends_the_reading,
          a_line_is_handed_out_when_all_of_it_is_right, lists_of_the_environment_may_lack_quotes,
          a_list_of_the_environment_that_is_wrong_is_explained,
          a_list_of_the_environment_has_the_same_bounds)
