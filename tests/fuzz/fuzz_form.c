/* A form, or a Cookie header: whatever it is, a value is a text no longer than what it came in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "web/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_short(char *value, size_t most)
{
    if (value && strlen(value) > most)
        abort();
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_copy((const char *)data, size);
    struct request request = {.header_count = 1, .headers = {{"Cookie", text}}};
    expect_short(form_value((const char *)data, size, "token"), size);
    expect_short(form_value((const char *)data, size, ""), size);
    expect_short(form_cookie(&request, "token", 0), size);
    free(text);
    return 0;
}
