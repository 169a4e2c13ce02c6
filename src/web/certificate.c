#include "web/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"

enum { FILE_MOST = 128 * 1024 }; /* a chain has 10 kB */

static const char cert_setting[] = "web.tls_cert", key_setting[] = "web.tls_key";

/* Files */

static int cannot_read(struct err *err, const char *setting, const char *path)
{
    if (errno == EACCES && file_is_fenced_off(path))
        return err_set(err, ERR_IO,
                       "%s: %s is not, or no longer, in a folder that this server kept open to "
                       "itself when it started; restart it (docs/sandbox.md)",
                       setting, path);
    if (errno == EACCES)
        return err_set(err, ERR_IO,
                       "%s: %s cannot be read: permission denied; give the user or group that "
                       "Doorbell runs as the right to read it and to enter its folders, or have "
                       "whatever renews it copy it to where that is so",
                       setting, path);
    return err_set(err, ERR_IO, "%s: %s cannot be read: %s; name a file that Doorbell may read",
                   setting, path, strerror(errno));
}

/* A text that mem_free_secret takes. */
static char *read_file(const char *setting, const char *path, bool *is_open, struct err *err)
{
    char *bytes = mem_new(FILE_MOST + 2);
    long length = file_read(path, bytes, FILE_MOST + 1, is_open);
    if (length < 0)
        cannot_read(err, setting, path);
    else if (length > FILE_MOST)
        err_set(err, ERR_LIMIT, "%s: %s is larger than %d KiB; is it the right file?", setting,
                path, FILE_MOST / 1024);
    if (length >= 0 && length <= FILE_MOST)
        return bytes;
    sodium_memzero(bytes, FILE_MOST + 2);
    free(bytes);
    return NULL;
}

static void mark_file(struct certificate_mark *mark, int which, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return;
    mark->files[which].device = status.st_dev;
    mark->files[which].inode = status.st_ino;
    mark->files[which].size = status.st_size;
    mark->files[which].changed_s = status.st_ctim.tv_sec;
    mark->files[which].changed_ns = status.st_ctim.tv_nsec;
}

void certificate_mark(struct certificate_mark *mark, const char *cert_path, const char *key_path)
{
    memset(mark, 0, sizeof *mark);
    mark_file(mark, 0, cert_path);
    mark_file(mark, 1, key_path);
}

bool certificate_mark_is(const struct certificate_mark *a, const struct certificate_mark *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* PEM */

static char *take_text(BIO *pem)
{
    char *bytes;
    long length = BIO_get_mem_data(pem, &bytes);
    if (length <= 0)
        return NULL;
    char *text = mem_copy(bytes, (size_t)length);
    sodium_memzero(bytes, (size_t)length);
    return text;
}

static int64_t end_of(const X509 *leaf)
{
    struct tm end;
    return ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &end) == 1 ? (int64_t)timegm(&end) : 0;
}

/* Instead of asking at the terminal. */
static int note_passphrase(char *into, int size, int writes, void *asked)
{
    (void)into, (void)size, (void)writes;
    *(bool *)asked = true;
    return -1;
}

/* Copies every certificate of `from` to `to`; returns the first one, or NULL when there is none or
 * one of them cannot be read. */
static X509 *copy_chain(BIO *to, BIO *from)
{
    X509 *leaf = NULL, *next;
    bool is_written = true, is_locked = false;
    while ((next = PEM_read_bio_X509(from, NULL, note_passphrase, &is_locked))) {
        is_written = PEM_write_bio_X509(to, next) == 1 && is_written;
        if (leaf)
            X509_free(next);
        else
            leaf = next;
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (at_end && is_written)
        return leaf;
    X509_free(leaf);
    return NULL;
}

static X509 *read_chain(struct certificate *certificate, const char *path, struct err *err)
{
    bool unused;
    char *text = read_file(cert_setting, path, &unused, err);
    if (!text)
        return NULL;
    BIO *from = BIO_new_mem_buf(text, -1), *to = BIO_new(BIO_s_mem());
    X509 *leaf = copy_chain(to, from);
    if (leaf) {
        certificate->chain = take_text(to);
        certificate->ends_unix = end_of(leaf);
    } else {
        err_set(err, ERR_INVALID,
                "%s: %s has no certificate that can be read; name a PEM file that begins with "
                "-----BEGIN CERTIFICATE-----, such as fullchain.pem",
                cert_setting, path);
    }
    BIO_free(from);
    BIO_free(to);
    mem_free_secret(text); /* it may hold the key, too */
    return leaf;
}

static int wrong_key(struct err *err, const char *path, bool has_passphrase)
{
    if (has_passphrase)
        return err_set(err, ERR_INVALID,
                       "%s: %s is locked with a passphrase, which nobody can type here; write it "
                       "without one: openssl pkey -in %s -out FILE",
                       key_setting, path, path);
    return err_set(err, ERR_INVALID,
                   "%s: %s has no private key that can be read; name a PEM file that begins with "
                   "-----BEGIN PRIVATE KEY-----, such as privkey.pem",
                   key_setting, path);
}

static EVP_PKEY *read_key(struct certificate *certificate, const char *path, struct err *err)
{
    bool has_passphrase = false;
    char *text = read_file(key_setting, path, &certificate->key_is_open, err);
    if (!text)
        return NULL;
    BIO *from = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(from, NULL, note_passphrase, &has_passphrase);
    if (!key)
        wrong_key(err, path, has_passphrase);
    ERR_clear_error();
    BIO_free(from);
    mem_free_secret(text);
    return key;
}

static int write_key(struct certificate *certificate, EVP_PKEY *key, struct err *err)
{
    BIO *to = BIO_new(BIO_s_mem());
    if (PEM_write_bio_PKCS8PrivateKey(to, key, NULL, NULL, 0, NULL, NULL) == 1)
        certificate->key = take_text(to);
    BIO_free(to);
    ERR_clear_error();
    if (certificate->key)
        return 0;
    return err_set(err, ERR_INVALID, "%s: this kind of key cannot be used; take an EC or RSA key",
                   key_setting);
}

static int join(struct certificate *certificate, const X509 *leaf, EVP_PKEY *key,
                const char *cert_path, const char *key_path, struct err *err)
{
    bool is_pair = X509_check_private_key(leaf, key) == 1;
    ERR_clear_error();
    if (is_pair)
        return write_key(certificate, key, err);
    return err_set(err, ERR_INVALID,
                   "%s: %s is not the key of the first certificate in %s (%s); name two files that "
                   "were made together, with our own certificate first",
                   key_setting, key_path, cert_path, cert_setting);
}

struct certificate *certificate_load(const char *cert_path, const char *key_path, struct err *err)
{
    struct certificate *certificate = mem_new(sizeof *certificate);
    X509 *leaf = read_chain(certificate, cert_path, err);
    EVP_PKEY *key = leaf ? read_key(certificate, key_path, err) : NULL;
    int result = key ? join(certificate, leaf, key, cert_path, key_path, err) : ERR_INVALID;
    X509_free(leaf);
    EVP_PKEY_free(key);
    if (result == 0)
        return certificate;
    certificate_free(certificate);
    return NULL;
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate)
        return;
    free(certificate->chain);
    mem_free_secret(certificate->key);
    free(certificate);
}
