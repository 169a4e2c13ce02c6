#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/toml_internal.h"

/* A part of reader->text that is being looked at. */
struct span {
    const char *at, *end;
};

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a' + 10);
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : UINT_MAX;
}

static bool take(struct span *span, const char *one_of)
{
    if (span->at == span->end || !strchr(one_of, *span->at))
        return false;
    span->at++;
    return true;
}

/* Digits with single underscores between them; at least one. */
static bool take_digits(struct span *span, unsigned base)
{
    const char *begin = span->at;
    while (span->at < span->end) {
        bool is_between = *span->at == '_' && span->at > begin && span->at[-1] != '_';
        if (!is_between && digit_value(*span->at) >= base)
            break;
        span->at++;
    }
    return span->at > begin && span->at[-1] != '_';
}

/* The number that exactly `width` digits make, -1 when it is not within [least, most]. */
static int take_number(struct span *span, int width, int least, int most)
{
    int number = 0;
    for (int i = 0; i < width; i++) {
        if (span->at == span->end || digit_value(*span->at) >= 10)
            return -1;
        number = 10 * number + (int)digit_value(*span->at++);
    }
    return number >= least && number <= most ? number : -1;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

static bool take_date(struct span *span)
{
    int year = take_number(span, 4, 0, 9999);
    if (year < 0 || !take(span, "-"))
        return false;
    int month = take_number(span, 2, 1, 12);
    if (month < 0 || !take(span, "-"))
        return false;
    return take_number(span, 2, 1, days_of_month(year, month)) >= 0;
}

static bool take_hour_and_minute(struct span *span)
{
    return take_number(span, 2, 0, 23) >= 0 && take(span, ":") && take_number(span, 2, 0, 59) >= 0;
}

static bool take_time(struct span *span)
{
    static const char digits[] = "0123456789";
    if (!take_hour_and_minute(span) || !take(span, ":"))
        return false;
    if (take_number(span, 2, 0, 60) < 0) /* 60: a leap second (RFC 3339 section 5.6) */
        return false;
    if (!take(span, "."))
        return true;
    if (!take(span, digits))
        return false;
    while (take(span, digits))
        ;
    return true;
}

static bool take_offset(struct span *span)
{
    if (take(span, "Zz"))
        return true;
    return take(span, "+-") && take_hour_and_minute(span);
}

static bool is_date(struct span span)
{
    struct span time = span;
    if (take_time(&time))
        return time.at == time.end;
    if (!take_date(&span))
        return false;
    if (span.at == span.end)
        return true;
    if (!take(&span, "Tt ") || !take_time(&span))
        return false;
    return span.at == span.end || (take_offset(&span) && span.at == span.end);
}

/* The integer part of a decimal number. */
static bool take_decimal(struct span *span)
{
    take(span, "+-");
    const char *begin = span->at;
    return take_digits(span, 10) && (*begin != '0' || span->at == begin + 1);
}

static bool is_float(struct span span)
{
    struct span word = span;
    take(&word, "+-");
    size_t length = (size_t)(word.end - word.at);
    if (length == 3 && (memcmp(word.at, "inf", 3) == 0 || memcmp(word.at, "nan", 3) == 0))
        return true;
    if (!take_decimal(&span))
        return false;
    if (take(&span, ".") && !take_digits(&span, 10))
        return false;
    if (!take(&span, "eE"))
        return span.at == span.end;
    take(&span, "+-");
    return take_digits(&span, 10) && span.at == span.end;
}

/* 0 when it is none. */
static unsigned base_of_integer(struct span span)
{
    struct span prefixed = span;
    unsigned base = 0;
    if (take(&prefixed, "0") && prefixed.at < prefixed.end)
        base = *prefixed.at == 'x' ? 16 : *prefixed.at == 'o' ? 8 : *prefixed.at == 'b' ? 2 : 0;
    if (base) {
        prefixed.at++;
        return take_digits(&prefixed, base) && prefixed.at == prefixed.end ? base : 0;
    }
    return take_decimal(&span) && span.at == span.end ? 10 : 0;
}

static void remove_underscores(struct toml_reader *reader)
{
    char *to = reader->text;
    for (const char *from = reader->text; *from; from++)
        if (*from != '_')
            *to++ = *from;
    *to = '\0';
    reader->length = (size_t)(to - reader->text);
}

/* An integer that is well-formed becomes a decimal one. */
static int write_integer(struct toml_reader *reader, unsigned base)
{
    const char *at = reader->text;
    bool is_negative = *at == '-';
    uint64_t limit = (uint64_t)INT64_MAX + is_negative, number = 0;
    at += base != 10 ? 2 : *at == '-' || *at == '+' ? 1 : 0;
    for (; *at; at++) {
        if (*at == '_')
            continue;
        unsigned digit = digit_value(*at);
        if (number > (limit - digit) / base)
            return toml_fail(reader, reader->line,
                             "this number does not fit 64 bits; correct it, or put the value in "
                             "quotes");
        number = number * base + digit;
    }
    int length = snprintf(reader->text, sizeof reader->text, "%s%" PRIu64,
                          is_negative && number ? "-" : "", number);
    reader->length = (size_t)length;
    return 0;
}

static bool is_bool_elsewhere(const char *word)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(word, words[i]) == 0)
            return true;
    return false;
}

