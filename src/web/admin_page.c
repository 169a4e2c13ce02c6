#include "web/admin_page.h"

#include <time.h>

#include "web/admin_account.h"
#include "web/frame.h"

static const char lead[] = "How the bridge and its accounts fare, the worst first.";

void admin_page_without_token(struct response *response)
{
    struct buf page;
    frame_begin(&page, "Doorbell: no admin token yet", lead);
    frame_add(
        &page,
        "<section aria-labelledby=\"make\"><h2 id=\"make\">No token was made yet</h2>\n"
        "<p>This page opens with a token. Make one on the server:</p>\n"
        "<pre><code>doorbell admin token</code></pre>\n"
        "<p>In a container, put <code>docker exec NAME</code> before it. It is shown once; then "
        "load this page again.</p></section>\n");
    frame_end(response, &page, NULL, NULL);
}

void admin_page_login(struct response *response, const char *fault)
{
    struct buf page;
    frame_begin(&page, fault ? "Doorbell: not opened" : "Doorbell: open the status page", lead);
    frame_add(&page,
              "<section aria-labelledby=\"open\"><h2 id=\"open\">Open the status page</h2>\n");
    if (fault) {
        frame_add(&page, "<p class=\"advice\" id=\"fault\" role=\"alert\">");
        frame_add(&page, fault);
        frame_add(&page, "</p>\n");
    }
    frame_add(&page,
              "<form method=\"post\" action=\"login\"><input name=\"username\" value=\"admin\" "
              "autocomplete=\"username\" hidden><label for=\"token\">Admin token</label>"
              "<div class=\"row\"><input type=\"password\" id=\"token\" name=\"token\" required "
              "autocomplete=\"current-password\" spellcheck=\"false\"");
    if (fault)
        frame_add(&page, " aria-invalid=\"true\" aria-describedby=\"fault\" autofocus");
    frame_add(&page, "><button>Open</button></div></form>\n"
                     "<p class=\"soft\">You have none? <code>doorbell admin token</code>, on the "
                     "server, makes a new one in the place of the old.</p></section>\n");
    frame_end(response, &page, NULL, NULL);
    response->has_forms = true;
}

/* The whole */

static void add_count(struct buf *page, const struct bridge_view *bridge, enum view_health health)
{
    if (!bridge->by_health[health])
        return;
    buf_format(page, "<li>%zu <a href=\"./?state=%s\">", bridge->by_health[health],
               view_health_name(health));
    admin_add_health(page, health);
    frame_add(page, "</a></li>");
}

static void add_counts(struct buf *page, const struct bridge_view *bridge)
{
    buf_format(page, "<p><b>%zu account%s</b>, %zu connected to Signal</p>\n<ul class=\"counts\">",
               bridge->accounts, bridge->accounts == 1 ? "" : "s", bridge->by_state[ACCOUNT_UP]);
    for (int health = VIEW_BROKEN; health >= VIEW_OFF; health--)
        add_count(page, bridge, (enum view_health)health);
    frame_add(page, "</ul>\n");
}

static void add_advice(struct buf *page, const struct bridge_view *bridge)
{
    for (size_t i = 0; i < sizeof bridge->advice / sizeof *bridge->advice && bridge->advice[i];
         i++) {
        frame_add(page, "<p class=\"advice\">");
        frame_add_escaped(page, bridge->advice[i]);
        frame_add(page, "</p>\n");
    }
}

static void add_down(struct buf *page, const struct admin_sight *sight)
{
    for (size_t i = 0; i < sight->down_count; i++) {
        const struct push_origin_state *down = &sight->down[i];
        frame_add(page, "<p class=\"advice\">The push server ");
        frame_add_escaped(page, down->name);
        frame_add(page, " has taken no push");
        admin_add_clock(page, " since ", down->silent_since_unix, sight->now_unix);
        admin_add_distance(page, ", next try ", sight->now_unix + (down->retry_in_ms + 999) / 1000,
                           sight->now_unix);
        frame_add(page, ": ");
        frame_add_escaped(page, down->why);
        buf_format(page, " (%u waiting)</p>\n", down->waiting);
    }
    if (sight->bridge.origins_down > sight->down_count)
        buf_format(page, "<p class=\"advice\">%zu more push servers take no push.</p>\n",
                   sight->bridge.origins_down - sight->down_count);
}

