/* MollySocket's database (mollysocket.md 4): read for those who come from there, written for those
 * who go back. Knows nothing of our own store, and judges nothing: what a row says is told as it
 * is.
 *
 * Reading never changes the file or its folder, and needs no more than the right to read it. An
 * ordinary database is read in its place. One in WAL mode, or one whose last change was cut off,
 * can only be read by writing beside it or into it: a private copy is read instead. (SQLite's
 * "immutable" would need no copy, and would leave out what stands in the log.) */
#ifndef DOORBELL_STORE_MOLLYSOCKET_H
#define DOORBELL_STORE_MOLLYSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Texts are NULL where there is none, or none that can be a text of this kind: with a zero inside,
 * or absurdly long. They live until the callback returns. */
struct mollysocket_row {
    int64_t number; /* of the row, to call it by */
    const char *uuid, *password, *endpoint;
    int64_t device; /* 0 where it is no number */
    bool forbidden;
    int64_t registered_unix; /* 0: not known */
};

typedef void mollysocket_row_fn(void *arg, const struct mollysocket_row *row);

/* Calls `each` for every row, that of the oldest registration first. `scratch` is a folder for the
 * copy. ERR_NOT_FOUND where there is no such file; the sentences begin with the path and name the
 * fix. An empty database has no rows. */
int mollysocket_read(const char *path, const char *scratch, mollysocket_row_fn *each, void *arg,
                     struct err *err);

/* Removes what reading left in `scratch` because it was killed: copies, which have passwords. */
void mollysocket_forget_copies(const char *scratch);

struct mollysocket;

/* A new file (0600); ERR_BUSY where there is one of this name. */
struct mollysocket *mollysocket_create(const char *path, struct err *err);
/* MollySocket keeps one device for each account: of several, one that is not `forbidden` stays,
 * then the one that registered last. */
int mollysocket_add(struct mollysocket *file, const struct mollysocket_row *row, struct err *err);
/* Ends and frees it; the file is durable then. `*accounts` are in it. */
int mollysocket_finish(struct mollysocket *file, size_t *accounts, struct err *err);
/* Frees it and removes the file. */
void mollysocket_abandon(struct mollysocket *file);

#endif
