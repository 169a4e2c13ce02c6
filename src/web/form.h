/* What a form or a query says (application/x-www-form-urlencoded), and what a cookie is. Strangers
 * write all of it. Pure. */
#ifndef DOORBELL_WEB_FORM_H
#define DOORBELL_WEB_FORM_H

#include <stddef.h>

#include "web/request.h"

/* The first value of this name, decoded; the caller frees it. NULL: there is none, or it cannot be
 * decoded, or it has a zero in it. `name` must need no decoding. */
char *form_value(const char *form, size_t length, const char *name);
/* Likewise of the request's query, and of its body. */
char *form_of_query(const struct request *request, const char *name);
char *form_of_body(const struct request *request, const char *name);

/* A cookie of this name, behind `skip` others of it: a browser that has several, of other folders
 * or ports, sends all. The caller frees it. NULL: there is none. HTTP/2 may bring each in a header
 * of its own (RFC 9113 section 8.2.3). */
char *form_cookie(const struct request *request, const char *name, size_t skip);

#endif
