/* The certificate and private key of web.tls_cert and web.tls_key: read, checked, and brought into
 * one form that any TLS library takes. The first certificate of the file is ours, those behind it
 * lead to a root (fullchain.pem). One that has ended is no error here: what its owner needs is a
 * warning, not a server that does not start. */
#ifndef DOORBELL_WEB_CERTIFICATE_H
#define DOORBELL_WEB_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct certificate {
    char *chain; /* PEM, ours first */
    char *key;   /* PEM, PKCS #8, without a passphrase; a secret */
    int64_t ends_unix;
    bool key_is_open; /* to every user of the machine */
};

/* NULL with a sentence that names setting, file and fix: a file that cannot be read or is no PEM, a
 * key with a passphrase, a key that is not the certificate's. */
struct certificate *certificate_load(const char *cert_path, const char *key_path, struct err *err);
void certificate_free(struct certificate *certificate); /* wipes the key; NULL is fine */

/* What shows that one of the two files became another, also if only its mode did. A file that is
 * not there has a mark, too. */
struct certificate_mark {
    struct {
        uint64_t device, inode;
        int64_t size, changed_s, changed_ns;
    } files[2];
};
void certificate_mark(struct certificate_mark *mark, const char *cert_path, const char *key_path);
bool certificate_mark_is(const struct certificate_mark *a, const struct certificate_mark *b);

#endif
