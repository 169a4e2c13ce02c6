#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/setup.h"
#include "doctor/diagnose.h"
#include "doctor/report.h"
#include "web/listener.h"
#include "web/proxy_snippets.h"

/* Something answers at the public address, or nothing, but not this server: the lines of a proxy
 * would mend it. */
static bool lacks_proxy(const struct public_facts *facts)
{
    const struct visit_facts *visit = &facts->visit;
    if (facts->mark.has_needle)
        return false; /* a push server, whose own proxy is well */
    if (facts->seen)
        return !facts->sighting.at_root;
    bool elsewhere = visit_answered(visit) && !visit->has_needle && !visit->challenged &&
                     (visit->status < 300 || visit->status >= 400);
    return elsewhere || visit->end == VISIT_NO_CONNECT;
}

/* Of the public URL, with a slash at both ends; the caller frees it. */
static char *path_of(const struct url *url)
{
    size_t length = strcspn(url->target, "?");
    bool slash = length && url->target[length - 1] == '/';
    return mem_format("%.*s%s", (int)length, url->target, slash ? "" : "/");
}

static void print_lines(const char *lines)
{
    while (*lines) {
        size_t length = strcspn(lines, "\n");
        printf("       %.*s\n", (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

static void introduce(const struct proxy_snippet *snippet, const struct visit_facts *visit,
                      bool known, const char *host)
{
    char where[URL_ORIGIN_SIZE + 64] = "";
    if (snippet->part)
        snprintf(where, sizeof where, " in %s of %s", snippet->part, host);
    if (known)
        setup_say("     %s answers there; it needs%s:", snippet->name, where);
    else if (visit->end == VISIT_NO_CONNECT)
        setup_say("     If there is no proxy yet, %s is one with a certificate of its own; it "
                  "needs%s:",
                  snippet->name, where);
    else
        setup_say(
            "     What answers there does not say which proxy it is. %s does not; it needs%s:",
            snippet->name, where);
}

static void print_snippet(const struct config *config, const struct public_facts *facts)
{
    struct url url;
    char upstream[LISTENER_UPSTREAM_SIZE] = "127.0.0.1:8020";
    const struct visit_facts *visit = &facts->visit;
    if (!lacks_proxy(facts) || url_parse(&url, config->web_public_url, NULL) != 0)
        return;
    listener_upstream(upstream, facts->listen);
    int own_status = facts->seen ? 0 : visit->status; /* of the proxy, not of Doorbell behind it */
    const struct proxy_snippet *snippet = proxy_snippet_of(visit->server);
    bool known = snippet != NULL;
    if (!known)
        snippet =
            visit->end == VISIT_NO_CONNECT ? proxy_snippets : proxy_snippet_of_silent(own_status);
    char *path = path_of(&url);
    char *lines = proxy_snippet_lines(snippet, url.host, path, upstream);
    introduce(snippet, visit, known, url.host);
    print_lines(lines);
    free(lines);
    free(path);
    url_fini(&url);
}

static bool print_findings(struct findings *findings)
{
    findings_sort(findings);
    for (size_t i = 0; i < findings->count; i++)
        report_print_finding(stdout, &findings->items[i], false);
    return findings->has_fault;
}

void setup_check(const struct setup *setup)
{
    struct err err;
    const struct config *config = setup->config;
    bool public = config->web_enabled && config->web_public_url;
    struct probe_facts *facts = mem_new(sizeof *facts); /* large for a stack */
    struct findings *findings = mem_new(sizeof *findings);
    setup_say("Looking at Signal's server%s ...", public ? " and at the public URL" : "");
    fflush(stdout);
    if (probes_run(facts, config, NULL, &err) == 0) {
        diagnose_signal(findings, &facts->signal, "");
        if (public)
            diagnose_public(findings, &facts->public);
        diagnose_clock(findings, facts);
    } else {
        findings_add(findings, SEVERITY_UNCHECKED, "network", NULL, "%s", err.text);
    }
    bool faulty = print_findings(findings);
    if (public)
        print_snippet(config, &facts->public);
    if (faulty)
        setup_say("That can be mended now, beside this; it goes on.");
    free(findings);
    free(facts);
}
