#include "push/vapid.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/url.h"
#include "push/p256.h"

enum {
    TOKEN_LIFE_S = 12 * 3600, /* no server allows more than 24 h (RFC 8292 section 2) */
    TOKEN_REUSE_S = 3600,
    TOKENS_MAX = 256, /* strangers choose origins */
    SUBJECT_MAX = 200,
    CLAIMS_MAX = 600,         /* an origin, a subject and the names */
    SIGNATURE_SIZE = 64,      /* r and s, 32 bytes each (RFC 7518 section 3.4) */
    SIGNATURE_DER_SIZE = 128, /* more than any ECDSA signature over P-256 */
    FILE_MAX = 1024,          /* a key has 44 bytes; a PEM file should still be read and named */
};

struct token {
    struct map_node by_origin;
    struct list use;
    int64_t signed_unix;
    char origin[URL_ORIGIN_SIZE];
    char header[VAPID_HEADER_SIZE];
};

struct vapid {
    uint8_t *scalar; /* in sodium memory */
    uint8_t point[P256_POINT_SIZE];
    char public_text[VAPID_PUBLIC_TEXT_SIZE];
    char subject[SUBJECT_MAX + 1]; /* of the tokens that are there */
    struct map tokens;
    struct list used; /* least recently used first */
};

/* The key */

static struct vapid *from_scalar(const uint8_t scalar[P256_SCALAR_SIZE], struct err *err)
{
    struct vapid *vapid = mem_new(sizeof *vapid);
    map_init(&vapid->tokens);
    list_init(&vapid->used);
    vapid->scalar = sodium_malloc(P256_SCALAR_SIZE);
    if (!vapid->scalar) {
        err_set(err, ERR_LIMIT, "there is no protected memory for the VAPID key");
        goto fail;
    }
    memcpy(vapid->scalar, scalar, P256_SCALAR_SIZE);
    sodium_mprotect_readonly(vapid->scalar);
    int result = p256_public(vapid->point, vapid->scalar);
    if (result == ERR_INVALID)
        err_set(err, result, "this is no VAPID private key: the number is out of range");
    else if (result != 0)
        err_set(err, result, "OpenSSL could not compute the public VAPID key");
    if (result != 0)
        goto fail;
    b64url_encode(vapid->public_text, vapid->point, sizeof vapid->point);
    return vapid;
fail:
    vapid_free(vapid);
    return NULL;
}

