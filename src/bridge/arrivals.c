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
static void note_refused(struct arrival *refused, const struct arrival *arrival,
                         enum arrival_asker asker)
{
    bool again_mends = arrival->status == REGISTRATION_INTERNAL_ERROR && asker != ARRIVAL_UNDECIDED;
    if (arrival->status == REGISTRATION_OK && is_same(refused, arrival))
        *refused = (struct arrival){0};
    else if (arrival->status != REGISTRATION_OK && !again_mends && asker != ARRIVAL_NO_PHONE)
        *refused = *arrival;
}

static void name(struct arrival *arrival, const char *pseudonym, const char *origin)
{
    if (pseudonym)
        text_printable(arrival->pseudonym, sizeof arrival->pseudonym, pseudonym, strlen(pseudonym));
    text_printable(arrival->origin, sizeof arrival->origin, origin, strlen(origin));
}

void arrivals_note(struct arrivals *arrivals, enum registration_status status,
                   enum arrival_asker asker, const char *pseudonym, const char *origin,
                   const char *why, int64_t now_unix)
{
    struct arrival *arrival = &arrivals->items[arrivals->count++ % ARRIVALS_KEPT];
    *arrival = (struct arrival){.number = arrivals->count, .at_unix = now_unix, .status = status};
    name(arrival, pseudonym, origin);
    text_printable(arrival->why, sizeof arrival->why, why, strlen(why));
    note_refused(&arrivals->refused, arrival, asker);
}

static bool is_undecided(const struct arrival *refused, const char *pseudonym, const char *origin)
{
    struct arrival later = {0};
    name(&later, pseudonym, origin);
    return refused->status == REGISTRATION_INTERNAL_ERROR && is_same(refused, &later);
}

void arrivals_explain(struct arrivals *arrivals, enum registration_status status,
                      const char *pseudonym, const char *origin, const char *why)
{
    struct arrival *refused = &arrivals->refused;
    if (!is_undecided(refused, pseudonym, origin))
        return;
    refused->status = status;
    text_printable(refused->why, sizeof refused->why, why, strlen(why));
}

void arrivals_taken(struct arrivals *arrivals, const char *pseudonym, const char *origin)
{
    if (is_undecided(&arrivals->refused, pseudonym, origin))
        arrivals->refused = (struct arrival){0};
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
