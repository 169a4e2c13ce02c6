#include "backup/archive.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/seal.h"

enum kind { KIND_HEAD = 1, KIND_ACCOUNT, KIND_SECRET, KIND_MARK, KIND_KEY, KIND_FILE, KIND_END };

enum { RECORD_HEAD = 5, LENGTH_AT = 1, LENGTH_SIZE = 4 };

/* Writing */

static void add(struct archive_writer *writer, const void *bytes, size_t length)
{
    if (buf_add(writer->content, bytes, length) != 0)
        writer->is_full = true;
}

static void add_number(struct archive_writer *writer, uint64_t number, size_t size)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    add(writer, bytes, size);
}

static void add_text(struct archive_writer *writer, const char *text)
{
    add_number(writer, strlen(text), LENGTH_SIZE);
    add(writer, text, strlen(text) + 1);
}

static void begin(struct archive_writer *writer, enum kind kind)
{
    writer->began = writer->content->length;
    add_number(writer, kind, 1);
    add_number(writer, 0, LENGTH_SIZE);
}

static void end(struct archive_writer *writer)
{
    size_t length = writer->content->length - writer->began - RECORD_HEAD;
    if (writer->is_full)
        return;
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        writer->content->bytes[writer->began + LENGTH_AT + i] = (unsigned char)(length >> (8 * i));
}

void archive_begin(struct archive_writer *writer, struct buf *content,
                   const struct archive_head *head)
{
    *writer = (struct archive_writer){.content = content};
    begin(writer, KIND_HEAD);
    add_number(writer, (uint64_t)head->made_unix, 8);
    add_number(writer, head->has_secrets, 1);
    add_number(writer, head->left_out, 4);
    add_text(writer, head->program);
    add_text(writer, head->environment);
    add_text(writer, head->others);
    end(writer);
}

void archive_add_account(struct archive_writer *writer, const struct store_account *row)
{
    begin(writer, KIND_ACCOUNT);
    add_number(writer, row->key.messenger, 1);
    add_number(writer, row->key.device, 1);
    add(writer, row->key.uuid, sizeof row->key.uuid);
    add_text(writer, row->password);
    add_text(writer, row->endpoint);
    add_number(writer, row->has_push_keys, 1);
    add(writer, row->push_p256dh, sizeof row->push_p256dh);
    add(writer, row->push_auth, sizeof row->push_auth);
    add_number(writer, row->refused, 1);
    add_number(writer, row->endpoint_proven, 1);
    add_number(writer, row->endpoint_state, 1);
    add_number(writer, (uint64_t)row->endpoint_status, 4);
    add_number(writer, (uint64_t)row->endpoint_not_before_unix, 8);
    add_number(writer, (uint64_t)row->endpoint_retry_unix, 8);
    add_number(writer, (uint64_t)row->endpoint_floor_unix, 8);
    add_number(writer, row->endpoint_repeated, 4);
    add_number(writer, (uint64_t)row->registered_unix, 8);
    add_number(writer, (uint64_t)row->owed_since_unix, 8);
    add_number(writer, row->spent_day, 4);
    add_number(writer, row->spent, 4);
    end(writer);
}

void archive_add_secret(struct archive_writer *writer, const struct store_kept_secret *secret)
{
    begin(writer, KIND_SECRET);
    add_text(writer, secret->name);
    add(writer, secret->value, sizeof secret->value);
    end(writer);
}

void archive_add_mark(struct archive_writer *writer, const struct store_kept_mark *mark)
{
    begin(writer, KIND_MARK);
    add(writer, mark->mark, sizeof mark->mark);
    add_number(writer, (uint64_t)mark->at_unix, 8);
    end(writer);
}

void archive_add_key(struct archive_writer *writer, const char *vapid)
{
    begin(writer, KIND_KEY);
    add_text(writer, vapid);
    end(writer);
}

void archive_add_file(struct archive_writer *writer, enum archive_file kind, const void *bytes,
                      size_t length)
{
    begin(writer, KIND_FILE);
    add_number(writer, kind, 1);
    add(writer, bytes, length);
    end(writer);
}

int archive_end(struct archive_writer *writer, struct err *err)
{
    begin(writer, KIND_END);
    end(writer);
    if (writer->is_full)
        return err_set(err, ERR_LIMIT, "There is more to back up than a backup may hold (%zu MiB).",
                       writer->content->most / 1024 / 1024);
    return 0;
}

