#include "web/frame.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/mem.h"
#include "base/text.h"

/* A hundred accounts with all that is known of them have half of it. */
enum { PAGE_MAX = 2 * 1024 * 1024 };

static const char style[] =
    ":root{color-scheme:light dark;--back:#f6f5f2;--card:#fff;--text:#1d2125;--soft:#565e66;"
    "--line:#dddad3;--accent:#0b6e5f;--warn:#8a4b00;--warn-back:#fff6e5;--warn-line:#e8c78d;"
    "--code:#f1efea;--bad:#a3242b}"
    "@media(prefers-color-scheme:dark){:root{--back:#15181b;--card:#1e2226;--text:#e7e9ea;"
    "--soft:#a7afb6;--line:#363c42;--accent:#5cc9b5;--warn:#f0bd6a;--warn-back:#2a2317;"
    "--warn-line:#5c4a26;--code:#272c31;--bad:#ff9a9a}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--back);color:var(--text);"
    "font:1.0625rem/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif;"
    "overflow-wrap:anywhere}"
    "header,main,footer{max-width:60rem;margin:0 auto;padding:0 1.25rem}"
    "header{padding-top:2.5rem;padding-bottom:1rem}"
    "main{display:grid;gap:1.25rem}"
    "h1{font-size:1.9rem;line-height:1.2;letter-spacing:-.01em;margin:0}"
    "h2{font-size:1.25rem;line-height:1.3;margin:0 0 .75rem}"
    "h3{font-size:1.0625rem;margin:0}"
    "p{margin:0 0 .75rem}p:last-child{margin-bottom:0}"
    ".lead,.soft{color:var(--soft)}.lead{margin-top:.5rem}.soft{font-size:.9375rem}"
    "section{min-width:0;background:var(--card);border:1px solid var(--line);border-radius:.75rem;"
    "padding:1.5rem}"
    ".link{display:grid;gap:1.75rem}.link>div{min-width:0}"
    "@media(min-width:48rem){.link{grid-template-columns:20rem minmax(0,1fr);align-items:start}}"
    ".qr{display:block;width:100%;max-width:20rem;margin:0 auto 1rem;background:#fff;"
    "border:1px solid var(--line);border-radius:.5rem;forced-color-adjust:none}"
    "label{display:block;font-size:.9375rem;color:var(--soft);margin-bottom:.25rem}"
    "textarea,pre,code{font-family:ui-monospace,\"Cascadia Mono\",\"DejaVu Sans Mono\",monospace}"
    "textarea{display:block;width:100%;min-height:7.5rem;field-sizing:content;resize:vertical;"
    "padding:.6rem .7rem;"
    "font-size:.8125rem;line-height:1.5;word-break:break-all;color:inherit;background:var(--code);"
    "border:1px solid var(--soft);border-radius:.5rem}"
    "code{font-size:.9em;background:var(--code);border-radius:.25rem;padding:.1em .3em}"
    "pre{margin:.5rem 0 0;padding:.8rem 1rem;font-size:.8125rem;line-height:1.5;"
    "background:var(--code);border-radius:.5rem}pre code{padding:0;background:none;"
    "font-size:1em;white-space:pre-wrap}"
    "ol,ul{margin:0;padding-left:1.4rem}.steps li{margin-bottom:.75rem;padding-left:.25rem}"
    ".steps li::marker{color:var(--accent);font-weight:600}"
    ".parts{list-style:none;padding:0;display:grid;gap:1.25rem}"
    ".parts li{border-left:3px solid var(--accent);padding-left:1rem}"
    ".parts p{margin-top:.25rem}"
    ".fault{background:var(--warn-back);border-color:var(--warn-line)}.fault h2{color:var(--warn)}"
    "details{margin-top:.75rem}details+p,pre+p{margin-top:1rem}summary+p,textarea+p{margin-top:"
    ".75rem}details .link{margin-top:1.25rem}summary{cursor:pointer;font-weight:600}"
    "a{color:var(--accent)}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}"
    "footer{padding-top:1.5rem;padding-bottom:2.5rem}"
    "@media(max-width:30rem){header,main,footer{padding-left:1rem;padding-right:1rem}"
    "section{padding:1.25rem 1rem}pre{padding:.7rem .75rem;font-size:.75rem}}"
    "[hidden]{display:none}"
    ".picture{display:block;width:100%;max-width:26rem;margin:0 auto}"
    ".picture text{fill:var(--soft);text-anchor:middle;font-size:14px}"
    ".picture .name{fill:var(--text);font-size:17px;font-weight:600}"
    ".place{fill:var(--code);stroke:var(--soft);stroke-width:1.5}"
    ".here{stroke:var(--accent);stroke-width:2.5}"
    ".way{fill:none;stroke:var(--accent);stroke-width:2.5}.head{fill:var(--accent)}"
    ".advice,.answer{background:var(--warn-back);border:1px solid var(--warn-line);"
    "border-radius:.5rem;padding:.6rem .8rem}.answer{background:var(--code);"
    "border-color:var(--line);margin-top:.75rem}"
    ".badge{font-size:.8125rem;font-weight:600;padding:.1rem .55rem;border-radius:1rem;"
    "border:1px solid currentColor;color:var(--soft)}.badge.well{color:var(--accent)}"
    ".badge.trying{color:var(--warn)}.badge.broken{color:var(--back);background:var(--bad);"
    "border-color:var(--bad)}"
    ".counts{list-style:none;display:flex;flex-wrap:wrap;gap:.5rem 1.25rem;padding:0;"
    "margin:0 0 .75rem}"
    ".account{border-top:1px solid var(--line);padding-top:1.25rem;margin-top:1.25rem}"
    ".account h3{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .6rem;"
    "margin-bottom:.75rem}.account form{margin-top:.75rem}"
    "dl{margin:0;display:grid;gap:.35rem 1.5rem}dl div{display:grid;gap:0 .75rem}dd{margin:0;"
    "min-width:0}dt{color:var(--soft);font-size:.9375rem}"
    "@media(min-width:22rem){dl div,.timeline li{display:grid;gap:0 .75rem;"
    "grid-template-columns:6.5rem minmax(0,1fr)}}"
    "@media(min-width:34rem){dl div{grid-template-columns:9rem 1fr}}"
    ".timeline{list-style:none;padding:0;margin-top:.5rem;font-size:.9375rem}"
    ".timeline time{color:var(--soft);font-variant-numeric:tabular-nums}"
    ".row{display:flex;flex-wrap:wrap;align-items:center;gap:.6rem 1rem}dl+.row{margin-top:1rem}"
    "form+p{margin-top:1rem}"
    "nav.row{justify-content:center;margin-top:1.5rem}"
    "input{flex:1 1 12rem;min-width:0;max-width:26rem;font:inherit;color:inherit;"
    "background:var(--code);border:1px solid var(--soft);border-radius:.5rem;padding:.5rem .7rem}"
    "button{font:inherit;font-weight:600;color:var(--card);background:var(--accent);"
    "border:1px solid var(--accent);border-radius:.5rem;padding:.5rem 1rem;cursor:pointer}"
    "button.quiet{color:var(--accent);background:none}"
    ".who{display:grid;gap:1.5rem}"
    "@media(min-width:48rem){.who{grid-template-columns:24rem 1fr;align-items:center}}"
    "@media print{section,.account{break-inside:avoid}}"
    "@media(forced-colors:active){.picture text,.picture .name{fill:CanvasText}"
    ".place{fill:Canvas;stroke:CanvasText}.way{stroke:CanvasText}.head{fill:CanvasText}}";

