/* MollySocket's configuration, taken as it is: each row of the two compatibility tables, right and
 * wrong (mollysocket.md 2). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/schema.h"
#include "folder.h"
#include "push/vapid.h"
#include "unit.h"

static struct config *load(char **variables, const char *file, struct err *err)
{
    *err = (struct err){0};
    return config_load(&(struct config_sources){.file = file,
                                                .defaults = "/nonexistent/defaults.yaml",
                                                .environment = variables},
                       err);
}

/* The caller frees it. */
static char *value_of(const struct config *config, const char *path)
{
    return schema_get(config, schema_find(path));
}

static void expect(const struct config *config, const char *path, const char *value)
{
    char *found = value_of(config, path);
    ck_assert_msg(strcmp(found, value) == 0, "%s is %s, not %s", path, found, value);
    free(found);
}

static void expect_place(const struct config *config, const char *path, const char *place)
{
    const char *found = config->places[schema_find(path) - schema];
    ck_assert_str_eq(found ? found : "nowhere", place);
}

#define IDS "[\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"]"
#define KEY "FWI2wQEqJJPUDTo3oHAg0DIFHbiPO8CmAvXkLdyRZlc"
/* One of 31 bytes, as MollySocket writes it once in 256 times. */
#define SHORT_KEY "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw"

/* What MollySocket takes, and what it stops at although it is plain what is meant. */
static const struct {
    const char *variable, *path, *value;
} rights[] = {
    {"MOLLY_HOST=0.0.0.0", "web.listen", "[\"0.0.0.0:8020\"]"},
    {"MOLLY_HOST=\"0.0.0.0\"", "web.listen", "[\"0.0.0.0:8020\"]"},
    {"MOLLY_HOST='127.0.0.1'", "web.listen", "[\"127.0.0.1:8020\"]"},
    {"MOLLY_HOST=::", "web.listen", "[\"[::]:8020\"]"},
    {"MOLLY_HOST=::1", "web.listen", "[\"[::1]:8020\"]"},
    {"MOLLY_HOST=[::1]", "web.listen", "[\"[::1]:8020\"]"},
    {"MOLLY_HOST= 0.0.0.0", "web.listen", "[\"0.0.0.0:8020\"]"},
    {"MOLLY_PORT=8099", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"MOLLY_PORT=\"8099\"", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"MOLLY_PORT='8099'", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"MOLLY_PORT= \"8099\"\t", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"MOLLY_PORT=8099\r", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"molly_port=8099", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"Molly_Port=8099", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"MOLLY_WEBSERVER=false", "web.enabled", "false"},
    {"MOLLY_WEBSERVER=\"false\"", "web.enabled", "false"},
    {"MOLLY_WEBSERVER=true", "web.enabled", "true"},
    {"MOLLY_WEBSERVER=True", "web.enabled", "true"},
    {"MOLLY_WEBSERVER=FALSE", "web.enabled", "false"},
    {"MOLLY_WEBSERVER=1", "web.enabled", "true"},
    {"MOLLY_WEBSERVER=0", "web.enabled", "false"},
    {"MOLLY_WEBSERVER=yes", "web.enabled", "true"},
    {"MOLLY_WEBSERVER='off'", "web.enabled", "false"},
    {"MOLLY_VAPID_PRIVKEY=" KEY, "push.vapid_key", "\"" KEY "\""},
    {"MOLLY_VAPID_PRIVKEY=\"" KEY "\"", "push.vapid_key", "\"" KEY "\""},
    {"MOLLY_VAPID_PRIVKEY=" KEY "=", "push.vapid_key", "\"" KEY "=\""},
    {"MOLLY_VAPID_PRIVKEY=" KEY " ", "push.vapid_key", "\"" KEY "\""},
    {"MOLLY_VAPID_PRIVKEY=" SHORT_KEY, "push.vapid_key", "\"" SHORT_KEY "\""},
    {"MOLLY_VAPID_PRIVKEY=", "push.vapid_key_file", "\"./data/vapid.key\""},
    {"MOLLY_VAPID_PRIVKEY=\"\"", "push.vapid_key_file", "\"./data/vapid.key\""},
    {"MOLLY_VAPID_KEY_FILE=", "push.vapid_key_file", "\"./data/vapid.key\""},
    {"MOLLY_VAPID_KEY_FILE=vapid.key", "push.vapid_key_file", "\"vapid.key\""},
    {"MOLLY_VAPID_KEY_FILE=\"/run/vapid.key\"", "push.vapid_key_file", "\"/run/vapid.key\""},
    {"MOLLY_VAPID_KEY_FILE=/run/vapid.key", "push.vapid_key_file", "\"/run/vapid.key\""},
    {"MOLLY_SIGNAL_ENV=Production", "signal.url", "\"wss://chat.signal.org/v1/websocket/\""},
    {"MOLLY_SIGNAL_ENV=Staging", "signal.url", "\"wss://chat.staging.signal.org/v1/websocket/\""},
    {"MOLLY_SIGNAL_ENV=\"staging\"", "signal.url",
     "\"wss://chat.staging.signal.org/v1/websocket/\""},
    {"MOLLY_DB=/data/mollysocket.db", "store.path", "\"/data/doorbell.db\""},
    {"MOLLY_DB=\"/data/mollysocket.db\"", "store.path", "\"/data/doorbell.db\""},
    {"MOLLY_DB=/data/mollysocket.db", "store.mollysocket", "\"/data/mollysocket.db\""},
    {"MOLLY_DB=ms.db", "store.path", "\"doorbell.db\""},
    {"MOLLY_DB=./ms.db", "store.path", "\"./doorbell.db\""},
    {"MOLLY_DB=./ms.db", "store.mollysocket", "\"./ms.db\""},
    {"MOLLY_DB='/data/my db'", "store.mollysocket", "\"/data/my db\""},
    {"MOLLY_DB=missing/ms.db", "store.path", "\"missing/doorbell.db\""}, /* it is made */
    /* As a variable of Compose's that nobody has set. */
    {"MOLLY_DB=", "store.path", "\"./data/doorbell.db\""},
    {"MOLLY_DB=\"\"", "store.path", "\"./data/doorbell.db\""},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"*\"]", "push.allowed_endpoints", "[\"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS='[\"*\"]'", "push.allowed_endpoints", "[\"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"https://a.tld\",\"*\"]", "push.allowed_endpoints",
     "[\"https://a.tld\", \"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[ 'https://a.tld' , \"*\" ,]", "push.allowed_endpoints",
     "[\"https://a.tld\", \"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[https://a.tld,*]", "push.allowed_endpoints",
     "[\"https://a.tld\", \"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=https://a.tld, *", "push.allowed_endpoints",
     "[\"https://a.tld\", \"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS= [\"*\"] ", "push.allowed_endpoints", "[\"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=*", "push.allowed_endpoints", "[\"*\"]"},
    /* It looks at scheme, host and port alone. */
    {"MOLLY_ALLOWED_ENDPOINTS=[\"http://192.168.1.5:8080/up?x\"]", "push.allowed_endpoints",
     "[\"http://192.168.1.5:8080\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"HTTPS://A.tld:443/\"]", "push.allowed_endpoints",
     "[\"https://a.tld\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"http://[FD00::1]:8080/\"]", "push.allowed_endpoints",
     "[\"http://[fd00::1]:8080\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\n  \"https://a.tld\",\n  \"*\"\n]\n", "push.allowed_endpoints",
     "[\"https://a.tld\", \"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=\"https://a.tld\"", "push.allowed_endpoints", "[\"https://a.tld\"]"},
    /* It passes over what can never match. */
    {"MOLLY_ALLOWED_ENDPOINTS=[\"ntfy.lan\", \"mailto:a@b.c\", \"https://\xef\xbc\x8f.tld\", "
     "\"*\"]",
     "push.allowed_endpoints", "[\"*\"]"},
    /* At user name and password as well, which are not shown. */
    {"MOLLY_ALLOWED_ENDPOINTS=[\"https://u:p@a.tld/up@x\", \"*\"]", "push.allowed_endpoints",
     "[\"https://(hidden)@a.tld\", \"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[https://u:p@A.tld:8443,*]", "push.allowed_endpoints",
     "[\"https://(hidden)@a.tld:8443\", \"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"https://m\xc3\xbcnchen.example/\"]", "push.allowed_endpoints",
     "[\"https://xn--mnchen-3ya.example\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=https://M\xc3\x9cNCHEN.example", "push.allowed_endpoints",
     "[\"https://xn--mnchen-3ya.example\"]"},
    /* what matches nobody closes registration, as there */
    {"MOLLY_ALLOWED_ENDPOINTS=[]", "push.allowed_endpoints", "[\"registered\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"ntfy.lan\"]", "push.allowed_endpoints", "[\"registered\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"https://a..b\", \"*\"]", "push.allowed_endpoints", "[\"*\"]"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"https://1.2.3.4.5\", \"*\"]", "push.allowed_endpoints", "[\"*\"]"},
    {"MOLLY_ALLOWED_UUIDS=[]", "accounts.allowed", "[\"registered\"]"},
    {"MOLLY_ALLOWED_UUIDS=[\"\"]", "accounts.allowed", "[\"registered\"]"},
    {"MOLLY_ALLOWED_UUIDS=[\"abcdef-12345-tuxyz-67890\"]", "accounts.allowed", "[\"registered\"]"},
    {"MOLLY_ALLOWED_UUIDS=[\"*\"]", "accounts.allowed", "[\"*\"]"},
    {"MOLLY_ALLOWED_UUIDS=" IDS, "accounts.allowed", IDS},
    {"MOLLY_ALLOWED_UUIDS=*", "accounts.allowed", "[\"*\"]"},
    {"MOLLY_ALLOWED_UUIDS=[ *, ]", "accounts.allowed", "[\"*\"]"},
    {"MOLLY_ALLOWED_UUIDS=6f9619ff-8b86-d011-b42d-00c04fc964ff", "accounts.allowed", IDS},
    {"MOLLY_ALLOWED_UUIDS=[\"alice\", \"6f9619ff-8b86-d011-b42d-00c04fc964ff\"]",
     "accounts.allowed", IDS},
    {"RUST_LOG=error", "log.level", "error"},
    {"RUST_LOG=warn", "log.level", "warn"},
    {"RUST_LOG=info", "log.level", "info"},
    {"RUST_LOG=debug", "log.level", "debug"},
    {"RUST_LOG=", "log.level", "info"},
    {"RUST_LOG=mollysocket", "log.level", "info"},
    {"RUST_LOG=off", "log.level", "error"},
    {"RUST_LOG=TRACE", "log.level", "debug"},
    {"RUST_LOG=warn,mollysocket=debug,rocket=off", "log.level", "debug"},
    {"RUST_LOG=rocket=off,warn", "log.level", "warn"},
    {"RUST_LOG=rocket=debug", "log.level", "info"},
    {"RUST_LOG=loud", "log.level", "info"},
    /* Not settings of MollySocket's. */
    {"MOLLY_COLOUR=red", "log.level", "info"},
    {"MOLLY_CONF=", "web.listen", "[\"127.0.0.1:8020\"]"},
    {"MOLLY_CONF=\"\"", "web.listen", "[\"127.0.0.1:8020\"]"},
    {"MOLLY_=", "log.level", "info"},
    {"MOLLY_PORT_8020_TCP=tcp://10.0.0.1:8020", "web.listen", "[\"127.0.0.1:8020\"]"},
};

