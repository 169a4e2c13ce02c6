/* What each setting takes and what it refuses, apart from where the value comes from. */
#include "config/internal.h"
#include "config/schema.h"

#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "unit.h"

struct wrong {
    const char *path, *value, *sentence; /* what the sentence says among other things */
};

static int set(struct config *config, const char *path, const char *value, struct err *err)
{
    const struct setting *setting = schema_find(path);
    ck_assert_msg(setting != NULL, "there is no %s", path);
    *err = (struct err){0};
    return schema_set(config, setting, value, err);
}

static void expect_refused(const struct wrong *wrong)
{
    struct config *config = config_new();
    struct err err;
    int result = set(config, wrong->path, wrong->value, &err);
    ck_assert_msg(result < 0 && err.code == result, "%s took \"%s\"", wrong->path, wrong->value);
    ck_assert_msg(strstr(err.text, wrong->sentence) != NULL, "%s \"%s\": %s", wrong->path,
                  wrong->value, err.text);
    config_free(config);
}

static void expect_taken(const char *path, const char *value)
{
    struct config *config = config_new();
    struct err err;
    int result = set(config, path, value, &err);
    ck_assert_msg(result == 0, "%s \"%s\": %s", path, value, err.text);
    config_free(config);
}

START_TEST(durations_are_numbers_with_a_unit)
{
    static const struct {
        const char *text;
        int64_t ms;
    } right[] = {{"250ms", 250},    {"20s", 20000},       {"5m", 300000},     {"1h", 3600000},
                 {"2d", 172800000}, {" 7s \n", 7000},     {"0020s", 20000},   {"0", 0},
                 {"0s", 0},         {"720h", 2592000000}, {"30d", 2592000000}};
    struct config *config = config_new();
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct err err;
        ck_assert_msg(set(config, "signal.reauthenticate", right[i].text, &err) == 0, "%s: %s",
                      right[i].text, err.text);
        ck_assert_int_eq(config->signal_reauthenticate_ms, right[i].ms);
    }
    config_free(config);
}
END_TEST

START_TEST(what_is_not_a_duration_is_refused)
{
    static const struct wrong wrong[] = {
        {"push.timeout", "15", "\"15\" has no unit; write 15s, 15m or 15h"},
        {"push.timeout", "s", "\"s\" is not a duration"},
        {"push.timeout", "soon", "\"soon\" is not a duration"},
        {"push.timeout", "-1s", "\"-1s\" is not a duration"},
        {"push.timeout", "1.5s", "\"1.5s\" is not a duration"},
        {"push.timeout", "1s1s", "\"1s1s\" is not a duration"},
        {"push.timeout", "15 s", "\"15 s\" is not a duration"},
        {"push.timeout", "15S", "\"15S\" is not a duration"},
        {"push.timeout", "0", "0 is out of range; it must be from 1ms to 10m"},
        {"alert.interval", "1ms", "1ms is out of range; it must be from 50ms to 1h"},
        {"push.timeout", "0s", "0s is out of range; it must be from 1ms to 10m"},
        {"push.timeout", "601s", "601s is out of range; it must be from 1ms to 10m"},
        {"push.timeout", "999999999999999999d", "is out of range"},
        {"push.timeout", "9999999999999999999d", "is not a duration"},
        {"signal.reauthenticate", "31d", "it must be from 0s to 30d"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refused(&wrong[i]);
}
END_TEST

START_TEST(durations_are_shown_in_their_largest_unit)
{
    static const struct {
        int64_t ms;
        const char *text;
    } shown[] = {{0, "0s"},      {1, "1ms"},     {1500, "1500ms"}, {15000, "15s"},
                 {90000, "90s"}, {120000, "2m"}, {3600000, "1h"},  {86400000, "1d"}};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        char text[DURATION_TEXT_SIZE];
        duration_format(text, shown[i].ms);
        ck_assert_str_eq(text, shown[i].text);
    }
}
END_TEST

START_TEST(booleans_are_written_in_the_usual_ways)
{
    static const char *const yes[] = {"true", "yes", "on", "1", "TRUE", " Yes "};
    static const char *const no[] = {"false", "no", "off", "0", "False", "OFF"};
    struct config *config = config_new();
    struct err err;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        config->web_enabled = false;
        ck_assert_int_eq(set(config, "web.enabled", yes[i], &err), 0);
        ck_assert(config->web_enabled);
        ck_assert_int_eq(set(config, "web.enabled", no[i], &err), 0);
        ck_assert(!config->web_enabled);
    }
    config_free(config);
    expect_refused(&(struct wrong){"web.enabled", "2", "\"2\" is neither true nor false"});
    expect_refused(&(struct wrong){"web.enabled", "yess", "\"yess\" is neither true nor false"});
}
END_TEST

