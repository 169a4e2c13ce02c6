#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "doctor/diagnose.h"
#include "web/proxy_snippets.h"

/* How phones come in: by what answers at the public address, and by what the running server saw of
 * the request that was answered so. */

enum { STATUS_OK = 200 };

static const char web_subject[] = "public address";

/* What a proxy's configuration needs where something does not come through. */
struct proxy_lines {
    const char *proxy, *path, *host, *scheme, *client;
};

static const struct proxy_lines proxy_lines[] = {
    /* First: the example where it is not known which one it is. */
    {"nginx", "proxy_pass http://...; with a slash behind the port",
     "proxy_set_header Host $http_host;", "proxy_set_header X-Forwarded-Proto $scheme;",
     "proxy_set_header X-Forwarded-For $remote_addr;"},
    {"Apache", "ProxyPass with a slash behind both its path and the port", "ProxyPreserveHost On",
     "RequestHeader set X-Forwarded-Proto \"https\"", "ProxyAddHeaders On"},
    {"Caddy", "handle_path in the place of handle", "header_up Host {host}",
     "header_up X-Forwarded-Proto {scheme}", "header_up X-Forwarded-For {remote_host}"},
    {"HAProxy", "http-request replace-path /path/(.*) /\\1", "no line that sets Host",
     "http-request set-header X-Forwarded-Proto https", "option forwardfor"},
};

static const struct proxy_lines *lines_of(const struct visit_facts *visit)
{
    const struct proxy_snippet *snippet = proxy_snippet_of(visit->server);
    for (size_t i = 0; snippet && i < sizeof proxy_lines / sizeof *proxy_lines; i++)
        if (strcmp(proxy_lines[i].proxy, snippet->name) == 0)
            return &proxy_lines[i];
    return proxy_lines;
}

/* `what` is to be done by the proxy, which does so with `line`. */
static void write_fix(char fix[FINDING_FIX_SIZE], const char *what, const struct proxy_lines *lines,
                      const char *line)
{
    snprintf(fix, FINDING_FIX_SIZE, "Let the proxy %s; in %s: %s%s", what, lines->proxy, line,
             line[strlen(line) - 1] == ';' ? "" : ".");
}

/* Another address may be the server's new one, or that of a login before it. */
static void diagnose_redirect(struct findings *findings, const struct public_facts *facts)
{
    const struct visit_facts *visit = &facts->visit;
    bool elsewhere = *visit->moved_to && strcmp(visit->moved_to, facts->origin) != 0;
    findings_add(findings, SEVERITY_FAULT, web_subject,
                 "If it leads to a login (Authelia or the like), take this address out of the "
                 "login: Molly cannot answer one. If not, set web.public_url to the address to "
                 "which it leads.",
                 "%s redirects to %s (%d).", facts->origin,
                 elsewhere ? visit->moved_to : "another path", visit->status);
}

/* As a proxy answers where nothing is behind it. */
static bool is_of_empty_proxy(const struct visit_facts *visit)
{
    return visit->status == 404 || visit_is_of_proxy(visit->status);
}

static void diagnose_push_server(struct findings *findings, const struct public_facts *facts)
{
    char fix[FINDING_FIX_SIZE];
    snprintf(fix, sizeof fix,
             "Set web.public_url to this bridge's own address: a name, a path or a port other than "
             "the push server's, which the proxy leads to %s, where Doorbell listens.",
             facts->listen);
    findings_add(findings, SEVERITY_FAULT, web_subject, fix,
                 "%s is a push server (ntfy), and not this Doorbell.", facts->origin);
}

