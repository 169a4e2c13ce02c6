#include "account/record.h"

#include "unit.h"

START_TEST(the_last_message_of_each_kind_is_kept_and_all_are_counted)
{
    struct record record = {0};
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1000);
    record_note(&record, TIMELINE_OWN_MESSAGE, 0, 101, 2000);
    record_note(&record, TIMELINE_QUIET_MESSAGE, 0, 102, 3000);
    record_note(&record, TIMELINE_QUIET_MESSAGE, 0, 103, 4000);
    ck_assert_uint_eq(record.urgent_unix, 100);
    ck_assert_uint_eq(record.own_unix, 101);
    ck_assert_uint_eq(record.quiet_unix, 103);
    ck_assert_uint_eq(record.messages, 4);
    ck_assert_int_eq(record_waits_since_ms(&record), 1000); /* only the first one waits */
}
END_TEST

START_TEST(a_ring_took_as_long_as_its_oldest_message_waited)
{
    struct record record = {0};
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1000);
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1010);
    record_ring_left(&record);
    record_note(&record, TIMELINE_RUNG, 201, 100, 1042);
    ck_assert_uint_eq(record.latency_ms, 42);
    ck_assert_uint_eq(record.rung_status, 201);
    ck_assert_uint_eq(record.rings, 1);
    ck_assert_int_eq(record_waits_since_ms(&record), 0);
}
END_TEST

START_TEST(a_message_behind_the_ring_waits_for_the_next_one)
{
    struct record record = {0};
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1000);
    record_ring_left(&record);
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1020);
    record_note(&record, TIMELINE_RUNG, 200, 100, 1030);
    ck_assert_uint_eq(record.latency_ms, 30);
    ck_assert_int_eq(record_waits_since_ms(&record), 1020);
    record_ring_left(&record);
    record_note(&record, TIMELINE_RUNG, 200, 101, 2025);
    ck_assert_uint_eq(record.latency_ms, 1005);
    ck_assert_int_eq(record_waits_since_ms(&record), 0);
}
END_TEST

START_TEST(a_ring_that_failed_goes_on_waiting)
{
    struct record record = {0};
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1000);
    record_ring_left(&record);
    record_note(&record, TIMELINE_NOT_RUNG, 507, 101, 2000);
    ck_assert_uint_eq(record.not_rung_status, 507);
    ck_assert_uint_eq(record.not_rung_unix, 101);
    record_ring_left(&record);
    record_note(&record, TIMELINE_RUNG, 200, 162, 63000);
    ck_assert_uint_eq(record.latency_ms, 62000);
}
END_TEST

START_TEST(what_came_behind_a_ring_for_a_debt_that_failed_goes_on_waiting)
{
    struct record record = {0};
    record_ring_left(&record);
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1000);
    record_note(&record, TIMELINE_NOT_RUNG, 503, 101, 2000);
    record_note(&record, TIMELINE_MESSAGE, 0, 102, 3000);
    ck_assert_int_eq(record_waits_since_ms(&record), 1000);
    record_ring_left(&record);
    record_note(&record, TIMELINE_RUNG, 200, 103, 4000);
    ck_assert_uint_eq(record.latency_ms, 3000);
}
END_TEST

START_TEST(a_ring_for_a_debt_of_the_last_run_has_no_time_that_is_known)
{
    struct record record = {.latency_ms = 42};
    record_ring_left(&record);
    record_note(&record, TIMELINE_RUNG, 200, 100, 1000);
    ck_assert_uint_eq(record.latency_ms, 0);
    ck_assert_uint_eq(record.rung_unix, 100);
}
END_TEST

START_TEST(what_came_behind_a_ring_that_was_taken_back_is_covered_by_the_next)
{
    struct record record = {0};
    record_ring_left(&record); /* for a debt */
    record_note(&record, TIMELINE_MESSAGE, 0, 100, 1000);
    ck_assert_int_eq(record_waits_since_ms(&record), 1000);
    record_ring_left(&record); /* the first was taken back */
    record_note(&record, TIMELINE_RUNG, 200, 100, 1100);
    ck_assert_uint_eq(record.latency_ms, 100);
    ck_assert_int_eq(record_waits_since_ms(&record), 0);
}
END_TEST

START_TEST(the_end_of_a_link_leaves_its_number)
{
    struct record record = {0};
    record_note(&record, TIMELINE_DISCONNECTED, 4409, 100, 1000);
    ck_assert_uint_eq(record.down_code, 4409);
    record_state(&record, 100);
    ck_assert_uint_eq(record.state_since_unix, 100);
    record_note(&record, TIMELINE_TEST, 200, 100, 1000); /* no ring, no message */
    ck_assert_uint_eq(record.rings, 0);
    ck_assert_uint_eq(record.messages, 0);
}
END_TEST

UNIT_MAIN("record", the_last_message_of_each_kind_is_kept_and_all_are_counted,
          a_ring_took_as_long_as_its_oldest_message_waited,
          a_message_behind_the_ring_waits_for_the_next_one, a_ring_that_failed_goes_on_waiting,
          what_came_behind_a_ring_for_a_debt_that_failed_goes_on_waiting,
          a_ring_for_a_debt_of_the_last_run_has_no_time_that_is_known,
          what_came_behind_a_ring_that_was_taken_back_is_covered_by_the_next,
          the_end_of_a_link_leaves_its_number)
