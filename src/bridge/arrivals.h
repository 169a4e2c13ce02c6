/* The last few registrations and what became of them, for the operator who waits for one ("doorbell
 * setup") or asks why a phone stays silent ("doorbell doctor"), and how far anybody came before
 * that: neither ids nor passwords nor paths. In memory only, of bounded size. Pure. */
#ifndef DOORBELL_BRIDGE_ARRIVALS_H
#define DOORBELL_BRIDGE_ARRIVALS_H

#include "bridge/bridge.h"

enum { ARRIVALS_KEPT = 16, ARRIVAL_WHY_SIZE = 320 };

enum arrival_asker {
    ARRIVAL_NO_PHONE, /* no Molly writes that */
    ARRIVAL_PHONE,
    ARRIVAL_UNDECIDED, /* a phone whose credentials are still being tried at the messenger's server:
                          asking again may mend nothing */
};

struct arrival {
    uint64_t number; /* counts from 1, since the start */
    int64_t at_unix; /* when it was answered */
    enum registration_status status;
    char pseudonym[PSEUDONYM_SIZE]; /* empty: it is no account */
    char origin[URL_ORIGIN_SIZE];   /* of its endpoint; empty: that is no URL */
    char why[ARRIVAL_WHY_SIZE];     /* one sentence, such as the policy's; empty where it is ok */
};

/* Of a phone or a browser, from the least to the most that it tells of the way here. */
enum arrival_visit {
    ARRIVAL_NO_VISIT,
    ARRIVAL_ELSEWHERE, /* to a path at which phones are not answered */
    ARRIVAL_MISLED,    /* to the linking page, whose code leads nowhere: web/public_url.h */
    ARRIVAL_AT_PAGE,
};

struct arrivals {
    struct arrival items[ARRIVALS_KEPT]; /* a ring */
    uint64_t count;                      /* since the start */
    struct arrival refused;              /* arrivals_refused; its number 0: none */
    enum arrival_visit best;             /* since the start */
};

void arrivals_visit(struct arrivals *arrivals, enum arrival_visit visit);

/* Numbers it. Its texts become printable; `pseudonym` NULL: it is no account. */
void arrivals_note(struct arrivals *arrivals, enum registration_status status,
                   enum arrival_asker asker, const char *pseudonym, const char *origin,
                   const char *why, int64_t now_unix);

/* What is found out later about one that was undecided, though nobody has asked again: why it still
 * is (REGISTRATION_INTERNAL_ERROR) or what it came to, or that it was taken. */
void arrivals_explain(struct arrivals *arrivals, enum registration_status status,
                      const char *pseudonym, const char *origin, const char *why);
void arrivals_taken(struct arrivals *arrivals, const char *pseudonym, const char *origin);

/* Those that are kept, oldest first: `i` from 0; NULL behind the last. */
const struct arrival *arrivals_at(const struct arrivals *arrivals, size_t i);

/* The last phone that was refused for what needs a person, or is undecided, within a week, and is
 * not mended since: nobody came later, with the same endpoint's origin or under the same pseudonym,
 * who was taken. NULL: none. */
const struct arrival *arrivals_refused(const struct arrivals *arrivals, int64_t now_unix);

#endif
