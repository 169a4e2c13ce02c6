#include "web/remedies.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "web/frame.h"
#include "web/pages.h"
#include "web/proxy_snippets.h"

enum { PREFIX_MAX = 128 }; /* nobody serves it deeper, and the lines stay readable */

/* The lines name https even where the browser came without. A name's last dot is not in the link.
 */
const char remedies_script[] =
    "(function(){var box=document.getElementById('mismatch'),path=location.pathname,"
    "host=location.host.replace(/\\.(?=:|$)/,''),here=location.protocol+'//'+host+path;"
    "if(!box||here===box.dataset.url)return;"
    "document.getElementById('here').textContent=here;"
    "box.querySelectorAll('.url').forEach(function(e){"
    "e.textContent='https://'+host+path});"
    "box.hidden=false})()";

/* The host in examples: the one that was asked for, where it may be one. */
static const char *example_host(const struct public_url *address)
{
    struct address literal;
    bool usable = address->host[0] && !address->is_local && !strchr(address->host, ':') &&
                  address_parse(&literal, address->host, 0) != 0;
    return usable ? address->host : "molly.example.org";
}

static void add_proxy_example(struct buf *page, const struct page *about,
                              const struct proxy_snippet *snippet, const char *path)
{
    const char *host = example_host(about->address);
    char *text = proxy_snippet_lines(snippet, host, path, about->upstream);
    char *lines = text_html(text), *name = text_html(host);
    buf_format(page, "<details%s><summary>%s", snippet == proxy_snippets ? " open" : "",
               snippet->name);
    if (snippet->part)
        buf_format(page, ", in %s of %s", snippet->part, name);
    buf_format(page, "</summary><pre><code>%s</code></pre></details>\n", lines);
    free(name);
    free(lines);
    free(text);
}

static void add_proxy_examples(struct buf *page, const struct page *about, const char *path)
{
    for (const struct proxy_snippet *snippet = proxy_snippets; snippet->name; snippet++)
        add_proxy_example(page, about, snippet, path);
}

/* A setting as the file has it, and, as most containers have no file, as their environment has it.
 * All of it is HTML. */
static void add_setting(struct buf *page, const char *before, const char *in_file,
                        const char *variable, const char *value)
{
    buf_format(page,
               "<p>%s, in <code>doorbell.yaml</code>:</p>\n<pre><code>web:\n  %s</code></pre>\n",
               before, in_file);
    buf_format(page,
               "<p>or, without such a file, in the <code>environment</code> of compose.yaml:</p>\n"
               "<pre><code>%s: \"%s\"\n# where it is a list:\n- %s=%s</code></pre>\n",
               variable, value, variable, value);
}

/* `url` is HTML. */
static void add_url_setting(struct buf *page, const char *before, const char *url)
{
    char *in_file = mem_format("public_url: %s", url);
    add_setting(page, before, in_file, "DOORBELL_WEB_PUBLIC_URL", url);
    free(in_file);
}

static void add_setting_example(struct buf *page, const struct page *about, const char *before)
{
    char *host = text_html(example_host(about->address));
    char *url = mem_format("https://%s/", host);
    add_url_setting(page, before, url);
    free(url);
    free(host);
}

static const char or_setting[] = "Or, if a proxy already does all that, name the address yourself";

/* Faults */

static void add_without_https(struct buf *page, const struct page *about)
{
    frame_add(
        page,
        "<p>Molly talks to <code>https://</code> addresses only. This request came without https, "
        "or through a proxy that does not say that it had it. Put a web server with a "
        "certificate in front of Doorbell, or add the lines that yours lacks; then open this page "
        "by its <code>https://</code> address.</p>\n");
    add_proxy_examples(page, about, "/");
    add_setting_example(page, about, or_setting);
}

static void add_not_trusted(struct buf *page, const struct page *about)
{
    char *peer = text_html(about->address->peer);
    char *in_file = mem_format("trusted_proxies: [auto, \"%s\"]", peer);
    char *value = mem_format("auto,%s", peer);
    buf_format(
        page,
        "<p>This request came through a proxy at <b>%s</b> which "
        "<code>web.trusted_proxies</code> does not name, so Doorbell did not read what it says "
        "about the address outside.</p>\n",
        peer);
    add_setting(page, "If it is yours, name it", in_file, "DOORBELL_WEB_TRUSTED_PROXIES", value);
    add_setting_example(page, about, "Or name the address yourself");
    free(value);
    free(in_file);
    free(peer);
}

static void add_without_name(struct buf *page, const struct page *about)
{
    frame_add(
        page,
        "<p>The request names no host that can be read, so Doorbell cannot tell how it is called "
        "outside. The proxy in front must hand on the name that the browser asked for.</p>\n");
    add_proxy_examples(page, about, "/");
    add_setting_example(page, about, "Or name the address yourself");
}

/* Other proxies hand it on by themselves. */
static void add_inner_proxy(struct buf *page, const struct page *about)
{
    char *upstream = text_html(about->upstream);
    buf_format(page,
               "<pre><code># Caddy\n"
               "reverse_proxy %s {\n"
               "    trusted_proxies private_ranges\n"
               "}\n\n"
               "# nginx, in the place of the line for X-Forwarded-Proto\n"
               "proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;</code></pre>\n",
               upstream);
    free(upstream);
}

