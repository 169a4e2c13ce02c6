/* The client's side of websocket framing (RFC 6455 section 5), whatever road carries its bytes.
 * What came in is taken apart piece by piece as it arrives: frames may begin and end anywhere in
 * what is fed, headers split at any byte (signal-measured.md 4), messages are fragmented as the
 * server likes (section 2 there). Nothing of a message is kept. Pure: no input or output, no clock.
 */
#ifndef DOORBELL_SIGNAL_FRAMES_H
#define DOORBELL_SIGNAL_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAMES_CONTROL_MAX = 125, /* RFC 6455 section 5.5 */
    FRAMES_HEADER_MAX = 14,   /* of ours: with a mask */
    FRAMES_NO_CODE = 1005,    /* stands for a Close without one, section 7.4.1 */
};

enum frames_opcode {
    FRAMES_BINARY = 2,
    FRAMES_CLOSE = 8,
    FRAMES_PING = 9,
    FRAMES_PONG = 10,
};

enum frames_kind {
    FRAMES_IS_MORE,  /* nothing else is in what was fed; it is used up */
    FRAMES_IS_PIECE, /* of a binary message; of text messages nothing is told (signal.md 1.1) */
    FRAMES_IS_PING,  /* to be answered with a Pong of the same bytes */
    FRAMES_IS_CLOSE, /* nothing comes after it */
    FRAMES_IS_FAULT, /* the server broke a rule or a bound; nothing comes after it */
};

struct frames_item {
    enum frames_kind kind;
    /* PIECE: points into what was fed; PING and CLOSE (its reason, whatever its bytes are): into
     * `control`. Never NULL with these three. */
    const uint8_t *bytes;
    size_t length;
    bool first, last; /* PIECE: begins, ends its message. Only a last one may be empty */
    int code;         /* CLOSE: the server's, or FRAMES_NO_CODE; FAULT: 1002 or 1009, for ours */
    const char *text; /* FAULT: which rule, for people, and short enough for a Close; static */
};

/* 24 bytes: every account has one. All of it is private to frames.c. */
struct frames {
    uint8_t *control;        /* payload of a Ping or Close; NULL: it has none, or none is there */
    uint32_t left;           /* bytes of this frame's payload still to come; its length so far,
                                while the header is coming in */
    uint32_t message_length; /* of the message so far, this frame's announced payload among it */
    uint8_t step;
    uint8_t start;       /* FIN and opcode of this frame */
    uint8_t length_code; /* second byte of its header: the payload's length up to 125 */
    uint8_t length_left; /* bytes of its header still to come, after the second */
    bool inside_message, is_text, told_first;
};

void frames_init(struct frames *frames);
void frames_fini(struct frames *frames);

/* Says what comes next in *bytes and moves *bytes and *length past it. Call it until it says MORE:
 * then all is used up. After CLOSE or FAULT it says nothing else any more. What an item points to
 * is valid until the next call, and a PIECE's bytes no longer than what was fed. `most`: bytes that
 * a message may have, below 4 GiB; one that announces more is a FAULT (1009) before they come. */
void frames_next(struct frames *frames, const uint8_t **bytes, size_t *length, size_t most,
                 struct frames_item *item);

/* Writes one whole masked frame (section 5.3) and returns its length: at most that of the payload
 * and FRAMES_HEADER_MAX. The payload of a control frame has at most FRAMES_CONTROL_MAX bytes. `out`
 * and `payload` do not overlap; NULL is fine for an empty payload. */
size_t frames_write(uint8_t *out, enum frames_opcode opcode, const void *payload, size_t length);

/* The payload of a Close, into FRAMES_CONTROL_MAX bytes: the code and what fits of the reason
 * (NULL: none), in whole characters. With FRAMES_NO_CODE it is empty. Returns its length. */
size_t frames_close_payload(uint8_t *out, int code, const char *reason);

#endif
