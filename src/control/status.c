#include "control/status.h"

#include "base/clock.h"
#include "bridge/arrivals.h"

/* Numbers and names of ours, printable text of others: json_pack refuses none of it. */

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *counts_of(const size_t *counts, size_t size, const char *(*name)(size_t i))
{
    json_t *object = json_object();
    for (size_t i = 0; i < size; i++)
        json_object_set_new(object, name(i), json_integer((json_int_t)counts[i]));
    return object;
}

static const char *state_name(size_t i)
{
    return account_state_name((enum account_state)i);
}

static const char *endpoint_name(size_t i)
{
    return endpoint_state_name((enum endpoint_state)i);
}

static const char *health_name(size_t i)
{
    return view_health_name((enum view_health)i);
}

static json_t *advice_of(const struct bridge_view *view)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof view->advice / sizeof *view->advice && view->advice[i]; i++)
        json_array_append_new(list, json_string(view->advice[i]));
    return list;
}

struct origins {
    json_t *down;
    int64_t now_unix;
};

static void add_origin(void *arg, const struct push_origin_state *state)
{
    const struct origins *origins = arg;
    if (!view_origin_is_down(state))
        return;
    json_array_append_new(
        origins->down,
        json_pack("{s:s, s:I, s:I, s:s, s:i}", "origin", state->name, "since",
                  (json_int_t)state->silent_since_unix, "next_try",
                  (json_int_t)(origins->now_unix + (state->retry_in_ms + 999) / 1000), "words",
                  state->why, "waiting", (int)state->waiting));
}

static json_t *origins_down(struct bridge *bridge, int64_t now_unix)
{
    struct origins origins = {.down = json_array(), .now_unix = now_unix};
    view_each_origin(bridge, add_origin, &origins);
    return origins.down;
}

json_t *status_of_sandbox(const struct sandbox *sandbox)
{
    return json_pack("{s:s, s:s}", "files", sandbox_wall_name(sandbox->files), "calls",
                     sandbox_wall_name(sandbox->calls));
}

/* Nobody's pseudonym: it is shown to others. */
static json_t *refused_of(struct bridge *bridge, int64_t now_unix)
{
    const struct arrival *arrival = arrivals_refused(bridge_arrivals(bridge), now_unix);
    if (!arrival)
        return json_null();
    return json_pack("{s:I, s:s, s:s, s:s}", "at", (json_int_t)arrival->at_unix, "status",
                     registration_status_word(arrival->status), "origin", arrival->origin, "why",
                     arrival->why);
}

json_t *status_of_bridge(struct bridge *bridge, int64_t wall_ms)
{
    int64_t now_unix = wall_ms / 1000;
    struct bridge_view view;
    view_bridge(bridge, wall_ms, &view);
    return json_pack("{s:b, s:I, s:I, s:i, s:i, s:o, s:o, s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:i, "
                     "s:i, s:o, s:o, s:o}",
                     "running", view.has_links, "now", (json_int_t)now_unix, "started",
                     (json_int_t)view.started_unix, "accounts", (int)view.accounts, "owed",
                     (int)view.owed, "by_health",
                     counts_of(view.by_health, VIEW_HEALTHS, health_name), "by_state",
                     counts_of(view.by_state, ACCOUNT_STATES, state_name), "by_endpoint",
                     counts_of(view.by_endpoint, ENDPOINT_STATES, endpoint_name), "alarm",
                     text_or_null(view_alarm_name(view.alarm)), "store_fails", view.store_fails,
                     "no_room", view.no_room, "links_most", (json_int_t)view.links_most, "heard",
                     (json_int_t)view.heard_unix, "message", (json_int_t)view.message_unix,
                     "queued", (int)view.queued, "sending", (int)view.sending, "origins_down",
                     origins_down(bridge, now_unix), "advice", advice_of(&view), "refused",
                     refused_of(bridge, now_unix));
}

