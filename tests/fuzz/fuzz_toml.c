/* A TOML document of any bytes is read, or refused with a line of it and a sentence; what it hands
 * out keeps the promises of toml.h. The same bytes are then read as a list of the environment. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/internal.h"
#include "config/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_kept)
{
    if (!is_kept)
        abort();
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            return false;
    return true;
}

static void check_sentence(int result, const struct err *err)
{
    require(err->code == result && (result == 0) == !*err->text);
    require(is_printable(err->text) && strlen(err->text) < sizeof err->text - 1);
}

static void check_integer(const char *text)
{
    char *end;
    errno = 0;
    (void)strtoll(text, &end, 10);
    require(errno == 0 && end > text && *end == '\0');
}

static int check_value(void *arg, const char *key, const struct toml_value *value, struct err *err)
{
    unsigned *last_line = arg;
    (void)err;
    require(*key && is_printable(key) && strlen(key) < CONFIG_PATH_SIZE);
    require(value->line >= 1 && value->line >= *last_line);
    *last_line = value->line;
    require(!value->text == (value->type == TOML_STRINGS || value->type == TOML_OTHER));
    require(!value->text || strlen(value->text) <= CONFIG_VALUE_MAX);
    require(value->count <= (value->type == TOML_STRINGS ? CONFIG_LIST_MAX : 0));
    for (size_t i = 0; i < value->count; i++)
        require(strlen(value->items[i]) <= CONFIG_VALUE_MAX);
    if (value->type == TOML_INTEGER)
        check_integer(value->text);
    return 0;
}

static unsigned count_lines(const uint8_t *data, size_t size)
{
    unsigned lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    unsigned last_line = 0, line = 0;
    int result = toml_read(data, size, check_value, &last_line, &line, &err);
    check_sentence(result, &err);
    require(result == 0 ? line == 0 : line >= last_line && line <= count_lines(data, size));

    char *text = mem_copy((const char *)data, size);
    char **items;
    size_t count;
    err = (struct err){0};
    result = toml_read_array(text, &items, &count, &err);
    check_sentence(result, &err);
    require(result == 0 || (!items && count == 0));
    for (size_t i = 0; i < count; i++) {
        require(strlen(items[i]) <= CONFIG_VALUE_MAX);
        free(items[i]);
    }
    free(items);
    free(text);
    return 0;
}
