#include "web/pages.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "web/qr.h"

enum { PAGE_MAX = 128 * 1024 };

static const char style[] =
    ":root{color-scheme:light dark;--back:#f6f5f2;--card:#fff;--text:#1d2125;--soft:#565e66;"
    "--line:#dddad3;--accent:#0b6e5f;--warn:#8a4b00;--warn-back:#fff6e5;--warn-line:#e8c78d;"
    "--code:#f1efea}"
    "@media(prefers-color-scheme:dark){:root{--back:#15181b;--card:#1e2226;--text:#e7e9ea;"
    "--soft:#a7afb6;--line:#363c42;--accent:#5cc9b5;--warn:#f0bd6a;--warn-back:#2a2317;"
    "--warn-line:#5c4a26;--code:#272c31}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--back);color:var(--text);"
    "font:1.0625rem/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif;"
    "overflow-wrap:break-word}"
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
    ".link{display:grid;gap:1.75rem}"
    "@media(min-width:48rem){.link{grid-template-columns:20rem 1fr;align-items:start}}"
    ".qr{display:block;width:100%;max-width:20rem;margin:0 auto 1rem;background:#fff;"
    "border:1px solid var(--line);border-radius:.5rem;forced-color-adjust:none}"
    "label{display:block;font-size:.9375rem;color:var(--soft);margin-bottom:.25rem}"
    "textarea,pre,code{font-family:ui-monospace,\"Cascadia Mono\",\"DejaVu Sans Mono\",monospace}"
    "textarea{display:block;width:100%;height:7.5rem;resize:vertical;padding:.6rem .7rem;"
    "font-size:.8125rem;line-height:1.5;word-break:break-all;color:inherit;background:var(--code);"
    "border:1px solid var(--line);border-radius:.5rem}"
    "code{font-size:.9em;background:var(--code);border-radius:.25rem;padding:.1em .3em;"
    "white-space:nowrap}"
    "pre{margin:.5rem 0 0;padding:.8rem 1rem;overflow-x:auto;font-size:.8125rem;line-height:1.5;"
    "background:var(--code);border-radius:.5rem}pre code{padding:0;background:none;"
    "font-size:1em;white-space:pre}"
    "ol{margin:0;padding-left:1.4rem}.steps li{margin-bottom:.75rem;padding-left:.25rem}"
    ".steps li::marker{color:var(--accent);font-weight:600}"
    ".parts{list-style:none;padding:0;display:grid;gap:1.25rem}"
    ".parts li{border-top:3px solid var(--accent);padding-top:.6rem}"
    ".parts p{margin-top:.25rem}"
    "@media(min-width:48rem){.parts{grid-template-columns:repeat(3,1fr)}}"
    ".fault{background:var(--warn-back);border-color:var(--warn-line)}.fault h2{color:var(--warn)}"
    "details{margin-top:.75rem}details+p,pre+p{margin-top:1rem}details "
    ".link{margin-top:1.25rem}summary{cursor:pointer;font-weight:600}"
    "a{color:var(--accent)}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}"
    "footer{padding-top:1.5rem;padding-bottom:2.5rem}"
    "[hidden]{display:none}";

/* Says so when the address that the browser shows is not the one in the link. */
static const char script[] =
    "(function(){var box=document.getElementById('mismatch'),"
    "here=location.origin+location.pathname;"
    "if(!box||here===box.dataset.url)return;"
    "document.getElementById('here').textContent=here;"
    "document.querySelectorAll('.path').forEach(function(e){e.textContent=location.pathname});"
    "box.hidden=false})()";

static void add(struct buf *page, const char *html)
{
    buf_add_text(page, html);
}

