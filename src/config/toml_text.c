#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/toml_internal.h"

int toml_fail(struct toml_reader *reader, unsigned line, const char *format, ...)
{
    char sentence[sizeof reader->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    reader->wrong_line = line;
    return err_set(reader->err, ERR_INVALID, "%s", sentence);
}

static bool is_at(const struct toml_reader *reader, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(reader->end - reader->at) >= length && memcmp(reader->at, text, length) == 0;
}

static bool is_at_one_of(const struct toml_reader *reader, const char *const *texts)
{
    while (*texts && !is_at(reader, *texts))
        texts++;
    return *texts;
}

/* About a character that word processors and web pages leave behind; NULL when none is at hand. */
static const char *stray_at(const struct toml_reader *reader)
{
    static const char *const quotes[] = {"\u2018", "\u2019", "\u201a", "\u201b", "\u201c",
                                         "\u201d", "\u201e", "\u201f", "\u00ab", "\u00bb",
                                         "\u2039", "\u203a", "\u00b4", "`",      NULL};
    static const char *const spaces[] = {"\u00a0", "\u2007", "\u2009", "\u200b",
                                         "\u202f", "\u3000", "\ufeff", NULL};
    if (is_at_one_of(reader, quotes))
        return "a typographic quote stands here; write the plain \" instead";
    if (is_at_one_of(reader, spaces))
        return "a space stands here that is not the plain one; write it anew";
    return NULL;
}

int toml_check_stray(struct toml_reader *reader)
{
    const char *sentence = stray_at(reader);
    return sentence ? toml_fail(reader, reader->line, "%s", sentence) : 0;
}

int toml_fail_here(struct toml_reader *reader, const char *sentence)
{
    const char *stray = stray_at(reader);
    return toml_fail(reader, reader->line, "%s", stray ? stray : sentence);
}

/* Bytes of the UTF-8 character at `at`, 0 when it is none (RFC 3629 section 4). */
static size_t utf8_length(const unsigned char *at, size_t room)
{
    unsigned char first = at[0];
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > room)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool is_overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    bool is_surrogate = first == 0xed && at[1] >= 0xa0;
    bool is_beyond = first == 0xf4 && at[1] >= 0x90;
    return is_overlong || is_surrogate || is_beyond ? 0 : length;
}

int toml_check_bytes(struct toml_reader *reader)
{
    unsigned line = reader->line;
    for (const char *at = reader->at; at < reader->end;) {
        size_t room = (size_t)(reader->end - at), length = utf8_length((const void *)at, room);
        if (length == 0 || *at == '\0')
            return toml_fail(reader, line, "this is not plain text in UTF-8; save it as such");
        if (*at == '\r' && !(room > 1 && at[1] == '\n'))
            return toml_fail(reader, line,
                             "a carriage return without a newline stands in this line; save the "
                             "text with the line ends of Unix or Windows");
        bool is_control = (*at > 0 && *at < ' ') || *at == 0x7f;
        if (is_control && !strchr("\t\r\n", *at))
            return toml_fail(reader, line,
                             "a control character stands in this line; take it away (a string in "
                             "double quotes may have it as \\uXXXX)");
        line += *at == '\n';
        at += length;
    }
    return 0;
}

