#include "control/commands.h"

#include <stdlib.h>
#include <string.h>

#include "backup/collect.h"
#include "backup/envelope.h"
#include "base/b64.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"
#include "base/uuid.h"
#include "bridge/arrivals.h"
#include "bridge/checkup.h"
#include "bridge/view.h"
#include "control/status.h"

/* One request under way. */
struct command {
    commands_fn *fn;
    void *arg;
    json_t *answers; /* of a ping */
    unsigned expected;
};

static struct command *command_new(commands_fn *fn, void *arg)
{
    struct command *command = mem_new(sizeof *command);
    command->fn = fn;
    command->arg = arg;
    return command;
}

static void finish(struct command *command, json_t *answer)
{
    command->fn(command->arg, answer);
    json_decref(command->answers);
    free(command);
}

/* Printable, because a path in it need not be UTF-8 and JSON is. */
static json_t *refusal(const char *why)
{
    char text[sizeof(struct err)];
    text_printable(text, sizeof text, why, strlen(why));
    return json_pack("{s:b, s:s}", "done", 0, "error", text);
}

static void on_registered(void *arg, enum registration_status status, const struct err *err)
{
    if (status == REGISTRATION_OK)
        finish(arg, json_pack("{s:b}", "done", 1));
    else
        finish(arg, refusal(err->text));
}

static void run_add(struct bridge *bridge, const json_t *request, struct command *command)
{
    json_int_t device = 0;
    struct registration registration = {0};
    if (json_unpack((json_t *)(uintptr_t)request, "{s:s, s:I, s:s, s:s}", "uuid",
                    &registration.uuid, "device", &device, "password", &registration.password,
                    "endpoint", &registration.endpoint) != 0) {
        finish(command, refusal("uuid, device, password and endpoint are needed"));
        return;
    }
    registration.device = device;
    registration.by_operator = true;
    bridge_register(bridge, &registration, on_registered, command);
}

struct listing {
    struct bridge *bridge;
    json_t *accounts;
    bool timeline, secrets;
};

/* Beside a store without a server nothing connects, whatever the row says. */
static const char *state_of(const struct bridge *bridge, const struct account *account)
{
    if (account->state == ACCOUNT_CONNECTING && !bridge_makes_links(bridge))
        return "no server runs";
    return account_state_name(account->state);
}

static json_t *describe(const struct listing *listing, const struct account *account)
{
    char uuid[UUID_TEXT_SIZE], origin[URL_ORIGIN_SIZE];
    uuid_format(uuid, account->key.uuid);
    endpoint_origin(account->endpoint.url, origin);
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:o*}", "uuid", uuid, "pseudonym",
                     account->pseudonym, "device", (int)account->key.device, "state",
                     state_of(listing->bridge, account), "endpoint", origin, "endpoint_state",
                     endpoint_state_name(account->endpoint.state), "endpoint_words",
                     view_endpoint_words(listing->bridge, account), "owed_since",
                     (json_int_t)account->owed_since_unix, "timeline",
                     listing->timeline ? status_of_timeline(&account->timeline) : NULL);
}

static void list_one(void *arg, struct account *account)
{
    const struct listing *listing = arg;
    json_t *described = describe(listing, account);
    if (listing->secrets) {
        json_object_set_new(described, "endpoint", json_string(account->endpoint.url));
        char *password = registry_password(bridge_registry(listing->bridge), account);
        json_object_set_new(described, "password", json_string(password));
        mem_free_secret(password);
    }
    json_array_append_new(listing->accounts, described);
}

static void run_list(struct bridge *bridge, const json_t *request, struct command *command)
{
    struct listing listing = {.bridge = bridge,
                              .accounts = json_array(),
                              .timeline = json_is_true(json_object_get(request, "timeline")),
                              .secrets = json_is_true(json_object_get(request, "secrets"))};
    registry_each(bridge_registry(bridge), list_one, &listing);
    finish(command, json_pack("{s:b, s:o}", "done", 1, "accounts", listing.accounts));
}

