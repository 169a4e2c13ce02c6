#include "push/headers.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "folder.h"
#include "unit.h"

static struct headers *read_text(const char *text, struct err *err)
{
    return headers_read("headers.yaml", text, strlen(text), err);
}

static struct headers *well_read(const char *text)
{
    struct err err = {0};
    struct headers *headers = read_text(text, &err);
    ck_assert_msg(headers != NULL, "%s", err.text);
    return headers;
}

START_TEST(each_origin_has_its_headers_and_no_other_one)
{
    struct headers *headers = well_read("# tokens\n"
                                        "https://ntfy.example.org:\n"
                                        "  Authorization: Bearer tk_one\n"
                                        "https://push.lan:8443:\n"
                                        "  CF-Access-Client-Id: \"abc: def\"\n"
                                        "  CF-Access-Client-Secret: 0123\n"
                                        "'http://[fd00::5]:80/':\n"
                                        "  x-token: 'a, b'\n");
    const struct header_list *list = headers_for(headers, "https://ntfy.example.org");
    ck_assert_ptr_nonnull(list);
    ck_assert_uint_eq(list->count, 1);
    ck_assert_str_eq(list->lines[0], "Authorization: Bearer tk_one");
    ck_assert(list->has_authorization);
    list = headers_for(headers, "https://push.lan:8443");
    ck_assert_uint_eq(list->count, 2);
    ck_assert_str_eq(list->lines[0], "CF-Access-Client-Id: abc: def");
    ck_assert_str_eq(list->lines[1], "CF-Access-Client-Secret: 0123");
    ck_assert(!list->has_authorization);
    list = headers_for(headers, "http://[fd00::5]");
    ck_assert_str_eq(list->lines[0], "x-token: a, b");
    ck_assert_ptr_null(headers_for(headers, "http://ntfy.example.org"));
    ck_assert_ptr_null(headers_for(headers, "https://ntfy.example.org:8443"));
    ck_assert_ptr_null(headers_for(headers, "https://push.lan"));
    ck_assert_ptr_null(headers_for(headers, "https://a.ntfy.example.org"));
    headers_free(headers);
}
END_TEST

START_TEST(an_empty_file_and_no_file_have_no_headers)
{
    static const char *const empty[] = {"", "\n", "# nothing yet\n", "---\n", "{}\n"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        struct headers *headers = well_read(empty[i]);
        ck_assert_ptr_null(headers_for(headers, "https://ntfy.example.org"));
        headers_free(headers);
    }
    struct headers *headers = headers_load(NULL, NULL);
    ck_assert_ptr_null(headers_for(headers, "https://ntfy.example.org"));
    headers_warn(headers);
    headers_free(headers);
}
END_TEST

