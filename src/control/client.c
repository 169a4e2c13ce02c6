#include "control/client.h"

#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/user.h"
#include "control/proto.h"

#define RESTART_IT "Restart it (systemctl restart doorbell, docker compose restart)."

enum {
    WORK_TIMEOUT_S = 60, /* longer than any push may take */
    LOOK_TIMEOUT_S = 10, /* many times what a list of every account that there can be takes */
    PIECE = 4096,
};

/* What the server has at hand: one that works answers at once. */
static const char *const looks[] = {"status", "list",   "health", "registrations",
                                    "key",    "expect", "seen",   "compare"};

static bool is_look(const json_t *request)
{
    const char *command = json_string_value(json_object_get(request, "command"));
    for (size_t i = 0; command && i < sizeof looks / sizeof *looks; i++)
        if (strcmp(command, looks[i]) == 0)
            return true;
    return false;
}

/* Work may take as long as others need, a look may not. */
static int no_answer(int failed, const char *path, bool look, int seconds, struct err *err)
{
    if (failed != ERR_TIMEOUT)
        return err_set(err, failed, "The running server did not answer on %s.", path);
    if (look)
        return err_set(err, ERR_TIMEOUT,
                       "The running server has not answered on %s for %d s: it hangs. " RESTART_IT,
                       path, seconds);
    return err_set(err, ERR_TIMEOUT,
                   "The running server has not answered on %s for %d s. If \"doorbell status\" "
                   "gets no answer either, it hangs: restart it.",
                   path, seconds);
}

static int connect_socket(int fd, const struct sockaddr_un *address)
{
    int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    if (result != 0 && user_enter(address->sun_path)) {
        result = connect(fd, (const struct sockaddr *)address, sizeof *address);
        user_leave();
    }
    return result;
}

static int connect_to(const char *path, int seconds, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_INVALID, "The path of the control socket is too long: %s", path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_IO, "No socket can be made: %s.", strerror(errno));
    struct timeval timeout = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect_socket(fd, &address) == 0)
        return fd;
    int reason = errno;
    close(fd);
    if (reason == ENOENT || reason == ECONNREFUSED)
        return err_set(err, ERR_NOT_FOUND, "No server listens on %s.", path);
    if (reason == EAGAIN)
        return err_set(err, ERR_TIMEOUT,
                       "The running server accepts nothing on %s: it hangs. " RESTART_IT, path);
    return err_set(err, ERR_IO, "The running server cannot be reached on %s: %s.%s", path,
                   strerror(reason),
                   reason == EACCES ? " Run this as the user that runs the server." : "");
}

/* Who owns the folder decides who listens there. Under systemd 257 and later a service with
 * DynamicUser= is another user inside of its folder than that belongs to outside: then the owner of
 * the socket tells, where nobody else could have put it. */
static bool is_of_folder(uid_t uid, const char *path)
{
    char *copy = mem_text(path);
    struct stat folder, there;
    bool is_known = stat(dirname(copy), &folder) == 0;
    free(copy);
    if (!is_known || folder.st_uid == uid)
        return is_known;
    return !(folder.st_mode & (S_IWGRP | S_IWOTH)) && lstat(path, &there) == 0 &&
           there.st_uid == folder.st_uid;
}

static bool is_configured(uid_t uid, const struct config *config)
{
    struct user user;
    struct err err;
    return config->user && user_find(&user, config->user, &err) == 0 && user.uid == uid;
}

/* Whose database it is has all that a command could tell: in a folder such as /tmp, which stays
 * root's and in which everybody may make a socket, but nobody can put a file in the place of
 * another's. A link may lead to somebody else's. */
static bool has_store(uid_t uid, const char *store)
{
    char *copy = mem_text(store);
    struct stat folder, file;
    bool is_known = stat(dirname(copy), &folder) == 0 && lstat(store, &file) == 0;
    free(copy);
    if (!is_known || ((folder.st_mode & (S_IWGRP | S_IWOTH)) && !(folder.st_mode & S_ISVTX)))
        return false;
    return S_ISREG(file.st_mode) && file.st_nlink == 1 && file.st_uid == uid;
}

static int check_peer(int fd, const struct config *config, struct err *err)
{
    const char *path = config->control_path;
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return err_set(err, ERR_IO, "Who listens on %s cannot be told: %s.", path, strerror(errno));
    if (peer.uid == 0 || peer.uid == geteuid() || is_of_folder(peer.uid, path) ||
        is_configured(peer.uid, config) || has_store(peer.uid, config->store_path))
        return 0;
    return err_set(err, ERR_REFUSED, "Another user (uid %u) listens on %s; it is not trusted.",
                   (unsigned)peer.uid, path);
}

static int send_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return sent < 0 && errno == EAGAIN ? ERR_TIMEOUT : ERR_IO;
        text += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static int receive_pieces(int fd, char piece[PIECE], struct buf *answer)
{
    for (;;) {
        ssize_t got = recv(fd, piece, PIECE, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? ERR_TIMEOUT : ERR_IO;
        if (got == 0)
            return answer->length ? 0 : ERR_IO;
        if (buf_add(answer, piece, (size_t)got) != 0)
            return ERR_LIMIT;
    }
}

static int receive_all(int fd, struct buf *answer)
{
    char piece[PIECE];
    int result = receive_pieces(fd, piece, answer);
    explicit_bzero(piece, sizeof piece);
    return result;
}

static int exchange(int fd, const char *text, struct buf *answer)
{
    int result = send_all(fd, text, strlen(text));
    if (result == 0)
        result = send_all(fd, "\n", 1);
    return result == 0 ? receive_all(fd, answer) : result;
}

json_t *control_ask_within(const struct config *config, const json_t *request, int seconds,
                           struct err *err)
{
    const char *path = config->control_path;
    bool look = is_look(request);
    struct buf answer;
    json_t *result = NULL;
    if (look && seconds > LOOK_TIMEOUT_S)
        seconds = LOOK_TIMEOUT_S;
    char *text = NULL;
    buf_init_secret(&answer, CONTROL_ANSWER_MAX);
    int fd = connect_to(path, seconds, err);
    if (fd < 0 || check_peer(fd, config, err) != 0)
        goto out;
    text = json_dumps(request, JSON_COMPACT);
    int failed = exchange(fd, text, &answer);
    if (failed) {
        no_answer(failed, path, look, seconds, err);
        goto out;
    }
    result = json_loadb((const char *)answer.bytes, answer.length, 0, NULL);
    if (!result)
        err_set(err, ERR_IO, "The answer of the running server cannot be read.");
out:
    if (fd >= 0)
        close(fd);
    mem_free_secret(text);
    buf_fini(&answer);
    return result;
}

json_t *control_ask(const struct config *config, const json_t *request, struct err *err)
{
    return control_ask_within(config, request, WORK_TIMEOUT_S, err);
}
