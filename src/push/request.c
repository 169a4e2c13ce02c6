#include "push/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "push/basic.h"
#include "push/spelling.h"
#include "push/tell.h"

enum { WHY_SIZE = sizeof((struct err){0}.text) };

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

const struct header_list *push_request_headers(const struct push_request *request)
{
    return headers_for(request->push->headers, request->origin);
}

/* The endpoint's own is for it alone, what the file has for all of the push server. */
enum push_login push_login_of(const struct push *push, const struct url *endpoint,
                              const char *origin)
{
    if (endpoint->userinfo)
        return LOGIN_ENDPOINT;
    const struct header_list *list = headers_for(push->headers, origin);
    return list && list->has_authorization ? LOGIN_HEADERS_FILE : LOGIN_TOKEN;
}

enum push_login push_request_login(const struct push_request *request)
{
    return push_login_of(request->push, &request->url, request->origin);
}

/* Whether the body repeats what the operator has added: the last word of a header is the secret. */
static bool names_header(const struct push_request *request, const struct push_answer *answer)
{
    const struct header_list *list = push_request_headers(request);
    for (size_t i = 0; answer->body && list && i < list->count; i++) {
        const char *word = strrchr(list->lines[i], ' ') + 1; /* there is one behind the name */
        if (memmem(answer->body, answer->body_length, word, strlen(word)))
            return true;
    }
    return false;
}

/* What an address is refused for may be no fault of the address: a reload may have forbidden the
 * endpoint meanwhile. */
static enum push_failure failure_of(const struct push_request *request,
                                    const struct push_answer *answer)
{
    struct err err;
    if (answer->failure != PUSH_FORBIDDEN)
        return answer->failure;
    return policy_check_endpoint(request->push->policy, request->endpoint, request->proven, &err)
               ? PUSH_FORBIDDEN
               : PUSH_ELSEWHERE;
}

void push_request_judge(struct push_request *request, const struct push_answer *answer,
                        const char *why)
{
    struct verdict *verdict = &request->verdict;
    struct push_answer told = *answer;
    told.failure = failure_of(request, answer);
    told.names_secret = (request->url.target && names_part_of(answer, request->url.target)) ||
                        names_header(request, answer) ||
                        basic_is_named(&request->url, answer->body, answer->body_length);
    told.login = push_request_login(request);
    verdict_judge(verdict, &told, clock_unix());
    if (answer->failure == PUSH_ANSWERED || !*why)
        return;
    if (answer->failure == PUSH_OURS)
        log_error("A push could not be made: %s", why);
    char text[WHY_SIZE + VERDICT_TEXT_SIZE];
    if (told.failure == PUSH_FORBIDDEN)
        snprintf(text, sizeof text, "%s", why);
    else if (told.failure == PUSH_ELSEWHERE)
        snprintf(text, sizeof text, "%s; if that is not its address, check this machine's DNS",
                 why);
    else
        snprintf(text, sizeof text, "%s (%s)", verdict->text, why);
    text_printable(verdict->text, sizeof verdict->text, text, strlen(text));
}

void push_request_detach(struct push_request *request)
{
    if (request->lookup)
        resolver_cancel(request->lookup);
    if (request->transfer)
        transfer_cancel(request->transfer);
    request->lookup = NULL;
    request->transfer = NULL;
    origins_leave(&request->push->origins, &request->place, loop_now_ms(request->push->loop));
    list_remove(&request->node);
}

void push_request_free(struct push_request *request)
{
    push_request_detach(request);
    url_fini(&request->url);
    mem_free_secret(request->endpoint);
    message_fini(&request->message);
    free(request);
}

/* What may be named where it is watched (answers.h). Of the servers in our own table a stranger
 * could make up as many names as there are ports. */
static const char *public_name(const struct push_request *request)
{
    const struct push *push = request->push;
    if (!request->origin[0])
        return NULL;
    bool preset = request->url.port == url_default_port(request->url.scheme) &&
                  allowance_kind_of(request->url.host, false) == ALLOWANCE_PUBLIC_NTFY;
    return preset || policy_names_origin(push->policy, &request->url) ? request->origin : NULL;
}

static void count(struct push_request *request)
{
    struct push *push = request->push;
    push->accepted[request->message.kind] += request->verdict.kind == VERDICT_ACCEPTED;
    answers_note(&push->answers, public_name(request), &request->verdict);
}

void push_request_report(struct push_request *request)
{
    count(request);
    request->fn(request->arg, &request->verdict);
    push_request_free(request);
}

void push_request_report_ended(void *arg)
{
    struct push *push = arg;
    size_t count = 0;
    list_each(node, &push->ended)
        count++;
    /* What ends in turn has a turn of its own: nobody who sends again at once holds up the loop. */
    for (; count && !list_empty(&push->ended); count--)
        push_request_report(list_owner(list_first(&push->ended), struct push_request, node));
}

void push_request_end(struct push_request *request)
{
    struct push *push = request->push;
    push_request_detach(request);
    list_append(&push->ended, &request->node);
    loop_timer_set(push->loop, &push->report, 0);
}

/* The origin as a whole */

static bool is_shared(const struct push_request *request)
{
    const struct push *push = request->push;
    char names[SPELLINGS_MOST][URL_ORIGIN_SIZE];
    size_t count = spellings_of(&request->url, names);
    for (size_t i = 0; i < count && push->events; i++)
        if (push->events->origin_is_shared(push->events_arg, names[i], request->endpoint))
            return true;
    return false;
}

bool push_request_is_in_vain(const struct push_request *request)
{
    return request->message.kind != PUSH_RING &&
           origin_is_held(&request->place, loop_now_ms(request->push->loop));
}

void push_request_refuse(struct push_request *request)
{
    int64_t now = loop_now_ms(request->push->loop);
    struct origin_state state;
    origin_describe(request->place.origin, &state, now);
    tell_held(&request->verdict, &state, origin_breaker_of(request->place.lane), now);
    push_request_end(request);
}

static void refuse_all(const struct push_request *cause)
{
    list_each_safe(node, &cause->push->requests) {
        struct push_request *request = list_owner(node, struct push_request, node);
        if (request->place.origin && origin_same_breaker(&request->place, &cause->place) &&
            push_request_is_in_vain(request))
            push_request_refuse(request);
    }
}

enum origin_news push_request_teach_origin(struct push_request *request)
{
    int64_t now = loop_now_ms(request->push->loop);
    struct origin_place *place = &request->place;
    enum origin_news news = origin_judge(place, &request->verdict, now, random_u32());
    if (news == ORIGIN_ALONE && !is_shared(request)) {
        origin_open(place, now, random_u32());
        news = ORIGIN_OPENED;
    }
    if (news == ORIGIN_SAME)
        return news;
    struct origin_state state;
    origin_describe(place->origin, &state, now);
    tell_news(news, &state, origin_breaker_of(place->lane), now);
    if (news == ORIGIN_OPENED || news == ORIGIN_REOPENED)
        refuse_all(request);
    return news;
}

void push_request_compare_clocks(struct push_request *request, const struct push_answer *answer)
{
    struct push *push = request->push;
    if (!request->proven)
        return;
    if (answer->failure == PUSH_UNTIMELY)
        skew_untimely(&push->skew);
    if (answer->date_unix <= 0)
        return;
    const struct skew_moment now = {.now_ms = loop_now_ms(push->loop), .now_unix = clock_unix()};
    int64_t ahead_s = answer->date_unix - now.now_unix;
    enum skew_news news = skew_judge(&push->skew, request->origin, ahead_s, &now);
    tell_clock(news, request->origin, ahead_s);
}
