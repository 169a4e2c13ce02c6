/* A file of push.headers_file, and an entry of push.connect_to where the first byte is "=".
 * Whatever is taken makes whole lines of a request, of headers that are not ours. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "push/connect_to.h"
#include "push/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void expect_sentence(const struct err *err)
{
    expect(err->text[0] != '\0');
    for (const char *c = err->text; *c; c++)
        expect(*c >= ' ' && *c <= '~');
}

static void expect_line(const char *line)
{
    static const char *const ours[] = {"Host:", "Content-Length:", "Transfer-Encoding:", "TTL:"};
    const char *colon = strchr(line, ':');
    expect(colon && colon > line && colon[1] == ' ' && colon[2]);
    for (const char *c = line; *c; c++)
        expect(*c >= ' ' && *c <= '~' && (c > colon || *c != ' '));
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        expect(strncasecmp(line, ours[i], strlen(ours[i])) != 0);
}

static void try_file(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct headers *headers = headers_read("fuzz.yaml", data, size, &err);
    if (!headers) {
        expect_sentence(&err);
        expect(strncmp(err.text, "fuzz.yaml:", 10) == 0);
        return;
    }
    const struct header_list *list = headers_for(headers, "https://a.example");
    for (size_t i = 0; list && i < list->count; i++)
        expect_line(list->lines[i]);
    headers_free(headers);
}

static void try_entry(const char *text)
{
    char *item = mem_text(text);
    const struct strings entries = {.items = &item, .count = 1};
    struct err err = {0};
    struct connect_to *list = connect_to_new(&entries, &err);
    struct connect_target target;
    struct url url;
    expect(url_parse(&url, "https://a.example/up", NULL) == 0);
    if (!list)
        expect_sentence(&err);
    else if (connect_to_find(list, &url, &target))
        expect(target.port > 0 && target.host[0] && !strpbrk(target.host, "[]/@,= "));
    url_fini(&url);
    connect_to_free(list);
    free(item);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() < 0)
        return 0;
    if (size == 0 || data[0] != '=') {
        try_file(data, size);
        return 0;
    }
    char *text = mem_copy((const char *)data + 1, size - 1);
    try_entry(text);
    free(text);
    return 0;
}
