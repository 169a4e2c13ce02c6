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

const struct arrival *arrivals_at(const struct arrivals *arrivals, size_t i)
{
    uint64_t kept = arrivals->count < ARRIVALS_KEPT ? arrivals->count : ARRIVALS_KEPT;
    if (i >= kept)
        return NULL;
    return &arrivals->items[(arrivals->count - kept + i) % ARRIVALS_KEPT];
}

/* Two users at one push server are told apart where both are known. */
static bool is_same(const struct arrival *refused, const struct arrival *later)
{
    if (refused->pseudonym[0] && later->pseudonym[0])
        return strcmp(refused->pseudonym, later->pseudonym) == 0;
    return refused->origin[0] && strcmp(refused->origin, later->origin) == 0;
}

static bool is_mended(const struct arrivals *arrivals, size_t i)
{
    const struct arrival *refused = arrivals_at(arrivals, i), *later;
    while ((later = arrivals_at(arrivals, ++i)))
        if (later->status == REGISTRATION_OK && is_same(refused, later))
            return true;
    return false;
}

const struct arrival *arrivals_refused(const struct arrivals *arrivals)
{
    const struct arrival *arrival, *found = NULL;
    for (size_t i = 0; (arrival = arrivals_at(arrivals, i)); i++)
        if (arrival->status != REGISTRATION_OK && !is_mended(arrivals, i))
            found = arrival;
    return found;
}
