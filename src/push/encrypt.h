/* Web Push payload encryption (RFC 8291 over RFC 8188): one record, padded so that every kind of
 * payload has the same size. A fresh key pair and salt per message. */
#ifndef DOORBELL_PUSH_ENCRYPT_H
#define DOORBELL_PUSH_ENCRYPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    ENCRYPT_KEY_SIZE = 65,
    ENCRYPT_AUTH_SIZE = 16,
    ENCRYPT_SALT_SIZE = 16,
    ENCRYPT_PADDED_SIZE = 64, /* plaintext and padding, without delimiter */
    ENCRYPT_BODY_SIZE = 86 + ENCRYPT_PADDED_SIZE + 1 + 16, /* header, delimiter, tag */
    ENCRYPT_BODY_MAX = 4096,
};

/* ERR_INVALID when it is not a point of P-256 in uncompressed form. Used at registration. */
int encrypt_check_key(const uint8_t key[ENCRYPT_KEY_SIZE]);

int encrypt_payload(const uint8_t p256dh[ENCRYPT_KEY_SIZE], const uint8_t auth[ENCRYPT_AUTH_SIZE],
                    const void *payload, size_t length, uint8_t body[ENCRYPT_BODY_SIZE],
                    struct err *err);

/* The same with everything given, for the vectors of RFC 8291 section 5: `private_key` is the
 * 32-byte scalar, `padded` the size of plaintext and padding. Writes 86 + padded + 17 bytes. */
int encrypt_with(const uint8_t private_key[32], const uint8_t salt[ENCRYPT_SALT_SIZE],
                 const uint8_t p256dh[ENCRYPT_KEY_SIZE], const uint8_t auth[ENCRYPT_AUTH_SIZE],
                 const void *payload, size_t length, size_t padded, uint8_t *body, struct err *err);

#endif
