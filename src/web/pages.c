#include "web/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "web/frame.h"
#include "web/picture.h"
#include "web/proxy_snippets.h"
#include "web/qr.h"

static const char title[] = "Doorbell: connect Molly";
static const char lead[] = "Rings your phone when a Signal message waits, so that Molly need not "
                           "keep a connection of its own.";
static const char foot[] = " &#183; <a href=\"status\">Is it well? What does it store?</a>";

/* Says so when the address that the browser shows is not the one in the link, and completes the
 * lines that mend it. Those name https even where the browser came without. */
static const char script[] =
    "(function(){var box=document.getElementById('mismatch'),path=location.pathname;"
    "if(!box||location.origin+path===box.dataset.url)return;"
    "document.getElementById('here').textContent=location.origin+path;"
    "box.querySelectorAll('.url').forEach(function(e){"
    "e.textContent='https://'+location.host+path});"
    "box.hidden=false})()";

/* `teller` says how Doorbell gets to know the push server. */
static void add_parts(struct buf *page, const char *teller)
{
    frame_add(page, "<section aria-labelledby=\"parts\"><h2 id=\"parts\">Who does what</h2>\n"
                    "<div class=\"who\">\n");
    frame_add(page, picture_html);
    frame_add(page,
              "<ul class=\"parts\">\n"
              "<li><h3>Doorbell, this bridge</h3><p>Waits at Signal in your phone&#8217;s place. "
              "It learns "
              "that a message is there, never what it says: the keys stay on your phone.</p></li>\n"
              "<li><h3>Push server</h3><p>Carries the ring to your phone. It belongs to the push "
              "app of step "
              "1: ntfy.sh, or one of your own. You never enter its address here or in Molly: ");
    frame_add(page, teller);
    frame_add(page,
              ".</p></li>\n"
              "<li><h3>Molly, your app</h3><p>Wakes when it rings and fetches the message from "
              "Signal. All it "
              "needs to know is the code on this page.</p></li>\n"
              "</ul></div></section>\n");
}

static void add_code(struct buf *page, const char *link)
{
    char *svg = qr_svg(link);
    frame_add(page, "<div>");
    frame_add(page, svg ? svg : "<p>The link is too long for a QR code.</p>");
    frame_add(page, "\n<label for=\"link\">The same link as text</label>\n"
                    "<textarea id=\"link\" readonly spellcheck=\"false\">");
    frame_add_escaped(page, link);
    frame_add(page, "</textarea></div>\n");
    free(svg);
}

