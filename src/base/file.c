#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static long read_all(int fd, char *bytes, size_t most)
{
    size_t length = 0;
    while (length < most) {
        ssize_t got = read(fd, bytes + length, most - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    return (long)length;
}

long file_read(const char *path, char *bytes, size_t most, bool *is_open)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -1;
    struct stat status;
    long length = fstat(fd, &status) == 0 ? read_all(fd, bytes, most) : -1;
    int reason = errno;
    *is_open = length >= 0 && (status.st_mode & S_IRWXO);
    close(fd);
    errno = reason;
    return length;
}

bool file_is_same(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_ino == second.st_ino &&
           first.st_dev == second.st_dev;
}

bool file_is_open(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && (status.st_mode & S_IRWXO);
}

/* access() goes by modes alone. */
static bool is_refused(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == EACCES && access(path, R_OK) == 0;
}

bool file_is_fenced_off(const char *path)
{
    int reason = errno;
    char *copy = mem_text(path);
    bool is_off = is_refused(access(path, F_OK) == 0 ? path : dirname(copy));
    free(copy);
    errno = reason;
    return is_off;
}

/* Replacing */

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return fsync(fd) == 0;
}

static bool hand_over(int fd, const char *like)
{
    struct stat status;
    return !like || geteuid() != 0 || stat(like, &status) != 0 ||
           fchown(fd, status.st_uid, status.st_gid) == 0;
}

bool file_hand_over(const char *path, const char *like)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool done = hand_over(fd, like);
    int reason = errno;
    close(fd);
    errno = reason;
    return done;
}

/* Making */

/* Opened once: what is made in it and whose it is are of the same folder, whoever gives another one
 * its name meanwhile. It may be a link, as systemd's for DynamicUser= are. */
static int open_folder_of(const char *path)
{
    char *copy = mem_text(path);
    int folder = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    return folder;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Only what is new may be given away: where there was a file already, that user may have put
 * another's there. False: this root may not, as in some containers, and keeps it. */
static bool give_to_folder(int fd, int folder)
{
    struct stat status;
    bool is_theirs = geteuid() == 0 && fstat(folder, &status) == 0 && status.st_uid != 0;
    return !is_theirs || fchown(fd, status.st_uid, status.st_gid) == 0;
}

static int make_in(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        give_to_folder(fd, folder);
    return fd;
}

/* Where others may put a link, root would make a file wherever that leads. */
static bool is_others(int folder)
{
    struct stat status;
    return geteuid() == 0 && (fstat(folder, &status) != 0 || status.st_uid != 0 ||
                              (status.st_mode & (S_IWGRP | S_IWOTH)));
}

static int open_or_make_in(int folder, const char *name)
{
    int fd = make_in(folder, name);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    fd = openat(folder, name, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && !is_others(folder)) /* a link that leads to none yet */
        fd = openat(folder, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd;
}

static int in_folder_of(const char *path, int (*open_in)(int folder, const char *name))
{
    int folder = open_folder_of(path);
    if (folder < 0)
        return -1;
    int fd = open_in(folder, name_of(path));
    int reason = errno;
    close(folder);
    errno = reason;
    return fd;
}

int file_open_or_make(const char *path)
{
    return in_folder_of(path, open_or_make_in);
}

int file_make(const char *path)
{
    return in_folder_of(path, make_in);
}

/* Some file systems know only the older way. */
bool file_put_in_place(const char *temporary, const char *path)
{
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    return link(temporary, path) == 0 && unlink(temporary) == 0;
}

bool file_sync_folder(const char *path)
{
    char *copy = mem_text(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return false;
    /* EINVAL: a file system that has nothing to write for folders. */
    bool done = fsync(fd) == 0 || errno == EINVAL;
    int reason = errno;
    close(fd);
    errno = reason;
    return done;
}

static bool replace(const char *temporary, const char *path)
{
    return rename(temporary, path) == 0;
}

static enum file_replaced write_beside(const char *path, const void *bytes, size_t length,
                                       const char *like,
                                       bool (*place)(const char *temporary, const char *path))
{
    char *temporary = mem_format("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC); /* 0600, and never one that is there */
    bool done =
        fd >= 0 && write_all(fd, bytes, length) && hand_over(fd, like) && place(temporary, path);
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !done)
        unlink(temporary);
    free(temporary);
    errno = reason;
    if (!done)
        return FILE_NOT_REPLACED;
    return file_sync_folder(path) ? FILE_REPLACED : FILE_NOT_SYNCED;
}

enum file_replaced file_replace(const char *path, const void *bytes, size_t length,
                                const char *like)
{
    return write_beside(path, bytes, length, like, replace);
}

enum file_replaced file_create(const char *path, const void *bytes, size_t length, const char *like)
{
    return write_beside(path, bytes, length, like, file_put_in_place);
}
