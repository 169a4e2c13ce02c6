#include "push/endpoint_life.h"

#include <string.h>

#include "unit.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)

static const struct endpoint_timing timing = {.retry_min_ms = 2000,
                                              .retry_max_ms = 15 * MINUTE,
                                              .gone_after_ms = HOUR,
                                              .gone_alike_ms = 24 * HOUR,
                                              .suspect_after = 3,
                                              .floor_percent = 100,
                                              .time_out_ms = 15000};

/* An endpoint, and the answers that it gets. */
struct world {
    struct endpoint_life life;
    enum endpoint_state state;
    int64_t now, retry_at;
    uint32_t random;
    bool origin_wide;
};

static void begin(struct world *world)
{
    *world = (struct world){.now = 5000000};
    endpoint_life_begin(&world->life);
}

static void judged(struct world *world, const struct push_answer *answer)
{
    struct verdict verdict;
    verdict_judge(&verdict, answer, 1790000000);
    struct endpoint_step step = endpoint_life_judge(&world->life, &timing, world->state, &verdict,
                                                    world->origin_wide, world->now, world->random);
    world->state = step.state;
    world->retry_at = step.retry_at_ms;
}

static void answered(struct world *world, int status)
{
    judged(world, &(struct push_answer){.status = status});
}

static int64_t resumed(struct world *world, enum endpoint_state state)
{
    const struct endpoint_past past = {.state = state};
    endpoint_life_resume(&world->life, &timing, &past, world->now, world->random);
    return world->life.retry_at_ms;
}

/* Of the process, right away. */
static void restart(struct world *world, int status)
{
    const struct endpoint_past past = {.state = world->state,
                                       .status = status,
                                       .soonest_ms = world->life.soonest_ms,
                                       .retry_at_ms = world->life.retry_at_ms,
                                       .floor_until_ms = world->life.finite_until_ms,
                                       .repeated = world->life.repeated};
    endpoint_life_resume(&world->life, &timing, &past, world->now, world->random);
}

START_TEST(an_accepted_push_makes_it_ok_and_forgets_what_was)
{
    struct world w;
    begin(&w);
    answered(&w, 429);
    ck_assert_int_eq(w.state, ENDPOINT_FAILING);
    ck_assert(endpoint_life_fails(&w.life));
    ck_assert_int_gt(w.life.floor_until_ms, w.now);
    w.now += HOUR;
    answered(&w, 201);
    ck_assert_int_eq(w.state, ENDPOINT_OK);
    ck_assert_int_eq(w.retry_at, w.now);
    ck_assert(!endpoint_life_fails(&w.life));
    ck_assert_int_eq(w.life.floor_until_ms, 0);
    ck_assert_int_eq(w.life.accepted_ms, w.now);
}
END_TEST

START_TEST(a_410_is_gone_at_once_and_only_a_new_endpoint_or_acceptance_ends_it)
{
    struct world w;
    begin(&w);
    answered(&w, 410);
    ck_assert_int_eq(w.state, ENDPOINT_GONE);
    ck_assert(w.retry_at == INT64_MAX && w.life.floor_until_ms == INT64_MAX);
    answered(&w, 500);
    ck_assert_int_eq(w.state, ENDPOINT_GONE);
    answered(&w, 200);
    ck_assert_int_eq(w.state, ENDPOINT_OK);
}
END_TEST

START_TEST(a_404_is_suspect_until_it_was_said_three_times_over_an_hour)
{
    struct world w;
    begin(&w);
    answered(&w, 404);
    ck_assert_int_eq(w.state, ENDPOINT_SUSPECT);
    w.now += HOUR;
    answered(&w, 404); /* only twice */
    ck_assert_int_eq(w.state, ENDPOINT_SUSPECT);
    w.now += 11 * MINUTE;
    answered(&w, 404);
    ck_assert_int_eq(w.state, ENDPOINT_GONE);
    ck_assert_int_lt(w.retry_at, w.now + 8 * HOUR); /* and asked again all the same */
    begin(&w);
    for (int i = 0; i < 10; i++) {
        answered(&w, 404); /* often, but within minutes */
        w.now += MINUTE;
    }
    ck_assert_int_eq(w.state, ENDPOINT_SUSPECT);
}
END_TEST

