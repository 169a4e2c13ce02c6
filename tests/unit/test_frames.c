#include "signal/frames.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "unit.h"

enum {
    FIN = 0x80,
    CONTINUATION = 0,
    TEXT = 1,
    FRAGMENT = 65536, /* as the real server cuts them (signal-measured.md 2) */
    MEBI = 1024 * 1024,
    MOST = 2 * MEBI,
    STREAM_MAX = 4 * MEBI,
};

/* Reads like a careful caller, and writes down what it is told so that it does not depend on where
 * the pieces were cut: "[", each byte, "]" of a message, and whole control frames. */
struct reader {
    struct frames frames;
    struct buf told;
    size_t most;
    struct frames_item last; /* the last that was not MORE; its bytes are gone */
    size_t items;
    bool inside, is_over;
};

static void open_reader(struct reader *reader, size_t most)
{
    *reader = (struct reader){.most = most};
    frames_init(&reader->frames);
    buf_init(&reader->told, 2 * STREAM_MAX);
}

static void close_reader(struct reader *reader)
{
    frames_fini(&reader->frames);
    buf_fini(&reader->told);
}

static void note(struct reader *reader, char kind, const void *bytes, size_t length)
{
    ck_assert_int_eq(buf_add(&reader->told, &kind, 1), 0);
    ck_assert_int_eq(buf_add(&reader->told, bytes, length), 0);
}

static void note_piece(struct reader *reader, const struct frames_item *item, const uint8_t *fed,
                       const uint8_t *end)
{
    ck_assert(item->bytes >= fed && item->bytes + item->length <= end);
    ck_assert(item->length > 0 || item->last);
    ck_assert(item->first == !reader->inside);
    reader->inside = !item->last;
    if (item->first)
        note(reader, '[', NULL, 0);
    for (size_t i = 0; i < item->length; i++) {
        uint8_t pair[] = {'.', item->bytes[i]};
        ck_assert_int_eq(buf_add(&reader->told, pair, sizeof pair), 0);
    }
    if (item->last)
        note(reader, ']', NULL, 0);
}

static void note_item(struct reader *reader, const struct frames_item *item, const uint8_t *fed,
                      const uint8_t *end)
{
    uint8_t code[] = {(uint8_t)(item->code >> 8), (uint8_t)item->code, (uint8_t)item->length};
    ck_assert(!reader->is_over);
    switch (item->kind) {
    case FRAMES_IS_PIECE:
        note_piece(reader, item, fed, end);
        break;
    case FRAMES_IS_PING:
        ck_assert(item->bytes && item->length <= FRAMES_CONTROL_MAX);
        note(reader, 'P', code + 2, 1);
        note(reader, ':', item->bytes, item->length);
        break;
    case FRAMES_IS_CLOSE:
        ck_assert(item->bytes && item->length <= FRAMES_CONTROL_MAX - 2);
        note(reader, 'C', code, 3);
        note(reader, ':', item->bytes, item->length);
        reader->is_over = true;
        break;
    case FRAMES_IS_FAULT:
        ck_assert(item->code == 1002 || item->code == 1009);
        ck_assert(item->text && strlen(item->text) <= FRAMES_CONTROL_MAX - 2);
        note(reader, 'F', code, 2);
        reader->is_over = true;
        break;
    default:
        ck_abort_msg("an item of no kind");
    }
}

/* From memory of exactly this size, which is gone afterwards: what is read or kept too long is
 * noticed. */
static void feed(struct reader *reader, const void *bytes, size_t length)
{
    uint8_t *copy = mem_new(length ? length : 1);
    if (length)
        memcpy(copy, bytes, length);
    const uint8_t *at = copy;
    size_t left = length;
    struct frames_item item;
    for (;;) {
        frames_next(&reader->frames, &at, &left, reader->most, &item);
        ck_assert_ptr_eq(at + left, copy + length);
        if (item.kind == FRAMES_IS_MORE)
            break;
        note_item(reader, &item, copy, copy + length);
        reader->last = item;
        reader->items++;
    }
    ck_assert_uint_eq(left, 0);
    free(copy);
}

static void feed_in_pieces(struct reader *reader, const void *bytes, size_t length, size_t step)
{
    for (size_t at = 0; at < length; at += step)
        feed(reader, (const uint8_t *)bytes + at, length - at < step ? length - at : step);
}

