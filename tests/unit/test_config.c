/* Loading: which file, which order, what follows from what, and the documents of the table. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/internal.h"
#include "config/schema.h"
#include "config/service.h"
#include "folder.h"
#include "unit.h"

static const char shipped[] = "config/doorbell.yaml";

/* The caller frees it. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    char *text = mem_new(CONFIG_FILE_MAX);
    size_t length = fread(text, 1, CONFIG_FILE_MAX - 1, file);
    text[length] = '\0';
    ck_assert_int_eq(fclose(file), 0);
    return text;
}

static struct config *load(const char *file, char **environment, struct err *err)
{
    *err = (struct err){0};
    return config_load(&(struct config_sources){.file = file, .environment = environment}, err);
}

static void expect_failure(const char *file, char **environment, const char *sentence)
{
    struct err err;
    struct config *config = load(file, environment, &err);
    ck_assert_msg(config == NULL, "loaded, but expected: %s", sentence);
    ck_assert_int_lt(err.code, 0);
    ck_assert_msg(strncmp(err.text, sentence, strlen(sentence)) == 0, "%s", err.text);
}

static void expect_one(const struct strings *strings, const char *item)
{
    ck_assert_uint_eq(strings->count, 1);
    ck_assert_str_eq(strings->items[0], item);
    ck_assert(strings_contain(strings, item));
    ck_assert(!strings_contain(strings, "something else"));
}

static void expect_web_defaults(const struct config *config)
{
    ck_assert(config->web_enabled);
    expect_one(&config->web_listen, "127.0.0.1:8020");
    ck_assert_ptr_null(config->web_public_url);
    expect_one(&config->web_trusted_proxies, "auto");
    ck_assert_int_eq(config->web_timeout_ms, 10000);
    ck_assert_int_eq(config->web_connections, 512);
    ck_assert_int_eq(config->web_connections_per_address, 32);
}

static void expect_signal_defaults(const struct config *config)
{
    ck_assert_str_eq(config->signal_url, "wss://chat.signal.org/v1/websocket/");
    ck_assert_ptr_null(config->signal_ca_file);
    ck_assert_str_eq(config->signal_user_agent, "Doorbell/" DOORBELL_VERSION);
    ck_assert_str_eq(config->signal_user_agent_fallback, "Signal-Android/8.19.2 Android/36");
    ck_assert_int_eq(config->signal_keepalive_ms, 30000);
    ck_assert_int_eq(config->signal_keepalive_timeout_ms, 20000);
    ck_assert_int_eq(config->signal_reconnect_min_ms, 2000);
    ck_assert_int_eq(config->signal_reconnect_max_ms, 300000);
    ck_assert_int_eq(config->signal_contested_min_ms, 10000);
    ck_assert_int_eq(config->signal_contested_max_ms, 1800000);
    ck_assert_int_eq(config->signal_refused_confirm_ms, 60000);
    ck_assert_int_eq(config->signal_reauthenticate_ms, 86400000);
}

static void expect_push_defaults(const struct config *config)
{
    expect_one(&config->push_allowed_endpoints, "*");
    ck_assert_uint_eq(config->push_denied.count, 0);
    ck_assert_ptr_null(config->push_ca_file);
    ck_assert_int_eq(config->push_timeout_ms, 15000);
    ck_assert_int_eq(config->push_connect_timeout_ms, 5000);
    ck_assert_int_eq(config->push_hold_ms, 20000);
    ck_assert_int_eq(config->push_retry_min_ms, 2000);
    ck_assert_int_eq(config->push_retry_max_ms, 900000);
    ck_assert_int_eq(config->push_suspect_after, 3);
    ck_assert_int_eq(config->push_gone_after_ms, 3600000);
    ck_assert_str_eq(config->push_vapid_key_file, "./data/vapid.key");
    ck_assert_str_eq(config->push_vapid_subject, "https://github.com/doorbell-push/doorbell");
}

static void expect_defaults(const struct config *config)
{
    ck_assert_str_eq(config->store_path, "./data/doorbell.db");
    ck_assert_str_eq(config->control_path, "./data/doorbell.sock");
    expect_web_defaults(config);
    expect_signal_defaults(config);
    expect_push_defaults(config);
    ck_assert_int_eq(config->wake_interval_ms, 1000);
    ck_assert(!config->wake_own_messages);
    expect_one(&config->accounts_allowed, "*");
    ck_assert_int_eq(config->accounts_max, 10000);
    ck_assert_int_eq(config->accounts_verdict_ms, 5000);
    ck_assert_int_eq(config->net_family, NET_FAMILY_AUTO);
    ck_assert_int_eq(config->net_connect_timeout_ms, 10000);
    ck_assert_int_eq(config->net_handshake_timeout_ms, 30000);
    ck_assert_int_eq(config->net_dns_timeout_ms, 3000);
    ck_assert_uint_eq(config->net_nameservers.count, 0);
    ck_assert_int_eq(config->log_level, LOG_LEVEL_INFO);
    ck_assert_int_eq(config->log_format, LOG_FORMAT_TEXT);
}

START_TEST(an_empty_file_gives_the_defaults)
{
    struct err err;
    struct config *config = load("/dev/null", NULL, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    expect_defaults(config);
    config_free(config);
    config_free(NULL);
}
END_TEST

START_TEST(files_stand_beside_the_store_unless_they_are_named)
{
    static const struct {
        char *store, *control, *vapid;
    } places[] = {
        {"/var/lib/doorbell/doorbell.db", "/var/lib/doorbell/doorbell.sock",
         "/var/lib/doorbell/vapid.key"},
        {"/doorbell.db", "/doorbell.sock", "/vapid.key"},
        {"doorbell.db", "doorbell.sock", "vapid.key"},
        {"a/b", "a/doorbell.sock", "a/vapid.key"},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *variable = mem_format("DOORBELL_STORE_PATH=%s", places[i].store);
        char *environment[] = {variable, NULL};
        struct err err;
        struct config *config = load("/dev/null", environment, &err);
        ck_assert_msg(config != NULL, "%s", err.text);
        ck_assert_str_eq(config->control_path, places[i].control);
        ck_assert_str_eq(config->push_vapid_key_file, places[i].vapid);
        config_free(config);
        free(variable);
    }
    char *environment[] = {"DOORBELL_STORE_PATH=/data/doorbell.db",
                           "DOORBELL_CONTROL_PATH=/run/bell.sock",
                           "DOORBELL_PUSH_VAPID_KEY_FILE=/etc/bell.key", NULL};
    struct err err;
    struct config *config = load("/dev/null", environment, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_str_eq(config->control_path, "/run/bell.sock");
    ck_assert_str_eq(config->push_vapid_key_file, "/etc/bell.key");
    config_free(config);
}
END_TEST

START_TEST(a_store_too_deep_for_a_socket_beside_it_is_told)
{
    char variable[200] = "DOORBELL_STORE_PATH=/";
    memset(variable + strlen(variable), 'd', 100);
    strcat(variable, "/doorbell.db");
    char *environment[] = {variable, NULL};
    expect_failure(
        "/dev/null", environment,
        "DOORBELL_STORE_PATH: store.path: control.path lies beside it, because it is not "
        "set: the path of a socket may have 107 bytes");
    char *both[] = {variable, "DOORBELL_CONTROL_PATH=/run/doorbell.sock", NULL};
    struct err err;
    struct config *config = load("/dev/null", both, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    config_free(config);
}
END_TEST

START_TEST(later_sources_win)
{
    struct folder folder;
    enter_folder(&folder);
    write_file("other.yaml",
               "push:\n  timeout: 1s\n  hold: 1s\n  gone_after: 1s\n  denied: [a, b]\n");
    char *environment[] = {"PATH=/bin", "DOORBELL_PUSH_HOLD=2s", "DOORBELL_PUSH_GONE_AFTER=2s",
                           "DOORBELL_PUSH_DENIED=c", NULL};
    const char *const overrides[] = {"push.gone_after=3s"};
    struct err err = {0};
    struct config *config = config_load(&(struct config_sources){.file = "other.yaml",
                                                                 .environment = environment,
                                                                 .overrides = overrides,
                                                                 .override_count = 1},
                                        &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_int_eq(config->push_connect_timeout_ms, 5000);
    ck_assert_int_eq(config->push_timeout_ms, 1000);
    ck_assert_int_eq(config->push_hold_ms, 2000);
    ck_assert_int_eq(config->push_gone_after_ms, 3000);
    expect_one(&config->push_denied, "c");
    config_free(config);
    leave_folder(&folder);
}
END_TEST

START_TEST(the_file_is_the_one_named_else_the_one_here)
{
    struct folder folder;
    enter_folder(&folder);
    write_file("doorbell.yaml", "push.hold: 1s\n");
    write_file("other.yaml", "push.hold: 2s\n");
    char *none[] = {NULL}, *named[] = {"DOORBELL_CONFIG=other.yaml", NULL},
         *empty[] = {"DOORBELL_CONFIG=", NULL}, *prefix[] = {"DOORBELL_CONFI=other.yaml", NULL};
    const struct {
        const char *file;
        char **environment;
        int64_t hold_ms;
    } cases[] = {{NULL, none, 1000},  {NULL, NULL, 1000},   {NULL, named, 2000},
                 {NULL, empty, 1000}, {NULL, prefix, 1000}, {"doorbell.yaml", named, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err;
        struct config *config = load(cases[i].file, cases[i].environment, &err);
        ck_assert_msg(config != NULL, "%s", err.text);
        ck_assert_int_eq(config->push_hold_ms, cases[i].hold_ms);
        config_free(config);
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(a_named_file_must_be_there)
{
    struct folder folder;
    enter_folder(&folder);
    char *named[] = {"DOORBELL_CONFIG=other.yaml", NULL};
    expect_failure("other.yaml", NULL,
                   "--config: other.yaml: it cannot be read (No such file or directory)");
    expect_failure(NULL, named,
                   "DOORBELL_CONFIG: other.yaml: it cannot be read (No such file or directory)");
    leave_folder(&folder);
}
END_TEST

START_TEST(a_folder_in_place_of_the_file_is_told)
{
    struct folder folder;
    enter_folder(&folder);
    ck_assert_int_eq(mkdir("doorbell.yaml", 0700), 0);
    expect_failure(NULL, NULL, "doorbell.yaml: it is a folder; ");
    leave_folder(&folder);
}
END_TEST

START_TEST(a_file_that_never_ends_is_refused)
{
    expect_failure("/dev/zero", NULL, "/dev/zero: it is larger than 1024 KiB");
}
END_TEST

START_TEST(errors_of_the_file_come_through_with_line_and_key)
{
    struct folder folder;
    enter_folder(&folder);
    write_file("other.yaml", "push:\n  timeot: 15s\n");
    expect_failure(
        "other.yaml", NULL,
        "other.yaml:2: key \"push.timeot\" is not known; did you mean \"push.timeout\"?");
    leave_folder(&folder);
}
END_TEST

START_TEST(a_wrong_variable_is_fatal_and_named)
{
    static const struct {
        char *variable;
        const char *sentence;
    } wrong[] = {
        {"DOORBELL_PUSH_TIMEOUT=15", "DOORBELL_PUSH_TIMEOUT: \"15\" has no unit; "},
        {"DOORBELL_PUSH_TIMEOUT=", "DOORBELL_PUSH_TIMEOUT: it is empty; "},
        {"DOORBELL_ACCOUNTS_ALLOWED=", "DOORBELL_ACCOUNTS_ALLOWED: it is empty; "},
        {"DOORBELL_LOG_LEVEL=verbose", "DOORBELL_LOG_LEVEL: \"verbose\" is none of "},
        {"DOORBELL_PUSH_ALLOWED_ENDPOINTS=*,ntfy.sh",
         "DOORBELL_PUSH_ALLOWED_ENDPOINTS: entry 2: it must begin with https://"},
        {"DOORBELL_PUSH_ALLOWED_ENDPOINTS=[\"*\"", "DOORBELL_PUSH_ALLOWED_ENDPOINTS: it is not a "},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *environment[] = {"HOME=/", wrong[i].variable, NULL};
        expect_failure("/dev/null", environment, wrong[i].sentence);
    }
}
END_TEST

START_TEST(variables_are_trimmed_and_may_keep_the_quotes_of_a_compose_file)
{
    char *environment[] = {"DOORBELL_STORE_PATH=\"/data/doorbell.db\"",
                           "DOORBELL_PUSH_TIMEOUT= 7s \n",
                           "DOORBELL_WEB_LISTEN=[::]:8020",
                           "DOORBELL_PUSH_ALLOWED_ENDPOINTS='[\"https://ntfy.sh\", \"*\"]'",
                           "DOORBELL_PUSH_DENIED=\"a.example\",\"b.example\"",
                           "DOORBELL_NET_NAMESERVERS=",
                           "DOORBELL_WEB_PUBLIC_URL=",
                           "DOORBELL_LOG_LEVEL='debug'",
                           NULL};
    struct err err;
    struct config *config = load("/dev/null", environment, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_str_eq(config->store_path, "/data/doorbell.db");
    ck_assert_int_eq(config->push_timeout_ms, 7000);
    expect_one(&config->web_listen, "[::]:8020");
    ck_assert_uint_eq(config->push_allowed_endpoints.count, 2);
    ck_assert_str_eq(config->push_allowed_endpoints.items[0], "https://ntfy.sh");
    ck_assert_str_eq(config->push_allowed_endpoints.items[1], "*");
    ck_assert_uint_eq(config->push_denied.count, 2);
    ck_assert_str_eq(config->push_denied.items[1], "b.example");
    ck_assert_uint_eq(config->net_nameservers.count, 0);
    ck_assert_ptr_null(config->web_public_url);
    ck_assert_int_eq(config->log_level, LOG_LEVEL_DEBUG);
    config_free(config);
}
END_TEST

/* What loading writes to standard error; the caller frees it. */
static char *logged_while_loading(char **environment)
{
    FILE *log = tmpfile();
    int standard_error = dup(STDERR_FILENO);
    ck_assert_ptr_nonnull(log);
    ck_assert_int_ge(dup2(fileno(log), STDERR_FILENO), 0);
    struct err err;
    struct config *config = load("/dev/null", environment, &err);
    ck_assert_int_ge(dup2(standard_error, STDERR_FILENO), 0);
    close(standard_error);
    ck_assert_msg(config != NULL, "%s", err.text);
    config_free(config);
    char *text = mem_new(4096);
    rewind(log);
    text[fread(text, 1, 4095, log)] = '\0';
    fclose(log);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

START_TEST(unknown_variables_are_one_warning_each)
{
    char *environment[] = {"DOORBELL_PORT=tcp://10.0.0.1:8020",
                           "DOORBELL_PUSH_TIMEOT=hunter2",
                           "DOORBELL_CONFIG=/dev/null",
                           "DOORBELLS=1",
                           "DOORBELL_NO_EQUALS_SIGN",
                           "DOORBELL_PUSH_HOLD=2s",
                           "doorbell_push_hold=3s",
                           NULL};
    char *text = logged_while_loading(environment);
    ck_assert_uint_eq(count_lines(text), 2);
    ck_assert_ptr_nonnull(strstr(text, "warn"));
    ck_assert_ptr_nonnull(strstr(text, "DOORBELL_PORT is not a setting and is ignored\n"));
    ck_assert_ptr_nonnull(strstr(text, "DOORBELL_PUSH_TIMEOT is not a setting and is ignored; did "
                                       "you mean DOORBELL_PUSH_TIMEOUT?\n"));
    ck_assert_ptr_null(strstr(text, "hunter2"));
    ck_assert_ptr_null(strstr(text, "tcp://"));
    free(text);
}
END_TEST

START_TEST(overrides_name_settings_that_exist)
{
    static const struct {
        const char *override, *sentence;
    } wrong[] = {
        {"push.timeot=1s",
         "command line: \"push.timeot\" is not known; did you mean \"push.timeout\"?"},
        {"colour=blue", "command line: \"colour\" is not known"},
        {"push.timeout", "command line: \"push.timeout\" has no value; write push.timeout=VALUE"},
        {"push.timeout=1", "command line: push.timeout: \"1\" has no unit; "},
        {"push.timeout=", "command line: push.timeout: it is empty; "},
        {"=1s", "command line: \"\" is not known"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const overrides[] = {"log.level=debug", wrong[i].override};
        struct err err = {0};
        ck_assert_ptr_null(config_load(&(struct config_sources){.file = "/dev/null",
                                                                .overrides = overrides,
                                                                .override_count = 2},
                                       &err));
        ck_assert_msg(strncmp(err.text, wrong[i].sentence, strlen(wrong[i].sentence)) == 0, "%s",
                      err.text);
    }
}
END_TEST

START_TEST(settings_that_contradict_each_other_are_refused)
{
    static const struct {
        char *variable;
        const char *sentence;
    } wrong[] = {
        {"DOORBELL_SIGNAL_RECONNECT_MIN=10m", "DOORBELL_SIGNAL_RECONNECT_MIN: signal.reconnect_min "
                                              "(10m) is longer than signal.reconnect_max (5m); "},
        {"DOORBELL_SIGNAL_CONTESTED_MAX=9s", "DOORBELL_SIGNAL_CONTESTED_MAX: signal.contested_max "
                                             "(9s) is shorter than signal.contested_min (10s); "},
        {"DOORBELL_PUSH_RETRY_MAX=1999ms",
         "DOORBELL_PUSH_RETRY_MAX: push.retry_max (1999ms) is shorter than push.retry_min (2s); "},
        {"DOORBELL_WEB_TRUSTED_PROXIES=10.0.0.0/8,none",
         "DOORBELL_WEB_TRUSTED_PROXIES: web.trusted_proxies: none must stand alone; "},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *environment[] = {wrong[i].variable, NULL};
        expect_failure("/dev/null", environment, wrong[i].sentence);
    }
    char *equal[] = {"DOORBELL_PUSH_RETRY_MAX=2s", NULL};
    struct err err;
    struct config *config = load("/dev/null", equal, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    config_free(config);
}
END_TEST

static void expect_located(const struct config *config, const char *sentence, const char *located)
{
    struct err err = {0};
    err_set(&err, ERR_INVALID, "%s", sentence);
    config_locate(config, &err);
    ck_assert_str_eq(err.text, located);
}

START_TEST(a_sentence_about_a_setting_is_told_where_that_was_written)
{
    struct folder folder;
    enter_folder(&folder);
    write_file("other.yaml",
               "push:\n  retry_min: 3s\n  timeout: 9s\nsignal.url: wss://a.example/\n");
    char *environment[] = {"DOORBELL_SIGNAL_URL=wss://b.example/", NULL};
    const char *overrides[] = {"log.level=warn"};
    struct err err = {0};
    struct config *config = config_load(&(struct config_sources){.file = "other.yaml",
                                                                 .environment = environment,
                                                                 .overrides = overrides,
                                                                 .override_count = 1},
                                        &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    expect_located(config, "push.timeout: it is wrong", "other.yaml:3: push.timeout: it is wrong");
    expect_located(config, "signal.url is wrong", "DOORBELL_SIGNAL_URL: signal.url is wrong");
    expect_located(config, "log.level", "command line: log.level");
    /* No longer name is taken for it, and neither a default nor another sentence has a place. */
    expect_located(config, "push.timeout_not: wrong", "push.timeout_not: wrong");
    expect_located(config, "store.path: wrong", "store.path: wrong");
    expect_located(config, "Look at push.timeout.", "Look at push.timeout.");
    config_free(config);
    leave_folder(&folder);
}
END_TEST

START_TEST(secrets_in_the_environment_are_overwritten_in_place)
{
    char key[] = "MOLLY_VAPID_PRIVKEY=hunter2", other[] = "MOLLY_VAPID_PRIVKEYS=hunter2",
         small[] = "molly_vapid_privkey=hunter2", short_name[] = "DOORBELL",
         path[] = "DOORBELL_STORE_PATH=/x";
    char *environment[] = {short_name, path, key, other, small, NULL};
    char **taken = config_take_environment(environment);
    ck_assert_str_eq(taken[2], "MOLLY_VAPID_PRIVKEY=hunter2");
    ck_assert_ptr_null(taken[5]);
    config_free_environment(taken);
    for (size_t i = strlen("MOLLY_VAPID_PRIVKEY="); i < sizeof key; i++)
        ck_assert_int_eq(key[i], 0);
    ck_assert_str_eq(key, "MOLLY_VAPID_PRIVKEY=");
    ck_assert_str_eq(small, "molly_vapid_privkey=");
    ck_assert_str_eq(other, "MOLLY_VAPID_PRIVKEYS=hunter2");
    ck_assert_str_eq(path, "DOORBELL_STORE_PATH=/x");
    ck_assert_ptr_eq(environment[2], key);
    config_free_environment(config_take_environment(NULL));
}
END_TEST

/* Reads YAML and derives as config_load does. */
static struct config *load_text(const char *text)
{
    struct folder folder;
    enter_folder(&folder);
    write_file("other.yaml", text);
    struct err err;
    struct config *config = load("other.yaml", NULL, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    leave_folder(&folder);
    return config;
}

/* What differs when one source of the two has this line more; NULL: nothing that is fixed. */
static const char *changed_by(char *variable)
{
    struct err err;
    char none[] = "IRRELEVANT=1", *old[] = {none, NULL}, *new[] = {variable, NULL};
    struct config *one = load(NULL, old, &err), *other = load(NULL, new, &err);
    ck_assert_msg(one && other, "%s", err.text);
    const struct setting *changed = schema_changed(one, other), *back = schema_changed(other, one);
    ck_assert_ptr_eq(changed, back);
    ck_assert_ptr_null(schema_changed(other, other));
    config_free(one);
    config_free(other);
    return changed ? changed->path : NULL;
}

START_TEST(what_a_reload_cannot_change_is_found_in_every_kind_of_setting)
{
    static const struct {
        const char *variable, *path;
    } cases[] = {
        {"DOORBELL_USER=1000", "user"},
        {"DOORBELL_USER=", NULL}, /* empty is none */
        {"DOORBELL_WEB_ENABLED=no", "web.enabled"},
        {"DOORBELL_WEB_ENABLED=yes", NULL},
        {"DOORBELL_WEB_CONNECTIONS=511", "web.connections"},
        {"DOORBELL_WEB_LISTEN=127.0.0.1:8020,[::1]:8020", "web.listen"},
        {"DOORBELL_WEB_LISTEN=127.0.0.1:8021", "web.listen"},
        {"DOORBELL_WEB_LISTEN=[\"127.0.0.1:8020\"]", NULL},
        {"DOORBELL_STORE_PATH=./data/doorbell.db", NULL},
        {"DOORBELL_STORE_PATH=elsewhere/doorbell.db", "store.path"},
        {"DOORBELL_CONTROL_PATH=elsewhere.sock", "control.path"},
        {"DOORBELL_PUSH_TIMEOUT=1s", NULL}, /* can be changed */
        {"DOORBELL_NET_FAMILY=ipv6", NULL},
    };
    struct folder folder;
    enter_folder(&folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *variable = mem_text(cases[i].variable);
        const char *path = changed_by(variable);
        ck_assert_msg(path ? cases[i].path && strcmp(path, cases[i].path) == 0 : !cases[i].path,
                      "%s: %s", variable, path ? path : "nothing");
        free(variable);
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(paths_that_are_not_utf8_are_told_apart_at_a_reload)
{
    struct folder folder;
    struct err err;
    char a[] = "DOORBELL_STORE_PATH=a\xff/doorbell.db",
         b[] = "DOORBELL_STORE_PATH=b\xff/doorbell.db";
    char *old[] = {a, NULL}, *new[] = {b, NULL};
    enter_folder(&folder);
    struct config *one = load(NULL, old, &err), *other = load(NULL, new, &err);
    ck_assert_str_eq(schema_changed(one, other)->path, "store.path");
    config_free(one);
    config_free(other);
    leave_folder(&folder);
}
END_TEST

START_TEST(the_sample_loads_and_changes_nothing)
{
    char *sample = schema_sample_yaml();
    struct config *config = load_text(sample);
    expect_defaults(config);
    config_free(config);
    free(sample);
}
END_TEST

/* Takes the # away from each line that has a name after it. Returns how many there were. */
static size_t uncomment(char *sample)
{
    size_t settings = 0;
    for (char *line = sample; *line;) {
        char *mark = line + strspn(line, " ");
        if (*mark == '#' && mark[1] != ' ' && mark[1] != '\n') {
            memmove(mark, mark + 1, strlen(mark));
            settings++;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return settings;
}

START_TEST(the_sample_with_all_settings_uncommented_gives_the_defaults)
{
    char *sample = schema_sample_yaml();
    ck_assert_uint_eq(uncomment(sample), schema_count);
    struct config *config = load_text(sample);
    expect_defaults(config);
    config_free(config);
    free(sample);
}
END_TEST

START_TEST(the_lines_of_the_sample_are_short_and_plain)
{
    char *sample = schema_sample_yaml();
    size_t length = 0;
    for (const char *c = sample; *c; c++) {
        ck_assert(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
        length = *c == '\n' ? 0 : length + 1;
        ck_assert_uint_le(length, 100);
    }
    free(sample);
}
END_TEST

START_TEST(the_shipped_sample_is_what_the_table_says)
{
    char *sample = schema_sample_yaml(), *file = read_file(shipped);
    ck_assert_msg(file && strcmp(file, sample) == 0,
                  "%s is not what the table says; run from the project's folder: "
                  "build/doorbell config sample > %s",
                  shipped, shipped);
    free(file);
    free(sample);
}
END_TEST

START_TEST(the_markdown_table_has_a_row_for_each_setting)
{
    char *table = schema_markdown();
    ck_assert_uint_eq(count_lines(table), schema_count + 2);
    ck_assert_ptr_nonnull(
        strstr(table, "| `push.timeout` | `DOORBELL_PUSH_TIMEOUT` | `15s` | The "));
    for (const char *line = table; *line; line += strcspn(line, "\n") + 1) {
        size_t bars = 0;
        for (const char *c = line; *c != '\n'; c++)
            bars += *c == '|';
        ck_assert_uint_eq(bars, 5);
    }
    free(table);
}
END_TEST

START_TEST(settings_that_somebody_wrote_are_told_without_defaults_and_secrets)
{
    struct err err;
    char port[] = "DOORBELL_WEB_TIMEOUT=7s", token[] = "DOORBELL_ALERT_TOKEN=tk_secret";
    char user[] = "DOORBELL_USER=somebody";
    char *variables[] = {port, token, user, NULL};
    struct config *config = load("/dev/null", variables, &err);
    ck_assert_msg(config, "%s", err.text);
    char *text = schema_written_yaml(config);
    ck_assert_str_eq(text, "web:\n  timeout: 7s  # DOORBELL_WEB_TIMEOUT\n"
                           "user: \"somebody\"  # DOORBELL_USER\n");
    free(text);
    config_free(config);
}
END_TEST

START_TEST(a_service_file_of_variables_tells_which_settings_it_has)
{
    static const char text[] = "# DOORBELL_LOG_LEVEL=debug\n;DOORBELL_LOG_FORMAT=json\n"
                               "  DOORBELL_ALERT_TOKEN=tk_secret\r\nMOLLY_PORT=8021\n"
                               "DOORBELL_WEB_PUBLIC_URL\nMOLLY_VAPID=x\nDOORBELL_USER = x\n"
                               "DOORBELL_PUSH_JITTER=\"1s\"";
    static const char *const set[] = {"alert.token", "web.listen", "push.jitter"};
    size_t found = 0;
    for (size_t i = 0; i < schema_count; i++)
        found += service_environment_sets(text, &schema[i]);
    ck_assert_uint_eq(found, sizeof set / sizeof *set);
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        ck_assert(service_environment_sets(text, schema_find(set[i])));
    ck_assert(!service_environment_sets(NULL, schema_find("alert.token")));
}
END_TEST

START_TEST(only_a_whole_name_in_a_service_file_of_variables_is_mollysockets)
{
    static const struct {
        const char *line;
        bool sets;
    } cases[] = {{"MOLLY_PORT=1", true}, {"molly_port=1", true}, {"MOLLY_HOST=::", true},
                 {"PORT=1", false},      {"HOST=::", false},     {"LLY_PORT=1", false},
                 {"MOLLY_=1", false},    {"MOLLY_POR=1", false}, {"MOLLY_DB=x", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(service_environment_sets(cases[i].line, schema_find("web.listen")) ==
                          cases[i].sets,
                      "%s", cases[i].line);
    ck_assert(service_environment_sets("MOLLY_DB=x", schema_find("store.mollysocket")));
    ck_assert(!service_environment_sets("DB=x", schema_find("store.mollysocket")));
}
END_TEST

UNIT_MAIN("config", an_empty_file_gives_the_defaults,
          files_stand_beside_the_store_unless_they_are_named,
          a_store_too_deep_for_a_socket_beside_it_is_told, later_sources_win,
          the_file_is_the_one_named_else_the_one_here, a_named_file_must_be_there,
          a_folder_in_place_of_the_file_is_told, a_file_that_never_ends_is_refused,
          errors_of_the_file_come_through_with_line_and_key, a_wrong_variable_is_fatal_and_named,
          variables_are_trimmed_and_may_keep_the_quotes_of_a_compose_file,
          unknown_variables_are_one_warning_each, overrides_name_settings_that_exist,
          settings_that_contradict_each_other_are_refused,
          a_sentence_about_a_setting_is_told_where_that_was_written,
          secrets_in_the_environment_are_overwritten_in_place,
          what_a_reload_cannot_change_is_found_in_every_kind_of_setting,
          paths_that_are_not_utf8_are_told_apart_at_a_reload, the_sample_loads_and_changes_nothing,
          the_sample_with_all_settings_uncommented_gives_the_defaults,
          the_lines_of_the_sample_are_short_and_plain, the_shipped_sample_is_what_the_table_says,
          the_markdown_table_has_a_row_for_each_setting,
          settings_that_somebody_wrote_are_told_without_defaults_and_secrets,
          a_service_file_of_variables_tells_which_settings_it_has,
          only_a_whole_name_in_a_service_file_of_variables_is_mollysockets)
