#include <stdio.h>
#include <string.h>

#include "doctor/concern.h"
#include "doctor/diagnose.h"
#include "doctor/refusal.h"
#include "push/verdict.h"

/* What is wrong with a push server, in the words of a push that ended so; what is to be done about
 * it goes by the settings that are in force already. */

#define ELSEWHERE_ADVICE                                                                           \
    " If it is your own, and its name leads elsewhere from here (a home router that leads nobody " \
    "back inside, another container), say in push.connect_to where it is."

enum { WHERE_SIZE = URL_ORIGIN_SIZE + VISIT_PLACE_SIZE + 32 };

static const char push_subject[] = "push server";

static const char *write_where(char where[WHERE_SIZE], const struct origin_facts *facts)
{
    const char *place = facts->visit.place;
    snprintf(where, WHERE_SIZE, "%s%s%s%s", facts->origin, *place ? " (at " : "", place,
             *place ? " by push.connect_to)" : "");
    return where;
}

static void mend_name(const struct origin_facts *facts, char fix[FINDING_FIX_SIZE])
{
    const char *who =
        facts->own_nameservers ? "the nameservers in net.nameservers" : "this machine's DNS";
    if (*facts->visit.place)
        snprintf(fix, FINDING_FIX_SIZE, "Correct that place in push.connect_to, or check %s.", who);
    else
        snprintf(fix, FINDING_FIX_SIZE, "Check the name and %s.%s", who, ELSEWHERE_ADVICE);
}

static const char *mend_connection(const struct origin_facts *facts)
{
    return *facts->visit.place
               ? "Check that it runs there and that no firewall or ban is between, "
                 "or correct that place in push.connect_to."
               : "Check that it runs and that no firewall or ban is between." ELSEWHERE_ADVICE;
}

/* NULL: as after a push. */
static const char *mend_tls(const struct origin_facts *facts)
{
    bool elsewhere = *facts->visit.place;
    switch (facts->visit.flaw) {
    case VISIT_FLAW_NAME:
        return elsewhere
                   ? "Let what runs there answer with a certificate for the push server's own "
                     "name, or correct that place in push.connect_to."
                   : "Let it answer with a certificate for this name, or enter the name that "
                     "its certificate is for in the phone's UnifiedPush app.";
    case VISIT_FLAW_ISSUER:
        return facts->own_roots
                   ? "Let it send the certificates that lead to its root (fullchain.pem); if that "
                     "is a CA of your own, push.ca_file has another one: add it there."
                   : "Let it send the certificates that lead to its root (fullchain.pem); a CA of "
                     "your own goes into push.ca_file.";
    case VISIT_FLAW_NO_TLS:
        return elsewhere ? "What runs there speaks no TLS: correct the port in push.connect_to."
                         : "It speaks no TLS on this port: correct http or https, or the port, in "
                           "the phone's UnifiedPush app.";
    case VISIT_FLAW_EXPIRED:
    case VISIT_FLAW_OTHER:
        break;
    }
    return NULL;
}

static void write_fix(const struct origin_facts *facts, const char *advice,
                      char fix[FINDING_FIX_SIZE])
{
    const char *own = NULL;
    fix[0] = '\0';
    switch (facts->visit.end) {
    case VISIT_NO_ADDRESS:
        mend_name(facts, fix);
        return;
    case VISIT_NO_ROUTE:
    case VISIT_NO_CONNECT:
        own = mend_connection(facts);
        break;
    case VISIT_NO_TLS:
        own = mend_tls(facts);
        break;
    default:
        break;
    }
    if (own || advice)
        snprintf(fix, FINDING_FIX_SIZE, "%s%s", own ? own : advice, own ? "" : ".");
}

static void diagnose_failure(struct findings *findings, const struct origin_facts *facts,
                             const struct push_answer *answer, const char *concerned)
{
    struct verdict verdict;
    char fix[FINDING_FIX_SIZE], where[WHERE_SIZE];
    const char *why = facts->visit.why;
    verdict_judge(&verdict, answer, 0);
    write_fix(facts, verdict_advice(verdict.cause), fix);
    findings_add(findings, SEVERITY_FAULT, push_subject, fix, "%s: %s%s%s%s%s.",
                 write_where(where, facts), verdict_meaning(verdict.cause), *why ? " (" : "", why,
                 *why ? ")" : "", concerned);
}

