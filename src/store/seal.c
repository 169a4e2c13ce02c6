#include "store/seal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"

enum {
    KEY_FILE_MAX = 256,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    MORE = NONCE_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES,
    SEALED_MAX = 1024, /* bytes; passwords are far shorter */
    ROW_SIZE = 18,
};

static const char prefix[] = "sealed ";

struct seal {
    unsigned char key[SEAL_KEY_SIZE];
};

struct seal *seal_from_text(const char *text, struct err *err)
{
    size_t blank = strspn(text, " \t\r\n"), length = strlen(text + blank);
    while (length && strchr(" \t\r\n", text[blank + length - 1]))
        length--;
    struct seal *seal = sodium_malloc(sizeof *seal);
    if (seal && b64_decode(seal->key, sizeof seal->key, text + blank, length) == SEAL_KEY_SIZE &&
        sodium_mprotect_readonly(seal) == 0)
        return seal;
    sodium_free(seal);
    err_set(err, ERR_INVALID,
            "it is not a key of %d bytes in base64; \"head -c 32 /dev/urandom | base64\" makes one",
            SEAL_KEY_SIZE);
    return NULL;
}

static int from_file(struct seal **seal, const char *path, struct err *err)
{
    bool is_open;
    char text[KEY_FILE_MAX + 1];
    long length = file_read(path, text, KEY_FILE_MAX, &is_open);
    if (length < 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                       "store.key_file: %s cannot be read: %s. The key is never made anew, because "
                       "the store may be sealed with it: %s.",
                       path, strerror(errno),
                       errno == ENOENT ? "put it back" : "let this user read it");
    text[length] = '\0';
    *seal = seal_from_text(text, err);
    sodium_memzero(text, sizeof text);
    if (*seal)
        return 0;
    err_prefix(err, "store.key_file: %s", path);
    return err->code;
}

int seal_from_config(struct seal **seal, const struct config *config, struct err *err)
{
    *seal = NULL;
    if (config->store_key_file)
        return from_file(seal, config->store_key_file, err);
    if (!config->store_key)
        return 0;
    *seal = seal_from_text(config->store_key, err);
    if (*seal)
        return 0;
    err_prefix(err, "store.key");
    return err->code;
}

void seal_free(struct seal *seal)
{
    sodium_free(seal);
}

void seal_check(const struct seal *seal, uint8_t check[SEAL_CHECK_SIZE])
{
    static const char what[] = "doorbell: which key the store is sealed with";
    crypto_generichash(check, SEAL_CHECK_SIZE, (const unsigned char *)what, sizeof what, seal->key,
                       sizeof seal->key);
}

bool seal_is_sealed(const char *password)
{
    return text_starts(password, prefix);
}

static void row_of(unsigned char row[ROW_SIZE], const struct account_key *key)
{
    row[0] = key->messenger;
    row[1] = key->device;
    memcpy(row + 2, key->uuid, sizeof key->uuid);
}

char *seal_close(const struct seal *seal, const struct account_key *key, const char *password)
{
    if (!seal || seal_is_sealed(password))
        return mem_text(password);
    unsigned char row[ROW_SIZE];
    size_t length = strlen(password);
    unsigned char *bytes = mem_new(length + MORE);
    row_of(row, key);
    randombytes_buf(bytes, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + NONCE_SIZE, NULL,
                                               (const unsigned char *)password, length, row,
                                               sizeof row, NULL, bytes, seal->key);
    char *text = mem_new(sizeof prefix + B64_TEXT_SIZE(length + MORE));
    memcpy(text, prefix, sizeof prefix);
    b64_encode(text + strlen(prefix), bytes, length + MORE);
    free(bytes);
    return text;
}

char *seal_open(const struct seal *seal, const struct account_key *key, const char *password)
{
    unsigned char row[ROW_SIZE], bytes[SEALED_MAX];
    if (!seal_is_sealed(password))
        return mem_text(password);
    const char *text = password + strlen(prefix);
    long length = seal ? b64_decode(bytes, sizeof bytes, text, strlen(text)) : ERR_INVALID;
    if (length <= MORE)
        return NULL;
    row_of(row, key);
    char *plain = mem_new((size_t)length - MORE + 1);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)plain, NULL, NULL,
                                                   bytes + NONCE_SIZE, (size_t)length - NONCE_SIZE,
                                                   row, sizeof row, bytes, seal->key) == 0)
        return plain;
    free(plain);
    return NULL;
}

bool seal_same(const struct seal *seal, const struct account_key *key, const char *kept,
               const char *plain)
{
    char *opened = seal_open(seal, key, kept);
    size_t length = strlen(plain);
    bool same = opened && strlen(opened) == length && sodium_memcmp(opened, plain, length) == 0;
    mem_free_secret(opened);
    return same;
}
