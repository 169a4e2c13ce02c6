/* Which files are read: who named them, and where they are looked for where nobody did. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/user.h"
#include "config/internal.h"

static const char file_here[] = CONFIG_FILE_HERE;
static const char file_of_system[] = CONFIG_FILE_OF_SYSTEM;
static const char molly_file_here[] = CONFIG_MOLLY_FILE_HERE;
static const char molly_file_of_system[] = CONFIG_MOLLY_FILE_OF_SYSTEM;

/* Whoever may not enter the working directory (sudo -u, from /root) has no file in it; but going on
 * without a file of the system that is there and cannot be read would be going on with other
 * settings. */

bool config_is_there(const char *path)
{
    struct stat status;
    int result = stat(path, &status);
    if (result != 0 && user_enter(path)) {
        result = stat(path, &status);
        user_leave();
    }
    return result == 0;
}

static bool is_there_perhaps(const char *path)
{
    return config_is_there(path) || (errno != ENOENT && errno != ENOTDIR);
}

/* The file that nobody named, or NULL where there is none. */
static const char *find_file(void)
{
    if (config_is_there(file_here))
        return file_here;
    return is_there_perhaps(file_of_system) ? file_of_system : NULL;
}

/* systemd and procd start services of root's without HOME. */
static const char *home_of_user(const struct config_sources *sources)
{
    const char *home = config_environment_value(sources->environment, "HOME");
    return home && *home ? home : sources->home;
}

/* The one of the user's own; the caller frees it. A relative XDG_CONFIG_HOME is none (XDG Base
 * Directory Specification). */
static char *user_molly_file(const struct config_sources *sources)
{
    static const char name[] = CONFIG_MOLLY_FILE_OF_USER;
    const char *xdg = config_environment_value(sources->environment, "XDG_CONFIG_HOME");
    if (xdg && *xdg == '/')
        return mem_format("%s/%s", xdg, name);
    const char *home = home_of_user(sources);
    return home ? mem_format("%s/.config/%s", home, name) : NULL;
}

/* MollySocket's, in its own order (mollysocket.md 2); the caller frees it. */
static char *find_molly_file(const struct config_sources *sources)
{
    if (sources->molly_before)
        return mem_text(sources->molly_before);
    char *path = user_molly_file(sources);
    if (path && config_is_there(path))
        return path;
    free(path);
    if (config_is_there(molly_file_here))
        return mem_text(molly_file_here);
    return is_there_perhaps(molly_file_of_system) ? mem_text(molly_file_of_system) : NULL;
}

/* A file to read: `path` is NULL where there is none, and the caller's to free; `from` says who
 * named it, NULL: nobody. */
struct choice {
    char *path;
    const char *from;
};

static void choose(struct choice *choice, const char *file, char **environment,
                   const char *variable)
{
    const char *named = file ? file : config_environment_value(environment, variable);
    choice->path = named ? config_without_quotes(named) : NULL;
    if (!file && choice->path && !*choice->path) { /* a variable of Compose's that is not set */
        free(choice->path);
        choice->path = NULL;
    }
    choice->from = file ? "--config" : choice->path ? variable : NULL;
}

/* Which of the two kinds of file are read, and in this order. */
struct files {
    struct choice molly, own;
};

static void choose_files(struct files *files, const struct config_sources *sources)
{
    char **environment = sources->environment;
    bool is_molly = sources->file && config_file_is_toml(sources->file);
    choose(&files->molly, is_molly ? sources->file : NULL, environment, CONFIG_MOLLY_FILE_VARIABLE);
    choose(&files->own, is_molly ? NULL : sources->file, environment, CONFIG_FILE_VARIABLE);
    const char *found = files->own.path || is_molly ? NULL : find_file();
    if (found)
        files->own.path = mem_text(found);
    if (!files->own.path && !files->molly.path)
        files->molly.path = find_molly_file(sources);
}

static int read_choice(struct config *config, const struct choice *choice, config_reader *read,
                       struct err *err)
{
    int result = choice->path ? config_read_file(config, choice->path, read, err) : 0;
    if (result != 0 && choice->from && !config_is_there(choice->path))
        err_prefix(err, "%s", choice->from);
    return result;
}

int config_read_files(struct config *config, const struct config_sources *sources, struct err *err)
{
    struct files files = {0};
    const char *defaults = sources->defaults ? sources->defaults : CONFIG_PACKAGE_DEFAULTS;
    int result = 0;
    if (!sources->without_files)
        choose_files(&files, sources);
    if (config_is_there(defaults))
        result = config_read_file(config, defaults, config_read_yaml, err);
    if (result == 0)
        result = read_choice(config, &files.molly, config_read_molly_toml, err);
    if (result == 0)
        result = read_choice(config, &files.own, config_read_yaml, err);
    config->mollysocket = sources->as_mollysocket || files.molly.path;
    config->molly_file = files.molly.path;
    config->own_file = files.own.path;
    return result;
}
