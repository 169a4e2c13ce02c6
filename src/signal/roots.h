/* The certificates in which the chat server's chain must end. Not the system's: Signal signs its
 * own (signal.md 6), so nobody else can speak for it. */
#ifndef DOORBELL_SIGNAL_ROOTS_H
#define DOORBELL_SIGNAL_ROOTS_H

#include <openssl/x509.h>

#include "base/err.h"

/* All certificates of a PEM file, or Signal's two built-in roots when `ca_file` is NULL. NULL with
 * a sentence that names the file when it cannot be used. The caller owns the store. */
X509_STORE *roots_load(const char *ca_file, struct err *err);

#endif
