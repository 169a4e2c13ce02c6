#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/concern.h"
#include "doctor/diagnose.h"
#include "push/skew.h"

enum { SKEW_SEEN_S = 60, STATUS_REFUSED = 499 };

static const char signal_subject[] = "Signal", clock_subject[] = "clock";

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

/* Signal */

/* Whichever came further. */
static const struct visit_facts *better(const struct visit_facts *a, const struct visit_facts *b)
{
    if (visit_opened(a) || visit_opened(b))
        return visit_opened(a) ? a : b;
    if (visit_answered(a) || visit_answered(b))
        return visit_answered(a) ? a : b;
    return a->end > b->end ? a : b;
}

static void diagnose_unreached(struct findings *findings, const struct signal_facts *facts,
                               const struct visit_facts *visit, const char *concerned)
{
    char end[VISIT_WHY_SIZE + 64], mend[FINDING_FIX_SIZE];
    const char *fix = "Check this machine's internet connection and its firewall.";
    const char *family = diagnose_family(visit, "", mend);
    if (visit->end == VISIT_NO_ADDRESS)
        fix = facts->own_nameservers
                  ? "Check that the nameservers in net.nameservers answer, or name others there."
                  : "Check this machine's DNS, or name nameservers in net.nameservers.";
    else if (visit->end == VISIT_NO_TLS && visit->flaw == VISIT_FLAW_EXPIRED)
        fix = facts->own_roots ? "Renew it, or check this machine's date and time."
                               : "Check this machine's date and time: by them that certificate is "
                                 "not valid.";
    else if (visit->end == VISIT_NO_TLS)
        fix = facts->own_roots ? "Check signal.ca_file and signal.url."
                               : "Something intercepts TLS on the way: let this machine reach "
                                 "Signal's server directly.";
    diagnose_end(end, sizeof end, visit);
    findings_add(findings, SEVERITY_FAULT, signal_subject, family ? mend : fix, "%s %s%s.",
                 facts->origin, family ? family : end, concerned);
}

static void diagnose_client(struct findings *findings, const struct signal_facts *facts,
                            const char *concerned)
{
    bool fallback = visit_answered(&facts->fallback) && facts->fallback.status != STATUS_REFUSED;
    if (fallback)
        findings_add(findings, SEVERITY_WARNING, signal_subject, "Update Doorbell.",
                     "%s refuses the User-Agent \"%s\" (499); \"%s\" is taken instead.",
                     facts->origin, facts->agent, facts->fallback_agent);
    else
        findings_add(findings, SEVERITY_FAULT, signal_subject,
                     "Update Doorbell, or set signal.user_agent to that of a newer client.",
                     "%s refuses both User-Agents, \"%s\" and \"%s\", as too old (499)%s.",
                     facts->origin, facts->agent, facts->fallback_agent, concerned);
}

static void diagnose_well(struct findings *findings, const struct signal_facts *facts,
                          const char *families)
{
    findings_add(findings, SEVERITY_WELL, signal_subject, NULL,
                 "%s answers over %s, and takes our client.", facts->origin, families);
}

/* What the two families have in common is left; where one of them fails is worth a word only when
 * this machine has such a network. */
static void diagnose_families(struct findings *findings, const struct signal_facts *facts)
{
    const struct visit_facts *v4 = &facts->v4, *v6 = &facts->v6;
    if (visit_opened(v4) && visit_opened(v6)) {
        diagnose_well(findings, facts, "IPv4 and IPv6");
        return;
    }
    const struct visit_facts *failed = visit_opened(v4) ? v6 : v4;
    const char *good = visit_opened(v4) ? "IPv4" : "IPv6",
               *bad = visit_opened(v4) ? "IPv6" : "IPv4";
    char end[VISIT_WHY_SIZE + 64], fix[FINDING_FIX_SIZE];
    snprintf(fix, sizeof fix, "Mend that network, or set net.family to %s.",
             visit_opened(v4) ? "ipv4" : "ipv6");
    diagnose_end(end, sizeof end, failed);
    bool harmless = failed->end == VISIT_NOT_MADE || failed->end == VISIT_NO_ADDRESS ||
                    failed->end == VISIT_NO_ROUTE;
    if (harmless)
        diagnose_well(findings, facts, good);
    else
        findings_add(findings, SEVERITY_WARNING, signal_subject, fix,
                     "%s answers over %s, but over %s it %s.", facts->origin, good, bad, end);
}

static void diagnose_status(struct findings *findings, const struct signal_facts *facts,
                            const struct visit_facts *visit, const char *concerned)
{
    bool in_trouble = visit->status >= 500 || visit->status == 429; /* as signal/judge.c has it */
    if (visit_opened(visit))
        diagnose_families(findings, facts);
    else if (visit->status == STATUS_REFUSED)
        diagnose_client(findings, facts, concerned);
    else if (!visit->stamped && !in_trouble)
        findings_add(findings, SEVERITY_FAULT, signal_subject,
                     "Let this machine reach Signal's server directly.",
                     "A proxy, a firewall or a login page answers in the place of %s (%d)%s.",
                     facts->origin, visit->status, concerned);
    else if (in_trouble)
        findings_add(findings, SEVERITY_WARNING, signal_subject,
                     "Nothing needs to be done: Doorbell comes back by itself.",
                     "%s has trouble of its own (%d)%s.", facts->origin, visit->status, concerned);
    else
        findings_add(findings, SEVERITY_FAULT, signal_subject,
                     "Check signal.url, or leave it out: the default is Signal's own server.",
                     "%s opens no websocket there (%d)%s.", facts->origin, visit->status,
                     concerned);
}

void diagnose_signal(struct findings *findings, const struct signal_facts *facts,
                     const char *concerned)
{
    const struct visit_facts *visit = better(&facts->v4, &facts->v6);
    if (facts->not_visited)
        findings_add(findings, SEVERITY_UNCHECKED, signal_subject, NULL,
                     "It was not visited: doctor goes there over HTTP/1.1, and signal.transport "
                     "leaves HTTP/2 only. How the accounts fare is told with them.");
    else if (visit_answered(visit))
        diagnose_status(findings, facts, visit, concerned);
    else
        diagnose_unreached(findings, facts, visit, concerned);
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

void diagnose_roots(struct findings *findings, const struct signal_facts *facts)
{
    bool v4 = visit_answered(&facts->v4), v6 = visit_answered(&facts->v6);
    const char *hidden = "";
    if ((!v4 && !v6) || strncmp(facts->origin, "wss:", 4) != 0)
        return;
    if (facts->v4.end == VISIT_NOT_MADE)
        hidden = "; IPv4 was not tried, because of net.family";
    else if (facts->v6.end == VISIT_NOT_MADE)
        hidden = "; IPv6 was not tried, because of net.family";
    findings_add(
        findings, SEVERITY_WELL, signal_subject, NULL, "Over %s its certificate leads to %s%s.",
        v4 && v6 ? "IPv4 and IPv6"
        : v4     ? "IPv4"
                 : "IPv6",
        facts->own_roots ? "a root of signal.ca_file" : "Signal's own root, which is built in",
        hidden);
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

/* Where Signal's clock and ours differ it is ours, and all others say the same. */
void diagnose_clock(struct findings *findings, const struct probe_facts *facts)
{
    const struct visit_facts *signal = better(&facts->signal.v4, &facts->signal.v6);
    bool known = visit_answered(signal) && signal->has_date, differs = false;
    if (known && diagnose_distance(findings, facts->signal.origin, signal->ahead_s))
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
