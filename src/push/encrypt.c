#include "push/encrypt.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/random.h"
#include "push/p256.h"

enum {
    SECRET_SIZE = 32,      /* of ECDH and of the input key */
    CONTENT_KEY_SIZE = 16, /* AES-128 */
    NONCE_SIZE = 12,
    TAG_SIZE = 16,
    HEADER_SIZE = ENCRYPT_SALT_SIZE + 4 + 1 + P256_POINT_SIZE,
    OVERHEAD = HEADER_SIZE + 1 + TAG_SIZE,
    PADDED_MAX = ENCRYPT_BODY_MAX - OVERHEAD,
    RECORD_SIZE = 4096, /* must exceed what the one record holds (RFC 8291 section 4) */
    LAST_RECORD = 2,    /* the delimiter before the padding (RFC 8188 section 2) */
};

_Static_assert((int)ENCRYPT_KEY_SIZE == (int)P256_POINT_SIZE, "keys are uncompressed points");
_Static_assert((int)ENCRYPT_BODY_SIZE == (int)OVERHEAD + (int)ENCRYPT_PADDED_SIZE, "one record");

/* The names of what HKDF derives; the terminating zero belongs to them (RFC 8291 3.4, RFC
 * 8188 2.2). */
static const char key_name[] = "WebPush: info";
static const char content_key_name[] = "Content-Encoding: aes128gcm";
static const char nonce_name[] = "Content-Encoding: nonce";

struct keys {
    uint8_t content_key[CONTENT_KEY_SIZE];
    uint8_t nonce[NONCE_SIZE];
};

int encrypt_check_key(const uint8_t key[ENCRYPT_KEY_SIZE])
{
    EVP_PKEY *point = p256_public_key(key);
    EVP_PKEY_free(point);
    return point ? 0 : ERR_INVALID;
}

static bool agree(uint8_t secret[SECRET_SIZE], EVP_PKEY *ours, EVP_PKEY *theirs)
{
    size_t size = SECRET_SIZE;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(ours, NULL);
    bool done = context && EVP_PKEY_derive_init(context) == 1 &&
                EVP_PKEY_derive_set_peer(context, theirs) == 1 &&
                EVP_PKEY_derive(context, secret, &size) == 1 && size == SECRET_SIZE;
    EVP_PKEY_CTX_free(context);
    return done;
}

struct derivation {
    const void *salt, *secret, *info;
    size_t salt_size, secret_size, info_size;
};

/* HKDF with SHA-256, extract and expand (RFC 5869). */
static bool derive(void *out, size_t size, const struct derivation *from)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = OSSL_DIGEST_NAME_SHA2_256;
    /* OpenSSL only reads these, but its parameters are not const. */
    union {
        const void *read;
        void *any;
    } salt = {from->salt}, secret = {from->secret}, info = {from->info};
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.any, from->salt_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret.any, from->secret_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.any, from->info_size),
        OSSL_PARAM_construct_end(),
    };
    bool done = context && EVP_KDF_derive(context, out, size, params) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return done;
}

/* RFC 8291 section 3.4: from the agreed secret and the phone's authentication secret to the two
 * keys. */
static bool derive_keys(struct keys *keys, const uint8_t shared[SECRET_SIZE],
                        const uint8_t auth[ENCRYPT_AUTH_SIZE],
                        const uint8_t salt[ENCRYPT_SALT_SIZE],
                        const uint8_t theirs[P256_POINT_SIZE], const uint8_t ours[P256_POINT_SIZE])
{
    uint8_t info[sizeof key_name + 2 * P256_POINT_SIZE], input[SECRET_SIZE];
    memcpy(info, key_name, sizeof key_name);
    memcpy(info + sizeof key_name, theirs, P256_POINT_SIZE);
    memcpy(info + sizeof key_name + P256_POINT_SIZE, ours, P256_POINT_SIZE);
    struct derivation extract = {.salt = auth,
                                 .salt_size = ENCRYPT_AUTH_SIZE,
                                 .secret = shared,
                                 .secret_size = SECRET_SIZE,
                                 .info = info,
                                 .info_size = sizeof info};
    bool done = derive(input, sizeof input, &extract);
    struct derivation expand = {.salt = salt,
                                .salt_size = ENCRYPT_SALT_SIZE,
                                .secret = input,
                                .secret_size = sizeof input,
                                .info = content_key_name,
                                .info_size = sizeof content_key_name};
    done = done && derive(keys->content_key, sizeof keys->content_key, &expand);
    expand.info = nonce_name;
    expand.info_size = sizeof nonce_name;
    done = done && derive(keys->nonce, sizeof keys->nonce, &expand);
    sodium_memzero(input, sizeof input);
    return done;
}

