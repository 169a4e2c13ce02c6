#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "web/gate.h"
#include "web/http1.h"
#include "web/listener.h"
#include "web/molly_api.h"
#include "web/pages.h"
#include "web/proxy_headers.h"

enum { LISTEN_MAX = 16, UPSTREAM_SIZE = ADDRESS_TEXT_SIZE + 16 };

struct web {
    struct loop *loop;
    const struct vapid *vapid;
    struct molly_api api;
    struct proxies proxies;
    char *public_url; /* NULL: from the request */
    char upstream[UPSTREAM_SIZE];
    struct gate gate;
    struct http1 *http1;
    struct listener *listeners[LISTEN_MAX];
    size_t count;
};

static void show_page(struct web *web, const struct request *request, struct response *response)
{
    struct public_url address;
    public_url_find(&address, &web->proxies, web->public_url, request);
    struct page page = {
        .vapid = vapid_public_text(web->vapid), .upstream = web->upstream, .address = &address};
    if (request_has_parameter(request, "airgapped"))
        page_airgapped(response, &page);
    else
        page_link(response, &page);
    public_url_fini(&address);
}

static void register_device(struct web *web, struct exchange *exchange)
{
    struct address client;
    proxies_client(&web->proxies, &exchange->request, &client);
    molly_register(&web->api, &client, exchange);
}

/* Molly's User-Agent; the same URL is a page to everybody else (signal.md 7.2). */
static bool is_molly(const struct request *request)
{
    const char *agent = request_header(request, "User-Agent");
    return agent && strstr(agent, "Signal-Android");
}

static void answer(void *arg, struct exchange *exchange)
{
    struct web *web = arg;
    const struct request *request = &exchange->request;
    struct response *response = &exchange->response;
    bool root = strcmp(request->path, "/") == 0;
    bool discover =
        strcmp(request->path, "/discover") == 0 || strcmp(request->path, "/discover/") == 0;
    if (request_is_get(request) && (discover || (root && is_molly(request))))
        molly_discover(response);
    else if (request_is_get(request) && root)
        show_page(web, request, response);
    else if (root && strcmp(request->method, "POST") == 0)
        register_device(web, exchange);
    else
        page_not_found(response);
}

static void on_accepted(void *arg, int fd, const struct address *peer)
{
    struct web *web = arg;
    enum gate_answer gate = gate_ask(&web->gate, peer);
    if (gate == GATE_FULL && http1_make_room(web->http1))
        gate = gate_ask(&web->gate, peer);
    if (gate == GATE_OPEN)
        http1_add(web->http1, fd, peer);
    else
        close(fd);
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

static bool is_loopback(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

static int listen_on(struct web *web, const struct strings *listen, const char *where,
                     struct err *err)
{
    struct address address;
    bool is_network = listener_parse(&address, where);
    bool only_ipv6 = is_network && address.any.sa_family == AF_INET6 &&
                     ipv4_has_its_own(listen, address_port(&address));
    struct listener *listener = listener_new(web->loop, where, only_ipv6, on_accepted, web, err);
    if (!listener)
        return ERR_IO;
    web->listeners[web->count++] = listener;
    log_info("The web server listens on %s%s.", where,
             is_network && is_loopback(&address)
                 ? ", which only this machine reaches: a proxy here must hand requests on to it"
                 : "");
    return 0;
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

/* What the page's proxy examples connect to: the first network address that we listen on. */
static void find_upstream(char upstream[UPSTREAM_SIZE], const struct strings *listen)
{
    snprintf(upstream, UPSTREAM_SIZE, "127.0.0.1:8020");
    for (size_t i = 0; i < listen->count; i++) {
        struct address address;
        char host[ADDRESS_TEXT_SIZE];
        if (!listener_parse(&address, listen->items[i]))
            continue;
        address_format(host, &address);
        bool any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
        bool brackets = !any && address.any.sa_family == AF_INET6;
        snprintf(upstream, UPSTREAM_SIZE, "%s%s%s:%u", brackets ? "[" : "",
                 any ? "127.0.0.1" : host, brackets ? "]" : "", address_port(&address));
        return;
    }
}

static void take_settings(struct web *web, const struct config *config)
{
    free(web->public_url);
    web->public_url = mem_text(config->web_public_url);
    web->gate.most = (size_t)config->web_connections;
    web->gate.most_per_network = (size_t)config->web_connections_per_address;
    http1_set_timeout(web->http1, config->web_timeout_ms);
}

struct web *web_new(struct loop *loop, struct bridge *bridge, const struct vapid *vapid,
                    const struct config *config, struct err *err)
{
    struct web *web = mem_new(sizeof *web);
    web->loop = loop;
    web->vapid = vapid;
    web->api.bridge = bridge;
    gate_init(&web->gate);
    web->gate.proxies = &web->proxies;
    find_upstream(web->upstream, &config->web_listen);
    if (proxies_parse(&web->proxies, &config->web_trusted_proxies, err) != 0)
        goto failed;
    web->http1 = http1_new(loop, &web->gate, answer, web, err);
    if (!web->http1)
        goto failed;
    take_settings(web, config);
    if (listen_all(web, &config->web_listen, err) == 0)
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
    http1_free(web->http1);
    gate_fini(&web->gate);
    free(web->public_url);
    free(web);
}

void web_reload(struct web *web, const struct config *config)
{
    struct proxies proxies;
    struct err err = {0};
    if (proxies_parse(&proxies, &config->web_trusted_proxies, &err) == 0)
        web->proxies = proxies;
    else
        log_warn("The former trusted proxies stay: %s.", err.text);
    take_settings(web, config);
}
