/* Random numbers from the system: random_u32 for jitter and masks, random_bytes for identifiers and
 * keys: a process that is forked would draw the same of the former. Either may be called from any
 * thread. */
#ifndef DOORBELL_BASE_RANDOM_H
#define DOORBELL_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint32_t random_u32(void);
void random_bytes(void *bytes, size_t length);

#endif
