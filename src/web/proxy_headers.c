#include "web/proxy_headers.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"

enum { VALUE_SIZE = 512 }; /* of one item of a header; longer ones are not names or addresses */

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

/* Copies an item without the white space around it; false when it is empty or too long. */
static bool take_item(char item[VALUE_SIZE], const char *text, size_t length)
{
    while (length && isspace((unsigned char)*text)) {
        text++;
        length--;
    }
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (!length || length >= VALUE_SIZE)
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
        char item[VALUE_SIZE];
        add_hop(hops, take_item(item, value, length) ? item : NULL);
        if (!value[length])
            return;
        value += length + 1;
    }
}

/* One name=value of a Forwarded header (RFC 7239 section 4). */
struct pair {
    char name[16];
    char value[VALUE_SIZE];
    bool last_of_element;
};

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t");
}

/* Reads a token or a quoted string; NULL when it does not end or does not fit. */
static const char *read_value(char value[VALUE_SIZE], const char *at)
{
    bool quoted = *at == '"';
    size_t length = 0;
    if (quoted)
        at++;
    while (*at && (quoted ? *at != '"' : !strchr(" \t,;", *at))) {
        if (quoted && *at == '\\' && at[1])
            at++;
        if (length + 1 >= VALUE_SIZE)
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
    char from[VALUE_SIZE] = "";
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

/* The part of Forwarded's first element, which the outermost proxy wrote, that is called `name`. */
static bool forwarded_part(const struct request *request, const char *name, char value[VALUE_SIZE])
{
    const char *at = request_header(request, "Forwarded");
    struct pair pair;
    while (at && (at = next_pair(&pair, at))) {
        if (strcasecmp(pair.name, name) == 0)
            return take_item(value, pair.value, strlen(pair.value));
        if (pair.last_of_element)
            return false;
    }
    return false;
}

/* The first item of a header that lists one per proxy: the outermost proxy's. */
static bool first_item(const struct request *request, const char *name, char value[VALUE_SIZE])
{
    const char *header = request_header(request, name);
    return header && take_item(value, header, strcspn(header, ","));
}

static bool port_is_good(const char *port)
{
    size_t length = strspn(port, "0123456789");
    if (!length || length > 5 || port[length])
        return false;
    long number = strtol(port, NULL, 10);
    return number >= 1 && number <= 65535;
}

/* How long the name or address in front of a port is; 0: it is none. */
static size_t name_length(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (text[0] == '.' || text[0] == '-')
        return 0;
    if (text[0] != '[')
        return strspn(text, letters);
    size_t length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
    return length >= 4 && text[length] == ']' ? length + 1 : 0;
}

/* 80 is https's just as little as 443: a proxy that reaches another by http put it there. */
static bool port_says_nothing(const char *port)
{
    return strcmp(port, "443") == 0 || strcmp(port, "80") == 0;
}

/* Takes host[:port] in lower case; what else stands in a Host header never gets any further. The
 * dot that ends a whole name is not in certificates. */
static bool take_host(char host[PROXY_HOST_SIZE], const char *text)
{
    size_t length = name_length(text);
    const char *port = text + length + (text[length] == ':');
    if (!length || strlen(text) >= PROXY_HOST_SIZE)
        return false;
    if (text[length] && (text[length] != ':' || !port_is_good(port)))
        return false;
    if (text[length - 1] == '.')
        length--;
    bool has_port = *port && !port_says_nothing(port);
    snprintf(host, PROXY_HOST_SIZE, "%.*s%s%s", (int)length, text, has_port ? ":" : "",
             has_port ? port : "");
    for (char *c = host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return true;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), more = strlen(suffix);
    return length > more && strcmp(name + length - more, suffix) == 0;
}

/* Splits host[:port] as take_host leaves it; without the brackets of an address. */
static void take_name(char name[PROXY_HOST_SIZE], const char *host)
{
    bool bracketed = host[0] == '[';
    host += bracketed;
    snprintf(name, PROXY_HOST_SIZE, "%.*s", (int)strcspn(host, bracketed ? "]" : ":"), host);
}

/* There are certificates for public addresses, too. */
static bool host_is_local(const char *host)
{
    char name[PROXY_HOST_SIZE];
    struct address address;
    take_name(name, host);
    if (address_parse(&address, name, 0) == 0)
        return address_classify(&address, NULL) != ADDRESS_PUBLIC;
    return !strchr(name, '.') || ends_with(name, ".localhost");
}

static bool is_hex_pair(const char *at)
{
    return isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1]);
}