/* A phone that registers again and again: a gateway gives each of its test pushes the answer that
 * it remembers. */
START_TEST(a_404_within_eleven_minutes_of_the_last_is_the_same_one)
{
    struct world w;
    begin(&w);
    for (int i = 0; i < 6; i++) {
        answered(&w, 404);
        ck_assert_int_eq(w.retry_at, w.now + 11 * MINUTE);
        w.now += 1000;
    }
    w.now += 11 * MINUTE - 6000; /* after the first, which is the one that counted */
    answered(&w, 404);
    ck_assert_int_eq(w.retry_at, w.now + 22 * MINUTE);
    w.now += 50 * MINUTE;
    answered(&w, 404);
    ck_assert_int_eq(w.state, ENDPOINT_GONE); /* three over an hour */

    begin(&w);
    for (int i = 0; i < 13; i++) { /* three that count: now, after 12 minutes, after 24 */
        answered(&w, 404);
        ck_assert_int_eq(w.state, ENDPOINT_SUSPECT);
        w.now += 2 * MINUTE;
    }
    w.now += 9 * MINUTE;
    answered(&w, 404);
    ck_assert_int_eq(w.retry_at, w.now + 88 * MINUTE);
}
END_TEST

START_TEST(a_floor_that_is_not_over_does_not_double)
{
    static const int statuses[] = {429, 507};
    static const int64_t floors[] = {90 * 1000, MINUTE};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct world w;
        begin(&w);
        answered(&w, statuses[i]);
        answered(&w, statuses[i]); /* of a test that was under way */
        ck_assert_int_eq(w.retry_at, w.now + floors[i]);
        w.now = w.retry_at;
        answered(&w, statuses[i]);
        ck_assert_int_eq(w.retry_at, w.now + 2 * floors[i]);
        w.now = w.retry_at - 1;
        answered(&w, statuses[i]); /* of the operator's own */
        ck_assert_int_eq(w.retry_at, w.now + 2 * floors[i]);
        ck_assert_int_eq(w.life.floor_until_ms, w.retry_at);
    }
    struct world w;
    begin(&w);
    for (int i = 0; i < 5; i++) /* binds no tests, but grows no faster */
        answered(&w, 403);
    ck_assert_int_eq(w.retry_at, w.now + 15 * MINUTE);
}
END_TEST

START_TEST(the_first_time_out_is_followed_by_a_try_within_fifteen_seconds_whatever_came_before)
{
    static const struct push_answer refused = {.failure = PUSH_NO_CONNECT};
    static const struct push_answer silent = {.failure = PUSH_NO_ANSWER};
    struct world w;
    begin(&w);
    w.random = UINT32_MAX;
    for (int i = 0; i < 5; i++)
        judged(&w, &refused);
    judged(&w, &silent);
    ck_assert_int_eq(w.retry_at, w.now + 15 * 1000);
    ck_assert_int_eq(w.life.soonest_ms, w.now); /* a server that recovers may hurry it */
    w.random = 0;
    static const int64_t minutes[] = {2, 4, 8, 15, 15};
    for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++) {
        judged(&w, &refused);
        w.now += 15 * 1000;
        judged(&w, &silent);
        ck_assert_int_eq(w.retry_at, w.now + minutes[i] * MINUTE);
        ck_assert_int_eq(w.life.soonest_ms, w.now + 2 * MINUTE);
    }
    answered(&w, 201);
    judged(&w, &silent);
    ck_assert_int_eq(w.retry_at, w.now + 2000);
}
END_TEST

START_TEST(another_answer_in_between_begins_the_count_anew)
{
    struct world w;
    begin(&w);
    for (int i = 0; i < 8; i++) {
        answered(&w, 404);
        answered(&w, 404);
        w.now += HOUR;
        answered(&w, 500);
        ck_assert_int_eq(w.state, ENDPOINT_FAILING);
    }
}
END_TEST

