#include "web/form.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The byte that "%41" means; 0: none. */
static char escaped(const char *at, const char *end)
{
    int high = end - at > 2 ? digit(at[1]) : -1;
    int low = high >= 0 ? digit(at[2]) : -1;
    return low >= 0 ? (char)(high * 16 + low) : '\0';
}

static char *decode(const char *at, const char *end)
{
    char *text = mem_new((size_t)(end - at) + 1), *to = text;
    for (; at < end; at++, to++) {
        *to = *at == '+' ? ' ' : *at;
        if (*at == '%') {
            *to = escaped(at, end);
            at += 2;
        }
        if (!*to) {
            free(text);
            return NULL;
        }
    }
    return text;
}

static const char *until(const char *at, const char *end, char stop)
{
    const char *found = at < end ? memchr(at, stop, (size_t)(end - at)) : NULL;
    return found ? found : end;
}

char *form_value(const char *form, size_t length, const char *name)
{
    const char *end = form + length;
    size_t name_length = strlen(name);
    for (const char *at = form; at < end;) {
        const char *next = until(at, end, '&'), *equals = until(at, next, '=');
        if ((size_t)(equals - at) == name_length && memcmp(at, name, name_length) == 0)
            return decode(equals < next ? equals + 1 : next, next);
        at = next < end ? next + 1 : end;
    }
    return NULL;
}

char *form_of_query(const struct request *request, const char *name)
{
    return request->query ? form_value(request->query, strlen(request->query), name) : NULL;
}

char *form_of_body(const struct request *request, const char *name)
{
    return request->body_length
               ? form_value((const char *)request->body, request->body_length, name)
               : NULL;
}

/* RFC 6265 section 4.2.1: "a=b; c=d". Counts `skip` down by those that it passes. */
static char *find_cookie(const char *header, const char *name, size_t *skip)
{
    size_t length = strlen(name);
    for (const char *at = header; *at;) {
        at += strspn(at, " ;");
        size_t size = strcspn(at, ";");
        bool is_one = strncmp(at, name, length) == 0 && at[length] == '=';
        if (is_one && *skip == 0)
            return mem_copy(at + length + 1, size - length - 1);
        *skip -= is_one;
        at += size;
    }
    return NULL;
}

char *form_cookie(const struct request *request, const char *name, size_t skip)
{
    char *found = NULL;
    for (size_t i = 0; i < request->header_count && !found; i++)
        if (strcasecmp(request->headers[i].name, "Cookie") == 0)
            found = find_cookie(request->headers[i].value, name, &skip);
    return found;
}
