#include "control/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "control/commands.h"
#include "control/proto.h"

struct control {
    uv_pipe_t pipe;
    struct commands_host host;
    struct list clients;
    size_t client_count;
    char *path;
};

/* One connection. It goes when both its handle is closed and no command is under way for it. */
struct client {
    struct list node;
    uv_pipe_t pipe;
    uv_write_t write;
    struct control *control; /* NULL once the control socket is gone */
    struct buf request;
    char *answer;
    bool running, closed, closing;
};

static struct client *client_of(const uv_handle_t *handle)
{
    return handle->data;
}

static void free_if_over(struct client *client)
{
    if (!client->closed || client->running)
        return;
    buf_fini(&client->request);
    mem_free_secret(client->answer);
    free(client);
}

static void on_closed(uv_handle_t *handle)
{
    struct client *client = client_of(handle);
    client->closed = true;
    free_if_over(client);
}

static void close_client(struct client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    list_remove(&client->node);
    if (client->control)
        client->control->client_count--;
    uv_close((uv_handle_t *)&client->pipe, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    close_client(client_of((uv_handle_t *)write->handle));
}

static void on_answer(void *arg, json_t *answer)
{
    struct client *client = arg;
    client->running = false;
    if (!client->closing) {
        client->answer = json_dumps(answer, JSON_COMPACT);
        uv_buf_t piece = uv_buf_init(client->answer, (unsigned)strlen(client->answer));
        if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &piece, 1, on_written) != 0)
            close_client(client);
    }
    json_decref(answer);
    free_if_over(client);
}

static void run(struct client *client, size_t length)
{
    json_t *request = json_loadb((const char *)client->request.bytes, length, 0, NULL);
    client->running = true;
    if (request)
        commands_run(&client->control->host, request, on_answer, client);
    else
        on_answer(client, json_pack("{s:b, s:s}", "done", 0, "error", "This is not a request."));
    json_decref(request);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *piece)
{
    (void)handle;
    (void)suggested;
    enum { PIECE = 4096 };
    *piece = uv_buf_init(mem_new(PIECE), PIECE);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *piece)
{
    struct client *client = client_of((uv_handle_t *)stream);
    int added = length > 0 ? buf_add(&client->request, piece->base, (size_t)length) : 0;
    if (piece->base)
        explicit_bzero(piece->base, piece->len);
    free(piece->base);
    if (length < 0 || added != 0) {
        close_client(client);
        return;
    }
    const unsigned char *end =
        length > 0 ? memchr(client->request.bytes, '\n', client->request.length) : NULL;
    if (!end)
        return;
    uv_read_stop(stream);
    run(client, (size_t)(end - client->request.bytes));
}

static bool is_trusted(uv_pipe_t *pipe)
{
    uv_os_fd_t fd;
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (uv_fileno((uv_handle_t *)pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

/* Of those that have not asked, or else of those that do not read, the oldest. */
static struct client *find_idle(struct control *control, bool reads_nothing)
{
    list_each(node, &control->clients) {
        struct client *client = list_owner(node, struct client, node);
        if (!client->running && (reads_nothing || !client->answer))
            return client;
    }
    return NULL;
}

/* Who hangs here, or has gone without our having noticed, makes room for who asks. */
static void make_room(struct control *control)
{
    struct client *client = find_idle(control, false);
    if (!client)
        client = find_idle(control, true);
    if (client)
        close_client(client);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct control *control = stream->data;
    if (status != 0)
        return;
    struct client *client = mem_new(sizeof *client);
    uv_pipe_init(stream->loop, &client->pipe, 0);
    client->pipe.data = client;
    client->control = control;
    buf_init_secret(&client->request, CONTROL_REQUEST_MAX);
    if (control->client_count >= CONTROL_CLIENTS_MAX)
        make_room(control);
    list_append(&control->clients, &client->node);
    control->client_count++;
    if (uv_accept(stream, (uv_stream_t *)&client->pipe) != 0 ||
        control->client_count > CONTROL_CLIENTS_MAX || !is_trusted(&client->pipe) ||
        uv_read_start((uv_stream_t *)&client->pipe, give_room, on_read) != 0)
        close_client(client);
}

/* A socket file that nobody answers on is what a killed process left. */
static int make_way(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_INVALID,
                       "control.path: %s is longer than a Unix socket's path may be (%zu bytes). "
                       "Choose a shorter one.",
                       path, sizeof address.sun_path - 1);
    if (lstat(path, &status) != 0)
        return 0;
    if (!S_ISSOCK(status.st_mode))
        return err_set(err, ERR_INVALID, "control.path: %s exists and is not a socket.", path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ||
                                errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    if (answered)
        return err_set(err, ERR_BUSY, "control.path: another process listens on %s.", path);
    unlink(path);
    return 0;
}

static void free_control(uv_handle_t *handle)
{
    struct control *control = handle->data;
    free(control->path);
    free(control);
}

struct control *control_new(struct loop *loop, const struct commands_host *host, const char *path,
                            struct err *err)
{
    if (make_way(path, err) != 0)
        return NULL;
    struct control *control = mem_new(sizeof *control);
    control->host = *host;
    control->path = mem_text(path);
    list_init(&control->clients);
    uv_pipe_init(&loop->uv, &control->pipe, 0);
    control->pipe.data = control;
    mode_t mask = umask(0177);
    int result = uv_pipe_bind(&control->pipe, path);
    umask(mask);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&control->pipe, CONTROL_CLIENTS_MAX, on_connection);
    if (result == 0)
        return control;
    err_set(err, result == UV_EAFNOSUPPORT ? ERR_REFUSED : ERR_IO,
            "control.path: the socket %s cannot be made: %s.", path, uv_strerror(result));
    uv_close((uv_handle_t *)&control->pipe, free_control);
    return NULL;
}

void control_free(struct control *control)
{
    list_each_safe(node, &control->clients) {
        struct client *client = list_owner(node, struct client, node);
        close_client(client);
        client->control = NULL;
    }
    uv_close((uv_handle_t *)&control->pipe, free_control);
}