char toml_peek(const struct toml_reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

bool toml_is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool toml_is_line_end(const struct toml_reader *reader)
{
    return memchr("\n#", toml_peek(reader), sizeof "\n#");
}

/* A carriage return is always the first half of a line's end here. */
void toml_skip_spaces(struct toml_reader *reader)
{
    while (reader->at < reader->end && memchr(" \t\r", *reader->at, 3))
        reader->at++;
}

void toml_skip_white(struct toml_reader *reader)
{
    toml_skip_spaces(reader);
    while (toml_peek(reader) == '\n') {
        reader->at++;
        reader->line++;
        toml_skip_spaces(reader);
    }
}

void toml_skip_blank(struct toml_reader *reader)
{
    toml_skip_white(reader);
    while (toml_peek(reader) == '#') {
        const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
        reader->at = newline ? newline : reader->end;
        toml_skip_white(reader);
    }
}

int toml_add_text(struct toml_reader *reader, const char *bytes, size_t length)
{
    if (length > CONFIG_VALUE_MAX - reader->length)
        return toml_fail(reader, reader->line,
                         "a name or a value is longer than %d bytes; is it the right file?",
                         CONFIG_VALUE_MAX);
    memcpy(reader->text + reader->length, bytes, length);
    reader->length += length;
    reader->text[reader->length] = '\0';
    return 0;
}

static int add_character(struct toml_reader *reader, uint32_t c)
{
    if (c < 0x80)
        return toml_add_text(reader, (char[]){(char)c}, 1);
    unsigned char bytes[4];
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (unsigned char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    bytes[0] = (unsigned char)((0xf00u >> length & 0xf0) | c);
    return toml_add_text(reader, (const char *)bytes, length);
}

/* What follows \u or \U. */
static int read_code_point(struct toml_reader *reader, size_t digits)
{
    static const char alphabet[] = "0123456789abcdefABCDEF";
    uint32_t c = 0;
    for (size_t i = 0; i < digits; i++) {
        char digit = toml_peek(reader);
        const char *found = digit ? strchr(alphabet, digit) : NULL;
        if (!found)
            return toml_fail(reader, reader->line,
                             "\\u takes four hexadecimal digits and \\U takes eight; write \\\\ "
                             "for a backslash, or put the text in single quotes");
        size_t value = (size_t)(found - alphabet);
        c = c << 4 | (uint32_t)(value < 16 ? value : value - 6);
        reader->at++;
    }
    if (c == 0)
        return toml_fail(reader, reader->line,
                         "\\u0000 is not taken in a name or a value; take it away");
    if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        return toml_fail(reader, reader->line,
                         "\\u and \\U take no surrogates (D800 to DFFF) and nothing above 10FFFF; "
                         "write the character itself");
    return add_character(reader, c);
}

/* A backslash at the end of a line joins it with the next text. */
static bool skip_line_end(struct toml_reader *reader)
{
    const char *before = reader->at;
    toml_skip_spaces(reader);
    if (toml_peek(reader) == '\n') {
        toml_skip_white(reader);
        return true;
    }
    reader->at = before;
    return false;
}

static int read_escape(struct toml_reader *reader, bool is_long)
{
    static const char names[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
    reader->at++;
    if (reader->at == reader->end || (is_long && skip_line_end(reader)))
        return 0;
    char c = *reader->at;
    const char *name = strchr(names, c);
    if (!name && c != 'u' && c != 'U')
        return toml_fail(reader, reader->line,
                         "a \\ in double quotes begins an escape, and this is none; write \\\\ for "
                         "a backslash, or put the text in single quotes");
    reader->at++;
    if (!name)
        return read_code_point(reader, c == 'u' ? 4 : 8);
    return toml_add_text(reader, &meanings[name - names], 1);
}

static int read_short(struct toml_reader *reader, char quote)
{
    reader->at++;
    while (toml_peek(reader) && *reader->at != '\n') {
        if (*reader->at == quote) {
            reader->at++;
            return 0;
        }
        int result = *reader->at == '\\' && quote == '"' ? read_escape(reader, false)
                                                         : toml_add_text(reader, reader->at++, 1);
        if (result != 0)
            return result;
    }
    return toml_fail(reader, reader->line,
                     "the string that begins in this line is not closed in it; put a plain %c at "
                     "its end",
                     quote);
}

/* Up to two quotes may stand right before the three that close it. */
static size_t count_quotes(const struct toml_reader *reader, char quote)
{
    size_t count = 0;
    while (count < 5 && reader->at + count < reader->end && reader->at[count] == quote)
        count++;
    return count;
}

static bool skip_newline(struct toml_reader *reader)
{
    size_t length = is_at(reader, "\r\n") ? 2 : is_at(reader, "\n") ? 1 : 0;
    reader->at += length;
    reader->line += length > 0;
    return length > 0;
}

static int read_long(struct toml_reader *reader, char quote)
{
    unsigned opened = reader->line;
    reader->at += 3;
    skip_newline(reader);
    while (toml_peek(reader)) {
        size_t quotes = count_quotes(reader, quote);
        if (quotes >= 3) {
            const char *kept = reader->at;
            reader->at += quotes;
            return toml_add_text(reader, kept, quotes - 3);
        }
        int result;
        if (*reader->at == '\\' && quote == '"')
            result = read_escape(reader, true);
        else if (skip_newline(reader))
            result = toml_add_text(reader, "\n", 1);
        else
            result = toml_add_text(reader, reader->at++, 1);
        if (result != 0)
            return result;
    }
    return toml_fail(reader, opened,
                     "the string that begins here with three quotes is not closed; put three at "
                     "its end");
}

int toml_read_string(struct toml_reader *reader, bool may_span_lines)
{
    char quote = *reader->at;
    reader->length = 0;
    reader->text[0] = '\0';
    if (may_span_lines && count_quotes(reader, quote) >= 3)
        return read_long(reader, quote);
    return read_short(reader, quote);
}
