#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/kept.h"
#include "store/migrate.h"
#include "store/row.h"
#include "store/store.h"

enum {
    BUSY_MS = 2000, /* an operator's sqlite3 or a backup may hold the file for a moment */
};

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_PUT,
    STATEMENT_REMOVE,
    STATEMENT_SET_OWED,
    STATEMENT_SET_REFUSED,
    STATEMENT_COMMIT,
    STATEMENT_COUNT,
};

#define THIS_ACCOUNT " WHERE messenger = ?1 AND uuid = ?2 AND device = ?3"

static const char *const statement_texts[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_PUT] = "INSERT OR REPLACE INTO accounts(" ROW_COLUMNS ") VALUES (" ROW_VALUES ")",
    [STATEMENT_REMOVE] = "DELETE FROM accounts" THIS_ACCOUNT,
    [STATEMENT_SET_OWED] = "UPDATE accounts SET owed_since_unix = ?4" THIS_ACCOUNT,
    [STATEMENT_SET_REFUSED] = "UPDATE accounts SET refused = ?4" THIS_ACCOUNT,
    [STATEMENT_COMMIT] = "COMMIT",
};

struct sqlite {
    sqlite3 *db;
    char *path;
    enum sqlite_journal journal; /* the one that it has */
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

enum sqlite_journal sqlite_journal_for(uint32_t file_system)
{
    switch (file_system) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
    case V9FS_MAGIC:
    case CEPH_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
    case CODA_SUPER_MAGIC:
        return SQLITE_JOURNAL_ROLLBACK;
    default:
        return SQLITE_JOURNAL_WAL;
    }
}

int sqlite_damaged(const char *path, const char *how, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "%s is damaged or not a database (%s). Put a backup in its place, or move it "
                   "away and begin with an empty store: phones that reach this server register "
                   "again by themselves.",
                   path, how);
}

