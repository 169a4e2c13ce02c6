#include "config/toml.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/toml_internal.h"

struct document {
    struct toml_reader reader;
    struct toml_names names;
    struct toml_place table; /* what the last header opened */
    toml_fn *fn;
    void *arg;
};

static void free_items(struct toml_value *value)
{
    while (value->count)
        free(value->items[--value->count]);
    free(value->items);
    value->items = NULL;
}

/* Adds reader->text to the members of an array. */
static int add_item(struct toml_reader *reader, struct toml_value *value)
{
    size_t count = value->count;
    if (count == CONFIG_LIST_MAX)
        return toml_fail(reader, reader->line, "the array has more than %d members",
                         CONFIG_LIST_MAX);
    bool is_full = (count & (count - 1)) == 0; /* the room is the next power of two */
    if (is_full)
        value->items = mem_resize(value->items, (count ? 2 * count : 1) * sizeof *value->items);
    value->items[value->count++] = mem_copy(reader->text, reader->length);
    return 0;
}

/* Names */

static int fail_name(struct toml_reader *reader)
{
    char c = toml_peek(reader);
    if (toml_is_line_end(reader) || strchr("=.,]}", c))
        return toml_fail(reader, reader->line,
                         "a name is missing here; a line is written as name = \"value\"");
    if (strchr(";/", c))
        return toml_fail(reader, reader->line, "this is not a setting; a comment begins with #");
    return toml_fail_here(reader, "no name begins here; one that has other characters than "
                                  "letters, digits, - and _ must stand in quotes");
}

static int read_name_part(struct toml_reader *reader)
{
    char c = toml_peek(reader);
    if (c == '"' || c == '\'')
        return toml_read_string(reader, false);
    const char *begin = reader->at;
    while (toml_is_name_character(toml_peek(reader)))
        reader->at++;
    if (reader->at == begin)
        return fail_name(reader);
    reader->length = 0;
    return toml_add_text(reader, begin, (size_t)(reader->at - begin));
}

/* a.b."c": all but the last are of the step `inner`. */
static int read_name(struct document *document, struct toml_place *place, enum toml_step inner,
                     enum toml_step last)
{
    struct toml_reader *reader = &document->reader;
    for (;;) {
        int result = read_name_part(reader);
        if (result != 0)
            return result;
        toml_skip_spaces(reader);
        bool is_last = toml_peek(reader) != '.';
        result = toml_names_step(&document->names, reader, place, is_last ? last : inner);
        if (result != 0 || is_last)
            return result;
        reader->at++;
        toml_skip_spaces(reader);
    }
}

static int fail_equals(struct toml_reader *reader)
{
    if (toml_peek(reader) == ':')
        return toml_fail(reader, reader->line,
                         "a : stands after the name; write = instead: name = \"value\"");
    if (toml_is_line_end(reader))
        return toml_fail(reader, reader->line,
                         "this line has no =; write it as name = \"value\", or put a # before it");
    return toml_fail_here(reader,
                          "the = after the name is missing: name = \"value\"; a name that has "
                          "other characters than letters, digits, - and _ must stand in quotes");
}

static int read_equals(struct toml_reader *reader)
{
    toml_skip_spaces(reader);
    if (toml_peek(reader) != '=')
        return fail_equals(reader);
    reader->at++;
    toml_skip_spaces(reader);
    return 0;
}

/* Values */

/* TOML_DEPTH_MAX bounds how deep these call each other. */
static int read_value(struct document *document, struct toml_value *value, unsigned depth);

/* Whether a line "name = value" begins here: in an array it means that its ] was forgotten. */
static bool is_pair_ahead(const struct toml_reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && toml_is_name_character(*at))
        at++;
    bool has_name = at > reader->at;
    while (at < reader->end && (*at == ' ' || *at == '\t'))
        at++;
    return has_name && at < reader->end && *at == '=';
}

static int check_open_array(struct toml_reader *reader, unsigned opened)
{
    if (reader->at < reader->end && !is_pair_ahead(reader))
        return 0;
    return toml_fail(reader, opened,
                     "the array that begins here is not closed; put a ] after its last member");
}

static int read_item(struct document *document, struct toml_value *value, unsigned depth)
{
    struct toml_value item = {0};
    int result = read_value(document, &item, depth + 1);
    free_items(&item);
    if (result != 0)
        return result;
    if (item.type == TOML_STRING && value->type == TOML_STRINGS)
        return add_item(&document->reader, value);
    free_items(value);
    value->type = TOML_OTHER;
    return 0;
}

