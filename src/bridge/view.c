#include "bridge/view.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/uuid.h"
#include "bridge/alarms.h"
#include "bridge/bell.h"
#include "bridge/checkup.h"

/* One moment by both clocks. */
struct moment {
    const struct bridge *bridge;
    int64_t now_ms, wall_ms;
    bool alike[FLEETS];
};

static struct moment moment_of(const struct bridge *bridge, int64_t wall_ms)
{
    struct moment moment = {.bridge = bridge, .now_ms = bridge_now_ms(bridge), .wall_ms = wall_ms};
    for (size_t i = 0; i < FLEETS; i++)
        moment.alike[i] = bridge->fleets[i].wide;
    return moment;
}

/* What is to come is rounded up, so that nothing seems to be due that is not. 0 and INT64_MAX stand
 * for no time. */
static int64_t to_unix(const struct moment *moment, int64_t at_ms)
{
    if (at_ms == 0 || at_ms == INT64_MAX)
        return 0;
    int64_t ahead_ms = at_ms - moment->now_ms;
    return (moment->wall_ms + ahead_ms + (ahead_ms > 0 ? 999 : 0)) / 1000;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The messenger's half */

static void write_link_words(struct link_view *link)
{
    static const char *const words[] = {
        [ACCOUNT_CONNECTING] = "connecting",
        [ACCOUNT_UP] = "connected",
        [ACCOUNT_BACKING_OFF] = "not connected",
        [ACCOUNT_CONTESTED] = "somebody else uses the same device",
        [ACCOUNT_REFUSED] = "the messenger refuses the device",
        [ACCOUNT_DISABLED] = "accounts.allowed does not have it",
    };
    const char *state = link->known ? words[link->state] : "no server runs";
    if (link->state == ACCOUNT_REFUSED || link->state == ACCOUNT_DISABLED)
        state = words[link->state];
    bool explained =
        link->failed && (link->state == ACCOUNT_CONNECTING || link->state == ACCOUNT_BACKING_OFF);
    char code[16] = "";
    if (link->code)
        snprintf(code, sizeof code, " (%d)", link->code);
    if (explained)
        snprintf(link->words, sizeof link->words, "%s: %s%s", state, link_reason_text(link->reason),
                 code);
    else
        snprintf(link->words, sizeof link->words, "%s", state);
}

static void fill_link(struct link_view *link, const struct moment *moment, const struct bell *bell)
{
    const struct account *account = bell->account;
    link->state = account->state;
    link->known = moment->bridge->parts.link_ops;
    link->proven = bell->linked && bell->life.proven;
    link->failed = bell->said == SAID_DOWN;
    link->reason = bell->said_reason;
    link->code = link->failed ? account->record.down_code : 0;
    link->since_unix = account->record.state_since_unix;
    if (!bell->linked && timer_is_set(&bell->connect_timer))
        link->next_unix = to_unix(moment, bell->connect_timer.at_ms);
    if (link->failed && link->state == ACCOUNT_BACKING_OFF)
        link->alike = (link->reason == LINK_UNAUTHORIZED && moment->alike[FLEET_CREDENTIALS]) ||
                      (link->reason == LINK_CLIENT_REFUSED && moment->alike[FLEET_CLIENT]) ||
                      (link->reason == LINK_MISCONFIGURED && moment->alike[FLEET_SERVER]) ||
                      (link->reason == LINK_UNTIMELY && moment->alike[FLEET_CLOCK]);
    write_link_words(link);
}

/* The push server's half */

static void write_endpoint_words(struct endpoint_view *endpoint)
{
    const char *meaning = verdict_meaning(endpoint->cause);
    char status[16] = "";
    if (endpoint->status)
        snprintf(status, sizeof status, " (%d)", endpoint->status);
    if (endpoint->state == ENDPOINT_OK && endpoint->denied[0])
        snprintf(endpoint->words, sizeof endpoint->words, "the settings do not allow it");
    else if (endpoint->state == ENDPOINT_OK && !endpoint->proven)
        snprintf(endpoint->words, sizeof endpoint->words, "has accepted no push yet");
    else if (endpoint->state == ENDPOINT_OK && endpoint->is_of_before)
        snprintf(endpoint->words, sizeof endpoint->words, "has accepted no push since the start");
    else if (endpoint->state == ENDPOINT_OK)
        snprintf(endpoint->words, sizeof endpoint->words, "accepts pushes");
    else if (meaning)
        snprintf(endpoint->words, sizeof endpoint->words, "%s%s", meaning, status);
    else
        snprintf(endpoint->words, sizeof endpoint->words, "does not accept pushes");
}

/* Foreign text: a host's name. */
static void fill_denied(struct endpoint_view *endpoint, const struct moment *moment,
                        const struct endpoint *known)
{
    struct err err;
    const struct policy *policy = moment->bridge->parts.policy;
    if (policy && policy_check_endpoint(policy, known->url, known->proven, &err) != 0)
        text_printable(endpoint->denied, sizeof endpoint->denied, err.text, strlen(err.text));
}

static bool is_listed(const struct policy *policy, const struct endpoint *known)
{
    struct url url;
    if (!policy || url_parse(&url, known->url, NULL) != 0)
        return false;
    bool listed = policy_is_listed(policy, &url);
    url_fini(&url);
    return listed;
}

static bool is_tried(const struct bell *bell)
{
    return bell && (bell->endpoint_life.last_cause || bell->endpoint_life.accepted_ms);
}

/* That it ever took a push may be MollySocket's word, of long ago. */
static bool is_of_before(const struct bridge *bridge, const struct account *account)
{
    const struct endpoint *known = &account->endpoint;
    return known->state == ENDPOINT_OK && known->proven && bridge->parts.link_ops &&
           !is_tried(account->owner);
}

static const char *summary_of(const struct bridge *bridge, const struct account *account,
                              bool denied)
{
    const struct endpoint *known = &account->endpoint;
    if (denied && known->state != ENDPOINT_GONE)
        return "not allowed";
    if (is_of_before(bridge, account))
        return "ok (not tried since the start)";
    if (known->state == ENDPOINT_OK && !known->proven && !is_tried(account->owner))
        return "not tried yet";
    return endpoint_state_name(known->state);
}

static void fill_endpoint(struct endpoint_view *endpoint, const struct moment *moment,
                          const struct bell *bell)
{
    const struct endpoint *known = &bell->account->endpoint;
    const struct endpoint_life *life = &bell->endpoint_life;
    bool answered = life->last_cause != 0; /* since the start; else the row's word counts */
    endpoint_origin(known->url, endpoint->origin);
    endpoint->state = known->state;
    endpoint->proven = known->proven;
    endpoint->for_good = known->for_good;
    endpoint->status = answered ? life->last_status : known->status;
    endpoint->cause = answered ? life->last_cause : bridge_stored_cause(bell->account);
    endpoint->kind = answered ? life->last_kind : verdict_kind_of_status(known->status);
    endpoint->accepted_unix = to_unix(moment, life->accepted_ms);
    if (later(life->soonest_ms, life->floor_until_ms) > moment->now_ms)
        endpoint->not_before_unix = to_unix(moment, later(life->soonest_ms, life->floor_until_ms));
    endpoint->is_of_before = is_of_before(moment->bridge, bell->account);
    fill_denied(endpoint, moment, known);
    endpoint->is_listed =
        endpoint->kind == VERDICT_DENIED && is_listed(moment->bridge->parts.policy, known);
    endpoint->summary = summary_of(moment->bridge, bell->account, endpoint->denied[0]);
    write_endpoint_words(endpoint);
}

const char *view_endpoint_words(struct bridge *bridge, const struct account *account)
{
    const struct endpoint *known = &account->endpoint;
    const struct policy *policy = bridge->parts.policy;
    bool denied = policy && policy_check_endpoint(policy, known->url, known->proven, NULL) != 0;
    return summary_of(bridge, account, denied);
}

/* Messages and rings */

static void fill_messages(struct messages_view *messages, const struct record *record)
{
    messages->urgent = record->urgent_unix && record->urgent_unix >= record->quiet_unix;
    messages->last_unix = messages->urgent ? record->urgent_unix : record->quiet_unix;
    messages->own_unix = record->own_unix;
    messages->count = record->messages;
}

static void fill_rings(struct rings_view *rings, const struct moment *moment,
                       const struct bell *bell)
{
    const struct record *record = &bell->account->record;
    const struct wake *wake = &bell->wake;
    rings->accepted_unix = record->rung_unix;
    rings->accepted_status = record->rung_status;
    rings->latency_ms = record->latency_ms;
    rings->failed_unix = record->not_rung_unix;
    rings->failed_status = record->not_rung_status;
    rings->count = record->rings;
    rings->queued = bell->ring && !bell->ring_left;
    rings->sent = bell->ring && bell->ring_left;
    if (wake_owes(wake) && !bell->ring && bell->account->state != ACCOUNT_DISABLED)
        rings->next_unix = to_unix(moment, later(wake->not_before_ms, wake->blurred_until_ms));
}

static void fill_debt(struct account_view *view, const struct moment *moment,
                      const struct bell *bell)
{
    view->owed_is_stored = bell->account->owed_since_unix != 0;
    view->owed_since_unix = bell->account->owed_since_unix;
    if (view->owed_since_unix || !wake_owes(&bell->wake))
        return;
    int64_t since_ms = record_waits_since_ms(&bell->account->record);
    view->owed_since_unix = since_ms ? to_unix(moment, since_ms) : moment->wall_ms / 1000;
}

static void fill(struct account_view *view, const struct moment *moment, const struct bell *bell)
{
    const struct account *account = bell->account;
    memset(view, 0, sizeof *view);
    memcpy(view->pseudonym, account->pseudonym, sizeof view->pseudonym);
    view->device = account->key.device;
    view->timeline = &account->timeline;
    fill_link(&view->link, moment, bell);
    fill_endpoint(&view->endpoint, moment, bell);
    fill_messages(&view->messages, &account->record);
    fill_rings(&view->rings, moment, bell);
    fill_debt(view, moment, bell);
    view_judge(view);
}

/* Accounts */

struct viewing {
    struct moment moment;
    view_fn *fn;
    void *arg;
};

static void view_one(void *arg, struct account *account)
{
    const struct viewing *viewing = arg;
    struct account_view view;
    if (!account->owner)
        return;
    fill(&view, &viewing->moment, account->owner);
    viewing->fn(viewing->arg, &view);
}

void view_each(struct bridge *bridge, int64_t wall_ms, view_fn *fn, void *arg)
{
    struct viewing viewing = {.moment = moment_of(bridge, wall_ms), .fn = fn, .arg = arg};
    registry_each(&bridge->registry, view_one, &viewing);
}

struct naming {
    const char *name;
    struct account *found;
    bool several;
};

/* Two pseudonyms that are alike, of different users, are not told apart by a longer name. */
static void look_at_name(void *arg, struct account *account)
{
    struct naming *naming = arg;
    if (strncasecmp(account->pseudonym, naming->name, strlen(naming->name)) != 0)
        return;
    if (naming->found &&
        memcmp(naming->found->key.uuid, account->key.uuid, sizeof account->key.uuid) != 0)
        naming->several = true;
    naming->found = account;
}

static int find_key(struct bridge *bridge, const char *name, struct account_key *key,
                    struct err *err)
{
    *key = (struct account_key){.messenger = MESSENGER_SIGNAL};
    if (uuid_parse(key->uuid, name) == 0)
        return 0;
    struct naming naming = {.name = name};
    if (*name)
        registry_each(&bridge->registry, look_at_name, &naming);
    if (!naming.found)
        return err_set(err, ERR_NOT_FOUND,
                       "No account has this pseudonym, or one that begins so; an account id or a "
                       "pseudonym, as the log has it, is needed.");
    if (naming.several)
        return err_set(err, ERR_INVALID, "Several pseudonyms begin so; write more of it.");
    *key = naming.found->key;
    return 0;
}

struct counting {
    struct viewing *viewing;
    size_t count;
};

static void view_named(void *arg, struct account *account)
{
    struct counting *counting = arg;
    counting->count++;
    view_one(counting->viewing, account);
}

int view_each_named(struct bridge *bridge, const char *name, int64_t wall_ms, view_fn *fn,
                    void *arg, struct err *err)
{
    struct account_key key;
    struct viewing viewing = {.moment = moment_of(bridge, wall_ms), .fn = fn, .arg = arg};
    struct counting counting = {.viewing = &viewing};
    if (find_key(bridge, name, &key, err) != 0)
        return err->code;
    registry_each_of_user(&bridge->registry, &key, view_named, &counting);
    return counting.count ? 0 : err_set(err, ERR_NOT_FOUND, "No account has this id.");
}

/* The whole */

void view_each_origin(struct bridge *bridge,
                      void (*fn)(void *arg, const struct push_origin_state *state), void *arg)
{
    if (bridge->parts.push)
        push_each_origin(bridge->parts.push, fn, arg);
}

bool view_origin_is_down(const struct push_origin_state *state)
{
    return state->proven != BREAKER_CLOSED;
}

static void count_origin(void *arg, const struct push_origin_state *state)
{
    struct bridge_view *view = arg;
    view->queued += state->waiting;
    view->sending += state->in_flight;
    view->origins_down += view_origin_is_down(state);
}

static void count_account(void *arg, const struct account_view *account)
{
    struct bridge_view *view = arg;
    view->accounts++;
    /* As in the figures: what the settings disable is not rung before they allow it again. */
    view->owed += account->owed_since_unix && account->link.state != ACCOUNT_DISABLED;
    view->by_health[account->health]++;
    view->by_state[account->link.state]++;
    view->by_endpoint[account->endpoint.state]++;
}

static enum view_alarm alarm_of(const struct bridge *bridge)
{
    if (bridge->fleets[FLEET_CLOCK].wide)
        return VIEW_ALARM_CLOCK;
    if (bridge->fleets[FLEET_SERVER].wide)
        return VIEW_ALARM_SERVER;
    if (bridge->fleets[FLEET_CLIENT].wide)
        return VIEW_ALARM_CLIENT;
    return bridge->fleets[FLEET_CREDENTIALS].wide ? VIEW_ALARM_CREDENTIALS : VIEW_NO_ALARM;
}

static const char *store_advice(enum health store)
{
    return store == HEALTH_STORE_HANGS
               ? health_advice(store)
               : "The store cannot be written: make room on its disk, or mend its permissions, "
                 "before this machine is restarted.";
}

static void advise(struct bridge_view *view, enum health store)
{
    size_t count = 0;
    if (view->store_fails)
        view->advice[count++] = store_advice(store);
    if (view->alarm)
        view->advice[count++] = view_alarm_advice(view->alarm);
    if (view->no_room)
        view->advice[count++] = "Not every account can be connected, because this process may not "
                                "open more files: raise the limit (LimitNOFILE=, ulimit -n) and "
                                "restart.";
    if (view->other_key)
        view->advice[count++] = linked_key_advice();
}

void view_bridge(struct bridge *bridge, int64_t wall_ms, struct bridge_view *view)
{
    enum health store = bridge_store_health(bridge);
    *view = (struct bridge_view){.has_links = bridge->parts.link_ops,
                                 .started_unix = bridge->started_unix,
                                 .alarm = alarm_of(bridge),
                                 .store_fails = store != HEALTH_WELL,
                                 .no_room = room_lacks(&bridge->room),
                                 .links_most = room_most(bridge),
                                 .heard_unix = bridge->heard_unix,
                                 .message_unix = bridge->message_unix};
    view_each(bridge, wall_ms, count_account, view);
    view->other_key = view->accounts && bridge->parts.linked_key.is_other;
    view_each_origin(bridge, count_origin, view);
    advise(view, store);
}
