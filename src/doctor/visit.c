#include "doctor/visit.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cert_time.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "doctor/knock.h"
#include "push/multi.h"
#include "push/route.h"
#include "signal/roads.h"

enum {
    CONNECT_MS = 5000,
    TOTAL_MS = 10000, /* of one request, after the look-up */
    ALL_MS = 15000,   /* whatever hangs */
    /* Signal's 3 for each road, 8 push servers' 3 each, 2 for alerts, the public address' 5 */
    VISITS_MOST = 40,
    BODY_MOST = 256 * 1024, /* the linking page with its picture */
    LINE_MOST = 512,
    STATUS_OPENED = 101, /* a websocket */
};

struct visits {
    const struct config *config;
    struct loop loop;
    void (*on_broken_pipe)(int); /* as it was before */
    struct resolver
        *resolver; /* asks for both families, so that it can be said which one is there */
    struct multi *multi;
    struct list visits;
    size_t pending;
    struct timer deadline;
};

struct visit {
    struct list node;
    struct visits *owner;
    struct visit_request request;
    struct visit_facts *facts;
    struct url url;
    bool is_over, looks, moves; /* a look-up, a request is under way */
    struct lookup *lookup;
    struct knock *knock; /* over HTTP/2; NULL: not yet */
    CURL *easy;
    struct curl_slist *headers;
    struct route route;
    struct connect_target target;
    bool elsewhere;
    bool has_v4, has_v6;
    bool has_head; /* all of the answer's head was read */
    struct buf body;
    char says[CURL_ERROR_SIZE];
};

static void write_place(char place[VISIT_PLACE_SIZE], const struct connect_target *target)
{
    snprintf(place, VISIT_PLACE_SIZE, "%s%s%s:%u", target->is_ipv6 ? "[" : "", target->host,
             target->is_ipv6 ? "]" : "", target->port);
}

static void note_end(struct visit *visit, enum visit_end end, const char *why)
{
    visit->facts->end = end;
    if (visit->elsewhere)
        write_place(visit->facts->place, &visit->target);
    visit->facts->has_v4 = visit->has_v4;
    visit->facts->has_v6 = visit->has_v6;
    if (why)
        text_printable(visit->facts->why, sizeof visit->facts->why, why, strlen(why));
    visit->is_over = true;
    visit->owner->pending--;
}

static void finish(struct visit *visit, enum visit_end end, const char *why)
{
    note_end(visit, end, why);
    if (visit->owner->pending == 0)
        loop_stop(&visit->owner->loop);
}

/* The answer */

static void take_status(struct visit *visit, const char *line)
{
    const char *space = strchr(line, ' ');
    *visit->facts = (struct visit_facts){.status = space ? (int)strtol(space, NULL, 10) : 0};
}

static void take_date(struct visit *visit, const char *value)
{
    time_t date = curl_getdate(value, NULL);
    if (date < 0)
        return;
    visit->facts->has_date = true;
    visit->facts->ahead_s = (int64_t)date - clock_unix();
}

static void take_location(struct visit *visit, const char *value)
{
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    if (url_parse(&url, value, NULL) != 0)
        return;
    url_origin(&url, origin);
    url_fini(&url);
    text_printable(visit->facts->moved_to, sizeof visit->facts->moved_to, origin, strlen(origin));
}

/* An upgrade that was granted has no end that curl would see, so the head's end is ours; one of an
 * interim answer is not. */
static bool is_enough(struct visit *visit)
{
    int status = visit->facts->status;
    visit->has_head = status == STATUS_OPENED || status >= 200;
    return visit->has_head && !visit->request.needle;
}

static size_t on_line(char *bytes, size_t size, size_t count, void *arg)
{
    struct visit *visit = arg;
    size_t length = size * count;
    char line[LINE_MOST];
    snprintf(line, sizeof line, "%.*s", (int)length, bytes);
    line[strcspn(line, "\r\n")] = '\0';
    const char *colon = strchr(line, ':');
    const char *value = colon ? colon + 1 + strspn(colon + 1, " \t") : "";
    if (text_starts(line, "HTTP/"))
        take_status(visit, line);
    else if (text_starts_nocase(line, "date:"))
        take_date(visit, value);
    else if (text_starts_nocase(line, "location:"))
        take_location(visit, value);
    else if (text_starts_nocase(line, "x-signal-timestamp:"))
        visit->facts->stamped = true;
    else if (text_starts_nocase(line, "server:"))
        text_printable(visit->facts->server, sizeof visit->facts->server, value, strlen(value));
    else if (text_starts_nocase(line, "cf-mitigated:"))
        visit->facts->challenged = true;
    else if (!*line && is_enough(visit))
        return 0; /* ends the request */
    return length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct visit *visit = arg;
    return buf_add(&visit->body, bytes, size * count) == 0 ? size * count : 0;
}

