/* push.headers_file: request headers that single push servers ask for, an ntfy token for instance:
 *
 *     https://ntfy.example.org:
 *       Authorization: Bearer tk_...
 *
 * One origin, the scheme, host and port of its endpoints, and below it any headers but those that
 * every push has. An Authorization takes the place of the VAPID token, but not of the user name and
 * password that an endpoint itself carries, which are more particular. Values are secrets: they go
 * to that origin and nowhere else, and no error and no log line repeats one. */
#ifndef DOORBELL_PUSH_HEADERS_H
#define DOORBELL_PUSH_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { HEADERS_MOST = 16 /* of one origin */ };

struct headers;

struct header_list {
    char *lines[HEADERS_MOST]; /* "Name: value" */
    size_t count;
    bool has_authorization;
};

/* NULL `path`: no headers at all. An error names the setting, the file and the line, what is wrong
 * and the fix. */
struct headers *headers_load(const char *path, struct err *err);
/* The same from memory. */
struct headers *headers_read(const char *name, const void *bytes, size_t length, struct err *err);
void headers_free(struct headers *headers); /* NULL is fine */

/* Logs it where others on this machine may read the file. */
void headers_warn(const struct headers *headers);

/* `origin` as url_origin writes it. NULL: none; else it lasts as long as `headers` (NULL is fine).
 */
const struct header_list *headers_for(const struct headers *headers, const char *origin);
bool headers_same(const struct header_list *a, const struct header_list *b); /* NULL: none */

#endif