/* In the policy's own words, which have the entry that allows it where there may be one. */
static void diagnose_denied(struct findings *findings, const struct origin_facts *facts,
                            const char *concerned)
{
    char what[FINDING_WHAT_SIZE], fix[FINDING_FIX_SIZE], where[WHERE_SIZE];
    const char *why = facts->visit.why;
    bool may_be = refusal_allow(why, facts->origin,
                                "if not, check this machine's DNS: it is not that name's address.",
                                what, fix);
    if (!may_be && strstr(why, "push.denied"))
        snprintf(fix, sizeof fix,
                 "If it is to be rung, take that entry out of push.denied; if it is not that "
                 "name's address, check this machine's DNS.");
    else if (!may_be)
        snprintf(fix, sizeof fix,
                 "Let this name through where names are blocked, or check this machine's DNS and "
                 "its /etc/hosts.");
    findings_add(findings, SEVERITY_FAULT, push_subject, fix, "%s: %s%s.",
                 write_where(where, facts), what, concerned);
}

static void diagnose_unanswered(struct findings *findings, const struct origin_facts *facts,
                                const char *concerned)
{
    static const enum push_failure failures[] = {
        [VISIT_NO_ADDRESS] = PUSH_NO_ADDRESS,
        [VISIT_NO_ROUTE] = PUSH_NO_CONNECT,
        [VISIT_NO_CONNECT] = PUSH_NO_CONNECT,
        [VISIT_NO_TLS] = PUSH_NO_TLS,
    };
    const struct visit_facts *visit = &facts->visit;
    char fix[FINDING_FIX_SIZE], where[WHERE_SIZE];
    const char *family =
        diagnose_family(visit, ", or say in push.connect_to where it is without that", fix);
    bool is_untimely = visit->end == VISIT_NO_TLS && visit->flaw == VISIT_FLAW_EXPIRED;
    write_where(where, facts);
    if (family)
        findings_add(findings, SEVERITY_FAULT, push_subject, fix, "%s %s%s.", where, family,
                     concerned);
    else if (visit->end == VISIT_DENIED)
        diagnose_denied(findings, facts, concerned);
    else if (visit->end == VISIT_NO_ANSWER) /* no phone has to do with its front page */
        findings_add(findings, SEVERITY_FAULT, push_subject,
                     "Check that it runs, and look at its log or that of the proxy before it.",
                     "%s gives no answer (%s)%s.", where, visit->why, concerned);
    else
        diagnose_failure(
            findings, facts,
            &(struct push_answer){.failure = is_untimely ? PUSH_UNTIMELY : failures[visit->end]},
            concerned);
}

static void diagnose_dead(struct findings *findings, const struct origin_facts *facts)
{
    const char *name;
    const struct visit_facts *dead = diagnose_dead_family(&facts->v4, &facts->v6, &name);
    char end[VISIT_WHY_SIZE + 64], fix[FINDING_FIX_SIZE], where[WHERE_SIZE];
    if (!dead)
        return;
    diagnose_end(end, sizeof end, dead);
    snprintf(fix, sizeof fix,
             "Let it answer there as well, take that address out of the DNS, or set net.family to "
             "%s: rings may wait for it.",
             dead == &facts->v4 ? "ipv6" : "ipv4");
    findings_add(findings, SEVERITY_WARNING, push_subject, fix, "%s answers, but over %s it %s.",
                 write_where(where, facts), name, end);
}

void diagnose_origin(struct findings *findings, const struct origin_facts *facts,
                     const char *concerned)
{
    char where[WHERE_SIZE];
    if (facts->visit.end == VISIT_NOT_MADE)
        findings_add(findings, SEVERITY_UNCHECKED, push_subject, NULL, "%s was not asked.",
                     facts->origin);
    else if (!visit_answered(&facts->visit))
        diagnose_unanswered(findings, facts, concerned);
    else if (concern_origin_fails(facts)) /* a proxy before it says so */
        diagnose_failure(findings, facts, &(struct push_answer){.status = facts->visit.status},
                         concerned);
    else
        findings_add(findings, SEVERITY_WELL, push_subject, NULL, "%s answers.",
                     write_where(where, facts));
    diagnose_dead(findings, facts);
}

static void diagnose_its_accounts(struct findings *findings, const struct origin_facts *facts,
                                  const json_t *accounts, const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    struct concern concern = {0};
    char concerned[CONCERN_SIZE];
    for (size_t i = 0; i < json_array_size(accounts); i++)
        if (concern_is_of_origin(json_array_get(accounts, i), facts))
            concern_add(&concern, json_array_get(accounts, i), key);
    concern_write(concerned, &concern, "not rung");
    size_t first = findings->count;
    bool had_fault = findings->has_fault;
    diagnose_origin(findings, facts, concerned);
    diagnose_judged(findings, first, had_fault, facts->judged);
}

void diagnose_origins(struct findings *findings, const struct probe_facts *facts,
                      const json_t *accounts, const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    for (size_t i = 0; i < facts->origin_count; i++)
        diagnose_its_accounts(findings, &facts->origins[i], accounts, key);
    if (facts->origins_more)
        findings_add(findings, SEVERITY_UNCHECKED, push_subject, NULL,
                     "%zu more push servers were not asked.", facts->origins_more);
}
