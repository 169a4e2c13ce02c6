#include "push/verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

#define S ((int64_t)1000)
#define MIN (60 * S)
#define H (60 * MIN)
#define NOW 1700000000 /* 22:13:20 UTC */
#define NOON 1700049600
#define RETRY_MIN (2 * S)
#define RETRY_MAX (15 * MIN)

#define NTFY(code)                                                                                 \
    "{\"code\":" #code ",\"http\":400,\"error\":\"why\",\"link\":\"https://ntfy.sh/docs\"}"
#define AUTOPUSH(errno, message)                                                                   \
    "{\"code\":401,\"errno\":" #errno ",\"error\":\"Unauthorized\",\"message\":\"" message         \
    "\",\"more_info\":\"http://autopush.readthedocs.io/en/latest/http.html#error-codes\"}"
#define HTML "<html><head><title>404</title></head><body>/push/SECRET</body></html>"

enum { ANEW = 1, ORIGIN = 2, DOUBT = 4 };

/* Every row of push-measured.md section 5. */
static const struct row {
    int least, most;
    const char *body;
    enum verdict_kind kind;
    int64_t floor_ms, cap_ms;
    unsigned flags;
    const char *text;
} rows[] = {
    {200, 299, NULL, VERDICT_ACCEPTED, 0, 0, 0, "Accepted"},
    {200, 200, "{\"id\":\"x\",\"code\":42901}", VERDICT_ACCEPTED, 0, 0, 0, "Accepted"},
    {300, 399, NULL, VERDICT_MISCONFIGURED, H, 0, 0, "redirect"},

    {400, 400, AUTOPUSH(110, "no encoding"), VERDICT_MISCONFIGURED, H, 0, 0, "errno 110"},
    {400, 400, AUTOPUSH(111, "no TTL"), VERDICT_MISCONFIGURED, H, 0, 0, "errno 111"},
    {400, 400, AUTOPUSH(113, "topic"), VERDICT_MISCONFIGURED, H, 0, 0, "errno 113"},
    {400, 400, AUTOPUSH(114, "TTL"), VERDICT_MISCONFIGURED, H, 0, 0, "errno 114"},
    {400, 400, NTFY(40007), VERDICT_MISCONFIGURED, H, 0, 0, "ntfy 40007"},
    {400, 400, NTFY(40014), VERDICT_MISCONFIGURED, H, 0, 0, "report"},
    {400, 400, "{\"errno\":null}", VERDICT_MISCONFIGURED, H, 0, 0, "(400)"},
    {400, 400, NULL, VERDICT_MISCONFIGURED, H, 0, 0, "our request wrong (400)"},
    {400, 400, "Client sent an HTTP request to an HTTPS server.\n", VERDICT_MISCONFIGURED, H, 0, 0,
     "https:// in the phone"},
    {400, 400, "<center>The plain HTTP request was sent to HTTPS port</center>",
     VERDICT_MISCONFIGURED, H, 0, 0, "https:// in the phone"},
    {400, 400, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
     VERDICT_MISCONFIGURED, H, 0, 0, "https:// in the phone"},

    {401, 401, NULL, VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H, ANEW, "VAPID token (401)"},
    {401, 401, AUTOPUSH(109, "InvalidSignature"), VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H, ANEW,
     "(401, errno 109): \"...\""},
    {401, 401, AUTOPUSH(109, "Invalid VAPID audience"), VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H, ANEW,
     "\"Invalid VAPID audience\""},
    {401, 401, AUTOPUSH(109, "ExpiredSignature"), VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H, ANEW,
     "Set this machine's clock"},
    {401, 401, AUTOPUSH(109, "VAPID expiration is too long"), VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H,
     ANEW, "Set this machine's clock"},
    {401, 401, AUTOPUSH(109, "VAPID public key mismatch"), VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H, 0,
     "link the phone again"},
    {401, 401, NTFY(40101), VERDICT_UNAUTHORIZED, H, 6 * H, 0, "auth="},
    {403, 403, NTFY(40301), VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H, 0,
     "The push server's access list refuses us (ntfy 40301). On it run: ntfy access '*' 'up*' "
     "write-only; or give us a token of its own in push.headers_file"},
    {403, 403, NULL, VERDICT_UNAUTHORIZED, 15 * MIN, 6 * H, ANEW, "refuses us (403)"},

    {404, 404, NULL, VERDICT_SUSPECT, 11 * MIN, 6 * H, 0, "does not know the endpoint"},
    {404, 404, HTML, VERDICT_SUSPECT, 11 * MIN, 6 * H, 0, "does not know the endpoint"},
    {404, 404, AUTOPUSH(102, "x"), VERDICT_SUSPECT, 11 * MIN, 6 * H, 0, "errno 102"},
    {404, 404, NTFY(40401), VERDICT_MISCONFIGURED, -1, 0, 0, "ntfy 40401"},
    {405, 405, NULL, VERDICT_MISCONFIGURED, H, 0, 0, "takes no messages"},
    {408, 408, NULL, VERDICT_RETRY, 0, 0, 0, "busy"},
    {425, 425, NULL, VERDICT_RETRY, 0, 0, 0, "busy"},
    {410, 410, AUTOPUSH(106, "gone"), VERDICT_GONE, -1, 0, 0, "gone for good"},
    {410, 410, NULL, VERDICT_GONE, -1, 0, 0, "registers again"},
    {413, 413, AUTOPUSH(104, "too big"), VERDICT_MISCONFIGURED, H, 0, 0, "report"},
    {402, 402, NULL, VERDICT_MISCONFIGURED, H, 0, 0, "(402)"},
    {415, 415, NULL, VERDICT_MISCONFIGURED, H, 0, 0, "(415)"},
    {451, 451, NULL, VERDICT_MISCONFIGURED, H, 0, 0, "(451)"},

    {429, 429, NTFY(42901), VERDICT_RETRY, MIN, H, 0, "exempt-hosts"},
    {429, 429, NTFY(42904), VERDICT_MISCONFIGURED, H, 0, 0, "global-topic-limit"},
    {429, 429, NTFY(42908), VERDICT_RETRY, H, 0, 0, "daily quota"},
    {429, 429, NTFY(42909), VERDICT_UNAUTHORIZED, H, 0, 0, "wrong logins"},
    {429, 429, NULL, VERDICT_RETRY, 90 * S, H, 0, "fewer pushes (429)"},
    {429, 429, NTFY(42999), VERDICT_RETRY, 90 * S, H, 0, "ntfy 42999"},

    {500, 501, NULL, VERDICT_RETRY, 0, 0, DOUBT, "failed"},
    {500, 500, HTML, VERDICT_RETRY, 0, 0, DOUBT, "failed"},
    {502, 504, NULL, VERDICT_RETRY, 0, 0, ORIGIN, "proxy"},
    {505, 506, NULL, VERDICT_RETRY, 0, 0, DOUBT, "failed"},
    {507, 507, NTFY(50701), VERDICT_RETRY, MIN, H, 0, "ntfy 50701"},
    {507, 507, NULL, VERDICT_RETRY, MIN, H, 0, "not connected"},
    {508, 599, NULL, VERDICT_RETRY, 0, 0, DOUBT, "failed"},
    {0, 199, NULL, VERDICT_RETRY, 0, 0, 0, "nonsense"},
    {600, 999, NULL, VERDICT_RETRY, 0, 0, 0, "nonsense"},
};

