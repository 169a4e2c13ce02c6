/* Whether phones were linked with the VAPID key that signs now. The store remembers of each key
 * that some were, and nothing of which; a key that none was linked with, where others were with
 * another one, was changed by mistake, or they are to be linked again: once the first of them is,
 * it was on purpose. A store from before this was remembered tells nothing. */
#ifndef DOORBELL_PUSH_LINKED_KEY_H
#define DOORBELL_PUSH_LINKED_KEY_H

#include <stdbool.h>

#include "store/store.h"

/* Zero is a key about which nothing is remembered. */
struct linked_key {
    uint8_t mark[STORE_MARK_SIZE];
    bool is_given;
    bool is_known; /* phones were linked with it */
    bool is_other; /* none was, but with another one */
};

/* Before the first change of the store only. `public` (vapid_public_text) NULL: nothing is
 * remembered. What was linked before accounts were taken over from MollySocket (last at
 * `took_over_unix`; 0: never), whose key is to come with them, tells nothing. */
int linked_key_read(struct linked_key *key, const char *public, int64_t took_over_unix,
                    struct store *store, struct err *err);

/* A phone was linked with it. */
void linked_key_note(struct linked_key *key, struct store *store);

/* What to do where it is another one. */
const char *linked_key_advice(void);

#endif
