#include "push/push.h"

#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "push/basic.h"
#include "push/request.h"
#include "push/spelling.h"
#include "push/trust.h"

enum { ADDRESSES_LAST_MS = 60 * 1000 };

/* It failed before there was an answer. */
static void fail(struct push_request *request, enum push_failure failure, const char *why)
{
    const struct push_answer answer = {.failure = failure};
    push_request_judge(request, &answer, why);
    if (request->place.in_flight)
        push_request_teach_origin(request);
    push_request_end(request);
}

static void on_answer(void *arg, const struct push_answer *answer, const char *why);

/* A login takes the place of our token. */
static bool needs_token(const struct push_request *request)
{
    return !request->without_token && push_request_login(request) == LOGIN_TOKEN;
}

/* NULL where push.headers_file has it, or none is wanted. `login` is room for the endpoint's. */
static int find_authorization(struct push_request *request, char login[BASIC_HEADER_SIZE],
                              const char **authorization, struct err *err)
{
    const struct push *push = request->push;
    *authorization = basic_header(&request->url, login) ? login : NULL;
    if (*authorization || !needs_token(request))
        return 0;
    *authorization = vapid_header(push->vapid, request->origin, push->subject, clock_unix(), err);
    return *authorization ? 0 : err->code;
}

static void say_began(struct push_request *request)
{
    push_began_fn *began = request->began;
    request->push->began[request->message.kind] += !request->counted;
    request->counted = true;
    request->began = NULL;
    if (began)
        began(request->arg);
}

static void hand_over(struct push_request *request)
{
    struct push *push = request->push;
    char login[BASIC_HEADER_SIZE];
    const char *authorization;
    login[0] = '\0';
    struct err err;
    if (message_seal(&request->message, &err) != 0 ||
        find_authorization(request, login, &authorization, &err) != 0) {
        fail(request, PUSH_OURS, err.text);
        return;
    }
    int64_t now = loop_now_ms(push->loop);
    if (!request->deadline_ms)
        request->deadline_ms = now + push->total_ms;
    struct connect_target target;
    bool elsewhere = policy_connect_to(push->policy, &request->url, &target);
    struct transfer_request what = {
        .endpoint = &request->url,
        .origin = request->origin,
        .proven = request->proven,
        .addresses = &request->addresses,
        .connect_to = elsewhere ? &target : NULL,
        .authorization = authorization,
        .headers = push_request_headers(request),
        .topic = request->message.topic,
        .content_type = message_type(&request->message),
        .fresh = request->again,
        .connect_ms = push->connect_ms,
        .total_ms = request->deadline_ms - now,
    };
    what.body = message_body(&request->message, &what.length);
    request->transfer = transfer_start(push->transfers, &what, on_answer, request);
    sodium_memzero(login, strlen(login));
    if (request->transfer)
        say_began(request);
    else
        fail(request, PUSH_OURS, "libcurl takes no further request");
}

static void find_addresses(struct push_request *request);

/* push.connect_to may name another place by now. */
static bool is_outdated(const struct push_request *request)
{
    return request->reloads != request->push->reloads;
}

/* A server at home may have another address after an outage. */
static void start(struct push_request *request)
{
    int64_t age_ms = loop_now_ms(request->push->loop) - request->addresses_ms;
    if (request->place.probing || age_ms > ADDRESSES_LAST_MS || is_outdated(request))
        find_addresses(request);
    else
        hand_over(request);
}

static void start_waiting(struct push *push)
{
    int64_t now = loop_now_ms(push->loop);
    struct origin_place *place;
    while ((place = origins_next(&push->origins, now)))
        start(list_owner(place, struct push_request, place));
    int64_t next = origins_next_ms(&push->origins);
    if (next < INT64_MAX)
        loop_timer_set(push->loop, &push->pacing, next > now ? next - now : 0);
    else
        loop_timer_cancel(push->loop, &push->pacing);
}

static void on_pacing(void *arg)
{
    start_waiting(arg);
}

/* autopush's first kind of endpoint needs no token, and refuses one that it finds wrong. */
static bool needs_no_token(const struct push_request *request)
{
    return text_starts(request->url.target, "/wpush/v1/");
}

/* A reload moved the push server while the request was on its way: the new policy forbids the old
 * place, which says nothing about the endpoint. */
static bool went_to_old_place(const struct push_request *request)
{
    return request->verdict.kind == VERDICT_DENIED && is_outdated(request);
}

/* Whether it goes into a second try: the token may be the whole trouble. */
static bool tries_again(struct push_request *request)
{
    struct push *push = request->push;
    const struct verdict *verdict = &request->verdict;
    int64_t now = loop_now_ms(push->loop);
    if (request->again || now >= request->deadline_ms)
        return false;
    bool has_token = needs_token(request);
    bool sign_anew = verdict->sign_anew && has_token;
    request->without_token = verdict->status == 401 && has_token && needs_no_token(request);
    if (!request->without_token && !sign_anew && !went_to_old_place(request))
        return false;
    if (sign_anew && !request->without_token)
        vapid_forget(push->vapid, request->origin);
    request->again = true;
    origin_again(&request->place, now);
    start(request);
    return true;
}