static void diagnose_elsewhere(struct findings *findings, const struct public_facts *facts)
{
    const struct visit_facts *visit = &facts->visit;
    char fix[FINDING_FIX_SIZE];
    snprintf(fix, sizeof fix,
             "Let the proxy lead this address, with the same path, to %s, where Doorbell listens.",
             facts->listen);
    if (facts->mark.has_needle)
        diagnose_push_server(findings, facts);
    else if (visit->challenged)
        findings_add(findings, SEVERITY_FAULT, web_subject,
                     "Switch that off for this address: Molly cannot answer it.",
                     "Cloudflare asks whoever comes to %s to prove that it is a person (%d).",
                     facts->origin, visit->status);
    else if (visit->status >= 300 && visit->status < 400)
        diagnose_redirect(findings, facts);
    else if (visit->status == 401 || visit->status == 403)
        findings_add(findings, SEVERITY_FAULT, web_subject,
                     "Let this path pass there: Molly cannot answer that.",
                     "A login or an access list of the proxy stands before %s (%d).", facts->origin,
                     visit->status);
    else if (facts->stopped && is_of_empty_proxy(visit))
        findings_add(findings, SEVERITY_UNCHECKED, web_subject, "Run this again when it runs.",
                     "%s answers with %d, as a proxy does where no server runs.", facts->origin,
                     visit->status);
    else if (visit_is_of_proxy(visit->status))
        findings_add(findings, SEVERITY_FAULT, web_subject, fix,
                     "The proxy at %s does not reach Doorbell (%d).", facts->origin, visit->status);
    else if (visit->status == 404)
        findings_add(findings, SEVERITY_FAULT, web_subject, fix,
                     "%s knows nothing under the path of web.public_url (404).", facts->origin);
    else
        findings_add(findings, SEVERITY_FAULT, web_subject, fix,
                     "web.public_url leads to something at %s that is not this Doorbell (%d).",
                     facts->origin, visit->status);
}

static const char *mend_flaw(enum visit_flaw flaw)
{
    switch (flaw) {
    case VISIT_FLAW_EXPIRED:
        return "Renew the certificate, and let the proxy load the new one; if it is a new one, set "
               "this machine's clock.";
    case VISIT_FLAW_NAME:
        return "Let the proxy answer with a certificate for the host of web.public_url, or set "
               "that to the name that the certificate is for.";
    case VISIT_FLAW_ISSUER:
        return "Serve it with the certificates that lead to its root (fullchain.pem); if it is "
               "self-signed, get one from an authority that phones know, such as Let's Encrypt.";
    case VISIT_FLAW_NO_TLS:
        return "Let the proxy speak TLS on this port, or correct the port in web.public_url.";
    case VISIT_FLAW_OTHER:
        break;
    }
    return "Look at the proxy's log, and at its lines on TLS and the certificate.";
}

/* Many routers lead nobody from inside to their own outside: no fault by itself. */
static void diagnose_not_seen(struct findings *findings, const struct public_facts *facts)
{
    char end[VISIT_WHY_SIZE + 64], fix[FINDING_FIX_SIZE];
    const char *family = diagnose_family(&facts->visit, "", fix);
    diagnose_end(end, sizeof end, &facts->visit);
    if (family) /* of this machine's way out: phones may have both */
        findings_add(findings, SEVERITY_UNCHECKED, web_subject, fix,
                     "%s could not be looked at: it %s.", facts->origin, family);
    else if (facts->visit.end == VISIT_NO_TLS)
        findings_add(findings, SEVERITY_FAULT, web_subject, mend_flaw(facts->visit.flaw), "%s %s.",
                     facts->origin, end);
    else if (facts->visit.end == VISIT_NO_ADDRESS)
        findings_add(findings, SEVERITY_FAULT, web_subject,
                     "Enter the name into the DNS, or set web.public_url to the right one.",
                     "%s %s.", facts->origin, end);
    else if (facts->stopped && facts->visit.end == VISIT_NO_CONNECT)
        findings_add(findings, SEVERITY_UNCHECKED, web_subject, "Run this again when it runs.",
                     "%s %s; no server runs.", facts->origin, end);
    else
        findings_add(findings, SEVERITY_WARNING, web_subject,
                     "Open it in the phone's browser over its mobile network: if that fails, too, "
                     "look at the proxy and at the router's port forwarding.",
                     "From this machine %s %s.", facts->origin, end);
}

/* What came of the request, though it was answered as it should be or not. */

/* "push.example.org" of "https://push.example.org". */
static const char *host_of(const char *origin)
{
    const char *host = strstr(origin, "://");
    return host ? host + strlen("://") : origin;
}

