#include "signal/roads.h"

#include <stdio.h>

#include "unit.h"

/* The middle of every interval: half of it and half of the rest. */
enum { DICE = INT32_MAX, MINUTE = 60 * 1000, DAY = 24 * 60 * MINUTE };

static const struct transport_end no_road = {.kind = TRANSPORT_NO_ROAD,
                                             .text = "it does not speak HTTP/2"};
static const struct transport_end unreachable = {.kind = TRANSPORT_UNREACHABLE,
                                                 .text = "no TCP connection in time"};

static struct roads both(void)
{
    struct roads roads;
    roads_init(&roads, true, true);
    return roads;
}

static struct roads fallen_at(int64_t now_ms)
{
    struct roads roads = both();
    roads_failed(&roads, ROAD_HTTP2, &no_road, now_ms, DICE);
    return roads;
}

START_TEST(http2_comes_first_and_where_there_is_no_choice_there_is_none)
{
    struct roads roads = both();
    ck_assert_int_eq(roads_pick(&roads, false, 0), ROAD_HTTP2);
    ck_assert_int_eq(roads_pick(&roads, true, 0), ROAD_HTTP2);
    for (int http2 = 0; http2 < 2; http2++) {
        enum road only = http2 ? ROAD_HTTP2 : ROAD_HTTP1;
        roads_init(&roads, http2, !http2);
        ck_assert_int_eq(roads_pick(&roads, false, 0), only);
        roads_failed(&roads, only, &no_road, 0, DICE);
        ck_assert_int_eq(roads_pick(&roads, false, 0), only);
    }
}
END_TEST

START_TEST(what_fails_as_a_road_is_left_at_once_and_what_is_said_of_a_device_is_not)
{
    static const struct {
        struct transport_end end;
        bool falls;
    } rows[] = {
        {{.kind = TRANSPORT_NO_ROAD}, true},
        {{.kind = TRANSPORT_TLS}, true},
        {{.kind = TRANSPORT_VIOLATION}, true},
        {{.kind = TRANSPORT_UNREACHABLE, .sent_away = true}, true},
        {{.kind = TRANSPORT_STATUS, .status = 404, .has_timestamp = true}, true},
        {{.kind = TRANSPORT_STATUS, .status = 502}, true},
        {{.kind = TRANSPORT_STATUS, .status = 400, .has_timestamp = true}, true},
        {{.kind = TRANSPORT_STATUS, .status = 501}, true},
        {{.kind = TRANSPORT_STATUS, .status = 502, .has_timestamp = true}, true},
        {{.kind = TRANSPORT_STATUS, .status = 403, .has_timestamp = true}, false},
        {{.kind = TRANSPORT_STATUS, .status = 403}, false},
        {{.kind = TRANSPORT_STATUS, .status = 499}, false},
        {{.kind = TRANSPORT_STATUS, .status = 500, .has_timestamp = true}, false},
        {{.kind = TRANSPORT_STATUS, .status = 503}, false},
        {{.kind = TRANSPORT_UNTIMELY}, false},
        {{.kind = TRANSPORT_UNREACHABLE}, false},
        {{.kind = TRANSPORT_STOPPED}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct roads roads = both();
        roads_failed(&roads, ROAD_HTTP2, &rows[i].end, 1000, DICE);
        ck_assert_msg(roads.fallen == rows[i].falls, "row %zu", i);
        bool later = rows[i].end.kind == TRANSPORT_UNREACHABLE;
        ck_assert(roads_is_left_for(&rows[i].end) == (rows[i].falls || later));
    }
}
END_TEST

START_TEST(one_link_at_a_time_tries_http2_again_at_growing_intervals)
{
    int64_t now_ms = 1000, before_ms = 0;
    struct roads roads = fallen_at(now_ms);
    ck_assert_str_eq(roads.why, no_road.text);
    for (int i = 0; i < 12; i++) {
        int64_t wait_ms = roads.return_at_ms - now_ms;
        ck_assert_int_gt(wait_ms, 0);
        ck_assert(wait_ms > before_ms || wait_ms > DAY / 2);
        ck_assert_int_le(wait_ms, DAY);
        ck_assert_int_eq(roads_pick(&roads, false, roads.return_at_ms - 1), ROAD_HTTP1);
        now_ms = roads.return_at_ms;
        ck_assert_int_eq(roads_pick(&roads, true, now_ms), ROAD_HTTP1); /* a candidate */
        ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
        ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP1);
        before_ms = wait_ms;
        roads_failed(&roads, ROAD_HTTP2, i % 2 ? &unreachable : &no_road, now_ms, DICE);
    }
}
END_TEST

START_TEST(a_scout_that_hears_something_or_is_answered_by_signal_brings_all_back)
{
    static const struct transport_end refused = {
        .kind = TRANSPORT_STATUS, .status = 403, .has_timestamp = true};
    for (int is_taken = 0; is_taken < 2; is_taken++) {
        struct roads roads = fallen_at(1000);
        int64_t now_ms = roads.return_at_ms;
        ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
        if (is_taken)
            roads_worked(&roads, ROAD_HTTP2);
        else
            roads_failed(&roads, ROAD_HTTP2, &refused, now_ms, DICE);
        ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
        ck_assert_int_eq(roads_pick(&roads, true, now_ms), ROAD_HTTP2);
    }
}
END_TEST

