#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"

/* A key of the file, for "appears a second time". */
struct seen {
    char *path;
    size_t line;
};

struct reader {
    struct config *config;
    const char *name;
    const char *bytes;
    size_t length;
    yaml_parser_t parser;
    struct seen *seen; /* as many as there are known keys, and one unknown that stops it all */
    size_t seen_count;
    struct err *err;
};

/* Where a value stands: its dotted path and the line of its key. */
struct place {
    const char *path;
    size_t line;
};

static int locate(struct reader *reader, size_t line, int code)
{
    char name[2 * CONFIG_NAME_SIZE];
    text_printable(name, sizeof name, reader->name, strlen(reader->name));
    err_prefix(reader->err, "%s:%zu", name, line);
    return code;
}

__attribute__((format(printf, 3, 4))) static int fail(struct reader *reader, size_t line,
                                                      const char *format, ...)
{
    char sentence[sizeof reader->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    err_set(reader->err, ERR_INVALID, "%s", sentence);
    return locate(reader, line, ERR_INVALID);
}

static int fail_unknown(struct reader *reader, const struct place *place)
{
    char key[CONFIG_NAME_SIZE];
    text_printable(key, sizeof key, place->path, strlen(place->path));
    const char *nearest = schema_nearest(place->path);
    if (nearest)
        return fail(reader, place->line, "key \"%s\" is not known; did you mean \"%s\"?", key,
                    nearest);
    return fail(reader, place->line,
                "key \"%s\" is not known; \"doorbell config sample\" shows all keys", key);
}

static int fail_section(struct reader *reader, const struct place *place)
{
    return fail(reader, place->line,
                "key \"%s\" is a section; its settings go below it, indented by two spaces",
                place->path);
}

/* Of the byte at `offset`, from 1. */
static size_t line_at(const struct reader *reader, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < reader->length; i++)
        line += reader->bytes[i] == '\n';
    return line;
}

static bool is_indented_with_tab(const struct reader *reader, size_t line)
{
    const char *at = reader->bytes, *end = reader->bytes + reader->length;
    for (size_t i = 1; i < line; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            return false;
        at = newline + 1;
    }
    while (at < end && *at == ' ')
        at++;
    return at < end && *at == '\t';
}

static int fail_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem ? parser->problem : "no memory";
    const char *context = parser->context ? parser->context : "";
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR)
        return fail(reader, line_at(reader, parser->problem_offset),
                    "this is not plain text in UTF-8 (%s); save the file as such", problem);
    if (is_indented_with_tab(reader, line))
        return fail(reader, line, "this line begins with a tab; indent it with spaces");
    if (text_starts(context, "while scanning an a"))
        return fail(reader, line, "a value that begins with * or & must stand in quotes: \"*\"");
    if (text_starts(context, "while scanning a quoted") ||
        text_starts(context, "while parsing a flow"))
        return fail(reader, parser->context_mark.line + 1,
                    "a quote or a bracket opens here and is not closed properly; a value that "
                    "begins with [ must stand in quotes");
    return fail(reader, line,
                "this cannot be read as YAML (%s); check the indentation and the colons, and put "
                "values with special characters in quotes",
                problem);
}

/* What no configuration needs, and what makes a small file large. */
static const char *unwanted_in(const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "an alias (*)";
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor)
        return "an anchor (&)";
    return tag ? "a tag (!)" : NULL;
}

/* The caller deletes the event when there was one. */
static int next_event(struct reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event))
        return fail_syntax(reader);
    const char *unwanted = unwanted_in(event);
    if (!unwanted)
        return 0;
    size_t line = event->start_mark.line + 1;
    yaml_event_delete(event);
    return fail(reader, line,
                "%s is not taken here; write the value itself, in quotes if it begins with *, & "
                "or !",
                unwanted);
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp((const char *)event->data.scalar.value, words[i]) == 0)
            return true;
    return false;
}

/* The text of a scalar, or NULL when a zero byte would cut it short. */
static const char *scalar_text(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return strlen(text) == event->data.scalar.length ? text : NULL;
}

