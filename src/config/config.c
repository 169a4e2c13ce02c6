#include "config/config.h"

#include <assert.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/uuid.h"
#include "config/internal.h"
#include "config/service.h"
#include "config/setup_file.h"

static const char package_defaults[] = CONFIG_PACKAGE_DEFAULTS;

struct config *config_new(void)
{
    struct config *config = mem_new(sizeof *config);
    config->places = mem_new(schema_count * sizeof *config->places);
    config->in_their_way = mem_new(schema_count * sizeof *config->in_their_way);
    for (size_t i = 0; i < schema_count; i++) {
        int result = 0;
        if (schema[i].standard)
            result = schema_set(config, &schema[i], schema[i].standard, NULL);
        assert(result == 0);
    }
    return config;
}

static void free_strings(struct strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        mem_free_secret(strings->items[i]);
    free(strings->items);
}

static void free_setting(struct config *config, const struct setting *setting)
{
    void *field = (char *)config + setting->offset;
    if (setting->type == SETTING_TEXT)
        mem_free_secret(*(char **)field);
    if (setting->type == SETTING_LIST)
        free_strings(field);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < schema_count; i++) {
        free_setting(config, &schema[i]);
        free(config->places[i]);
    }
    free(config->places);
    free(config->in_their_way);
    free_strings(&config->files);
    free(config->own_file);
    free(config->molly_file);
    free(config);
}

void config_note_file(struct config *config, const char *path)
{
    struct strings *files = &config->files;
    files->items = mem_resize(files->items, (files->count + 1) * sizeof *files->items);
    files->items[files->count++] = mem_text(path);
}

void config_note_place(struct config *config, const struct setting *setting, const char *place)
{
    char **field = &config->places[setting - schema];
    free(*field);
    *field = mem_text(place);
    config->in_their_way[setting - schema] = false;
}

const char *config_place(const struct config *config, const char *path)
{
    return config->places ? config->places[schema_find(path) - schema] : NULL;
}

bool config_is_credential(const struct config *config, const char *path)
{
    const char *place = config->places[schema_find(path) - schema];
    return place && text_starts(place, "credential ");
}

bool config_is_set(const struct config *config, const char *path)
{
    return config->places[schema_find(path) - schema] != NULL;
}

bool config_has_http2(const struct config *config)
{
    return strcmp(config->signal_url, CONFIG_SIGNAL_URL) == 0 ||
           config_is_set(config, "signal.http2_url");
}

bool config_is_of_package(const struct config *config, const char *path)
{
    const char *place = config->places[schema_find(path) - schema];
    return !place || text_starts(place, package_defaults);
}

/* Whether a sentence begins with this name, and not with a longer one. */
static bool begins_with_name(const char *sentence, const char *name)
{
    static const char continues[] = "._abcdefghijklmnopqrstuvwxyz";
    if (!text_starts(sentence, name))
        return false;
    char next = sentence[strlen(name)];
    return !next || !strchr(continues, next);
}

void config_locate(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < schema_count; i++) {
        if (!config->places[i] || !begins_with_name(err->text, schema[i].path))
            continue;
        err_prefix(err, "%s", config->places[i]);
        return;
    }
}

bool strings_contain(const struct strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->count; i++)
        if (strcmp(strings->items[i], text) == 0)
            return true;
    return false;
}

bool config_admits_account(const struct config *config, const uint8_t uuid[16])
{
    const struct strings *allowed = &config->accounts_allowed;
    for (size_t i = 0; i < allowed->count; i++) {
        uint8_t entry[16];
        if (strcmp(allowed->items[i], "*") == 0)
            return true;
        if (uuid_parse(entry, allowed->items[i]) == 0 && memcmp(uuid, entry, sizeof entry) == 0)
            return true;
    }
    return false;
}

bool config_allows_account(const struct config *config, const uint8_t uuid[16])
{
    return strings_contain(&config->accounts_allowed, CONFIG_REGISTERED) ||
           config_admits_account(config, uuid);
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
    else
        config_note_place(config, setting, "command line");
    return result;
}

/* More is logged, never less: what the environment asks for may be more already. */
static void be_verbose(struct config *config, int verbose)
{
    int level = verbose > 1 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    if (!verbose || config->log_level >= level)
        return;
    config->log_level = level;
    config_note_place(config, schema_find("log.level"), "command line");
}

static int read_overrides(struct config *config, const struct config_sources *sources,
                          struct err *err)
{
    be_verbose(config, sources->verbose);
    for (size_t i = 0; i < sources->override_count; i++) {
        int result = read_override(config, sources->overrides[i], err);
        if (result != 0)
            return result;
    }
    return 0;
}

char *config_beside_store(const struct config *config, const char *name)
{
    const char *slash = strrchr(config->store_path, '/');
    int folder = slash ? (int)(slash + 1 - config->store_path) : 0;
    return mem_format("%.*s%s", folder, config->store_path, name);
}