static struct verdict judged_at(int64_t now_unix, int status, const char *body)
{
    struct push_answer answer = {
        .status = status, .body = body, .body_length = body ? strlen(body) : 0};
    struct verdict verdict;
    verdict_judge(&verdict, &answer, now_unix);
    return verdict;
}

static struct verdict judged(int status, const char *body)
{
    return judged_at(NOON, status, body);
}

static struct verdict judged_with_login(int status, const char *body)
{
    struct push_answer answer = {.status = status,
                                 .body = body,
                                 .body_length = body ? strlen(body) : 0,
                                 .login = LOGIN_HEADERS_FILE};
    struct verdict verdict;
    verdict_judge(&verdict, &answer, NOON);
    return verdict;
}

static void check_text(const struct verdict *verdict)
{
    size_t length = strlen(verdict->text);
    ck_assert_uint_gt(length, 0);
    ck_assert_msg(length < VERDICT_TEXT_SIZE - 1, "cut off: %s", verdict->text);
    for (size_t i = 0; i < length; i++)
        ck_assert(verdict->text[i] >= ' ' && verdict->text[i] < 0x7f);
}

START_TEST(a_refused_login_of_the_operators_is_neither_the_phones_nor_our_keys_fault)
{
    static const struct {
        int status;
        const char *body;
    } refusals[] = {{401, NULL},        {401, NTFY(40101)}, {401, "VAPID public key mismatch"},
                    {403, NTFY(40301)}, {403, NULL},        {429, NTFY(42909)}};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        int status = refusals[i].status;
        struct verdict verdict = judged_with_login(status, refusals[i].body);
        ck_assert(verdict_is_of_own_login(verdict.cause));
        ck_assert_int_eq(verdict.kind, VERDICT_UNAUTHORIZED);
        ck_assert_int_ge(verdict.floor_ms, 15 * MIN);
        ck_assert(!verdict.sign_anew);
        ck_assert_msg(strstr(verdict.text, "still valid") != NULL, "%s", verdict.text);
        ck_assert_ptr_null(strstr(verdict.text, "phone"));
        check_text(&verdict);
        struct verdict without = judged(status, refusals[i].body);
        ck_assert(!verdict_is_of_own_login(without.cause));
        if (status != 429) /* a status alone does not tell which limit it was */
            ck_assert(verdict_is_of_own_login(verdict_cause_of_status(status, LOGIN_HEADERS_FILE)));
        ck_assert(!verdict_is_of_own_login(verdict_cause_of_status(status, LOGIN_TOKEN)));
    }
    ck_assert(!verdict_is_of_own_login(judged_with_login(507, NTFY(50701)).cause));
    ck_assert(!verdict_is_of_own_login(judged_with_login(200, NULL).cause));
    ck_assert(!verdict_is_of_own_login(0));
}
END_TEST

