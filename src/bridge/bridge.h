/* Joins accounts, links, wakes, pushes and the store: an encrypted message waits for an account, so
 * ring its endpoint, and do not call it delivered until the endpoint took it. Owns the registry and
 * what hangs on each account; lives on the loop. What web and control ask of it is in
 * registration.h and here. */
#ifndef DOORBELL_BRIDGE_BRIDGE_H
#define DOORBELL_BRIDGE_BRIDGE_H

#include "account/registry.h"
#include "config/config.h"
#include "link/link.h"
#include "push/linked_key.h"
#include "push/push.h"

struct bridge;
struct arrivals;

struct bridge_parts {
    struct loop *loop;
    const struct config *config;
    struct store *store;
    const struct seal *seal; /* of its passwords; NULL: none */
    struct push *push;
    const struct policy *policy;
    const struct link_ops
        *link_ops;          /* NULL: accounts are kept but not linked (CLI without a server) */
    void *messenger;        /* the first argument of link_ops->open */
    size_t descriptors;     /* that links may have together; 0: any number */
    int64_t took_over_unix; /* accounts of MollySocket's, last; 0: never */
    struct linked_key linked_key;
};

/* The machine was away (base/absence.h): links are tested or made at once. */
void bridge_resumed(struct bridge *bridge, int64_t slept_ms);

/* Loads the accounts and connects them. */
struct bridge *bridge_new(const struct bridge_parts *parts, struct err *err);
/* Drops the links; what was not acknowledged comes again. Pings that are out are answered. */
void bridge_free(struct bridge *bridge);
/* Accounts that the new configuration does not allow are disconnected, those that it allows again
 * are connected; everything else goes on. */
void bridge_reload(struct bridge *bridge, const struct config *config, const struct policy *policy);

/* Once in a while: what time alone changes. */
void bridge_sweep(struct bridge *bridge);

enum registration_status {
    REGISTRATION_OK,
    REGISTRATION_FORBIDDEN,        /* the messenger refused the credentials */
    REGISTRATION_INVALID_UUID,     /* not a UUID, or accounts.allowed does not have it */
    REGISTRATION_INVALID_ENDPOINT, /* not a URL, or the policy refuses it */
    REGISTRATION_INTERNAL_ERROR,   /* undecided in time, or too many at once */
};
/* The word of the wire: "ok", "forbidden", ... (mollysocket.md 3). */
const char *registration_status_word(enum registration_status status);

struct registration {
    const char *uuid, *password, *endpoint; /* as they came; judged here */
    int64_t device;
    const char *p256dh, *auth; /* base64url; both or neither (NULL) */
    bool ping;
    struct address client; /* for limits only */
    bool client_is_proxy;  /* which did not say who asked: many share its address */
    bool by_operator; /* entered by command: trusted, needs no proof. Never set for a stranger */
};

struct registration_wait;
typedef void registration_fn(void *arg, enum registration_status status, const struct err *err);

/* Calls `fn` once, never before returning; within accounts.verdict at the latest. `err` says in one
 * sentence why it is not ok (for the operator and the log; strangers get the word only). */
struct registration_wait *bridge_register(struct bridge *bridge,
                                          const struct registration *registration,
                                          registration_fn *fn, void *arg);
/* The asker has gone; the trial goes on. fn is not called. */
void registration_forget(struct registration_wait *wait);

/* For the operator. ERR_NOT_FOUND where no account has this id. */
int bridge_remove(struct bridge *bridge, const char *uuid, store_done_fn *done, void *arg,
                  struct err *err);
/* A test push to each device of the account; `fn` is called once for each, never before returning;
 * `*expected` says how often. There is no taking back: `arg` must live until then. */
int bridge_ping(struct bridge *bridge, const char *uuid, push_fn *fn, void *arg, unsigned *expected,
                struct err *err);
/* Likewise to one of them: `fn` is called once. */
void bridge_ping_account(struct account *account, push_fn *fn, void *arg);

struct bridge_counts {
    size_t accounts, up, refused, contested;
    size_t gone;     /* of those not refused or disabled: the endpoint is gone */
    size_t rejected; /* likewise: it takes no push before a person has mended something */
    size_t overdue;  /* likewise for another reason: its ring is late (bridge/alarms.h) */
    uint64_t connects, reconnections; /* links that came up since the start; not the first ones */
    uint64_t messages, pushes;        /* that came; that were accepted */
};
void bridge_count(struct bridge *bridge, struct bridge_counts *counts);
/* Why the link of an account ended last, as one sentence; empty: none has. */
const char *bridge_down_text(const struct bridge *bridge);
struct registry *bridge_registry(struct bridge *bridge);
/* The last registrations, and who came before them (arrivals.h). */
struct arrivals *bridge_arrivals(struct bridge *bridge);
/* Whether accounts are linked at all: not in a process beside the server. */
bool bridge_makes_links(const struct bridge *bridge);

#endif
