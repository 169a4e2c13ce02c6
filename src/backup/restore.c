#include "backup/restore.h"

#include <errno.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/setup_file.h"
#include "push/vapid.h"

enum { FILE_MOST = 1024 * 1024, PLACED_MAX = ARCHIVE_FILE_KINDS + 1 /* the key */ };

/* One restore under way. */
struct restore {
    const struct archive *archive;
    const struct config *config;
    char *folder;             /* of the store; what root makes belongs to its owner */
    char *staged;             /* the store, until it is whole */
    char *placed[PLACED_MAX]; /* files that go again if it fails */
    size_t placed_count;
};

/* Checks */

static int check_key(const struct archive *archive, struct err *err)
{
    if (!archive->vapid)
        return 0;
    struct vapid *vapid = vapid_from_text(archive->vapid, err);
    if (!vapid)
        err_prefix(err, "the key in the backup");
    vapid_free(vapid);
    return vapid ? 0 : err->code;
}

static int check_setup(const struct archive *archive, struct err *err)
{
    const struct archive_bytes *setup = &archive->files[ARCHIVE_SETUP];
    if (!setup->bytes || setup_file_check(setup->bytes, setup->length, err) == 0)
        return 0;
    err_prefix(err, "in the backup");
    return err->code;
}

static bool has_secrets(const struct archive *archive)
{
    const struct store_contents *contents = &archive->contents;
    return contents->row_count || contents->secret_count || contents->mark_count ||
           archive->vapid || archive->files[ARCHIVE_TOKEN].bytes;
}

int restore_check(const struct archive *archive, bool sealed, struct err *err)
{
    if (archive->head.has_secrets != sealed || (!sealed && has_secrets(archive)))
        return err_set(err, ERR_INVALID,
                       "What is in this backup makes no sense; nothing was restored.");
    for (size_t i = 1; i <= ARCHIVE_FILE_KINDS; i++)
        if (archive->files[i].length > FILE_MOST)
            return err_set(err, ERR_INVALID, "A file of settings in the backup is too large.");
    int result = check_key(archive, err);
    return result == 0 ? check_setup(archive, err) : result;
}

/* SQLite would take a log that some other store has left for the new one's. */
static int check_empty(const struct config *config, struct err *err)
{
    static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = mem_format("%s%s", config->store_path, suffixes[i]);
        bool is_there = access(path, F_OK) == 0 || errno != ENOENT;
        if (is_there)
            err_set(err, ERR_BUSY,
                    "There is a store already: %s. A backup is restored into an empty place; move "
                    "this one away, or set store.path to another folder.",
                    path);
        free(path);
        if (is_there)
            return ERR_BUSY;
    }
    return 0;
}

/* Small files */

static bool is_same(const char *path, const void *bytes, size_t length)
{
    bool is_open;
    char *there = mem_new(FILE_MOST + 1);
    long got = file_read(path, there, FILE_MOST + 1, &is_open);
    bool same = got >= 0 && (size_t)got == length && memcmp(there, bytes, length) == 0;
    sodium_memzero(there, FILE_MOST + 1);
    free(there);
    return same;
}

static int place(struct restore *restore, const char *path, const void *bytes, size_t length,
                 struct err *err)
{
    enum file_replaced made = file_create(path, bytes, length, restore->folder);
    if (made == FILE_NOT_REPLACED && errno == EEXIST)
        return is_same(path, bytes, length)
                   ? 0
                   : err_set(err, ERR_BUSY,
                             "%s exists already and is another one. A backup is restored into an "
                             "empty place; move this file away.",
                             path);
    if (made == FILE_NOT_REPLACED)
        return err_set(err, ERR_IO, "%s cannot be written: %s.", path, strerror(errno));
    restore->placed[restore->placed_count++] = mem_text(path);
    if (made == FILE_NOT_SYNCED)
        return err_set(err, ERR_IO, "%s is written, but not for good: %s.", path, strerror(errno));
    return 0;
}

