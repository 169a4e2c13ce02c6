/* Certificate authorities, and TLS servers with certificates of theirs. */
#ifndef DOORBELL_TESTS_AUTHORITY_H
#define DOORBELL_TESTS_AUTHORITY_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "unit.h"

enum { VALID_S = 3600 }; /* from an hour ago; until in an hour */

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static inline EVP_PKEY *ec_key(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static inline void add_extension(X509 *to, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ck_assert_ptr_nonnull(extension);
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
}

/* `ends_in_s` from now; `issuer` NULL: its own. */
static inline X509 *make_certificate(EVP_PKEY *key, const char *name,
                                     const struct authority *issuer, const char *alternative,
                                     long ends_in_s)
{
    static long serial;
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), ends_in_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    X509 *parent = issuer ? issuer->certificate : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(parent));
    add_extension(certificate, parent, NID_subject_key_identifier, "hash");
    add_extension(certificate, parent, NID_authority_key_identifier, "keyid");
    if (issuer)
        add_extension(certificate, parent, NID_subject_alt_name, alternative);
    else
        add_extension(certificate, parent, NID_basic_constraints, "critical,CA:TRUE");
    EVP_PKEY *signer = issuer ? issuer->key : key;
    const EVP_MD *digest = EVP_PKEY_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    ck_assert_int_gt(X509_sign(certificate, signer, digest), 0);
    return certificate;
}

/* Takes the key. */
static inline struct authority make_authority(EVP_PKEY *key)
{
    struct authority authority = {.key = key};
    authority.certificate = make_certificate(key, "One and the same name", NULL, NULL, VALID_S);
    return authority;
}

static inline void free_authority(struct authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
}

/* `alternative`: "DNS:localhost", "IP:127.0.0.1". */
static inline SSL_CTX *make_server_tls(const struct authority *authority, const char *alternative,
                                       long ends_in_s)
{
    EVP_PKEY *key = ec_key();
    X509 *leaf = make_certificate(key, "server", authority, alternative, ends_in_s);
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate(tls, leaf), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(tls, key), 1);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return tls;
}

#endif
