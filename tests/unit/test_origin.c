#include "push/origin.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

enum { PLACES = 600 };

#define A "https://a.example"
#define B "https://b.example"
#define MINUTE_MS ((int64_t)60 * 1000)
#define PERIOD_MS ((int64_t)ALLOWANCE_ERRORS_PERIOD_MS)
#define DAY_MS ((int64_t)24 * 60 * MINUTE_MS)

static const struct breaker_timing timing = {
    .failures = 5, .open_ms = 30000, .open_max_ms = 900000};

static struct origins origins;
static struct origin_place places[PLACES];
static int64_t now;

static void begin(void)
{
    now = 1000000;
    origins_init(&origins, &timing);
    for (int i = 0; i < PLACES; i++)
        places[i] = (struct origin_place){0};
}

static void end(void)
{
    for (int i = 0; i < PLACES; i++)
        origins_leave(&origins, &places[i], now);
    ck_assert_uint_eq(origins.table.count, origins.idle_count);
    ck_assert_int_eq(origins_next_ms(&origins), INT64_MAX);
    for (int i = 0; i < PUSH_LANES; i++)
        ck_assert_uint_eq(origins.in_flight[i], 0);
    origins_fini(&origins);
}

static void join_as(int i, const struct origin_request *request)
{
    static char endpoints[PLACES][80]; /* each outlives its place */
    snprintf(endpoints[i], sizeof endpoints[i], "%s/%d", request->name, i);
    struct origin_request own = *request;
    own.endpoint = endpoints[i];
    origins_join(&origins, &places[i], &own, now);
}

/* At an origin that has no buckets. */
static void join(int i, const char *name, enum push_lane lane)
{
    join_as(i, &(struct origin_request){.name = name, .lane = lane, .kind = ALLOWANCE_NAMED});
}

static void leave(int i)
{
    origins_leave(&origins, &places[i], now);
}

/* The number of the place that may start, or -1. */
static int next(void)
{
    struct origin_place *place = origins_next(&origins, now);
    return place ? (int)(place - places) : -1;
}

static int start_all(void)
{
    int started = 0;
    while (next() >= 0)
        started++;
    return started;
}

static int leave_started(void)
{
    int left = 0;
    for (int i = 0; i < PLACES; i++) {
        if (!places[i].in_flight)
            continue;
        leave(i);
        left++;
    }
    return left;
}

static struct verdict told; /* what the last judge made of its verdict */

static enum origin_news judge(int i, const struct verdict *verdict)
{
    ck_assert(places[i].in_flight);
    told = *verdict;
    enum origin_news news = origin_judge(&places[i], &told, now, 0);
    if (news == ORIGIN_ALONE)
        return news;
    leave(i);
    return news;
}

static const struct verdict accepted = {.kind = VERDICT_ACCEPTED, .status = 201};
static const struct verdict unknown = {.kind = VERDICT_SUSPECT, .status = 404};
static const struct verdict refused = {
    .kind = VERDICT_RETRY, .origin_trouble = true, .text = "Refused"};
static const struct verdict silent = {.kind = VERDICT_RETRY, .doubtful = true, .text = "Silent"};
static const struct verdict broken = {.kind = VERDICT_RETRY, .status = 500, .doubtful = true};

/* One push of the lane and what becomes of it. */
static enum origin_news push_once(int i, enum push_lane lane, const struct verdict *verdict)
{
    join(i, A, lane);
    ck_assert_int_eq(next(), i);
    return judge(i, verdict);
}

/* Five pushes of the lane, by two endpoints, that find the server down. */
static void break_down(const char *name, enum push_lane lane)
{
    enum origin_news news = ORIGIN_SAME;
    for (int i = 0; i < 5; i++) {
        int place = PLACES - 1 - i % 2;
        join(place, name, lane);
        ck_assert_int_eq(next(), place);
        news = judge(place, &refused);
    }
    ck_assert_int_eq(news, ORIGIN_OPENED);
}

/* Room */

