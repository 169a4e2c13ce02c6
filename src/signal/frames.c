#include "signal/frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

enum step {
    STEP_START,  /* the first byte of a header */
    STEP_LENGTH, /* the second */
    STEP_EXTENDED,
    STEP_PAYLOAD, /* at least one byte of it is to come */
    STEP_ENDED,
};

/* RFC 6455 section 5.2. */
enum {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_MASK = 0x0f,
    OPCODE_IS_CONTROL = 0x08,
    OPCODE_KIND = 0x07, /* of data or of control; both have three */
    OPCODE_KIND_MAX = 2,
    FIN = 0x80,
    RESERVED = 0x70,
    MASKED = 0x80,
    LENGTH_16 = 126, /* instead of a length: it follows in so many bits */
    LENGTH_64 = 127,
    LENGTH_64_TOP = 0x80,
};

enum {
    MASK_SIZE = 4,
    CODE_SIZE = 2,
    PROTOCOL_ERROR = 1002, /* section 7.4.1 */
    TOO_BIG = 1009,
};

/* A length that is no less is taken for this: a message never has so much. */
#define LENGTH_BEYOND UINT32_MAX

/* What items without a payload point to. */
static const uint8_t nothing[1];

void frames_init(struct frames *frames)
{
    *frames = (struct frames){0};
}

static void drop_control(struct frames *frames)
{
    free(frames->control);
    frames->control = NULL;
}

void frames_fini(struct frames *frames)
{
    drop_control(frames);
}

static void fault(struct frames *frames, struct frames_item *item, int code, const char *text)
{
    frames->step = STEP_ENDED;
    item->kind = FRAMES_IS_FAULT;
    item->code = code;
    item->text = text;
}

static unsigned opcode_of(const struct frames *frames)
{
    return frames->start & OPCODE_MASK;
}

static bool is_control(const struct frames *frames)
{
    return frames->start & OPCODE_IS_CONTROL;
}

static bool is_final(const struct frames *frames)
{
    return frames->start & FIN;
}

/* NULL: a frame may begin like this. */
static const char *wrong_start(const struct frames *frames)
{
    if (frames->start & RESERVED)
        return "a frame with a reserved bit, which nobody agreed on";
    if ((frames->start & OPCODE_KIND) > OPCODE_KIND_MAX)
        return "a frame that websockets do not have";
    if (is_control(frames))
        return is_final(frames) ? NULL : "a control frame in fragments";
    if (opcode_of(frames) == OPCODE_CONTINUATION)
        return frames->inside_message ? NULL : "a continuation of no message";
    return frames->inside_message ? "a message inside another" : NULL;
}

static void take_start(struct frames *frames, uint8_t byte, struct frames_item *item)
{
    frames->start = byte;
    frames->step = STEP_LENGTH;
    const char *wrong = wrong_start(frames);
    if (wrong)
        fault(frames, item, PROTOCOL_ERROR, wrong);
}

static void tell_close(struct frames *frames, struct frames_item *item)
{
    int code = FRAMES_NO_CODE;
    if (frames->control)
        code = frames->control[0] << 8 | frames->control[1];
    /* Those of section 7.4 and of IANA's list that may stand in a frame; 3000 and up are free. */
    bool known = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
    if (frames->control && !known && (code < 3000 || code > 4999)) {
        fault(frames, item, PROTOCOL_ERROR, "a Close with a code that must not be sent");
        return;
    }
    frames->step = STEP_ENDED;
    item->kind = FRAMES_IS_CLOSE;
    item->code = code;
    item->bytes = frames->control ? frames->control + CODE_SIZE : nothing;
    item->length = frames->control ? frames->length_code - (size_t)CODE_SIZE : 0;
}

static void end_control(struct frames *frames, struct frames_item *item)
{
    frames->step = STEP_START;
    if (opcode_of(frames) == FRAMES_CLOSE) {
        tell_close(frames, item);
    } else if (opcode_of(frames) == FRAMES_PING) {
        item->kind = FRAMES_IS_PING;
        item->bytes = frames->control ? frames->control : nothing;
        item->length = frames->length_code;
    }
}

static void end_data(struct frames *frames)
{
    frames->step = STEP_START;
    if (is_final(frames))
        frames->inside_message = false;
}

static void tell_piece(struct frames *frames, const uint8_t *bytes, size_t length,
                       struct frames_item *item)
{
    if (frames->is_text)
        return;
    item->kind = FRAMES_IS_PIECE;
    item->bytes = bytes;
    item->length = length;
    item->first = !frames->told_first;
    item->last = is_final(frames) && frames->left == 0;
    frames->told_first = true;
}

static void begin_control(struct frames *frames, struct frames_item *item)
{
    if (frames->left == 0)
        end_control(frames, item);
    else if (opcode_of(frames) != FRAMES_PONG)
        frames->control = mem_new(frames->left);
}

static void begin_data(struct frames *frames, const uint8_t *rest, size_t most,
                       struct frames_item *item)
{
    if (opcode_of(frames) != OPCODE_CONTINUATION) {
        frames->inside_message = true;
        frames->is_text = opcode_of(frames) == OPCODE_TEXT;
        frames->told_first = false;
        frames->message_length = 0;
    }
    uint64_t sum = (uint64_t)frames->message_length + frames->left;
    if (sum > most || sum >= LENGTH_BEYOND) {
        fault(frames, item, TOO_BIG, "message too big");
        return;
    }
    frames->message_length = (uint32_t)sum;
    if (frames->left > 0)
        return;
    if (is_final(frames))
        tell_piece(frames, rest, 0, item);
    end_data(frames);
}

