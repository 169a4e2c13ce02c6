/* What may answer a request for a websocket over HTTP/1.1. However it is cut into pieces, it is
 * read in the same way, and never past its end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "signal/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 6455 section 1.3; what accepts it is s3pPLMBiTxaQ9kYGzzhZRbK+xOo=. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* Returns how much was taken. */
static size_t read_in_pieces(struct head *head, const uint8_t *data, size_t size, size_t piece)
{
    size_t taken = 0;
    enum head_result result = HEAD_MORE;
    head_init(head, KEY);
    while (taken < size && result == HEAD_MORE) {
        size_t fed = size - taken < piece ? size - taken : piece, left = fed;
        uint8_t *copy = malloc(fed); /* of its own size, so that reading past it is noticed */
        assert(copy);
        memcpy(copy, data + taken, fed);
        const uint8_t *at = copy;
        result = head_take(head, &at, &left);
        assert(at == copy + (fed - left) && (result != HEAD_MORE || left == 0));
        taken += fed - left;
        free(copy);
    }
    assert(result == head->result && taken <= HEAD_MAX + 1);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head whole, pieces;
    size_t piece = size ? 1 + data[size - 1] % 16 : 1;
    size_t taken = read_in_pieces(&whole, data, size, SIZE_MAX);
    assert(read_in_pieces(&pieces, data, size, piece) == taken);
    assert(whole.result == pieces.result && whole.status == pieces.status &&
           whole.has_timestamp == pieces.has_timestamp &&
           head_grants(&whole) == head_grants(&pieces));
    if (whole.result != HEAD_DONE) {
        assert(!head_grants(&whole));
        return 0;
    }
    assert(whole.status == 101 || (whole.status >= 200 && whole.status <= 999));
    assert(whole.retry_after_ms >= 0 && whole.retry_after_ms <= 3600 * 1000);
    assert(data[taken - 1] == '\n');
    return 0;
}
