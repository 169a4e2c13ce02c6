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

/* Takes host[:port] in lower case; what else stands in a Host header never gets any further. */
static bool take_host(char host[PROXY_HOST_SIZE], const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    size_t length;
    if (text[0] == '[') {
        length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        if (length < 4 || text[length] != ']')
            return false;
        length++;
    } else {
        length = strspn(text, letters);
        if (!length || text[0] == '.' || text[0] == '-')
            return false;
    }
    if (text[length] == ':' && !port_is_good(text + length + 1))
        return false;
    if ((text[length] && text[length] != ':') || strlen(text) >= PROXY_HOST_SIZE)
        return false;
    size_t whole = strcmp(text + length, ":443") == 0 ? length : strlen(text);
    for (size_t i = 0; i < whole; i++)
        host[i] = (char)tolower((unsigned char)text[i]);
    host[whole] = '\0';
    return true;
}

static bool host_is_local(const char *host)
{
    char name[PROXY_HOST_SIZE];
    struct address address;
    if (host[0] == '[')
        return true;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(host, ":"), host);
    size_t length = strlen(name);
    if (address_parse(&address, name, 0) == 0 || !strchr(name, '.'))
        return true;
    static const char suffix[] = ".localhost";
    return length >= sizeof suffix && strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

/* The characters that RFC 3986 has in a path; no query. */
static bool path_is_good(const char *path, size_t length)
{
    if (!length || length > PROXY_PATH_MAX || path[0] != '/')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)path[i]) && !strchr("/-._~%!$&'()*+,;=:@", path[i]))
            return false;
    return true;
}

/* What X-Original-URL says: a path (MollySocket's way), or a whole URL (that of some ingresses). */
struct original {
    char *path; /* NULL: nothing */
    char host[PROXY_HOST_SIZE];
    char scheme[8];
};

static void read_original(struct original *original, const struct request *request)
{
    memset(original, 0, sizeof *original);
    const char *value = request_header(request, "X-Original-URL");
    struct url url;
    if (!value)
        return;
    if (value[0] == '/') {
        size_t length = strcspn(value, "?#");
        if (path_is_good(value, length))
            original->path = mem_copy(value, length);
        return;
    }
    if (!text_starts_nocase(value, "http") || url_parse(&url, value, NULL) != 0)
        return;
    char origin[URL_ORIGIN_SIZE];
    url_origin(&url, origin);
    size_t length = strcspn(url.target, "?");
    if (take_host(original->host, strstr(origin, "://") + 3) && path_is_good(url.target, length)) {
        original->path = mem_copy(url.target, length);
        snprintf(original->scheme, sizeof original->scheme, "%s", url.scheme);
    } else {
        original->host[0] = '\0';
    }
    url_fini(&url);
}

static bool find_host(char host[PROXY_HOST_SIZE], const struct request *request, bool trusted,
                      const struct original *original)
{
    char item[VALUE_SIZE];
    if (original->host[0]) {
        memcpy(host, original->host, PROXY_HOST_SIZE);
        return true;
    }
    if (trusted && first_item(request, "X-Forwarded-Host", item) && take_host(host, item))
        return true;
    if (trusted && forwarded_part(request, "host", item) && take_host(host, item))
        return true;
    const char *header = request_header(request, "Host");
    return header && take_item(item, header, strlen(header)) && take_host(host, item);
}

static char *find_path(const struct request *request, bool trusted, const struct original *original)
{
    char prefix[VALUE_SIZE];
    if (original->path)
        return mem_text(original->path);
    const char *path = path_is_good(request->path, strlen(request->path)) ? request->path : "/";
    if (!trusted || !first_item(request, "X-Forwarded-Prefix", prefix))
        return mem_text(path);
    size_t length = strlen(prefix);
    while (length && prefix[length - 1] == '/')
        length--;
    if (!path_is_good(prefix, length))
        return mem_text(path);
    return mem_format("%.*s%s", (int)length, prefix, path);
}

/* A proxy that says nothing of it is taken to speak https outside, as MollySocket does. */
static bool came_without_https(const struct request *request, const struct original *original)
{
    char scheme[VALUE_SIZE];
    if (first_item(request, "X-Forwarded-Proto", scheme) ||
        forwarded_part(request, "proto", scheme))
        return strcasecmp(scheme, "https") != 0;
    return original->scheme[0] && strcmp(original->scheme, "https") != 0;
}

bool proxies_forwarded(const struct request *request)
{
    static const char *const marks[] = {
        "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix",
        "X-Original-URL",  "Forwarded",         "X-Real-IP",        "Via"};
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
    char item[VALUE_SIZE] = "";
    if (!first_item(request, "X-Forwarded-Proto", item))
        forwarded_part(request, "proto", item);
    text_printable(scheme, PROXY_SCHEME_SIZE, item, strlen(item));
}

/* Browsers say such things in requests by https, and to their own machine, only (W3C Fetch Metadata
 * section 2). */
static bool browser_had_https(const struct public_url *found, const struct request *request)
{
    return !found->is_local && request_header(request, "Sec-Fetch-Site");
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
    if (has_proxy && came_without_https(request, original))
        return URL_PROXY_WITHOUT_HTTPS;
    return found->is_local ? URL_LOCAL_NAME : URL_GOOD;
}

void public_url_find(struct public_url *found, const struct proxies *proxies, const char *setting,
                     const struct request *request)
{
    memset(found, 0, sizeof *found);
    if (request->peer.length)
        address_format(found->peer, &request->peer);
    if (setting) {
        found->url = mem_text(setting);
        found->fault = text_starts(setting, "https://") ? URL_GOOD : URL_SETTING;
        return;
    }
    found->guessed = true;
    bool trusted = proxies_trust(proxies, &request->peer);
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
    free(original.path);
}

void public_url_fini(struct public_url *found)
{
    free(found->url);
    found->url = NULL;
}
