/* The user name and password that an endpoint carries, as its request says them (RFC 7617). They
 * are a secret, and go to the endpoint's own push server only. Pure. */
#ifndef DOORBELL_PUSH_BASIC_H
#define DOORBELL_PUSH_BASIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/b64.h"
#include "base/url.h"

enum { BASIC_HEADER_SIZE = sizeof "Basic " + B64_TEXT_SIZE(URL_MAX + 1) };

/* "Basic ..."; false: the endpoint carries none. */
bool basic_header(const struct url *endpoint, char header[BASIC_HEADER_SIZE]);

/* Whether these bytes, of a stranger, repeat a part of it in any form. */
bool basic_is_named(const struct url *endpoint, const void *bytes, size_t length);

#endif
