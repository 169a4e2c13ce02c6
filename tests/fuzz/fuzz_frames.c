/* Websocket frames of a messenger's server. The first three bytes choose the bound of a message and
 * two ways to cut the rest; however it is cut, the same must be told of it. What is left is also a
 * payload of ours, and a reason. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "signal/frames.h"

enum { BOUND_BITS_MAX = 22, TOLD_MAX = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    struct frames frames;
    struct buf told; /* "[", each byte, "]" of a message, and whole control frames */
    size_t most, message_length;
    bool inside, is_over;
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void note(struct reader *reader, char kind, const void *bytes, size_t length)
{
    expect(buf_add(&reader->told, &kind, 1) == 0);
    expect(buf_add(&reader->told, bytes, length) == 0);
}

static void take_piece(struct reader *reader, const struct frames_item *item, const uint8_t *fed,
                       const uint8_t *end)
{
    expect(item->bytes >= fed && item->bytes <= end);
    expect(item->length <= (size_t)(end - item->bytes));
    expect(item->length > 0 || item->last);
    expect(item->first == !reader->inside);
    if (item->first) {
        note(reader, '[', NULL, 0);
        reader->message_length = 0;
    }
    for (size_t i = 0; i < item->length; i++) {
        uint8_t pair[] = {'.', item->bytes[i]};
        expect(buf_add(&reader->told, pair, sizeof pair) == 0);
    }
    if (item->last)
        note(reader, ']', NULL, 0);
    reader->message_length += item->length;
    reader->inside = !item->last;
    expect(reader->message_length <= reader->most);
}

static void take_control(struct reader *reader, const struct frames_item *item)
{
    uint8_t head[] = {(uint8_t)(item->code >> 8), (uint8_t)item->code, (uint8_t)item->length};
    expect(item->bytes && item->length <= FRAMES_CONTROL_MAX);
    note(reader, item->kind == FRAMES_IS_PING ? 'P' : 'C', head, sizeof head);
    note(reader, ':', item->bytes, item->length);
    if (item->kind == FRAMES_IS_PING)
        return;
    expect(item->length <= FRAMES_CONTROL_MAX - 2);
    expect(item->code >= 1000 && item->code < 5000);
    expect(item->code != FRAMES_NO_CODE || item->length == 0);
    reader->is_over = true;
}

static void take(struct reader *reader, const struct frames_item *item, const uint8_t *fed,
                 const uint8_t *end)
{
    expect(!reader->is_over);
    if (item->kind == FRAMES_IS_PIECE) {
        take_piece(reader, item, fed, end);
    } else if (item->kind == FRAMES_IS_FAULT) {
        expect(item->text && strlen(item->text) <= FRAMES_CONTROL_MAX - 2);
        expect(item->code == 1002 || item->code == 1009);
        note(reader, item->code == 1002 ? 'F' : 'B', item->text, strlen(item->text));
        reader->is_over = true;
    } else {
        take_control(reader, item);
    }
}

/* From memory of exactly this size, which is gone afterwards. */
static void feed(struct reader *reader, const uint8_t *bytes, size_t length)
{
    uint8_t *copy = mem_new(length ? length : 1);
    memcpy(copy, bytes, length);
    const uint8_t *at = copy;
    size_t left = length;
    struct frames_item item;
    for (;;) {
        const uint8_t *before = at;
        frames_next(&reader->frames, &at, &left, reader->most, &item);
        expect(at >= before && at + left == copy + length);
        if (item.kind == FRAMES_IS_MORE)
            break;
        expect(at > before);
        take(reader, &item, copy, copy + length);
    }
    expect(left == 0);
    free(copy);
}

/* `how`: 0 at once, up to 31 in pieces of this size, or else of sizes that vary. */
static size_t next_step(uint8_t how, uint32_t *state, size_t left)
{
    size_t step = how;
    if (how == 0)
        return left;
    if (how > 31) {
        *state = *state * 1664525 + 1013904223;
        step = (*state >> 24) % (how >> 2);
    }
    return step < left ? step : left;
}

static void play(struct reader *reader, size_t most, uint8_t how, const uint8_t *data, size_t size)
{
    uint32_t state = how;
    *reader = (struct reader){.most = most};
    frames_init(&reader->frames);
    buf_init(&reader->told, TOLD_MAX);
    while (size) {
        size_t step = next_step(how, &state, size);
        feed(reader, data, step);
        data += step;
        size -= step;
    }
    frames_fini(&reader->frames);
}

static void expect_same(const struct reader *a, const struct reader *b)
{
    expect(a->inside == b->inside && a->is_over == b->is_over);
    expect(a->told.length == b->told.length);
    expect(!a->told.length || memcmp(a->told.bytes, b->told.bytes, a->told.length) == 0);
}

/* As a server reads it; it has the mask taken away, and is then one that a server may send. */
static void write_and_read(enum frames_opcode opcode, const uint8_t *payload, size_t length)
{
    uint8_t *frame = mem_new(length + FRAMES_HEADER_MAX);
    size_t written = frames_write(frame, opcode, payload, length);
    size_t header = length < 126 ? 2 : length < 65536 ? 4 : 10;
    uint8_t mask[4];
    expect(written == header + sizeof mask + length && (frame[1] & 0x80));
    frame[1] &= 0x7f;
    memcpy(mask, frame + header, sizeof mask);
    for (size_t i = 0; i < length; i++)
        frame[header + i] = frame[header + sizeof mask + i] ^ mask[i % sizeof mask];
    const uint8_t *at = frame;
    size_t left = header + length;
    struct frames frames;
    struct frames_item item;
    frames_init(&frames);
    frames_next(&frames, &at, &left, length, &item);
    expect(left == 0 && item.kind == (opcode == FRAMES_PING ? FRAMES_IS_PING : FRAMES_IS_PIECE));
    expect(item.length == length && (!length || memcmp(item.bytes, payload, length) == 0));
    frames_next(&frames, &at, &left, length, &item);
    expect(item.kind == FRAMES_IS_MORE);
    frames_fini(&frames);
    free(frame);
}

static void say_goodbye(const uint8_t *data, size_t size)
{
    uint8_t *payload = mem_new(FRAMES_CONTROL_MAX);
    char *reason = mem_copy((const char *)data, size);
    size_t length = frames_close_payload(payload, 4409, reason);
    expect(length >= 2 && length <= FRAMES_CONTROL_MAX && length - 2 <= strlen(reason));
    expect(memcmp(payload + 2, reason, length - 2) == 0);
    expect(((uint8_t)reason[length - 2] & 0xc0) != 0x80 || length == 2 ||
           length - 2 == strlen(reason));
    free(reason);
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t most = (size_t)1 << data[0] % (BOUND_BITS_MAX + 1);
    const uint8_t *rest = data + 3;
    struct reader whole, one_way, another;
    size -= 3;
    play(&whole, most, 0, rest, size);
    play(&one_way, most, data[1], rest, size);
    play(&another, most, data[2], rest, size);
    expect_same(&whole, &one_way);
    expect_same(&whole, &another);
    buf_fini(&whole.told);
    buf_fini(&one_way.told);
    buf_fini(&another.told);
    write_and_read(FRAMES_BINARY, rest, size);
    write_and_read(FRAMES_PING, rest, size < FRAMES_CONTROL_MAX ? size : FRAMES_CONTROL_MAX);
    say_goodbye(rest, size);
    return 0;
}
