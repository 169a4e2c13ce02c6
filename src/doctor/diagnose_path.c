#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/concern.h"
#include "doctor/diagnose.h"
#include "doctor/reach.h"
#include "push/skew.h"

enum { SKEW_SEEN_S = 60 };

static const char clock_subject[] = "clock";

/* "no address", "cannot be reached (...)". */
void diagnose_end(char *text, size_t size, const struct visit_facts *visit)
{
    static const char *const words[] = {
        [VISIT_NOT_MADE] = "was not asked",
        [VISIT_NO_ADDRESS] = "has no address",
        [VISIT_DENIED] = "is forbidden by the settings",
        [VISIT_NO_ROUTE] = "cannot be reached from this machine's network",
        [VISIT_NO_CONNECT] = "cannot be reached",
        [VISIT_NO_TLS] = "has no certificate that is trusted",
        [VISIT_NO_ANSWER] = "gives no answer",
        [VISIT_NO_ROAD] = "cannot be used over HTTP/2",
    };
    if (visit_answered(visit))
        snprintf(text, size, "answers with %d", visit->status);
    else if (visit->end == VISIT_NO_TLS && visit->flaw == VISIT_FLAW_NO_TLS)
        snprintf(text, size, "speaks no TLS there (%.200s)", visit->why);
    else
        snprintf(text, size, "%s%s%.200s%s", words[visit->end], *visit->why ? " (" : "", visit->why,
                 *visit->why ? ")" : "");
}

const char *diagnose_family(const struct visit_facts *visit, const char *otherwise, char *fix)
{
    if (visit->has_v4 == visit->has_v6)
        return NULL;
    bool v6 = visit->has_v6;
    if (visit->end == VISIT_NO_ADDRESS) {
        snprintf(fix, FINDING_FIX_SIZE, "Set net.family to auto.");
        return v6 ? "has only IPv6 addresses, and net.family is ipv4"
                  : "has only IPv4 addresses, and net.family is ipv6";
    }
    if (visit->end != VISIT_NO_ROUTE)
        return NULL;
    snprintf(fix, FINDING_FIX_SIZE, "Give this machine %s%s.", v6 ? "IPv6" : "IPv4", otherwise);
    return v6 ? "has only IPv6 addresses, and this machine has no IPv6 that leads there"
              : "has only IPv4 addresses, and this machine has no IPv4 that leads there";
}

/* What has no address there, or that this machine has no such network, keeps nobody waiting. */
static bool is_dead(const struct visit_facts *visit)
{
    return visit->end == VISIT_NO_CONNECT || visit->end == VISIT_NO_TLS ||
           visit->end == VISIT_NO_ANSWER;
}

const struct visit_facts *diagnose_dead_family(const struct visit_facts *v4,
                                               const struct visit_facts *v6, const char **name)
{
    const struct visit_facts *dead = visit_answered(v4) ? v6 : v4;
    if ((!visit_answered(v4) && !visit_answered(v6)) || !is_dead(dead))
        return NULL;
    *name = dead == v4 ? "IPv4" : "IPv6";
    return dead;
}

/* Faults that are none of the running server's */
void diagnose_judged(struct findings *findings, size_t first, bool had_fault, enum judged judged)
{
    if (judged == JUDGED_NOT_LOADED)
        findings_soften(findings, first, had_fault, SEVERITY_WARNING,
                        "its last push was accepted by the settings that the running server has "
                        "still, and none will be once it has loaded what is configured here",
                        NULL);
    else if (judged == JUDGED_OTHERWISE)
        findings_soften(findings, first, had_fault, SEVERITY_UNCHECKED,
                        "that is by the settings of this command, and the running server has "
                        "others",
                        "Run this with the same environment and options as the server.");
}

static void diagnose_its_clients(struct findings *findings, const struct signal_facts *facts,
                                 const json_t *accounts, const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    struct concern concern = {0};
    char concerned[CONCERN_SIZE];
    for (size_t i = 0; i < json_array_size(accounts); i++)
        if (concern_is_of_signal(json_array_get(accounts, i), facts))
            concern_add(&concern, json_array_get(accounts, i), key);
    concern_write(concerned, &concern, "not connected");
    size_t first = findings->count;
    bool had_fault = findings->has_fault;
    diagnose_signal(findings, facts, concerned);
    diagnose_judged(findings, first, had_fault, facts->judged);
}

/* The clock */

static bool diagnose_distance(struct findings *findings, const char *origin, int64_t ahead_s)
{
    if (llabs(ahead_s) < SKEW_SEEN_S)
        return false;
    findings_add(findings, llabs(ahead_s) > SKEW_MAX_S ? SEVERITY_FAULT : SEVERITY_WARNING,
                 clock_subject,
                 "Set this machine's clock (timedatectl set-ntp true), or the other one if it is "
                 "the wrong one.",
                 "By the clock of %s it is %lld s %s than by ours; more than five minutes make "
                 "push servers refuse us.",
                 origin, (long long)llabs(ahead_s), ahead_s > 0 ? "later" : "earlier");
    return true;
}

/* Where Signal's clock and ours differ it is ours, and all others say the same. What HTTP/2 asks
 * for tells no date. */
void diagnose_clock(struct findings *findings, const struct probe_facts *facts)
{
    const struct road_facts *road = &facts->signal.roads[ROAD_HTTP1];
    const struct visit_facts *signal = reach_best(road);
    bool known = visit_answered(signal) && signal->has_date, differs = false;
    if (known && diagnose_distance(findings, road->origin, signal->ahead_s))
        return;
    for (size_t i = 0; i < facts->origin_count; i++) {
        const struct visit_facts *visit = &facts->origins[i].visit;
        if (!visit_answered(visit) || !visit->has_date)
            continue;
        known = true;
        differs |= diagnose_distance(findings, facts->origins[i].origin, visit->ahead_s);
    }
    if (!known)
        findings_add(findings, SEVERITY_UNCHECKED, clock_subject,
                     "Look at it (timedatectl), or run this again when one of them does.",
                     "It was not compared, because no server told its time.");
    else if (!differs)
        findings_add(findings, SEVERITY_WELL, clock_subject, NULL,
                     "It goes as those of the servers do.");
}

void diagnose_path(struct findings *findings, const struct probe_facts *facts, const json_t *status,
                   const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    diagnose_its_clients(findings, &facts->signal, json_object_get(status, "accounts"), key);
    diagnose_roots(findings, &facts->signal);
    diagnose_origins(findings, facts, json_object_get(status, "accounts"), key);
    diagnose_alerts(findings, facts);
    if (facts->web)
        diagnose_public(findings, &facts->public);
    diagnose_clock(findings, facts);
}
