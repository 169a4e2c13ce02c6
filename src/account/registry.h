/* All accounts of the process, found by key, by user, by endpoint and by its origin. Owns them. */
#ifndef DOORBELL_ACCOUNT_REGISTRY_H
#define DOORBELL_ACCOUNT_REGISTRY_H

#include "account/account.h"

struct registry {
    struct map by_key, by_user, by_endpoint, by_origin;
    uint8_t pseudonym_key[STORE_SECRET_SIZE];
    const struct seal *seal; /* of all passwords in it; NULL: they are in the clear */
};

void registry_init(struct registry *registry, const uint8_t pseudonym_key[STORE_SECRET_SIZE]);
void registry_fini(struct registry *registry); /* frees all accounts */

/* Copies the row, and seals its password if it is not. The key must not be in it yet. */
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
/* For all accounts whose endpoint lives at this push server, as endpoint_origin writes it; `each`
 * removes none and changes no endpoint. */
void registry_each_of_origin(struct registry *registry, const char *origin,
                             void (*each)(void *arg, struct account *account), void *arg);
/* For all accounts with this endpoint, whatever their keys; `each` as above. */
void registry_each_of_endpoint(struct registry *registry, const char *url,
                               void (*each)(void *arg, struct account *account), void *arg);
size_t registry_count_endpoint(const struct registry *registry, const char *url);

/* Copied; state ok, not proven. What is known about the same URL stays, whatever its keys. */
void registry_set_endpoint(struct registry *registry, struct account *account,
                           const struct endpoint *endpoint);

/* The caller frees it by mem_free_secret. */
char *registry_password(const struct registry *registry, const struct account *account);
bool registry_same_password(const struct registry *registry, const struct account *account,
                            const char *password);
void registry_set_password(const struct registry *registry, struct account *account,
                           const char *password);

/* The row that mirrors the account; its texts are borrowed from it. */
void registry_row(const struct account *account, struct store_account *row);

/* A stable name for logs (security.md 22): of the user, not of the device. */
void registry_pseudonym(const struct registry *registry, const struct account_key *key,
                        char text[PSEUDONYM_SIZE]);
/* What the store remembers the user by once the operator has removed him (store_marked). */
void registry_user_mark(const struct registry *registry, const struct account_key *any_device,
                        uint8_t mark[STORE_MARK_SIZE]);

#endif
