/* The origins that the proxy of a public ntfy server does not tell apart: with TLS or without, and
 * with the dot of a full name or without. What comes from us counts against one limit there, so
 * they share one place in origin.h; the accounts are known by what their endpoints say. Pure. */
#ifndef DOORBELL_PUSH_SPELLING_H
#define DOORBELL_PUSH_SPELLING_H

#include <stddef.h>

#include "base/url.h"

enum { SPELLINGS_MOST = 4 };

/* How many there are of the origin of `url`; the first one names its place. */
size_t spellings_of(const struct url *url, char names[SPELLINGS_MOST][URL_ORIGIN_SIZE]);
/* That one: in `names`, or `origin` itself, which is what url_origin says, where it has no other.
 */
const char *spelling_of_place(const struct url *url, const char *origin,
                              char names[SPELLINGS_MOST][URL_ORIGIN_SIZE]);

#endif
