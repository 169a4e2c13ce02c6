/* What to do about a phone that came and was refused (bridge/arrivals.h). For all who tell of it.
 * Pure. */
#ifndef DOORBELL_DOCTOR_REFUSAL_H
#define DOORBELL_DOCTOR_REFUSAL_H

#include "doctor/findings.h"

/* What became of it: "was refused". */
const char *refusal_fate(const char *status);

/* `status` is the word that it got, "invalid_endpoint"; `why` is our own sentence. */
const char *refusal_remedy(const char *status, const char *why);

/* Where the policy's sentence has the entry to add in it, both apart: what is (`what`), and what to
 * do, with the command that does it. Else `fix` is refusal_remedy's. */
void refusal_explain(const char *status, const char *why, const char *origin,
                     char what[FINDING_WHAT_SIZE], char fix[FINDING_FIX_SIZE]);

/* Likewise where the endpoint is one that was taken before; false: that sentence has no entry. */
bool refusal_allow(const char *why, const char *origin, const char *then,
                   char what[FINDING_WHAT_SIZE], char fix[FINDING_FIX_SIZE]);

#endif
