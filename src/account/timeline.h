/* The last few events of one account, for people: when a message waited, when it was rung for, what
 * the push server said, why nothing rang. Nothing here is a message's content, an id or a path.
 * Kept in memory only. Alike events in a row are one entry with a count. Pure. */
#ifndef DOORBELL_ACCOUNT_TIMELINE_H
#define DOORBELL_ACCOUNT_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

enum { TIMELINE_LENGTH = 16, TIMELINE_TEXT_SIZE = 96 };

enum timeline_kind {
    TIMELINE_CONNECTED,
    TIMELINE_DISCONNECTED,  /* detail: the status or close code; 0: there was none */
    TIMELINE_MESSAGE,       /* urgent: rings */
    TIMELINE_OWN_MESSAGE,   /* a copy of what the user's own phone sent */
    TIMELINE_QUIET_MESSAGE, /* the sender marked it as not urgent: a receipt, a typing notice */
    TIMELINE_RUNG,          /* detail: the push server's status */
    TIMELINE_NOT_RUNG,      /* detail: its status; 0: there was no answer */
    TIMELINE_DEBT,          /* the owed ring was written to the store */
    TIMELINE_TEST,          /* detail: the status of a test push */
    TIMELINE_ENDPOINT,      /* a new endpoint was registered */
    TIMELINE_CONTESTED,
    TIMELINE_REFUSED,
};

enum { TIMELINE_COUNT_BITS = 15, TIMELINE_DETAIL_BITS = 13, TIMELINE_KIND_BITS = 4 };

/* 8 bytes: every account has sixteen. */
struct timeline_entry {
    uint32_t unix_s; /* of the last of them */
    uint32_t count : TIMELINE_COUNT_BITS;
    uint32_t detail : TIMELINE_DETAIL_BITS; /* a status of HTTP or a close code: below 5000 */
    uint32_t kind : TIMELINE_KIND_BITS;
};

struct timeline {
    struct timeline_entry entries[TIMELINE_LENGTH]; /* a ring */
    uint8_t next, used;
};

void timeline_note(struct timeline *timeline, enum timeline_kind kind, unsigned detail,
                   int64_t now_unix);

/* Oldest first: `i` from 0 to timeline->used - 1. */
const struct timeline_entry *timeline_at(const struct timeline *timeline, size_t i);

/* "own message, not rung (3 times)" */
void timeline_text(const struct timeline_entry *entry, char text[TIMELINE_TEXT_SIZE]);

#endif
