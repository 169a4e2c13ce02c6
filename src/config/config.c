#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"

static const char file_here[] = "doorbell.yaml";
static const char file_of_system[] = "/etc/doorbell/doorbell.yaml";

struct config *config_new(void)
{
    struct config *config = mem_new(sizeof *config);
    for (size_t i = 0; i < schema_count; i++) {
        int result = 0;
        if (schema[i].standard)
            result = schema_set(config, &schema[i], schema[i].standard, NULL);
        assert(result == 0);
    }
    return config;
}

static void free_setting(struct config *config, const struct setting *setting)
{
    void *field = (char *)config + setting->offset;
    if (setting->type == SETTING_TEXT)
        free(*(char **)field);
    if (setting->type != SETTING_LIST)
        return;
    struct strings *strings = field;
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < schema_count; i++)
        free_setting(config, &schema[i]);
    free(config);
}

bool strings_contain(const struct strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->count; i++)
        if (strcmp(strings->items[i], text) == 0)
            return true;
    return false;
}

/* The file that nobody named, or NULL where there is none. Whoever may not enter the working
 * directory (sudo -u, from /root) has no file in it; but going on without a file of the system that
 * is there and cannot be read would be going on with other settings. */
static const char *find_file(void)
{
    struct stat status;
    if (stat(file_here, &status) == 0)
        return file_here;
    if (stat(file_of_system, &status) == 0 || (errno != ENOENT && errno != ENOTDIR))
        return file_of_system;
    return NULL;
}

static int read_file(struct config *config, const struct config_sources *sources, struct err *err)
{
    const char *path = sources->file;
    if (!path)
        path = config_environment_value(sources->environment, CONFIG_FILE_VARIABLE);
    if (!path)
        path = find_file();
    return path ? config_read_yaml_file(config, path, err) : 0;
}

/* "path=value" from the command line. */
static int read_override(struct config *config, const char *override, struct err *err)
{
    char path[CONFIG_NAME_SIZE];
    size_t length = strcspn(override, "=");
    text_printable(path, sizeof path, override, length);
    if (!override[length])
        return err_set(err, ERR_INVALID, "command line: \"%s\" has no value; write %s=VALUE", path,
                       path);
    const struct setting *setting = schema_find(path);
    const char *nearest = setting ? NULL : schema_nearest(path);
    if (!setting && nearest)
        return err_set(err, ERR_INVALID, "command line: \"%s\" is not known; did you mean \"%s\"?",
                       path, nearest);
    if (!setting)
        return err_set(err, ERR_INVALID, "command line: \"%s\" is not known", path);
    int result = schema_set(config, setting, override + length + 1, err);
    if (result != 0)
        err_prefix(err, "command line: %s", path);
    return result;
}

static int read_overrides(struct config *config, const struct config_sources *sources,
                          struct err *err)
{
    for (size_t i = 0; i < sources->override_count; i++) {
        int result = read_override(config, sources->overrides[i], err);
        if (result != 0)
            return result;
    }
    return 0;
}

/* A file beside the database; the caller frees its path. */
static char *beside_store(const struct config *config, const char *name)
{
    const char *slash = strrchr(config->store_path, '/');
    int folder = slash ? (int)(slash + 1 - config->store_path) : 0;
    return mem_format("%.*s%s", folder, config->store_path, name);
}

static int derive(struct config *config, struct err *err)
{
    if (!config->push_vapid_key_file)
        config->push_vapid_key_file = beside_store(config, "vapid.key");
    if (config->control_path)
        return 0;
    config->control_path = beside_store(config, "doorbell.sock");
    int result = check_socket_path(config->control_path, err);
    if (result != 0)
        err_prefix(err, "control.path (beside store.path, because it is not set)");
    return result;
}

static int check_pair(const struct config *config, const char *least, const char *most,
                      struct err *err)
{
    int64_t values[2];
    memcpy(&values[0], (const char *)config + schema_find(least)->offset, sizeof values[0]);
    memcpy(&values[1], (const char *)config + schema_find(most)->offset, sizeof values[1]);
    if (values[0] <= values[1])
        return 0;
    char least_text[DURATION_TEXT_SIZE], most_text[DURATION_TEXT_SIZE];
    duration_format(least_text, values[0]);
    duration_format(most_text, values[1]);
    return err_set(err, ERR_INVALID, "%s (%s) is longer than %s (%s); change one of them", least,
                   least_text, most, most_text);
}

/* What no single value shows. */
static int check_together(const struct config *config, struct err *err)
{
    static const char *const pairs[][2] = {
        {"signal.reconnect_min", "signal.reconnect_max"},
        {"signal.contested_min", "signal.contested_max"},
        {"push.retry_min", "push.retry_max"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        int result = check_pair(config, pairs[i][0], pairs[i][1], err);
        if (result != 0)
            return result;
    }
    if (config->web_trusted_proxies.count > 1 &&
        strings_contain(&config->web_trusted_proxies, "none"))
        return err_set(err, ERR_INVALID,
                       "web.trusted_proxies: none must stand alone; leave it or the others out");
    return 0;
}

struct config *config_load(const struct config_sources *sources, struct err *err)
{
    struct config *config = config_new();
    if (read_file(config, sources, err) == 0 &&
        config_read_environment(config, sources->environment, err) == 0 &&
        read_overrides(config, sources, err) == 0 && derive(config, err) == 0 &&
        check_together(config, err) == 0)
        return config;
    config_free(config);
    return NULL;
}
