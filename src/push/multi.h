/* libcurl's multi interface on our loop: its sockets and its timer are handles of libuv's. A
 * handle that is added starts in the same turn of the loop; that it ended is said in a
 * later one. */
#ifndef DOORBELL_PUSH_MULTI_H
#define DOORBELL_PUSH_MULTI_H

#include <curl/curl.h>

#include "base/loop.h"

struct multi;

/* `arg` is what CURLOPT_PRIVATE holds. The handle was taken out already. */
typedef void multi_ended_fn(void *arg, CURLcode result);

/* NULL when curl refuses. `most_connections` are kept, in use and idle together. */
struct multi *multi_new(struct loop *loop, long most_connections, multi_ended_fn *ended);
void multi_free(struct multi *multi); /* every handle must be out; not from within `ended` */

/* A handle that does what its URL says and nothing else (security.md 8): http or https over
 * HTTP/1.1, no redirects, netrc, proxy or alternative service; TLS 1.2 or later with the trust that
 * the owner gives it by CURLOPT_SSL_CTX_FUNCTION, and nothing kept that would carry the trust of
 * before over a reload. The owner sets the rest. NULL when curl refuses. */
CURL *multi_easy_new(void);

/* False when curl refuses; then `ended` is not called. */
bool multi_add(struct multi *multi, CURL *easy);
void multi_remove(struct multi *multi, CURL *easy); /* `ended` is not called */

#endif
