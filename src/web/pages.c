#include "web/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "web/frame.h"
#include "web/picture.h"
#include "web/qr.h"
#include "web/remedies.h"

static const char lead[] = "Rings your phone when a Signal message waits, so that Molly need not "
                           "keep a connection of its own.";
static const char foot[] = " &#183; <a href=\"status\">Is it well? What does it store?</a>";

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
    frame_add(page, svg ? svg : "<p>The link is too long for a QR code.</p>");
    frame_add(page, "\n<label for=\"link\">The same link as text</label>\n"
                    "<textarea id=\"link\" readonly spellcheck=\"false\">");
    frame_add_escaped(page, link);
    frame_add(page, "</textarea>\n");
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
    frame_add(page, "<div>");
    add_code(page, link);
    remedies_add_address(page, about);
    frame_add(page, "</div>\n<div>");
    add_steps_to_scanner(page);
    frame_add(page, "<li>Tap <b>Test configuration</b>. A test notification arrives within "
                    "seconds.</li>\n</ol>\n");
    add_same_phone(page);
    remedies_add_client(page, about);
    frame_add(page, "</div></div>\n");
    free(link);
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
    frame_begin(&page, "Doorbell: connect Molly", lead);
    if (address->fault != URL_GOOD)
        remedies_add_fault(&page, about);
    else if (address->guessed)
        remedies_add_mismatch(&page, about);
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
    frame_end(response, &page, foot, remedies_script);
}

void page_airgapped(struct response *response, const struct page *about)
{
    char *link = qr_link_airgapped(about->vapid);
    struct buf page;
    frame_begin(&page, "Doorbell: connect Molly, air-gapped", lead);
    frame_add(
        &page,
        "<section aria-labelledby=\"connect\">"
        "<h2 id=\"connect\">Connect Molly, air-gapped</h2>\n"
        "<p>Your phone never talks to this server. Instead you carry one command over by hand, "
        "now and whenever Molly says that its endpoint has changed.</p>\n"
        "<div class=\"link\"><div>");
    add_code(&page, link);
    frame_add(&page, "</div>\n<div>");
    add_steps_to_scanner(&page);
    frame_add(
        &page,
        "<li>Molly shows a command that begins with <code>connection add</code>. Copy it and bring "
        "it to the server. It holds a password: send it by a way that you trust.</li>\n"
        "<li>On the server, run this, paste the command and press Enter:\n"
        "<pre><code>doorbell connection add -</code></pre>\n"
        "<p>In a container, with the service&#8217;s name in compose.yaml for SERVICE:</p>\n"
        "<pre><code>docker compose exec SERVICE doorbell connection add -</code></pre></li>\n"
        "<li>A test notification arrives on your phone within seconds.</li>\n</ol>\n");
    add_same_phone(&page);
    frame_add(&page, "</div></div></section>\n");
    add_parts(&page, "it is in the command that you carry over");
    frame_add(&page,
              "<section aria-labelledby=\"other\"><h2 id=\"other\">Reachable after all?</h2>\n"
              "<p>If your phone can reach this server, <a href=\"?\">connect Molly through the web "
              "server</a>: then nothing is carried by hand.</p></section>\n");
    frame_end(response, &page, foot, NULL);
    free(link);
}

void page_wrong_path(struct response *response, const struct page *about, const char *path)
{
    struct buf page;
    frame_begin(&page, "Doorbell: nothing is here", lead);
    frame_add(&page,
              "<section aria-labelledby=\"nothing\"><h2 id=\"nothing\">404: there is nothing "
              "here</h2>\n"
              "<p>Doorbell answers at <code>/</code>, <code>/discover</code> and "
              "<code>/status</code>. A proxy that serves it below a path of its own must take that "
              "path away and name it in <code>X-Original-URL</code>.</p></section>\n");
    remedies_add_path(&page, about, path);
    frame_end(response, &page, NULL, NULL);
    response->status = 404;
}

/* Where the browser finds the root, whatever path the proxy has taken away. */
static char *way_to_root(const char *path)
{
    struct buf way;
    buf_init(&way, strlen(path) * 3 + 4);
    frame_add(&way, "./");
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        frame_add(&way, "../");
    char *text = mem_copy((const char *)way.bytes, way.length);
    buf_fini(&way);
    return text;
}

void page_not_found(struct response *response, const char *path, bool for_people)
{
    static const char text[] = "Doorbell answers at /, /discover and /status. A proxy that serves "
                               "it below a path of its own must take that path away and name it "
                               "in X-Original-URL.";
    if (!for_people) {
        response_error(response, 404, "404 Not Found", text);
        return;
    }
    char *way = way_to_root(path);
    char *with_way = mem_format("%s</p>\n<p><a href=\"%s\">Connect Molly</a>", text, way);
    frame_error(response, 404, "404: there is nothing here", with_way);
    free(with_way);
    free(way);
}
