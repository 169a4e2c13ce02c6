/* Which URL a request had outside, for the linking page, and what is wrong with it: host, path and
 * scheme by what a trusted proxy tells, by the request itself, or web.public_url (security.md 13).
 * The caller owns what is found and calls public_url_fini. Pure. */
#ifndef DOORBELL_WEB_PUBLIC_URL_H
#define DOORBELL_WEB_PUBLIC_URL_H

#include "web/proxy_headers.h"
#include "web/request.h"
#include "web/told_host.h"

enum { PUBLIC_PATH_MAX = 512 };

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
    char host[TOLD_HOST_SIZE];    /* host[:port] as asked for; "" when unknown or set */
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