static void add_undelivered(struct buf *page, const char *what,
                            const struct lookout_delivery *delivery, int64_t now_unix)
{
    char origin[URL_ORIGIN_SIZE];
    if (!delivery->url || !delivery->since_unix)
        return;
    endpoint_origin(delivery->url, origin);
    buf_format(page, "<p class=\"advice\">%s have not reached ", what);
    frame_add_escaped(page, origin);
    admin_add_clock(page, " since ", delivery->since_unix, now_unix);
    frame_add(page, ": ");
    frame_add_escaped(page, delivery->why);
    frame_add(page, "</p>\n");
}

static void add_certificate(struct buf *page, const struct lookout_figures *figures,
                            int64_t now_unix)
{
    if (!figures->certificate_ends_soon)
        return;
    bool ended = figures->certificate_ends_unix <= now_unix;
    buf_format(page, "<p class=\"advice\">The certificate of web.tls_cert %s",
               ended ? "has ended" : "ends soon");
    admin_add_distance(page, ", ", figures->certificate_ends_unix, now_unix);
    frame_add(page, ": see why whatever renews it did not.</p>\n");
}

static void add_refused(struct buf *page, const struct admin_sight *sight)
{
    const struct arrival *refused = sight->refused;
    if (!refused)
        return;
    frame_add(page, "<p class=\"advice\">A phone came ");
    admin_add_distance(page, "", refused->at_unix, sight->now_unix);
    buf_format(page, " and was answered %s: ", registration_status_word(refused->status));
    frame_add_escaped(page, refused->why);
    frame_add(page, "</p>\n");
}

/* What else the operator is sent, or would be if it arrived. */
static void add_lookout(struct buf *page, const struct admin_sight *sight)
{
    bool is_told = sight->bridge.alarm == VIEW_ALARM_CLOCK;
    if (sight->lookout.clock_wrong && !is_told)
        frame_add(page, "<p class=\"advice\">This machine&#8217;s clock seems to be wrong: check "
                        "its date and time.</p>\n");
    add_certificate(page, &sight->lookout, sight->now_unix);
    add_undelivered(page, "Alerts", &sight->alerts, sight->now_unix);
    add_undelivered(page, "Heartbeats", &sight->heartbeats, sight->now_unix);
}

static void add_fact(struct buf *page, const char *name, int64_t unix_s, int64_t now_unix)
{
    buf_format(page, "<div><dt>%s</dt><dd>", name);
    admin_add_distance(page, "", unix_s, now_unix);
    frame_add(page, unix_s ? "</dd></div>\n" : "not since the start</dd></div>\n");
}

static void add_whole(struct buf *page, const struct admin_sight *sight)
{
    const struct bridge_view *bridge = &sight->bridge;
    time_t now = (time_t)sight->now_unix;
    struct tm local;
    char text[48] = "";
    if (localtime_r(&now, &local))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &local);
    frame_add(page, "<section aria-labelledby=\"whole\"><h2 id=\"whole\">The whole</h2>\n");
    add_counts(page, bridge);
    add_advice(page, bridge);
    add_down(page, sight);
    add_lookout(page, sight);
    add_refused(page, sight);
    frame_add(page, "<dl>\n");
    add_fact(page, "Signal last heard", bridge->heard_unix, sight->now_unix);
    add_fact(page, "Last message", bridge->message_unix, sight->now_unix);
    buf_format(page,
               "<div><dt>Owed</dt><dd>%zu ring%s; %u on the way, %u waiting for their "
               "turn</dd></div>\n",
               bridge->owed, bridge->owed == 1 ? "" : "s", bridge->sending, bridge->queued);
    buf_format(
        page,
        "<div><dt>Phones woken</dt><dd>%llu by messages, %llu by tests, %llu by notices that "
        "another program uses their device</dd></div>\n",
        (unsigned long long)sight->pushes.accepted[PUSH_RING],
        (unsigned long long)sight->pushes.accepted[PUSH_TEST],
        (unsigned long long)sight->pushes.accepted[PUSH_CONTESTED]);
    add_fact(page, "Started", bridge->started_unix, sight->now_unix);
    buf_format(page,
               "</dl>\n<div class=\"row\"><a href=\"./\">Look again</a>"
               "<span class=\"soft\">as of %s</span><form method=\"post\" action=\"logout\">"
               "<button class=\"quiet\">Log out</button></form></div></section>\n",
               text);
}

