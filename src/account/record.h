/* When things last happened to an account and how often since the start, for people: what the
 * timeline has forgotten after sixteen events. Fed with the same events, kept in memory only, and
 * small, because there are many accounts. Times of people are seconds since 1970, 0 for never since
 * the start. Pure. */
#ifndef DOORBELL_ACCOUNT_RECORD_H
#define DOORBELL_ACCOUNT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "account/timeline.h"

struct record {
    int64_t waits_since_ms;  /* the oldest message that no accepted ring covers; 0: none */
    int64_t behind_since_ms; /* the oldest that came after the last ring left; 0: none */
    uint32_t state_since_unix;
    uint32_t urgent_unix, own_unix, quiet_unix; /* the last message of each kind */
    uint32_t rung_unix, not_rung_unix;
    uint32_t messages, rings; /* that came; that were accepted */
    uint32_t latency_ms;      /* of the last accepted ring, from its oldest message; 0: not known */
    uint16_t rung_status, not_rung_status;
    uint16_t down_code; /* HTTP status or close code of the link's last end; 0: none */
    bool ring_left;     /* and has no answer yet, or was taken back */
};

void record_note(struct record *record, enum timeline_kind kind, unsigned detail, int64_t now_unix,
                 int64_t now_ms);
/* A ring leaves, for all that came until now. */
void record_ring_left(struct record *record);
/* The link's state is another one. */
void record_state(struct record *record, int64_t now_unix);

/* Since when a message waits for a ring to be accepted; 0: none does, as far as is known. */
int64_t record_waits_since_ms(const struct record *record);

#endif
