/* How many pushes ended in which way, by push server, for whoever watches. A server has a row of
 * its own only where the operator or our own table names it (the caller judges); all others share
 * one, so that no stranger's endpoint ever turns into a name in somebody's monitoring, or into
 * memory (security.md 16). Rows are never given up: a counter that vanishes is no counter. Pure. */
#ifndef DOORBELL_PUSH_ANSWERS_H
#define DOORBELL_PUSH_ANSWERS_H

#include <stdbool.h>

#include "base/url.h"
#include "push/verdict.h"

enum {
    ANSWERS_ROWS = 64, /* more servers than an operator names; what comes then is "other" */
    ANSWERS_STATUSES = 24,
};

struct answers_row {
    char origin[URL_ORIGIN_SIZE]; /* "other" in the first */
    uint64_t counts[ANSWERS_STATUSES];
    bool down; /* its breaker is not closed, as far as answers_note_down was told */
};

struct answers {
    struct answers_row rows[ANSWERS_ROWS];
    size_t row_count;
};

void answers_init(struct answers *answers);
/* `origin` NULL: one that must not be named. */
void answers_note(struct answers *answers, const char *origin, const struct verdict *verdict);

/* Which servers are down is told anew each time that somebody looks. */
void answers_all_up(struct answers *answers);
void answers_note_down(struct answers *answers, const char *origin);

/* "200"; "none": there was no answer; "denied": our own settings forbid the endpoint; "other": a
 * status that has no column of its own. */
const char *answers_status_name(size_t column);

#endif