static int fail_no_value(struct reader *reader, const struct place *place, const char *standard)
{
    if (standard)
        return fail(reader, place->line,
                    "key \"%s\" has no value; write one, or put a # before the key to get the "
                    "default (%s)",
                    place->path, standard);
    return fail(reader, place->line,
                "key \"%s\" has no value; write one, or put a # before the key to leave it out",
                place->path);
}

static int read_scalar(struct reader *reader, const struct place *place, const yaml_event_t *event)
{
    const struct setting *setting = schema_find(place->path);
    if (!setting && schema_is_section(place->path))
        return is_null(event) ? 0 : fail_section(reader, place);
    if (!setting)
        return fail_unknown(reader, place);
    if (is_null(event))
        return fail_no_value(reader, place, setting->standard);
    const char *text = scalar_text(event);
    if (!text)
        return fail(reader, place->line, "%s: it has a zero byte in it", place->path);
    int result = schema_set(reader->config, setting, text, reader->err);
    if (result == 0)
        return 0;
    err_prefix(reader->err, "%s", setting->path);
    return locate(reader, place->line, result);
}

/* Checked here as well as by schema_set_list, for the line of the entry. */
static int read_item(struct reader *reader, const struct setting *setting,
                     const yaml_event_t *event, size_t position, char **item)
{
    size_t line = event->start_mark.line + 1;
    const char *text = event->type == YAML_SCALAR_EVENT ? scalar_text(event) : NULL;
    if (!text)
        return fail(reader, line, "%s: entry %zu is not a single value; put it in quotes",
                    setting->path, position);
    if (is_null(event))
        return fail(reader, line, "%s: entry %zu is empty; write a value or take it away",
                    setting->path, position);
    int result = schema_check_item(setting, text, position, item, reader->err);
    if (result == 0)
        return 0;
    err_prefix(reader->err, "%s", setting->path);
    return locate(reader, line, result);
}

static int set_items(struct reader *reader, const struct place *place,
                     const struct setting *setting, char **items, size_t count)
{
    int result = schema_set_list(reader->config, setting, items, count, reader->err);
    if (result == 0)
        return 0;
    err_prefix(reader->err, "%s", setting->path);
    return locate(reader, place->line, result);
}

static int read_items(struct reader *reader, const struct place *place,
                      const struct setting *setting)
{
    char **items = NULL;
    size_t count = 0, room = 0;
    int result;
    for (;;) {
        yaml_event_t event;
        result = next_event(reader, &event);
        if (result != 0)
            break;
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        if (count == room) {
            room = room ? 2 * room : 8;
            items = mem_resize(items, room * sizeof *items);
        }
        if (is_end)
            result = set_items(reader, place, setting, items, count);
        else
            result = read_item(reader, setting, &event, count + 1, &items[count]);
        yaml_event_delete(&event);
        if (is_end || result != 0)
            break;
        count++;
    }
    while (count)
        free(items[--count]);
    free(items);
    return result;
}

static int read_list(struct reader *reader, const struct place *place)
{
    const struct setting *setting = schema_find(place->path);
    if (!setting && schema_is_section(place->path))
        return fail_section(reader, place);
    if (!setting)
        return fail_unknown(reader, place);
    if (setting->type != SETTING_LIST)
        return fail(reader, place->line, "%s: it takes one value, not a list", place->path);
    return read_items(reader, place, setting);
}

static int note_key(struct reader *reader, const struct place *place)
{
    for (size_t i = 0; i < reader->seen_count; i++)
        if (strcmp(reader->seen[i].path, place->path) == 0)
            return fail(reader, place->line,
                        "key \"%s\" appears a second time, first in line %zu; make them one",
                        place->path, reader->seen[i].line);
    reader->seen = mem_resize(reader->seen, (reader->seen_count + 1) * sizeof *reader->seen);
    reader->seen[reader->seen_count++] = (struct seen){mem_text(place->path), place->line};
    return 0;
}

