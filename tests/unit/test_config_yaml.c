/* The configuration file: what it may look like, and that each error has its line and its fix. */
#include "config/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

static int read_yaml(struct config *config, const char *text, struct err *err)
{
    *err = (struct err){0};
    return config_read_yaml(config, "doorbell.yaml", text, strlen(text), err);
}

static void expect_same(const char *text)
{
    struct config *config = config_new();
    struct err err;
    int result = read_yaml(config, text, &err);
    ck_assert_msg(result == 0, "%s: %s", text, err.text);
    ck_assert_int_eq(config->push_timeout_ms, 15000);
    ck_assert_uint_eq(config->push_denied.count, 0);
    config_free(config);
}

START_TEST(nothing_to_read_is_fine)
{
    static const char *const texts[] = {"",
                                        "\n\n",
                                        "# a comment",
                                        "---\n",
                                        "---\n...\n",
                                        "{}",
                                        "null",
                                        "push:\n",
                                        "push: {}\n",
                                        "push:\n  # timeout: 1s\nweb:\n  # listen: x\n",
                                        "\xef\xbb\xbf",
                                        "\xef\xbb\xbfpush:\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_same(texts[i]);
    struct config *config = config_new();
    ck_assert_int_eq(config_read_yaml(config, "doorbell.yaml", NULL, 0, NULL), 0);
    config_free(config);
}
END_TEST

START_TEST(sections_and_dots_are_the_same)
{
    static const char *const texts[] = {
        "push:\n  timeout: 7s\n  connect_timeout: 3s\nlog:\n  level: debug\n",
        "push.timeout: 7s\npush.connect_timeout: 3s\nlog.level: debug\n",
        "push: {timeout: 7s, connect_timeout: 3s}\nlog: {level: \"debug\"}\n",
        "push:\n  timeout: 7s\nlog.level: 'debug'\npush.connect_timeout: 3s\n",
        "{\"push\": {\"timeout\": \"7s\", \"connect_timeout\": \"3s\"}, \"log.level\": \"debug\"}",
        "\xef\xbb\xbfpush:\r\n  timeout: 7s\r\n  connect_timeout: 3s\r\nlog:\r\n  level: debug\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *config = config_new();
        struct err err;
        ck_assert_msg(read_yaml(config, texts[i], &err) == 0, "%s: %s", texts[i], err.text);
        ck_assert_int_eq(config->push_timeout_ms, 7000);
        ck_assert_int_eq(config->push_connect_timeout_ms, 3000);
        ck_assert_int_eq(config->log_level, 3);
        config_free(config);
    }
}
END_TEST

START_TEST(lists_are_sequences_or_one_value)
{
    static const char *const texts[] = {
        "push:\n  denied:\n    - 10.0.0.0/8\n    - ntfy.sh\n",
        "push:\n  denied:\n  - 10.0.0.0/8\n  - 'ntfy.sh'\n",
        "push.denied: [10.0.0.0/8, \"ntfy.sh\"]\n",
        "push.denied: 10.0.0.0/8, ntfy.sh\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *config = config_new();
        struct err err;
        ck_assert_msg(read_yaml(config, texts[i], &err) == 0, "%s: %s", texts[i], err.text);
        ck_assert_uint_eq(config->push_denied.count, 2);
        ck_assert_str_eq(config->push_denied.items[0], "10.0.0.0/8");
        ck_assert_str_eq(config->push_denied.items[1], "ntfy.sh");
        config_free(config);
    }
    expect_same("push.denied: []\n");
    expect_same("push.denied: \"\"\n");
}
END_TEST

START_TEST(a_file_in_another_unicode_form_is_read)
{
    static const char text[] = "\xff\xfel\0o\0g\0.\0l\0e\0v\0e\0l\0:\0 \0d\0e\0b\0u\0g\0\n";
    struct config *config = config_new();
    struct err err = {0};
    ck_assert_msg(config_read_yaml(config, "x", text, sizeof text, &err) == 0, "%s", err.text);
    ck_assert_int_eq(config->log_level, 3);
    config_free(config);
}
END_TEST

START_TEST(errors_name_the_line_the_key_and_the_fix)
{
    static const struct {
        const char *text, *sentence;
    } wrong[] = {
        /* Names */
        {"push:\n  timeot: 15s\n",
         "doorbell.yaml:2: key \"push.timeot\" is not known; did you mean \"push.timeout\"?"},
        {"\n\npusch:\n  timeout: 15s\n",
         "doorbell.yaml:4: key \"pusch.timeout\" is not known; did you mean \"push.timeout\"?"},
        {"public_url: https://a.example/\n",
         "doorbell.yaml:1: key \"public_url\" is not known; did you mean \"web.public_url\"?"},
        {"colour: blue\n", "doorbell.yaml:1: key \"colour\" is not known; "},
        {"colour:\n", "doorbell.yaml:1: key \"colour\" is not known; "},
        {"colour: [a]\n", "doorbell.yaml:1: key \"colour\" is not known; "},
        {"colour: {}\n", "doorbell.yaml:1: key \"colour\" is not known; "},
        {"\"a\\e[1m\\u20ac\": 1\n", "doorbell.yaml:1: key \"a?[1m???\" is not known; "},
        {"push.timeout.x: 1s\n",
         "doorbell.yaml:1: key \"push.timeout.x\" is not known; did you mean \"push.timeout\"?"},
        {"\"\": 1\n", "doorbell.yaml:1: a name is missing here"},
        {"log.level: info\n: 1\n", "doorbell.yaml:2: "},
        {"[a]: 1\n", "doorbell.yaml:1: "},
        {"? [a]\n: 1\n", "doorbell.yaml:1: a name is missing here"},
        {"\"log.level\\0x\": info\n", "doorbell.yaml:1: a name is missing here"},

        /* Twice */
        {"push.timeout: 1s\npush.timeout: 1s\n",
         "doorbell.yaml:2: key \"push.timeout\" appears a second time, first in line 1"},
        {"push.timeout: 1s\npush:\n  timeout: 1s\n",
         "doorbell.yaml:3: key \"push.timeout\" appears a second time, first in line 1"},
        {"push:\n  timeout: 1s\nlog:\npush:\n  hold: 1s\n",
         "doorbell.yaml:4: key \"push\" appears a second time, first in line 1"},

        /* Types */
        {"push: 15s\n", "doorbell.yaml:1: key \"push\" is a section; "},
        {"push: [a]\n", "doorbell.yaml:1: key \"push\" is a section; "},
        {"push:\n- timeout: 1s\n", "doorbell.yaml:1: key \"push\" is a section; "},
        {"push.timeout: [1s]\n", "doorbell.yaml:1: push.timeout: it takes one value, not a list"},
        {"push.timeout: {}\n",
         "doorbell.yaml:1: push.timeout: it takes a value, not a section of keys"},
        {"push.denied: {a: b}\n",
         "doorbell.yaml:1: push.denied: it takes a value, not a section of keys"},
        {"push:\n  denied:\n  - a\n  - b: c\n",
         "doorbell.yaml:4: push.denied: entry 2 is not a single value; put it in quotes"},
        {"push:\n  denied:\n  - [a]\n",
         "doorbell.yaml:3: push.denied: entry 1 is not a single value; put it in quotes"},
        {"web:\n  listen:\n  - [::]:8020\n",
         "doorbell.yaml:3: web.listen: entry 1 is not a single value; put it in quotes"},
        {"- a\n- b\n", "doorbell.yaml:1: this is not a setting; write it as \"key: value\""},
        {"# mine\npush.timeout = 15s\n", "doorbell.yaml:2: this is not a setting; "},
        {"[push]\ntimeout = 15s\n", "doorbell.yaml:1: this is not a setting; "},

        /* Nothing where something must be */
        {"push:\n  timeout:\n  hold: 1s\n",
         "doorbell.yaml:2: key \"push.timeout\" has no value; write one, or put a # before the key "
         "to get the default (15s)"},
        {"push.timeout: ~\n", "doorbell.yaml:1: key \"push.timeout\" has no value; "},
        {"push.timeout: null\n", "doorbell.yaml:1: key \"push.timeout\" has no value; "},
        {"push.ca_file:\n",
         "doorbell.yaml:1: key \"push.ca_file\" has no value; write one, or put a # before the key "
         "to leave it out"},
        {"push.timeout: \"\"\n", "doorbell.yaml:1: push.timeout: it is empty; "},
        {"accounts.allowed: []\n", "doorbell.yaml:1: accounts.allowed: it is empty; "},
        {"push:\n  denied:\n  - a\n  -\n",
         "doorbell.yaml:4: push.denied: entry 2 is empty; write a value or take it away"},
        {"push.denied: ['']\n", "doorbell.yaml:1: push.denied: entry 1: it is empty; "},

        /* Values */
        {"\npush:\n  timeout: 15\n", "doorbell.yaml:3: push.timeout: \"15\" has no unit; "},
        {"push:\n  denied:\n  - a\n\n  - 10.0.0.0/33\n",
         "doorbell.yaml:5: push.denied: entry 2: it must be a network"},
        {"push.denied: a, 10.0.0.0/33\n",
         "doorbell.yaml:1: push.denied: entry 2: it must be a network"},
        {"log.level: \"in\\0fo\"\n", "doorbell.yaml:1: log.level: it has a zero byte in it"},
        {"store.path: \"a\\nb\"\n", "doorbell.yaml:1: store.path: it has a line break"},

        /* Not YAML */
        {"push:\n\ttimeout: 15s\n",
         "doorbell.yaml:2: this line begins with a tab; indent it with spaces"},
        {"push:\n  hold: 1s\n  \ttimeout: 15s\n", "doorbell.yaml:3: this line begins with a tab; "},
        {"push:\n  hold: 1s\n timeout: 15s\n", "doorbell.yaml:3: this cannot be read as YAML ("},
        {"store.path: a: b\n", "doorbell.yaml:1: this cannot be read as YAML ("},
        {"store.path: @x\n", "doorbell.yaml:1: this cannot be read as YAML ("},
        {"log:\n  level: *\n",
         "doorbell.yaml:2: a value that begins with * or & must stand in quotes: \"*\""},
        {"push:\n  allowed_endpoints: [*]\n", "doorbell.yaml:2: a value that begins with * or &"},
        {"push:\n  allowed_endpoints:\n  - *\n", "doorbell.yaml:3: a value that begins with * or "},
        {"web:\n  listen: [::]:8020\n",
         "doorbell.yaml:2: a quote or a bracket opens here and is not closed properly; a value "
         "that begins with [ must stand in quotes"},
        {"log:\n  level: \"info\nweb:\n  enabled: true\n",
         "doorbell.yaml:2: a quote or a bracket opens here"},
        {"log.level: info\n---\nlog.level: info\n", "doorbell.yaml:2: a second document begins"},
        {"log.level: info\n\nstore.path: \xff\n",
         "doorbell.yaml:3: this is not plain text in UTF-8 ("},
        {"log.level: info\nstore.path: a\x01\n",
         "doorbell.yaml:2: this is not plain text in UTF-8 ("},

        /* Aliases, anchors and tags */
        {"a: &a [x, x]\n", "doorbell.yaml:1: an anchor (&) is not taken here; "},
        {"push: &a\n  hold: 1s\n", "doorbell.yaml:1: an anchor (&) is not taken here; "},
        {"log.level: &a info\n", "doorbell.yaml:1: an anchor (&) is not taken here; "},
        {"log.level: info\n*a : info\n", "doorbell.yaml:2: an alias (*) is not taken here; "},
        {"log.level: *a\n", "doorbell.yaml:1: an alias (*) is not taken here; "},
        {"push.denied: [*a]\n", "doorbell.yaml:1: an alias (*) is not taken here; "},
        {"push:\n  <<: *a\n", "doorbell.yaml:2: an alias (*) is not taken here; "},
        {"log.level: !!str info\n", "doorbell.yaml:1: a tag (!) is not taken here; "},
        {"push.denied: !!set [a]\n", "doorbell.yaml:1: a tag (!) is not taken here; "},
        {"push: !!map {}\n", "doorbell.yaml:1: a tag (!) is not taken here; "},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config *config = config_new();
        struct err err;
        int result = read_yaml(config, wrong[i].text, &err);
        ck_assert_msg(result < 0 && err.code == result, "taken: %s", wrong[i].text);
        size_t length = strlen(wrong[i].sentence);
        ck_assert_msg(strncmp(err.text, wrong[i].sentence, length) == 0, "%s\n  %s", wrong[i].text,
                      err.text);
        config_free(config);
    }
}
END_TEST

START_TEST(deep_nesting_stops_early)
{
    enum { DEPTH = 100000 };
    char *text = mem_new(3 * DEPTH + 1);
    for (size_t i = 0; i < DEPTH; i++)
        memcpy(text + 3 * i, "{a:", 3);
    struct config *config = config_new();
    struct err err;
    ck_assert_int_eq(read_yaml(config, text, &err), ERR_INVALID);
    for (size_t i = 0; i < DEPTH; i++)
        memcpy(text + 3 * i, "[ [", 3);
    ck_assert_int_eq(read_yaml(config, text, &err), ERR_INVALID);
    config_free(config);
    free(text);
}
END_TEST

START_TEST(long_names_are_not_known_and_shown_in_part)
{
    char text[1024]; /* libyaml takes no longer one */
    for (size_t length = 1; length < sizeof text - 10; length += 13) {
        memset(text, 'a', length);
        strcpy(text + length, ": x\n");
        struct config *config = config_new();
        struct err err;
        ck_assert_int_eq(read_yaml(config, text, &err), ERR_INVALID);
        ck_assert_msg(strstr(err.text, "\" is not known; ") != NULL, "%s", err.text);
        ck_assert_uint_lt(strlen(err.text), 200);
        config_free(config);
    }
}
END_TEST

START_TEST(a_long_file_name_leaves_room_for_the_sentence)
{
    char name[4000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct config *config = config_new();
    struct err err = {0};
    ck_assert_int_lt(config_read_yaml(config, name, "push: 1\n", 8, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "nnn...:1: key \"push\" is a section; "));
    config_free(config);
}
END_TEST

START_TEST(a_large_file_is_refused_at_its_bound)
{
    size_t length = CONFIG_FILE_MAX;
    char *text = mem_new(length + 1);
    memset(text, '#', length + 1);
    struct config *config = config_new();
    struct err err = {0};
    ck_assert_int_eq(config_read_yaml(config, "big", text, length, &err), 0);
    ck_assert_int_eq(config_read_yaml(config, "big", text, length + 1, &err), ERR_LIMIT);
    ck_assert_str_eq(err.text, "big: it is larger than 1024 KiB; is it the right file?");
    config_free(config);
    free(text);
}
END_TEST

START_TEST(a_long_list_is_refused_at_its_bound)
{
    static const char entry[] = "- \"*\"\n";
    size_t size = sizeof entry - 1, count = CONFIG_LIST_MAX;
    char *text = mem_new(64 + size * (count + 1)), *end = stpcpy(text, "accounts.allowed:\n");
    for (size_t i = 0; i < count; i++)
        end = stpcpy(end, entry);
    struct config *config = config_new();
    struct err err;
    ck_assert_msg(read_yaml(config, text, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(config->accounts_allowed.count, count);
    stpcpy(end, entry);
    ck_assert_int_eq(read_yaml(config, text, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "it has more than 16384 entries"));
    config_free(config);
    free(text);
}
END_TEST

UNIT_MAIN("config_yaml", nothing_to_read_is_fine, sections_and_dots_are_the_same,
          lists_are_sequences_or_one_value, a_file_in_another_unicode_form_is_read,
          errors_name_the_line_the_key_and_the_fix, deep_nesting_stops_early,
          long_names_are_not_known_and_shown_in_part, a_long_file_name_leaves_room_for_the_sentence,
          a_large_file_is_refused_at_its_bound, a_long_list_is_refused_at_its_bound)