/* A member of the array and the comma behind it. */
static int read_member(struct document *document, struct toml_value *value, unsigned opened,
                       unsigned depth)
{
    struct toml_reader *reader = &document->reader;
    int result = check_open_array(reader, opened);
    if (result == 0)
        result = read_item(document, value, depth);
    if (result != 0)
        return result;
    toml_skip_blank(reader);
    if (toml_peek(reader) == ']')
        return 0;
    result = check_open_array(reader, opened);
    if (result != 0)
        return result;
    if (*reader->at != ',')
        return toml_fail_here(reader, "a comma is missing between two members of the array, or the "
                                      "] after the last");
    reader->at++;
    toml_skip_blank(reader);
    return 0;
}

static int read_array(struct document *document, struct toml_value *value, unsigned depth)
{
    struct toml_reader *reader = &document->reader;
    unsigned opened = reader->line;
    value->type = TOML_STRINGS;
    reader->at++;
    toml_skip_blank(reader);
    while (toml_peek(reader) != ']') {
        int result = read_member(document, value, opened, depth);
        if (result != 0)
            return result;
    }
    reader->at++;
    return 0;
}

static int read_pair(struct document *document, struct toml_place *place, struct toml_value *value,
                     unsigned depth)
{
    struct toml_reader *reader = &document->reader;
    value->line = reader->line;
    int result = read_name(document, place, TOML_STEP_DOTTED, TOML_STEP_VALUE);
    if (result == 0)
        result = read_equals(reader);
    return result == 0 ? read_value(document, value, depth) : result;
}

static int fail_inline(struct toml_reader *reader)
{
    return toml_fail_here(reader, "a table in braces stands in one line, with commas between its "
                                  "members and none after the last: {a = 1, b = 2}");
}

static int read_inline_member(struct document *document, struct toml_place place, unsigned depth)
{
    struct toml_reader *reader = &document->reader;
    struct toml_value value = {0};
    if (toml_is_line_end(reader))
        return fail_inline(reader);
    int result = read_pair(document, &place, &value, depth + 1);
    free_items(&value);
    if (result != 0)
        return result;
    toml_skip_spaces(reader);
    if (toml_peek(reader) == '}')
        return 0;
    if (toml_peek(reader) != ',')
        return fail_inline(reader);
    reader->at++;
    toml_skip_spaces(reader);
    return toml_peek(reader) == '}' ? fail_inline(reader) : 0;
}

static int read_inline(struct document *document, unsigned depth)
{
    struct toml_reader *reader = &document->reader;
    struct toml_place table = {.scope = toml_names_new_scope(&document->names)};
    reader->at++;
    toml_skip_spaces(reader);
    while (toml_peek(reader) != '}') {
        int result = read_inline_member(document, table, depth);
        if (result != 0)
            return result;
    }
    reader->at++;
    return 0;
}

static int read_value(struct document *document, struct toml_value *value, unsigned depth)
{
    struct toml_reader *reader = &document->reader;
    char c = toml_peek(reader);
    bool is_nest = c == '[' || c == '{';
    if (is_nest && depth == TOML_DEPTH_MAX)
        return toml_fail(reader, reader->line,
                         "more than %d brackets are open here; is it the right file?",
                         TOML_DEPTH_MAX);
    if (c == '[')
        return read_array(document, value, depth);
    value->type = c == '{' ? TOML_OTHER : TOML_STRING;
    if (c == '{')
        return read_inline(document, depth);
    value->text = reader->text;
    if (c == '"' || c == '\'')
        return toml_read_string(reader, true);
    return toml_read_plain(reader, &value->type);
}

/* Lines */

static int end_line(struct toml_reader *reader)
{
    toml_skip_spaces(reader);
    if (toml_is_line_end(reader))
        return 0;
    if (*reader->at == ',')
        return toml_fail(reader, reader->line,
                         "a comma follows the value; put several values in brackets: [\"one\", "
                         "\"two\"]");
    return toml_fail_here(reader, "something that does not belong here follows in this line; take "
                                  "it away, or put a # before it");
}

static int read_setting(struct document *document)
{
    struct toml_reader *reader = &document->reader;
    struct toml_place place = document->table;
    struct toml_value value = {0};
    int result = read_pair(document, &place, &value, 0);
    if (result == 0)
        result = end_line(reader);
    if (result == 0) {
        result = document->fn(document->arg, place.path, &value, reader->err);
        reader->wrong_line = result != 0 ? value.line : reader->wrong_line;
    }
    free_items(&value);
    return result;
}

