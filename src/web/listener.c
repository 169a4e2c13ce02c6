#include "web/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "web/proxy_headers.h"

enum {
    BATCH = 16, /* connections per turn of the loop, so that a flood does not stop the rest */
    BACKLOG = 512,
    REST_MS = 500,    /* while descriptors are used up */
    UNIX_MODE = 0660, /* the group is how a proxy's user gets in */
};

static const char unix_prefix[] = "unix:";

struct listener {
    struct loop *loop;
    uv_poll_t *poll; /* freed when it has closed */
    int fd;
    struct timer rest;
    bool rested; /* since the last connection */
    listener_fn *accepted;
    void *arg;
    bool is_unix;
    char *where;
    char *path; /* of a Unix socket that we made */
    dev_t device;
    ino_t inode;
};

static const char *unix_path(const char *where)
{
    return text_starts(where, unix_prefix) ? where + sizeof unix_prefix - 1 : NULL;
}

static bool parse_port(uint16_t *port, const char *text)
{
    size_t length = strspn(text, "0123456789");
    if (!length || length > 5 || text[length])
        return false;
    long number = strtol(text, NULL, 10);
    *port = (uint16_t)number;
    return number <= 65535;
}

bool listener_parse(struct address *address, const char *where)
{
    char host[ADDRESS_TEXT_SIZE];
    const char *colon = strrchr(where, ':');
    uint16_t port;
    if (unix_path(where) || !colon || !parse_port(&port, colon + 1))
        return false;
    size_t length = (size_t)(colon - where);
    bool brackets = length >= 2 && where[0] == '[' && where[length - 1] == ']';
    if (brackets) {
        where++;
        length -= 2;
    }
    if (!length || length >= sizeof host)
        return false;
    memcpy(host, where, length);
    host[length] = '\0';
    if (address_parse(address, host, port) != 0)
        return false;
    return brackets == (address->any.sa_family == AF_INET6);
}

bool listener_upstream(char text[LISTENER_UPSTREAM_SIZE], const char *where)
{
    struct address address;
    char host[ADDRESS_TEXT_SIZE];
    if (!listener_parse(&address, where))
        return false;
    address_format(host, &address);
    bool any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    bool brackets = !any && address.any.sa_family == AF_INET6;
    snprintf(text, LISTENER_UPSTREAM_SIZE, "%s%s%s:%u", brackets ? "[" : "",
             any ? "127.0.0.1" : host, brackets ? "]" : "", address_port(&address));
    return true;
}

bool listener_is_loopback(const char *where)
{
    struct address address;
    if (!listener_parse(&address, where))
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

static const char *bind_reason(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another program listens there already; stop it or choose another port";
    case EACCES:
    case EPERM:
        return "not permitted; ports below 1024 and folders of others need a right that this user "
               "does not have";
    case EADDRNOTAVAIL:
        return "this machine does not have that address";
    case EAFNOSUPPORT:
        return "this machine has no IPv6; use 0.0.0.0 instead of [::]";
    case ENOENT:
        return "its folder does not exist";
    default:
        return strerror(error);
    }
}