START_TEST(numbers_stay_in_their_range)
{
    struct config *config = config_new();
    struct err err;
    ck_assert_int_eq(set(config, "accounts.max", "1", &err), 0);
    ck_assert_int_eq(config->accounts_max, 1);
    ck_assert_int_eq(set(config, "accounts.max", "1000000", &err), 0);
    ck_assert_int_eq(config->accounts_max, 1000000);
    config_free(config);
    static const struct wrong wrong[] = {
        {"accounts.max", "0", "0 is out of range; it must be from 1 to 1000000"},
        {"accounts.max", "1000001", "1000001 is out of range"},
        {"accounts.max", "-1", "\"-1\" is not a number from 1 to 1000000"},
        {"accounts.max", "10k", "\"10k\" is not a number"},
        {"accounts.max", "1e3", "\"1e3\" is not a number"},
        {"accounts.max", "18446744073709551617", "is not a number"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refused(&wrong[i]);
}
END_TEST

START_TEST(a_choice_is_one_of_its_words)
{
    struct config *config = config_new();
    struct err err;
    ck_assert_int_eq(set(config, "log.level", "debug", &err), 0);
    ck_assert_int_eq(config->log_level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(set(config, "log.level", "ERROR", &err), 0);
    ck_assert_int_eq(config->log_level, LOG_LEVEL_ERROR);
    ck_assert_int_eq(set(config, "log.format", "json", &err), 0);
    ck_assert_int_eq(config->log_format, LOG_FORMAT_JSON);
    ck_assert_int_eq(set(config, "net.family", "ipv6", &err), 0);
    ck_assert_int_eq(config->net_family, NET_FAMILY_IPV6);
    config_free(config);
    expect_refused(
        &(struct wrong){"log.level", "warning", "\"warning\" is none of error, warn, info, debug"});
    expect_refused(&(struct wrong){"net.family", "4", "\"4\" is none of auto, ipv4, ipv6"});
}
END_TEST

START_TEST(right_values_are_taken)
{
    static const struct {
        const char *path, *value;
    } right[] = {
        {"store.path", "/var/lib/doorbell/doorbell.db"},
        {"store.path", "doorbell.db"},
        {"store.path", "/srv/t\xc3\xbcr/glocke.db"},
        {"control.path", "/run/doorbell.sock"},
        {"control.path", ""},
        {"web.listen", "127.0.0.1:8020"},
        {"web.listen", "0.0.0.0:80"},
        {"web.listen", "[::]:8020"},
        {"web.listen", "[::1]:8020,127.0.0.1:8020"},
        {"web.listen", "127.0.0.1:0"},
        {"web.listen", "unix:/run/doorbell/web.sock"},
        {"web.public_url", "https://push.example.org"},
        {"web.public_url", "http://192.168.1.5:8020/molly/"},
        {"web.public_url", ""},
        {"web.privacy_contact", "Jane D\xc3\xb6, jane@example.org"},
        {"web.privacy_contact", ""},
        {"web.trusted_proxies", "auto"},
        {"web.trusted_proxies", "none"},
        {"web.trusted_proxies", "auto, 10.0.0.0/8, 192.0.2.1, fd00::/8, ::1"},
        {"web.trusted_proxies", "0.0.0.0/0"},
        {"admin.listen", "none"},
        {"admin.listen", "web"},
        {"admin.listen", "127.0.0.1:9103"},
        {"admin.listen", "unix:/run/doorbell/admin.sock"},
        {"signal.url", "wss://chat.signal.org/v1/websocket/"},
        {"signal.url", "WSS://chat.staging.signal.org/v1/websocket/"},
        {"signal.url", "ws://127.0.0.1:8443/v1/websocket/"},
        {"signal.url", "ws://127.8.9.10/"},
        {"signal.url", "ws://[::1]:8080/"},
        {"signal.url", "ws://localhost:8080/"},
        {"signal.http2_url", "https://grpc.chat.signal.org/v1/websocket/"},
        {"signal.http2_url", "http://[::1]:8080/"},
        {"signal.transport", "auto"},
        {"signal.accounts_per_connection", "1"},
        {"signal.ca_file", ""},
        {"signal.ca_file", "/etc/ssl/test.pem"},
        {"signal.user_agent", "Signal-Android/8.19.2 Android/36"},
        {"push.allowed_endpoints", "*"},
        {"push.allowed_endpoints", "https://ntfy.sh"},
        {"push.allowed_endpoints", "https://ntfy.sh/,*"},
        {"push.allowed_endpoints", "http://192.168.1.5:8080/up"},
        {"push.allowed_endpoints", "[\"https://ntfy.sh\", \"*\"]"},
        {"push.allowed_endpoints", "[\"https:\\/\\/ntfy.sh\"]"},
        {"push.denied", ""},
        {"push.denied", "[]"},
        {"push.denied", "10.0.0.0/8"},
        {"push.denied", "2001:db8::/32,192.0.2.1,2001:db8::1"},
        {"push.denied", "ntfy.example.org, my_ntfy, NTFY.example.org., xn--bcher-kva.example"},
        {"push.vapid_subject", "https://example.org/contact"},
        {"push.vapid_subject", "mailto:admin@example.org"},
        {"accounts.allowed", "*"},
        {"accounts.allowed", "9d0652a3-dcc3-4d11-975f-74d61598733f,*"},
        {"accounts.allowed", "9D0652A3-DCC3-4D11-975F-74D61598733F"},
        {"net.nameservers", ""},
        {"net.nameservers", "192.0.2.53"},
        {"net.nameservers", "192.0.2.53:5353, 2001:db8::53"},
        {"net.nameservers", "[2001:db8::53]"},
        {"net.nameservers", "[2001:db8::53]:53,[2001:db8::54]"},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        expect_taken(right[i].path, right[i].value);
}
END_TEST

START_TEST(wrong_values_are_refused)
{
    /* Where there is no sentence, it depends on the version of curl. */
    static const struct wrong wrong[] = {
        {"store.path", "", "it is empty"},
        {"store.path", " \t", "it is empty"},
        {"store.path", "/data/", "it names a folder"},
        {"store.path", "~/doorbell.db", "write the whole path"},
        {"store.path", "/data/a\nb.db", "control character"},
        {"web.listen", "", "it is empty"},
        {"web.listen", "[]", "it is empty"},
        {"web.listen", "8020", "it must be a numeric address with a port"},
        {"web.listen", ":8020", "it must be a numeric address with a port"},
        {"web.listen", "*:8020", "it must be a numeric address with a port"},
        {"web.listen", "127.0.0.1", "it must be a numeric address with a port"},
        {"web.listen", "127.0.0.1:", "it must be a numeric address with a port"},
        {"web.listen", "127.0.0.1:65536", "it must be a numeric address with a port"},
        {"web.listen", "127.0.0.1:+80", "it must be a numeric address with a port"},
        {"web.listen", "127.0.0.1:80x", "it must be a numeric address with a port"},
        {"web.listen", "127.0.0:80", "it must be a numeric address with a port"},
        {"web.listen", "localhost:8020", "it must be a numeric address with a port"},
        {"web.listen", "::1:8020", "it must be a numeric address with a port"},
        {"web.listen", "[::1]", "it must be a numeric address with a port"},
        {"web.listen", "[::1]8020", "it must be a numeric address with a port"},
        {"web.listen", "[127.0.0.1]:8020", "it is not a list"},
        {"web.listen", "[::1:8020", "it must be a numeric address with a port"},
        {"web.listen", "unix:", "the path after unix: is missing"},
        {"web.listen", "127.0.0.1:8020,", "entry 2: it is empty"},
        {"web.listen", "127.0.0.1:8020,,[::1]:8020", "entry 2: it is empty"},
        {"web.public_url", "push.example.org", "it must begin with https://"},
        {"web.public_url", "wss://push.example.org", "it must begin with https://"},
        {"web.public_url", "https://", ""},
        {"web.public_url", "https://me:secret@push.example.org/", "user name or password"},
        {"web.public_url", "https://push.example.org/?a", "without ? and #"},
        {"web.public_url", "https://push.example.org/?", "without ? and #"},
        {"web.public_url", "https://push.example.org/#a", "without ? and #"},
        {"web.public_url", "https://push.example.org:0/", ""},
        {"web.privacy_contact", "Jane\nDoe", "control character"},
        {"admin.listen", "9103", "it must be a numeric address with a port"},
        {"admin.listen", "web,none", "it must be a numeric address with a port"},
        {"admin.listen", "", "it is empty"},
        {"web.trusted_proxies", "all", "it must be auto, none, or a network"},
        {"web.trusted_proxies", "10.0.0.0/33", "it must be auto, none, or a network"},
        {"web.trusted_proxies", "10.0.0.0/", "it must be auto, none, or a network"},
        {"web.trusted_proxies", "10.0.0/8", "it must be auto, none, or a network"},
        {"web.trusted_proxies", "fd00::/129", "it must be auto, none, or a network"},
        {"web.trusted_proxies", "caddy", "it must be auto, none, or a network"},
        {"signal.url", "https://chat.signal.org/v1/websocket/", "it must begin with wss://"},
        {"signal.url", "wss://", ""},
        {"signal.url", "ws://chat.signal.org/v1/websocket/", "use wss://"},
        {"signal.url", "ws://128.0.0.1/", "use wss://"},
        {"signal.url", "ws://[::2]/", "use wss://"},
        {"signal.url", "ws://localhost.example.org/", "use wss://"},
        {"signal.url", "ws://127.0.0.1.example.org/", "use wss://"},
        {"signal.url", "wss://me:secret@chat.signal.org/", "user name or password"},
        {"signal.url", "wss://chat.signal.org/?login=me", "without ? and #"},
        {"signal.http2_url", "wss://grpc.chat.signal.org/", "it must begin with https://"},
        {"signal.http2_url", "http://grpc.chat.signal.org/", "use https://"},
        {"signal.http2_url", "https://me:secret@chat.signal.org/", "user name or password"},
        {"signal.http2_url", "https://chat.signal.org/?login=me", "without ? and #"},
        {"signal.transport", "http3", ""},
        {"signal.accounts_per_connection", "0", ""},
        {"signal.user_agent", "", "it is empty"},
        {"signal.user_agent", "Doorbell\r\nX: y", "control character"},
        {"signal.user_agent", "Glocke \xe2\x82\xac", "not printable ASCII"},
        {"push.allowed_endpoints", "", "it is empty"},
        {"push.allowed_endpoints", "ntfy.sh", "it must begin with https://"},
        {"push.allowed_endpoints", "https://*.example.org", ""},
        {"push.allowed_endpoints", "wss://ntfy.sh", "it must begin with https://"},
        {"push.allowed_endpoints", "*,https://me@ntfy.sh", "entry 2: it must not have a user name"},
        {"push.allowed_endpoints", "https://ntfy.sh/up?x=1", "without ? and #"},
        {"push.allowed_endpoints", "https://ntfy.sh/#x", "without ? and #"},
        {"push.allowed_endpoints", "[https://ntfy.sh,*]", "it is not a list"},
        {"push.allowed_endpoints", "[\"https://ntfy.sh\"", "it is not a list"},
        {"push.allowed_endpoints", "[\"*\", 1]", "it is not a list"},
        {"push.allowed_endpoints", "[[\"*\"]]", "it is not a list"},
        {"push.allowed_endpoints", "[\"*\", \"\"]", "entry 2: it is empty"},
        {"push.denied", "https://ntfy.sh", "it must be a network"},
        {"push.denied", "ntfy.sh:443", "it must be a network"},
        {"push.denied", "*.ntfy.sh", "it must be a network"},
        {"push.denied", "10.0.0", "it must be a network"},
        {"push.denied", "10.0.0.0/8/8", "it must be a network"},
        {"push.denied", "a..b", "it must be a network"},
        {"push.denied", ".", "it must be a network"},
        {"push.denied",
         "b\xc3\xbc"
         "cher.example",
         "it must be a network"},
        {"push.vapid_subject", "admin@example.org", "it must be a web address"},
        {"push.vapid_subject", "http://example.org/", "it must be a web address"},
        {"push.vapid_subject", "mailto:", "it must be a web address"},
        {"push.vapid_subject", "mailto:@example.org", "it must be a web address"},
        {"push.vapid_subject", "mailto:admin@", "it must be a web address"},
        {"push.vapid_subject", "mailto:\"a\"@example.org", "quotes"},
        {"accounts.allowed", "", "it is empty"},
        {"accounts.allowed", "[]", "it is empty"},
        {"accounts.allowed", "me", "it must be *, registered, or an account id"},
        {"accounts.allowed", "+4912345", "it must be *, registered, or an account id"},
        {"net.nameservers", "dns.example.org", "it must be a numeric address"},
        {"net.nameservers", "192.0.2.53:0", "it must be a numeric address"},
        {"net.nameservers", "192.0.2.53:66000", "it must be a numeric address"},
        {"net.nameservers", "fe80::1%eth0", "it must be a numeric address"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refused(&wrong[i]);
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
    char *path = mem_new(CONFIG_VALUE_MAX + 2);
    memset(path, 'a', CONFIG_VALUE_MAX);
    expect_taken("store.path", path);
    path[CONFIG_VALUE_MAX] = 'a';
    expect_refused(&(struct wrong){"store.path", path, "it is longer than 4095 bytes"});

    path[107] = '\0';
    expect_taken("control.path", path);
    path[107] = 'a';
    path[108] = '\0';
    expect_refused(&(struct wrong){"control.path", path, "107 bytes"});

    path[200] = '\0';
    path[108] = 'a';
    expect_taken("signal.user_agent", path);
    path[200] = 'a';
    path[201] = '\0';
    expect_refused(&(struct wrong){"signal.user_agent", path, "it is longer than 200 bytes"});
    expect_refused(&(struct wrong){"web.privacy_contact", path, "it is longer than 200 bytes"});
    free(path);
}
END_TEST

START_TEST(a_list_has_a_bounded_number_of_entries)
{
    size_t length = 2 * (size_t)CONFIG_LIST_MAX;
    char *list = mem_new(length + 2);
    for (size_t i = 0; i < length; i += 2) {
        list[i] = '*';
        list[i + 1] = ',';
    }
    list[length - 1] = '\0';
    expect_taken("accounts.allowed", list);
    list[length - 1] = ',';
    list[length] = '*';
    expect_refused(&(struct wrong){"accounts.allowed", list, "it has more than 16384 entries"});
    free(list);
}
END_TEST

START_TEST(entries_of_a_list_are_trimmed_and_may_stand_in_quotes)
{
    static const char *const texts[] = {
        "10.0.0.0/8,ntfy.sh",
        "  10.0.0.0/8 ,\tntfy.sh\n",
        "\"10.0.0.0/8\", 'ntfy.sh'",
        "[\"10.0.0.0/8\",\"ntfy.sh\"]",
        " [ \" 10.0.0.0/8\" , \"ntfy.\\u0073h\" ] ",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *config = config_new();
        struct err err;
        ck_assert_msg(set(config, "push.denied", texts[i], &err) == 0, "%s: %s", texts[i],
                      err.text);
        ck_assert_uint_eq(config->push_denied.count, 2);
        ck_assert_str_eq(config->push_denied.items[0], "10.0.0.0/8");
        ck_assert_str_eq(config->push_denied.items[1], "ntfy.sh");
        config_free(config);
    }
}
END_TEST

START_TEST(a_refused_value_leaves_the_old_one)
{
    struct config *config = config_new();
    struct err err;
    ck_assert_int_lt(set(config, "store.path", "/data/", &err), 0);
    ck_assert_str_eq(config->store_path, "./data/doorbell.db");
    ck_assert_int_lt(set(config, "accounts.allowed", "*,me", &err), 0);
    ck_assert_uint_eq(config->accounts_allowed.count, 1);
    ck_assert_str_eq(config->accounts_allowed.items[0], "*");
    ck_assert_int_lt(set(config, "push.timeout", "15", &err), 0);
    ck_assert_int_eq(config->push_timeout_ms, 15000);
    config_free(config);
}
END_TEST

START_TEST(what_has_no_default_may_be_emptied_again)
{
    struct config *config = config_new();
    struct err err;
    ck_assert_int_eq(set(config, "push.ca_file", "/x.pem", &err), 0);
    ck_assert_int_eq(set(config, "push.ca_file", "", &err), 0);
    ck_assert_ptr_null(config->push_ca_file);
    ck_assert_int_eq(set(config, "push.denied", "ntfy.sh", &err), 0);
    ck_assert_int_eq(set(config, "push.denied", "", &err), 0);
    ck_assert_uint_eq(config->push_denied.count, 0);
    config_free(config);
}
END_TEST

START_TEST(a_list_for_a_single_value_is_refused)
{
    struct config *config = config_new();
    struct err err = {0};
    char item[] = "15s", *items[] = {item};
    ck_assert_int_eq(schema_set_list(config, schema_find("push.timeout"), items, 1, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "one value, not a list"));
    config_free(config);
}
END_TEST

START_TEST(addresses_paths_and_accounts_are_never_repeated)
{
    static const struct wrong wrong[] = {
        {"signal.url", "wss://me:hunter2@chat.example.org/hunter2", "it must not have"},
        {"signal.url", "hunter2://x", "it must begin"},
        {"push.allowed_endpoints", "https://ntfy.sh/hunter2?x", "it must end"},
        {"push.denied", "https://hunter2", "it must be"},
        {"web.public_url", "https://hunter2 x/", "it has spaces"},
        {"accounts.allowed", "hunter2", "it must be"},
        {"store.path", "/hunter2/", "it names a folder"},
        {"push.vapid_subject", "mailto:hunter2", "it must be"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config *config = config_new();
        struct err err;
        ck_assert_int_lt(set(config, wrong[i].path, wrong[i].value, &err), 0);
        ck_assert_msg(strstr(err.text, wrong[i].sentence) != NULL, "%s", err.text);
        ck_assert_msg(!strstr(err.text, "hunter2"), "%s", err.text);
        config_free(config);
    }
}
END_TEST

START_TEST(what_is_repeated_is_short_and_printable)
{
    expect_refused(&(struct wrong){"log.level", "0123456789012345678901234567890123456789",
                                   "\"0123456789012345678901234567890123456789\" is none of"});
    expect_refused(&(struct wrong){"log.level", "01234567890123456789012345678901234567890",
                                   "\"0123456789012345678901234567890123456...\" is none of"});
    expect_refused(&(struct wrong){"log.level", "a\x1b[31m\xc3\xa4", "\"a?[31m??\" is none of"});
}
END_TEST

START_TEST(the_nearest_name_is_found_and_no_far_one)
{
    static const struct {
        const char *path, *nearest;
    } names[] = {
        {"push.timeot", "push.timeout"},
        {"push.timeouts", "push.timeout"},
        {"web.listn", "web.listen"},
        {"log_level", "log.level"},
        {"pusch.timeout", "push.timeout"},
        {"log.lxxxl", "log.level"}, /* a third of it is wrong */
        {"log.lxxxx", NULL},        /* and one letter more */
        {"trusted_proxies", "web.trusted_proxies"},
        {"allowed_endpoints", "push.allowed_endpoints"},
        {"timeout", NULL}, /* of which section? */
        {"listen", NULL},
        {"statsd.prefix", NULL},
        {"port", NULL},
        {"x", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *nearest = schema_nearest(names[i].path);
        if (names[i].nearest)
            ck_assert_pstr_eq(nearest, names[i].nearest);
        else
            ck_assert_msg(!nearest, "%s is near %s", nearest, names[i].path);
    }
}
END_TEST

static size_t field_size(enum setting_type type)
{
    switch (type) {
    case SETTING_TEXT:
        return sizeof(char *);
    case SETTING_BOOL:
        return sizeof(bool);
    case SETTING_NUMBER:
    case SETTING_DURATION:
        return sizeof(int64_t);
    case SETTING_CHOICE:
        return sizeof(int);
    case SETTING_LIST:
        return sizeof(struct strings);
    }
    return 0;
}

START_TEST(every_field_belongs_to_exactly_one_setting)
{
    unsigned char owners[sizeof(struct config)] = {0};
    /* These are no settings. */
    memset(owners + offsetof(struct config, places), 1, sizeof(char **));
    memset(owners + offsetof(struct config, in_their_way), 1, sizeof(bool *));
    memset(owners + offsetof(struct config, files), 1, sizeof(struct strings));
    owners[offsetof(struct config, push_keeps_proven)] = 1;
    memset(owners + offsetof(struct config, own_file), 1, 2 * sizeof(char *)); /* and molly_file */
    owners[offsetof(struct config, mollysocket)] = 1;
    for (size_t i = 0; i < schema_count; i++)
        for (size_t byte = 0; byte < field_size(schema[i].type); byte++)
            ck_assert_msg(owners[schema[i].offset + byte]++ == 0, "%s shares its field",
                          schema[i].path);
    /* What padding leaves is shorter than any field with the padding around it. */
    size_t free_run = 0;
    for (size_t byte = 0; byte < sizeof owners; byte++) {
        free_run = owners[byte] ? 0 : free_run + 1;
        ck_assert_msg(free_run < 8, "the field at %zu has no setting", byte - free_run + 1);
    }
    ck_assert(owners[offsetof(struct config, log_level)]);
    ck_assert(owners[offsetof(struct config, log_format)]);
}
END_TEST

START_TEST(the_table_is_in_order)
{
    for (size_t i = 0; i < schema_count; i++) {
        const struct setting *setting = &schema[i];
        ck_assert_ptr_eq(schema_find(setting->path), setting);
        ck_assert(strchr(setting->path, '.') || strcmp(setting->path, "user") == 0 ||
                  strcmp(setting->path, "sandbox") == 0);
        ck_assert_int_lt((int)strlen(setting->path), CONFIG_NAME_SIZE);
        ck_assert_int_eq(setting->help[strlen(setting->help) - 1], '.');
        ck_assert_ptr_null(strpbrk(setting->help, "|\n"));
        ck_assert(setting->type != SETTING_CHOICE || setting->choices);
        ck_assert(setting->standard || setting->type == SETTING_TEXT ||
                  setting->type == SETTING_LIST);
        char *name = schema_environment_name(setting);
        ck_assert(schema_is_environment_name(setting, name, strlen(name)));
        for (size_t j = 0; j < i; j++)
            ck_assert(!schema_is_environment_name(&schema[j], name, strlen(name)));
        free(name);
    }
    char *name = schema_environment_name(schema_find("push.connect_timeout"));
    ck_assert_str_eq(name, "DOORBELL_PUSH_CONNECT_TIMEOUT");
    free(name);
}
END_TEST

UNIT_MAIN("config_values", durations_are_numbers_with_a_unit, what_is_not_a_duration_is_refused,
          durations_are_shown_in_their_largest_unit, booleans_are_written_in_the_usual_ways,
          numbers_stay_in_their_range, a_choice_is_one_of_its_words, right_values_are_taken,
          wrong_values_are_refused, what_is_too_long_is_refused,
          a_list_has_a_bounded_number_of_entries,
          entries_of_a_list_are_trimmed_and_may_stand_in_quotes, a_refused_value_leaves_the_old_one,
          what_has_no_default_may_be_emptied_again, a_list_for_a_single_value_is_refused,
          addresses_paths_and_accounts_are_never_repeated, what_is_repeated_is_short_and_printable,
          the_nearest_name_is_found_and_no_far_one, every_field_belongs_to_exactly_one_setting,
          the_table_is_in_order)
