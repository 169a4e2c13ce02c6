#include "config/setup_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"

static const char written_by[] =
    "# Written by \"doorbell setup\". doorbell.yaml, the environment and the command line win over "
    "it.\n";

static const char *const taken[] = {"web.public_url", "push.allowed_endpoints", "alert.url"};

enum { TAKEN = sizeof taken / sizeof *taken };

bool setup_file_takes(const struct setting *setting)
{
    for (size_t i = 0; i < TAKEN; i++)
        if (strcmp(taken[i], setting->path) == 0)
            return true;
    return false;
}

char *setup_file_path(const struct config *config)
{
    return config_beside_store(config, SETUP_FILE_NAME);
}

bool setup_file_decides(const struct config *config, const char *setting)
{
    const char *place = config->places[schema_find(setting) - schema];
    char *path = setup_file_path(config);
    size_t length = strlen(path);
    bool decides = place && text_starts(place, path) && place[length] == ':';
    free(path);
    return decides;
}

/* Reading */

/* Neither a store in another place nor whatever else a stray line may say. */
static int check_taken(const struct config *answers, struct err *err)
{
    for (size_t i = 0; i < schema_count; i++)
        if (answers->places[i] && !setup_file_takes(&schema[i]))
            return err_set(err, ERR_INVALID,
                           "%s: %s does not belong into the file that \"doorbell setup\" writes; "
                           "move it to doorbell.yaml",
                           answers->places[i], schema[i].path);
    return 0;
}

struct config *setup_file_read(const char *path, struct err *err)
{
    struct config *answers = config_new();
    /* Whoever may not enter the store's folder has nothing to do with what lies in it. */
    if (!config_is_there(path))
        return answers;
    if (config_read_file(answers, path, config_read_yaml, err) == 0 &&
        check_taken(answers, err) == 0)
        return answers;
    config_free(answers);
    return NULL;
}

int setup_file_check(const void *bytes, size_t length, struct err *err)
{
    struct config *answers = config_new();
    int result = config_read_yaml(answers, SETUP_FILE_NAME, bytes, length, err);
    if (result == 0)
        result = check_taken(answers, err);
    config_free(answers);
    return result;
}

/* Changing */

static void note(struct config *answers, const struct setting *setting, const char *place)
{
    free(answers->places[setting - schema]);
    answers->places[setting - schema] = mem_text(place);
}

int setup_file_set(struct config *answers, const char *setting, const char *text, struct err *err)
{
    const struct setting *row = schema_find(setting);
    if (!text) {
        note(answers, row, NULL);
        return 0;
    }
    int result = schema_set(answers, row, text, err);
    if (result == 0)
        note(answers, row, SETUP_FILE_NAME);
    return result;
}

int setup_file_allow(struct config *answers, const struct config *now, const char *origin,
                     struct err *err)
{
    const struct setting *row = schema_find("push.allowed_endpoints");
    const struct strings *before = &now->push_allowed_endpoints;
    char **items = mem_new((before->count + 1) * sizeof *items);
    memcpy(items, before->items, before->count * sizeof *items);
    items[before->count] = (char *)(uintptr_t)origin;
    bool known = strings_contain(before, origin);
    int result = row->check(origin, err);
    if (result == 0)
        result = schema_set_checked_list(answers, row, items, before->count + !known, err);
    free(items);
    if (result == 0)
        note(answers, row, SETUP_FILE_NAME);
    return result;
}

/* Writing */

static int add_setting(struct buf *text, const struct config *answers,
                       const struct setting *setting)
{
    const char *dot = strchr(setting->path, '.');
    char *value = schema_get(answers, setting);
    int result = buf_format(text, "%.*s:\n  %s: %s\n", (int)(dot - setting->path), setting->path,
                            dot + 1, value);
    mem_free_secret(value);
    return result;
}

static int put(const char *path, const char *store, const struct buf *text, struct err *err)
{
    enum file_replaced replaced = file_replace(path, text->bytes, text->length, store);
    if (replaced == FILE_NOT_REPLACED)
        return err_set(err, ERR_IO,
                       "%s cannot be written: %s. Run this as the user that runs the server.", path,
                       strerror(errno));
    if (replaced == FILE_NOT_SYNCED)
        log_warn("%s is written, but its folder cannot be synced: %s. After a power cut the "
                 "answers of before may be back.",
                 path, strerror(errno));
    return 0;
}

int setup_file_text(const struct config *answers, bool secrets, struct buf *text)
{
    int result = buf_add_text(text, written_by);
    for (size_t i = 0; i < schema_count && result == 0; i++)
        if (answers->places[i] && setup_file_takes(&schema[i]) && (secrets || !schema[i].secret))
            result = add_setting(text, answers, &schema[i]);
    return result;
}

int setup_file_write(const char *path, const char *store, const struct config *answers,
                     struct err *err)
{
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    int result = setup_file_text(answers, true, &text);
    if (result != 0)
        err_set(err, result, "%s would be longer than a configuration may be; enter fewer.", path);
    else
        result = put(path, store, &text, err);
    explicit_bzero(text.bytes, text.length);
    buf_fini(&text);
    return result;
}
