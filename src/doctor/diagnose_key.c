#include <string.h>

#include "doctor/diagnose.h"

static const char key_subject[] = "VAPID key";

static const char *place_of(const struct key_facts *facts)
{
    return facts->place ? facts->place : "push.vapid_key";
}

/* Without it the server goes on, and does not start again: it makes no other one where accounts
 * were linked with the first. */
static void diagnose_missing(struct findings *findings, const struct key_facts *facts)
{
    if (facts->linked)
        findings_add(findings, SEVERITY_FAULT, key_subject,
                     "Put it back before the server is restarted; without a copy of it every phone "
                     "has to be linked again.",
                     "The VAPID key %s (push.vapid_key_file) has gone, and the accounts were "
                     "linked with it.",
                     place_of(facts));
    else if (*facts->running)
        findings_add(findings, SEVERITY_WARNING, key_subject,
                     "Restart the server before a phone is linked: it makes another one.",
                     "The VAPID key %s (push.vapid_key_file) has gone.", place_of(facts));
}

/* Which of the two is the right one, only the operator knows: he may have put the old one back. */
static void diagnose_changed(struct findings *findings, const struct key_facts *facts)
{
    if (facts->linked)
        findings_add(findings, SEVERITY_FAULT, key_subject,
                     "Put the former key back before the server is restarted. If it was put back "
                     "just now, restart the server; if it is lost, every phone has to be linked "
                     "again.",
                     "The running server signs with another VAPID key than the one that is now in "
                     "%s and in force from its next start on: push servers may refuse pushes to "
                     "phones that were linked with the other one.",
                     place_of(facts));
    else
        findings_add(findings, SEVERITY_WARNING, key_subject,
                     "Restart the server before a phone is linked.",
                     "The running server signs with another VAPID key than the one that is now in "
                     "%s.",
                     place_of(facts));
}

void diagnose_key(struct findings *findings, const struct key_facts *facts)
{
    if (facts->missing)
        diagnose_missing(findings, facts);
    else if (!*facts->next)
        return;
    else if (*facts->running && strcmp(facts->running, facts->next) != 0)
        diagnose_changed(findings, facts);
    else if (*facts->running)
        findings_add(findings, SEVERITY_WELL, key_subject, NULL,
                     "The running server signs with the key in %s.", place_of(facts));
    else
        findings_add(findings, SEVERITY_WELL, key_subject, NULL, "There is one in %s.",
                     place_of(facts));
}
