/* One spelling for each web address that MollySocket, the phone and people write in several. Read
 * by the rules of browsers, which are MollySocket's (WHATWG URL): a host name that is not ASCII
 * takes its xn-- form, a #fragment goes, blanks around it and line breaks in it go, spaces and what
 * is not ASCII are percent-encoded, a backslash in the path is a slash. Scheme and host are in
 * small letters, the port stands only where it is not the scheme's own. User name and password
 * stay. What is percent-encoded, and dots in the path, stay as they came: endpoints are opaque
 * (push.md 3.3). Percent signs in a host name are taken there, and not here.
 *
 * Once where an endpoint enters; from then on texts are compared, kept and sent as they are. What
 * such an address may be is for whoever uses it to judge. Pure. */
#ifndef DOORBELL_BASE_URL_NORMAL_H
#define DOORBELL_BASE_URL_NORMAL_H

#include "base/url.h"

/* At most URL_MAX bytes that url_parse takes, the same again when it is given back; free it with
 * mem_free_secret. NULL: ERR_INVALID, with a sentence about "it" that repeats nothing but the
 * scheme. */
char *url_normal(const char *text, struct err *err);

#endif
