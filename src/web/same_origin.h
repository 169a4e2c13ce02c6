/* Whether a POST comes from a page of ours and not from somebody else's that rides on a cookie
 * (security.md 14). A browser says with every POST which origin the page has, and neither pages nor
 * scripts can change what it says. Pure. */
#ifndef DOORBELL_WEB_SAME_ORIGIN_H
#define DOORBELL_WEB_SAME_ORIGIN_H

#include "web/request.h"

/* Without Origin it does not. With it the browser's own verdict counts (Sec-Fetch-Site), or, where
 * it gives none, that the origin is the Host asked for, by https where the request came so, or that
 * of `public_url` (NULL: none): behind a proxy that hands on another Host. */
bool same_origin(const struct request *request, const char *public_url);
/* Whether the browser came by https, whoever took it off in between. */
bool same_origin_is_https(const struct request *request);

#endif
