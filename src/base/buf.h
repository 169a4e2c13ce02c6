/* Bytes that grow up to a bound. Those of a secret one leave nothing behind in memory: not where
 * they grow, are cleared or consumed, nor at the end. */
#ifndef DOORBELL_BASE_BUF_H
#define DOORBELL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    unsigned char *bytes;
    size_t length, room, most;
    bool is_secret;
};

void buf_init(struct buf *buf, size_t most);
void buf_init_secret(struct buf *buf, size_t most);
void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the room */

/* ERR_LIMIT, and nothing added, where the bound would be passed. */
int buf_add(struct buf *buf, const void *bytes, size_t length);
int buf_add_text(struct buf *buf, const char *text);
int buf_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Removes `length` bytes from the front. */
void buf_consume(struct buf *buf, size_t length);

#endif
