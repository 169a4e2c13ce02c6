#include "link/fleet.h"
#include "link/life.h"

#include "unit.h"

static const struct life_timing timing = {.reconnect_min_ms = 2000,
                                          .reconnect_max_ms = 300000,
                                          .contested_min_ms = 10000,
                                          .contested_max_ms = 1800000,
                                          .contested_end_ms = 3600000,
                                          .refused_confirm_ms = 60000,
                                          .refused_max_ms = 3600000,
                                          .refused_retry_ms = 86400000,
                                          .client_refused_min_ms = 300000,
                                          .client_refused_max_ms = 3600000,
                                          .reconnect_reset_ms = 60000};
enum { WINDOW_MS = 600000 };
static const int64_t start = 5000000;

static struct life_step down(struct life *life, enum link_reason reason, int64_t now,
                             uint32_t random)
{
    struct link_down end = {.reason = reason};
    return life_down(life, &timing, &end, false, now, random);
}

START_TEST(the_wait_doubles_with_full_jitter_up_to_the_cap)
{
    struct life life;
    life_init(&life, false);
    int64_t ceiling = 2000;
    for (int i = 0; i < 20; i++) {
        struct life copy = life;
        ck_assert_int_eq(down(&copy, LINK_UNREACHABLE, start, 0).connect_in_ms, 1000);
        ck_assert_int_eq(down(&life, LINK_UNREACHABLE, start, UINT32_MAX).connect_in_ms, ceiling);
        ck_assert_int_eq(life.state, ACCOUNT_BACKING_OFF);
        ceiling = ceiling * 2 < 300000 ? ceiling * 2 : 300000;
    }
}
END_TEST

START_TEST(a_handshake_alone_does_not_reset_the_wait_but_the_queue_does)
{
    struct life life;
    life_init(&life, false);
    for (int i = 0; i < 5; i++) {
        life_connecting(&life);
        life_up(&life, start);
        down(&life, LINK_SERVER_TROUBLE, start + 10, UINT32_MAX); /* 1011 straight after the 101 */
    }
    ck_assert_int_eq(down(&life, LINK_SERVER_TROUBLE, start, UINT32_MAX).connect_in_ms, 64000);
    life_connecting(&life);
    life_up(&life, start);
    life_proven(&life);
    life_drained(&life);
    ck_assert_int_eq(down(&life, LINK_LOST, start + 10, UINT32_MAX).connect_in_ms, 2000);
}
END_TEST

/* Signal's message store is dead: it sends what it has, and closes when that is answered. */
START_TEST(a_message_before_the_end_does_not_reset_the_wait)
{
    struct life life;
    life_init(&life, false);
    int64_t wait = 0;
    for (int i = 0; i < 9; i++) {
        life_connecting(&life);
        life_up(&life, start);
        life_proven(&life);
        wait = down(&life, LINK_SERVER_TROUBLE, start + 10, UINT32_MAX).connect_in_ms;
    }
    ck_assert_int_eq(wait, 300000);
}
END_TEST

START_TEST(a_minute_up_resets_the_wait)
{
    struct life life;
    life_init(&life, false);
    for (int i = 0; i < 5; i++)
        down(&life, LINK_UNREACHABLE, start, 0);
    life_up(&life, start);
    ck_assert_int_eq(down(&life, LINK_LOST, start + 60000, UINT32_MAX).connect_in_ms, 2000);
}
END_TEST

START_TEST(a_handshake_alone_is_no_link_and_the_queue_makes_it_one)
{
    struct life life;
    life_init(&life, false);
    life_connecting(&life);
    life_up(&life, start);
    ck_assert_int_eq(life.state, ACCOUNT_CONNECTING);
    life_proven(&life);
    ck_assert_int_eq(life.state, ACCOUNT_UP);
}
END_TEST

START_TEST(a_silent_link_waits_longer_each_time_however_long_it_was_held)
{
    struct life life;
    life_init(&life, false);
    int64_t ceiling = 2000;
    for (int i = 0; i < 12; i++) {
        life_connecting(&life);
        life_up(&life, start);
        ck_assert_int_eq(down(&life, LINK_SILENT, start + 3600000, UINT32_MAX).connect_in_ms,
                         ceiling);
        ck_assert_int_eq(life.state, ACCOUNT_BACKING_OFF);
        ceiling = ceiling * 2 < 300000 ? ceiling * 2 : 300000;
    }
}
END_TEST