static bool has_needle(const struct visit *visit)
{
    const char *needle = visit->request.needle;
    return needle && visit->body.length &&
           memmem(visit->body.bytes, visit->body.length, needle, strlen(needle));
}

static enum visit_end end_of(const struct visit *visit, CURLcode result)
{
    long error = 0;
    curl_off_t connected_us = 0;
    curl_easy_getinfo(visit->easy, CURLINFO_OS_ERRNO, &error);
    curl_easy_getinfo(visit->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    switch (result) {
    case CURLE_COULDNT_CONNECT:
        return error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT
                   ? VISIT_NO_ROUTE
                   : VISIT_NO_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return connected_us ? VISIT_NO_ANSWER : VISIT_NO_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
        return VISIT_NO_TLS;
    default:
        return VISIT_NO_ANSWER;
    }
}

/* By OpenSSL's verdict, which there is none of yet where curl does not find the name. */
static enum visit_flaw flaw_of(const struct visit *visit, CURLcode result)
{
    long verdict = X509_V_OK;
    curl_easy_getinfo(visit->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    if (cert_time_is_the_fault(verdict))
        return VISIT_FLAW_EXPIRED;
    switch (verdict) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return VISIT_FLAW_ISSUER;
    default:
        break;
    }
    if (result == CURLE_PEER_FAILED_VERIFICATION && strstr(visit->says, "subject name"))
        return VISIT_FLAW_NAME;
    /* What speaks TLS and declines says so by an alert. */
    bool declined = strstr(visit->says, " alert ");
    return result == CURLE_SSL_CONNECT_ERROR && !declined ? VISIT_FLAW_NO_TLS : VISIT_FLAW_OTHER;
}

static void on_ended(void *arg, CURLcode result)
{
    struct visit *visit = arg;
    visit->moves = false;
    bool is_cut = visit->request.needle && result == CURLE_OPERATION_TIMEDOUT;
    if (visit->has_head && !is_cut) {
        visit->facts->has_needle = has_needle(visit);
        finish(visit, VISIT_ANSWERED, NULL);
        return;
    }
    *visit->facts = (struct visit_facts){.flaw = flaw_of(visit, result)};
    finish(visit, end_of(visit, result), *visit->says ? visit->says : curl_easy_strerror(result));
}

/* The request */

static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
    (void)easy;
    const struct visit *visit = arg;
    if (visit->request.roots)
        SSL_CTX_set1_cert_store(context, visit->request.roots);
    else
        trust_apply(visit->request.trust, context);
    return CURLE_OK;
}

static void add_header(struct visit *visit, const char *line)
{
    struct curl_slist *longer = curl_slist_append(visit->headers, line);
    if (longer)
        visit->headers = longer;
}

/* The key is that of RFC 6455's example: nothing is sent under it. */
static void ask_for_websocket(struct visit *visit)
{
    add_header(visit, "Connection: Upgrade");
    add_header(visit, "Upgrade: websocket");
    add_header(visit, "Sec-WebSocket-Version: 13");
    add_header(visit, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
}

static void write_url(const struct visit *visit, char text[URL_ORIGIN_SIZE + URL_MAX + 1])
{
    struct url url = visit->url;
    bool secure = strcmp(url.scheme, "https") == 0 || strcmp(url.scheme, "wss") == 0;
    snprintf(url.scheme, sizeof url.scheme, "%s", secure ? "https" : "http");
    url_origin(&url, text);
    size_t length = strlen(text);
    snprintf(text + length, URL_MAX + 1, "%s", url.target);
}

static bool send_request(struct visit *visit, const struct address_list *addresses)
{
    CURL *easy = visit->easy = multi_easy_new();
    if (!easy)
        return false;
    char url[URL_ORIGIN_SIZE + URL_MAX + 1];
    write_url(visit, url);
    route_attach(&visit->route, easy);
    route_write(&visit->route, &visit->url, visit->elsewhere ? &visit->target : NULL, addresses);
    route_apply(&visit->route);
    if (visit->request.upgrade)
        ask_for_websocket(visit);
    if (visit->request.header)
        add_header(visit, visit->request.header);
    if (visit->request.json) {
        add_header(visit, "Content-Type: application/json");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, visit->request.json);
    }
    curl_easy_setopt(easy, CURLOPT_PRIVATE, visit);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, visit->says);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, visit);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, visit->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, visit->request.user_agent);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, visit);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, visit);
    return multi_add(visit->owner->multi, easy);
}