static void put(struct buf *stream, const void *bytes, size_t length)
{
    ck_assert_int_eq(buf_add(stream, bytes, length), 0);
}

/* One frame of a server. */
static void put_frame(struct buf *stream, int start, const void *payload, size_t length)
{
    uint8_t header[10] = {(uint8_t)start};
    size_t extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
    header[1] = (uint8_t)(extended == 0 ? length : extended == 2 ? 126 : 127);
    for (size_t i = 0; i < extended; i++)
        header[2 + i] = (uint8_t)((uint64_t)length >> 8 * (extended - 1 - i));
    put(stream, header, 2 + extended);
    put(stream, payload, length);
}

static void put_text(struct buf *stream, int start, const char *payload)
{
    put_frame(stream, start, payload, strlen(payload));
}

static void fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
}

static size_t from_hex(uint8_t *bytes, size_t size, const char *hex)
{
    size_t length;
    ck_assert_int_eq(sodium_hex2bin(bytes, size, hex, strlen(hex), " ", &length, NULL), 0);
    return length;
}

static void feed_hex(struct reader *reader, const char *hex)
{
    uint8_t bytes[256];
    feed(reader, bytes, from_hex(bytes, sizeof bytes, hex));
}

static void assert_told(const struct reader *reader, const char *told)
{
    ck_assert_msg(reader->told.length == strlen(told) &&
                      (!*told || memcmp(reader->told.bytes, told, strlen(told)) == 0),
                  "\"%.*s\" instead of \"%s\"", (int)reader->told.length,
                  (const char *)reader->told.bytes, told);
}

/* Each ends with the byte with which the fault is certain. */
static const struct {
    const char *hex;
    int code;
} violations[] = {
    {"c2", 1002}, /* a reserved bit */
    {"a2", 1002},
    {"92", 1002},
    {"c9", 1002},
    {"0201aa f2", 1002},
    {"83", 1002}, /* opcodes that nobody has */
    {"84", 1002},
    {"85", 1002},
    {"86", 1002},
    {"87", 1002},
    {"03", 1002},
    {"8b", 1002},
    {"8c", 1002},
    {"8d", 1002},
    {"8e", 1002},
    {"8f", 1002},
    {"8280", 1002}, /* masked */
    {"8285", 1002},
    {"82fe", 1002},
    {"82ff", 1002},
    {"8180", 1002},
    {"8980", 1002},
    {"8a84", 1002},
    {"8882", 1002},
    {"08", 1002}, /* control frames in fragments, or too long */
    {"09", 1002},
    {"0a", 1002},
    {"887e", 1002},
    {"897e", 1002},
    {"8a7e", 1002},
    {"887f", 1002},
    {"897f", 1002},
    {"8a7f", 1002},
    {"80", 1002}, /* continuations of nothing */
    {"00", 1002},
    {"8201aa 80", 1002},
    {"8101aa 00", 1002},
    {"0201aa 8001bb 80", 1002},
    {"0201aa 82", 1002}, /* a message inside a message */
    {"0201aa 02", 1002},
    {"0201aa 81", 1002},
    {"0101aa 82", 1002},
    {"0200 82", 1002},
    {"0201aa 8900 01", 1002},
    {"8801", 1002}, /* Closes */
    {"8802 0000", 1002},
    {"8802 03e7", 1002},
    {"8803 03ed 41", 1002},
    {"827e 0000", 1002}, /* lengths that are longer than need be */
    {"827e 007d", 1002},
    {"817e 007d", 1002},
    {"827f 0000000000000000", 1002},
    {"827f 000000000000007d", 1002},
    {"827f 000000000000ffff", 1002},
    {"0201aa 807e 0001", 1002},
    {"827f 80", 1002}, /* the top bit */
    {"827f ff", 1002},
    {"827f 0000000000200001", 1009}, /* more than MOST, of one frame and in sum */
    {"827f 0000000100000000", 1009},
    {"827f 00000000ffffffff", 1009},
    {"827f 0100000000000001", 1009},
    {"827f 7fffffffffffffff", 1009},
    {"817f 0000000000200001", 1009},
    {"027f 0000000000200001", 1009},
    {"0201aa 807f 0000000000200000", 1009},
    {"0201aa 007f 0000000000200000", 1009},
    {"0201aa 8900 007f 0000000000200000", 1009},
    {"0201aa 807f 7fffffffffffffff", 1009},
    {"0101aa 807f 0000000000200000", 1009},
};

