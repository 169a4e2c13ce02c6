#include "push/encrypt.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/b64.h"
#include "push/p256.h"
#include "unit.h"

/* RFC 8291 section 5 and appendix A */
#define PLAINTEXT "When I grow up, I want to be a watermelon"
#define AS_PRIVATE "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
#define UA_PUBLIC                                                                                  \
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define UA_PRIVATE "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
#define SALT "DGv6ra1nlYgDCS1FRnbzlw"
#define AUTH "BTBZMqHH6r4Tts7J_aSIgg"
#define BODY                                                                                       \
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS" \
    "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu" \
    "lcy4a-fN"

enum { HEADER = 86, TAG = 16 };

static void decode(uint8_t *bytes, size_t size, const char *text)
{
    ck_assert_int_eq(b64_decode(bytes, size, text, strlen(text)), (long)size);
}

struct phone {
    uint8_t private_key[32], public_key[ENCRYPT_KEY_SIZE], auth[ENCRYPT_AUTH_SIZE];
};

static struct phone new_phone(void)
{
    struct phone phone;
    decode(phone.private_key, sizeof phone.private_key, UA_PRIVATE);
    decode(phone.public_key, sizeof phone.public_key, UA_PUBLIC);
    decode(phone.auth, sizeof phone.auth, AUTH);
    return phone;
}

static void hmac(uint8_t out[32], const uint8_t *key, size_t key_size, const uint8_t *text,
                 size_t size)
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_size);
    crypto_auth_hmacsha256_update(&state, text, size);
    crypto_auth_hmacsha256_final(&state, out);
}

/* HKDF with one block of output, written out from RFC 5869. */
static void hkdf(uint8_t out[32], const uint8_t *salt, const uint8_t secret[32],
                 const uint8_t *info, size_t info_size)
{
    uint8_t pseudorandom[32], block[256];
    hmac(pseudorandom, salt, 16, secret, 32);
    memcpy(block, info, info_size);
    block[info_size] = 1;
    hmac(out, pseudorandom, 32, block, info_size + 1);
}

/* What the phone does with a body; the plaintext with delimiter and padding. */
static size_t decrypt(uint8_t *plain, const struct phone *phone, const uint8_t *body, size_t size)
{
    const uint8_t *salt = body, *theirs = body + 21;
    ck_assert_uint_eq(body[20], ENCRYPT_KEY_SIZE);
    uint8_t shared[32], input[32], key[32], nonce[32], info[144] = "WebPush: info";
    size_t length = sizeof shared;
    EVP_PKEY *mine = p256_private_key(phone->private_key, phone->public_key);
    EVP_PKEY *other = p256_public_key(theirs);
    EVP_PKEY_CTX *agreement = EVP_PKEY_CTX_new(mine, NULL);
    ck_assert_int_eq(EVP_PKEY_derive_init(agreement), 1);
    ck_assert_int_eq(EVP_PKEY_derive_set_peer(agreement, other), 1);
    ck_assert_int_eq(EVP_PKEY_derive(agreement, shared, &length), 1);
    EVP_PKEY_CTX_free(agreement);
    EVP_PKEY_free(mine);
    EVP_PKEY_free(other);

    memcpy(info + 14, phone->public_key, 65);
    memcpy(info + 79, theirs, 65);
    hkdf(input, phone->auth, shared, info, sizeof info);
    hkdf(key, salt, input, (const uint8_t *)"Content-Encoding: aes128gcm", 28);
    hkdf(nonce, salt, input, (const uint8_t *)"Content-Encoding: nonce", 24);

    int done = 0, rest = 0, sealed = (int)size - HEADER - TAG;
    uint8_t tag[TAG];
    memcpy(tag, body + size - TAG, TAG);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    ck_assert_int_eq(EVP_DecryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, nonce), 1);
    ck_assert_int_eq(EVP_DecryptUpdate(context, plain, &done, body + HEADER, sealed), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG, tag), 1);
    ck_assert_int_eq(EVP_DecryptFinal_ex(context, plain + done, &rest), 1);
    EVP_CIPHER_CTX_free(context);
    return (size_t)done;
}

START_TEST(the_example_of_rfc_8291_comes_out_byte_for_byte)
{
    struct phone phone = new_phone();
    uint8_t private_key[32], salt[ENCRYPT_SALT_SIZE], wanted[144], body[144];
    decode(private_key, sizeof private_key, AS_PRIVATE);
    decode(salt, sizeof salt, SALT);
    decode(wanted, sizeof wanted, BODY);
    size_t length = strlen(PLAINTEXT);
    ck_assert_int_eq(encrypt_with(private_key, salt, phone.public_key, phone.auth, PLAINTEXT,
                                  length, length, body, NULL),
                     0);
    ck_assert_mem_eq(body, wanted, sizeof wanted);
}
END_TEST

