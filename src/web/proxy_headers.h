/* What a reverse proxy tells about a request: where it really came from and which URL it had
 * outside. Only proxies that web.trusted_proxies names are believed, the client's address serves
 * rate limits only, and the URL serves the linking page only (security.md 13). Pure. */
#ifndef DOORBELL_WEB_PROXY_HEADERS_H
#define DOORBELL_WEB_PROXY_HEADERS_H

#include "config/config.h"
#include "web/request.h"

enum {
    PROXIES_MAX = 64,      /* networks in the setting */
    PROXY_HOPS_MAX = 16,   /* the nearest ones; nobody stands behind more proxies */
    PROXY_HOST_SIZE = 264, /* a name of 253 characters, a colon and a port */
    PROXY_PATH_MAX = 512,
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
void proxies_scheme(const struct request *request, char scheme[PROXY_SCHEME_SIZE]);

/* Nothing of a request is a proxy's, nor looks as if one that says nothing had handed it on. */
bool proxies_came_directly(const struct request *request);

/* An IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d becomes plain IPv4. */
void proxies_unmap(struct address *address);

enum url_fault {
    URL_GOOD,
    URL_WITHOUT_HTTPS,       /* nothing says that https stands in front */
    URL_PROXY_NOT_TRUSTED,   /* there is a proxy, but its headers were not read */
    URL_WITHOUT_NAME,        /* no Host, or one that cannot be read: there is no URL */
    URL_PROXY_WITHOUT_HTTPS, /* the proxy says that the request came without https */
    URL_LOCAL_NAME,          /* its name leads nowhere from outside */
    URL_SETTING,             /* web.public_url does not begin with https:// */
};

struct public_url {
    char *url;                    /* for Molly; NULL only with URL_WITHOUT_NAME */
    char host[PROXY_HOST_SIZE];   /* host[:port] as asked for; "" when unknown or set */
    char peer[ADDRESS_TEXT_SIZE]; /* who handed the request to us */
    enum url_fault fault;
    bool is_local; /* the host is localhost, a name without a dot or no public address */
    bool guessed;  /* not from web.public_url */
    /* A trusted proxy does not say whose request it is: for limits, all phones are one. */
    bool lacks_client;
};

/* `setting` is web.public_url or NULL. */
void public_url_find(struct public_url *found, const struct proxies *proxies, const char *setting,
                     const struct request *request);
void public_url_fini(struct public_url *found);

#endif
