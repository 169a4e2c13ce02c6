#include "sandbox/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef PR_SET_VMA /* Linux 5.17 */
#define PR_SET_VMA 0x53564d41
#endif

/* Whatever their arguments. Names that an architecture or libseccomp does not have are passed over:
 * of a call that came in several widths, each has some. By what they are for; what is not here and
 * not in `bounded` is refused: no program is started, nothing is mounted, traced or loaded, no
 * user, namespace, clock or limit of others is changed, and there is no io_uring (libuv goes
 * without), whose rings no filter sees. */
/* clang-format off */
static const char *const plain[] = {
    /* files, as far as the fence lets in */
    "openat", "open", "close", "read", "pread64", "readv", "preadv", "preadv2", "write", "pwrite64",
    "writev", "pwritev", "pwritev2", "lseek", "_llseek", "stat", "stat64", "fstat", "fstat64",
    "lstat", "lstat64", "newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs",
    "fstatfs64", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents",
    "getdents64", "getcwd", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat",
    "renameat2", "link", "linkat", "ftruncate", "ftruncate64", "fallocate", "fsync", "fdatasync",
    "chmod", "fchmod", "fchmodat", "fchown", "fchown32", "flock", "umask",
    "utimensat", "utimensat_time64", "dup", "dup2", "dup3", "pipe", "pipe2", "eventfd", "eventfd2",
    /* network */
    "bind", "connect", "listen", "accept", "accept4", "getsockname", "getpeername", "getsockopt",
    "setsockopt", "send", "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg",
    "recvmmsg", "recvmmsg_time64", "shutdown",
    /* waiting, and the time */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
    "timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime",
    "timerfd_gettime64", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "clock_gettime",
    "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "time",
    "restart_syscall",
    /* memory */
    "brk", "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock", "membarrier",
    /* threads */
    "futex", "futex_time64", "set_robust_list", "set_tid_address", "rseq", "exit", "exit_group",
    "gettid", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "getcpu",
    "set_tls", "cacheflush", "riscv_flush_icache", "riscv_hwprobe",
    /* signals */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigpending",
    "rt_sigtimedwait", "rt_sigtimedwait_time64", "sigaltstack",
    /* itself */
    "getpid", "getppid", "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32",
    "getegid", "getegid32", "uname", "sysinfo", "getrusage", "times", "getrlimit", "ugetrlimit",
    "setrlimit", "getrandom",
#ifdef SANITIZED
    /* LeakSanitizer, at the end, looks at all threads from a process that traces them */
    "clone", "ptrace", "wait4", "prctl", "mprotect", "tkill",
#endif
};
/* clang-format on */

/* One call, where the bits of `mask` in its argument number `at` are those of `value`. An argument
 * that is an int may have anything in its upper half. */
struct bounded {
    const char *name;
    unsigned at;
    uint64_t mask, value;
};

#define WHOLE_INT 0xffffffffU
#define NOT_BOTH (PROT_WRITE | PROT_EXEC)
#define THREAD (CLONE_VM | CLONE_THREAD)

static const struct bounded bounded[] = {
    {"socket", 0, WHOLE_INT, AF_INET},
    {"socket", 0, WHOLE_INT, AF_INET6},
    {"socket", 0, WHOLE_INT, AF_UNIX},
    {"socket", 0, WHOLE_INT, AF_NETLINK}, /* the machine's own addresses */
    {"socketpair", 0, WHOLE_INT, AF_UNIX},
    {"ioctl", 1, WHOLE_INT, FIONBIO},
    {"ioctl", 1, WHOLE_INT, FIOCLEX},
    {"ioctl", 1, WHOLE_INT, FIONREAD},
    {"ioctl", 1, WHOLE_INT, SIOCGIFINDEX},
    {"ioctl", 1, WHOLE_INT, SIOCGIFNAME},
    {"ioctl", 1, WHOLE_INT, TCGETS}, /* isatty() */
    {"ioctl", 1, WHOLE_INT, TIOCGWINSZ},
    /* Memory is not both written and executed; libraries that are loaded late need no such. */
    {"mmap", 2, NOT_BOTH, 0},
    {"mmap", 2, NOT_BOTH, PROT_WRITE},
    {"mmap", 2, NOT_BOTH, PROT_EXEC},
    {"mmap2", 2, NOT_BOTH, 0},
    {"mmap2", 2, NOT_BOTH, PROT_WRITE},
    {"mmap2", 2, NOT_BOTH, PROT_EXEC},
    {"mprotect", 2, PROT_EXEC, 0},
/* No process. clone3, whose flags no filter sees, is refused: libc then takes this one. */
#if defined(__s390__)
    {"clone", 1, THREAD, THREAD}, /* has its stack first */
#else
    {"clone", 0, THREAD, THREAD},
#endif
    {"prlimit64", 0, WHOLE_INT, 0},
    {"prctl", 0, WHOLE_INT, PR_SET_NAME},
    {"prctl", 0, WHOLE_INT, PR_GET_NAME},
    {"prctl", 0, WHOLE_INT, PR_SET_VMA},
};

