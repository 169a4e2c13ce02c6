/* The TLS context of a road to the chat server: it trusts the pinned roots and nothing of the
 * system's. One for all links of the road, whose owner frees it. */
#ifndef DOORBELL_SIGNAL_TLS_H
#define DOORBELL_SIGNAL_TLS_H

#include <openssl/ssl.h>

#include "base/err.h"

/* `ca_file`: as for roots_load. `oldest`: TLS1_2_VERSION or TLS1_3_VERSION. NULL with a sentence
 * where it cannot be made. Alerts are remembered for tls_fault.h. */
SSL_CTX *tls_new(const char *ca_file, int oldest, struct err *err);

#endif
