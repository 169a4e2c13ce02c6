#include <string.h>

#include "doctor/diagnose.h"

static const char subject[] = "sandbox";

static const char *wall_of(const json_t *sandbox, const char *name)
{
    const char *wall = json_string_value(json_object_get(sandbox, name));
    return wall ? wall : "";
}

static bool is_on(const json_t *sandbox, const char *name)
{
    return strcmp(wall_of(sandbox, name), "on") == 0;
}

/* What is not there may be lacking in the kernel, or be kept from us by a container's rules. */
static void diagnose_missing(struct findings *findings, const char *what, const char *fix)
{
    findings_add(findings, SEVERITY_WARNING, subject, fix,
                 "%s not walled off from the running server; its log says why, where it starts.",
                 what);
}

void diagnose_sandbox(struct findings *findings, const json_t *status)
{
    const json_t *sandbox = json_object_get(status, "sandbox");
    if (!sandbox)
        return;
    if (strcmp(wall_of(sandbox, "files"), "off") == 0) {
        findings_add(findings, SEVERITY_WARNING, subject,
                     "Take the setting sandbox out and restart the server, unless something fails "
                     "with it here (docs/sandbox.md).",
                     "The sandbox is off, as the setting sandbox has it.");
        return;
    }
    if (!is_on(sandbox, "files"))
        diagnose_missing(findings, "Files are",
                         "Landlock does it: Linux 5.13 or later, switched on at boot, and a "
                         "container's rules that allow it (docs/sandbox.md).");
    if (!is_on(sandbox, "calls"))
        diagnose_missing(findings, "System calls are",
                         "seccomp does it: Linux 4.14 or later, and a container's rules that "
                         "allow it (docs/sandbox.md).");
    if (is_on(sandbox, "files") && is_on(sandbox, "calls"))
        findings_add(findings, SEVERITY_WELL, subject, NULL,
                     "It is on, for files and system calls.");
}