START_TEST(an_origin_that_forgot_many_gets_a_day)
{
    struct world w;
    begin(&w);
    w.origin_wide = true;
    for (int i = 0; i < 23; i++) {
        answered(&w, 404);
        ck_assert_int_eq(w.state, ENDPOINT_SUSPECT);
        w.now += HOUR;
    }
    w.now += HOUR;
    answered(&w, 404);
    ck_assert_int_eq(w.state, ENDPOINT_GONE);
}
END_TEST

START_TEST(floors_that_bind_everything_are_kept_and_the_others_only_plan_the_retry)
{
    struct world w;
    begin(&w);
    answered(&w, 500);
    ck_assert_int_eq(w.life.floor_until_ms, 0);
    ck_assert_int_eq(w.life.soonest_ms, w.now);
    answered(&w, 404);
    ck_assert_int_eq(w.life.floor_until_ms, 0);
    ck_assert_int_eq(w.life.soonest_ms, w.now + 11 * MINUTE);
    answered(&w, 507);
    ck_assert_int_ge(w.life.floor_until_ms, w.now + MINUTE);
    judged(&w, &(struct push_answer){.status = 429, .retry_after_s = 600});
    ck_assert_int_ge(w.life.floor_until_ms, w.now + 10 * MINUTE);
    ck_assert_int_eq(w.life.soonest_ms, w.now + 10 * MINUTE);
}
END_TEST

START_TEST(any_failures_lengthen_the_wait_without_a_floor_and_alike_ones_that_with_one)
{
    struct world w;
    begin(&w);
    w.random = UINT32_MAX;
    for (int64_t ceiling = 2000; ceiling < 15 * MINUTE; ceiling *= 2) {
        answered(&w, ceiling % 4000 ? 500 : 503);
        ck_assert_int_eq(w.retry_at, w.now + ceiling);
    }
    w.random = 0;
    for (int i = 0; i < 4; i++) {
        answered(&w, 507);
        ck_assert_int_eq(w.retry_at, w.now + (MINUTE << i));
        w.now = w.retry_at;
    }
    answered(&w, 429);
    ck_assert_int_eq(w.retry_at, w.now + 90 * 1000);
}
END_TEST

START_TEST(trouble_of_the_origin_is_told_from_that_of_the_endpoint)
{
    struct world w;
    begin(&w);
    answered(&w, 503);
    ck_assert(w.life.origin_trouble);
    answered(&w, 500); /* perhaps still for the same reason */
    ck_assert(w.life.origin_trouble);
    answered(&w, 507);
    ck_assert(!w.life.origin_trouble);
    answered(&w, 500);
    ck_assert(!w.life.origin_trouble);
    judged(&w, &(struct push_answer){.failure = PUSH_NO_CONNECT});
    ck_assert(w.life.origin_trouble);
    answered(&w, 200);
    ck_assert(!w.life.origin_trouble);
}
END_TEST

START_TEST(after_a_start_what_failed_waits_for_the_least_floor_of_its_kind)
{
    struct world w;
    begin(&w);
    ck_assert_int_eq(resumed(&w, ENDPOINT_OK), w.now);
    ck_assert_int_eq(resumed(&w, ENDPOINT_FAILING), w.now + MINUTE);
    w.random = UINT32_MAX;
    ck_assert_int_le(resumed(&w, ENDPOINT_FAILING), w.now + 75 * 1000);
    w.random = 0;
    ck_assert_int_eq(resumed(&w, ENDPOINT_SUSPECT), w.now + 11 * MINUTE);
    ck_assert(resumed(&w, ENDPOINT_GONE) == INT64_MAX);
}
END_TEST

START_TEST(what_has_doubled_goes_on_after_a_start)
{
    struct world w;
    begin(&w);
    for (int i = 0; i < 3; i++) {
        answered(&w, 507); /* 1, 2, 4 minutes */
        w.now = w.retry_at;
    }
    answered(&w, 507);
    ck_assert_int_eq(w.retry_at, w.now + 8 * MINUTE);
    w.now += 3 * MINUTE;
    restart(&w, 507);
    ck_assert_int_eq(w.life.retry_at_ms, w.now + 5 * MINUTE);
    ck_assert_int_eq(w.life.floor_until_ms, w.now + 5 * MINUTE);
    w.now += 5 * MINUTE;
    answered(&w, 507);
    ck_assert_int_eq(w.retry_at, w.now + 16 * MINUTE);
    w.now += MINUTE;
    answered(&w, 507); /* below the floor: the same one once more */
    ck_assert_int_eq(w.retry_at, w.now + 16 * MINUTE);
    restart(&w, 507);
    w.now += MINUTE;
    answered(&w, 507);
    ck_assert_int_eq(w.retry_at, w.now + 16 * MINUTE);
    w.now = w.retry_at;
    answered(&w, 507);
    ck_assert_int_eq(w.retry_at, w.now + 32 * MINUTE);
    restart(&w, 507);
    w.now += HOUR;
    answered(&w, 429); /* another one begins anew */
    ck_assert_int_lt(w.retry_at, w.now + 3 * MINUTE);
}
END_TEST

