#include "push/origin.h"

#include <stdio.h>

#include "unit.h"

enum { PLACES = 400 };

static struct origins origins;
static struct origin_place places[PLACES];

static void begin(void)
{
    origins_init(&origins);
    for (int i = 0; i < PLACES; i++)
        places[i] = (struct origin_place){0};
}

static void end(void)
{
    for (int i = 0; i < PLACES; i++)
        origins_leave(&origins, &places[i]);
    ck_assert_uint_eq(origins.table.count, 0);
    ck_assert_uint_eq(origins.in_flight[ORIGIN_PROVEN], 0);
    ck_assert_uint_eq(origins.in_flight[ORIGIN_UNPROVEN], 0);
    origins_fini(&origins);
}

static void join(int i, const char *name, bool proven)
{
    origins_join(&origins, &places[i], name, proven);
}

/* The number of the place that may start, or -1. */
static int next(void)
{
    struct origin_place *place = origins_next(&origins);
    return place ? (int)(place - places) : -1;
}

static int start_all(void)
{
    int started = 0;
    while (next() >= 0)
        started++;
    return started;
}

START_TEST(four_of_an_origin_are_in_flight_and_the_rest_waits_in_order)
{
    begin();
    for (int i = 0; i < 10; i++)
        join(i, "https://a.example", true);
    for (int i = 0; i < ORIGIN_IN_FLIGHT; i++)
        ck_assert_int_eq(next(), i);
    ck_assert_int_eq(next(), -1);
    origins_leave(&origins, &places[2]);
    ck_assert_int_eq(next(), 4);
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(a_busy_origin_does_not_hold_up_another)
{
    begin();
    for (int i = 0; i < 10; i++)
        join(i, "https://a.example", true);
    ck_assert_int_eq(start_all(), ORIGIN_IN_FLIGHT);
    join(10, "https://b.example", true);
    ck_assert_int_eq(next(), 10);
    end();
}
END_TEST

START_TEST(origins_take_turns)
{
    begin();
    for (int i = 0; i < 3; i++)
        join(i, "https://a.example", true);
    for (int i = 3; i < 5; i++)
        join(i, "https://b.example", true);
    join(5, "https://c.example", true);
    static const int order[] = {0, 3, 5, 1, 4, 2, -1};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        ck_assert_int_eq(next(), order[i]);
    end();
}
END_TEST

START_TEST(all_origins_together_have_sixty_four_in_flight)
{
    begin();
    for (int i = 0; i < 200; i++) {
        char name[64];
        snprintf(name, sizeof name, "https://%d.example", i / 4);
        join(i, name, true);
    }
    ck_assert_int_eq(start_all(), ORIGINS_IN_FLIGHT);
    for (int i = 0; i < 200; i++) {
        if (!places[i].in_flight)
            continue;
        origins_leave(&origins, &places[i]);
        break;
    }
    ck_assert_int_eq(start_all(), 1);
    end();
}
END_TEST

START_TEST(endpoints_that_never_worked_share_one_place_of_their_origin)
{
    begin();
    for (int i = 0; i < 10; i++)
        join(i, "https://a.example", false);
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(next(), -1);
    for (int i = 10; i < 20; i++)
        join(i, "https://a.example", true);
    for (int i = 10; i < 13; i++)
        ck_assert_int_eq(next(), i);
    ck_assert_int_eq(next(), -1);
    origins_leave(&origins, &places[0]);
    ck_assert_int_ge(next(), 0);
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(neither_kind_of_endpoint_starves_the_other)
{
    begin();
    for (int i = 0; i < 20; i++)
        join(i, "https://a.example", true);
    ck_assert_int_eq(start_all(), ORIGIN_IN_FLIGHT);
    join(20, "https://a.example", false);
    bool started = false;
    for (int i = 0; i < 2; i++) {
        origins_leave(&origins, &places[i]);
        started |= next() == 20;
    }
    ck_assert(started);
    end();
}
END_TEST

START_TEST(many_origins_that_never_worked_leave_room_for_those_that_did)
{
    begin();
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "https://%d.example", i);
        join(i, name, false);
    }
    ck_assert_int_eq(start_all(), ORIGINS_IN_FLIGHT_UNPROVEN);
    join(100, "https://proven.example", true);
    ck_assert_int_eq(next(), 100);
    for (int i = 0; i < 100; i++) {
        if (!places[i].in_flight)
            continue;
        origins_leave(&origins, &places[i]);
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
        join(i, "https://a.example", true);
    ck_assert_int_eq(start_all(), ORIGIN_IN_FLIGHT);
    origins_leave(&origins, &places[4]);
    origins_leave(&origins, &places[4]);
    origins_leave(&origins, &places[0]);
    ck_assert_int_eq(next(), 5);
    end();
}
END_TEST

START_TEST(an_origin_is_forgotten_when_nothing_of_it_is_left)
{
    begin();
    for (int i = 0; i < 6; i++)
        join(i, "https://a.example", i % 2 == 0);
    join(6, "https://b.example", true);
    ck_assert_uint_eq(origins.table.count, 2);
    start_all();
    for (int i = 0; i < 6; i++)
        origins_leave(&origins, &places[i]);
    ck_assert_uint_eq(origins.table.count, 1);
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

/* Random joins, starts and leaves; the caps hold at every moment and nobody is left behind. */
START_TEST(the_caps_hold_whatever_happens)
{
    begin();
    unsigned seed = 7;
    for (int step = 0; step < 200000; step++) {
        seed = seed * 1103515245 + 12345;
        int i = (int)(seed >> 8) % PLACES;
        char name[64];
        snprintf(name, sizeof name, "https://%d.example", i % 23);
        if (!places[i].origin)
            join(i, name, i % 3 != 0);
        else if (places[i].in_flight || seed >> 30 == 0)
            origins_leave(&origins, &places[i]);
        if (seed >> 28 & 1)
            start_all();
        unsigned proven = origins.in_flight[ORIGIN_PROVEN];
        unsigned unproven = origins.in_flight[ORIGIN_UNPROVEN];
        ck_assert_uint_le(proven + unproven, ORIGINS_IN_FLIGHT);
        ck_assert_uint_le(unproven, ORIGINS_IN_FLIGHT_UNPROVEN);
    }
    unsigned per_origin[23] = {0}, per_origin_unproven[23] = {0};
    start_all();
    for (int i = 0; i < PLACES; i++) {
        per_origin[i % 23] += places[i].in_flight;
        per_origin_unproven[i % 23] += places[i].in_flight && i % 3 == 0;
    }
    for (int i = 0; i < 23; i++) {
        ck_assert_uint_le(per_origin[i], ORIGIN_IN_FLIGHT);
        ck_assert_uint_le(per_origin_unproven[i], ORIGIN_IN_FLIGHT_UNPROVEN);
    }
    int rounds = 0;
    for (bool busy = true; busy && rounds < 1000; rounds++) {
        busy = false;
        for (int i = 0; i < PLACES; i++) {
            if (places[i].in_flight)
                origins_leave(&origins, &places[i]);
        }
        busy = start_all() > 0;
    }
    for (int i = 0; i < PLACES; i++)
        ck_assert_ptr_null(places[i].origin);
    end();
}
END_TEST

UNIT_MAIN("origin", four_of_an_origin_are_in_flight_and_the_rest_waits_in_order,
          a_busy_origin_does_not_hold_up_another, origins_take_turns,
          all_origins_together_have_sixty_four_in_flight,
          endpoints_that_never_worked_share_one_place_of_their_origin,
          neither_kind_of_endpoint_starves_the_other,
          many_origins_that_never_worked_leave_room_for_those_that_did,
          who_gives_up_waiting_is_passed_over, an_origin_is_forgotten_when_nothing_of_it_is_left,
          the_caps_hold_whatever_happens)