START_TEST(every_answer_means_what_the_measured_table_says)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        for (int status = row->least; status <= row->most; status++) {
            struct verdict verdict = judged(status, row->body);
            const char *what = verdict.text;
            ck_assert_msg(verdict.kind == row->kind, "%d: %s", status, what);
            ck_assert_msg(verdict.floor_ms == row->floor_ms, "%d: %s", status, what);
            ck_assert_msg(verdict.cap_ms == row->cap_ms, "%d: %s", status, what);
            ck_assert_msg(verdict.sign_anew == !!(row->flags & ANEW), "%d: %s", status, what);
            ck_assert_msg(verdict.origin_trouble == !!(row->flags & ORIGIN), "%d: %s", status,
                          what);
            ck_assert_msg(verdict.doubtful == !!(row->flags & DOUBT), "%d: %s", status, what);
            ck_assert_msg(strstr(what, row->text) != NULL, "%d: %s", status, what);
            ck_assert_int_eq(verdict.status, status);
            ck_assert_int_eq(verdict.first_ms, 0);
            check_text(&verdict);
        }
    }
}
END_TEST

START_TEST(what_time_alone_does_not_mend_needs_a_person)
{
    static const struct {
        int status;
        const char *body;
        bool needs_person;
    } wanted[] = {{429, NULL, false},       {429, NTFY(42901), false}, {429, NTFY(42908), false},
                  {429, NTFY(42904), true}, {429, NTFY(42909), true},  {507, NULL, false},
                  {404, NTFY(40401), true}, {404, NULL, false},        {400, NULL, true},
                  {403, NTFY(40301), true}, {413, NULL, true},         {503, NULL, false},
                  {201, NULL, false}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct push_answer answer = {.status = wanted[i].status,
                                     .body = wanted[i].body,
                                     .body_length = wanted[i].body ? strlen(wanted[i].body) : 0};
        struct verdict verdict;
        verdict_judge(&verdict, &answer, NOON);
        ck_assert_int_eq(verdict_needs_person(verdict.cause), wanted[i].needs_person);
    }
    ck_assert(!verdict_needs_person(0));
}
END_TEST

