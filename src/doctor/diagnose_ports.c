#include <stdio.h>

#include "doctor/diagnose.h"
#include "web/listener.h"

static const char subject[] = "port";

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

void diagnose_deaf(struct findings *findings, const json_t *status)
{
    const json_t *deaf = json_object_get(status, "deaf");
    for (size_t i = 0; i < json_array_size(deaf); i++) {
        const json_t *one = json_array_get(deaf, i);
        char fix[FINDING_FIX_SIZE];
        snprintf(fix, sizeof fix,
                 "Mend that, then reload the server; or set %s to none if you need none.",
                 text_of(one, "setting"));
        findings_add(findings, SEVERITY_WARNING, subject, fix, "%s: %s.", text_of(one, "setting"),
                     text_of(one, "why"));
    }
}

/* To start it is no advice as long as that stands. */
void diagnose_ports(struct findings *findings, const struct strings *listen)
{
    struct err err;
    for (size_t i = 0; i < listen->count; i++)
        if (listener_try(listen->items[i], &err) != 0)
            findings_add(findings, SEVERITY_FAULT, subject,
                         "Do that first, then start it. Only where doorbell.socket of systemd "
                         "listens there for it, as it should, start it at once.",
                         "The server could not start: web.listen: %s.", err.text);
}
