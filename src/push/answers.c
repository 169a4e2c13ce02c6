#include "push/answers.h"

#include <stdio.h>
#include <string.h>

/* What push servers and the proxies before them were seen to answer (push-measured.md section 5).
 */
static const struct {
    int status;
    const char *name;
} columns[ANSWERS_STATUSES] = {
    {200, "200"}, {201, "201"}, {202, "202"}, {204, "204"}, {301, "301"},   {302, "302"},
    {307, "307"}, {308, "308"}, {400, "400"}, {401, "401"}, {403, "403"},   {404, "404"},
    {405, "405"}, {410, "410"}, {413, "413"}, {429, "429"}, {500, "500"},   {502, "502"},
    {503, "503"}, {504, "504"}, {507, "507"}, {0, "none"},  {-1, "denied"}, {-1, "other"},
};
enum { COLUMN_DENIED = ANSWERS_STATUSES - 2, COLUMN_OTHER };

static const char others[] = "other";

void answers_init(struct answers *answers)
{
    memset(answers, 0, sizeof *answers);
    memcpy(answers->rows[0].origin, others, sizeof others);
    answers->row_count = 1;
}

static struct answers_row *find(struct answers *answers, const char *origin)
{
    for (size_t i = 1; i < answers->row_count; i++)
        if (strcmp(answers->rows[i].origin, origin) == 0)
            return &answers->rows[i];
    return NULL;
}

static struct answers_row *row_of(struct answers *answers, const char *origin)
{
    struct answers_row *row = origin ? find(answers, origin) : NULL;
    if (row)
        return row;
    if (!origin || answers->row_count == ANSWERS_ROWS)
        return &answers->rows[0];
    row = &answers->rows[answers->row_count++];
    snprintf(row->origin, sizeof row->origin, "%s", origin);
    return row;
}

static size_t column_of(const struct verdict *verdict)
{
    if (verdict->kind == VERDICT_DENIED)
        return COLUMN_DENIED;
    for (size_t i = 0; i < COLUMN_DENIED; i++)
        if (columns[i].status == verdict->status)
            return i;
    return COLUMN_OTHER;
}

void answers_note(struct answers *answers, const char *origin, const struct verdict *verdict)
{
    row_of(answers, origin)->counts[column_of(verdict)]++;
}

void answers_all_up(struct answers *answers)
{
    for (size_t i = 0; i < answers->row_count; i++)
        answers->rows[i].down = false;
}

void answers_note_down(struct answers *answers, const char *origin)
{
    struct answers_row *row = find(answers, origin);
    if (row)
        row->down = true;
}

const char *answers_status_name(size_t column)
{
    return columns[column].name;
}
