#include "store/kept.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "store/row.h"
#include "store/sqlite.h"

static int insert_secret(sqlite3 *db, const char *path, const char *name, const uint8_t *secret,
                         struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    if (sqlite3_prepare_v2(db, "INSERT INTO secrets(name, value) VALUES (?1, ?2)", -1, &statement,
                           NULL) != SQLITE_OK ||
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_blob(statement, 2, secret, STORE_SECRET_SIZE, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_DONE)
        result = sqlite_error(db, path, err);
    sqlite3_finalize(statement);
    return result;
}

/* ERR_NOT_FOUND where there is none yet. */
static int read_secret(sqlite3 *db, const char *path, const char *name, uint8_t *secret,
                       struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    int step =
        sqlite3_prepare_v2(db, "SELECT value FROM secrets WHERE name = ?1", -1, &statement, NULL);
    if (step == SQLITE_OK)
        step = sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (step == SQLITE_OK)
        step = sqlite3_step(statement);
    if (step == SQLITE_DONE)
        result = ERR_NOT_FOUND;
    else if (step != SQLITE_ROW)
        result = sqlite_error(db, path, err);
    else if (!row_read_bytes(statement, 0, secret, STORE_SECRET_SIZE))
        result = sqlite_damaged(path, "a secret in it has the wrong length", err);
    sqlite3_finalize(statement);
    return result;
}

int kept_secret(sqlite3 *db, const char *path, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                struct err *err)
{
    int result = read_secret(db, path, name, secret, err);
    if (result != ERR_NOT_FOUND)
        return result;
    random_bytes(secret, STORE_SECRET_SIZE);
    return insert_secret(db, path, name, secret, err);
}

int kept_marked(sqlite3 *db, const char *path, const uint8_t mark[STORE_MARK_SIZE],
                int64_t *at_unix, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    int step =
        sqlite3_prepare_v2(db, "SELECT at_unix FROM marks WHERE mark = ?1", -1, &statement, NULL);
    if (step == SQLITE_OK)
        step = sqlite3_bind_blob(statement, 1, mark, STORE_MARK_SIZE, SQLITE_STATIC);
    if (step == SQLITE_OK)
        step = sqlite3_step(statement);
    *at_unix = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        result = sqlite_error(db, path, err);
    sqlite3_finalize(statement);
    return result;
}

int kept_mark(sqlite3 *db, const char *path, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix,
              struct err *err)
{
    const char *query = at_unix ? "INSERT OR REPLACE INTO marks(mark, at_unix) VALUES (?1, ?2)"
                                : "DELETE FROM marks WHERE mark = ?1";
    sqlite3_stmt *statement = NULL;
    int result = 0;
    if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_bind_blob(statement, 1, mark, STORE_MARK_SIZE, SQLITE_STATIC) != SQLITE_OK ||
        (at_unix && sqlite3_bind_int64(statement, 2, at_unix) != SQLITE_OK) ||
        sqlite3_step(statement) != SQLITE_DONE)
        result = sqlite_error(db, path, err);
    sqlite3_finalize(statement);
    return result;
}

int kept_put_secret(sqlite3 *db, const char *path, const struct store_kept_secret *secret,
                    struct err *err)
{
    return insert_secret(db, path, secret->name, secret->value, err);
}

/* Calls `take` for each row; it returns false for one that makes no sense. */
static int read_each(sqlite3 *db, const char *path, const char *query,
                     bool (*take)(sqlite3_stmt *statement, const struct store_reader *reader),
                     const struct store_reader *reader, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    int step = sqlite3_prepare_v2(db, query, -1, &statement, NULL);
    while (result == 0 && (step == SQLITE_OK || step == SQLITE_ROW)) {
        step = sqlite3_step(statement);
        if (step == SQLITE_ROW && !take(statement, reader))
            result = sqlite_damaged(path, "something in it has the wrong length", err);
    }
    if (result == 0 && step != SQLITE_DONE)
        result = sqlite_error(db, path, err);
    sqlite3_finalize(statement);
    return result;
}

static bool take_secret(sqlite3_stmt *statement, const struct store_reader *reader)
{
    struct store_kept_secret secret = {0};
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    if (!name || strlen(name) >= sizeof secret.name ||
        !row_read_bytes(statement, 1, secret.value, sizeof secret.value))
        return false;
    snprintf(secret.name, sizeof secret.name, "%s", name);
    reader->secret(reader->arg, &secret);
    sodium_memzero(&secret, sizeof secret);
    return true;
}

int kept_read_secrets(sqlite3 *db, const char *path, const struct store_reader *reader,
                      struct err *err)
{
    return read_each(db, path, "SELECT name, value FROM secrets WHERE name NOT LIKE 'seal%'",
                     take_secret, reader, err);
}

static bool take_mark(sqlite3_stmt *statement, const struct store_reader *reader)
{
    struct store_kept_mark mark = {.at_unix = sqlite3_column_int64(statement, 1)};
    if (!row_read_bytes(statement, 0, mark.mark, sizeof mark.mark))
        return false;
    reader->mark(reader->arg, &mark);
    return true;
}

int kept_read_marks(sqlite3 *db, const char *path, const struct store_reader *reader,
                    struct err *err)
{
    return read_each(db, path, "SELECT mark, at_unix FROM marks", take_mark, reader, err);
}

int kept_get(sqlite3 *db, const char *path, const char *name, uint8_t secret[STORE_SECRET_SIZE],
             struct err *err)
{
    return read_secret(db, path, name, secret, err);
}

static int remove_secret(sqlite3 *db, const char *path, const char *name, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    if (sqlite3_prepare_v2(db, "DELETE FROM secrets WHERE name = ?1", -1, &statement, NULL) !=
            SQLITE_OK ||
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_DONE)
        result = sqlite_error(db, path, err);
    sqlite3_finalize(statement);
    return result;
}

int kept_set(sqlite3 *db, const char *path, const char *name, const uint8_t *secret,
             struct err *err)
{
    int result = remove_secret(db, path, name, err);
    return result == 0 && secret ? insert_secret(db, path, name, secret, err) : result;
}
