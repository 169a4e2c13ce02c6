#include <stdio.h>

#include "control/told.h"
#include "doctor/diagnose.h"

static const char subject[] = "port";

void diagnose_deaf(struct findings *findings, const json_t *status)
{
    const json_t *deaf = json_object_get(status, "deaf");
    for (size_t i = 0; i < json_array_size(deaf); i++) {
        const json_t *one = json_array_get(deaf, i);
        char fix[FINDING_FIX_SIZE];
        snprintf(fix, sizeof fix,
                 "Mend that, then reload the server; or set %s to none if you need none.",
                 told_text(one, "setting"));
        findings_add(findings, SEVERITY_WARNING, subject, fix, "%s: %s.", told_text(one, "setting"),
                     told_text(one, "why"));
    }
}

/* To start it is no advice as long as that stands. */
void diagnose_port(struct findings *findings, const char *why)
{
    findings_add(findings, SEVERITY_FAULT, subject,
                 "Do that first, then start it. Only where doorbell.socket of systemd listens "
                 "there for it, as it should, start it at once.",
                 "The server could not start: web.listen: %s.", why);
}
