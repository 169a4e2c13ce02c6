#include "store/mollysocket.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/mollysocket_copy.h"

enum {
    BUSY_MS = 2000,   /* MollySocket may be writing */
    TEXT_MOST = 4096, /* longer than anything that we could use */
    HEADER_SIZE = 20, /* of the file; the last two bytes are 2 in WAL mode */
};

/* Errors */

/* The database may be read from a copy, so its own path is told. */
static int database_error(sqlite3 *db, const char *path, struct err *err)
{
    switch (sqlite3_extended_errcode(db) & 0xff) { /* the low byte is the kind of error */
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return err_set(
            err, ERR_INVALID,
            "%s is damaged or not a database (%s). Put a backup in its place, or move it "
            "away.",
            path, sqlite3_errmsg(db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_BUSY, "%s is being written: stop MollySocket first.", path);
    default:
        return err_set(err, ERR_IO, "%s: %s.", path, sqlite3_errmsg(db));
    }
}

/* Rows */

static const char *read_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    int length = sqlite3_column_bytes(statement, column);
    return text && length <= TEXT_MOST && strlen(text) == (size_t)length ? text : NULL;
}

static int64_t read_number(sqlite3_stmt *statement, int column)
{
    bool is_number = sqlite3_column_type(statement, column) == SQLITE_INTEGER;
    return is_number ? sqlite3_column_int64(statement, column) : 0;
}

static void tell_row(sqlite3_stmt *statement, mollysocket_row_fn *each, void *arg)
{
    int64_t registered = read_number(statement, 6);
    struct mollysocket_row row = {.number = read_number(statement, 0),
                                  .uuid = read_text(statement, 1),
                                  .device = read_number(statement, 2),
                                  .password = read_text(statement, 3),
                                  .endpoint = read_text(statement, 4),
                                  .forbidden = read_number(statement, 5) != 0,
                                  .registered_unix = registered > 0 ? registered : 0};
    each(arg, &row);
}

/* Old versions had no date. SQLITE_ERROR: there is no such table. */
static int prepare(sqlite3 *db, sqlite3_stmt **statement)
{
    static const char query[] = "SELECT rowid, uuid, device_id, password, endpoint, forbidden,"
                                " last_registration FROM connections"
                                " ORDER BY last_registration, rowid",
                      old_query[] = "SELECT rowid, uuid, device_id, password, endpoint, forbidden,"
                                    " NULL FROM connections ORDER BY rowid";
    int result = sqlite3_prepare_v2(db, query, -1, statement, NULL);
    if ((result & 0xff) == SQLITE_ERROR)
        result = sqlite3_prepare_v2(db, old_query, -1, statement, NULL);
    return result;
}

static bool is_empty(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    bool empty = sqlite3_prepare_v2(db, "SELECT count(*) FROM sqlite_schema", -1, &statement,
                                    NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) == 0;
    sqlite3_finalize(statement);
    return empty;
}

static int read_rows(sqlite3 *db, const char *path, mollysocket_row_fn *each, void *arg,
                     struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    int step = prepare(db, &statement);
    if ((step & 0xff) == SQLITE_ERROR)
        return is_empty(db) ? 0
                            : err_set(err, ERR_INVALID,
                                      "%s is not MollySocket's database: it has no table "
                                      "\"connections\" with MollySocket's columns.",
                                      path);
    while (step == SQLITE_OK || step == SQLITE_ROW) {
        step = sqlite3_step(statement);
        if (step == SQLITE_ROW)
            tell_row(statement, each, arg);
    }
    if (step != SQLITE_DONE)
        result = database_error(db, path, err);
    sqlite3_finalize(statement);
    return result;
}

/* Sorting many rows would write them, passwords and all, into a file in a temporary folder, which
 * a server behind its sandbox does not reach either. */
static int open_file(sqlite3 **db, const char *path, int flags)
{
    int result =
        sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_busy_timeout(*db, BUSY_MS);
    return sqlite3_exec(*db, "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY", NULL, NULL,
                        NULL);
}

/* `*needs_copy`: nothing was told yet, because SQLite would have to write. */
static int read_in_place(const char *path, mollysocket_row_fn *each, void *arg, bool *needs_copy,
                         struct err *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int result = open_file(&db, path, SQLITE_OPEN_READONLY);
    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(db, "SELECT 1 FROM sqlite_schema", -1, &statement, NULL);
    sqlite3_finalize(statement);
    int kind = result & 0xff;
    *needs_copy = kind == SQLITE_READONLY || kind == SQLITE_CANTOPEN || kind == SQLITE_IOERR;
    if (result == SQLITE_OK)
        result = read_rows(db, path, each, arg, err);
    else
        result = database_error(db, path, err);
    sqlite3_close(db);
    return result;
}

/* The copy */

/* Alone with it, SQLite needs no shared memory for the log. */
static int read_alone(const char *copy, const char *path, mollysocket_row_fn *each, void *arg,
                      struct err *err)
{
    sqlite3 *db = NULL;
    int result = open_file(&db, copy, SQLITE_OPEN_READWRITE);
    if (result == SQLITE_OK)
        result = sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = read_rows(db, path, each, arg, err);
    else
        result = database_error(db, path, err);
    sqlite3_close(db);
    return result;
}

static int read_copy(const char *path, const char *scratch, mollysocket_row_fn *each, void *arg,
                     struct err *err)
{
    struct mollysocket_copy copy;
    int result = mollysocket_copy_make(&copy, path, scratch, err);
    if (result != 0)
        return result;
    result = read_alone(copy.path, path, each, arg, err);
    mollysocket_copy_remove(&copy);
    return result;
}

