#include <stdio.h>

#include "control/told.h"
#include "doctor/diagnose.h"

enum { SHOWN_OF_WHY = 320 };

static const char subject[] = "alerts";

/* What is sent to whom. */
struct watcher {
    const struct origin_facts *facts;
    const json_t *told; /* by the running server; null or NULL: it sends nothing, or does not say */
    const char *what;   /* "Alerts" */
    const char *loss;   /* a sentence without its end, where nothing arrives */
    const char *fix;
};

/* Its front page may be open to everybody, and what is sent is refused all the same. */
static void diagnose_refused(struct findings *findings, const struct watcher *watcher,
                             int64_t since_unix)
{
    char since[FINDING_TIME_SIZE];
    findings_add(findings, SEVERITY_WARNING, subject, watcher->fix,
                 "%s: %s has taken none since %s: %.*s.", watcher->loss,
                 told_text(watcher->told, "origin"), findings_time(since, since_unix), SHOWN_OF_WHY,
                 told_text(watcher->told, "why"));
}

/* Of a server whose environment says what this command does not know. */
static void diagnose_unseen(struct findings *findings, const struct watcher *watcher)
{
    if (json_is_object(watcher->told))
        findings_add(findings, SEVERITY_UNCHECKED, subject, NULL,
                     "%s go to %s, by the running server's word; that was not looked at from here.",
                     watcher->what, told_text(watcher->told, "origin"));
}

static void diagnose_watcher(struct findings *findings, const struct watcher *watcher)
{
    char end[VISIT_WHY_SIZE + 64], mend[FINDING_FIX_SIZE];
    const struct visit_facts *visit = &watcher->facts->visit;
    const char *family = diagnose_family(visit, "", mend);
    bool answers = visit_answered(visit), otherwise = watcher->facts->judged == JUDGED_OTHERWISE;
    bool made = answers || (visit->end != VISIT_NOT_MADE && !otherwise);
    int64_t since_unix = told_number(watcher->told, "since");
    diagnose_end(end, sizeof end, visit);
    if (made && !answers)
        findings_add(findings, SEVERITY_WARNING, subject, family ? mend : watcher->fix,
                     "%s: %s %s.", watcher->loss, watcher->facts->origin, family ? family : end);
    else if (since_unix)
        diagnose_refused(findings, watcher, since_unix);
    else if (made)
        findings_add(findings, SEVERITY_WELL, subject, NULL, "%s answers.", watcher->facts->origin);
    else
        diagnose_unseen(findings, watcher);
}

void diagnose_alerts(struct findings *findings, const struct probe_facts *facts)
{
    const struct watcher alerts = {.facts = &facts->alerts,
                                   .told = json_object_get(facts->told, "alerts"),
                                   .what = "Alerts",
                                   .loss = "Nobody is told when something breaks",
                                   .fix = "Check alert.url and alert.token, and whether this "
                                          "machine reaches it."};
    const struct watcher heartbeat = {.facts = &facts->heartbeat,
                                      .told = json_object_get(facts->told, "heartbeat"),
                                      .what = "Heartbeats",
                                      .loss = "The heartbeat does not arrive",
                                      .fix = "Check alert.heartbeat_url, and whether this machine "
                                             "reaches it."};
    if (facts->alerts.visit.end == VISIT_NOT_MADE && !json_is_object(alerts.told))
        findings_add(findings, SEVERITY_UNCHECKED, subject,
                     "Set it to an ntfy topic or another webhook; \"doorbell setup\" asks for it.",
                     "Nobody is told when something breaks, because alert.url is not set.");
    diagnose_watcher(findings, &alerts);
    diagnose_watcher(findings, &heartbeat);
}