/* Reading. What was taken from beyond the end is zero, and the record is wrong. */

struct reader {
    const unsigned char *at, *end;
    bool is_wrong;
};

static const unsigned char *take(struct reader *reader, size_t length)
{
    if (reader->is_wrong || length > (size_t)(reader->end - reader->at)) {
        reader->is_wrong = true;
        return NULL;
    }
    const unsigned char *bytes = reader->at;
    reader->at += length;
    return bytes;
}

static void take_bytes(struct reader *reader, void *bytes, size_t length)
{
    const unsigned char *from = take(reader, length);
    if (from)
        memcpy(bytes, from, length);
}

static uint64_t take_number(struct reader *reader, size_t size)
{
    const unsigned char *bytes = take(reader, size);
    uint64_t number = 0;
    for (size_t i = bytes ? size : 0; i-- > 0;)
        number = number << 8 | bytes[i];
    return number;
}

static bool take_flag(struct reader *reader)
{
    uint64_t flag = take_number(reader, 1);
    reader->is_wrong |= flag > 1;
    return flag == 1;
}

static const char *take_text(struct reader *reader)
{
    size_t length = (size_t)take_number(reader, LENGTH_SIZE);
    const char *text = (const char *)take(reader, length);
    const unsigned char *zero = take(reader, 1);
    if (!text || !zero || *zero || strlen(text) != length)
        reader->is_wrong = true;
    return reader->is_wrong ? "" : text;
}

/* For texts that are shown; ours are printable. */
static const char *take_shown(struct reader *reader)
{
    const char *text = take_text(reader);
    for (const char *c = text; *c; c++)
        reader->is_wrong |= *c < ' ' || *c > '~';
    return text;
}

static void read_head(struct reader *reader, struct archive_head *head)
{
    head->made_unix = (int64_t)take_number(reader, 8);
    head->has_secrets = take_flag(reader);
    head->left_out = (uint32_t)take_number(reader, 4);
    head->program = take_shown(reader);
    head->environment = take_shown(reader);
    head->others = take_shown(reader);
}

/* One more at the end of a list; its room doubles. */
static void *more(void *list, size_t count, size_t size)
{
    if (count & (count - 1)) /* not a power of two: there is room */
        return list;
    void *larger = mem_new((count ? 2 * count : 1) * size);
    if (count) {
        memcpy(larger, list, count * size);
        sodium_memzero(list, count * size);
    }
    free(list);
    return larger;
}

static void read_account(struct reader *reader, struct store_contents *contents)
{
    contents->rows = more(contents->rows, contents->row_count, sizeof *contents->rows);
    struct store_account *row = &contents->rows[contents->row_count++];
    row->key.messenger = (uint8_t)take_number(reader, 1);
    row->key.device = (uint8_t)take_number(reader, 1);
    take_bytes(reader, row->key.uuid, sizeof row->key.uuid);
    row->password = take_text(reader);
    row->endpoint = take_text(reader);
    row->has_push_keys = take_flag(reader);
    take_bytes(reader, row->push_p256dh, sizeof row->push_p256dh);
    take_bytes(reader, row->push_auth, sizeof row->push_auth);
    row->refused = take_flag(reader);
    row->endpoint_proven = take_flag(reader);
    row->endpoint_state = (uint8_t)take_number(reader, 1);
    row->endpoint_status = (int)(int32_t)take_number(reader, 4);
    row->endpoint_not_before_unix = (int64_t)take_number(reader, 8);
    row->endpoint_retry_unix = (int64_t)take_number(reader, 8);
    row->endpoint_floor_unix = (int64_t)take_number(reader, 8);
    row->endpoint_repeated = (unsigned)take_number(reader, 4);
    row->registered_unix = (int64_t)take_number(reader, 8);
    row->owed_since_unix = (int64_t)take_number(reader, 8);
    row->spent_day = (uint32_t)take_number(reader, 4);
    row->spent = (uint32_t)take_number(reader, 4);
    reader->is_wrong |= !store_row_is_sound(row) || seal_is_sealed(row->password);
}

