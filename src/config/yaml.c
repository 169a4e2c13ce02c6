#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"
#include "config/yaml_events.h"

/* A key of the file, for "appears a second time". */
struct seen {
    char *path;
    size_t line;
};

struct reader {
    struct config *config;
    struct yaml_events events;
    struct seen *seen; /* as many as there are known keys, and one unknown that stops it all */
    size_t seen_count;
};

/* Where a value stands: its dotted path and the line of its key. */
struct place {
    const char *path;
    size_t line;
};

/* What follows a schema_set of the value of `place`. */
static int end_value(struct reader *reader, const struct place *place,
                     const struct setting *setting, int result)
{
    char text[YAML_PLACE_SIZE];
    yaml_events_place(text, &reader->events, place->line);
    if (result == 0) {
        config_note_place(reader->config, setting, text);
        return 0;
    }
    err_prefix(reader->events.err, "%s: %s", text, setting->path);
    return result;
}

static int fail_unknown(struct reader *reader, const struct place *place)
{
    char key[CONFIG_NAME_SIZE];
    text_printable(key, sizeof key, place->path, strlen(place->path));
    const char *nearest = schema_nearest(place->path);
    if (nearest)
        return yaml_events_fail(&reader->events, place->line,
                                "key \"%s\" is not known; did you mean \"%s\"?", key, nearest);
    return yaml_events_fail(&reader->events, place->line,
                            "key \"%s\" is not known; \"doorbell config sample\" shows all keys",
                            key);
}

static int fail_section(struct reader *reader, const struct place *place)
{
    return yaml_events_fail(
        &reader->events, place->line,
        "key \"%s\" is a section; its settings go below it, indented by two spaces", place->path);
}

static int fail_no_value(struct reader *reader, const struct place *place, const char *standard)
{
    if (standard)
        return yaml_events_fail(
            &reader->events, place->line,
            "key \"%s\" has no value; write one, or put a # before the key to get the "
            "default (%s)",
            place->path, standard);
    return yaml_events_fail(
        &reader->events, place->line,
        "key \"%s\" has no value; write one, or put a # before the key to leave it out",
        place->path);
}

static int read_scalar(struct reader *reader, const struct place *place, const yaml_event_t *event)
{
    const struct setting *setting = schema_find(place->path);
    if (!setting && schema_is_section(place->path))
        return yaml_events_is_null(event) ? 0 : fail_section(reader, place);
    if (!setting)
        return fail_unknown(reader, place);
    if (yaml_events_is_null(event))
        return fail_no_value(reader, place, setting->standard);
    const char *text = yaml_events_text(event);
    if (!text)
        return yaml_events_fail(&reader->events, place->line, "%s: it has a zero byte in it",
                                place->path);
    return end_value(reader, place, setting,
                     schema_set(reader->config, setting, text, reader->events.err));
}

/* Checked here as well as by schema_set_list, for the line of the entry. */
static int read_item(struct reader *reader, const struct setting *setting,
                     const yaml_event_t *event, size_t position, char **item)
{
    size_t line = event->start_mark.line + 1;
    const char *text = event->type == YAML_SCALAR_EVENT ? yaml_events_text(event) : NULL;
    if (!text)
        return yaml_events_fail(&reader->events, line,
                                "%s: entry %zu is not a single value; put it in quotes",
                                setting->path, position);
    if (yaml_events_is_null(event))
        return yaml_events_fail(&reader->events, line,
                                "%s: entry %zu is empty; write a value or take it away",
                                setting->path, position);
    int result = schema_check_item(setting, text, position, item, reader->events.err);
    if (result == 0)
        return 0;
    err_prefix(reader->events.err, "%s", setting->path);
    return yaml_events_locate(&reader->events, line, result);
}

