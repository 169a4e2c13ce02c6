#include "backup/collect.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/schema.h"
#include "config/service.h"
#include "config/setup_file.h"
#include "push/vapid.h"

enum {
    FILE_MOST = 1024 * 1024, /* a configuration may be no longer */
    LIST_MOST = 8 * 1024,    /* the names of all settings */
};

/* What is not in it */

static void add_name(struct buf *list, const char *name)
{
    buf_format(list, "%s%s", list->length ? ", " : "", name);
}

/* A place is a file with a line, a variable, the command line, a credential, or where something was
 * found. */
static bool is_in_no_file(const char *place)
{
    return place && (strcmp(place, "command line") == 0 || !strpbrk(place, ": "));
}

static bool is_covered(const struct setting *setting)
{
    static const char *const covered[] = {"store.path", "push.vapid_key_file", "push.vapid_key",
                                          "admin.token_file"};
    for (size_t i = 0; i < sizeof covered / sizeof *covered; i++)
        if (strcmp(setting->path, covered[i]) == 0)
            return true;
    return false;
}

static bool is_left_to_the_operator(const struct config *config, const struct setting *setting,
                                    bool secrets)
{
    const char *place = config->places[setting - schema];
    if (!secrets)
        return place && setting->secret;
    return is_in_no_file(place) && !is_covered(setting);
}

/* Of a service that rests only its file tells which variables it has. */
static void list_settings(struct buf *list, const struct config *config, bool secrets)
{
    char *variables = service_environment(config);
    for (size_t i = 0; i < schema_count; i++)
        if (is_left_to_the_operator(config, &schema[i], secrets) ||
            (service_environment_sets(variables, &schema[i]) && !is_covered(&schema[i])))
            add_name(list, schema[i].path);
    mem_free_secret(variables);
    buf_add(list, "", 1);
}

static void list_others(struct buf *list, const struct config *config)
{
    for (size_t i = 0; i < schema_count; i++)
        if (schema_names_file(&schema[i]) && config->places[i] && !is_covered(&schema[i]) &&
            !config_is_credential(config, schema[i].path))
            add_name(list, schema[i].path);
    buf_add(list, "", 1);
}

/* Files */

/* One that is not there is left out. */
static int add_file(struct archive_writer *writer, enum archive_file kind, const char *path,
                    struct err *err)
{
    bool is_open;
    char *bytes = mem_new(FILE_MOST + 1);
    long length = file_read(path, bytes, FILE_MOST + 1, &is_open);
    int result = 0;
    if (length > FILE_MOST)
        result = err_set(err, ERR_LIMIT, "%s is larger than a file of settings may be.", path);
    else if (length >= 0)
        archive_add_file(writer, kind, bytes, (size_t)length);
    else if (errno != ENOENT)
        result = err_set(err, ERR_IO, "%s cannot be read: %s.", path, strerror(errno));
    sodium_memzero(bytes, FILE_MOST + 1);
    free(bytes);
    return result;
}

static int add_setup(struct archive_writer *writer, const struct config *config, struct err *err)
{
    char *path = setup_file_path(config);
    int result = add_file(writer, ARCHIVE_SETUP, path, err);
    free(path);
    return result;
}

static int add_files(struct archive_writer *writer, const struct config *config, struct err *err)
{
    int result = add_setup(writer, config, err);
    if (result == 0 && config->own_file)
        result = add_file(writer, ARCHIVE_CONFIG, config->own_file, err);
    if (result == 0 && config->molly_file)
        result = add_file(writer, ARCHIVE_MOLLY, config->molly_file, err);
    if (result == 0)
        result = add_file(writer, ARCHIVE_TOKEN, config->admin_token_file, err);
    return result;
}

static int add_setup_without_secrets(struct archive_writer *writer, const struct config *config,
                                     struct err *err)
{
    struct buf text;
    char *path = setup_file_path(config);
    bool is_there = access(path, F_OK) == 0;
    struct config *answers = setup_file_read(path, err);
    free(path);
    if (!answers)
        return err->code;
    if (!is_there) {
        config_free(answers);
        return 0;
    }
    buf_init(&text, FILE_MOST);
    int result = setup_file_text(answers, false, &text);
    if (result == 0)
        archive_add_file(writer, ARCHIVE_SETUP, text.bytes, text.length);
    else
        err_set(err, result, "setup.yaml is larger than a file of settings may be.");
    buf_fini(&text);
    config_free(answers);
    return result;
}

