#include "base/b64.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"

/* Longer than any key, token or header that we decode. */
enum { TEXT_MAX = 4096 };

void b64_encode(char *text, const void *bytes, size_t length)
{
    sodium_bin2base64(text, B64_TEXT_SIZE(length), bytes, length, sodium_base64_VARIANT_ORIGINAL);
}

void b64url_encode(char *text, const void *bytes, size_t length)
{
    sodium_bin2base64(text, B64_TEXT_SIZE(length), bytes, length,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

long b64_decode(void *bytes, size_t size, const char *text, size_t length)
{
    if (length > TEXT_MAX)
        return ERR_LIMIT;
    char plain[TEXT_MAX];
    while (length && text[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++)
        plain[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    if (length / 4 * 3 > size)
        return ERR_LIMIT;
    size_t got = 0;
    int failed = sodium_base642bin(bytes, size, plain, length, NULL, &got, NULL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(plain, length);
    return failed ? ERR_INVALID : (long)got;
}