START_TEST(four_of_an_origin_are_in_flight_and_the_rest_waits_in_order)
{
    begin();
    for (int i = 0; i < 10; i++)
        join(i, A, PUSH_HEALTHY);
    for (int i = 0; i < ORIGIN_IN_FLIGHT; i++)
        ck_assert_int_eq(next(), i);
    ck_assert_int_eq(next(), -1);
    leave(2);
    ck_assert_int_eq(next(), 4);
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(a_busy_origin_does_not_hold_up_another)
{
    begin();
    for (int i = 0; i < 10; i++)
        join(i, A, PUSH_HEALTHY);
    ck_assert_int_eq(start_all(), ORIGIN_IN_FLIGHT);
    join(10, B, PUSH_HEALTHY);
    ck_assert_int_eq(next(), 10);
    end();
}
END_TEST

START_TEST(origins_take_turns)
{
    begin();
    for (int i = 0; i < 3; i++)
        join(i, A, PUSH_HEALTHY);
    for (int i = 3; i < 5; i++)
        join(i, B, PUSH_HEALTHY);
    join(5, "https://c.example", PUSH_HEALTHY);
    static const int order[] = {0, 3, 5, 1, 4, 2, -1};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        ck_assert_int_eq(next(), order[i]);
    end();
}
END_TEST

/* Of 100 origins with four in each lane. */
static void fill(enum push_lane lane)
{
    for (int i = 0; i < 400; i++) {
        char name[64];
        snprintf(name, sizeof name, "https://%d.example", i / 4);
        join(i, name, lane);
    }
}

START_TEST(all_origins_together_have_sixty_four_in_flight)
{
    begin();
    fill(PUSH_HEALTHY);
    ck_assert_int_eq(start_all(), ORIGINS_IN_FLIGHT);
    for (int i = 0; i < 400; i++) {
        if (!places[i].in_flight)
            continue;
        leave(i);
        break;
    }
    ck_assert_int_eq(start_all(), 1);
    end();
}
END_TEST

START_TEST(phones_that_fail_take_half_of_their_origin_and_of_all)
{
    begin();
    for (int i = 0; i < 10; i++)
        join(i, A, PUSH_FAILING);
    ck_assert_int_eq(start_all(), ORIGIN_IN_FLIGHT_FAILING);
    join(10, A, PUSH_HEALTHY);
    join(11, A, PUSH_HEALTHY);
    ck_assert_int_eq(next(), 10);
    ck_assert_int_eq(next(), 11);
    ck_assert_int_eq(next(), -1);
    end();

    begin();
    fill(PUSH_FAILING);
    ck_assert_int_eq(start_all(), ORIGINS_IN_FLIGHT_FAILING);
    join(400, B, PUSH_HEALTHY);
    ck_assert_int_eq(next(), 400);
    end();
}
END_TEST

/* Prosody: each of them holds its request for the whole push.timeout. */
START_TEST(silent_phones_never_delay_a_healthy_one)
{
    begin();
    for (int i = 0; i < 400; i++)
        join(i, A, i % 2 ? PUSH_FAILING : PUSH_UNPROVEN);
    for (int round = 0; round < 100; round++) {
        start_all();
        join(400, A, PUSH_HEALTHY);
        ck_assert_int_eq(next(), 400);
        judge(400, &accepted);
        for (int i = 0; i < 400; i++)
            if (places[i].in_flight)
                judge(i, &silent);
        now += 15000;
    }
    end();
}
END_TEST

START_TEST(endpoints_that_never_worked_share_one_place_of_their_origin)
{
    begin();
    for (int i = 0; i < 10; i++)
        join(i, A, PUSH_UNPROVEN);
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(next(), -1);
    for (int i = 10; i < 20; i++)
        join(i, A, PUSH_HEALTHY);
    for (int i = 10; i < 13; i++)
        ck_assert_int_eq(next(), i);
    ck_assert_int_eq(next(), -1);
    leave(0);
    ck_assert_int_ge(next(), 0);
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(no_kind_of_endpoint_starves_another)
{
    begin();
    for (int i = 0; i < 20; i++)
        join(i, A, PUSH_HEALTHY);
    ck_assert_int_eq(start_all(), ORIGIN_IN_FLIGHT);
    join(20, A, PUSH_UNPROVEN);
    join(21, A, PUSH_FAILING);
    for (int i = 0; i < 3; i++) {
        leave(i);
        next();
    }
    ck_assert(places[20].in_flight);
    ck_assert(places[21].in_flight);
    end();
}
END_TEST

START_TEST(many_origins_that_never_worked_leave_room_for_those_that_did)
{
    begin();
    fill(PUSH_UNPROVEN);
    ck_assert_int_eq(start_all(), ORIGINS_IN_FLIGHT_UNPROVEN);
    join(400, B, PUSH_HEALTHY);
    ck_assert_int_eq(next(), 400);
    for (int i = 0; i < 400; i++) {
        if (!places[i].in_flight)
            continue;
        leave(i);
        break;
    }
    ck_assert_int_eq(start_all(), 1);
    end();
}
END_TEST

START_TEST(who_gives_up_waiting_is_passed_over)
{
    begin();
    for (int i = 0; i < 7; i++)
        join(i, A, PUSH_HEALTHY);
    ck_assert_int_eq(start_all(), ORIGIN_IN_FLIGHT);
    leave(4);
    leave(4);
    leave(0);
    ck_assert_int_eq(next(), 5);
    end();
}
END_TEST

/* Buckets */

START_TEST(what_exceeds_the_bucket_starts_when_its_token_is_there)
{
    begin();
    const struct origin_request request = {
        .name = "https://ntfy.sh", .lane = PUSH_HEALTHY, .kind = ALLOWANCE_PUBLIC_NTFY};
    for (int i = 0; i < 203; i++)
        join_as(i, &request);
    int started = 0;
    for (int some; (some = start_all()) > 0; leave_started())
        started += some;
    ck_assert_int_eq(started, 200);
    for (int i = 200; i < 203; i++) {
        ck_assert_int_eq(origins_next_ms(&origins), now + 1500);
        now += 1499;
        ck_assert_int_eq(next(), -1);
        now++;
        ck_assert_int_eq(next(), i);
        leave(i);
        ck_assert_int_eq(next(), -1);
    }
    ck_assert_int_eq(origins_next_ms(&origins), INT64_MAX);
    end();
}
END_TEST

START_TEST(a_second_try_takes_a_token_without_waiting)
{
    begin();
    const struct origin_request request = {
        .name = "https://ntfy.sh", .lane = PUSH_HEALTHY, .kind = ALLOWANCE_PUBLIC_NTFY};
    join_as(0, &request);
    ck_assert_int_eq(next(), 0);
    for (int i = 0; i < 201; i++)
        origin_again(&places[0], now);
    join_as(1, &request);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(origins_next_ms(&origins), now + 3 * 1500);
    end();
}
END_TEST

/* At an origin that has all its buckets. */
static void join_unnamed(int i, enum push_lane lane)
{
    join_as(i, &(struct origin_request){.name = B, .lane = lane, .kind = ALLOWANCE_OTHER});
}

START_TEST(at_a_server_that_the_operator_names_no_phone_waits_for_the_errors_of_another)
{
    begin();
    const struct verdict away = {.kind = VERDICT_RETRY, .status = 507};
    for (int i = 0; i < 2 * ALLOWANCE_ERRORS; i++)
        ck_assert_int_eq(push_once(0, PUSH_FAILING, &away), ORIGIN_SAME);
    ck_assert_int_eq(push_once(1, PUSH_HEALTHY, &accepted), ORIGIN_SAME);
    ck_assert_int_eq(push_once(2, PUSH_FAILING, &accepted), ORIGIN_SAME);
    end();
}
END_TEST

START_TEST(without_error_budget_only_healthy_phones_go_on)
{
    begin();
    const struct verdict wrong = {.kind = VERDICT_MISCONFIGURED, .status = 400};
    for (int i = 0; i < ALLOWANCE_ERRORS / 2; i++) { /* it counts twice */
        join_unnamed(0, PUSH_FAILING);
        ck_assert_int_eq(next(), 0);
        ck_assert_int_eq(judge(0, &wrong), ORIGIN_SAME);
    }
    join_unnamed(1, PUSH_FAILING);
    join_unnamed(2, PUSH_UNPROVEN);
    ck_assert_int_eq(next(), -1);
    join_unnamed(3, PUSH_HEALTHY);
    ck_assert_int_eq(next(), 3);
    ck_assert_int_eq(origins_next_ms(&origins), now + 9000);
    now += 9000;
    ck_assert_int_ge(next(), 1);
    end();
}
END_TEST

/* Every endpoint of every lane, always, whatever the phones do: the answers that get us banned stay
 * below what bans. */
static int most_in_half_an_hour(int status)
{
    static int64_t answers[100000];
    int count = 0, oldest = 0, most = 0;
    const struct verdict bad = {.kind = VERDICT_RETRY, .status = status};
    begin();
    for (int64_t until = now + DAY_MS; now < until;) {
        for (int i = 0; i < 30; i++)
            if (!places[i].origin)
                join_unnamed(i, (enum push_lane)(i % PUSH_LANES));
        start_all();
        for (int i = 0; i < 30; i++) {
            if (!places[i].in_flight)
                continue;
            judge(i, &bad);
            answers[count++] = now;
        }
        while (answers[oldest] <= now - PERIOD_MS)
            oldest++;
        most = count - oldest > most ? count - oldest : most;
        now += 50;
    }
    ck_assert_int_gt(count, DAY_MS / 20000);
    end();
    return most;
}

START_TEST(no_half_an_hour_sees_enough_answers_for_a_ban)
{
    ck_assert_int_lt(most_in_half_an_hour(507), 500);
    ck_assert_int_lt(most_in_half_an_hour(429), 500);
    ck_assert_int_lt(most_in_half_an_hour(400), 225);
}
END_TEST

/* Breakers */

START_TEST(a_server_that_is_down_gets_one_probe_and_then_all_that_waited)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    for (int i = 0; i < 6; i++)
        join(i, A, PUSH_HEALTHY);
    ck_assert_int_eq(next(), -1);
    ck_assert(origin_is_held(&places[0], now));
    ck_assert_int_eq(origins_next_ms(&origins), now + 30000);
    now += 30000;
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(origins_next_ms(&origins), INT64_MAX);
    ck_assert_int_eq(judge(0, &refused), ORIGIN_REOPENED);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(origins_next_ms(&origins), now + 60000);
    now += 60000;
    ck_assert_int_eq(next(), 1);
    ck_assert_int_eq(judge(1, &accepted), ORIGIN_CLOSED);
    for (int i = 2; i < 6; i++)
        ck_assert_int_eq(next(), i);
    end();
}
END_TEST

START_TEST(another_origin_is_rung_while_one_is_down)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    join(0, A, PUSH_HEALTHY);
    join(1, B, PUSH_HEALTHY);
    ck_assert_int_eq(next(), 1);
    end();
}
END_TEST

