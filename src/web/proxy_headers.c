#include "web/proxy_headers.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

int proxies_parse(struct proxies *proxies, const struct strings *setting, struct err *err)
{
    memset(proxies, 0, sizeof *proxies);
    for (size_t i = 0; i < setting->count; i++) {
        const char *item = setting->items[i];
        if (strcmp(item, "auto") == 0) {
            proxies->automatic = true;
        } else if (strcmp(item, "none") == 0) {
            if (setting->count > 1)
                return err_set(err, ERR_INVALID,
                               "web.trusted_proxies: \"none\" must stand alone; leave it out or "
                               "leave the others out");
        } else if (proxies->count == PROXIES_MAX) {
            return err_set(err, ERR_LIMIT, "web.trusted_proxies: more than %d networks",
                           PROXIES_MAX);
        } else if (network_parse(&proxies->networks[proxies->count], item, err) != 0) {
            err_prefix(err, "web.trusted_proxies");
            return ERR_INVALID;
        } else {
            proxies->count++;
        }
    }
    return 0;
}

bool proxies_trust(const struct proxies *proxies, const struct address *peer)
{
    if (peer->length == 0)
        return true;
    if (proxies->automatic && address_classify(peer, NULL) == ADDRESS_PRIVATE)
        return true;
    for (size_t i = 0; i < proxies->count; i++)
        if (network_contains(&proxies->networks[i], peer))
            return true;
    return false;
}

void proxies_unmap(struct address *address)
{
    if (address->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        return;
    struct address plain = {.length = sizeof plain.v4};
    plain.v4.sin_family = AF_INET;
    plain.v4.sin_port = address->v6.sin6_port;
    memcpy(&plain.v4.sin_addr, address->v6.sin6_addr.s6_addr + 12, 4);
    *address = plain;
}

bool proxies_take_item(char item[PROXY_VALUE_SIZE], const char *text, size_t length)
{
    while (length && isspace((unsigned char)*text)) {
        text++;
        length--;
    }
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (!length || length >= PROXY_VALUE_SIZE)
        return false;
    memcpy(item, text, length);
    item[length] = '\0';
    return true;
}

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711". */
static bool parse_hop(struct address *hop, const char *text)
{
    char host[ADDRESS_TEXT_SIZE];
    size_t length = strlen(text);
    if (text[0] == '[') {
        text++;
        length = strcspn(text, "]");
        if (!text[length])
            return false;
    } else if (strchr(text, '.') && strchr(text, ':') == strrchr(text, ':')) {
        length = strcspn(text, ":");
    }
    if (!length || length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    if (address_parse(hop, host, 0) != 0)
        return false;
    proxies_unmap(hop);
    return true;
}

/* The hops nearest to us. One that cannot be read has length 0. */
struct hops {
    struct address items[PROXY_HOPS_MAX];
    size_t count; /* of all that were there; the newest PROXY_HOPS_MAX are kept */
};

static void add_hop(struct hops *hops, const char *text)
{
    struct address *hop = &hops->items[hops->count++ % PROXY_HOPS_MAX];
    if (!text || !parse_hop(hop, text))
        hop->length = 0;
}

static void add_forwarded_for(struct hops *hops, const char *value)
{
    for (;;) {
        size_t length = strcspn(value, ",");
        char item[PROXY_VALUE_SIZE];
        add_hop(hops, proxies_take_item(item, value, length) ? item : NULL);
        if (!value[length])
            return;
        value += length + 1;
    }
}

/* One name=value of a Forwarded header (RFC 7239 section 4). */
struct pair {
    char name[16];
    char value[PROXY_VALUE_SIZE];
    bool last_of_element;
};

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t");
}

/* Reads a token or a quoted string; NULL when it does not end or does not fit. */
static const char *read_value(char value[PROXY_VALUE_SIZE], const char *at)
{
    bool quoted = *at == '"';
    size_t length = 0;
    if (quoted)
        at++;
    while (*at && (quoted ? *at != '"' : !strchr(" \t,;", *at))) {
        if (quoted && *at == '\\' && at[1])
            at++;
        if (length + 1 >= PROXY_VALUE_SIZE)
            return NULL;
        value[length++] = *at++;
    }
    value[length] = '\0';
    if (quoted)
        return *at == '"' ? at + 1 : NULL;
    return at;
}

/* NULL at the end and where the header cannot be read any further. */
static const char *next_pair(struct pair *pair, const char *at)
{
    at = skip_space(at);
    size_t length = strcspn(at, "=,; \t");
    if (at[length] != '=' || length >= sizeof pair->name)
        return NULL;
    memcpy(pair->name, at, length);
    pair->name[length] = '\0';
    at = read_value(pair->value, at + length + 1);
    if (!at)
        return NULL;
    at = skip_space(at);
    if (*at && *at != ',' && *at != ';')
        return NULL;
    pair->last_of_element = *at != ';';
    return *at ? at + 1 : at;
}

/* An element that names nobody, and a rest that cannot be read, are hops that we do not know. */
static void add_forwarded(struct hops *hops, const char *value)
{
    struct pair pair;
    char from[PROXY_VALUE_SIZE] = "";
    const char *at = value;
    while (*skip_space(at)) {
        at = next_pair(&pair, at);
        if (!at) {
            add_hop(hops, NULL);
            return;
        }
        if (strcasecmp(pair.name, "for") == 0)
            memcpy(from, pair.value, sizeof from);
        if (pair.last_of_element) {
            add_hop(hops, from);
            from[0] = '\0';
        }
    }
}

static void collect_hops(struct hops *hops, const struct request *request)
{
    bool usual = request_header(request, "X-Forwarded-For") != NULL;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];
        if (usual && strcasecmp(header->name, "X-Forwarded-For") == 0)
            add_forwarded_for(hops, header->value);
        else if (!usual && strcasecmp(header->name, "Forwarded") == 0)
            add_forwarded(hops, header->value);
    }
}

