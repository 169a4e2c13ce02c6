/* Accounts on disk. One thread of our own writes, in groups: the changes that came while the last
 * group was being committed make the next one. Each change calls back on the loop once it is
 * durable (synchronous=FULL) or has failed; changes are applied in the order in which they were
 * made. The file is locked for as long as the store is open (settled.md "who may write the store").
 * Reads happen only while opening. */
#ifndef DOORBELL_STORE_STORE_H
#define DOORBELL_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "store/seal.h"

enum {
    STORE_PUSH_KEY_SIZE = 65,
    STORE_PUSH_AUTH_SIZE = 16,
    STORE_SECRET_SIZE = 32,
    STORE_MARK_SIZE = 32,
    STORE_NAME_SIZE = 64, /* of a secret */
};

/* The key of an account: spelling and order of fields do not make two. */
struct account_key {
    uint8_t messenger; /* enum account_messenger */
    uint8_t device;    /* 1 to 127 */
    uint8_t uuid[16];
};

/* One row. Texts belong to whoever made the struct; the store copies what it keeps. */
struct store_account {
    struct account_key key;
    const char *password;
    const char *endpoint;
    bool has_push_keys;
    uint8_t push_p256dh[STORE_PUSH_KEY_SIZE];
    uint8_t push_auth[STORE_PUSH_AUTH_SIZE];
    bool refused;           /* the messenger's server has confirmed that the credentials are dead */
    bool endpoint_proven;   /* has accepted a push */
    uint8_t endpoint_state; /* enum endpoint_state */
    int endpoint_status;    /* HTTP status of its last answer; 0: none */
    int64_t endpoint_not_before_unix; /* no push before that, as its last answer demands; 0: at
                                         once, INT64_MAX: never */
    int64_t endpoint_retry_unix;      /* no ring before that, with what has doubled; likewise */
    int64_t endpoint_floor_unix;      /* no push of any kind before that; likewise */
    unsigned endpoint_repeated; /* how often its last answer's floor has grown, and once more */
    int64_t registered_unix;    /* last registration that changed something or was answered */
    int64_t owed_since_unix;    /* 0: no ring is owed */
    uint32_t spent_day, spent;  /* pushes of a daily budget: so many on that day since 1970 */
};

/* What a store keeps beside accounts. */
struct store_kept_secret {
    char name[STORE_NAME_SIZE];
    uint8_t value[STORE_SECRET_SIZE];
};
struct store_kept_mark {
    uint8_t mark[STORE_MARK_SIZE];
    int64_t at_unix;
};

/* Called for each thing that there is. */
struct store_reader {
    void (*account)(void *arg, const struct store_account *row);
    void (*secret)(void *arg, const struct store_kept_secret *secret);
    void (*mark)(void *arg, const struct store_kept_mark *mark);
    void *arg;
};
struct store_contents {
    struct store_account *rows;
    struct store_kept_secret *secrets;
    struct store_kept_mark *marks;
    size_t row_count, secret_count, mark_count;
};

struct store;

/* What a storage engine must do; SQLite is the first. Called by the writer thread only, except
 * the opening ones, load, secret, marked and read_kept (before the thread starts), those that
 * store_take and store_fill need (likewise) and close (after it ended). Each returns 0 or a code.
 */
struct store_ops {
    const char *name;
    int (*open)(void **engine, const char *path, struct err *err);
    int (*open_to_read)(void **engine, const char *path, struct err *err);
    int (*load)(void *engine, void (*each)(void *arg, const struct store_account *row), void *arg,
                struct err *err);
    int (*secret)(void *engine, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                  struct err *err);
    int (*marked)(void *engine, const uint8_t mark[STORE_MARK_SIZE], int64_t *at_unix,
                  struct err *err);
    int (*read_kept)(void *engine, const struct store_reader *reader, struct err *err);
    int (*put_secret)(void *engine, const struct store_kept_secret *secret, struct err *err);
    int (*read_begin)(void *engine,
                      struct err *err); /* what is read until commit is of one state */
    int (*begin)(void *engine, struct err *err);
    int (*put)(void *engine, const struct store_account *row, struct err *err);
    int (*remove)(void *engine, const struct account_key *key, struct err *err);
    int (*set_owed)(void *engine, const struct account_key *key, int64_t owed_since_unix,
                    struct err *err);
    int (*set_refused)(void *engine, const struct account_key *key, bool refused, struct err *err);
    int (*mark)(void *engine, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix,
                struct err *err);
    int (*commit)(void *engine, struct err *err);
    void (*rollback)(void *engine);
    /* Removes it where `secret` is NULL. */
    int (*set_kept)(void *engine, const char *name, const uint8_t *secret, struct err *err);
    int (*get_kept)(void *engine, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                    struct err *err);             /* ERR_NOT_FOUND: none */
    int (*forget)(void *engine, struct err *err); /* what was replaced leaves the file for good */
    void (*close)(void *engine);
};
extern const struct store_ops store_sqlite;

typedef void store_done_fn(void *arg, int result, const struct err *err);