START_TEST(what_mollysocket_takes_from_the_environment_is_taken)
{
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
        struct err err;
        char *variable = mem_text(rights[i].variable);
        char *variables[] = {variable, NULL};
        struct config *config = load(variables, "/dev/null", &err);
        ck_assert_msg(config, "%s: %s", rights[i].variable, err.text);
        expect(config, rights[i].path, rights[i].value);
        config_free(config);
        free(variable);
    }
}
END_TEST

START_TEST(user_names_and_passwords_of_mollysockets_list_are_kept_and_ours_takes_none)
{
    struct err err;
    char theirs[] = "MOLLY_ALLOWED_ENDPOINTS=[\"https://u s:p%40w@a.tld/x\", \"https://b.tld\"]";
    char ours[] = "DOORBELL_PUSH_ALLOWED_ENDPOINTS=https://us:SECRET@a.tld";
    char *variables[] = {theirs, NULL};
    struct config *config = load(variables, "/dev/null", &err);
    ck_assert_msg(config, "%s", err.text);
    ck_assert_uint_eq(config->push_allowed_endpoints.count, 2);
    ck_assert_str_eq(config->push_allowed_endpoints.items[0], "https://u%20s:p%40w@a.tld");
    ck_assert(config->push_exact_logins);
    char *effective = schema_effective_yaml(config);
    ck_assert_ptr_null(strstr(effective, "p%40w"));
    free(effective);
    config_free(config);
    variables[0] = ours;
    ck_assert_ptr_null(load(variables, "/dev/null", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "it must not have a user name or password in it"));
    ck_assert_ptr_null(strstr(err.text, "SECRET"));
    variables[0] = NULL;
    config = load(variables, "/dev/null", &err);
    ck_assert(!config->push_exact_logins);
    config_free(config);
}
END_TEST