static int add_settings(struct archive_writer *writer, const struct config *config, struct err *err)
{
    char *text = schema_written_yaml(config);
    if (*text)
        archive_add_file(writer, ARCHIVE_CONFIG, text, strlen(text));
    free(text);
    return add_setup_without_secrets(writer, config, err);
}

/* The store and the key */

struct gathering {
    struct archive_writer *writer;
    const struct seal *seal;
    size_t accounts, broken;
};

static void add_account(void *arg, const struct store_account *row)
{
    struct gathering *gathering = arg;
    struct store_account opened = *row;
    char *password = seal_open(gathering->seal, &row->key, row->password);
    opened.password = password;
    if (password)
        archive_add_account(gathering->writer, &opened);
    else /* sealed since the store was looked at */
        gathering->broken++;
    mem_free_secret(password);
    gathering->accounts++;
}

static void add_secret(void *arg, const struct store_kept_secret *secret)
{
    archive_add_secret(((struct gathering *)arg)->writer, secret);
}

static void add_mark(void *arg, const struct store_kept_mark *mark)
{
    archive_add_mark(((struct gathering *)arg)->writer, mark);
}

/* A store that has no accounts need not have one; the server would make it. */
static int add_key(struct archive_writer *writer, const struct config *config, bool is_needed,
                   struct err *err)
{
    char text[VAPID_PRIVATE_TEXT_SIZE];
    struct vapid *vapid = vapid_from_config(config, err);
    if (!vapid)
        return err->code == ERR_NOT_FOUND && !is_needed ? 0 : err->code;
    vapid_private_text(vapid, text);
    archive_add_key(writer, text);
    sodium_memzero(text, sizeof text);
    vapid_free(vapid);
    return 0;
}

static int add_all(struct archive_writer *writer, const struct config *config,
                   const struct seal *seal, struct store *store, struct err *err)
{
    struct gathering gathering = {.writer = writer, .seal = seal};
    const struct store_reader reader = {add_account, add_secret, add_mark, &gathering};
    int result = store_read(store, &reader, err);
    if (result == 0 && gathering.broken)
        result = err_set(err, ERR_BUSY, "The store is being sealed; try again.");
    if (result == 0)
        result = add_key(writer, config, gathering.accounts > 0, err);
    return result == 0 ? add_files(writer, config, err) : result;
}

static void count_account(void *arg, const struct store_account *row)
{
    (void)row;
    ++*(uint32_t *)arg;
}

static int collect(const struct config *config, const struct seal *seal, bool secrets,
                   struct store *store, struct buf *content, struct err *err)
{
    struct archive_writer writer;
    struct archive_head head = {
        .made_unix = clock_unix(), .program = DOORBELL_VERSION, .has_secrets = secrets};
    struct buf environment, others;
    buf_init(&environment, LIST_MOST);
    buf_init(&others, LIST_MOST);
    list_settings(&environment, config, secrets);
    list_others(&others, config);
    head.environment = (char *)environment.bytes;
    head.others = (char *)others.bytes;
    int result = secrets ? 0 : store_load(store, count_account, &head.left_out, err);
    archive_begin(&writer, content, &head);
    if (result == 0)
        result = secrets ? add_all(&writer, config, seal, store, err)
                         : add_settings(&writer, config, err);
    if (result == 0)
        result = archive_end(&writer, err);
    buf_fini(&environment);
    buf_fini(&others);
    return result;
}

int backup_collect(const struct config *config, const struct seal *seal, bool secrets,
                   struct buf *content, struct err *err)
{
    struct store *store = store_open_to_read(&store_sqlite, config->store_path, err);
    if (!store)
        return err->code;
    int result = secrets ? store_use_seal(store, seal, err) : 0;
    if (result == 0)
        result = collect(config, seal, secrets, store, content, err);
    store_close(store);
    return result;
}
