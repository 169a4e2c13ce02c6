/* Takes accounts over from MollySocket's database, before the bridge loads the store. For each row,
 * in this order:
 *
 * 1. what cannot be an account of ours (an id that is no UUID, ...) is counted and named;
 * 2. a row that was judged before, and has not changed there since, is settled;
 * 3. an account that is here is changed only where the row differs and is of a later registration;
 * 4. an account that the operator removed stays away, unless it registered there after that;
 * 5. anything else is added. What is flagged "forbidden" there, too: the flag may stand for one bad
 *    answer of a push server.
 *
 * All that is taken, and the memory of what was judged, are written in one transaction. */
#ifndef DOORBELL_BRIDGE_IMPORT_H
#define DOORBELL_BRIDGE_IMPORT_H

#include "config/config.h"
#include "push/policy.h"
#include "store/store.h"

struct import_order {
    const char *path;            /* MollySocket's database */
    const char *store_path;      /* ours; in its folder is room for a copy */
    const struct config *config; /* whose accounts.allowed holds */
    const struct policy *policy;
    const struct seal *seal; /* of the store's passwords; NULL: none */
    bool by_hand; /* the operator named the file: what was removed here comes back, too */
    bool only_tell;
};

enum { IMPORT_FAULTS_SIZE = 400, IMPORT_TEXT_SIZE = 700 };

struct import_counts {
    size_t here; /* accounts in our store before */
    size_t rows;
    size_t added, renewed;
    size_t forbidden;   /* of these, flagged so there */
    size_t unreachable; /* of these, with an endpoint that the settings do not allow */
    size_t disallowed;  /* of these, not on accounts.allowed */
    size_t kept_away;   /* removed here */
    size_t refused;
    char faults[IMPORT_FAULTS_SIZE]; /* of the refused: "row 3: its account id is no UUID" */
};

/* `store` may be NULL where there is none yet and this only tells. The store must not have been
 * changed yet. ERR_NOT_FOUND: there is no such database. */
int import_run(struct store *store, const struct import_order *order, struct import_counts *counts,
               struct err *err);

/* When accounts were taken over last; 0: never. Before the first change of the store only. */
int import_took_over(struct store *store, int64_t *at_unix, struct err *err);

/* Removes copies of that database that a process which was killed has left beside the store. */
void import_forget_copies(const char *store_path);

/* Whole sentences for people, without ids, passwords and endpoints; false: there is nothing to say.
 */
void import_tell(const struct import_order *order, const struct import_counts *counts,
                 char text[IMPORT_TEXT_SIZE]);
bool import_tell_unreachable(const struct import_counts *counts, char text[IMPORT_TEXT_SIZE]);
bool import_tell_disallowed(const struct import_counts *counts, char text[IMPORT_TEXT_SIZE]);
bool import_tell_refused(const struct import_order *order, const struct import_counts *counts,
                         char text[IMPORT_TEXT_SIZE]);

/* When the server starts: from where store.mollysocket says, into the log. What is there and cannot
 * be read ends the start, because its accounts would be missing without a word. `*added` are in the
 * store now that were not there before. */
int import_at_start(struct store *store, const struct config *config, const struct policy *policy,
                    const struct seal *seal, size_t *added, struct err *err);

#endif
