#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "bridge/arrivals.h"
#include "bridge/service.h"
#include "web/about.h"
#include "web/frame.h"
#include "web/gate.h"
#include "web/handed.h"
#include "web/http1.h"
#include "web/http2.h"
#include "web/https.h"
#include "web/listener.h"
#include "web/metrics.h"
#include "web/molly_api.h"
#include "web/pages.h"
#include "web/probes.h"
#include "web/proxy_headers.h"
#include "web/proxy_snippets.h"
#include "web/public_url.h"
#include "web/silent_proxies.h"

enum {
    LISTEN_MAX = 16,
    HANDSHAKE_EVERY_MS = 20, /* a millisecond of the loop each, ten on a small machine */
    HANDSHAKES_BURST = 100,
};

struct web {
    struct loop *loop;
    const struct vapid *vapid;
    struct molly_api api;
    struct proxies proxies;
    struct silent_proxies silent;
    char *public_url;           /* NULL: from the request */
    char *contact;              /* NULL: none is told */
    bool mollysocket;           /* set up in its way: its metrics are shown */
    int64_t trouble_since_unix; /* as far as was looked; 0: it is well */
    char upstream[LISTENER_UPSTREAM_SIZE];
    struct gate gate;
    struct witness witness;
    struct bucket handshakes; /* of TLS: they cost the loop's time, and anybody may ask for one */
    struct http1 *http1;
    struct http2 *http2;
    struct https *https; /* NULL: no TLS of our own */
    struct listener *listeners[LISTEN_MAX];
    size_t count;
    web_takes_fn *takes; /* NULL: there is no other part */
    exchange_handler *answer_part;
    void *part;
};

/* Not a probe that looks whether we live. */
static bool is_browser(const struct request *request)
{
    const char *accept = request_header(request, "Accept");
    return accept && strstr(accept, "text/html");
}

static bool is_below_public_url(const struct web *web, const struct request *request)
{
    const char *host = web->public_url ? strstr(web->public_url, "://") : NULL;
    const char *path = host ? strchr(host + strlen("://"), '/') : NULL;
    return path && path[1] && strncmp(request->path, path, strlen(path)) == 0;
}

/* For the operator who waits for his first phone. Who only tries paths at random is none. */
static void note_visit(struct web *web, const struct request *request,
                       const struct public_url *address, bool is_there)
{
    struct arrivals *arrivals = bridge_arrivals(web->api.bridge);
    if (is_there && is_browser(request))
        arrivals_visit(arrivals, address->fault == URL_GOOD ? ARRIVAL_AT_PAGE : ARRIVAL_MISLED);
    else if (!is_there && is_below_public_url(web, request))
        arrivals_visit(arrivals, ARRIVAL_ELSEWHERE);
}

static void show_page(struct web *web, const struct request *request, bool is_there,
                      struct response *response)
{
    struct public_url address;
    public_url_find(&address, &web->proxies, web->public_url, request);
    struct page page = {
        .vapid = vapid_public_text(web->vapid), .upstream = web->upstream, .address = &address};
    note_visit(web, request, &address, is_there);
    if (!is_there)
        page_wrong_path(response, &page, request->path);
    else if (request_has_parameter(request, "airgapped"))
        page_airgapped(response, &page);
    else
        page_link(response, &page);
    public_url_fini(&address);
}

/* A browser that may be of who sets this up: it came through a proxy, or from this network. */
static bool may_be_setting_up(const struct web *web, const struct request *request)
{
    struct address client;
    if (!request_is_get(request) || !is_browser(request))
        return false;
    proxies_client(&web->proxies, request, &client);
    return proxies_forwarded(request) || address_classify(&client, NULL) == ADDRESS_PRIVATE;
}

static void look_at_service(struct web *web)
{
    if (bridge_serves(web->api.bridge))
        web->trouble_since_unix = 0;
    else if (!web->trouble_since_unix)
        web->trouble_since_unix = clock_unix();
}

static void show_about(struct web *web, struct response *response)
{
    look_at_service(web);
    page_about(response, &(struct about){web->trouble_since_unix, web->contact});
}

