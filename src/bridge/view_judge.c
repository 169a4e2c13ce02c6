#include <stdio.h>
#include <string.h>

#include "bridge/view.h"

/* What is to be done, for a self-hoster at eleven in the evening: one sentence with one remedy. */

struct judgement {
    enum view_health health;
    const char *advice;
};

static struct judgement broken(const char *advice)
{
    return (struct judgement){VIEW_BROKEN, advice};
}

static struct judgement trying(const char *advice)
{
    return (struct judgement){VIEW_TRYING, advice};
}

static struct judgement off(const char *advice)
{
    return (struct judgement){VIEW_OFF, advice};
}

static const struct judgement well = {VIEW_WELL, NULL};

static struct judgement judge_reason(const struct link_view *link)
{
    switch (link->reason) {
    case LINK_UNREACHABLE:
        return trying("Signal's server cannot be reached: check this machine's internet "
                      "connection, its DNS and its firewall.");
    case LINK_SERVER_TROUBLE:
    case LINK_RATE_LIMITED:
        return trying("Signal's server has trouble of its own: nothing needs to be done, Doorbell "
                      "comes back by itself.");
    case LINK_UNAUTHORIZED:
    case LINK_REVOKED:
        return trying("Signal refused this device once, which is believed only when it says so "
                      "again: nothing needs to be done yet.");
    case LINK_MIDDLEBOX:
        return broken("A proxy, a firewall or a login page answers in Signal's place: let "
                      "this machine reach Signal's server directly.");
    case LINK_SILENT:
        return broken("What answers takes the link and never shows this account's messages, as a "
                      "proxy that swallows the login does: let this machine reach Signal's server "
                      "directly; where it does, link the phone anew.");
    case LINK_CLIENT_REFUSED:
        return broken("Signal wants a newer client: update Doorbell, or set signal.user_agent.");
    case LINK_PROTOCOL:
        return trying("Signal's server and Doorbell do not understand each other: update Doorbell, "
                      "and report it if this is the newest version.");
    case LINK_MISCONFIGURED:
        return broken("What answers is not Signal's server: check signal.url (over HTTP/2 "
                      "signal.http2_url), signal.ca_file and "
                      "whether something intercepts TLS on the way.");
    case LINK_UNTIMELY:
        return broken(view_alarm_advice(VIEW_ALARM_CLOCK));
    default:
        return trying(NULL);
    }
}

/* That one device was refused says nothing of others. */
const char *view_down_advice(enum link_reason reason)
{
    const struct link_view link = {.reason = reason};
    if (reason == LINK_UNAUTHORIZED || reason == LINK_REVOKED)
        return NULL;
    return judge_reason(&link).advice;
}

static enum view_alarm alarm_of(enum link_reason reason)
{
    switch (reason) {
    case LINK_UNAUTHORIZED:
        return VIEW_ALARM_CREDENTIALS;
    case LINK_CLIENT_REFUSED:
        return VIEW_ALARM_CLIENT;
    case LINK_UNTIMELY:
        return VIEW_ALARM_CLOCK;
    default:
        return VIEW_ALARM_SERVER;
    }
}

static struct judgement judge_link(const struct link_view *link)
{
    switch (link->state) {
    case ACCOUNT_REFUSED:
        return broken("Signal unlinked this device: in Molly open Settings, Linked devices, remove "
                      "one if there are five, then choose UnifiedPush anew in Settings, "
                      "Notifications, so that Molly links it again.");
    case ACCOUNT_CONTESTED:
        return broken("Another program uses the same linked device: stop the MollySocket or other "
                      "bridge that still runs for this account, or link the phone anew with this "
                      "one.");
    case ACCOUNT_DISABLED:
        return off("This account is not served: to serve it again add its id to "
                   "accounts.allowed.");
    case ACCOUNT_CONNECTING:
    case ACCOUNT_BACKING_OFF:
        if (link->alike)
            return broken(view_alarm_advice(alarm_of(link->reason)));
        return link->failed ? judge_reason(link) : well;
    case ACCOUNT_UP:
        break;
    }
    return well;
}

/* The policy's own sentence has the entry to add, but not where an address is at fault: which one
 * a name has is found out anew with every push. */
static const char *denied_advice(struct account_view *view)
{
    const struct endpoint_view *endpoint = &view->endpoint;
    if (!endpoint->denied[0] && endpoint->is_listed)
        return "The settings forbid the address that this endpoint's name has, although it is "
               "listed in push.allowed_endpoints: let the name through where names are blocked "
               "(Pi-hole, AdGuard Home or the like), check this machine's DNS, and see "
               "push.denied. It is tried again by itself.";
    if (endpoint->denied[0])
        snprintf(view->advice_text, sizeof view->advice_text,
                 "The settings forbid this endpoint: %s.", endpoint->denied);
    else
        snprintf(view->advice_text, sizeof view->advice_text,
                 "The settings forbid the address that this endpoint's name has: if it is your own "
                 "push server in a private network, add \"%s\" to push.allowed_endpoints; if not, "
                 "check this machine's DNS. It is tried again by itself.",
                 endpoint->origin);
    return view->advice_text;
}

