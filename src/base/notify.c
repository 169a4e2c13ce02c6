#include "base/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
    MESSAGE_SIZE = NOTIFY_STATUS_SIZE + 64,
    PATIENCE_S = 1,
    HURRIED = MSG_DONTWAIT,
    PATIENT = 0
};

/* A path, or "@" and a name in the abstract namespace, which a zero begins there. */
static bool take_address(struct notify *notify, const char *name)
{
    size_t length = strlen(name);
    if ((*name != '/' && *name != '@') || length < 2 || length >= sizeof notify->address.sun_path)
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, length);
    if (*name == '@')
        notify->address.sun_path[0] = '\0';
    notify->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

/* The whole text is a number of at least 1; else 0. */
static long long positive(const char *text)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return 0;
    long long number = strtoll(text, &end, 10);
    return *end ? 0 : number;
}

/* WATCHDOG_PID says whom it is for; a launcher that did not replace itself is somebody else. */
static int64_t watchdog_interval_ms(void)
{
    const char *pid = getenv("WATCHDOG_PID");
    int64_t us = positive(getenv("WATCHDOG_USEC"));
    if (!us || (pid && positive(pid) != getpid()))
        return 0;
    int64_t half_ms = us / 2 / 1000;
    return half_ms ? half_ms : 1;
}

static void open_socket(struct notify *notify)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd >= 0)
        setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/* False where somebody listens and missed it. */
static bool send_text(const struct notify *notify, const char *text, int how)
{
    return notify->fd < 0 || sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | how,
                                    (const struct sockaddr *)&notify->address, notify->length) >= 0;
}

static void on_watchdog(void *arg)
{
    struct notify *notify = arg;
    if (notify->alive(notify->arg))
        send_text(notify, "WATCHDOG=1", HURRIED);
    loop_timer_set(notify->loop, &notify->watchdog, notify->watchdog_ms);
}

void notify_init(struct notify *notify, struct loop *loop)
{
    const char *name = getenv("NOTIFY_SOCKET");
    *notify = (struct notify){.loop = loop, .fd = -1};
    timer_init(&notify->watchdog, on_watchdog, notify);
    if (name && *name && take_address(notify, name)) {
        open_socket(notify);
        notify->watchdog_ms = watchdog_interval_ms();
    } else if (name && *name) {
        log_warn("NOTIFY_SOCKET is neither a path nor an abstract name: the service manager is "
                 "not told that Doorbell is ready.");
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_fini(struct notify *notify)
{
    loop_timer_cancel(notify->loop, &notify->watchdog);
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

static void send_with_status(struct notify *notify, const char *before, const char *status, int how)
{
    char text[MESSAGE_SIZE];
    snprintf(notify->status, sizeof notify->status, "%s", status);
    snprintf(text, sizeof text, "%sSTATUS=%s", before, notify->status);
    if (!send_text(notify, text, how))
        notify->status[0] = '\0'; /* the same again is news */
}

void notify_ready(struct notify *notify, const char *status, notify_alive_fn *alive, void *arg)
{
    notify->alive = alive;
    notify->arg = arg;
    send_with_status(notify, "READY=1\n", status, PATIENT);
    if (notify->fd >= 0 && notify->watchdog_ms && !timer_is_set(&notify->watchdog))
        loop_timer_set(notify->loop, &notify->watchdog, notify->watchdog_ms);
}

/* systemd wants to know when, on CLOCK_MONOTONIC, to tell this reload from an earlier one. */
void notify_reloading(struct notify *notify)
{
    char text[MESSAGE_SIZE];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    send_text(notify, text, PATIENT);
}

void notify_stopping(struct notify *notify)
{
    send_text(notify, "STOPPING=1", PATIENT);
}

void notify_status(struct notify *notify, const char *status)
{
    if (strncmp(notify->status, status, sizeof notify->status - 1) != 0)
        send_with_status(notify, "", status, HURRIED);
}
