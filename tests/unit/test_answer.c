#include "push/answer.h"

#include <string.h>

#include "base/err.h"
#include "unit.h"

static const int64_t now = 1000000000; /* Sun, 09 Sep 2001 01:46:40 GMT */

static struct answer answer;
static struct push_answer told;

/* Every line ends with a newline. */
static int take(const char *lines)
{
    while (*lines) {
        size_t length = strcspn(lines, "\n") + 1;
        int result = answer_line(&answer, lines, length);
        if (result != 0)
            return result;
        lines += length;
    }
    return 0;
}

static void tell(const char *lines)
{
    answer_clear(&answer);
    ck_assert_int_eq(take(lines), 0);
    answer_tell(&answer, PUSH_BROKEN, now, &told);
}

START_TEST(status_date_and_server_are_read)
{
    tell(
        "HTTP/1.1 201 Created\r\ndate: Sun, 09 Sep 2001 01:46:41 GMT\r\nSERVER:  nginx/1 \r\n\r\n");
    ck_assert_int_eq(told.failure, PUSH_ANSWERED);
    ck_assert_int_eq(told.status, 201);
    ck_assert_int_eq(told.date_unix, now + 1);
    ck_assert_str_eq(told.server, "nginx/1");
    ck_assert_int_eq(told.retry_after_s, 0);
}
END_TEST

START_TEST(what_is_no_status_line_gives_no_status)
{
    static const char *const wrong[] = {"",
                                        "\r\n",
                                        "HTTP/1.1\r\n",
                                        "HTTP/1.1 20\r\n",
                                        "HTTP/1.1 2O1 x\r\n",
                                        "HTTP/1.1 2011 x\r\n",
                                        "HTTP/1.1 099 x\r\n",
                                        "http/1.1 201 x\r\n",
                                        "HTTP/2 201\r\n",
                                        "HTTP/1.1 100 Continue\r\n\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tell(wrong[i]);
        ck_assert_int_eq(told.failure, PUSH_BROKEN);
        ck_assert_int_eq(told.status, 0);
    }
    tell("HTTP/1.0 400\r\n");
    ck_assert_int_eq(told.status, 400);
}
END_TEST

START_TEST(a_head_that_never_ends_is_no_acceptance)
{
    tell("HTTP/1.1 200 OK\r\nServer: x\r\n");
    ck_assert_int_eq(told.failure, PUSH_BROKEN);
    ck_assert_int_eq(told.status, 0);
    tell("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n");
    ck_assert_int_eq(told.status, 200);
    /* What refuses us has said enough. */
    tell("HTTP/1.1 410 Gone\r\nServer: x\r\n");
    ck_assert_int_eq(told.status, 410);
}
END_TEST

START_TEST(interim_answers_say_nothing)
{
    tell("HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\nServer: x\r\n\r\n"
         "HTTP/1.1 410 Gone\r\n\r\n");
    ck_assert_int_eq(told.status, 410);
    ck_assert_int_eq(told.retry_after_s, 0);
    ck_assert_ptr_null(told.server);
}
END_TEST

START_TEST(trailers_say_nothing)
{
    tell("HTTP/1.1 429 Slow\r\nRetry-After: 9\r\n\r\nRetry-After: 99\r\n"
         "HTTP/1.1 410 Gone\r\n");
    ck_assert_int_eq(told.status, 429);
    ck_assert_int_eq(told.retry_after_s, 9);
}
END_TEST

static int64_t retry_after(const char *value, const char *date)
{
    char lines[512];
    snprintf(lines, sizeof lines, "HTTP/1.1 429 x\r\nRetry-After: %s\r\n%s\r\n", value, date);
    tell(lines);
    return told.retry_after_s;
}

START_TEST(retry_after_in_seconds_is_clamped)
{
    ck_assert_int_eq(retry_after("0", ""), 0);
    ck_assert_int_eq(retry_after("120", ""), 120);
    ck_assert_int_eq(retry_after("3600", ""), 3600);
    ck_assert_int_eq(retry_after("3601", ""), 3600);
    ck_assert_int_eq(retry_after("9999999999", ""), 3600);
    ck_assert_int_eq(retry_after("99999999999999999999999999999999", ""), 3600);
}
END_TEST

