#include "signal/tls.h"

#include "net/tls_fault.h"
#include "signal/roots.h"

SSL_CTX *tls_new(const char *ca_file, int oldest, struct err *err)
{
    X509_STORE *roots = roots_load(ca_file, err);
    if (!roots)
        return NULL;
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls) {
        X509_STORE_free(roots);
        err_set(err, ERR_IO, "OpenSSL cannot make a TLS context");
        return NULL;
    }
    SSL_CTX_set_cert_store(tls, roots);
    SSL_CTX_set_min_proto_version(tls, oldest);
    /* A ticket would join two accounts in the server's eyes (security.md 23). */
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tls_fault_watch(tls);
    return tls;
}