START_TEST(what_a_server_may_not_send_is_a_fault_as_soon_as_it_is_certain)
{
    for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
        uint8_t bytes[64];
        size_t length = from_hex(bytes, sizeof bytes, violations[i].hex);
        for (size_t step = 1; step <= length; step++) {
            struct reader reader;
            open_reader(&reader, MOST);
            feed_in_pieces(&reader, bytes, length - 1, step);
            ck_assert_msg(!reader.is_over, "%s: too early", violations[i].hex);
            feed(&reader, bytes + length - 1, 1);
            ck_assert_msg(reader.is_over && reader.last.kind == FRAMES_IS_FAULT, "%s: no fault",
                          violations[i].hex);
            ck_assert_msg(reader.last.code == violations[i].code, "%s: %d", violations[i].hex,
                          reader.last.code);
            for (const char *at = reader.last.text; *at; at++)
                ck_assert(isprint((unsigned char)*at));
            close_reader(&reader);
        }
    }
}
END_TEST

static bool may_be_sent(int code)
{
    static const int known[] = {1000, 1001, 1002, 1003, 1007, 1008,
                                1009, 1010, 1011, 1012, 1013, 1014};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (code == known[i])
            return true;
    return code >= 3000 && code <= 4999;
}

START_TEST(a_close_has_a_code_that_may_be_sent_or_none)
{
    for (int code = 0; code <= UINT16_MAX; code++) {
        uint8_t frame[] = {FIN | FRAMES_CLOSE, 4, (uint8_t)(code >> 8), (uint8_t)code, 'o', 'k'};
        const uint8_t *at = frame;
        size_t length = sizeof frame;
        struct frames frames;
        struct frames_item item;
        frames_init(&frames);
        frames_next(&frames, &at, &length, MOST, &item);
        ck_assert_int_eq(item.kind, may_be_sent(code) ? FRAMES_IS_CLOSE : FRAMES_IS_FAULT);
        ck_assert_int_eq(item.code, may_be_sent(code) ? code : 1002);
        if (may_be_sent(code))
            ck_assert(item.length == 2 && memcmp(item.bytes, "ok", 2) == 0);
        frames_fini(&frames);
    }
    struct reader reader;
    open_reader(&reader, MOST);
    feed_hex(&reader, "8800");
    ck_assert_int_eq(reader.last.kind, FRAMES_IS_CLOSE);
    ck_assert_int_eq(reader.last.code, FRAMES_NO_CODE);
    ck_assert_uint_eq(reader.last.length, 0);
    close_reader(&reader);
}
END_TEST

START_TEST(after_a_close_or_a_fault_everything_is_used_up_and_nothing_told)
{
    static const char *const ends[] = {"8800", "8802 03e8", "88 04 03e8 6f6b",
                                       "c2",   "8802 0000", "827f 0000000000200001"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        uint8_t bytes[64];
        size_t length = from_hex(bytes, sizeof bytes, ends[i]);
        length += from_hex(bytes + length, sizeof bytes - length, "8900 8203aabbcc 8800 c2");
        for (size_t step = 1; step <= length; step++) {
            struct reader reader;
            open_reader(&reader, MOST);
            feed_in_pieces(&reader, bytes, length, step);
            feed_hex(&reader, "8203aabbcc");
            ck_assert(reader.is_over && reader.items == 1);
            ck_assert_ptr_null(reader.frames.control);
            close_reader(&reader);
        }
    }
}
END_TEST

