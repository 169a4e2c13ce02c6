#include "config/yaml_events.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/internal.h"

void yaml_events_place(char text[YAML_PLACE_SIZE], const struct yaml_events *events, size_t line)
{
    char name[2 * CONFIG_NAME_SIZE];
    text_printable(name, sizeof name, events->name, strlen(events->name));
    snprintf(text, YAML_PLACE_SIZE, "%s:%zu", name, line);
}

int yaml_events_locate(struct yaml_events *events, size_t line, int code)
{
    char text[YAML_PLACE_SIZE];
    yaml_events_place(text, events, line);
    err_prefix(events->err, "%s", text);
    return code;
}

int yaml_events_fail(struct yaml_events *events, size_t line, const char *format, ...)
{
    char sentence[sizeof events->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    err_set(events->err, ERR_INVALID, "%s", sentence);
    return yaml_events_locate(events, line, ERR_INVALID);
}

/* Of the byte at `offset`, from 1. */
static size_t line_at(const struct yaml_events *events, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < events->length; i++)
        line += events->bytes[i] == '\n';
    return line;
}

static bool is_indented_with_tab(const struct yaml_events *events, size_t line)
{
    const char *at = events->bytes, *end = events->bytes + events->length;
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

static int fail_syntax(struct yaml_events *events)
{
    const yaml_parser_t *parser = &events->parser;
    const char *problem = parser->problem ? parser->problem : "no memory";
    const char *context = parser->context ? parser->context : "";
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR)
        return yaml_events_fail(events, line_at(events, parser->problem_offset),
                                "this is not plain text in UTF-8 (%s); save the file as such",
                                problem);
    if (is_indented_with_tab(events, line))
        return yaml_events_fail(events, line, "this line begins with a tab; indent it with spaces");
    if (text_starts(context, "while scanning an a"))
        return yaml_events_fail(events, line,
                                "a value that begins with * or & must stand in quotes: \"*\"");
    if (text_starts(context, "while scanning a quoted") ||
        text_starts(context, "while parsing a flow"))
        return yaml_events_fail(
            events, parser->context_mark.line + 1,
            "a quote or a bracket opens here and is not closed properly; a value that "
            "begins with [ must stand in quotes");
    return yaml_events_fail(
        events, line,
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
int yaml_events_next(struct yaml_events *events, yaml_event_t *event)
{
    if (!yaml_parser_parse(&events->parser, event))
        return fail_syntax(events);
    const char *unwanted = unwanted_in(event);
    if (!unwanted)
        return 0;
    size_t line = event->start_mark.line + 1;
    yaml_event_delete(event);
    return yaml_events_fail(
        events, line,
        "%s is not taken here; write the value itself, in quotes if it begins with *, & "
        "or !",
        unwanted);
}

bool yaml_events_is_null(const yaml_event_t *event)
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
const char *yaml_events_text(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return strlen(text) == event->data.scalar.length ? text : NULL;
}

/* Stream start, then nothing or one document, then stream end. */
int yaml_events_document(struct yaml_events *events, int (*root)(void *arg), void *arg)
{
    bool have_read = false;
    for (;;) {
        yaml_event_t event;
        int result = yaml_events_next(events, &event);
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
            return yaml_events_fail(events, line, "a second document begins here; keep only one");
        result = root(arg);
        if (result != 0)
            return result;
        have_read = true;
    }
}

int yaml_events_begin(struct yaml_events *events, const char *name, const void *bytes,
                      size_t length, struct err *err)
{
    /* libyaml takes no NULL for nothing. */
    const char *text = bytes ? bytes : "";
    *events = (struct yaml_events){.name = name, .bytes = text, .length = length, .err = err};
    if (length > CONFIG_FILE_MAX)
        return err_set(err, ERR_LIMIT, "%s: it is larger than %d KiB; is it the right file?", name,
                       CONFIG_FILE_MAX / 1024);
    if (!yaml_parser_initialize(&events->parser))
        return err_set(err, ERR_LIMIT, "%s: there is no memory to read it", name);
    yaml_parser_set_input_string(&events->parser, (const unsigned char *)text, length);
    return 0;
}

void yaml_events_end(struct yaml_events *events)
{
    yaml_parser_delete(&events->parser);
}

void yaml_events_forget(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        sodium_memzero(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}
