#include "signal/judge.h"

#include <string.h>

#include "unit.h"

struct status_row {
    int status;
    bool has_timestamp;
    int64_t retry_after_ms;
    enum link_reason reason;
};

static struct link_down judged(const struct transport_end *end)
{
    struct link_down down;
    memset(&down, 0xff, sizeof down);
    judge(&down, end);
    return down;
}

static void check_sentence(const struct link_down *down)
{
    size_t length = strnlen(down->text, sizeof down->text);
    ck_assert_uint_gt(length, 10);
    ck_assert_uint_lt(length, sizeof down->text);
    for (size_t i = 0; i < length; i++)
        ck_assert(down->text[i] >= ' ' && down->text[i] <= '~');
}

START_TEST(every_status_has_its_reason)
{
    static const struct status_row rows[] = {
        {403, true, 0, LINK_UNAUTHORIZED},    {403, false, 0, LINK_MIDDLEBOX},
        {401, true, 0, LINK_SERVER_TROUBLE},  {499, false, 0, LINK_CLIENT_REFUSED},
        {499, true, 0, LINK_CLIENT_REFUSED},  {429, false, 0, LINK_RATE_LIMITED},
        {500, true, 0, LINK_SERVER_TROUBLE},  {502, false, 0, LINK_SERVER_TROUBLE},
        {503, false, 0, LINK_SERVER_TROUBLE}, {504, false, 0, LINK_SERVER_TROUBLE},
        {508, true, 0, LINK_SERVER_TROUBLE},  {404, true, 0, LINK_MISCONFIGURED},
        {404, false, 0, LINK_MISCONFIGURED},  {400, false, 0, LINK_MISCONFIGURED},
        {426, false, 0, LINK_MISCONFIGURED},  {431, false, 0, LINK_SERVER_TROUBLE},
        {407, false, 0, LINK_MIDDLEBOX},      {200, false, 0, LINK_MIDDLEBOX},
        {302, false, 0, LINK_MIDDLEBOX},      {101, false, 0, LINK_SERVER_TROUBLE},
        {418, false, 0, LINK_SERVER_TROUBLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transport_end end = {.kind = TRANSPORT_STATUS,
                                    .status = rows[i].status,
                                    .has_timestamp = rows[i].has_timestamp};
        struct link_down down = judged(&end);
        ck_assert_msg(down.reason == rows[i].reason, "%d: %s", rows[i].status,
                      link_reason_name(down.reason));
        ck_assert_int_eq(down.status, rows[i].status);
        ck_assert_int_eq(down.close_code, 0);
        ck_assert_int_eq(down.retry_after_ms, 0);
        check_sentence(&down);
    }
}
END_TEST

START_TEST(retry_after_wins_over_every_status)
{
    static const int statuses[] = {403, 429, 499, 503, 200};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct transport_end end = {.kind = TRANSPORT_STATUS,
                                    .status = statuses[i],
                                    .has_timestamp = true,
                                    .retry_after_ms = 120000};
        struct link_down down = judged(&end);
        ck_assert_int_eq(down.reason, LINK_RATE_LIMITED);
        ck_assert_int_eq(down.retry_after_ms, 120000);
        ck_assert_ptr_nonnull(strstr(down.text, "2 min"));
        check_sentence(&down);
    }
}
END_TEST

START_TEST(every_close_code_has_its_reason)
{
    static const struct {
        int code;
        enum link_reason reason;
    } rows[] = {
        {4409, LINK_CONTESTED},      {4401, LINK_REVOKED},        {1000, LINK_CLOSED},
        {1001, LINK_CLOSED},         {1005, LINK_CLOSED},         {1012, LINK_CLOSED},
        {1011, LINK_SERVER_TROUBLE}, {1013, LINK_SERVER_TROUBLE}, {1014, LINK_SERVER_TROUBLE},
        {1002, LINK_PROTOCOL},       {1003, LINK_PROTOCOL},       {1007, LINK_PROTOCOL},
        {1009, LINK_PROTOCOL},       {1010, LINK_PROTOCOL},       {1008, LINK_SERVER_TROUBLE},
        {3000, LINK_SERVER_TROUBLE}, {4508, LINK_SERVER_TROUBLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transport_end end = {.kind = TRANSPORT_CLOSE, .close_code = rows[i].code};
        struct link_down down = judged(&end);
        ck_assert_msg(down.reason == rows[i].reason, "%d: %s", rows[i].code,
                      link_reason_name(down.reason));
        ck_assert_int_eq(down.close_code, rows[i].code);
        ck_assert_int_eq(down.status, 0);
        check_sentence(&down);
    }
}
END_TEST

START_TEST(the_servers_own_words_are_kept_and_bounded)
{
    struct transport_end end = {.kind = TRANSPORT_CLOSE, .close_code = 1011};
    strcpy(end.text, "Failed to retrieve messages");
    struct link_down down = judged(&end);
    ck_assert_str_eq(down.text,
                     "Signal's server is in trouble (1011): Failed to retrieve messages.");
    end.close_code = 1010; /* the longest sentence */
    memset(end.text, 'x', sizeof end.text - 1);
    down = judged(&end);
    ck_assert_int_eq(down.reason, LINK_PROTOCOL);
    check_sentence(&down);
    end.close_code = 4401; /* "Reauthentication required" */
    down = judged(&end);
    ck_assert_int_eq(down.reason, LINK_REVOKED);
    ck_assert_ptr_null(strchr(down.text, 'x'));
    check_sentence(&down);
}
END_TEST

START_TEST(every_other_end_has_its_reason)
{
    static const struct {
        enum transport_end_kind kind;
        enum link_reason reason;
    } rows[] = {
        {TRANSPORT_UNREACHABLE, LINK_UNREACHABLE}, {TRANSPORT_TLS, LINK_MISCONFIGURED},
        {TRANSPORT_UNTIMELY, LINK_UNTIMELY},       {TRANSPORT_LOST, LINK_LOST},
        {TRANSPORT_VIOLATION, LINK_PROTOCOL},      {TRANSPORT_STOPPED, LINK_STOPPED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transport_end end = {.kind = rows[i].kind};
        struct link_down down = judged(&end);
        ck_assert_int_eq(down.reason, rows[i].reason);
        ck_assert_int_eq(down.status, 0);
        ck_assert_int_eq(down.close_code, 0);
        check_sentence(&down);
    }
}
END_TEST

START_TEST(every_reason_has_a_name_of_its_own)
{
    for (int a = LINK_STOPPED; a <= LINK_UNTIMELY; a++) {
        ck_assert_str_ne(link_reason_name((enum link_reason)a), "unknown");
        for (int b = LINK_STOPPED; b < a; b++)
            ck_assert_str_ne(link_reason_name((enum link_reason)a),
                             link_reason_name((enum link_reason)b));
    }
    ck_assert_str_eq(link_reason_name((enum link_reason)99), "unknown");
    ck_assert_str_eq(link_reason_name(LINK_LOST), "lost");
}
END_TEST

UNIT_MAIN("judge", every_status_has_its_reason, retry_after_wins_over_every_status,
          every_close_code_has_its_reason, the_servers_own_words_are_kept_and_bounded,
          every_other_end_has_its_reason, every_reason_has_a_name_of_its_own)