/* Whether RFC 3986 has the character in a path as it is. */
static bool is_of_path(const char *at)
{
    unsigned char c = (unsigned char)*at;
    if (c == '%')
        return is_hex_pair(at + 1);
    return c < 0x80 && (isalnum(c) || strchr("/-._~!$&'()*+,;=:@", c));
}

/* A path as a browser would send it: nginx's $uri, for one, is decoded. NULL where it is none; the
 * caller frees it. */
static char *take_path(const char *text, size_t length)
{
    char path[3 * PROXY_PATH_MAX + 1];
    size_t end = 0;
    if (!length || length > PROXY_PATH_MAX || text[0] != '/')
        return NULL;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            return NULL;
        if (is_of_path(text + i))
            path[end++] = text[i];
        else
            end += (size_t)snprintf(path + end, sizeof path - end, "%%%02X", c);
    }
    return end <= PROXY_PATH_MAX ? mem_copy(path, end) : NULL;
}

/* What X-Original-URL says: a path (MollySocket's way), or a whole URL (that of some ingresses). */
struct original {
    char *path; /* NULL: nothing */
    char host[PROXY_HOST_SIZE];
    char scheme[8];
};

/* "https://m.example.org:8443", all that stands before the path. */
static bool read_origin(struct original *original, const char *text)
{
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    if (!text_starts_nocase(text, "http") || url_parse(&url, text, NULL) != 0)
        return false;
    url_origin(&url, origin);
    bool taken = take_host(original->host, strstr(origin, "://") + 3);
    if (taken)
        snprintf(original->scheme, sizeof original->scheme, "%s", url.scheme);
    url_fini(&url);
    return taken;
}

/* Where the path of a path or a whole URL begins; a URL may lack it. */
static const char *skip_origin(const char *value)
{
    const char *authority = strstr(value, "://");
    if (value[0] == '/' || !authority)
        return value;
    authority += strlen("://");
    return authority + strcspn(authority, "/?#");
}

static void read_original(struct original *original, const struct request *request)
{
    memset(original, 0, sizeof *original);
    const char *value = request_header(request, "X-Original-URL");
    if (!value)
        return;
    const char *path = skip_origin(value);
    size_t length = strcspn(path, "?#");
    original->path = path > value && !length ? mem_text("/") : take_path(path, length);
    if (path == value || !original->path)
        return;
    char *origin = mem_copy(value, (size_t)(path - value));
    if (!read_origin(original, origin)) {
        free(original->path);
        original->path = NULL;
    }
    free(origin);
}

/* A proxy may tell the port in a header of its own, and then not with the name. */
static bool take_told_host(char host[PROXY_HOST_SIZE], const char *text,
                           const struct request *request)
{
    char port[VALUE_SIZE], whole[2 * VALUE_SIZE];
    size_t length = name_length(text);
    if (!length || text[length] || !first_item(request, "X-Forwarded-Port", port) ||
        !port_is_good(port))
        return take_host(host, text);
    snprintf(whole, sizeof whole, "%s:%s", text, port);
    return take_host(host, whole);
}

static bool find_host(char host[PROXY_HOST_SIZE], const struct request *request, bool trusted,
                      const struct original *original)
{
    char item[VALUE_SIZE];
    if (original->host[0]) {
        memcpy(host, original->host, PROXY_HOST_SIZE);
        return true;
    }
    if (trusted && first_item(request, "X-Forwarded-Host", item) &&
        take_told_host(host, item, request))
        return true;
    if (trusted && forwarded_part(request, "host", item) && take_told_host(host, item, request))
        return true;
    const char *header = request_header(request, "Host");
    if (!header || !take_item(item, header, strlen(header)))
        return false;
    return trusted ? take_told_host(host, item, request) : take_host(host, item);
}

