#include "base/roff.h"

#include <stdbool.h>
#include <string.h>

enum { LINE_WIDTH = 64 };

/* What roff would take for something else. A hyphen is always the one of a command line, which can
 * be searched for and copied. */
static const char *escape_of(char c)
{
    switch (c) {
    case '\\':
        return "\\e";
    case '-':
        return "\\-";
    case '\'':
        return "\\(aq";
    case '"':
        return "\\(dq";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    }
    return NULL;
}

static void add_escaped(struct buf *page, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char *escape = escape_of(text[i]);
        if (escape)
            buf_add_text(page, escape);
        else
            buf_add(page, text + i, 1);
    }
}

/* A word of running text; whether it leaves bold on. */
static bool add_word(struct buf *page, const char *word, size_t length, bool bold)
{
    for (size_t i = 0; i < length; i++) {
        if (word[i] != '`') {
            add_escaped(page, word + i, 1);
            continue;
        }
        bold = !bold;
        buf_add_text(page, bold ? "\\fB" : "\\fR");
    }
    return bold;
}

/* A line that begins with a dot or an apostrophe would be a request; \& is nothing, and ends that.
 */
static void protect(struct buf *page, char first)
{
    if (first == '.' || first == '\'')
        buf_add_text(page, "\\&");
}

static void add_text(struct buf *page, const char *text)
{
    size_t width = 0;
    bool bold = false;
    while (*text) {
        size_t length = strcspn(text, " \n");
        bool breaks = width && width + 1 + length > LINE_WIDTH;
        if (width)
            buf_add_text(page, breaks ? "\n" : " ");
        if (!width || breaks)
            protect(page, *text);
        bold = add_word(page, text, length, bold);
        width = breaks ? length : width + 1 + length;
        text += length;
        text += strspn(text, " \n");
    }
    buf_add_text(page, "\n");
}

/* An argument of a macro stands in quotes; its own are escaped like all others. */
static void add_macro(struct buf *page, const char *macro, const char *argument)
{
    buf_format(page, "%s \"", macro);
    add_escaped(page, argument, strlen(argument));
    buf_add_text(page, "\"\n");
}

void roff_begin(struct buf *page, const char *name, const char *section, const char *volume)
{
    buf_format(page,
               ".TH %s %s \"" DOORBELL_DATE "\" \"Doorbell " DOORBELL_VERSION
               "\" \"%s\"\n.nh\n.ad l\n",
               name, section, volume);
}

void roff_heading(struct buf *page, const char *text)
{
    add_macro(page, ".SH", text);
}

void roff_subheading(struct buf *page, const char *text)
{
    add_macro(page, ".SS", text);
}

/* A heading begins a paragraph by itself. */
static bool ends_in_heading(const struct buf *page)
{
    size_t at = page->length - 1;
    while (at > 0 && page->bytes[at - 1] != '\n')
        at--;
    return memcmp(page->bytes + at, ".S", 2) == 0;
}

void roff_paragraph(struct buf *page, const char *text)
{
    if (!ends_in_heading(page))
        buf_add_text(page, ".PP\n");
    add_text(page, text);
}

void roff_entry(struct buf *page, const char *label, const char *text)
{
    buf_add_text(page, ".TP\n");
    add_macro(page, ".B", label);
    add_text(page, text);
}

void roff_more(struct buf *page, const char *text)
{
    buf_add_text(page, ".IP\n");
    add_text(page, text);
}

void roff_indent(struct buf *page)
{
    buf_add_text(page, ".RS\n");
}

void roff_outdent(struct buf *page)
{
    buf_add_text(page, ".RE\n");
}

void roff_example(struct buf *page, const char *lines)
{
    buf_add_text(page, ".PP\n.RS 4\n.EX\n");
    while (*lines) {
        size_t length = strcspn(lines, "\n");
        protect(page, *lines);
        add_escaped(page, lines, length);
        buf_add_text(page, "\n");
        lines += length + (lines[length] == '\n');
    }
    buf_add_text(page, ".EE\n.RE\n");
}
