/* The outside of a backup file: who wrote it, how long what is in it is, and whether a passphrase
 * is needed. Pure: bytes in, bytes out; nothing of what is inside is known here. Numbers are little
 * endian.
 *
 *   0  "doorbell-backup\n"
 *  16  1: the format. A program refuses a higher one and says so
 *  17  1: sealed with a passphrase, 0: in the clear
 *  18  6 zeros
 *  24  8 bytes: the length of the content
 *
 * In the clear: the content, then BLAKE2b-256 of all before it, which finds damage, not intent.
 * Sealed:
 *
 *  32  4 bytes: passes, 4 bytes: KiB of memory of Argon2id (crypto_pwhash)
 *  40  16 bytes: its salt
 *  56  16 bytes: a hash of one half of what it gives, which tells a wrong passphrase from damage
 *  72  24 bytes: the header of crypto_secretstream_xchacha20poly1305, whose key is the other half
 *  96  the content in pieces of 64 KiB, 17 bytes longer each; the first has the 96 bytes before it
 *      as additional data, the last one the final tag
 *
 * So each length is known beforehand: a file that is shorter was truncated, and one that is altered
 * anywhere is refused. */
#ifndef DOORBELL_BACKUP_ENVELOPE_H
#define DOORBELL_BACKUP_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    ENVELOPE_CONTENT_MAX = 32 * 1024 * 1024, /* twenty times what 10,000 accounts need */
    ENVELOPE_FILE_MAX = ENVELOPE_CONTENT_MAX + 64 * 1024,
};

/* Half a second and 64 MiB on a small machine, or in a container that has little more. */
#define ENVELOPE_COST ((struct envelope_cost){.passes = 4, .kib = 64 * 1024})
struct envelope_cost {
    uint32_t passes, kib;
};

struct envelope {
    bool sealed;
    uint64_t length; /* of the content */
    struct envelope_cost cost;
};

/* Puts the content into a file's bytes, `file` being initialised with ENVELOPE_FILE_MAX. Without a
 * passphrase (NULL) in the clear. */
int envelope_close(struct buf *file, const void *content, size_t length, const char *passphrase,
                   const struct envelope_cost *cost, struct err *err);

/* What the first bytes say, and whether the file has its length. ERR_INVALID: no backup, or
 * damaged; ERR_NOT_NOW: of a newer format. */
int envelope_look(struct envelope *envelope, const void *file, size_t length, struct err *err);
/* Checks all of it and takes the content out, `content` being initialised with
 * ENVELOPE_CONTENT_MAX; the caller wipes it. ERR_REFUSED: the passphrase is wrong. Only after
 * envelope_look. */
int envelope_open(const struct envelope *envelope, const void *file, size_t length,
                  const char *passphrase, struct buf *content, struct err *err);

#endif