/* The header is complete; `rest` is what was fed after it. */
static void begin_payload(struct frames *frames, const uint8_t *rest, size_t most,
                          struct frames_item *item)
{
    frames->step = STEP_PAYLOAD;
    if (is_control(frames))
        begin_control(frames, item);
    else
        begin_data(frames, rest, most, item);
}

static const char *wrong_length(const struct frames *frames)
{
    if (frames->length_code & MASKED)
        return "a masked frame, as only clients send them";
    if (is_control(frames) && frames->length_code > FRAMES_CONTROL_MAX)
        return "a control frame that is too long";
    if (opcode_of(frames) == FRAMES_CLOSE && frames->length_code == 1)
        return "a Close with half a code";
    return NULL;
}

static void take_length(struct frames *frames, uint8_t byte, const uint8_t *rest, size_t most,
                        struct frames_item *item)
{
    frames->length_code = byte;
    const char *wrong = wrong_length(frames);
    if (wrong) {
        fault(frames, item, PROTOCOL_ERROR, wrong);
        return;
    }
    if (byte < LENGTH_16) {
        frames->left = byte;
        begin_payload(frames, rest, most, item);
        return;
    }
    frames->length_left = byte == LENGTH_16 ? 2 : 8;
    frames->step = STEP_EXTENDED;
}

static void take_extended(struct frames *frames, uint8_t byte, const uint8_t *rest, size_t most,
                          struct frames_item *item)
{
    if (frames->length_left == 8 && (byte & LENGTH_64_TOP)) {
        fault(frames, item, PROTOCOL_ERROR, "a frame longer than any may be");
        return;
    }
    /* Once it is beyond it stays there. */
    frames->left = frames->left > LENGTH_BEYOND >> 8 ? LENGTH_BEYOND : frames->left << 8 | byte;
    frames->length_left--;
    if (frames->length_left > 0)
        return;
    if (frames->left < (frames->length_code == LENGTH_16 ? LENGTH_16 : UINT32_C(0x10000)))
        fault(frames, item, PROTOCOL_ERROR, "a frame's length that is not in its shortest form");
    else
        begin_payload(frames, rest, most, item);
}

static void take_payload(struct frames *frames, const uint8_t *bytes, size_t length,
                         struct frames_item *item)
{
    if (frames->control)
        memcpy(frames->control + (frames->length_code - frames->left), bytes, length);
    frames->left -= (uint32_t)length;
    if (!is_control(frames))
        tell_piece(frames, bytes, length, item);
    if (frames->left > 0)
        return;
    if (is_control(frames))
        end_control(frames, item);
    else
        end_data(frames);
}

/* How much of what was fed belongs to the current step. */
static size_t next_length(const struct frames *frames, size_t length)
{
    if (frames->step == STEP_ENDED)
        return length;
    if (frames->step == STEP_PAYLOAD)
        return length < frames->left ? length : frames->left;
    return 1;
}

void frames_next(struct frames *frames, const uint8_t **bytes, size_t *length, size_t most,
                 struct frames_item *item)
{
    *item = (struct frames_item){.kind = FRAMES_IS_MORE};
    if (frames->step != STEP_PAYLOAD) /* it was told; or else it is still coming in */
        drop_control(frames);
    while (*length > 0 && item->kind == FRAMES_IS_MORE) {
        const uint8_t *from = *bytes;
        size_t taken = next_length(frames, *length);
        *bytes += taken;
        *length -= taken;
        if (frames->step == STEP_START)
            take_start(frames, *from, item);
        else if (frames->step == STEP_LENGTH)
            take_length(frames, *from, *bytes, most, item);
        else if (frames->step == STEP_EXTENDED)
            take_extended(frames, *from, *bytes, most, item);
        else if (frames->step == STEP_PAYLOAD)
            take_payload(frames, from, taken, item);
    }
}

static size_t write_length(uint8_t *out, size_t length)
{
    size_t extended = length < LENGTH_16 ? 0 : length <= UINT16_MAX ? 2 : 8;
    uint8_t code = extended == 0 ? (uint8_t)length : extended == 2 ? LENGTH_16 : LENGTH_64;
    out[0] = MASKED | code;
    for (size_t i = 0; i < extended; i++)
        out[1 + i] = (uint8_t)((uint64_t)length >> 8 * (extended - 1 - i));
    return 1 + extended;
}

size_t frames_write(uint8_t *out, enum frames_opcode opcode, const void *payload, size_t length)
{
    assert(!((unsigned)opcode & OPCODE_IS_CONTROL) || length <= FRAMES_CONTROL_MAX);
    const uint8_t *from = payload;
    uint8_t mask[MASK_SIZE];
    uint32_t random = random_u32();
    memcpy(mask, &random, sizeof mask);
    out[0] = (uint8_t)(FIN | (unsigned)opcode);
    uint8_t *to = out + 1 + write_length(out + 1, length);
    memcpy(to, mask, sizeof mask);
    to += sizeof mask;
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] ^ mask[i % MASK_SIZE];
    return (size_t)(to - out) + length;
}

/* Of a reason: as many bytes as fit, without a part of a character (UTF-8) at the end. */
static size_t fitting_length(const char *reason)
{
    size_t length = strnlen(reason, FRAMES_CONTROL_MAX - CODE_SIZE);
    while (length > 0 && ((uint8_t)reason[length] & 0xc0) == 0x80) /* what follows goes on */
        length--;
    return length;
}

size_t frames_close_payload(uint8_t *out, int code, const char *reason)
{
    if (code == FRAMES_NO_CODE)
        return 0;
    size_t length = reason ? fitting_length(reason) : 0;
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    if (length > 0)
        memcpy(out + CODE_SIZE, reason, length);
    return CODE_SIZE + length;
}