START_TEST(retry_after_that_is_no_number_and_no_date_is_none)
{
    static const char *const wrong[] = {"", "-5", "1.5", "+5", "soon", "1 2", "0x10", "2001-09-09"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(retry_after(wrong[i], ""), 0);
}
END_TEST

START_TEST(retry_after_as_a_date_counts_from_the_servers_clock)
{
    ck_assert_int_eq(retry_after("Sun, 09 Sep 2001 01:47:40 GMT", ""), 60);
    ck_assert_int_eq(retry_after("Sunday, 09-Sep-01 01:47:40 GMT", ""), 60);
    ck_assert_int_eq(retry_after("Sun Sep  9 01:47:40 2001", ""), 60);
    ck_assert_int_eq(retry_after("Sun, 09 Sep 2001 01:46:00 GMT", ""), 0);
    ck_assert_int_eq(retry_after("Fri, 09 Sep 2011 01:46:00 GMT", ""), 3600);
    /* the server's clock is a day ahead of ours */
    ck_assert_int_eq(
        retry_after("Mon, 10 Sep 2001 01:46:30 GMT", "Date: Mon, 10 Sep 2001 01:46:10 GMT\r\n"),
        20);
}
END_TEST

START_TEST(sixteen_kibibytes_of_lines_are_read_and_no_more)
{
    tell("HTTP/1.1 200 OK\r\n\r\n");
    char line[64];
    memset(line, 'x', sizeof line);
    size_t taken = 0;
    while (answer_line(&answer, line, sizeof line) == 0)
        taken += sizeof line;
    ck_assert_uint_le(taken, ANSWER_HEAD_MAX);
    ck_assert_uint_gt(taken, ANSWER_HEAD_MAX - 200);
    ck_assert_int_eq(answer_line(&answer, "x\n", 2), ERR_LIMIT);
    answer_tell(&answer, PUSH_BROKEN, now, &told);
    ck_assert_int_eq(told.status, 200);
}
END_TEST

START_TEST(interim_answers_count_as_well)
{
    answer_clear(&answer);
    int result = 0;
    for (int i = 0; i < 1000 && result == 0; i++)
        result = take("HTTP/1.1 100 Continue\r\n\r\n");
    ck_assert_int_eq(result, ERR_LIMIT);
    answer_tell(&answer, PUSH_BROKEN, now, &told);
    ck_assert_int_eq(told.failure, PUSH_BROKEN);
}
END_TEST

START_TEST(four_kibibytes_of_body_are_kept)
{
    static char bytes[3000];
    memset(bytes, 'b', sizeof bytes);
    tell("HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_ptr_null(told.body);
    ck_assert_int_eq(answer_body(&answer, bytes, sizeof bytes), 0);
    ck_assert_int_eq(answer_body(&answer, bytes, ANSWER_BODY_MAX - sizeof bytes), 0);
    ck_assert_int_eq(answer_body(&answer, bytes, 1), ERR_LIMIT);
    answer_tell(&answer, PUSH_BROKEN, now, &told);
    ck_assert_uint_eq(told.body_length, ANSWER_BODY_MAX);
    ck_assert_int_eq(told.body[ANSWER_BODY_MAX - 1], 'b');
    ck_assert_int_eq(told.status, 200);
}
END_TEST

START_TEST(the_server_is_printable_and_bounded)
{
    tell("HTTP/1.1 200 OK\r\nServer: a\x1b[2J\x80z\r\n\r\n");
    ck_assert_str_eq(told.server, "a?[2J?z");
    char line[1024];
    memset(line, 's', sizeof line);
    memcpy(line, "Server: ", 8);
    tell("HTTP/1.1 200 OK\r\n");
    ck_assert_int_eq(answer_line(&answer, line, sizeof line), 0);
    ck_assert_int_eq(take("\r\n"), 0);
    answer_tell(&answer, PUSH_BROKEN, now, &told);
    ck_assert_uint_lt(strlen(told.server), ANSWER_SERVER_SIZE);
}
END_TEST

START_TEST(nothing_of_one_answer_is_left_in_the_next)
{
    tell("HTTP/1.1 429 x\r\nServer: x\r\nRetry-After: 5\r\nDate: Sun, 09 Sep 2001 01:46:41 GMT\r\n"
         "\r\n");
    ck_assert(answer_begun(&answer));
    ck_assert_int_eq(answer_body(&answer, "body", 4), 0);
    answer_clear(&answer);
    ck_assert(!answer_begun(&answer));
    tell("HTTP/1.1 500 x\r\n\r\n");
    ck_assert_ptr_null(told.server);
    ck_assert_ptr_null(told.body);
    ck_assert_int_eq(told.retry_after_s, 0);
    ck_assert_int_eq(told.date_unix, 0);
}
END_TEST

UNIT_MAIN("answer", status_date_and_server_are_read, what_is_no_status_line_gives_no_status,
          a_head_that_never_ends_is_no_acceptance, interim_answers_say_nothing,
          trailers_say_nothing, retry_after_in_seconds_is_clamped,
          retry_after_that_is_no_number_and_no_date_is_none,
          retry_after_as_a_date_counts_from_the_servers_clock,
          sixteen_kibibytes_of_lines_are_read_and_no_more, interim_answers_count_as_well,
          four_kibibytes_of_body_are_kept, the_server_is_printable_and_bounded,
          nothing_of_one_answer_is_left_in_the_next)
