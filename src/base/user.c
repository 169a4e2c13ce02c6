#include "base/user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* A number that ends at `end` or with the text; false: it is none. */
static bool read_id(const char *text, char end, unsigned *id)
{
    char *rest;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long value = strtoul(text, &rest, 10);
    *id = (unsigned)value;
    return !errno && value < (unsigned)-1 && (*rest == end || *rest == '\0');
}

int user_find(struct user *user, const char *name, struct err *err)
{
    unsigned uid, gid;
    const char *colon = strchr(name, ':');
    if (read_id(name, ':', &uid)) {
        if (!colon)
            gid = uid;
        else if (!read_id(colon + 1, '\0', &gid))
            return err_set(err, ERR_INVALID, "user: the group after the colon is no number");
        *user = (struct user){uid, gid};
        return 0;
    }
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return err_set(err, ERR_NOT_FOUND, "user: there is no user \"%s\"", name);
    *user = (struct user){entry->pw_uid, entry->pw_gid};
    return 0;
}

static bool is_shared(const char *folder, const struct stat *status)
{
    static const char *const shared[] = {"/",    "/etc", "/home", "/mnt", "/opt",    "/root",
                                         "/run", "/srv", "/usr",  "/var", "/var/lib"};
    char whole[4096];
    if ((status->st_mode & S_ISVTX) || !realpath(folder, whole))
        return true;
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strcmp(whole, shared[i]) == 0)
            return true;
    return false;
}

/* Without the right to give files away (no CAP_CHOWN), and where there is none to be had: CIFS,
 * exFAT, a read-only mount. */
static bool cannot_be_given(int reason)
{
    return reason == EPERM || reason == EROFS;
}

static int fail(const char *path, struct err *err)
{
    return err_set(err, cannot_be_given(errno) ? ERR_REFUSED : ERR_IO,
                   "user: %s, of the folder of store.path, cannot be handed over (%s); give it to "
                   "that user with chown, or start as that user",
                   path, strerror(errno));
}

/* One file of a folder that can be given away, such as a mount of its own. Whoever needs it will
 * say so. */
static int fail_entry(const char *name, struct err *err)
{
    if (!cannot_be_given(errno))
        return fail(name, err);
    log_warn("%s, in the folder of store.path, stays root's: %s", name, strerror(errno));
    return 0;
}

/* With a second name it may be a file of somewhere else. */
static bool is_only_here(const struct stat *status)
{
    return status->st_uid == 0 && !S_ISDIR(status->st_mode) && status->st_nlink == 1;
}

/* Only made readable for the user's group, where it is not for everybody. */
static int spare(const struct user *user, int folder, const char *name, struct err *err)
{
    struct stat status;
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return 0; /* a link, or gone */
    int result = 0;
    if (fstat(file, &status) == 0 && is_only_here(&status) && S_ISREG(status.st_mode) &&
        !(status.st_mode & S_IROTH) &&
        (fchown(file, (uid_t)-1, user->gid) != 0 ||
         fchmod(file, (status.st_mode & 0777) | S_IRGRP) != 0))
        result = fail_entry(name, err);
    close(file);
    return result;
}

/* What is looked at is what is handed over: the folder may be another's already, who could put
 * something else in its place in between. */
static int take_over_entry(const struct user *user, int folder, const char *name, struct err *err)
{
    struct stat status;
    int file = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return 0; /* gone */
    int result = 0;
    if (fstat(file, &status) == 0 && is_only_here(&status) &&
        fchownat(file, "", user->uid, user->gid, AT_EMPTY_PATH) != 0)
        result = fail_entry(name, err);
    close(file);
    return result;
}

static bool is_entry(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_of_database(const char *name, const char *database)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    size_t length = strlen(database);
    if (strncmp(name, database, length) != 0)
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (strcmp(name + length, suffixes[i]) == 0)
            return true;
    return false;
}

