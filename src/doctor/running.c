#include "doctor/running.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/likeness.h"
#include "config/schema.h"
#include "control/client.h"
#include "control/told.h"
#include "doctor/reach.h"

enum {
    PATIENCE_S = 5,
    NAMES_MOST = 5, /* of settings in one sentence */
    NAMES_SIZE = 320,
    WHY_SIZE = 400, /* of a refused reload, with room for the rest of the sentence */
};

#define FOR_RESTART "(systemctl restart doorbell, docker compose restart)"
#define FOR_RELOAD "(systemctl reload doorbell, docker kill -s HUP doorbell)"
#define THEN_AGAIN ", then run this again: what else is found may be over with that."

static const char subject[] = "running server";

json_t *running_ask(const struct config *config, json_t *request, struct err *err)
{
    json_t *answer = control_ask_within(config, request, PATIENCE_S, err);
    json_decref(request);
    if (told_true(answer, "done"))
        return answer;
    json_decref(answer);
    return NULL;
}

json_t *running_compare(const struct config *config)
{
    struct err err;
    json_t *request = likeness_ask(config);
    json_object_set_new(request, "command", json_string("compare"));
    return running_ask(config, request, &err);
}

/* Where a difference comes from */

enum origin {
    FROM_FILES,  /* both can read them */
    FROM_SERVER, /* its environment or command line */
    FROM_HERE,   /* likewise, of this command */
    FROM_NOWHERE /* told elsewhere, or no difference that matters */
};

/* A variable, or an option: what only the process itself has. */
static bool is_own(const char *place)
{
    static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return place &&
           (strcmp(place, "command line") == 0 || strspn(place, capitals) == strlen(place));
}

static bool is_credential(const char *place)
{
    return place && text_starts(place, "credential ");
}

/* Of keys that systemd hands over, a command sees the place that they come from (diagnose_key).
 * What nobody wrote follows from another setting, or from a version. How much is logged changes
 * nothing that is judged here. */
static enum origin origin_of(const struct config *config, const json_t *difference)
{
    const char *setting = json_string_value(json_object_get(difference, "setting"));
    const char *theirs = json_string_value(json_object_get(difference, "place"));
    if (!setting || !schema_find(setting))
        return FROM_NOWHERE;
    if (told_true(difference, "content"))
        return FROM_FILES;
    const char *ours = config_place(config, setting);
    if ((!ours && !theirs) || is_credential(ours) || is_credential(theirs))
        return FROM_NOWHERE;
    if (!is_own(ours) && !is_own(theirs))
        return FROM_FILES;
    if (text_starts(setting, "log."))
        return FROM_NOWHERE;
    return is_own(theirs) ? FROM_SERVER : FROM_HERE;
}

/* What differs for one reason. */
struct group {
    size_t count;
    bool fixed;             /* one of them at least needs a restart */
    char names[NAMES_SIZE]; /* "push.denied, alert.url (DOORBELL_ALERT_URL) and 2 more" */
};

static void __attribute__((format(printf, 2, 3))) add(struct group *group, const char *format, ...)
{
    size_t used = strlen(group->names);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(group->names + used, sizeof group->names - used, format, arguments);
    va_end(arguments);
}

static void name(struct group *group, const char *setting, const char *place)
{
    if (group->count++ >= NAMES_MOST)
        return;
    add(group, "%s%s", group->count > 1 ? ", " : "", setting);
    if (place)
        add(group, " (%s)", place);
}

static void gather(struct group *group, enum origin origin, const struct config *config,
                   const json_t *comparison)
{
    const json_t *differ = json_object_get(comparison, "differ");
    *group = (struct group){0};
    for (size_t i = 0; i < json_array_size(differ); i++) {
        const json_t *difference = json_array_get(differ, i);
        if (origin_of(config, difference) != origin)
            continue;
        const char *setting = json_string_value(json_object_get(difference, "setting"));
        const char *place = json_string_value(json_object_get(difference, "place"));
        if (origin != FROM_SERVER)
            place = origin == FROM_HERE ? config_place(config, setting) : NULL;
        if (told_true(difference, "content"))
            place = "what is in that file";
        group->fixed |= told_true(difference, "fixed");
        name(group, setting, place);
    }
    if (group->count > NAMES_MOST)
        add(group, " and %zu more", group->count - NAMES_MOST);
}