START_TEST(a_scout_whose_account_goes_leaves_the_trial_to_the_next)
{
    static const struct transport_end stopped = {.kind = TRANSPORT_STOPPED};
    struct roads roads = fallen_at(1000);
    int64_t now_ms = roads.return_at_ms;
    ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
    roads_failed(&roads, ROAD_HTTP2, &stopped, now_ms, DICE);
    ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
}
END_TEST

START_TEST(attempts_that_began_before_the_fall_neither_lengthen_the_wait_nor_count_again)
{
    struct roads roads = fallen_at(1000);
    struct roads before = roads;
    for (int i = 0; i < 100; i++)
        roads_failed(&roads, ROAD_HTTP2, &no_road, 1000 + i, DICE);
    ck_assert_int_eq(roads.return_at_ms, before.return_at_ms);
    ck_assert_uint_eq(roads.falls, before.falls);
}
END_TEST

START_TEST(a_server_that_cannot_be_reached_for_a_moment_is_waited_for)
{
    struct roads roads = both();
    int64_t now_ms = 1000;
    roads_failed(&roads, ROAD_HTTP2, &unreachable, now_ms, DICE);
    roads_failed(&roads, ROAD_HTTP2, &unreachable, now_ms + ROADS_PATIENCE_MS - 1, DICE);
    ck_assert(!roads.fallen);
    roads_worked(&roads, ROAD_HTTP2); /* it came back: the patience is whole again */
    now_ms += ROADS_PATIENCE_MS;
    roads_failed(&roads, ROAD_HTTP2, &unreachable, now_ms, DICE);
    ck_assert(!roads.fallen);
    roads_failed(&roads, ROAD_HTTP2, &unreachable, now_ms + ROADS_PATIENCE_MS, DICE);
    ck_assert(roads.fallen);
    ck_assert_str_eq(roads.why, unreachable.text);
}
END_TEST

START_TEST(one_account_that_gets_no_answer_beside_others_that_do_is_no_reason)
{
    static const struct transport_end alone = {
        .kind = TRANSPORT_UNREACHABLE, .alone = true, .text = "no answer to the request in time"};
    struct roads roads = both();
    for (int i = 0; i < 10; i++)
        roads_failed(&roads, ROAD_HTTP2, &alone, 1000 + i * ROADS_PATIENCE_MS, DICE);
    ck_assert(!roads.fallen && !roads_is_left_for(&alone));
}
END_TEST

static const struct transport_end cut = {.kind = TRANSPORT_LOST, .text = "nothing came"};

START_TEST(links_that_are_let_in_and_never_hear_a_word_are_no_road)
{
    static const struct transport_end ends[] = {
        {.kind = TRANSPORT_LOST, .text = "nothing came"},
        {.kind = TRANSPORT_CLOSE, .close_code = 1008},
    };
    static const char *const whys[] = {"nothing came", "it closes links that it has let in (1008)"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct roads roads = both();
        int64_t now_ms = 1000;
        roads_failed(&roads, ROAD_HTTP2, &ends[i], now_ms, DICE);
        roads_failed(&roads, ROAD_HTTP2, &ends[i], now_ms + ROADS_PATIENCE_MS - 1, DICE);
        roads_worked(&roads, ROAD_HTTP2); /* it was a restart */
        now_ms += ROADS_PATIENCE_MS;
        roads_failed(&roads, ROAD_HTTP2, &ends[i], now_ms, DICE);
        ck_assert(!roads.fallen);
        roads_failed(&roads, ROAD_HTTP2, &ends[i], now_ms + ROADS_PATIENCE_MS, DICE);
        ck_assert(roads.fallen);
        ck_assert_str_eq(roads.why, whys[i]);
    }
}
END_TEST

START_TEST(a_scout_that_is_let_in_and_hears_nothing_keeps_the_others_on_http11)
{
    struct roads roads = fallen_at(1000);
    int64_t now_ms = roads.return_at_ms, waited_ms = now_ms - 1000;
    ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
    ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP1);
    roads_failed(&roads, ROAD_HTTP2, &cut, now_ms, DICE);
    ck_assert(roads.fallen);
    ck_assert_int_gt(roads.return_at_ms - now_ms, waited_ms);
}
END_TEST

START_TEST(a_close_that_is_about_the_device_is_no_reason)
{
    static const int codes[] = {4401, 4409};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct roads roads = both();
        for (int round = 0; round < 10; round++)
            roads_failed(&roads, ROAD_HTTP2,
                         &(struct transport_end){.kind = TRANSPORT_CLOSE, .close_code = codes[i]},
                         1000 + round * ROADS_PATIENCE_MS, DICE);
        ck_assert(!roads.fallen);
    }
}
END_TEST