static int cannot_listen(struct err *err, const char *where, const char *reason)
{
    char name[128];
    text_printable(name, sizeof name, where, strlen(where));
    return err_set(err, ERR_IO, "cannot listen on %s: %s", name, reason);
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int bound_socket(const struct address *address, bool only_ipv6)
{
    int fd = open_socket(address->any.sa_family);
    if (fd < 0)
        return -1;
    int yes = 1, v6only = only_ipv6;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
    if (bind(fd, &address->any, address->length) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int bind_address(const struct address *address, bool only_ipv6)
{
    int fd = bound_socket(address, only_ipv6);
    if (fd < 0 || listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The image listens on [::]; a kernel without IPv6 must not stop it there. */
static int bind_or_ipv4(const struct address *address, const char *where, bool only_ipv6)
{
    int fd = bind_address(address, only_ipv6);
    if (fd >= 0 || errno != EAFNOSUPPORT || only_ipv6 ||
        !IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr))
        return fd;
    struct address any;
    address_parse(&any, "0.0.0.0", address_port(address));
    log_info("This machine has no IPv6: listening on IPv4 alone for %s.", where);
    return bind_address(&any, false);
}

static int listen_address(const char *where, bool only_ipv6, struct err *err)
{
    struct address address;
    if (!listener_parse(&address, where))
        return cannot_listen(err, where,
                             "write it as ADDRESS:PORT with a numeric address (127.0.0.1:8020, "
                             "[::]:8020) or as unix:PATH");
    int fd = address.any.sa_family == AF_INET6 ? bind_or_ipv4(&address, where, only_ipv6)
                                               : bind_address(&address, false);
    return fd < 0 ? cannot_listen(err, where, bind_reason(errno)) : fd;
}

int listener_try(const char *where, struct err *err)
{
    struct address address;
    if (!listener_parse(&address, where))
        return 0;
    int fd = bound_socket(&address, false);
    bool is_free = fd >= 0 || (errno != EADDRINUSE && errno != EADDRNOTAVAIL);
    const char *reason = is_free ? NULL : bind_reason(errno);
    if (fd >= 0)
        close(fd);
    return is_free ? 0 : cannot_listen(err, where, reason);
}

/* A socket file that nobody listens on is left from a process that was killed: it may go. Anything
 * else stays where it is. */
static int clear_path(const struct sockaddr_un *address, const char *where, struct err *err)
{
    struct stat found;
    if (lstat(address->sun_path, &found) != 0)
        return 0;
    if (!S_ISSOCK(found.st_mode))
        return cannot_listen(err, where, "there is a file of that name which is not a socket");
    int fd = open_socket(AF_UNIX);
    if (fd < 0)
        return cannot_listen(err, where, strerror(errno));
    int failed = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int error = errno;
    close(fd);
    if (!failed || error != ECONNREFUSED)
        return cannot_listen(err, where, "another program listens there already");
    unlink(address->sun_path);
    return 0;
}

static int listen_unix(struct listener *listener, const char *where, const char *path,
                       struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof address.sun_path)
        return cannot_listen(err, where, "the path of a Unix socket has from 1 to 107 characters");
    memcpy(address.sun_path, path, strlen(path));
    if (clear_path(&address, where, err) != 0)
        return ERR_IO;
    int fd = open_socket(AF_UNIX);
    /* The mode is set before the file appears, so that it is never wider; and again, as the umask
     * may have made it narrower. */
    if (fd < 0 || fchmod(fd, UNIX_MODE) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return cannot_listen(err, where, bind_reason(error));
    }
    struct stat made;
    if (chmod(path, UNIX_MODE) == 0 && lstat(path, &made) == 0) {
        listener->path = mem_text(path);
        listener->device = made.st_dev;
        listener->inode = made.st_ino;
    }
    return fd;
}

static bool descriptors_used_up(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void rest(struct listener *listener, int error)
{
    if (!listener->rested)
        log_warn("No connections are accepted on %s for a while: %s.", listener->where,
                 strerror(error));
    listener->rested = true;
    uv_poll_stop(listener->poll);
    loop_timer_set(listener->loop, &listener->rest, REST_MS);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < BATCH; i++) {
        struct sockaddr_storage from = {0};
        socklen_t length = sizeof from;
        struct address peer = {0};
        int fd =
            accept4(listener->fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (descriptors_used_up(errno)) {
                rest(listener, errno);
                return;
            }
            continue; /* that one is gone already; perhaps the next is not */
        }
        listener->rested = false;
        if (!listener->is_unix &&
            address_from_sockaddr(&peer, (struct sockaddr *)&from, length) != 0) {
            close(fd); /* never without an address: that would look like a Unix socket */
            continue;
        }
        proxies_unmap(&peer);
        listener->accepted(listener->arg, fd, &peer);
    }
}

static void on_rested(void *arg)
{
    struct listener *listener = arg;
    uv_poll_start(listener->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Takes the socket, whatever becomes of it. */
static struct listener *begin(struct listener *listener, int fd, struct err *err)
{
    listener->fd = fd;
    listener->poll = mem_new(sizeof *listener->poll);
    listener->poll->data = listener;
    if (uv_poll_init(&listener->loop->uv, listener->poll, fd) != 0) {
        cannot_listen(err, listener->where, "the event loop does not take the socket");
        free(listener->poll);
        listener->poll = NULL;
        listener_free(listener);
        return NULL;
    }
    uv_poll_start(listener->poll, UV_READABLE, on_readable);
    return listener;
}

static struct listener *make(struct loop *loop, const char *where, listener_fn *accepted, void *arg)
{
    struct listener *listener = mem_new(sizeof *listener);
    listener->loop = loop;
    listener->fd = -1;
    listener->where = mem_text(where);
    listener->accepted = accepted;
    listener->arg = arg;
    timer_init(&listener->rest, on_rested, listener);
    return listener;
}

struct listener *listener_new(struct loop *loop, const char *where, bool only_ipv6,
                              listener_fn *accepted, void *arg, struct err *err)
{
    struct listener *listener = make(loop, where, accepted, arg);
    const char *path = unix_path(where);
    listener->is_unix = path != NULL;
    int fd = path ? listen_unix(listener, where, path, err) : listen_address(where, only_ipv6, err);
    if (fd >= 0)
        return begin(listener, fd, err);
    listener_free(listener);
    return NULL;
}

/* Of a socket that somebody else bound; false if it is none that connections come to. */
static bool name_of(char *where, size_t size, int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof bound, int_size = sizeof(int);
    int type = 0, listens = 0;
    struct address address;
    char host[ADDRESS_TEXT_SIZE];
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &int_size) != 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_size) != 0 || !listens ||
        getsockname(fd, (struct sockaddr *)&bound, &length) != 0)
        return false;
    if (bound.ss_family == AF_UNIX) {
        const struct sockaddr_un *local = (const struct sockaddr_un *)&bound;
        snprintf(where, size, "%s%.*s", unix_prefix, (int)sizeof local->sun_path, local->sun_path);
        return true;
    }
    if (address_from_sockaddr(&address, (struct sockaddr *)&bound, length) != 0)
        return false;
    address_format(host, &address);
    bool brackets = address.any.sa_family == AF_INET6;
    snprintf(where, size, "%s%s%s:%u", brackets ? "[" : "", host, brackets ? "]" : "",
             address_port(&address));
    return true;
}

struct listener *listener_adopt(struct loop *loop, int fd, listener_fn *accepted, void *arg,
                                struct err *err)
{
    char where[sizeof unix_prefix + sizeof((struct sockaddr_un *)NULL)->sun_path];
    if (!name_of(where, sizeof where, fd)) {
        close(fd);
        err_set(err, ERR_INVALID,
                "descriptor %d, which was handed over at the start, is not a listening stream "
                "socket: a socket unit for this server has ListenStream= and not Accept=yes",
                fd);
        return NULL;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    struct listener *listener = make(loop, where, accepted, arg);
    listener->is_unix = unix_path(where) != NULL;
    return begin(listener, fd, err);
}

const char *listener_where(const struct listener *listener)
{
    return listener->where;
}

void listener_free(struct listener *listener)
{
    struct stat found;
    if (!listener)
        return;
    loop_timer_cancel(listener->loop, &listener->rest);
    if (listener->poll)
        uv_close((uv_handle_t *)listener->poll, on_closed);
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->path && lstat(listener->path, &found) == 0 && found.st_dev == listener->device &&
        found.st_ino == listener->inode)
        unlink(listener->path);
    free(listener->path);
    free(listener->where);
    free(listener);
}
