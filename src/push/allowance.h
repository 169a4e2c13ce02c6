/* How much one push server may be asked, so that none has reason to ban us: a token bucket for all
 * requests, a tenth of one for endpoints that never succeeded, and an error budget for the answers
 * that ntfy.sh's fail2ban counts. A server that the operator names has only the strangers' bucket:
 * it is his to ask (push.md section 4; settled.md "buckets"). Pure. */
#ifndef DOORBELL_PUSH_ALLOWANCE_H
#define DOORBELL_PUSH_ALLOWANCE_H

#include <stdbool.h>

#include "base/bucket.h"

/* Who waits for whom: a phone that is silent holds its request for the whole push.timeout and must
 * not stand before those that answer; strangers must not stand before either. */
enum push_lane {
    PUSH_HEALTHY,  /* the last push of the endpoint did not fail */
    PUSH_FAILING,  /* it worked once, and its last push failed */
    PUSH_UNPROVEN, /* it never accepted a push */
    PUSH_LANES,
};

enum allowance_kind {
    ALLOWANCE_OTHER,
    ALLOWANCE_NAMED,       /* by push.allowed_endpoints: the operator vouches for it */
    ALLOWANCE_PUBLIC_NTFY, /* wins over the operator's word: it bans without asking */
};

enum {
    ALLOWANCE_ERRORS = 200, /* weight, and as much again in ALLOWANCE_ERRORS_PERIOD_MS */
    ALLOWANCE_ERRORS_PERIOD_MS = 30 * 60 * 1000,
    /* What healthy phones may overdraw. Then they wait, too: with 200 from the start and 200 that
     * come back, 30 minutes see less than 450, which is 225 answers of 400. */
    ALLOWANCE_ERRORS_RESERVE = 32,
};

struct allowance {
    enum allowance_kind kind;
    struct bucket requests, strangers, errors;
};

/* `host` is in lower case; `named`: by an entry other than "*". */
enum allowance_kind allowance_kind_of(const char *host, bool named);

/* The name of a public ntfy server, without the dot of a full name; NULL where it is none. */
const char *allowance_public_host(const char *host);

/* How many messages a day a push server is known to give one phone, for all its apps; 0: none is
 * known (push.md section 4). */
unsigned allowance_daily(const char *host);

void allowance_init(struct allowance *allowance, enum allowance_kind kind);

/* When the next request of this lane may go; now_ms for at once. */
int64_t allowance_next_ms(const struct allowance *allowance, enum push_lane lane, int64_t now_ms);

/* One request goes, whether there is a token or not. */
void allowance_spend(struct allowance *allowance, enum push_lane lane, int64_t now_ms);

/* Takes note of an answer; true when it was one that is counted. */
bool allowance_judge(struct allowance *allowance, int status, int64_t now_ms);

/* Whether forgetting it gives nothing away. */
bool allowance_is_full(const struct allowance *allowance, int64_t now_ms);

/* What is left of the error budget; below 0 in the reserve. */
int allowance_errors_left(const struct allowance *allowance, int64_t now_ms);

#endif
