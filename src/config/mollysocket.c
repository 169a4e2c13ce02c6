/* MollySocket's configuration as it is (mollysocket.md 2): its variables and its TOML file. What it
 * takes is taken, also where it passes over a mistake in silence: then with a warning. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/url_normal.h"
#include "base/uuid.h"
#include "config/internal.h"
#include "config/toml.h"

static const char prefix[] = "MOLLY_";

/* Either a text or a list; both end with whoever called. */
struct value {
    const char *text; /* NULL: it is a list */
    char *const *items;
    size_t count;
};

/* One of MollySocket's settings being taken over. */
struct taking {
    struct config *config;
    const struct molly *molly;
    const char *place; /* "MOLLY_PORT", "FILE:LINE" */
    struct err *err;
};

struct molly {
    const char *name; /* in TOML; in the environment in capitals after the prefix */
    int (*take)(const struct taking *taking, const struct value *value);
    const char *path; /* of our setting that it stands for */
};

static int taken(const struct taking *taking, const struct setting *setting, int result)
{
    if (result != 0)
        return result;
    config_note_place(taking->config, setting, taking->place);
    taking->config->in_their_way[setting - schema] = true;
    taking->config->mollysocket |= taking->molly != NULL;
    return 0;
}

static int set(const struct taking *taking, const char *path, const char *text)
{
    const struct setting *setting = schema_find(path);
    int result = schema_set(taking->config, setting, text, taking->err);
    return taken(taking, setting, result);
}

static int refuse_list(const struct taking *taking)
{
    return err_set(taking->err, ERR_INVALID, "it takes one value, not a list");
}

static int take_text(const struct taking *taking, const struct value *value)
{
    return value->text ? set(taking, taking->molly->path, value->text) : refuse_list(taking);
}

/* The listening address, of which MollySocket names host and port apart: the one that is not named
 * here stays what it is. */

static const char *first_address(const struct config *config)
{
    const struct strings *listen = &config->web_listen;
    for (size_t i = 0; i < listen->count; i++)
        if (!text_starts(listen->items[i], "unix:"))
            return listen->items[i];
    return schema_find("web.listen")->standard;
}

static int set_address(const struct taking *taking, char *address)
{
    int result = set(taking, "web.listen", address);
    free(address);
    return result;
}

static int take_host(const struct taking *taking, const struct value *value)
{
    if (!value->text)
        return refuse_list(taking);
    bool is_bare_ipv6 = strchr(value->text, ':') && value->text[0] != '[';
    const char *port = strrchr(first_address(taking->config), ':');
    char *address = mem_format(is_bare_ipv6 ? "[%s]%s" : "%s%s", value->text, port);
    if (set_address(taking, address) == 0)
        return 0;
    return err_set(taking->err, ERR_INVALID,
                   "it must be a numeric address, such as 127.0.0.1, 0.0.0.0 or ::");
}

static int take_port(const struct taking *taking, const struct value *value)
{
    if (!value->text)
        return refuse_list(taking);
    const char *now = first_address(taking->config);
    int host = (int)(strrchr(now, ':') - now);
    if (set_address(taking, mem_format("%.*s:%s", host, now, value->text)) == 0)
        return 0;
    return err_set(taking->err, ERR_INVALID, "it must be a number from 0 to 65535");
}

static int take_signal_env(const struct taking *taking, const struct value *value)
{
    const char *name = value->text ? value->text : "";
    if (strcasecmp(name, "Production") == 0)
        return set(taking, "signal.url", schema_find("signal.url")->standard);
    if (strcasecmp(name, "Staging") == 0)
        return set(taking, "signal.url", "wss://chat.staging.signal.org/v1/websocket/");
    return err_set(taking->err, ERR_INVALID, "it must be Production or Staging");
}