static int place_key_file(struct restore *restore, const char *path, struct err *err)
{
    char *line = mem_format("%s\n", restore->archive->vapid);
    vapid_make_folder(path); /* where it cannot be made, the file cannot either, which says so */
    int result = place(restore, path, line, strlen(line), err);
    mem_free_secret(line);
    return result;
}

/* Whoever has given this place its key in another way has given the same one. */
static int compare_key(const struct archive *archive, const struct config *config, struct err *err)
{
    const char *path = config->push_vapid_key_file;
    char text[VAPID_PRIVATE_TEXT_SIZE];
    struct vapid *vapid = vapid_from_config(config, err);
    if (!vapid)
        return err->code;
    vapid_private_text(vapid, text);
    vapid_free(vapid);
    bool same = strcmp(text, archive->vapid) == 0;
    sodium_memzero(text, sizeof text);
    return same ? 0
                : err_set(err, ERR_BUSY,
                          "This place has another VAPID key than the backup, which the phones were "
                          "linked with. Take %s away.",
                          path ? path : "push.vapid_key");
}

static bool is_handed_over(const struct config *config)
{
    return config_is_credential(config, "push.vapid_key_file");
}

int restore_check_credential(const struct archive *archive, const struct config *config,
                             struct err *err)
{
    return archive->vapid && is_handed_over(config) ? compare_key(archive, config, err) : 0;
}

static int place_key(struct restore *restore, struct err *err)
{
    const char *path = restore->config->push_vapid_key_file;
    if (!restore->archive->vapid || is_handed_over(restore->config))
        return 0;
    if (path && access(path, F_OK) != 0)
        return place_key_file(restore, path, err);
    return compare_key(restore->archive, restore->config, err);
}

static bool is_in_force(const char *path, const struct archive_bytes *file)
{
    return path && is_same(path, file->bytes, file->length);
}

static int place_beside(struct restore *restore, enum archive_file kind, const char *name,
                        bool *placed, struct err *err)
{
    const struct archive_bytes *file = &restore->archive->files[kind];
    char *path = mem_format("%s/%s", restore->folder, name);
    int result = place(restore, path, file->bytes, file->length, err);
    *placed = result == 0;
    free(path);
    return result;
}

static int place_files(struct restore *restore, struct restored *restored, struct err *err)
{
    const struct archive_bytes *files = restore->archive->files;
    const struct config *config = restore->config;
    int result = 0;
    if (files[ARCHIVE_SETUP].bytes)
        result = place_beside(restore, ARCHIVE_SETUP, SETUP_FILE_NAME, &restored->setup, err);
    if (result == 0 && files[ARCHIVE_TOKEN].bytes)
        result = place(restore, config->admin_token_file, files[ARCHIVE_TOKEN].bytes,
                       files[ARCHIVE_TOKEN].length, err);
    if (result == 0 && files[ARCHIVE_CONFIG].bytes &&
        !is_in_force(config->own_file, &files[ARCHIVE_CONFIG]))
        result = place_beside(restore, ARCHIVE_CONFIG, "doorbell.yaml" RESTORED_SUFFIX,
                              &restored->config, err);
    if (result == 0 && files[ARCHIVE_MOLLY].bytes &&
        !is_in_force(config->molly_file, &files[ARCHIVE_MOLLY]))
        result = place_beside(restore, ARCHIVE_MOLLY, "mollysocket.toml" RESTORED_SUFFIX,
                              &restored->molly, err);
    return result;
}

/* The store */

static void remove_staged(const struct restore *restore)
{
    static const char *const suffixes[] = {"", "-wal", "-journal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = mem_format("%s%s", restore->staged, suffixes[i]);
        unlink(path);
        free(path);
    }
}

