#include "store/writer.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

/* A callback may make further changes while the store closes; they are written, too, but not for
 * ever. */
enum { CLOSE_ROUNDS = 8 };

/* A disk that stays full fails every group; the log hears of it now and then. */
enum { COMPLAIN_EVERY_MS = 60 * 1000 };

struct change {
    struct list node;
    struct map_node by_key;
    enum change_kind kind;
    bool superseded;          /* a later one of the group writes all of the same row */
    struct store_account row; /* its texts are the two below */
    char *password, *endpoint;
    struct account_key gone;
    uint8_t mark[STORE_MARK_SIZE];
    int64_t at_unix;     /* of the mark */
    store_done_fn *done; /* NULL: nobody wants to know */
    void *arg;
    int result;
    struct err *err; /* NULL unless it failed */
};

/* A change moves from waiting to group to done to delivering, in order. The mutex guards the first
 * three heads; the thread reads the members of `group` without it, because nobody else moves them.
 */
struct writer {
    const struct store_ops *ops;
    void *engine;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    pthread_t thread;
    bool running;  /* the thread exists: known to the loop's thread only */
    bool stopping; /* guarded by the mutex */
    struct list waiting, group, done;
    struct store_counts counts; /* guarded by the mutex */
    int64_t busy_since_ms;      /* likewise; 0: it waits */
    struct list delivering;     /* the loop's thread only */
    int64_t quiet_until_ms;     /* the writer thread only */
    uv_async_t *async;
};

static struct change *change_of(struct list *node)
{
    return list_owner(node, struct change, node);
}

static struct change *change_new(enum change_kind kind, const struct store_account *row)
{
    struct change *change = mem_new(sizeof *change);
    list_init(&change->node);
    change->kind = kind;
    change->row = *row;
    change->row.password = change->password = mem_text(row->password);
    change->row.endpoint = change->endpoint = mem_text(row->endpoint);
    return change;
}

static void change_free(struct change *change)
{
    mem_free_secret(change->password);
    mem_free_secret(change->endpoint);
    free(change->err);
    sodium_memzero(change, sizeof *change);
    free(change);
}

static void change_fail(struct change *change, int result, const struct err *err)
{
    change->result = result;
    change->err = mem_new(sizeof *change->err);
    *change->err = *err;
}

