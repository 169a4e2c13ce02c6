#include "account/timeline.h"

#include <string.h>

#include "unit.h"

static void expect(const struct timeline *timeline, size_t i, int64_t unix_s, const char *text)
{
    char shown[TIMELINE_TEXT_SIZE];
    const struct timeline_entry *entry = timeline_at(timeline, i);
    timeline_text(entry, shown);
    ck_assert_str_eq(shown, text);
    ck_assert_int_eq(entry->unix_s, unix_s);
}

START_TEST(events_are_told_in_order_and_in_words)
{
    struct timeline timeline = {0};
    timeline_note(&timeline, TIMELINE_CONNECTED, 0, 100);
    timeline_note(&timeline, TIMELINE_MESSAGE, 0, 101);
    timeline_note(&timeline, TIMELINE_NOT_RUNG, 507, 102);
    timeline_note(&timeline, TIMELINE_NOT_RUNG, 0, 103);
    timeline_note(&timeline, TIMELINE_RUNG, 200, 104);
    timeline_note(&timeline, TIMELINE_DISCONNECTED, 4409, 105);
    timeline_note(&timeline, TIMELINE_DISCONNECTED, 0, 106);
    ck_assert_uint_eq(timeline.used, 7);
    expect(&timeline, 0, 100, "connected to the messenger");
    expect(&timeline, 1, 101, "message waits");
    expect(&timeline, 2, 102, "not accepted, the ring stays owed, answer 507");
    expect(&timeline, 3, 103, "not accepted, the ring stays owed, no answer");
    expect(&timeline, 4, 104, "rang, answer 200");
    expect(&timeline, 5, 105, "the connection to the messenger ended (4409)");
    expect(&timeline, 6, 106, "the connection to the messenger ended");
}
END_TEST

START_TEST(alike_events_in_a_row_are_one_with_a_count)
{
    struct timeline timeline = {0};
    for (int i = 0; i < 70000; i++)
        timeline_note(&timeline, TIMELINE_OWN_MESSAGE, 0, 1000 + i);
    ck_assert_uint_eq(timeline.used, 1);
    expect(&timeline, 0, 70999, "own message, not rung (32767 times)");
    timeline_note(&timeline, TIMELINE_NOT_RUNG, 500, 1);
    timeline_note(&timeline, TIMELINE_NOT_RUNG, 503, 2);
    ck_assert_uint_eq(timeline.used, 3);
}
END_TEST

START_TEST(the_oldest_go_when_it_is_full)
{
    struct timeline timeline = {0};
    for (unsigned i = 0; i < 3 * TIMELINE_LENGTH + 5; i++)
        timeline_note(&timeline, TIMELINE_RUNG, i, i);
    ck_assert_uint_eq(timeline.used, TIMELINE_LENGTH);
    for (unsigned i = 0; i < TIMELINE_LENGTH; i++)
        ck_assert_uint_eq(timeline_at(&timeline, i)->detail, 2 * TIMELINE_LENGTH + 5 + i);
}
END_TEST

START_TEST(every_kind_has_words)
{
    for (int kind = TIMELINE_CONNECTED; kind <= TIMELINE_REFUSED; kind++) {
        struct timeline_entry entry = {.count = (1 << TIMELINE_COUNT_BITS) - 1,
                                       .detail = (1 << TIMELINE_DETAIL_BITS) - 1,
                                       .kind = (unsigned)kind & ((1 << TIMELINE_KIND_BITS) - 1)};
        char text[TIMELINE_TEXT_SIZE];
        timeline_text(&entry, text);
        ck_assert_uint_gt(strlen(text), 8);
        ck_assert_msg(text[strlen(text) - 1] == ')', "%s was cut", text);
    }
}
END_TEST

UNIT_MAIN("timeline", events_are_told_in_order_and_in_words,
          alike_events_in_a_row_are_one_with_a_count, the_oldest_go_when_it_is_full,
          every_kind_has_words)