START_TEST(what_is_wrong_is_told_with_its_line_and_never_with_a_value)
{
    static const struct {
        const char *text, *line, *said;
    } wrong[] = {
        {"SECRET\n", "1", "a name with a colon behind it is missing"},
        {"- SECRET\n", "1", "such as \"https://ntfy.example.org:\""},
        {"https://a.example: SECRET\n", "1", "go below the name"},
        {"https://a.example:\n", "1", "go below the name"},
        {"https://a.example:\n  - SECRET\n", "2", "go below the name"},
        {"https://a.example:\n  X: [SECRET]\n", "2", "one value is missing"},
        {"https://a.example:\n  X: {y: SECRET}\n", "2", "one value is missing"},
        {"https://a.example:\n  X:\n", "2", "one value is missing"},
        {"https://a.example:\n  X: ''\n", "2", "X has no value"},
        {"https://a.example:\n  X: ' '\n", "2", "X has no value"},
        {"https://a.example:\n  X: \"SECRET\\r\\nTTL: 0\"\n", "2",
         "the value of X has a line break"},
        {"https://a.example:\n  X: |\n    SECRET\n", "2", "the value of X has a line break"},
        {"https://a.example:\n  X: \"SECRET\\t\"\n", "2", "a tab"},
        {"https://a.example:\n  X: \"SECRET\\0\"\n", "2", "one value is missing"},
        {"https://a.example:\n  X: SECR\xc3\x89T\n", "2", "not ASCII"},
        {"https://a.example:\n  X: *SECRET\n", "2", "an alias"},
        {"https://a.example:\n  X: &a SECRET\n", "2", "an anchor"},
        {"https://a.example:\n  X: !b SECRET\n", "2", "a tag"},
        {"https://a.example:\n\tX: SECRET\n", "2", "begins with a tab"},
        {"https://a.example:\n  X: \"SECRET\n", "2", "not closed"},
        {"https://a.example:\n  Host: SECRET\n", "2", "Host is a header that Doorbell sets itself"},
        {"https://a.example:\n  ttl: 5\n", "2", "ttl is a header"},
        {"https://a.example:\n  URGENCY: SECRET\n", "2", "sets itself"},
        {"https://a.example:\n  Topic: SECRET\n", "2", "sets itself"},
        {"https://a.example:\n  Content-Length: 5\n", "2", "sets itself"},
        {"https://a.example:\n  Transfer-Encoding: SECRET\n", "2", "sets itself"},
        {"https://a.example:\n  Connection: SECRET\n", "2", "sets itself"},
        {"https://a.example:\n  User-Agent: SECRET\n", "2", "sets itself"},
        {"https://a.example:\n  \"X:\": SECRET\n", "2", "cannot be the name of a header"},
        {"https://a.example:\n  \"X: SECRET\": 1\n", "2", "this cannot be the name of a header"},
        {"https://a.example:\n  X Y: SECRET\n", "2", "this cannot be"},
        {"https://a.example:\n  \"X\\n\": SECRET\n", "2", "cannot be the name"},
        {"https://a.example:\n  '': SECRET\n", "2", "a name is missing"},
        {"https://a.example:\n  X: SECRET\n  x: SECRET\n", "3", "x stands below this push server"},
        {"https://a.example:\n  X: 1\nHTTPS://A.example:443/:\n  X: 1\n", "3",
         "\"https://a.example\" stands in this file twice"},
        {"a.example:\n  X: SECRET\n", "1", "\"a.example\" is no push server such as https://ntfy"},
        {"https://a.example/SECRET:\n  X: 1\n", "1", "write \"https://a.example:\""},
        {"https://SECRET@a.example:\n  X: 1\n", "1", "user name or password"},
        {"wss://a.example:\n  X: 1\n", "1", "https:// or http://"},
        {"https://a.example:\n  X: 1\n---\nhttps://b.example:\n  X: 1\n", "3", "second document"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        ck_assert_msg(!read_text(wrong[i].text, &err), "%s", wrong[i].text);
        char *place = mem_format("headers.yaml:%s: ", wrong[i].line);
        ck_assert_msg(strncmp(err.text, place, strlen(place)) == 0, "%s: %s", wrong[i].text,
                      err.text);
        ck_assert_msg(strstr(err.text, wrong[i].said) != NULL, "%s: %s", wrong[i].text, err.text);
        ck_assert_msg(!strstr(err.text, "SECR"), "%s", err.text);
        free(place);
    }
}
END_TEST

START_TEST(everything_is_bounded)
{
    struct err err;
    char *large = mem_new(66 * 1024);
    memset(large, ' ', 65 * 1024);
    ck_assert_ptr_null(read_text(large, &err));
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "larger than 64 KiB"));

    int length = sprintf(large, "https://a.example:\n  X: ");
    memset(large + length, 'x', 4097);
    large[length + 4097] = '\0';
    ck_assert_ptr_null(read_text(large, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "longer than 4096 bytes"));

    length = sprintf(large, "https://a.example:\n");
    for (int i = 0; i <= HEADERS_MOST; i++)
        length += sprintf(large + length, "  X%d: 1\n", i);
    ck_assert_ptr_null(read_text(large, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "16 headers at most"));

    length = 0;
    for (int i = 0; i <= 64; i++)
        length += sprintf(large + length, "https://a%d.example:\n  X: 1\n", i);
    ck_assert_ptr_null(read_text(large, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "more than 64 push servers"));
    free(large);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told_with_the_setting)
{
    struct folder folder;
    enter_folder(&folder);
    struct err err;
    ck_assert_ptr_null(headers_load("headers.yaml", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "push.headers_file: \"headers.yaml\""));
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
    ck_assert_ptr_null(headers_load(".", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "Is a directory"));
    write_file("headers.yaml", "https://a.example:\n  Host: SECRET\n");
    ck_assert_ptr_null(headers_load("headers.yaml", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "push.headers_file: headers.yaml:2: Host"));
    leave_folder(&folder);
}
END_TEST

/* What the log says, once. */
static char *warning_of(const struct headers *headers)
{
    char *text = mem_new(1024);
    int before = dup(STDERR_FILENO), pipe_ends[2];
    ck_assert_int_eq(pipe(pipe_ends), 0);
    dup2(pipe_ends[1], STDERR_FILENO);
    headers_warn(headers);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    close(pipe_ends[1]);
    ck_assert_int_ge(read(pipe_ends[0], text, 1023), 0);
    close(pipe_ends[0]);
    return text;
}

START_TEST(a_file_that_everybody_may_read_is_told_and_taken)
{
    struct folder folder;
    enter_folder(&folder);
    write_file("headers.yaml", "https://a.example:\n  X: SECRET\n");
    for (int others = 0; others <= 4; others += 4) {
        ck_assert_int_eq(chmod("headers.yaml", (mode_t)(0640 + others)), 0);
        struct headers *headers = headers_load("headers.yaml", NULL);
        ck_assert_ptr_nonnull(headers_for(headers, "https://a.example"));
        char *warning = warning_of(headers);
        ck_assert_msg((strstr(warning, "run: chmod o= headers.yaml") != NULL) == (others != 0),
                      "%s", warning);
        ck_assert_ptr_null(strstr(warning, "SECRET"));
        free(warning);
        headers_free(headers);
    }
    leave_folder(&folder);
}
END_TEST

UNIT_MAIN("headers", each_origin_has_its_headers_and_no_other_one,
          an_empty_file_and_no_file_have_no_headers,
          what_is_wrong_is_told_with_its_line_and_never_with_a_value, everything_is_bounded,
          a_file_that_cannot_be_read_is_told_with_the_setting,
          a_file_that_everybody_may_read_is_told_and_taken)