static int read_items(struct reader *reader, const struct place *place,
                      const struct setting *setting)
{
    char **items = NULL;
    size_t count = 0, room = 0;
    int result;
    for (;;) {
        yaml_event_t event;
        result = yaml_events_next(&reader->events, &event);
        if (result != 0)
            break;
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        if (count == room) {
            room = room ? 2 * room : 8;
            items = mem_resize(items, room * sizeof *items);
        }
        if (is_end)
            result = end_value(
                reader, place, setting,
                schema_set_list(reader->config, setting, items, count, reader->events.err));
        else
            result = read_item(reader, setting, &event, count + 1, &items[count]);
        yaml_events_forget(&event);
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
        return yaml_events_fail(&reader->events, place->line, "%s: it takes one value, not a list",
                                place->path);
    return read_items(reader, place, setting);
}

static int note_key(struct reader *reader, const struct place *place)
{
    for (size_t i = 0; i < reader->seen_count; i++)
        if (strcmp(reader->seen[i].path, place->path) == 0)
            return yaml_events_fail(
                &reader->events, place->line,
                "key \"%s\" appears a second time, first in line %zu; make them one", place->path,
                reader->seen[i].line);
    reader->seen = mem_resize(reader->seen, (reader->seen_count + 1) * sizeof *reader->seen);
    reader->seen[reader->seen_count++] = (struct seen){mem_text(place->path), place->line};
    return 0;
}

/* "push" and "timeout" make "push.timeout", as does the key "push.timeout" at the top. */
static int join_key(struct reader *reader, const char *section, const yaml_event_t *event,
                    char path[CONFIG_PATH_SIZE])
{
    size_t line = event->start_mark.line + 1;
    const char *key = event->type == YAML_SCALAR_EVENT ? yaml_events_text(event) : NULL;
    if (!key || !*key)
        return yaml_events_fail(&reader->events, line,
                                "a name is missing here; write it as \"key: value\"");
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
        return yaml_events_fail(&reader->events, place->line,
                                "%s: it takes a value, not a section of keys", place->path);
    bool is_known = !*place->path || schema_is_section(place->path);
    for (;;) {
        yaml_event_t event;
        int result = yaml_events_next(&reader->events, &event);
        if (result != 0)
            return result;
        bool is_end = event.type == YAML_MAPPING_END_EVENT;
        char path[CONFIG_PATH_SIZE];
        struct place inner = {path, event.start_mark.line + 1};
        if (!is_end)
            result = join_key(reader, place->path, &event, path);
        yaml_events_forget(&event);
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
    int result = yaml_events_next(&reader->events, &event);
    if (result != 0)
        return result;
    if (event.type == YAML_SCALAR_EVENT)
        result = read_scalar(reader, place, &event);
    else if (event.type == YAML_SEQUENCE_START_EVENT)
        result = read_list(reader, place);
    else
        result = read_section(reader, place);
    yaml_events_forget(&event);
    return result;
}

static int read_root(void *arg)
{
    struct reader *reader = arg;
    yaml_event_t event;
    int result = yaml_events_next(&reader->events, &event);
    if (result != 0)
        return result;
    size_t line = event.start_mark.line + 1;
    bool is_empty = event.type == YAML_SCALAR_EVENT && yaml_events_is_null(&event);
    if (event.type == YAML_MAPPING_START_EVENT)
        result = read_section(reader, &(struct place){"", line});
    else if (!is_empty)
        result = yaml_events_fail(&reader->events, line,
                                  "this is not a setting; write it as \"key: value\"");
    yaml_events_forget(&event);
    return result;
}

int config_read_yaml(struct config *config, const char *name, const void *bytes, size_t length,
                     struct err *err)
{
    struct reader reader = {.config = config};
    int result = yaml_events_begin(&reader.events, name, bytes, length, err);
    if (result != 0)
        return result;
    result = yaml_events_document(&reader.events, read_root, &reader);
    yaml_events_end(&reader.events);
    for (size_t i = 0; i < reader.seen_count; i++)
        free(reader.seen[i].path);
    free(reader.seen);
    return result;
}
