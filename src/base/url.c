#include "base/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

uint16_t url_default_port(const char *scheme)
{
    if (strcmp(scheme, "http") == 0 || strcmp(scheme, "ws") == 0)
        return 80;
    return 443;
}

/* curl knows ws and wss only from 7.86 on and only where built so: parse them as what they ride on.
 */
static const char *known_scheme(const char *text, const char **rest)
{
    static const char *const schemes[] = {"https", "http", "wss", "ws"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t length = strlen(schemes[i]);
        if (text_starts_nocase(text, schemes[i]) && strncmp(text + length, "://", 3) == 0) {
            *rest = text + length;
            return schemes[i];
        }
    }
    return NULL;
}

static bool is_plain_host_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '.' || byte == '_';
}

/* Such as 127.1 and 0x7f.1 are addresses to some. */
static bool is_plain_host(struct url *url)
{
    unsigned char address[4];
    size_t length = strlen(url->host);
    if (length == 0 || !isalnum((unsigned char)url->host[length - 1]))
        return false;
    const char *dot = strrchr(url->host, '.');
    if (!isdigit((unsigned char)(dot ? dot[1] : url->host[0])))
        return true;
    url->is_address = inet_pton(AF_INET, url->host, address) == 1;
    return url->is_address;
}

/* Printable ASCII from its slash on, with neither a fragment nor an empty query. */
static bool is_plain_target(const char *target)
{
    const char *at = target;
    if (*at != '/')
        return false;
    while (*at > ' ' && *at < 0x7f && *at != '#')
        at++;
    return *at == '\0' && (at[-1] != '?' || memchr(target, '?', (size_t)(at - 1 - target)));
}

/* Without signs and zeros in front; 0: something else. */
static uint16_t plain_port(const char *text, const char **end)
{
    unsigned number = 0;
    if (*text == '0')
        return 0;
    for (; isdigit((unsigned char)*text) && number <= UINT16_MAX; text++)
        number = number * 10 + (unsigned)(*text - '0');
    *end = text;
    return number <= UINT16_MAX ? (uint16_t)number : 0;
}

/* What is written as we would write it can be read in one way only, and is read in a tenth of the
 * time that curl's parser takes: each ring reads its endpoint. False: that one is to read it. */
static bool take_plain(struct url *url, const char *authority)
{
    size_t length = 0;
    for (; is_plain_host_byte(authority[length]); length++)
        if (length + 1 == sizeof url->host)
            return false;
    memcpy(url->host, authority, length);
    url->host[length] = '\0';
    const char *target = authority + length;
    url->port = *target == ':' ? plain_port(target + 1, &target) : url_default_port(url->scheme);
    url->is_plain = is_plain_host(url) && url->port && is_plain_target(target);
    if (url->is_plain)
        url->target = mem_text(target);
    return url->is_plain;
}

static int refuse_name(struct err *err)
{
    return err_set(err, ERR_INVALID, "the host name is not ASCII; write it in its xn-- form");
}

static int take_host(struct url *url, const char *host, struct err *err)
{
    size_t length = strlen(host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
        url->is_ipv6 = true;
    }
    if (length == 0 || length >= sizeof url->host)
        return err_set(err, ERR_INVALID, "the host name is empty or too long");
    if (!text_is_ascii(host, length)) /* it may have been percent-encoded */
        return refuse_name(err);
    for (size_t i = 0; i < length; i++)
        url->host[i] = (char)tolower((unsigned char)host[i]);
    unsigned char address[16];
    if (url->is_ipv6 && inet_pton(AF_INET6, url->host, address) != 1)
        return err_set(err, ERR_INVALID, "the IPv6 address cannot be read");
    url->is_address = url->is_ipv6 || inet_pton(AF_INET, url->host, address) == 1;
    return 0;
}

