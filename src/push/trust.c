#include "push/trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

struct trust {
    X509_STORE *store;
};

static const char *find_system_bundle(void)
{
    static const char debian[] = "/etc/ssl/certs/ca-certificates.crt";
    return access(debian, R_OK) == 0 ? debian : X509_get_default_cert_file();
}

static int add_file(X509_STORE *store, const char *path, struct err *err)
{
    if (access(path, R_OK) != 0)
        return err_set(err, ERR_IO, "\"%s\" cannot be read: %s", path, strerror(errno));
    int loaded = X509_STORE_load_file(store, path);
    ERR_clear_error(); /* curl takes what is left there for its own */
    if (!loaded)
        return err_set(err, ERR_INVALID, "\"%s\" holds no certificate in PEM form, or a broken one",
                       path);
    return 0;
}

static int add_system_bundle(X509_STORE *store, const char *path, bool needed, struct err *err)
{
    struct err why;
    if (add_file(store, path ? path : find_system_bundle(), &why) == 0)
        return 0;
    if (needed)
        return err_set(err, why.code,
                       "There are no certificates to check push servers against: %s. Install the "
                       "package ca-certificates, or name a file in push.ca_file.",
                       why.text);
    log_warn("Push servers are checked against push.ca_file alone, because the system's "
             "certificates are missing: %s. Install the package ca-certificates.",
             why.text);
    return 0;
}

struct trust *trust_load(const char *system_bundle, const char *ca_file, struct err *err)
{
    struct trust *trust = mem_new(sizeof *trust);
    trust->store = X509_STORE_new();
    if (!trust->store) {
        err_set(err, ERR_IO, "OpenSSL cannot make a store for certificates");
        goto failed;
    }
    struct err why;
    if (ca_file && add_file(trust->store, ca_file, &why) != 0) {
        err_set(
            err, why.code,
            "push.ca_file: %s; name a PEM file that Doorbell may read, or leave the setting out",
            why.text);
        goto failed;
    }
    if (add_system_bundle(trust->store, system_bundle, ca_file == NULL, err) != 0)
        goto failed;
    /* As curl does by itself: push.ca_file may name the very certificate of a server, or one
     * between it and its root. */
    X509_STORE_set_flags(trust->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    return trust;
failed:
    trust_free(trust);
    return NULL;
}

void trust_free(struct trust *trust)
{
    if (!trust)
        return;
    X509_STORE_free(trust->store);
    free(trust);
}

void trust_apply(const struct trust *trust, void *tls_context)
{
    SSL_CTX_set1_cert_store(tls_context, trust->store);
}
