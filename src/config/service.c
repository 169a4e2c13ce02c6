#include "config/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"

char *service_environment(const struct config *config)
{
    bool is_open;
    if (!text_starts(config->store_path, CONFIG_SERVICE_FOLDER))
        return NULL;
    char *text = mem_new(CONFIG_FILE_MAX + 1); /* ends in a zero */
    if (file_read(CONFIG_SERVICE_ENVIRONMENT, text, CONFIG_FILE_MAX, &is_open) >= 0)
        return text;
    mem_free_secret(text);
    return NULL;
}

/* As systemd.exec(5) has it: blanks before a name do not count, # and ; begin comments. */
static bool line_sets(const char *line, const struct setting *setting)
{
    line += strspn(line, " \t");
    size_t length = strcspn(line, "= \t\r\n");
    if (!length || *line == '#' || *line == ';' || line[length] != '=')
        return false;
    return schema_is_environment_name(setting, line, length) ||
           config_is_molly_variable(setting, line, length);
}

bool service_environment_sets(const char *text, const struct setting *setting)
{
    bool sets = false;
    while (text && !sets) {
        sets = line_sets(text, setting);
        text = strchr(text, '\n');
        text += text != NULL;
    }
    return sets;
}