/* All of `from`, in order, behind what `to` has. */
static void move_all(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

static bool has_key(const struct map_node *node, const void *key)
{
    const struct change *change = map_owner(node, const struct change, by_key);
    return memcmp(&change->row.key, key, sizeof change->row.key) == 0;
}

/* A put replaces all of a row, so of several in one group only the last is written: a busy account
 * does not make a slow disk slower. */
static void coalesce(struct writer *writer)
{
    struct list *group = &writer->group;
    struct map puts;
    if (group->next == group->previous)
        return;
    map_init(&puts);
    for (struct list *node = group->previous; node != group; node = node->previous) {
        struct change *change = change_of(node);
        if (change->kind != CHANGE_PUT)
            continue;
        uint64_t hash = map_hash(&puts, &change->row.key, sizeof change->row.key);
        change->superseded = map_find(&puts, hash, has_key, &change->row.key);
        if (!change->superseded)
            map_add(&puts, &change->by_key, hash);
    }
    map_fini(&puts);
}

static int apply(struct writer *writer, const struct change *change, struct err *err)
{
    const struct store_ops *ops = writer->ops;
    const struct store_account *row = &change->row;
    if (change->superseded)
        return 0;
    switch (change->kind) {
    case CHANGE_PUT:
        return ops->put(writer->engine, row, err);
    case CHANGE_PUT_INSTEAD: {
        int result = ops->put(writer->engine, row, err);
        return result == 0 ? ops->remove(writer->engine, &change->gone, err) : result;
    }
    case CHANGE_REMOVE:
        return ops->remove(writer->engine, &row->key, err);
    case CHANGE_OWED:
        return ops->set_owed(writer->engine, &row->key, row->owed_since_unix, err);
    case CHANGE_REFUSED:
        return ops->set_refused(writer->engine, &row->key, row->refused, err);
    case CHANGE_MARK:
        return ops->mark(writer->engine, change->mark, change->at_unix, err);
    }
    return err_set(err, ERR_INVALID, "The store knows no such change.");
}

/* One transaction with the changes from `first` up to, not including, `end`. `*bad_change` says
 * whether it failed because one of them could not be applied. */
static int transact(struct writer *writer, struct list *first, const struct list *end,
                    bool *bad_change, struct err *err)
{
    *bad_change = false;
    int result = writer->ops->begin(writer->engine, err);
    if (result != 0)
        return result;
    for (struct list *node = first; node != end && result == 0; node = node->next)
        result = apply(writer, change_of(node), err);
    *bad_change = result != 0;
    if (result == 0)
        result = writer->ops->commit(writer->engine, err);
    if (result != 0)
        writer->ops->rollback(writer->engine);
    return result;
}

static void fail_group(struct writer *writer, int result, const struct err *err)
{
    list_each(node, &writer->group)
        change_fail(change_of(node), result, err);
}

/* So that a change that cannot be applied does not fail those that came with it. */
static void write_singly(struct writer *writer)
{
    list_each(node, &writer->group) {
        struct err err = {0};
        change_of(node)->superseded = false; /* the other one may be the one that fails */
        bool bad_change;
        int result = transact(writer, node, node->next, &bad_change, &err);
        if (result != 0)
            change_fail(change_of(node), result, &err);
        pthread_mutex_lock(&writer->mutex);
        writer->busy_since_ms = clock_ms(); /* slow, perhaps, but it came back */
        pthread_mutex_unlock(&writer->mutex);
    }
}

/* The callbacks tell each owner; this tells the operator. */
static void log_failures(struct writer *writer)
{
    size_t failed = 0;
    const struct err *last = NULL;
    list_each(node, &writer->group) {
        const struct change *change = change_of(node);
        if (change->result == 0)
            continue;
        failed++;
        last = change->err;
    }
    int64_t now = clock_ms();
    if (!last || now < writer->quiet_until_ms)
        return;
    writer->quiet_until_ms = now + COMPLAIN_EVERY_MS;
    log_error("Changes that could not be written to the store: %zu. %s", failed, last->text);
}

static void write_group(struct writer *writer)
{
    struct list *group = &writer->group;
    struct err err = {0};
    bool bad_change;
    coalesce(writer);
    int result = transact(writer, group->next, group, &bad_change, &err);
    if (result == 0)
        return;
    bool alone = group->next == group->previous;
    if (bad_change && !alone)
        write_singly(writer);
    else
        fail_group(writer, result, &err);
    log_failures(writer);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void count_group(struct writer *writer, uint64_t took_us)
{
    writer->counts.groups++;
    writer->counts.us += took_us;
    list_each(node, &writer->group)
        writer->counts.failed += change_of(node)->result != 0;
}

static void *run(void *arg)
{
    struct writer *writer = arg;
    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        while (list_empty(&writer->waiting) && !writer->stopping)
            pthread_cond_wait(&writer->work, &writer->mutex);
        if (list_empty(&writer->waiting))
            break;
        move_all(&writer->group, &writer->waiting);
        writer->busy_since_ms = clock_ms();
        pthread_mutex_unlock(&writer->mutex);
        uint64_t began_us = now_us();
        write_group(writer);
        uint64_t took_us = now_us() - began_us;
        pthread_mutex_lock(&writer->mutex);
        writer->busy_since_ms = 0;
        count_group(writer, took_us);
        move_all(&writer->done, &writer->group);
        uv_async_send(writer->async);
    }
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

/* With all signals blocked: they are for the loop's thread. */
static bool start_thread(struct writer *writer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer->running = pthread_create(&writer->thread, NULL, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return writer->running;
}

/* Returns when everything that waited is written. */
static void end_thread(struct writer *writer)
{
    if (!writer->running)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    writer->running = writer->stopping = false;
}

static void deliver(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    move_all(&writer->delivering, &writer->done);
    pthread_mutex_unlock(&writer->mutex);
    struct list *node;
    while ((node = list_first(&writer->delivering))) {
        struct change *change = change_of(node);
        list_remove(node);
        if (change->done)
            change->done(change->arg, change->result, change->err);
        change_free(change);
    }
}

static void on_async(uv_async_t *async)
{
    deliver(async->data);
}

static void on_async_closed(uv_handle_t *handle)
{
    free(handle);
}

struct writer *writer_new(const struct store_ops *ops, void *engine, struct loop *loop,
                          struct err *err)
{
    uv_async_t *async = mem_new(sizeof *async);
    int result = uv_async_init(&loop->uv, async, on_async);
    if (result != 0) {
        err_set(err, ERR_IO, "The store cannot join the event loop: %s.", uv_strerror(result));
        free(async);
        return NULL;
    }
    struct writer *writer = mem_new(sizeof *writer);
    writer->ops = ops;
    writer->engine = engine;
    writer->async = async;
    async->data = writer;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->work, NULL);
    list_init(&writer->waiting);
    list_init(&writer->group);
    list_init(&writer->done);
    list_init(&writer->delivering);
    return writer;
}

void writer_free(struct writer *writer)
{
    for (int round = 0; round < CLOSE_ROUNDS; round++) {
        end_thread(writer);
        deliver(writer);
    }
    end_thread(writer);
    list_each_safe(node, &writer->done)
        change_free(change_of(node));
    uv_close((uv_handle_t *)writer->async, on_async_closed);
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}

static void enqueue(struct writer *writer, struct change *change)
{
    if (!writer->running && !start_thread(writer)) {
        struct err err;
        err_set(&err, ERR_IO,
                "The store's writer thread cannot be started: is the number of processes limited?");
        log_error("%s", err.text);
        change_fail(change, ERR_IO, &err);
    }
    pthread_mutex_lock(&writer->mutex);
    if (change->result == 0) {
        list_append(&writer->waiting, &change->node);
        pthread_cond_signal(&writer->work);
    } else {
        list_append(&writer->done, &change->node);
        uv_async_send(writer->async);
    }
    pthread_mutex_unlock(&writer->mutex);
}

void writer_add(struct writer *writer, enum change_kind kind, const struct store_account *row,
                const struct account_key *gone, store_done_fn *done, void *arg)
{
    struct change *change = change_new(kind, row);
    if (gone)
        change->gone = *gone;
    change->done = done;
    change->arg = arg;
    enqueue(writer, change);
}

void writer_add_mark(struct writer *writer, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix)
{
    struct change *change = change_new(CHANGE_MARK, &(struct store_account){0});
    memcpy(change->mark, mark, sizeof change->mark);
    change->at_unix = at_unix;
    enqueue(writer, change);
}

void writer_count(struct writer *writer, struct store_counts *counts)
{
    pthread_mutex_lock(&writer->mutex);
    *counts = writer->counts;
    pthread_mutex_unlock(&writer->mutex);
}

int64_t writer_busy_since_ms(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    int64_t since_ms = writer->busy_since_ms;
    pthread_mutex_unlock(&writer->mutex);
    return since_ms;
}

static void forget_in(struct list *changes, const void *arg)
{
    list_each(node, changes) {
        struct change *change = change_of(node);
        if (change->arg == arg)
            change->done = NULL;
    }
}

void writer_forget(struct writer *writer, void *arg)
{
    pthread_mutex_lock(&writer->mutex);
    forget_in(&writer->waiting, arg);
    forget_in(&writer->group, arg);
    forget_in(&writer->done, arg);
    pthread_mutex_unlock(&writer->mutex);
    forget_in(&writer->delivering, arg);
}