START_TEST(the_phone_reads_every_payload_and_all_have_one_size)
{
    static const char *const payloads[] = {"", "{\"urgent\":true}", "{\"test\":true}",
                                           "{\"code\":4409}"};
    struct phone phone = new_phone();
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        uint8_t body[ENCRYPT_BODY_SIZE], plain[ENCRYPT_PADDED_SIZE + 1];
        uint8_t wanted[ENCRYPT_PADDED_SIZE + 1] = {0};
        size_t length = strlen(payloads[i]);
        ck_assert_int_eq(
            encrypt_payload(phone.public_key, phone.auth, payloads[i], length, body, NULL), 0);
        ck_assert_mem_eq(body + 16, "\0\0\x10\0", 4); /* a record of 4096, more than all of it */
        memcpy(wanted, payloads[i], length);
        wanted[length] = 2;
        ck_assert_uint_eq(decrypt(plain, &phone, body, sizeof body), sizeof plain);
        ck_assert_mem_eq(plain, wanted, sizeof plain);
    }
}
END_TEST

START_TEST(every_message_has_its_own_salt_and_key)
{
    struct phone phone = new_phone();
    uint8_t a[ENCRYPT_BODY_SIZE], b[ENCRYPT_BODY_SIZE];
    ck_assert_int_eq(encrypt_payload(phone.public_key, phone.auth, "x", 1, a, NULL), 0);
    ck_assert_int_eq(encrypt_payload(phone.public_key, phone.auth, "x", 1, b, NULL), 0);
    ck_assert_mem_ne(a, b, ENCRYPT_SALT_SIZE);
    ck_assert_mem_ne(a + 21, b + 21, ENCRYPT_KEY_SIZE);
    ck_assert_mem_ne(a + HEADER, b + HEADER, sizeof a - HEADER);
}
END_TEST

START_TEST(a_body_has_at_most_4096_bytes)
{
    enum { MOST = ENCRYPT_BODY_MAX - 103 };
    struct phone phone = new_phone();
    uint8_t private_key[32], salt[ENCRYPT_SALT_SIZE], payload[MOST], body[ENCRYPT_BODY_MAX];
    uint8_t plain[MOST + 1];
    decode(private_key, sizeof private_key, AS_PRIVATE);
    decode(salt, sizeof salt, SALT);
    memset(payload, 'p', sizeof payload);
    ck_assert_int_eq(encrypt_with(private_key, salt, phone.public_key, phone.auth, payload, MOST,
                                  MOST, body, NULL),
                     0);
    ck_assert_uint_eq(decrypt(plain, &phone, body, sizeof body), sizeof plain);
    ck_assert_mem_eq(plain, payload, sizeof payload);
    ck_assert_int_eq(plain[MOST], 2);
    struct err err = {0};
    ck_assert_int_eq(encrypt_with(private_key, salt, phone.public_key, phone.auth, payload, MOST,
                                  MOST + 1, body, &err),
                     ERR_LIMIT);
    ck_assert_int_eq(
        encrypt_with(private_key, salt, phone.public_key, phone.auth, payload, 2, 1, body, &err),
        ERR_LIMIT);
    ck_assert_int_eq(
        encrypt_payload(phone.public_key, phone.auth, payload, ENCRYPT_PADDED_SIZE + 1, body, &err),
        ERR_LIMIT);
}
END_TEST

START_TEST(only_points_of_the_curve_in_uncompressed_form_are_keys)
{
    struct phone phone = new_phone();
    uint8_t wrong[ENCRYPT_KEY_SIZE], body[ENCRYPT_BODY_SIZE];
    ck_assert_int_eq(encrypt_check_key(phone.public_key), 0);
    for (int change = 0; change < 6; change++) {
        memcpy(wrong, phone.public_key, sizeof wrong);
        if (change == 0)
            wrong[64] ^= 1; /* off the curve */
        else if (change == 1)
            memset(wrong + 1, 0, 64);
        else if (change == 2)
            memset(wrong + 1, 0xff, 64); /* coordinates above the prime */
        else if (change == 3)
            wrong[0] = 0x02 | (wrong[64] & 1); /* compressed, and longer than that */
        else if (change == 4)
            wrong[0] = 0x06 | (wrong[64] & 1); /* hybrid */
        else
            memset(wrong, 0, sizeof wrong); /* infinity */
        struct err err = {0};
        ck_assert_int_eq(encrypt_check_key(wrong), ERR_INVALID);
        ck_assert_int_eq(encrypt_payload(wrong, phone.auth, "x", 1, body, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.text, "p256dh"));
        ck_assert_uint_eq(ERR_peek_error(), 0); /* the thread's TLS connections would see it */
    }
}
END_TEST

UNIT_MAIN("encrypt", the_example_of_rfc_8291_comes_out_byte_for_byte,
          the_phone_reads_every_payload_and_all_have_one_size,
          every_message_has_its_own_salt_and_key, a_body_has_at_most_4096_bytes,
          only_points_of_the_curve_in_uncompressed_form_are_keys)
