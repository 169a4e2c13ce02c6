#include "config/schema.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"

static const char environment_prefix[] = "DOORBELL_";

const struct setting *schema_find(const char *path)
{
    for (size_t i = 0; i < schema_count; i++)
        if (strcmp(schema[i].path, path) == 0)
            return &schema[i];
    return NULL;
}

bool schema_names_file(const struct setting *setting)
{
    return setting->check == check_file_path;
}

bool schema_is_section(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < schema_count; i++)
        if (strncmp(schema[i].path, path, length) == 0 && schema[i].path[length] == '.')
            return true;
    return false;
}

/* The one setting whose last part is `name`: somebody left the section out. */
static const char *in_some_section(const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < schema_count; i++) {
        const char *dot = strrchr(schema[i].path, '.');
        if (!dot || strcmp(dot + 1, name) != 0)
            continue;
        if (found)
            return NULL;
        found = schema[i].path;
    }
    return found;
}

const char *schema_nearest(const char *path)
{
    if (!strchr(path, '.')) {
        const char *found = in_some_section(path);
        if (found)
            return found;
    }
    /* A third of the letters wrong is a slip, more is another word. */
    unsigned least = (unsigned)strnlen(path, CONFIG_PATH_SIZE) / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < schema_count; i++) {
        unsigned distance = text_distance(path, schema[i].path);
        if (distance < least) {
            least = distance;
            nearest = schema[i].path;
        }
    }
    return nearest;
}

static char environment_letter(char of_path)
{
    return of_path == '.' ? '_' : (char)toupper((unsigned char)of_path);
}

char *schema_environment_name(const struct setting *setting)
{
    char *name = mem_format("%s%s", environment_prefix, setting->path);
    for (char *c = name + strlen(environment_prefix); *c; c++)
        *c = environment_letter(*c);
    return name;
}

bool schema_is_environment_name(const struct setting *setting, const char *name, size_t length)
{
    size_t prefix = strlen(environment_prefix);
    if (length != prefix + strlen(setting->path) || strncmp(name, environment_prefix, prefix) != 0)
        return false;
    for (size_t i = prefix; i < length; i++)
        if (name[i] != environment_letter(setting->path[i - prefix]))
            return false;
    return true;
}
