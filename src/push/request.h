/* A push under way, and how it ends: the answer is judged, its origin learns from it, whoever asked
 * is told. For push.c, which makes them, and brings them to their push server. */
#ifndef DOORBELL_PUSH_REQUEST_H
#define DOORBELL_PUSH_REQUEST_H

#include "base/list.h"
#include "push/headers.h"
#include "push/message.h"
#include "push/origin.h"
#include "push/push.h"
#include "push/skew.h"
#include "push/transfer.h"

struct push {
    struct loop *loop;
    struct resolver *resolver;
    struct policy *policy;
    struct vapid *vapid;
    struct headers *headers, *former_headers; /* before the last reload; NULL: there was none */
    unsigned reloads;
    char *subject;
    int64_t connect_ms, total_ms;
    const struct push_events *events;
    void *events_arg;
    struct origins origins;
    struct skew skew;
    struct timer pacing; /* something that waits may start then */
    struct transfers *transfers;
    uint64_t began[PUSH_KINDS], accepted[PUSH_KINDS];
    struct answers answers;
    struct list requests; /* under way */
    struct list ended;    /* judged, to be reported in a turn of the loop of its own */
    struct timer report;
};

/* Looks its addresses up, waits for a place at its origin, sends; then it has ended. */
struct push_request {
    struct list node;
    struct push *push;
    push_fn *fn;
    push_began_fn *began; /* NULL: nobody asks, or it began */
    void *arg;
    struct message message;
    bool proven, failing, probe;

    char *endpoint;
    struct lookup *lookup;
    int64_t addresses_ms; /* when they were looked up */
    unsigned reloads;     /* of then: the settings say whose addresses they must be */
    struct origin_place place;
    struct transfer *transfer;
    int64_t deadline_ms; /* of both tries together; 0: none began */
    bool again;          /* this is the second */
    bool counted;        /* among those that began */
    bool without_token;
    struct url url;

    /* Not zeroed with the rest: written before they are read. */
    char origin[URL_ORIGIN_SIZE]; /* "": the endpoint cannot be read */
    struct address_list addresses;
    struct verdict verdict;
};

/* What push.headers_file has for its origin; NULL: nothing. */
const struct header_list *push_request_headers(const struct push_request *request);
/* What its Authorization is. */
enum push_login push_request_login(const struct push_request *request);
enum push_login push_login_of(const struct push *push, const struct url *endpoint,
                              const char *origin);

/* Sets the verdict. What a person needs to know goes behind its sentence, or in its place where our
 * own policy says which setting it was. */
void push_request_judge(struct push_request *request, const struct push_answer *answer,
                        const char *why);
/* The origin learns the verdict on a request that is in flight. */
enum origin_news push_request_teach_origin(struct push_request *request);
void push_request_compare_clocks(struct push_request *request, const struct push_answer *answer);

/* A test or notice, which is of no use to anybody later, whose push server is left alone. */
bool push_request_is_in_vain(const struct push_request *request);
void push_request_refuse(struct push_request *request); /* for that reason; it has ended */

/* It is judged, and there was no answer: reported in a turn of the loop of its own. */
void push_request_end(struct push_request *request);
void push_request_report_ended(void *push); /* that turn */
/* Tells whoever asked, and frees it. */
void push_request_report(struct push_request *request);
void push_request_detach(struct push_request *request); /* gives back all that it holds */
void push_request_free(struct push_request *request);

#endif
