#include "store/mollysocket_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "store/mollysocket.h"

enum {
    TRIES = 3,
    MOST = 1 << 30, /* a million accounts have less; it must not fill the store's disk */
};

/* Nobody else names a folder so. */
static const char prefix[] = ".doorbell-copy-", random_part[] = "XXXXXX", name_inside[] = "copy";

/* The database itself and what SQLite may leave beside it. The shared memory is made anew. */
static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
enum { NAMES = sizeof suffixes / sizeof *suffixes, FILES = NAMES - 1 };

/* Of a service with DynamicUser= (systemd.exec(5)): somebody else's tomorrow. */
static bool is_dynamic(uid_t user)
{
    return user >= 61184 && user <= 65519;
}

int mollysocket_unreadable(const char *path, int reason, struct err *err)
{
    if (reason == ENOENT || reason == ENOTDIR)
        return err_set(err, ERR_NOT_FOUND, "%s does not exist.", path);
    if ((reason == EACCES || reason == EPERM) && is_dynamic(geteuid()))
        return err_set(err, ERR_IO,
                       "%s cannot be read by this service's user: %s. Stop the service and run as "
                       "root: doorbell import %s.",
                       path, strerror(reason), path);
    if (reason == EACCES || reason == EPERM)
        return err_set(err, ERR_IO,
                       "%s cannot be read by this user (id %u): %s. Give it to that user with "
                       "\"chown %u %s\"; its folder must let that user in, too.",
                       path, (unsigned)geteuid(), strerror(reason), (unsigned)geteuid(), path);
    return err_set(err, ERR_IO, "%s cannot be read: %s.", path, strerror(reason));
}

/* What tells that a file was written meanwhile; all zero where there is none. */
struct trace {
    struct stat status[FILES];
};

static void take_trace(const char *path, struct trace *trace)
{
    memset(trace, 0, sizeof *trace);
    for (int i = 0; i < FILES; i++) {
        char *name = mem_format("%s%s", path, suffixes[i]);
        struct stat status, *kept = &trace->status[i];
        if (stat(name, &status) == 0) {
            kept->st_ino = status.st_ino;
            kept->st_size = status.st_size;
            kept->st_mtim = status.st_mtim;
            kept->st_ctim = status.st_ctim;
        }
        free(name);
    }
}

static int copy_bytes(int from, int to)
{
    char piece[16384];
    for (;;) {
        ssize_t got = read(from, piece, sizeof piece);
        if (got <= 0)
            return got == 0 ? 0 : errno;
        for (ssize_t at = 0, wrote; at < got; at += wrote)
            if ((wrote = write(to, piece + at, (size_t)(got - at))) < 0)
                return errno;
    }
}

static int copy_file(const char *path, const char *copy, struct err *err)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return mollysocket_unreadable(path, errno, err);
    int to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int reason = to >= 0 ? copy_bytes(from, to) : errno;
    close(from);
    if (to >= 0)
        close(to);
    if (reason)
        return err_set(err, ERR_IO, "%s cannot be copied to %s to read it there: %s.", path, copy,
                       strerror(reason));
    return 0;
}

static int copy_files(const char *path, const char *copy, struct err *err)
{
    int result = 0;
    for (int i = 0; i < FILES && result == 0; i++) {
        char *from = mem_format("%s%s", path, suffixes[i]);
        char *to = mem_format("%s%s", copy, suffixes[i]);
        unlink(to);
        result = copy_file(from, to, err);
        if (result == ERR_NOT_FOUND && i > 0)
            result = 0;
        free(from);
        free(to);
    }
    return result;
}

static int too_large(const char *path, int64_t size, struct err *err)
{
    return err_set(err, ERR_LIMIT,
                   "%s can be read from a copy only, as it is in WAL mode or its last change was "
                   "cut off, and with %lld MB it is too large for one. Stop MollySocket and run: "
                   "sqlite3 %s \"PRAGMA journal_mode = DELETE\"",
                   path, (long long)(size >> 20), path);
}

static int64_t size_of(const struct trace *trace)
{
    int64_t size = 0;
    for (int i = 0; i < FILES; i++)
        size += trace->status[i].st_size;
    return size;
}

