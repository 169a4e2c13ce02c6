/* Certificates and keys as files. */
#ifndef DOORBELL_TESTS_PEM_H
#define DOORBELL_TESTS_PEM_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>

#include "unit.h"

enum { LIFE_S = 3600 }; /* of a certificate, from now */

static inline X509 *make_certificate(EVP_PKEY *key, long serial)
{
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -LIFE_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), LIFE_S);
    ck_assert_int_eq(X509_set_pubkey(certificate, key), 1);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    return certificate;
}

static inline FILE *open_file(const char *path, mode_t mode)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fchmod(fileno(file), mode), 0);
    return file;
}

/* The first one is the server's own; `second` may be NULL. */
static inline void write_certificates(const char *path, EVP_PKEY *first, EVP_PKEY *second)
{
    EVP_PKEY *keys[] = {first, second};
    FILE *file = open_file(path, 0644);
    for (int i = 0; i < 2 && keys[i]; i++) {
        X509 *certificate = make_certificate(keys[i], i + 1);
        PEM_write_X509(file, certificate);
        X509_free(certificate);
    }
    fclose(file);
}

static inline void write_key(const char *path, EVP_PKEY *key, const char *passphrase, mode_t mode)
{
    FILE *file = open_file(path, mode);
    PEM_write_PKCS8PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                              (void *)(uintptr_t)passphrase);
    fclose(file);
}

#endif