START_TEST(what_gave_no_answer_is_told_apart)
{
    static const struct {
        enum push_failure failure;
        enum verdict_kind kind;
        int64_t floor_ms, cap_ms, first_ms;
        bool origin_trouble;
        const char *text;
    } wanted[] = {
        {PUSH_NO_ADDRESS, VERDICT_RETRY, 0, 0, 0, false, "DNS"},
        {PUSH_NO_CONNECT, VERDICT_RETRY, 0, 0, 0, true, "cannot be reached"},
        {PUSH_NO_TLS, VERDICT_RETRY, 0, 0, 0, true, "push.ca_file"},
        {PUSH_UNTIMELY, VERDICT_RETRY, 0, 0, 0, true, "date and time"},
        {PUSH_NO_ANSWER, VERDICT_RETRY, 2 * MIN, 15 * MIN, 15 * S, false, "in time"},
        {PUSH_BROKEN, VERDICT_RETRY, 0, 0, 0, false, "closed the connection"},
        {PUSH_FORBIDDEN, VERDICT_DENIED, 15 * MIN, 6 * H, 0, false, "push.allowed_endpoints"},
        {PUSH_ELSEWHERE, VERDICT_DENIED, 0, 0, 0, false, "DNS"},
        {PUSH_OURS, VERDICT_MISCONFIGURED, 0, 0, 0, false, "on this side"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct push_answer answer = {.failure = wanted[i].failure, .status = 200};
        struct verdict verdict;
        verdict_judge(&verdict, &answer, NOON);
        ck_assert_int_eq(verdict.kind, wanted[i].kind);
        ck_assert_int_eq(verdict.floor_ms, wanted[i].floor_ms);
        ck_assert_int_eq(verdict.cap_ms, wanted[i].cap_ms);
        ck_assert_int_eq(verdict.first_ms, wanted[i].first_ms);
        ck_assert_int_eq(verdict.origin_trouble, wanted[i].origin_trouble);
        ck_assert_int_eq(verdict.doubtful, wanted[i].failure == PUSH_NO_ANSWER);
        ck_assert_int_eq(verdict.status, 0);
        ck_assert(!verdict.sign_anew);
        ck_assert_ptr_nonnull(strstr(verdict.text, wanted[i].text));
        check_text(&verdict);
    }
}
END_TEST

START_TEST(a_refusal_tells_how_far_the_clocks_are_apart_and_only_when_they_are)
{
    static const struct {
        int64_t ahead_s;
        const char *text;
    } wanted[] = {
        {301, "5 min ahead of ours"},
        {-301, "5 min behind ours"},
        {7199, "119 min ahead of ours"},
        {-3 * 3600, "3 h behind ours"},
        {-9 * 86400, "9 days behind"},
        {300, NULL},
        {-300, NULL},
        {0, NULL},
        {INT64_MAX - NOON, "ahead of"},
    };
    static const char *const bodies[] = {
        AUTOPUSH(109, "ExpiredSignature"), AUTOPUSH(109, "the expiration is too long"),
        AUTOPUSH(109, "VAPID public key mismatch"), AUTOPUSH(109, "something"), ""};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        for (size_t j = 0; j < sizeof bodies / sizeof *bodies; j++) {
            struct push_answer answer = {.status = 401,
                                         .date_unix = NOON + wanted[i].ahead_s,
                                         .body = bodies[j],
                                         .body_length = strlen(bodies[j])};
            struct verdict verdict;
            verdict_judge(&verdict, &answer, NOON);
            if (wanted[i].text)
                ck_assert_msg(strstr(verdict.text, wanted[i].text) != NULL, "%s", verdict.text);
            else
                ck_assert_ptr_null(strstr(verdict.text, "its clock"));
            check_text(&verdict);
        }
    }
    ck_assert_ptr_null(strstr(judged(401, NULL).text, "its clock"));       /* no Date */
    struct push_answer answer = {.status = 403, .date_unix = NOON + 3600}; /* some say it so */
    struct verdict verdict;
    verdict_judge(&verdict, &answer, NOON);
    ck_assert_ptr_nonnull(strstr(verdict.text, "60 min ahead of ours"));
}
END_TEST