/* What cannot be read again is not written: no password or endpoint, or one that is too long; a
 * device that cannot be. */
bool store_row_is_sound(const struct store_account *row);

/* All folders on the way to a file, 0700. */
int store_make_folders(const char *path, struct err *err);

/* Takes the lock of a store that need not be there, with its folder: a descriptor, whose end is the
 * lock's. ERR_BUSY where another process holds it. */
int store_lock(const char *path, int *lock, struct err *err);

/* Makes folder (0700) and file (0600) where they are missing, takes the lock (ERR_BUSY, with a
 * sentence, when another process holds it), migrates the schema (a newer one than we know:
 * ERR_NOT_NOW). */
struct store *store_open(const struct store_ops *ops, const char *path, struct loop *loop,
                         struct err *err);
/* Without the lock, beside a server perhaps, for store_load, store_secret, store_marked and
 * store_read only, and store_close. Changes nothing; ERR_NOT_FOUND where there is no such file. */
struct store *store_open_to_read(const struct store_ops *ops, const char *path, struct err *err);
/* Writes what is queued, calls the callbacks that are left, closes. Not from one of these
 * callbacks, and before loop_fini. */
void store_close(struct store *store);

/* Before the first change only. */
int store_load(struct store *store, void (*each)(void *arg, const struct store_account *row),
               void *arg, struct err *err);
/* How many accounts it has. Likewise. */
int store_count_rows(struct store *store, size_t *rows, struct err *err);
/* A random secret that is made on first use and kept, e.g. "pseudonym" (security.md 22). Before the
 * first change only. */
int store_secret(struct store *store, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                 struct err *err);

/* When something was marked; 0: never. A mark is a keyed hash: it remembers what happened to an
 * account that is gone, and tells whoever reads the store which one only if he has its id to try.
 * Before the first change only. */
int store_marked(struct store *store, const uint8_t mark[STORE_MARK_SIZE], int64_t *at_unix,
                 struct err *err);

/* What store_take writes. */
struct store_intake {
    struct store_account *rows;
    size_t row_count;
    uint8_t (*marks)[STORE_MARK_SIZE];
    size_t mark_count;
    int64_t at_unix; /* of the marks */
};
/* Puts rows and marks, all or none; they are durable when it returns. Before the first change only.
 */
int store_take(struct store *store, const struct store_intake *intake, struct err *err);

/* Before anything else of a store that was opened: that it is sealed with this key (NULL: with
 * none). One that is not sealed yet is, all of it or nothing, and what it was leaves the disk. A
 * store that is sealed with another key, or is and none is given: ERR_REFUSED, and one with a
 * password that cannot be opened: ERR_INVALID. One that is opened to read is only looked at. */
int store_use_seal(struct store *store, const struct seal *seal, struct err *err);
/* Whether it is. */
int store_is_sealed(struct store *store, bool *is_sealed, struct err *err);
/* Back again: its passwords are in the clear then. */
int store_unseal(struct store *store, const struct seal *seal, struct err *err);

/* All that it has, as it was at one moment. Of a store that is opened to read. */
int store_read(struct store *store, const struct store_reader *reader, struct err *err);
/* Puts all of it, sealed, into an empty store, or nothing; durable when it returns. Before the
 * first change only. */
int store_fill(struct store *store, const struct store_contents *contents, const struct seal *seal,
               struct err *err);

/* `done` may be NULL. It is called on the loop, never before returning; its `err` is NULL when the
 * result is 0. A change that failed is logged and not tried again by the store. A put inserts the
 * row or replaces all of it, and of several that wait only the last is written; any other change of
 * a row that is not there succeeds and does nothing. The first change starts the thread
 * (security.md 21: the sandbox comes before it). */
void store_put(struct store *store, const struct store_account *row, store_done_fn *done,
               void *arg);
/* Puts a row and removes that of the device whose place it takes: both or neither. */
void store_put_instead(struct store *store, const struct store_account *row,
                       const struct account_key *gone, store_done_fn *done, void *arg);
void store_remove(struct store *store, const struct account_key *key, store_done_fn *done,
                  void *arg);
void store_set_owed(struct store *store, const struct account_key *key, int64_t owed_since_unix,
                    store_done_fn *done, void *arg);
void store_set_refused(struct store *store, const struct account_key *key, bool refused,
                       store_done_fn *done, void *arg);

/* 0: it is forgotten. */
void store_mark(struct store *store, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix);

/* What the writer did since the start: groups of changes, the time that they took, and the changes
 * that could not be written. */
struct store_counts {
    uint64_t groups, failed;
    uint64_t us;
};
void store_count(struct store *store, struct store_counts *counts);
/* Since when (clock_ms) the writer has been at the group that it writes; 0: it writes none. Where
 * that is long ago, the disk does not answer. */
int64_t store_writing_since_ms(struct store *store);

/* Forgets the callbacks of `arg` (its owner goes away); the changes themselves stay queued. */
void store_forget(struct store *store, void *arg);

#endif
