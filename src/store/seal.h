/* Device passwords sealed with a key that does not lie beside the store: a text that is no password
 * (XChaCha20-Poly1305, a random nonce, base64; it begins with "sealed " and has a space, which no
 * password has). The messenger, the account and the device are authenticated with it, so that no
 * row's password can be given to another. The key lives in sodium memory; a sealed password lives
 * wherever one does, and is opened for a handshake at a time. */
#ifndef DOORBELL_STORE_SEAL_H
#define DOORBELL_STORE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"

struct account_key;
struct seal;

enum { SEAL_KEY_SIZE = 32, SEAL_CHECK_SIZE = 32 };

/* 32 bytes in base64, white space around. Errors never repeat it. */
struct seal *seal_from_text(const char *text, struct err *err);
/* What store.key_file, systemd's credential or store.key give: `*seal` NULL where none does. A file
 * that is not there is never made. */
int seal_from_config(struct seal **seal, const struct config *config, struct err *err);
void seal_free(struct seal *seal);

/* Tells keys apart, and nothing about the key. */
void seal_check(const struct seal *seal, uint8_t check[SEAL_CHECK_SIZE]);

bool seal_is_sealed(const char *password);
/* With `seal` NULL a copy. One that is sealed already is copied, too. */
char *seal_close(const struct seal *seal, const struct account_key *key, const char *password);
/* With a password that is not sealed a copy. NULL: it was sealed with another key, or for another
 * row. The caller frees it by mem_free_secret. */
char *seal_open(const struct seal *seal, const struct account_key *key, const char *password);
bool seal_same(const struct seal *seal, const struct account_key *key, const char *kept,
               const char *plain);

#endif
