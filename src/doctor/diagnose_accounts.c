#include <stdio.h>
#include <string.h>

#include "bridge/view.h"
#include "control/told.h"
#include "doctor/concern.h"
#include "doctor/diagnose.h"
#include "doctor/refusal.h"

enum {
    WELL_NAMED_MOST = 8, /* accounts that are shown with their times */
    ACCOUNT_SIZE = 448,
};

static const char accounts_subject[] = "accounts";

static const char *name_of(char name[PSEUDONYM_SIZE], const json_t *account,
                           const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    const char *pseudonym = told_text(account, "pseudonym");
    log_pseudonym(name, key, pseudonym, strlen(pseudonym));
    return name;
}

/* The whole */

static bool diagnose_server(struct findings *findings, const json_t *bridge)
{
    if (told_true(bridge, "running"))
        return true;
    findings_add(findings, SEVERITY_FAULT, "server",
                 "Start it (systemctl start doorbell, docker compose up -d, or doorbell server), "
                 "and run this again.",
                 "No server runs, so nobody is rung.");
    return false;
}

/* What all accounts see of Signal's server, which was looked at. */
static bool is_told_of_signal(const char *advice, const struct probe_facts *facts)
{
    static const enum view_alarm alarms[] = {VIEW_ALARM_CLIENT, VIEW_ALARM_SERVER,
                                             VIEW_ALARM_CLOCK};
    bool is_alarm = false;
    for (size_t i = 0; i < sizeof alarms / sizeof *alarms; i++)
        is_alarm |= strcmp(advice, view_alarm_advice(alarms[i])) == 0;
    return is_alarm && facts && concern_signal_fails(&facts->signal);
}

/* Each of these sentences has its remedy in it. */
static void diagnose_all(struct findings *findings, const json_t *bridge,
                         const struct probe_facts *facts)
{
    const json_t *list = json_object_get(bridge, "advice");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *advice = json_string_value(json_array_get(list, i));
        if (!is_told_of_signal(advice, facts))
            findings_add(findings, SEVERITY_FAULT, "all accounts", NULL, "%s", advice);
    }
}

bool diagnose_is_said_of_all(const json_t *bridge, const char *advice)
{
    const json_t *list = json_object_get(bridge, "advice");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), advice) == 0)
            return true;
    return false;
}

/* Each account needs a connection. That none is left is among what concerns all. */
static void diagnose_room(struct findings *findings, const json_t *bridge)
{
    int64_t most = told_number(bridge, "links_most"), accounts = told_number(bridge, "accounts");
    if (!most || told_true(bridge, "no_room"))
        return;
    if (accounts > most / 5 * 4)
        findings_add(findings, SEVERITY_WARNING, "open files",
                     "Raise the limit (LimitNOFILE=, ulimit -n) and restart.",
                     "The server may open as many files as %lld accounts need, and there are %lld.",
                     (long long)most, (long long)accounts);
    else
        findings_add(findings, SEVERITY_WELL, "open files", NULL,
                     "The server may open as many as %lld accounts need.", (long long)most);
}

static bool is_refused(const json_t *bridge)
{
    return json_is_object(json_object_get(bridge, "refused"));
}

/* A phone that came and was refused is all that there is to mend where there is no account. */
static void diagnose_refused(struct findings *findings, const json_t *bridge)
{
    const json_t *refused = json_object_get(bridge, "refused");
    bool alone = !told_number(bridge, "accounts");
    char at[FINDING_TIME_SIZE], what[FINDING_WHAT_SIZE], fix[FINDING_FIX_SIZE];
    if (!is_refused(bridge))
        return;
    refusal_explain(told_text(refused, "status"), told_text(refused, "why"),
                    told_text(refused, "origin"), what, fix);
    findings_add(findings, alone ? SEVERITY_FAULT : SEVERITY_WARNING, accounts_subject, fix,
                 "A phone came at %s and %s: %s.", findings_time(at, told_number(refused, "at")),
                 refusal_fate(told_text(refused, "status")), what);
}

