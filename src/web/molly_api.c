#include "web/molly_api.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

enum { BAD_REQUEST = 400, NOT_FOUND = 404, UNPROCESSABLE = 422 };

/* JSON that is well-formed, but holds what no registration may hold. */
static bool is_well_formed(enum json_error_code code)
{
    return code == json_error_duplicate_key || code == json_error_null_character ||
           code == json_error_null_byte_in_key || code == json_error_numeric_overflow;
}

static bool take_text(const json_t *object, const char *name, const char **text)
{
    *text = json_string_value(json_object_get(object, name));
    return *text != NULL;
}

/* Absent and null are the same. */
static bool take_optional_text(const json_t *object, const char *name, const char **text)
{
    const json_t *value = json_object_get(object, name);
    *text = json_string_value(value);
    return !value || json_is_null(value) || *text;
}

static bool take_device(const json_t *object, int64_t *device)
{
    const json_t *value = json_object_get(object, "device_id");
    *device = json_integer_value(value);
    return json_is_integer(value) && *device >= 0 && *device <= UINT32_MAX;
}

static bool take_ping(const json_t *object, bool *ping)
{
    const json_t *value = json_object_get(object, "ping");
    *ping = json_is_true(value);
    return !value || json_is_null(value) || json_is_boolean(value);
}

static bool take_members(const json_t *object, struct registration *to)
{
    return json_is_object(object) && take_text(object, "uuid", &to->uuid) &&
           take_device(object, &to->device) && take_text(object, "password", &to->password) &&
           take_text(object, "endpoint", &to->endpoint) && take_ping(object, &to->ping) &&
           take_optional_text(object, "p256dh", &to->p256dh) &&
           take_optional_text(object, "auth", &to->auth) && !to->p256dh == !to->auth;
}

int molly_read(struct molly_registration *read, const void *body, size_t length)
{
    json_error_t error;
    *read = (struct molly_registration){0};
    /* Any value is taken here, so that one which is not an object is 422 like any wrong type. */
    read->json =
        json_loadb(length ? body : "", length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!read->json)
        return is_well_formed(json_error_code(&error)) ? UNPROCESSABLE : BAD_REQUEST;
    if (take_members(read->json, &read->registration))
        return 0;
    molly_release(read);
    return UNPROCESSABLE;
}

void molly_release(struct molly_registration *read)
{
    const json_t *password = json_object_get(read->json, "password");
    /* jansson gives no writable pointer to a text, and the text is ours to wipe. */
    if (json_is_string(password))
        sodium_memzero((void *)(uintptr_t)json_string_value(password),
                       json_string_length(password));
    json_decref(read->json);
    *read = (struct molly_registration){0};
}

void molly_discover(struct response *response)
{
    response_json(response, mem_text("{\"mollysocket\":{\"version\":\"" DOORBELL_VERSION "\"}}"));
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    if (!type || strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    type += sizeof json - 1;
    type += strspn(type, " \t");
    return *type == '\0' || *type == ';';
}

static void refuse(struct response *response, int status)
{
    if (status == BAD_REQUEST)
        response_error(response, status, "400 Bad Request",
                       "The request could not be read as JSON.");
    else
        response_error(response, status, "422 Unprocessable Content",
                       "A registration has uuid, device_id, password and endpoint, and may have "
                       "ping, p256dh and auth.");
}

/* A registration whose verdict is out. */
struct question {
    struct molly_api *api;
    struct exchange *exchange;
    struct registration_wait *wait;
};

static void forget_question(void *waiting)
{
    struct question *question = waiting;
    registration_forget(question->wait);
    free(question);
}

static void on_verdict(void *arg, enum registration_status status, const struct err *err)
{
    struct question *question = arg;
    struct molly_api *api = question->api;
    struct exchange *exchange = question->exchange;
    const char *word = registration_status_word(status);
    free(question);
    if (status != REGISTRATION_OK) {
        char line[256];
        int length =
            snprintf(line, sizeof line, "%s: %s", word, err ? err->text : "no reason given");
        log_foreign(&api->refusals, LOG_LEVEL_INFO, "A registration was answered", line,
                    (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    }
    exchange->waiting = NULL;
    response_json(&exchange->response,
                  mem_format("{\"mollysocket\":{\"status\":\"%s\",\"version\":\"%s\"}}", word,
                             DOORBELL_VERSION));
    exchange->answered(exchange);
}

void molly_register(struct molly_api *api, const struct address *client, bool is_proxy,
                    struct exchange *exchange)
{
    struct molly_registration read;
    const struct request *request = &exchange->request;
    if (!is_json(request_header(request, "Content-Type"))) {
        response_error(&exchange->response, NOT_FOUND, "404 Not Found",
                       "A registration is sent as application/json.");
        return;
    }
    int refused = molly_read(&read, request->body, request->body_length);
    if (refused) {
        refuse(&exchange->response, refused);
        return;
    }
    read.registration.client = *client;
    read.registration.client_is_proxy = is_proxy;
    struct question *question = mem_new(sizeof *question);
    *question = (struct question){.api = api, .exchange = exchange};
    question->wait = bridge_register(api->bridge, &read.registration, on_verdict, question);
    exchange->waiting = question;
    exchange->forget = forget_question;
    molly_release(&read);
}
