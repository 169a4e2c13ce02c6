#include "push/push.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "push/origin.h"
#include "push/transfer.h"
#include "push/trust.h"

enum {
    TOPIC_HASH_SIZE = 24, /* 32 characters, the most that a Topic may have (RFC 8030 section 5.4) */
    TOPIC_SIZE = B64_TEXT_SIZE(TOPIC_HASH_SIZE),
    WHY_SIZE = sizeof((struct err){0}.text),
};

struct push {
    struct loop *loop;
    struct resolver *resolver;
    struct policy *policy;
    struct vapid *vapid;
    char *subject;
    int64_t connect_ms, total_ms;
    struct origins origins;
    struct transfers *transfers;
    struct list requests; /* under way */
    struct list ended;    /* judged, to be reported in a turn of the loop of its own */
    struct timer report;
};

/* Looks its addresses up, waits for a place at its origin, sends; then it has ended. */
struct push_request {
    struct list node;
    struct push *push;
    push_fn *fn;
    void *arg;
    enum push_kind kind;
    bool proven, has_keys;
    uint8_t p256dh[ENCRYPT_KEY_SIZE];
    uint8_t auth[ENCRYPT_AUTH_SIZE];

    char *endpoint;
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    char topic[TOPIC_SIZE];
    uint8_t body[ENCRYPT_BODY_SIZE];
    size_t body_length; /* 0: not encrypted yet */

    struct lookup *lookup;
    struct address_list addresses;
    struct origin_place place;
    struct transfer *transfer;
    int64_t deadline_ms; /* of both tries together; 0: none began */
    bool signed_anew;
    struct verdict verdict;
};

static const struct {
    const char *payload, *topic;
} kinds[] = {
    /* Molly looks for these very bytes (push.md 1.5). */
    [PUSH_RING] = {"{\"urgent\":true}", "mollysocket"},
    [PUSH_TEST] = {"{\"test\":true}", "test"},
    [PUSH_CONTESTED] = {"{\"code\":4409}", "4409"},
};

/* Who has the phone's keys must not tell by the topic what is in the message: a test and a notice
 * look alike. A ring has a topic of its own, or they would replace it while the phone is away. Made
 * from the endpoint's secret, so that a ring after a restart still replaces the one before. */
static void write_topic(struct push_request *request)
{
    if (!request->has_keys) {
        snprintf(request->topic, sizeof request->topic, "%s", kinds[request->kind].topic);
        return;
    }
    const char *use = request->kind == PUSH_RING ? "doorbell topic ring" : "doorbell topic other";
    uint8_t hash[TOPIC_HASH_SIZE];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)use, strlen(use), request->auth,
                       sizeof request->auth);
    b64url_encode(request->topic, hash, sizeof hash);
}

/* Whether the body has one of the parts of a path or query: a topic, a token. */
static bool names_part_of(const struct push_answer *answer, const char *target)
{
    enum { LEAST = 4 /* shorter ones tell nothing, and stand in many words */ };
    static const char separators[] = "/?&=;,.";
    while (*(target += strspn(target, separators))) {
        size_t length = strcspn(target, separators);
        if (length >= LEAST && answer->body &&
            memmem(answer->body, answer->body_length, target, length))
            return true;
        target += length;
    }
    return false;
}

/* What a person needs to know goes behind the verdict's sentence, or in its place where our own
 * policy says which setting it was. */
static void judge(struct push_request *request, const struct push_answer *answer, const char *why)
{
    struct verdict *verdict = &request->verdict;
    struct push_answer told = *answer;
    told.names_endpoint = request->url.target && names_part_of(answer, request->url.target);
    verdict_judge(verdict, &told, clock_unix());
    if (answer->failure == PUSH_ANSWERED || !*why)
        return;
    if (answer->failure == PUSH_OURS)
        log_error("A push could not be made: %s", why);
    char text[WHY_SIZE + VERDICT_TEXT_SIZE];
    if (answer->failure == PUSH_FORBIDDEN)
        snprintf(text, sizeof text, "%s", why);
    else
        snprintf(text, sizeof text, "%s (%s)", verdict->text, why);
    text_printable(verdict->text, sizeof verdict->text, text, strlen(text));
}

/* Gives back all that it holds. */
static void detach(struct push_request *request)
{
    if (request->lookup)
        resolver_cancel(request->lookup);
    if (request->transfer)
        transfer_cancel(request->transfer);
    request->lookup = NULL;
    request->transfer = NULL;
    origins_leave(&request->push->origins, &request->place);
    list_remove(&request->node);
}

