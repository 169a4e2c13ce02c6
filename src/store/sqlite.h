/* What sqlite.c shows to its neighbours and to its tests. Internal to src/store. */
#ifndef DOORBELL_STORE_SQLITE_H
#define DOORBELL_STORE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* WAL needs memory that processes share through a mapped file. Network file systems cannot give it,
 * and some pretend to. */
enum sqlite_journal { SQLITE_JOURNAL_WAL, SQLITE_JOURNAL_ROLLBACK };

/* By the type that statfs(2) tells. */
enum sqlite_journal sqlite_journal_for(uint32_t file_system);

/* store_sqlite's open, with another judge of file systems than sqlite_journal_for. Where WAL fails
 * for want of shared memory it takes the rollback journal in any case. */
int sqlite_open_with(void **engine, const char *path,
                     enum sqlite_journal (*journal_for)(uint32_t file_system), struct err *err);

/* Makes a sentence of the last error of `db`. */
int sqlite_error(sqlite3 *db, const char *path, struct err *err);
int sqlite_damaged(const char *path, const char *how, struct err *err);

#endif
