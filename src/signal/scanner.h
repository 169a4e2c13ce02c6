/* Reads one WebSocketMessage of Signal's resource protocol as it streams in (signal.md 2.1, 2.6,
 * 3), in pieces of any size, and keeps only what we need: constant memory whatever the size of the
 * message. The envelope's ciphertext is skipped as it arrives. Fields may come in any order,
 * repeated singular fields count by their last value, unknown fields of wire types 0, 1, 2, 5 are
 * skipped. */
#ifndef DOORBELL_SIGNAL_SCANNER_H
#define DOORBELL_SIGNAL_SCANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scanner_kind {
    SCANNED_MESSAGE,     /* PUT /api/v1/message */
    SCANNED_QUEUE_EMPTY, /* PUT /api/v1/queue/empty */
    SCANNED_UNKNOWN,     /* another request that carries a body: it may be a message */
    SCANNED_OTHER,       /* another request, which carries none */
    SCANNED_RESPONSE,    /* to a request of ours */
};

struct scanned {
    enum scanner_kind kind;
    bool has_id;
    uint64_t id;
    uint32_t status;        /* of a response */
    bool envelope_readable; /* false: the body is absent or not an envelope */
    bool urgent; /* true unless a readable envelope says otherwise (signal.md 3, field 14) */
    bool has_source;
    uint8_t source_uuid[16]; /* only of an account (ACI): 16 bytes of field 19 */
    uint32_t source_device;  /* field 7; 0: absent */
};

enum { SCANNER_DEPTH = 3, SCANNER_CAPTURE_MAX = 20 /* the longest path that we know: 19 bytes */ };

struct scanner {
    struct scanned result; /* complete once scanner_end returned 0 */

    /* The rest belongs to the implementation. */
    struct scanner_frame {
        uint64_t left; /* bytes of this message that are still to come */
        uint8_t role;
    } frames[SCANNER_DEPTH];
    uint64_t number; /* the varint under way */
    uint64_t skip;   /* bytes of the current value that are still to come */
    uint32_t field;
    uint8_t depth, step, wire_type, shift;
    uint8_t captured[SCANNER_CAPTURE_MAX];
    uint8_t captured_length; /* SCANNER_CAPTURE_MAX + 1: too long to be anything that we know */
    uint8_t type, verb, path;
    bool has_request, has_response, has_body, envelope_broken, failed;
};

void scanner_begin(struct scanner *scanner);

/* ERR_INVALID once the message cannot be read as the resource protocol (close with 1007). A body
 * that is not an envelope is no such error. */
int scanner_feed(struct scanner *scanner, const uint8_t *bytes, size_t length);
int scanner_end(struct scanner *scanner);

#endif
