#include <stdio.h>
#include <string.h>

#include "doctor/concern.h"
#include "doctor/diagnose.h"
#include "doctor/reach.h"

enum { WORDS_SIZE = VISIT_WHY_SIZE + 64 };

static const char subject[] = "Signal";

/* One road, as it is told. */
struct way {
    const struct signal_facts *signal;
    const struct road_facts *road;
    const char *setting; /* that leads there */
    const char *speaks;  /* how what answers is said to do so */
    const char *concerned;
};

static struct way way_of(const struct signal_facts *signal, enum road road, const char *concerned)
{
    bool is_http2 = road == ROAD_HTTP2;
    return (struct way){.signal = signal,
                        .road = &signal->roads[road],
                        .setting = is_http2 ? "signal.http2_url" : "signal.url",
                        .speaks = is_http2 ? "answers HTTP/2" : "answers",
                        .concerned = concerned};
}

static void write_tls_fix(char fix[FINDING_FIX_SIZE], const struct way *way, bool expired)
{
    bool own_roots = way->signal->own_roots;
    const char *words = "Something intercepts TLS on the way: let this machine reach Signal's "
                        "server directly.";
    if (expired)
        words = own_roots ? "Renew it, or check this machine's date and time."
                          : "Check this machine's date and time: by them that certificate is not "
                            "valid.";
    if (own_roots && !expired)
        snprintf(fix, FINDING_FIX_SIZE, "Check signal.ca_file and %s.", way->setting);
    else
        snprintf(fix, FINDING_FIX_SIZE, "%s", words);
}

static void write_reach_fix(char fix[FINDING_FIX_SIZE], const struct way *way,
                            const struct visit_facts *visit)
{
    const char *words = "Check this machine's internet connection and its firewall.";
    if (visit->end == VISIT_NO_ADDRESS)
        words = way->signal->own_nameservers
                    ? "Check that the nameservers in net.nameservers answer, or name others there."
                    : "Check this machine's DNS, or name nameservers in net.nameservers.";
    else if (visit->end == VISIT_NO_ROAD)
        words = "Check signal.http2_url, or set signal.transport to auto.";
    snprintf(fix, FINDING_FIX_SIZE, "%s", words);
}

static void diagnose_unreached(struct findings *findings, const struct way *way)
{
    char end[WORDS_SIZE], fix[FINDING_FIX_SIZE];
    const struct visit_facts *visit = reach_best(way->road);
    if (visit->end == VISIT_NO_TLS)
        write_tls_fix(fix, way, visit->flaw == VISIT_FLAW_EXPIRED);
    else
        write_reach_fix(fix, way, visit);
    const char *family = diagnose_family(visit, "", fix);
    diagnose_end(end, sizeof end, visit);
    findings_add(findings, SEVERITY_FAULT, subject, fix, "%s %s%s.", way->road->origin,
                 family ? family : end, way->concerned);
}

static void diagnose_client(struct findings *findings, const struct way *way)
{
    const struct signal_facts *signal = way->signal;
    if (reach_takes_other(way->road))
        findings_add(findings, SEVERITY_WARNING, subject, "Update Doorbell.",
                     "%s refuses the User-Agent \"%s\" (499); \"%s\" is taken instead.",
                     way->road->origin, signal->agent, signal->fallback_agent);
    else
        findings_add(findings, SEVERITY_FAULT, subject,
                     "Update Doorbell, or set signal.user_agent to that of a newer client.",
                     "%s refuses both User-Agents, \"%s\" and \"%s\", as too old (499)%s.",
                     way->road->origin, signal->agent, signal->fallback_agent, way->concerned);
}

static void diagnose_well(struct findings *findings, const struct way *way, const char *families)
{
    findings_add(findings, SEVERITY_WELL, subject, NULL, "%s %s over %s, and takes our client.",
                 way->road->origin, way->speaks, families);
}

