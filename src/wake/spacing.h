/* Where a push server gives a phone so many messages a day and no more (public ntfy: 250 for all
 * its apps), rings of a busy account move apart as the day's budget shrinks: a second at first, up
 * to five minutes. The first ring after quiet comes at once all the same, because quiet lasts
 * longer than any spacing (settled.md "budget-aware spacing"). Pure. */
#ifndef DOORBELL_WAKE_SPACING_H
#define DOORBELL_WAKE_SPACING_H

#include <stdint.h>

enum { SPACING_MAX_MS = 5 * 60 * 1000 };

/* What an account spent of its endpoint's budget; the budget begins anew at 00:00 UTC. */
struct spending {
    uint32_t day; /* since 1970 */
    uint32_t used;
};

/* An accepted push. */
void spending_note(struct spending *spending, int64_t now_unix);

/* What counts of it today. */
uint32_t spending_today(const struct spending *spending, int64_t now_unix);

/* The least distance between two rings; 0 where no budget is known (0). */
int64_t spacing_ms(const struct spending *spending, uint32_t budget, int64_t now_unix);

#endif
