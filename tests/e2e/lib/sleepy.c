/* Preloaded into the program under test: a machine that can be put to sleep. Into the FIFO that
 * SLEEPY_FIFO names, the test writes for how many milliseconds (64 bits): CLOCK_BOOTTIME is so much
 * ahead from then on, and the timer that waits for the clock to be set is cancelled, as the kernel
 * does it when it resumes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int fifo = -1;
static _Atomic int64_t slept_ms;

int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (id == CLOCK_BOOTTIME)
        now->tv_sec += slept_ms / 1000;
    return result;
}

int timerfd_create(int clock, int flags)
{
    (void)clock, (void)flags;
    fifo = open(getenv("SLEEPY_FIFO"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return fifo;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    (void)fd, (void)flags, (void)new, (void)old;
    return 0;
}

ssize_t read(int fd, void *bytes, size_t length)
{
    static ssize_t (*real)(int, void *, size_t);
    int64_t ms;
    if (!real)
        real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    if (fd != fifo || fd < 0)
        return real(fd, bytes, length);
    if (real(fd, &ms, sizeof ms) == sizeof ms) {
        slept_ms += ms;
        errno = ECANCELED;
    }
    return -1;
}
