#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/internal.h"

enum {
    DOCUMENT_MAX = 256 * 1024, /* far more than the table makes; nothing is ever left out */
    COMMENT_WIDTH = 96,
};

static const char sample_head[] =
    "# Settings of Doorbell. Each line that begins with a # and a name shows a default: take the "
    "#\n"
    "# away and change the value. What is left out keeps its default.\n"
    "#\n"
    "# The environment wins over this file: push.timeout is DOORBELL_PUSH_TIMEOUT there, and a "
    "list\n"
    "# is written one,two. Durations are written 250ms, 20s, 5m, 1h or 2d. Values that begin with\n"
    "# another character than a letter, a digit, a dot or a slash stand in quotes.\n";

/* The buffer's bytes as text, which the caller frees. */
static char *take_text(struct buf *buf)
{
    char *text = mem_copy((const char *)buf->bytes, buf->length);
    buf_fini(buf);
    return text;
}

static size_t section_length(const struct setting *setting)
{
    return strcspn(setting->path, ".");
}

/* Of its own, without a section. */
static bool stands_alone(const struct setting *setting)
{
    return !setting->path[section_length(setting)];
}

static const char *name_of(const struct setting *setting)
{
    return stands_alone(setting) ? setting->path : setting->path + section_length(setting) + 1;
}

static const char *indent_of(const struct setting *setting)
{
    return stands_alone(setting) ? "" : "  ";
}

static bool is_of_section(const struct setting *setting, const struct setting *other)
{
    size_t length = section_length(setting);
    return length == section_length(other) && strncmp(setting->path, other->path, length) == 0;
}

static bool begins_section(size_t i)
{
    return i == 0 || !is_of_section(&schema[i], &schema[i - 1]);
}

/* "auto, ipv4 or ipv6", after the help of a choice. */
static void add_choices(struct buf *buf, const struct setting *setting)
{
    if (setting->type != SETTING_CHOICE)
        return;
    buf_add_text(buf, " One of: ");
    for (size_t i = 0; setting->choices[i]; i++)
        buf_format(buf, "%s%s", i ? ", " : "", setting->choices[i]);
    buf_add_text(buf, ".");
}

static char *help_of(const struct setting *setting)
{
    struct buf help;
    buf_init(&help, DOCUMENT_MAX);
    buf_add_text(&help, setting->help);
    add_choices(&help, setting);
    if (setting->fixed)
        buf_add_text(&help, " " SCHEMA_FIXED_HELP);
    return take_text(&help);
}