/* systemd's credential of this name; the caller frees its path, NULL: there is none. */
static char *credential(char **environment, const char *name)
{
    const char *folder = config_environment_value(environment, "CREDENTIALS_DIRECTORY");
    char *path = folder ? mem_format("%s/%s", folder, name) : NULL;
    if (path && config_is_there(path))
        return path;
    free(path);
    return NULL;
}

/* By the built-in defaults or the package's alone. */
static bool is_default(const struct config *config, const struct config_sources *sources,
                       const struct setting *setting)
{
    const char *place = config->places[setting - schema];
    return !place || text_starts(place, sources->defaults ? sources->defaults : package_defaults);
}

static bool is_beside(const char *path, const char *folder)
{
    struct stat a, b;
    char *copy = mem_text(path);
    bool beside = stat(dirname(copy), &a) == 0 && stat(folder, &b) == 0 && a.st_dev == b.st_dev &&
                  a.st_ino == b.st_ino;
    free(copy);
    return beside;
}

/* Who configured MollySocket, and not its database, has it in the working directory, which is where
 * their volume is: ours belongs there, too, unless it is elsewhere already. Commands, reloads and
 * later starts come to the same answer, also when MollySocket's database is gone. */
static int follow_mollysocket(struct config *config, const struct config_sources *sources,
                              struct err *err)
{
    static const char place[] = "mollysocket.db in the working directory";
    const char *path = config->store_path;
    if (!config->mollysocket || config_is_set(config, "store.mollysocket") ||
        !is_default(config, sources, schema_find("store.path")) || config_is_there(path) ||
        is_beside(path, ".") ||
        (!config_is_there(CONFIG_MOLLY_DATABASE_HERE) && !config_is_there("doorbell.db")))
        return 0;
    return config_take_molly_database(config, place, err);
}

void config_mollysocket_places(const struct config *config, char *places[CONFIG_MOLLY_PLACES])
{
    places[0] = config_beside_store(config, CONFIG_MOLLY_DATABASE);
    places[1] = mem_text(CONFIG_MOLLY_DATABASE_HERE);
}

char *config_find_mollysocket(const struct config *config)
{
    const char *set = config->store_mollysocket;
    if (set)
        return strcmp(set, "none") == 0 ? NULL : mem_text(set);
    char *places[CONFIG_MOLLY_PLACES], *found = NULL;
    config_mollysocket_places(config, places);
    for (int i = 0; i < CONFIG_MOLLY_PLACES; i++) {
        if (!found && config_is_there(places[i]) && !file_is_same(places[i], config->store_path))
            found = places[i];
        else
            free(places[i]);
    }
    return found;
}

/* Nothing of MollySocket's was set, but what it was set to by itself is here: its database. */
static bool has_their_database(const struct config *config)
{
    char *path = config_find_mollysocket(config);
    bool is_here = path && config_is_there(path);
    free(path);
    return is_here;
}

/* What MollySocket rang is rung on where the list is its own or its default, and where its accounts
 * are taken over, whoever writes the list now. Answers to `doorbell setup` only add to it, and
 * change nothing of that. */
static void derive_meaning(struct config *config)
{
    const struct setting *setting = schema_find("push.allowed_endpoints");
    bool has_database = has_their_database(config);
    config->mollysocket |= has_database;
    config->push_exact_logins = config->in_their_way[setting - schema];
    config->push_keeps_proven = has_database || config->push_exact_logins ||
                                (config->mollysocket && !config->places[setting - schema]);
}

void config_stand_in(struct config *config)
{
    const char *database = config->store_mollysocket;
    config->push_keeps_proven = true;
    config->mollysocket |= !database || strcmp(database, "none") != 0;
}

static int take_answer(struct config *config, const struct config *answers,
                       const struct setting *setting, struct err *err)
{
    const void *field = (const char *)answers + setting->offset;
    const struct strings *list = field;
    const char *text = setting->type == SETTING_LIST ? NULL : *(char *const *)field;
    int result = setting->type == SETTING_LIST
                     ? schema_set_list(config, setting, list->items, list->count, err)
                     : schema_set(config, setting, text ? text : "", err);
    if (result == 0)
        config_note_place(config, setting, answers->places[setting - schema]);
    return result;
}

/* The lowest file but the package's: where it is, only all others together tell. */
static int read_setup(struct config *config, const struct config_sources *sources, struct err *err)
{
    derive_meaning(config);
    if (sources->without_files)
        return 0;
    char *path = setup_file_path(config);
    struct config *answers = setup_file_read(path, err);
    free(path);
    if (!answers)
        return err->code;
    int result = 0;
    for (size_t i = 0; i < schema_count && result == 0; i++)
        if (answers->places[i] && is_default(config, sources, &schema[i]))
            result = take_answer(config, answers, &schema[i], err);
    config_free(answers);
    return result;
}