/* Our database stands beside MollySocket's, which is never written. */
static int take_db(const struct taking *taking, const struct value *value)
{
    if (!value->text)
        return refuse_list(taking);
    if (!*value->text) /* a variable of Compose's that is not set */
        return 0;
    const char *slash = strrchr(value->text, '/');
    int folder = slash ? (int)(slash + 1 - value->text) : 0;
    char *path = mem_format("%.*sdoorbell.db", folder, value->text);
    int result = set(taking, "store.mollysocket", value->text);
    if (result == 0)
        result = set(taking, "store.path", path);
    free(path);
    return result;
}

int config_take_molly_database(struct config *config, const char *place, struct err *err)
{
    const struct taking taking = {.config = config, .place = place, .err = err};
    return take_db(&taking, &(struct value){.text = CONFIG_MOLLY_DATABASE_HERE});
}

void config_follow_volume(const char *here, const char *old)
{
    char now[PATH_MAX], *theirs;
    if (!getcwd(now, sizeof now) || strcmp(now, here) != 0 ||
        access(CONFIG_MOLLY_DATABASE_HERE, F_OK) == 0)
        return;
    theirs = mem_format("%s/%s", old, CONFIG_MOLLY_DATABASE_HERE);
    if (access(theirs, F_OK) == 0 && chdir(old) != 0)
        log_warn("%s has MollySocket's database, but cannot be entered (%s)", old, strerror(errno));
    free(theirs);
}

/* Lists */

static void warn_entry(const struct taking *taking, size_t position, const char *why)
{
    log_warn("%s: entry %zu %s; it is ignored, as MollySocket ignores it", taking->place, position,
             why);
}

/* Its entries are origins, with user name and password where they have them: it never looks at
 * their paths. NULL: not to be taken. */
static char *endpoint_entry(const struct taking *taking, size_t position, const char *entry)
{
    struct err err;
    struct url url;
    if (strcmp(entry, "*") == 0)
        return mem_text(entry);
    char *normal = url_normal(entry, &err);
    if (!normal) {
        log_warn("%s: entry %zu cannot be used, and is ignored: %s", taking->place, position,
                 err.text);
        return NULL;
    }
    if (url_parse(&url, normal, NULL) == 0)
        normal[strlen(normal) - strlen(url.target)] = '\0';
    bool can_match = url.is_address || config_is_host_name(url.host);
    url_fini(&url);
    if (can_match)
        return normal;
    mem_free_secret(normal);
    warn_entry(taking, position, "has a host that cannot be one");
    return NULL;
}

static char *account_entry(const struct taking *taking, size_t position, const char *entry)
{
    uint8_t uuid[16];
    if (strcmp(entry, "*") == 0 || uuid_parse(uuid, entry) == 0)
        return mem_text(entry);
    warn_entry(taking, position, "is no account id");
    return NULL;
}

/* MollySocket looks at its lists when somebody registers: one that matches nobody closes it, and
 * who is registered stays. */
static int close_list(const struct taking *taking, const struct setting *setting)
{
    char registered[] = CONFIG_REGISTERED, *item = registered;
    log_warn("%s: it has no entry that can be used, so nothing new is allowed; what is registered "
             "stays. [\"*\"] would allow everything",
             taking->place);
    return schema_set_list(taking->config, setting, &item, 1, taking->err);
}

static int set_list(const struct taking *taking, char *const *items, size_t count)
{
    const struct setting *setting = schema_find(taking->molly->path);
    int result = count ? schema_set_checked_list(taking->config, setting, items, count, taking->err)
                       : close_list(taking, setting);
    return taken(taking, setting, result);
}

typedef char *entry_fn(const struct taking *taking, size_t position, const char *entry);

static int take_entries(const struct taking *taking, const struct value *list, entry_fn *take)
{
    char **taken = mem_new((list->count + 1) * sizeof *taken);
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        char *entry = take(taking, i + 1, list->items[i]);
        if (entry)
            taken[count++] = entry;
    }
    int result = set_list(taking, taken, count);
    for (size_t i = 0; i < count; i++)
        mem_free_secret(taken[i]);
    free(taken);
    return result;
}