static const char *advise_nobody(enum linking linking)
{
    switch (linking) {
    case LINKING_BY_WEB:
        return "Scan the code of \"doorbell setup\" in Molly's Settings, Notifications, where "
               "UnifiedPush is the delivery method. If there is no such entry, this Molly is "
               "itself a linked device, and its primary phone is the one to link; if there is one, "
               "open the public address in the phone's browser to see whether it gets here.";
    case LINKING_UNKNOWN:
        return "Run \"doorbell setup\": it asks for the public address, shows the code to scan in "
               "Molly's Settings, Notifications, UnifiedPush, and waits for the phone. Without "
               "such an address, paste the line that Molly shows then there, or run it here as "
               "\"doorbell connection add ...\". If Molly has no UnifiedPush, it is itself a "
               "linked device, and its primary phone is the one to link.";
    case LINKING_BY_HAND:
        break;
    }
    return "No phone comes in by itself: \"doorbell setup\" shows a code. Scan it in Molly's "
           "Settings, Notifications, UnifiedPush, and paste the line that Molly shows then there, "
           "or run it here as \"doorbell connection add ...\".";
}

void diagnose_phones(struct findings *findings, const json_t *status, enum linking linking)
{
    const json_t *bridge = json_object_get(status, "bridge");
    diagnose_refused(findings, bridge);
    if (!told_number(bridge, "accounts"))
        findings_add(findings, SEVERITY_FAULT, accounts_subject,
                     is_refused(bridge) ? NULL : advise_nobody(linking),
                     "No account is registered, so nobody is rung.");
}

/* What fails */

static bool is_troubled(const json_t *account)
{
    return told_is(account, "health", "broken") || told_is(account, "health", "trying");
}

static const char *origin_of(const json_t *account)
{
    return told_text(json_object_get(account, "endpoint"), "origin");
}

/* What a push server has to do with is told for each of them; what is between Signal and us is one
 * trouble, wherever the accounts ring. */
static bool is_alike(const json_t *account, const json_t *other)
{
    const json_t *link = json_object_get(account, "link");
    const json_t *others_link = json_object_get(other, "link");
    bool pushes = !concern_is_endpoint_well(account);
    if (!told_is(account, "health", told_text(other, "health")) ||
        !told_is(account, "advice", told_text(other, "advice")) ||
        pushes == concern_is_endpoint_well(other))
        return false;
    if (pushes)
        return strcmp(origin_of(account), origin_of(other)) == 0;
    return *told_text(account, "advice") ||
           told_is(link, "reason", told_text(others_link, "reason"));
}

/* Looks at one account of each trouble, not at each account: there may be tens of thousands. */
static bool is_told_before(json_t *told, json_t *account)
{
    for (size_t k = 0; k < json_array_size(told); k++)
        if (is_alike(json_array_get(told, k), account))
            return true;
    json_array_append(told, account);
    return false;
}

/* "Account 0123456789" or "3 accounts (0123456789, ...)"; false: they have several push servers. */
static bool write_names(char names[CONCERN_NAMES_SIZE], const json_t *accounts, size_t first,
                        const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    const json_t *one = json_array_get(accounts, first);
    struct concern concern = {0};
    bool same_origin = true;
    for (size_t i = first; i < json_array_size(accounts); i++) {
        const json_t *account = json_array_get(accounts, i);
        if (!is_alike(account, one))
            continue;
        same_origin &= strcmp(origin_of(account), origin_of(one)) == 0;
        concern_add(&concern, account, key);
    }
    concern_names(names, &concern);
    if (concern.count == 1)
        names[0] = 'A';
    return same_origin;
}

/* The advice of the status has its cause in front; the finding has that already. */
static void write_advice(char fix[FINDING_FIX_SIZE], const char *advice, const char *what)
{
    char cause[FINDING_FIX_SIZE];
    const char *colon = strstr(advice, ": ");
    snprintf(cause, sizeof cause, "%.*s", colon ? (int)(colon - advice) : 0, advice);
    snprintf(fix, FINDING_FIX_SIZE, "%s", *cause && strstr(what, cause) ? colon + 2 : advice);
    if (fix[0] >= 'a' && fix[0] <= 'z')
        fix[0] = (char)(fix[0] - 'a' + 'A');
}

/* Both halves, whichever the remedy is for, and of several accounts the first one's; but a push
 * server that not all of them have is not what troubles them. */
