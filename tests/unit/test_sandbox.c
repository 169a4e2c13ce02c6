#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "folder.h"
#include "sandbox/calls.h"
#include "sandbox/fence.h"
#include "web/admin_token.h"
#include "web/certificate.h"

/* There is no way out of a sandbox: each is entered in a child, which says on standard error what
 * was not as it should be. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(STDERR_FILENO, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition,             \
                    strerror(errno));                                                              \
            _exit(EXIT_FAILURE);                                                                   \
        }                                                                                          \
    } while (0)

static void in_child(void (*inside)(void))
{
    int status = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        inside();
        _exit(EXIT_SUCCESS);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %#x",
                  (unsigned)status);
}

/* Valgrind has neither Landlock nor seccomp, and a container may forbid the first. */

static bool kernel_has_landlock(void)
{
    struct err err;
    struct fence *fence = fence_new(&err);
    bool has = fence;
    fence_free(fence);
    if (!has)
        printf("test_sandbox: SKIPPED, what is about files: %s\n", err.text);
    return has;
}

static bool kernel_has_seccomp(void)
{
    unsigned action = SECCOMP_RET_ERRNO;
    bool has = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
    if (!has)
        printf("test_sandbox: SKIPPED, what is about system calls: %s\n", strerror(errno));
    return has;
}

/* Settings */

static char *no_environment[] = {NULL};

static struct config *config_with(const char *const *overrides, size_t count)
{
    const struct config_sources sources = {.defaults = "none.yaml",
                                           .environment = no_environment,
                                           .overrides = overrides,
                                           .override_count = count};
    struct err err = {0};
    struct config *config = config_load(&sources, &err);
    if (!config)
        dprintf(STDERR_FILENO, "%s\n", err.text);
    EXPECT(config);
    return config;
}

static const char *const named[] = {"store.path=data/doorbell.db",
                                    "push.headers_file=named/headers.yaml",
                                    "push.ca_file=named/link.pem"};

