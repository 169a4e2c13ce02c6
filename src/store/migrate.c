#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite.h"

/* Step n makes version n + 1 out of version n. */
static const char *const steps[] = {
    "CREATE TABLE accounts("
    " messenger INTEGER NOT NULL,"
    " uuid BLOB NOT NULL,"
    " device INTEGER NOT NULL,"
    " password TEXT NOT NULL,"
    " endpoint TEXT NOT NULL,"
    " p256dh BLOB,"
    " auth BLOB,"
    " refused INTEGER NOT NULL,"
    " endpoint_proven INTEGER NOT NULL,"
    " endpoint_state INTEGER NOT NULL,"
    " registered_unix INTEGER NOT NULL,"
    " owed_since_unix INTEGER NOT NULL,"
    " PRIMARY KEY(messenger, uuid, device)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE secrets(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
    ("ALTER TABLE accounts ADD COLUMN endpoint_status INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE accounts ADD COLUMN endpoint_not_before_unix INTEGER NOT NULL DEFAULT 0;"),
    "CREATE TABLE marks(mark BLOB PRIMARY KEY, at_unix INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    ("ALTER TABLE accounts ADD COLUMN endpoint_retry_unix INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE accounts ADD COLUMN endpoint_floor_unix INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE accounts ADD COLUMN endpoint_repeated INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE accounts ADD COLUMN spent_day INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE accounts ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;"),
    /* Passwords may be sealed: a program that does not know would send what is sealed for one. */
    "SELECT 1;",
};

enum {
    VERSION = sizeof steps / sizeof *steps,
    APPLICATION_ID = 0x446f6f72, /* "Door" */
    KNOWN_AHEAD = VERSION + 100, /* whose copies are looked for: the file may say anything */
};

static int read_number(sqlite3 *db, const char *path, const char *query, int *number,
                       struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        *number = sqlite3_column_int(statement, 0);
    else
        result = sqlite_error(db, path, err);
    sqlite3_finalize(statement);
    return result;
}

static int foreign(sqlite3 *db, const char *path, struct err *err)
{
    int mollysocket = 0;
    int result = read_number(
        db, path,
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'connections'",
        &mollysocket, err);
    if (result != 0)
        return result;
    return err_set(
        err, ERR_INVALID,
        "%s is %s database and was left as it is. Set store.path to a file of Doorbell's "
        "own, which it will make.",
        path, mollysocket ? "MollySocket's" : "another application's");
}

/* The oldest of the copies that upgrades beyond this version have made (back_up); a schema in
 * between may have been passed over. NULL: there is none. The caller frees it. */
static char *find_copy(const char *path, int version)
{
    for (int made_for = VERSION + 1; made_for <= version && made_for <= KNOWN_AHEAD; made_for++) {
        char *copy = mem_format("%s.before-v%d", path, made_for);
        if (access(copy, F_OK) == 0)
            return copy;
        free(copy);
    }
    return NULL;
}

static int newer(const char *path, int version, struct err *err)
{
    char *copy = find_copy(path, version);
    err_set(err, ERR_NOT_NOW,
            "%s was written by a newer Doorbell (schema %d, this one knows %d). Install the newer "
            "one again%s%s%s.",
            path, version, VERSION, copy ? ", or put back " : "", copy ? copy : "",
            copy ? ", the copy that the upgrade made" : "");
    free(copy);
    return ERR_NOT_NOW;
}

int migrate_check(sqlite3 *db, const char *path, struct err *err)
{
    int application, version, things, result;
    if ((result = read_number(db, path, "PRAGMA application_id", &application, err)) != 0 ||
        (result = read_number(db, path, "PRAGMA user_version", &version, err)) != 0 ||
        (result = read_number(db, path, "SELECT count(*) FROM sqlite_schema", &things, err)) != 0)
        return result;
    if (application == 0 && version == 0 && things == 0)
        return 0;
    if (application != APPLICATION_ID)
        return foreign(db, path, err);
    if (version > VERSION)
        return newer(path, version, err);
    return 0;
}

int migrate_check_current(sqlite3 *db, const char *path, struct err *err)
{
    int version;
    int result = migrate_check(db, path, err);
    if (result != 0 || (result = read_number(db, path, "PRAGMA user_version", &version, err)) != 0)
        return result;
    if (version != VERSION)
        return err_set(err, ERR_NOT_NOW,
                       "%s is of an older Doorbell. Start the server of this version once, which "
                       "upgrades it.",
                       path);
    return 0;
}

static int run_steps(sqlite3 *db, int version)
{
    int result = SQLITE_OK;
    for (; version < VERSION && result == SQLITE_OK; version++)
        result = sqlite3_exec(db, steps[version], NULL, NULL, NULL);
    if (result != SQLITE_OK)
        return result;
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, VERSION);
    return sqlite3_exec(db, mark, NULL, NULL, NULL);
}

/* An empty one that is private: SQLite would make it for everybody to read. */
static bool make_empty(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT) /* one that a kill has left half */
        return false;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
    return file >= 0;
}

/* SQLite does not wait for the disk to have what it vacuums into, and the store is changed next. */
static bool put_for_good(const char *made, const char *copy)
{
    int file = open(made, O_RDONLY | O_CLOEXEC);
    bool is_done = file >= 0 && fsync(file) == 0;
    int reason = errno;
    if (file >= 0)
        close(file);
    errno = reason;
    return is_done && rename(made, copy) == 0 && file_sync_folder(copy);
}

static int write_copy(sqlite3 *db, const char *path, const char *made, const char *copy,
                      struct err *err)
{
    char *statement = sqlite3_mprintf("VACUUM INTO %Q", made);
    int result = 0;
    if (!make_empty(made))
        result = err_set(err, ERR_IO, "%s cannot be made: %s.", made, strerror(errno));
    else if (!statement || sqlite3_exec(db, statement, NULL, NULL, NULL) != SQLITE_OK)
        result = sqlite_error(db, path, err);
    else if (!put_for_good(made, copy))
        result = err_set(err, ERR_IO, "%s cannot be written: %s.", copy, strerror(errno));
    sqlite3_free(statement);
    return result;
}

/* settled.md "schema": who does not like the new program puts the copy back. It takes the place of
 * one of an earlier upgrade, which is older than the store is, once it is whole. */
static int back_up(sqlite3 *db, const char *path, struct err *err)
{
    char *copy = mem_format("%s.before-v%d", path, VERSION);
    char *made = mem_format("%s.new", copy);
    int result = write_copy(db, path, made, copy, err);
    if (result == 0) {
        log_info("The store is upgraded; a copy of the one before is %s.", copy);
    } else {
        unlink(made);
        err_prefix(err, "the copy that is made before an upgrade");
    }
    free(made);
    free(copy);
    return result;
}

int migrate_run(sqlite3 *db, const char *path, struct err *err)
{
    int version;
    int result = read_number(db, path, "PRAGMA user_version", &version, err);
    if (result != 0 || version == VERSION)
        return result;
    if (version > 0 && (result = back_up(db, path, err)) != 0)
        return result;
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
        run_steps(db, version) == SQLITE_OK &&
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    result = sqlite_error(db, path, err);
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}
