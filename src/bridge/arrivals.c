#include "bridge/arrivals.h"

#include <string.h>

#include "base/text.h"

enum { REFUSED_KEPT_S = 7 * 24 * 3600 }; /* a phone that still wants us comes many times a day */

/* Two users at one push server are told apart where both are known. */
static bool is_same(const struct arrival *refused, const struct arrival *later)
{
    if (refused->pseudonym[0] && later->pseudonym[0])
        return strcmp(refused->pseudonym, later->pseudonym) == 0;
    return refused->origin[0] && strcmp(refused->origin, later->origin) == 0;
}

/* Apart from the others, which may be many more within an hour than are kept. What Molly mends by
 * asking again needs nobody. */
static void note_refused(struct arrival *refused, const struct arrival *arrival, bool is_phone)
{
    if (arrival->status == REGISTRATION_OK && is_same(refused, arrival))
        *refused = (struct arrival){0};
    else if (arrival->status != REGISTRATION_OK && arrival->status != REGISTRATION_INTERNAL_ERROR &&
             is_phone)
        *refused = *arrival;
}

void arrivals_note(struct arrivals *arrivals, enum registration_status status, bool is_phone,
                   const char *pseudonym, const char *origin, const char *why, int64_t now_unix)
{
    struct arrival *arrival = &arrivals->items[arrivals->count++ % ARRIVALS_KEPT];
    *arrival = (struct arrival){.number = arrivals->count, .at_unix = now_unix, .status = status};
    if (pseudonym)
        text_printable(arrival->pseudonym, sizeof arrival->pseudonym, pseudonym, strlen(pseudonym));
    text_printable(arrival->origin, sizeof arrival->origin, origin, strlen(origin));
    text_printable(arrival->why, sizeof arrival->why, why, strlen(why));
    note_refused(&arrivals->refused, arrival, is_phone);
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

const struct arrival *arrivals_refused(const struct arrivals *arrivals, int64_t now_unix)
{
    const struct arrival *refused = &arrivals->refused;
    return refused->number && now_unix - refused->at_unix < REFUSED_KEPT_S ? refused : NULL;
}
