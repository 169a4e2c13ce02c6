/* The curve P-256 as VAPID (RFC 8292) and payload encryption (RFC 8291) use it: private keys are
 * 32-byte scalars, public keys 65-byte uncompressed points. Scalars are the caller's to wipe. A
 * refusal leaves nothing in OpenSSL's error queue, which the TLS connections of the same thread
 * read. */
#ifndef DOORBELL_PUSH_P256_H
#define DOORBELL_PUSH_P256_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

enum { P256_SCALAR_SIZE = 32, P256_POINT_SIZE = 65 };

/* A scalar from 1 to order - 1. */
void p256_random_scalar(uint8_t scalar[P256_SCALAR_SIZE]);

/* The public point of a scalar; ERR_INVALID when the scalar is zero or not below the order, ERR_IO
 * when OpenSSL fails. */
int p256_public(uint8_t point[P256_POINT_SIZE], const uint8_t scalar[P256_SCALAR_SIZE]);

/* Keys for EVP, NULL when they are not keys of this curve; EVP_PKEY_free wipes them. */
EVP_PKEY *p256_public_key(const uint8_t point[P256_POINT_SIZE]);
EVP_PKEY *p256_private_key(const uint8_t scalar[P256_SCALAR_SIZE],
                           const uint8_t point[P256_POINT_SIZE]);

#endif