static void diagnose_trouble(struct findings *findings, const json_t *accounts, size_t first,
                             const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    const json_t *account = json_array_get(accounts, first);
    const json_t *link = json_object_get(account, "link");
    const json_t *endpoint = json_object_get(account, "endpoint");
    int64_t owed_since = told_number(account, "owed_since");
    char names[CONCERN_NAMES_SIZE], owed[FINDING_TIME_SIZE], debt[64] = "",
                                                             pushes[ACCOUNT_SIZE] = "";
    if (write_names(names, accounts, first, key))
        snprintf(pushes, sizeof pushes, "; push server %s: %s", origin_of(account),
                 told_text(endpoint, "words"));
    if (owed_since)
        snprintf(debt, sizeof debt, "; a ring is owed since %s", findings_time(owed, owed_since));
    const char *advice = told_text(account, "advice");
    bool passes = told_is(account, "health", "off") || !*advice;
    char fix[FINDING_FIX_SIZE];
    write_advice(fix, *advice ? advice : "It is tried again by itself: run this again in a minute.",
                 told_text(endpoint, "words"));
    findings_add(findings, passes ? SEVERITY_WARNING : SEVERITY_FAULT, accounts_subject, fix,
                 "%s: Signal: %s%s%s.", names, told_text(link, "words"), pushes, debt);
}

/* What is well */

static void write_message(char text[ACCOUNT_SIZE], const json_t *account, const json_t *bridge)
{
    const json_t *message = json_object_get(account, "message");
    char at[FINDING_TIME_SIZE];
    if (told_number(message, "at"))
        snprintf(text, ACCOUNT_SIZE, "last message %s%s",
                 findings_time(at, told_number(message, "at")),
                 told_true(message, "urgent") ? "" : " (not urgent, not rung)");
    else
        snprintf(text, ACCOUNT_SIZE, "no message since the start at %s",
                 findings_time(at, told_number(bridge, "started")));
}

static void write_ring(char text[ACCOUNT_SIZE], const json_t *account)
{
    const json_t *ring = json_object_get(account, "ring");
    const json_t *endpoint = json_object_get(account, "endpoint");
    const char *origin = told_text(endpoint, "origin");
    int64_t rang = told_number(ring, "at"), accepted = told_number(endpoint, "accepted");
    char at[FINDING_TIME_SIZE];
    if (rang)
        snprintf(text, ACCOUNT_SIZE, "rang %s, %s %d", findings_time(at, rang), origin,
                 (int)told_number(ring, "status"));
    else if (accepted)
        snprintf(text, ACCOUNT_SIZE, "%s accepted a test at %s", origin,
                 findings_time(at, accepted));
    else
        snprintf(text, ACCOUNT_SIZE, "%s was not asked since the start", origin);
}

static void diagnose_well(struct findings *findings, const json_t *account, const json_t *bridge,
                          const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    const json_t *link = json_object_get(account, "link");
    char name[PSEUDONYM_SIZE], message[ACCOUNT_SIZE], ring[ACCOUNT_SIZE];
    name_of(name, account, key);
    if (!told_is(link, "state", "up") || json_is_false(json_object_get(link, "proven"))) {
        findings_add(findings, SEVERITY_UNCHECKED, accounts_subject, "Run this again in a minute.",
                     "Account %s: Signal: %s.", name, told_text(link, "words"));
        return;
    }
    write_message(message, account, bridge);
    write_ring(ring, account);
    findings_add(findings, SEVERITY_WELL, accounts_subject, NULL,
                 "Account %s: Signal accepted its login and showed its queue; %.300s; %.300s.",
                 name, message, ring);
}

static void diagnose_each(struct findings *findings, const json_t *status,
                          const uint8_t key[PSEUDONYM_KEY_SIZE], const struct probe_facts *facts,
                          bool running)
{
    const json_t *bridge = json_object_get(status, "bridge");
    const json_t *accounts = json_object_get(status, "accounts");
    json_t *told = json_array();
    size_t well = 0;
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        json_t *account = json_array_get(accounts, i);
        if (concern_is_told(account, facts))
            continue;
        if (is_troubled(account) || told_is(account, "health", "off")) {
            if (!is_told_before(told, account) &&
                !diagnose_is_said_of_all(bridge, told_text(account, "advice")))
                diagnose_trouble(findings, accounts, i, key);
        } else if (running && well++ < WELL_NAMED_MOST) {
            diagnose_well(findings, account, bridge, key);
        }
    }
    json_decref(told);
    if (well > WELL_NAMED_MOST)
        findings_add(findings, SEVERITY_WELL, accounts_subject, NULL,
                     "%zu more accounts are without a fault; \"doorbell status\" has them all.",
                     well - WELL_NAMED_MOST);
}

void diagnose_accounts(struct findings *findings, const json_t *status,
                       const uint8_t key[PSEUDONYM_KEY_SIZE], const struct probe_facts *facts)
{
    const json_t *bridge = json_object_get(status, "bridge");
    bool running = diagnose_server(findings, bridge);
    diagnose_all(findings, bridge, facts);
    diagnose_room(findings, bridge);
    diagnose_each(findings, status, key, facts, running);
}