const char *running_place(const json_t *comparison, const char *setting)
{
    const json_t *differ = json_object_get(comparison, "differ");
    for (size_t i = 0; i < json_array_size(differ); i++) {
        const json_t *difference = json_array_get(differ, i);
        const char *name = json_string_value(json_object_get(difference, "setting"));
        const char *place = json_string_value(json_object_get(difference, "place"));
        if (name && strcmp(name, setting) == 0)
            return is_own(place) ? place : NULL;
    }
    return NULL;
}

/* What was looked at by settings that the server does not have */

static enum judged worse(enum judged a, enum judged b)
{
    return a > b ? a : b;
}

static enum judged judged_by(const struct config *config, const json_t *comparison,
                             const char *setting)
{
    const json_t *differ = json_object_get(comparison, "differ");
    for (size_t i = 0; i < json_array_size(differ); i++) {
        const json_t *difference = json_array_get(differ, i);
        enum origin origin = origin_of(config, difference);
        if (origin != FROM_NOWHERE && told_is(difference, "setting", setting))
            return origin == FROM_FILES ? JUDGED_NOT_LOADED : JUDGED_OTHERWISE;
    }
    return JUDGED_ALIKE;
}

/* NULL: none, as of the address with which names are blocked. By the policy's own words. */
static const char *setting_that_denies(const char *why)
{
    if (strstr(why, "no setting allows it"))
        return NULL;
    return strstr(why, "push.denied") ? "push.denied" : "push.allowed_endpoints";
}

static const char *setting_of_end(const struct visit_facts *visit)
{
    if (visit->end == VISIT_DENIED)
        return setting_that_denies(visit->why);
    return visit->end == VISIT_NO_TLS ? "push.ca_file" : NULL;
}

/* By what decides whether a visit to a push server ends so. */
static enum judged judged_end(const struct config *config, const json_t *comparison,
                              const struct visit_facts *visit)
{
    static const char *const ways[] = {"push.connect_to", "net.nameservers", "net.family"};
    enum judged judged = JUDGED_ALIKE;
    const char *setting = setting_of_end(visit);
    if (visit->end == VISIT_NOT_MADE || visit->end == VISIT_ANSWERED)
        return judged;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        judged = worse(judged, judged_by(config, comparison, ways[i]));
    return setting ? worse(judged, judged_by(config, comparison, setting)) : judged;
}

/* Since the server's start: that it was accepted before says nothing of its settings. */
static bool is_rung(const json_t *account)
{
    const json_t *endpoint = json_object_get(account, "endpoint");
    return told_is(endpoint, "state", "ok") && told_number(endpoint, "accepted");
}

static bool all_are_rung(const json_t *status, const char *origin)
{
    const json_t *accounts = json_object_get(status, "accounts");
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        const json_t *account = json_array_get(accounts, i);
        const json_t *endpoint = json_object_get(account, "endpoint");
        if (told_is(endpoint, "origin", origin) && !is_rung(account))
            return false;
    }
    return true;
}

static bool is_refused(const struct visit_facts *visit)
{
    return visit_answered(visit) && visit->status == REACH_STATUS_REFUSED;
}

static bool refuses(const struct road_facts *road)
{
    return is_refused(&road->v4) || is_refused(&road->v6);
}

static bool has_no_tls(const struct road_facts *road)
{
    return road->v4.end == VISIT_NO_TLS || road->v6.end == VISIT_NO_TLS;
}

static enum judged judged_signal(const struct config *config, const json_t *comparison,
                                 const struct signal_facts *signal)
{
    const struct road_facts *http2 = &signal->roads[ROAD_HTTP2];
    const struct road_facts *http1 = &signal->roads[ROAD_HTTP1];
    bool refused = refuses(http1) || refuses(http2);
    bool no_tls = has_no_tls(http1) || has_no_tls(http2);
    const struct {
        const char *setting;
        bool decides;
    } ways[] = {{"signal.url", true},
                {"signal.transport", true},
                {"signal.http2_url", reach_is_open(http2)},
                {"net.nameservers", true},
                {"net.family", true},
                {"signal.ca_file", no_tls},
                {"signal.user_agent", refused},
                {"signal.user_agent_fallback", refused}};
    enum judged judged = JUDGED_ALIKE;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].decides)
            judged = worse(judged, judged_by(config, comparison, ways[i].setting));
    return judged == JUDGED_OTHERWISE ? judged : JUDGED_ALIKE;
}