static const struct {
    const char *variable, *sentence;
} wrongs[] = {
    {"MOLLY_HOST=localhost", "MOLLY_HOST: it must be a numeric address, such as 127.0.0.1, "
                             "0.0.0.0 or ::"},
    {"MOLLY_HOST=", "MOLLY_HOST: it must be a numeric address, such as 127.0.0.1, 0.0.0.0 or ::"},
    {"MOLLY_PORT=http", "MOLLY_PORT: it must be a number from 0 to 65535"},
    {"MOLLY_PORT=70000", "MOLLY_PORT: it must be a number from 0 to 65535"},
    {"MOLLY_PORT=", "MOLLY_PORT: it must be a number from 0 to 65535"},
    {"MOLLY_PORT=-1", "MOLLY_PORT: it must be a number from 0 to 65535"},
    {"MOLLY_PORT=80.5", "MOLLY_PORT: it must be a number from 0 to 65535"},
    {"MOLLY_PORT=tcp://10.0.0.1:8020", "MOLLY_PORT: it must be a number from 0 to 65535"},
    {"MOLLY_WEBSERVER=", "MOLLY_WEBSERVER: it is empty; write a value, or leave the setting out to "
                         "get the default (true)"},
    {"MOLLY_WEBSERVER=maybe", "MOLLY_WEBSERVER: \"maybe\" is neither true nor false"},
    {"MOLLY_SIGNAL_ENV=Test", "MOLLY_SIGNAL_ENV: it must be Production or Staging"},
    {"MOLLY_SIGNAL_ENV=", "MOLLY_SIGNAL_ENV: it must be Production or Staging"},
    {"MOLLY_VAPID_KEY_FILE=/run/", "MOLLY_VAPID_KEY_FILE: it names a folder; add the name of a "
                                   "file"},
    {"MOLLY_VAPID_KEY_FILE=~/vapid.key",
     "MOLLY_VAPID_KEY_FILE: ~ is not replaced here; write the whole path"},
    {"MOLLY_DB=/data/", "MOLLY_DB: it names a folder; add the name of a file"},
    {"MOLLY_DB=~/ms.db", "MOLLY_DB: ~ is not replaced here; write the whole path"},
    {"MOLLY_ALLOWED_UUIDS=",
     "MOLLY_ALLOWED_UUIDS: it is empty; write [\"*\"] to allow everything, or [] for nothing new"},
    {"MOLLY_ALLOWED_ENDPOINTS=\"\"", "MOLLY_ALLOWED_ENDPOINTS: it is empty; write [\"*\"] to allow "
                                     "everything, or [] for nothing new"},
    {"MOLLY_ALLOWED_ENDPOINTS=[\"https://a.tld\"",
     "MOLLY_ALLOWED_ENDPOINTS: the ] at the end of the list is missing"},
};

START_TEST(a_wrong_variable_of_mollysockets_is_named_with_the_fix)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        struct err err;
        char *variable = mem_text(wrongs[i].variable);
        char *variables[] = {variable, NULL};
        ck_assert_msg(!load(variables, "/dev/null", &err), "%s", wrongs[i].variable);
        ck_assert_str_eq(err.text, wrongs[i].sentence);
        free(variable);
    }
    char unclosed[] = "MOLLY_ALLOWED_UUIDS=[\"*\"";
    char *variables[] = {unclosed, NULL};
    struct err err;
    ck_assert_ptr_null(load(variables, "/dev/null", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "MOLLY_ALLOWED_UUIDS: "));
}
END_TEST

/* Files */

static const char toml[] = "# MollySocket's own sample, in its words\n"
                           "host = \"0.0.0.0\"\n"
                           "port = 8021\n"
                           "webserver = true\n"
                           "signal_env = 'Staging'\n"
                           "allowed_endpoints = [\n"
                           "  \"https://a.tld/up\", # ours\n"
                           "  '*',\n"
                           "]\n"
                           "allowed_uuids = [\"*\"]\n"
                           "db = '/var/lib/mollysocket/ms.db'\n"
                           "vapid_key_file = \"/etc/mollysocket/vapid.key\"\n"
                           "something_new = 1\n";

START_TEST(a_toml_file_of_mollysockets_is_taken_as_it_is)
{
    struct folder folder;
    struct err err;
    char *nothing[] = {NULL};
    enter_folder(&folder);
    write_file("named.toml", toml);
    struct config *config = load(nothing, "named.toml", &err);
    ck_assert_msg(config, "%s", err.text);
    expect(config, "web.listen", "[\"0.0.0.0:8021\"]");
    expect(config, "web.enabled", "true");
    expect(config, "signal.url", "\"wss://chat.staging.signal.org/v1/websocket/\"");
    expect(config, "push.allowed_endpoints", "[\"https://a.tld\", \"*\"]");
    expect(config, "accounts.allowed", "[\"*\"]");
    expect(config, "store.path", "\"/var/lib/mollysocket/doorbell.db\"");
    expect(config, "store.mollysocket", "\"/var/lib/mollysocket/ms.db\"");
    expect(config, "push.vapid_key_file", "\"/etc/mollysocket/vapid.key\"");
    expect_place(config, "web.listen", "named.toml:3");
    expect_place(config, "push.allowed_endpoints", "named.toml:6");
    config_free(config);
    leave_folder(&folder);
}
END_TEST