/* What only a server that runs knows. */
static void tell_of_server(const struct commands_host *host, json_t *answer)
{
    const struct {
        const char *key;
        json_t *(*tell)(void *arg);
    } parts[] = {{"refused_reload", host->refused_reload},
                 {"told", host->told},
                 {"road", host->road},
                 {"certificate", host->certificate},
                 {"deaf", host->deaf}};
    if (host->sandbox)
        json_object_set_new(answer, "sandbox", status_of_sandbox(host->sandbox));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].tell)
            json_object_set_new(answer, parts[i].key, parts[i].tell(host->arg));
}

static void run_status(const struct commands_host *host, const json_t *request,
                       struct command *command)
{
    struct err err;
    json_t *answer = status_answer(host->bridge, request, &err);
    if (!answer) {
        finish(command, refusal(err.text));
        return;
    }
    json_object_set_new(answer, "sealed",
                        json_boolean(bridge_registry(host->bridge)->seal != NULL));
    tell_of_server(host, answer);
    finish(command, answer);
}

/* Not done: it is not well. */
static void run_health(struct bridge *bridge, const json_t *request, struct command *command)
{
    enum health health = bridge_health(bridge);
    bool links = json_is_true(json_object_get(request, "links"));
    bool well = links ? health == HEALTH_WELL : health_is_alive(health);
    finish(command, well ? json_pack("{s:b}", "done", 1) : refusal(health_advice(health)));
}

static void on_removed(void *arg, int result, const struct err *err)
{
    finish(arg, result == 0 ? json_pack("{s:b}", "done", 1) : refusal(err->text));
}

static void on_pinged(void *arg, const struct verdict *verdict)
{
    struct command *command = arg;
    json_array_append_new(command->answers, json_pack("{s:b, s:i, s:s}", "accepted",
                                                      verdict->kind == VERDICT_ACCEPTED, "status",
                                                      verdict->status, "text", verdict->text));
    if (json_array_size(command->answers) == command->expected)
        finish(command, json_pack("{s:b, s:O}", "done", 1, "answers", command->answers));
}

static json_t *describe_arrival(const struct arrival *arrival)
{
    return json_pack("{s:I, s:I, s:s, s:s*, s:s, s:s}", "number", (json_int_t)arrival->number, "at",
                     (json_int_t)arrival->at_unix, "status",
                     registration_status_word(arrival->status), "account",
                     arrival->pseudonym[0] ? arrival->pseudonym : NULL, "origin", arrival->origin,
                     "why", arrival->why);
}

static void run_registrations(struct bridge *bridge, struct command *command)
{
    const struct arrival *arrival;
    json_t *list = json_array();
    for (size_t i = 0; (arrival = arrivals_at(bridge_arrivals(bridge), i)); i++)
        json_array_append_new(list, describe_arrival(arrival));
    finish(command, json_pack("{s:b, s:o}", "done", 1, "registrations", list));
}

static void run_reload(const struct commands_host *host, struct command *command)
{
    struct err err;
    if (!host->reload)
        finish(command, refusal("No server runs that could load its configuration again."));
    else if (host->reload(host->arg, &err) != 0)
        finish(command, refusal(err.text));
    else
        finish(command, json_pack("{s:b}", "done", 1));
}

static void run_compare(const struct commands_host *host, const json_t *request,
                        struct command *command)
{
    json_t *differ = host->compare ? host->compare(host->arg, request) : NULL;
    finish(command, differ ? json_pack("{s:b, s:o}", "done", 1, "differ", differ)
                           : refusal("No server runs that could compare its settings."));
}

static json_t *done_with(json_t *answer)
{
    if (!answer)
        return refusal("No web server runs whose address could be looked at.");
    json_object_set_new(answer, "done", json_true());
    return answer;
}

static void run_expect(const struct commands_host *host, struct command *command)
{
    finish(command, done_with(host->expect ? host->expect(host->arg) : NULL));
}

