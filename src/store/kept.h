/* What the SQLite file keeps beside accounts: secrets, and marks, which remember that something
 * happened without saying to whom. Internal to src/store; statements are made for each call,
 * because none of them is frequent. */
#ifndef DOORBELL_STORE_KEPT_H
#define DOORBELL_STORE_KEPT_H

#include <sqlite3.h>

#include "store/store.h"

/* Makes the secret where there is none yet. */
int kept_secret(sqlite3 *db, const char *path, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                struct err *err);

int kept_put_secret(sqlite3 *db, const char *path, const struct store_kept_secret *secret,
                    struct err *err);

/* As store_ops has them. */
int kept_get(sqlite3 *db, const char *path, const char *name, uint8_t secret[STORE_SECRET_SIZE],
             struct err *err);
int kept_set(sqlite3 *db, const char *path, const char *name, const uint8_t *secret,
             struct err *err);

/* All of them, but that of the seal, which is of this store's file alone. */
int kept_read_secrets(sqlite3 *db, const char *path, const struct store_reader *reader,
                      struct err *err);
int kept_read_marks(sqlite3 *db, const char *path, const struct store_reader *reader,
                    struct err *err);

/* `*at_unix` is 0 where it was never marked. */
int kept_marked(sqlite3 *db, const char *path, const uint8_t mark[STORE_MARK_SIZE],
                int64_t *at_unix, struct err *err);
int kept_mark(sqlite3 *db, const char *path, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix,
              struct err *err);

#endif
