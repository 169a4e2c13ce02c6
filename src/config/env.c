#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"

static const char ours[] = "DOORBELL_";

/* Besides the settings that are secret. */
static const char *const secrets[] = {"MOLLY_VAPID_PRIVKEY", "MOLLY_ALLOWED_UUIDS",
                                      "MOLLY_ALLOWED_ENDPOINTS"};

/* Whether "NAME=value" has this name. */
static bool is_named(const char *variable, const char *name)
{
    return text_starts(variable, name) && variable[strlen(name)] == '=';
}

const char *config_environment_value(char **environment, const char *name)
{
    for (; environment && *environment; environment++) {
        if (!is_named(*environment, name))
            continue;
        const char *value = *environment + strlen(name) + 1;
        return *value ? value : NULL;
    }
    return NULL;
}

char *config_without_quotes(const char *value)
{
    size_t length = strlen(value);
    bool is_quoted = length >= 2 && (*value == '"' || *value == '\'') &&
                     strchr(value + 1, *value) == value + length - 1;
    return is_quoted ? mem_copy(value + 1, length - 2) : mem_text(value);
}

/* Kubernetes sets such names for every service that is called doorbell. */
static void warn_unknown(const char *variable, size_t length)
{
    char name[CONFIG_NAME_SIZE], path[CONFIG_NAME_SIZE];
    text_printable(name, sizeof name, variable, length);
    size_t prefix = strlen(ours);
    text_printable(path, sizeof path, variable + prefix, length - prefix);
    for (char *c = path; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    const char *nearest = schema_nearest(path);
    char *suggestion = nearest ? schema_environment_name(schema_find(nearest)) : NULL;
    if (suggestion)
        log_warn("%s is not a setting and is ignored; did you mean %s?", name, suggestion);
    else
        log_warn("%s is not a setting and is ignored", name);
    free(suggestion);
}

static const struct setting *setting_of(const char *variable, size_t length)
{
    for (size_t i = 0; i < schema_count; i++)
        if (schema_is_environment_name(&schema[i], variable, length))
            return &schema[i];
    return NULL;
}

static int read_variable(struct config *config, const char *variable, struct err *err)
{
    size_t length = strcspn(variable, "=");
    if (!variable[length] || !text_starts(variable, ours) ||
        is_named(variable, CONFIG_FILE_VARIABLE))
        return 0;
    const struct setting *setting = setting_of(variable, length);
    if (!setting) {
        warn_unknown(variable, length);
        return 0;
    }
    char *value = config_without_quotes(variable + length + 1);
    int result = schema_set(config, setting, value, err);
    mem_free_secret(value);
    char *name = mem_copy(variable, length);
    if (result != 0)
        err_prefix(err, "%s", name);
    else
        config_note_place(config, setting, name);
    free(name);
    return result;
}

int config_read_environment(struct config *config, char **environment, struct err *err)
{
    for (; environment && *environment; environment++) {
        int result = read_variable(config, *environment, err);
        if (result != 0)
            return result;
    }
    return 0;
}

static bool is_secret(const char *variable, size_t length)
{
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (strlen(secrets[i]) == length && strncasecmp(variable, secrets[i], length) == 0)
            return true;
    for (size_t i = 0; i < schema_count; i++)
        if (schema[i].secret && schema_is_environment_name(&schema[i], variable, length))
            return true;
    return false;
}

static void wipe_secret(char *variable)
{
    char *value = strchr(variable, '=');
    if (value && is_secret(variable, (size_t)(value - variable)))
        sodium_memzero(value + 1, strlen(value + 1));
}

char **config_take_environment(char **environment)
{
    size_t count = 0;
    while (environment && environment[count])
        count++;
    char **copy = mem_new((count + 1) * sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = mem_text(environment[i]);
        wipe_secret(environment[i]);
    }
    return copy;
}

void config_free_environment(char **taken)
{
    for (size_t i = 0; taken && taken[i]; i++)
        mem_free_secret(taken[i]);
    free(taken);
}
