#include "doctor/reach.h"

bool reach_is_open(const struct road_facts *road)
{
    return *road->origin;
}

const struct visit_facts *reach_best(const struct road_facts *road)
{
    const struct visit_facts *a = &road->v4, *b = &road->v6;
    if (visit_opened(a) || visit_opened(b))
        return visit_opened(a) ? a : b;
    if (visit_answered(a) || visit_answered(b))
        return visit_answered(a) ? a : b;
    return a->end > b->end ? a : b;
}

bool reach_opens(const struct road_facts *road)
{
    return visit_opened(&road->v4) || visit_opened(&road->v6);
}

bool reach_takes_other(const struct road_facts *road)
{
    return visit_answered(&road->fallback) && road->fallback.status != REACH_STATUS_REFUSED;
}

bool reach_fails(const struct road_facts *road)
{
    bool is_refused = reach_best(road)->status == REACH_STATUS_REFUSED;
    return !reach_opens(road) && !(is_refused && reach_takes_other(road));
}

static bool ended_alike(const struct visit_facts *a, const struct visit_facts *b)
{
    return a->end == b->end && a->flaw == b->flaw && a->status == b->status;
}

bool reach_is_alike(const struct road_facts *a, const struct road_facts *b)
{
    return ended_alike(&a->v4, &b->v4) && ended_alike(&a->v6, &b->v6) &&
           reach_fails(a) == reach_fails(b);
}

enum road reach_taken(const struct signal_facts *signal)
{
    const struct road_facts *http2 = &signal->roads[ROAD_HTTP2];
    if (!reach_is_open(http2))
        return ROAD_HTTP1;
    bool is_left = reach_fails(http2) && !reach_best(http2)->is_kept;
    return is_left && reach_is_open(&signal->roads[ROAD_HTTP1]) ? ROAD_HTTP1 : ROAD_HTTP2;
}