START_TEST(a_daily_quota_is_waited_for_in_hours_until_just_after_midnight)
{
    static const struct {
        int64_t second; /* of the day, UTC */
        int64_t floor_ms;
    } wanted[] = {
        {12 * 3600, H},
        {23 * 3600 + 5 * 60, H},
        {23 * 3600 + 50 * 60, 15 * MIN},
        {86399, 301 * S},
        {0, 5 * MIN},
        {4 * 60, MIN},
        {4 * 60 + 59, MIN},
        {5 * 60, H},
        {5 * 60 + 1, H},
    };
    int64_t midnight = NOON - 12 * 3600;
    ck_assert_int_eq(midnight % 86400, 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct verdict verdict = judged_at(midnight + wanted[i].second, 429, NTFY(42908));
        ck_assert_int_eq(verdict.floor_ms, wanted[i].floor_ms);
        for (unsigned n = 0; n < 40; n++) { /* it does not double */
            int64_t wait = verdict_wait_ms(&verdict, n, RETRY_MIN, RETRY_MAX, UINT32_MAX);
            ck_assert_int_ge(wait, wanted[i].floor_ms);
            ck_assert_int_le(wait, wanted[i].floor_ms * 5 / 4);
        }
    }
}
END_TEST

START_TEST(a_body_that_is_no_json_is_just_text)
{
    static const char *const bodies[] = {"{\"code\":42901",
                                         "{\"code\":42901}}",
                                         "42901",
                                         "[42901]",
                                         "{\"code\":\"42901\"}",
                                         "{\"code\":42901.0}",
                                         "{\"code\":429010}",
                                         "{\"code\":50701}",
                                         "{\"http\":42901}",
                                         "null",
                                         "\xff\xfe",
                                         ""};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct verdict verdict = judged(429, bodies[i]);
        ck_assert_int_eq(verdict.floor_ms, 90 * S);
        ck_assert_ptr_nonnull(strstr(verdict.text, "(429)"));
        check_text(&verdict);
    }
}
END_TEST

START_TEST(no_more_than_the_bound_of_a_body_is_read)
{
    enum { SIZE = VERDICT_BODY_MAX + 1 };
    char *body = mem_new(SIZE);
    memset(body, ' ', SIZE);
    memcpy(body, "{\"code\":42901}", 14);
    struct push_answer answer = {.status = 429, .body = body, .body_length = SIZE - 1};
    struct verdict verdict;
    verdict_judge(&verdict, &answer, NOON);
    ck_assert_int_eq(verdict.floor_ms, MIN);
    memset(body, ' ', SIZE);
    memcpy(body + SIZE - 14, "{\"code\":42901}", 14); /* its last byte lies beyond */
    answer.body_length = SIZE;
    verdict_judge(&verdict, &answer, NOON);
    ck_assert_int_eq(verdict.floor_ms, 90 * S);
    memset(body, '[', SIZE);
    verdict_judge(&verdict, &answer, NOON);
    ck_assert_int_eq(verdict.floor_ms, 90 * S);
    free(body);
}
END_TEST

START_TEST(a_servers_words_are_printable_and_short)
{
    struct verdict verdict = judged(400, "  no\x1b[31m \n\r such\tthing \xc3\xa4 \n");
    ck_assert_msg(strstr(verdict.text, ": \"no ... such thing ??\".") != NULL, "%s", verdict.text);

    verdict = judged(400, "a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H");
    ck_assert_msg(strstr(verdict.text, "z A B C...\"") != NULL, "%s", verdict.text);
    check_text(&verdict);

    verdict = judged(403, "{\"error\":\"one two three four five six seven eight nine ten "
                          "eleven twelve thirteen\",\"errno\":999}");
    ck_assert_ptr_nonnull(strstr(verdict.text, "...\""));
    check_text(&verdict);
}
END_TEST

START_TEST(the_longest_text_is_not_cut_off)
{
    static const char body[] = "{\"message\":\"a b c d e f g h i j k l m n o p q r s t u v w x y z "
                               "A B C D E F G H I J K L\",\"errno\":999}";
    static const int64_t dates[] = {INT64_MAX, 1};
    for (int status = 0; status < 1000; status++) {
        for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
            struct push_answer answer = {.status = status,
                                         .date_unix = dates[i],
                                         .body = body,
                                         .body_length = sizeof body - 1};
            struct verdict verdict;
            verdict_judge(&verdict, &answer, NOON);
            check_text(&verdict);
        }
    }
}
END_TEST