static bool is_spared(const char *name, const char *const *spared)
{
    for (; *spared; spared++)
        if (is_of_database(name, *spared))
            return true;
    return false;
}

static int take_over_entries(const struct user *user, int folder, const char *const *spared,
                             struct err *err)
{
    int copy = dup(folder);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    if (!entries) {
        int result = fail("the folder", err);
        if (copy >= 0)
            close(copy);
        return result;
    }
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(entries));) {
        const char *name = entry->d_name;
        if (is_spared(name, spared))
            result = spare(user, folder, name, err);
        else if (is_entry(name))
            result = take_over_entry(user, folder, name, err);
    }
    closedir(entries);
    return result;
}

/* Root without CAP_DAC_OVERRIDE sees nothing there, but had handed the folder over itself. */
static bool is_closed_by_owner(const char *folder)
{
    struct stat status;
    int reason = errno;
    return reason == EACCES && stat(folder, &status) == 0 && status.st_uid != 0;
}

int user_take_over(const struct user *user, const char *folder, const char *const *spared,
                   struct err *err)
{
    struct stat status;
    mkdir(folder, 0700); /* where it is missing, and its parent is there */
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || is_closed_by_owner(folder) ? 0 : fail(folder, err);
    int result = 0;
    if (fstat(fd, &status) != 0 || is_shared(folder, &status))
        goto out;
    bool is_roots = status.st_uid == 0;
    if (is_roots && fchown(fd, user->uid, user->gid) != 0)
        result = fail(folder, err); /* nothing in it is given away either */
    /* Root without CAP_DAC_OVERRIDE looks into it only as long as it is root's. */
    bool is_taken_back = result == 0 && is_roots && fchown(fd, 0, status.st_gid) == 0;
    if (result == 0)
        result = take_over_entries(user, fd, spared, err);
    if (result == 0 && is_taken_back && fchown(fd, user->uid, user->gid) != 0)
        result = fail(folder, err);
out:
    close(fd);
    return result;
}

/* Its owner needs no group for it, least of all root's, which `chown UID` leaves there. */
bool user_of_folder(struct user *user, const char *folder)
{
    struct stat status;
    if (stat(folder, &status) != 0 || status.st_uid == 0 || is_shared(folder, &status))
        return false;
    const struct passwd *entry = getpwuid(status.st_uid);
    gid_t own = entry && entry->pw_gid ? entry->pw_gid : (gid_t)status.st_uid;
    *user = (struct user){status.st_uid, status.st_gid ? status.st_gid : own};
    return true;
}

bool user_enter(const char *path)
{
    struct user owner;
    if (errno != EACCES || geteuid() != 0)
        return false;
    char *copy = mem_text(path);
    char *folder = realpath(dirname(copy), NULL); /* nor may it look at "." there */
    bool is_entered = folder && user_of_folder(&owner, folder) && seteuid(owner.uid) == 0;
    free(folder);
    free(copy);
    errno = EACCES;
    return is_entered;
}

void user_leave(void)
{
    int reason = errno;
    if (seteuid(0) != 0)
        abort();               /* the real id is still root's: it cannot fail */
    prctl(PR_SET_DUMPABLE, 0); /* which fs.suid_dumpable has decided anew */
    errno = reason;
}

/* Tried and taken back: the real ids stay, and with them the right to return. */
bool user_is_possible(const struct user *user)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    bool is_possible = setegid(user->gid) == 0 && seteuid(user->uid) == 0;
    return seteuid(uid) == 0 && setegid(gid) == 0 && is_possible;
}

int user_become(const struct user *user, struct err *err)
{
    if (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0)
        return err_set(err, ERR_IO, "user: this process cannot become that user (%s)",
                       strerror(errno));
    if (user->uid != 0 && setuid(0) == 0)
        return err_set(err, ERR_IO, "user: this process can become root again");
    /* With another user the machine's fs.suid_dumpable decides it anew. */
    prctl(PR_SET_DUMPABLE, 0);
    return 0;
}
