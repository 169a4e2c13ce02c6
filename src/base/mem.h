/* Memory that is there or the process ends: every size is bounded by a constant before it gets
 * here, so a failure means that the machine is out of memory. What is owed survives in the store
 * and in the messenger's queue; a restart loses nothing. */
#ifndef DOORBELL_BASE_MEM_H
#define DOORBELL_BASE_MEM_H

#include <stddef.h>

void *mem_new(size_t size);                      /* zeroed */
void *mem_partly(size_t size, size_t zeroed);    /* only so much of it is */
void *mem_resize(void *old, size_t size);        /* may move; new bytes are not zeroed */
char *mem_copy(const char *text, size_t length); /* adds the terminating zero */
char *mem_text(const char *text);                /* NULL gives NULL */
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Overwrites and frees a secret text; NULL is fine. */
void mem_free_secret(char *secret);
/* Likewise anything of malloc's, for libraries that know no better. */
void mem_free_wiped(void *memory);

#endif
