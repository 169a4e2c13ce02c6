#include "sandbox/places.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/schema.h"

/* What libraries read, some of it late; nothing secret lies there that this user may read. */
static const char *const of_system[] = {
    "/etc", /* resolv.conf, hosts, certificates, our own settings */
    /* Where resolv.conf often lies, which /etc then names; it may be made after the start. */
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/connman",
    /* Certificates of authorities, beside /etc. */
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    /* Libraries that are loaded late: libgcc, conversions of glibc. */
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/gnu/store",
    "/usr/share/zoneinfo",
    "/usr/share/doorbell",
    "/dev/urandom",
    "/dev/random",
    "/proc/self",
};

static const char unix_prefix[] = "unix:";

static char *folder_of(const char *path)
{
    char *copy = mem_text(path);
    char *folder = mem_text(dirname(copy));
    free(copy);
    return folder;
}

static bool is_root(const char *folder)
{
    char *whole = realpath(folder, NULL);
    bool is_root = whole && strcmp(whole, "/") == 0;
    free(whole);
    return is_root;
}

/* In / the file alone, as containers have it mounted: all else lies below that folder, too. */
static int let_in_around(struct fence *fence, const char *path, enum fence_right right,
                         struct err *err)
{
    char *folder = folder_of(path);
    int result = fence_let_in(fence, is_root(folder) ? path : folder, right, err);
    free(folder);
    return result;
}

/* Of a link both folders: its own, and that of the file that it leads to. */
static int let_in_file(struct fence *fence, const char *path, struct err *err)
{
    int result = let_in_around(fence, path, FENCE_READ, err);
    char *target = realpath(path, NULL);
    if (result == 0 && target)
        result = let_in_around(fence, target, FENCE_READ, err);
    free(target);
    return result;
}

/* A folder that is written cannot be / : there would be no fence. */
static int let_in_written(struct fence *fence, const char *setting, const char *path,
                          enum fence_right right, struct err *err)
{
    char *folder = folder_of(path);
    int result = 0;
    if (is_root(folder))
        result =
            err_set(err, ERR_INVALID, "%s lies in /, so that nothing could be walled off", setting);
    else
        result = fence_let_in(fence, folder, right, err);
    free(folder);
    return result;
}

static int let_in_socket(struct fence *fence, const char *setting, const char *where,
                         struct err *err)
{
    if (!text_starts(where, unix_prefix))
        return 0;
    return let_in_written(fence, setting, where + strlen(unix_prefix), FENCE_LISTEN, err);
}

static const char *text_of(const struct config *config, const struct setting *setting)
{
    return setting->type == SETTING_TEXT ? *(char **)((char *)(uintptr_t)config + setting->offset)
                                         : NULL;
}

/* NULL: this setting names none. */
static const char *file_of(const struct config *config, const struct setting *setting)
{
    const char *path = schema_names_file(setting) ? text_of(config, setting) : NULL;
    return path && *path && strcmp(path, "none") != 0 ? path : NULL;
}

static int let_in_settings(struct fence *fence, const struct config *config, struct err *err)
{
    int result = 0;
    for (size_t i = 0; i < schema_count && result == 0; i++) {
        const char *path = file_of(config, &schema[i]), *text = text_of(config, &schema[i]);
        if (path)
            result = let_in_file(fence, path, err);
        else if (text)
            result = let_in_socket(fence, schema[i].path, text, err);
    }
    for (size_t i = 0; i < config->files.count && result == 0; i++)
        result = let_in_file(fence, config->files.items[i], err);
    for (size_t i = 0; i < config->web_listen.count && result == 0; i++)
        result = let_in_socket(fence, "web.listen", config->web_listen.items[i], err);
    return result;
}

static int let_in_own(struct fence *fence, const struct config *config, struct err *err)
{
    const char *key = config->push_vapid_key_file;
    int result = let_in_written(fence, "store.path", config->store_path, FENCE_WRITE, err);
    if (result == 0)
        result = let_in_written(fence, "control.path", config->control_path, FENCE_LISTEN, err);
    if (result == 0 && key && access(key, F_OK) != 0) /* it is made */
        result = let_in_written(fence, "push.vapid_key_file", key, FENCE_WRITE, err);
    return result;
}

int places_let_in(struct fence *fence, const struct config *config, const char *also,
                  struct err *err)
{
    int result = let_in_own(fence, config, err);
    if (result == 0)
        result = let_in_settings(fence, config, err);
    if (result == 0 && also)
        result = let_in_file(fence, also, err);
    if (result == 0)
        result = let_in_file(fence, "/etc/resolv.conf", err);
    if (result == 0)
        result = fence_let_in(fence, "/dev/null", FENCE_WRITE, err);
    for (size_t i = 0; i < sizeof of_system / sizeof *of_system && result == 0; i++)
        result = fence_let_in(fence, of_system[i], FENCE_READ, err);
    return result;
}

int places_check(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < schema_count; i++) {
        const char *path = file_of(config, &schema[i]), *text = text_of(config, &schema[i]);
        if (!path && text && text_starts(text, unix_prefix))
            path = text + strlen(unix_prefix);
        if (path && file_is_fenced_off(path))
            return err_set(err, ERR_NOT_NOW,
                           "%s: the folder of %s is none of those that this server kept open to "
                           "itself when it started; restart it (docs/sandbox.md)",
                           schema[i].path, path);
    }
    return 0;
}
