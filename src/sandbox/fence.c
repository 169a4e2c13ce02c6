#include "sandbox/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* Later than Debian bookworm's headers. */
#define ACCESS_TRUNCATE (1ULL << 14)
#define ACCESS_IOCTL_DEV (1ULL << 15)

/* All that there is to forbid, from 5.13 on (ABI 1); none of it is let in but what `rights` has. */
#define FIRST_ACCESSES ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

static const struct {
    int abi; /* of the kernel that has it first */
    uint64_t access;
} later_accesses[] = {{2, LANDLOCK_ACCESS_FS_REFER}, {3, ACCESS_TRUNCATE}, {5, ACCESS_IOCTL_DEV}};

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LISTENING                                                                                  \
    (LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)

static const uint64_t rights[] = {
    [FENCE_READ] = READING,
    [FENCE_WRITE] = READING | LISTENING | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE |
                    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                    LANDLOCK_ACCESS_FS_REMOVE_DIR,
    [FENCE_LISTEN] = LISTENING,
};
/* What can be said of a file that is no folder. */
#define OF_A_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)

struct fence {
    int ruleset;
    uint64_t handled;
};

static uint64_t accesses_of(int abi)
{
    uint64_t accesses = FIRST_ACCESSES;
    for (size_t i = 0; i < sizeof later_accesses / sizeof *later_accesses; i++)
        if (abi >= later_accesses[i].abi)
            accesses |= later_accesses[i].access;
    return accesses;
}

static int lacks(struct err *err)
{
    if (errno == ENOSYS)
        return err_set(err, ERR_NOT_FOUND, "this kernel has no Landlock (Linux 5.13)");
    if (errno == EOPNOTSUPP)
        return err_set(err, ERR_NOT_FOUND, "Landlock was not switched on when this machine booted");
    return err_set(err, ERR_NOT_FOUND, "Landlock cannot be used here: %s", strerror(errno));
}

struct fence *fence_new(struct err *err)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        lacks(err);
        return NULL;
    }
    struct landlock_ruleset_attr forbidden = {.handled_access_fs = accesses_of((int)abi)};
    /* The first field alone: a kernel of before the others would not know them. */
    long ruleset =
        syscall(SYS_landlock_create_ruleset, &forbidden, sizeof forbidden.handled_access_fs, 0U);
    if (ruleset < 0) {
        lacks(err);
        return NULL;
    }
    struct fence *fence = mem_new(sizeof *fence);
    fence->ruleset = (int)ruleset;
    fence->handled = forbidden.handled_access_fs;
    return fence;
}

void fence_free(struct fence *fence)
{
    if (!fence)
        return;
    close(fence->ruleset);
    free(fence);
}

int fence_let_in(struct fence *fence, const char *path, enum fence_right right, struct err *err)
{
    int place = open(path, O_PATH | O_CLOEXEC);
    struct stat status;
    if (place < 0) /* not there, or below a folder that we may not enter anyway */
        return 0;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights[right] & fence->handled,
                                              .parent_fd = place};
    int result = 0;
    if (fstat(place, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed_access &= OF_A_FILE;
    if (rule.allowed_access &&
        syscall(SYS_landlock_add_rule, fence->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) != 0)
        result = err_set(err, ERR_IO, "Landlock takes no rule for %s: %s", path, strerror(errno));
    close(place);
    return result;
}

int fence_close(struct fence *fence, struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_landlock_restrict_self, fence->ruleset, 0U) == 0)
        return 0;
    return err_set(err, ERR_IO, "Landlock cannot be entered: %s", strerror(errno));
}
