#include "signal/roads.h"

#include <stdio.h>

#include "base/backoff.h"
#include "signal/judge.h"

enum { STATUS_CLIENT_REFUSED = 499 };

void roads_init(struct roads *roads, bool http2, bool http1)
{
    *roads = (struct roads){.open = {[ROAD_HTTP2] = http2, [ROAD_HTTP1] = http1}};
}

const char *road_name(enum road road)
{
    return road == ROAD_HTTP2 ? "HTTP/2" : "HTTP/1.1";
}

static bool has_choice(const struct roads *roads)
{
    return roads->open[ROAD_HTTP2] && roads->open[ROAD_HTTP1];
}

static bool is_scout_due(const struct roads *roads, int64_t now_ms)
{
    return has_choice(roads) && roads->fallen && !roads->scouting && now_ms >= roads->return_at_ms;
}

enum road roads_pick(struct roads *roads, bool candidate, int64_t now_ms)
{
    if (!has_choice(roads))
        return roads->open[ROAD_HTTP2] ? ROAD_HTTP2 : ROAD_HTTP1;
    if (!roads->fallen)
        return ROAD_HTTP2;
    if (candidate || !is_scout_due(roads, now_ms))
        return ROAD_HTTP1;
    roads->scouting = true;
    return ROAD_HTTP2;
}

size_t roads_most_links(const struct roads *roads, const struct roads_use *use, size_t descriptors,
                        int64_t now_ms)
{
    size_t on_http1 = use->links[ROAD_HTTP1], on_http2 = use->links[ROAD_HTTP2];
    if (roads_prefers_http2(roads)) {
        size_t room = descriptors > on_http1 ? descriptors - on_http1 : 0;
        return on_http1 + (room > use->connections ? room : use->connections) * use->shares;
    }
    size_t left = descriptors > use->connections ? descriptors - use->connections : 0;
    return on_http2 + left + is_scout_due(roads, now_ms);
}

static void stand_up(struct roads *roads)
{
    roads->fallen = roads->scouting = false;
    roads->falls = 0;
    roads->useless_since_ms = 0;
}

void roads_worked(struct roads *roads, enum road road)
{
    if (road == ROAD_HTTP2)
        stand_up(roads);
}

void roads_tell_why(char why[ROADS_WHY_SIZE], const struct transport_end *end)
{
    if (end->kind == TRANSPORT_STATUS)
        snprintf(why, ROADS_WHY_SIZE, "the answer was %d", end->status);
    else if (end->kind == TRANSPORT_CLOSE)
        snprintf(why, ROADS_WHY_SIZE, "it closes links that it has let in (%d)", end->close_code);
    else
        snprintf(why, ROADS_WHY_SIZE, "%s", end->text);
}

static void fall(struct roads *roads, const struct transport_end *end, int64_t now_ms,
                 uint32_t random)
{
    int64_t most_ms = backoff_ceiling_ms(ROADS_RETURN_MIN_MS, ROADS_RETURN_MAX_MS, roads->falls);
    if (roads->fallen && !roads->scouting)
        return; /* an attempt that began before */
    roads->fallen = true;
    roads->scouting = false;
    roads->falls++;
    roads->useless_since_ms = 0;
    roads->return_at_ms = now_ms + backoff_jitter_ms(most_ms / 2, most_ms, random);
    roads_tell_why(roads->why, end);
}

/* Signal itself spoke, whatever it said. A 499 has no mark (signal-measured.md 4). */
static bool is_signals_word(const struct transport_end *end)
{
    return end->kind == TRANSPORT_STATUS &&
           (end->status == STATUS_CLIENT_REFUSED || end->has_timestamp);
}

/* Nobody is behind this road, or does not understand what is asked there. */
static bool is_of_road(int status)
{
    static const int statuses[] = {400, 404, 405, 426, 501, 502};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i] == status)
            return true;
    return false;
}

static bool is_the_roads_fault(const struct transport_end *end)
{
    return end->sent_away || end->kind == TRANSPORT_NO_ROAD || end->kind == TRANSPORT_TLS ||
           end->kind == TRANSPORT_VIOLATION ||
           (end->kind == TRANSPORT_STATUS && is_of_road(end->status));
}

static bool is_out_of_reach(const struct transport_end *end)
{
    return end->kind == TRANSPORT_UNREACHABLE || end->kind == TRANSPORT_TLS ||
           end->kind == TRANSPORT_UNTIMELY;
}

/* No connection, no answer, or let in and cut off before a word was said. A server that restarts
 * does all of that for a while. */
static bool is_of_no_use(const struct transport_end *end)
{
    return (end->kind == TRANSPORT_UNREACHABLE && !end->alone) || end->kind == TRANSPORT_LOST ||
           (end->kind == TRANSPORT_CLOSE && !judge_is_of_device(end->close_code));
}

bool roads_is_left_for(const struct transport_end *end)
{
    return is_the_roads_fault(end) || is_of_no_use(end);
}

static bool is_out_of_patience(struct roads *roads, int64_t now_ms)
{
    if (!roads->useless_since_ms)
        roads->useless_since_ms = now_ms;
    return roads->scouting || now_ms - roads->useless_since_ms >= ROADS_PATIENCE_MS;
}

/* What was learned before says nothing any more. */
static void try_again_from(struct roads *roads, int64_t at_ms)
{
    roads->return_at_ms = at_ms;
    roads->falls = 0;
}

void roads_resumed(struct roads *roads)
{
    try_again_from(roads, 0);
}

void roads_failed(struct roads *roads, enum road road, const struct transport_end *end,
                  int64_t now_ms, uint32_t random)
{
    if (!has_choice(roads))
        return;
    if (road == ROAD_HTTP1) {
        /* Neither can be used: then it was not the road. */
        if (is_out_of_reach(end) && !roads->scouting)
            try_again_from(roads, now_ms);
        return;
    }
    if (is_the_roads_fault(end) || (is_of_no_use(end) && is_out_of_patience(roads, now_ms)))
        fall(roads, end, now_ms, random);
    else if (is_signals_word(end))
        stand_up(roads);
    else if (!is_of_no_use(end))
        roads->scouting = false; /* another link may try, at once */
}
