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

static const char *name_of(const struct setting *setting)
{
    return setting->path + section_length(setting) + 1;
}

static bool begins_section(size_t i)
{
    size_t length = section_length(&schema[i]);
    return i == 0 || length != section_length(&schema[i - 1]) ||
           strncmp(schema[i].path, schema[i - 1].path, length) != 0;
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
    return take_text(&help);
}

/* Breaks at spaces. */
static void add_comment(struct buf *buf, const char *text)
{
    while (*text) {
        size_t length = strlen(text);
        if (length > COMMENT_WIDTH) {
            length = COMMENT_WIDTH;
            while (length > 1 && text[length] != ' ')
                length--;
        }
        buf_format(buf, "  # %.*s\n", (int)length, text);
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
        if (begins_section(i))
            buf_format(&buf, "\n%.*s:\n", (int)section_length(setting), setting->path);
        char *help = help_of(setting);
        add_comment(&buf, help);
        free(help);
        buf_format(&buf, "  #%s: ", name_of(setting));
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