/* "a, b" without brackets, where MollySocket stops. */
static int take_bare_list(const struct taking *taking, const char *text, entry_fn *take)
{
    text += strspn(text, " \t\r\n");
    if (!*text) /* a variable of Compose's that is not set: what was meant is not known */
        return err_set(taking->err, ERR_INVALID,
                       "it is empty; write [\"*\"] to allow everything, or [] for nothing new");
    char *bracketed = mem_format("[%s]", text);
    struct value list = {0};
    char **items;
    int result = toml_read_array(*text == '[' ? text : bracketed, &items, &list.count, taking->err);
    free(bracketed);
    if (result != 0)
        return result;
    list.items = items;
    result = take_entries(taking, &list, take);
    for (size_t i = 0; i < list.count; i++)
        mem_free_secret(items[i]);
    free(items);
    return result;
}

static int take_list(const struct taking *taking, const struct value *value, entry_fn *take)
{
    return value->text ? take_bare_list(taking, value->text, take)
                       : take_entries(taking, value, take);
}

static int take_endpoints(const struct taking *taking, const struct value *value)
{
    return take_list(taking, value, endpoint_entry);
}

static int take_accounts(const struct taking *taking, const struct value *value)
{
    return take_list(taking, value, account_entry);
}

static const struct molly mollys[] = {
    {"host", take_host, "web.listen"},
    {"port", take_port, "web.listen"},
    {"webserver", take_text, "web.enabled"},
    {"vapid_privkey", take_text, "push.vapid_key"},
    {"vapid_key_file", take_text, "push.vapid_key_file"},
    {"signal_env", take_signal_env, "signal.url"},
    {"allowed_endpoints", take_endpoints, "push.allowed_endpoints"},
    {"allowed_uuids", take_accounts, "accounts.allowed"},
    {"db", take_db, "store.mollysocket"},
};

static const struct molly *find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof mollys / sizeof *mollys; i++)
        if (strlen(mollys[i].name) == length && strncasecmp(mollys[i].name, name, length) == 0)
            return &mollys[i];
    return NULL;
}

bool config_is_molly_variable(const struct setting *setting, const char *name, size_t length)
{
    size_t start = strlen(prefix);
    const struct molly *molly = NULL;
    if (length > start && text_starts_nocase(name, prefix))
        molly = find(name + start, length - start);
    return molly && strcmp(molly->path, setting->path) == 0;
}

char *config_molly_names(const struct setting *setting)
{
    char *names = NULL;
    for (size_t i = 0; i < sizeof mollys / sizeof *mollys; i++) {
        if (strcmp(mollys[i].path, setting->path) != 0)
            continue;
        char *longer =
            mem_format("%s%s%s%s", names ? names : "", names ? ", " : "", prefix, mollys[i].name);
        free(names);
        names = longer;
    }
    for (char *c = names; c && *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    return names;
}

/* The environment */

/* Blanks around it, as a file of variables may have them, are not part of a value; nor are quotes.
 * The caller frees it. */
static char *value_in(const char *text)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length && strchr(blanks, text[length - 1]))
        length--;
    char *trimmed = mem_copy(text, length);
    char *value = config_without_quotes(trimmed);
    mem_free_secret(trimmed);
    return value;
}

static int read_variable(struct config *config, const char *variable, struct err *err)
{
    size_t length = strcspn(variable, "=");
    const char *name = variable + strlen(prefix);
    const struct molly *molly = find(name, length - strlen(prefix));
    char place[CONFIG_NAME_SIZE];
    text_printable(place, sizeof place, variable, length);
    if (!molly) {
        log_warn("%s is not a setting of MollySocket and is ignored", place);
        return 0;
    }
    char *text = value_in(variable + length + 1);
    const struct taking taking = {config, molly, place, err};
    int result = molly->take(&taking, &(struct value){.text = text});
    mem_free_secret(text);
    if (result != 0)
        err_prefix(err, "%s", place);
    return result;
}

