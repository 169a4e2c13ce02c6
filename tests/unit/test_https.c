#include "web/https.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "folder.h"
#include "pem.h"
#include "unit.h"

enum {
    TIMEOUT_MS = 500,
    LONG_MS = 3600 * 1000,
    TURNS_MOST = 100, /* of the loop in that time; with a busy library there are over 400 */
};

static const struct address local;
static const char hello[] = "\x16\x03\x01\x02\x00\x01"; /* a handshake's first bytes */

struct server {
    struct folder folder;
    struct loop loop;
    struct proxies proxies;
    struct gate gate;
    struct https *https;
};

static void handle(void *arg, struct exchange *exchange)
{
    (void)arg;
    response_refuse(&exchange->response, 400);
}

static void write_pair(int64_t *ends_unix)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    write_certificates("cert", key, NULL);
    write_key("key", key, NULL, 0600);
    EVP_PKEY_free(key);
    *ends_unix = (int64_t)time(NULL) + LIFE_S;
}

static void start(struct server *server)
{
    struct err err = {0};
    int64_t ends_unix;
    memset(server, 0, sizeof *server);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    enter_folder(&server->folder);
    write_pair(&ends_unix);
    loop_init(&server->loop);
    gate_init(&server->gate);
    server->gate.proxies = &server->proxies;
    server->gate.most = server->gate.most_per_network = 100;
    server->https = https_new(&server->loop, &server->gate, handle, server, "cert", "key", &err);
    ck_assert_msg(server->https != NULL, "%s", err.text);
    https_set_timeout(server->https, TIMEOUT_MS);
    ck_assert_int_le(https_ends_unix(server->https), ends_unix);
}

static void stop(struct server *server)
{
    https_free(server->https);
    ck_assert_uint_eq(server->gate.inside, 0);
    gate_fini(&server->gate);
    loop_fini(&server->loop);
    leave_folder(&server->folder);
}

static int dial(struct server *server)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    https_add(server->https, fds[1], &local);
    return fds[0];
}

START_TEST(a_handshake_that_stands_still_keeps_nobody_busy_and_is_cut)
{
    struct server server;
    unsigned turns = 0;
    start(&server);
    int fd = dial(&server);
    ck_assert_int_eq(send(fd, hello, sizeof hello - 1, 0), sizeof hello - 1);
    ck_assert_uint_eq(server.gate.inside, 1);
    for (; server.gate.inside; turns++)
        uv_run(&server.loop.uv, UV_RUN_ONCE);
    ck_assert_uint_le(turns, TURNS_MOST);
    close(fd);
    stop(&server);
}
END_TEST

/* The library notices nothing until the socket has news again. */
START_TEST(whoever_left_in_the_handshake_goes_when_time_is_up_or_room_is_needed)
{
    static const int64_t timeouts_ms[] = {0, LONG_MS};
    for (size_t i = 0; i < 2; i++) {
        struct server server;
        start(&server);
        https_set_timeout(server.https, timeouts_ms[i]);
        int fd = dial(&server);
        ck_assert_int_eq(send(fd, hello, sizeof hello - 1, 0), sizeof hello - 1);
        close(fd);
        if (i == 1) {
            ck_assert(https_make_room(server.https));
            ck_assert_uint_eq(server.gate.inside, 0);
        }
        while (server.gate.inside)
            uv_run(&server.loop.uv, UV_RUN_ONCE);
        stop(&server);
    }
}
END_TEST

START_TEST(room_is_made_by_one_in_its_handshake_also_after_a_renewal)
{
    struct server server;
    int64_t ends_unix;
    start(&server);
    int older = dial(&server);
    write_pair(&ends_unix);
    https_reload(server.https, "cert", "key");
    int newer = dial(&server);
    ck_assert_uint_eq(server.gate.inside, 2);
    ck_assert(https_make_room(server.https));
    ck_assert_uint_eq(server.gate.inside, 1);
    ck_assert(https_make_room(server.https));
    ck_assert_uint_eq(server.gate.inside, 0);
    ck_assert(!https_make_room(server.https));
    ck_assert_int_eq(https_waiting_since_ms(server.https), INT64_MAX);
    close(older);
    close(newer);
    stop(&server);
}
END_TEST

START_TEST(a_pair_that_cannot_be_used_changes_nothing)
{
    struct server server;
    struct err err = {0};
    start(&server);
    int64_t before_unix = https_ends_unix(server.https);
    ck_assert_int_eq(remove("key"), 0);
    ck_assert_ptr_null(https_new(&server.loop, &server.gate, handle, NULL, "cert", "key", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "web.tls_key: key cannot be read"));
    https_reload(server.https, "cert", "key");
    ck_assert_int_eq(https_ends_unix(server.https), before_unix);
    int fd = dial(&server);
    ck_assert_uint_eq(server.gate.inside, 1);
    close(fd);
    stop(&server);
}
END_TEST

UNIT_MAIN("https", a_handshake_that_stands_still_keeps_nobody_busy_and_is_cut,
          whoever_left_in_the_handshake_goes_when_time_is_up_or_room_is_needed,
          room_is_made_by_one_in_its_handshake_also_after_a_renewal,
          a_pair_that_cannot_be_used_changes_nothing)
