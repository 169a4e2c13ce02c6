/* An account's row in SQL. Internal to src/store. */
#ifndef DOORBELL_STORE_ROW_H
#define DOORBELL_STORE_ROW_H

#include <sqlite3.h>

#include "store/store.h"

/* In the order in which row_read finds them and row_bind fills in ROW_VALUES; the key first. */
#define ROW_COLUMNS                                                                                \
    "messenger, uuid, device, password, endpoint, p256dh, auth, refused, endpoint_proven,"         \
    " endpoint_state, registered_unix, owed_since_unix, endpoint_status, "                         \
    "endpoint_not_before_unix,"                                                                    \
    " endpoint_retry_unix, endpoint_floor_unix, endpoint_repeated, spent_day, spent"
#define ROW_VALUES                                                                                 \
    "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19"

/* False where it makes no sense. Texts live until the statement's next step. */
bool row_read(sqlite3_stmt *statement, struct store_account *row);
/* False where the value does not have this length. */
bool row_read_bytes(sqlite3_stmt *statement, int column, uint8_t *bytes, int length);

/* SQLITE_OK, or not; what is bound must stay until the statement was executed. */
int row_bind_key(sqlite3_stmt *statement, const struct account_key *key);
int row_bind(sqlite3_stmt *statement, const struct store_account *row);

#endif