START_TEST(any_answer_of_its_own_proves_that_the_server_lives)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    join(0, A, PUSH_FAILING);
    now += 30000;
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(judge(0, &unknown), ORIGIN_CLOSED);
    end();
}
END_TEST

/* A probe of the lane goes, and then the next one that many times 30 s later. */
static void check_wait_after(const struct verdict *verdict, enum push_lane lane, int64_t factor)
{
    begin();
    break_down(A, lane);
    now += 30000;
    ck_assert_int_eq(push_once(0, lane, verdict), ORIGIN_REOPENED);
    ck_assert(told.origin_trouble);
    join(1, A, lane);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(origins_next_ms(&origins), now + factor * 30000);
    end();
}

START_TEST(a_time_out_of_a_silent_phone_opens_nothing_and_as_a_probe_does_not_double_the_wait)
{
    begin();
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(push_once(i, PUSH_FAILING, i % 2 ? &silent : &broken), ORIGIN_SAME);
        ck_assert_int_eq(push_once(i, PUSH_UNPROVEN, i % 2 ? &silent : &broken), ORIGIN_SAME);
        ck_assert(!told.origin_trouble);
    }
    end();
    static const struct verdict *const doubtful[] = {&silent, &broken};
    for (size_t i = 0; i < 2; i++) {
        check_wait_after(doubtful[i], PUSH_FAILING, 1);
        check_wait_after(doubtful[i], PUSH_UNPROVEN, 1);
        check_wait_after(doubtful[i], PUSH_HEALTHY, 2);
    }
}
END_TEST

