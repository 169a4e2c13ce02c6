#include "wake/spacing.h"

enum {
    DAY_S = 24 * 3600,
    FIRST_MS = 1000,
    DOUBLINGS = 8229, /* thousandths: 2^8.229 is the 300 from FIRST_MS to SPACING_MAX_MS */
};

static uint32_t day_of(int64_t now_unix)
{
    return now_unix > 0 ? (uint32_t)(now_unix / DAY_S) : 0;
}

void spending_note(struct spending *spending, int64_t now_unix)
{
    uint32_t day = day_of(now_unix);
    if (spending->day != day)
        *spending = (struct spending){.day = day};
    spending->used++;
}

uint32_t spending_today(const struct spending *spending, int64_t now_unix)
{
    return spending->day == day_of(now_unix) ? spending->used : 0;
}

/* Grows by the same factor with every ring: 250 of them, as fast as they may come, take more than
 * three hours, of which the first hundred take seven minutes. */
int64_t spacing_ms(const struct spending *spending, uint32_t budget, int64_t now_unix)
{
    if (!budget)
        return 0;
    uint32_t used = spending_today(spending, now_unix);
    if (used >= budget)
        return SPACING_MAX_MS;
    int64_t doublings = (int64_t)DOUBLINGS * used / budget;
    int64_t spacing = ((int64_t)FIRST_MS << doublings / 1000) * (1000 + doublings % 1000) / 1000;
    return spacing < SPACING_MAX_MS ? spacing : SPACING_MAX_MS;
}