static void register_device(struct web *web, struct exchange *exchange)
{
    struct address client;
    proxies_client(&web->proxies, &exchange->request, &client);
    molly_register(&web->api, &client, proxies_hide_client(&web->proxies, &exchange->request),
                   exchange);
}

/* Molly's User-Agent; the same URL is a page to everybody else (signal.md 7.2). */
static bool is_molly(const struct request *request)
{
    const char *agent = request_header(request, "User-Agent");
    return agent && strstr(agent, "Signal-Android");
}

static bool wants_metrics(const struct web *web, const struct request *request)
{
    return request_is_at(request, "metrics") && web->mollysocket &&
           metrics_may_see(&web->silent, request);
}

/* A phone looks for us, or registers. */
static bool is_of_a_phone(const struct request *request)
{
    return is_molly(request) ||
           (request_is_at(request, "") && strcmp(request->method, "POST") == 0);
}

/* With TLS of our own, whoever comes through the network speaks it. */
static bool lacks_tls(const struct web *web, const struct request *request)
{
    return web->https && !request->is_tls && request->peer.length;
}

static void greet_phone(struct web *web, const struct request *request, struct response *response)
{
    if (is_molly(request))
        arrivals_visit(bridge_arrivals(web->api.bridge), ARRIVAL_AT_PAGE);
    molly_discover(response);
}

/* Nothing is answered there. */
static void turn_away(struct web *web, const struct request *request, struct response *response)
{
    if (is_molly(request))
        arrivals_visit(bridge_arrivals(web->api.bridge), ARRIVAL_ELSEWHERE);
    if (may_be_setting_up(web, request))
        show_page(web, request, false, response);
    else
        page_not_found(response, request->path, request_is_get(request) && is_browser(request));
}

static void refuse_without_tls(const struct request *request, struct response *response)
{
    static const char title[] = "400 This port speaks HTTPS";
    static const char text[] = "Ask again with an address that begins with https://. A reverse "
                               "proxy must connect with TLS as well, or through a Unix socket.";
    if (is_browser(request))
        frame_error(response, 400, title, text);
    else
        response_error(response, 400, title, text);
}

static void answer(void *arg, struct exchange *exchange)
{
    struct web *web = arg;
    const struct request *request = &exchange->request;
    struct response *response = &exchange->response;
    bool refused = lacks_tls(web, request);
    witness_look(&web->witness, &web->proxies, request, refused, loop_now_ms(web->loop));
    if (refused) {
        refuse_without_tls(request, response);
        return;
    }
    if (web->mollysocket)
        silent_proxies_note(&web->silent, request, is_of_a_phone(request));
    if (web->takes && web->takes(web->part, request)) {
        web->answer_part(web->part, exchange);
        return;
    }
    bool root = request_is_at(request, ""), discover = request_is_at(request, "discover");
    if (request_is_get(request) && (discover || (root && is_molly(request))))
        greet_phone(web, request, response);
    else if (request_is_get(request) && root)
        show_page(web, request, true, response);
    else if (root && strcmp(request->method, "POST") == 0)
        register_device(web, exchange);
    else if (request_is_get(request) && wants_metrics(web, request))
        metrics_show(web->api.bridge, response);
    else if (request_is_get(request) && strcmp(request->path, "/status") == 0)
        show_about(web, response);
    else if (probes_know(request))
        probes_answer(web->api.bridge, request, response);
    else
        turn_away(web, request, response);
}

/* The connection that waits for longest goes, whatever it speaks. */
static bool make_room(struct web *web)
{
    int64_t http1_ms = http1_waiting_since_ms(web->http1);
    int64_t http2_ms = http2_waiting_since_ms(web->http2);
    int64_t https_ms = web->https ? https_waiting_since_ms(web->https) : INT64_MAX;
    if (https_ms < http1_ms && https_ms < http2_ms)
        return https_make_room(web->https);
    if (http2_ms < http1_ms)
        return http2_make_room(web->http2);
    return http1_make_room(web->http1);
}

