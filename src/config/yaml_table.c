#include "config/yaml_table.h"

#include "config/yaml_events.h"

struct reader {
    struct yaml_events events;
    const struct yaml_table *table;
    void *arg;
};

static int read_value(struct reader *reader, const char *key)
{
    yaml_event_t event;
    int result = yaml_events_next(&reader->events, &event);
    if (result != 0)
        return result;
    size_t line = event.start_mark.line + 1;
    const char *value = NULL;
    if (event.type == YAML_SCALAR_EVENT && !yaml_events_is_null(&event))
        value = yaml_events_text(&event);
    if (!value) {
        result = yaml_events_fail(&reader->events, line,
                                  "one value is missing here; write it as \"key: value\"");
    } else {
        result = reader->table->take(reader->arg, key, value, reader->events.err);
        if (result != 0)
            yaml_events_locate(&reader->events, line, result);
    }
    yaml_events_forget(&event);
    return result;
}

/* `*end` says that there was none, but the end of the keys. */
static int read_key(struct reader *reader, yaml_event_t *event, const char **key, bool *end)
{
    int result = yaml_events_next(&reader->events, event);
    if (result != 0)
        return result;
    *end = event->type == YAML_MAPPING_END_EVENT;
    *key = event->type == YAML_SCALAR_EVENT ? yaml_events_text(event) : NULL;
    if (*end || (*key && **key))
        return 0;
    size_t line = event->start_mark.line + 1;
    yaml_events_forget(event);
    return yaml_events_fail(&reader->events, line,
                            "a name is missing here; write it as \"key: value\"");
}

static int read_keys(struct reader *reader)
{
    for (;;) {
        yaml_event_t event;
        const char *key;
        bool end = false;
        int result = read_key(reader, &event, &key, &end);
        if (result != 0)
            return result;
        if (!end)
            result = read_value(reader, key);
        yaml_events_forget(&event);
        if (end || result != 0)
            return result;
    }
}

/* What stands below a name. */
static int read_section(struct reader *reader)
{
    yaml_event_t event;
    int result = yaml_events_next(&reader->events, &event);
    if (result != 0)
        return result;
    size_t line = event.start_mark.line + 1;
    bool is_section = event.type == YAML_MAPPING_START_EVENT;
    yaml_events_forget(&event);
    if (is_section)
        return read_keys(reader);
    return yaml_events_fail(&reader->events, line,
                            "lines of the form \"key: value\" are missing here; they go below the "
                            "name, indented by two spaces");
}

static int read_sections(struct reader *reader)
{
    for (;;) {
        yaml_event_t event;
        const char *name;
        bool end = false;
        int result = read_key(reader, &event, &name, &end);
        if (result != 0)
            return result;
        size_t line = event.start_mark.line + 1;
        if (!end) {
            result = reader->table->begin(reader->arg, name, reader->events.err);
            if (result != 0)
                yaml_events_locate(&reader->events, line, result);
        }
        yaml_events_forget(&event);
        if (end || result != 0)
            return result;
        result = read_section(reader);
        if (result != 0)
            return result;
    }
}

static int read_root(void *arg)
{
    struct reader *reader = arg;
    yaml_event_t event;
    int result = yaml_events_next(&reader->events, &event);
    if (result != 0)
        return result;
    size_t line = event.start_mark.line + 1;
    bool is_table = event.type == YAML_MAPPING_START_EVENT;
    bool is_empty = event.type == YAML_SCALAR_EVENT && yaml_events_is_null(&event);
    yaml_events_forget(&event);
    if (is_table)
        return read_sections(reader);
    if (is_empty)
        return 0;
    return yaml_events_fail(&reader->events, line,
                            "a name with a colon behind it is missing here, such as \"%s:\"",
                            reader->table->example);
}

int yaml_table_read(const struct yaml_table *table, void *arg, const char *name, const void *bytes,
                    size_t length, struct err *err)
{
    struct reader reader = {.table = table, .arg = arg};
    int result = yaml_events_begin(&reader.events, name, bytes, length, err);
    if (result != 0)
        return result;
    result = yaml_events_document(&reader.events, read_root, &reader);
    yaml_events_end(&reader.events);
    return result;
}