/* Each key by itself, also as MollySocket would not take it. */
static const struct {
    const char *text, *path, *value;
} right_files[] = {
    {"host = '::'", "web.listen", "[\"[::]:8020\"]"},
    {"port = 8099", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"port = \"8099\"", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"port = 0x1f54", "web.listen", "[\"127.0.0.1:8020\"]"},
    {"webserver = false", "web.enabled", "false"},
    {"webserver = \"false\"", "web.enabled", "false"},
    {"vapid_privkey = \"" KEY "\"", "push.vapid_key", "\"" KEY "\""},
    {"webserver = true", "web.enabled", "true"},
    {"webserver = 'yes'", "web.enabled", "true"},
    {"vapid_privkey = '" SHORT_KEY "'", "push.vapid_key", "\"" SHORT_KEY "\""},
    {"vapid_privkey = \"\"", "push.vapid_key_file", "\"./data/vapid.key\""},
    {"vapid_key_file = 'vapid.key'", "push.vapid_key_file", "\"vapid.key\""},
    {"vapid_key_file = ''", "push.vapid_key_file", "\"./data/vapid.key\""},
    {"signal_env = \"Production\"", "signal.url", "\"wss://chat.signal.org/v1/websocket/\""},
    {"allowed_endpoints = ['*']", "push.allowed_endpoints", "[\"*\"]"},
    {"allowed_endpoints = \"*\"", "push.allowed_endpoints", "[\"*\"]"},
    {"allowed_endpoints = [\"http://10.0.0.2:81/up?x\", 'ntfy.lan']", "push.allowed_endpoints",
     "[\"http://10.0.0.2:81\"]"},
    {"allowed_uuids = " IDS, "accounts.allowed", IDS},
    {"allowed_uuids = ['alice', '*']", "accounts.allowed", "[\"*\"]"},
    {"allowed_uuids = []", "accounts.allowed", "[\"registered\"]"},
    {"allowed_endpoints = []", "push.allowed_endpoints", "[\"registered\"]"},
    {"db = \"./mollysocket.db\"", "store.path", "\"./doorbell.db\""},
    {"db = '/opt/mollysocket/mollysocket.db'", "store.mollysocket",
     "\"/opt/mollysocket/mollysocket.db\""},
    {"db = ''", "store.path", "\"./data/doorbell.db\""},
    {"db = 'missing/ms.db'", "store.path", "\"missing/doorbell.db\""},
    /* Unknown keys and tables. */
    {"environment = 'Prod'\nport = 8099", "web.listen", "[\"127.0.0.1:8099\"]"},
    {"PORT = 8099", "web.listen", "[\"127.0.0.1:8020\"]"},
    {"[default]\nport = 8099", "web.listen", "[\"127.0.0.1:8020\"]"},
    {"", "web.listen", "[\"127.0.0.1:8020\"]"},
};

START_TEST(each_key_of_a_toml_file_is_taken)
{
    struct folder folder;
    struct err err;
    char *nothing[] = {NULL};
    enter_folder(&folder);
    for (size_t i = 0; i < sizeof right_files / sizeof *right_files; i++) {
        write_file("named.toml", right_files[i].text);
        struct config *config = load(nothing, "named.toml", &err);
        ck_assert_msg(config, "%s: %s", right_files[i].text, err.text);
        expect(config, right_files[i].path, right_files[i].value);
        config_free(config);
    }
    leave_folder(&folder);
}
END_TEST

static const struct {
    const char *text, *sentence;
} wrong_files[] = {
    {"host = \"here\"\n", "named.toml:1: host: it must be a numeric address, such as 127.0.0.1, "
                          "0.0.0.0 or ::"},
    {"\nport = 99999\n", "named.toml:2: port: it must be a number from 0 to 65535"},
    {"host = ['::']\n", "named.toml:1: host: it takes one value, not a list"},
    {"port = [8020]\n", "named.toml:1: port: it takes a text in quotes, or a list of them"},
    {"port = 80.5\n", "named.toml:1: port: it must be a number from 0 to 65535"},
    {"webserver = 'perhaps'\n", "named.toml:1: webserver: \"perhaps\" is neither true nor false"},
    {"signal_env = 'Prod'\n", "named.toml:1: signal_env: it must be Production or Staging"},
    {"vapid_key_file = '/etc/'\n",
     "named.toml:1: vapid_key_file: it names a folder; add the name of a file"},
    {"vapid_key_file = '~/vapid.key'\n",
     "named.toml:1: vapid_key_file: ~ is not replaced here; write the whole path"},
    {"vapid_key_file = ['vapid.key']\n",
     "named.toml:1: vapid_key_file: it takes one value, not a list"},
    {"vapid_privkey = ['" KEY "']\n",
     "named.toml:1: vapid_privkey: it takes one value, not a list"},
    {"vapid_privkey = { a = 1 }\n",
     "named.toml:1: vapid_privkey: it takes a text in quotes, or a list of them"},
    {"allowed_endpoints = { a = '*' }\n",
     "named.toml:1: allowed_endpoints: it takes a text in quotes, or a list of them"},
    {"port = 1\nport = 2\n",
     "named.toml:2: key \"port\" appears a second time, first in line 1; make them one"},
    {"db = [\"a\"]\n", "named.toml:1: db: it takes one value, not a list"},
    {"db = '/data/'\n", "named.toml:1: db: it names a folder; add the name of a file"},
    {"db = '~/ms.db'\n", "named.toml:1: db: ~ is not replaced here; write the whole path"},
    {"allowed_uuids = [1, 2]\n",
     "named.toml:1: allowed_uuids: it takes a text in quotes, or a list of them"},
};

START_TEST(a_wrong_toml_file_is_named_with_its_line_and_the_fix)
{
    struct folder folder;
    struct err err;
    char *nothing[] = {NULL};
    enter_folder(&folder);
    for (size_t i = 0; i < sizeof wrong_files / sizeof *wrong_files; i++) {
        write_file("named.toml", wrong_files[i].text);
        ck_assert_msg(!load(nothing, "named.toml", &err), "%s", wrong_files[i].text);
        ck_assert_str_eq(err.text, wrong_files[i].sentence);
    }
    write_file("named.toml", "db = /no/quotes\n");
    ck_assert_ptr_null(load(nothing, "named.toml", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "named.toml:1: "));
    ck_assert_ptr_null(load(nothing, "missing.toml", &err));
    ck_assert_str_eq(err.text, "--config: missing.toml: it cannot be read (No such file or "
                               "directory)");
    leave_folder(&folder);
}
END_TEST

