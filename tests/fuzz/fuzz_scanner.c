/* Whatever the messenger's server sends: the first byte chooses the size of the pieces. Reading in
 * pieces and at once must come to the same result. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "signal/scanner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int scan(struct scanner *scanner, const uint8_t *data, size_t size, size_t step)
{
    scanner_begin(scanner);
    for (size_t at = 0; at < size; at += step)
        if (scanner_feed(scanner, data + at, size - at < step ? size - at : step) != 0)
            return -1;
    return scanner_end(scanner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] % 16 + 1u;
    struct scanner whole, pieces;
    int at_once = scan(&whole, data + 1, size - 1, size);
    int in_pieces = scan(&pieces, data + 1, size - 1, step);
    assert((at_once == 0) == (in_pieces == 0));
    if (at_once == 0)
        assert(memcmp(&whole.result, &pieces.result, sizeof whole.result) == 0);
    return 0;
}
