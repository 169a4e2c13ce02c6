/* A private copy of a database in somebody else's folder, for mollysocket.c: of one that SQLite
 * reads only by writing beside it. It has passwords in it, so it lies in a folder of its own
 * (0700), which goes once it was read; what a kill left of one goes at the next start. */
#ifndef DOORBELL_STORE_MOLLYSOCKET_COPY_H
#define DOORBELL_STORE_MOLLYSOCKET_COPY_H

#include "base/err.h"

struct mollysocket_copy {
    char *folder, *path; /* of the copy */
    int lock;            /* of the folder: it is in use */
};

/* With what SQLite has left beside it, as they were at one moment. ERR_BUSY: it is being written;
 * ERR_LIMIT: it is too large. */
int mollysocket_copy_make(struct mollysocket_copy *copy, const char *path, const char *scratch,
                          struct err *err);
void mollysocket_copy_remove(struct mollysocket_copy *copy);

/* Why a database cannot be read, by errno, with the fix. */
int mollysocket_unreadable(const char *path, int reason, struct err *err);

#endif
