#include "web/qr.h"

#include <qrencode.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { IMAGE_MAX = 1024 * 1024, LINK_MAX = 8 * 1024 };

/* A picture that outgrows its bound cannot be: the largest code has 177 modules a side. */
static char *take_text(struct buf *buf)
{
    char *text = mem_copy((const char *)buf->bytes, buf->length);
    buf_fini(buf);
    return text;
}

/* What application/x-www-form-urlencoded leaves as it is (WHATWG URL, "urlencoded percent-encode
 * set"). */
static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '*' ||
           c == '-' || c == '.' || c == '_';
}

static void add_form_encoded(struct buf *buf, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (is_plain(c))
            buf_add(buf, &c, 1);
        else if (c == ' ')
            buf_add(buf, "+", 1);
        else
            buf_format(buf, "%%%02X", c);
    }
}

char *qr_link_webserver(const char *vapid, const char *url)
{
    struct buf link;
    buf_init(&link, LINK_MAX);
    buf_add_text(&link, "mollysocket://link?vapid=");
    add_form_encoded(&link, vapid);
    buf_add_text(&link, "&url=");
    add_form_encoded(&link, url);
    buf_add_text(&link, "&type=webserver");
    return take_text(&link);
}

char *qr_link_airgapped(const char *vapid)
{
    struct buf link;
    buf_init(&link, LINK_MAX);
    buf_add_text(&link, "mollysocket://link?vapid=");
    add_form_encoded(&link, vapid);
    buf_add_text(&link, "&type=airgapped");
    return take_text(&link);
}

/* The lowest error correction makes the fewest and so the largest modules; a screen has no
 * scratches. */
static QRcode *encode(const char *text)
{
    return QRcode_encodeData((int)strlen(text), (const unsigned char *)text, 0, QR_ECLEVEL_L);
}

/* False outside of the code: the quiet zone is light. */
static bool is_dark(const QRcode *code, int row, int column)
{
    if (row < 0 || column < 0 || row >= code->width || column >= code->width)
        return false;
    return code->data[row * code->width + column] & 1;
}

static void add_row(struct buf *svg, const QRcode *code, int row)
{
    for (int column = 0; column < code->width;) {
        int start = column;
        while (is_dark(code, row, column))
            column++;
        if (column > start)
            buf_format(svg, "M%d %dh%dv1h-%dz", start + QR_QUIET_SVG, row + QR_QUIET_SVG,
                       column - start, column - start);
        else
            column++;
    }
}

char *qr_svg(const char *text)
{
    QRcode *code = encode(text);
    if (!code)
        return NULL;
    int side = code->width + 2 * QR_QUIET_SVG;
    struct buf svg;
    buf_init(&svg, IMAGE_MAX);
    buf_format(
        &svg,
        "<svg class=\"qr\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"qr-title\" "
        "shape-rendering=\"crispEdges\"><title id=\"qr-title\">QR code for Molly. The same link "
        "stands below it as text.</title><rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>"
        "<path fill=\"#000\" d=\"",
        side, side, side, side);
    for (int row = 0; row < code->width; row++)
        add_row(&svg, code, row);
    buf_add_text(&svg, "\"/></svg>");
    QRcode_free(code);
    return take_text(&svg);
}

/* Two modules, one above the other, as one character in the foreground colour. */
static const char *half_blocks(bool upper, bool lower)
{
    if (upper && lower)
        return "\u2588";
    if (upper)
        return "\u2580";
    return lower ? "\u2584" : " ";
}

char *qr_terminal(const char *text)
{
    QRcode *code = encode(text);
    if (!code)
        return NULL;
    struct buf lines;
    buf_init(&lines, IMAGE_MAX);
    int end = code->width + QR_QUIET_TERMINAL;
    for (int row = -QR_QUIET_TERMINAL; row < end; row += 2) {
        /* Colours 16 and 231 of the 256 are black and white in every colour scheme; 0 and 15 are
         * not. */
        buf_add_text(&lines, "\033[38;5;16;48;5;231m");
        for (int column = -QR_QUIET_TERMINAL; column < end; column++)
            buf_add_text(&lines,
                         half_blocks(is_dark(code, row, column), is_dark(code, row + 1, column)));
        buf_add_text(&lines, "\033[0m\n");
    }
    QRcode_free(code);
    return take_text(&lines);
}

int qr_terminal_columns(const char *text)
{
    QRcode *code = encode(text);
    int columns = code ? code->width + 2 * QR_QUIET_TERMINAL : 0;
    QRcode_free(code);
    return columns;
}

int qr_terminal_lines(const char *text)
{
    return (qr_terminal_columns(text) + 1) / 2; /* it is square, and a line has two rows of it */
}
