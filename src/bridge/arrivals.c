#include "bridge/arrivals.h"

#include <string.h>

#include "base/text.h"

void arrivals_note(struct arrivals *arrivals, enum registration_status status,
                   const char *pseudonym, const char *origin, const char *why, int64_t now_unix)
{
    struct arrival *arrival = &arrivals->items[arrivals->count++ % ARRIVALS_KEPT];
    *arrival = (struct arrival){.number = arrivals->count, .at_unix = now_unix, .status = status};
    if (pseudonym)
        text_printable(arrival->pseudonym, sizeof arrival->pseudonym, pseudonym, strlen(pseudonym));
    text_printable(arrival->origin, sizeof arrival->origin, origin, strlen(origin));
    text_printable(arrival->why, sizeof arrival->why, why, strlen(why));
}

void arrivals_visit(struct arrivals *arrivals, enum arrival_visit visit)
{
    if (visit > arrivals->best)
        arrivals->best = visit;
}

const struct arrival *arrivals_at(const struct arrivals *arrivals, size_t i)
{
    uint64_t kept = arrivals->count < ARRIVALS_KEPT ? arrivals->count : ARRIVALS_KEPT;
    if (i >= kept)
        return NULL;
    return &arrivals->items[(arrivals->count - kept + i) % ARRIVALS_KEPT];
}
