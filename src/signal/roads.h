/* Which of the two roads a link takes to Signal, where both may be used (signal.transport: auto).
 * HTTP/2 comes first; while it fails as a road, HTTP/1.1 carries all links, and one link at a time
 * tries HTTP/2 again, at growing intervals. What is said about a device or a client (403, 499) is
 * no fault of the road. Pure: time and dice are arguments. */
#ifndef DOORBELL_SIGNAL_ROADS_H
#define DOORBELL_SIGNAL_ROADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "signal/transport.h"

enum road { ROAD_HTTP2, ROAD_HTTP1 };
enum { ROADS = ROAD_HTTP1 + 1 };

enum {
    /* A server that restarts, or a line that is down for a moment, is no reason. */
    ROADS_PATIENCE_MS = 60 * 1000,
    ROADS_RETURN_MIN_MS = 5 * 60 * 1000,
    ROADS_RETURN_MAX_MS = 24 * 60 * 60 * 1000,
    ROADS_WHY_SIZE = 128,
};

struct roads {
    bool open[ROADS]; /* by the configuration; one of them at least */
    bool fallen;      /* HTTP/2 failed as a road */
    bool scouting;    /* a link tries it again */
    unsigned falls;   /* in a row */
    int64_t return_at_ms;
    int64_t useless_since_ms; /* HTTP/2, without a success between; 0: it is not */
    char why[ROADS_WHY_SIZE]; /* it fell, for people: a part of a sentence */
};

void roads_init(struct roads *roads, bool http2, bool http1);

/* Links that start take HTTP/2. */
static inline bool roads_prefers_http2(const struct roads *roads)
{
    return roads->open[ROAD_HTTP2] && !roads->fallen;
}
/* For a link that starts. Candidates never go first. */
enum road roads_pick(struct roads *roads, bool candidate, int64_t now_ms);

/* What became of a link's attempt: something was said over it, or it ended without that, though it
 * may have been let in. What is let in and never hears a word is of no use to anybody. */
void roads_worked(struct roads *roads, enum road road);
void roads_failed(struct roads *roads, enum road road, const struct transport_end *end,
                  int64_t now_ms, uint32_t random);

/* Whether such an end of an attempt over HTTP/2 makes links leave that road, at once or when it
 * lasts. */
bool roads_is_left_for(const struct transport_end *end);
/* What it was, for people: a part of a sentence. */
void roads_tell_why(char why[ROADS_WHY_SIZE], const struct transport_end *end);

/* The machine may be in another network now, where the better road is open. */
void roads_resumed(struct roads *roads);

/* What links take up now. */
struct roads_use {
    size_t links[ROADS]; /* that were started and are not down */
    size_t connections;  /* of HTTP/2, whatever is on them */
    size_t shares;       /* how many links one of those carries */
};

/* How many links may be started and not down with so many descriptors. Those on the other road keep
 * theirs, and connections that stand are filled. Where HTTP/2 is to be tried again, one more than
 * there is room for may do that. */
size_t roads_most_links(const struct roads *roads, const struct roads_use *use, size_t descriptors,
                        int64_t now_ms);

const char *road_name(enum road road); /* "HTTP/2" */

#endif
