/* Whom a fault concerns that is not an account's own: the accounts are told with it, under their
 * names of this report, and not once more by themselves. Pure. */
#ifndef DOORBELL_DOCTOR_CONCERN_H
#define DOORBELL_DOCTOR_CONCERN_H

#include <jansson.h>

#include "base/log.h"
#include "doctor/probes.h"

enum { CONCERN_NAMES_SIZE = 160, CONCERN_SIZE = 256 };

struct concern {
    size_t count, used;
    char list[CONCERN_NAMES_SIZE];
    int64_t owed_since; /* the oldest ring that one of them is owed; 0: none is */
};

void concern_add(struct concern *concern, const json_t *account,
                 const uint8_t key[PSEUDONYM_KEY_SIZE]);
/* "account 0123456789" or "3 accounts (0123456789, ...)". */
void concern_names(char names[CONCERN_NAMES_SIZE], const struct concern *concern);
/* "; account 0123456789 is not rung, and a ring is owed since ..."; empty: it is nobody. */
void concern_write(char text[CONCERN_SIZE], const struct concern *concern, const char *what);

/* Whether its endpoint takes pushes, as far as is known, and the settings allow it. */
bool concern_is_endpoint_well(const json_t *account);
/* Whether nobody is rung there by what the visit saw, by the running server's settings. */
bool concern_origin_fails(const struct origin_facts *origin);
/* Whether the account rings there, and has no trouble with its push server but that. */
bool concern_is_of_origin(const json_t *account, const struct origin_facts *origin);
/* Whether nobody gets a link by what the visits saw, likewise. */
bool concern_signal_fails(const struct signal_facts *signal);
/* Whether it has no link for what keeps all from having one where Signal fails. */
bool concern_is_of_signal(const json_t *account, const struct signal_facts *signal);
/* Whether all that keeps it from being rung is told with a push server or with Signal. `facts` may
 * be NULL. */
bool concern_is_told(const json_t *account, const struct probe_facts *facts);

#endif