/* Of everything something; returns it in `stream`. */
static void make_mixed(struct buf *stream)
{
    uint8_t bytes[150];
    fill(bytes, sizeof bytes);
    buf_init(stream, STREAM_MAX);
    put_text(stream, FIN | FRAMES_BINARY, "whole");
    put_frame(stream, FIN | FRAMES_BINARY, bytes, 126);
    put_text(stream, FIN | FRAMES_PING, "are you there");
    put_text(stream, FRAMES_BINARY, "in");
    put_text(stream, FIN | FRAMES_PING, "");
    put_text(stream, CONTINUATION, "");
    put_text(stream, FIN | FRAMES_PONG, "never asked");
    put_frame(stream, CONTINUATION, bytes, 150);
    put_frame(stream, FIN | FRAMES_PING, bytes, FRAMES_CONTROL_MAX);
    put_text(stream, FIN | CONTINUATION, "pieces");
    put_text(stream, TEXT, "not");
    put_text(stream, FIN | FRAMES_PING, "!");
    put_text(stream, FIN | CONTINUATION, "told");
    put_text(stream, FRAMES_BINARY, "ends empty");
    put_text(stream, FIN | CONTINUATION, "");
    put_text(stream, FIN | FRAMES_BINARY, "");
    put_text(stream, FIN | TEXT, "");
    put_text(stream, FRAMES_BINARY, "");
    put_text(stream, FIN | FRAMES_PONG, "");
    put_text(stream, CONTINUATION, "");
    put_text(stream, FIN | CONTINUATION, "begins empty");
    put_frame(stream, FIN | FRAMES_CLOSE,
              "\x11\x39"
              "Connected elsewhere",
              21);
    put_text(stream, FIN | FRAMES_PING, "too late");
}

static void assert_same_told(const struct reader *a, const struct reader *b)
{
    ck_assert_uint_eq(a->told.length, b->told.length);
    ck_assert_int_eq(memcmp(a->told.bytes, b->told.bytes, a->told.length), 0);
}

START_TEST(it_does_not_matter_where_the_stream_is_cut)
{
    struct buf stream;
    struct reader whole;
    make_mixed(&stream);
    open_reader(&whole, MOST);
    feed(&whole, stream.bytes, stream.length);
    ck_assert_int_eq(whole.last.kind, FRAMES_IS_CLOSE);
    ck_assert_int_eq(whole.last.code, 4409);
    for (size_t step = 1; step <= 64; step++) {
        struct reader pieces;
        open_reader(&pieces, MOST);
        feed_in_pieces(&pieces, stream.bytes, stream.length, step);
        assert_same_told(&whole, &pieces);
        close_reader(&pieces);
    }
    for (size_t step = 1; step < stream.length; step++) {
        struct reader halves;
        open_reader(&halves, MOST);
        feed(&halves, stream.bytes, step);
        feed(&halves, NULL, 0);
        feed(&halves, stream.bytes + step, stream.length - step);
        assert_same_told(&whole, &halves);
        close_reader(&halves);
    }
    close_reader(&whole);
    buf_fini(&stream);
}
END_TEST

START_TEST(control_frames_between_fragments_are_told_where_they_stand)
{
    struct buf stream;
    struct reader reader;
    buf_init(&stream, STREAM_MAX);
    put_text(&stream, FRAMES_BINARY, "ab");
    put_text(&stream, FIN | FRAMES_PING, "");
    put_text(&stream, FIN | FRAMES_PONG, "pong");
    put_text(&stream, CONTINUATION, "c");
    put_text(&stream, FIN | FRAMES_PING, "");
    put_text(&stream, FIN | CONTINUATION, "d");
    open_reader(&reader, MOST);
    feed(&reader, stream.bytes, stream.length);
    ck_assert_uint_eq(reader.items, 5);
    for (size_t i = 0; i < reader.told.length; i++)
        if (reader.told.bytes[i] == '\0')
            reader.told.bytes[i] = '0';
    assert_told(&reader, "[.a.bP0:.cP0:.d]");
    close_reader(&reader);
    buf_fini(&stream);
}
END_TEST