/* What fcntl may do: nothing that has the kernel send signals to others (F_SETOWN, F_SETSIG). */
static const int descriptor_commands[] = {
    F_DUPFD,   F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,
    F_SETFL,   F_GETLK,         F_SETLK,     F_SETLKW,    F_GETLK64,
    F_SETLK64, F_SETLKW64,      F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
};

/* 0, or a negative errno. `bounds` NULL: whatever its arguments. */
static int allow(scmp_filter_ctx filter, const char *name, const struct bounded *bounds)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0;
    struct scmp_arg_cmp compared = {0};
    if (bounds)
        compared = (struct scmp_arg_cmp){.arg = bounds->at,
                                         .op = SCMP_CMP_MASKED_EQ,
                                         .datum_a = bounds->mask,
                                         .datum_b = bounds->value};
    int result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, bounds != NULL, &compared);
    /* Not of this architecture, or allowed already. */
    return result == -EDOM || result == -EEXIST ? 0 : result;
}

/* Processors of 32 bits have the second one, for large files. */
static int allow_descriptor_commands(scmp_filter_ctx filter)
{
    static const char *const names[] = {"fcntl", "fcntl64"};
    int result = 0;
    for (size_t i = 0; i < sizeof descriptor_commands / sizeof *descriptor_commands; i++)
        for (size_t j = 0; j < sizeof names / sizeof *names && result == 0; j++) {
            const struct bounded command = {names[j], 1, WHOLE_INT,
                                            (uint64_t)descriptor_commands[i]};
            result = allow(filter, names[j], &command);
        }
    return result;
}

static int add_rules(scmp_filter_ctx filter, struct err *err)
{
    /* A signal to this very process alone, for abort() and raise(). */
    const struct bounded own_signals = {"tgkill", 0, WHOLE_INT, (uint64_t)getpid()};
    int result = allow(filter, own_signals.name, &own_signals);
    for (size_t i = 0; i < sizeof plain / sizeof *plain && result == 0; i++)
        result = allow(filter, plain[i], NULL);
    for (size_t i = 0; i < sizeof bounded / sizeof *bounded && result == 0; i++)
        result = allow(filter, bounded[i].name, &bounded[i]);
    if (result == 0)
        result = allow_descriptor_commands(filter);
    if (result == 0)
        return 0;
    return err_set(err, ERR_IO, "libseccomp takes no rule: %s", strerror(-result));
}

/* Where the kernel or libseccomp is too old for one of them, it is better without than none. */
static void set_manners(scmp_filter_ctx filter)
{
    /* Calls in the way of another architecture (32 bits): by default they kill. */
    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, for some 200 names */
    seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
}

static int check_kernel(struct err *err)
{
    uint32_t action = SECCOMP_RET_ERRNO;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0)
        return 0;
    if (errno == ENOSYS || errno == EINVAL)
        return err_set(err, ERR_NOT_FOUND, "this kernel has no seccomp filters (Linux 4.14)");
    return err_set(err, ERR_NOT_FOUND, "seccomp cannot be used here: %s", strerror(errno));
}

int calls_limit(struct err *err)
{
    int result = check_kernel(err);
    if (result != 0)
        return result;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return err_set(err, ERR_IO, "libseccomp cannot make a filter");
    set_manners(filter);
    result = add_rules(filter, err);
    int loaded = result == 0 ? seccomp_load(filter) : 0;
    if (loaded != 0)
        result = err_set(err, ERR_IO, "the kernel takes no filter: %s", strerror(-loaded));
    seccomp_release(filter);
    return result;
}
