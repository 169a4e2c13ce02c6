#include "base/buf.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void buf_init(struct buf *buf, size_t most)
{
    *buf = (struct buf){.most = most};
}

void buf_init_secret(struct buf *buf, size_t most)
{
    *buf = (struct buf){.most = most, .is_secret = true};
}

static void wipe(struct buf *buf, size_t from)
{
    if (buf->is_secret && buf->length > from)
        sodium_memzero(buf->bytes + from, buf->length - from);
}

void buf_fini(struct buf *buf)
{
    wipe(buf, 0);
    free(buf->bytes);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    wipe(buf, 0);
    buf->length = 0;
}

/* What realloc moves away from it leaves as it is. */
static void resize(struct buf *buf, size_t room)
{
    if (!buf->is_secret) {
        buf->bytes = mem_resize(buf->bytes, room);
    } else {
        unsigned char *bytes = mem_new(room);
        if (buf->length)
            memcpy(bytes, buf->bytes, buf->length);
        wipe(buf, 0);
        free(buf->bytes);
        buf->bytes = bytes;
    }
    buf->room = room;
}

int buf_add(struct buf *buf, const void *bytes, size_t length)
{
    if (length > buf->most - buf->length)
        return ERR_LIMIT;
    if (buf->length + length > buf->room) {
        size_t room = buf->room ? buf->room : 64;
        while (room < buf->length + length)
            room *= 2;
        resize(buf, room);
    }
    if (length)
        memcpy(buf->bytes + buf->length, bytes, length);
    buf->length += length;
    return 0;
}

int buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

int buf_format(struct buf *buf, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return ERR_LIMIT;
    int result = buf_add(buf, text, (size_t)length);
    if (buf->is_secret)
        sodium_memzero(text, (size_t)length);
    free(text);
    return result;
}

void buf_consume(struct buf *buf, size_t length)
{
    memmove(buf->bytes, buf->bytes + length, buf->length - length);
    wipe(buf, buf->length - length);
    buf->length -= length;
}
