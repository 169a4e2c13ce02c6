/* A request and its answer, whoever carries them: HTTP/1 by libmicrohttpd (http1.h), clear-text
 * HTTP/2 by nghttp2 (http2.h). A handler is a function that reads exchange->request and fills
 * exchange->response, at once or later. The carrier owns the exchange and the request's texts. */
#ifndef DOORBELL_WEB_REQUEST_H
#define DOORBELL_WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "net/address.h"

enum {
    REQUEST_HEADERS_MAX = 64,     /* browsers and proxies send 10 to 30; more is answered 431 */
    REQUEST_BODY_MAX = 64 * 1024, /* a registration has 300 bytes (security.md 12) */
    RESPONSE_HEADERS_MAX = 11,
    /* A longer body is read up to here, so that whoever still sends gets to read the refusal. */
    REQUEST_DISCARD_MAX = 2 * 1024 * 1024,
};

struct header {
    const char *name, *value;
};

struct request {
    const char *method; /* "GET", as sent: methods are case-sensitive */
    char *path;         /* as sent, not decoded; without the query */
    char *query;        /* without "?"; NULL: none */
    struct header headers[REQUEST_HEADERS_MAX];
    size_t header_count;
    const unsigned char *body;
    size_t body_length;
    bool is_tls; /* ours: who stands in front of us may speak it, too */
    bool is_http10;
    /* The other end of the connection; length 0: it came through a Unix socket. */
    struct address peer;
};

/* Splits a request target ("/path?query", or the absolute form "http://host/path?query") into the
 * request's own copies. */
void request_set_target(struct request *request, const char *target);
void request_fini(struct request *request); /* path and query */

/* The first header of this name (any case), or NULL. */
const char *request_header(const struct request *request, const char *name);
size_t request_count_header(const struct request *request, const char *name);
/* Whether the query has a parameter of this name, with or without a value. */
bool request_has_parameter(const struct request *request, const char *name);
/* `name` without its slash, "" for the root. Slashes may be doubled and trail, as MollySocket has
 * it: a proxy that takes "/molly" off "/molly/discover" and puts a "/" in front makes such paths.
 */
bool request_is_at(const struct request *request, const char *name);
/* GET or HEAD: the carrier leaves out the body of an answer to HEAD. */
bool request_is_get(const struct request *request);

struct response {
    int status;       /* 0: there is none yet */
    const char *type; /* content type, a constant */
    char *body;       /* owned */
    size_t length;
    bool has_forms;          /* the page may post them to where it came from */
    char *cookie;            /* owned; for Set-Cookie; NULL: none */
    char *location;          /* owned; where a redirection leads; NULL: none */
    const char *allow;       /* methods, for 405, a constant; NULL: none */
    const char *retry_after; /* seconds, a constant; NULL: none */
    char *policy; /* owned; what the page's Content-Security-Policy allows beside "nothing"; NULL:
                     nothing */
};

struct exchange {
    struct request request;
    struct response response;
    /* The carrier's: called when a response that was not there when the handler returned has come.
     * Never called from within the handler. */
    void (*answered)(struct exchange *exchange);
    /* The handler's, while its response is to come: how the carrier takes the question back when
     * the asker has gone. */
    void (*forget)(void *waiting);
    void *waiting;
};

/* Fills exchange->response, or sees to it that exchange->answered is called later. */
typedef void exchange_handler(void *arg, struct exchange *exchange);

/* Takes `body`, which must be allocated. */
void response_set(struct response *response, int status, const char *type, char *body);
void response_json(struct response *response, char *body);
/* 303 to `location`, relative to the request's own: what a POST leads to. */
void response_see_other(struct response *response, const char *location);
/* A short HTML page that says `title` and, in one paragraph of HTML, `text`: for programs; what
 * people get to see is frame_error's. */
void response_error(struct response *response, int status, const char *title, const char *text);
/* What every carrier refuses alike: 400 that cannot be read or might be read differently by two
 * servers, 413 a body over REQUEST_BODY_MAX, 431 too many or too long headers. */
void response_refuse(struct response *response, int status);
void response_fini(struct response *response);

/* The headers that every answer has (mollysocket.md 3, security.md 14), and its own. Values that
 * had to be put together are in `policy`, which must outlive the headers. Returns how many there
 * are. */
enum { RESPONSE_POLICY_SIZE = 512 };
size_t response_headers(const struct response *response,
                        struct header headers[RESPONSE_HEADERS_MAX],
                        char policy[RESPONSE_POLICY_SIZE]);

#endif
