#include "web/http1.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "unit.h"

static const struct address local;
static const char question[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct server {
    struct loop loop;
    struct proxies proxies;
    struct gate gate;
    struct http1 *http1;
    unsigned asked, taken_back;
};

static void take_back(void *waiting)
{
    struct server *server = waiting;
    server->taken_back++;
}

/* The answer is to come later. */
static void handle(void *arg, struct exchange *exchange)
{
    struct server *server = arg;
    server->asked++;
    exchange->waiting = server;
    exchange->forget = take_back;
}

static void start(struct server *server)
{
    struct err err = {0};
    memset(server, 0, sizeof *server);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    loop_init(&server->loop);
    gate_init(&server->gate);
    server->gate.proxies = &server->proxies;
    server->gate.most = server->gate.most_per_network = 100;
    server->http1 = http1_new(&server->loop, &server->gate, handle, server, NULL, &err);
    ck_assert_msg(server->http1 != NULL, "%s", err.text);
    http1_set_timeout(server->http1, 3600 * 1000);
}

static void stop(struct server *server)
{
    http1_free(server->http1);
    ck_assert_uint_eq(server->gate.inside, 0);
    gate_fini(&server->gate);
    loop_fini(&server->loop);
}

static int dial(struct server *server)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    http1_add(server->http1, fds[1], &local);
    return fds[0];
}

static void ask(int fd)
{
    ck_assert_int_eq(send(fd, question, sizeof question - 1, 0), sizeof question - 1);
}

START_TEST(a_question_that_is_out_is_taken_back_at_the_end)
{
    struct server server;
    start(&server);
    int fd = dial(&server);
    ask(fd);
    while (!server.asked)
        uv_run(&server.loop.uv, UV_RUN_ONCE);
    stop(&server);
    ck_assert_uint_eq(server.taken_back, 1);
    close(fd);
}
END_TEST

/* The library ends the process if a connection is suspended when it is stopped. */
START_TEST(a_question_that_comes_with_the_end_is_not_asked)
{
    struct server server;
    start(&server);
    int fd = dial(&server);
    ask(fd);
    stop(&server);
    ck_assert_uint_eq(server.asked, 0);
    close(fd);
}
END_TEST

UNIT_MAIN("http1", a_question_that_is_out_is_taken_back_at_the_end,
          a_question_that_comes_with_the_end_is_not_asked)
