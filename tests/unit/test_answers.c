#include "push/answers.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static const struct verdict accepted = {.kind = VERDICT_ACCEPTED, .status = 200};

static uint64_t count_of(const struct answers *answers, size_t row, const char *status)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < ANSWERS_STATUSES; i++)
        if (strcmp(answers_status_name(i), status) == 0)
            sum += answers->rows[row].counts[i];
    return sum;
}

static uint64_t all_of(const struct answers *answers, size_t row)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < ANSWERS_STATUSES; i++)
        sum += answers->rows[row].counts[i];
    return sum;
}

START_TEST(a_server_that_may_be_named_has_a_row_and_all_others_share_one)
{
    static struct answers answers;
    answers_init(&answers);
    answers_note(&answers, "https://ntfy.example.org", &accepted);
    answers_note(&answers, "https://push.example.net", &accepted);
    answers_note(&answers, "https://ntfy.example.org", &accepted);
    for (int i = 0; i < 3; i++)
        answers_note(&answers, NULL, &accepted);
    ck_assert_uint_eq(answers.row_count, 3);
    ck_assert_str_eq(answers.rows[0].origin, "other");
    ck_assert_uint_eq(count_of(&answers, 0, "200"), 3);
    ck_assert_str_eq(answers.rows[1].origin, "https://ntfy.example.org");
    ck_assert_uint_eq(count_of(&answers, 1, "200"), 2);
    ck_assert_uint_eq(count_of(&answers, 2, "200"), 1);
}
END_TEST

START_TEST(every_verdict_counts_in_exactly_one_column)
{
    static const struct {
        struct verdict verdict;
        const char *status;
    } cases[] = {
        {{.kind = VERDICT_ACCEPTED, .status = 201}, "201"},
        {{.kind = VERDICT_ACCEPTED, .status = 299}, "other"},
        {{.kind = VERDICT_RETRY, .status = 429}, "429"},
        {{.kind = VERDICT_RETRY, .status = 507}, "507"},
        {{.kind = VERDICT_GONE, .status = 410}, "410"},
        {{.kind = VERDICT_RETRY, .status = 999}, "other"},
        {{.kind = VERDICT_RETRY, .status = 0}, "none"},
        {{.kind = VERDICT_DENIED, .status = 0}, "denied"},
    };
    static struct answers answers;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answers_init(&answers);
        answers_note(&answers, NULL, &cases[i].verdict);
        ck_assert_uint_eq(count_of(&answers, 0, cases[i].status), 1);
        ck_assert_uint_eq(all_of(&answers, 0), 1);
    }
}
END_TEST

START_TEST(there_are_only_so_many_rows_and_nothing_is_lost)
{
    static struct answers answers;
    char name[64];
    uint64_t sum = 0;
    answers_init(&answers);
    for (int i = 0; i < 10 * ANSWERS_ROWS; i++) {
        snprintf(name, sizeof name, "https://ntfy-%d.example.org", i);
        answers_note(&answers, name, &accepted);
        answers_note(&answers, name, &accepted);
    }
    ck_assert_uint_eq(answers.row_count, ANSWERS_ROWS);
    for (size_t i = 0; i < answers.row_count; i++)
        sum += all_of(&answers, i);
    ck_assert_uint_eq(sum, 20 * ANSWERS_ROWS);
    ck_assert_uint_eq(all_of(&answers, 1), 2);
}
END_TEST

START_TEST(a_server_is_down_until_somebody_looks_anew)
{
    static struct answers answers;
    answers_init(&answers);
    answers_note(&answers, "https://ntfy.example.org", &accepted);
    answers_note_down(&answers, "https://stranger.example.com");
    answers_note_down(&answers, "other");
    ck_assert(!answers.rows[0].down && !answers.rows[1].down);
    ck_assert_uint_eq(answers.row_count, 2);
    answers_note_down(&answers, "https://ntfy.example.org");
    ck_assert(answers.rows[1].down);
    answers_all_up(&answers);
    ck_assert(!answers.rows[1].down);
}
END_TEST

UNIT_MAIN("answers", a_server_that_may_be_named_has_a_row_and_all_others_share_one,
          every_verdict_counts_in_exactly_one_column,
          there_are_only_so_many_rows_and_nothing_is_lost,
          a_server_is_down_until_somebody_looks_anew)