static void add_proxy_without_https(struct buf *page, const struct page *about)
{
    frame_add(
        page,
        "<p>The proxy in front says that this request came to it by http. Open this page by its "
        "<code>https://</code> address. If you did, another proxy stands further outside, and the "
        "inner one must hand on the <code>X-Forwarded-Proto</code> that it gets:</p>\n");
    add_inner_proxy(page, about);
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
    add_proxy_examples(page, about, "/");
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

void remedies_add_fault(struct buf *page, const struct page *about)
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

/* An address that nobody tells */

/* One header says all of it, and unlike Host no proxy sends it already: a second Host would make
 * the request invalid. Only nginx forgets, with the first such line in a location, those that stood
 * further out. */
#define URL_HERE "<span class=\"url\"></span>"
static const char mismatch_lines[] =
    "<pre><code># Caddy, in reverse_proxy\n"
    "header_up X-Original-URL \"" URL_HERE "\"\n\n"
    "# nginx, in location\n"
    "proxy_set_header X-Original-URL \"" URL_HERE "\";\n"
    "# and these, if there was no proxy_set_header in that location yet:\n"
    "proxy_set_header Host $host;\n"
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
    "proxy_set_header X-Forwarded-Proto $scheme;\n\n"
    "# Apache, in Location; once: a2enmod headers\n"
    "RequestHeader set X-Original-URL \"" URL_HERE "\"\n\n"
    "# HAProxy, in backend\n"
    "http-request set-header X-Original-URL \"" URL_HERE "\"\n\n"
    "# Traefik, in middlewares; the router's own list must name it\n"
    "doorbell-url: {headers: {customRequestHeaders: {X-Original-URL: \"" URL_HERE "\"}}}"
    "</code></pre>\n";

void remedies_add_mismatch(struct buf *page, const struct page *about)
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
    frame_add(page, mismatch_lines);
    add_url_setting(page, "Or name the address yourself", URL_HERE);
    frame_add(page, "</section>\n");
    free(url);
}

void remedies_add_address(struct buf *page, const struct page *about)
{
    char *url = text_html(about->address->url);
    buf_format(page, "<p class=\"soft\">This code leads to <b>%s</b>", url);
    frame_add(page,
              about->address->guessed
                  ? ". If your browser shows another address, do not scan it: name that address in "
                    "<code>web.public_url</code>, or in <code>DOORBELL_WEB_PUBLIC_URL</code> in a "
                    "container&#8217;s environment.</p>\n"
                  : ", as <code>web.public_url</code> says.</p>\n");
    free(url);
}

void remedies_add_client(struct buf *page, const struct page *about)
{
    if (!about->address->lacks_client)
        return;
    frame_add(
        page,
        "<details class=\"soft\"><summary>For whoever runs this server: the proxy does not say who "
        "asks</summary>\n"
        "<p>One line mends it, beside those that are there:</p>\n"
        "<pre><code># nginx\n"
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\n"
        "# HAProxy\n"
        "option forwardfor</code></pre></details>\n");
}

/* A path that was not taken away */

static bool is_plain(const char *path)
{
    if (strstr(path, "//") || strstr(path, "/.") || strlen(path) > PREFIX_MAX)
        return false;
    for (const char *c = path; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("/-._~", *c))
            return false;
    return path[0] == '/';
}

/* Without what Doorbell or Molly put behind it: "/molly/" of "/molly/discover" and of "/molly". A
 * name with a dot is a file's, which browsers and scanners ask for. False: it is no prefix. */
static bool find_prefix(char prefix[PREFIX_MAX + 2], const char *path)
{
    static const char *const ours[] = {"/discover/", "/discover", "/status", "/status/",
                                       "/metrics"};
    if (!is_plain(path))
        return false;
    snprintf(prefix, PREFIX_MAX + 2, "%s", path);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (text_ends(prefix, ours[i]))
            prefix[strlen(prefix) - strlen(ours[i])] = '\0';
    }
    char *last = strrchr(prefix, '/');
    if (!last || strchr(last, '.'))
        return false;
    if (last[1])
        strcat(prefix, "/");
    return strcmp(prefix, "/") != 0;
}

/* Where all is well but the path, strangers come here as well: they need not learn where Doorbell
 * is behind the proxy. */
static void add_strip(struct buf *page, const struct page *about, const char *prefix)
{
    bool is_example = about->address->fault == URL_GOOD;
    struct page shown = *about;
    if (is_example)
        shown.upstream = PROXY_SNIPPET_UPSTREAM;
    buf_format(page,
               "<section class=\"fault\" aria-labelledby=\"strip\"><h2 id=\"strip\">Is Doorbell "
               "meant to be below %s?</h2>\n"
               "<p>Then the proxy in front hands the path on as it is. It must take the path away "
               "and say so, by lines like these:</p>\n",
               prefix);
    add_proxy_examples(page, &shown, prefix);
    if (is_example)
        frame_add(page, "<p>If yours reaches Doorbell by another address than "
                        "<code>" PROXY_SNIPPET_UPSTREAM "</code>, leave that as it is.</p>\n");
    frame_add(page, "<p>In Nginx Proxy Manager, write a slash behind the name or address in "
                    "<b>Forward Hostname / IP</b> of the custom location.</p></section>\n");
}

void remedies_add_path(struct buf *page, const struct page *about, const char *path)
{
    char prefix[PREFIX_MAX + 2];
    if (find_prefix(prefix, path))
        add_strip(page, about, prefix);
}