/* RFC 8188 section 2.1: salt, record size, length of the key id, key id. */
static void write_header(uint8_t *body, const uint8_t salt[ENCRYPT_SALT_SIZE],
                         const uint8_t ours[P256_POINT_SIZE])
{
    memcpy(body, salt, ENCRYPT_SALT_SIZE);
    body += ENCRYPT_SALT_SIZE;
    *body++ = 0;
    *body++ = 0;
    *body++ = RECORD_SIZE >> 8;
    *body++ = RECORD_SIZE & 0xff;
    *body++ = P256_POINT_SIZE;
    memcpy(body, ours, P256_POINT_SIZE);
}

/* Plaintext, delimiter and zeros to exactly padded + 1 bytes of ciphertext and the tag. */
static bool seal(uint8_t *out, const struct keys *keys, const void *payload, size_t length,
                 size_t padded)
{
    uint8_t record[PADDED_MAX + 1] = {0};
    if (length)
        memcpy(record, payload, length);
    record[length] = LAST_RECORD;
    int written = 0, rest = 0, size = (int)padded + 1;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done =
        context &&
        EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, keys->content_key, keys->nonce) == 1 &&
        EVP_EncryptUpdate(context, out, &written, record, size) == 1 && written == size &&
        EVP_EncryptFinal_ex(context, out + size, &rest) == 1 && rest == 0 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + size) == 1;
    EVP_CIPHER_CTX_free(context);
    sodium_memzero(record, sizeof record);
    return done;
}

int encrypt_with(const uint8_t private_key[32], const uint8_t salt[ENCRYPT_SALT_SIZE],
                 const uint8_t p256dh[ENCRYPT_KEY_SIZE], const uint8_t auth[ENCRYPT_AUTH_SIZE],
                 const void *payload, size_t length, size_t padded, uint8_t *body, struct err *err)
{
    if (length > padded || padded > PADDED_MAX)
        return err_set(err, ERR_LIMIT, "the payload is too long for a push");
    uint8_t point[P256_POINT_SIZE], shared[SECRET_SIZE];
    struct keys keys;
    EVP_PKEY *ours = NULL, *theirs = p256_public_key(p256dh);
    int result;
    if (!theirs) {
        result = err_set(err, ERR_INVALID, "the phone's key p256dh is not a point of P-256");
        goto out;
    }
    if (p256_public(point, private_key) == 0)
        ours = p256_private_key(private_key, point);
    if (ours && agree(shared, ours, theirs) &&
        derive_keys(&keys, shared, auth, salt, p256dh, point) &&
        seal(body + HEADER_SIZE, &keys, payload, length, padded)) {
        write_header(body, salt, point);
        result = 0;
    } else {
        ERR_clear_error();
        result = err_set(err, ERR_IO, "OpenSSL could not encrypt the push");
    }
out:
    sodium_memzero(&keys, sizeof keys);
    sodium_memzero(shared, sizeof shared);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
    return result;
}

int encrypt_payload(const uint8_t p256dh[ENCRYPT_KEY_SIZE], const uint8_t auth[ENCRYPT_AUTH_SIZE],
                    const void *payload, size_t length, uint8_t body[ENCRYPT_BODY_SIZE],
                    struct err *err)
{
    uint8_t scalar[P256_SCALAR_SIZE], salt[ENCRYPT_SALT_SIZE];
    p256_random_scalar(scalar);
    random_bytes(salt, sizeof salt);
    int result =
        encrypt_with(scalar, salt, p256dh, auth, payload, length, ENCRYPT_PADDED_SIZE, body, err);
    sodium_memzero(scalar, sizeof scalar);
    return result;
}
