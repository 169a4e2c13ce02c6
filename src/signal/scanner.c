#include "signal/scanner.h"

#include <string.h>

#include "base/err.h"

enum role { ROLE_OUTER, ROLE_REQUEST, ROLE_RESPONSE, ROLE_ENVELOPE, ROLE_IGNORED };
enum step { STEP_TAG, STEP_VARINT, STEP_LENGTH, STEP_SKIP, STEP_CAPTURE };
enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };
enum type { TYPE_NONE, TYPE_REQUEST, TYPE_RESPONSE };
enum verb { VERB_OTHER, VERB_PUT };
enum path { PATH_OTHER, PATH_MESSAGE, PATH_QUEUE_EMPTY };

/* Field numbers: signal.md 2.1 and 3. */
enum { OUTER_TYPE = 1, OUTER_REQUEST = 2, OUTER_RESPONSE = 3 };
enum { REQUEST_VERB = 1, REQUEST_PATH = 2, REQUEST_BODY = 3, REQUEST_ID = 4 };
enum { RESPONSE_ID = 1, RESPONSE_STATUS = 2 };
enum { ENVELOPE_SOURCE_DEVICE = 7, ENVELOPE_URGENT = 14, ENVELOPE_SOURCE = 19 };

enum { VARINT_SHIFT_MAX = 63, MORE_FOLLOWS = 0x80, TOO_LONG = SCANNER_CAPTURE_MAX + 1 };

static struct scanner_frame *top(struct scanner *scanner)
{
    return &scanner->frames[scanner->depth];
}

static void forget_envelope(struct scanner *scanner)
{
    struct scanned *result = &scanner->result;
    result->envelope_readable = false;
    result->urgent = true;
    result->has_source = false;
    result->source_device = 0;
}

void scanner_begin(struct scanner *scanner)
{
    memset(scanner, 0, sizeof *scanner);
    scanner->frames[0] = (struct scanner_frame){.left = UINT64_MAX, .role = ROLE_OUTER};
    forget_envelope(scanner);
}

/* What is wrong inside an envelope spoils the envelope only: the message is answered all the same
 * (signal.md 2.3), so its frame must be known to be read on. */
static int broken(struct scanner *scanner)
{
    if (top(scanner)->role != ROLE_ENVELOPE) {
        scanner->failed = true;
        return ERR_INVALID;
    }
    top(scanner)->role = ROLE_IGNORED;
    scanner->envelope_broken = true;
    scanner->step = STEP_TAG;
    scanner->number = 0;
    scanner->shift = 0;
    return 0;
}

static void enter(struct scanner *scanner, enum role role, uint64_t length)
{
    scanner->depth++;
    *top(scanner) = (struct scanner_frame){.left = length, .role = (uint8_t)role};
    scanner->step = STEP_TAG;
}

static void enter_envelope(struct scanner *scanner, uint64_t length)
{
    forget_envelope(scanner);
    scanner->has_body = length > 0;
    scanner->envelope_broken = false;
    enter(scanner, ROLE_ENVELOPE, length);
}

static void leave(struct scanner *scanner)
{
    if (top(scanner)->role == ROLE_ENVELOPE)
        scanner->result.envelope_readable = true;
    if (scanner->envelope_broken)
        forget_envelope(scanner);
    scanner->depth--;
}

static bool captured_is(const struct scanner *scanner, const char *text)
{
    return scanner->captured_length == strlen(text) &&
           memcmp(scanner->captured, text, scanner->captured_length) == 0;
}

static bool wants_capture(const struct scanner *scanner, enum role role)
{
    if (role == ROLE_REQUEST)
        return scanner->field == REQUEST_VERB || scanner->field == REQUEST_PATH;
    return role == ROLE_ENVELOPE && scanner->field == ENVELOPE_SOURCE;
}

