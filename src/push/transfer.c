#include "push/transfer.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "push/answer.h"
#include "push/curl_end.h"
#include "push/multi.h"
#include "push/route.h"

enum {
    IDLE_MAX = 64,         /* handles kept for later; as many requests are in flight at most */
    CONNECTIONS_MAX = 128, /* in use and idle */
    IDLE_SECONDS = 90,     /* before the usual patience of routers and proxies ends */
    LIFE_SECONDS = 600,    /* a name that moved is followed after that */
    DNS_SECONDS = 60,      /* what an address outlasts the request that brought it */
    BUFFER_SIZE = 4096,    /* an answer is shorter than 24 KiB */
    UPLOAD_SIZE = 16384,   /* curl's least; its 64 KiB would be taken for each TLS request */
    WHY_SIZE = 256,
};

/* What every request has. */
static const char common[] = "\r\nUser-Agent: Doorbell/" DOORBELL_VERSION "\r\nTTL: 2592000"
                             "\r\nUrgency: high\r\nContent-Encoding: aes128gcm";

enum { NAMES_TOPIC_AND_TYPE = 160 };
enum { HEADERS_SIZE = TRANSFER_AUTHORIZATION_SIZE + sizeof common + NAMES_TOPIC_AND_TYPE };

struct transfers {
    struct loop *loop;
    struct multi *multi;
    const struct policy *policy;
    struct trust *trust;
    struct list busy, idle;
    unsigned idle_count;
    int64_t renewed_ms; /* connections from before are not used again */
};

/* What a handle has, mostly from its last request: to compare takes less than to tell curl. */
struct known {
    const void *headers, *body; /* NULL at first, to curl as well */
    long dns_s, length, total_ms, connect_ms, life_s, fresh;
};

struct transfer {
    struct list node; /* busy or idle */
    struct transfers *owner;
    CURL *easy;
    struct known known;
    struct transfer_request request;
    transfer_fn *fn;
    void *arg;
    int64_t deadline_ms;

    bool again;       /* this is the further try */
    unsigned sent;    /* how often the request went out, both tries together */
    unsigned sockets; /* opened in this try; 0: over a kept connection */
    bool refused;     /* by the policy, in this try */
    bool starved;     /* no descriptor was left for a socket, in this try */

    struct curl_slist *first; /* of the headers of this request */
    struct curl_slist headers, no_accept;
    char no_accept_text[sizeof "Accept:"];
    size_t extra_count;
    /* What follows is long, and seldom used as a whole. */
    char headers_text[HEADERS_SIZE];
    struct curl_slist extra[HEADERS_MOST];
    char why[WHY_SIZE];
    char curl_says[CURL_ERROR_SIZE];
    struct route route;
    struct answer answer;
};

static bool is_permitted(struct transfer *transfer, const struct address *address)
{
    struct err err;
    if (policy_check_address(transfer->owner->policy, transfer->request.endpoint,
                             transfer->request.proven, address, &err) == 0)
        return true;
    transfer->refused = true;
    text_printable(transfer->why, sizeof transfer->why, err.text, strlen(err.text));
    return false;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct transfer *transfer = arg;
    struct address address;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        address_from_sockaddr(&address, &to->addr, to->addrlen) != 0 ||
        !is_permitted(transfer, &address))
        return CURL_SOCKET_BAD;
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd >= 0)
        transfer->sockets++;
    else if (errno == EMFILE || errno == ENFILE)
        transfer->starved = true;
    return fd;
}

/* Before every request on a connection, kept ones included. Curl itself repeats a request that died
 * on a kept connection, up to five times and over other kept ones: here it becomes one, on a fresh
 * one. */
static int on_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    (void)local;
    (void)local_port;
    struct transfer *transfer = arg;
    struct address address;
    if (address_parse(&address, peer, (uint16_t)peer_port) != 0 ||
        !is_permitted(transfer, &address))
        return CURL_PREREQFUNC_ABORT;
    if (transfer->sent > 1 || (transfer->sent == 1 && transfer->sockets == 0))
        return CURL_PREREQFUNC_ABORT;
    transfer->sent++;
    return CURL_PREREQFUNC_OK;
}

