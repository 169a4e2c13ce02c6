/* The schema of our SQLite file and its versions (PRAGMA user_version). Internal to src/store;
 * called while the store opens. */
#ifndef DOORBELL_STORE_MIGRATE_H
#define DOORBELL_STORE_MIGRATE_H

#include <sqlite3.h>

#include "base/err.h"

/* Whether the file is empty or ours and not from a newer version (ERR_NOT_NOW). Writes nothing,
 * because the file may be another application's (ERR_INVALID). */
int migrate_check(sqlite3 *db, const char *path, struct err *err);

/* For who only reads: that it is ours and of the current version (ERR_NOT_NOW otherwise). */
int migrate_check_current(sqlite3 *db, const char *path, struct err *err);

/* Brings a file that passed migrate_check to the current version, wholly or not at all. */
int migrate_run(sqlite3 *db, const char *path, struct err *err);

#endif
