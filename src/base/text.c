#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

size_t text_printable(char *to, size_t size, const void *from, size_t length)
{
    const unsigned char *bytes = from;
    if (!size)
        return 0;
    size_t fits = length < size ? length : size - 1;
    for (size_t i = 0; i < fits; i++)
        to[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '?';
    to[fits] = '\0';
    if (fits < length && fits >= 3)
        memcpy(to + fits - 3, "...", 3);
    return fits;
}

enum { WORD_MAX = 12 }; /* shorter than the topics that push servers make */

static bool is_separator(char c)
{
    return (unsigned char)c <= ' ';
}

static bool may_identify(const char *word, size_t length)
{
    if (length > WORD_MAX)
        return true;
    for (size_t i = 0; i < length; i++)
        if ((word[i] >= '0' && word[i] <= '9') || word[i] == '/' || word[i] == '@')
            return true;
    return false;
}

/* Adds a word to a line of at most size - 1 bytes; false: it did not fit. */
static bool add_word(char *line, size_t size, size_t *used, const char *word, size_t length)
{
    size_t gap = *used ? 1 : 0;
    if (*used + gap + length >= size)
        return false;
    if (gap)
        line[(*used)++] = ' ';
    *used += text_printable(line + *used, size - *used, word, length);
    return true;
}

size_t text_words(char *to, size_t size, const void *from, size_t length)
{
    static const char dots[] = "...";
    const char *at = from, *end = at + length;
    size_t used = 0;
    if (size <= sizeof dots)
        return text_printable(to, size, dots, 0);
    to[0] = '\0';
    for (;;) {
        while (at < end && is_separator(*at))
            at++;
        const char *word = at;
        while (at < end && !is_separator(*at))
            at++;
        size_t word_length = (size_t)(at - word);
        bool hidden = may_identify(word, word_length);
        if (word_length == 0)
            return used;
        if (!add_word(to, size - strlen(dots), &used, hidden ? dots : word,
                      hidden ? strlen(dots) : word_length))
            break;
    }
    memcpy(to + used, dots, sizeof dots);
    return used + strlen(dots);
}

bool text_is_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

bool text_is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return false;
    return true;
}

char *text_add(char *to, const char *end, const char *text)
{
    if (to == end)
        return to;
    size_t room = (size_t)(end - to), length = strnlen(text, room);
    memcpy(to, text, length);
    to += length;
    if (length == room)
        to[-1] = '\0';
    else
        *to = '\0';
    return to;
}

bool text_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_starts_nocase(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *text, const char *suffix)
{
    size_t length = strlen(text), more = strlen(suffix);
    return length >= more && strcmp(text + length - more, suffix) == 0;
}

unsigned text_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    size_t rows = strnlen(a, MAX), columns = strnlen(b, MAX);
    unsigned row[MAX + 1];
    for (size_t j = 0; j <= columns; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= rows; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= columns; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[columns];
}

void text_amount(char text[TEXT_AMOUNT_SIZE], int64_t seconds)
{
    static const struct {
        int64_t below_s, unit_s;
        const char *unit;
    } units[] = {{120, 1, "s"},
                 {120 * 60, 60, "min"},
                 {48 * 3600, 3600, "h"},
                 {INT64_MAX, 24 * 3600, "days"}};
    size_t i = 0;
    while (seconds >= units[i].below_s)
        i++;
    snprintf(text, TEXT_AMOUNT_SIZE, "%lld %s", (long long)(seconds / units[i].unit_s),
             units[i].unit);
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

char *text_html(const char *from)
{
    size_t length = 0;
    for (const char *c = from; *c; c++)
        length += entity(*c) ? strlen(entity(*c)) : 1;
    char *to = mem_new(length + 1), *at = to;
    for (const char *c = from; *c; c++) {
        const char *replacement = entity(*c);
        if (replacement)
            at = stpcpy(at, replacement);
        else
            *at++ = *c;
    }
    return to;
}

void text_wrap_open(FILE *to, const char *text, int column, int indent, int width)
{
    bool begins = true;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (!begins && column + 1 + length > width) {
            fprintf(to, "\n");
            column = 0;
        }
        column += fprintf(to, "%*s%.*s", column < indent ? indent - column : !begins && column > 0,
                          "", length, text);
        begins = false;
        text += length;
        text += strspn(text, " ");
    }
}

void text_wrap(FILE *to, const char *text, int column, int indent, int width)
{
    text_wrap_open(to, text, column, indent, width);
    fprintf(to, "\n");
}