static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
    (void)easy;
    const struct transfer *transfer = arg;
    trust_apply(transfer->owner->trust, context);
    return CURLE_OK;
}

static size_t on_line(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    return answer_line(&transfer->answer, line, size * count) == 0 ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    return answer_body(&transfer->answer, bytes, size * count) == 0 ? size * count : 0;
}

/* What is the same in every use of the handle. */
static void prepare(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    transfer->known = (struct known){NULL, NULL, -1, -1, -1, -1, -1, -1};
    route_attach(&transfer->route, easy);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_says);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);

    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, transfer);

    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_SIZE);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

/* Connections from before the last renewal have a trust of their own: too old, whatever their age.
 * 0: every kept connection is too old. */
static long longest_life_s(const struct transfers *transfers)
{
    int64_t since = (loop_now_ms(transfers->loop) - transfers->renewed_ms) / 1000 - 1;
    if (since < 1)
        return 0;
    return since < LIFE_SECONDS ? (long)since : LIFE_SECONDS;
}

static void set_number(CURL *easy, CURLoption option, long *has, long number)
{
    if (*has != number)
        curl_easy_setopt(easy, option, number);
    *has = number;
}

static void set_pointer(CURL *easy, CURLoption option, const void **has, const void *pointer)
{
    if (*has != pointer)
        curl_easy_setopt(easy, option, pointer);
    *has = pointer;
}

static void aim(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    struct known *has = &transfer->known;
    const struct transfer_request *request = &transfer->request;
    char url[URL_ORIGIN_SIZE + URL_MAX + 1];
    char *at = text_add(url, url + sizeof url, request->origin);
    text_add(at, url + sizeof url, request->endpoint->target);

    int64_t left = transfer->deadline_ms - loop_now_ms(transfer->owner->loop);
    long total = left > 1 ? (long)left : 1; /* 0 would mean none to curl */
    long connect = request->connect_ms < total ? (long)request->connect_ms : total;
    long life = longest_life_s(transfer->owner);
    bool fresh = request->fresh || transfer->again || life == 0;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    route_apply(&transfer->route);
    set_pointer(easy, CURLOPT_HTTPHEADER, &has->headers, transfer->first);
    set_number(easy, CURLOPT_POSTFIELDSIZE, &has->length, (long)request->length);
    set_pointer(easy, CURLOPT_POSTFIELDS, &has->body, request->body);
    set_number(easy, CURLOPT_DNS_CACHE_TIMEOUT, &has->dns_s, total / 1000 + DNS_SECONDS);
    set_number(easy, CURLOPT_TIMEOUT_MS, &has->total_ms, total);
    set_number(easy, CURLOPT_CONNECTTIMEOUT_MS, &has->connect_ms, connect > 1 ? connect : 1);
    set_number(easy, CURLOPT_MAXLIFETIME_CONN, &has->life_s, life);
    set_number(easy, CURLOPT_FRESH_CONNECT, &has->fresh, fresh);
}

static bool try_it(struct transfer *transfer)
{
    transfer->sockets = 0;
    transfer->refused = false;
    transfer->starved = false;
    transfer->why[0] = '\0';
    transfer->curl_says[0] = '\0';
    answer_clear(&transfer->answer);
    aim(transfer);
    return multi_add(transfer->owner->multi, transfer->easy);
}

/* Copies, because a reload may come before the end. */
static void copy_extra(struct transfer *transfer)
{
    const struct header_list *list = transfer->request.headers;
    bool has_own = transfer->request.authorization;
    struct curl_slist *next = &transfer->headers;
    for (size_t i = list ? list->count : 0; i-- > 0;) {
        if (has_own && text_starts_nocase(list->lines[i], "Authorization:"))
            continue;
        struct curl_slist *one = &transfer->extra[transfer->extra_count++];
        *one = (struct curl_slist){.data = mem_text(list->lines[i]), .next = next};
        next = one;
    }
    transfer->first = next;
    transfer->request.headers = NULL;
}

