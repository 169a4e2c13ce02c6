/* Reads one WebSocketMessage of Signal's resource protocol as it streams in (signal.md 2.1, 2.6, 3),
 * in pieces of any size, and keeps only what we need: constant memory whatever the size of the message.
 * The envelope's ciphertext is skipped as it arrives. Fields may come in any order, repeated singular
 * fields count by their last value, unknown fields and wire types 0, 1, 2, 5 are skipped. */
#ifndef DOORBELL_SIGNAL_SCANNER_H
#define DOORBELL_SIGNAL_SCANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scanner_kind {
    SCANNED_NOTHING,     /* a request or response that we do not care about */
    SCANNED_MESSAGE,     /* PUT /api/v1/message */
    SCANNED_QUEUE_EMPTY, /* PUT /api/v1/queue/empty */
    SCANNED_RESPONSE,    /* to a request of ours */
    SCANNED_OTHER_REQUEST,
};

/* The result; valid after scanner_end returned 0. */
struct scanned {
    enum scanner_kind kind;
    bool has_id;
    uint64_t id;
    uint32_t status;          /* of a response */
    bool envelope_readable;   /* false: body absent or not an envelope; treat as urgent, answer all the same */
    bool urgent;              /* default true (signal.md 3, field 14) */
    bool has_source;
    uint8_t source_uuid[16];  /* only an ACI: 16 bytes of field 19 */
    uint32_t source_device;   /* 0: absent */
};

struct scanner {
    struct scanned result;
    /* private */
    struct scanner_frame {
        uint64_t left; /* bytes left of this message; UINT64_MAX for the outermost */
        uint8_t role;
    } stack[4];
    uint8_t depth;
    uint8_t step;
    uint8_t wire_type;
    uint32_t field;
    uint64_t number;
    uint8_t shift;
    uint64_t skip;
    uint8_t captured[64];
    uint8_t captured_length;
    uint8_t type;
    uint8_t path_kind, verb_kind;
    bool failed;
};

/* The private part is the implementation's to change. */
void scanner_begin(struct scanner *scanner);
/* ERR_INVALID once the message cannot be read as the resource protocol (close with 1007). A body that is
 * not an envelope is no such error. */
int scanner_feed(struct scanner *scanner, const uint8_t *bytes, size_t length);
int scanner_end(struct scanner *scanner);

#endif