struct vapid *vapid_generate(struct err *err)
{
    uint8_t scalar[P256_SCALAR_SIZE];
    p256_random_scalar(scalar);
    struct vapid *vapid = from_scalar(scalar, err);
    sodium_memzero(scalar, sizeof scalar);
    return vapid;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int wrong_key(const char *text, size_t length, long size, struct err *err)
{
    const char *hint = "";
    if (length == 0)
        hint = " (it is empty)";
    else if (text_starts(text, "-----BEGIN"))
        hint = " (it is PEM)";
    else if (size == P256_POINT_SIZE)
        hint = " (it is the public key)";
    return err_set(err, ERR_INVALID,
                   "this is no VAPID private key%s: a right one is one line of 43 letters, digits, "
                   "- and _, as `doorbell vapid generate` prints it",
                   hint);
}

static int decode_scalar(uint8_t scalar[P256_SCALAR_SIZE], const char *text, struct err *err)
{
    size_t length = strlen(text);
    while (length && is_space(text[length - 1]))
        length--;
    while (length && is_space(*text)) {
        text++;
        length--;
    }
    uint8_t bytes[P256_POINT_SIZE];
    long size = b64_decode(bytes, sizeof bytes, text, length);
    int result = 0;
    if (size == P256_SCALAR_SIZE) {
        memcpy(scalar, bytes, P256_SCALAR_SIZE);
    } else if (size == P256_SCALAR_SIZE - 1) {
        scalar[0] = 0;
        memcpy(scalar + 1, bytes, P256_SCALAR_SIZE - 1);
    } else {
        result = wrong_key(text, length, size, err);
    }
    sodium_memzero(bytes, sizeof bytes);
    return result;
}

struct vapid *vapid_from_text(const char *text, struct err *err)
{
    uint8_t scalar[P256_SCALAR_SIZE];
    struct vapid *vapid = NULL;
    if (decode_scalar(scalar, text, err) == 0)
        vapid = from_scalar(scalar, err);
    sodium_memzero(scalar, sizeof scalar);
    return vapid;
}

static void drop(struct vapid *vapid, struct token *token)
{
    map_remove(&vapid->tokens, &token->by_origin);
    list_remove(&token->use);
    free(token);
}

static void drop_all(struct vapid *vapid)
{
    while (!list_empty(&vapid->used))
        drop(vapid, list_owner(list_first(&vapid->used), struct token, use));
}

void vapid_free(struct vapid *vapid)
{
    if (!vapid)
        return;
    drop_all(vapid);
    map_fini(&vapid->tokens);
    sodium_free(vapid->scalar);
    free(vapid);
}

const char *vapid_public_text(const struct vapid *vapid)
{
    return vapid->public_text;
}

void vapid_private_text(const struct vapid *vapid, char text[VAPID_PRIVATE_TEXT_SIZE])
{
    b64url_encode(text, vapid->scalar, P256_SCALAR_SIZE);
}

/* The file */

/* The caller wipes `text`. What exceeds the bound is cut, and so no key. */
static int read_key_text(const char *path, char text[FILE_MAX + 1], struct err *err)
{
    bool is_open;
    long length = file_read(path, text, FILE_MAX, &is_open);
    if (length < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "the VAPID key file %s does not exist", path);
    if (length < 0)
        return err_set(err, errno == EACCES ? ERR_REFUSED : ERR_IO,
                       "the VAPID key file %s cannot be read: %s; Doorbell (user id %u) must be "
                       "able to read it",
                       path, strerror(errno), (unsigned)geteuid());
    text[length] = '\0';
    return 0;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_text(".");
    return slash == path ? mem_text("/") : mem_copy(path, (size_t)(slash - path));
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t put = write(fd, text, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ERR_IO;
        text += put;
        length -= (size_t)put;
    }
    return fsync(fd) == 0 ? 0 : ERR_IO;
}

/* Gives the file its name unless the name is taken. Not every file system has links. */
static int place(const char *temporary, const char *path)
{
    if (link(temporary, path) == 0)
        return unlink(temporary) == 0 ? 0 : ERR_IO;
    if (errno != EEXIST && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EEXIST ? ERR_BUSY : ERR_IO;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    /* EINVAL: a file system that has nothing to write for folders. */
    int result = fsync(fd) == 0 || errno == EINVAL ? 0 : ERR_IO;
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

bool vapid_make_folder(const char *path)
{
    char *folder = folder_of(path);
    bool is_there = mkdir(folder, 0700) == 0 || errno == EEXIST;
    int reason = errno;
    free(folder);
    errno = reason;
    return is_there;
}

/* ERR_BUSY, silently, when there is a file of that name now. */
static int write_new(const char *path, const char *line, struct err *err)
{
    uint32_t name;
    random_bytes(&name, sizeof name); /* another one in each process that starts beside us */
    char *folder = folder_of(path), *temporary = mem_format("%s.%08x", path, name);
    int result = ERR_IO, fd = -1;
    if (!vapid_make_folder(path))
        goto out;
    fd = file_make(temporary);
    if (fd < 0)
        goto out;
    result = write_all(fd, line, strlen(line));
    if (result == 0)
        result = place(temporary, path);
    if (result != 0) {
        int saved = errno;
        unlink(temporary);
        errno = saved;
    } else {
        result = sync_folder(folder);
    }
out:
    if (result == ERR_IO)
        err_set(err, result, "the VAPID key file %s cannot be made: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(temporary);
    free(folder);
    return result;
}

int vapid_write_new(const struct vapid *vapid, const char *path, struct err *err)
{
    char line[VAPID_PRIVATE_TEXT_SIZE + 1];
    vapid_private_text(vapid, line);
    strcat(line, "\n");
    int result = write_new(path, line, err);
    sodium_memzero(line, sizeof line);
    if (result == 0)
        log_info("Made the VAPID key %s. Keep it: with another key phones must be linked anew.",
                 path);
    if (result == ERR_IO)
        err_prefix(err, "push.vapid_key_file");
    return result;
}

struct vapid *vapid_from_file(const char *path, struct err *err)
{
    char text[FILE_MAX + 1];
    struct vapid *vapid = NULL;
    if (read_key_text(path, text, err) == 0) {
        vapid = vapid_from_text(text, err);
        if (!vapid)
            err_prefix(err, "%s", path);
    }
    sodium_memzero(text, sizeof text);
    if (!vapid)
        err_prefix(err, "push.vapid_key_file");
    return vapid;
}

struct vapid *vapid_from_config(const struct config *config, struct err *err)
{
    if (config->push_vapid_key_file)
        return vapid_from_file(config->push_vapid_key_file, err);
    struct vapid *vapid = vapid_from_text(config->push_vapid_key, err);
    if (!vapid)
        err_prefix(err, "push.vapid_key");
    return vapid;
}

/* The tokens */

static bool split_signature(uint8_t raw[SIGNATURE_SIZE], const uint8_t *der, size_t length)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
    bool done =
        pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, SIGNATURE_SIZE / 2) > 0 &&
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + SIGNATURE_SIZE / 2, SIGNATURE_SIZE / 2) > 0;
    ECDSA_SIG_free(pair);
    return done;
}

/* ES256. OpenSSL has the key only while it signs. */
static bool sign(const struct vapid *vapid, uint8_t raw[SIGNATURE_SIZE], const char *text)
{
    uint8_t der[SIGNATURE_DER_SIZE];
    size_t length = sizeof der;
    EVP_PKEY *key = p256_private_key(vapid->scalar, vapid->point);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = key && context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(context, der, &length, (const uint8_t *)text, strlen(text)) == 1 &&
                split_signature(raw, der, length);
    if (!done)
        ERR_clear_error();
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return done;
}

/* As part of a JSON string: a URI has neither quotes nor backslashes. */
static bool is_uri_text(const char *text, size_t most)
{
    size_t length = strlen(text);
    return length > 0 && length <= most && text_is_token(text, length) && !strpbrk(text, "\"\\");
}

static int make_header(const struct vapid *vapid, char header[VAPID_HEADER_SIZE],
                       const char *origin, int64_t now_unix, struct err *err)
{
    static const char token_header[] = "{\"typ\":\"JWT\",\"alg\":\"ES256\"}";
    char claims[CLAIMS_MAX + 1], head[B64_TEXT_SIZE(sizeof token_header)];
    char body[B64_TEXT_SIZE(CLAIMS_MAX)], tail[B64_TEXT_SIZE(SIGNATURE_SIZE)];
    char text[sizeof head + sizeof body];
    uint8_t signature[SIGNATURE_SIZE];
    int length = snprintf(claims, sizeof claims, "{\"aud\":\"%s\",\"exp\":%lld,\"sub\":\"%s\"}",
                          origin, (long long)now_unix + TOKEN_LIFE_S, vapid->subject);
    if (length < 0 || (size_t)length >= sizeof claims)
        return err_set(err, ERR_LIMIT, "the VAPID token would be too long");
    b64url_encode(head, token_header, sizeof token_header - 1);
    b64url_encode(body, claims, (size_t)length);
    snprintf(text, sizeof text, "%s.%s", head, body);
    if (!sign(vapid, signature, text))
        return err_set(err, ERR_IO, "OpenSSL could not sign the VAPID token");
    b64url_encode(tail, signature, sizeof signature);
    length =
        snprintf(header, VAPID_HEADER_SIZE, "vapid t=%s.%s,k=%s", text, tail, vapid->public_text);
    if (length < 0 || length >= VAPID_HEADER_SIZE)
        return err_set(err, ERR_LIMIT, "the VAPID token would be too long");
    return 0;
}

static bool same_origin(const struct map_node *node, const void *key)
{
    return strcmp(map_owner(node, struct token, by_origin)->origin, key) == 0;
}

static struct token *find(const struct vapid *vapid, const char *origin)
{
    uint64_t hash = map_hash(&vapid->tokens, origin, strlen(origin));
    struct map_node *node = map_find(&vapid->tokens, hash, same_origin, origin);
    return node ? map_owner(node, struct token, by_origin) : NULL;
}

/* A clock that went back makes a token that may be from the future for the server, too. */
static bool is_fresh(const struct token *token, int64_t now_unix)
{
    return now_unix >= token->signed_unix && now_unix - token->signed_unix < TOKEN_REUSE_S;
}

/* Tokens are for one subject. */
static int take_subject(struct vapid *vapid, const char *subject, struct err *err)
{
    if (*subject && strcmp(vapid->subject, subject) == 0)
        return 0;
    if (!is_uri_text(subject, SUBJECT_MAX))
        return err_set(err, ERR_INVALID,
                       "push.vapid_subject must be a mailto: or https: address of at most %d "
                       "characters",
                       SUBJECT_MAX);
    drop_all(vapid);
    memcpy(vapid->subject, subject, strlen(subject) + 1);
    return 0;
}

static void use(struct vapid *vapid, struct token *token)
{
    list_remove(&token->use);
    list_append(&vapid->used, &token->use);
}

static void keep(struct vapid *vapid, struct token *token)
{
    if (vapid->tokens.count >= TOKENS_MAX)
        drop(vapid, list_owner(list_first(&vapid->used), struct token, use));
    const char *origin = token->origin;
    map_add(&vapid->tokens, &token->by_origin, map_hash(&vapid->tokens, origin, strlen(origin)));
    list_append(&vapid->used, &token->use);
}

/* NULL with an error. */
static struct token *token_new(const struct vapid *vapid, const char *origin, int64_t now_unix,
                               struct err *err)
{
    struct token *token = mem_new(sizeof *token);
    list_init(&token->use);
    token->signed_unix = now_unix;
    memcpy(token->origin, origin, strlen(origin) + 1);
    if (make_header(vapid, token->header, origin, now_unix, err) == 0)
        return token;
    free(token);
    return NULL;
}

const char *vapid_header(struct vapid *vapid, const char *origin, const char *subject,
                         int64_t now_unix, struct err *err)
{
    if (!vapid) {
        err_set(err, ERR_NOT_FOUND, "There is no VAPID key here that could sign it.");
        return NULL;
    }
    if (take_subject(vapid, subject, err) != 0)
        return NULL;
    struct token *token = find(vapid, origin);
    if (token && is_fresh(token, now_unix)) {
        use(vapid, token);
        return token->header;
    }
    if (!is_uri_text(origin, URL_ORIGIN_SIZE - 1)) {
        err_set(err, ERR_INVALID, "the endpoint's origin cannot be written into a token");
        return NULL;
    }
    struct token *made = token_new(vapid, origin, now_unix, err);
    if (!made)
        return NULL;
    if (token)
        drop(vapid, token);
    keep(vapid, made);
    return made->header;
}

void vapid_forget(struct vapid *vapid, const char *origin)
{
    struct token *token = find(vapid, origin);
    if (token)
        drop(vapid, token);
}
