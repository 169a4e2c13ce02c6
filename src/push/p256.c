#include "push/p256.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"

/* SEC 1 section 2.3.3 */
enum { UNCOMPRESSED = 0x04 };

/* The order of the group (FIPS 186-4 D.1.2.3). */
static const uint8_t order[P256_SCALAR_SIZE] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

static bool is_private_key(const uint8_t scalar[P256_SCALAR_SIZE])
{
    return !sodium_is_zero(scalar, P256_SCALAR_SIZE) && memcmp(scalar, order, P256_SCALAR_SIZE) < 0;
}

void p256_random_scalar(uint8_t scalar[P256_SCALAR_SIZE])
{
    do
        random_bytes(scalar, P256_SCALAR_SIZE);
    while (!is_private_key(scalar));
}

/* A secure BIGNUM is wiped when it is freed, and so are OpenSSL's copies of it. */
static BIGNUM *secret_number(const uint8_t scalar[P256_SCALAR_SIZE])
{
    BIGNUM *number = BN_secure_new();
    if (number && !BN_bin2bn(scalar, P256_SCALAR_SIZE, number)) {
        BN_clear_free(number);
        return NULL;
    }
    if (number)
        BN_set_flags(number, BN_FLG_CONSTTIME);
    return number;
}

int p256_public(uint8_t point[P256_POINT_SIZE], const uint8_t scalar[P256_SCALAR_SIZE])
{
    if (!is_private_key(scalar))
        return ERR_INVALID;
    int result = ERR_IO;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *product = group ? EC_POINT_new(group) : NULL;
    BIGNUM *number = secret_number(scalar);
    if (product && number && EC_POINT_mul(group, product, number, NULL, NULL, NULL) == 1 &&
        EC_POINT_point2oct(group, product, POINT_CONVERSION_UNCOMPRESSED, point, P256_POINT_SIZE,
                           NULL) == P256_POINT_SIZE)
        result = 0;
    if (result != 0)
        ERR_clear_error();
    BN_clear_free(number);
    EC_POINT_free(product);
    EC_GROUP_free(group);
    return result;
}

static EVP_PKEY *make_key(const BIGNUM *number, const uint8_t point[P256_POINT_SIZE])
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (!build || !context || point[0] != UNCOMPRESSED)
        goto out;
    if (!OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                         0) ||
        !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, P256_POINT_SIZE))
        goto out;
    if (number && !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number))
        goto out;
    params = OSSL_PARAM_BLD_to_param(build);
    int selection = number ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (!params || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, selection, params) != 1)
        key = NULL;
out:
    if (!key)
        ERR_clear_error();
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_BLD_free(build);
    return key;
}

EVP_PKEY *p256_public_key(const uint8_t point[P256_POINT_SIZE])
{
    return make_key(NULL, point);
}

EVP_PKEY *p256_private_key(const uint8_t scalar[P256_SCALAR_SIZE],
                           const uint8_t point[P256_POINT_SIZE])
{
    BIGNUM *number = secret_number(scalar);
    EVP_PKEY *key = number ? make_key(number, point) : NULL;
    BN_clear_free(number);
    return key;
}