START_TEST(several_phones_that_fall_silent_at_once_are_the_servers_trouble)
{
    begin();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(push_once(i, PUSH_HEALTHY, i % 2 ? &silent : &broken), ORIGIN_SAME);
        ck_assert(told.origin_trouble);
        ck_assert_int_eq(push_once(i, PUSH_FAILING, &silent), ORIGIN_SAME);
        ck_assert(!told.origin_trouble);
    }
    ck_assert_int_eq(push_once(4, PUSH_HEALTHY, &silent), ORIGIN_OPENED);
    join(5, A, PUSH_HEALTHY);
    ck_assert_int_eq(next(), -1);
    now += 30000;
    ck_assert_int_eq(next(), 5);
    ck_assert_int_eq(judge(5, &accepted), ORIGIN_CLOSED);
    end();
}
END_TEST

START_TEST(one_silent_phone_is_never_the_servers_trouble_however_few_failures_are_enough)
{
    begin();
    origins.timing.failures = 1;
    ck_assert_int_eq(push_once(0, PUSH_HEALTHY, &silent), ORIGIN_SAME);
    ck_assert_int_eq(push_once(1, PUSH_HEALTHY, &silent), ORIGIN_OPENED);
    end();
}
END_TEST

START_TEST(one_phone_that_answers_in_between_shows_that_only_the_others_are_silent)
{
    begin();
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(push_once(i, PUSH_HEALTHY, &silent), ORIGIN_SAME);
        if (i % 4 == 3)
            ck_assert_int_eq(push_once(100, PUSH_HEALTHY, &accepted), ORIGIN_SAME);
    }
    end();
}
END_TEST

START_TEST(one_phone_counts_once_however_many_of_its_requests_were_under_way)
{
    begin();
    for (int i = 0; i < 4; i++) /* of two endpoints, all sent while they answered */
        origins_join(&origins, &places[i],
                     &(struct origin_request){.name = A,
                                              .endpoint = i % 2 ? A "/one" : A "/other",
                                              .lane = PUSH_HEALTHY,
                                              .kind = ALLOWANCE_NAMED},
                     now);
    ck_assert_int_eq(start_all(), 4);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(judge(i, &silent), ORIGIN_SAME);
    for (int i = 4; i < 6; i++)
        ck_assert_int_eq(push_once(i, PUSH_HEALTHY, &silent), ORIGIN_SAME);
    ck_assert_int_eq(push_once(6, PUSH_HEALTHY, &silent), ORIGIN_OPENED);
    end();
}
END_TEST

START_TEST(a_doubtful_failure_neither_closes_a_breaker_nor_ends_a_row)
{
    begin();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(push_once(i, PUSH_FAILING, &refused), ORIGIN_SAME);
        ck_assert_int_eq(push_once(9, PUSH_FAILING, &broken), ORIGIN_SAME);
    }
    ck_assert_int_eq(push_once(4, PUSH_FAILING, &refused), ORIGIN_OPENED);
    now += 30000;
    ck_assert_int_eq(push_once(5, PUSH_FAILING, &broken), ORIGIN_REOPENED);
    join(6, A, PUSH_HEALTHY);
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(the_probe_is_a_healthy_phone_where_one_waits)
{
    for (int turn = 0; turn < PUSH_LANES; turn++) {
        begin();
        break_down(A, PUSH_HEALTHY);
        join(0, A, PUSH_FAILING);
        join(1, A, PUSH_FAILING);
        join(2, A, PUSH_HEALTHY);
        ck_assert_int_eq(next(), -1);
        now += 30000;
        origins.turn = (enum push_lane)turn;
        ck_assert_int_eq(next(), 2);
        ck_assert_int_eq(next(), -1);
        ck_assert_int_eq(judge(2, &refused), ORIGIN_REOPENED);
        now += 60000; /* none waits any more */
        ck_assert_int_eq(next(), 0);
        ck_assert_int_eq(judge(0, &silent), ORIGIN_REOPENED);
        join(2, A, PUSH_HEALTHY);
        now += 60000;
        origins.turn = (enum push_lane)turn;
        ck_assert_int_eq(next(), 2);
        leave(2); /* without an answer: the next takes its turn */
        ck_assert_int_eq(next(), 1);
        end();
    }
}
END_TEST