START_TEST(contention_waits_longer_each_time_and_is_told_once)
{
    struct life life;
    life_init(&life, false);
    int64_t floor = 10000;
    for (int i = 0; i < 12; i++) {
        life_connecting(&life);
        life_up(&life, start);
        life_proven(&life);
        struct life_step step = down(&life, LINK_CONTESTED, start + 1000, 0);
        ck_assert_int_eq(step.connect_in_ms, floor);
        ck_assert_int_eq(step.became_contested, i == 0);
        ck_assert_int_eq(life.state, ACCOUNT_CONTESTED);
        floor = floor * 2 < 1800000 ? floor * 2 : 1800000;
    }
    life_up(&life, start);
    down(&life, LINK_LOST, start + 3600 * 1000, 0); /* an hour up: the fight is over */
    ck_assert_int_eq(life.state, ACCOUNT_BACKING_OFF);
    life_up(&life, start);
    struct life_step step = down(&life, LINK_CONTESTED, start + 1000, 0);
    ck_assert(step.became_contested && step.connect_in_ms == 10000);
}
END_TEST

START_TEST(after_an_absence_a_link_connects_at_once_and_begins_with_short_waits)
{
    static const enum link_reason reasons[] = {
        LINK_UNREACHABLE,   LINK_LOST,      LINK_CLOSED,   LINK_SERVER_TROUBLE,
        LINK_MISCONFIGURED, LINK_MIDDLEBOX, LINK_PROTOCOL, LINK_REVOKED};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct life life;
        life_init(&life, false);
        for (int j = 0; j < 12; j++)
            down(&life, reasons[i], start, 0);
        ck_assert_int_eq(life_resumed(&life, 200000, 30000), 0);
        /* The network is not up yet. */
        ck_assert_int_eq(down(&life, LINK_UNREACHABLE, start, UINT32_MAX).connect_in_ms, 2000);
    }
}
END_TEST

START_TEST(what_was_demanded_stays_a_floor_on_which_sleep_counts)
{
    static const struct link_down ends[] = {
        {.reason = LINK_CONTESTED},
        {.reason = LINK_UNAUTHORIZED},
        {.reason = LINK_CLIENT_REFUSED},
        {.reason = LINK_RATE_LIMITED, .retry_after_ms = 120000},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct life life;
        life_init(&life, false);
        life_down(&life, &timing, &ends[i], false, start, 0);
        ck_assert_int_eq(life_resumed(&life, 100000, 0), 100000); /* the clock was only set */
        ck_assert_int_eq(life_resumed(&life, 100000, 99999), 1);
        ck_assert_int_eq(life_resumed(&life, 100000, 8 * 3600 * 1000), 0);
    }
}
END_TEST

START_TEST(dead_credentials_are_believed_when_said_twice_a_minute_apart)
{
    struct life life;
    life_init(&life, false);
    struct life_step step = down(&life, LINK_UNAUTHORIZED, start, 0);
    ck_assert(!step.became_refused);
    ck_assert_int_ge(step.connect_in_ms, 60000);
    ck_assert(!down(&life, LINK_UNAUTHORIZED, start + 59999, 0).became_refused);
    ck_assert(down(&life, LINK_UNAUTHORIZED, start + 60000, 0).became_refused);
    ck_assert_int_eq(life.state, ACCOUNT_REFUSED);
    step = down(&life, LINK_UNAUTHORIZED, start + 90000000, 0);
    ck_assert(!step.became_refused); /* told once */
    life_connecting(&life);
    life_up(&life, start);
    ck_assert_int_eq(life.state, ACCOUNT_REFUSED);
    life_proven(&life); /* it heals by itself */
    ck_assert_int_eq(life.state, ACCOUNT_UP);
}
END_TEST

/* A server that was wrong about them is likely to be right again soon. */
START_TEST(dead_credentials_are_asked_again_after_an_hour_and_then_less_and_less_often)
{
    struct life life;
    life_init(&life, false);
    down(&life, LINK_UNAUTHORIZED, start, 0);
    int64_t wait = down(&life, LINK_UNAUTHORIZED, start + 60000, 0).connect_in_ms;
    for (int hours = 1; hours <= 16; hours *= 2) {
        ck_assert_int_eq(wait, hours * 3600000);
        wait = down(&life, LINK_UNAUTHORIZED, start, 0).connect_in_ms;
    }
    ck_assert_int_eq(wait, 24 * 3600000);
    ck_assert_int_eq(down(&life, LINK_UNAUTHORIZED, start, 0).connect_in_ms, 24 * 3600000);
}
END_TEST

