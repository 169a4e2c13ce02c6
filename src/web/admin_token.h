/* The token that opens the status page: 192 random bits, told once and kept as a hash only, in a
 * file beside the store (0600). Making another one takes its place; without the file none is valid.
 * "doorbell admin" writes it, and the server reads it with each request, so that what was revoked
 * is so at once. A hash without salt is enough for what cannot be guessed. */
#ifndef DOORBELL_WEB_ADMIN_TOKEN_H
#define DOORBELL_WEB_ADMIN_TOKEN_H

#include <stdint.h>

#include "base/b64.h"
#include "base/err.h"

enum {
    ADMIN_TOKEN_BYTES = 24,
    ADMIN_TOKEN_TEXT_SIZE = B64_TEXT_SIZE(ADMIN_TOKEN_BYTES),
    ADMIN_HASH_SIZE = 32, /* SHA-256 */
};

void admin_token_hash(uint8_t hash[ADMIN_HASH_SIZE], const char *token);

/* A new one, durably, in the place of the one before; where only the folder could not be synced
 * there is a warning. What root makes belongs to whom the folder of `store` belongs to, for the
 * server to read. The caller wipes `text`. */
int admin_token_make(const char *path, const char *store, char text[ADMIN_TOKEN_TEXT_SIZE],
                     struct err *err);
/* ERR_NOT_FOUND: there is none. */
int admin_token_revoke(const char *path, struct err *err);
/* ERR_NOT_FOUND: there is none; ERR_INVALID, ERR_IO: what is there is of no use, and why. */
int admin_token_load(const char *path, uint8_t hash[ADMIN_HASH_SIZE], struct err *err);

#endif
