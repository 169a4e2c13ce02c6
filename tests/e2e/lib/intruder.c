/* Preloaded into the program under test: somebody who got in. On SIGUSR2 it tries what is none of a
 * push bridge's business, from within the running server, and says on standard error what came of
 * each: "intruder: NAME ERRNO", 0 where it was let. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Were something let through after all, it should do no harm here. */
#define NOWHERE "/doorbell-none/none"

static void tell(const char *name, long result)
{
    int reason = result < 0 ? errno : 0;
    char line[80];
    int length = snprintf(line, sizeof line, "intruder: %s %d\n", name, reason);
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        abort();
}

static void try_files(void)
{
    tell("read", open(getenv("INTRUDER_SECRET"), O_RDONLY));
    tell("list", open("/", O_RDONLY | O_DIRECTORY));
    tell("write", open(getenv("INTRUDER_SECRET"), O_WRONLY | O_APPEND));
    tell("make", open("/tmp/doorbell-intruder", O_WRONLY | O_CREAT, 0600));
    tell("remove", unlink(getenv("INTRUDER_SECRET")));
    tell("settings", open(getenv("INTRUDER_NAMED"), O_WRONLY | O_APPEND));
    tell("others", open("/proc/1/environ", O_RDONLY));
}

static void try_calls(void)
{
    char *words[] = {NOWHERE, NULL}, *none[] = {NULL};
    tell("execve", execve(words[0], words, none));
    tell("fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    tell("ptrace", syscall(SYS_ptrace, 0L, 0L, 0L, 0L));
    tell("peek", syscall(SYS_process_vm_readv, (long)getppid(), NULL, 0L, NULL, 0L, 0L));
    tell("kill", kill(getppid(), 0));
    tell("owner", fcntl(STDERR_FILENO, F_SETOWN, getppid()));
    tell("packet", socket(AF_PACKET, SOCK_RAW, 0));
    tell("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    tell("alg", socket(AF_ALG, SOCK_SEQPACKET, 0));
    tell("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    tell("bpf", syscall(SYS_bpf, 0, NULL, 0));
    tell("mount", syscall(SYS_mount, "none", NOWHERE, "tmpfs", 0L, NULL));
    tell("unshare", unshare(CLONE_NEWUSER));
    tell("chroot", chroot(NOWHERE));
    tell("setuid", syscall(SYS_setuid, 0));
    tell("module", syscall(SYS_init_module, NULL, 0L, ""));
    tell("keyctl", syscall(SYS_keyctl, 0L, 0L, 0L, 0L, 0L));
    tell("memfd", syscall(SYS_memfd_create, "x", 0));
    tell("device", mknod(NOWHERE, S_IFCHR, 0));
    tell("terminal", ioctl(-1, TIOCSTI, "x"));
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tell("code", code == MAP_FAILED ? -1 : 0);
    tell("unknown", syscall(9999L));
}

static void on_signal(int number)
{
    (void)number;
    int reason = errno;
    try_files();
    try_calls();
    tell("end", 0);
    errno = reason;
}

/* Where the process is one that was told whom to rob; everything else is preloaded, too. */
__attribute__((constructor)) static void get_in(void)
{
    if (getenv("INTRUDER_SECRET"))
        signal(SIGUSR2, on_signal);
}