static void forget_extra(struct transfer *transfer)
{
    if (transfer->extra_count)
        set_pointer(transfer->easy, CURLOPT_HTTPHEADER, &transfer->known.headers, NULL);
    while (transfer->extra_count)
        mem_free_secret(transfer->extra[--transfer->extra_count].data);
    sodium_memzero(transfer->headers_text, strlen(transfer->headers_text));
}

static char *add_header(char *at, const char *end, const char *name, const char *value)
{
    return text_add(text_add(at, end, name), end, value);
}

/* Curl looks through all lines for each header that it could have to add, and sends them as they
 * are: what is one line to it costs the least. It begins with what curl would add, were it not
 * there. */
static void write_headers(struct transfer *transfer)
{
    const struct transfer_request *request = &transfer->request;
    char *at = transfer->headers_text;
    const char *end = at + sizeof transfer->headers_text;
    at = add_header(at, end, "Content-Type: ", request->content_type);
    if (request->authorization)
        at = add_header(at, end, "\r\nAuthorization: ", request->authorization);
    at = add_header(at, end, "\r\nTopic: ", request->topic);
    text_add(at, end, common);
}

/* An empty value takes a header away that curl would add. */
static void link_headers(struct transfer *transfer)
{
    memcpy(transfer->no_accept_text, "Accept:", sizeof transfer->no_accept_text);
    transfer->no_accept = (struct curl_slist){.data = transfer->no_accept_text};
    transfer->headers =
        (struct curl_slist){.data = transfer->headers_text, .next = &transfer->no_accept};
}

static struct transfer *transfer_new(struct transfers *transfers)
{
    CURL *easy = multi_easy_new();
    if (!easy)
        return NULL;
    struct transfer *transfer = mem_new(sizeof *transfer);
    transfer->owner = transfers;
    transfer->easy = easy;
    list_init(&transfer->node);
    link_headers(transfer);
    prepare(transfer);
    return transfer;
}

static void transfer_free(struct transfer *transfer)
{
    list_remove(&transfer->node);
    curl_easy_cleanup(transfer->easy);
    free(transfer);
}

static struct transfer *take(struct transfers *transfers)
{
    struct list *node = list_first(&transfers->idle);
    struct transfer *transfer = NULL;
    if (node) {
        transfer = list_owner(node, struct transfer, node);
        list_remove(node);
        transfers->idle_count--;
    } else {
        transfer = transfer_new(transfers);
    }
    if (transfer)
        list_append(&transfers->busy, &transfer->node);
    return transfer;
}

static void give_back(struct transfer *transfer)
{
    struct transfers *transfers = transfer->owner;
    forget_extra(transfer);
    if (transfers->idle_count >= IDLE_MAX) {
        transfer_free(transfer);
        return;
    }
    list_remove(&transfer->node);
    list_append(transfers->idle.next, &transfer->node); /* first: what was used last is warm */
    transfers->idle_count++;
}

/* A kept connection may have been closed by the other side long ago, or be one that this endpoint
 * must not use: neither says anything about the endpoint. */
static bool deserves_again(const struct transfer *transfer, CURLcode result)
{
    if (transfer->again || transfer->sent > 1 || transfer->sockets > 0 ||
        answer_begun(&transfer->answer))
        return false;
    return result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR ||
           result == CURLE_SEND_ERROR || result == CURLE_ABORTED_BY_CALLBACK;
}

static enum push_failure why_no_connect(const struct transfer *transfer)
{
    if (transfer->sockets > 0)
        return PUSH_NO_CONNECT;
    if (transfer->starved)
        return PUSH_OURS;
    return transfer->refused ? PUSH_FORBIDDEN : PUSH_NO_CONNECT;
}

