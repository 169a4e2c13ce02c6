/* All accounts of the process, found by key, by user and by endpoint. Owns them. */
#ifndef DOORBELL_ACCOUNT_REGISTRY_H
#define DOORBELL_ACCOUNT_REGISTRY_H

#include "account/account.h"

struct registry {
    struct map by_key, by_user, by_endpoint;
    uint8_t pseudonym_key[STORE_SECRET_SIZE];
};

void registry_init(struct registry *registry, const uint8_t pseudonym_key[STORE_SECRET_SIZE]);
void registry_fini(struct registry *registry); /* frees all accounts */

/* Copies the row. The key must not be in it yet. */
struct account *registry_add(struct registry *registry, const struct store_account *row);
void registry_remove(struct registry *registry, struct account *account); /* and frees it */

struct account *registry_find(const struct registry *registry, const struct account_key *key);
size_t registry_count(const struct registry *registry);

/* Calls `each` for all devices of a user; it may remove the account that it is given, nothing else.
 */
void registry_each_of_user(struct registry *registry, const struct account_key *any_device,
                           void (*each)(void *arg, struct account *account), void *arg);
void registry_each(struct registry *registry, void (*each)(void *arg, struct account *account),
                   void *arg);
size_t registry_count_endpoint(const struct registry *registry, const char *url);

void registry_set_endpoint(struct registry *registry, struct account *account,
                           const struct endpoint *endpoint); /* copied; state ok, not proven */

/* The row that mirrors the account; its texts are borrowed from it. */
void registry_row(const struct account *account, struct store_account *row);

/* A stable name for logs (security.md 22): of the user, not of the device. */
void registry_pseudonym(const struct registry *registry, const struct account_key *key,
                        char text[PSEUDONYM_SIZE]);

#endif