static void add_escaped(struct buf *page, const char *text)
{
    char *html = text_html(text);
    add(page, html);
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

static void add_head(struct buf *page)
{
    add(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
              "<meta name=\"robots\" content=\"noindex\">\n"
              "<title>Doorbell: connect Molly</title>\n<style>");
    add(page, style);
    add(page,
        "</style>\n</head>\n<body>\n<header><h1>Doorbell</h1>\n"
        "<p class=\"lead\">Rings your phone when a Signal message waits, so that Molly need not "
        "keep a connection of its own.</p></header>\n<main>\n");
}

/* `teller` says how Doorbell gets to know the push server. */
static void add_parts(struct buf *page, const char *teller)
{
    add(page, "<section aria-labelledby=\"parts\"><h2 id=\"parts\">Who does what</h2>\n"
              "<p class=\"soft\">Signal &#8594; <b>Doorbell</b> &#8594; <b>push server</b> &#8594; "
              "<b>Molly</b></p>\n<ol class=\"parts\">\n"
              "<li><h3>Doorbell, this bridge</h3><p>Waits at Signal in your phone&#8217;s place. "
              "It learns "
              "that a message is there, never what it says: the keys stay on your phone.</p></li>\n"
              "<li><h3>Push server</h3><p>Carries the ring to your phone. It belongs to the push "
              "app of step "
              "1: ntfy.sh, or one of your own. You never enter its address here or in Molly: ");
    add(page, teller);
    add(page, ".</p></li>\n"
              "<li><h3>Molly, your app</h3><p>Wakes when it rings and fetches the message from "
              "Signal. All it "
              "needs to know is the code on this page.</p></li>\n"
              "</ol></section>\n");
}

static void finish(struct response *response, struct buf *page)
{
    add(page, "</main>\n<footer class=\"soft\">Doorbell " DOORBELL_VERSION "</footer>\n<script>");
    add(page, script);
    add(page, "</script>\n</body>\n</html>\n");
    char *style_hash = hash_source(style), *script_hash = hash_source(script);
    response_set(response, 200, "text/html; charset=utf-8",
                 mem_copy((const char *)page->bytes, page->length));
    response->policy = mem_format("style-src %s; script-src %s", style_hash, script_hash);
    free(style_hash);
    free(script_hash);
    buf_fini(page);
}

static void add_code(struct buf *page, const char *link)
{
    char *svg = qr_svg(link);
    add(page, "<div>");
    add(page, svg ? svg : "<p>The link is too long for a QR code.</p>");
    add(page, "\n<label for=\"link\">The same link as text</label>\n"
              "<textarea id=\"link\" readonly spellcheck=\"false\">");
    add_escaped(page, link);
    add(page, "</textarea></div>\n");
    free(svg);
}

static void add_steps_to_scanner(struct buf *page)
{
    add(page, "<ol class=\"steps\">\n"
              "<li>On your phone, install an app that receives UnifiedPush messages, such as "
              "<b>ntfy</b>, and open it once.</li>\n"
              "<li>In Molly, open <b>Settings &#8594; Notifications &#8594; Delivery service</b> "
              "and choose "
              "<b>UnifiedPush</b>.</li>\n"
              "<li>Scan this code with the scanner that opens there. Not the one under Linked "
              "devices: it "
              "does not know this kind of code.</li>\n");
}

static void add_same_phone(struct buf *page)
{
    add(page,
        "<p class=\"soft\">Reading this on the phone itself? Take a screenshot of the code and "
        "pick the picture in Molly&#8217;s scanner.</p>\n");
}

static void add_link_block(struct buf *page, const struct page *about)
{
    char *link = qr_link_webserver(about->vapid, about->address->url);
    add(page, "<div class=\"link\">");
    add_code(page, link);
    add(page, "<div>");
    add_steps_to_scanner(page);
    add(page, "<li>Tap <b>Test configuration</b>. A test notification arrives within "
              "seconds.</li>\n</ol>\n");
    add_same_phone(page);
    add(page, "</div></div>\n");
    free(link);
}

/* The host in examples: the one that was asked for, where it may be one. */
static const char *example_host(const struct public_url *address)
{
    bool usable = address->host[0] && !address->is_local && !strchr(address->host, ':');
    return usable ? address->host : "molly.example.org";
}

static void add_proxy_examples(struct buf *page, const struct page *about)
{
    char *host = text_html(example_host(about->address));
    char *upstream = text_html(about->upstream);
    buf_format(page,
               "<details open><summary>Caddy</summary><pre tabindex=\"0\"><code>%s {\n"
               "    reverse_proxy %s\n"
               "}</code></pre></details>\n",
               host, upstream);
    buf_format(page,
               "<details><summary>nginx, in the server block of %s</summary>"
               "<pre tabindex=\"0\"><code>location / {\n"
               "    proxy_pass http://%s/;\n"
               "    proxy_set_header Host $host;\n"
               "    proxy_set_header X-Forwarded-For $remote_addr;\n"
               "    proxy_set_header X-Forwarded-Proto $scheme;\n"
               "}</code></pre></details>\n",
               host, upstream);
    buf_format(page,
               "<details><summary>Apache, in the virtual host of %s</summary>"
               "<pre tabindex=\"0\"><code>ProxyPreserveHost On\n"
               "ProxyPass / http://%s/\n"
               "RequestHeader set X-Forwarded-Proto \"https\"</code></pre></details>\n",
               host, upstream);
    free(host);
    free(upstream);
}

static void add_setting_example(struct buf *page, const struct page *about, const char *before)
{
    char *host = text_html(example_host(about->address));
    buf_format(page,
               "<p>%s, in <code>doorbell.yaml</code>:</p>\n<pre tabindex=\"0\"><code>web:\n"
               "  public_url: https://%s/</code></pre>\n",
               before, host);
    free(host);
}

static const char or_setting[] = "Or, if a proxy already does all that, name the address yourself";

static void add_without_https(struct buf *page, const struct page *about)
{
    add(page,
        "<p>Molly talks to <code>https://</code> addresses only. This request came without https, "
        "or through a proxy that does not say that it had it. Put a web server with a "
        "certificate in front of Doorbell, or add the lines that yours lacks; then open this page "
        "by its <code>https://</code> address.</p>\n");
    add_proxy_examples(page, about);
    add_setting_example(page, about, or_setting);
}

static void add_not_trusted(struct buf *page, const struct page *about)
{
    char *peer = text_html(about->address->peer);
    buf_format(
        page,
        "<p>This request came through a proxy at <b>%s</b> which "
        "<code>web.trusted_proxies</code> does not name, so Doorbell did not read what it says "
        "about the address outside. If it is yours, name it in <code>doorbell.yaml</code>:</p>\n"
        "<pre tabindex=\"0\"><code>web:\n  trusted_proxies: [auto, %s]</code></pre>\n",
        peer, peer);
    add_setting_example(page, about, "Or name the address yourself");
    free(peer);
}

static void add_without_name(struct buf *page, const struct page *about)
{
    add(page,
        "<p>The request names no host that can be read, so Doorbell cannot tell how it is called "
        "outside. The proxy in front must hand on the name that the browser asked for.</p>\n");
    add_proxy_examples(page, about);
    add_setting_example(page, about, "Or name the address yourself");
}

static void add_proxy_without_https(struct buf *page, const struct page *about)
{
    add(page,
        "<p>The proxy in front says that this request came to it by http. Open this page by its "
        "<code>https://</code> address. If you did, another proxy stands further outside, and the "
        "inner one must hand on the <code>X-Forwarded-Proto</code> that it gets.</p>\n");
    add_setting_example(page, about, "Or name the address yourself");
}

static void add_local_name(struct buf *page, const struct page *about)
{
    char *host = text_html(about->address->host);
    buf_format(
        page,
        "<p>The request was for <b>%s</b>. Your phone needs a name that leads here from outside "
        "and stands in a certificate: the proxy in front must hand on the name that the browser "
        "asked for.</p>\n",
        host);
    free(host);
    add_proxy_examples(page, about);
    add_setting_example(page, about, or_setting);
}

static void add_wrong_setting(struct buf *page, const struct page *about)
{
    char *url = text_html(about->address->url);
    buf_format(page,
               "<p>The setting <code>web.public_url</code> is <b>%s</b>, but Molly talks to "
               "<code>https://</code> addresses only.</p>\n",
               url);
    free(url);
    add_setting_example(page, about, "Name the https address instead");
}

static void add_fault(struct buf *page, const struct page *about)
{
    static void (*const explain[])(struct buf *, const struct page *) = {
        [URL_WITHOUT_HTTPS] = add_without_https,
        [URL_PROXY_NOT_TRUSTED] = add_not_trusted,
        [URL_WITHOUT_NAME] = add_without_name,
        [URL_PROXY_WITHOUT_HTTPS] = add_proxy_without_https,
        [URL_LOCAL_NAME] = add_local_name,
        [URL_SETTING] = add_wrong_setting,
    };
    add(page, "<section class=\"fault\" aria-labelledby=\"fault\">"
              "<h2 id=\"fault\">Not ready yet: Molly could not use this address</h2>\n");
    explain[about->address->fault](page, about);
    add(page, "</section>\n");
}

/* Shown by the script only. Behind a proxy that takes a path away without saying so, nothing but
 * the browser knows the address. */
static void add_mismatch(struct buf *page, const struct page *about)
{
    char *url = text_html(about->address->url);
    buf_format(
        page,
        "<section class=\"fault\" id=\"mismatch\" data-url=\"%s\" aria-labelledby=\"differs\" "
        "hidden><h2 id=\"differs\">The code may be wrong</h2>\n"
        "<p>Your browser shows <b id=\"here\"></b>, but the code says <b>%s</b>. Unless you "
        "know why, the proxy in front must hand on the name and the path that it takes away:"
        "</p>\n",
        url, url);
    add(page,
        "<pre tabindex=\"0\"><code># Caddy, in reverse_proxy\n"
        "header_up X-Original-URL \"<span class=\"path\">/molly/</span>\"\n\n"
        "# nginx, in location\nproxy_set_header Host $host;\n"
        "proxy_set_header X-Original-URL <span class=\"path\">/molly/</span>;\n\n"
        "# Apache, in Location\nProxyPreserveHost On\n"
        "RequestHeader set X-Original-URL \"<span class=\"path\">/molly/</span>\"</code></pre>\n"
        "</section>\n");
    free(url);
}

static void add_other_way(struct buf *page)
{
    add(page, "<section aria-labelledby=\"other\"><h2 id=\"other\">No way in from outside?</h2>\n"
              "<p>If your phone cannot reach this server, <a href=\"?airgapped\">connect Molly "
              "air-gapped</a>: you carry one command from the phone to the server by hand.</p>"
              "</section>\n");
}

void page_link(struct response *response, const struct page *about)
{
    const struct public_url *address = about->address;
    struct buf page;
    buf_init(&page, PAGE_MAX);
    add_head(&page);
    if (address->fault != URL_GOOD)
        add_fault(&page, about);
    else if (address->guessed)
        add_mismatch(&page, about);
    if (address->url) {
        add(&page, "<section aria-labelledby=\"connect\">"
                   "<h2 id=\"connect\">Connect Molly</h2>\n");
        if (address->fault != URL_GOOD)
            add(&page, "<details><summary>Show the code all the same</summary>\n");
        add_link_block(&page, about);
        if (address->fault != URL_GOOD)
            add(&page, "</details>\n");
        add(&page, "</section>\n");
    }
    add_parts(&page, "Molly tells Doorbell by itself");
    add_other_way(&page);
    finish(response, &page);
}

void page_airgapped(struct response *response, const struct page *about)
{
    char *link = qr_link_airgapped(about->vapid);
    struct buf page;
    buf_init(&page, PAGE_MAX);
    add_head(&page);
    add(&page,
        "<section aria-labelledby=\"connect\">"
        "<h2 id=\"connect\">Connect Molly, air-gapped</h2>\n"
        "<p>Your phone never talks to this server. Instead you carry one command over by hand, "
        "now and whenever Molly says that its endpoint has changed.</p>\n"
        "<div class=\"link\">");
    add_code(&page, link);
    add(&page, "<div>");
    add_steps_to_scanner(&page);
    add(&page,
        "<li>Molly shows a command that begins with <code>connection add</code>. Copy it and bring "
        "it to the server. It holds a password: send it by a way that you trust.</li>\n"
        "<li>On the server, run this, paste the command and press Enter:\n"
        "<pre tabindex=\"0\"><code>doorbell connection add -</code></pre></li>\n"
        "<li>A test notification arrives on your phone within seconds.</li>\n</ol>\n");
    add_same_phone(&page);
    add(&page, "</div></div></section>\n");
    add_parts(&page, "it is in the command that you carry over");
    add(&page,
        "<section aria-labelledby=\"other\"><h2 id=\"other\">Reachable after all?</h2>\n"
        "<p>If your phone can reach this server, <a href=\"?\">connect Molly through the web "
        "server</a>: then nothing is carried by hand.</p></section>\n");
    finish(response, &page);
    free(link);
}

void page_not_found(struct response *response)
{
    response_error(
        response, 404, "404 Not Found",
        "Doorbell answers at / and /discover. A proxy that serves it below a path of its own "
        "must take that path away and name it in X-Original-URL.");
}