static void run_seen(const struct commands_host *host, const char *nonce, struct command *command)
{
    finish(command, done_with(host->seen ? host->seen(host->arg, nonce) : NULL));
}

static void run_key(const struct commands_host *host, const char *origin, struct command *command)
{
    struct err err = {.text = "No server runs that could tell its key."};
    json_t *told = host->key ? host->key(host->arg, origin, &err) : NULL;
    finish(command, told ? done_with(told) : refusal(err.text));
}

static void on_tried(void *arg, bool taken, const char *why)
{
    finish(arg, taken ? json_pack("{s:b}", "done", 1) : refusal(why));
}

static void run_try_alert(const struct commands_host *host, struct command *command)
{
    struct err err;
    if (!host->try_alert)
        finish(command, refusal("No server runs that could send an alert."));
    else if (host->try_alert(host->arg, on_tried, command, &err) != 0)
        finish(command, refusal(err.text));
}

static json_t *answer_with_backup(const struct buf *content)
{
    char *text = mem_new(B64_TEXT_SIZE(content->length));
    b64_encode(text, content->bytes, content->length);
    json_t *answer = json_pack("{s:b, s:s}", "done", 1, "backup", text);
    mem_free_secret(text);
    return answer;
}

static void run_backup(const struct commands_host *host, const json_t *request,
                       struct command *command)
{
    struct err err;
    struct buf content;
    bool secrets = json_is_true(json_object_get(request, "secrets"));
    if (!host->back_up) {
        finish(command, refusal("No server runs that could be asked for a backup."));
        return;
    }
    buf_init_secret(&content, ENVELOPE_CONTENT_MAX);
    if (host->back_up(host->arg, secrets, &content, &err) == 0)
        finish(command, answer_with_backup(&content));
    else
        finish(command, refusal(err.text));
    buf_fini(&content);
}

void commands_run(const struct commands_host *host, const json_t *request, commands_fn *fn,
                  void *arg)
{
    struct bridge *bridge = host->bridge;
    struct command *command = command_new(fn, arg);
    const char *name = json_string_value(json_object_get(request, "command"));
    const char *uuid = json_string_value(json_object_get(request, "uuid"));
    const char *nonce = json_string_value(json_object_get(request, "nonce"));
    struct err err;
    if (name && strcmp(name, "add") == 0) {
        run_add(bridge, request, command);
    } else if (name && strcmp(name, "list") == 0) {
        run_list(bridge, request, command);
    } else if (name && strcmp(name, "status") == 0) {
        run_status(host, request, command);
    } else if (name && strcmp(name, "health") == 0) {
        run_health(bridge, request, command);
    } else if (name && strcmp(name, "registrations") == 0) {
        run_registrations(bridge, command);
    } else if (name && strcmp(name, "reload") == 0) {
        run_reload(host, command);
    } else if (name && strcmp(name, "compare") == 0) {
        run_compare(host, request, command);
    } else if (name && strcmp(name, "key") == 0) {
        run_key(host, json_string_value(json_object_get(request, "origin")), command);
    } else if (name && strcmp(name, "try-alert") == 0) {
        run_try_alert(host, command);
    } else if (name && strcmp(name, "backup") == 0) {
        run_backup(host, request, command);
    } else if (name && strcmp(name, "expect") == 0) {
        run_expect(host, command);
    } else if (name && nonce && strcmp(name, "seen") == 0) {
        run_seen(host, nonce, command);
    } else if (name && uuid && strcmp(name, "remove") == 0) {
        if (bridge_remove(bridge, uuid, on_removed, command, &err) != 0)
            finish(command, refusal(err.text));
    } else if (name && uuid && strcmp(name, "ping") == 0) {
        command->answers = json_array();
        if (bridge_ping(bridge, uuid, on_pinged, command, &command->expected, &err) != 0)
            finish(command, refusal(err.text));
    } else {
        finish(command, refusal("The running server does not know this command; is it of another "
                                "version than this program?"));
    }
}