START_TEST(a_servers_words_never_repeat_what_may_be_the_endpoint)
{
    static const char *const bodies[] = {"Cannot POST /push/SECRET now",
                                         "{\"message\":\"no route /up/SECRET for user@SECRET\"}",
                                         "unknown token SECRETSECRETSECRETSECRET",
                                         "user@SECRET.example is unknown", "<html>SECRET</html>"};
    static const int statuses[] = {400, 401, 403, 404, 405, 410, 413, 418, 429, 500, 503, 507};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        for (size_t j = 0; j < sizeof statuses / sizeof *statuses; j++) {
            struct verdict verdict = judged(statuses[j], bodies[i]);
            ck_assert_msg(!strstr(verdict.text, "SECRET"), "%s", verdict.text);
        }
    }
    ck_assert_ptr_nonnull(strstr(judged(400, bodies[0]).text, "\"Cannot POST ... now\""));
}
END_TEST

/* Waiting */

static void check_wait(const struct verdict *verdict, unsigned failures, int64_t least,
                       int64_t most)
{
    ck_assert_int_eq(verdict_wait_ms(verdict, failures, RETRY_MIN, RETRY_MAX, 0), least);
    ck_assert_int_eq(verdict_wait_ms(verdict, failures, RETRY_MIN, RETRY_MAX, UINT32_MAX), most);
    int64_t middle = verdict_wait_ms(verdict, failures, RETRY_MIN, RETRY_MAX, UINT32_MAX / 2);
    ck_assert_int_ge(middle, least);
    ck_assert_int_le(middle, most);
}

START_TEST(without_a_floor_the_wait_is_full_jitter_between_the_settings)
{
    struct verdict verdict = judged(500, NULL);
    check_wait(&verdict, 0, RETRY_MIN, RETRY_MIN);
    check_wait(&verdict, 1, RETRY_MIN, 4 * S);
    check_wait(&verdict, 5, RETRY_MIN, 64 * S);
    check_wait(&verdict, 9, RETRY_MIN, RETRY_MAX);
    check_wait(&verdict, UINT32_MAX, RETRY_MIN, RETRY_MAX);
}
END_TEST

START_TEST(jitter_is_a_quarter_at_most_and_five_minutes_at_most_above_a_floor)
{
    struct verdict verdict = judged(429, NTFY(42901));
    check_wait(&verdict, 0, MIN, MIN + 15 * S);
    check_wait(&verdict, 1, 2 * MIN, 2 * MIN + 30 * S);
    check_wait(&verdict, 4, 16 * MIN, 20 * MIN);
    check_wait(&verdict, 6, H, H + 5 * MIN);
    check_wait(&verdict, UINT32_MAX, H, H + 5 * MIN);
    verdict = judged(403, NULL);
    check_wait(&verdict, 0, 15 * MIN, 15 * MIN + 225 * S);
    check_wait(&verdict, 5, 6 * H, 6 * H + 5 * MIN);
    verdict = judged(404, NULL);
    check_wait(&verdict, 0, 11 * MIN, 11 * MIN + 165 * S);
    check_wait(&verdict, 1, 22 * MIN, 27 * MIN);
    check_wait(&verdict, 9, 6 * H, 6 * H + 5 * MIN);
    verdict = judged(405, NULL); /* no doubling */
    check_wait(&verdict, 9, H, H + 5 * MIN);
}
END_TEST

START_TEST(the_first_time_out_is_followed_within_15_seconds_and_later_ones_from_2_minutes)
{
    struct push_answer answer = {.failure = PUSH_NO_ANSWER};
    struct verdict verdict;
    verdict_judge(&verdict, &answer, NOON);
    check_wait(&verdict, 0, RETRY_MIN, 15 * S);
    check_wait(&verdict, 1, 2 * MIN, 150 * S);
    check_wait(&verdict, 2, 4 * MIN, 5 * MIN);
    check_wait(&verdict, UINT32_MAX, 15 * MIN, 15 * MIN + 225 * S);
}
END_TEST