START_TEST(soft_floors_and_those_of_time_outs_go_on_after_a_start)
{
    const struct push_answer silence = {.failure = PUSH_NO_ANSWER};
    struct world w;
    begin(&w);
    answered(&w, 404);
    w.now = w.retry_at;
    answered(&w, 404);
    ck_assert_int_eq(w.retry_at, w.now + 22 * MINUTE);
    restart(&w, 404);
    ck_assert_int_eq(w.life.retry_at_ms, w.now + 22 * MINUTE);
    ck_assert_int_eq(w.life.soonest_ms, w.now + 11 * MINUTE);
    ck_assert_int_eq(w.life.floor_until_ms, 0);
    w.now = w.life.retry_at_ms;
    answered(&w, 404);
    ck_assert_int_eq(w.retry_at, w.now + 44 * MINUTE);
    ck_assert_int_eq(w.state,
                     ENDPOINT_SUSPECT); /* given up only for what is said to this process */

    begin(&w);
    for (int i = 0; i < 3; i++) {
        judged(&w, &silence); /* within 15 s, 2, 4 minutes */
        w.now = w.retry_at + 15 * 1000;
    }
    restart(&w, 0);
    answered(&w, 500);
    judged(&w, &silence);
    ck_assert_int_eq(w.retry_at, w.now + 8 * MINUTE);
}
END_TEST

START_TEST(pushes_that_are_not_answered_together_count_as_one)
{
    const struct push_answer silence = {.failure = PUSH_NO_ANSWER};
    struct world w;
    begin(&w);
    judged(&w, &silence);
    w.now += 14999; /* a test that left a moment after the ring */
    judged(&w, &silence);
    ck_assert_int_le(w.retry_at, w.now + 15000);
    ck_assert_int_eq(w.life.soonest_ms, w.now);
    ck_assert_uint_eq(w.life.repeated, 1);
    w.now += 1;
    judged(&w, &silence);
    ck_assert_int_eq(w.retry_at, w.now + 2 * MINUTE);
    w.now += 5000; /* does not double, and is not tried within 15 s either */
    judged(&w, &silence);
    ck_assert_int_eq(w.retry_at, w.now + 2 * MINUTE);
    w.now += 10000;
    judged(&w, &silence);
    ck_assert_int_eq(w.retry_at, w.now + 4 * MINUTE);
    answered(&w, 201);
    w.now += 1000;
    judged(&w, &silence);
    ck_assert_int_le(w.retry_at, w.now + 15000);
}
END_TEST

START_TEST(what_our_settings_forbid_changes_nothing_that_answers_demand)
{
    const struct push_answer forbidden = {.failure = PUSH_FORBIDDEN};
    struct world w;
    begin(&w);
    answered(&w, 404);
    w.now = w.retry_at;
    answered(&w, 404);
    int64_t retry_at = w.life.retry_at_ms;
    w.now += MINUTE;
    judged(&w, &forbidden);
    ck_assert_int_eq(w.retry_at, w.now + 15 * MINUTE);
    ck_assert_uint_eq(w.life.denials, 1);
    ck_assert_int_eq(w.life.retry_at_ms, retry_at);
    ck_assert_int_eq(w.state, ENDPOINT_SUSPECT);
    w.now = w.retry_at;
    judged(&w, &forbidden);
    ck_assert_int_eq(w.retry_at, w.now + 30 * MINUTE);
    w.now = retry_at;
    answered(&w, 404);
    ck_assert_int_eq(w.retry_at, w.now + 44 * MINUTE);
    answered(&w, 201);
    ck_assert_uint_eq(w.life.denials, 0);
}
END_TEST