/* The accounts */

static bool is_asked_for_some(const struct admin_asked *asked)
{
    return *asked->search || asked->state;
}

static void add_search(struct buf *page, const struct admin_asked *asked)
{
    frame_add(page, "<form method=\"get\" action=\"./\" role=\"search\">");
    if (asked->state)
        buf_format(page, "<input type=\"hidden\" name=\"state\" value=\"%s\">", asked->state);
    frame_add(page,
              "<label for=\"q\">Pseudonym, or how it begins (<code>doorbell status</code> has "
              "it)</label>"
              "<div class=\"row\"><input id=\"q\" name=\"q\" autocomplete=\"off\" "
              "spellcheck=\"false\" autocapitalize=\"off\" value=\"");
    frame_add_escaped(page, asked->search);
    frame_add(page, "\"><button>Find</button>");
    if (is_asked_for_some(asked))
        frame_add(page, "<a href=\"./\">All</a>");
    frame_add(page, "</div></form>\n");
}

/* A search with another alphabet than pseudonyms finds nothing, and so has no other pages. */
static void add_way(struct buf *page, const struct admin_asked *asked, size_t to, const char *words)
{
    buf_format(page, "<a href=\"./?page=%zu", to);
    if (asked->state)
        buf_format(page, "&amp;state=%s", asked->state);
    if (*asked->search) {
        frame_add(page, "&amp;q=");
        frame_add_escaped(page, asked->search);
    }
    buf_format(page, "\">%s</a>", words);
}

static void add_pager(struct buf *page, const struct admin_sight *sight,
                      const struct admin_asked *asked)
{
    if (sight->pages < 2)
        return;
    frame_add(page, "<nav class=\"row\" aria-label=\"Pages\">");
    if (sight->page > 1)
        add_way(page, asked, sight->page - 1, "Worse ones");
    buf_format(page, "<span class=\"soft\">page %zu of %zu</span>", sight->page, sight->pages);
    if (sight->page < sight->pages)
        add_way(page, asked, sight->page + 1, "Better ones");
    frame_add(page, "</nav>\n");
}

static void add_none(struct buf *page, const struct admin_asked *asked)
{
    if (asked->state)
        buf_format(page, "<p>No account is %s%s.</p>\n", asked->state,
                   *asked->search ? " and has a pseudonym that begins like that" : "");
    else
        frame_add(page, "<p>No pseudonym begins like that.</p>\n");
}

static void add_accounts(struct buf *page, const struct admin_sight *sight,
                         const struct admin_asked *asked, const struct admin_test *test)
{
    frame_add(page, "<section aria-labelledby=\"accounts\"><h2 id=\"accounts\">Accounts</h2>\n");
    if (sight->bridge.accounts)
        add_search(page, asked);
    else
        frame_add(page, "<p>No account is registered.</p>\n");
    if (sight->bridge.accounts && !sight->matching)
        add_none(page, asked);
    else if (asked->state)
        buf_format(page, "<p>Those that are %s:</p>\n", asked->state);
    for (size_t i = 0; i < sight->count; i++)
        admin_account_add(page, &sight->accounts[i], test, sight->now_unix);
    add_pager(page, sight, asked);
    frame_add(page, "</section>\n");
}

void admin_page(struct response *response, const struct admin_sight *sight,
                const struct admin_asked *asked, const struct admin_test *test)
{
    struct buf page;
    frame_begin(&page, "Doorbell: accounts", lead);
    add_whole(&page, sight);
    add_accounts(&page, sight, asked, test);
    frame_end(response, &page, NULL, NULL);
    response->has_forms = true;
}
