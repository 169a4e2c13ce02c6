#include "web/http1.h"

#include <microhttpd.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    MEMORY_PER_CONNECTION = 16 * 1024, /* bounds a request's header */
    /* The gate says how many there may be, and may be told anew; the library only once. */
    CONNECTIONS_UNBOUNDED = 1000000,
    /* Longer than proxies keep idle connections (nginx 60 s, Caddy 120 s): they close first, and
     * never send a request into a connection that we have just closed. */
    IDLE_MS = 130 * 1000,
    /* The library wants to run again at once for as long as a TLS handshake stands still, though
     * nothing happens until the socket says so: after so many turns without news it is not let. */
    TURNS_WITHOUT_NEWS = 8,
    REST_MS = 20,
    CUT_AGAIN_MS = 100,
};

/* GnuTLS's words for: nothing before TLS 1.2. */
static const char tls_only[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct http1 {
    struct loop *loop;
    struct gate *gate;
    exchange_handler *handler;
    void *arg;
    struct MHD_Daemon *daemon;
    uv_poll_t *poll; /* freed when it has closed */
    struct timer again;
    bool
        resumed; /* a connection, since the library ran last: without a thread it does not notice */
    bool is_tls;
    bool ending;    /* nothing is asked any more */
    unsigned turns; /* since a socket had news, or a request a piece more */
    int64_t timeout_ms;
    struct list waiting;   /* connections without a complete request, the oldest first */
    struct list suspended; /* connections whose answer is to come */
    struct log_limit log_limit;
};

struct connection {
    struct http1 *http1;
    struct MHD_Connection *carrier;
    struct list place; /* on http1->waiting, http1->suspended or none */
    int64_t waiting_since_ms;
    struct timer deadline;
    int fd;
    struct address peer;
    struct gate_pass pass;
    struct exchange exchange;
    struct buf body;
    size_t discarded;
    bool has_header;
    bool has_asked;
    bool served; /* a request before this one was answered */
};

static void forget(struct connection *connection)
{
    struct exchange *exchange = &connection->exchange;
    if (exchange->waiting)
        exchange->forget(exchange->waiting);
    exchange->waiting = NULL;
}

/* The body may hold a device's password. */
static void end_exchange(struct connection *connection)
{
    forget(connection);
    request_fini(&connection->exchange.request);
    response_fini(&connection->exchange.response);
    if (connection->body.bytes)
        sodium_memzero(connection->body.bytes, connection->body.room);
    buf_fini(&connection->body);
    connection->discarded = 0;
    connection->has_header = connection->has_asked = false;
}

static void move(struct connection *connection, struct list *to)
{
    list_remove(&connection->place);
    if (to)
        list_append(to, &connection->place);
}

static void wait_for_request(struct connection *connection)
{
    connection->waiting_since_ms = loop_now_ms(connection->http1->loop);
    move(connection, &connection->http1->waiting);
}

static void set_deadline(struct connection *connection, int64_t after_ms)
{
    loop_timer_set(connection->http1->loop, &connection->deadline, after_ms);
}

/* The library notices the end of the stream and closes; only it may close the descriptor. Where the
 * end comes in a TLS handshake, it does so at the next news of the socket, which never came: so it
 * is cut until it has gone. */
static void cut(struct connection *connection)
{
    shutdown(connection->fd, SHUT_RDWR);
    set_deadline(connection, CUT_AGAIN_MS);
}

static void on_deadline(void *arg)
{
    cut(arg);
}

static void on_answered(struct exchange *exchange)
{
    struct connection *connection = list_owner(exchange, struct connection, exchange);
    struct http1 *http1 = connection->http1;
    move(connection, NULL);
    set_deadline(connection, http1->timeout_ms);
    MHD_resume_connection(connection->carrier);
    /* Later, as this may be called while the library runs. */
    http1->resumed = true;
    loop_timer_set(http1->loop, &http1->again, 0);
}

static void open_connection(struct http1 *http1, struct MHD_Connection *carrier, void **context)
{
    struct connection *connection = mem_new(sizeof *connection);
    connection->http1 = http1;
    connection->carrier = carrier;
    connection->fd =
        MHD_get_connection_info(carrier, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *from =
        MHD_get_connection_info(carrier, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    if (from->sa_family != AF_UNIX)
        address_from_sockaddr(&connection->peer, from,
                              from->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                         : sizeof(struct sockaddr_in6));
    connection->exchange.answered = on_answered;
    timer_init(&connection->deadline, on_deadline, connection);
    list_init(&connection->place);
    wait_for_request(connection);
    set_deadline(connection, http1->timeout_ms);
    gate_enter(http1->gate, &connection->peer, &connection->pass);
    *context = connection;
}

static void close_connection(struct connection *connection)
{
    struct http1 *http1 = connection->http1;
    loop_timer_cancel(http1->loop, &connection->deadline);
    move(connection, NULL);
    gate_leave(http1->gate, &connection->pass);
    end_exchange(connection);
    free(connection);
}

static void on_connection(void *arg, struct MHD_Connection *carrier, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(arg, carrier, context);
    } else {
        close_connection(*context);
        *context = NULL;
    }
}

static struct connection *connection_of(struct MHD_Connection *carrier)
{
    return MHD_get_connection_info(carrier, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line is there; it comes as it was sent only here. A later request on the same
 * connection gets its own time from now on, the first one has it since the connection was made. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *carrier)
{
    struct connection *connection = connection_of(carrier);
    (void)arg;
    request_set_target(&connection->exchange.request, target);
    if (connection->served)
        set_deadline(connection, connection->http1->timeout_ms);
    return connection;
}

static enum MHD_Result add_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct request *request = arg;
    (void)kind;
    if (request->header_count < REQUEST_HEADERS_MAX)
        request->headers[request->header_count] = (struct header){name, value ? value : ""};
    request->header_count++; /* beyond the bound: too_many_headers sees it */
    return MHD_YES;
}

static bool too_many_headers(struct request *request)
{
    if (request->header_count <= REQUEST_HEADERS_MAX)
        return false;
    request->header_count = REQUEST_HEADERS_MAX;
    return true;
}

static bool is_token(const char *name)
{
    size_t length = strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return length && !name[length];
}

static bool has_control(const char *value)
{
    for (; *value; value++)
        if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
            return true;
    return false;
}

/* libmicrohttpd before 1.0 adds a continued line (RFC 9112 section 5.2) to the header's name: a
 * length that is said so would not be known as one. Nobody has headers of such names. */
static bool is_continued(const char *name)
{
    static const char *const framing[] = {"Content-Length", "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++) {
        size_t length = strlen(framing[i]);
        if (strncasecmp(name, framing[i], length) == 0 && name[length])
            return true;
    }
    return false;
}

static bool is_readable(const struct header *header)
{
    return is_token(header->name) && !is_continued(header->name) && !has_control(header->value);
}

/* Whoever stands in front might read the end of such a request elsewhere than we do (RFC 9112
 * sections 6.1 and 11.2). */
static bool may_smuggle(const struct request *request)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (!is_readable(&request->headers[i]))
            return true;
    const char *length = request_header(request, "Content-Length");
    const char *coding = request_header(request, "Transfer-Encoding");
    if (request_count_header(request, "Host") > 1)
        return true;
    if (request_count_header(request, "Content-Length") +
            request_count_header(request, "Transfer-Encoding") >
        1)
        return true;
    if (length && (!*length || length[strspn(length, "0123456789")]))
        return true;
    return coding && (request->is_http10 || strcasecmp(coding, "chunked") != 0);
}

static unsigned long long declared_length(const struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    return length ? strtoull(length, NULL, 10) : 0;
}

/* Judges the header; fills the response where the body is not worth reading. */
static void refuse_early(struct connection *connection)
{
    struct request *request = &connection->exchange.request;
    struct response *response = &connection->exchange.response;
    unsigned long long length;
    if (too_many_headers(request)) {
        response_refuse(response, 431);
        return;
    }
    if (may_smuggle(request)) {
        response_refuse(response, 400);
        return;
    }
    length = declared_length(request);
    if (length > REQUEST_DISCARD_MAX ||
        (length > REQUEST_BODY_MAX && request_header(request, "Expect")))
        response_refuse(response, 413);
}

static enum MHD_Result send_response(struct connection *connection, bool then_close)
{
    struct response *response = &connection->exchange.response;
    struct header headers[RESPONSE_HEADERS_MAX];
    char policy[RESPONSE_POLICY_SIZE];
    struct MHD_Response *carried =
        MHD_create_response_from_buffer(response->length, response->body, MHD_RESPMEM_MUST_COPY);
    if (!carried)
        return MHD_NO;
    size_t count = response_headers(response, headers, policy);
    for (size_t i = 0; i < count; i++)
        MHD_add_response_header(carried, headers[i].name, headers[i].value);
    if (then_close)
        MHD_add_response_header(carried, MHD_HTTP_HEADER_CONNECTION, "close");
    move(connection, NULL);
    set_deadline(connection, connection->http1->timeout_ms);
    enum MHD_Result result =
        MHD_queue_response(connection->carrier, (unsigned)response->status, carried);
    MHD_destroy_response(carried);
    return result;
}

static enum MHD_Result begin(struct connection *connection, const char *method, const char *version)
{
    struct request *request = &connection->exchange.request;
    connection->has_header = true;
    buf_init(&connection->body, REQUEST_BODY_MAX);
    request->method = method;
    request->peer = connection->peer;
    request->is_tls = connection->http1->is_tls;
    request->is_http10 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    request->header_count = 0;
    MHD_get_connection_values(connection->carrier, MHD_HEADER_KIND, add_header, request);
    refuse_early(connection);
    return connection->exchange.response.status ? send_response(connection, true) : MHD_YES;
}

static enum MHD_Result take_body(struct connection *connection, const char *bytes, size_t *length)
{
    if (connection->discarded || buf_add(&connection->body, bytes, *length) != 0)
        connection->discarded += *length;
    *length = 0;
    return connection->discarded > REQUEST_DISCARD_MAX ? MHD_NO : MHD_YES;
}

/* The request is complete. */
static void ask(struct connection *connection)
{
    struct exchange *exchange = &connection->exchange;
    struct http1 *http1 = connection->http1;
    connection->has_asked = true;
    loop_timer_cancel(http1->loop, &connection->deadline);
    move(connection, NULL);
    exchange->request.body = connection->body.bytes;
    exchange->request.body_length = connection->body.length;
    if (connection->discarded)
        response_refuse(&exchange->response, 413);
    else
        http1->handler(http1->arg, exchange);
    if (exchange->response.status)
        return;
    move(connection, &http1->suspended);
    MHD_suspend_connection(connection->carrier);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *carrier, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *length, void **context)
{
    struct connection *connection = connection_of(carrier);
    (void)arg;
    (void)url; /* decoded; on_target has it as it was sent */
    (void)context;
    connection->http1->turns = 0;
    if (connection->http1->ending)
        return MHD_NO;
    if (!connection->has_header)
        return begin(connection, method, version);
    if (*length)
        return take_body(connection, bytes, length);
    if (!connection->has_asked)
        ask(connection);
    return connection->exchange.response.status ? send_response(connection, false) : MHD_YES;
}

/* libmicrohttpd misses an end of stream that came together with a request, and would keep the place
 * of a client that has gone until the idle deadline. */
static bool has_hung_up(const struct connection *connection)
{
    char next;
    return recv(connection->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_completed(void *arg, struct MHD_Connection *carrier, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct connection *connection = connection_of(carrier);
    (void)arg;
    (void)context;
    (void)how;
    end_exchange(connection);
    connection->served = true;
    wait_for_request(connection);
    set_deadline(connection, IDLE_MS);
    if (has_hung_up(connection))
        cut(connection);
}

static void on_log(void *arg, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void on_log(void *arg, const char *format, va_list args)
{
    struct http1 *http1 = arg;
    char line[256];
    int length = vsnprintf(line, sizeof line, format, args);
    if (length < 0)
        return;
    log_foreign(&http1->log_limit, LOG_LEVEL_DEBUG, "libmicrohttpd", line,
                (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

/* INT64_MAX: never. */
static int64_t wait_ms(struct http1 *http1)
{
    MHD_UNSIGNED_LONG_LONG wanted_ms;
    if (http1->resumed)
        return 0;
    if (MHD_get_timeout(http1->daemon, &wanted_ms) != MHD_YES)
        return INT64_MAX;
    if (http1->is_tls && wanted_ms < REST_MS && http1->turns++ >= TURNS_WITHOUT_NEWS)
        return REST_MS;
    return wanted_ms > IDLE_MS ? IDLE_MS : (int64_t)wanted_ms;
}

static void run(struct http1 *http1)
{
    http1->resumed = false;
    MHD_run(http1->daemon);
    int64_t again_ms = wait_ms(http1);
    if (again_ms < INT64_MAX)
        loop_timer_set(http1->loop, &http1->again, again_ms);
    else
        loop_timer_cancel(http1->loop, &http1->again);
}

static void on_again(void *arg)
{
    run(arg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct http1 *http1 = poll->data;
    (void)status;
    (void)events;
    http1->turns = 0;
    run(http1);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static int join_loop(struct http1 *http1)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http1->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    http1->poll = mem_new(sizeof *http1->poll);
    http1->poll->data = http1;
    if (!info || uv_poll_init(&http1->loop->uv, http1->poll, info->epoll_fd) != 0) {
        free(http1->poll);
        return ERR_IO;
    }
    uv_poll_start(http1->poll, UV_READABLE, on_readable);
    return 0;
}

static struct MHD_Daemon *start(struct http1 *http1, const struct certificate *certificate)
{
    struct MHD_OptionItem tls[] = {
        {certificate ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0,
         (void *)(uintptr_t)tls_only},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate ? certificate->chain : NULL},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate ? certificate->key : NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | (certificate ? MHD_USE_TLS : 0);
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http1, MHD_OPTION_EXTERNAL_LOGGER, on_log, http1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_UNBOUNDED, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http1, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, http1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http1, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
}

struct http1 *http1_new(struct loop *loop, struct gate *gate, exchange_handler *handler, void *arg,
                        const struct certificate *certificate, struct err *err)
{
    struct http1 *http1 = mem_new(sizeof *http1);
    http1->loop = loop;
    http1->gate = gate;
    http1->handler = handler;
    http1->arg = arg;
    list_init(&http1->waiting);
    list_init(&http1->suspended);
    timer_init(&http1->again, on_again, http1);
    http1->is_tls = certificate != NULL;
    http1->daemon = start(http1, certificate);
    if (http1->daemon && join_loop(http1) == 0)
        return http1;
    if (http1->daemon)
        MHD_stop_daemon(http1->daemon);
    free(http1);
    err_set(err, ERR_IO, "the web server cannot start: %s",
            certificate ? "its TLS library does not take the certificate and key (log.level: debug "
                          "says why); others, EC or RSA, may do"
                        : "too few file descriptors?");
    return NULL;
}

void http1_free(struct http1 *http1)
{
    if (!http1)
        return;
    http1->ending = true;
    list_each_safe(place, &http1->suspended) {
        struct connection *connection = list_owner(place, struct connection, place);
        forget(connection);
        move(connection, NULL);
        MHD_resume_connection(connection->carrier);
    }
    MHD_run(http1->daemon); /* the library stops the process if any is suspended when it ends */
    loop_timer_cancel(http1->loop, &http1->again);
    uv_close((uv_handle_t *)http1->poll, on_closed);
    MHD_stop_daemon(http1->daemon);
    free(http1);
}

void http1_set_timeout(struct http1 *http1, int64_t timeout_ms)
{
    http1->timeout_ms = timeout_ms;
}

void http1_add(struct http1 *http1, int fd, const struct address *peer)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (peer->length)
        MHD_add_connection(http1->daemon, fd, &peer->any, peer->length);
    else
        MHD_add_connection(http1->daemon, fd, (struct sockaddr *)&local, sizeof local);
    run(http1);
}

int64_t http1_waiting_since_ms(const struct http1 *http1)
{
    struct list *oldest = list_first(&http1->waiting);
    return oldest ? list_owner(oldest, struct connection, place)->waiting_since_ms : INT64_MAX;
}

bool http1_make_room(struct http1 *http1)
{
    struct list *oldest = list_first(&http1->waiting);
    if (!oldest)
        return false;
    for (int i = 0; i < 2 && list_first(&http1->waiting) == oldest; i++) {
        cut(list_owner(oldest, struct connection, place));
        run(http1);
    }
    return true;
}
