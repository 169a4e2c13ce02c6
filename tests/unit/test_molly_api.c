#include "web/molly_api.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "unit.h"

/* A stand-in that notes what it was asked and answers when the test wants it to. */
struct bridge {
    char uuid[64], password[64], endpoint[128], p256dh[64], auth[64];
    int64_t device;
    bool ping, has_keys, is_operator;
    unsigned asked, forgotten;
    registration_fn *fn;
    void *arg;
    struct registration_wait *wait;
};

struct registration_wait {
    struct bridge *bridge;
};

static void note(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

struct registration_wait *bridge_register(struct bridge *bridge,
                                          const struct registration *registration,
                                          registration_fn *fn, void *arg)
{
    note(bridge->uuid, sizeof bridge->uuid, registration->uuid);
    note(bridge->password, sizeof bridge->password, registration->password);
    note(bridge->endpoint, sizeof bridge->endpoint, registration->endpoint);
    note(bridge->p256dh, sizeof bridge->p256dh, registration->p256dh);
    note(bridge->auth, sizeof bridge->auth, registration->auth);
    bridge->has_keys = registration->p256dh && registration->auth;
    bridge->device = registration->device;
    bridge->ping = registration->ping;
    bridge->is_operator = registration->client.length == 0;
    bridge->asked++;
    bridge->fn = fn;
    bridge->arg = arg;
    bridge->wait = mem_new(sizeof *bridge->wait);
    bridge->wait->bridge = bridge;
    return bridge->wait;
}

void registration_forget(struct registration_wait *wait)
{
    wait->bridge->forgotten++;
    free(wait);
}

const char *registration_status_word(enum registration_status status)
{
    static const char *const words[] = {"ok", "forbidden", "invalid_uuid", "invalid_endpoint",
                                        "internal_error"};
    return words[status];
}

struct scene {
    struct bridge bridge;
    struct molly_api api;
    struct exchange exchange;
    unsigned answered;
};

static void on_answered(struct exchange *exchange)
{
    struct scene *scene = list_owner(exchange, struct scene, exchange);
    scene->answered++;
}

static void post(struct scene *scene, const char *type, const char *body)
{
    struct request *request = &scene->exchange.request;
    memset(scene, 0, sizeof *scene);
    scene->api.bridge = &scene->bridge;
    scene->exchange.answered = on_answered;
    request->method = "POST";
    request->body = (const unsigned char *)body;
    request->body_length = strlen(body);
    if (type)
        request->headers[request->header_count++] = (struct header){"Content-Type", type};
    struct address client;
    address_parse(&client, "198.51.100.1", 0);
    molly_register(&scene->api, &client, false, &scene->exchange);
}

static void end(struct scene *scene)
{
    if (scene->exchange.waiting)
        scene->exchange.forget(scene->exchange.waiting);
    response_fini(&scene->exchange.response);
}

static void answer(struct scene *scene, enum registration_status status, const struct err *err)
{
    free(scene->bridge.wait);
    scene->bridge.fn(scene->bridge.arg, status, err);
}

static const char full[] =
    "{\"uuid\":\"9d0652a3-dcc3-4d11-975f-74d61598733f\",\"device_id\":2,\"password\":\"s3cret\","
    "\"endpoint\":\"https://push.example.org/up?id=1\",\"ping\":true}";

START_TEST(a_registration_reaches_the_bridge_as_it_came)
{
    struct scene scene;
    post(&scene, "application/json; charset=utf-8", full);
    ck_assert_uint_eq(scene.bridge.asked, 1);
    ck_assert_int_eq(scene.exchange.response.status, 0);
    ck_assert_str_eq(scene.bridge.uuid, "9d0652a3-dcc3-4d11-975f-74d61598733f");
    ck_assert_str_eq(scene.bridge.password, "s3cret");
    ck_assert_str_eq(scene.bridge.endpoint, "https://push.example.org/up?id=1");
    ck_assert_int_eq(scene.bridge.device, 2);
    ck_assert(scene.bridge.ping);
    ck_assert(!scene.bridge.has_keys);
    ck_assert(!scene.bridge.is_operator);
    end(&scene);
}
END_TEST

/* A device with everything but the member under test, which `more` adds. */
#define WITH(more) "{\"uuid\":\"u\",\"device_id\":1,\"password\":\"p\",\"endpoint\":\"e\"" more "}"

START_TEST(what_may_be_left_out_may_be_left_out)
{
    static const struct {
        const char *body;
        bool ping, keys;
    } bodies[] = {
        {WITH(""), false, false},
        {WITH(",\"ping\":null"), false, false},
        {WITH(",\"ping\":false"), false, false},
        {WITH(",\"ping\":true"), true, false},
        {WITH(",\"p256dh\":null,\"auth\":null"), false, false},
        {WITH(",\"p256dh\":\"k\",\"auth\":\"a\""), false, true},
        {WITH(",\"other\":{\"deep\":[1,2,{}]},\"more\":null"), false, false},
        {" \r\n\t" WITH("") "\n", false, false},
        {"{\"uuid\":\"\",\"device_id\":0,\"password\":\"\",\"endpoint\":\"\"}", false, false},
        {"{\"uuid\":\"u\",\"device_id\":4294967295,\"password\":\"p\",\"endpoint\":\"e\"}", false,
         false},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct scene scene;
        post(&scene, "application/json", bodies[i].body);
        ck_assert_msg(scene.bridge.asked == 1, "%s", bodies[i].body);
        ck_assert_int_eq(scene.bridge.ping, bodies[i].ping);
        ck_assert_int_eq(scene.bridge.has_keys, bodies[i].keys);
        end(&scene);
    }
}
END_TEST

START_TEST(bodies_that_are_wrong_get_their_status_and_ask_nobody)
{
    static const struct {
        const char *body;
        int status;
    } bodies[] = {
        /* not JSON */
        {"", 400},
        {"{", 400},
        {"{\"uuid\":\"u\",}", 400},
        {"uuid=u&device_id=1", 400},
        {WITH("") "x", 400},
        {WITH(",\"a\":\"\xff\""), 400},
        {WITH(",\"a\":01"), 400},
        /* JSON, but not a registration */
        {"[]", 422},
        {"null", 422},
        {"5", 422},
        {"\"text\"", 422},
        {"{}", 422},
        {"{\"device_id\":1,\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":1,\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":1,\"password\":\"p\"}", 422},
        {"{\"uuid\":null,\"device_id\":1,\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":1,\"device_id\":1,\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":\"1\",\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":-1,\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":1.0,\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":4294967296,\"password\":\"p\",\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":99999999999999999999,\"password\":\"p\",\"endpoint\":"
         "\"e\"}",
         422},
        {"{\"uuid\":\"u\",\"device_id\":1,\"password\":[\"p\"],\"endpoint\":\"e\"}", 422},
        {"{\"uuid\":\"u\",\"device_id\":1,\"password\":\"p\",\"endpoint\":{}}", 422},
        {"{\"uuid\":\"u\",\"device_id\":1,\"password\":\"p\\u0000q\",\"endpoint\":\"e\"}", 422},
        {WITH(",\"ping\":1"), 422},
        {WITH(",\"ping\":\"true\""), 422},
        {WITH(",\"uuid\":\"v\""), 422},
        {WITH(",\"p256dh\":\"k\""), 422},
        {WITH(",\"auth\":\"a\""), 422},
        {WITH(",\"p256dh\":\"k\",\"auth\":null"), 422},
        {WITH(",\"p256dh\":1,\"auth\":2"), 422},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct scene scene;
        post(&scene, "application/json", bodies[i].body);
        ck_assert_uint_eq(scene.bridge.asked, 0);
        ck_assert_msg(scene.exchange.response.status == bodies[i].status, "%d for %s",
                      scene.exchange.response.status, bodies[i].body);
        ck_assert_str_eq(scene.exchange.response.type, "text/html; charset=utf-8");
        ck_assert_uint_lt(scene.exchange.response.length, 400);
        end(&scene);
    }
}
END_TEST

START_TEST(nesting_to_any_depth_is_refused_and_not_followed)
{
    enum { DEPTH = 60000 };
    char *body = mem_new(DEPTH + 1);
    struct scene scene;
    memset(body, '[', DEPTH);
    post(&scene, "application/json", body);
    ck_assert_int_eq(scene.exchange.response.status, 400);
    end(&scene);
    free(body);
}
END_TEST

START_TEST(another_content_type_is_not_found)
{
    static const struct {
        const char *type;
        bool right;
    } types[] = {
        {NULL, false},
        {"", false},
        {"text/plain", false},
        {"application/x-www-form-urlencoded", false},
        {"application/jsonx", false},
        {"application/json-seq", false},
        {"application/json", true},
        {"Application/JSON", true},
        {"application/json;charset=utf-8", true},
        {"application/json ; charset=utf-8", true},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct scene scene;
        post(&scene, types[i].type, full);
        ck_assert_int_eq(scene.exchange.response.status, types[i].right ? 0 : 404);
        ck_assert_uint_eq(scene.bridge.asked, types[i].right);
        end(&scene);
    }
}
END_TEST

START_TEST(every_verdict_is_200_with_its_word_and_a_version)
{
    static const char *const words[] = {"ok", "forbidden", "invalid_uuid", "invalid_endpoint",
                                        "internal_error"};
    for (int status = REGISTRATION_OK; status <= REGISTRATION_INTERNAL_ERROR; status++) {
        struct scene scene;
        struct err err = {0};
        char wanted[128];
        err_set(&err, ERR_REFUSED, "because");
        post(&scene, "application/json", full);
        answer(&scene, (enum registration_status)status, status == REGISTRATION_OK ? NULL : &err);
        ck_assert_uint_eq(scene.answered, 1);
        ck_assert_ptr_null(scene.exchange.waiting);
        ck_assert_int_eq(scene.exchange.response.status, 200);
        ck_assert_str_eq(scene.exchange.response.type, "application/json");
        snprintf(wanted, sizeof wanted,
                 "{\"mollysocket\":{\"status\":\"%s\",\"version\":\"" DOORBELL_VERSION "\"}}",
                 words[status]);
        ck_assert_str_eq(scene.exchange.response.body, wanted);
        end(&scene);
    }
}
END_TEST

START_TEST(a_question_that_is_taken_back_is_forgotten_by_the_bridge)
{
    struct scene scene;
    post(&scene, "application/json", full);
    ck_assert_ptr_nonnull(scene.exchange.waiting);
    scene.exchange.forget(scene.exchange.waiting);
    scene.exchange.waiting = NULL;
    ck_assert_uint_eq(scene.bridge.forgotten, 1);
    ck_assert_uint_eq(scene.answered, 0);
    end(&scene);
}
END_TEST

START_TEST(discovery_gives_a_version_and_no_status)
{
    struct response response = {0};
    molly_discover(&response);
    ck_assert_int_eq(response.status, 200);
    ck_assert_str_eq(response.body, "{\"mollysocket\":{\"version\":\"" DOORBELL_VERSION "\"}}");
    response_fini(&response);
}
END_TEST

UNIT_MAIN("molly_api", a_registration_reaches_the_bridge_as_it_came,
          what_may_be_left_out_may_be_left_out,
          bodies_that_are_wrong_get_their_status_and_ask_nobody,
          nesting_to_any_depth_is_refused_and_not_followed, another_content_type_is_not_found,
          every_verdict_is_200_with_its_word_and_a_version,
          a_question_that_is_taken_back_is_forgotten_by_the_bridge,
          discovery_gives_a_version_and_no_status)