/* The request over HTTP/2 */

static enum visit_end end_of_knock(const struct transport_end *end)
{
    switch (end->kind) {
    case TRANSPORT_STATUS:
        return VISIT_ANSWERED;
    case TRANSPORT_UNREACHABLE:
        return end->sent_away ? VISIT_NO_ROAD : VISIT_NO_CONNECT;
    case TRANSPORT_TLS:
    case TRANSPORT_UNTIMELY:
        return VISIT_NO_TLS;
    case TRANSPORT_NO_ROAD:
    case TRANSPORT_VIOLATION:
        return VISIT_NO_ROAD;
    default:
        return VISIT_NO_ANSWER;
    }
}

static void on_knocked(void *arg, const struct transport_end *end)
{
    struct visit *visit = arg;
    char why[ROADS_WHY_SIZE];
    if (!end) {
        visit->facts->status = STATUS_OPENED;
        finish(visit, VISIT_ANSWERED, NULL);
        return;
    }
    *visit->facts = (struct visit_facts){
        .status = end->status,
        .stamped = end->has_timestamp,
        .flaw = end->kind == TRANSPORT_UNTIMELY ? VISIT_FLAW_EXPIRED : VISIT_FLAW_OTHER,
        .is_kept = !roads_is_left_for(end),
    };
    roads_tell_why(why, end);
    finish(visit, end_of_knock(end), end->kind == TRANSPORT_STATUS ? NULL : why);
}

static void start_knock(struct visit *visit, const struct address_list *addresses)
{
    struct err err;
    const struct knock_request request = {.config = visit->owner->config,
                                          .family = visit->request.family,
                                          .user_agent = visit->request.user_agent,
                                          .step_ms = CONNECT_MS,
                                          .total_ms = TOTAL_MS};
    if (!knock_has_route(addresses)) {
        finish(visit, VISIT_NO_ROUTE, NULL);
        return;
    }
    visit->knock = knock_new(&visit->owner->loop, &request, on_knocked, visit, &err);
    if (!visit->knock)
        finish(visit, VISIT_NO_ANSWER, err.text);
}

/* A numeric address needs no look-up, which is what net.family is for. */
static bool is_wanted(const struct visit *visit, int family)
{
    enum net_family allowed = visit->owner->config->net_family;
    if (visit->request.family != AF_UNSPEC)
        return visit->request.family == family;
    bool is_numeric = visit->elsewhere ? visit->target.is_address : visit->url.is_address;
    return is_numeric || allowed == NET_FAMILY_AUTO ||
           family == (allowed == NET_FAMILY_IPV4 ? AF_INET : AF_INET6);
}

/* Those of its family that the settings allow; the last refusal stays in `err`. */
static void choose(struct visit *visit, const struct address_list *from, struct address_list *to,
                   struct err *err)
{
    const struct policy *policy = visit->request.is_trusted ? NULL : visit->request.policy;
    to->count = 0;
    err->code = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct address *address = &from->items[i];
        visit->has_v4 |= address->any.sa_family == AF_INET;
        visit->has_v6 |= address->any.sa_family == AF_INET6;
        if (!is_wanted(visit, address->any.sa_family))
            continue;
        if (!policy || policy_check_origin(policy, &visit->url, address, err) == 0)
            to->items[to->count++] = *address;
    }
}

static void on_looked_up(void *arg, const struct address_list *addresses, const struct err *err)
{
    struct visit *visit = arg;
    struct address_list usable;
    struct err denied = {0};
    visit->looks = false;
    if (!addresses) {
        finish(visit, VISIT_NO_ADDRESS, err->text);
        return;
    }
    choose(visit, addresses, &usable, &denied);
    if (!usable.count) {
        finish(visit, denied.code ? VISIT_DENIED : VISIT_NO_ADDRESS,
               denied.code ? denied.text : NULL);
        return;
    }
    if (visit->request.over_http2) {
        start_knock(visit, &usable);
        return;
    }
    visit->moves = send_request(visit, &usable);
    if (!visit->moves)
        finish(visit, VISIT_NO_ANSWER, "libcurl cannot make a request.");
}