static void make_tree(void)
{
    static const char *const folders[] = {"data", "named", "target", "other"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ck_assert_int_eq(mkdir(folders[i], 0700), 0);
    write_file("named/headers.yaml", "headers");
    write_file("target/real.pem", "certificate");
    write_file("other/secret", "secret");
    ck_assert_int_eq(symlink("../target/real.pem", "named/link.pem"), 0);
}

static void remove_tree(void)
{
    static const char *const files[] = {"named/headers.yaml", "named/link.pem", "target/real.pem",
                                        "other/secret", "data/doorbell.db"};
    static const char *const folders[] = {"data", "named", "target", "other"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ck_assert_int_eq(rmdir(folders[i]), 0);
}

/* Files */

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool refuses(const char *path, int flags)
{
    errno = 0;
    return !opens(path, flags) && errno == EACCES;
}

static struct sandbox enter(const char *const *overrides, size_t count)
{
    struct sandbox sandbox;
    struct config *config = config_with(overrides, count);
    sandbox_enter(&sandbox, config, NULL);
    config_free(config);
    return sandbox;
}

static void enter_files(void)
{
    struct sandbox sandbox = enter(named, sizeof named / sizeof *named);
    EXPECT(sandbox.files == SANDBOX_ON);
}

static void what_is_outside_is_refused(void)
{
    enter_files();
    EXPECT(refuses("other/secret", O_RDONLY));
    EXPECT(refuses("other/secret", O_WRONLY));
    EXPECT(refuses("other/new", O_WRONLY | O_CREAT));
    EXPECT(refuses("other", O_RDONLY | O_DIRECTORY));
    EXPECT(refuses(".", O_RDONLY | O_DIRECTORY));
    EXPECT(refuses("/", O_RDONLY | O_DIRECTORY));
    EXPECT(mkdir("other/folder", 0700) != 0 && errno == EACCES);
    EXPECT(unlink("other/secret") != 0 && errno == EACCES);
    EXPECT(rename("data", "other/data") != 0 && (errno == EACCES || errno == EXDEV));
    /* Read, and no more. */
    EXPECT(refuses("named/headers.yaml", O_WRONLY));
    EXPECT(refuses("named/new", O_WRONLY | O_CREAT));
    EXPECT(unlink("named/headers.yaml") != 0 && errno == EACCES);
    EXPECT(refuses("/etc/doorbell-unit-test", O_WRONLY | O_CREAT));
    EXPECT(refuses("/proc/1/status", O_RDONLY));
}

static void what_is_needed_is_there(void)
{
    enter_files();
    EXPECT(opens("named/headers.yaml", O_RDONLY));
    EXPECT(opens("named/link.pem", O_RDONLY));
    EXPECT(opens("target", O_RDONLY | O_DIRECTORY)); /* so that another may take its place */
    EXPECT(opens("data/new", O_RDWR | O_CREAT | O_EXCL));
    EXPECT(rename("data/new", "data/doorbell.db") == 0);
    EXPECT(opens("data/doorbell.db", O_RDWR | O_TRUNC));
    EXPECT(mkdir("data/copy", 0700) == 0 && rmdir("data/copy") == 0);
    EXPECT(opens("/etc/hosts", O_RDONLY) || errno == ENOENT);
    EXPECT(opens("/dev/urandom", O_RDONLY));
    EXPECT(opens("/dev/null", O_RDWR));
    EXPECT(opens("/proc/self/statm", O_RDONLY));
}

static int check_reload(const char *override, struct err *err)
{
    const struct sandbox sandbox = {.files = SANDBOX_ON};
    const char *overrides[] = {named[0], override};
    struct config *config = config_with(overrides, 2);
    int result = sandbox_check(&sandbox, config, err);
    config_free(config);
    return result;
}

static void what_a_reload_cannot_reach_is_told(void)
{
    struct err err;
    enter_files();
    EXPECT(file_is_fenced_off("other/secret") && !file_is_fenced_off("named/headers.yaml"));
    EXPECT(check_reload("push.headers_file=other/secret", &err) == ERR_NOT_NOW);
    EXPECT(strstr(err.text, "push.headers_file: ") && strstr(err.text, "restart it"));
    EXPECT(check_reload("admin.token_file=other/not-there-yet", &err) == ERR_NOT_NOW);
    EXPECT(check_reload("metrics.listen=unix:other/socket", &err) == ERR_NOT_NOW);
    EXPECT(check_reload("push.ca_file=named/another.pem", &err) == 0);
    EXPECT(check_reload("metrics.listen=unix:data/socket", &err) == 0);
    /* The configuration itself. */
    EXPECT(!config_load(&(struct config_sources){.file = "other/secret",
                                                 .defaults = "none.yaml",
                                                 .environment = no_environment},
                        &err));
    EXPECT(strstr(err.text, "other/secret: ") && strstr(err.text, "restart it"));
    /* What is read again without a reload. */
    uint8_t hash[ADMIN_HASH_SIZE];
    EXPECT(!certificate_load("other/secret", "other/secret", &err));
    EXPECT(strstr(err.text, "web.tls_cert: ") && strstr(err.text, "restart it"));
    EXPECT(admin_token_load("other/secret", hash, &err) != 0 && strstr(err.text, "restart it"));
}

static void play_in_tree(void (*inside)(void))
{
    struct folder folder;
    if (!kernel_has_landlock())
        return;
    enter_folder(&folder);
    make_tree();
    in_child(inside);
    remove_tree();
    leave_folder(&folder);
}

START_TEST(files_that_nobody_named_are_out_of_reach)
{
    play_in_tree(what_is_outside_is_refused);
}
END_TEST

START_TEST(files_that_the_server_needs_stay_within_reach)
{
    play_in_tree(what_is_needed_is_there);
}
END_TEST

START_TEST(a_reload_tells_what_it_cannot_reach)
{
    play_in_tree(what_a_reload_cannot_reach_is_told);
}
END_TEST

/* Where all would have to be open, it is said, and system calls are walled off all the same. */
static void a_store_in_the_root(void)
{
    const char *root[] = {"store.path=/doorbell-unit.db"};
    struct sandbox sandbox = enter(root, 1);
    EXPECT(sandbox.files == SANDBOX_MISSING);
    EXPECT(sandbox.calls == SANDBOX_ON);
}

START_TEST(a_store_in_the_root_leaves_the_files_open)
{
    if (kernel_has_landlock() && kernel_has_seccomp())
        in_child(a_store_in_the_root);
}
END_TEST

/* System calls */

static bool fails_as_unknown(long result)
{
    return result == -1 && errno == ENOSYS;
}

#define UNKNOWN(...) EXPECT(fails_as_unknown(syscall(__VA_ARGS__)))

/* Were one of them let through after all, it should do no harm here. */
static const char nowhere[] = "/doorbell-none/none";

static void limit_calls(void)
{
    struct err err = {0};
    int result = calls_limit(&err);
    if (result != 0)
        dprintf(STDERR_FILENO, "%s\n", err.text);
    EXPECT(result == 0);
}

static void programs_and_processes(void)
{
    char *const words[] = {(char *)(uintptr_t) "/bin/true", NULL};
    struct clone_args thread = {.flags = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND};
    limit_calls();
    UNKNOWN(SYS_execve, words[0], words, no_environment);
    UNKNOWN(SYS_execveat, AT_FDCWD, words[0], words, no_environment, 0);
    UNKNOWN(SYS_clone3, &thread, sizeof thread);
    UNKNOWN(SYS_process_vm_readv, getppid(), NULL, 0L, NULL, 0L, 0L);
    UNKNOWN(SYS_process_vm_writev, getppid(), NULL, 0L, NULL, 0L, 0L);
    UNKNOWN(SYS_pidfd_open, getppid(), 0);
    UNKNOWN(SYS_kill, getppid(), 0);
    UNKNOWN(SYS_tgkill, getppid(), getppid(), 0);
    /* By the kernel's hand, when something happens to a descriptor. */
    EXPECT(fails_as_unknown(fcntl(STDIN_FILENO, F_SETOWN, getppid())));
    EXPECT(fails_as_unknown(fcntl(STDIN_FILENO, F_SETSIG, SIGTERM)));
    UNKNOWN(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL);
#ifndef __SANITIZE_ADDRESS__
    UNKNOWN(SYS_ptrace, 0L, 0L, NULL, NULL);
    UNKNOWN(SYS_prctl, PR_SET_DUMPABLE, 1L, 0L, 0L, 0L);
    EXPECT(fails_as_unknown(fork()));
#endif
}

static void families(void)
{
    static const int none[] = {AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_KEY, AF_CAN};
    static const int ours[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
    limit_calls();
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        EXPECT(fails_as_unknown(socket(none[i], SOCK_RAW | SOCK_CLOEXEC, 0)));
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        int fd = socket(ours[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
        EXPECT(fd >= 0 || errno == EAFNOSUPPORT);
        close(fd);
    }
}

static void the_machine(void)
{
    limit_calls();
    UNKNOWN(SYS_io_uring_setup, 1, NULL);
    UNKNOWN(SYS_bpf, 0, NULL, 0);
    UNKNOWN(SYS_perf_event_open, NULL, 0, 0, -1, 0L);
    UNKNOWN(SYS_userfaultfd, 0);
    UNKNOWN(SYS_mount, "none", nowhere, "tmpfs", 0L, NULL);
    UNKNOWN(SYS_umount2, nowhere, 0);
    UNKNOWN(SYS_pivot_root, nowhere, nowhere);
    UNKNOWN(SYS_chroot, nowhere);
    UNKNOWN(SYS_unshare, CLONE_NEWUSER);
    UNKNOWN(SYS_setns, 0, 0);
    UNKNOWN(SYS_init_module, NULL, 0L, "");
    UNKNOWN(SYS_finit_module, 0, "", 0);
    UNKNOWN(SYS_delete_module, "", 0);
    UNKNOWN(SYS_keyctl, 0, 0L, 0L, 0L, 0L);
    UNKNOWN(SYS_add_key, "user", "x", NULL, 0L, 0);
    UNKNOWN(SYS_reboot, 0, 0, 0, NULL);
    UNKNOWN(SYS_sethostname, NULL, 1L);
    UNKNOWN(SYS_settimeofday, NULL, NULL);
    UNKNOWN(SYS_setresuid, 0, 0, 0);
    UNKNOWN(SYS_setgid, 0);
    UNKNOWN(SYS_capset, NULL, NULL);
    UNKNOWN(SYS_personality, 0xffffffffL);
    UNKNOWN(SYS_memfd_create, "x", 0);
    UNKNOWN(SYS_symlinkat, "x", AT_FDCWD, nowhere);
    UNKNOWN(SYS_mknodat, AT_FDCWD, nowhere, S_IFIFO, 0);
    UNKNOWN(SYS_open_by_handle_at, AT_FDCWD, NULL, 0);
    EXPECT(fails_as_unknown(ioctl(-1, TIOCSTI, "x")));
    UNKNOWN(9999L); /* nobody's */
}

static void executable_memory(void)
{
    size_t size = 4096;
    limit_calls();
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(page != MAP_FAILED);
    EXPECT(mprotect(page, size, PROT_READ) == 0);
    EXPECT(mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED &&
           errno == ENOSYS);
    EXPECT(mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED);
#ifndef __SANITIZE_ADDRESS__
    EXPECT(fails_as_unknown(mprotect(page, size, PROT_READ | PROT_EXEC)));
#endif
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

static void *pass(void *arg)
{
    return arg;
}

/* Of a thread, too: filters are handed on. */
static void *refused_here(void *arg)
{
    return fails_as_unknown(syscall(SYS_chroot, "/")) ? arg : NULL;
}

static void threads_and_signals(void)
{
    pthread_t thread;
    void *passed = NULL;
    char name[16] = "";
    limit_calls();
    EXPECT(pthread_create(&thread, NULL, pass, name) == 0);
    EXPECT(pthread_join(thread, &passed) == 0 && passed == name);
    EXPECT(pthread_create(&thread, NULL, refused_here, name) == 0);
    EXPECT(pthread_join(thread, &passed) == 0 && passed == name);
    signal(SIGUSR1, on_signal);
    EXPECT(raise(SIGUSR1) == 0 && signalled == SIGUSR1);
    EXPECT(prctl(PR_SET_NAME, "named") == 0 && prctl(PR_GET_NAME, name) == 0);
    EXPECT(strcmp(name, "named") == 0);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || errno == ENOSYS);
}

#ifdef __x86_64__
/* The door beside: numbers and registers of a 32-bit program. */
static void the_other_way(void)
{
    long number = 20, result; /* getpid there */
    limit_calls();
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number) : "memory");
    EXPECT(result == -ENOSYS);
}
#endif

START_TEST(calls_that_a_server_does_not_need_are_unknown)
{
    if (!kernel_has_seccomp())
        return;
    in_child(programs_and_processes);
    in_child(families);
    in_child(the_machine);
    in_child(executable_memory);
#ifdef __x86_64__
    in_child(the_other_way);
#endif
}
END_TEST

START_TEST(threads_and_own_signals_work)
{
    if (kernel_has_seccomp())
        in_child(threads_and_signals);
}
END_TEST

/* The setting */

static void nothing_is_walled_off(void)
{
    const char *off[] = {named[0], "sandbox=off"};
    struct sandbox sandbox = enter(off, 2);
    EXPECT(sandbox.files == SANDBOX_OFF && sandbox.calls == SANDBOX_OFF);
    EXPECT(opens("/", O_RDONLY | O_DIRECTORY));
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    EXPECT(kill(getpid(), 0) == 0);
}

START_TEST(switched_off_it_does_nothing)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0) /* else somebody else has set it */
        in_child(nothing_is_walled_off);
}
END_TEST

UNIT_MAIN("sandbox", files_that_nobody_named_are_out_of_reach,
          files_that_the_server_needs_stay_within_reach, a_reload_tells_what_it_cannot_reach,
          a_store_in_the_root_leaves_the_files_open, calls_that_a_server_does_not_need_are_unknown,
          threads_and_own_signals_work, switched_off_it_does_nothing)
