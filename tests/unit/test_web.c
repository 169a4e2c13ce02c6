#include "web/web.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "bridge/arrivals.h"
#include "bridge/checkup.h"
#include "bridge/service.h"
#include "unit.h"
#include "web/listener.h"

enum { DEADLINE_MS = 20000, ANSWER_MAX = 256 * 1024, PENDING_MAX = 16 };

/* A stand-in that keeps every question until the test answers it. */
struct registration_wait {
    struct bridge *bridge;
    registration_fn *fn;
    void *arg;
    char client[ADDRESS_TEXT_SIZE];
};

struct bridge {
    struct registration_wait *pending[PENDING_MAX];
    size_t count;
    unsigned forgotten;
    enum health health;
    struct arrivals arrivals;
};

struct registration_wait *bridge_register(struct bridge *bridge,
                                          const struct registration *registration,
                                          registration_fn *fn, void *arg)
{
    struct registration_wait *wait = mem_new(sizeof *wait);
    ck_assert_uint_lt(bridge->count, PENDING_MAX);
    *wait = (struct registration_wait){.bridge = bridge, .fn = fn, .arg = arg};
    ck_assert_uint_gt(registration->client.length, 0);
    address_format(wait->client, &registration->client);
    bridge->pending[bridge->count++] = wait;
    return wait;
}

void bridge_count(struct bridge *bridge, struct bridge_counts *counts)
{
    (void)bridge;
    *counts = (struct bridge_counts){.up = 1, .pushes = 2};
}

struct arrivals *bridge_arrivals(struct bridge *bridge)
{
    return &bridge->arrivals;
}

enum health bridge_health(struct bridge *bridge)
{
    return bridge->health;
}

bool bridge_serves(struct bridge *bridge)
{
    return bridge->health == HEALTH_WELL;
}

void registration_forget(struct registration_wait *wait)
{
    wait->bridge->forgotten++;
    free(wait);
}

const char *registration_status_word(enum registration_status status)
{
    return status == REGISTRATION_OK ? "ok" : "forbidden";
}

struct vapid {
    char unused;
};

const char *vapid_public_text(const struct vapid *vapid)
{
    (void)vapid;
    return "BOniQ9xHBPNY9gnQW4o-"
           "16vHqOb40pEIMifyUdFsxAgyzVkFMguxw0QrdbZcq8hRjN2zpeInRvKVPlkzABvuTnI";
}

struct server {
    struct loop loop;
    struct bridge bridge;
    struct vapid vapid;
    struct config config;
    struct web *web;
    char *listen[3], *trusted[1];
    char folder[64], where[3][128];
    uint16_t port;
};

/* A port that nobody uses at the moment. */
/* Below the range from which outgoing connections take theirs, so that none can be in the way. */
static uint16_t free_port(void)
{
    for (int tries = 0; tries < 100; tries++) {
        uint16_t port = (uint16_t)(20000 + randombytes_uniform(10000));
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int result = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (result == 0)
            return port;
    }
    ck_abort_msg("no port is free");
    return 0;
}

