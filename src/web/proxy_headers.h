/* What a reverse proxy tells about a request: where it really came from and what it was outside.
 * Only proxies that web.trusted_proxies names are believed, and the client's address serves rate
 * limits only (security.md 13). Pure. */
#ifndef DOORBELL_WEB_PROXY_HEADERS_H
#define DOORBELL_WEB_PROXY_HEADERS_H

#include "config/config.h"
#include "web/request.h"

enum {
    PROXIES_MAX = 64,       /* networks in the setting */
    PROXY_HOPS_MAX = 16,    /* the nearest ones; nobody stands behind more proxies */
    PROXY_VALUE_SIZE = 512, /* of one item of a header; longer ones are not names or addresses */
    PROXY_SCHEME_SIZE = 16,
};

struct proxies {
    bool automatic; /* loopback and private addresses are trusted */
    struct network networks[PROXIES_MAX];
    size_t count;
};

/* "auto", "none" (alone), networks and addresses. */
int proxies_parse(struct proxies *proxies, const struct strings *setting, struct err *err);
/* A peer of length 0 came through a Unix socket, whose file mode says who may: trusted. */
bool proxies_trust(const struct proxies *proxies, const struct address *peer);

/* The rightmost hop that is not a trusted proxy, by X-Forwarded-For or else Forwarded. Never of
 * length 0: to the bridge that would be the operator. */
void proxies_client(const struct proxies *proxies, const struct request *request,
                    struct address *client);

/* What a request has of a proxy's, whether it is trusted or not: any of the usual headers; one that
 * says whose it was; the scheme that it had outside, printable, "" where none is told. */
bool proxies_forwarded(const struct request *request);
bool proxies_name_client(const struct request *request);
/* The request is of a trusted proxy that does not say whose it was. Molly speaks https only:
 * without TLS of ours there is a proxy, whether it says so or not. */
bool proxies_hide_client(const struct proxies *proxies, const struct request *request);
void proxies_scheme(const struct request *request, char scheme[PROXY_SCHEME_SIZE]);

/* Copies an item without the white space around it; false when it is empty or too long. */
bool proxies_take_item(char item[PROXY_VALUE_SIZE], const char *text, size_t length);
/* The first item of a header that lists one per proxy: the outermost proxy's. */
bool proxies_first_item(const struct request *request, const char *name,
                        char value[PROXY_VALUE_SIZE]);
/* The part of Forwarded's first element, which the outermost proxy wrote, that is called `name`. */
bool proxies_forwarded_part(const struct request *request, const char *name,
                            char value[PROXY_VALUE_SIZE]);

/* An IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d becomes plain IPv4. */
void proxies_unmap(struct address *address);

#endif
