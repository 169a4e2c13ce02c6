#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/writer.h"

struct store {
    const struct store_ops *ops;
    void *engine;
    struct writer *writer; /* NULL: it is only read */
    int lock;              /* descriptor of the locked file; -1: it is only read */
    bool reading;          /* the engine is in use here, so the writer must not have it */
    bool changed;          /* the engine belongs to the writer */
};

static int system_error(struct err *err, const char *what, const char *path)
{
    int error = errno;
    return err_set(err, ERR_IO, "%s %s: %s. Doorbell (user id %u) must be able to write there.",
                   what, path, strerror(error), (unsigned)geteuid());
}

/* Makes the name of a new folder durable. Not every file system can, and there is nothing to do
 * then. */
static void sync_parent(const char *folder)
{
    char *parent = mem_format("%s/..", folder);
    int descriptor = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    if (descriptor < 0)
        return;
    fsync(descriptor);
    close(descriptor);
}

static int make_folder(const char *folder, struct err *err)
{
    if (mkdir(folder, 0700) == 0)
        sync_parent(folder);
    else if (errno != EEXIST)
        return system_error(err, "Cannot make the store's folder", folder);
    return 0;
}

int store_make_folders(const char *path, struct err *err)
{
    char *folder = mem_text(path);
    int result = 0;
    for (char *slash = strchr(folder + 1, '/'); slash && result == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        result = make_folder(folder, err);
        *slash = '/';
    }
    free(folder);
    return result;
}

/* An open-file-description lock: it goes when the process ends in any way, and unlike the classic
 * kind it is not lost when some other part of the process opens and closes the file. The file is
 * never removed: whoever waited for the old one would not see the lock on the new one. */
static int take_lock(const char *path, int *lock, struct err *err)
{
    char *name = mem_format("%s.lock", path);
    int descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result = 0;
    if (descriptor < 0)
        result = system_error(err, "Cannot open the store's lock", name);
    else if (fcntl(descriptor, F_OFD_SETLK, &whole) == 0)
        *lock = descriptor;
    else if (errno == EAGAIN || errno == EACCES)
        result = err_set(err, ERR_BUSY,
                         "Another doorbell process holds the store %s. Stop it, or use its control "
                         "socket.",
                         path);
    else
        result = err_set(err, ERR_IO,
                         "Cannot lock %s: %s. The store needs a file system with file locks.", name,
                         strerror(errno));
    if (result != 0 && descriptor >= 0)
        close(descriptor);
    free(name);
    return result;
}

int store_lock(const char *path, int *lock, struct err *err)
{
    int result = store_make_folders(path, err);
    return result == 0 ? take_lock(path, lock, err) : result;
}

struct store *store_open(const struct store_ops *ops, const char *path, struct loop *loop,
                         struct err *err)
{
    if (!*path) {
        err_set(err, ERR_INVALID, "The path of the store is empty.");
        return NULL;
    }
    struct store *store = mem_new(sizeof *store);
    store->ops = ops;
    if (store_lock(path, &store->lock, err) != 0)
        goto no_lock;
    if (ops->open(&store->engine, path, err) != 0)
        goto no_engine;
    store->writer = writer_new(ops, store->engine, loop, err);
    if (!store->writer)
        goto no_writer;
    return store;

no_writer:
    ops->close(store->engine);
no_engine:
    close(store->lock);
no_lock:
    free(store);
    return NULL;
}