static void prepare(struct server *server)
{
    memset(server, 0, sizeof *server);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    loop_init(&server->loop);
    snprintf(server->folder, sizeof server->folder, "/tmp/doorbell-web-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(server->folder));
    server->port = free_port();
    snprintf(server->where[0], sizeof server->where[0], "127.0.0.1:%u", server->port);
    snprintf(server->where[1], sizeof server->where[1], "unix:%s/web.sock", server->folder);
    for (size_t i = 0; i < 3; i++)
        server->listen[i] = server->where[i];
    server->trusted[0] = server->where[2];
    snprintf(server->where[2], sizeof server->where[2], "auto");
    server->config.web_listen = (struct strings){server->listen, 2};
    server->config.web_trusted_proxies = (struct strings){server->trusted, 1};
    server->config.web_timeout_ms = DEADLINE_MS;
    server->config.web_connections = 100;
    server->config.web_connections_per_address = 100;
}

static void start(struct server *server)
{
    struct err err = {0};
    server->web = web_new(&server->loop, &server->bridge, &server->vapid, &server->config, &err);
    ck_assert_msg(server->web != NULL, "%s", err.text);
}

static void stop(struct server *server)
{
    web_free(server->web);
    loop_fini(&server->loop);
    ck_assert_int_eq(rmdir(server->folder), 0);
}

/* Lets the server work until `fd` has something for the test, or a little while has passed. */
static void turn(struct server *server, int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    uv_run(&server->loop.uv, UV_RUN_NOWAIT);
    poll(&wait, 1, 1);
}

static int dial(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int dial_unix(struct server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/web.sock", server->folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* False when the server has closed. */
static bool say(struct server *server, int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
        turn(server, -1);
    }
    return true;
}

/* Whether what was read is a whole answer with its body. */
static bool is_whole(const struct buf *answer, bool head)
{
    const char *text = (const char *)answer->bytes, *end, *length;
    if (!answer->length || !(end = strstr(text, "\r\n\r\n")))
        return false;
    length = strcasestr(text, "\r\nContent-Length:");
    size_t body = length && length < end && !head ? (size_t)atol(length + 17) : 0;
    return answer->length - 1 >= (size_t)(end - text) + 4 + body;
}

enum up_to { ONE_ANSWER, ONE_HEAD, THE_END };

/* Reads one answer, or up to the end of the stream ("" when the server closed without one). */
static char *listen_to(struct server *server, int fd, enum up_to what)
{
    struct buf answer;
    int64_t deadline = clock_ms() + DEADLINE_MS;
    buf_init(&answer, ANSWER_MAX);
    buf_add(&answer, "", 1);
    while (what == THE_END || !is_whole(&answer, what == ONE_HEAD)) {
        char bytes[4096];
        ck_assert_msg(clock_ms() < deadline, "no answer in time");
        turn(server, fd);
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        if (got < 0)
            continue;
        answer.length--;
        ck_assert_int_eq(buf_add(&answer, bytes, (size_t)got), 0);
        buf_add(&answer, "", 1);
    }
    return (char *)answer.bytes;
}

static char *ask(struct server *server, const char *request)
{
    int fd = dial(server);
    say(server, fd, request, strlen(request));
    char *answer = listen_to(server, fd, text_starts(request, "HEAD") ? ONE_HEAD : ONE_ANSWER);
    close(fd);
    return answer;
}

static int status_of(const char *answer)
{
    return text_starts(answer, "HTTP/1.") ? atoi(answer + 9) : 0;
}

static void until(struct server *server, const size_t *count, size_t wanted)
{
    int64_t deadline = clock_ms() + DEADLINE_MS;
    while (*count < wanted) {
        ck_assert_msg(clock_ms() < deadline, "not in time");
        turn(server, -1);
    }
}

static void answer_all(struct server *server, enum registration_status status)
{
    for (size_t i = 0; i < server->bridge.count; i++) {
        struct registration_wait *wait = server->bridge.pending[i];
        wait->fn(wait->arg, status, NULL);
        free(wait);
    }
    server->bridge.count = 0;
}

#define HOST "Host: m.example.org\r\n"
#define BODY "{\"uuid\":\"u\",\"device_id\":1,\"password\":\"p\",\"endpoint\":\"e\"}"
#define REGISTER                                                                                   \
    "POST / HTTP/1.1\r\n" HOST "Content-Type: application/json; charset=utf-8\r\n"                 \
    "Content-Length: 56\r\n\r\n" BODY

static const char status_line_is_told[] = "%s\n---\n%s";

START_TEST(requests_get_the_statuses_that_mollysocket_gave)
{
    static const struct {
        const char *request;
        int status;
        const char *has;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "User-Agent: Signal-Android/7.0 Android/34\r\n\r\n", 200,
         "{\"mollysocket\":{\"version\":\"" DOORBELL_VERSION "\"}}"},
        {"GET /discover HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Type: application/json\r\n"},
        {"GET /discover/ HTTP/1.1\r\n" HOST "\r\n", 200, "{\"mollysocket\":{\"version\":"},
        {"GET / HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Type: text/html; charset=utf-8\r\n"},
        {"GET /?airgapped HTTP/1.1\r\n" HOST "\r\n", 200, "type=airgapped"},
        {"HEAD / HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Type: text/html; charset=utf-8\r\n"},
        {"GET / HTTP/1.0\r\n\r\n", 200, "names no host"},
        {"GET http://m.example.org/discover HTTP/1.1\r\n" HOST "\r\n", 200, "mollysocket"},
        {"GET /other HTTP/1.1\r\n" HOST "\r\n", 404, "Content-Type: text/html"},
        {"GET /discover/x HTTP/1.1\r\n" HOST "\r\n", 404, ""},
        {"GET /%2e HTTP/1.1\r\n" HOST "\r\n", 404, ""},
        {"GET /metrics HTTP/1.1\r\n" HOST "\r\n", 404, ""},
        {"DELETE / HTTP/1.1\r\n" HOST "\r\n", 404, ""},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 404, ""},
        {"PUT / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", 404, ""},
        {"POST /other HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, ""},
        {"POST / HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 404,
         ""},
        {"POST / HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{x",
         400, "Content-Type: text/html"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n",
         400, ""},
        {"POST / HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
         422, "Content-Type: text/html"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
         "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
         422, ""},
    };
    struct server server;
    prepare(&server);
    start(&server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = ask(&server, cases[i].request);
        ck_assert_msg(status_of(answer) == cases[i].status, status_line_is_told, cases[i].request,
                      answer);
        ck_assert_msg(strstr(answer, cases[i].has) != NULL, status_line_is_told, cases[i].request,
                      answer);
        free(answer);
    }
    stop(&server);
}
END_TEST

START_TEST(a_wrong_path_is_explained_to_who_may_be_setting_up_and_refused_to_others)
{
    static const char accept[] = "Accept: text/html,*/*;q=0.8\r\n";
    static const char forwarded[] = "X-Forwarded-For: 198.51.100.1\r\n";
    static const struct {
        const char *method, *headers[2];
        bool explained;
    } cases[] = {
        {"GET", {accept, ""}, true},
        {"GET", {accept, forwarded}, true},
        {"GET", {"", ""}, false},
        {"GET", {"", forwarded}, false},
        {"PUT", {accept, ""}, false},
        {"DELETE", {accept, ""}, false},
        {"GET", {"Accept: */*\r\n", ""}, false},
    };
    struct server server;
    prepare(&server);
    start(&server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *request = mem_format("%s /molly/ HTTP/1.1\r\n" HOST "%s%s\r\n", cases[i].method,
                                   cases[i].headers[0], cases[i].headers[1]);
        char *answer = ask(&server, request);
        ck_assert_msg(status_of(answer) == 404, status_line_is_told, request, answer);
        bool explained = strstr(answer, "reverse_proxy") != NULL;
        ck_assert_msg(explained == cases[i].explained, status_line_is_told, request, answer);
        ck_assert_msg(explained || strlen(answer) < 1024, status_line_is_told, request, answer);
        free(answer);
        free(request);
    }
    stop(&server);
}
END_TEST

START_TEST(probes_tell_liveness_and_readiness_by_status_and_nothing_else)
{
    static const struct {
        enum health health;
        int live, ready;
    } cases[] = {{HEALTH_WELL, 200, 200},
                 {HEALTH_LINKS_DOWN, 200, 503},
                 {HEALTH_STORE_FAILING, 503, 503},
                 {HEALTH_STORE_HANGS, 503, 503}};
    static const char *const requests[] = {
        "GET /healthz HTTP/1.1\r\n" HOST "\r\n", "HEAD /healthz HTTP/1.1\r\n" HOST "\r\n",
        "GET /readyz HTTP/1.1\r\n" HOST "\r\n", "HEAD /readyz?x HTTP/1.1\r\n" HOST "\r\n"};
    struct server server;
    prepare(&server);
    start(&server);
    for (size_t i = 0; i < 4 * sizeof cases / sizeof *cases; i++) {
        server.bridge.health = cases[i / 4].health;
        int status = i % 4 < 2 ? cases[i / 4].live : cases[i / 4].ready;
        char *answer = ask(&server, requests[i % 4]);
        const char *body = strstr(answer, "\r\n\r\n");
        ck_assert_msg(status_of(answer) == status, status_line_is_told, requests[i % 4], answer);
        ck_assert_ptr_nonnull(strstr(answer, "\r\nCache-Control: no-store\r\n"));
        ck_assert_str_eq(body + 4, i % 2 ? "" : status == 200 ? "ok\n" : "not ok\n");
        free(answer);
    }
    char *answer = ask(&server, "POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    ck_assert_int_eq(status_of(answer), 404);
    free(answer);
    stop(&server);
}
END_TEST

START_TEST(every_answer_has_the_headers_that_protect_browsers)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\n" HOST "\r\n", "GET /discover HTTP/1.1\r\n" HOST "\r\n",
        "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", "HEAD / HTTP/1.1\r\n" HOST "\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n"};
    static const char *const headers[] = {"\r\nX-Content-Type-Options: nosniff\r\n",
                                          "\r\nX-Frame-Options: SAMEORIGIN\r\n",
                                          "\r\nPermissions-Policy: interest-cohort=()\r\n",
                                          "\r\nReferrer-Policy: no-referrer\r\n",
                                          "\r\nCache-Control: no-store\r\n",
                                          "\r\nContent-Security-Policy: default-src 'none'; ",
                                          "frame-ancestors 'none'"};
    struct server server;
    prepare(&server);
    start(&server);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char *answer = ask(&server, requests[i]);
        for (size_t j = 0; j < sizeof headers / sizeof *headers; j++)
            ck_assert_msg(strstr(answer, headers[j]) != NULL, status_line_is_told, headers[j],
                          answer);
        free(answer);
    }
    stop(&server);
}
END_TEST