static int fill(const struct restore *restore, struct err *err)
{
    struct loop loop;
    struct seal *seal = NULL;
    struct store *store = NULL;
    loop_init(&loop);
    /* With a key that is given, not with one that lies where the server may have it from. */
    bool is_given = !config_is_credential(restore->config, "store.key_file");
    int result = is_given ? seal_from_config(&seal, restore->config, err) : 0;
    if (result == 0) {
        store = store_open(&store_sqlite, restore->staged, &loop, err);
        result = store ? 0 : err->code;
    }
    if (result == 0)
        result = store_use_seal(store, seal, err);
    if (result == 0)
        result = store_fill(store, &restore->archive->contents, seal, err);
    if (store)
        store_close(store); /* with which SQLite moves its log into the file */
    seal_free(seal);
    loop_fini(&loop);
    return result;
}

/* With a log that could not be moved the file alone is not the store. */
static int check_alone(const struct restore *restore, struct err *err)
{
    char *log = mem_format("%s-wal", restore->staged);
    bool is_alone = access(log, F_OK) != 0;
    free(log);
    return is_alone ? 0
                    : err_set(err, ERR_IO,
                              "%s cannot be completed; nothing was restored. Is the disk full?",
                              restore->staged);
}

static int place_store(struct restore *restore, struct err *err)
{
    const char *path = restore->config->store_path;
    if (!file_hand_over(restore->staged, restore->folder) ||
        !file_put_in_place(restore->staged, path))
        return err_set(err, ERR_IO, "%s cannot be written: %s.", path, strerror(errno));
    if (file_sync_folder(path))
        return 0;
    int reason = errno;
    unlink(path);
    return err_set(err, ERR_IO, "%s is written, but not for good: %s.", path, strerror(reason));
}

static void undo(struct restore *restore)
{
    while (restore->placed_count) {
        char *path = restore->placed[--restore->placed_count];
        unlink(path);
        free(path);
    }
}

static void count(const struct archive *archive, struct restored *restored)
{
    restored->accounts = archive->contents.row_count;
    for (size_t i = 0; i < archive->contents.row_count; i++)
        restored->debts += archive->contents.rows[i].owed_since_unix != 0;
}

/* The store comes last: with it, all is there. */
static int put_all(struct restore *restore, struct restored *restored, struct err *err)
{
    bool has_store = restore->archive->head.has_secrets;
    remove_staged(restore); /* that an earlier one left which was killed */
    int result = has_store ? fill(restore, err) : 0;
    if (result == 0 && has_store)
        result = check_alone(restore, err);
    if (result == 0)
        result = place_key(restore, err);
    if (result == 0)
        result = place_files(restore, restored, err);
    if (result == 0 && has_store)
        result = place_store(restore, err);
    if (result != 0)
        undo(restore);
    remove_staged(restore);
    return result;
}

static char *folder_of(const char *path)
{
    char *copy = mem_text(path);
    char *folder = mem_text(dirname(copy));
    free(copy);
    return folder;
}

static int lock_place(const struct config *config, int *lock, struct err *err)
{
    int result = store_lock(config->store_path, lock, err);
    if (result == ERR_BUSY)
        err_set(err, ERR_BUSY,
                "A server runs on the store %.200s. Stop it and move its store away, or set "
                "store.path to another folder.",
                config->store_path);
    return result;
}

/* The server must be able to take it, too. */
static void hand_over_lock(const struct restore *restore)
{
    char *path = mem_format("%s.lock", restore->config->store_path);
    file_hand_over(path, restore->folder);
    free(path);
}

int restore_put(const struct archive *archive, const struct config *config,
                struct restored *restored, struct err *err)
{
    int lock;
    *restored = (struct restored){0};
    int result = lock_place(config, &lock, err);
    if (result != 0)
        return result;
    struct restore restore = {.archive = archive, .config = config};
    restore.folder = folder_of(config->store_path);
    restore.staged = mem_format("%s.restoring", config->store_path);
    hand_over_lock(&restore);
    result = check_empty(config, err);
    if (result == 0)
        result = put_all(&restore, restored, err);
    if (result == 0)
        count(archive, restored);
    while (restore.placed_count)
        free(restore.placed[--restore.placed_count]);
    free(restore.staged);
    free(restore.folder);
    close(lock);
    return result;
}
