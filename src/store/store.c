#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
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

/* Whose it is that lets us not write: the file's, or where there is none, the folder's. */
static bool find_owner(const char *folder, const char *file, uid_t *owner)
{
    struct stat status;
    if (stat(file, &status) != 0 && stat(folder, &status) != 0)
        return false;
    *owner = status.st_uid;
    return *owner != geteuid();
}

/* Mostly a volume that was made for somebody else. */
static int cannot_open_lock(struct err *err, const char *name)
{
    int error = errno;
    uid_t owner;
    char *copy = mem_text(name);
    const char *folder = dirname(copy);
    if (error == EACCES && find_owner(folder, name, &owner))
        err_set(err, ERR_IO,
                "Cannot open the store's lock %s: %s. Doorbell (user id %u) must be able to write "
                "there, but it belongs to user id %u: start Doorbell as that user, or give the "
                "folder to its own (chown -R %u %s).",
                name, strerror(error), (unsigned)geteuid(), (unsigned)owner, (unsigned)geteuid(),
                folder);
    else
        err_set(err, ERR_IO,
                "Cannot open the store's lock %s: %s. Doorbell (user id %u) must be able to write "
                "there.",
                name, strerror(error), (unsigned)geteuid());
    free(copy);
    return ERR_IO;
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
        return err_set(err, ERR_IO,
                       "Cannot make the store's folder %s: %s. Doorbell (user id %u) must be able "
                       "to write there.",
                       folder, strerror(errno), (unsigned)geteuid());
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
    int descriptor = file_open_or_make(name);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result = 0;
    if (descriptor < 0)
        result = cannot_open_lock(err, name);
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

static void count_row(void *arg, const struct store_account *row)
{
    (void)row;
    ++*(size_t *)arg;
}

int store_count_rows(struct store *store, size_t *rows, struct err *err)
{
    *rows = 0;
    return store_load(store, count_row, rows, err);
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

static int put_sealed(struct store *store, const struct store_account *row, const struct seal *seal,
                      struct err *err)
{
    struct store_account sealed = *row;
    char *password = seal_close(seal, &row->key, row->password);
    sealed.password = password;
    int result = store->ops->put(store->engine, &sealed, err);
    mem_free_secret(password);
    return result;
}

int store_fill(struct store *store, const struct store_contents *contents, const struct seal *seal,
               struct err *err)
{
    assert(store->writer && !store->changed && !store->reading);
    const struct store_ops *ops = store->ops;
    int result = ops->begin(store->engine, err);
    if (result != 0)
        return result;
    for (size_t i = 0; i < contents->row_count && result == 0; i++)
        result = put_sealed(store, &contents->rows[i], seal, err);
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

/* Sealing */

static const char seal_name[] = "seal"; /* of the secret that tells with which key */
/* There while what was in the clear may still be in free parts of the file. */
static const char rest_name[] = "seal-rest";

/* Rows whose passwords change, and what they become. */
struct resealing {
    const struct seal *seal;
    bool opens; /* it is to be in the clear */
    struct store_account *rows;
    char **texts; /* two for each row: password and endpoint */
    size_t count, room, broken;
};

static void take_row(void *arg, const struct store_account *row)
{
    struct resealing *all = arg;
    char *plain = seal_open(all->seal, &row->key, row->password);
    if (!plain) {
        all->broken++;
        return;
    }
    if (all->count == all->room) {
        all->room = all->room ? 2 * all->room : 64;
        all->rows = mem_resize(all->rows, all->room * sizeof *all->rows);
        all->texts = mem_resize(all->texts, 2 * all->room * sizeof *all->texts);
    }
    char **texts = all->texts + 2 * all->count;
    texts[0] = all->opens ? mem_text(plain) : seal_close(all->seal, &row->key, plain);
    texts[1] = mem_text(row->endpoint);
    all->rows[all->count] = *row;
    all->rows[all->count].password = texts[0];
    all->rows[all->count++].endpoint = texts[1];
    mem_free_secret(plain);
}

static void resealing_fini(struct resealing *all)
{
    for (size_t i = 0; i < 2 * all->count; i++)
        mem_free_secret(all->texts[i]);
    free(all->texts);
    free(all->rows);
}

static int broken_seal(size_t count, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "Of the sealed passwords in the store %zu cannot be opened with its key: their "
                   "rows were altered. Put a backup in its place.",
                   count);
}

static int put_rows(struct store *store, const struct resealing *all, const uint8_t *check,
                    struct err *err)
{
    const struct store_ops *ops = store->ops;
    int result = ops->begin(store->engine, err);
    if (result != 0)
        return result;
    for (size_t i = 0; i < all->count && result == 0; i++)
        result = ops->put(store->engine, &all->rows[i], err);
    if (result == 0)
        result = ops->set_kept(store->engine, seal_name, check, err);
    if (result == 0 && check)
        result = ops->set_kept(store->engine, rest_name, check, err);
    if (result == 0)
        result = ops->commit(store->engine, err);
    if (result != 0)
        ops->rollback(store->engine);
    return result;
}

/* Again at the next start, where it failed or was killed. */
static int forget_rest(struct store *store, struct err *err)
{
    uint8_t rest[STORE_SECRET_SIZE];
    int result = store->ops->get_kept(store->engine, rest_name, rest, err);
    if (result != 0)
        return result == ERR_NOT_FOUND ? 0 : result;
    result = store->ops->forget(store->engine, err);
    return result == 0 ? store->ops->set_kept(store->engine, rest_name, NULL, err) : result;
}

/* The store is sound without, so that is no reason not to start. */
static void try_to_forget_rest(struct store *store)
{
    struct err why;
    if (forget_rest(store, &why) != 0)
        log_warn("Passwords that were in the clear may still be in free parts of the store, which "
                 "the next start tries to clean again: %s",
                 why.text);
}

/* `check` NULL: into the clear. */
static int reseal(struct store *store, const struct seal *seal, const uint8_t *check,
                  struct err *err)
{
    struct resealing all = {.seal = seal, .opens = !check};
    int result = store_load(store, take_row, &all, err);
    if (result == 0 && all.broken)
        result = broken_seal(all.broken, err);
    if (result == 0)
        result = put_rows(store, &all, check, err);
    if (result == 0 && check)
        try_to_forget_rest(store);
    else if (result == 0)
        result = forget_rest(store, err);
    resealing_fini(&all);
    return result;
}

struct looking {
    const struct seal *seal;
    size_t broken;
};

static void look_at_row(void *arg, const struct store_account *row)
{
    struct looking *looking = arg;
    char *plain = seal_open(looking->seal, &row->key, row->password);
    looking->broken += !plain;
    mem_free_secret(plain);
}

static int check_rows(struct store *store, const struct seal *seal, struct err *err)
{
    struct looking looking = {.seal = seal};
    int result = store_load(store, look_at_row, &looking, err);
    return result == 0 && looking.broken ? broken_seal(looking.broken, err) : result;
}

/* ERR_NOT_FOUND: it is not sealed. */
static int check_seal(struct store *store, const struct seal *seal, struct err *err)
{
    uint8_t kept[STORE_SECRET_SIZE], check[SEAL_CHECK_SIZE];
    int result = store->ops->get_kept(store->engine, seal_name, kept, err);
    if (result != 0)
        return result;
    if (!seal)
        return err_set(err, ERR_REFUSED,
                       "The store is sealed with a key, and none is given: store.key_file, "
                       "DOORBELL_STORE_KEY or the credential doorbell-key must have it. It cannot "
                       "be made anew; without it, begin with an empty store.");
    seal_check(seal, check);
    if (sodium_memcmp(kept, check, sizeof check) != 0)
        return err_set(err, ERR_REFUSED,
                       "The store is sealed with another key than the one that is given "
                       "(store.key_file, DOORBELL_STORE_KEY or the credential doorbell-key). Put "
                       "the right one back.");
    return 0;
}

int store_use_seal(struct store *store, const struct seal *seal, struct err *err)
{
    uint8_t check[SEAL_CHECK_SIZE];
    int result = check_seal(store, seal, err);
    if (result == 0)
        result = check_rows(store, seal, err);
    if (result == 0 && store->writer)
        try_to_forget_rest(store);
    if (result == 0)
        return 0;
    if (result != ERR_NOT_FOUND || !seal || !store->writer)
        return result == ERR_NOT_FOUND ? 0 : result;
    seal_check(seal, check);
    result = reseal(store, seal, check, err);
    if (result == 0)
        log_info("Device passwords in the store are sealed from now on. Copies that were made "
                 "before have them in the clear, such as those of an upgrade (.before-v...) and "
                 "MollySocket's own database.");
    return result;
}

int store_is_sealed(struct store *store, bool *is_sealed, struct err *err)
{
    uint8_t kept[STORE_SECRET_SIZE];
    int result = store->ops->get_kept(store->engine, seal_name, kept, err);
    *is_sealed = result == 0;
    return result == ERR_NOT_FOUND ? 0 : result;
}

int store_unseal(struct store *store, const struct seal *seal, struct err *err)
{
    int result = check_seal(store, seal, err);
    if (result == ERR_NOT_FOUND)
        return err_set(err, ERR_NOT_FOUND, "The store is not sealed.");
    return result == 0 ? reseal(store, seal, NULL, err) : result;
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
