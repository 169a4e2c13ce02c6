#include "net/dns.h"

#include <ares.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

/* Each try waits twice as long as the one before, so three tries take seven times the first. */
enum { TRIES = 3, FIRST_TRY_PARTS = 7, LEAST_TRY_MS = 50 };

struct dns {
    struct loop *loop;
    ares_channel ares;
    struct timer timer;
    struct list sockets;
};

/* Lives until libuv has let go of it, which is after c-ares closed the descriptor. */
struct dns_socket {
    struct list node;
    uv_poll_t poll;
    struct dns *dns;
    ares_socket_t descriptor;
};

struct question {
    struct question **handle; /* NULL: forgotten */
    dns_fn *fn;
    void *arg;
};

static void set_timer(struct dns *dns)
{
    struct timeval left;
    if (ares_timeout(dns->ares, NULL, &left))
        loop_timer_set(dns->loop, &dns->timer,
                       (int64_t)left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
    else
        loop_timer_cancel(dns->loop, &dns->timer);
}

static void on_timer(void *arg)
{
    struct dns *dns = arg;
    ares_process_fd(dns->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(dns);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dns_socket *socket = poll->data;
    struct dns *dns = socket->dns;
    /* c-ares finds out what the error is by trying. */
    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    ares_socket_t descriptor = socket->descriptor;
    ares_process_fd(dns->ares, events & UV_READABLE ? descriptor : ARES_SOCKET_BAD,
                    events & UV_WRITABLE ? descriptor : ARES_SOCKET_BAD);
    set_timer(dns);
}

static struct dns_socket *socket_find(struct dns *dns, ares_socket_t descriptor)
{
    list_each(node, &dns->sockets) {
        struct dns_socket *socket = list_owner(node, struct dns_socket, node);
        if (socket->descriptor == descriptor)
            return socket;
    }
    return NULL;
}

static struct dns_socket *socket_open(struct dns *dns, ares_socket_t descriptor)
{
    struct dns_socket *socket = mem_new(sizeof *socket);
    int status = uv_poll_init(&dns->loop->uv, &socket->poll, descriptor);
    if (status != 0) {
        log_warn("A socket to a nameserver cannot be watched: %s", uv_strerror(status));
        free(socket);
        return NULL;
    }
    socket->poll.data = socket;
    socket->dns = dns;
    socket->descriptor = descriptor;
    list_append(&dns->sockets, &socket->node);
    return socket;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void socket_close(struct dns_socket *socket)
{
    list_remove(&socket->node);
    uv_poll_stop(&socket->poll);
    uv_close((uv_handle_t *)&socket->poll, on_closed);
}

static void on_socket_state(void *arg, ares_socket_t descriptor, int readable, int writable)
{
    struct dns *dns = arg;
    struct dns_socket *socket = socket_find(dns, descriptor);
    if (!readable && !writable) {
        if (socket)
            socket_close(socket);
        return;
    }
    if (!socket)
        socket = socket_open(dns, descriptor);
    if (socket)
        uv_poll_start(&socket->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                      on_poll);
}

struct dns *dns_new(struct loop *loop, const struct dns_options *options, struct err *err)
{
    struct dns *dns = mem_new(sizeof *dns);
    dns->loop = loop;
    timer_init(&dns->timer, on_timer, dns);
    list_init(&dns->sockets);
    int64_t first_try_ms = options->timeout_ms / FIRST_TRY_PARTS;
    char *lookups = mem_text(options->lookups);
    struct ares_options ares_options = {
        .timeout = first_try_ms > LEAST_TRY_MS ? (int)first_try_ms : LEAST_TRY_MS,
        .tries = TRIES,
        /* A name with a dot is asked for as it is; under Kubernetes the system's setting would
         * first ask for it in each of five search domains. */
        .ndots = 1,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
    };
    int status = ares_init_options(&dns->ares, &ares_options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                                       ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    free(lookups);
    if (status != ARES_SUCCESS) {
        err_set(err, ERR_IO, "the resolver cannot be set up: %s", ares_strerror(status));
        free(dns);
        return NULL;
    }
    if (options->nameservers)
        status = ares_set_servers_ports_csv(dns->ares, options->nameservers);
    if (status != ARES_SUCCESS) {
        err_set(err, ERR_IO, "the nameservers \"%s\" are not accepted: %s", options->nameservers,
                ares_strerror(status));
        dns_free(dns);
        return NULL;
    }
    return dns;
}

void dns_free(struct dns *dns)
{
    if (!dns)
        return;
    ares_destroy(dns->ares); /* closes the sockets and answers every question with EDESTRUCTION */
    loop_timer_cancel(dns->loop, &dns->timer);
    free(dns);
}

static bool list_has(const struct address_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->count; i++)
        if (address_same_host(&list->items[i], address))
            return true;
    return false;
}

static void collect(struct address_list *list, const struct ares_addrinfo *answer)
{
    for (const struct ares_addrinfo_node *at = answer->nodes; at; at = at->ai_next) {
        struct address address;
        if (list->count < ADDRESS_LIST_MAX && at->ai_addr &&
            address_from_sockaddr(&address, at->ai_addr, (socklen_t)at->ai_addrlen) == 0 &&
            !list_has(list, &address))
            list->items[list->count++] = address;
    }
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct question *question = arg;
    struct address_list found = {.count = 0};
    (void)timeouts;
    if (answer) {
        collect(&found, answer);
        ares_freeaddrinfo(answer);
    }
    if (status == ARES_SUCCESS && !found.count)
        status = ARES_ENODATA;
    if (question->handle)
        *question->handle = NULL;
    if (question->handle && status != ARES_EDESTRUCTION)
        question->fn(question->arg, status, &found);
    free(question);
}

void dns_ask(struct dns *dns, const char *host, int family, struct question **handle, dns_fn *fn,
             void *arg)
{
    struct question *question = mem_new(sizeof *question);
    *question = (struct question){.handle = handle, .fn = fn, .arg = arg};
    *handle = question;
    struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(dns->ares, host, NULL, &hints, on_answer, question);
    set_timer(dns);
}

void dns_forget(struct question **handle)
{
    if (!*handle)
        return;
    (*handle)->handle = NULL;
    *handle = NULL;
}
