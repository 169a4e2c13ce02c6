/* Base64 (RFC 4648 section 4) and base64url without padding (section 5). */
#ifndef DOORBELL_BASE_B64_H
#define DOORBELL_BASE_B64_H

#include <stddef.h>

/* Room for the text of `length` bytes with its terminating zero, in either alphabet. */
#define B64_TEXT_SIZE(length) (((length) + 2) / 3 * 4 + 1)

/* Both write at most B64_TEXT_SIZE(length) bytes into `text` and end it with a zero. */
void b64_encode(char *text, const void *bytes, size_t length);
void b64url_encode(char *text, const void *bytes, size_t length);

/* Decodes either alphabet, padded or not, spaces nowhere. Returns the number of bytes, or
 * ERR_INVALID (not base64) or ERR_LIMIT (more than `size` bytes, or more than 4096 of text, which
 * no key, token or header has). */
long b64_decode(void *bytes, size_t size, const char *text, size_t length);

#endif
