#include "base/random.h"

#include <sodium.h>

enum { POOL = 64 };

/* The system is asked for many at once: every ring and every frame takes some, and a call of the
 * system for each costs more than the rest of the work. Not for keys. */
uint32_t random_u32(void)
{
    static _Thread_local struct {
        uint32_t numbers[POOL];
        unsigned left;
    } pool;
    if (!pool.left) {
        randombytes_buf(pool.numbers, sizeof pool.numbers);
        pool.left = POOL;
    }
    return pool.numbers[--pool.left];
}

void random_bytes(void *bytes, size_t length)
{
    randombytes_buf(bytes, length);
}