/* Where a family is not to be had, that is no trouble. */
static bool is_harmless(const struct visit_facts *visit)
{
    return visit_opened(visit) || visit->end == VISIT_NOT_MADE || visit->end == VISIT_NO_ADDRESS ||
           visit->end == VISIT_NO_ROUTE;
}

/* What the two families have in common is left; where one of them fails is worth a word only when
 * this machine has such a network. */
static void diagnose_families(struct findings *findings, const struct way *way)
{
    const struct visit_facts *v4 = &way->road->v4, *v6 = &way->road->v6;
    if (visit_opened(v4) && visit_opened(v6)) {
        diagnose_well(findings, way, "IPv4 and IPv6");
        return;
    }
    const struct visit_facts *failed = visit_opened(v4) ? v6 : v4;
    const char *good = visit_opened(v4) ? "IPv4" : "IPv6",
               *bad = visit_opened(v4) ? "IPv6" : "IPv4";
    char end[WORDS_SIZE], fix[FINDING_FIX_SIZE];
    snprintf(fix, sizeof fix, "Mend that network, or set net.family to %s.",
             visit_opened(v4) ? "ipv4" : "ipv6");
    diagnose_end(end, sizeof end, failed);
    if (is_harmless(failed))
        diagnose_well(findings, way, good);
    else
        findings_add(findings, SEVERITY_WARNING, subject, fix, "%s %s over %s, but over %s it %s.",
                     way->road->origin, way->speaks, good, bad, end);
}

static bool is_in_trouble(int status)
{
    return status >= 500 || status == 429; /* as signal/judge.c has it */
}

static void diagnose_status(struct findings *findings, const struct way *way)
{
    char fix[FINDING_FIX_SIZE];
    const struct visit_facts *visit = reach_best(way->road);
    const char *origin = way->road->origin;
    snprintf(fix, sizeof fix, "Check %s, or leave it out: the default is Signal's own server.",
             way->setting);
    if (visit_opened(visit))
        diagnose_families(findings, way);
    else if (visit->status == REACH_STATUS_REFUSED)
        diagnose_client(findings, way);
    else if (is_in_trouble(visit->status))
        findings_add(findings, SEVERITY_WARNING, subject,
                     "Nothing needs to be done: Doorbell comes back by itself.",
                     "%s has trouble of its own (%d)%s.", origin, visit->status, way->concerned);
    else if (!visit->stamped)
        findings_add(findings, SEVERITY_FAULT, subject,
                     "Let this machine reach Signal's server directly.",
                     "A proxy, a firewall or a login page answers in the place of %s (%d)%s.",
                     origin, visit->status, way->concerned);
    else
        findings_add(findings, SEVERITY_FAULT, subject, fix, "%s opens no websocket there (%d)%s.",
                     origin, visit->status, way->concerned);
}

static void diagnose_way(struct findings *findings, const struct way *way)
{
    if (visit_answered(reach_best(way->road)))
        diagnose_status(findings, way);
    else
        diagnose_unreached(findings, way);
}

/* Two roads */

/* Links have left HTTP/2, or will when they meet what was seen. What the running server says of
 * that is told already. */
static void diagnose_left(struct findings *findings, const struct signal_facts *signal)
{
    char end[WORDS_SIZE];
    const struct road_facts *http2 = &signal->roads[ROAD_HTTP2];
    if (signal->has_left)
        return;
    diagnose_end(end, sizeof end, reach_best(http2));
    findings_add(findings, SEVERITY_WARNING, subject,
                 "Nothing has to be done: HTTP/2 is tried again by itself. Where it never works, "
                 "check signal.http2_url, or end the trials with signal.transport: http1.",
                 "%s %s; HTTP/1.1 carries the links meanwhile.", http2->origin, end);
}

