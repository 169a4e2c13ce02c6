#include "signal/resource.h"

#include <string.h>

/* WebSocketMessage { type = 1 varint, request = 2, response = 3 } and their fields: signal.md 2.1.
 */
enum { TYPE_REQUEST = 1, TYPE_RESPONSE = 2 };
enum {
    TAG_TYPE = 0x08,
    TAG_REQUEST = 0x12,
    TAG_RESPONSE = 0x1a,
    TAG_VERB = 0x0a,
    TAG_PATH = 0x12,
    TAG_REQUEST_ID = 0x20,
    TAG_RESPONSE_ID = 0x08,
    TAG_STATUS = 0x10,
    TAG_MESSAGE = 0x1a,
};

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    while (value > 0x7f) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_text(uint8_t *at, uint8_t tag, const char *text)
{
    size_t length = strlen(text);
    *at++ = tag;
    *at++ = (uint8_t)length;
    memcpy(at, text, length);
    return at + length;
}

/* Puts the head before what was written from bytes + 4 on; its length must be under 128. */
static size_t finish(uint8_t *bytes, uint8_t type, uint8_t tag, const uint8_t *end)
{
    size_t length = (size_t)(end - (bytes + 4));
    bytes[0] = TAG_TYPE;
    bytes[1] = type;
    bytes[2] = tag;
    bytes[3] = (uint8_t)length;
    return length + 4;
}

size_t resource_ok(uint8_t bytes[RESOURCE_ANSWER_MAX], uint64_t id)
{
    uint8_t *at = bytes + 4;
    *at++ = TAG_RESPONSE_ID;
    at = put_varint(at, id);
    *at++ = TAG_STATUS;
    at = put_varint(at, 200);
    at = put_text(at, TAG_MESSAGE, "OK");
    return finish(bytes, TYPE_RESPONSE, TAG_RESPONSE, at);
}

size_t resource_keepalive(uint8_t bytes[RESOURCE_REQUEST_MAX], uint64_t id)
{
    uint8_t *at = bytes + 4;
    at = put_text(at, TAG_VERB, "GET");
    at = put_text(at, TAG_PATH, "/v1/keepalive");
    *at++ = TAG_REQUEST_ID;
    at = put_varint(at, id);
    return finish(bytes, TYPE_REQUEST, TAG_REQUEST, at);
}