START_TEST(an_empty_frame_is_told_only_where_it_ends_a_message)
{
    static const struct {
        const char *hex;
        size_t items;
        const char *told;
    } cases[] = {
        {"8200", 1, "[]"},          {"0200", 0, ""},
        {"0200 0000 0000", 0, ""},  {"0200 0000 8000", 1, "[]"},
        {"0200 800161", 1, "[.a]"}, {"020161 0000", 1, "[.a"},
        {"020161 8000", 2, "[.a]"}, {"020161 0000 800162", 2, "[.a.b]"},
        {"8200 8200", 2, "[][]"},   {"8100 0100 8000", 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reader reader;
        open_reader(&reader, MOST);
        feed_hex(&reader, cases[i].hex);
        assert_told(&reader, cases[i].told);
        ck_assert_uint_eq(reader.items, cases[i].items);
        close_reader(&reader);
    }
}
END_TEST

START_TEST(of_texts_nothing_is_told)
{
    struct reader reader;
    open_reader(&reader, MOST);
    feed_hex(&reader, "8103616263 010161 000162 8a0170 800163 8103fffefd 820164");
    assert_told(&reader, "[.d]");
    close_reader(&reader);
}
END_TEST

START_TEST(a_piece_comes_with_each_byte_of_its_payload)
{
    struct reader reader;
    open_reader(&reader, MOST);
    feed_hex(&reader, "8203");
    ck_assert_uint_eq(reader.items, 0);
    feed_hex(&reader, "61");
    ck_assert(reader.items == 1 && reader.last.first && !reader.last.last);
    feed_hex(&reader, "62");
    ck_assert(reader.items == 2 && !reader.last.first && !reader.last.last);
    feed_hex(&reader, "63");
    ck_assert(reader.items == 3 && !reader.last.first && reader.last.last);
    close_reader(&reader);
}
END_TEST

START_TEST(a_message_of_a_mebibyte_comes_in_fragments_with_pings_between)
{
    static const size_t steps[] = {61, 512, 16384, FRAGMENT + 10, STREAM_MAX};
    static uint8_t message[MEBI];
    struct buf stream;
    fill(message, sizeof message);
    buf_init(&stream, STREAM_MAX);
    for (size_t at = 0; at < MEBI; at += FRAGMENT) {
        int start = (at == 0 ? FRAMES_BINARY : CONTINUATION) | (at + FRAGMENT == MEBI ? FIN : 0);
        put_text(&stream, FIN | FRAMES_PING, "still there?");
        put_frame(&stream, start, message + at, FRAGMENT);
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct frames frames;
        struct frames_item item;
        size_t got = 0, pings = 0, ends = 0;
        frames_init(&frames);
        for (size_t from = 0; from < stream.length; from += steps[i]) {
            const uint8_t *at = stream.bytes + from;
            size_t left = stream.length - from < steps[i] ? stream.length - from : steps[i];
            for (;;) {
                frames_next(&frames, &at, &left, MEBI, &item);
                if (item.kind == FRAMES_IS_MORE)
                    break;
                pings += item.kind == FRAMES_IS_PING;
                if (item.kind == FRAMES_IS_PING)
                    continue;
                ck_assert_int_eq(item.kind, FRAMES_IS_PIECE);
                ck_assert(item.first == (got == 0));
                ck_assert(item.length <= MEBI - got);
                ck_assert_int_eq(memcmp(item.bytes, message + got, item.length), 0);
                got += item.length;
                ends += item.last;
                ck_assert(item.last == (got == MEBI));
            }
        }
        ck_assert(got == MEBI && pings == MEBI / FRAGMENT && ends == 1);
        frames_fini(&frames);
    }
    buf_fini(&stream);
}
END_TEST

START_TEST(a_message_may_have_the_most_and_the_next_one_too)
{
    uint8_t bytes[300] = {0};
    struct buf stream;
    buf_init(&stream, STREAM_MAX);
    for (int i = 0; i < 3; i++) {
        put_frame(&stream, FIN | (i == 1 ? TEXT : FRAMES_BINARY), bytes, 300);
        put_frame(&stream, i == 1 ? TEXT : FRAMES_BINARY, bytes, 100);
        put_frame(&stream, FIN | FRAMES_PING, bytes, 120);
        put_frame(&stream, CONTINUATION, bytes, 200);
        put_frame(&stream, FIN | CONTINUATION, bytes, 0);
    }
    struct reader reader;
    open_reader(&reader, 300);
    feed(&reader, stream.bytes, stream.length);
    ck_assert(!reader.is_over && !reader.inside);
    close_reader(&reader);
    open_reader(&reader, 299);
    feed(&reader, stream.bytes, 3);
    ck_assert(!reader.is_over);
    feed(&reader, stream.bytes + 3, 1);
    ck_assert(reader.is_over && reader.last.code == 1009);
    close_reader(&reader);
    buf_fini(&stream);
}
END_TEST

START_TEST(a_bound_may_shrink_inside_a_message_or_be_absurd)
{
    struct reader reader;
    open_reader(&reader, 3);
    feed_hex(&reader, "0203616263");
    reader.most = 1;
    feed_hex(&reader, "00");
    ck_assert(!reader.is_over);
    feed_hex(&reader, "00");
    ck_assert(reader.is_over && reader.last.code == 1009);
    close_reader(&reader);
    open_reader(&reader, SIZE_MAX);
    feed_hex(&reader, "8100 027f 00000000ffffffff");
    ck_assert(reader.is_over && reader.last.code == 1009);
    close_reader(&reader);
    open_reader(&reader, 0);
    feed_hex(&reader, "8200 8900 8201");
    ck_assert(reader.is_over && reader.last.code == 1009);
    close_reader(&reader);
}
END_TEST

START_TEST(memory_is_taken_only_while_a_control_frame_with_a_payload_is_there)
{
    struct reader reader;
    ck_assert_uint_le(sizeof(struct frames), 24);
    open_reader(&reader, MOST);
    feed_hex(&reader, "8900 8a");
    ck_assert_ptr_null(reader.frames.control);
    feed_hex(&reader, "03");
    ck_assert_ptr_null(reader.frames.control); /* of a Pong nobody wants to know anything */
    feed_hex(&reader, "616263 8903 6162");
    ck_assert_ptr_nonnull(reader.frames.control);
    feed_hex(&reader, "63");
    ck_assert_ptr_null(reader.frames.control);
    ck_assert_uint_eq(reader.items, 2);
    feed_hex(&reader, "8805 03e8 6f");
    ck_assert_ptr_nonnull(reader.frames.control);
    close_reader(&reader); /* in the middle of it */
    ck_assert_ptr_null(reader.frames.control);
}
END_TEST

/* Takes one frame of ours apart; returns its unmasked payload, which the caller frees. */
static uint8_t *unmask(const uint8_t *frame, size_t length, size_t *payload_length)
{
    ck_assert_uint_ge(length, 6);
    ck_assert(frame[1] & 0x80);
    uint64_t announced = frame[1] & 0x7f;
    size_t extended = announced == 126 ? 2 : announced == 127 ? 8 : 0;
    ck_assert_uint_ge(length, 6 + extended);
    if (extended)
        announced = 0;
    for (size_t i = 0; i < extended; i++)
        announced = announced << 8 | frame[2 + i];
    ck_assert(extended != 2 || announced >= 126);
    ck_assert(extended != 8 || announced >= 65536);
    ck_assert_uint_eq(announced, length - 6 - extended);
    const uint8_t *mask = frame + 2 + extended;
    uint8_t *payload = mem_new(announced + 1);
    for (size_t i = 0; i < announced; i++)
        payload[i] = mask[4 + i] ^ mask[i & 3];
    *payload_length = announced;
    return payload;
}

START_TEST(what_is_written_is_read_again_when_it_is_unmasked)
{
    static const size_t lengths[] = {0, 1, 3, 4, 5, 124, 125, 126, 127, 65535, 65536, 70001};
    static uint8_t payload[70001], frame[70001 + FRAMES_HEADER_MAX];
    fill(payload, sizeof payload);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t header = lengths[i] < 126 ? 6 : lengths[i] < 65536 ? 8 : 14, got;
        size_t length = frames_write(frame, FRAMES_BINARY, payload, lengths[i]);
        ck_assert_uint_eq(length, lengths[i] + header);
        ck_assert_uint_eq(frame[0], FIN | FRAMES_BINARY);
        uint8_t *clear = unmask(frame, length, &got);
        ck_assert_uint_eq(got, lengths[i]);
        ck_assert_int_eq(memcmp(clear, payload, got), 0);

        struct buf stream;
        struct frames frames;
        struct frames_item item;
        buf_init(&stream, STREAM_MAX);
        put_frame(&stream, frame[0], clear, got);
        const uint8_t *at = stream.bytes;
        size_t left = stream.length;
        frames_init(&frames);
        frames_next(&frames, &at, &left, MOST, &item);
        ck_assert(item.kind == FRAMES_IS_PIECE && item.first && item.last && left == 0);
        ck_assert_uint_eq(item.length, lengths[i]);
        ck_assert_int_eq(memcmp(item.bytes, payload, item.length), 0);
        frames_fini(&frames);
        buf_fini(&stream);
        free(clear);
    }
}
END_TEST

