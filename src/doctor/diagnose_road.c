#include "control/told.h"
#include "doctor/diagnose.h"
#include "doctor/reach.h"

static const char subject[] = "Signal";

/* That nobody gets a link on either road is told by what the visits saw. */
static bool is_told(const struct probe_facts *facts)
{
    if (!facts || facts->signal.judged != JUDGED_ALIKE)
        return false;
    return reach_fails(&facts->signal.roads[reach_taken(&facts->signal)]);
}

void diagnose_road(struct findings *findings, const json_t *status, const struct probe_facts *facts)
{
    const json_t *road = json_object_get(status, "road");
    long long streams = told_number(road, "streams");
    long long connections = told_number(road, "connections");
    bool has_left = told_text(road, "why")[0];
    if (has_left && !is_told(facts))
        findings_add(
            findings, SEVERITY_WARNING, subject,
            "Nothing has to be done: HTTP/2 is tried again by itself. Where it never works, "
            "signal.transport: http1 ends the trials.",
            "It is reached over %s, because over HTTP/2: %s.", told_text(road, "name"),
            told_text(road, "why"));
    else if (!has_left && told_is(road, "name", "HTTP/2") && streams)
        findings_add(findings, SEVERITY_WELL, subject, NULL,
                     "It is reached over HTTP/2: %lld link%s on %lld connection%s.", streams,
                     streams == 1 ? "" : "s", connections, connections == 1 ? "" : "s");
}
