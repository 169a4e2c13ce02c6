/* The inside of a backup: all that a store has, the key that signs pushes, files of settings, and
 * what it does not have, in a row of records. Pure: written to a buffer, read from bytes that may
 * be anybody's.
 *
 * A record is its kind (1 byte), its length (4 bytes, little endian) and that many bytes. A text is
 * its length (4 bytes), its bytes, which have no zero among them, and a zero. The first record is
 * the head, the last one the end; a kind that is not known, or bytes behind what a record has, are
 * a mistake, because a newer program says so in the envelope's format. */
#ifndef DOORBELL_BACKUP_ARCHIVE_H
#define DOORBELL_BACKUP_ARCHIVE_H

#include "base/buf.h"
#include "store/store.h"

enum archive_file {
    ARCHIVE_CONFIG = 1, /* doorbell.yaml */
    ARCHIVE_MOLLY,      /* MollySocket's TOML */
    ARCHIVE_SETUP,      /* setup.yaml */
    ARCHIVE_TOKEN,      /* admin.token */
};
enum { ARCHIVE_FILE_KINDS = ARCHIVE_TOKEN };

struct archive_bytes {
    const unsigned char *bytes; /* NULL: it is not there */
    size_t length;
};

struct archive_head {
    int64_t made_unix;
    const char *program;     /* the version that made it */
    bool has_secrets;        /* passwords and keys */
    uint32_t left_out;       /* accounts, where it has none */
    const char *environment; /* settings that stand in none of its files; "" is none */
    const char *others;      /* settings whose files are not in it, likewise */
};

/* A buffer that is full stays so, and archive_end says it. */
struct archive_writer {
    struct buf *content;
    size_t began; /* where the record is that is being written */
    bool is_full;
};
void archive_begin(struct archive_writer *writer, struct buf *content,
                   const struct archive_head *head);
void archive_add_account(struct archive_writer *writer, const struct store_account *row);
void archive_add_secret(struct archive_writer *writer, const struct store_kept_secret *secret);
void archive_add_mark(struct archive_writer *writer, const struct store_kept_mark *mark);
void archive_add_key(struct archive_writer *writer, const char *vapid);
void archive_add_file(struct archive_writer *writer, enum archive_file kind, const void *bytes,
                      size_t length);
int archive_end(struct archive_writer *writer, struct err *err);

struct archive {
    struct archive_head head;
    const char *vapid;                                  /* the key's text; NULL: there is none */
    struct archive_bytes files[ARCHIVE_FILE_KINDS + 1]; /* by kind */
    struct store_contents contents;
};

/* Texts and files stay in `content`, which must outlive the archive; archive_fini frees the rest,
 * also after a failure. ERR_INVALID: it makes no sense. */
int archive_read(struct archive *archive, const struct buf *content, struct err *err);
void archive_fini(struct archive *archive);

#endif