void running_mark(struct probe_facts *facts, const struct config *config, const json_t *status,
                  const json_t *comparison)
{
    facts->signal.judged = judged_signal(config, comparison, &facts->signal);
    facts->signal.has_left = *told_text(json_object_get(status, "road"), "why");
    if (facts->public.linking != LINKING_BY_WEB && running_place(comparison, "web.public_url"))
        facts->public.linking = LINKING_BY_WEB; /* at an address that is not known here */
    facts->alerts.judged = judged_end(config, comparison, &facts->alerts.visit);
    facts->heartbeat.judged = judged_end(config, comparison, &facts->heartbeat.visit);
    for (size_t i = 0; i < facts->origin_count; i++) {
        struct origin_facts *origin = &facts->origins[i];
        origin->judged = judged_end(config, comparison, &origin->visit);
        if (origin->judged == JUDGED_NOT_LOADED && !all_are_rung(status, origin->origin))
            origin->judged = JUDGED_ALIKE; /* there is no sign that it is any better now */
    }
}

/* Findings */

static bool loses_phones(const struct probe_facts *facts)
{
    for (size_t i = 0; facts && i < facts->origin_count; i++)
        if (facts->origins[i].judged == JUDGED_NOT_LOADED)
            return true;
    return false;
}

static void write_fix(char fix[FINDING_FIX_SIZE], const struct probe_facts *facts, const char *text)
{
    snprintf(fix, FINDING_FIX_SIZE, "%s%s",
             loses_phones(facts) ? "First mend what is told of a push server, or its phones fall "
                                   "silent with this. "
                                 : "",
             text);
}

static void diagnose_refused(struct findings *findings, const struct group *files,
                             const json_t *refused, const struct probe_facts *facts)
{
    char at[FINDING_TIME_SIZE], fix[FINDING_FIX_SIZE];
    write_fix(fix, facts,
              told_true(refused, "for_restart") ? "Restart it " FOR_RESTART THEN_AGAIN
                                                : "Mend that and reload it " FOR_RELOAD
                                                  ", then run this again.");
    findings_add(
        findings, SEVERITY_WARNING, subject, fix,
        "Its last reload, at %s, was refused: %.*s. What it had before stays in force%s%s.",
        findings_time(at, told_number(refused, "at")), WHY_SIZE, told_text(refused, "why"),
        files->count ? "; other than here are " : "", files->names);
}

static void diagnose_files(struct findings *findings, const struct group *files,
                           const struct probe_facts *facts)
{
    char fix[FINDING_FIX_SIZE];
    write_fix(fix, facts,
              files->fixed ? "Restart it " FOR_RESTART THEN_AGAIN
                           : "Reload it " FOR_RELOAD THEN_AGAIN);
    if (files->count)
        findings_add(findings, SEVERITY_WARNING, subject, fix,
                     "It has not loaded what is configured here: it has another %s.", files->names);
}

/* The doctor works by what is configured here, so the rest was not looked at. */
static void diagnose_environments(struct findings *findings, const struct group *theirs,
                                  const struct group *ours)
{
    if (theirs->count)
        findings_add(findings, SEVERITY_UNCHECKED, subject,
                     "Run this with the same environment and options, or write that into "
                     "doorbell.yaml, which both read.",
                     "Its own environment or command line has another %s, which this command does "
                     "not know and did not look at.",
                     theirs->names);
    if (ours->count)
        findings_add(findings, SEVERITY_WARNING, subject,
                     "Take that out of the environment and options of this command, or write it "
                     "into doorbell.yaml, which both read.",
                     "This command has another %s, which the running server does not know.",
                     ours->names);
}

void diagnose_running(struct findings *findings, const struct config *config, const json_t *status,
                      const json_t *comparison, const struct probe_facts *facts)
{
    const json_t *refused = json_object_get(status, "refused_reload");
    struct group files, theirs, ours;
    gather(&files, FROM_FILES, config, comparison);
    gather(&theirs, FROM_SERVER, config, comparison);
    gather(&ours, FROM_HERE, config, comparison);
    if (json_is_object(refused))
        diagnose_refused(findings, &files, refused, facts);
    else
        diagnose_files(findings, &files, facts);
    diagnose_environments(findings, &theirs, &ours);
}

void diagnose_running_first(struct findings *findings)
{
    if (!findings->has_fault)
        return;
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].subject == subject &&
            findings->items[i].severity == SEVERITY_WARNING)
            findings->items[i].severity = SEVERITY_FAULT;
}