/* As X-Forwarded-Prefix has it, without the slash at its end; NULL: none. */
static char *find_prefix(const struct request *request, bool trusted)
{
    char prefix[VALUE_SIZE];
    if (!trusted || !first_item(request, "X-Forwarded-Prefix", prefix))
        return NULL;
    size_t length = strlen(prefix);
    while (length && prefix[length - 1] == '/')
        length--;
    return take_path(prefix, length);
}

static char *find_path(const struct request *request, bool trusted, const struct original *original)
{
    if (original->path)
        return mem_text(original->path);
    bool is_root = !request->path[strspn(request->path, "/")]; /* a proxy may double the slash */
    char *path = is_root ? NULL : take_path(request->path, strlen(request->path));
    char *prefix = find_prefix(request, trusted);
    char *whole = mem_format("%s%s", prefix ? prefix : "", path ? path : "/");
    free(prefix);
    free(path);
    return whole;
}

/* The first word of what a header says of the scheme outside; "" where it says nothing. */
static void told_scheme(const struct request *request, const char *name, char scheme[VALUE_SIZE])
{
    scheme[0] = '\0';
    if (strcasecmp(name, "Forwarded") == 0)
        forwarded_part(request, "proto", scheme);
    else
        first_item(request, name, scheme);
}

/* What stands for https in each; any other value is one for http. CF-Visitor is written by the
 * network's edge and has one form only. */
static const char *const scheme_headers[][2] = {
    {"X-Forwarded-Proto", "https"},  {"Forwarded", "https"},
    {"X-Forwarded-Scheme", "https"}, {"X-Forwarded-Ssl", "on"},
    {"Front-End-Https", "on"},       {"CF-Visitor", "{\"scheme\":\"https\"}"}};

/* Proxies that stand behind another each speak of themselves: one that had https is outermost. */
static void find_scheme(const struct request *request, char scheme[VALUE_SIZE])
{
    char told[VALUE_SIZE];
    scheme[0] = '\0';
    for (size_t i = 0; i < sizeof scheme_headers / sizeof *scheme_headers; i++) {
        told_scheme(request, scheme_headers[i][0], told);
        bool is_https = strcasecmp(told, scheme_headers[i][1]) == 0;
        bool is_a_name = strcmp(scheme_headers[i][1], "https") == 0;
        if (is_https || (told[0] && !scheme[0]))
            snprintf(scheme, VALUE_SIZE, "%s", is_https ? "https" : is_a_name ? told : "http");
        if (is_https)
            return;
    }
}

/* A proxy that says nothing of it is taken to speak https outside, as MollySocket does. */
static bool came_without_https(const struct request *request, const struct original *original)
{
    char scheme[VALUE_SIZE];
    if (strcmp(original->scheme, "https") == 0)
        return false;
    find_scheme(request, scheme);
    return scheme[0] ? strcasecmp(scheme, "https") != 0 : original->scheme[0];
}

