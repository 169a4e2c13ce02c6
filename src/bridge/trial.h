/* Credentials that nobody proved yet, in memory only (architecture.md "Registration", security.md 1
 * to 3). A trial is a link of its own until its queue is seen or the messenger refuses it; it goes
 * on for a day, so that the next registration finds it done. Internal to bridge/. */
#ifndef DOORBELL_BRIDGE_TRIAL_H
#define DOORBELL_BRIDGE_TRIAL_H

#include "bridge/bell.h"

enum {
    TRIALS_MAX = 4096,
    TRIALS_PER_USER_MAX = 3,
    TRIAL_LIFE_MS = 24 * 60 * 60 * 1000,
};

struct trial {
    struct account_key key;
    char *password; /* as that of an account */
    struct endpoint endpoint;
    int64_t expires_ms;
};

/* The bell on trial for these credentials: the one that is there already, with the newest endpoint,
 * or a new one. NULL with err when there are too many. */
struct bell *trial_find_or_start(struct bridge *bridge, const struct account_key *key,
                                 const char *password, const struct endpoint *endpoint,
                                 struct err *err);

/* The account took these credentials on by another way: what the trial knows is old. */
void trial_end(struct bridge *bridge, const struct account_key *key, const char *password);

#endif