static void say_recovered(struct push *push, char names[][URL_ORIGIN_SIZE], size_t count)
{
    for (size_t i = 0; i < count && push->events; i++)
        push->events->origin_recovered(push->events_arg, names[i]);
}

static void on_answer(void *arg, const struct push_answer *answer, const char *why)
{
    struct push_request *request = arg;
    struct push *push = request->push;
    request->transfer = NULL;
    push_request_judge(request, answer, why);
    push_request_compare_clocks(request, answer);
    enum origin_news news = push_request_teach_origin(request);
    bool recovered = news == ORIGIN_RECOVERED || news == ORIGIN_CLOSED;
    char names[SPELLINGS_MOST][URL_ORIGIN_SIZE];
    size_t count = recovered ? spellings_of(&request->url, names) : 0;
    bool again = tries_again(request);
    if (!again)
        push_request_detach(request);
    if (!again)
        push_request_report(request); /* first: a floor that it tells may hold back what waits */
    start_waiting(push);
    say_recovered(push, names, count);
}

/* Only what the policy allows is kept. */
static int take_addresses(struct push_request *request, const struct address_list *from,
                          struct err *err)
{
    struct address_list *to = &request->addresses;
    to->count = 0;
    if (from->count == 0)
        return err_set(err, ERR_NOT_FOUND, "the name has no address");
    for (size_t i = 0; i < from->count; i++) {
        if (policy_check_address(request->push->policy, &request->url, request->proven,
                                 &from->items[i], err) == 0)
            to->items[to->count++] = from->items[i];
    }
    return to->count > 0 ? 0 : ERR_REFUSED;
}

static enum push_lane lane_of(const struct push_request *request)
{
    if (!request->proven)
        return PUSH_UNPROVEN;
    return request->failing ? PUSH_FAILING : PUSH_HEALTHY;
}

static void line_up(struct push_request *request)
{
    struct push *push = request->push;
    bool named = policy_names_origin(push->policy, &request->url);
    char names[SPELLINGS_MOST][URL_ORIGIN_SIZE];
    const struct origin_request what = {
        .name = spelling_of_place(&request->url, request->origin, names),
        .endpoint = request->endpoint,
        .lane = lane_of(request),
        .kind = allowance_kind_of(request->url.host, named),
        .address = named ? NULL : &request->addresses.items[0],
        .probe = request->probe,
    };
    origins_join(&push->origins, &request->place, &what, loop_now_ms(push->loop));
    if (push_request_is_in_vain(request))
        push_request_refuse(request);
    start_waiting(push);
}

/* The second time is when it may start after it waited long. */
static void go_on(struct push_request *request, const struct address_list *addresses)
{
    struct err err;
    if (take_addresses(request, addresses, &err) != 0) {
        fail(request, addresses->count > 0 ? PUSH_FORBIDDEN : PUSH_NO_ADDRESS, err.text);
        return;
    }
    request->addresses_ms = loop_now_ms(request->push->loop);
    if (request->place.in_flight)
        hand_over(request);
    else
        line_up(request);
}

/* The name may be one that is not in the endpoint. */
static void fail_without_address(struct push_request *request, const struct err *err)
{
    struct connect_target target;
    struct err why = err ? *err : (struct err){0};
    if (policy_connect_to(request->push->policy, &request->url, &target))
        err_prefix(&why, "push.connect_to");
    fail(request, PUSH_NO_ADDRESS, why.text);
}

static void on_addresses(void *arg, const struct address_list *addresses, const struct err *err)
{
    struct push_request *request = arg;
    struct push *push = request->push;
    request->lookup = NULL;
    if (is_outdated(request))
        find_addresses(request);
    else if (addresses)
        go_on(request, addresses);
    else
        fail_without_address(request, err);
    start_waiting(push);
}

static void find_addresses(struct push_request *request)
{
    struct push *push = request->push;
    const struct url *url = &request->url;
    struct connect_target target;
    struct address_list addresses;
    bool elsewhere = policy_connect_to(push->policy, url, &target);
    const char *host = elsewhere ? target.host : url->host;
    uint16_t port = elsewhere ? target.port : url->port;
    request->reloads = push->reloads;
    if (resolver_cached(push->resolver, RESOLVER_ENDPOINT, host, port, &addresses))
        go_on(request, &addresses);
    else
        request->lookup = resolver_start(push->resolver, RESOLVER_ENDPOINT, host, port,
                                         elsewhere || request->proven, on_addresses, request);
}

