#include "bridge/alarms.h"

#include "bridge/bell.h"

/* A link that is only about to be made says nothing, so it stays silent until one shows its queue.
 */
bool bridge_is_silent(const struct account *account)
{
    const struct bell *bell = account->owner;
    bool waits = account->state == ACCOUNT_CONNECTING || account->state == ACCOUNT_BACKING_OFF;
    return waits && bell && bell->silent;
}

bool bridge_is_undisturbed(const struct account *account)
{
    const struct bell *bell = account->owner;
    return bell && life_is_settled(&bell->life, &bell->bridge->life_timing, bell_now_ms(bell));
}

static void look_at(void *arg, struct account *account)
{
    struct bridge_alarms *alarms = arg;
    const struct bell *bell = account->owner;
    bool up = account->state == ACCOUNT_UP;
    bool waits = account->state == ACCOUNT_CONNECTING || account->state == ACCOUNT_BACKING_OFF;
    alarms->served += account->state != ACCOUNT_DISABLED;
    alarms->up += up;
    alarms->wanted += up || waits;
    alarms->silent += bridge_is_silent(account);
    bool said = waits && bell && bell->said == SAID_DOWN;
    if (said)
        alarms->down_for[bell->said_reason]++;
}

void bridge_alarms(struct bridge *bridge, struct bridge_alarms *alarms)
{
    const struct fleet *fleets = bridge->fleets;
    *alarms = (struct bridge_alarms){.refused_alike = fleets[FLEET_CREDENTIALS].wide ||
                                                      fleets[FLEET_SERVER].wide};
    registry_each(&bridge->registry, look_at, alarms);
}

int64_t bridge_patience_ms(const struct config *config)
{
    return config->alert_after_ms + config->push_jitter_ms;
}

bool bridge_is_late(const struct account *account)
{
    const struct bell *bell = account->owner;
    bool rings = account->state != ACCOUNT_REFUSED && account->state != ACCOUNT_DISABLED &&
                 account->endpoint.state != ENDPOINT_GONE;
    return rings && bell && account->owed_since_unix &&
           bell_now_ms(bell) - account->owed_since_ms > bridge_patience_ms(bell->bridge->config);
}

unsigned bridge_stored_cause(const struct account *account)
{
    const struct bell *bell = account->owner;
    const struct push *push = bell ? bell->bridge->parts.push : NULL;
    return verdict_cause_of_status(
        account->endpoint.status, push ? push_login_for(push, account->endpoint.url) : LOGIN_TOKEN);
}

unsigned bridge_endpoint_cause(const struct account *account)
{
    const struct bell *bell = account->owner;
    const struct endpoint *endpoint = &account->endpoint;
    if (endpoint->state == ENDPOINT_OK)
        return 0;
    if (bell && bell->endpoint_life.last_cause)
        return bell->endpoint_life.last_cause;
    return bridge_stored_cause(account);
}

/* What may be over soon by itself; but ntfy also says 429 where it has no room for topics, or saw
 * too many wrong logins. */
static bool may_be_over_soon(const struct account *account)
{
    static const int statuses[] = {408, 425, 429};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (account->endpoint.status == statuses[i])
            return !verdict_needs_person(bridge_endpoint_cause(account));
    return false;
}

static bool is_denied(const struct account *account)
{
    const struct bell *bell = account->owner;
    return bell && bell->endpoint_life.last_cause &&
           bell->endpoint_life.last_kind == VERDICT_DENIED;
}

bool bridge_endpoint_refuses(const struct account *account)
{
    const struct endpoint *endpoint = &account->endpoint;
    bool refused = endpoint->status / 100 == 4 && !may_be_over_soon(account);
    return endpoint->state != ENDPOINT_OK && (refused || is_denied(account) || !endpoint->proven);
}
