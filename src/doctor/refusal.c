#include "doctor/refusal.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

const char *refusal_remedy(const char *status, const char *why)
{
    if (is(status, "forbidden"))
        return "In Molly choose another delivery service and then UnifiedPush again, so that it "
               "makes new credentials.";
    if (is(status, "invalid_uuid") && strstr(why, "not a UUID"))
        return "That was no phone with Molly: nothing needs to be done.";
    if (is(status, "invalid_uuid"))
        return "Add the id to accounts.allowed, or leave that setting out.";
    if (is(status, "internal_error") && strstr(why, "has not answered yet; the trial goes on"))
        return "Nothing needs to be done: Molly asks again.";
    if (is(status, "internal_error") && strstr(why, "the trial goes on"))
        return "Let this machine reach Signal's server directly (\"doorbell doctor\" looks at the "
               "way), then tap Test configuration in Molly.";
    if (is(status, "internal_error"))
        return "Tap Test configuration in Molly in a minute.";
    return "Choose another push server in the phone's distributor app (ntfy or the like).";
}

const char *refusal_fate(const char *status)
{
    return is(status, "internal_error") ? "is not let in yet" : "was refused";
}

/* The command adds an origin, and no user name and password. */
static void write_allowance(const char *advice, const char *origin, const char *then,
                            char fix[FINDING_FIX_SIZE])
{
    static const char format[] = "If it is your push server, %s%s%s%s; %s";
    static const char setting[] = "push.allowed_endpoints";
    bool by_command = !strstr(advice, "user name"), is_whole = strstr(advice, setting);
    int length = snprintf(fix, FINDING_FIX_SIZE, format, advice,
                          by_command ? ", or run \"doorbell setup --allow " : "",
                          by_command ? origin : "", by_command ? "\"" : "", then);
    /* Else it is a stranger's name, of which no part may be run. */
    if (!is_whole || length >= FINDING_FIX_SIZE)
        snprintf(fix, FINDING_FIX_SIZE, format, "add it to ", setting, "", "", then);
}

bool refusal_allow(const char *why, const char *origin, const char *then,
                   char what[FINDING_WHAT_SIZE], char fix[FINDING_FIX_SIZE])
{
    static const char to_allow[] = "; to allow it ";
    const char *advice = strstr(why, to_allow);
    int length = (int)(advice ? advice - why : (long)strlen(why));
    snprintf(what, FINDING_WHAT_SIZE, "%.*s", length, why);
    if (!advice || !*origin)
        return false;
    write_allowance(advice + strlen(to_allow), origin, then, fix);
    return true;
}

void refusal_explain(const char *status, const char *why, const char *origin,
                     char what[FINDING_WHAT_SIZE], char fix[FINDING_FIX_SIZE])
{
    if (!refusal_allow(why, origin, "then tap Test configuration in Molly.", what, fix))
        snprintf(fix, FINDING_FIX_SIZE, "%s", refusal_remedy(status, why));
}