void frame_add(struct buf *page, const char *html)
{
    buf_add_text(page, html);
}

void frame_add_escaped(struct buf *page, const char *text)
{
    char *html = text_html(text);
    frame_add(page, html);
    free(html);
}

static char *hash_source(const char *text)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char encoded[B64_TEXT_SIZE(sizeof hash)];
    crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
    b64_encode(encoded, hash, sizeof hash);
    return mem_format("'sha256-%s'", encoded);
}

void frame_begin(struct buf *page, const char *title, const char *lead)
{
    buf_init(page, PAGE_MAX);
    frame_add(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                    "<meta name=\"robots\" content=\"noindex\">\n<title>");
    frame_add(page, title);
    frame_add(page, "</title>\n<style>");
    frame_add(page, style);
    frame_add(page, "</style>\n</head>\n<body>\n<header><h1>Doorbell</h1>\n<p class=\"lead\">");
    frame_add(page, lead);
    frame_add(page, "</p></header>\n<main>\n");
}

static char *policy_of(const char *script)
{
    char *style_hash = hash_source(style), *script_hash = script ? hash_source(script) : NULL;
    char *policy = script ? mem_format("style-src %s; script-src %s", style_hash, script_hash)
                          : mem_format("style-src %s", style_hash);
    free(style_hash);
    free(script_hash);
    return policy;
}

void frame_end(struct response *response, struct buf *page, const char *foot, const char *script)
{
    frame_add(page, "</main>\n<footer class=\"soft\">Doorbell " DOORBELL_VERSION);
    if (foot)
        frame_add(page, foot);
    frame_add(page, "</footer>\n");
    if (script) {
        frame_add(page, "<script>");
        frame_add(page, script);
        frame_add(page, "</script>\n");
    }
    frame_add(page, "</body>\n</html>\n");
    response_set(response, 200, "text/html; charset=utf-8",
                 mem_copy((const char *)page->bytes, page->length));
    response->policy = policy_of(script);
    buf_fini(page);
}

void frame_error(struct response *response, int status, const char *what, const char *text)
{
    struct buf page;
    char *title = mem_format("Doorbell: %s", what);
    frame_begin(&page, title, "Rings your phone when a Signal message waits.");
    frame_add(&page, "<section aria-labelledby=\"error\"><h2 id=\"error\">");
    frame_add(&page, what);
    frame_add(&page, "</h2>\n<p>");
    frame_add(&page, text);
    frame_add(&page, "</p></section>\n");
    frame_end(response, &page, NULL, NULL);
    response->status = status;
    free(title);
}