START_TEST(an_outage_before_a_refusal_does_not_lengthen_the_wait_for_the_second)
{
    static const enum link_reason reasons[] = {LINK_UNAUTHORIZED, LINK_CLIENT_REFUSED};
    static const int64_t floors[] = {60000, 300000};
    for (size_t i = 0; i < 2; i++) {
        struct life life;
        life_init(&life, false);
        for (int tries = 0; tries < 12; tries++)
            down(&life, LINK_UNREACHABLE, start, 0);
        ck_assert_int_eq(down(&life, reasons[i], start, 0).connect_in_ms, floors[i]);
        ck_assert_int_eq(down(&life, reasons[i], start, 0).connect_in_ms, 2 * floors[i]);
        life_proven(&life);
        ck_assert_int_eq(down(&life, reasons[i], start, 0).connect_in_ms, floors[i]);
    }
}
END_TEST

START_TEST(who_is_absolved_is_asked_twice_again)
{
    struct life life;
    life_init(&life, false);
    down(&life, LINK_UNAUTHORIZED, start, 0);
    down(&life, LINK_UNAUTHORIZED, start + 60000, 0);
    life_absolve(&life);
    ck_assert_int_eq(life.state, ACCOUNT_BACKING_OFF);
    struct life_step step = down(&life, LINK_UNAUTHORIZED, start + 90000000, 0);
    ck_assert(!step.became_refused);
    ck_assert_int_eq(step.connect_in_ms, 60000);
}
END_TEST

START_TEST(another_trouble_shows_after_contention_which_is_not_told_again)
{
    static const enum link_reason reasons[] = {LINK_UNREACHABLE, LINK_LOST, LINK_CLIENT_REFUSED,
                                               LINK_UNAUTHORIZED, LINK_SILENT};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct life life;
        life_init(&life, false);
        ck_assert(down(&life, LINK_CONTESTED, start, 0).became_contested);
        life_connecting(&life);
        ck_assert_int_eq(life.state, ACCOUNT_CONTESTED);
        down(&life, LINK_STOPPED, start, 0); /* our own doing is no trouble */
        ck_assert_int_eq(life.state, ACCOUNT_CONTESTED);
        down(&life, reasons[i], start, 0);
        ck_assert_int_eq(life.state, ACCOUNT_BACKING_OFF);
        life_connecting(&life);
        life_up(&life, start);
        life_proven(&life);
        ck_assert_int_eq(life.state, ACCOUNT_UP);
        struct life_step step = down(&life, LINK_CONTESTED, start + 1000, 0);
        ck_assert(!step.became_contested);
        ck_assert_int_eq(step.connect_in_ms, 20000); /* the same fight goes on */
        ck_assert_int_eq(life.state, ACCOUNT_CONTESTED);
    }
}
END_TEST

START_TEST(a_success_in_between_takes_the_first_refusal_back)
{
    struct life life;
    life_init(&life, false);
    down(&life, LINK_UNAUTHORIZED, start, 0);
    life_up(&life, start + 70000);
    life_proven(&life);
    down(&life, LINK_LOST, start + 80000, 0);
    ck_assert(!down(&life, LINK_UNAUTHORIZED, start + 90000, 0).became_refused);
}
END_TEST

START_TEST(a_middlebox_never_kills_credentials)
{
    struct life life;
    life_init(&life, false);
    for (int i = 0; i < 100; i++)
        ck_assert(!down(&life, LINK_MIDDLEBOX, start + i * 100000, 0).became_refused);
}
END_TEST

START_TEST(a_candidate_is_refused_at_the_first_word)
{
    struct life life;
    life_init(&life, true);
    struct life_step step = down(&life, LINK_UNAUTHORIZED, start, 0);
    ck_assert(step.became_refused);
    ck_assert_int_eq(step.connect_in_ms, -1);
}
END_TEST