struct store *store_open_to_read(const struct store_ops *ops, const char *path, struct err *err)
{
    struct store *store = mem_new(sizeof *store);
    store->ops = ops;
    store->lock = -1;
    if (ops->open_to_read(&store->engine, path, err) == 0)
        return store;
    free(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (store->writer)
        writer_free(store->writer);
    store->ops->close(store->engine);
    if (store->lock >= 0)
        close(store->lock);
    free(store);
}

int store_load(struct store *store, void (*each)(void *arg, const struct store_account *row),
               void *arg, struct err *err)
{
    assert(!store->changed);
    store->reading = true;
    int result = store->ops->load(store->engine, each, arg, err);
    store->reading = false;
    return result;
}

int store_secret(struct store *store, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                 struct err *err)
{
    assert(!store->changed && !store->reading);
    return store->ops->secret(store->engine, name, secret, err);
}

int store_marked(struct store *store, const uint8_t mark[STORE_MARK_SIZE], int64_t *at_unix,
                 struct err *err)
{
    assert(!store->changed && !store->reading);
    return store->ops->marked(store->engine, mark, at_unix, err);
}

int store_take(struct store *store, const struct store_intake *intake, struct err *err)
{
    assert(store->writer && !store->changed && !store->reading);
    const struct store_ops *ops = store->ops;
    int result = ops->begin(store->engine, err);
    if (result != 0)
        return result;
    for (size_t i = 0; i < intake->row_count && result == 0; i++)
        result = ops->put(store->engine, &intake->rows[i], err);
    for (size_t i = 0; i < intake->mark_count && result == 0; i++)
        result = ops->mark(store->engine, intake->marks[i], intake->at_unix, err);
    if (result == 0)
        result = ops->commit(store->engine, err);
    if (result != 0)
        ops->rollback(store->engine);
    return result;
}

int store_read(struct store *store, const struct store_reader *reader, struct err *err)
{
    assert(!store->writer);
    const struct store_ops *ops = store->ops;
    int result = ops->read_begin(store->engine, err);
    if (result != 0)
        return result;
    result = ops->load(store->engine, reader->account, reader->arg, err);
    if (result == 0)
        result = ops->read_kept(store->engine, reader, err);
    ops->rollback(store->engine);
    return result;
}

int store_fill(struct store *store, const struct store_contents *contents, struct err *err)
{
    assert(store->writer && !store->changed && !store->reading);
    const struct store_ops *ops = store->ops;
    int result = ops->begin(store->engine, err);
    if (result != 0)
        return result;
    for (size_t i = 0; i < contents->row_count && result == 0; i++)
        result = ops->put(store->engine, &contents->rows[i], err);
    for (size_t i = 0; i < contents->secret_count && result == 0; i++)
        result = ops->put_secret(store->engine, &contents->secrets[i], err);
    for (size_t i = 0; i < contents->mark_count && result == 0; i++)
        result = ops->mark(store->engine, contents->marks[i].mark, contents->marks[i].at_unix, err);
    if (result == 0)
        result = ops->commit(store->engine, err);
    if (result != 0)
        ops->rollback(store->engine);
    return result;
}

static void change(struct store *store, enum change_kind kind, const struct store_account *row,
                   const struct account_key *gone, store_done_fn *done, void *arg)
{
    assert(store->writer && !store->reading);
    store->changed = true;
    writer_add(store->writer, kind, row, gone, done, arg);
}

void store_put(struct store *store, const struct store_account *row, store_done_fn *done, void *arg)
{
    change(store, CHANGE_PUT, row, NULL, done, arg);
}

void store_put_instead(struct store *store, const struct store_account *row,
                       const struct account_key *gone, store_done_fn *done, void *arg)
{
    change(store, CHANGE_PUT_INSTEAD, row, gone, done, arg);
}

void store_remove(struct store *store, const struct account_key *key, store_done_fn *done,
                  void *arg)
{
    struct store_account row = {.key = *key};
    change(store, CHANGE_REMOVE, &row, NULL, done, arg);
}

void store_set_owed(struct store *store, const struct account_key *key, int64_t owed_since_unix,
                    store_done_fn *done, void *arg)
{
    struct store_account row = {.key = *key, .owed_since_unix = owed_since_unix};
    change(store, CHANGE_OWED, &row, NULL, done, arg);
}

void store_set_refused(struct store *store, const struct account_key *key, bool refused,
                       store_done_fn *done, void *arg)
{
    struct store_account row = {.key = *key, .refused = refused};
    change(store, CHANGE_REFUSED, &row, NULL, done, arg);
}

void store_mark(struct store *store, const uint8_t mark[STORE_MARK_SIZE], int64_t at_unix)
{
    assert(store->writer && !store->reading);
    store->changed = true;
    writer_add_mark(store->writer, mark, at_unix);
}

void store_count(struct store *store, struct store_counts *counts)
{
    writer_count(store->writer, counts);
}

int64_t store_writing_since_ms(struct store *store)
{
    return writer_busy_since_ms(store->writer);
}

void store_forget(struct store *store, void *arg)
{
    writer_forget(store->writer, arg);
}
