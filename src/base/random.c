#include "base/random.h"

#include <sodium.h>

uint32_t random_u32(void)
{
    return randombytes_random();
}

void random_bytes(void *bytes, size_t length)
{
    randombytes_buf(bytes, length);
}
