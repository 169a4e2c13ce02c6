/* What the doctor found. Each finding is one sentence on what is, and, where it is not well, one on
 * what to do. Whoever adds one sees to it that no account id, password or endpoint path is in it;
 * here everything becomes printable ASCII. Bounded: what comes after FINDINGS_MOST is counted. */
#ifndef DOORBELL_DOCTOR_FINDINGS_H
#define DOORBELL_DOCTOR_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From what is read first to what is read last. */
enum severity {
    SEVERITY_FAULT,     /* somebody is not rung, or will not be, until it is mended */
    SEVERITY_WARNING,   /* it works, but not as it should */
    SEVERITY_UNCHECKED, /* could not be looked at */
    SEVERITY_WELL,
};

enum {
    FINDINGS_MOST = 64,
    FINDING_WHAT_SIZE = 768,
    FINDING_FIX_SIZE = 512,
    FINDING_TIME_SIZE = 32
};

struct finding {
    enum severity severity;
    const char *subject; /* a literal: "Signal", "push server", "accounts" ... */
    char what[FINDING_WHAT_SIZE];
    char fix[FINDING_FIX_SIZE]; /* empty: nothing to do, or `what` says it */
};

struct findings {
    struct finding items[FINDINGS_MOST];
    size_t count, left_out;
    bool has_fault; /* also among those that were left out */
};

/* `fix` NULL: none. */
void findings_add(struct findings *findings, enum severity severity, const char *subject,
                  const char *fix, const char *what, ...) __attribute__((format(printf, 5, 6)));

/* Of those from `first` on what is worse than `severity` becomes that, with `because` at the end of
 * its sentence and `fix` in the place of its own (NULL: it stays). `had_fault`: whether there was a
 * fault before them. */
void findings_soften(struct findings *findings, size_t first, bool had_fault,
                     enum severity severity, const char *because, const char *fix);

/* By severity; those of one keep their order. */
void findings_sort(struct findings *findings);

/* "Nov  1 13:05:59", with the date: a report is read later, and elsewhere; its head says the time
 * zone. "never" for 0. */
const char *findings_time(char text[FINDING_TIME_SIZE], int64_t unix_s);

const char *severity_name(enum severity severity); /* "fault" */

#endif