START_TEST(control_frames_are_written_as_well)
{
    static const enum frames_opcode opcodes[] = {FRAMES_CLOSE, FRAMES_PING, FRAMES_PONG};
    uint8_t payload[FRAMES_CONTROL_MAX], frame[FRAMES_CONTROL_MAX + FRAMES_HEADER_MAX];
    fill(payload, sizeof payload);
    for (size_t i = 0; i < 3; i++) {
        size_t got;
        size_t length = frames_write(frame, opcodes[i], payload, sizeof payload);
        ck_assert_uint_eq(frame[0], FIN | (unsigned)opcodes[i]);
        uint8_t *clear = unmask(frame, length, &got);
        ck_assert(got == sizeof payload && memcmp(clear, payload, got) == 0);
        free(clear);
        ck_assert_uint_eq(frames_write(frame, opcodes[i], NULL, 0), 6);
        ck_assert_uint_eq(frame[1], 0x80);
    }
}
END_TEST

START_TEST(every_frame_has_a_mask_of_its_own)
{
    uint8_t frame[FRAMES_HEADER_MAX], masks[8][4];
    for (size_t i = 0; i < 8; i++) {
        ck_assert_uint_eq(frames_write(frame, FRAMES_PING, NULL, 0), 6);
        memcpy(masks[i], frame + 2, 4);
    }
    size_t same = 0;
    for (size_t i = 1; i < 8; i++)
        same += memcmp(masks[i], masks[0], 4) == 0;
    ck_assert_uint_lt(same, 2); /* two of them: once in 2^60 */
}
END_TEST