static void request_free(struct push_request *request)
{
    detach(request);
    url_fini(&request->url);
    free(request->endpoint);
    sodium_memzero(request->auth, sizeof request->auth);
    free(request);
}

static void report(struct push_request *request)
{
    request->fn(request->arg, &request->verdict);
    request_free(request);
}

static void report_ended(void *arg)
{
    struct push *push = arg;
    struct list *node;
    while ((node = list_first(&push->ended)))
        report(list_owner(node, struct push_request, node));
}

/* It failed before there was an answer. */
static void fail(struct push_request *request, enum push_failure failure, const char *why)
{
    struct push *push = request->push;
    const struct push_answer answer = {.failure = failure};
    detach(request);
    judge(request, &answer, why);
    list_append(&push->ended, &request->node);
    loop_timer_set(push->loop, &push->report, 0);
}

static void on_answer(void *arg, const struct push_answer *answer, const char *why);

static int make_body(struct push_request *request, struct err *err)
{
    if (!request->has_keys || request->body_length)
        return 0;
    const char *payload = kinds[request->kind].payload;
    int result = encrypt_payload(request->p256dh, request->auth, payload, strlen(payload),
                                 request->body, err);
    request->body_length = result == 0 ? sizeof request->body : 0;
    return result;
}

static void start(struct push_request *request)
{
    struct push *push = request->push;
    char authorization[VAPID_HEADER_SIZE];
    struct err err = {0};
    if (make_body(request, &err) != 0 || vapid_header(push->vapid, request->origin, push->subject,
                                                      clock_unix(), authorization, &err) != 0) {
        fail(request, PUSH_OURS, err.text);
        return;
    }
    int64_t now = loop_now_ms(push->loop);
    if (!request->deadline_ms)
        request->deadline_ms = now + push->total_ms;
    const char *payload = kinds[request->kind].payload;
    struct transfer_request what = {
        .endpoint = &request->url,
        .addresses = &request->addresses,
        .authorization = authorization,
        .topic = request->topic,
        .content_type = request->has_keys ? "application/octet-stream" : "application/json",
        .body = request->has_keys ? request->body : (const void *)payload,
        .length = request->has_keys ? request->body_length : strlen(payload),
        .fresh = request->signed_anew,
        .connect_ms = push->connect_ms,
        .total_ms = request->deadline_ms - now,
    };
    request->transfer = transfer_start(push->transfers, &what, on_answer, request);
    if (!request->transfer)
        fail(request, PUSH_OURS, "libcurl takes no further request");
}

static void start_waiting(struct push *push)
{
    struct origin_place *place;
    while ((place = origins_next(&push->origins)))
        start(list_owner(place, struct push_request, place));
}

/* Whether it goes into a second try: an old token may be the whole trouble. */
static bool signs_anew(struct push_request *request, const struct verdict *verdict)
{
    struct push *push = request->push;
    if (!verdict->sign_anew || request->signed_anew ||
        loop_now_ms(push->loop) >= request->deadline_ms)
        return false;
    request->signed_anew = true;
    vapid_forget(push->vapid, request->origin);
    start(request);
    return true;
}

static void on_answer(void *arg, const struct push_answer *answer, const char *why)
{
    struct push_request *request = arg;
    struct push *push = request->push;
    request->transfer = NULL;
    judge(request, answer, why);
    bool again = signs_anew(request, &request->verdict);
    if (!again)
        detach(request);
    start_waiting(push);
    if (!again)
        report(request);
}

/* Only what the policy allows is kept. */
static int take_addresses(struct push_request *request, const struct address_list *from,
                          struct err *err)
{
    struct address_list *to = &request->addresses;
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (policy_check_address(request->push->policy, &request->url, &from->items[i], err) == 0)
            to->items[to->count++] = from->items[i];
    }
    return to->count > 0 ? 0 : ERR_REFUSED;
}

static void line_up(struct push_request *request, const struct address_list *addresses)
{
    struct push *push = request->push;
    struct err err = {.text = "the name has no address"};
    if (take_addresses(request, addresses, &err) != 0) {
        fail(request, addresses->count > 0 ? PUSH_FORBIDDEN : PUSH_NO_ADDRESS, err.text);
        return;
    }
    origins_join(&push->origins, &request->place, request->origin, request->proven);
    start_waiting(push);
}

