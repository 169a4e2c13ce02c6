#include "push/strict_url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum {
    NAME_MAX_BYTES = 253, /* RFC 1035, without the last dot */
    LABEL_MAX_BYTES = 63,
};

/* Names that mean something else on every network (RFC 6761, 6762, 8375). */
static const char *const local_names[] = {"localhost", "local", "internal", "home.arpa"};

/* Names */

static size_t length_without_dot(const char *host)
{
    size_t length = strlen(host);
    return length && host[length - 1] == '.' ? length - 1 : length;
}

/* Whether it is `domain` or below it. */
bool host_is_within(const char *host, const char *domain)
{
    size_t length = length_without_dot(host), size = length_without_dot(domain);
    if (length < size || strncasecmp(host + length - size, domain, size) != 0)
        return false;
    return length == size || host[length - size - 1] == '.';
}

bool host_is_same(const char *a, const char *b)
{
    return host_is_within(a, b) && host_is_within(b, a);
}

static bool is_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_MAX_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

bool host_is_name(const char *host)
{
    size_t length = length_without_dot(host);
    if (length > NAME_MAX_BYTES)
        return false;
    for (size_t at = 0; at <= length;) {
        const char *dot = memchr(host + at, '.', length - at);
        size_t end = dot ? (size_t)(dot - host) : length;
        if (!is_label(host + at, end - at))
            return false;
        at = end + 1;
    }
    return true;
}

/* 127.1, 0x7f.1 and 2130706433 are addresses to some and names to others. */
bool host_ends_in_number(const char *host)
{
    size_t length = length_without_dot(host), start = length;
    while (start && host[start - 1] != '.')
        start--;
    const char *label = host + start;
    size_t size = length - start;
    if (size >= 2 && text_starts_nocase(label, "0x"))
        return strspn(label + 2, "0123456789abcdefABCDEF") >= size - 2;
    return size > 0 && strspn(label, "0123456789") >= size;
}

bool host_is_local(const char *host)
{
    if (!memchr(host, '.', length_without_dot(host)))
        return true;
    for (size_t i = 0; i < sizeof local_names / sizeof *local_names; i++)
        if (host_is_within(host, local_names[i]))
            return true;
    return false;
}

/* Text of URLs */

/* Host and port as they were written. */
static const char *authority_of(const char *text, size_t *length)
{
    const char *start = strstr(text, "://");
    start = start ? start + 3 : text;
    *length = strcspn(start, "/?#");
    return start;
}

/* An entry for a sentence: neither user information, however oddly it is written, nor a path, which
 * may be a secret. */
void strict_url_show(char shown[STRICT_SHOWN_SIZE], const char *text)
{
    size_t length;
    const char *at = strrchr(text, '@');
    const char *authority = authority_of(at ? at + 1 : text, &length);
    if (at)
        text_printable(shown, STRICT_SHOWN_SIZE, authority, length);
    else
        text_printable(shown, STRICT_SHOWN_SIZE, text, (size_t)(authority - text) + length);
}

/* What begins a host is not read alike by all where there is a backslash, or a second "@". */
static int skip_userinfo(const char **authority, size_t *length, struct err *err)
{
    const char *at = memchr(*authority, '@', *length);
    if (memchr(*authority, '\\', *length) || (at && memrchr(*authority, '@', *length) != at))
        return err_set(err, ERR_INVALID, "where its host name begins cannot be told");
    if (!at)
        return 0;
    *length -= (size_t)(at + 1 - *authority);
    *authority = at + 1;
    return 0;
}

static int check_name(const char *host, struct err *err)
{
    if (host_ends_in_number(host))
        return err_set(err, ERR_INVALID, "its host is neither a name nor a whole address");
    if (!host_is_name(host))
        return err_set(err, ERR_INVALID, "its host name cannot be one");
    return 0;
}

/* What url_parse takes, but no endpoint and no entry may have. */
static int check_form(const struct url *url, const char *text, bool with_login, struct err *err)
{
    if (strcmp(url->scheme, "https") != 0 && strcmp(url->scheme, "http") != 0)
        return err_set(err, ERR_INVALID, "it must begin with https:// or http://");
    if (url->is_plain)
        return url->is_address ? 0 : check_name(url->host, err);
    size_t length;
    const char *authority = authority_of(text, &length);
    if (!with_login && (url->has_userinfo || memchr(authority, '@', length)))
        return err_set(err, ERR_INVALID, "it must not have a user name or password");
    if (url->has_fragment || strchr(text, '#'))
        return err_set(err, ERR_INVALID, "it must not have a #fragment");
    if (skip_userinfo(&authority, &length, err) != 0)
        return ERR_INVALID;
    if (memchr(authority, '%', length))
        return err_set(err, ERR_INVALID, "its host name must not have percent signs");
    if (url->is_ipv6)
        return 0;
    if (url->is_address) {
        size_t size = strlen(url->host);
        bool is_plain =
            strncmp(authority, url->host, size) == 0 && (size == length || authority[size] == ':');
        return is_plain ? 0
                        : err_set(err, ERR_INVALID,
                                  "its address must be written as four decimal numbers");
    }
    return check_name(url->host, err);
}

static int parse(struct url *url, const char *text, bool with_login, struct err *err)
{
    int result = url_parse(url, text, err);
    if (result != 0)
        return result;
    result = check_form(url, text, with_login, err);
    if (result != 0)
        url_fini(url);
    return result;
}

int strict_url_parse(struct url *url, const char *text, struct err *err)
{
    return parse(url, text, false, err);
}

int strict_url_parse_login(struct url *url, const char *text, struct err *err)
{
    return parse(url, text, true, err);
}