static void take_captured(struct scanner *scanner)
{
    scanner->step = STEP_TAG;
    if (top(scanner)->role == ROLE_ENVELOPE) {
        scanner->result.has_source = scanner->captured_length == 16;
        if (scanner->result.has_source)
            memcpy(scanner->result.source_uuid, scanner->captured, 16);
    } else if (scanner->field == REQUEST_VERB) {
        scanner->verb = captured_is(scanner, "PUT") ? VERB_PUT : VERB_OTHER;
    } else {
        scanner->path = captured_is(scanner, "/api/v1/message")       ? PATH_MESSAGE
                        : captured_is(scanner, "/api/v1/queue/empty") ? PATH_QUEUE_EMPTY
                                                                      : PATH_OTHER;
    }
}

static void take_varint(struct scanner *scanner, uint64_t value)
{
    struct scanned *result = &scanner->result;
    enum role role = top(scanner)->role;
    scanner->step = STEP_TAG;
    if (role == ROLE_OUTER && scanner->field == OUTER_TYPE) {
        scanner->type =
            value == TYPE_REQUEST || value == TYPE_RESPONSE ? (uint8_t)value : TYPE_NONE;
    } else if ((role == ROLE_REQUEST && scanner->field == REQUEST_ID) ||
               (role == ROLE_RESPONSE && scanner->field == RESPONSE_ID)) {
        result->has_id = true;
        result->id = value;
    } else if (role == ROLE_RESPONSE && scanner->field == RESPONSE_STATUS) {
        result->status = (uint32_t)value;
    } else if (role == ROLE_ENVELOPE && scanner->field == ENVELOPE_URGENT) {
        result->urgent = value != 0;
    } else if (role == ROLE_ENVELOPE && scanner->field == ENVELOPE_SOURCE_DEVICE) {
        result->source_device = (uint32_t)value;
    }
}

static void skip(struct scanner *scanner, uint64_t length)
{
    scanner->skip = length;
    scanner->step = length ? STEP_SKIP : STEP_TAG;
}

static int take_tag(struct scanner *scanner, uint64_t tag)
{
    scanner->field = (uint32_t)(tag >> 3);
    scanner->wire_type = tag & 7;
    if (tag > UINT32_MAX || scanner->field == 0)
        return broken(scanner);
    switch (scanner->wire_type) {
    case WIRE_VARINT:
        scanner->step = STEP_VARINT;
        return 0;
    case WIRE_LENGTH:
        scanner->step = STEP_LENGTH;
        return 0;
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        skip(scanner, scanner->wire_type == WIRE_FIXED64 ? 8 : 4);
        return scanner->skip > top(scanner)->left ? broken(scanner) : 0;
    default: /* groups, which this protocol never had */
        return broken(scanner);
    }
}

static int take_length(struct scanner *scanner, uint64_t length)
{
    struct scanner_frame *frame = top(scanner);
    enum role role = frame->role;
    if (length > frame->left)
        return broken(scanner);
    if (role == ROLE_OUTER &&
        (scanner->field == OUTER_REQUEST || scanner->field == OUTER_RESPONSE)) {
        bool request = scanner->field == OUTER_REQUEST;
        *(request ? &scanner->has_request : &scanner->has_response) = true;
        enter(scanner, request ? ROLE_REQUEST : ROLE_RESPONSE, length);
        return 0;
    }
    if (role == ROLE_REQUEST && scanner->field == REQUEST_BODY) {
        frame->left -= length;
        enter_envelope(scanner, length);
        return 0;
    }
    if (!wants_capture(scanner, role)) {
        skip(scanner, length);
        return 0;
    }
    scanner->captured_length = 0;
    scanner->skip = length;
    scanner->step = STEP_CAPTURE;
    if (length == 0)
        take_captured(scanner);
    return 0;
}

/* Reads a number on, to its end at most; returns how many bytes it took. *ended: that was all. */
static size_t read_number(struct scanner *scanner, const uint8_t *bytes, size_t length, bool *ended)
{
    uint64_t number = scanner->number;
    unsigned shift = scanner->shift;
    uint8_t byte = MORE_FOLLOWS;
    size_t used = 0;
    if (shift == 0 && !(*bytes & MORE_FOLLOWS)) { /* as most are */
        scanner->number = *bytes;
        *ended = true;
        return 1;
    }
    while ((byte & MORE_FOLLOWS) && used < length && shift <= VARINT_SHIFT_MAX) {
        byte = bytes[used++];
        number |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    }
    scanner->number = number;
    scanner->shift = (uint8_t)shift;
    *ended = !(byte & MORE_FOLLOWS);
    return used;
}

