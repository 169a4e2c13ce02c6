#include "signal/scanner.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "signal/resource.h"
#include "unit.h"

/* Made with protobufjs from the official .proto files: signal.md 2.6. */
#define QUEUE_EMPTY                                                                                \
    "080112460a0350555412132f6170692f76312f71756575652f656d70747920ffffffffffffffff7f2a20582d5369" \
    "676e616c2d54696d657374616d703a31373530303030303030303032"
#define NOT_URGENT                                                                                 \
    "08011280010a03505554120f2f6170692f76312f6d6573736167651a3c08062880b883a1f7324202aabb5081b883" \
    "a1f7327000a201100102030405060708090a0b0c0d0e0f10aa01100102030405064708890a0b0c0d0e0f1020c5f4" \
    "86e7fef1beb5642a20582d5369676e616c2d54696d657374616d703a31373530303030303030303032"
#define KEEPALIVE_ANSWER                                                                           \
    "08021a3d080710c8011a024f4b2a20782d7369676e616c2d74696d657374616d703a313735303030303030303030" \
    "332a10436f6e74656e742d4c656e6774683a30"
#define MOCK_QUEUE_EMPTY                                                                           \
    "0801121c0a0350555412132f6170692f76312f71756575652f656d70747920"                               \
    "00"
#define MESSAGE_ID UINT64_C(7235872346897234501)

static size_t from_hex(uint8_t *bytes, size_t size, const char *hex)
{
    size_t length;
    ck_assert_int_eq(sodium_hex2bin(bytes, size, hex, strlen(hex), NULL, &length, NULL), 0);
    return length;
}

/* Scans in pieces of `step` bytes. */
static int scan(struct scanner *scanner, const uint8_t *bytes, size_t length, size_t step)
{
    scanner_begin(scanner);
    for (size_t at = 0; at < length; at += step) {
        size_t piece = length - at < step ? length - at : step;
        /* A copy of exactly this size, so that reading past its end is noticed. */
        uint8_t *copy = mem_new(piece);
        memcpy(copy, bytes + at, piece);
        int result = scanner_feed(scanner, copy, piece);
        free(copy);
        if (result != 0)
            return result;
    }
    return scanner_end(scanner);
}

static int scan_hex(struct scanner *scanner, const char *hex)
{
    uint8_t bytes[512];
    return scan(scanner, bytes, from_hex(bytes, sizeof bytes, hex), sizeof bytes);
}

static void put_varint(struct buf *buf, uint64_t value)
{
    uint8_t byte;
    do {
        byte = (uint8_t)(value & 0x7f);
        value >>= 7;
        if (value)
            byte |= 0x80;
        buf_add(buf, &byte, 1);
    } while (value);
}

static void put_number(struct buf *buf, unsigned field, uint64_t value)
{
    put_varint(buf, field << 3);
    put_varint(buf, value);
}

static void put_bytes(struct buf *buf, unsigned field, const void *bytes, size_t length)
{
    put_varint(buf, field << 3 | 2);
    put_varint(buf, length);
    buf_add(buf, bytes, length);
}

static void put_text(struct buf *buf, unsigned field, const char *text)
{
    put_bytes(buf, field, text, strlen(text));
}

/* A REQUEST for /api/v1/message with this body, wrapped. */
static void make_message(struct buf *message, const struct buf *body)
{
    struct buf request;
    buf_init(&request, 4 << 20);
    put_text(&request, 1, "PUT");
    put_text(&request, 2, "/api/v1/message");
    if (body)
        put_bytes(&request, 3, body->bytes, body->length);
    put_number(&request, 4, 42);
    put_number(message, 1, 1);
    put_bytes(message, 2, request.bytes, request.length);
    buf_fini(&request);
}

START_TEST(the_published_vectors_are_understood_in_pieces_of_any_size)
{
    uint8_t bytes[512];
    struct scanner scanner;
    for (size_t step = 1; step < 140; step++) {
        size_t length = from_hex(bytes, sizeof bytes, NOT_URGENT);
        ck_assert_int_eq(scan(&scanner, bytes, length, step), 0);
        ck_assert_int_eq(scanner.result.kind, SCANNED_MESSAGE);
        ck_assert(scanner.result.has_id && scanner.result.id == MESSAGE_ID);
        ck_assert(scanner.result.envelope_readable && !scanner.result.urgent);
        ck_assert(!scanner.result.has_source);

        length = from_hex(bytes, sizeof bytes, QUEUE_EMPTY);
        ck_assert_int_eq(scan(&scanner, bytes, length, step), 0);
        ck_assert_int_eq(scanner.result.kind, SCANNED_QUEUE_EMPTY);
        ck_assert(scanner.result.id == INT64_MAX);

        length = from_hex(bytes, sizeof bytes, KEEPALIVE_ANSWER);
        ck_assert_int_eq(scan(&scanner, bytes, length, step), 0);
        ck_assert_int_eq(scanner.result.kind, SCANNED_RESPONSE);
        ck_assert(scanner.result.id == 7 && scanner.result.status == 200);
    }
    ck_assert_int_eq(scan_hex(&scanner, MOCK_QUEUE_EMPTY), 0);
    ck_assert_int_eq(scanner.result.kind, SCANNED_QUEUE_EMPTY);
    ck_assert(scanner.result.has_id && scanner.result.id == 0);
}
END_TEST

