/* What the status page shows at one moment: the whole, and a page of accounts, the worst first. */
#ifndef DOORBELL_WEB_ADMIN_SIGHT_H
#define DOORBELL_WEB_ADMIN_SIGHT_H

#include "alert/lookout.h"
#include "bridge/arrivals.h"
#include "bridge/view.h"

enum { ADMIN_PER_PAGE = 100, ADMIN_DOWN_MAX = 20 };

struct admin_sight {
    int64_t now_unix;
    struct bridge_view bridge;
    struct push_origin_state down[ADMIN_DOWN_MAX]; /* push servers that do not answer, the first */
    size_t down_count;
    struct push_figures pushes; /* this and the next three are the caller's to fill */
    struct lookout_figures lookout;
    struct lookout_delivery alerts, heartbeats;
    const struct arrival *refused; /* the phone that came last, unless it was taken since */
    size_t matching;               /* accounts that were asked for, on all pages */
    size_t page, pages;            /* from 1 on; there is always one */
    struct account_view *accounts; /* of this page */
    size_t count;
};

/* Which accounts are asked for. */
struct admin_asked {
    const char *search; /* the beginning of a pseudonym; empty: all */
    const char *state;  /* view_health_name; NULL: any */
    size_t page;        /* one that there is not is the last one */
};

/* Timelines, push servers' names and the refused phone are borrowed from the bridge. */
void admin_sight_take(struct admin_sight *sight, struct bridge *bridge,
                      const struct admin_asked *asked, int64_t wall_ms);
void admin_sight_free(struct admin_sight *sight);

#endif