static void assert_reason(const char *reason, size_t kept)
{
    uint8_t payload[FRAMES_CONTROL_MAX];
    ck_assert_uint_eq(frames_close_payload(payload, 4409, reason), 2 + kept);
    ck_assert(payload[0] == 0x11 && payload[1] == 0x39);
    ck_assert(!kept || memcmp(payload + 2, reason, kept) == 0);
}

/* `plain` times "a", and then the character twice. */
static void assert_cut(size_t plain, const char *character, size_t kept)
{
    char reason[256] = "";
    memset(reason, 'a', plain);
    strcat(strcat(reason, character), character);
    assert_reason(reason, kept);
}

START_TEST(the_reason_of_a_close_is_cut_between_characters)
{
    assert_reason(NULL, 0);
    assert_reason("", 0);
    assert_reason("done", 4);
    assert_cut(121, "a", 123);
    assert_cut(122, "a", 123);
    assert_cut(123, "a", 123);
    assert_cut(200, "a", 123);
    assert_cut(119, "é", 123); /* two bytes */
    assert_cut(120, "é", 122);
    assert_cut(121, "é", 123);
    assert_cut(122, "é", 122);
    assert_cut(123, "é", 123);
    assert_cut(117, "€", 123); /* three */
    assert_cut(118, "€", 121);
    assert_cut(119, "€", 122);
    assert_cut(120, "€", 123);
    assert_cut(121, "€", 121);
    assert_cut(122, "€", 122);
    assert_cut(115, "🔔", 123); /* four */
    assert_cut(116, "🔔", 120);
    assert_cut(119, "🔔", 123);
    assert_cut(120, "🔔", 120);
    assert_cut(121, "🔔", 121);
    assert_cut(122, "🔔", 122);
}
END_TEST

START_TEST(a_close_without_a_code_has_no_payload)
{
    uint8_t payload[FRAMES_CONTROL_MAX];
    ck_assert_uint_eq(frames_close_payload(payload, FRAMES_NO_CODE, "1005 is never sent"), 0);
}
END_TEST

UNIT_MAIN("frames", what_a_server_may_not_send_is_a_fault_as_soon_as_it_is_certain,
          a_close_has_a_code_that_may_be_sent_or_none,
          after_a_close_or_a_fault_everything_is_used_up_and_nothing_told,
          it_does_not_matter_where_the_stream_is_cut,
          control_frames_between_fragments_are_told_where_they_stand,
          an_empty_frame_is_told_only_where_it_ends_a_message, of_texts_nothing_is_told,
          a_piece_comes_with_each_byte_of_its_payload,
          a_message_of_a_mebibyte_comes_in_fragments_with_pings_between,
          a_message_may_have_the_most_and_the_next_one_too,
          a_bound_may_shrink_inside_a_message_or_be_absurd,
          memory_is_taken_only_while_a_control_frame_with_a_payload_is_there,
          what_is_written_is_read_again_when_it_is_unmasked, control_frames_are_written_as_well,
          every_frame_has_a_mask_of_its_own, the_reason_of_a_close_is_cut_between_characters,
          a_close_without_a_code_has_no_payload)
