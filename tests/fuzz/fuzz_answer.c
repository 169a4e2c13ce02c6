/* What a push server sends: lines up to an empty one are handed over as curl hands over headers,
 * again for a 1xx; what follows is body up to a line "0", then trailers. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "push/answer.h"

enum { NOW = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static size_t line_length(const char *bytes, size_t left)
{
    const char *end = memchr(bytes, '\n', left);
    return end ? (size_t)(end - bytes) + 1 : left;
}

static void feed(struct answer *answer, const char *bytes, size_t left)
{
    bool in_body = false;
    while (left > 0) {
        size_t length = line_length(bytes, left);
        bool was_fields = answer->part == ANSWER_FIELDS;
        int status = answer->status;
        int result =
            in_body ? answer_body(answer, bytes, length) : answer_line(answer, bytes, length);
        if (result != 0)
            return;
        expect(in_body || !was_fields || answer->status == status);
        if (was_fields && answer->part == ANSWER_TRAILERS)
            in_body = true;
        else if (length == 2 && bytes[0] == '0')
            in_body = false;
        bytes += length;
        left -= length;
    }
}

static void expect_sense(const struct answer *answer)
{
    struct push_answer told;
    answer_tell(answer, PUSH_BROKEN, NOW, &told);
    expect(answer->head_bytes <= ANSWER_HEAD_MAX && answer->body_length <= ANSWER_BODY_MAX);
    expect(told.retry_after_s >= 0 && told.retry_after_s <= ANSWER_RETRY_AFTER_MAX_S);
    expect(told.date_unix >= 0);
    expect(told.status == 0 || (told.status >= 200 && told.status <= 999));
    expect((told.status != 0) == (told.failure == PUSH_ANSWERED));
    expect((told.body != NULL) == (told.body_length > 0));
    if (!told.server)
        return;
    expect(strlen(told.server) < ANSWER_SERVER_SIZE);
    for (const char *c = told.server; *c; c++)
        expect(*c >= ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct answer answer;
    answer_clear(&answer);
    /* a copy of its own size, so that reading past it is noticed */
    char *bytes = malloc(size ? size : 1);
    if (!bytes)
        return 0;
    if (size)
        memcpy(bytes, data, size);
    feed(&answer, bytes, size);
    expect_sense(&answer);
    free(bytes);
    return 0;
}