/* "push" and "timeout" make "push.timeout", as does the key "push.timeout" at the top. */
static int join_key(struct reader *reader, const char *section, const yaml_event_t *event,
                    char path[CONFIG_PATH_SIZE])
{
    size_t line = event->start_mark.line + 1;
    const char *key = event->type == YAML_SCALAR_EVENT ? scalar_text(event) : NULL;
    if (!key || !*key)
        return fail(reader, line, "a name is missing here; write it as \"key: value\"");
    int length = snprintf(path, CONFIG_PATH_SIZE, "%s%s%s", section, *section ? "." : "", key);
    if (length < CONFIG_PATH_SIZE)
        return 0;
    return fail_unknown(reader, &(struct place){path, line});
}

static int read_value(struct reader *reader, const struct place *place);

/* CONFIG_PATH_SIZE bounds how deep this nests. */
static int read_section(struct reader *reader, const struct place *place)
{
    if (schema_find(place->path))
        return fail(reader, place->line, "%s: it takes a value, not a section of keys",
                    place->path);
    bool is_known = !*place->path || schema_is_section(place->path);
    for (;;) {
        yaml_event_t event;
        int result = next_event(reader, &event);
        if (result != 0)
            return result;
        bool is_end = event.type == YAML_MAPPING_END_EVENT;
        char path[CONFIG_PATH_SIZE];
        struct place inner = {path, event.start_mark.line + 1};
        if (!is_end)
            result = join_key(reader, place->path, &event, path);
        yaml_event_delete(&event);
        if (is_end)
            return is_known ? 0 : fail_unknown(reader, place);
        if (result == 0)
            result = note_key(reader, &inner);
        if (result == 0)
            result = read_value(reader, &inner);
        if (result != 0)
            return result;
    }
}

static int read_value(struct reader *reader, const struct place *place)
{
    yaml_event_t event;
    int result = next_event(reader, &event);
    if (result != 0)
        return result;
    if (event.type == YAML_SCALAR_EVENT)
        result = read_scalar(reader, place, &event);
    else if (event.type == YAML_SEQUENCE_START_EVENT)
        result = read_list(reader, place);
    else
        result = read_section(reader, place);
    yaml_event_delete(&event);
    return result;
}

static int read_root(struct reader *reader)
{
    yaml_event_t event;
    int result = next_event(reader, &event);
    if (result != 0)
        return result;
    size_t line = event.start_mark.line + 1;
    bool is_empty = event.type == YAML_SCALAR_EVENT && is_null(&event);
    if (event.type == YAML_MAPPING_START_EVENT)
        result = read_section(reader, &(struct place){"", line});
    else if (!is_empty)
        result = fail(reader, line, "this is not a setting; write it as \"key: value\"");
    yaml_event_delete(&event);
    return result;
}

/* Stream start, then nothing or one document, then stream end. */
static int read_stream(struct reader *reader)
{
    bool have_read = false;
    for (;;) {
        yaml_event_t event;
        int result = next_event(reader, &event);
        if (result != 0)
            return result;
        yaml_event_type_t type = event.type;
        size_t line = event.start_mark.line + 1;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (have_read)
            return fail(reader, line, "a second document begins here; keep only one");
        result = read_root(reader);
        if (result != 0)
            return result;
        have_read = true;
    }
}

int config_read_yaml(struct config *config, const char *name, const void *bytes, size_t length,
                     struct err *err)
{
    /* libyaml takes no NULL for nothing. */
    const char *text = bytes ? bytes : "";
    struct reader reader = {
        .config = config, .name = name, .bytes = text, .length = length, .err = err};
    if (length > CONFIG_FILE_MAX)
        return err_set(err, ERR_LIMIT, "%s: it is larger than %d KiB; is it the right file?", name,
                       CONFIG_FILE_MAX / 1024);
    if (!yaml_parser_initialize(&reader.parser))
        return err_set(err, ERR_LIMIT, "%s: there is no memory to read it", name);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
    int result = read_stream(&reader);
    yaml_parser_delete(&reader.parser);
    for (size_t i = 0; i < reader.seen_count; i++)
        free(reader.seen[i].path);
    free(reader.seen);
    return result;
}
