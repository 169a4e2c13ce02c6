/* Who may have how many of the descriptors that the system lets us open: links come first, so that
 * strangers on the web port never starve them (security.md 11). Each use is capped elsewhere
 * (accounts.max, web.connections, pushes in flight, look-ups); here the caps are made to fit. Pure.
 */
#ifndef DOORBELL_BASE_DESCRIPTORS_H
#define DOORBELL_BASE_DESCRIPTORS_H

#include <stdint.h>

struct descriptors {
    int64_t needed;    /* by all caps together */
    int64_t limit;     /* what to ask for: all that is of use, or all there is */
    int64_t links;     /* that accounts' links may have together */
    int64_t strangers; /* connections that the web server may have at most */
};

/* `most` is what the system allows; `links` is of use to links, `least` of them will do. Where that
 * is too little, the rest of the program gets what it needs, or half, and of what is left the web
 * server a quarter and links the other three. Without the rest nobody could be rung, however many
 * links there are. */
struct descriptors descriptors_share(int64_t most, int64_t links, int64_t least, int64_t strangers);

#endif
