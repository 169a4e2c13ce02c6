/* What a service manager is told, by sd_notify(3)'s protocol: a datagram of NAME=value lines to the
 * socket that NOTIFY_SOCKET names, of systemd, of podman (--sdnotify=container) or of whatever else
 * speaks it. Without that variable every call does nothing. A manager that does not read is waited
 * for a second at most, and only with what it must not miss: ready, reloading, stopping. A status
 * or a watchdog message that it has no room for is left out; the next one says what is true then.
 *
 * Where WATCHDOG_USEC is set, for us, WATCHDOG=1 goes out from the loop twice in that time, as long
 * as `alive` says so: a loop that hangs, or a part that another thread runs, ends the process. */
#ifndef DOORBELL_BASE_NOTIFY_H
#define DOORBELL_BASE_NOTIFY_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/loop.h"

typedef bool notify_alive_fn(void *arg);

enum { NOTIFY_STATUS_SIZE = 160 };

struct notify {
    struct loop *loop;
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t length;
    int64_t watchdog_ms; /* between two messages; 0: nobody watches */
    struct timer watchdog;
    notify_alive_fn *alive;
    void *arg;
    char status[NOTIFY_STATUS_SIZE]; /* the last one that was sent */
};

/* Takes the variables out of the environment, so that no child speaks for us. */
void notify_init(struct notify *notify, struct loop *loop);
void notify_fini(struct notify *notify);

/* The server works; `status` is one line for people. The watchdog is fed from now on. */
void notify_ready(struct notify *notify, const char *status, notify_alive_fn *alive, void *arg);
/* A configuration is being loaded again; notify_ready ends that. */
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify);
/* Sent only where it differs from the last one that was. */
void notify_status(struct notify *notify, const char *status);

#endif