static void add_steps_to_scanner(struct buf *page)
{
    frame_add(page,
              "<ol class=\"steps\">\n"
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
    frame_add(
        page,
        "<p class=\"soft\">Reading this on the phone itself? Take a screenshot of the code and "
        "pick the picture in Molly&#8217;s scanner.</p>\n");
}

static void add_link_block(struct buf *page, const struct page *about)
{
    char *link = qr_link_webserver(about->vapid, about->address->url);
    frame_add(page, "<div class=\"link\">");
    add_code(page, link);
    frame_add(page, "<div>");
    add_steps_to_scanner(page);
    frame_add(page, "<li>Tap <b>Test configuration</b>. A test notification arrives within "
                    "seconds.</li>\n</ol>\n");
    add_same_phone(page);
    frame_add(page, "</div></div>\n");
    free(link);
}

/* The host in examples: the one that was asked for, where it may be one. */
static const char *example_host(const struct public_url *address)
{
    bool usable = address->host[0] && !address->is_local && !strchr(address->host, ':');
    return usable ? address->host : "molly.example.org";
}

static void add_proxy_example(struct buf *page, const struct page *about,
                              const struct proxy_snippet *snippet, const char *attribute)
{
    const char *host = example_host(about->address);
    char *text = proxy_snippet_lines(snippet, host, "/", about->upstream);
    char *lines = text_html(text), *name = text_html(host);
    buf_format(page, "<details%s><summary>%s", attribute, snippet->name);
    if (snippet->part)
        buf_format(page, ", in %s of %s", snippet->part, name);
    buf_format(page, "</summary><pre><code>%s</code></pre></details>\n", lines);
    free(name);
    free(lines);
    free(text);
}

static void add_proxy_examples(struct buf *page, const struct page *about)
{
    for (const struct proxy_snippet *snippet = proxy_snippets; snippet->name; snippet++)
        add_proxy_example(page, about, snippet, snippet == proxy_snippets ? " open" : "");
}

static void add_setting_example(struct buf *page, const struct page *about, const char *before)
{
    char *host = text_html(example_host(about->address));
    buf_format(page,
               "<p>%s, in <code>doorbell.yaml</code>:</p>\n<pre><code>web:\n"
               "  public_url: https://%s/</code></pre>\n",
               before, host);
    free(host);
}

static const char or_setting[] = "Or, if a proxy already does all that, name the address yourself";

static void add_without_https(struct buf *page, const struct page *about)
{
    frame_add(
        page,
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
        "<pre><code>web:\n  trusted_proxies: [auto, %s]</code></pre>\n",
        peer, peer);
    add_setting_example(page, about, "Or name the address yourself");
    free(peer);
}

static void add_without_name(struct buf *page, const struct page *about)
{
    frame_add(
        page,
        "<p>The request names no host that can be read, so Doorbell cannot tell how it is called "
        "outside. The proxy in front must hand on the name that the browser asked for.</p>\n");
    add_proxy_examples(page, about);
    add_setting_example(page, about, "Or name the address yourself");
}

static void add_proxy_without_https(struct buf *page, const struct page *about)
{
    frame_add(
        page,
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
    frame_add(page, "<section class=\"fault\" aria-labelledby=\"fault\">"
                    "<h2 id=\"fault\">Not ready yet: Molly could not use this address</h2>\n");
    explain[about->address->fault](page, about);
    frame_add(page, "</section>\n");
}

/* Shown by the script only. Behind a proxy that takes a path or a port away without saying so,
 * nothing but the browser knows the address. One header says all of it, and unlike Host no proxy
 * sends it already: a second Host would make the request invalid. */
static void add_mismatch(struct buf *page, const struct page *about)
{
    char *url = text_html(about->address->url);
    buf_format(
        page,
        "<section class=\"fault\" id=\"mismatch\" data-url=\"%s\" "
        "aria-labelledby=\"differs\" hidden><h2 id=\"differs\">The code may be wrong</h2>\n"
        "<p>Your browser shows <b id=\"here\"></b>, but the code says <b>%s</b>. Molly needs "
        "the <code>https://</code> address that leads here from outside. If your browser "
        "shows it, let the proxy in front say so by one line:</p>\n",
        url, url);
    frame_add(page, "<pre><code># Caddy, in reverse_proxy\n"
                    "header_up X-Original-URL \"<span class=\"url\"></span>\"\n\n"
                    "# nginx, in location\n"
                    "proxy_set_header X-Original-URL \"<span class=\"url\"></span>\";\n\n"
                    "# Apache, in Location\n"
                    "RequestHeader set X-Original-URL \"<span class=\"url\"></span>\"\n\n"
                    "# HAProxy, in backend\n"
                    "http-request set-header X-Original-URL \"<span class=\"url\"></span>\"\n\n"
                    "# Traefik, in middlewares; the router's own list must name it\n"
                    "doorbell-url: {headers: {customRequestHeaders: {X-Original-URL: "
                    "\"<span class=\"url\"></span>\"}}}"
                    "</code></pre>\n"
                    "<p>Or name the address yourself, in <code>doorbell.yaml</code>:</p>\n"
                    "<pre><code>web:\n  public_url: <span class=\"url\"></span></code></pre>\n"
                    "</section>\n");
    free(url);
}

static void add_other_way(struct buf *page)
{
    frame_add(page,
              "<section aria-labelledby=\"other\"><h2 id=\"other\">No way in from outside?</h2>\n"
              "<p>If your phone cannot reach this server, <a href=\"?airgapped\">connect Molly "
              "air-gapped</a>: you carry one command from the phone to the server by hand.</p>"
              "</section>\n");
}

void page_link(struct response *response, const struct page *about)
{
    const struct public_url *address = about->address;
    struct buf page;
    frame_begin(&page, title, lead);
    if (address->fault != URL_GOOD)
        add_fault(&page, about);
    else if (address->guessed)
        add_mismatch(&page, about);
    if (address->url) {
        frame_add(&page, "<section aria-labelledby=\"connect\">"
                         "<h2 id=\"connect\">Connect Molly</h2>\n");
        if (address->fault != URL_GOOD)
            frame_add(&page, "<details><summary>Show the code all the same</summary>\n");
        add_link_block(&page, about);
        if (address->fault != URL_GOOD)
            frame_add(&page, "</details>\n");
        frame_add(&page, "</section>\n");
    }
    add_parts(&page, "Molly tells Doorbell by itself");
    add_other_way(&page);
    frame_end(response, &page, foot, script);
}

void page_airgapped(struct response *response, const struct page *about)
{
    char *link = qr_link_airgapped(about->vapid);
    struct buf page;
    frame_begin(&page, title, lead);
    frame_add(
        &page,
        "<section aria-labelledby=\"connect\">"
        "<h2 id=\"connect\">Connect Molly, air-gapped</h2>\n"
        "<p>Your phone never talks to this server. Instead you carry one command over by hand, "
        "now and whenever Molly says that its endpoint has changed.</p>\n"
        "<div class=\"link\">");
    add_code(&page, link);
    frame_add(&page, "<div>");
    add_steps_to_scanner(&page);
    frame_add(
        &page,
        "<li>Molly shows a command that begins with <code>connection add</code>. Copy it and bring "
        "it to the server. It holds a password: send it by a way that you trust.</li>\n"
        "<li>On the server, run this, paste the command and press Enter:\n"
        "<pre><code>doorbell connection add -</code></pre></li>\n"
        "<li>A test notification arrives on your phone within seconds.</li>\n</ol>\n");
    add_same_phone(&page);
    frame_add(&page, "</div></div></section>\n");
    add_parts(&page, "it is in the command that you carry over");
    frame_add(&page,
              "<section aria-labelledby=\"other\"><h2 id=\"other\">Reachable after all?</h2>\n"
              "<p>If your phone can reach this server, <a href=\"?\">connect Molly through the web "
              "server</a>: then nothing is carried by hand.</p></section>\n");
    frame_end(response, &page, foot, script);
    free(link);
}

void page_not_found(struct response *response)
{
    response_error(response, 404, "404 Not Found",
                   "Doorbell answers at /, /discover and /status. A proxy that serves it below a "
                   "path of its own must take that path away and name it in X-Original-URL.");
}