static int take_number(struct scanner *scanner)
{
    uint64_t number = scanner->number;
    scanner->number = 0;
    scanner->shift = 0;
    if (scanner->step == STEP_TAG)
        return take_tag(scanner, number);
    if (scanner->step == STEP_LENGTH)
        return take_length(scanner, number);
    take_varint(scanner, number);
    return 0;
}

static void capture(struct scanner *scanner, const uint8_t *bytes, size_t length)
{
    if (scanner->captured_length + length > SCANNER_CAPTURE_MAX) {
        scanner->captured_length = TOO_LONG;
        return;
    }
    memcpy(scanner->captured + scanner->captured_length, bytes, length);
    scanner->captured_length = (uint8_t)(scanner->captured_length + length);
}

static bool between_fields(const struct scanner *scanner)
{
    return scanner->step == STEP_TAG && scanner->shift == 0;
}

/* Leaves the messages that are complete. One that ends inside a field is broken. */
static int leave_complete(struct scanner *scanner)
{
    while (scanner->depth && top(scanner)->left == 0) {
        if (!between_fields(scanner) && broken(scanner) != 0)
            return ERR_INVALID;
        leave(scanner);
    }
    return 0;
}

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

static void pass(struct scanner_frame *frame, size_t run)
{
    if (frame->left != UINT64_MAX)
        frame->left -= run;
}

/* What is passed over, or kept, without being read. */
static long advance_value(struct scanner *scanner, const uint8_t *bytes, size_t length)
{
    size_t run = least(scanner->skip, length);
    pass(top(scanner), run);
    scanner->skip -= run;
    if (scanner->step == STEP_CAPTURE)
        capture(scanner, bytes, run);
    if (scanner->skip == 0 && scanner->step == STEP_CAPTURE)
        take_captured(scanner);
    else if (scanner->skip == 0)
        scanner->step = STEP_TAG;
    return (long)run;
}

/* Consumes a number, or as much of a value as there is; returns how many bytes, or a code. */
static long advance(struct scanner *scanner, const uint8_t *bytes, size_t length)
{
    struct scanner_frame *frame = top(scanner);
    bool ended;
    if (scanner->step == STEP_SKIP || scanner->step == STEP_CAPTURE)
        return advance_value(scanner, bytes, length);
    size_t run = least(frame->left, length);
    if (frame->role != ROLE_IGNORED)
        run = read_number(scanner, bytes, run, &ended);
    pass(frame, run);
    if (frame->role == ROLE_IGNORED)
        return (long)run;
    if (run == 0) /* it is longer than a number can be */
        return broken(scanner);
    return ended && take_number(scanner) != 0 ? ERR_INVALID : (long)run;
}

int scanner_feed(struct scanner *scanner, const uint8_t *bytes, size_t length)
{
    if (scanner->failed)
        return ERR_INVALID;
    while (length) {
        long used = advance(scanner, bytes, length);
        if (used < 0)
            return ERR_INVALID;
        bytes += used;
        length -= (size_t)used;
        if (leave_complete(scanner) != 0)
            return ERR_INVALID;
    }
    return 0;
}

int scanner_end(struct scanner *scanner)
{
    if (scanner->failed || scanner->depth || !between_fields(scanner))
        return ERR_INVALID;
    struct scanned *result = &scanner->result;
    if (scanner->type == TYPE_RESPONSE && scanner->has_response) {
        result->kind = SCANNED_RESPONSE;
        return 0;
    }
    if (scanner->type != TYPE_REQUEST || !scanner->has_request)
        return ERR_INVALID;
    result->kind = scanner->has_body ? SCANNED_UNKNOWN : SCANNED_OTHER;
    if (scanner->verb == VERB_PUT && scanner->path == PATH_MESSAGE)
        result->kind = SCANNED_MESSAGE;
    if (scanner->verb == VERB_PUT && scanner->path == PATH_QUEUE_EMPTY)
        result->kind = SCANNED_QUEUE_EMPTY;
    return 0;
}
