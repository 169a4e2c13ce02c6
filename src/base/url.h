/* URLs that people and strangers give us, read once and in one way (as curl's parser does),
 * canonical where we compare: scheme and host in lower case, the port always a number. The path
 * stays as it came: endpoints are opaque (push.md 3.3). Strict: url_normal.h makes what others
 * write fit for it. */
#ifndef DOORBELL_BASE_URL_H
#define DOORBELL_BASE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { URL_MAX = 1000, URL_ORIGIN_SIZE = 8 + 256 + 16 };

struct url {
    char scheme[8]; /* "http", "https", "ws", "wss" */
    char host[256]; /* lower case ASCII, no brackets, no zone */
    char *target;   /* path and query as sent, at least "/" */
    char *userinfo; /* a secret: "user:password" as it was written; NULL: none, or empty */
    uint16_t port;
    bool is_address; /* host is a numeric address */
    bool is_ipv6;
    bool has_userinfo;
    bool has_fragment;
    bool is_plain; /* it was read without curl's parser: nothing in it can be read in two ways */
};

/* ERR_INVALID with a sentence that names what is wrong and never repeats the URL's path. */
int url_parse(struct url *url, const char *text, struct err *err);
void url_fini(struct url *url);

/* scheme://host[:port], the port only where it is not the scheme's own; RFC 6454 section 6.2. */
void url_origin(const struct url *url, char origin[URL_ORIGIN_SIZE]);
/* What it is without the scheme: host[:port], as Host and :authority have it. */
void url_authority(const struct url *url, char authority[URL_ORIGIN_SIZE]);
/* "https" and "wss". */
bool url_wants_tls(const struct url *url);
/* By its name or address alone, without a look-up. */
bool url_is_this_machine(const struct url *url);
uint16_t url_default_port(const char *scheme);

#endif