START_TEST(what_is_refused_to_the_whole_fleet_disables_nobody)
{
    struct life life;
    life_init(&life, false);
    struct link_down end = {.reason = LINK_UNAUTHORIZED};
    for (int i = 0; i < 20; i++)
        ck_assert(!life_down(&life, &timing, &end, true, start + i * 3600000, 0).became_refused);
}
END_TEST

START_TEST(a_wait_that_the_server_demands_is_a_floor)
{
    struct life life;
    life_init(&life, false);
    struct link_down end = {.reason = LINK_RATE_LIMITED, .retry_after_ms = 120000};
    ck_assert_int_ge(life_down(&life, &timing, &end, false, start, 0).connect_in_ms, 120000);
}
END_TEST

START_TEST(fresh_authentication_goes_on_at_once)
{
    struct life life;
    life_init(&life, false);
    life_up(&life, start);
    ck_assert_int_eq(down(&life, LINK_STOPPED, start + 1000, UINT32_MAX).connect_in_ms, 0);
}
END_TEST

START_TEST(a_client_that_is_refused_waits_minutes)
{
    struct life life;
    life_init(&life, false);
    ck_assert_int_ge(down(&life, LINK_CLIENT_REFUSED, start, 0).connect_in_ms, 300000);
}
END_TEST

START_TEST(three_refusals_in_a_row_are_the_fleets)
{
    struct fleet fleet;
    struct fleet_mark marks[4] = {0};
    bool alarm;
    fleet_init(&fleet);
    fleet.window_ms = WINDOW_MS;
    ck_assert(!fleet_refused(&fleet, &marks[0], start, &alarm));
    ck_assert(!fleet_refused(&fleet, &marks[0], start, &alarm)); /* the same one again */
    ck_assert(!fleet_refused(&fleet, &marks[1], start, &alarm));
    ck_assert(!alarm);
    ck_assert(fleet_refused(&fleet, &marks[2], start, &alarm));
    ck_assert(alarm);
    ck_assert(fleet_refused(&fleet, &marks[3], start, &alarm));
    ck_assert(!alarm); /* one alarm */
    ck_assert(fleet_success(&fleet, start));
    ck_assert(!fleet_success(&fleet, start)); /* and one end of it */
    /* What refused everybody a moment ago may do so again. */
    ck_assert(fleet_refused(&fleet, &marks[0], start + WINDOW_MS - 1, &alarm));
    ck_assert(!alarm);
    ck_assert(!fleet_refused(&fleet, &marks[1], start + WINDOW_MS, &alarm));
}
END_TEST

/* One account that was refused long before must not hide that three are refused now. */
START_TEST(three_refusals_within_minutes_are_the_fleets_whatever_came_before)
{
    struct fleet fleet;
    struct fleet_mark marks[5] = {0};
    bool alarm;
    fleet_init(&fleet);
    fleet.window_ms = WINDOW_MS;
    ck_assert(!fleet_refused(&fleet, &marks[0], start, &alarm));
    int64_t later = start + WINDOW_MS - 1000;
    ck_assert(!fleet_refused(&fleet, &marks[1], later, &alarm));
    ck_assert(!fleet_refused(&fleet, &marks[2], later + 5000, &alarm));
    ck_assert(fleet_refused(&fleet, &marks[3], later + 6000, &alarm));
    ck_assert(alarm);
    ck_assert(fleet_refused(&fleet, &marks[4], later + 7000, &alarm));
    ck_assert(!alarm);
}
END_TEST

START_TEST(a_refusal_of_the_whole_fleet_lasts_until_somebody_is_let_in)
{
    struct fleet fleet;
    struct fleet_mark marks[3] = {0};
    unsigned alarms = 0;
    bool alarm;
    fleet_init(&fleet);
    fleet.window_ms = WINDOW_MS;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3; i++) {
            bool wide = fleet_refused(&fleet, &marks[i], start + round * 700000 + i, &alarm);
            alarms += alarm;
            ck_assert(wide || round == 0);
        }
    }
    ck_assert_uint_eq(alarms, 1);
}
END_TEST

START_TEST(refusals_that_are_far_apart_are_each_accounts_own)
{
    struct fleet fleet;
    struct fleet_mark marks[3] = {0};
    bool alarm;
    fleet_init(&fleet);
    fleet.window_ms = WINDOW_MS;
    for (int i = 0; i < 3; i++)
        ck_assert(!fleet_refused(&fleet, &marks[i], start + i * 700000, &alarm));
    ck_assert(!fleet_success(&fleet, start)); /* there was no alarm to end */
}
END_TEST