START_TEST(one_endpoint_alone_opens_it_only_where_it_is_the_only_one)
{
    begin();
    for (int i = 0; i < 4; i++) {
        join(0, A, PUSH_HEALTHY);
        next();
        ck_assert_int_eq(judge(0, &refused), ORIGIN_SAME);
    }
    join(0, A, PUSH_HEALTHY);
    next();
    ck_assert_int_eq(judge(0, &refused), ORIGIN_ALONE);
    leave(0); /* the owner knows of another */
    join(0, A, PUSH_HEALTHY);
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(judge(0, &refused), ORIGIN_ALONE);
    origin_open(&places[0], now, 0); /* it does not */
    leave(0);
    join(0, A, PUSH_HEALTHY);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(origins_next_ms(&origins), now + 30000);
    end();
}
END_TEST

START_TEST(strangers_failures_do_not_stop_proven_endpoints)
{
    begin();
    break_down(A, PUSH_UNPROVEN);
    join(0, A, PUSH_UNPROVEN);
    join(1, A, PUSH_HEALTHY);
    join(2, A, PUSH_FAILING);
    ck_assert_int_ge(next(), 1);
    ck_assert_int_ge(next(), 1);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(judge(2, &unknown), ORIGIN_SAME); /* says nothing about strangers */
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(judge(1, &accepted), ORIGIN_CLOSED);
    ck_assert_int_eq(next(), 0);
    end();
}
END_TEST

START_TEST(a_stranger_whose_push_is_accepted_shows_that_the_server_is_back)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    join(0, A, PUSH_HEALTHY);
    join(1, A, PUSH_UNPROVEN);
    ck_assert_int_eq(next(), 1);
    ck_assert_int_eq(judge(1, &unknown), ORIGIN_SAME);
    ck_assert_int_eq(next(), -1);
    join(1, A, PUSH_UNPROVEN);
    ck_assert_int_eq(next(), 1);
    ck_assert_int_eq(judge(1, &accepted), ORIGIN_CLOSED);
    ck_assert_int_eq(next(), 0);
    end();
}
END_TEST

START_TEST(what_waits_starts_with_the_answer_though_a_second_try_follows)
{
    struct verdict unauthorized = {.kind = VERDICT_UNAUTHORIZED, .status = 401};
    begin();
    break_down(A, PUSH_HEALTHY);
    join(0, A, PUSH_HEALTHY);
    join(1, A, PUSH_HEALTHY);
    now += 30000;
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(origin_judge(&places[0], &unauthorized, now, 0), ORIGIN_CLOSED);
    ck_assert_int_eq(next(), 1);
    end();
}
END_TEST

START_TEST(the_first_acceptance_after_a_failure_is_news)
{
    begin();
    join(0, A, PUSH_HEALTHY);
    next();
    ck_assert_int_eq(judge(0, &refused), ORIGIN_SAME);
    join(0, A, PUSH_HEALTHY);
    next();
    ck_assert_int_eq(judge(0, &unknown), ORIGIN_SAME);
    join(0, A, PUSH_HEALTHY);
    next();
    ck_assert_int_eq(judge(0, &accepted), ORIGIN_RECOVERED);
    join(0, A, PUSH_HEALTHY);
    next();
    ck_assert_int_eq(judge(0, &accepted), ORIGIN_SAME);
    end();
}
END_TEST

START_TEST(the_operators_probe_goes_before_all_others_though_the_breaker_is_open)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    join(0, A, PUSH_HEALTHY);
    ck_assert_int_eq(next(), -1);
    join_as(1, &(struct origin_request){
                   .name = A, .lane = PUSH_HEALTHY, .kind = ALLOWANCE_NAMED, .probe = true});
    ck_assert(!origin_is_held(&places[1], now));
    ck_assert_int_eq(next(), 1);
    ck_assert_int_eq(next(), -1);
    ck_assert_int_eq(judge(1, &accepted), ORIGIN_CLOSED);
    ck_assert_int_eq(next(), 0);
    end();
}
END_TEST

START_TEST(a_probe_that_is_cancelled_leaves_its_turn_to_the_next)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    join(0, A, PUSH_HEALTHY);
    join(1, A, PUSH_HEALTHY);
    now += 30000;
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(next(), -1);
    leave(0);
    ck_assert_int_eq(next(), 1);
    end();
}
END_TEST

START_TEST(when_our_own_network_is_back_all_servers_are_tried_at_once)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    break_down(B, PUSH_HEALTHY);
    join(0, A, PUSH_HEALTHY);
    join(1, B, PUSH_HEALTHY);
    ck_assert_int_eq(next(), -1);
    origins_hurry(&origins, now);
    ck_assert_int_eq(start_all(), 2);
    end();
}
END_TEST

/* Addresses */

static struct address address_of(const char *text)
{
    struct address address;
    ck_assert_int_eq(address_parse(&address, text, 443), 0);
    return address;
}

static void join_name_at(int i, const char *address_text, enum push_lane lane)
{
    char name[64];
    struct address address = address_of(address_text);
    snprintf(name, sizeof name, "https://%d.victim.example", i);
    join_as(i, &(struct origin_request){.name = name, .lane = lane, .address = &address});
}