bool proxies_forwarded(const struct request *request)
{
    static const char *const marks[] = {"X-Forwarded-For",    "X-Forwarded-Proto",
                                        "X-Forwarded-Host",   "X-Forwarded-Prefix",
                                        "X-Forwarded-Port",   "X-Original-URL",
                                        "Forwarded",          "X-Real-IP",
                                        "X-Forwarded-Scheme", "X-Forwarded-Ssl",
                                        "Front-End-Https",    "CF-Visitor",
                                        "CF-Connecting-IP",   "Via"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (request_header(request, marks[i]))
            return true;
    return false;
}

static bool is_of_a_proxy(const char *name)
{
    static const char *const beginnings[] = {"X-Forwarded-",   "X-Original-", "CF-",
                                             "True-Client-IP", "X-Client-IP", "CDN-Loop"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (text_starts_nocase(name, beginnings[i]))
            return true;
    return false;
}

static bool host_is_of_this_network(const char *host)
{
    static const char *const endings[] = {".lan", ".local", ".internal", ".home.arpa"};
    size_t length = strcspn(host, ":");
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t size = strlen(endings[i]);
        if (length > size && strncmp(host + length - size, endings[i], size) == 0)
            return true;
    }
    return host_is_local(host);
}

/* nginx speaks HTTP/1.0 if nobody tells it otherwise, which no monitoring does; and a name that is
 * known outside is asked for where proxies listen. */
bool proxies_came_directly(const struct request *request)
{
    const char *header = request_header(request, "Host");
    char item[VALUE_SIZE], host[PROXY_HOST_SIZE];
    if (request->is_http10 || proxies_forwarded(request))
        return false;
    for (size_t i = 0; i < request->header_count; i++)
        if (is_of_a_proxy(request->headers[i].name))
            return false;
    return header && take_item(item, header, strlen(header)) && take_host(host, item) &&
           host_is_of_this_network(host);
}

bool proxies_name_client(const struct request *request)
{
    char from[VALUE_SIZE];
    return first_item(request, "X-Forwarded-For", from) || forwarded_part(request, "for", from);
}

void proxies_scheme(const struct request *request, char scheme[PROXY_SCHEME_SIZE])
{
    char item[VALUE_SIZE];
    find_scheme(request, item);
    text_printable(scheme, PROXY_SCHEME_SIZE, item, strlen(item));
}

/* Browsers say such things in requests by https only (W3C Fetch Metadata section 2), and to what
 * they trust as much: their own machine and, Tor's browser, onion services. */
static bool browser_had_https(const struct public_url *found, const struct request *request)
{
    char name[PROXY_HOST_SIZE];
    take_name(name, found->host);
    return *name && !found->is_local && !ends_with(name, ".onion") &&
           request_header(request, "Sec-Fetch-Site");
}

/* By its headers, or because the browser had https and we do not speak it. */
static bool lacks_client(const struct public_url *found, const struct request *request,
                         bool trusted)
{
    bool has_proxy =
        proxies_forwarded(request) || (!request->is_tls && browser_had_https(found, request));
    return trusted && has_proxy && !proxies_name_client(request);
}

static enum url_fault judge(const struct public_url *found, const struct request *request,
                            bool trusted, const struct original *original)
{
    if (!found->url)
        return URL_WITHOUT_NAME;
    bool has_proxy = proxies_forwarded(request);
    if (!has_proxy && !request->is_tls && !browser_had_https(found, request))
        return URL_WITHOUT_HTTPS;
    if (has_proxy && !trusted)
        return URL_PROXY_NOT_TRUSTED;
    if (has_proxy && !browser_had_https(found, request) && came_without_https(request, original))
        return URL_PROXY_WITHOUT_HTTPS;
    return found->is_local ? URL_LOCAL_NAME : URL_GOOD;
}

void public_url_find(struct public_url *found, const struct proxies *proxies, const char *setting,
                     const struct request *request)
{
    memset(found, 0, sizeof *found);
    if (request->peer.length)
        address_format(found->peer, &request->peer);
    bool trusted = proxies_trust(proxies, &request->peer);
    if (setting) {
        found->url = mem_text(setting);
        found->fault = text_starts(setting, "https://") ? URL_GOOD : URL_SETTING;
        found->lacks_client = lacks_client(found, request, trusted);
        return;
    }
    found->guessed = true;
    struct original original = {0};
    if (trusted)
        read_original(&original, request);
    if (find_host(found->host, request, trusted, &original)) {
        char *path = find_path(request, trusted, &original);
        found->url = mem_format("https://%s%s", found->host, path);
        found->is_local = host_is_local(found->host);
        free(path);
    }
    found->fault = judge(found, request, trusted, &original);
    found->lacks_client = lacks_client(found, request, trusted);
    free(original.path);
}

void public_url_fini(struct public_url *found)
{
    free(found->url);
    found->url = NULL;
}