static void diagnose_host(struct findings *findings, const struct public_facts *facts,
                          const struct proxy_lines *lines)
{
    char fix[FINDING_FIX_SIZE];
    const char *host = facts->sighting.host;
    if (strcasecmp(host, host_of(facts->origin)) == 0)
        return;
    write_fix(fix, "hand on the host that was asked for", lines, lines->host);
    findings_add(findings, SEVERITY_WARNING, web_subject, fix,
                 "The proxy at %s asks Doorbell for the host %s: web.public_url leads phones right "
                 "all the same, but without it they would be led to that.",
                 facts->origin, *host ? host : "(none)");
}

static void diagnose_scheme(struct findings *findings, const struct public_facts *facts,
                            const struct proxy_lines *lines)
{
    char fix[FINDING_FIX_SIZE];
    const char *scheme = facts->sighting.scheme;
    if (!*scheme || strcasecmp(scheme, "https") == 0)
        return;
    write_fix(fix, "say what it was asked by", lines, lines->scheme);
    findings_add(findings, SEVERITY_WARNING, web_subject, fix,
                 "The proxy at %s says that it was asked by %s, and it was https.", facts->origin,
                 scheme);
}

static void diagnose_client(struct findings *findings, const struct public_facts *facts,
                            const struct proxy_lines *lines)
{
    char fix[FINDING_FIX_SIZE];
    if (facts->sighting.names_client)
        return;
    write_fix(fix, "say who asks", lines, lines->client);
    findings_add(findings, SEVERITY_WARNING, web_subject, fix,
                 "The proxy at %s does not say who asks: to the limits on strangers all phones are "
                 "one, so a stranger can use them up for all.",
                 facts->origin);
}

static void diagnose_stranger(struct findings *findings, const struct public_facts *facts)
{
    char fix[FINDING_FIX_SIZE];
    snprintf(fix, sizeof fix, "If it is yours, add it to web.trusted_proxies: [auto, \"%s\"].",
             facts->sighting.peer);
    findings_add(findings, SEVERITY_WARNING, web_subject, fix,
                 "What the proxy at %s says of host, scheme and client is not read, because "
                 "web.trusted_proxies does not have its address %s.",
                 facts->origin, facts->sighting.peer);
}

/* Asked by https, it came without: a proxy stands in front, whether it says so or not. */
static void diagnose_proxy(struct findings *findings, const struct public_facts *facts)
{
    const struct sighting *sighting = &facts->sighting;
    const struct proxy_lines *lines = lines_of(&facts->visit);
    bool proxied = (facts->secure && !sighting->is_tls) || sighting->is_forwarded;
    if (!facts->seen || !proxied)
        return;
    if (sighting->is_forwarded && !sighting->is_trusted) {
        diagnose_stranger(findings, facts);
        return;
    }
    diagnose_host(findings, facts, lines);
    if (facts->secure)
        diagnose_scheme(findings, facts, lines);
    diagnose_client(findings, facts, lines);
}

/* It came, but not to where phones are answered. False: it did. */
static bool diagnose_way(struct findings *findings, const struct public_facts *facts)
{
    char fix[FINDING_FIX_SIZE];
    const struct proxy_lines *lines = lines_of(&facts->visit);
    if (facts->sighting.lacks_tls) {
        findings_add(findings, SEVERITY_FAULT, web_subject,
                     "Let it connect by https, or leave web.tls_cert out.",
                     "The proxy at %s reaches this Doorbell without TLS, which it speaks since "
                     "web.tls_cert is set.",
                     facts->origin);
        return true;
    }
    if (facts->sighting.at_root)
        return false;
    write_fix(fix, "take the path of web.public_url away", lines, lines->path);
    findings_add(findings, SEVERITY_FAULT, web_subject, fix,
                 "The proxy at %s leads to this Doorbell, but hands the path on, and nothing is "
                 "answered there (%d).",
                 facts->origin, facts->visit.status);
    return true;
}

/* By what answered, or, where it came here, by that. */
static bool leads_here(const struct public_facts *facts)
{
    return facts->visit.has_needle || (facts->seen && facts->visit.status == STATUS_OK);
}