START_TEST(what_is_gone_is_never_tried_again)
{
    struct push_answer answer = {.status = 410, .retry_after_s = 5};
    struct verdict verdict;
    verdict_judge(&verdict, &answer, NOON);
    check_wait(&verdict, 0, INT64_MAX, INT64_MAX);
    verdict = judged(404, NTFY(40401));
    check_wait(&verdict, 3, INT64_MAX, INT64_MAX);
}
END_TEST

START_TEST(retry_after_wins_over_a_smaller_floor_within_its_bounds)
{
    static const struct {
        int status;
        int64_t retry_after_s;
        unsigned failures;
        int64_t least, most;
    } wanted[] = {
        {503, 120, 0, 120 * S, 150 * S},
        {503, 1, 0, RETRY_MIN, RETRY_MIN}, /* ours is longer */
        {503, 60, 9, 60 * S, RETRY_MAX},   /* ours may be longer */
        {429, 30, 0, 90 * S, 112500},      /* the floor is longer */
        {429, 600, 0, 600 * S, 750 * S},
        {429, 600, 6, H, H + 5 * MIN},
        {429, 9999999999, 0, H, H + 5 * MIN}, /* an hour at most */
        {403, 3600, 0, H, H + 5 * MIN},
        {500, -300, 0, RETRY_MIN, RETRY_MIN},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct push_answer answer = {.status = wanted[i].status,
                                     .retry_after_s = wanted[i].retry_after_s};
        struct verdict verdict;
        verdict_judge(&verdict, &answer, NOON);
        check_wait(&verdict, wanted[i].failures, wanted[i].least, wanted[i].most);
    }
}
END_TEST

START_TEST(no_wait_is_below_its_floor_whatever_the_dice_say)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict verdict = judged(rows[i].least, rows[i].body);
        if (verdict.floor_ms < 0)
            continue;
        for (unsigned n = 0; n < 40; n++) {
            for (uint32_t random = 0; random < UINT32_MAX - 99999999; random += 99999999) {
                int64_t wait = verdict_wait_ms(&verdict, n, RETRY_MIN, RETRY_MAX, random);
                ck_assert_int_ge(wait, verdict.floor_ms);
                ck_assert_int_ge(wait, RETRY_MIN);
                ck_assert_int_le(wait, 6 * H + 5 * MIN);
            }
        }
    }
}
END_TEST

START_TEST(every_kind_has_a_name)
{
    ck_assert_str_eq(verdict_kind_name(VERDICT_ACCEPTED), "accepted");
    ck_assert_str_eq(verdict_kind_name(VERDICT_RETRY), "retry");
    ck_assert_str_eq(verdict_kind_name(VERDICT_SUSPECT), "suspect");
    ck_assert_str_eq(verdict_kind_name(VERDICT_GONE), "gone");
    ck_assert_str_eq(verdict_kind_name(VERDICT_UNAUTHORIZED), "unauthorized");
    ck_assert_str_eq(verdict_kind_name(VERDICT_MISCONFIGURED), "misconfigured");
    ck_assert_str_eq(verdict_kind_name(VERDICT_DENIED), "denied");
}
END_TEST

UNIT_MAIN("verdict", a_refused_login_of_the_operators_is_neither_the_phones_nor_our_keys_fault,
          every_answer_means_what_the_measured_table_says,
          what_time_alone_does_not_mend_needs_a_person, what_gave_no_answer_is_told_apart,
          a_refusal_tells_how_far_the_clocks_are_apart_and_only_when_they_are,
          a_daily_quota_is_waited_for_in_hours_until_just_after_midnight,
          a_body_that_is_no_json_is_just_text, no_more_than_the_bound_of_a_body_is_read,
          a_servers_words_are_printable_and_short, the_longest_text_is_not_cut_off,
          a_servers_words_never_repeat_what_may_be_the_endpoint,
          without_a_floor_the_wait_is_full_jitter_between_the_settings,
          jitter_is_a_quarter_at_most_and_five_minutes_at_most_above_a_floor,
          the_first_time_out_is_followed_within_15_seconds_and_later_ones_from_2_minutes,
          what_is_gone_is_never_tried_again,
          retry_after_wins_over_a_smaller_floor_within_its_bounds,
          no_wait_is_below_its_floor_whatever_the_dice_say, every_kind_has_a_name)