START_TEST(urgent_is_true_unless_the_envelope_says_false)
{
    for (int said = -1; said < 2; said++) {
        struct buf envelope, message;
        struct scanner scanner;
        buf_init(&envelope, 4096);
        buf_init(&message, 4096);
        put_number(&envelope, 1, 6);
        if (said >= 0)
            put_number(&envelope, 14, (uint64_t)said);
        make_message(&message, &envelope);
        ck_assert_int_eq(scan(&scanner, message.bytes, message.length, 3), 0);
        ck_assert(scanner.result.envelope_readable);
        ck_assert_int_eq(scanner.result.urgent, said != 0);
        buf_fini(&envelope);
        buf_fini(&message);
    }
}
END_TEST

START_TEST(the_source_is_read_in_its_binary_form_and_only_for_accounts)
{
    uint8_t source[17] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    for (size_t length = 15; length <= 17; length++) {
        struct buf envelope, message;
        struct scanner scanner;
        buf_init(&envelope, 4096);
        buf_init(&message, 4096);
        put_bytes(&envelope, 19, source, length);
        put_number(&envelope, 7, 1);
        make_message(&message, &envelope);
        ck_assert_int_eq(scan(&scanner, message.bytes, message.length, 5), 0);
        ck_assert_int_eq(scanner.result.has_source, length == 16);
        if (length == 16)
            ck_assert_mem_eq(scanner.result.source_uuid, source, 16);
        ck_assert_int_eq(scanner.result.source_device, 1);
        buf_fini(&envelope);
        buf_fini(&message);
    }
}
END_TEST

START_TEST(a_megabyte_of_ciphertext_is_passed_over)
{
    struct buf envelope, message;
    struct scanner scanner;
    buf_init(&envelope, 2 << 20);
    buf_init(&message, 4 << 20);
    uint8_t *content = mem_new(1 << 20);
    memset(content, 0xff, 1 << 20);
    put_bytes(&envelope, 8, content, 1 << 20);
    put_number(&envelope, 14, 0);
    make_message(&message, &envelope);
    ck_assert_int_eq(scan(&scanner, message.bytes, message.length, 512), 0);
    ck_assert(scanner.result.envelope_readable && !scanner.result.urgent);
    ck_assert(scanner.result.id == 42);
    free(content);
    buf_fini(&envelope);
    buf_fini(&message);
}
END_TEST

START_TEST(fields_may_come_in_any_order_twice_and_unknown)
{
    struct buf envelope, request, message;
    struct scanner scanner;
    buf_init(&envelope, 4096);
    buf_init(&request, 4096);
    buf_init(&message, 4096);
    put_number(&envelope, 14, 1);
    put_varint(&envelope, 99 << 3 | 1);
    buf_add(&envelope, "12345678", 8);
    put_varint(&envelope, 98 << 3 | 5);
    buf_add(&envelope, "1234", 4);
    put_number(&envelope, 14, 0);
    put_number(&request, 4, 1);
    put_bytes(&request, 3, "\x70\x01", 2);
    put_bytes(&request, 3, envelope.bytes, envelope.length);
    put_text(&request, 5, "X-Signal-Timestamp:1");
    put_text(&request, 2, "/api/v1/queue/empty");
    put_text(&request, 2, "/api/v1/message");
    put_number(&request, 77, UINT64_MAX);
    put_text(&request, 1, "PUT");
    put_number(&request, 4, UINT64_MAX);
    put_bytes(&message, 2, request.bytes, request.length);
    put_number(&message, 1, 1);
    for (size_t step = 1; step < 40; step++) {
        ck_assert_int_eq(scan(&scanner, message.bytes, message.length, step), 0);
        ck_assert_int_eq(scanner.result.kind, SCANNED_MESSAGE);
        ck_assert(scanner.result.id == UINT64_MAX);
        ck_assert(scanner.result.envelope_readable && !scanner.result.urgent);
    }
    buf_fini(&envelope);
    buf_fini(&request);
    buf_fini(&message);
}
END_TEST

