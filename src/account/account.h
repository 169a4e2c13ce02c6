/* One account: a user's device at a messenger and the endpoint that is rung for it. Plain data; the
 * registry owns it, its store row mirrors it. */
#ifndef DOORBELL_ACCOUNT_ACCOUNT_H
#define DOORBELL_ACCOUNT_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/map.h"
#include "store/store.h"

enum account_messenger { MESSENGER_SIGNAL = 1 };

enum account_state {
    ACCOUNT_CONNECTING,
    ACCOUNT_UP,
    ACCOUNT_BACKING_OFF,
    ACCOUNT_CONTESTED, /* somebody else uses the same device */
    ACCOUNT_REFUSED,   /* the messenger confirmed that the credentials are dead */
    ACCOUNT_DISABLED,  /* no longer allowed by the configuration */
};

enum endpoint_state { ENDPOINT_OK, ENDPOINT_FAILING, ENDPOINT_SUSPECT, ENDPOINT_GONE };

const char *account_state_name(enum account_state state);   /* "backing-off" */
const char *endpoint_state_name(enum endpoint_state state); /* "ok" */

enum {
    ACCOUNT_PASSWORD_MAX = 128, /* Molly's are 24 characters */
    ACCOUNT_PER_ENDPOINT_MAX = 3,
};

struct endpoint {
    char *url;
    bool proven; /* has accepted a push */
    bool has_keys;
    uint8_t p256dh[STORE_PUSH_KEY_SIZE];
    uint8_t auth[STORE_PUSH_AUTH_SIZE];
    enum endpoint_state state;
};

void endpoint_fini(struct endpoint *endpoint);
bool endpoint_same(const struct endpoint *a, const struct endpoint *b); /* URL and keys */
void endpoint_copy(struct endpoint *to, const struct endpoint *from);   /* `to` must be empty */

struct account {
    struct map_node by_key, by_user, by_endpoint; /* the registry's */
    struct account_key key;
    char pseudonym[PSEUDONYM_SIZE];
    char *password;
    struct endpoint endpoint;
    enum account_state state;
    int64_t registered_unix;
    int64_t owed_since_unix; /* as the store has it */
    void *owner;             /* the bridge's part of this account */
};

#endif