/* [a.b] or [[a.b]] */
static int read_header(struct document *document)
{
    struct toml_reader *reader = &document->reader;
    struct toml_place place = {0};
    reader->at++;
    bool is_array = toml_peek(reader) == '[';
    reader->at += is_array;
    toml_skip_spaces(reader);
    int result =
        read_name(document, &place, TOML_STEP_INTO, is_array ? TOML_STEP_ARRAY : TOML_STEP_TABLE);
    if (result != 0)
        return result;
    const char *bracket = is_array ? "]]" : "]";
    size_t length = strlen(bracket);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, bracket, length) != 0)
        return toml_fail(reader, reader->line, "the name of the table must end with %s", bracket);
    reader->at += length;
    document->table = place;
    return end_line(reader);
}

static int read_lines(struct document *document)
{
    static const char mark[] = "\xef\xbb\xbf"; /* Windows editors put it first */
    struct toml_reader *reader = &document->reader;
    size_t length = sizeof mark - 1;
    if ((size_t)(reader->end - reader->at) >= length && memcmp(reader->at, mark, length) == 0)
        reader->at += length;
    for (;;) {
        toml_skip_blank(reader);
        if (reader->at == reader->end)
            return 0;
        int result = *reader->at == '[' ? read_header(document) : read_setting(document);
        if (result != 0)
            return result;
    }
}

/* What was read last may be a key. */
static void forget_text(struct toml_reader *reader)
{
    sodium_memzero(reader->text, sizeof reader->text);
}

int toml_read(const void *bytes, size_t length, toml_fn *fn, void *arg, unsigned *line,
              struct err *err)
{
    const char *text = bytes ? bytes : "";
    struct document document = {
        .reader = {.at = text, .end = text + length, .line = 1, .wrong_line = 1, .err = err},
        .fn = fn,
        .arg = arg,
    };
    int result;
    toml_names_init(&document.names);
    if (length > CONFIG_FILE_MAX)
        result = err_set(err, ERR_LIMIT, "it is larger than %d KiB; is it the right file?",
                         CONFIG_FILE_MAX / 1024);
    else
        result = toml_check_bytes(&document.reader);
    if (result == 0)
        result = read_lines(&document);
    toml_names_fini(&document.names);
    forget_text(&document.reader);
    if (result != 0 && line)
        *line = document.reader.wrong_line;
    return result;
}

/* Arrays in the environment */

/* A member without quotes ends at the comma; in it, blanks and quotes are signs of a mistake. */
static int read_bare_member(struct toml_reader *reader)
{
    const char *begin = reader->at;
    int result = toml_check_stray(reader);
    if (result != 0)
        return result;
    while (reader->at < reader->end && !strchr(", \t\r\n\"'", *reader->at))
        reader->at++;
    if (reader->at == begin)
        return toml_fail(reader, reader->line,
                         "a member of the list is empty; take one comma away");
    reader->length = 0;
    return toml_add_text(reader, begin, (size_t)(reader->at - begin));
}

static int read_bare_list(struct toml_reader *reader, struct toml_value *list)
{
    for (;;) {
        toml_skip_white(reader);
        if (reader->at == reader->end)
            return 0;
        bool is_quoted = *reader->at == '"' || *reader->at == '\'';
        int result = is_quoted ? toml_read_string(reader, true) : read_bare_member(reader);
        if (result == 0)
            result = add_item(reader, list);
        if (result != 0)
            return result;
        toml_skip_white(reader);
        if (reader->at < reader->end && *reader->at++ != ',')
            return toml_fail(reader, reader->line,
                             "a comma is missing between two members of the list, or a quote at "
                             "one end of a member");
    }
}

/* Goes inside. */
static int open_brackets(struct toml_reader *reader)
{
    toml_skip_white(reader);
    while (reader->end > reader->at && strchr(" \t\r\n", reader->end[-1]))
        reader->end--;
    if (toml_peek(reader) != '[')
        return toml_fail(reader, reader->line, "a list must stand in brackets: [\"one\", \"two\"]");
    reader->at++;
    if (reader->end == reader->at || reader->end[-1] != ']')
        return toml_fail(reader, reader->line, "the ] at the end of the list is missing");
    reader->end--;
    return 0;
}

int toml_read_array(const char *text, char ***items, size_t *count, struct err *err)
{
    struct toml_reader reader = {.at = text, .end = text + strlen(text), .line = 1, .err = err};
    struct toml_value list = {0};
    int result = toml_check_bytes(&reader);
    if (result == 0)
        result = open_brackets(&reader);
    if (result == 0)
        result = read_bare_list(&reader, &list);
    forget_text(&reader);
    if (result != 0)
        free_items(&list);
    *items = list.items;
    *count = list.count;
    return result;
}