/* Its first byte is there (RFC 8446 section 5.1). */
static bool begins_with_handshake(int fd)
{
    unsigned char first;
    return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == 22;
}

/* Whoever comes without TLS where there should be some is told so: lacks_tls. */
static void take_http1(void *arg, int fd, const struct address *peer)
{
    struct web *web = arg;
    bool is_tls = web->https && peer->length && begins_with_handshake(fd);
    if (is_tls && !bucket_take(&web->handshakes, loop_now_ms(web->loop)))
        close(fd);
    else if (is_tls)
        https_add(web->https, fd, peer);
    else
        http1_add(web->http1, fd, peer);
}

/* HTTP/2 is for proxies: to strangers it would be one more thing to attack. */
static void on_accepted(void *arg, int fd, const struct address *peer)
{
    struct web *web = arg;
    if (web->https)
        https_look(web->https);
    enum gate_answer gate = gate_ask(&web->gate, peer);
    if (gate == GATE_FULL && make_room(web))
        gate = gate_ask(&web->gate, peer);
    if (gate != GATE_OPEN)
        close(fd);
    else if (web->https && peer->length)
        http2_look(web->http2, fd, peer);
    else if (proxies_trust(&web->proxies, peer))
        http2_add(web->http2, fd, peer);
    else
        http1_add(web->http1, fd, peer);
}

/* A wildcard IPv4 entry with the same port stands beside [::]: then [::] leaves IPv4 to it. */
static bool ipv4_has_its_own(const struct strings *listen, uint16_t port)
{
    for (size_t i = 0; i < listen->count; i++) {
        struct address address;
        if (listener_parse(&address, listen->items[i]) && address.any.sa_family == AF_INET &&
            address.v4.sin_addr.s_addr == INADDR_ANY && address_port(&address) == port)
            return true;
    }
    return false;
}

static int add_listener(struct web *web, struct listener *listener, const char *whose)
{
    if (!listener)
        return ERR_IO;
    web->listeners[web->count++] = listener;
    bool local = listener_is_loopback(listener_where(listener));
    log_info("The web server listens on %s%s%s.", listener_where(listener), whose,
             local ? ", which only this machine reaches: a proxy here must hand requests on to it"
                   : "");
    return 0;
}

static int listen_on(struct web *web, const struct strings *listen, const char *where,
                     struct err *err)
{
    struct address address;
    bool only_ipv6 = listener_parse(&address, where) && address.any.sa_family == AF_INET6 &&
                     ipv4_has_its_own(listen, address_port(&address));
    struct listener *listener = listener_new(web->loop, where, only_ipv6, on_accepted, web, err);
    if (!listener)
        err_prefix(err, "web.listen");
    return add_listener(web, listener, "");
}

static int listen_all(struct web *web, const struct strings *listen, struct err *err)
{
    if (listen->count == 0)
        return err_set(err, ERR_INVALID,
                       "web.listen is empty: name an address like 127.0.0.1:8020, or set "
                       "web.enabled to false");
    if (listen->count > LISTEN_MAX)
        return err_set(err, ERR_LIMIT, "web.listen has more than %d addresses", LISTEN_MAX);
    for (size_t i = 0; i < listen->count; i++) {
        int result = listen_on(web, listen, listen->items[i], err);
        if (result != 0)
            return result;
    }
    return 0;
}

static int adopt_all(struct web *web, int count, struct err *err)
{
    if (count > LISTEN_MAX)
        return err_set(err, ERR_LIMIT, "more than %d sockets were handed over", LISTEN_MAX);
    for (int i = 0; i < count; i++) {
        struct listener *listener =
            listener_adopt(web->loop, HANDED_FIRST + i, on_accepted, web, err);
        if (add_listener(web, listener, ", a socket handed over at the start") != 0)
            return ERR_IO;
    }
    return 0;
}

/* What the page's proxy examples connect to: the first network address that we listen on. */
static void find_upstream(struct web *web)
{
    snprintf(web->upstream, sizeof web->upstream, PROXY_SNIPPET_UPSTREAM);
    for (size_t i = 0; i < web->count; i++)
        if (listener_upstream(web->upstream, listener_where(web->listeners[i])))
            return;
}