static void diagnose_other(struct findings *findings, const struct public_facts *facts)
{
    findings_add(findings, SEVERITY_FAULT, web_subject,
                 "Let the proxy keep nothing of it, and lead it to this server alone.",
                 "What answers at %s has this Doorbell's page, but the request did not come here: "
                 "a cache answers, or another server with the same key.",
                 facts->origin);
}

/* The page came, and what Molly sends does not. */
static bool loses_post(const struct public_facts *facts)
{
    return facts->seen && facts->post.end != VISIT_NOT_MADE && !facts->post_seen;
}

static void diagnose_post(struct findings *findings, const struct public_facts *facts)
{
    char end[VISIT_WHY_SIZE + 64];
    diagnose_end(end, sizeof end, &facts->post);
    findings_add(
        findings, SEVERITY_FAULT, web_subject,
        "Let the proxy hand on POST, too: look for limit_except, an access list or a web "
        "application firewall.",
        "%s leads to this Doorbell, but only GET: POST, by which Molly registers, does not "
        "come here, and %s.",
        facts->origin, end);
}

/* Air-gapped there is no way in; and one that only the server's environment has is told with that.
 */
static void diagnose_unset(struct findings *findings, const struct public_facts *facts)
{
    if (facts->linking == LINKING_UNKNOWN)
        findings_add(findings, SEVERITY_UNCHECKED, web_subject,
                     "If phones register by themselves, set it to the address that they use "
                     "(\"doorbell setup\" asks for it); air-gapped nothing needs to be done.",
                     "How phones come in was not looked at, because web.public_url is not set.");
}

/* Phones that have both families try IPv6 first, and not all of them try the other one as well. */
static void diagnose_families(struct findings *findings, const struct public_facts *facts)
{
    const char *name;
    const struct visit_facts *dead = diagnose_dead_family(&facts->v4, &facts->v6, &name);
    const struct visit_facts *v4 = &facts->v4, *v6 = &facts->v6;
    bool both = visit_answered(v4) && visit_answered(v6);
    bool differ = both && v4->has_needle != v6->has_needle;
    char end[VISIT_WHY_SIZE + 64], fix[FINDING_FIX_SIZE];
    if (!leads_here(facts) || (!dead && !differ))
        return;
    if (differ) {
        dead = v4->has_needle ? v6 : v4;
        name = v4->has_needle ? "IPv6" : "IPv4";
        snprintf(end, sizeof end, "leads to something else (%d)", dead->status);
    } else {
        diagnose_end(end, sizeof end, dead);
    }
    snprintf(fix, sizeof fix,
             "Let it lead here over %s as well (the proxy, the router, the firewall), or take that "
             "address out of the DNS.",
             name);
    findings_add(findings, SEVERITY_WARNING, web_subject, fix,
                 "From this machine %s over %s %s, which may keep phones out whose network has %s.",
                 facts->origin, name, end, name);
}

void diagnose_public(struct findings *findings, const struct public_facts *facts)
{
    if (!*facts->origin)
        diagnose_unset(findings, facts);
    else if (facts->visit.end == VISIT_NOT_MADE)
        findings_add(findings, SEVERITY_UNCHECKED, web_subject, NULL,
                     "%s was not looked at, because the VAPID key, by which this server's page is "
                     "known, cannot be read.",
                     facts->origin);
    else if (!visit_answered(&facts->visit))
        diagnose_not_seen(findings, facts);
    else if (facts->seen && diagnose_way(findings, facts))
        return;
    else if (!leads_here(facts))
        diagnose_elsewhere(findings, facts);
    else if (facts->asked && !facts->seen)
        diagnose_other(findings, facts);
    else if (loses_post(facts))
        diagnose_post(findings, facts);
    else if (!facts->secure)
        findings_add(findings, SEVERITY_WARNING, web_subject,
                     "Put a proxy with a certificate in front, or set web.tls_cert.",
                     "%s leads to this Doorbell, but without TLS: Molly's password goes over the "
                     "network in the clear.",
                     facts->origin);
    else
        findings_add(findings, SEVERITY_WELL, web_subject, NULL, "%s leads to this Doorbell.",
                     facts->origin);
    diagnose_families(findings, facts);
    diagnose_proxy(findings, facts);
}
