#include "backup/envelope.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    MAGIC_SIZE = 16,
    FORMAT = 1,
    FORMAT_AT = MAGIC_SIZE,
    SEALED_AT,
    ZEROS_AT,
    LENGTH_AT = 24,
    CLEAR_SIZE = 32,
    PASSES_AT = CLEAR_SIZE,
    KIB_AT = 36,
    SALT_AT = 40,
    CHECK_AT = SALT_AT + crypto_pwhash_SALTBYTES,
    CHECK_SIZE = 16,
    STREAM_AT = CHECK_AT + CHECK_SIZE,
    SEALED_SIZE = STREAM_AT + crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    SUM_SIZE = 32,
    PIECE = 64 * 1024,
    MORE = crypto_secretstream_xchacha20poly1305_ABYTES,
    KEY_SIZE = crypto_secretstream_xchacha20poly1305_KEYBYTES,
    /* What a file may ask of the machine that opens it. */
    PASSES_MOST = 16,
    KIB_MOST = 1024 * 1024,
};

static const char magic[MAGIC_SIZE + 1] = "doorbell-backup\n";

static void put_number(unsigned char *at, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t get_number(const unsigned char *at, size_t size)
{
    uint64_t number = 0;
    for (size_t i = size; i-- > 0;)
        number = number << 8 | at[i];
    return number;
}

static size_t header_size(bool sealed)
{
    return sealed ? SEALED_SIZE : CLEAR_SIZE;
}

/* An empty content has one piece, too. */
static size_t piece_count(uint64_t length)
{
    return length ? (size_t)((length + PIECE - 1) / PIECE) : 1;
}

static size_t whole_size(const struct envelope *envelope)
{
    size_t more = envelope->sealed ? piece_count(envelope->length) * MORE : SUM_SIZE;
    return header_size(envelope->sealed) + (size_t)envelope->length + more;
}

static void sum_of(unsigned char sum[SUM_SIZE], const void *bytes, size_t length)
{
    crypto_generichash(sum, SUM_SIZE, bytes, length, NULL, 0);
}

/* Keys of one passphrase, in sodium memory. */
struct keys {
    unsigned char stream[KEY_SIZE];
    unsigned char check[KEY_SIZE];
};

static struct keys *derive(const unsigned char *header, const char *passphrase, struct err *err)
{
    struct keys *keys = sodium_malloc(sizeof *keys);
    unsigned long long passes = get_number(header + PASSES_AT, 4);
    size_t bytes = (size_t)get_number(header + KIB_AT, 4) * 1024;
    if (keys && crypto_pwhash((unsigned char *)keys, sizeof *keys, passphrase, strlen(passphrase),
                              header + SALT_AT, passes, bytes, crypto_pwhash_ALG_ARGON2ID13) == 0)
        return keys;
    err_set(
        err, ERR_LIMIT,
        "The passphrase cannot be turned into a key: this needs %zu MiB of memory for a moment.",
        bytes / 1024 / 1024);
    sodium_free(keys);
    return NULL;
}

static void check_of(unsigned char check[CHECK_SIZE], const struct keys *keys)
{
    crypto_generichash(check, CHECK_SIZE, keys->check, sizeof keys->check, NULL, 0);
}

/* Closing */

static void begin_header(unsigned char *header, bool sealed, size_t length)
{
    memcpy(header, magic, MAGIC_SIZE);
    header[FORMAT_AT] = FORMAT;
    header[SEALED_AT] = sealed;
    put_number(header + LENGTH_AT, length, 8);
}

static void close_clear(struct buf *file, const void *content, size_t length)
{
    unsigned char header[CLEAR_SIZE] = {0}, sum[SUM_SIZE];
    begin_header(header, false, length);
    buf_add(file, header, sizeof header);
    buf_add(file, content, length);
    sum_of(sum, file->bytes, file->length);
    buf_add(file, sum, sizeof sum);
}

static void push_pieces(struct buf *file, crypto_secretstream_xchacha20poly1305_state *stream,
                        const unsigned char *header, const unsigned char *content, size_t length)
{
    unsigned char *piece = mem_new(PIECE + MORE);
    size_t count = piece_count(length);
    for (size_t i = 0; i < count; i++) {
        bool last = i == count - 1;
        size_t size = last ? length - i * PIECE : PIECE;
        crypto_secretstream_xchacha20poly1305_push(
            stream, piece, NULL, content + i * PIECE, size, i == 0 ? header : NULL,
            i == 0 ? SEALED_SIZE : 0,
            last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                 : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
        buf_add(file, piece, size + MORE);
    }
    free(piece);
}

static int close_sealed(struct buf *file, const void *content, size_t length,
                        const char *passphrase, const struct envelope_cost *cost, struct err *err)
{
    unsigned char header[SEALED_SIZE] = {0};
    crypto_secretstream_xchacha20poly1305_state stream;
    begin_header(header, true, length);
    put_number(header + PASSES_AT, cost->passes, 4);
    put_number(header + KIB_AT, cost->kib, 4);
    randombytes_buf(header + SALT_AT, crypto_pwhash_SALTBYTES);
    struct keys *keys = derive(header, passphrase, err);
    if (!keys)
        return ERR_LIMIT;
    check_of(header + CHECK_AT, keys);
    crypto_secretstream_xchacha20poly1305_init_push(&stream, header + STREAM_AT, keys->stream);
    sodium_free(keys);
    buf_add(file, header, sizeof header);
    push_pieces(file, &stream, header, content, length);
    sodium_memzero(&stream, sizeof stream);
    return 0;
}

int envelope_close(struct buf *file, const void *content, size_t length, const char *passphrase,
                   const struct envelope_cost *cost, struct err *err)
{
    if (length > ENVELOPE_CONTENT_MAX)
        return err_set(err, ERR_LIMIT, "There is more to back up than a backup may hold (%d MiB).",
                       ENVELOPE_CONTENT_MAX / 1024 / 1024);
    if (passphrase)
        return close_sealed(file, content, length, passphrase, cost, err);
    close_clear(file, content, length);
    return 0;
}

/* Opening */

static int altered(struct err *err)
{
    return err_set(
        err, ERR_INVALID,
        "This backup was altered or damaged after it was made; take another copy of it.");
}

static int truncated(struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "This backup is truncated: its end is missing. Take another copy of it.");
}

static int look_at_cost(struct envelope *envelope, const unsigned char *header, struct err *err)
{
    struct envelope_cost *cost = &envelope->cost;
    cost->passes = (uint32_t)get_number(header + PASSES_AT, 4);
    cost->kib = (uint32_t)get_number(header + KIB_AT, 4);
    if (cost->passes < 1 || cost->passes > PASSES_MOST || cost->kib < 8 || cost->kib > KIB_MOST)
        return altered(err);
    return 0;
}

int envelope_look(struct envelope *envelope, const void *file, size_t length, struct err *err)
{
    static const unsigned char zeros[LENGTH_AT - ZEROS_AT];
    const unsigned char *header = file;
    *envelope = (struct envelope){0};
    if (length == 0 || memcmp(header, magic, length < MAGIC_SIZE ? length : MAGIC_SIZE) != 0)
        return err_set(err, ERR_INVALID, "This is no backup that \"doorbell backup\" has made.");
    if (length > FORMAT_AT && header[FORMAT_AT] > FORMAT)
        return err_set(err, ERR_NOT_NOW,
                       "This backup was made by a newer Doorbell (format %u, this one knows %u). "
                       "Restore it with that version or a later one.",
                       header[FORMAT_AT], FORMAT);
    if (length < CLEAR_SIZE)
        return truncated(err);
    envelope->sealed = header[SEALED_AT] != 0;
    envelope->length = get_number(header + LENGTH_AT, 8);
    if (header[FORMAT_AT] != FORMAT || header[SEALED_AT] > 1 ||
        memcmp(header + ZEROS_AT, zeros, sizeof zeros) != 0 ||
        envelope->length > ENVELOPE_CONTENT_MAX)
        return altered(err);
    if (length < whole_size(envelope))
        return truncated(err);
    if (length > whole_size(envelope))
        return altered(err);
    return envelope->sealed ? look_at_cost(envelope, header, err) : 0;
}

static int open_clear(const struct envelope *envelope, const unsigned char *file,
                      struct buf *content, struct err *err)
{
    unsigned char sum[SUM_SIZE];
    size_t length = CLEAR_SIZE + (size_t)envelope->length;
    sum_of(sum, file, length);
    if (memcmp(sum, file + length, sizeof sum) != 0)
        return altered(err);
    buf_add(content, file + CLEAR_SIZE, (size_t)envelope->length);
    return 0;
}

static int pull_pieces(const struct envelope *envelope,
                       crypto_secretstream_xchacha20poly1305_state *stream,
                       const unsigned char *file, struct buf *content, struct err *err)
{
    unsigned char *piece = mem_new(PIECE);
    const unsigned char *at = file + SEALED_SIZE;
    size_t count = piece_count(envelope->length);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        bool last = i == count - 1;
        size_t size = last ? (size_t)envelope->length - i * PIECE : PIECE;
        unsigned char tag = 0;
        bool whole = crypto_secretstream_xchacha20poly1305_pull(stream, piece, NULL, &tag, at,
                                                                size + MORE, i == 0 ? file : NULL,
                                                                i == 0 ? SEALED_SIZE : 0) == 0;
        if (!whole || last != (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL))
            result = altered(err);
        else
            buf_add(content, piece, size);
        at += size + MORE;
    }
    sodium_memzero(piece, PIECE);
    free(piece);
    return result;
}

static int open_sealed(const struct envelope *envelope, const unsigned char *file,
                       const char *passphrase, struct buf *content, struct err *err)
{
    unsigned char check[CHECK_SIZE];
    crypto_secretstream_xchacha20poly1305_state stream;
    int result = 0;
    struct keys *keys = derive(file, passphrase, err);
    if (!keys)
        return ERR_LIMIT;
    check_of(check, keys);
    if (sodium_memcmp(check, file + CHECK_AT, sizeof check) != 0)
        result = err_set(err, ERR_REFUSED, "This is not the passphrase of this backup.");
    else if (crypto_secretstream_xchacha20poly1305_init_pull(&stream, file + STREAM_AT,
                                                             keys->stream) != 0)
        result = altered(err);
    sodium_free(keys);
    if (result == 0)
        result = pull_pieces(envelope, &stream, file, content, err);
    sodium_memzero(&stream, sizeof stream);
    return result;
}

int envelope_open(const struct envelope *envelope, const void *file, size_t length,
                  const char *passphrase, struct buf *content, struct err *err)
{
    if (length != whole_size(envelope))
        return altered(err);
    if (!envelope->sealed)
        return open_clear(envelope, file, content, err);
    return open_sealed(envelope, file, passphrase, content, err);
}
