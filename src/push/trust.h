/* Whom we believe to be a push server: the system's roots, and those of push.ca_file beside them.
 * Parsed once and handed to every connection; reading the bundle again for each would block the
 * loop for 20 ms (settled.md "CA store of libcurl"). */
#ifndef DOORBELL_PUSH_TRUST_H
#define DOORBELL_PUSH_TRUST_H

#include "base/err.h"

struct trust;

/* `system_bundle` NULL: where the system keeps it. `ca_file` may be NULL. Without a system bundle
 * the roots of `ca_file` stand alone, with a warning; without both it fails. */
struct trust *trust_load(const char *system_bundle, const char *ca_file, struct err *err);
void trust_free(struct trust *trust); /* connections that were made with it keep it */

/* For CURLOPT_SSL_CTX_FUNCTION: `tls_context` is OpenSSL's SSL_CTX. */
void trust_apply(const struct trust *trust, void *tls_context);

#endif