START_TEST(where_neither_road_can_be_reached_http2_is_the_next_to_be_tried)
{
    struct roads roads = fallen_at(1000);
    static const struct transport_end intercepted = {.kind = TRANSPORT_TLS};
    ck_assert_int_eq(roads_pick(&roads, false, 2000), ROAD_HTTP1);
    roads_failed(&roads, ROAD_HTTP1, &unreachable, 3000, DICE);
    ck_assert_int_eq(roads_pick(&roads, false, 3000), ROAD_HTTP2);
    ck_assert_int_eq(roads_pick(&roads, false, 3000), ROAD_HTTP1);
    roads_failed(&roads, ROAD_HTTP2, &intercepted, 3000, DICE);
    ck_assert_int_eq(roads_pick(&roads, false, 3000), ROAD_HTTP1);
    roads_failed(&roads, ROAD_HTTP1, &intercepted, 4000, DICE);
    ck_assert_int_eq(roads_pick(&roads, false, 4000), ROAD_HTTP2);
    roads_failed(&roads, ROAD_HTTP2, &cut, 4000, DICE);
    roads_failed(&roads, ROAD_HTTP1, &cut, 5000, DICE); /* that may be about one account */
    ck_assert_int_eq(roads_pick(&roads, false, 5000), ROAD_HTTP1);
}
END_TEST

START_TEST(an_outage_of_both_roads_does_not_keep_http2_shut_when_it_is_over)
{
    struct roads roads = fallen_at(1000);
    int64_t now_ms = 1000;
    for (int i = 0; i < 50; i++) {
        now_ms += MINUTE;
        roads_failed(&roads, ROAD_HTTP1, &unreachable, now_ms, DICE);
        ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
        roads_failed(&roads, ROAD_HTTP2, &unreachable, now_ms, DICE);
    }
    roads_worked(&roads, ROAD_HTTP1);
    ck_assert_int_le(roads.return_at_ms - now_ms, ROADS_RETURN_MIN_MS);
    roads_failed(&roads, ROAD_HTTP2, &no_road, now_ms, DICE);
    roads_resumed(&roads);
    ck_assert_int_eq(roads_pick(&roads, false, now_ms), ROAD_HTTP2);
}
END_TEST

START_TEST(how_many_links_descriptors_are_enough_for_depends_on_the_road)
{
    const struct roads_use nothing = {.shares = 100};
    const struct roads_use mixed = {
        .links = {[ROAD_HTTP2] = 55, [ROAD_HTTP1] = 4}, .connections = 3, .shares = 20};
    struct roads roads;
    roads_init(&roads, false, true);
    ck_assert_uint_eq(roads_most_links(&roads, &nothing, 10, 0), 10);
    roads_init(&roads, true, false);
    ck_assert_uint_eq(roads_most_links(&roads, &nothing, 10, 0), 1000);
    roads = both();
    ck_assert_uint_eq(roads_most_links(&roads, &mixed, 10, 0), 4 + 6 * 20);
    /* Connections that stand are filled, whatever HTTP/1.1 leaves. */
    ck_assert_uint_eq(roads_most_links(&roads, &mixed, 3, 0), 4 + 3 * 20);
    ck_assert_uint_eq(roads_most_links(&roads, &mixed, 4, 0), 4 + 3 * 20);
    roads = fallen_at(0);
    ck_assert_uint_eq(roads_most_links(&roads, &mixed, 10, 0), 55 + 7);
    ck_assert_uint_eq(roads_most_links(&roads, &mixed, 2, 0), 55);
    /* One more tries HTTP/2 again. */
    ck_assert_uint_eq(roads_most_links(&roads, &mixed, 10, DAY), 55 + 7 + 1);
    ck_assert_int_eq(roads_pick(&roads, false, DAY), ROAD_HTTP2);
    ck_assert_uint_eq(roads_most_links(&roads, &mixed, 10, DAY), 55 + 7);
}
END_TEST

UNIT_MAIN("roads", http2_comes_first_and_where_there_is_no_choice_there_is_none,
          what_fails_as_a_road_is_left_at_once_and_what_is_said_of_a_device_is_not,
          one_link_at_a_time_tries_http2_again_at_growing_intervals,
          a_scout_that_hears_something_or_is_answered_by_signal_brings_all_back,
          a_scout_whose_account_goes_leaves_the_trial_to_the_next,
          attempts_that_began_before_the_fall_neither_lengthen_the_wait_nor_count_again,
          a_server_that_cannot_be_reached_for_a_moment_is_waited_for,
          one_account_that_gets_no_answer_beside_others_that_do_is_no_reason,
          links_that_are_let_in_and_never_hear_a_word_are_no_road,
          a_scout_that_is_let_in_and_hears_nothing_keeps_the_others_on_http11,
          a_close_that_is_about_the_device_is_no_reason,
          where_neither_road_can_be_reached_http2_is_the_next_to_be_tried,
          an_outage_of_both_roads_does_not_keep_http2_shut_when_it_is_over,
          how_many_links_descriptors_are_enough_for_depends_on_the_road)