/* A command of root's has no credentials; the service's own keys lie where it may read. Not with a
 * user to become, who may not, and who is not the one that systemd gives the service. */
static char *key_of_service(const struct config *config, const char *path)
{
    bool is_there = !config->user && text_starts(config->store_path, CONFIG_SERVICE_FOLDER) &&
                    access(path, R_OK) == 0;
    return is_there ? mem_text(path) : NULL;
}

static void derive_key_file(struct config *config, char **environment)
{
    if (config->push_vapid_key_file || config->push_vapid_key)
        return;
    config->push_vapid_key_file = credential(environment, CONFIG_VAPID_CREDENTIAL);
    if (!config->push_vapid_key_file)
        config->push_vapid_key_file = key_of_service(config, CONFIG_SERVICE_VAPID_KEY);
    if (config->push_vapid_key_file)
        config_note_place(config, schema_find("push.vapid_key_file"),
                          "credential " CONFIG_VAPID_CREDENTIAL);
    else
        config->push_vapid_key_file = config_beside_store(config, "vapid.key");
}

static void derive_store_key(struct config *config, char **environment)
{
    if (config->store_key_file || config->store_key)
        return;
    config->store_key_file = credential(environment, CONFIG_STORE_CREDENTIAL);
    if (!config->store_key_file)
        config->store_key_file = key_of_service(config, CONFIG_SERVICE_STORE_KEY);
    if (config->store_key_file)
        config_note_place(config, schema_find("store.key_file"),
                          "credential " CONFIG_STORE_CREDENTIAL);
}

static int derive(struct config *config, char **environment, struct err *err)
{
    derive_key_file(config, environment);
    derive_store_key(config, environment);
    if (!config->admin_token_file)
        config->admin_token_file = config_beside_store(config, "admin.token");
    if (config->control_path)
        return 0;
    config->control_path = config_beside_store(config, "doorbell.sock");
    int result = check_socket_path(config->control_path, err);
    if (result != 0)
        err_prefix(err, "store.path: control.path lies beside it, because it is not set");
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
    if (!config_is_set(config, least)) /* the default is not what to change */
        return err_set(err, ERR_INVALID, "%s (%s) is shorter than %s (%s); change one of them",
                       most, most_text, least, least_text);
    return err_set(err, ERR_INVALID, "%s (%s) is longer than %s (%s); change one of them", least,
                   least_text, most, most_text);
}

/* What no single value shows. */
static int check_together(const struct config *config, struct err *err)
{
    static const char *const pairs[][2] = {
        {"signal.reconnect_min", "signal.reconnect_max"},
        {"signal.contested_min", "signal.contested_max"},
        {"signal.refused_confirm", "signal.refused_max"},
        {"signal.client_refused_min", "signal.client_refused_max"},
        {"push.retry_min", "push.retry_max"},
        {"push.gone_after", "push.gone_alike"},
        {"push.breaker_open", "push.breaker_max"},
        {"alert.retry_min", "alert.retry_max"},
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
    if (config->push_vapid_key && config->push_vapid_key_file &&
        !config_is_there(config->push_vapid_key_file))
        return err_set(err, ERR_NOT_FOUND,
                       "push.vapid_key_file: %s is not there. It would win over push.vapid_key, "
                       "which is set as well: take one of the two away",
                       config->push_vapid_key_file);
    if (!config->web_tls_cert != !config->web_tls_key)
        return err_set(err, ERR_INVALID, "%s is set, but %s is not: name the file with the %s",
                       config->web_tls_cert ? "web.tls_cert" : "web.tls_key",
                       config->web_tls_cert ? "web.tls_key" : "web.tls_cert",
                       config->web_tls_cert ? "private key" : "certificate");
    if (config->signal_transport == SIGNAL_TRANSPORT_HTTP2 && !config_has_http2(config))
        return err_set(err, ERR_INVALID,
                       "signal.transport is http2, and signal.url is a server of your own: name "
                       "where it takes HTTP/2 with signal.http2_url");
    return 0;
}

struct config *config_load(const struct config_sources *sources, struct err *err)
{
    struct config *config = config_new();
    if (config_read_files(config, sources, err) == 0 &&
        config_read_molly_environment(config, sources->environment, err) == 0 &&
        config_read_environment(config, sources->environment, err) == 0 &&
        read_overrides(config, sources, err) == 0 &&
        follow_mollysocket(config, sources, err) == 0 && read_setup(config, sources, err) == 0 &&
        derive(config, sources->environment, err) == 0 && check_together(config, err) == 0) {
        if (sources->took_over)
            config_stand_in(config);
        return config;
    }
    config_locate(config, err);
    config_free(config);
    return NULL;
}
