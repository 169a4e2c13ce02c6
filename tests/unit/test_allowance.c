#include "push/allowance.h"

#include "unit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define PERIOD_MS ((int64_t)ALLOWANCE_ERRORS_PERIOD_MS)

enum { DAY_MINUTES = 24 * 60, ANSWERS_MAX = 200000 };

static struct allowance allowance;

/* How many requests of the lane go at once, and one by one, from `from` until `until`. */
static int spend_all(enum push_lane lane, int64_t from, int64_t until)
{
    int sent = 0;
    for (int64_t now = from; now < until;) {
        int64_t next = allowance_next_ms(&allowance, lane, now);
        if (next > now) {
            now = next;
            continue;
        }
        allowance_spend(&allowance, lane, now);
        sent++;
    }
    return sent;
}

START_TEST(public_ntfy_is_known_by_name_and_wins_over_the_settings)
{
    ck_assert_int_eq(allowance_kind_of("ntfy.sh", false), ALLOWANCE_PUBLIC_NTFY);
    ck_assert_int_eq(allowance_kind_of("ntfy.sh.", false), ALLOWANCE_PUBLIC_NTFY);
    ck_assert_int_eq(allowance_kind_of("ntfy.sh", true), ALLOWANCE_PUBLIC_NTFY);
    ck_assert_int_eq(allowance_kind_of("ntfy.adminforge.de", true), ALLOWANCE_PUBLIC_NTFY);
    ck_assert_int_eq(allowance_kind_of("xntfy.sh", false), ALLOWANCE_OTHER);
    ck_assert_int_eq(allowance_kind_of("a.ntfy.sh", false), ALLOWANCE_OTHER);
    ck_assert_int_eq(allowance_kind_of("ntfy.example.org", true), ALLOWANCE_NAMED);
    ck_assert_int_eq(allowance_kind_of("", false), ALLOWANCE_OTHER);
    ck_assert_str_eq(allowance_public_host("ntfy.sh."), "ntfy.sh");
    ck_assert_ptr_null(allowance_public_host("ntfy.example.org"));
}
END_TEST

START_TEST(ntfy_sh_gives_a_phone_so_many_a_day_however_its_name_is_written)
{
    ck_assert_uint_eq(allowance_daily("ntfy.sh"), 250);
    ck_assert_uint_eq(allowance_daily("ntfy.sh."), 250);
    static const char *const others[] = {"ntfy.sh..",        "ntfy.s", "xntfy.sh",
                                         "ntfy.tedomum.net", ".",      ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_uint_eq(allowance_daily(others[i]), 0);
}
END_TEST

START_TEST(public_ntfy_gets_two_hundred_and_then_forty_a_minute)
{
    allowance_init(&allowance, ALLOWANCE_PUBLIC_NTFY);
    ck_assert_int_eq(spend_all(PUSH_HEALTHY, 0, 1), 200);
    ck_assert_int_eq(spend_all(PUSH_HEALTHY, 1, 60 * MINUTE_MS + 1), 60 * 40);
}
END_TEST

START_TEST(others_get_two_hundred_and_then_twenty_a_second)
{
    allowance_init(&allowance, ALLOWANCE_OTHER);
    ck_assert_int_eq(spend_all(PUSH_FAILING, 0, 1), 200);
    ck_assert_int_eq(spend_all(PUSH_FAILING, 1, MINUTE_MS + 1), 60 * 20);
}
END_TEST

START_TEST(what_the_operator_names_has_no_bucket)
{
    allowance_init(&allowance, ALLOWANCE_NAMED);
    for (int i = 0; i < 10000; i++) {
        ck_assert_int_eq(allowance_next_ms(&allowance, PUSH_HEALTHY, 0), 0);
        allowance_spend(&allowance, PUSH_HEALTHY, 0);
    }
    ck_assert_int_eq(spend_all(PUSH_UNPROVEN, 0, 1), 20);
    ck_assert_int_eq(spend_all(PUSH_UNPROVEN, 1, MINUTE_MS + 1), 60 * 2);
}
END_TEST

START_TEST(strangers_get_a_tenth_and_it_counts_for_all)
{
    allowance_init(&allowance, ALLOWANCE_PUBLIC_NTFY);
    ck_assert_int_eq(spend_all(PUSH_UNPROVEN, 0, 1), 20);
    ck_assert_int_eq(spend_all(PUSH_HEALTHY, 0, 1), 180);
    ck_assert_int_eq(spend_all(PUSH_UNPROVEN, 10 * MINUTE_MS, 10 * MINUTE_MS + 1), 20);
}
END_TEST

START_TEST(only_answers_that_get_us_banned_fill_the_error_budget)
{
    allowance_init(&allowance, ALLOWANCE_OTHER);
    static const int harmless[] = {0, 200, 201, 401, 403, 404, 410, 500, 502, 504};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        ck_assert(!allowance_judge(&allowance, harmless[i], 0));
    ck_assert_int_eq(allowance_errors_left(&allowance, 0), 200);
    static const int counted[] = {429, 503, 507, 400};
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        ck_assert(allowance_judge(&allowance, counted[i], 0));
    ck_assert_int_eq(allowance_errors_left(&allowance, 0), 195);
    ck_assert(!allowance_is_full(&allowance, 5 * 9000 - 1));
    ck_assert(allowance_is_full(&allowance, 5 * 9000));
    ck_assert_int_eq(allowance_errors_left(&allowance, 5 * 9000), 200);
}
END_TEST

START_TEST(without_error_budget_only_healthy_phones_are_rung)
{
    allowance_init(&allowance, ALLOWANCE_OTHER);
    for (int i = 0; i < ALLOWANCE_ERRORS; i++)
        allowance_judge(&allowance, 507, 0);
    ck_assert_int_eq(allowance_next_ms(&allowance, PUSH_HEALTHY, 0), 0);
    ck_assert_int_eq(allowance_next_ms(&allowance, PUSH_FAILING, 0), 9000);
    ck_assert_int_eq(allowance_next_ms(&allowance, PUSH_UNPROVEN, 0), 9000);
    for (int i = 0; i < ALLOWANCE_ERRORS_RESERVE; i++)
        allowance_judge(&allowance, 507, 0);
    ck_assert_int_eq(allowance_next_ms(&allowance, PUSH_HEALTHY, 0), 9000);
    ck_assert_int_eq(allowance_errors_left(&allowance, 0), -ALLOWANCE_ERRORS_RESERVE);
}
END_TEST

/* They are his own server's, and no phone there waits for another. */
START_TEST(what_the_operator_names_has_no_error_budget)
{
    static const enum push_lane lanes[] = {PUSH_HEALTHY, PUSH_FAILING};
    allowance_init(&allowance, ALLOWANCE_NAMED);
    for (int i = 0; i < 2 * ALLOWANCE_ERRORS; i++)
        ck_assert(!allowance_judge(&allowance, 507, 0));
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)
        ck_assert_int_eq(allowance_next_ms(&allowance, lanes[i], 0), 0);
    ck_assert_int_eq(allowance_errors_left(&allowance, 0), ALLOWANCE_ERRORS);
    ck_assert(allowance_is_full(&allowance, 0));
}
END_TEST