START_TEST(a_registration_is_answered_on_the_verdict)
{
    struct server server;
    prepare(&server);
    start(&server);
    int fd = dial(&server);
    say(&server, fd, REGISTER, strlen(REGISTER));
    until(&server, &server.bridge.count, 1);
    ck_assert_str_eq(server.bridge.pending[0]->client, "127.0.0.1");
    answer_all(&server, REGISTRATION_OK);
    char *answer = listen_to(&server, fd, ONE_ANSWER);
    ck_assert_int_eq(status_of(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "{\"mollysocket\":{\"status\":\"ok\",\"version\":"));
    free(answer);
    /* The same connection takes the next one. */
    say(&server, fd, REGISTER, strlen(REGISTER));
    until(&server, &server.bridge.count, 1);
    answer_all(&server, REGISTRATION_FORBIDDEN);
    answer = listen_to(&server, fd, ONE_ANSWER);
    ck_assert_ptr_nonnull(strstr(answer, "\"status\":\"forbidden\""));
    free(answer);
    close(fd);
    stop(&server);
}
END_TEST

START_TEST(eight_registrations_wait_at_once_while_pages_are_served)
{
    enum { EIGHT = 8 };
    struct server server;
    int fds[EIGHT];
    prepare(&server);
    start(&server);
    for (size_t i = 0; i < EIGHT; i++) {
        fds[i] = dial(&server);
        say(&server, fds[i], REGISTER, strlen(REGISTER));
    }
    until(&server, &server.bridge.count, EIGHT);
    char *page = ask(&server, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    answer_all(&server, REGISTRATION_OK);
    for (size_t i = 0; i < EIGHT; i++) {
        char *answer = listen_to(&server, fds[i], ONE_ANSWER);
        ck_assert_int_eq(status_of(answer), 200);
        free(answer);
        close(fds[i]);
    }
    stop(&server);
}
END_TEST

START_TEST(the_server_ends_cleanly_while_registrations_wait)
{
    struct server server;
    prepare(&server);
    start(&server);
    int first = dial(&server), second = dial(&server), idle = dial(&server);
    say(&server, first, REGISTER, strlen(REGISTER));
    say(&server, second, REGISTER, strlen(REGISTER));
    say(&server, idle, "GET / HT", 8);
    until(&server, &server.bridge.count, 2);
    stop(&server);
    ck_assert_uint_eq(server.bridge.forgotten, 2);
    close(first);
    close(second);
    close(idle);
}
END_TEST

START_TEST(a_client_that_left_before_the_verdict_does_no_harm)
{
    struct server server;
    prepare(&server);
    start(&server);
    int fd = dial(&server);
    say(&server, fd, REGISTER, strlen(REGISTER));
    until(&server, &server.bridge.count, 1);
    close(fd);
    turn(&server, -1);
    answer_all(&server, REGISTRATION_OK);
    char *page = ask(&server, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    stop(&server);
}
END_TEST

START_TEST(requests_that_two_servers_might_read_differently_are_refused)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\n" HOST
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n{}",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: +2\r\n\r\n{}",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: -2\r\n\r\n{}",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x2\r\n\r\n{}",
        "DELETE / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n 2\r\n\r\n{}",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n 0\r\n\r\n{}",
        "POST / HTTP/1.1\r\n" HOST "content-length: 2\r\n\t\r\n 0\r\n\r\n{}",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        "POST / HTTP/1.0\r\n" HOST
        "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "Host: other.example.org\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };
    struct server server;
    prepare(&server);
    start(&server);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        static const char next[] = "GET /discover HTTP/1.1\r\n" HOST "\r\n";
        int fd = dial(&server);
        say(&server, fd, requests[i], strlen(requests[i]));
        say(&server, fd, next, strlen(next));
        char *answers = listen_to(&server, fd, THE_END);
        ck_assert_msg(status_of(answers) == 400, status_line_is_told, requests[i], answers);
        ck_assert_msg(strstr(answers, "{\"mollysocket\"") == NULL, status_line_is_told, requests[i],
                      answers);
        free(answers);
        close(fd);
    }
    stop(&server);
}
END_TEST

