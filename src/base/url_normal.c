#include "base/url_normal.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/idn.h"
#include "base/mem.h"
#include "base/text.h"

/* Beside blanks, controls and what is not ASCII (WHATWG URL section 1.3). */
static const char of_path[] = "\"<>`{}", of_query[] = "\"<>'",
                  of_userinfo[] = "\"<>`{}#?/:;=@[\\]^|";

static bool is_blank(char byte)
{
    return (unsigned char)byte <= ' ';
}

/* The caller frees it. */
static char *without_blanks(const char *text)
{
    size_t length = strlen(text), kept = 0;
    for (; length && is_blank(text[length - 1]); length--)
        ;
    for (; length && is_blank(*text); text++)
        length--;
    char *clean = mem_copy(text, length);
    for (size_t i = 0; i < length; i++)
        if (!strchr("\t\r\n", clean[i]))
            clean[kept++] = clean[i];
    clean[kept] = '\0';
    return clean;
}

static int add_encoded(struct buf *to, const char *text, size_t length, const char *also)
{
    int result = 0;
    for (size_t i = 0; i < length && result == 0; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte > ' ' && byte < 0x7f && !strchr(also, byte))
            result = buf_add(to, &byte, 1);
        else
            result = buf_format(to, "%%%02X", byte);
    }
    return result;
}

/* The first colon ends the user name; a password may have more of them. */
static int add_userinfo(struct buf *to, const char *text, size_t length)
{
    const char *colon = memchr(text, ':', length);
    size_t user = colon ? (size_t)(colon - text) : length;
    size_t password = colon ? length - user - 1 : 0;
    if (!user && !password)
        return 0;
    int result = add_encoded(to, text, user, of_userinfo);
    if (result == 0 && password)
        result = buf_add_text(to, ":");
    if (result == 0 && password)
        result = add_encoded(to, colon + 1, password, of_userinfo);
    return result == 0 ? buf_add_text(to, "@") : result;
}

static int add_host(struct buf *to, const char *text, size_t length, struct err *err)
{
    char ascii[IDN_ASCII_SIZE];
    if (memchr(text, '%', length)) /* decoded, it may end elsewhere */
        return err_set(err, ERR_INVALID, "its host name must not have percent signs");
    if (text_is_ascii(text, length))
        return buf_add(to, text, length);
    int result = idn_to_ascii(ascii, text, length, err);
    return result == 0 ? buf_add_text(to, ascii) : result;
}

static int add_authority(struct buf *to, const char *text, size_t length, struct err *err)
{
    const char *at = memrchr(text, '@', length);
    size_t userinfo = at ? (size_t)(at - text) : 0;
    const char *host = at ? at + 1 : text;
    size_t rest = length - (size_t)(host - text);
    const char *colon = *host == '[' ? NULL : memchr(host, ':', rest);
    size_t name = colon ? (size_t)(colon - host) : rest;
    int result = at ? add_userinfo(to, text, userinfo) : 0;
    if (result == 0)
        result = add_host(to, host, name, err);
    return result == 0 ? buf_add(to, host + name, rest - name) : result;
}

static int add_target(struct buf *to, char *text)
{
    size_t path = strcspn(text, "?#"), query = 0;
    for (size_t i = 0; i < path; i++)
        if (text[i] == '\\')
            text[i] = '/';
    int result = add_encoded(to, text, path, of_path);
    if (text[path] == '?')
        query = strcspn(text + path, "#");
    if (result == 0 && query > 1)
        result = buf_add_text(to, "?");
    return result == 0 && query > 1 ? add_encoded(to, text + path + 1, query - 1, of_query)
                                    : result;
}

static const char *scheme_in(const char *text)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (text_starts_nocase(text, schemes[i]))
            return schemes[i];
    return NULL;
}

/* Escaped so that url_parse takes it. Fills `err` where it is not for its length. */
static int escape(struct buf *to, char *text, struct err *err)
{
    const char *scheme = scheme_in(text);
    if (!scheme)
        return err_set(err, ERR_INVALID, "it must begin with https:// or http://");
    text += strlen(scheme);
    size_t authority = strcspn(text, "/\\?#");
    int result = buf_add_text(to, scheme);
    if (result == 0)
        result = add_authority(to, text, authority, err);
    if (result == 0)
        result = add_target(to, text + authority);
    return result == 0 ? buf_add(to, "", 1) : result;
}

static int refuse_length(struct err *err)
{
    return err_set(err, ERR_INVALID, "it is longer than %d bytes", URL_MAX);
}

static char *write_down(const char *escaped, struct err *err)
{
    struct url url;
    if (url_parse(&url, escaped, err) != 0)
        return NULL;
    char origin[URL_ORIGIN_SIZE];
    url_origin(&url, origin);
    const char *host = strstr(origin, "://") + strlen("://");
    char *text =
        mem_format("%.*s%s%s%s%s", (int)(host - origin), origin, url.userinfo ? url.userinfo : "",
                   url.userinfo ? "@" : "", host, url.target);
    url_fini(&url);
    if (strlen(text) <= URL_MAX)
        return text;
    mem_free_secret(text);
    refuse_length(err);
    return NULL;
}

char *url_normal(const char *text, struct err *err)
{
    struct buf escaped;
    buf_init(&escaped, URL_MAX + 1);
    char *clean = strlen(text) > URL_MAX ? NULL : without_blanks(text);
    char *normal = NULL;
    int result = clean ? escape(&escaped, clean, err) : ERR_LIMIT;
    if (result == 0)
        normal = write_down((const char *)escaped.bytes, err);
    else if (result == ERR_LIMIT)
        refuse_length(err);
    mem_free_secret(clean);
    if (escaped.bytes)
        explicit_bzero(escaped.bytes, escaped.length);
    buf_fini(&escaped);
    return normal;
}
