#include "control/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"
#include "base/uuid.h"

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

static void list_one(void *arg, struct account *account)
{
    char uuid[UUID_TEXT_SIZE], origin[URL_ORIGIN_SIZE] = "";
    struct url url;
    uuid_format(uuid, account->key.uuid);
    if (url_parse(&url, account->endpoint.url, NULL) == 0) {
        url_origin(&url, origin);
        url_fini(&url);
    }
    json_array_append_new(
        arg, json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:I}", "uuid", uuid, "pseudonym",
                       account->pseudonym, "device", (int)account->key.device, "state",
                       account_state_name(account->state), "endpoint", origin, "endpoint_state",
                       endpoint_state_name(account->endpoint.state), "owed_since",
                       (json_int_t)account->owed_since_unix));
}

static void run_list(struct bridge *bridge, struct command *command)
{
    json_t *accounts = json_array();
    registry_each(bridge_registry(bridge), list_one, accounts);
    finish(command, json_pack("{s:b, s:o}", "done", 1, "accounts", accounts));
}

static void on_removed(void *arg, int result, const struct err *err)
{
    finish(arg, result == 0 ? json_pack("{s:b}", "done", 1) : refusal(err->text));
}

static void on_pinged(void *arg, const struct verdict *verdict)
{
    struct command *command = arg;
    json_array_append_new(command->answers,
                          json_pack("{s:b, s:s}", "accepted", verdict->kind == VERDICT_ACCEPTED,
                                    "text", verdict->text));
    if (json_array_size(command->answers) == command->expected)
        finish(command, json_pack("{s:b, s:O}", "done", 1, "answers", command->answers));
}

void commands_run(struct bridge *bridge, const json_t *request, commands_fn *fn, void *arg)
{
    struct command *command = command_new(fn, arg);
    const char *name = json_string_value(json_object_get(request, "command"));
    const char *uuid = json_string_value(json_object_get(request, "uuid"));
    struct err err;
    if (name && strcmp(name, "add") == 0) {
        run_add(bridge, request, command);
    } else if (name && strcmp(name, "list") == 0) {
        run_list(bridge, command);
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