/* On neither road: one finding, by the one that would have to help out. */
static void diagnose_both(struct findings *findings, const struct signal_facts *signal,
                          const char *concerned)
{
    char end[WORDS_SIZE], more[URL_ORIGIN_SIZE + WORDS_SIZE + CONCERN_SIZE];
    const struct road_facts *http2 = &signal->roads[ROAD_HTTP2];
    diagnose_end(end, sizeof end, reach_best(http2));
    snprintf(more, sizeof more, "; and %s %s%s", http2->origin, end, concerned);
    struct way way = way_of(signal, ROAD_HTTP1, more);
    diagnose_way(findings, &way);
}

static bool is_well(const struct road_facts *road)
{
    return reach_opens(road) && is_harmless(&road->v4) && is_harmless(&road->v6);
}

/* The road that links take when HTTP/2 fails. What is wrong with both was told of HTTP/2. */
static void diagnose_spare(struct findings *findings, const struct signal_facts *signal)
{
    char end[WORDS_SIZE];
    struct way way = way_of(signal, ROAD_HTTP1, "");
    const struct visit_facts *visit = reach_best(way.road);
    if (!is_well(way.road) && reach_is_alike(way.road, &signal->roads[ROAD_HTTP2]))
        return;
    if (!reach_fails(way.road) || is_in_trouble(visit->status)) {
        diagnose_way(findings, &way);
        return;
    }
    diagnose_end(end, sizeof end, visit);
    findings_add(findings, SEVERITY_WARNING, subject,
                 "Let this machine reach it, or set signal.transport to http2.",
                 "%s %s; HTTP/1.1 could not carry the links where HTTP/2 fails.", way.road->origin,
                 end);
}

void diagnose_signal(struct findings *findings, const struct signal_facts *facts,
                     const char *concerned)
{
    const struct road_facts *http1 = &facts->roads[ROAD_HTTP1];
    enum road taken = reach_taken(facts);
    bool both = reach_is_open(http1) && reach_is_open(&facts->roads[ROAD_HTTP2]);
    struct way way = way_of(facts, taken, concerned);
    if (both && taken == ROAD_HTTP1 && reach_fails(http1)) {
        diagnose_both(findings, facts, concerned);
        return;
    }
    if (both && taken == ROAD_HTTP1)
        diagnose_left(findings, facts);
    diagnose_way(findings, &way);
    if (both && taken == ROAD_HTTP2)
        diagnose_spare(findings, facts);
}

/* Certificates */

static void diagnose_root(struct findings *findings, const struct signal_facts *signal,
                          const struct road_facts *road, bool is_one_of_two)
{
    bool v4 = visit_answered(&road->v4), v6 = visit_answered(&road->v6);
    const char *families = v4 && v6 ? "IPv4 and IPv6" : v4 ? "IPv4" : "IPv6";
    const char *hidden = "";
    bool has_tls = strncmp(road->origin, "wss:", 4) == 0 || strncmp(road->origin, "https:", 6) == 0;
    if ((!v4 && !v6) || !has_tls)
        return;
    if (road->v4.end == VISIT_NOT_MADE)
        hidden = "; IPv4 was not tried, because of net.family";
    else if (road->v6.end == VISIT_NOT_MADE)
        hidden = "; IPv6 was not tried, because of net.family";
    findings_add(findings, SEVERITY_WELL, subject, NULL, "Over %s %s%s leads to %s%s.", families,
                 is_one_of_two ? "the certificate of " : "its certificate",
                 is_one_of_two ? road->origin : "",
                 signal->own_roots ? "a root of signal.ca_file"
                                   : "Signal's own root, which is built in",
                 hidden);
}

void diagnose_roots(struct findings *findings, const struct signal_facts *facts)
{
    const struct road_facts *http1 = &facts->roads[ROAD_HTTP1];
    const struct road_facts *http2 = &facts->roads[ROAD_HTTP2];
    bool both = reach_is_open(http1) && reach_is_open(http2);
    diagnose_root(findings, facts, http2, both);
    diagnose_root(findings, facts, http1, both);
}
