#include "config/schema.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/internal.h"

enum {
    SHOWN_SIZE = 41, /* of a wrong value, in a sentence */
    DIGITS_MAX = 18, /* fit into an int64_t */
};

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

enum { UNIT_COUNT = sizeof units / sizeof *units };

void duration_format(char text[DURATION_TEXT_SIZE], int64_t ms)
{
    size_t i = 0;
    while (ms % units[i].ms != 0)
        i++;
    if (ms == 0)
        snprintf(text, DURATION_TEXT_SIZE, "0s");
    else
        snprintf(text, DURATION_TEXT_SIZE, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char *trimmed(const char *text, size_t length)
{
    while (length && is_space(*text)) {
        text++;
        length--;
    }
    while (length && is_space(text[length - 1]))
        length--;
    return mem_copy(text, length);
}

/* Only for types whose values are neither addresses nor paths nor accounts. */
static void show(char shown[SHOWN_SIZE], const char *value)
{
    text_printable(shown, SHOWN_SIZE, value, strlen(value));
}

static int parse_bool(bool *field, const char *value, struct err *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *field = i % 2 == 1;
            return 0;
        }
    }
    char shown[SHOWN_SIZE];
    show(shown, value);
    return err_set(err, ERR_INVALID, "\"%s\" is neither true nor false", shown);
}

/* Digits only. The number of leading ones, 0 when there are none or more than fit. */
static size_t parse_digits(int64_t *number, const char *text)
{
    size_t length = 0;
    *number = 0;
    for (; isdigit((unsigned char)text[length]); length++) {
        if (length == DIGITS_MAX)
            return 0;
        *number = *number * 10 + (text[length] - '0');
    }
    return length;
}

static int parse_number(int64_t *field, const struct setting *setting, const char *value,
                        struct err *err)
{
    char shown[SHOWN_SIZE];
    show(shown, value);
    int64_t number;
    size_t digits = parse_digits(&number, value);
    if (!digits || value[digits])
        return err_set(err, ERR_INVALID, "\"%s\" is not a number from %lld to %lld", shown,
                       (long long)setting->least, (long long)setting->most);
    if (number < setting->least || number > setting->most)
        return err_set(err, ERR_INVALID, "%s is out of range; it must be from %lld to %lld", shown,
                       (long long)setting->least, (long long)setting->most);
    *field = number;
    return 0;
}

/* 0 when there is no such unit. */
static int64_t milliseconds_of(const char *unit)
{
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (strcmp(unit, units[i].name) == 0)
            return units[i].ms;
    return 0;
}

static int duration_range(const struct setting *setting, const char *shown, struct err *err)
{
    char least[DURATION_TEXT_SIZE], most[DURATION_TEXT_SIZE];
    duration_format(least, setting->least);
    duration_format(most, setting->most);
    return err_set(err, ERR_INVALID, "%s is out of range; it must be from %s to %s", shown, least,
                   most);
}

static int parse_duration(int64_t *field, const struct setting *setting, const char *value,
                          struct err *err)
{
    char shown[SHOWN_SIZE];
    show(shown, value);
    int64_t number;
    size_t digits = parse_digits(&number, value);
    const char *unit = value + digits;
    int64_t unit_ms = number == 0 && !*unit ? 1 : milliseconds_of(unit);
    if (digits && !*unit && !unit_ms)
        return err_set(err, ERR_INVALID,
                       "\"%s\" has no unit; write %ss, %sm or %sh for seconds, minutes or hours",
                       shown, shown, shown, shown);
    if (!digits || !unit_ms)
        return err_set(err, ERR_INVALID,
                       "\"%s\" is not a duration; write it like 250ms, 20s, 5m, 1h or 2d", shown);
    if (number > setting->most / unit_ms || number * unit_ms < setting->least)
        return duration_range(setting, shown, err);
    *field = number * unit_ms;
    return 0;
}

static int parse_choice(int *field, const struct setting *setting, const char *value,
                        struct err *err)
{
    struct buf known;
    buf_init(&known, 256);
    for (int i = 0; setting->choices[i]; i++) {
        if (strcasecmp(value, setting->choices[i]) == 0) {
            *field = i;
            buf_fini(&known);
            return 0;
        }
        buf_format(&known, "%s%s", i ? ", " : "", setting->choices[i]);
    }
    char shown[SHOWN_SIZE];
    show(shown, value);
    int result = err_set(err, ERR_INVALID, "\"%s\" is none of %.*s", shown, (int)known.length,
                         (const char *)known.bytes);
    buf_fini(&known);
    return result;
}

/* For texts and members of lists, which are printed, sent or handed to the system as they are. */
static int check_value(const struct setting *setting, const char *value, struct err *err)
{
    size_t length = strlen(value);
    if (length > CONFIG_VALUE_MAX)
        return err_set(err, ERR_LIMIT, "it is longer than %d bytes", CONFIG_VALUE_MAX);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return err_set(err, ERR_INVALID,
                           "it has a line break, a tab or another control character in it");
    return setting->check ? setting->check(value, err) : 0;
}

static int set_text(char **field, const struct setting *setting, const char *value, struct err *err)
{
    int result = check_value(setting, value, err);
    if (result != 0)
        return result;
    char *copy = mem_text(value);
    mem_free_secret(*field);
    *field = copy;
    return 0;
}

static void free_items(char **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free_secret(items[i]);
    free(items);
}