static enum push_failure failure_of(const struct transfer *transfer, CURLcode result)
{
    if (result == CURLE_COULDNT_CONNECT)
        return why_no_connect(transfer);
    if (result == CURLE_ABORTED_BY_CALLBACK && transfer->refused)
        return PUSH_FORBIDDEN;
    return curl_end_failure(transfer->easy, result, transfer->sent > 0);
}

/* The policy's sentence is there already where it was the reason. */
static void explain(struct transfer *transfer, enum push_failure failure, CURLcode result)
{
    if (failure == PUSH_FORBIDDEN)
        return;
    const char *why = transfer->curl_says[0] ? transfer->curl_says : curl_easy_strerror(result);
    if (failure == PUSH_OURS && transfer->starved)
        why = "no file descriptor is left for another connection";
    text_printable(transfer->why, sizeof transfer->why, why, strlen(why));
}

static void on_ended(void *arg, CURLcode result)
{
    struct transfer *transfer = arg;
    if (deserves_again(transfer, result)) {
        transfer->again = true;
        if (try_it(transfer))
            return;
        result = CURLE_FAILED_INIT;
    }
    enum push_failure failure = failure_of(transfer, result);
    explain(transfer, failure, result);
    struct push_answer answer;
    answer_tell(&transfer->answer, failure, clock_unix(), &answer);
    transfer->fn(transfer->arg, &answer, transfer->why);
    give_back(transfer);
}

struct transfer *transfer_start(struct transfers *transfers, const struct transfer_request *request,
                                transfer_fn *fn, void *arg)
{
    struct transfer *transfer = take(transfers);
    if (!transfer)
        return NULL;
    transfer->request = *request;
    transfer->fn = fn;
    transfer->arg = arg;
    transfer->deadline_ms = loop_now_ms(transfers->loop) + request->total_ms;
    transfer->again = false;
    transfer->sent = 0;
    route_write(&transfer->route, request->endpoint, request->connect_to, request->addresses);
    transfer->request.connect_to = NULL; /* it need not stay */
    write_headers(transfer);
    copy_extra(transfer);
    if (try_it(transfer))
        return transfer;
    give_back(transfer);
    return NULL;
}

void transfer_cancel(struct transfer *transfer)
{
    multi_remove(transfer->owner->multi, transfer->easy);
    give_back(transfer);
}

struct transfers *transfers_new(struct loop *loop, const struct policy *policy, struct trust *trust,
                                struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(err, ERR_IO, "libcurl cannot be set up");
        trust_free(trust);
        return NULL;
    }
    struct transfers *transfers = mem_new(sizeof *transfers);
    list_init(&transfers->busy);
    list_init(&transfers->idle);
    transfers->loop = loop;
    transfers->policy = policy;
    transfers->renewed_ms = loop_now_ms(loop) - (LIFE_SECONDS + 1) * 1000;
    transfers->trust = trust;
    transfers->multi = multi_new(loop, CONNECTIONS_MAX, on_ended);
    if (transfers->multi)
        return transfers;
    err_set(err, ERR_IO, "libcurl cannot be set up");
    transfers_free(transfers);
    return NULL;
}

void transfers_free(struct transfers *transfers)
{
    if (!transfers)
        return;
    list_each_safe(node, &transfers->busy)
        transfer_cancel(list_owner(node, struct transfer, node));
    list_each_safe(node, &transfers->idle)
        transfer_free(list_owner(node, struct transfer, node));
    multi_free(transfers->multi);
    trust_free(transfers->trust);
    free(transfers);
    curl_global_cleanup();
}

void transfers_renew(struct transfers *transfers, const struct policy *policy, struct trust *trust)
{
    transfers->policy = policy;
    transfers->renewed_ms = loop_now_ms(transfers->loop);
    trust_free(transfers->trust);
    transfers->trust = trust;
}
