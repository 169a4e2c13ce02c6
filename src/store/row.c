#include "store/row.h"

#include <string.h>

enum {
    TEXT_MOST = 4096,  /* passwords and endpoints; the parts above allow less */
    DEVICE_MOST = 127, /* the messenger's own bound */
};

bool store_row_is_sound(const struct store_account *row)
{
    return row->key.messenger != 0 && row->key.device >= 1 && row->key.device <= DEVICE_MOST &&
           row->password && *row->password && strnlen(row->password, TEXT_MOST + 1) <= TEXT_MOST &&
           row->endpoint && *row->endpoint && strnlen(row->endpoint, TEXT_MOST + 1) <= TEXT_MOST;
}

static bool read_small(sqlite3_stmt *statement, int column, uint8_t *value)
{
    sqlite3_int64 number = sqlite3_column_int64(statement, column);
    *value = (uint8_t)number;
    return number >= 0 && number <= UINT8_MAX;
}

/* Of what only counts: nonsense is nothing. */
static uint32_t read_count(sqlite3_stmt *statement, int column)
{
    sqlite3_int64 number = sqlite3_column_int64(statement, column);
    return number >= 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

bool row_read_bytes(sqlite3_stmt *statement, int column, uint8_t *bytes, int length)
{
    const void *blob = sqlite3_column_blob(statement, column);
    if (!blob || sqlite3_column_bytes(statement, column) != length)
        return false;
    memcpy(bytes, blob, (size_t)length);
    return true;
}

/* NULL where there is none, or one with a zero inside. It lives until the statement's next step. */
static const char *read_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    if (!text || strlen(text) != (size_t)sqlite3_column_bytes(statement, column))
        return NULL;
    return text;
}

static bool read_push_keys(sqlite3_stmt *statement, int column, struct store_account *row)
{
    row->has_push_keys = sqlite3_column_type(statement, column) != SQLITE_NULL ||
                         sqlite3_column_type(statement, column + 1) != SQLITE_NULL;
    return !row->has_push_keys ||
           (row_read_bytes(statement, column, row->push_p256dh, sizeof row->push_p256dh) &&
            row_read_bytes(statement, column + 1, row->push_auth, sizeof row->push_auth));
}

bool row_read(sqlite3_stmt *statement, struct store_account *row)
{
    memset(row, 0, sizeof *row);
    row->password = read_text(statement, 3);
    row->endpoint = read_text(statement, 4);
    row->refused = sqlite3_column_int(statement, 7) != 0;
    row->endpoint_proven = sqlite3_column_int(statement, 8) != 0;
    row->registered_unix = sqlite3_column_int64(statement, 10);
    row->owed_since_unix = sqlite3_column_int64(statement, 11);
    row->endpoint_status = sqlite3_column_int(statement, 12);
    row->endpoint_not_before_unix = sqlite3_column_int64(statement, 13);
    row->endpoint_retry_unix = sqlite3_column_int64(statement, 14);
    row->endpoint_floor_unix = sqlite3_column_int64(statement, 15);
    row->endpoint_repeated = read_count(statement, 16);
    row->spent_day = read_count(statement, 17);
    row->spent = read_count(statement, 18);
    return read_small(statement, 0, &row->key.messenger) &&
           row_read_bytes(statement, 1, row->key.uuid, sizeof row->key.uuid) &&
           read_small(statement, 2, &row->key.device) && read_push_keys(statement, 5, row) &&
           read_small(statement, 9, &row->endpoint_state) && store_row_is_sound(row);
}

int row_bind_key(sqlite3_stmt *statement, const struct account_key *key)
{
    return sqlite3_bind_int(statement, 1, key->messenger) |
           sqlite3_bind_blob(statement, 2, key->uuid, sizeof key->uuid, SQLITE_STATIC) |
           sqlite3_bind_int(statement, 3, key->device);
}

/* Without keys both stay NULL. */
static int bind_push_keys(sqlite3_stmt *statement, int column, const struct store_account *row)
{
    if (!row->has_push_keys)
        return SQLITE_OK;
    return sqlite3_bind_blob(statement, column, row->push_p256dh, sizeof row->push_p256dh,
                             SQLITE_STATIC) |
           sqlite3_bind_blob(statement, column + 1, row->push_auth, sizeof row->push_auth,
                             SQLITE_STATIC);
}

int row_bind(sqlite3_stmt *statement, const struct store_account *row)
{
    return row_bind_key(statement, &row->key) |
           sqlite3_bind_text(statement, 4, row->password, -1, SQLITE_STATIC) |
           sqlite3_bind_text(statement, 5, row->endpoint, -1, SQLITE_STATIC) |
           bind_push_keys(statement, 6, row) | sqlite3_bind_int(statement, 8, row->refused) |
           sqlite3_bind_int(statement, 9, row->endpoint_proven) |
           sqlite3_bind_int(statement, 10, row->endpoint_state) |
           sqlite3_bind_int64(statement, 11, row->registered_unix) |
           sqlite3_bind_int64(statement, 12, row->owed_since_unix) |
           sqlite3_bind_int(statement, 13, row->endpoint_status) |
           sqlite3_bind_int64(statement, 14, row->endpoint_not_before_unix) |
           sqlite3_bind_int64(statement, 15, row->endpoint_retry_unix) |
           sqlite3_bind_int64(statement, 16, row->endpoint_floor_unix) |
           sqlite3_bind_int64(statement, 17, row->endpoint_repeated) |
           sqlite3_bind_int64(statement, 18, row->spent_day) |
           sqlite3_bind_int64(statement, 19, row->spent);
}