START_TEST(many_names_of_one_address_share_sixteen_places)
{
    begin();
    for (int i = 0; i < 100; i++)
        join_name_at(i, "198.51.100.7", PUSH_HEALTHY);
    ck_assert_int_eq(start_all(), SITE_IN_FLIGHT);
    join_name_at(100, "198.51.100.8", PUSH_HEALTHY);
    ck_assert_int_eq(next(), 100);
    leave(3);
    ck_assert_int_eq(start_all(), 1);
    leave(50); /* waits */
    ck_assert_int_eq(start_all(), 0);
    ck_assert_int_eq(leave_started(), SITE_IN_FLIGHT + 1);
    ck_assert_int_eq(start_all(), SITE_IN_FLIGHT);
    end();
    ck_assert_uint_eq(origins.sites.table.count, 0);
}
END_TEST

START_TEST(names_that_a_stranger_points_at_an_address_leave_it_half_of_its_places)
{
    begin();
    for (int i = 0; i < 100; i++)
        join_name_at(i, "198.51.100.7", i % 2 ? PUSH_UNPROVEN : PUSH_FAILING);
    ck_assert_int_eq(start_all(), SITE_IN_FLIGHT / 2);
    for (int i = 100; i < 120; i++)
        join_name_at(i, "198.51.100.7", PUSH_HEALTHY);
    ck_assert_int_eq(start_all(), SITE_IN_FLIGHT / 2);
    for (int i = 100; i < 120; i++)
        leave(i); /* what they had is for nobody else */
    ck_assert_int_eq(start_all(), 0);
    ck_assert_int_eq(leave_started(), SITE_IN_FLIGHT / 2);
    ck_assert_int_eq(start_all(), SITE_IN_FLIGHT / 2);
    end();
    ck_assert_uint_eq(origins.sites.table.count, 0);
}
END_TEST

START_TEST(an_ipv6_network_counts_as_one_address)
{
    begin();
    for (int i = 0; i < 100; i++) {
        char text[64];
        snprintf(text, sizeof text, "2001:470:1:2::%x", i + 1);
        join_name_at(i, text, PUSH_HEALTHY);
    }
    ck_assert_int_eq(start_all(), SITE_IN_FLIGHT);
    join_name_at(100, "2001:470:1:3::1", PUSH_HEALTHY);
    ck_assert_int_eq(next(), 100);
    end();
}
END_TEST

START_TEST(many_names_of_one_address_share_a_bucket)
{
    begin();
    int sent = 0;
    for (int64_t until = now + MINUTE_MS; now < until; now += 25) {
        for (int i = 0; i < 100; i++)
            if (!places[i].origin)
                join_name_at(i, "198.51.100.7", PUSH_HEALTHY);
        sent += start_all();
        leave_started();
    }
    ck_assert_int_le(sent, SITE_BURST + 60 * 40);
    ck_assert_int_ge(sent, SITE_BURST + 60 * 40 - 1);
    end();
}
END_TEST

START_TEST(names_that_a_stranger_points_at_an_address_leave_it_half_of_its_tokens)
{
    begin();
    int sent = 0;
    for (int64_t until = now + MINUTE_MS; now < until; now += 25) {
        for (int i = 0; i < 100; i++)
            if (!places[i].origin)
                join_name_at(i, "198.51.100.7", PUSH_FAILING);
        sent += start_all();
        leave_started();
    }
    ck_assert_int_le(sent, SITE_BURST - SITE_RESERVE + 60 * 40);
    ck_assert_int_ge(sent, SITE_BURST - SITE_RESERVE + 60 * 40 - 1);
    sent = 0;
    for (int round = 0; round < 30; round++) { /* a healthy one needs no patience */
        for (int i = 100; i < 110; i++)
            if (!places[i].origin)
                join_name_at(i, "198.51.100.7", PUSH_HEALTHY);
        sent += start_all();
        leave_started();
    }
    ck_assert_int_ge(sent, SITE_RESERVE);
    end();
}
END_TEST

/* Memory */

