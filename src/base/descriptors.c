#include "base/descriptors.h"

enum {
    OTHERS = 512, /* store, pushes, name look-ups, races of connects, control, libraries */
    STRANGERS_LEAST = 16,
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct descriptors descriptors_share(int64_t most, int64_t links, int64_t least, int64_t strangers)
{
    struct descriptors share = {.needed = least + strangers + OTHERS,
                                .limit = smaller(most, links + strangers + OTHERS),
                                .strangers = strangers};
    if (share.needed <= most) {
        share.links = share.limit - strangers - OTHERS;
        return share;
    }
    int64_t left = most - smaller(OTHERS, most / 2);
    int64_t quarter = left / 4 > STRANGERS_LEAST ? left / 4 : smaller(STRANGERS_LEAST, left / 2);
    share.strangers = smaller(strangers, quarter);
    share.links = smaller(links, left - share.strangers);
    return share;
}