/* A push server that answers everything with `status`, at the worst moment: four requests are under
 * way whenever one more may go. Returns the most such answers within half an hour of a day. */
static int most_in_half_an_hour(int status, enum push_lane lane)
{
    static int64_t answers[ANSWERS_MAX];
    int count = 0, oldest = 0, most = 0;
    allowance_init(&allowance, ALLOWANCE_PUBLIC_NTFY);
    int64_t now = 7 * PERIOD_MS; /* full */
    for (int64_t end = now + DAY_MINUTES * MINUTE_MS; now < end;) {
        int64_t next = allowance_next_ms(&allowance, lane, now);
        if (next > now) {
            now = next;
            continue;
        }
        for (int i = 0; i < 4; i++) {
            allowance_spend(&allowance, lane, now);
            allowance_judge(&allowance, status, now);
            answers[count++] = now;
        }
        while (answers[oldest] <= now - PERIOD_MS)
            oldest++;
        most = count - oldest > most ? count - oldest : most;
    }
    return most;
}

START_TEST(no_half_an_hour_sees_enough_answers_for_a_ban)
{
    static const enum push_lane lanes[] = {PUSH_HEALTHY, PUSH_FAILING};
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        ck_assert_int_lt(most_in_half_an_hour(507, lanes[i]), 500);
        ck_assert_int_lt(most_in_half_an_hour(429, lanes[i]), 500);
        ck_assert_int_lt(most_in_half_an_hour(400, lanes[i]), 225);
        ck_assert_int_ge(most_in_half_an_hour(507, lanes[i]), 400);
    }
}
END_TEST

/* nginx before ntfy.sh: 45 a minute, burst 1000; what exceeds that is 503, and ten of those are a
 * ban. */
START_TEST(the_proxy_before_ntfy_sh_never_has_too_many_requests)
{
    allowance_init(&allowance, ALLOWANCE_PUBLIC_NTFY);
    double level = 0;
    int64_t last = 0;
    for (int64_t now = 0; now < 600 * MINUTE_MS;) {
        int64_t next = allowance_next_ms(&allowance, PUSH_HEALTHY, now);
        if (next > now) {
            now = next;
            continue;
        }
        allowance_spend(&allowance, PUSH_HEALTHY, now);
        level -= (double)(now - last) * 45 / (double)MINUTE_MS;
        level = (level > 0 ? level : 0) + 1;
        last = now;
        ck_assert(level < 1000);
    }
}
END_TEST

UNIT_MAIN("allowance", public_ntfy_is_known_by_name_and_wins_over_the_settings,
          ntfy_sh_gives_a_phone_so_many_a_day_however_its_name_is_written,
          public_ntfy_gets_two_hundred_and_then_forty_a_minute,
          others_get_two_hundred_and_then_twenty_a_second, what_the_operator_names_has_no_bucket,
          strangers_get_a_tenth_and_it_counts_for_all,
          only_answers_that_get_us_banned_fill_the_error_budget,
          without_error_budget_only_healthy_phones_are_rung,
          what_the_operator_names_has_no_error_budget,
          no_half_an_hour_sees_enough_answers_for_a_ban,
          the_proxy_before_ntfy_sh_never_has_too_many_requests)