static void take_userinfo(struct url *url, CURLU *handle)
{
    char *user = NULL, *password = NULL;
    url->has_userinfo = curl_url_get(handle, CURLUPART_USER, &user, 0) == CURLUE_OK;
    bool has_password = curl_url_get(handle, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK;
    const char *name = user ? user : "", *word = has_password ? password : "";
    if (*name || *word)
        url->userinfo = mem_format("%s%s%s", name, *word ? ":" : "", word);
    if (user)
        explicit_bzero(user, strlen(user));
    if (password)
        explicit_bzero(password, strlen(password));
    curl_free(user);
    curl_free(password);
}

static int take_parts(struct url *url, CURLU *handle, struct err *err)
{
    char *host = NULL, *port = NULL, *path = NULL, *query = NULL, *part = NULL;
    int result = ERR_INVALID;
    if (curl_url_get(handle, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        err_set(err, ERR_INVALID, "there is no host name in it");
        goto out;
    }
    if (take_host(url, host, err) != 0)
        goto out;
    if (curl_url_get(handle, CURLUPART_ZONEID, &part, 0) == CURLUE_OK) {
        err_set(err, ERR_INVALID, "an address with a zone is not allowed");
        goto out;
    }
    if (curl_url_get(handle, CURLUPART_PORT, &port, 0) == CURLUE_OK) {
        long number = strtol(port, NULL, 10);
        if (number < 1 || number > 65535) {
            err_set(err, ERR_INVALID, "the port must be from 1 to 65535");
            goto out;
        }
        url->port = (uint16_t)number;
    } else {
        url->port = url_default_port(url->scheme);
    }
    if (curl_url_get(handle, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
        err_set(err, ERR_INVALID, "its path cannot be read");
        goto out;
    }
    bool has_query = curl_url_get(handle, CURLUPART_QUERY, &query, 0) == CURLUE_OK;
    url->target = mem_format("%s%s%s", path, has_query ? "?" : "", has_query ? query : "");
    curl_free(part);
    part = NULL;
    take_userinfo(url, handle);
    url->has_fragment = curl_url_get(handle, CURLUPART_FRAGMENT, &part, 0) == CURLUE_OK;
    result = 0;
out:
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
    curl_free(part);
    return result;
}

static void begin(struct url *url, const char *scheme)
{
    memset(url, 0, sizeof *url);
    text_add(url->scheme, url->scheme + sizeof url->scheme, scheme);
}

/* `rest` begins with "://". */
static int take_any(struct url *url, const char *rest, struct err *err)
{
    bool tls = url_default_port(url->scheme) == 443;
    char *plain = mem_format("%s%s", tls ? "https" : "http", rest);
    CURLU *handle = curl_url();
    int result;
    if (!handle || curl_url_set(handle, CURLUPART_URL, plain, CURLU_PATH_AS_IS) != CURLUE_OK)
        result = err_set(err, ERR_INVALID, "it is not a URL");
    else
        result = take_parts(url, handle, err);
    curl_url_cleanup(handle);
    free(plain);
    if (result != 0)
        url_fini(url);
    return result;
}

int url_parse(struct url *url, const char *text, struct err *err)
{
    memset(url, 0, sizeof *url);
    size_t length = strlen(text);
    if (length > URL_MAX)
        return err_set(err, ERR_INVALID, "it is longer than %d bytes", URL_MAX);
    const char *rest;
    const char *scheme = known_scheme(text, &rest);
    if (!scheme)
        return err_set(err, ERR_INVALID, "it must begin with https:// (or http://, wss://, ws://)");
    bool is_lower = strncmp(text, scheme, (size_t)(rest - text)) == 0;
    begin(url, scheme);
    if (is_lower && take_plain(url, rest + strlen("://")))
        return 0;
    if (rest[strlen("://")] == '/') /* curl would take the path for the host */
        return err_set(err, ERR_INVALID, "there is no host name in it");
    if (!text_is_ascii(rest, strcspn(rest + strlen("://"), "/?#") + strlen("://")))
        return refuse_name(err);
    if (!text_is_token(text, length))
        return err_set(err, ERR_INVALID,
                       "it has spaces or characters that are not printable ASCII");
    begin(url, scheme);
    return take_any(url, rest, err);
}

void url_fini(struct url *url)
{
    free(url->target);
    url->target = NULL;
    mem_free_secret(url->userinfo);
    url->userinfo = NULL;
}

/* Each ring names its push server, for which formatting would take longer than all the rest. */
static const char *write_port(char text[sizeof ":65535"], uint16_t port)
{
    char *at = text + sizeof ":65535" - 1;
    *at = '\0';
    for (; port; port = (uint16_t)(port / 10))
        *--at = (char)('0' + port % 10);
    *--at = ':';
    return at;
}

static void add_authority(char *at, const char *end, const struct url *url)
{
    at = text_add(at, end, url->is_ipv6 ? "[" : "");
    at = text_add(at, end, url->host);
    at = text_add(at, end, url->is_ipv6 ? "]" : "");
    char port[sizeof ":65535"];
    if (url->port != url_default_port(url->scheme))
        text_add(at, end, write_port(port, url->port));
}

void url_authority(const struct url *url, char authority[URL_ORIGIN_SIZE])
{
    add_authority(authority, authority + URL_ORIGIN_SIZE, url);
}

void url_origin(const struct url *url, char origin[URL_ORIGIN_SIZE])
{
    /* cppcheck-suppress ctuPointerArith ; the end is not read */
    const char *end = origin + URL_ORIGIN_SIZE;
    char *at = text_add(origin, end, url->scheme);
    add_authority(text_add(at, end, "://"), end, url);
}

bool url_wants_tls(const struct url *url)
{
    return strcmp(url->scheme, "https") == 0 || strcmp(url->scheme, "wss") == 0;
}

bool url_is_this_machine(const struct url *url)
{
    struct in_addr ipv4;
    if (inet_pton(AF_INET, url->host, &ipv4) == 1)
        return ntohl(ipv4.s_addr) >> 24 == IN_LOOPBACKNET;
    struct in6_addr ipv6;
    if (inet_pton(AF_INET6, url->host, &ipv6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&ipv6);
    return strcmp(url->host, "localhost") == 0;
}