int sqlite_error(sqlite3 *db, const char *path, struct err *err)
{
    const char *what = sqlite3_errmsg(db);
    int system_error = sqlite3_system_errno(db);
    switch (sqlite3_extended_errcode(db) & 0xff) { /* the low byte is the kind of error */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return sqlite_damaged(path, what, err);
    case SQLITE_FULL:
        return err_set(err, ERR_IO, "The disk with %s is full.", path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return err_set(err, ERR_IO, "%s cannot be written (%s). Who owns it and its folder?", path,
                       what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_TIMEOUT,
                       "Another program is using %s: a database tool or a backup?", path);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return err_set(err, ERR_IO, "Reading or writing %s failed: %s%s%s.", path, what,
                       system_error ? ", " : "", system_error ? strerror(system_error) : "");
    default:
        return err_set(err, ERR_IO, "%s: %s.", path, what);
    }
}

/* SQLite gives its side files the mode and the owner of the database, so the database must be
 * private before it is written for the first time. */
static int make_file(const char *path, uint32_t *file_system, struct err *err)
{
    int descriptor = file_open_or_make(path);
    if (descriptor < 0)
        return err_set(err, ERR_IO, "Cannot open %s for writing: %s.", path, strerror(errno));
    struct statfs status;
    int result = 0;
    if (fstatfs(descriptor, &status) == 0)
        *file_system = (uint32_t)status.f_type;
    else
        result =
            err_set(err, ERR_IO, "Cannot tell the file system of %s: %s.", path, strerror(errno));
    close(descriptor);
    return result;
}

/* For files that came from a backup with another mode. */
static void make_private(const char *path, const char *suffix)
{
    char *name = mem_format("%s%s", path, suffix);
    struct stat status;
    if (stat(name, &status) == 0 && (status.st_mode & 0077) && chmod(name, 0600) != 0)
        log_warn("Other users of this machine may read %s: %s.", name, strerror(errno));
    free(name);
}

static int configure(struct sqlite *sqlite, struct err *err)
{
    static const char settings[] = "PRAGMA trusted_schema = OFF;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA synchronous = FULL;"
                                   "PRAGMA secure_delete = ON;"
                                   "PRAGMA journal_size_limit = 1048576;";
    sqlite3_busy_timeout(sqlite->db, BUSY_MS);
    if (sqlite3_exec(sqlite->db, settings, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(sqlite->db, sqlite->path, err);
    return 0;
}

/* Runs `query`, whose answer is one text. */
static int ask(struct sqlite *sqlite, const char *query, char *answer, size_t size, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    if (sqlite3_prepare_v2(sqlite->db, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        sqlite3_snprintf((int)size, answer, "%s", sqlite3_column_text(statement, 0));
    else
        result = sqlite_error(sqlite->db, sqlite->path, err);
    sqlite3_finalize(statement);
    return result;
}

static int set_wal(struct sqlite *sqlite, struct err *err)
{
    char answer[16];
    int result = ask(sqlite, "PRAGMA journal_mode = WAL", answer, sizeof answer, err);
    if (result == 0 && strcmp(answer, "wal") != 0)
        sqlite->journal = SQLITE_JOURNAL_ROLLBACK;
    return result;
}

static int set_rollback(struct sqlite *sqlite, struct err *err)
{
    char answer[16];
    int result = ask(sqlite, "PRAGMA journal_mode = DELETE", answer, sizeof answer, err);
    if (result == 0 && strcmp(answer, "delete") != 0)
        return err_set(err, ERR_IO, "The journal of %s cannot be changed to a rollback journal.",
                       sqlite->path);
    return result;
}

/* In exclusive mode SQLite reads a WAL without shared memory; another connection, of a backup for
 * example, may share the file again once the rollback journal is in place. */
static int set_exclusive(struct sqlite *sqlite, bool exclusive, struct err *err)
{
    const char *setting =
        exclusive ? "PRAGMA locking_mode = EXCLUSIVE" : "PRAGMA locking_mode = NORMAL";
    char answer[16];
    return ask(sqlite, setting, answer, sizeof answer, err);
}

static int set_journal(struct sqlite *sqlite, struct err *err)
{
    if (sqlite->journal == SQLITE_JOURNAL_WAL)
        return set_wal(sqlite, err);
    int result = set_rollback(sqlite, err);
    return result ? result : set_exclusive(sqlite, false, err);
}

/* Reads the whole file once: better a stop now than half of the accounts. */
static int check_whole(struct sqlite *sqlite, struct err *err)
{
    char answer[128];
    int result = ask(sqlite, "PRAGMA quick_check(1)", answer, sizeof answer, err);
    if (result == 0 && strcmp(answer, "ok") != 0)
        return sqlite_damaged(sqlite->path, answer, err);
    return result;
}

/* SQLite opens what it cannot write, too, for example beside a "-shm" file that belongs to root. */
static int check_writable(struct sqlite *sqlite, struct err *err)
{
    if (sqlite3_exec(sqlite->db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(sqlite->db, sqlite->path, err);
    return 0;
}

static int prepare_statements(struct sqlite *sqlite, struct err *err)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(sqlite->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &sqlite->statements[i], NULL) != SQLITE_OK)
            return sqlite_error(sqlite->db, sqlite->path, err);
    return 0;
}

/* In this order: nothing is written to a file before it is known to be ours. */
static int open_file(struct sqlite *sqlite, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int result = 0;
    if (sqlite3_open_v2(sqlite->path, &sqlite->db, flags, NULL) != SQLITE_OK)
        return sqlite_error(sqlite->db, sqlite->path, err);
    if (sqlite->journal == SQLITE_JOURNAL_ROLLBACK)
        result = set_exclusive(sqlite, true, err);
    if (result != 0 || (result = configure(sqlite, err)) != 0 ||
        (result = migrate_check(sqlite->db, sqlite->path, err)) != 0)
        return result;
    make_private(sqlite->path, "");
    make_private(sqlite->path, "-wal");
    make_private(sqlite->path, "-shm");
    if ((result = set_journal(sqlite, err)) != 0 || (result = check_whole(sqlite, err)) != 0 ||
        (result = check_writable(sqlite, err)) != 0 ||
        (result = migrate_run(sqlite->db, sqlite->path, err)) != 0)
        return result;
    return prepare_statements(sqlite, err);
}

static void close_file(struct sqlite *sqlite)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(sqlite->statements[i]);
        sqlite->statements[i] = NULL;
    }
    sqlite3_close(sqlite->db);
    sqlite->db = NULL;
}

static bool wants_shared_memory(const struct sqlite *sqlite)
{
    if (sqlite->journal != SQLITE_JOURNAL_WAL)
        return false;
    switch (sqlite3_extended_errcode(sqlite->db)) {
    case SQLITE_IOERR_SHMOPEN:
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMLOCK:
    case SQLITE_IOERR_SHMMAP:
    case SQLITE_CANTOPEN:
        return true;
    default:
        return false;
    }
}

int sqlite_open_with(void **engine, const char *path,
                     enum sqlite_journal (*journal_for)(uint32_t file_system), struct err *err)
{
    uint32_t file_system = 0;
    int result = make_file(path, &file_system, err);
    if (result != 0)
        return result;
    struct sqlite *sqlite = mem_new(sizeof *sqlite);
    sqlite->path = mem_text(path);
    sqlite->journal = journal_for(file_system);
    result = open_file(sqlite, err);
    if (result != 0 && wants_shared_memory(sqlite)) {
        close_file(sqlite);
        sqlite->journal = SQLITE_JOURNAL_ROLLBACK;
        result = open_file(sqlite, err);
    }
    if (result != 0) {
        close_file(sqlite);
        free(sqlite->path);
        free(sqlite);
        return result;
    }
    if (sqlite->journal == SQLITE_JOURNAL_ROLLBACK)
        log_info("The file system of %s has no shared memory that can be relied on: the store uses "
                 "a rollback journal, which is as safe as WAL but slower.",
                 path);
    *engine = sqlite;
    return 0;
}

static int sqlite_open(void **engine, const char *path, struct err *err)
{
    return sqlite_open_with(engine, path, sqlite_journal_for, err);
}

static void sqlite_close(void *engine)
{
    struct sqlite *sqlite = engine;
    close_file(sqlite);
    free(sqlite->path);
    free(sqlite);
}

/* SQLite lets others read beside the one that writes, in WAL mode at any moment. */
static int open_reader(struct sqlite *sqlite, struct err *err)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (access(sqlite->path, F_OK) != 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "There is no store %s.", sqlite->path);
    if (sqlite3_open_v2(sqlite->path, &sqlite->db, flags, NULL) != SQLITE_OK)
        return sqlite_error(sqlite->db, sqlite->path, err);
    sqlite3_busy_timeout(sqlite->db, BUSY_MS);
    if (sqlite3_exec(sqlite->db, "PRAGMA trusted_schema = OFF", NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(sqlite->db, sqlite->path, err);
    return migrate_check_current(sqlite->db, sqlite->path, err);
}

static int sqlite_open_to_read(void **engine, const char *path, struct err *err)
{
    struct sqlite *sqlite = mem_new(sizeof *sqlite);
    sqlite->path = mem_text(path);
    int result = open_reader(sqlite, err);
    if (result != 0)
        sqlite_close(sqlite);
    else
        *engine = sqlite;
    return result;
}

static int sqlite_load(void *engine, void (*each)(void *arg, const struct store_account *row),
                       void *arg, struct err *err)
{
    static const char query[] = "SELECT " ROW_COLUMNS " FROM accounts";
    struct sqlite *sqlite = engine;
    sqlite3_stmt *statement = NULL;
    unsigned broken = 0;
    int result = 0;
    int step = sqlite3_prepare_v2(sqlite->db, query, -1, &statement, NULL);
    while (step == SQLITE_OK || step == SQLITE_ROW) {
        step = sqlite3_step(statement);
        struct store_account row;
        if (step != SQLITE_ROW)
            break;
        if (row_read(statement, &row))
            each(arg, &row);
        else
            broken++;
    }
    if (step != SQLITE_DONE)
        result = sqlite_error(sqlite->db, sqlite->path, err);
    sqlite3_finalize(statement);
    sqlite3_db_release_memory(sqlite->db); /* its pages are not read again */
    if (broken)
        log_warn("Accounts in %s that make no sense and were passed over, not removed: %u.",
                 sqlite->path, broken);
    return result;
}

static int sqlite_secret(void *engine, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                         struct err *err)
{
    struct sqlite *sqlite = engine;
    return kept_secret(sqlite->db, sqlite->path, name, secret, err);
}

static int sqlite_marked(void *engine, const uint8_t mark[STORE_MARK_SIZE], int64_t *at_unix,
                         struct err *err)
{
    struct sqlite *sqlite = engine;
    return kept_marked(sqlite->db, sqlite->path, mark, at_unix, err);
}

static int sqlite_mark(void *engine, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix,
                       struct err *err)
{
    struct sqlite *sqlite = engine;
    return kept_mark(sqlite->db, sqlite->path, mark, at_unix, err);
}

/* `bound` is what binding the values gave: SQLITE_OK, or anything else if one of them failed. */
static int execute(struct sqlite *sqlite, enum statement which, int bound, struct err *err)
{
    sqlite3_stmt *statement = sqlite->statements[which];
    int result = 0;
    if (bound != SQLITE_OK || sqlite3_step(statement) != SQLITE_DONE)
        result = sqlite_error(sqlite->db, sqlite->path, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

static int sqlite_begin(void *engine, struct err *err)
{
    return execute(engine, STATEMENT_BEGIN, SQLITE_OK, err);
}

static int sqlite_put(void *engine, const struct store_account *row, struct err *err)
{
    if (!store_row_is_sound(row))
        return err_set(err, ERR_INVALID,
                       "An account without password, endpoint or valid device is not stored.");
    struct sqlite *sqlite = engine;
    sqlite3_stmt *statement = sqlite->statements[STATEMENT_PUT];
    return execute(sqlite, STATEMENT_PUT, row_bind(statement, row), err);
}

static int sqlite_remove(void *engine, const struct account_key *key, struct err *err)
{
    struct sqlite *sqlite = engine;
    int bound = row_bind_key(sqlite->statements[STATEMENT_REMOVE], key);
    return execute(sqlite, STATEMENT_REMOVE, bound, err);
}

static int sqlite_set_owed(void *engine, const struct account_key *key, int64_t owed_since_unix,
                           struct err *err)
{
    struct sqlite *sqlite = engine;
    sqlite3_stmt *statement = sqlite->statements[STATEMENT_SET_OWED];
    int bound = row_bind_key(statement, key) | sqlite3_bind_int64(statement, 4, owed_since_unix);
    return execute(sqlite, STATEMENT_SET_OWED, bound, err);
}

static int sqlite_set_refused(void *engine, const struct account_key *key, bool refused,
                              struct err *err)
{
    struct sqlite *sqlite = engine;
    sqlite3_stmt *statement = sqlite->statements[STATEMENT_SET_REFUSED];
    int bound = row_bind_key(statement, key) | sqlite3_bind_int(statement, 4, refused);
    return execute(sqlite, STATEMENT_SET_REFUSED, bound, err);
}

static int sqlite_commit(void *engine, struct err *err)
{
    return execute(engine, STATEMENT_COMMIT, SQLITE_OK, err);
}

/* SQLite has rolled back by itself after some errors. A rollback that fails leaves the next begin
 * to fail, and that one is told. */
static void sqlite_rollback(void *engine)
{
    struct sqlite *sqlite = engine;
    if (!sqlite3_get_autocommit(sqlite->db))
        sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL);
}

/* A plain BEGIN takes its picture with the first read. */
static int sqlite_read_begin(void *engine, struct err *err)
{
    struct sqlite *sqlite = engine;
    if (sqlite3_exec(sqlite->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(sqlite->db, sqlite->path, err);
    return 0;
}

static int sqlite_read_kept(void *engine, const struct store_reader *reader, struct err *err)
{
    struct sqlite *sqlite = engine;
    int result = kept_read_secrets(sqlite->db, sqlite->path, reader, err);
    return result == 0 ? kept_read_marks(sqlite->db, sqlite->path, reader, err) : result;
}

static int sqlite_get_kept(void *engine, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                           struct err *err)
{
    struct sqlite *sqlite = engine;
    return kept_get(sqlite->db, sqlite->path, name, secret, err);
}

static int sqlite_set_kept(void *engine, const char *name, const uint8_t *secret, struct err *err)
{
    struct sqlite *sqlite = engine;
    return kept_set(sqlite->db, sqlite->path, name, secret, err);
}

/* secure_delete has overwritten the cells already; this also gives back the pages that were free
 * before, and ends the log, which has the old ones. */
static int sqlite_forget(void *engine, struct err *err)
{
    struct sqlite *sqlite = engine;
    if (sqlite3_exec(sqlite->db, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL) !=
        SQLITE_OK)
        return sqlite_error(sqlite->db, sqlite->path, err);
    return 0;
}

static int sqlite_put_secret(void *engine, const struct store_kept_secret *secret, struct err *err)
{
    struct sqlite *sqlite = engine;
    return kept_put_secret(sqlite->db, sqlite->path, secret, err);
}

const struct store_ops store_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .open_to_read = sqlite_open_to_read,
    .load = sqlite_load,
    .secret = sqlite_secret,
    .marked = sqlite_marked,
    .read_kept = sqlite_read_kept,
    .put_secret = sqlite_put_secret,
    .get_kept = sqlite_get_kept,
    .set_kept = sqlite_set_kept,
    .forget = sqlite_forget,
    .read_begin = sqlite_read_begin,
    .begin = sqlite_begin,
    .put = sqlite_put,
    .remove = sqlite_remove,
    .set_owed = sqlite_set_owed,
    .set_refused = sqlite_set_refused,
    .mark = sqlite_mark,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .close = sqlite_close,
};