static void read_secret(struct reader *reader, struct store_contents *contents)
{
    contents->secrets = more(contents->secrets, contents->secret_count, sizeof *contents->secrets);
    struct store_kept_secret *secret = &contents->secrets[contents->secret_count++];
    const char *name = take_text(reader);
    if (strlen(name) < sizeof secret->name)
        strcpy(secret->name, name);
    else
        reader->is_wrong = true;
    take_bytes(reader, secret->value, sizeof secret->value);
}

static void read_mark(struct reader *reader, struct store_contents *contents)
{
    contents->marks = more(contents->marks, contents->mark_count, sizeof *contents->marks);
    struct store_kept_mark *mark = &contents->marks[contents->mark_count++];
    take_bytes(reader, mark->mark, sizeof mark->mark);
    mark->at_unix = (int64_t)take_number(reader, 8);
}

static void read_file(struct reader *reader, struct archive *archive)
{
    size_t kind = (size_t)take_number(reader, 1);
    if (kind < 1 || kind > ARCHIVE_FILE_KINDS || archive->files[kind].bytes) {
        reader->is_wrong = true;
        return;
    }
    archive->files[kind].length = (size_t)(reader->end - reader->at);
    archive->files[kind].bytes = reader->at;
    reader->at = reader->end;
}

static void read_key(struct reader *reader, struct archive *archive)
{
    reader->is_wrong |= archive->vapid != NULL;
    archive->vapid = take_shown(reader);
}

static void read_record(struct reader *reader, enum kind kind, struct archive *archive)
{
    switch (kind) {
    case KIND_ACCOUNT:
        read_account(reader, &archive->contents);
        break;
    case KIND_SECRET:
        read_secret(reader, &archive->contents);
        break;
    case KIND_MARK:
        read_mark(reader, &archive->contents);
        break;
    case KIND_KEY:
        read_key(reader, archive);
        break;
    case KIND_FILE:
        read_file(reader, archive);
        break;
    case KIND_END:
        break;
    default: /* a head where none belongs, too */
        reader->is_wrong = true;
    }
    reader->is_wrong |= reader->at != reader->end;
}

/* The kind of the next record, whose bytes are `*record`. */
static enum kind next_record(struct reader *all, struct reader *record)
{
    enum kind kind = (enum kind)take_number(all, 1);
    size_t length = (size_t)take_number(all, LENGTH_SIZE);
    record->at = take(all, length);
    record->end = record->at ? record->at + length : NULL;
    record->is_wrong = all->is_wrong;
    return kind;
}

static bool read_records(struct archive *archive, const struct buf *content)
{
    struct reader all = {.at = content->bytes, .end = content->bytes + content->length}, record;
    if (next_record(&all, &record) != KIND_HEAD)
        return false;
    read_head(&record, &archive->head);
    enum kind kind = KIND_HEAD;
    record.is_wrong |= record.at != record.end;
    while (!record.is_wrong && kind != KIND_END) {
        kind = next_record(&all, &record);
        if (!record.is_wrong)
            read_record(&record, kind, archive);
    }
    return !record.is_wrong && all.at == all.end;
}

static int compare_keys(const void *one, const void *other)
{
    const struct store_account *a = one, *b = other;
    return memcmp(&a->key, &b->key, sizeof a->key);
}

/* Of two rows of one account the store would keep the last without a word. */
static bool has_doubles(const struct store_contents *contents)
{
    if (contents->row_count)
        qsort(contents->rows, contents->row_count, sizeof *contents->rows, compare_keys);
    for (size_t i = 1; i < contents->row_count; i++)
        if (compare_keys(&contents->rows[i - 1], &contents->rows[i]) == 0)
            return true;
    return false;
}

int archive_read(struct archive *archive, const struct buf *content, struct err *err)
{
    *archive = (struct archive){0};
    if (content->length && read_records(archive, content) && !has_doubles(&archive->contents))
        return 0;
    return err_set(err, ERR_INVALID,
                   "What is in this backup makes no sense; nothing was restored.");
}

void archive_fini(struct archive *archive)
{
    struct store_contents *contents = &archive->contents;
    if (contents->secrets)
        sodium_memzero(contents->secrets, contents->secret_count * sizeof *contents->secrets);
    free(contents->rows);
    free(contents->secrets);
    free(contents->marks);
    *archive = (struct archive){0};
}
