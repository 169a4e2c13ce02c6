/* The store's writer: a thread that takes all changes that wait as one group, writes them in one
 * transaction, several puts of one row as the last of them, and hands them back to the loop.
 * Internal to src/store. The thread starts with the first change; everything here is called on the
 * loop's thread. What can fail is told to the change's callback. */
#ifndef DOORBELL_STORE_WRITER_H
#define DOORBELL_STORE_WRITER_H

#include "store/store.h"

enum change_kind {
    CHANGE_PUT,
    CHANGE_PUT_INSTEAD, /* and remove `gone` */
    CHANGE_REMOVE,
    CHANGE_OWED,
    CHANGE_REFUSED,
    CHANGE_MARK,
};

struct writer;

/* `engine` stays the caller's, but belongs to the thread from the first change until writer_free.
 */
struct writer *writer_new(const struct store_ops *ops, void *engine, struct loop *loop,
                          struct err *err);
/* Writes what waits, calls the callbacks that are left, ends the thread. */
void writer_free(struct writer *writer);

/* Copies the row; which of its fields count depends on `kind`. `gone` may be NULL where the kind
 * has no use for it. */
void writer_add(struct writer *writer, enum change_kind kind, const struct store_account *row,
                const struct account_key *gone, store_done_fn *done, void *arg);
void writer_add_mark(struct writer *writer, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix);
void writer_count(struct writer *writer, struct store_counts *counts);
int64_t writer_busy_since_ms(struct writer *writer); /* 0: it is not */
void writer_forget(struct writer *writer, void *arg);

#endif
