/* Notices by the Date of answers that a push server's clock and ours are more than five minutes
 * apart, which makes VAPID tokens fail (RFC 8292 section 2). Said once, about the first server that
 * showed it: if it is our clock, all of them do. Pure. */
#ifndef DOORBELL_PUSH_SKEW_H
#define DOORBELL_PUSH_SKEW_H

#include "base/bucket.h"
#include "base/url.h"

enum { SKEW_MAX_S = 5 * 60 };

enum skew_news { SKEW_SAME, SKEW_WRONG, SKEW_RIGHT };

struct skew {
    char origin[URL_ORIGIN_SIZE]; /* that was told of; empty: none */
    int64_t seen_ms;              /* when a server last differed */
    bool judged;                  /* some server has shown its clock */
    struct bucket warnings;       /* a server may say now this, now that */
};

void skew_init(struct skew *skew);

/* `ahead_s`: by how much the server's clock is ahead of ours. SKEW_WRONG and SKEW_RIGHT are to be
 * told to a person. */
enum skew_news skew_judge(struct skew *skew, const char *origin, int64_t ahead_s, int64_t now_ms);

#endif
