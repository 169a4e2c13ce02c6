#include "web/public_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"

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
    char path[3 * PUBLIC_PATH_MAX + 1];
    size_t end = 0;
    if (!length || length > PUBLIC_PATH_MAX || text[0] != '/')
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
    return end <= PUBLIC_PATH_MAX ? mem_copy(path, end) : NULL;
}

/* What X-Original-URL says: a path (MollySocket's way), or a whole URL (that of some ingresses). */
struct original {
    char *path; /* NULL: nothing */
    char host[TOLD_HOST_SIZE];
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
    bool taken = told_host_take(original->host, strstr(origin, "://") + 3);
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
static bool take_told_host(char host[TOLD_HOST_SIZE], const char *text,
                           const struct request *request)
{
    char port[PROXY_VALUE_SIZE], whole[2 * PROXY_VALUE_SIZE];
    size_t length = told_host_name_length(text);
    if (!length || text[length] || !proxies_first_item(request, "X-Forwarded-Port", port) ||
        !told_host_port_is_good(port))
        return told_host_take(host, text);
    snprintf(whole, sizeof whole, "%s:%s", text, port);
    return told_host_take(host, whole);
}

static bool find_host(char host[TOLD_HOST_SIZE], const struct request *request, bool trusted,
                      const struct original *original)
{
    char item[PROXY_VALUE_SIZE];
    if (original->host[0]) {
        memcpy(host, original->host, TOLD_HOST_SIZE);
        return true;
    }
    if (trusted && proxies_first_item(request, "X-Forwarded-Host", item) &&
        take_told_host(host, item, request))
        return true;
    if (trusted && proxies_forwarded_part(request, "host", item) &&
        take_told_host(host, item, request))
        return true;
    const char *header = request_header(request, "Host");
    if (!header || !proxies_take_item(item, header, strlen(header)))
        return false;
    return trusted ? take_told_host(host, item, request) : told_host_take(host, item);
}

/* As X-Forwarded-Prefix has it, without the slash at its end; NULL: none. */
static char *find_prefix(const struct request *request, bool trusted)
{
    char prefix[PROXY_VALUE_SIZE];
    if (!trusted || !proxies_first_item(request, "X-Forwarded-Prefix", prefix))
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

/* A proxy that says nothing of it is taken to speak https outside, as MollySocket does. */
static bool came_without_https(const struct request *request, const struct original *original)
{
    char scheme[PROXY_SCHEME_SIZE];
    if (strcmp(original->scheme, "https") == 0)
        return false;
    proxies_scheme(request, scheme);
    return scheme[0] ? strcasecmp(scheme, "https") != 0 : original->scheme[0];
}

/* Browsers say such things in requests by https only (W3C Fetch Metadata section 2), and to what
 * they trust as much: their own machine and, Tor's browser, onion services. */
static bool browser_had_https(const struct public_url *found, const struct request *request)
{
    char name[TOLD_HOST_SIZE];
    told_host_name(name, found->host);
    return *name && !found->is_local && !text_ends(name, ".onion") &&
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
        found->is_local = told_host_is_local(found->host);
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