START_TEST(only_who_was_refused_with_the_others_counts_among_them)
{
    struct fleet fleet;
    struct fleet_mark early = {0}, mark = {0}, none = {0};
    bool alarm;
    fleet_init(&fleet);
    fleet.window_ms = WINDOW_MS;
    fleet_refused(&fleet, &early, start, &alarm);
    fleet_success(&fleet, start + 1);
    fleet_refused(&fleet, &mark, start + 2, &alarm);
    ck_assert(!fleet_has_counted(&fleet, &early, start + 3)); /* somebody was let in since */
    ck_assert(!fleet_has_counted(&fleet, &none, start + 3));
    ck_assert(fleet_has_counted(&fleet, &mark, start + 2 + WINDOW_MS));
    ck_assert(!fleet_has_counted(&fleet, &mark, start + 1002 + WINDOW_MS)); /* to the second */
}
END_TEST

START_TEST(a_refusal_of_everybody_is_no_first_word_about_one)
{
    struct life life;
    struct link_down end = {.reason = LINK_UNAUTHORIZED};
    life_init(&life, false);
    for (int i = 0; i < 5; i++)
        ck_assert(!life_down(&life, &timing, &end, true, start + i * 3600000, 0).became_refused);
    ck_assert(!down(&life, LINK_UNAUTHORIZED, start + 90000000, 0).became_refused);
    ck_assert(down(&life, LINK_UNAUTHORIZED, start + 90060000, 0).became_refused);
}
END_TEST

START_TEST(an_hour_up_ends_the_contention_without_waiting_for_the_link_to_end)
{
    struct life life;
    life_init(&life, false);
    ck_assert(down(&life, LINK_CONTESTED, start, 0).became_contested);
    life_connecting(&life);
    ck_assert(!life_settle(&life, &timing, start + 7200000)); /* it is not up */
    life_up(&life, start + 10000);
    ck_assert(!life_settle(&life, &timing, start + 10000 + 3600000)); /* nor proven */
    life_proven(&life);
    ck_assert(!life_settle(&life, &timing, start + 10000 + 3599999));
    ck_assert_int_eq(life.state, ACCOUNT_CONTESTED);
    ck_assert(life_settle(&life, &timing, start + 10000 + 3600000));
    ck_assert_int_eq(life.state, ACCOUNT_UP);
    ck_assert(!life_settle(&life, &timing, start + 10000 + 3600000));
}
END_TEST

UNIT_MAIN("life", a_refusal_of_everybody_is_no_first_word_about_one,
          an_hour_up_ends_the_contention_without_waiting_for_the_link_to_end,
          the_wait_doubles_with_full_jitter_up_to_the_cap,
          a_handshake_alone_does_not_reset_the_wait_but_the_queue_does, a_minute_up_resets_the_wait,
          a_message_before_the_end_does_not_reset_the_wait,
          a_handshake_alone_is_no_link_and_the_queue_makes_it_one,
          a_silent_link_waits_longer_each_time_however_long_it_was_held,
          contention_waits_longer_each_time_and_is_told_once,
          after_an_absence_a_link_connects_at_once_and_begins_with_short_waits,
          what_was_demanded_stays_a_floor_on_which_sleep_counts,
          dead_credentials_are_believed_when_said_twice_a_minute_apart,
          dead_credentials_are_asked_again_after_an_hour_and_then_less_and_less_often,
          an_outage_before_a_refusal_does_not_lengthen_the_wait_for_the_second,
          who_is_absolved_is_asked_twice_again,
          another_trouble_shows_after_contention_which_is_not_told_again,
          a_success_in_between_takes_the_first_refusal_back, a_middlebox_never_kills_credentials,
          a_candidate_is_refused_at_the_first_word,
          what_is_refused_to_the_whole_fleet_disables_nobody,
          a_wait_that_the_server_demands_is_a_floor, fresh_authentication_goes_on_at_once,
          a_client_that_is_refused_waits_minutes, three_refusals_in_a_row_are_the_fleets,
          three_refusals_within_minutes_are_the_fleets_whatever_came_before,
          a_refusal_of_the_whole_fleet_lasts_until_somebody_is_let_in,
          refusals_that_are_far_apart_are_each_accounts_own,
          only_who_was_refused_with_the_others_counts_among_them)