static void on_addresses(void *arg, const struct address_list *addresses, const struct err *err)
{
    struct push_request *request = arg;
    request->lookup = NULL;
    if (addresses)
        line_up(request, addresses);
    else
        fail(request, PUSH_NO_ADDRESS, err ? err->text : "");
}

static void find_addresses(struct push_request *request)
{
    struct push *push = request->push;
    const struct url *url = &request->url;
    struct address_list addresses;
    if (resolver_cached(push->resolver, RESOLVER_ENDPOINT, url->host, url->port, &addresses))
        line_up(request, &addresses);
    else
        request->lookup = resolver_start(push->resolver, RESOLVER_ENDPOINT, url->host, url->port,
                                         request->proven, on_addresses, request);
}

static struct push_request *request_new(struct push *push, const struct push_target *target,
                                        enum push_kind kind)
{
    struct push_request *request = mem_new(sizeof *request);
    request->push = push;
    request->kind = kind;
    request->endpoint = mem_text(target->endpoint);
    request->proven = target->proven;
    request->has_keys = target->has_keys;
    if (target->has_keys) {
        memcpy(request->p256dh, target->p256dh, sizeof request->p256dh);
        memcpy(request->auth, target->auth, sizeof request->auth);
    }
    write_topic(request);
    list_init(&request->node);
    list_append(&push->requests, &request->node);
    return request;
}

struct push_request *push_send(struct push *push, const struct push_target *target,
                               enum push_kind kind, push_fn *fn, void *arg)
{
    struct push_request *request = request_new(push, target, kind);
    request->fn = fn;
    request->arg = arg;
    struct err err = {0};
    if (policy_check_endpoint(push->policy, request->endpoint, &err) != 0 ||
        url_parse(&request->url, request->endpoint, &err) != 0) {
        fail(request, PUSH_FORBIDDEN, err.text);
        return request;
    }
    url_origin(&request->url, request->origin);
    find_addresses(request);
    return request;
}

void push_cancel(struct push_request *request)
{
    struct push *push = request->push;
    request_free(request);
    start_waiting(push);
}

static void take_settings(struct push *push, struct policy *policy, const struct config *config)
{
    push->policy = policy;
    free(push->subject);
    push->subject = mem_text(config->push_vapid_subject);
    push->connect_ms = config->push_connect_timeout_ms;
    push->total_ms = config->push_timeout_ms;
}

struct push *push_new(struct loop *loop, struct resolver *resolver, struct policy *policy,
                      struct vapid *vapid, const struct config *config, struct err *err)
{
    struct trust *trust = trust_load(NULL, config->push_ca_file, err);
    if (!trust)
        return NULL;
    struct transfers *transfers = transfers_new(loop, policy, trust, err);
    if (!transfers)
        return NULL;
    struct push *push = mem_new(sizeof *push);
    push->loop = loop;
    push->resolver = resolver;
    push->vapid = vapid;
    push->transfers = transfers;
    take_settings(push, policy, config);
    origins_init(&push->origins);
    list_init(&push->requests);
    list_init(&push->ended);
    timer_init(&push->report, report_ended, push);
    return push;
}

static void free_all(struct list *requests)
{
    struct list *node;
    while ((node = list_first(requests)))
        request_free(list_owner(node, struct push_request, node));
}

void push_free(struct push *push)
{
    if (!push)
        return;
    free_all(&push->requests);
    free_all(&push->ended);
    loop_timer_cancel(push->loop, &push->report);
    transfers_free(push->transfers);
    origins_fini(&push->origins);
    free(push->subject);
    free(push);
}

/* What waits was let in by the old policy. */
static void check_again(struct push *push)
{
    list_each_safe(node, &push->requests) {
        struct push_request *request = list_owner(node, struct push_request, node);
        struct err err = {0};
        if (!request->transfer && policy_check_endpoint(push->policy, request->endpoint, &err) != 0)
            fail(request, PUSH_FORBIDDEN, err.text);
    }
}

int push_reload(struct push *push, struct policy *policy, const struct config *config,
                struct err *err)
{
    struct err why = {0};
    struct trust *trust = trust_load(NULL, config->push_ca_file, err ? err : &why);
    if (!trust)
        return err ? err->code : why.code;
    take_settings(push, policy, config);
    transfers_renew(push->transfers, policy, trust);
    check_again(push);
    return 0;
}
