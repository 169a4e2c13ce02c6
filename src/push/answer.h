/* One HTTP answer as curl hands it over, line by line, within bounds: 16 KiB of headers, where
 * interim answers and trailers count, and 4 KiB of body (security.md 9). Pure. */
#ifndef DOORBELL_PUSH_ANSWER_H
#define DOORBELL_PUSH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "push/verdict.h"

enum {
    ANSWER_HEAD_MAX = 16384,
    ANSWER_BODY_MAX = 4096,
    ANSWER_SERVER_SIZE = 96,
    ANSWER_RETRY_AFTER_MAX_S = 3600,
};

enum answer_part { ANSWER_STATUS_LINE, ANSWER_FIELDS, ANSWER_TRAILERS };

struct answer {
    enum answer_part part;           /* that the next line belongs to */
    bool interim;                    /* the fields belong to a 1xx */
    int status;                      /* of the final answer; 0: not known yet */
    size_t head_bytes;               /* of all lines so far */
    int64_t retry_after_s;           /* Retry-After as seconds */
    int64_t retry_at_unix;           /* Retry-After as a date; 0: not so */
    int64_t date_unix;               /* 0: none */
    char server[ANSWER_SERVER_SIZE]; /* printable; empty: none */
    size_t body_length;
    char body[ANSWER_BODY_MAX];
};

void answer_clear(struct answer *answer);

/* One line with its end, the empty one behind the fields too. ERR_LIMIT: stop reading. */
int answer_line(struct answer *answer, const char *line, size_t length);

/* Keeps what fits. ERR_LIMIT: there was more, stop reading. */
int answer_body(struct answer *answer, const char *bytes, size_t length);

/* Whether anything of it arrived. */
bool answer_begun(const struct answer *answer);

/* What is known of it; points into `answer`. `failure` counts where no status is known. */
void answer_tell(const struct answer *answer, enum push_failure failure, int64_t now_unix,
                 struct push_answer *told);

#endif
