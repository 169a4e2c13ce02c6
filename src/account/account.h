/* One account: a user's device at a messenger and the endpoint that is rung for it. Plain data; the
 * registry owns it, its store row mirrors it. */
#ifndef DOORBELL_ACCOUNT_ACCOUNT_H
#define DOORBELL_ACCOUNT_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "account/record.h"
#include "account/timeline.h"
#include "base/log.h"
#include "base/map.h"
#include "base/url.h"
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
enum { ACCOUNT_STATES = ACCOUNT_DISABLED + 1 };

enum endpoint_state { ENDPOINT_OK, ENDPOINT_FAILING, ENDPOINT_SUSPECT, ENDPOINT_GONE };
enum { ENDPOINT_STATES = ENDPOINT_GONE + 1 };

const char *account_state_name(enum account_state state);   /* "backing-off" */
const char *endpoint_state_name(enum endpoint_state state); /* "ok" */

enum {
    ACCOUNT_PASSWORD_MAX = 128, /* Molly's are 24 characters */
    ACCOUNT_PER_ENDPOINT_MAX = 3,
};

/* Of the app's subscription, for pushes that are encrypted (RFC 8291). Most apps have none. */
struct endpoint_keys {
    uint8_t p256dh[STORE_PUSH_KEY_SIZE];
    uint8_t auth[STORE_PUSH_AUTH_SIZE];
};

struct endpoint {
    char *url;
    struct endpoint_keys *keys; /* NULL: none */
    enum endpoint_state state;
    int status; /* HTTP status of the last answer; 0: none */
    /* For the next start, 0 for none and INT64_MAX for ever: what its last answer demands by
     * itself; when its ring may be tried, with what has doubled; what binds tests and notices, too.
     */
    int64_t not_before_unix, retry_unix, floor_unix;
    unsigned repeated; /* how often that answer's floor has grown, and once more */
    bool for_good;     /* gone by a 410: not asked again; by a 404 it is, also after a start */
    bool proven;       /* has accepted a push */
};

/* scheme://host[:port] of an endpoint; empty where that cannot be read. */
void endpoint_origin(const char *url, char origin[URL_ORIGIN_SIZE]);
/* What the store keeps of the state: only what is gone for good is gone for the next start. */
enum endpoint_state endpoint_state_to_store(const struct endpoint *endpoint);
void endpoint_fini(struct endpoint *endpoint);
bool endpoint_same(const struct endpoint *a, const struct endpoint *b); /* URL and keys */
bool endpoint_same_url(const struct endpoint *a, const struct endpoint *b);
void endpoint_copy(struct endpoint *to, const struct endpoint *from); /* `to` must be empty */
void endpoint_set_keys(struct endpoint *endpoint, const struct endpoint_keys *keys); /* copied */
void endpoint_keys_to_row(const struct endpoint *endpoint, struct store_account *row);

struct account {
    struct map_node by_key, by_user, by_endpoint, by_origin; /* the registry's */
    struct account_key key;
    char pseudonym[PSEUDONYM_SIZE];
    enum account_state state : 8;
    char *password; /* as the store has it: sealed, where there is a key */
    struct endpoint endpoint;
    int64_t registered_unix;
    int64_t owed_since_unix;   /* as the store has it */
    int64_t owed_since_ms;     /* since when it could have been paid here: wall clocks jump */
    uint32_t spent_day, spent; /* likewise: see struct spending */
    struct timeline timeline;
    struct record record;
    void *owner; /* the bridge's part of this account */
};

#endif
