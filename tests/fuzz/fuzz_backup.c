/* A backup that somebody gives to "doorbell restore": the inside as it is, so that no sum stands in
 * the way, and the whole file. What is taken can be written again and is the same then. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backup/envelope.h"
#include "backup/restore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is expensive to open is dull to try. */
enum { PASSES_MOST = 2, KIB_MOST = 64 };

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void expect_sentence(const struct err *err)
{
    expect(err->text[0] != '\0');
    for (const char *c = err->text; *c; c++)
        expect(*c >= ' ' && *c <= '~');
}

static void write_again(const struct archive *archive, struct buf *content)
{
    struct archive_writer writer;
    const struct store_contents *contents = &archive->contents;
    archive_begin(&writer, content, &archive->head);
    for (size_t i = 0; i < contents->row_count; i++)
        archive_add_account(&writer, &contents->rows[i]);
    for (size_t i = 0; i < contents->secret_count; i++)
        archive_add_secret(&writer, &contents->secrets[i]);
    for (size_t i = 0; i < contents->mark_count; i++)
        archive_add_mark(&writer, &contents->marks[i]);
    if (archive->vapid)
        archive_add_key(&writer, archive->vapid);
    for (size_t i = 1; i <= ARCHIVE_FILE_KINDS; i++)
        if (archive->files[i].bytes)
            archive_add_file(&writer, (enum archive_file)i, archive->files[i].bytes,
                             archive->files[i].length);
    expect(archive_end(&writer, NULL) == 0);
}

static void compare(const struct archive *one, const struct archive *other)
{
    const struct store_contents *a = &one->contents, *b = &other->contents;
    expect(a->row_count == b->row_count && a->secret_count == b->secret_count &&
           a->mark_count == b->mark_count);
    for (size_t i = 0; i < a->row_count; i++) {
        expect(store_row_is_sound(&a->rows[i]));
        expect(memcmp(&a->rows[i].key, &b->rows[i].key, sizeof a->rows[i].key) == 0);
        expect(strcmp(a->rows[i].password, b->rows[i].password) == 0);
        expect(strcmp(a->rows[i].endpoint, b->rows[i].endpoint) == 0);
        expect(a->rows[i].owed_since_unix == b->rows[i].owed_since_unix);
    }
}

static void try_content(const uint8_t *data, size_t size)
{
    struct buf content, again;
    struct archive archive, other;
    struct err err = {0};
    buf_init(&content, ENVELOPE_CONTENT_MAX);
    buf_init(&again, ENVELOPE_CONTENT_MAX);
    expect(buf_add(&content, data, size) == 0);
    if (archive_read(&archive, &content, &err) != 0) {
        expect_sentence(&err);
    } else {
        write_again(&archive, &again);
        expect(archive_read(&other, &again, &err) == 0);
        compare(&archive, &other);
        for (int sealed = 0; sealed < 2; sealed++)
            if (restore_check(&archive, sealed, &err) != 0)
                expect_sentence(&err);
        archive_fini(&other);
    }
    archive_fini(&archive);
    buf_fini(&content);
    buf_fini(&again);
}

static void try_file(const uint8_t *data, size_t size)
{
    struct envelope envelope;
    struct err err = {0};
    struct buf content;
    if (envelope_look(&envelope, data, size, &err) != 0) {
        expect_sentence(&err);
        return;
    }
    if (envelope.sealed && (envelope.cost.passes > PASSES_MOST || envelope.cost.kib > KIB_MOST))
        return;
    buf_init(&content, ENVELOPE_CONTENT_MAX);
    if (envelope_open(&envelope, data, size, "fuzz", &content, &err) == 0)
        expect(content.length == envelope.length);
    else
        expect_sentence(&err);
    buf_fini(&content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() < 0 || size > ENVELOPE_CONTENT_MAX)
        return 0;
    try_content(data, size);
    try_file(data, size);
    return 0;
}