/* SQLite's own words for a file that cannot be opened say too little. */
static int look_at(const char *path, bool *in_wal_mode, struct err *err)
{
    unsigned char header[HEADER_SIZE] = {0};
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would hold up the start */
    if (file < 0)
        return mollysocket_unreadable(path, errno, err);
    if (fstat(file, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        close(file);
        return err_set(err, ERR_INVALID, "%s is not a file.", path);
    }
    ssize_t length = read(file, header, sizeof header);
    int reason = errno;
    close(file);
    if (length < 0)
        return mollysocket_unreadable(path, reason, err);
    *in_wal_mode = header[HEADER_SIZE - 1] == 2;
    return 0;
}

int mollysocket_read(const char *path, const char *scratch, mollysocket_row_fn *each, void *arg,
                     struct err *err)
{
    bool needs_copy = false;
    int result = look_at(path, &needs_copy, err);
    if (result != 0)
        return result;
    if (!needs_copy) {
        result = read_in_place(path, each, arg, &needs_copy, err);
        if (!needs_copy)
            return result;
    }
    return read_copy(path, scratch, each, arg, err);
}

/* Writing */

struct mollysocket {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static int make_file(const char *path, struct err *err)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST)
        return err_set(err, ERR_BUSY,
                       "%s exists already and was left as it is. Name a file that does not exist "
                       "yet, or move this one away.",
                       path);
    if (file < 0)
        return err_set(err, ERR_IO, "%s cannot be made: %s.", path, strerror(errno));
    close(file);
    return 0;
}

static int begin(struct mollysocket *file)
{
    static const char schema[] = "BEGIN IMMEDIATE;"
                                 "CREATE TABLE connections("
                                 " uuid TEXT UNIQUE ON CONFLICT REPLACE,"
                                 " device_id INTEGER,"
                                 " password TEXT,"
                                 " endpoint TEXT,"
                                 " forbidden BOOLEAN NOT NULL CHECK (forbidden IN (0, 1)),"
                                 " last_registration INTEGER)";
    static const char insert[] =
        "INSERT INTO connections(uuid, device_id, password, endpoint, forbidden, last_registration)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT(uuid) DO UPDATE SET device_id = excluded.device_id,"
        " password = excluded.password, endpoint = excluded.endpoint,"
        " forbidden = excluded.forbidden, last_registration = excluded.last_registration"
        " WHERE (excluded.forbidden, -excluded.last_registration)"
        " < (forbidden, -last_registration)";
    int result = open_file(&file->db, file->path, SQLITE_OPEN_READWRITE);
    if (result == SQLITE_OK)
        result = sqlite3_exec(file->db, schema, NULL, NULL, NULL);
    return result == SQLITE_OK ? sqlite3_prepare_v2(file->db, insert, -1, &file->insert, NULL)
                               : result;
}

static void mollysocket_free(struct mollysocket *file)
{
    sqlite3_finalize(file->insert);
    sqlite3_close(file->db);
    free(file->path);
    free(file);
}

void mollysocket_abandon(struct mollysocket *file)
{
    char *path = mem_text(file->path);
    mollysocket_free(file); /* SQLite rolls back and removes its journal */
    unlink(path);
    free(path);
}

struct mollysocket *mollysocket_create(const char *path, struct err *err)
{
    if (make_file(path, err) != 0)
        return NULL;
    struct mollysocket *file = mem_new(sizeof *file);
    file->path = mem_text(path);
    if (begin(file) == SQLITE_OK)
        return file;
    database_error(file->db, path, err);
    mollysocket_abandon(file);
    return NULL;
}

/* A date that is not known is 0 there: MollySocket 1.7.1 ends at a row that has none. */
int mollysocket_add(struct mollysocket *file, const struct mollysocket_row *row, struct err *err)
{
    sqlite3_stmt *insert = file->insert;
    int bound = sqlite3_bind_text(insert, 1, row->uuid, -1, SQLITE_STATIC) |
                sqlite3_bind_int64(insert, 2, row->device) |
                sqlite3_bind_text(insert, 3, row->password, -1, SQLITE_STATIC) |
                sqlite3_bind_text(insert, 4, row->endpoint, -1, SQLITE_STATIC) |
                sqlite3_bind_int(insert, 5, row->forbidden) |
                sqlite3_bind_int64(insert, 6, row->registered_unix);
    int result = 0;
    if (bound != SQLITE_OK || sqlite3_step(insert) != SQLITE_DONE)
        result = database_error(file->db, file->path, err);
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    return result;
}

/* MollySocket never asks again for an account with this flag, we do: it finds out by itself. */
static int commit(struct mollysocket *file, size_t *accounts)
{
    sqlite3_stmt *count = NULL;
    int result = sqlite3_exec(file->db, "UPDATE connections SET forbidden = 0", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(file->db, "SELECT count(*) FROM connections", -1, &count, NULL);
    if (result == SQLITE_OK && sqlite3_step(count) == SQLITE_ROW)
        *accounts = (size_t)sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    return result == SQLITE_OK ? sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL) : result;
}

int mollysocket_finish(struct mollysocket *file, size_t *accounts, struct err *err)
{
    if (commit(file, accounts) == SQLITE_OK) {
        mollysocket_free(file);
        return 0;
    }
    int result = database_error(file->db, file->path, err);
    mollysocket_abandon(file);
    return result;
}
