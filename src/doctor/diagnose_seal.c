#include "doctor/diagnose.h"

static const char subject[] = "store";

/* Without a key it works as it should: who may read the file is all that protects it then. */
void diagnose_seal(struct findings *findings, const json_t *status)
{
    const json_t *sealed = json_object_get(status, "sealed");
    if (json_is_true(sealed))
        findings_add(findings, SEVERITY_WELL, subject, NULL,
                     "Device passwords in it are sealed. Account ids, endpoints and the key that "
                     "signs pushes are not; nor is what was copied before, or whoever reads the "
                     "server's key.");
    else if (sealed)
        findings_add(findings, SEVERITY_WELL, subject, NULL,
                     "Device passwords in it are in the clear: its file's mode protects them. "
                     "docs/sealing.md says how to seal them.");
}
