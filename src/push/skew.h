/* Notices by the Date of answers that our clock is more than five minutes from that of push
 * servers, which makes VAPID tokens fail (RFC 8292 section 2). If it is our clock, all of them show
 * it: one that differs while another agrees with us is wrong itself, as long as our clock was not
 * set since. Said once, about the first server that showed it. Only endpoints that have worked are
 * asked, or a stranger's server could accuse our clock. Pure. */
#ifndef DOORBELL_PUSH_SKEW_H
#define DOORBELL_PUSH_SKEW_H

#include "base/bucket.h"
#include "base/url.h"

enum { SKEW_MAX_S = 5 * 60 };

enum skew_news { SKEW_SAME, SKEW_WRONG, SKEW_RIGHT };

/* One moment by both of our clocks. */
struct skew_moment {
    int64_t now_ms, now_unix;
};

struct skew {
    char origin[URL_ORIGIN_SIZE]; /* by which ours is wrong; empty: it is not, for all we know */
    int64_t seen_ms;              /* when a server last differed */
    char agrees[URL_ORIGIN_SIZE]; /* the last server that agreed with us, and did not differ since;
                                     empty: none */
    struct skew_moment agreed;    /* when it did */
    bool judged;                  /* some server has shown its clock */
    bool untimely; /* a push server's certificate is not valid by our clock, and none has shown its
                      clock since */
    bool said;     /* that it is wrong */
    struct bucket warnings; /* a server may say now this, now that */
};

void skew_init(struct skew *skew);

/* `ahead_s`: by how much the server's clock is ahead of ours. SKEW_WRONG and SKEW_RIGHT are to be
 * told to a person. */
enum skew_news skew_judge(struct skew *skew, const char *origin, int64_t ahead_s,
                          const struct skew_moment *now);
/* The certificate of a push server is not valid yet, or no more. */
void skew_untimely(struct skew *skew);

#endif
