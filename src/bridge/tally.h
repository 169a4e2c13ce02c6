/* What befell all accounts together since the start, counted where it happens, for whoever watches
 * (web/prometheus.c). Numbers alone: nothing in here tells one account from another. Pure. */
#ifndef DOORBELL_BRIDGE_TALLY_H
#define DOORBELL_BRIDGE_TALLY_H

#include "base/histogram.h"
#include "link/link.h"

enum tally_message {
    TALLY_URGENT, /* rings */
    TALLY_OWN,    /* a copy of what the user's own phone sent */
    TALLY_QUIET,  /* not urgent: a receipt, a typing notice */
    TALLY_MESSAGES,
};

struct tally {
    uint64_t messages[TALLY_MESSAGES];
    uint64_t downs[LINK_REASONS]; /* links that ended, and attempts that failed */
    struct histogram delay;       /* from a message to the acceptance of its ring */
};

const char *tally_message_name(enum tally_message message); /* "urgent" */

#endif