static const char *cause_advice(struct account_view *view)
{
    const char *meaning = verdict_meaning(view->endpoint.cause);
    const char *advice = verdict_advice(view->endpoint.cause);
    if (!meaning)
        return "The last pushes were not accepted: they are tried again, and what fails shows with "
               "the next one.";
    if (advice)
        snprintf(view->advice_text, sizeof view->advice_text, "%s: %c%s.", meaning,
                 advice[0] >= 'A' && advice[0] <= 'Z' ? advice[0] + 'a' - 'A' : advice[0],
                 advice + 1);
    else
        snprintf(view->advice_text, sizeof view->advice_text,
                 "%s: if that lasts, see whether the push server runs and the phone is connected "
                 "to it.",
                 meaning);
    return view->advice_text;
}

static bool needs_person(const struct endpoint_view *endpoint)
{
    return endpoint->kind == VERDICT_UNAUTHORIZED || endpoint->kind == VERDICT_MISCONFIGURED ||
           endpoint->kind == VERDICT_DENIED;
}

static struct judgement judge_endpoint(struct account_view *view)
{
    const struct endpoint_view *endpoint = &view->endpoint;
    switch (endpoint->state) {
    case ENDPOINT_GONE:
        return broken(
            endpoint->for_good
                ? "The push server says that this endpoint is gone: open the distributor app (ntfy "
                  "or the like) on the phone, then Molly's Settings, Notifications, so that Molly "
                  "registers a new one."
                : "The push server has not known this endpoint for long: open the distributor app "
                  "(ntfy or the like) on the phone, then Molly's Settings, Notifications, so that "
                  "Molly registers a new one.");
    case ENDPOINT_FAILING:
    case ENDPOINT_SUSPECT:
        if (endpoint->kind == VERDICT_DENIED)
            return broken(denied_advice(view));
        return (struct judgement){needs_person(endpoint) ? VIEW_BROKEN : VIEW_TRYING,
                                  cause_advice(view)};
    case ENDPOINT_OK:
        break;
    }
    if (endpoint->denied[0])
        return broken(denied_advice(view));
    return well;
}

/* Whichever half is worse is what to mend first. */
void view_judge(struct account_view *view)
{
    struct judgement link = judge_link(&view->link), endpoint = judge_endpoint(view);
    bool link_first = link.health == VIEW_OFF || link.health > endpoint.health ||
                      (link.health == endpoint.health && link.advice);
    struct judgement first = link_first ? link : endpoint;
    view->health = first.health;
    view->advice = first.advice;
}

const char *view_health_name(enum view_health health)
{
    static const char *const names[] = {[VIEW_OFF] = "off",
                                        [VIEW_WELL] = "well",
                                        [VIEW_TRYING] = "trying",
                                        [VIEW_BROKEN] = "broken"};
    return names[health];
}

const char *view_alarm_name(enum view_alarm alarm)
{
    static const char *const names[] = {[VIEW_NO_ALARM] = NULL,
                                        [VIEW_ALARM_CREDENTIALS] = "credentials",
                                        [VIEW_ALARM_CLIENT] = "client",
                                        [VIEW_ALARM_SERVER] = "server",
                                        [VIEW_ALARM_CLOCK] = "clock"};
    return names[alarm];
}

const char *view_alarm_advice(enum view_alarm alarm)
{
    switch (alarm) {
    case VIEW_ALARM_CREDENTIALS:
        return "Signal has refused several accounts alike and has let nobody in since, so none of "
               "them is given up: look for a newer Doorbell, and whether others have the same "
               "trouble; where all but a few are linked, look whether those were unlinked in "
               "Molly's Settings, Linked devices.";
    case VIEW_ALARM_CLIENT:
        return "Signal wants a newer client than all accounts have here: update Doorbell, or set "
               "signal.user_agent.";
    case VIEW_ALARM_SERVER:
        return "All accounts find something else in the place of Signal's server: check "
               "signal.url, signal.ca_file and whether something intercepts TLS on the way.";
    case VIEW_ALARM_CLOCK:
        return "By this machine's clock the certificate of Signal's server is not valid: check "
               "this machine's date and time.";
    case VIEW_NO_ALARM:
        break;
    }
    return NULL;
}
