#include "web/admin_token.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum { LINE_SIZE = 2 * ADMIN_HASH_SIZE + 2 }; /* hexadecimal, the end of the line, a zero */

void admin_token_hash(uint8_t hash[ADMIN_HASH_SIZE], const char *token)
{
    crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
}

static int failed(const char *path, const char *what, struct err *err)
{
    if (errno == ENOENT)
        return err_set(err, ERR_IO,
                       "The file of the admin token, %s, cannot be %s, because its folder does not "
                       "exist: start the server once, or name its configuration with --config.",
                       path, what);
    if (errno == EACCES && file_is_fenced_off(path))
        return err_set(
            err, ERR_IO,
            "The file of the admin token, %s, is in none of the folders that this server "
            "kept open to itself when it started: restart it (docs/sandbox.md).",
            path);
    return err_set(err, ERR_IO, "The file of the admin token, %s, cannot be %s: %s.", path, what,
                   strerror(errno));
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? mem_copy(path, (size_t)(slash + 1 - path)) : mem_text(".");
}

/* Root may write it for a server that is somebody else: whoever has the store. */
static int put(const char *path, const char *store, const char *line, struct err *err)
{
    char *folder = folder_of(store);
    enum file_replaced replaced = file_replace(path, line, strlen(line), folder);
    free(folder);
    if (replaced == FILE_NOT_REPLACED)
        return failed(path, "written", err);
    if (replaced == FILE_NOT_SYNCED)
        log_warn("The file of the admin token, %s, is written, but its folder cannot be synced: "
                 "%s. After a power cut the token before this one may be valid again.",
                 path, strerror(errno));
    return 0;
}

int admin_token_make(const char *path, const char *store, char text[ADMIN_TOKEN_TEXT_SIZE],
                     struct err *err)
{
    uint8_t bytes[ADMIN_TOKEN_BYTES], hash[ADMIN_HASH_SIZE];
    char line[LINE_SIZE];
    randombytes_buf(bytes, sizeof bytes);
    b64url_encode(text, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
    admin_token_hash(hash, text);
    sodium_bin2hex(line, sizeof line, hash, sizeof hash);
    strcat(line, "\n");
    int result = put(path, store, line, err);
    if (result != 0)
        sodium_memzero(text, ADMIN_TOKEN_TEXT_SIZE);
    return result;
}

int admin_token_revoke(const char *path, struct err *err)
{
    if (unlink(path) != 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "There is no admin token.")
                               : failed(path, "removed", err);
    return file_sync_folder(path) ? 0 : failed(path, "removed for good", err);
}

int admin_token_load(const char *path, uint8_t hash[ADMIN_HASH_SIZE], struct err *err)
{
    char line[LINE_SIZE];
    bool is_open;
    size_t size = 0;
    long length = file_read(path, line, sizeof line, &is_open);
    if (length < 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "There is no admin token.")
                               : failed(path, "read", err);
    if (length == LINE_SIZE - 1 && line[length - 1] == '\n' &&
        sodium_hex2bin(hash, ADMIN_HASH_SIZE, line, (size_t)length - 1, NULL, &size, NULL) == 0 &&
        size == ADMIN_HASH_SIZE)
        return 0;
    return err_set(err, ERR_INVALID, "The file of the admin token, %s, is damaged.", path);
}
