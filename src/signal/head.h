/* The answer to an HTTP/1.1 request for a websocket (RFC 9112, RFC 6455 section 4.2.2), read as it
 * comes in: interim answers, then the head of the one that counts. What comes after that is not
 * looked at. Of the fields only what follows from them is kept. Pure: no input or output, no clock
 * but for dates in Retry-After. */
#ifndef DOORBELL_SIGNAL_HEAD_H
#define DOORBELL_SIGNAL_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEAD_MAX = 16 * 1024, /* bytes, of the interim answers before it, too */
    HEAD_LINE_MAX = 512,  /* of a line; what is beyond is not looked at */
    HEAD_KEY_SIZE = 25,   /* 16 bytes in Base64, and a zero */
    HEAD_ACCEPT_SIZE = 29,
};

enum head_result {
    HEAD_MORE, /* all is used up, and it is not complete */
    HEAD_DONE,
    HEAD_WRONG, /* this is no HTTP/1, or there is no end to it; nothing else is told any more */
};

struct head {
    /* Of the answer that counts, once it is done: */
    int status;
    bool has_timestamp; /* X-Signal-Timestamp, not empty */
    int64_t retry_after_ms;
    /* All below is private to head.c. */
    bool has_upgrade, has_connection, offers_more;
    uint8_t accepts, wrong_accepts;
    uint16_t length; /* of `line` */
    size_t taken;
    enum head_result result;
    char accept[HEAD_ACCEPT_SIZE]; /* that our key asks for */
    char line[HEAD_LINE_MAX];
};

/* `key`: our Sec-WebSocket-Key. */
void head_init(struct head *head, const char *key);
/* Moves *bytes and *length past what belongs to the head. */
enum head_result head_take(struct head *head, const uint8_t **bytes, size_t *length);
/* Done, and it grants what was asked for, and no more: what follows are frames. */
bool head_grants(const struct head *head);

#endif