static struct push_request *request_new(struct push *push, const struct push_target *target,
                                        enum push_kind kind)
{
    struct push_request *request =
        mem_partly(sizeof *request, offsetof(struct push_request, origin));
    request->origin[0] = '\0';
    request->push = push;
    request->endpoint = mem_text(target->endpoint);
    request->proven = target->proven;
    request->failing = target->failing;
    request->probe = target->probe;
    request->began = target->began;
    message_init(&request->message, target, kind);
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
    struct err err;
    if (policy_read_endpoint(push->policy, &request->url, request->endpoint, request->proven,
                             &err) != 0) {
        request->url = (struct url){.port = 0};
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
    push_request_free(request);
    loop_timer_set(push->loop, &push->pacing, 0); /* not now: whoever cancels may cancel more */
}

static struct breaker_timing timing_of(const struct config *config)
{
    return (struct breaker_timing){.failures = config->push_breaker_failures,
                                   .open_ms = config->push_breaker_open_ms,
                                   .open_max_ms = config->push_breaker_max_ms};
}

static void take_settings(struct push *push, struct policy *policy, const struct config *config)
{
    push->policy = policy;
    push->reloads++;
    free(push->subject);
    push->subject = mem_text(config->push_vapid_subject);
    push->connect_ms = config->push_connect_timeout_ms;
    push->total_ms = config->push_timeout_ms;
    push->origins.timing = timing_of(config);
}

static void take_headers(struct push *push, struct headers *headers)
{
    headers_free(push->former_headers);
    push->former_headers = push->headers;
    push->headers = headers;
    headers_warn(headers);
}

struct push *push_new(struct loop *loop, struct resolver *resolver, struct policy *policy,
                      struct vapid *vapid, const struct config *config, struct err *err)
{
    struct headers *headers = headers_load(config->push_headers_file, err);
    struct trust *trust = headers ? trust_load(NULL, config->push_ca_file, err) : NULL;
    struct transfers *transfers = trust ? transfers_new(loop, policy, trust, err) : NULL;
    if (!transfers) {
        headers_free(headers);
        return NULL;
    }
    struct push *push = mem_new(sizeof *push);
    push->loop = loop;
    push->resolver = resolver;
    push->vapid = vapid;
    push->transfers = transfers;
    const struct breaker_timing timing = timing_of(config);
    origins_init(&push->origins, &timing);
    take_settings(push, policy, config);
    take_headers(push, headers);
    answers_init(&push->answers);
    skew_init(&push->skew);
    timer_init(&push->pacing, on_pacing, push);
    list_init(&push->requests);
    list_init(&push->ended);
    timer_init(&push->report, push_request_report_ended, push);
    return push;
}

static void free_all(struct list *requests)
{
    struct list *node;
    while ((node = list_first(requests)))
        push_request_free(list_owner(node, struct push_request, node));
}

void push_free(struct push *push)
{
    if (!push)
        return;
    free_all(&push->requests);
    free_all(&push->ended);
    loop_timer_cancel(push->loop, &push->report);
    loop_timer_cancel(push->loop, &push->pacing);
    transfers_free(push->transfers);
    origins_fini(&push->origins);
    headers_free(push->headers);
    headers_free(push->former_headers);
    free(push->subject);
    free(push);
}

/* What waits was let in by the old policy. */
static void check_again(struct push *push)
{
    list_each_safe(node, &push->requests) {
        struct push_request *request = list_owner(node, struct push_request, node);
        struct err err = {0};
        if (!request->place.in_flight &&
            policy_check_endpoint(push->policy, request->endpoint, request->proven, &err) != 0)
            fail(request, PUSH_FORBIDDEN, err.text);
    }
}

int push_reload(struct push *push, struct policy *policy, const struct config *config,
                struct err *err)
{
    struct err why = {0};
    struct err *told = err ? err : &why;
    struct headers *headers = headers_load(config->push_headers_file, told);
    struct trust *trust = headers ? trust_load(NULL, config->push_ca_file, told) : NULL;
    if (!trust) {
        headers_free(headers);
        return told->code;
    }
    push_request_report_ended(push); /* by the old policy: whoever is told may ask anew then */
    take_settings(push, policy, config);
    take_headers(push, headers);
    transfers_renew(push->transfers, policy, trust);
    check_again(push);
    start_waiting(push);
    return 0;
}

enum push_login push_login_for(const struct push *push, const char *endpoint)
{
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    if (url_parse(&url, endpoint, NULL) != 0)
        return LOGIN_TOKEN;
    url_origin(&url, origin);
    enum push_login login = push_login_of(push, &url, origin);
    url_fini(&url);
    return login;
}

bool push_headers_changed(const struct push *push, const char *origin)
{
    return !headers_same(headers_for(push->headers, origin),
                         headers_for(push->former_headers, origin));
}

void push_listen(struct push *push, const struct push_events *events, void *arg)
{
    push->events = events;
    push->events_arg = arg;
}

void push_hurry(struct push *push)
{
    origins_hurry(&push->origins, loop_now_ms(push->loop));
    start_waiting(push);
}