void proxies_client(const struct proxies *proxies, const struct request *request,
                    struct address *client)
{
    *client = request->peer;
    if (client->length == 0)
        address_parse(client, "127.0.0.1", 0);
    if (!proxies_trust(proxies, &request->peer))
        return;
    struct hops hops = {.count = 0};
    collect_hops(&hops, request);
    size_t kept = hops.count < PROXY_HOPS_MAX ? hops.count : PROXY_HOPS_MAX;
    for (size_t back = 1; back <= kept; back++) {
        const struct address *hop = &hops.items[(hops.count - back) % PROXY_HOPS_MAX];
        if (hop->length == 0)
            return;
        *client = *hop;
        if (!proxies_trust(proxies, hop))
            return;
    }
}

bool proxies_forwarded_part(const struct request *request, const char *name,
                            char value[PROXY_VALUE_SIZE])
{
    const char *at = request_header(request, "Forwarded");
    struct pair pair;
    while (at && (at = next_pair(&pair, at))) {
        if (strcasecmp(pair.name, name) == 0)
            return proxies_take_item(value, pair.value, strlen(pair.value));
        if (pair.last_of_element)
            return false;
    }
    return false;
}

bool proxies_first_item(const struct request *request, const char *name,
                        char value[PROXY_VALUE_SIZE])
{
    const char *header = request_header(request, name);
    return header && proxies_take_item(value, header, strcspn(header, ","));
}

/* The first word of what a header says of the scheme outside; "" where it says nothing. */
static void told_scheme(const struct request *request, const char *name,
                        char scheme[PROXY_VALUE_SIZE])
{
    scheme[0] = '\0';
    if (strcasecmp(name, "Forwarded") == 0)
        proxies_forwarded_part(request, "proto", scheme);
    else
        proxies_first_item(request, name, scheme);
}

/* What stands for https in each; any other value is one for http. CF-Visitor is written by the
 * network's edge and has one form only. */
static const char *const scheme_headers[][2] = {
    {"X-Forwarded-Proto", "https"},  {"Forwarded", "https"},
    {"X-Forwarded-Scheme", "https"}, {"X-Forwarded-Ssl", "on"},
    {"Front-End-Https", "on"},       {"CF-Visitor", "{\"scheme\":\"https\"}"}};

/* Proxies that stand behind another each speak of themselves: one that had https is outermost. */
static void find_scheme(const struct request *request, char scheme[PROXY_VALUE_SIZE])
{
    char told[PROXY_VALUE_SIZE];
    scheme[0] = '\0';
    for (size_t i = 0; i < sizeof scheme_headers / sizeof *scheme_headers; i++) {
        told_scheme(request, scheme_headers[i][0], told);
        bool is_https = strcasecmp(told, scheme_headers[i][1]) == 0;
        bool is_a_name = strcmp(scheme_headers[i][1], "https") == 0;
        const char *otherwise = is_a_name ? told : "http";
        if (is_https || (told[0] && !scheme[0]))
            snprintf(scheme, PROXY_VALUE_SIZE, "%s", is_https ? "https" : otherwise);
        if (is_https)
            return;
    }
}

/* Any header that begins so was written by a proxy. */
bool proxies_forwarded(const struct request *request)
{
    static const char *const marks[] = {
        "X-Forwarded-", "X-Original-",    "Forwarded",   "X-Real-IP", "Front-End-Https",
        "CF-",          "True-Client-IP", "X-Client-IP", "CDN-Loop",  "Via"};
    for (size_t i = 0; i < request->header_count; i++)
        for (size_t j = 0; j < sizeof marks / sizeof *marks; j++)
            if (text_starts_nocase(request->headers[i].name, marks[j]))
                return true;
    return false;
}

bool proxies_name_client(const struct request *request)
{
    char from[PROXY_VALUE_SIZE];
    return proxies_first_item(request, "X-Forwarded-For", from) ||
           proxies_forwarded_part(request, "for", from);
}

bool proxies_hide_client(const struct proxies *proxies, const struct request *request)
{
    bool has_proxy = !request->is_tls || proxies_forwarded(request);
    return has_proxy && proxies_trust(proxies, &request->peer) && !proxies_name_client(request);
}

void proxies_scheme(const struct request *request, char scheme[PROXY_SCHEME_SIZE])
{
    char item[PROXY_VALUE_SIZE];
    find_scheme(request, item);
    text_printable(scheme, PROXY_SCHEME_SIZE, item, strlen(item));
}