/* From low to high: package defaults, MollySocket's file, our file, its variables, ours. */
START_TEST(ours_wins_over_mollysockets_and_variables_over_files)
{
    struct folder folder;
    struct err err;
    char conf[] = "MOLLY_CONF=\"named.toml\"", molly[] = "MOLLY_PORT=4",
         ours[] = "DOORBELL_WEB_LISTEN=127.0.0.1:5";
    static const char *const expected[] = {"[\"[::]:1\"]", "[\"[::]:2\"]", "[\"127.0.0.1:3\"]",
                                           "[\"127.0.0.1:4\"]", "[\"127.0.0.1:5\"]"};
    enter_folder(&folder);
    write_file("defaults.yaml", "web.listen: \"[::]:1\"\nlog.level: warn\n");
    for (int step = 0; step < 5; step++) {
        char *variables[] = {step > 0 ? conf : NULL, step > 2 ? molly : NULL,
                             step > 3 ? ours : NULL, NULL};
        if (step == 1)
            write_file("named.toml", "port = 2\n");
        if (step == 2)
            write_file("doorbell.yaml", "web.listen: 127.0.0.1:3\n");
        struct config *config = config_load(
            &(struct config_sources){.defaults = "defaults.yaml", .environment = variables}, &err);
        ck_assert_msg(config, "%s", err.text);
        expect(config, "web.listen", expected[step]);
        expect(config, "log.level", "warn");
        config_free(config);
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(without_a_file_of_ours_mollysockets_is_looked_for_where_it_looks)
{
    struct folder folder;
    struct err err;
    enter_folder(&folder);
    char *xdg = mem_format("XDG_CONFIG_HOME=%s", folder.path);
    char *variables[] = {xdg, NULL}, *nothing[] = {NULL};
    write_file("mollysocket.toml", "port = 1\n");
    struct config *config = load(variables, NULL, &err);
    expect(config, "web.listen", "[\"127.0.0.1:1\"]");
    config_free(config);
    ck_assert_int_eq(mkdir("mollysocket", 0700), 0);
    write_file("mollysocket/config.toml", "port = 2\n");
    config = load(variables, NULL, &err);
    expect(config, "web.listen", "[\"127.0.0.1:2\"]");
    config_free(config);
    char relative[] = "XDG_CONFIG_HOME=.", *others[] = {relative, NULL};
    char **const without[] = {nothing, others};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        config = load(without[i], NULL, &err);
        expect(config, "web.listen", "[\"127.0.0.1:1\"]");
        config_free(config);
    }
    write_file("doorbell.yaml", "log.level: warn\n");
    config = load(variables, NULL, &err);
    expect(config, "web.listen", "[\"127.0.0.1:8020\"]");
    config_free(config);
    remove("doorbell.yaml");
    ck_assert_int_eq(mkdir(".config", 0700), 0);
    ck_assert_int_eq(rename("mollysocket", ".config/mollysocket"), 0);
    char *home = mem_format("HOME=%s", folder.path), conf[] = "MOLLY_CONF='missing.toml'";
    char *at_home[] = {home, NULL}, *missing[] = {home, conf, NULL};
    config = load(at_home, NULL, &err);
    expect(config, "web.listen", "[\"127.0.0.1:2\"]");
    config_free(config);
    /* A named file that is missing stops the start, and -c wins over the variable. */
    ck_assert_ptr_null(load(missing, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "MOLLY_CONF: missing.toml: it cannot be read"));
    config = load(missing, "mollysocket.toml", &err);
    expect(config, "web.listen", "[\"127.0.0.1:1\"]");
    config_free(config);
    free(home);
    free(xdg);
    remove(".config/mollysocket/config.toml");
    remove(".config/mollysocket");
    leave_folder(&folder);
}
END_TEST

#define PUBLIC_KEY                                                                                 \
    "BECtm4IIOJVEgarZgoL0o88UP93qa5OkX0sUBe5F9ZYmTc4wtJAI_Cv8y9N5ZC3dlqF_Q2LNjWED1PYHCsvFlnM"
#define SHORT_PUBLIC_KEY                                                                           \
    "BHpZMYCGDEA3yDwSdJhFyO4UJN0pf63LiV41glXSx9KyqMolWA8mJv5XkGL_G5n_kcJKDaBvsytb4gFIySSfVlA"
#define NO_KEY                                                                                     \
    "this is no VAPID private key: a right one is one line of 43 letters, digits, - and _, as "    \
    "`doorbell vapid generate` prints it"

/* Keys are judged when they are used. Each is a variable and a key of the file in turn, with a
 * file vapid.key that has `content`, or with none. */
static const struct {
    const char *name, *value, *content;
    const char *public_key, *sentence; /* what comes of it: one of them */
} keys[] = {
    {"vapid_privkey", KEY, NULL, PUBLIC_KEY, NULL},
    {"vapid_privkey", KEY "=", NULL, PUBLIC_KEY, NULL},
    {"vapid_privkey", SHORT_KEY, NULL, SHORT_PUBLIC_KEY, NULL},
    {"vapid_privkey", SHORT_KEY "==", NULL, SHORT_PUBLIC_KEY, NULL},
    {"vapid_privkey", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", NULL, SHORT_PUBLIC_KEY, NULL},
    {"vapid_privkey", "hunter2-is-no-key", NULL, NULL, "push.vapid_key: " NO_KEY},
    {"vapid_privkey", "FWI2wQEqJJPUDTo3oHAg0DIFHbiPO8CmAvXkLdyRZl", NULL, NULL,
     "push.vapid_key: " NO_KEY}, /* the last letter is lost */
    {"vapid_privkey", KEY "c", NULL, NULL, "push.vapid_key: " NO_KEY},
    {"vapid_privkey", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, NULL,
     "push.vapid_key: this is no VAPID private key: the number is out of range"},
    {"vapid_key_file", "vapid.key", KEY, PUBLIC_KEY, NULL},
    {"vapid_key_file", "vapid.key", "  " KEY " \r\n\n", PUBLIC_KEY, NULL},
    {"vapid_key_file", "./vapid.key", SHORT_KEY "==\n", SHORT_PUBLIC_KEY, NULL},
    {"vapid_key_file", "vapid.key", NULL, NULL,
     "push.vapid_key_file: the VAPID key file vapid.key does not exist"},
    {"vapid_key_file", "vapid.key", "hunter2-is-no-key\n", NULL,
     "push.vapid_key_file: vapid.key: " NO_KEY},
    {"vapid_key_file", "vapid.key", KEY "\n" KEY "\n", NULL,
     "push.vapid_key_file: vapid.key: " NO_KEY},
    {"vapid_key_file", "vapid.key", "", NULL,
     "push.vapid_key_file: vapid.key: this is no VAPID private key (it is empty)"},
};

/* With `variable` or a file of `text`; NULL: nothing. */
static struct config *load_key(const char *variable, const char *text, struct err *err)
{
    char *copy = variable ? mem_text(variable) : NULL, *variables[] = {copy, NULL};
    write_file("named.toml", text ? text : "");
    struct config *config = load(variables, "named.toml", err);
    ck_assert_msg(config, "%s", err->text);
    free(copy);
    return config;
}

static void expect_key(struct config *config, size_t i)
{
    struct err err = {0};
    struct vapid *vapid = vapid_from_config(config, &err);
    if (keys[i].public_key) {
        ck_assert_msg(vapid, "case %zu: %s", i, err.text);
        ck_assert_str_eq(vapid_public_text(vapid), keys[i].public_key);
    } else {
        ck_assert_msg(!vapid, "case %zu", i);
        if (strcmp(keys[i].name, "vapid_privkey") == 0)
            ck_assert_ptr_null(strstr(err.text, keys[i].value));
        ck_assert_msg(strncmp(err.text, keys[i].sentence, strlen(keys[i].sentence)) == 0, "%s",
                      err.text);
    }
    vapid_free(vapid);
    config_free(config);
}

START_TEST(a_key_is_taken_as_it_was_written_and_a_wrong_one_is_told_but_not_shown)
{
    struct folder folder;
    struct err err;
    enter_folder(&folder);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char *line = mem_format("%s = '%s'\n", keys[i].name, keys[i].value);
        char *variable = mem_format("molly_%s=%s", keys[i].name, keys[i].value);
        if (keys[i].content)
            write_file("vapid.key", keys[i].content);
        expect_key(load_key(NULL, line, &err), i);
        expect_key(load_key(variable, NULL, &err), i);
        if (keys[i].content)
            remove("vapid.key");
        free(variable);
        free(line);
    }
    ck_assert_int_eq(mkdir("vapid.key", 0700), 0);
    struct config *config = load_key("MOLLY_VAPID_KEY_FILE=vapid.key", NULL, &err);
    ck_assert_ptr_null(vapid_from_config(config, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "the VAPID key file vapid.key cannot be read: Is a"));
    config_free(config);
    leave_folder(&folder);
}
END_TEST

START_TEST(a_file_with_the_key_wins_over_a_key_wherever_they_are_named)
{
    static const struct {
        const char *variable, *text;
    } cases[] = {
        {NULL, "vapid_privkey = '" SHORT_KEY "'\nvapid_key_file = 'vapid.key'\n"},
        {NULL, "vapid_key_file = 'vapid.key'\nvapid_privkey = '" SHORT_KEY "'\n"},
        {"MOLLY_VAPID_PRIVKEY=" SHORT_KEY, "vapid_key_file = 'vapid.key'\n"},
        {"MOLLY_VAPID_KEY_FILE=vapid.key", "vapid_privkey = '" SHORT_KEY "'\n"},
    };
    struct folder folder;
    struct err err;
    enter_folder(&folder);
    write_file("vapid.key", KEY);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *config = load_key(cases[i].variable, cases[i].text, &err);
        struct vapid *vapid = vapid_from_config(config, &err);
        ck_assert_msg(vapid, "%s", err.text);
        ck_assert_str_eq(vapid_public_text(vapid), PUBLIC_KEY);
        vapid_free(vapid);
        config_free(config);
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(what_was_taken_over_is_rung_on_whoever_writes_the_list_now)
{
    struct folder folder;
    struct err err;
    char none[] = "DOORBELL_STORE_MOLLYSOCKET=none";
    char *nothing[] = {NULL}, *ended[] = {none, NULL};
    static const char *const files[] = {"doorbell.yaml", "data/setup.yaml"};
    enter_folder(&folder);
    ck_assert_int_eq(mkdir("data", 0700), 0);
    for (int i = 0; i < 8; i++) {
        const char *file = files[i % 2];
        bool took_over = i & 2;
        struct config_sources sources = {.defaults = "none.yaml",
                                         .environment = i & 4 ? ended : nothing,
                                         .took_over = took_over};
        write_file(file, "push.allowed_endpoints: [\"*\", \"https://ntfy.lan\"]\n");
        struct config *config = config_load(&sources, &err);
        ck_assert_msg(config, "%s", err.text);
        ck_assert_int_eq(config->push_keeps_proven, took_over);
        ck_assert_int_eq(config->mollysocket, took_over && !(i & 4));
        ck_assert(!config->push_exact_logins);
        config_free(config);
        remove(file);
    }
    remove("data");
    leave_folder(&folder);
}
END_TEST

/* A user who became another one cannot read it any more. */
START_TEST(a_file_of_mollysockets_that_was_there_is_read_again_or_missed)
{
    struct folder folder;
    struct err err;
    char *nothing[] = {NULL};
    struct config_sources sources = {.defaults = "none.yaml", .environment = nothing};
    enter_folder(&folder);
    sources.home = folder.path;
    ck_assert_int_eq(mkdir(".config", 0700) | mkdir(".config/mollysocket", 0700), 0);
    write_file(".config/mollysocket/config.toml", "port = 2\n");
    struct config *config = config_load(&sources, &err);
    expect(config, "web.listen", "[\"127.0.0.1:2\"]");
    sources.molly_before = config->molly_file;
    remove(".config/mollysocket/config.toml");
    ck_assert_ptr_null(config_load(&sources, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "config.toml: it cannot be read"));
    config_free(config);
    remove(".config/mollysocket");
    leave_folder(&folder);
}
END_TEST

START_TEST(a_key_does_not_stand_in_for_a_file_that_is_missing)
{
    struct folder folder;
    struct err err;
    char key[] = "MOLLY_VAPID_PRIVKEY=" KEY, file[] = "MOLLY_VAPID_KEY_FILE=vapid.key";
    char *variables[] = {key, file, NULL};
    enter_folder(&folder);
    ck_assert_ptr_null(load(variables, NULL, &err));
    ck_assert_msg(
        strncmp(err.text, "MOLLY_VAPID_KEY_FILE: push.vapid_key_file: vapid.key is not", 59) == 0,
        "%s", err.text);
    ck_assert_ptr_null(strstr(err.text, KEY));
    write_file("vapid.key", KEY);
    struct config *config = load(variables, NULL, &err);
    expect(config, "push.vapid_key_file", "\"vapid.key\"");
    config_free(config);
    leave_folder(&folder);
}
END_TEST

/* Its guide has /etc/mollysocket.conf for an example. */
START_TEST(a_file_that_is_named_is_mollysockets_by_what_stands_in_it)
{
    static const char *const theirs[] = {
        "port = 1\n",
        "# ours: mine\n\n  # more\r\n port=1\n",
        "\xef\xbb\xbfport = 1",
        "[other]\nx = 1\n[[a]]\n",
        "'quoted' = 1\nport = 1\n",
    };
    static const char *const ours[] = {"", "# port = 1\n", "log:\n  level: warn\n",
                                       "log.level: warn\n", "alert.url: https://a.example/?x=1\n"};
    struct folder folder;
    struct err err;
    char *nothing[] = {NULL};
    enter_folder(&folder);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        write_file("named.conf", theirs[i]);
        struct config *config = load(nothing, "named.conf", &err);
        ck_assert_msg(config, "%s: %s", theirs[i], err.text);
        expect(config, "web.listen", i == 3 ? "[\"127.0.0.1:8020\"]" : "[\"127.0.0.1:1\"]");
        config_free(config);
        write_file("named.yaml", theirs[i]);
        ck_assert_ptr_null(load(nothing, "named.yaml", &err));
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        write_file("named.conf", ours[i]);
        struct config *config = load(nothing, "named.conf", &err);
        ck_assert_msg(config, "%s: %s", ours[i], err.text);
        ck_assert(!config->mollysocket);
        config_free(config);
    }
    leave_folder(&folder);
}
END_TEST

/* MollySocket's database is where it works, and so is its user's volume. */
START_TEST(a_database_in_the_working_directory_is_where_ours_goes_once_mollysocket_is_configured)
{
    struct folder folder;
    struct err err;
    char web[] = "MOLLY_WEBSERVER=false", none[] = "DOORBELL_STORE_MOLLYSOCKET=none";
    char *configured[] = {web, NULL}, *nothing[] = {NULL}, *without[] = {web, none, NULL};
    char **const others[] = {nothing, without};
    enter_folder(&folder);
    write_file("defaults.yaml", "store.path: elsewhere/doorbell.db\n");
    struct config_sources sources = {.defaults = "defaults.yaml", .environment = configured};
    struct config *config = config_load(&sources, &err);
    expect(config, "store.path", "\"elsewhere/doorbell.db\"");
    config_free(config);
    write_file("mollysocket.db", "");
    for (int i = 0; i < 3; i++) {
        config = config_load(&sources, &err);
        expect(config, "store.path", "\"./doorbell.db\"");
        expect(config, "store.mollysocket", "\"./mollysocket.db\"");
        expect(config, "control.path", "\"./doorbell.sock\"");
        expect_place(config, "store.path", "mollysocket.db in the working directory");
        config_free(config);
        write_file("doorbell.db", ""); /* as the first start leaves it */
        if (i == 1)
            remove("mollysocket.db"); /* by who tidies up */
    }
    write_file("mollysocket.db", "");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        sources.environment = others[i];
        config = config_load(&sources, &err);
        expect(config, "store.path", "\"elsewhere/doorbell.db\"");
        config_free(config);
    }
    sources.environment = configured;
    ck_assert_int_eq(mkdir("elsewhere", 0700), 0);
    write_file("elsewhere/doorbell.db", "");
    config = config_load(&sources, &err);
    expect(config, "store.path", "\"elsewhere/doorbell.db\"");
    config_free(config);
    remove("elsewhere/doorbell.db");
    remove("elsewhere");
    remove("doorbell.db");
    write_file("defaults.yaml", "store.path: ././doorbell.db\n"); /* the same folder already */
    config = config_load(&sources, &err);
    expect(config, "store.path", "\"././doorbell.db\"");
    config_free(config);
    leave_folder(&folder);
}
END_TEST