/* A copy that is whole: nobody wrote while it was made. */
static int copy_whole(const char *path, const char *copy, struct err *err)
{
    for (int i = 0; i < TRIES; i++) {
        struct trace before, after;
        take_trace(path, &before);
        if (size_of(&before) > MOST)
            return too_large(path, size_of(&before), err);
        int result = copy_files(path, copy, err);
        if (result != 0)
            return result;
        take_trace(path, &after);
        if (memcmp(&before, &after, sizeof before) == 0)
            return 0;
    }
    return err_set(err, ERR_BUSY, "%s is being written: stop MollySocket first.", path);
}

static int no_room(const char *path, const char *scratch, struct err *err)
{
    return err_set(err, ERR_IO,
                   "%s can be read from a copy only, and no folder for it can be made in %s: %s.",
                   path, scratch, strerror(errno));
}

/* Locked until it is removed, so that nobody takes it for one that was left. */
static int make_folder(struct mollysocket_copy *copy)
{
    if (!mkdtemp(copy->folder))
        return ERR_IO;
    copy->lock = open(copy->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy->lock >= 0 && flock(copy->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int reason = errno;
    rmdir(copy->folder);
    errno = reason;
    return ERR_IO;
}

static void copy_fini(struct mollysocket_copy *copy)
{
    if (copy->lock >= 0)
        close(copy->lock);
    free(copy->folder);
    free(copy->path);
}

int mollysocket_copy_make(struct mollysocket_copy *copy, const char *path, const char *scratch,
                          struct err *err)
{
    *copy = (struct mollysocket_copy){.lock = -1};
    copy->folder = mem_format("%s/%s%s", scratch, prefix, random_part);
    if (make_folder(copy) != 0) {
        no_room(path, scratch, err);
        copy_fini(copy);
        return err->code;
    }
    copy->path = mem_format("%s/%s", copy->folder, name_inside);
    int result = copy_whole(path, copy->path, err);
    if (result != 0)
        mollysocket_copy_remove(copy);
    return result;
}

/* Removing */

static void remove_files(int folder)
{
    for (int i = 0; i < NAMES; i++) {
        char *name = mem_format("%s%s", name_inside, suffixes[i]);
        unlinkat(folder, name, 0);
        free(name);
    }
}

void mollysocket_copy_remove(struct mollysocket_copy *copy)
{
    remove_files(copy->lock);
    rmdir(copy->folder);
    copy_fini(copy);
}

static bool is_name_of_copy(const char *name)
{
    return text_starts(name, prefix) && strlen(name) == strlen(prefix) + strlen(random_part);
}

/* One of our own that nobody holds: its process was killed. */
static bool is_left(int folder)
{
    struct stat status;
    return fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
           (status.st_mode & 0777) == 0700 && flock(folder, LOCK_EX | LOCK_NB) == 0;
}

static bool is_name_inside(const char *name)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    if (!text_starts(name, name_inside))
        return false;
    for (int i = 0; i < NAMES; i++)
        if (strcmp(name + strlen(name_inside), suffixes[i]) == 0)
            return true;
    return false;
}

static bool has_nothing_else(int folder)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again >= 0 ? fdopendir(again) : NULL;
    bool is_pure = entries;
    for (struct dirent *entry; is_pure && (entry = readdir(entries));)
        is_pure = is_name_inside(entry->d_name);
    if (entries)
        closedir(entries);
    else if (again >= 0)
        close(again);
    return is_pure;
}

/* Only what a copy consists of: a folder with anything else in it stays as it is. */
static void remove_left(int scratch, const char *name)
{
    int folder = openat(scratch, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return;
    if (is_left(folder) && has_nothing_else(folder)) {
        remove_files(folder);
        unlinkat(scratch, name, AT_REMOVEDIR);
    }
    close(folder);
}

void mollysocket_forget_copies(const char *scratch)
{
    DIR *entries = opendir(scratch);
    if (!entries)
        return;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (is_name_of_copy(entry->d_name))
            remove_left(dirfd(entries), entry->d_name);
    closedir(entries);
}
