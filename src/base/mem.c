#include "base/mem.h"

#include <malloc.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_end(void *memory)
{
    if (memory)
        return memory;
    fputs("doorbell: out of memory\n", stderr);
    abort();
}

/* glibc's calloc before 2.41 passes by the chunks that were given back last, which are warm. */
void *mem_new(size_t size)
{
    enum { SMALL = 1024 };
    if (size > SMALL)
        return or_end(calloc(1, size));
    return memset(or_end(malloc(size ? size : 1)), 0, size);
}

void *mem_partly(size_t size, size_t zeroed)
{
    return memset(or_end(malloc(size)), 0, zeroed);
}

void *mem_resize(void *old, size_t size)
{
    return or_end(realloc(old, size ? size : 1));
}

char *mem_copy(const char *text, size_t length)
{
    char *copy = or_end(malloc(length + 1));
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *mem_text(const char *text)
{
    return text ? mem_copy(text, strlen(text)) : NULL;
}

char *mem_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return length < 0 ? or_end(NULL) : text;
}

void mem_free_secret(char *secret)
{
    if (!secret)
        return;
    sodium_memzero(secret, strlen(secret));
    free(secret);
}

void mem_free_wiped(void *memory)
{
    if (!memory)
        return;
    sodium_memzero(memory, malloc_usable_size(memory));
    free(memory);
}