static int fail_missing(struct toml_reader *reader)
{
    if (toml_is_line_end(reader))
        return toml_fail(reader, reader->line,
                         "the value is missing; write one after the =, or put a # before the line "
                         "to leave it out");
    char c = *reader->at;
    return toml_fail(reader, reader->line,
                     "a value is missing before this %c; write one, or take the %c away", c, c);
}

static int fail_plain(struct toml_reader *reader)
{
    const char *text = reader->text;
    if (is_bool_elsewhere(text))
        return toml_fail(reader, reader->line,
                         "write true or false here, in small letters and without quotes");
    const char *digits = text + strspn(text, "+-");
    if (*digits == '0' && digits[strspn(digits, "0123456789_")] == '\0')
        return toml_fail(reader, reader->line,
                         "a number does not begin with 0; leave the zero out, or put the value in "
                         "quotes");
    if (digit_value(text[strspn(text, "+-.")]) < 10)
        return toml_fail(reader, reader->line,
                         "this is neither a number nor a date as TOML writes them; put text in "
                         "quotes: \"text\"");
    return toml_fail_here(reader, "text must stand in quotes: \"text\"");
}

/* A date and its time may have a space between them. */
static bool is_time_ahead(const struct toml_reader *reader)
{
    struct span date = {reader->text, reader->text + reader->length};
    return take_date(&date) && date.at == date.end && reader->end - reader->at > 1 &&
           reader->at[0] == ' ' && digit_value(reader->at[1]) < 10;
}

static int take_word(struct toml_reader *reader)
{
    const char *begin = reader->at;
    while (reader->at < reader->end && !strchr(" \t\r\n,]}#", *reader->at))
        reader->at++;
    return toml_add_text(reader, begin, (size_t)(reader->at - begin));
}

static int take_words(struct toml_reader *reader)
{
    reader->length = 0;
    int result = take_word(reader);
    if (result != 0 || !is_time_ahead(reader))
        return result;
    result = toml_add_text(reader, reader->at++, 1);
    return result == 0 ? take_word(reader) : result;
}

int toml_read_plain(struct toml_reader *reader, enum toml_type *type)
{
    const char *begin = reader->at;
    int result = take_words(reader);
    if (result != 0)
        return result;
    if (reader->length == 0)
        return fail_missing(reader);
    struct span span = {reader->text, reader->text + reader->length};
    unsigned base = base_of_integer(span);
    if (base) {
        *type = TOML_INTEGER;
        return write_integer(reader, base);
    }
    bool is_bool = strcmp(reader->text, "true") == 0 || strcmp(reader->text, "false") == 0;
    if (is_bool || is_date(span)) {
        *type = is_bool ? TOML_BOOL : TOML_DATE;
        return 0;
    }
    if (is_float(span)) {
        *type = TOML_FLOAT;
        remove_underscores(reader);
        return 0;
    }
    reader->at = begin;
    return fail_plain(reader);
}