START_TEST(a_volume_where_older_images_worked_is_followed)
{
    static const struct {
        bool elsewhere, at_new, at_old, goes;
    } cases[] = {
        {false, false, true, true},
        {false, true, true, false}, /* theirs is here */
        {false, false, false, false},
        {true, false, true, false}, /* with a working_dir of the user's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct folder folder;
        char new[64], old[64], now[64];
        enter_folder(&folder);
        snprintf(new, sizeof new, "%s/new", folder.path);
        snprintf(old, sizeof old, "%s/old", folder.path);
        ck_assert_int_eq(mkdir("new", 0700) | mkdir("old", 0700), 0);
        if (cases[i].at_new)
            write_file("new/mollysocket.db", "");
        if (cases[i].at_old)
            write_file("old/mollysocket.db", "");
        ck_assert_int_eq(chdir(cases[i].elsewhere ? folder.path : new), 0);
        config_follow_volume(new, old);
        ck_assert_ptr_nonnull(getcwd(now, sizeof now));
        ck_assert_int_eq(strcmp(now, old) == 0, cases[i].goes);
        ck_assert_int_eq(chdir(folder.path), 0);
        remove("new/mollysocket.db");
        remove("old/mollysocket.db");
        leave_folder(&folder);
    }
}
END_TEST

START_TEST(who_stands_in_mollysockets_place_is_seen_without_a_setting)
{
    struct folder folder;
    struct err err;
    char none[] = "DOORBELL_STORE_MOLLYSOCKET=none", store[] = "DOORBELL_STORE_PATH=a/doorbell.db";
    char *nothing[] = {store, NULL}, *not_theirs[] = {store, none, NULL};
    struct config_sources sources = {.defaults = "none.yaml", .environment = nothing};
    enter_folder(&folder);
    for (int i = 0; i < 5; i++) {
        static const char *const places[] = {NULL, "mollysocket.db", "a/mollysocket.db", NULL,
                                             NULL};
        ck_assert_int_eq(mkdir("a", 0700), 0);
        if (places[i])
            write_file(places[i], "");
        sources.as_mollysocket = i == 3;
        write_file("mollysocket.toml", "");
        sources.file = i == 4 ? "mollysocket.toml" : NULL;
        if (i != 4)
            remove("mollysocket.toml");
        struct config *config = config_load(&sources, &err);
        ck_assert_ptr_nonnull(config);
        ck_assert_int_eq(config->mollysocket, i > 0);
        ck_assert_int_eq(config->push_keeps_proven, i > 0);
        expect(config, "store.path", "\"a/doorbell.db\"");
        config_free(config);
        if (places[i]) {
            sources.environment = not_theirs;
            config = config_load(&sources, &err);
            ck_assert(!config->mollysocket);
            config_free(config);
            sources.environment = nothing;
            remove(places[i]);
        }
        remove("mollysocket.toml");
        remove("a");
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(the_list_of_endpoints_is_mollysockets_unless_it_is_written_in_our_way)
{
    struct folder folder;
    struct err err;
    char list[] = "MOLLY_ALLOWED_ENDPOINTS=[\"*\"]", port[] = "MOLLY_PORT=8099",
         ours[] = "DOORBELL_PUSH_ALLOWED_ENDPOINTS=*", level[] = "RUST_LOG=info";
    char *by_list[] = {list, NULL}, *by_default[] = {port, NULL}, *by_both[] = {list, ours, NULL},
         *by_nobody[] = {level, NULL}, *by_file[] = {NULL};
    const struct {
        char **variables;
        const char *file;
        bool theirs;
    } cases[] = {
        {by_list, "/dev/null", true},     {by_default, "/dev/null", true},
        {by_both, "/dev/null", false},    {by_nobody, "/dev/null", false},
        {by_file, "theirs.toml", true},   {by_file, "ours.yaml", false},
        {by_default, "ours.yaml", false}, {by_list, "ours.yaml", true},
    };
    enter_folder(&folder);
    write_file("theirs.toml", "allowed_endpoints = ['*']\n");
    write_file("ours.yaml", "push.allowed_endpoints: \"*\"\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *config = load(cases[i].variables, cases[i].file, &err);
        ck_assert_msg(config, "%s", err.text);
        ck_assert_msg(config->push_keeps_proven == cases[i].theirs, "case %zu", i);
        config_free(config);
    }
    ck_assert_int_eq(mkdir("data", 0700), 0);
    write_file("data/setup.yaml", "push.allowed_endpoints: [\"*\", \"https://ntfy.lan\"]\n");
    struct config *answered = load(by_default, "/dev/null", &err);
    ck_assert_msg(answered, "%s", err.text);
    ck_assert_uint_eq(answered->push_allowed_endpoints.count, 2);
    ck_assert_msg(answered->push_keeps_proven, "an answer to setup takes nothing away");
    config_free(answered);
    ck_assert_int_eq(remove("data/setup.yaml"), 0);
    leave_folder(&folder);
}
END_TEST

START_TEST(a_credential_of_systemds_is_the_key_unless_something_else_is_named)
{
    struct folder folder;
    struct err err;
    enter_folder(&folder);
    char *credentials = mem_format("CREDENTIALS_DIRECTORY=%s", folder.path);
    char *path = mem_format("\"%s/vapid.key\"", folder.path);
    char key[] = "MOLLY_VAPID_PRIVKEY=" KEY;
    char *alone[] = {credentials, NULL}, *with_key[] = {credentials, key, NULL};
    struct config *config = load(alone, "/dev/null", &err);
    expect(config, "push.vapid_key_file", "\"./data/vapid.key\"");
    config_free(config);
    write_file("vapid.key", KEY "\n");
    config = load(alone, "/dev/null", &err);
    expect(config, "push.vapid_key_file", path);
    expect_place(config, "push.vapid_key_file", "credential vapid.key");
    config_free(config);
    config = load(with_key, "/dev/null", &err);
    ck_assert_ptr_null(config->push_vapid_key_file);
    ck_assert_str_eq(config->push_vapid_key, KEY);
    config_free(config);
    free(path);
    free(credentials);
    leave_folder(&folder);
}
END_TEST

START_TEST(the_effective_configuration_tells_each_source_and_hides_key_and_accounts)
{
    struct err err;
    char key[] = "MOLLY_VAPID_PRIVKEY=" KEY, port[] = "MOLLY_PORT=\"8099\"";
    char allowed[] = "MOLLY_ALLOWED_UUIDS=[\"0d2ee3b1-0d2e-43b1-8f8c-9a5d6e7f8091\"]";
    char *variables[] = {key, port, allowed, NULL};
    struct config *config = load(variables, "/dev/null", &err);
    char *text = schema_effective_yaml(config);
    ck_assert_ptr_nonnull(strstr(text, "\nweb:\n  enabled: true  # default\n"
                                       "  listen: [\"127.0.0.1:8099\"]  # MOLLY_PORT\n"));
    ck_assert_ptr_nonnull(strstr(text, "  #vapid_key: hidden  # MOLLY_VAPID_PRIVKEY\n"));
    ck_assert_ptr_null(strstr(text, KEY));
    ck_assert_ptr_nonnull(strstr(text, "  #allowed: hidden  # MOLLY_ALLOWED_UUIDS\n"));
    ck_assert_ptr_null(strstr(text, "0d2ee3b1"));
    free(text);
    config_free(config);
}
END_TEST

START_TEST(an_empty_or_unlimited_setting_is_shown_even_if_it_may_be_secret)
{
    struct err err;
    char allowed[] = "MOLLY_ALLOWED_UUIDS=[\"*\"]", token[] = "DOORBELL_ALERT_TOKEN=";
    char *variables[] = {allowed, token, NULL};
    struct config *config = load(variables, "/dev/null", &err);
    char *text = schema_effective_yaml(config);
    ck_assert_ptr_nonnull(strstr(text, "  allowed: [\"*\"]  # MOLLY_ALLOWED_UUIDS\n"));
    ck_assert_ptr_nonnull(strstr(text, "  token: \"\"  # DOORBELL_ALERT_TOKEN\n"));
    free(text);
    config_free(config);
}
END_TEST

UNIT_MAIN("config_molly", what_mollysocket_takes_from_the_environment_is_taken,
          user_names_and_passwords_of_mollysockets_list_are_kept_and_ours_takes_none,
          a_wrong_variable_of_mollysockets_is_named_with_the_fix,
          a_toml_file_of_mollysockets_is_taken_as_it_is, each_key_of_a_toml_file_is_taken,
          a_wrong_toml_file_is_named_with_its_line_and_the_fix,
          ours_wins_over_mollysockets_and_variables_over_files,
          without_a_file_of_ours_mollysockets_is_looked_for_where_it_looks,
          a_file_that_is_named_is_mollysockets_by_what_stands_in_it,
          a_database_in_the_working_directory_is_where_ours_goes_once_mollysocket_is_configured,
          a_volume_where_older_images_worked_is_followed,
          a_key_is_taken_as_it_was_written_and_a_wrong_one_is_told_but_not_shown,
          a_file_with_the_key_wins_over_a_key_wherever_they_are_named,
          a_key_does_not_stand_in_for_a_file_that_is_missing,
          a_file_of_mollysockets_that_was_there_is_read_again_or_missed,
          what_was_taken_over_is_rung_on_whoever_writes_the_list_now,
          who_stands_in_mollysockets_place_is_seen_without_a_setting,
          the_list_of_endpoints_is_mollysockets_unless_it_is_written_in_our_way,
          a_credential_of_systemds_is_the_key_unless_something_else_is_named,
          the_effective_configuration_tells_each_source_and_hides_key_and_accounts,
          an_empty_or_unlimited_setting_is_shown_even_if_it_may_be_secret)