/* In capitals or not: MollySocket takes both. */
static bool is_ours_to_read(const char *variable)
{
    return text_starts_nocase(variable, prefix) && strchr(variable, '=') &&
           !text_starts_nocase(variable, CONFIG_MOLLY_FILE_VARIABLE "=");
}

/* "info", or "warn,mollysocket=debug": the word on MollySocket itself counts more. */
static const char *level_in(const char *directives, size_t *length)
{
    static const char own[] = "mollysocket=";
    const char *found = NULL;
    for (const char *at = directives, *end; *at; at = *end ? end + 1 : end) {
        end = at + strcspn(at, ",");
        bool is_own = text_starts(at, own);
        if (is_own)
            at += strlen(own);
        else if (found || memchr(at, '=', (size_t)(end - at)))
            continue;
        found = at;
        *length = (size_t)(end - at);
        if (is_own)
            break;
    }
    return found;
}

/* A hint only: what it says to other programs of the same environment is none of our business. */
static void read_rust_log(struct config *config, char **environment)
{
    static const struct {
        const char *theirs, *ours;
    } levels[] = {{"off", "error"}, {"error", "error"}, {"warn", "warn"},
                  {"info", "info"}, {"debug", "debug"}, {"trace", "debug"}};
    const char *value = config_environment_value(environment, "RUST_LOG");
    size_t length = 0;
    const char *level = value ? level_in(value, &length) : NULL;
    const struct taking taking = {.config = config, .place = "RUST_LOG"};
    for (size_t i = 0; level && i < sizeof levels / sizeof *levels; i++)
        if (strlen(levels[i].theirs) == length && strncasecmp(level, levels[i].theirs, length) == 0)
            set(&taking, "log.level", levels[i].ours);
}

int config_read_molly_environment(struct config *config, char **environment, struct err *err)
{
    read_rust_log(config, environment);
    for (; environment && *environment; environment++) {
        int result = is_ours_to_read(*environment) ? read_variable(config, *environment, err) : 0;
        if (result != 0)
            return result;
    }
    return 0;
}

/* The file */

struct reading {
    struct config *config;
    const char *name; /* of the file */
};

enum { PLACE_SIZE = 2 * CONFIG_NAME_SIZE + 24 };

static void write_place(char place[PLACE_SIZE], const struct reading *reading, unsigned line)
{
    char name[2 * CONFIG_NAME_SIZE];
    text_printable(name, sizeof name, reading->name, strlen(reading->name));
    snprintf(place, PLACE_SIZE, "%s:%u", name, line);
}

static int on_pair(void *arg, const char *key, const struct toml_value *pair, struct err *err)
{
    struct reading *reading = arg;
    const struct molly *molly = find(key, strlen(key));
    char place[PLACE_SIZE];
    write_place(place, reading, pair->line);
    if (!molly || strcmp(molly->name, key) != 0) {
        log_warn("%s: \"%s\" is not a setting of MollySocket and is ignored", place, key);
        return 0;
    }
    const struct taking taking = {reading->config, molly, place, err};
    struct value value = {.text = pair->text, .items = pair->items, .count = pair->count};
    int result = pair->type == TOML_OTHER
                     ? err_set(err, ERR_INVALID, "it takes a text in quotes, or a list of them")
                     : molly->take(&taking, &value);
    if (result != 0)
        err_prefix(err, "%s", key);
    return result;
}

int config_read_molly_toml(struct config *config, const char *name, const void *bytes,
                           size_t length, struct err *err)
{
    struct reading reading = {config, name};
    unsigned line = 0;
    int result = toml_read(bytes, length, on_pair, &reading, &line, err);
    char place[PLACE_SIZE];
    write_place(place, &reading, line);
    if (result != 0)
        err_prefix(err, "%s", place);
    return result;
}