static void start(struct visit *visit)
{
    const struct policy *policy = visit->request.policy;
    visit->elsewhere = policy && policy_connect_to(policy, &visit->url, &visit->target);
    visit->looks = true;
    visit->lookup = resolver_start(visit->owner->resolver, visit->request.lane,
                                   visit->elsewhere ? visit->target.host : visit->url.host,
                                   visit->elsewhere ? visit->target.port : visit->url.port, true,
                                   on_looked_up, visit);
}

void visits_add(struct visits *visits, const struct visit_request *request,
                struct visit_facts *facts)
{
    struct url url;
    *facts = (struct visit_facts){0};
    if (visits->pending == VISITS_MOST || url_parse(&url, request->url, NULL) != 0)
        return;
    struct visit *visit = mem_new(sizeof *visit);
    visit->owner = visits;
    visit->request = *request;
    visit->facts = facts;
    visit->url = url;
    buf_init(&visit->body, BODY_MOST);
    list_init(&visit->node);
    list_append(&visits->visits, &visit->node);
    visits->pending++;
    start(visit);
}

/* All together */

static void stop_visit(struct visit *visit)
{
    if (visit->looks)
        resolver_cancel(visit->lookup);
    if (visit->moves)
        multi_remove(visit->owner->multi, visit->easy);
    visit->looks = visit->moves = false;
    knock_free(visit->knock);
    visit->knock = NULL;
}

static void on_deadline(void *arg)
{
    loop_stop(&((struct visits *)arg)->loop);
}

void visits_run(struct visits *visits)
{
    if (!visits->pending)
        return;
    loop_timer_set(&visits->loop, &visits->deadline, ALL_MS);
    loop_run(&visits->loop);
    loop_timer_cancel(&visits->loop, &visits->deadline);
    list_each(node, &visits->visits) {
        struct visit *visit = list_owner(node, struct visit, node);
        if (visit->is_over)
            continue;
        enum visit_end end = visit->looks ? VISIT_NO_ADDRESS : VISIT_NO_ANSWER;
        stop_visit(visit);
        *visit->facts = (struct visit_facts){0};
        note_end(visit, end, "no answer in time");
    }
}

static void visit_free(struct visit *visit)
{
    stop_visit(visit);
    list_remove(&visit->node);
    curl_easy_cleanup(visit->easy);
    curl_slist_free_all(visit->headers);
    buf_fini(&visit->body);
    url_fini(&visit->url);
    free(visit);
}

struct visits *visits_new(const struct config *config, struct err *err)
{
    struct visits *visits = mem_new(sizeof *visits);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    loop_init(&visits->loop);
    list_init(&visits->visits);
    timer_init(&visits->deadline, on_deadline, visits);
    struct config both = *config;
    both.net_family = NET_FAMILY_AUTO;
    visits->config = config;
    visits->on_broken_pipe = signal(SIGPIPE, SIG_IGN);
    visits->resolver = resolver_new(&visits->loop, &both, err);
    visits->multi = multi_new(&visits->loop, VISITS_MOST, on_ended);
    if (visits->resolver && visits->multi)
        return visits;
    if (visits->resolver)
        err_set(err, ERR_IO, "libcurl cannot be initialised.");
    visits_free(visits);
    return NULL;
}

void visits_free(struct visits *visits)
{
    if (!visits)
        return;
    struct list *node;
    while ((node = list_first(&visits->visits)))
        visit_free(list_owner(node, struct visit, node));
    if (visits->multi)
        multi_free(visits->multi);
    if (visits->resolver)
        resolver_free(visits->resolver);
    loop_fini(&visits->loop);
    signal(SIGPIPE, visits->on_broken_pipe);
    free(visits);
}

bool visit_answered(const struct visit_facts *facts)
{
    return facts->end == VISIT_ANSWERED;
}

bool visit_opened(const struct visit_facts *facts)
{
    return visit_answered(facts) && facts->status == STATUS_OPENED;
}

bool visit_is_of_proxy(int status)
{
    return status >= 502 && status <= 504;
}
