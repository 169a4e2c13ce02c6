#include "bridge/health.h"

#include <string.h>

#include "bridge/service.h"

#include "unit.h"

enum { AFTER_MS = 300 * 1000 };
static const int64_t start_ms = 7000;

static enum health judge(struct health_memory *memory, struct health_sight sight, int64_t after_ms)
{
    return health_judge(memory, &sight, AFTER_MS, start_ms + after_ms);
}

START_TEST(without_accounts_that_want_a_link_all_is_well_for_ever)
{
    struct health_memory memory = {0};
    for (int64_t ms = 0; ms < 10 * AFTER_MS; ms += AFTER_MS / 3)
        ck_assert_int_eq(judge(&memory, (struct health_sight){.wanted = 0}, ms), HEALTH_WELL);
}
END_TEST

START_TEST(links_that_are_all_down_count_from_the_first_look_that_finds_none)
{
    struct health_memory memory = {0};
    struct health_sight up = {.wanted = 3, .up = 1}, down = {.wanted = 3};
    ck_assert_int_eq(judge(&memory, up, 0), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, 1000), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, 1000 + AFTER_MS - 1), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, 1000 + AFTER_MS), HEALTH_LINKS_DOWN);
    ck_assert_int_eq(judge(&memory, up, 2000 + AFTER_MS), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, 3000 + AFTER_MS), HEALTH_WELL);
}
END_TEST

START_TEST(a_start_has_the_same_time_for_its_first_link)
{
    struct health_memory memory = {0};
    struct health_sight down = {.wanted = 1};
    ck_assert_int_eq(judge(&memory, down, 0), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, AFTER_MS - 1), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, AFTER_MS), HEALTH_LINKS_DOWN);
}
END_TEST

START_TEST(a_link_that_was_up_between_two_looks_counts)
{
    struct health_memory memory = {0};
    struct health_sight down = {.wanted = 1, .connects = 4};
    judge(&memory, down, 0); /* came up before the first look */
    judge(&memory, down, 10);
    down.connects++;
    ck_assert_int_eq(judge(&memory, down, 5 + AFTER_MS), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, 6 + AFTER_MS), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, 6 + 2 * AFTER_MS), HEALTH_LINKS_DOWN);
}
END_TEST

START_TEST(an_outage_ends_when_no_link_is_wanted_any_more)
{
    struct health_memory memory = {0};
    struct health_sight down = {.wanted = 1}, none = {0};
    judge(&memory, down, 0);
    ck_assert_int_eq(judge(&memory, down, AFTER_MS), HEALTH_LINKS_DOWN);
    ck_assert_int_eq(judge(&memory, none, AFTER_MS + 1), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, down, AFTER_MS + 2), HEALTH_WELL);
}
END_TEST

START_TEST(only_the_store_ends_liveness)
{
    struct health_memory memory = {0};
    struct health_sight sight = {.wanted = 1};
    judge(&memory, sight, 0);
    ck_assert(health_is_alive(judge(&memory, sight, 100 * (int64_t)AFTER_MS)));
    sight.store_failing = true;
    ck_assert_int_eq(judge(&memory, sight, 100 * (int64_t)AFTER_MS), HEALTH_STORE_FAILING);
    ck_assert(!health_is_alive(HEALTH_STORE_FAILING));
    sight = (struct health_sight){.wanted = 1, .up = 1};
    ck_assert_int_eq(judge(&memory, sight, 101 * (int64_t)AFTER_MS), HEALTH_WELL);
}
END_TEST

START_TEST(a_write_that_takes_long_hangs_after_a_minute)
{
    struct health_memory memory = {0};
    struct health_sight sight = {.store_writing_since_ms = start_ms};
    ck_assert_int_eq(judge(&memory, sight, HEALTH_STORE_HANGS_MS - 1), HEALTH_WELL);
    ck_assert_int_eq(judge(&memory, sight, HEALTH_STORE_HANGS_MS), HEALTH_STORE_HANGS);
    sight.store_failing = true; /* of the write before that one */
    ck_assert_int_eq(judge(&memory, sight, HEALTH_STORE_HANGS_MS - 1), HEALTH_STORE_FAILING);
    ck_assert_int_eq(judge(&memory, sight, HEALTH_STORE_HANGS_MS), HEALTH_STORE_HANGS);
    ck_assert(!health_is_alive(HEALTH_STORE_HANGS));
}
END_TEST

START_TEST(each_fault_is_told_with_what_to_do)
{
    ck_assert_ptr_nonnull(strstr(health_advice(HEALTH_LINKS_DOWN), "look at the log"));
    ck_assert_ptr_nonnull(strstr(health_advice(HEALTH_STORE_FAILING), "make room"));
    ck_assert_ptr_nonnull(strstr(health_advice(HEALTH_STORE_HANGS), "restart"));
}
END_TEST

/* What the public page may say is well. */

static bool serves(struct bridge_figures figures)
{
    return service_judge(&figures, HEALTH_WELL);
}

START_TEST(the_service_is_well_while_a_phone_could_be_rung_or_there_is_none)
{
    ck_assert(serves((struct bridge_figures){0}));
    ck_assert(serves((struct bridge_figures){.accounts = {[ACCOUNT_DISABLED] = 3}}));
    ck_assert(serves((struct bridge_figures){.accounts = {[ACCOUNT_UP] = 1}, .owed = 1}));
    ck_assert(
        serves((struct bridge_figures){.accounts = {[ACCOUNT_UP] = 1, [ACCOUNT_BACKING_OFF] = 9}}));
}
END_TEST

START_TEST(the_service_is_in_trouble_at_once_where_no_account_is_connected)
{
    static const enum account_state states[] = {ACCOUNT_CONNECTING, ACCOUNT_BACKING_OFF,
                                                ACCOUNT_CONTESTED, ACCOUNT_REFUSED};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct bridge_figures figures = {0};
        figures.accounts[states[i]] = 2;
        ck_assert(!serves(figures));
        figures.accounts[ACCOUNT_UP] = 1;
        ck_assert(serves(figures));
    }
    struct bridge_figures well = {.accounts = {[ACCOUNT_UP] = 1}};
    ck_assert(!service_judge(&well, HEALTH_STORE_FAILING));
}
END_TEST

START_TEST(rings_that_are_late_are_trouble_of_the_service_where_they_are_not_one_users)
{
    struct bridge_figures figures = {.accounts = {[ACCOUNT_UP] = 1}, .late = 1};
    ck_assert(serves(figures)); /* whose it is everybody would know */
    figures.accounts[ACCOUNT_UP] = 100;
    figures.late = SERVICE_SEVERAL - 1;
    ck_assert(serves(figures));
    figures.late = SERVICE_SEVERAL;
    ck_assert(!serves(figures));
    figures.rung = SERVICE_SEVERAL; /* as many were rung meanwhile */
    ck_assert(serves(figures));
}
END_TEST

UNIT_MAIN("health", the_service_is_well_while_a_phone_could_be_rung_or_there_is_none,
          the_service_is_in_trouble_at_once_where_no_account_is_connected,
          rings_that_are_late_are_trouble_of_the_service_where_they_are_not_one_users,
          without_accounts_that_want_a_link_all_is_well_for_ever,
          links_that_are_all_down_count_from_the_first_look_that_finds_none,
          a_start_has_the_same_time_for_its_first_link, a_link_that_was_up_between_two_looks_counts,
          an_outage_ends_when_no_link_is_wanted_any_more, only_the_store_ends_liveness,
          a_write_that_takes_long_hangs_after_a_minute, each_fault_is_told_with_what_to_do)