START_TEST(the_body_of_a_refused_request_is_never_read_as_the_next_request)
{
    static const char inner[] = "GET /discover HTTP/1.1\r\n" HOST "\r\n";
    static const char *const methods[] = {"GET / ", "DELETE / ", "PUT /x ", "POST /x "};
    struct server server;
    prepare(&server);
    start(&server);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        int fd = dial(&server);
        char *request = mem_format("%sHTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s"
                                   "GET /last HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
                                   methods[i], strlen(inner), inner);
        say(&server, fd, request, strlen(request));
        char *answers = listen_to(&server, fd, THE_END);
        ck_assert_msg(strstr(answers, "{\"mollysocket\"") == NULL, "%s: %s", methods[i], answers);
        ck_assert_ptr_nonnull(strstr(answers + 1, "HTTP/1.1 404"));
        free(answers);
        free(request);
        close(fd);
    }
    stop(&server);
}
END_TEST

/* Sends a body of this length and gives the status. */
static int status_of_body(struct server *server, size_t length, bool chunked)
{
    char *body = mem_new(length + 1);
    memset(body, ' ', length);
    int fd = dial(server);
    char *header = chunked
                       ? mem_format("POST / HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                                    length)
                       : mem_format("POST / HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                                    "Content-Length: %zu\r\n\r\n",
                                    length);
    say(server, fd, header, strlen(header));
    say(server, fd, body, length);
    if (chunked)
        say(server, fd, "\r\n0\r\n\r\n", 7);
    char *answer = listen_to(server, fd, ONE_ANSWER);
    int status = status_of(answer);
    free(answer);
    free(header);
    free(body);
    close(fd);
    return status;
}

START_TEST(a_body_over_64_kib_is_413)
{
    struct server server;
    prepare(&server);
    start(&server);
    ck_assert_int_eq(status_of_body(&server, 64 * 1024, false), 400);
    ck_assert_int_eq(status_of_body(&server, 64 * 1024 + 1, false), 413);
    ck_assert_int_eq(status_of_body(&server, 64 * 1024 + 1, true), 413);
    ck_assert_int_eq(status_of_body(&server, 1024 * 1024, false), 413);
    char *answer = ask(&server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\n");
    ck_assert_int_eq(status_of(answer), 413);
    free(answer);
    answer = ask(&server, "POST / HTTP/1.1\r\n" HOST
                          "Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n");
    ck_assert_int_eq(status_of(answer), 413);
    free(answer);
    stop(&server);
}
END_TEST

START_TEST(headers_over_16_kib_or_too_many_are_refused)
{
    struct server server;
    char *long_value = mem_new(20000), *many = mem_new(70 * 8 + 1);
    memset(long_value, 'x', 19999);
    for (int i = 0; i < 70; i++)
        strcat(many, "A: b\r\n");
    prepare(&server);
    start(&server);
    char *request = mem_format("GET / HTTP/1.1\r\n" HOST "X: %s\r\n\r\n", long_value);
    char *answer = ask(&server, request);
    ck_assert_int_ge(status_of(answer), 400);
    free(answer);
    free(request);
    request = mem_format("GET / HTTP/1.1\r\n" HOST "%s\r\n", many);
    answer = ask(&server, request);
    ck_assert_int_eq(status_of(answer), 431);
    free(answer);
    free(request);
    free(long_value);
    free(many);
    stop(&server);
}
END_TEST

/* Sends one byte whenever the server has nothing to say, until it closes; how long that took. */
static int64_t drip(struct server *server, const char *request)
{
    int fd = dial(server);
    int64_t began = clock_ms(), deadline = began + DEADLINE_MS;
    for (size_t i = 0;; i++) {
        char byte;
        ck_assert_msg(clock_ms() < deadline, "a slow request is never cut");
        turn(server, fd);
        if (request[i % strlen(request)] && i < strlen(request) &&
            send(fd, request + i, 1, MSG_NOSIGNAL) < 0)
            break;
        ssize_t got = recv(fd, &byte, 1, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
    }
    close(fd);
    return clock_ms() - began;
}

START_TEST(a_request_that_comes_too_slowly_is_cut)
{
    struct server server;
    struct buf request;
    prepare(&server);
    server.config.web_timeout_ms = 300;
    start(&server);
    /* More bytes than the time has milliseconds, so that only the deadline can end it. */
    buf_init(&request, 100000);
    buf_add_text(&request, "GET / HTTP/1.1\r\n" HOST "X: ");
    for (int i = 0; i < 30000; i++)
        buf_add(&request, "x", 1);
    buf_add(&request, "", 1);
    ck_assert_int_ge(drip(&server, (char *)request.bytes), 290);
    buf_clear(&request);
    buf_add_text(&request, "POST / HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n");
    for (int i = 0; i < 59000; i++)
        buf_add(&request, " ", 1);
    buf_add(&request, "", 1);
    ck_assert_int_ge(drip(&server, (char *)request.bytes), 290);
    ck_assert_int_ge(drip(&server, "G"), 290);
    buf_fini(&request);
    stop(&server);
}
END_TEST

START_TEST(waiting_for_the_verdict_is_not_slowness)
{
    struct server server;
    prepare(&server);
    server.config.web_timeout_ms = 500;
    start(&server);
    int fd = dial(&server);
    say(&server, fd, REGISTER, strlen(REGISTER));
    until(&server, &server.bridge.count, 1);
    for (int64_t end = clock_ms() + 1500; clock_ms() < end;)
        turn(&server, -1);
    answer_all(&server, REGISTRATION_OK);
    char *answer = listen_to(&server, fd, ONE_ANSWER);
    ck_assert_int_eq(status_of(answer), 200);
    free(answer);
    close(fd);
    stop(&server);
}
END_TEST

/* Whether the server has closed this connection, after it had the time to. */
static bool is_closed(struct server *server, int fd)
{
    char byte;
    for (int i = 0; i < 20; i++)
        turn(server, fd);
    ssize_t got = recv(fd, &byte, 1, 0);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

START_TEST(one_network_has_no_more_connections_than_its_share)
{
    enum { SHARE = 3 };
    struct server server;
    int fds[SHARE];
    prepare(&server);
    snprintf(server.where[2], sizeof server.where[2], "none"); /* or loopback would be a proxy */
    server.config.web_connections_per_address = SHARE;
    start(&server);
    for (size_t i = 0; i < SHARE; i++) {
        fds[i] = dial(&server);
        ck_assert(!is_closed(&server, fds[i]));
    }
    int more = dial(&server);
    ck_assert(is_closed(&server, more));
    close(more);
    /* A Unix socket is not of that network. */
    int local = dial_unix(&server);
    ck_assert(!is_closed(&server, local));
    close(local);
    /* Who leaves makes room. */
    close(fds[0]);
    turn(&server, -1);
    fds[0] = dial(&server);
    ck_assert(!is_closed(&server, fds[0]));
    for (size_t i = 0; i < SHARE; i++)
        close(fds[i]);
    stop(&server);
}
END_TEST

START_TEST(a_trusted_proxy_may_have_more_than_a_share)
{
    struct server server;
    int fds[5];
    prepare(&server);
    server.config.web_connections_per_address = 1;
    start(&server);
    for (size_t i = 0; i < 5; i++) {
        fds[i] = dial(&server);
        ck_assert(!is_closed(&server, fds[i]));
    }
    for (size_t i = 0; i < 5; i++)
        close(fds[i]);
    stop(&server);
}
END_TEST

START_TEST(when_all_places_are_taken_the_one_that_asked_nothing_for_longest_goes)
{
    struct server server;
    prepare(&server);
    server.config.web_connections = 3;
    start(&server);
    int asking = dial(&server);
    say(&server, asking, REGISTER, strlen(REGISTER));
    until(&server, &server.bridge.count, 1);
    int oldest = dial(&server);
    ck_assert(!is_closed(&server, oldest));
    int younger = dial(&server);
    ck_assert(!is_closed(&server, younger));
    char *page = ask(&server, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    ck_assert(is_closed(&server, oldest));
    ck_assert(!is_closed(&server, younger));
    answer_all(&server, REGISTRATION_OK);
    char *answer = listen_to(&server, asking, ONE_ANSWER);
    ck_assert_int_eq(status_of(answer), 200);
    free(answer);
    close(asking);
    close(oldest);
    close(younger);
    stop(&server);
}
END_TEST

/* A connection that has asked nothing, or was answered. */
static int dial_idle(struct server *server, bool http2)
{
    static const char opening[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    static const char request[] = "GET /discover HTTP/1.1\r\n" HOST "\r\n";
    int fd = dial(server);
    if (http2) {
        say(server, fd, opening, sizeof opening);
    } else {
        say(server, fd, request, strlen(request));
        free(listen_to(server, fd, ONE_ANSWER));
    }
    for (int i = 0; i < 5; i++)
        turn(server, -1); /* so that the next one is younger */
    return fd;
}

START_TEST(of_idle_connections_the_oldest_goes_whatever_it_speaks)
{
    for (int http2_first = 0; http2_first < 2; http2_first++) {
        struct server server;
        prepare(&server);
        server.config.web_connections = 2;
        start(&server);
        int oldest = dial_idle(&server, http2_first);
        int younger = dial_idle(&server, !http2_first);
        char *page = ask(&server, "GET / HTTP/1.1\r\n" HOST "\r\n");
        ck_assert_int_eq(status_of(page), 200);
        free(page);
        free(listen_to(&server, oldest, THE_END));
        struct pollfd still = {.fd = younger};
        ck_assert_int_eq(poll(&still, 1, 0), 0); /* no POLLHUP */
        close(oldest);
        close(younger);
        stop(&server);
    }
}
END_TEST

START_TEST(when_everybody_waits_for_a_verdict_nobody_is_thrown_out)
{
    struct server server;
    prepare(&server);
    server.config.web_connections = 1;
    start(&server);
    int asking = dial(&server);
    say(&server, asking, REGISTER, strlen(REGISTER));
    until(&server, &server.bridge.count, 1);
    int more = dial(&server);
    ck_assert(is_closed(&server, more));
    ck_assert(!is_closed(&server, asking));
    close(more);
    close(asking);
    stop(&server);
}
END_TEST

START_TEST(a_reload_changes_limits_and_address)
{
    static char url[] = "https://new.example.org/x/";
    struct server server;
    prepare(&server);
    start(&server);
    server.config.web_public_url = url;
    server.config.web_connections = 0;
    web_reload(server.web, &server.config);
    int more = dial(&server);
    ck_assert(is_closed(&server, more));
    close(more);
    server.config.web_connections = 10;
    web_reload(server.web, &server.config);
    char *page = ask(&server, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_ptr_nonnull(strstr(page, "url=https%3A%2F%2Fnew.example.org%2Fx%2F&amp;"));
    free(page);
    stop(&server);
}
END_TEST

START_TEST(while_descriptors_are_used_up_it_rests_and_then_goes_on)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    struct rlimit before, none;
    struct server server;
    prepare(&server);
    start(&server);
    int fd = dial(&server);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)fd + 1; /* not one more */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    say(&server, fd, request, strlen(request));
    turn(&server, -1);
    int turns = 0;
    for (int64_t end = clock_ms() + 300; clock_ms() < end; turns++)
        uv_run(&server.loop.uv, UV_RUN_ONCE);
    ck_assert_int_lt(turns, 20); /* thousands, if it tried again and again */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(fd);
    char *page = ask(&server, request);
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    stop(&server);
}
END_TEST

/* Bytes that look random and are the same in every run. */
static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

START_TEST(a_hundred_connections_of_garbage_do_not_stop_the_service)
{
    static const char *const starts[] = {
        "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02", "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n"};
    uint32_t state = 1;
    struct server server;
    prepare(&server);
    server.config.web_connections = 20;
    start(&server);
    for (int i = 0; i < 100; i++) {
        char bytes[600];
        int fd = dial(&server);
        const char *begin = starts[(size_t)i % (sizeof starts / sizeof *starts)];
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (char)next_number(&state);
        if (say(&server, fd, begin, strlen(begin)))
            say(&server, fd, bytes, sizeof bytes);
        turn(&server, fd);
        close(fd);
    }
    char *page = ask(&server, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    stop(&server);
}
END_TEST

START_TEST(how_far_a_phone_or_a_browser_came_is_kept)
{
    static const char browser[] = "Accept: text/html,*/*;q=0.8\r\n";
    static const char molly[] = "User-Agent: Signal-Android/8.19 Molly\r\n";
    static char below[] = "https://m.example.org/molly/";
    static const struct {
        const char *line, *headers;
        char *public_url;
        enum arrival_visit visit;
    } cases[] = {
        {"GET /", "", below, ARRIVAL_NO_VISIT},
        {"GET /discover", "", below, ARRIVAL_NO_VISIT},
        {"GET /healthz", browser, below, ARRIVAL_NO_VISIT},
        {"GET /wp-login.php", browser, below, ARRIVAL_NO_VISIT},
        {"GET /molly/", "", below, ARRIVAL_NO_VISIT},
        {"GET /molly/", browser, NULL, ARRIVAL_NO_VISIT},
        {"GET /molly/", browser, below, ARRIVAL_ELSEWHERE},
        {"GET /molly/", molly, NULL, ARRIVAL_ELSEWHERE},
        {"POST /molly/", molly, below, ARRIVAL_ELSEWHERE},
        {"GET /", browser, NULL, ARRIVAL_MISLED},
        {"GET /", browser, below, ARRIVAL_AT_PAGE},
        {"GET /", molly, NULL, ARRIVAL_AT_PAGE},
        {"GET /discover", molly, below, ARRIVAL_AT_PAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server server;
        prepare(&server);
        server.config.web_public_url = cases[i].public_url;
        start(&server);
        char *request = mem_format("%s HTTP/1.1\r\n" HOST "Content-Length: 0\r\n%s\r\n",
                                   cases[i].line, cases[i].headers);
        free(ask(&server, request));
        ck_assert_msg(server.bridge.arrivals.best == cases[i].visit, "%s%s: %d", cases[i].line,
                      cases[i].headers, server.bridge.arrivals.best);
        free(request);
        arrivals_visit(&server.bridge.arrivals, ARRIVAL_NO_VISIT);
        ck_assert_int_eq(server.bridge.arrivals.best, cases[i].visit);
        stop(&server);
    }
}
END_TEST

START_TEST(the_unix_socket_is_a_trusted_proxy_and_its_file_comes_and_goes)
{
    static const char request[] =
        "GET / HTTP/1.1\r\n" HOST "X-Forwarded-Proto: https\r\nX-Original-URL: /molly/\r\n\r\n";
    struct server server;
    struct stat found;
    prepare(&server);
    start(&server);
    const char *path = server.where[1] + strlen("unix:");
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_int_eq(found.st_mode & 0777, 0660);
    int fd = dial_unix(&server);
    say(&server, fd, request, strlen(request));
    char *page = listen_to(&server, fd, ONE_ANSWER);
    ck_assert_ptr_nonnull(strstr(page, "url=https%3A%2F%2Fm.example.org%2Fmolly%2F&amp;"));
    ck_assert_ptr_null(strstr(page, "Not ready yet"));
    free(page);
    close(fd);
    stop(&server);
    ck_assert_int_ne(stat(path, &found), 0);
}
END_TEST

START_TEST(a_socket_file_without_a_listener_is_replaced_and_one_with_is_not)
{
    struct server first, second;
    struct err err = {0};
    prepare(&first);
    /* What a killed process leaves. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/web.sock", first.folder);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale);
    start(&first);
    prepare(&second);
    memcpy(second.where[1], first.where[1], sizeof first.where[1]);
    ck_assert_ptr_null(web_new(&second.loop, &second.bridge, &second.vapid, &second.config, &err));
    ck_assert_int_eq(err.code, ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "web.sock"));
    ck_assert_ptr_nonnull(strstr(err.text, "another program listens there already"));
    stop(&second);
    char *page = ask(&first, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    stop(&first);
}
END_TEST

START_TEST(an_address_is_tried_without_listening_there)
{
    struct server server;
    struct err err = {0};
    char where[sizeof server.where[0]];
    prepare(&server);
    start(&server);
    memcpy(where, server.where[0], sizeof where);
    ck_assert_int_eq(listener_try(where, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "another program listens there already"));
    stop(&server);
    for (int i = 0; i < 2; i++)
        ck_assert_msg(listener_try(where, &err) == 0, "%s", err.text);
    ck_assert_int_eq(listener_try("192.0.2.1:8020", &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "does not have that address"));
    ck_assert_int_eq(listener_try("unix:/nowhere/web.sock", &err), 0);
}
END_TEST

START_TEST(an_address_that_cannot_be_had_is_named_with_the_reason_and_the_setting)
{
    static const struct {
        const char *where, *reason;
    } wrong[] = {
        {NULL, "another program listens there already"}, /* the port of another server */
        {"192.0.2.1:0", "this machine does not have that address"},
        {"localhost:8020", "numeric address"},
        {"127.0.0.1", "numeric address"},
        {"127.0.0.1:99999", "numeric address"},
        {"::1:8020", "numeric address"},
        {"unix:", "from 1 to 107 characters"},
        {"unix:/nowhere/at/all/web.sock", "its folder does not exist"},
    };
    struct server other;
    prepare(&other);
    start(&other);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server server;
        struct err err = {0};
        prepare(&server);
        snprintf(server.where[0], sizeof server.where[0], "%s",
                 wrong[i].where ? wrong[i].where : other.where[0]);
        ck_assert_ptr_null(
            web_new(&server.loop, &server.bridge, &server.vapid, &server.config, &err));
        ck_assert_int_eq(err.code, ERR_IO);
        ck_assert_msg(strstr(err.text, server.where[0]) != NULL, "%s", err.text);
        ck_assert_msg(strstr(err.text, wrong[i].reason) != NULL, "%s", err.text);
        ck_assert_msg(strstr(err.text, "web.listen") != NULL, "%s", err.text);
        stop(&server);
    }
    stop(&other);
}
END_TEST

START_TEST(the_ipv6_wildcard_takes_ipv4_unless_that_has_an_entry_of_its_own)
{
    struct server server;
    prepare(&server);
    snprintf(server.where[0], sizeof server.where[0], "[::]:%u", server.port);
    start(&server);
    char *page = ask(&server, "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 198.51.100.1\r\n\r\n");
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    stop(&server);
    prepare(&server);
    snprintf(server.where[0], sizeof server.where[0], "[::]:%u", server.port);
    snprintf(server.where[1], sizeof server.where[1], "0.0.0.0:%u", server.port);
    start(&server);
    page = ask(&server, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(status_of(page), 200);
    free(page);
    stop(&server);
}
END_TEST

START_TEST(the_bridge_hears_of_the_client_behind_the_proxy)
{
    struct server server;
    prepare(&server);
    start(&server);
    int fd = dial_unix(&server);
    const char *request = "POST / HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                          "X-Forwarded-For: 6.6.6.6, 198.51.100.1\r\n"
                          "Content-Length: 56\r\n\r\n" BODY;
    say(&server, fd, request, strlen(request));
    until(&server, &server.bridge.count, 1);
    ck_assert_str_eq(server.bridge.pending[0]->client, "198.51.100.1");
    answer_all(&server, REGISTRATION_OK);
    char *answer = listen_to(&server, fd, ONE_ANSWER);
    ck_assert_int_eq(status_of(answer), 200);
    free(answer);
    close(fd);
    stop(&server);
}
END_TEST

UNIT_MAIN("web", requests_get_the_statuses_that_mollysocket_gave,
          a_wrong_path_is_explained_to_who_may_be_setting_up_and_refused_to_others,
          how_far_a_phone_or_a_browser_came_is_kept,
          probes_tell_liveness_and_readiness_by_status_and_nothing_else,
          every_answer_has_the_headers_that_protect_browsers,
          a_registration_is_answered_on_the_verdict,
          eight_registrations_wait_at_once_while_pages_are_served,
          the_server_ends_cleanly_while_registrations_wait,
          a_client_that_left_before_the_verdict_does_no_harm,
          requests_that_two_servers_might_read_differently_are_refused,
          the_body_of_a_refused_request_is_never_read_as_the_next_request,
          a_body_over_64_kib_is_413, headers_over_16_kib_or_too_many_are_refused,
          a_request_that_comes_too_slowly_is_cut, waiting_for_the_verdict_is_not_slowness,
          one_network_has_no_more_connections_than_its_share,
          a_trusted_proxy_may_have_more_than_a_share,
          when_all_places_are_taken_the_one_that_asked_nothing_for_longest_goes,
          of_idle_connections_the_oldest_goes_whatever_it_speaks,
          when_everybody_waits_for_a_verdict_nobody_is_thrown_out,
          a_reload_changes_limits_and_address,
          while_descriptors_are_used_up_it_rests_and_then_goes_on,
          a_hundred_connections_of_garbage_do_not_stop_the_service,
          the_unix_socket_is_a_trusted_proxy_and_its_file_comes_and_goes,
          a_socket_file_without_a_listener_is_replaced_and_one_with_is_not,
          an_address_is_tried_without_listening_there,
          an_address_that_cannot_be_had_is_named_with_the_reason_and_the_setting,
          the_ipv6_wildcard_takes_ipv4_unless_that_has_an_entry_of_its_own,
          the_bridge_hears_of_the_client_behind_the_proxy)
