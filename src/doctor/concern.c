#include "doctor/concern.h"

#include <stdio.h>
#include <string.h>

#include "control/told.h"
#include "doctor/findings.h"
#include "doctor/reach.h"

enum { NAMES_MOST = 5 };

/* Their names */

void concern_add(struct concern *concern, const json_t *account,
                 const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    const char *pseudonym = told_text(account, "pseudonym");
    int64_t owed_since = told_number(account, "owed_since");
    char name[PSEUDONYM_SIZE];
    if (owed_since && (!concern->owed_since || owed_since < concern->owed_since))
        concern->owed_since = owed_since;
    if (concern->count++ >= NAMES_MOST)
        return;
    log_pseudonym(name, key, pseudonym, strlen(pseudonym));
    concern->used +=
        (size_t)snprintf(concern->list + concern->used, sizeof concern->list - concern->used,
                         "%s%s", concern->used ? ", " : "", name);
}

void concern_names(char names[CONCERN_NAMES_SIZE], const struct concern *concern)
{
    if (concern->count == 1)
        snprintf(names, CONCERN_NAMES_SIZE, "account %.*s", PSEUDONYM_SIZE, concern->list);
    else
        snprintf(names, CONCERN_NAMES_SIZE, "%zu accounts (%.90s%s)", concern->count, concern->list,
                 concern->count > NAMES_MOST ? ", ..." : "");
}

void concern_write(char text[CONCERN_SIZE], const struct concern *concern, const char *what)
{
    char names[CONCERN_NAMES_SIZE], at[FINDING_TIME_SIZE], owed[64] = "";
    text[0] = '\0';
    if (!concern->count)
        return;
    concern_names(names, concern);
    if (concern->owed_since)
        snprintf(owed, sizeof owed, ", and a ring is owed since %s",
                 findings_time(at, concern->owed_since));
    snprintf(text, CONCERN_SIZE, "; %s %s %s%s", names, concern->count == 1 ? "is" : "are", what,
             owed);
}

/* Their trouble */

bool concern_origin_fails(const struct origin_facts *origin)
{
    const struct visit_facts *visit = &origin->visit;
    if (origin->judged != JUDGED_ALIKE)
        return false;
    return visit_answered(visit) ? visit_is_of_proxy(visit->status) : visit->end != VISIT_NOT_MADE;
}

static bool is_link_well(const json_t *account)
{
    const json_t *link = json_object_get(account, "link");
    bool tries = told_is(link, "state", "connecting") || told_is(link, "state", "backing-off");
    return told_is(link, "state", "up") || (tries && !*told_text(link, "reason"));
}

bool concern_is_of_origin(const json_t *account, const struct origin_facts *origin)
{
    const json_t *endpoint = json_object_get(account, "endpoint");
    int status = (int)told_number(endpoint, "status");
    if (!concern_origin_fails(origin) || !told_is(endpoint, "origin", origin->origin) ||
        told_true(endpoint, "denied") || told_is(account, "health", "off") ||
        told_is(endpoint, "state", "gone"))
        return false;
    return told_is(endpoint, "state", "ok") || !status || visit_is_of_proxy(status);
}

bool concern_signal_fails(const struct signal_facts *signal)
{
    return signal->judged == JUDGED_ALIKE && !reach_opens(&signal->roads[reach_taken(signal)]);
}

/* What is the account's own (that it was unlinked, that another program has it) is not among them.
 */
bool concern_is_of_signal(const json_t *account, const struct signal_facts *signal)
{
    static const char *const reasons[] = {"unreachable", "lost",          "server_trouble",
                                          "middlebox",   "rate_limited",  "misconfigured",
                                          "untimely",    "client_refused"};
    const json_t *link = json_object_get(account, "link");
    bool tries = told_is(link, "state", "connecting") || told_is(link, "state", "backing-off");
    bool is_common = false;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        is_common |= told_is(link, "reason", reasons[i]);
    return concern_signal_fails(signal) && tries && is_common;
}

static const struct origin_facts *origin_of(const json_t *account, const struct probe_facts *facts)
{
    for (size_t i = 0; i < facts->origin_count; i++)
        if (concern_is_of_origin(account, &facts->origins[i]))
            return &facts->origins[i];
    return NULL;
}

bool concern_is_endpoint_well(const json_t *account)
{
    const json_t *endpoint = json_object_get(account, "endpoint");
    return told_is(endpoint, "state", "ok") && !told_true(endpoint, "denied");
}

bool concern_is_told(const json_t *account, const struct probe_facts *facts)
{
    if (!facts)
        return false;
    bool of_signal = concern_is_of_signal(account, &facts->signal);
    bool of_origin = origin_of(account, facts);
    return (of_signal || of_origin) && (of_signal || is_link_well(account)) &&
           (of_origin || concern_is_endpoint_well(account));
}