static void take_settings(struct web *web, const struct config *config)
{
    web->mollysocket = config->mollysocket;
    free(web->public_url);
    web->public_url = mem_text(config->web_public_url);
    free(web->contact);
    web->contact = mem_text(config->web_privacy_contact);
    web->gate.most = (size_t)config->web_connections;
    web->gate.most_per_network = (size_t)config->web_connections_per_address;
    http1_set_timeout(web->http1, config->web_timeout_ms);
    http2_set_timeout(web->http2, config->web_timeout_ms);
    if (web->https)
        https_set_timeout(web->https, config->web_timeout_ms);
}

static int begin_tls(struct web *web, const struct config *config, struct err *err)
{
    if (!config->web_tls_cert)
        return 0;
    web->https = https_new(web->loop, &web->gate, answer, web, config->web_tls_cert,
                           config->web_tls_key, err);
    return web->https ? 0 : ERR_INVALID;
}

static void reload_tls(struct web *web, const struct config *config)
{
    struct err err;
    if (web->https && config->web_tls_cert) {
        https_reload(web->https, config->web_tls_cert, config->web_tls_key);
        return;
    }
    https_free(web->https);
    web->https = NULL;
    if (begin_tls(web, config, &err) != 0)
        log_error("TLS is not used, the web server goes on without: %s.", err.text);
}

struct web *web_new(struct loop *loop, struct bridge *bridge, const struct vapid *vapid,
                    const struct config *config, struct err *err)
{
    struct web *web = mem_new(sizeof *web);
    web->loop = loop;
    web->vapid = vapid;
    web->api.bridge = bridge;
    gate_init(&web->gate);
    bucket_init(&web->handshakes, HANDSHAKE_EVERY_MS, HANDSHAKES_BURST);
    web->gate.proxies = &web->proxies;
    if (proxies_parse(&web->proxies, &config->web_trusted_proxies, err) != 0)
        goto failed;
    web->http1 = http1_new(loop, &web->gate, answer, web, NULL, err);
    if (!web->http1 || begin_tls(web, config, err) != 0)
        goto failed;
    web->http2 = http2_new(loop, &web->gate, answer, take_http1, web);
    take_settings(web, config);
    int handed = handed_take();
    if (handed ? adopt_all(web, handed, err) : listen_all(web, &config->web_listen, err))
        goto failed;
    find_upstream(web);
    return web;
failed:
    web_free(web);
    return NULL;
}

void web_free(struct web *web)
{
    if (!web)
        return;
    for (size_t i = 0; i < web->count; i++)
        listener_free(web->listeners[i]);
    http2_free(web->http2);
    http1_free(web->http1);
    https_free(web->https);
    gate_fini(&web->gate);
    free(web->public_url);
    free(web->contact);
    free(web);
}

void web_add_part(struct web *web, web_takes_fn *takes, exchange_handler *answer_part, void *part)
{
    web->takes = takes;
    web->answer_part = answer_part;
    web->part = part;
}

void web_reload(struct web *web, const struct config *config)
{
    struct proxies proxies;
    struct err err = {0};
    if (proxies_parse(&proxies, &config->web_trusted_proxies, &err) == 0)
        web->proxies = proxies;
    else
        log_warn("The former trusted proxies stay: %s.", err.text);
    reload_tls(web, config);
    take_settings(web, config);
}

void web_sweep(struct web *web)
{
    look_at_service(web);
    if (web->https)
        https_look(web->https);
}

void web_expect(struct web *web, char nonce[WITNESS_NONCE_SIZE])
{
    witness_expect(&web->witness, loop_now_ms(web->loop), nonce);
}

json_t *web_tell(struct web *web, const char *nonce)
{
    return witness_tell(&web->witness, nonce, loop_now_ms(web->loop));
}

int64_t web_certificate_ends_unix(const struct web *web)
{
    return web->https ? https_ends_unix(web->https) : 0;
}