/* Breaks at spaces. */
static void add_comment(struct buf *buf, const char *indent, const char *text)
{
    while (*text) {
        size_t length = strlen(text);
        if (length > COMMENT_WIDTH) {
            length = COMMENT_WIDTH;
            while (length > 1 && text[length] != ' ')
                length--;
        }
        buf_format(buf, "%s# %.*s\n", indent, (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

/* A default of the table has neither quotes nor backslashes in it. */
static void add_list(struct buf *buf, const char *standard)
{
    buf_add_text(buf, "[");
    for (const char *at = standard; *at;) {
        size_t length = strcspn(at, ",");
        buf_format(buf, "%s\"%.*s\"", at == standard ? "" : ", ", (int)length, at);
        at += length;
        at += strspn(at, ", ");
    }
    buf_add_text(buf, "]");
}

static void add_default(struct buf *buf, const struct setting *setting)
{
    const char *standard = setting->standard ? setting->standard : "";
    if (setting->type == SETTING_LIST)
        add_list(buf, standard);
    else if (setting->type == SETTING_TEXT)
        buf_format(buf, "\"%s\"", standard);
    else
        buf_add_text(buf, standard);
}

char *schema_sample_yaml(void)
{
    struct buf buf;
    buf_init(&buf, DOCUMENT_MAX);
    buf_add_text(&buf, sample_head);
    for (size_t i = 0; i < schema_count; i++) {
        const struct setting *setting = &schema[i];
        if (stands_alone(setting))
            buf_add_text(&buf, "\n");
        else if (begins_section(i))
            buf_format(&buf, "\n%.*s:\n", (int)section_length(setting), setting->path);
        char *help = help_of(setting);
        add_comment(&buf, indent_of(setting), help);
        free(help);
        buf_format(&buf, "%s#%s: ", indent_of(setting), name_of(setting));
        add_default(&buf, setting);
        buf_add_text(&buf, "\n");
    }
    return take_text(&buf);
}

static void add_markdown_row(struct buf *buf, const struct setting *setting)
{
    char *variable = schema_environment_name(setting);
    char *help = help_of(setting);
    buf_format(buf, "| `%s` | `%s` | ", setting->path, variable);
    if (setting->standard)
        buf_format(buf, "`%s`", setting->standard);
    buf_format(buf, " | %s |\n", help);
    free(help);
    free(variable);
}

char *schema_markdown(void)
{
    struct buf buf;
    buf_init(&buf, DOCUMENT_MAX);
    buf_add_text(&buf, "| setting | environment | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < schema_count; i++)
        add_markdown_row(&buf, &schema[i]);
    return take_text(&buf);
}

/* JSON's form of texts and lists is YAML, too. Takes the value over. */
static char *json_text(json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    json_decref(value);
    return text ? text : mem_text("\"(not UTF-8)\"");
}

/* A user name and password before a host are secrets, however oddly they are written. */
static json_t *item_text(const char *item)
{
    const char *host = strstr(item, "://"), *at = host ? strrchr(host, '@') : NULL;
    if (!at)
        return json_string(item);
    char *shown = mem_format("%.*s" SCHEMA_HIDDEN "%s", (int)(host + 3 - item), item, at);
    json_t *text = json_string(shown);
    free(shown);
    return text;
}

static char *list_text(const struct strings *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, item_text(list->items[i]));
    return json_text(array);
}

char *schema_get(const struct config *config, const struct setting *setting)
{
    const void *field = (const char *)config + setting->offset;
    char duration[DURATION_TEXT_SIZE];
    switch (setting->type) {
    case SETTING_TEXT: {
        const char *text = *(char *const *)field;
        return json_text(json_string(text ? text : ""));
    }
    case SETTING_BOOL:
        return mem_text(*(const bool *)field ? "true" : "false");
    case SETTING_NUMBER:
        return mem_format("%lld", (long long)*(const int64_t *)field);
    case SETTING_DURATION:
        duration_format(duration, *(const int64_t *)field);
        return mem_text(duration);
    case SETTING_CHOICE:
        return mem_text(setting->choices[*(const int *)field]);
    case SETTING_LIST:
        return list_text(field);
    }
    return NULL;
}

/* None is as good as empty. */
static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool is_same_list(const struct strings *a, const struct strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

/* By the bytes, not by what is printed: a path need not be UTF-8. */
static bool is_same(const struct config *a, const struct config *b, const struct setting *setting)
{
    const void *one = (const char *)a + setting->offset, *other = (const char *)b + setting->offset;
    switch (setting->type) {
    case SETTING_TEXT:
        return is_same_text(*(char *const *)one, *(char *const *)other);
    case SETTING_BOOL:
        return *(const bool *)one == *(const bool *)other;
    case SETTING_NUMBER:
    case SETTING_DURATION:
        return *(const int64_t *)one == *(const int64_t *)other;
    case SETTING_CHOICE:
        return *(const int *)one == *(const int *)other;
    case SETTING_LIST:
        return is_same_list(one, other);
    }
    return false;
}

/* One that nobody wrote follows from another, which is the one to name. */
const struct setting *schema_changed(const struct config *old, const struct config *new)
{
    const struct setting *changed = NULL;
    for (size_t i = 0; i < schema_count; i++) {
        if (!schema[i].fixed || is_same(old, new, &schema[i]))
            continue;
        if (old->places[i] || new->places[i])
            return &schema[i];
        changed = &schema[i];
    }
    return changed;
}

/* What a report that is shown around must not tell. */
static bool is_to_be_hidden(const struct setting *setting, const char *value)
{
    static const char *const telling_nothing[] = {"\"\"", "[\"*\"]", "[\"" CONFIG_REGISTERED "\"]"};
    for (size_t i = 0; i < sizeof telling_nothing / sizeof *telling_nothing; i++)
        if (strcmp(value, telling_nothing[i]) == 0)
            return false;
    return setting->secret;
}

static void add_effective(struct buf *buf, const struct config *config,
                          const struct setting *setting)
{
    const char *place = config->places[setting - schema];
    char *value = schema_get(config, setting);
    if (is_to_be_hidden(setting, value))
        buf_format(buf, "%s#%s: hidden", indent_of(setting), name_of(setting));
    else
        buf_format(buf, "%s%s: %s", indent_of(setting), name_of(setting), value);
    buf_format(buf, "  # %s\n", place ? place : "default");
    mem_free_secret(value);
}

char *schema_effective_yaml(const struct config *config)
{
    struct buf buf;
    buf_init(&buf, DOCUMENT_MAX + CONFIG_FILE_MAX);
    for (size_t i = 0; i < schema_count; i++) {
        if (begins_section(i) && !stands_alone(&schema[i]))
            buf_format(&buf, "%.*s:\n", (int)section_length(&schema[i]), schema[i].path);
        add_effective(&buf, config, &schema[i]);
    }
    return take_text(&buf);
}

/* By somebody, in words that would be right elsewhere, too, and may be shown around. */
static bool is_written(const struct config *config, const struct setting *setting)
{
    if (config_is_of_package(config, setting->path) || config_is_credential(config, setting->path))
        return false;
    char *value = schema_get(config, setting);
    bool is_open = !is_to_be_hidden(setting, value);
    mem_free_secret(value);
    return is_open;
}

char *schema_written_yaml(const struct config *config)
{
    struct buf buf;
    const struct setting *before = NULL;
    buf_init(&buf, DOCUMENT_MAX + CONFIG_FILE_MAX);
    for (size_t i = 0; i < schema_count; i++) {
        const struct setting *setting = &schema[i];
        if (!is_written(config, setting))
            continue;
        if (!stands_alone(setting) && !(before && is_of_section(setting, before)))
            buf_format(&buf, "%.*s:\n", (int)section_length(setting), setting->path);
        add_effective(&buf, config, setting);
        before = setting;
    }
    return take_text(&buf);
}
