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

void *mem_new(size_t size)
{
    return or_end(calloc(1, size ? size : 1));
}

void *mem_resize(void *old, size_t size)
{
    return or_end(realloc(old, size ? size : 1));
}

char *mem_copy(const char *text, size_t length)
{
    char *copy = mem_new(length + 1);
    if (length)
        memcpy(copy, text, length);
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