json_t *status_of_timeline(const struct timeline *timeline)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < timeline->used; i++) {
        const struct timeline_entry *entry = timeline_at(timeline, i);
        char text[TIMELINE_TEXT_SIZE];
        timeline_text(entry, text);
        json_array_append_new(
            entries, json_pack("{s:I, s:s}", "at", (json_int_t)entry->unix_s, "text", text));
    }
    return entries;
}

static json_t *link_of(const struct link_view *link)
{
    return json_pack("{s:s, s:b, s:s, s:o, s:i, s:b, s:b, s:I, s:I}", "state",
                     account_state_name(link->state), "known", link->known, "words", link->words,
                     "reason", text_or_null(link->failed ? link_reason_name(link->reason) : NULL),
                     "code", link->code, "proven", link->proven, "alike", link->alike, "since",
                     (json_int_t)link->since_unix, "next_try", (json_int_t)link->next_unix);
}

static json_t *endpoint_of(const struct endpoint_view *endpoint)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:b, s:b, s:I, s:I}", "origin",
                     endpoint->origin, "state", endpoint_state_name(endpoint->state), "summary",
                     endpoint->summary, "words", endpoint->words, "status", endpoint->status,
                     "proven", endpoint->proven, "for_good", endpoint->for_good, "denied",
                     endpoint->denied[0] != '\0', "accepted", (json_int_t)endpoint->accepted_unix,
                     "not_before", (json_int_t)endpoint->not_before_unix);
}

static json_t *message_of(const struct messages_view *messages)
{
    return json_pack("{s:I, s:b, s:I, s:I}", "at", (json_int_t)messages->last_unix, "urgent",
                     messages->urgent, "own_at", (json_int_t)messages->own_unix, "count",
                     (json_int_t)messages->count);
}

static json_t *ring_of(const struct rings_view *rings)
{
    return json_pack("{s:I, s:i, s:I, s:I, s:i, s:I, s:b, s:b, s:I}", "at",
                     (json_int_t)rings->accepted_unix, "status", rings->accepted_status,
                     "latency_ms", (json_int_t)rings->latency_ms, "failed_at",
                     (json_int_t)rings->failed_unix, "failed_status", rings->failed_status, "count",
                     (json_int_t)rings->count, "queued", rings->queued, "sent", rings->sent,
                     "next_try", (json_int_t)rings->next_unix);
}

json_t *status_of_account(const struct account_view *view, bool timeline)
{
    return json_pack("{s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:I, s:b, s:o, s:o*}", "pseudonym",
                     view->pseudonym, "device", (int)view->device, "health",
                     view_health_name(view->health), "link", link_of(&view->link), "endpoint",
                     endpoint_of(&view->endpoint), "message", message_of(&view->messages), "ring",
                     ring_of(&view->rings), "owed_since", (json_int_t)view->owed_since_unix,
                     "owed_is_stored", view->owed_is_stored, "advice", text_or_null(view->advice),
                     "timeline", timeline ? status_of_timeline(view->timeline) : NULL);
}

struct listing {
    json_t *accounts;
    bool timeline;
};

static void add_account(void *arg, const struct account_view *view)
{
    const struct listing *listing = arg;
    json_array_append_new(listing->accounts, status_of_account(view, listing->timeline));
}

json_t *status_answer(struct bridge *bridge, const json_t *request, struct err *err)
{
    const char *name = json_string_value(json_object_get(request, "account"));
    int64_t wall_ms = clock_wall_ms();
    struct listing listing = {.accounts = json_array(),
                              .timeline = json_is_true(json_object_get(request, "timeline"))};
    int result = 0;
    if (name)
        result = view_each_named(bridge, name, wall_ms, add_account, &listing, err);
    else
        view_each(bridge, wall_ms, add_account, &listing);
    if (result != 0) {
        json_decref(listing.accounts);
        return NULL;
    }
    json_t *answer = json_pack("{s:b, s:o, s:o}", "done", 1, "bridge",
                               status_of_bridge(bridge, wall_ms), "accounts", listing.accounts);
    if (!answer)
        err_set(err, ERR_IO, "The status cannot be written.");
    return answer;
}