START_TEST(a_forbidden_address_is_no_answer_and_waits_no_longer_than_other_failures)
{
    const struct push_answer elsewhere = {.failure = PUSH_ELSEWHERE};
    struct world w;
    begin(&w);
    w.random = UINT32_MAX;
    for (int i = 0; i < 20; i++) {
        w.now += HOUR;
        judged(&w, &elsewhere);
        ck_assert_int_ge(w.retry_at, w.now + 2000);
        ck_assert_int_le(w.retry_at, w.now + (i ? 15 * MINUTE : 2000));
    }
    ck_assert_int_eq(w.life.retry_at_ms, 0);
    ck_assert_int_eq(w.state, ENDPOINT_FAILING);
    answered(&w, 500); /* begins at the beginning */
    ck_assert_int_le(w.retry_at, w.now + 2000);
}
END_TEST

START_TEST(a_subscription_made_anew_ends_what_is_for_ever_and_no_other_floor)
{
    struct world w;
    begin(&w);
    judged(&w, &(struct push_answer){.status = 429, .retry_after_s = 3600});
    int64_t until = w.life.floor_until_ms;
    ck_assert(!endpoint_life_renew(&w.life));
    ck_assert_int_eq(w.life.floor_until_ms, until);
    w.now += MINUTE;
    answered(&w, 410);
    ck_assert(w.life.floor_until_ms == INT64_MAX);
    ck_assert(endpoint_life_renew(&w.life));
    ck_assert_int_eq(w.life.floor_until_ms, until);
    ck_assert_int_eq(w.life.retry_at_ms, until);
    ck_assert(!endpoint_life_fails(&w.life));
}
END_TEST

START_TEST(tests_may_shorten_the_floors_but_not_what_the_server_itself_asks_for)
{
    struct world w;
    struct endpoint_timing quick = timing;
    quick.floor_percent = 1;
    begin(&w);
    struct verdict verdict;
    verdict_judge(&verdict, &(struct push_answer){.status = 507}, 0);
    struct endpoint_step step =
        endpoint_life_judge(&w.life, &quick, w.state, &verdict, false, w.now, 0);
    ck_assert_int_eq(step.retry_at_ms, w.now + 600);
    verdict_judge(&verdict, &(struct push_answer){.status = 429, .retry_after_s = 5}, 0);
    step = endpoint_life_judge(&w.life, &quick, w.state, &verdict, false, w.now, 0);
    ck_assert_int_eq(step.retry_at_ms, w.now + 5000);
}
END_TEST

UNIT_MAIN("endpoint_life", an_accepted_push_makes_it_ok_and_forgets_what_was,
          a_410_is_gone_at_once_and_only_a_new_endpoint_or_acceptance_ends_it,
          a_404_is_suspect_until_it_was_said_three_times_over_an_hour,
          a_404_within_eleven_minutes_of_the_last_is_the_same_one,
          a_floor_that_is_not_over_does_not_double,
          the_first_time_out_is_followed_by_a_try_within_fifteen_seconds_whatever_came_before,
          another_answer_in_between_begins_the_count_anew, an_origin_that_forgot_many_gets_a_day,
          floors_that_bind_everything_are_kept_and_the_others_only_plan_the_retry,
          any_failures_lengthen_the_wait_without_a_floor_and_alike_ones_that_with_one,
          after_a_start_what_failed_waits_for_the_least_floor_of_its_kind,
          what_has_doubled_goes_on_after_a_start,
          soft_floors_and_those_of_time_outs_go_on_after_a_start,
          pushes_that_are_not_answered_together_count_as_one,
          what_our_settings_forbid_changes_nothing_that_answers_demand,
          a_forbidden_address_is_no_answer_and_waits_no_longer_than_other_failures,
          a_subscription_made_anew_ends_what_is_for_ever_and_no_other_floor,
          tests_may_shorten_the_floors_but_not_what_the_server_itself_asks_for,
          trouble_of_the_origin_is_told_from_that_of_the_endpoint)
