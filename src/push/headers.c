#include "push/headers.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/yaml_table.h"
#include "push/strict_url.h"

enum {
    ORIGINS_MOST = 64,
    FILE_MOST = 64 * 1024,
    NAME_MOST = 64,
    VALUE_MOST = 4096, /* what web servers take as one line at least */
};

struct origin_headers {
    char origin[URL_ORIGIN_SIZE];
    struct header_list list;
};

struct headers {
    char *path; /* NULL: from memory */
    bool is_open;
    struct origin_headers *origins;
    size_t count;
};

/* What every push has (RFC 8030), and what is between the server and us. */
static const char *const ours[] = {
    "Accept",
    "Accept-Encoding",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Crypto-Key",
    "Encryption",
    "Expect",
    "Host",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Topic",
    "Trailer",
    "Transfer-Encoding",
    "TTL",
    "Upgrade",
    "Urgency",
    "User-Agent",
};

/* One origin */

static int check_origin(const struct headers *headers, const struct url *url, const char *origin,
                        struct err *err)
{
    if (strcmp(url->target, "/") != 0)
        return err_set(err, ERR_INVALID, "headers are for a whole push server; write \"%s:\"",
                       origin);
    if (headers_for(headers, origin))
        return err_set(err, ERR_INVALID,
                       "\"%s\" stands in this file twice; put all of its headers below one of them",
                       origin);
    if (headers->count == ORIGINS_MOST)
        return err_set(err, ERR_LIMIT, "there are more than %d push servers in this file",
                       ORIGINS_MOST);
    return 0;
}

static int begin_origin(void *arg, const char *text, struct err *err)
{
    struct headers *headers = arg;
    struct url url;
    int result = strict_url_parse(&url, text, err);
    if (result != 0) {
        char shown[STRICT_SHOWN_SIZE];
        strict_url_show(shown, text);
        err_prefix(err, "\"%s\" is no push server such as https://ntfy.example.org", shown);
        return result;
    }
    char origin[URL_ORIGIN_SIZE];
    url_origin(&url, origin);
    result = check_origin(headers, &url, origin, err);
    if (result == 0) {
        struct origin_headers *fresh = &headers->origins[headers->count++];
        memcpy(fresh->origin, origin, sizeof origin);
    }
    url_fini(&url);
    return result;
}

/* One header */

static bool is_name(const char *name)
{
    static const char letters[] = "!#$%&'*+-.^_`|~0123456789"
                                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t length = strlen(name); /* RFC 9110 section 5.6.2 */
    return length > 0 && length <= NAME_MOST && strspn(name, letters) == length;
}

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool has_header(const struct header_list *list, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < list->count; i++)
        if (text_starts_nocase(list->lines[i], name) && list->lines[i][length] == ':')
            return true;
    return false;
}

static int check_name(const struct header_list *list, const char *name, struct err *err)
{
    char shown[NAME_MOST + 1];
    text_printable(shown, sizeof shown, name, strlen(name));
    if (!is_name(name))
        return err_set(err, ERR_INVALID, /* which may be the secret: it is not shown */
                       "this cannot be the name of a header; write one such as Authorization");
    if (is_ours(name))
        return err_set(err, ERR_INVALID,
                       "%s is a header that Doorbell sets itself; take this line away", shown);
    if (has_header(list, name))
        return err_set(err, ERR_INVALID,
                       "%s stands below this push server twice; take one of them away", shown);
    if (list->count == HEADERS_MOST)
        return err_set(err, ERR_LIMIT, "a push server may have %d headers at most", HEADERS_MOST);
    return 0;
}

/* Neither an empty one, which curl would take for "without this header". */
static int check_value(const char *name, const char *value, struct err *err)
{
    size_t length = strlen(value);
    if (strspn(value, " ") == length)
        return err_set(err, ERR_INVALID, "%s has no value; write one or take the line away", name);
    if (length > VALUE_MOST)
        return err_set(err, ERR_LIMIT, "the value of %s is longer than %d bytes", name, VALUE_MOST);
    for (size_t i = 0; i < length; i++)
        if (value[i] < ' ' || value[i] > '~')
            return err_set(err, ERR_INVALID,
                           "the value of %s has a line break, a tab or a character in it that is "
                           "not ASCII; write it in one line of plain text",
                           name);
    return 0;
}

static int take_header(void *arg, const char *name, const char *value, struct err *err)
{
    struct headers *headers = arg;
    struct header_list *list = &headers->origins[headers->count - 1].list;
    int result = check_name(list, name, err);
    if (result == 0)
        result = check_value(name, value, err);
    if (result != 0)
        return result;
    list->lines[list->count++] = mem_format("%s: %s", name, value);
    if (strcasecmp(name, "Authorization") == 0)
        list->has_authorization = true;
    return 0;
}

/* The file */

static struct headers *headers_new(void)
{
    struct headers *headers = mem_new(sizeof *headers);
    headers->origins = mem_new(ORIGINS_MOST * sizeof *headers->origins);
    return headers;
}

void headers_free(struct headers *headers)
{
    if (!headers)
        return;
    for (size_t i = 0; i < headers->count; i++)
        for (size_t j = 0; j < headers->origins[i].list.count; j++)
            mem_free_secret(headers->origins[i].list.lines[j]);
    free(headers->origins);
    free(headers->path);
    free(headers);
}

struct headers *headers_read(const char *name, const void *bytes, size_t length, struct err *err)
{
    static const struct yaml_table table = {
        .begin = begin_origin, .take = take_header, .example = "https://ntfy.example.org"};
    struct err why;
    struct headers *headers = headers_new();
    int result = length > FILE_MOST ? err_set(&why, ERR_LIMIT,
                                              "%s: it is larger than %d KiB; is it the right file?",
                                              name, FILE_MOST / 1024)
                                    : yaml_table_read(&table, headers, name, bytes, length, &why);
    if (result == 0)
        return headers;
    err_set(err, result, "%s", why.text);
    headers_free(headers);
    return NULL;
}

struct headers *headers_load(const char *path, struct err *err)
{
    if (!path)
        return headers_new();
    bool is_open;
    struct headers *headers = NULL;
    char *bytes = mem_new(FILE_MOST + 1);
    long length = file_read(path, bytes, FILE_MOST + 1, &is_open);
    if (length >= 0)
        headers = headers_read(path, bytes, (size_t)length, err);
    else
        err_set(err, ERR_IO,
                "\"%s\" cannot be read: %s; name a file that Doorbell may read, or leave the "
                "setting out",
                path, strerror(errno));
    sodium_memzero(bytes, FILE_MOST + 1);
    free(bytes);
    if (!headers) {
        err_prefix(err, "push.headers_file");
        return NULL;
    }
    headers->path = mem_text(path);
    headers->is_open = is_open;
    return headers;
}

void headers_warn(const struct headers *headers)
{
    if (headers->is_open)
        log_warn("The secrets in %s (push.headers_file) are open to every user of this machine; "
                 "run: chmod o= %s",
                 headers->path, headers->path);
}

const struct header_list *headers_for(const struct headers *headers, const char *origin)
{
    for (size_t i = 0; headers && i < headers->count; i++)
        if (strcmp(headers->origins[i].origin, origin) == 0)
            return &headers->origins[i].list;
    return NULL;
}

bool headers_same(const struct header_list *a, const struct header_list *b)
{
    if (!a || !b || a->count != b->count)
        return !a && !b;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->lines[i], b->lines[i]) != 0)
            return false;
    return true;
}
