/* URLs and host names as people and strangers write them, read strictly: what url_parse takes, but
 * neither an endpoint nor a setting may have, is refused. Pure. */
#ifndef DOORBELL_PUSH_STRICT_URL_H
#define DOORBELL_PUSH_STRICT_URL_H

#include "base/url.h"

enum { STRICT_SHOWN_SIZE = 101 /* of a host name or an entry, in a sentence */ };

/* ERR_INVALID with a sentence about "it"; nothing is left to free then. */
int strict_url_parse(struct url *url, const char *text, struct err *err);
/* The same, but with a user name and password it may be. */
int strict_url_parse_login(struct url *url, const char *text, struct err *err);

/* For a sentence: neither user information nor a path, which may be a secret. */
void strict_url_show(char shown[STRICT_SHOWN_SIZE], const char *text);

/* Letter case and a dot at the end make no difference. */
bool host_is_same(const char *a, const char *b);
bool host_is_within(const char *host, const char *domain); /* it, or below it */
bool host_is_name(const char *host);
/* 127.1, 0x7f.1 and 2130706433 are addresses to some and names to others. */
bool host_ends_in_number(const char *host);
/* One that means something else on every network. */
bool host_is_local(const char *host);

#endif
