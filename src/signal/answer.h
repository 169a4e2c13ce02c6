/* What the headers of the chat server's answer to a handshake say, on either road. */
#ifndef DOORBELL_SIGNAL_ANSWER_H
#define DOORBELL_SIGNAL_ANSWER_H

#include <stddef.h>
#include <stdint.h>

/* Retry-After: seconds, or a date (RFC 9110 section 10.2.3). 0: none, or not to be read; at most an
 * hour. */
int64_t answer_retry_after_ms(const char *text, size_t length);

#endif