/* Takes the items over. */
static void replace_list(struct strings *field, char **items, size_t count)
{
    free_items(field->items, field->count);
    *field = (struct strings){items, count};
}

static int refuse_empty(const struct setting *setting, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "it is empty; write a value, or leave the setting out to get the default (%s)",
                   setting->standard);
}

/* What has no default may be empty, which is as if it had not been set. */
static int set_empty(struct config *config, const struct setting *setting, struct err *err)
{
    void *field = (char *)config + setting->offset;
    if (setting->standard)
        return refuse_empty(setting, err);
    if (setting->type == SETTING_LIST) {
        replace_list(field, NULL, 0);
        return 0;
    }
    char **text = field;
    mem_free_secret(*text);
    *text = NULL;
    return 0;
}

int schema_check_item(const struct setting *setting, const char *text, size_t position, char **item,
                      struct err *err)
{
    char *value = trimmed(text, strlen(text));
    int result = *value ? check_value(setting, value, err)
                        : err_set(err, ERR_INVALID, "it is empty; take it and its comma away");
    if (result == 0) {
        *item = value;
        return 0;
    }
    free(value);
    if (position)
        err_prefix(err, "entry %zu", position);
    return result;
}

int schema_set_list(struct config *config, const struct setting *setting, char *const *items,
                    size_t count, struct err *err)
{
    if (setting->type != SETTING_LIST)
        return err_set(err, ERR_INVALID, "it takes one value, not a list");
    if (!count)
        return set_empty(config, setting, err);
    if (count > CONFIG_LIST_MAX)
        return err_set(err, ERR_LIMIT, "it has more than %d entries", CONFIG_LIST_MAX);
    char **copies = mem_new(count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        int result = schema_check_item(setting, items[i], count > 1 ? i + 1 : 0, &copies[i], err);
        if (result != 0) {
            free_items(copies, i);
            return result;
        }
    }
    replace_list((void *)((char *)config + setting->offset), copies, count);
    return 0;
}

int schema_set_checked_list(struct config *config, const struct setting *setting,
                            char *const *items, size_t count, struct err *err)
{
    struct setting unchecked = *setting;
    unchecked.check = NULL;
    return schema_set_list(config, &unchecked, items, count, err);
}

/* ["a", "b"] begins like [::1]:53 does. */
static bool is_json_array(const char *value)
{
    if (*value != '[')
        return false;
    char address[INET6_ADDRSTRLEN];
    size_t length = strcspn(value + 1, "]");
    if (length >= sizeof address)
        return true;
    memcpy(address, value + 1, length);
    address[length] = '\0';
    unsigned char bytes[16];
    return inet_pton(AF_INET6, address, bytes) != 1;
}

static int set_json_array(struct config *config, const struct setting *setting, const char *value,
                          struct err *err)
{
    json_t *array = json_loads(value, 0, NULL);
    size_t count = json_array_size(array), taken = 0;
    char **items = mem_new((count ? count : 1) * sizeof *items);
    while (taken < count && json_is_string(json_array_get(array, taken))) {
        items[taken] = mem_text(json_string_value(json_array_get(array, taken)));
        taken++;
    }
    int result;
    if (!array || taken < count)
        result =
            err_set(err, ERR_INVALID,
                    "it is not a list; write [\"one\", \"two\"], or one, two without brackets");
    else
        result = schema_set_list(config, setting, items, count, err);
    free_items(items, taken);
    json_decref(array);
    return result;
}

/* A member of a comma-separated list may stand in quotes. */
static char *list_member(const char *text, size_t length)
{
    char *member = trimmed(text, length);
    size_t end = strlen(member);
    if (end < 2 || (*member != '"' && *member != '\'') || member[end - 1] != *member)
        return member;
    char *inner = mem_copy(member + 1, end - 2);
    free(member);
    return inner;
}

static int set_comma_list(struct config *config, const struct setting *setting, const char *value,
                          struct err *err)
{
    size_t count = 1, taken = 0;
    for (const char *c = value; *c; c++)
        count += *c == ',';
    if (count > CONFIG_LIST_MAX)
        return err_set(err, ERR_LIMIT, "it has more than %d entries", CONFIG_LIST_MAX);
    char **items = mem_new(count * sizeof *items);
    for (const char *at = value; taken < count; at += strcspn(at, ",") + 1)
        items[taken++] = list_member(at, strcspn(at, ","));
    int result = schema_set_list(config, setting, items, count, err);
    free_items(items, count);
    return result;
}

int schema_set(struct config *config, const struct setting *setting, const char *text,
               struct err *err)
{
    void *field = (char *)config + setting->offset;
    char *value = trimmed(text, strlen(text));
    int result = ERR_INVALID;
    if (!*value) {
        result = set_empty(config, setting, err);
        goto out;
    }
    switch (setting->type) {
    case SETTING_TEXT:
        result = set_text(field, setting, value, err);
        break;
    case SETTING_BOOL:
        result = parse_bool(field, value, err);
        break;
    case SETTING_NUMBER:
        result = parse_number(field, setting, value, err);
        break;
    case SETTING_DURATION:
        result = parse_duration(field, setting, value, err);
        break;
    case SETTING_CHOICE:
        result = parse_choice(field, setting, value, err);
        break;
    case SETTING_LIST:
        result = is_json_array(value) ? set_json_array(config, setting, value, err)
                                      : set_comma_list(config, setting, value, err);
        break;
    }
out:
    mem_free_secret(value);
    return result;
}