START_TEST(an_origin_is_forgotten_when_nothing_of_it_is_left)
{
    begin();
    for (int i = 0; i < 6; i++)
        join(i, A, PUSH_HEALTHY);
    join(6, B, PUSH_HEALTHY);
    ck_assert_uint_eq(origins.table.count, 2);
    start_all();
    for (int i = 0; i < 6; i++)
        leave(i);
    ck_assert_uint_eq(origins.table.count, 1);
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(an_origin_is_remembered_until_its_bucket_is_full_again)
{
    begin();
    const struct origin_request request = {.name = "https://ntfy.sh",
                                           .kind = ALLOWANCE_PUBLIC_NTFY};
    join_as(0, &request);
    next();
    leave(0);
    ck_assert_uint_eq(origins.table.count, 1);
    now += 1499;
    join(1, A, PUSH_HEALTHY);
    leave(1);
    ck_assert_uint_eq(origins.table.count, 1);
    now++;
    join(1, A, PUSH_HEALTHY);
    leave(1);
    ck_assert_uint_eq(origins.table.count, 0);
    end();
}
END_TEST

static void fail_once(const char *name, enum push_lane lane, enum allowance_kind kind)
{
    struct address address = address_of("198.51.100.7");
    join_as(
        0, &(struct origin_request){.name = name, .lane = lane, .kind = kind, .address = &address});
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(judge(0, &refused), ORIGIN_SAME);
}

START_TEST(names_that_a_stranger_makes_up_cost_a_bounded_memory)
{
    static const char *const precious[] = {"https://ntfy.sh", "https://ntfy.envs.net",
                                           "https://ntfy.jae.fi", "https://ntfy.mzte.de"};
    enum { PRECIOUS = sizeof precious / sizeof *precious };
    begin();
    for (size_t i = 0; i < PRECIOUS; i++)
        fail_once(precious[i], PUSH_HEALTHY, ALLOWANCE_PUBLIC_NTFY);
    for (int i = 0; i < 3 * ORIGINS_IDLE; i++) {
        char name[64];
        snprintf(name, sizeof name, "https://%d.stranger.example", i);
        if (i % 3 == 0)
            snprintf(name, sizeof name, "https://ntfy.sh:%d", i + 1);
        fail_once(name, PUSH_UNPROVEN, i % 3 ? ALLOWANCE_OTHER : ALLOWANCE_PUBLIC_NTFY);
        ck_assert_uint_le(origins.table.count, ORIGINS_IDLE + 1);
        now += 100;
    }
    ck_assert_uint_ge(origins.table.count, ORIGINS_IDLE);
    ck_assert_uint_le(origins.sites.table.count, 1);
    for (size_t i = 0; i < PRECIOUS; i++) {
        const struct origin_request known = {.name = precious[i], .kind = ALLOWANCE_PUBLIC_NTFY};
        struct origin_state state;
        join_as(0, &known);
        origin_describe(places[0].origin, &state, now);
        ck_assert_uint_eq(state.breakers[ORIGIN_PROVEN].failures, 1);
        leave(0);
    }
    end();
}
END_TEST

START_TEST(a_description_says_what_an_operator_wants_to_know)
{
    begin();
    break_down(A, PUSH_HEALTHY);
    for (int i = 0; i < 3; i++)
        join(i, A, PUSH_HEALTHY);
    join(3, A, PUSH_UNPROVEN);
    ck_assert_int_eq(next(), 3);
    struct origin_state state;
    origin_describe(places[0].origin, &state, now);
    ck_assert_str_eq(state.name, A);
    ck_assert_int_eq(state.breakers[ORIGIN_PROVEN].state, BREAKER_OPEN);
    ck_assert_int_eq(state.breakers[ORIGIN_STRANGERS].state, BREAKER_CLOSED);
    ck_assert_uint_eq(state.breakers[ORIGIN_PROVEN].failures, 5);
    ck_assert_str_eq(state.breakers[ORIGIN_PROVEN].why, "Refused");
    ck_assert_int_eq(state.breakers[ORIGIN_PROVEN].next_ms, now + 30000);
    ck_assert_uint_eq(state.waiting, 3);
    ck_assert_uint_eq(state.in_flight, 1);
    ck_assert_int_eq(state.errors_left, 200);
    end();
}
END_TEST

/* Anything, in any order */

static unsigned seed;

static unsigned roll(unsigned below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % below;
}

enum { NAMES = 23 };

static void join_any(int i)
{
    char name[64], text[64];
    snprintf(name, sizeof name, "https://%d.example", i % NAMES);
    snprintf(text, sizeof text, "198.51.100.%d", i % 5);
    struct address address = address_of(text);
    join_as(i, &(struct origin_request){
                   .name = name,
                   .lane = (enum push_lane)(i / NAMES % PUSH_LANES),
                   .kind = (enum allowance_kind)(i % NAMES % 3),
                   .address = i % NAMES % 3 == ALLOWANCE_NAMED ? NULL : &address,
                   .probe = roll(20) == 0,
               });
}

static void check_caps(void)
{
    unsigned of_origin[NAMES] = {0}, of_lane[NAMES][PUSH_LANES] = {{0}};
    unsigned of_site[5] = {0}, unhealthy_of_site[5] = {0};
    unsigned of_all[PUSH_LANES] = {0};
    for (int i = 0; i < PLACES; i++) {
        if (!places[i].in_flight)
            continue;
        of_origin[i % NAMES]++;
        of_lane[i % NAMES][places[i].lane]++;
        of_all[places[i].lane]++;
        of_site[i % 5] += places[i].site != NULL;
        unhealthy_of_site[i % 5] += places[i].site && places[i].lane != PUSH_HEALTHY;
    }
    for (int i = 0; i < NAMES; i++) {
        ck_assert_uint_le(of_origin[i], ORIGIN_IN_FLIGHT);
        ck_assert_uint_le(of_lane[i][PUSH_FAILING], ORIGIN_IN_FLIGHT_FAILING);
        ck_assert_uint_le(of_lane[i][PUSH_UNPROVEN], ORIGIN_IN_FLIGHT_UNPROVEN);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_le(of_site[i], SITE_IN_FLIGHT);
        ck_assert_uint_le(unhealthy_of_site[i], SITE_IN_FLIGHT / 2);
    }
    ck_assert_uint_le(of_all[PUSH_FAILING], ORIGINS_IN_FLIGHT_FAILING);
    ck_assert_uint_le(of_all[PUSH_UNPROVEN], ORIGINS_IN_FLIGHT_UNPROVEN);
    ck_assert_uint_le(of_all[0] + of_all[1] + of_all[2], ORIGINS_IN_FLIGHT);
}

static void answer_any(int i)
{
    static const struct verdict away = {.kind = VERDICT_RETRY, .status = 507};
    static const struct verdict *const any[] = {&accepted, &unknown, &refused, &refused,
                                                &refused,  &silent,  &away,    &broken};
    if (judge(i, any[roll(8)]) != ORIGIN_ALONE)
        return;
    if (roll(2))
        origin_open(&places[i], now, seed);
    leave(i);
}

static bool is_any_in_flight(void)
{
    return origins.in_flight[0] + origins.in_flight[1] + origins.in_flight[2] > 0;
}

/* By the owner's rule: start what may start, then sleep until origins_next_ms. Everything that
 * waits gets its turn. */
static void drain(void)
{
    int64_t deadline = now + DAY_MS;
    for (;;) {
        while (start_all() > 0 || is_any_in_flight()) {
            check_caps();
            for (int i = 0; i < PLACES; i++)
                if (places[i].in_flight)
                    judge(i, &accepted);
        }
        int64_t at = origins_next_ms(&origins);
        if (at == INT64_MAX)
            break;
        ck_assert_int_gt(at, now);
        ck_assert_int_lt(at, deadline);
        now = at;
    }
    for (int i = 0; i < PLACES; i++)
        ck_assert_ptr_null(places[i].origin);
}

START_TEST(the_caps_hold_whatever_happens_and_nobody_is_left_behind)
{
    for (int round = 0; round < 20; round++) {
        begin();
        seed = (unsigned)round;
        for (int step = 0; step < 3000; step++) {
            int i = (int)roll(PLACES);
            if (!places[i].origin)
                join_any(i);
            else if (places[i].in_flight && roll(8))
                answer_any(i);
            else if (roll(4) == 0)
                leave(i);
            now += roll(4) ? 0 : roll(2000);
            if (roll(2))
                start_all();
            if (roll(16) == 0)
                check_caps();
        }
        drain();
        end();
    }
}
END_TEST

UNIT_MAIN(
    "origin", four_of_an_origin_are_in_flight_and_the_rest_waits_in_order,
    a_busy_origin_does_not_hold_up_another, origins_take_turns,
    all_origins_together_have_sixty_four_in_flight,
    phones_that_fail_take_half_of_their_origin_and_of_all, silent_phones_never_delay_a_healthy_one,
    endpoints_that_never_worked_share_one_place_of_their_origin,
    no_kind_of_endpoint_starves_another,
    many_origins_that_never_worked_leave_room_for_those_that_did,
    who_gives_up_waiting_is_passed_over, what_exceeds_the_bucket_starts_when_its_token_is_there,
    a_second_try_takes_a_token_without_waiting,
    at_a_server_that_the_operator_names_no_phone_waits_for_the_errors_of_another,
    without_error_budget_only_healthy_phones_go_on, no_half_an_hour_sees_enough_answers_for_a_ban,
    a_server_that_is_down_gets_one_probe_and_then_all_that_waited,
    another_origin_is_rung_while_one_is_down, any_answer_of_its_own_proves_that_the_server_lives,
    a_time_out_of_a_silent_phone_opens_nothing_and_as_a_probe_does_not_double_the_wait,
    several_phones_that_fall_silent_at_once_are_the_servers_trouble,
    one_silent_phone_is_never_the_servers_trouble_however_few_failures_are_enough,
    one_phone_that_answers_in_between_shows_that_only_the_others_are_silent,
    one_phone_counts_once_however_many_of_its_requests_were_under_way,
    a_doubtful_failure_neither_closes_a_breaker_nor_ends_a_row,
    the_probe_is_a_healthy_phone_where_one_waits,
    one_endpoint_alone_opens_it_only_where_it_is_the_only_one,
    strangers_failures_do_not_stop_proven_endpoints,
    a_stranger_whose_push_is_accepted_shows_that_the_server_is_back,
    what_waits_starts_with_the_answer_though_a_second_try_follows,
    the_first_acceptance_after_a_failure_is_news,
    the_operators_probe_goes_before_all_others_though_the_breaker_is_open,
    a_probe_that_is_cancelled_leaves_its_turn_to_the_next,
    when_our_own_network_is_back_all_servers_are_tried_at_once,
    many_names_of_one_address_share_sixteen_places,
    names_that_a_stranger_points_at_an_address_leave_it_half_of_its_places,
    an_ipv6_network_counts_as_one_address, many_names_of_one_address_share_a_bucket,
    names_that_a_stranger_points_at_an_address_leave_it_half_of_its_tokens,
    an_origin_is_forgotten_when_nothing_of_it_is_left,
    an_origin_is_remembered_until_its_bucket_is_full_again,
    names_that_a_stranger_makes_up_cost_a_bounded_memory,
    a_description_says_what_an_operator_wants_to_know,
    the_caps_hold_whatever_happens_and_nobody_is_left_behind)