START_TEST(a_body_that_is_no_envelope_spoils_nothing_else)
{
    static const char *const bodies[] = {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                         "\x07",
                                         "\x42\x7f\x01",
                                         "\x70",
                                         "\x0b\x0c",
                                         "\x70\x80"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct buf body, message;
        struct scanner scanner;
        buf_init(&body, 4096);
        buf_init(&message, 4096);
        put_number(&body, 14, 0);
        buf_add_text(&body, bodies[i]);
        make_message(&message, &body);
        for (size_t step = 1; step < 30; step++) {
            ck_assert_int_eq(scan(&scanner, message.bytes, message.length, step), 0);
            ck_assert_int_eq(scanner.result.kind, SCANNED_MESSAGE);
            ck_assert(scanner.result.id == 42);
            ck_assert(!scanner.result.envelope_readable && scanner.result.urgent);
        }
        buf_fini(&body);
        buf_fini(&message);
    }
}
END_TEST

START_TEST(a_message_without_a_body_counts_as_urgent)
{
    struct buf message;
    struct scanner scanner;
    buf_init(&message, 4096);
    make_message(&message, NULL);
    ck_assert_int_eq(scan(&scanner, message.bytes, message.length, 7), 0);
    ck_assert(!scanner.result.envelope_readable && scanner.result.urgent);
    buf_fini(&message);
}
END_TEST

START_TEST(other_requests_are_told_apart)
{
    struct scanner scanner;
    /* PUT /api/v1/messages, one letter too long; and GET /api/v1/message. */
    ck_assert_int_eq(
        scan_hex(&scanner, "080112190a0350555412102f6170692f76312f6d657373616765732001"), 0);
    ck_assert_int_eq(scanner.result.kind, SCANNED_OTHER);
    ck_assert_int_eq(scan_hex(&scanner, "080112180a03474554120f2f6170692f76312f6d6573736167652001"),
                     0);
    ck_assert_int_eq(scanner.result.kind, SCANNED_OTHER);
    /* PUT /x, its body empty; and with a body, urgent or not. */
    ck_assert_int_eq(scan_hex(&scanner, "0801120d0a0350555412022f781a002007"), 0);
    ck_assert_int_eq(scanner.result.kind, SCANNED_OTHER);
    ck_assert_int_eq(scan_hex(&scanner, "0801120f0a0350555412022f781a0270012007"), 0);
    ck_assert_int_eq(scanner.result.kind, SCANNED_UNKNOWN);
    ck_assert(scanner.result.urgent);
    ck_assert_int_eq(scan_hex(&scanner, "0801120f0a0350555412022f781a0270002007"), 0);
    ck_assert_int_eq(scanner.result.kind, SCANNED_UNKNOWN);
    ck_assert(!scanner.result.urgent);
}
END_TEST

START_TEST(what_is_not_the_resource_protocol_is_refused)
{
    static const char *const wrong[] = {
        "",                         /* nothing */
        "0801",                     /* a request without one */
        "0802",                     /* a response without one */
        "08011a021000",             /* the other one */
        "0800120208011a00",         /* type unknown */
        "080712020801",             /* type 7 */
        "12020a00",                 /* no type */
        "08011205",                 /* cut short */
        "0801120a0a03",             /* cut short inside */
        "08011203208080",           /* a number that does not end */
        "0b",                       /* a group */
        "00",                       /* field 0 */
        "0801120320ffff",           /* a number that leaves its message */
        "ffffffffffffffffffffffff", /* a tag that does not end */
        "080112040a7f5055",         /* a text longer than its message */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct scanner scanner;
        ck_assert_msg(scan_hex(&scanner, wrong[i]) == ERR_INVALID, "%s was accepted", wrong[i]);
    }
}
END_TEST

START_TEST(what_we_send_has_the_published_bytes)
{
    uint8_t answer[RESOURCE_ANSWER_MAX], request[RESOURCE_REQUEST_MAX], expected[128];
    size_t length = resource_ok(answer, MESSAGE_ID);
    ck_assert_uint_eq(
        length, from_hex(expected, sizeof expected, "08021a1108c5f486e7fef1beb56410c8011a024f4b"));
    ck_assert_mem_eq(answer, expected, length);
    ck_assert_uint_le(resource_ok(answer, UINT64_MAX), sizeof answer);
    length = resource_keepalive(request, 7);
    ck_assert_uint_eq(length, from_hex(expected, sizeof expected,
                                       "080112160a03474554120d2f76312f6b656570616c6976652007"));
    ck_assert_mem_eq(request, expected, length);
    ck_assert_uint_le(resource_keepalive(request, UINT64_MAX), sizeof request);
}
END_TEST

UNIT_MAIN("scanner", the_published_vectors_are_understood_in_pieces_of_any_size,
          urgent_is_true_unless_the_envelope_says_false,
          the_source_is_read_in_its_binary_form_and_only_for_accounts,
          a_megabyte_of_ciphertext_is_passed_over, fields_may_come_in_any_order_twice_and_unknown,
          a_body_that_is_no_envelope_spoils_nothing_else, a_message_without_a_body_counts_as_urgent,
          other_requests_are_told_apart, what_is_not_the_resource_protocol_is_refused,
          what_we_send_has_the_published_bytes)
