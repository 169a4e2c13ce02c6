/* A configuration file of any bytes is taken, or refused with its name, its line and a sentence. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/internal.h"

static const char name[] = "fuzz.yaml";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = config_new();
    struct err err = {0};
    int result = config_read_yaml(config, name, data, size, &err);
    size_t length = strlen(err.text);
    if (result == 0 && length)
        abort();
    if (result != 0 && (err.code != result || length <= sizeof name))
        abort();
    if (result != 0 && strncmp(err.text, name, sizeof name - 1) != 0)
        abort();
    for (size_t i = 0; i < length; i++)
        if (err.text[i] < 0x20 || err.text[i] > 0x7e)
            abort();
    config_free(config);
    return 0;
}
