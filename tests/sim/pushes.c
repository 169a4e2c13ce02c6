/* Push servers: what each endpoint answers, how long that takes, and what such an answer demands
 * (push-measured.md section 5), written down a second time apart from src/push/verdict.c. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "net/resolver.h"
#include "push/encrypt.h"
#include "push/transfer.h"
#include "push/trust.h"
#include "push/vapid.h"

struct answer {
    const char *text;
    struct push_answer answer;
    int64_t floor_ms, cap_ms; /* doubles with each answer alike up to the cap */
    int64_t latest_ms;        /* the next try comes by then */
    bool hard;                /* not even a registration with a ping goes below it */
    unsigned weight;
};

#define BODY(text) .body = text, .body_length = sizeof text - 1

static const struct answer answers[] = {
    {"201", {.status = 201}, 0, 0, 0, false, 0},
    {"404", {.status = 404}, 11 * MINUTE, 6 * HOUR, 6 * HOUR + 6 * MINUTE, false, 8},
    {"410", {.status = 410}, FOREVER, FOREVER, FOREVER, true, 2},
    {"429", {.status = 429}, 90 * SECOND, HOUR, HOUR + 6 * MINUTE, true, 3},
    {"429, Retry-After: 600",
     {.status = 429, .retry_after_s = 600},
     90 * SECOND,
     HOUR,
     HOUR + 6 * MINUTE,
     true,
     2},
    {"503, Retry-After: 7200",
     {.status = 503, .retry_after_s = 7200},
     0,
     0,
     HOUR + 16 * MINUTE,
     false,
     2},
    {"429/42901",
     {.status = 429, BODY("{\"code\":42901,\"http\":429}")},
     MINUTE,
     HOUR,
     HOUR + 6 * MINUTE,
     true,
     2},
    {"429/42908",
     {.status = 429, BODY("{\"code\":42908,\"http\":429}")},
     MINUTE,
     MINUTE,
     HOUR + 16 * MINUTE,
     true,
     1},
    {"500", {.status = 500}, 0, 0, 16 * MINUTE, false, 3},
    {"502", {.status = 502}, 0, 0, 16 * MINUTE, false, 2},
    {"503", {.status = 503}, 0, 0, 16 * MINUTE, false, 2},
    {"507", {.status = 507}, MINUTE, HOUR, HOUR + 6 * MINUTE, true, 3},
    {"no answer in time",
     {.failure = PUSH_NO_ANSWER},
     0, /* the first one is followed by a try within 15 s; later ones: time_out_floor_ms */
     0,
     20 * MINUTE,
     false,
     4},
    {"no connection", {.failure = PUSH_NO_CONNECT}, 0, 0, 16 * MINUTE, false, 3},
    {"no TLS", {.failure = PUSH_NO_TLS}, 0, 0, 16 * MINUTE, false, 1},
    {"no address", {.failure = PUSH_NO_ADDRESS}, 0, 0, 16 * MINUTE, false, 1},
    {"reset", {.failure = PUSH_BROKEN}, 0, 0, 16 * MINUTE, false, 1},
    {"401", {.status = 401}, 15 * MINUTE, 6 * HOUR, 6 * HOUR + 6 * MINUTE, false, 1},
    {"403", {.status = 403}, 15 * MINUTE, 6 * HOUR, 6 * HOUR + 6 * MINUTE, false, 1},
    {"301", {.status = 301}, HOUR, HOUR, HOUR + 16 * MINUTE, false, 1},
    {"400", {.status = 400}, HOUR, HOUR, HOUR + 16 * MINUTE, false, 1},
    {"a forbidden address", {.failure = PUSH_FORBIDDEN}, 0, 0, 16 * MINUTE, false, 1},
};
enum {
    ANSWERS_KNOWN = sizeof answers / sizeof *answers,
    GONE = 2,
    QUOTA = 7,
    TIMED_OUT = 12,
    RESET = 16,
    ELSEWHERE = 21,
};

enum { TIME_OUT_MS = 15 * SECOND /* push.timeout */ };

/* Public ntfy's allowance (push.md section 4), and a tenth of it for endpoints that never worked.
 */
enum {
    BURST = 200,
    EVERY_MS = MINUTE / 40,
    STRANGERS_BURST = BURST / 10,
    STRANGERS_EVERY_MS = EVERY_MS * 10,
};

struct transfer {
    struct list node;
    struct timer timer;
    transfer_fn *fn;
    void *arg;
    enum push_kind kind;
    unsigned account;
    int endpoint;
    uint64_t began, first_began; /* and its first try */
    int keys;
    uint8_t answer;
    bool by_operator;
    bool again;  /* its second try, which waits for no floor */
    bool behind; /* its endpoint fails, or never accepted: healthy ones do not wait for it */
};

static struct {
    struct behaviour behaviour[ACCOUNTS]; /* of all endpoints of one phone */
    bool gone[ENDPOINTS];                 /* until the app subscribes anew */
    bool was_gone[ENDPOINTS];             /* at some time */
    uint64_t renewed[ENDPOINTS];          /* when it did, last */
    struct list transfers;
    unsigned pings[ACCOUNTS]; /* of the operator, that have not left yet */
    const void *answering;    /* whose answer is being told */
    bool answered_by_operator, recovered;
    uint64_t answered_first_began;
    struct endpoint_book before; /* what was known before it */
    int64_t troubled_ms[2]; /* an origin's last failure of its own since it accepted; 0: none */
    int64_t full_ms[2], strangers_full_ms[2]; /* when its allowance has come back */
} pushes;

unsigned pushes_answer_count(void)
{
    return ANSWERS_KNOWN;
}

const char *pushes_answer_text(unsigned answer)
{
    return answers[answer % ANSWERS_KNOWN].text;
}

bool pushes_is_silence(unsigned answer)
{
    return answer == TIMED_OUT;
}

bool pushes_is_hard(unsigned answer)
{
    return answers[answer].hard;
}

bool pushes_is_gone(int endpoint)
{
    return pushes.gone[endpoint];
}

void pushes_set_gone(int endpoint, bool gone)
{
    pushes.gone[endpoint] = gone;
    pushes.was_gone[endpoint] |= gone;
}

bool pushes_was_gone(int endpoint)
{
    return pushes.was_gone[endpoint];
}

void pushes_renew(int endpoint)
{
    pushes.gone[endpoint] = false;
    pushes.renewed[endpoint] = ++world.tick;
}

void pushes_begin(void)
{
    memset(pushes.behaviour, 0, sizeof pushes.behaviour);
    memset(pushes.gone, 0, sizeof pushes.gone);
    memset(pushes.was_gone, 0, sizeof pushes.was_gone);
    memset(pushes.renewed, 0, sizeof pushes.renewed);
    memset(pushes.pings, 0, sizeof pushes.pings);
    memset(pushes.troubled_ms, 0, sizeof pushes.troubled_ms);
    list_init(&pushes.transfers);
    pushes.answering = NULL;
}

void pushes_behave(unsigned account, struct behaviour behaviour)
{
    pushes.behaviour[account] = behaviour;
}

/* What said 410 stays so. */
void pushes_heal(void)
{
    memset(pushes.behaviour, 0, sizeof pushes.behaviour);
}

static uint8_t choose_answer(struct transfer *transfer)
{
    struct behaviour *behaviour = &pushes.behaviour[endpoint_owner(transfer->endpoint)];
    const bool *gone = &pushes.gone[transfer->endpoint];
    uint8_t answer = behaviour->answer % ANSWERS_KNOWN;
    if (behaviour->left && --behaviour->left == 0)
        behaviour->answer = 0;
    if (answers[answer].answer.status == 410) {
        pushes_set_gone(transfer->endpoint, true);
        behaviour->answer = 0; /* of this one endpoint */
    }
    return *gone ? GONE : answer;
}

static int64_t delay_ms(const struct transfer *transfer)
{
    static const int64_t most[] = {1, 50, 800, 4 * SECOND, 14 * SECOND};
    if (transfer->answer == TIMED_OUT)
        return TIME_OUT_MS;
    uint8_t class = pushes.behaviour[endpoint_owner(transfer->endpoint)].delay;
    return dice(transfer->account, (uint32_t)most[class % (sizeof most / sizeof *most)] + 1);
}

static void count(const struct transfer *transfer, int by)
{
    struct book *book = &world.books[transfer->account];
    if (transfer->kind == PUSH_RING)
        book->rings_out += (unsigned)by;
    else if (!transfer->by_operator)
        book->tests_out += (unsigned)by;
}

static void end(struct transfer *transfer)
{
    count(transfer, -1);
    outside_cancel(&transfer->timer);
    list_remove(&transfer->node);
    free(transfer);
}

static int64_t told_ms(const struct answer *answer)
{
    int64_t ms = answer->answer.retry_after_s * SECOND;
    return ms < HOUR ? ms : HOUR;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t grown_ms(const struct answer *answer, unsigned doublings)
{
    if (answer->floor_ms == FOREVER)
        return FOREVER;
    int64_t wait_ms = answer->floor_ms;
    while (doublings-- && wait_ms < answer->cap_ms)
        wait_ms = wait_ms * 2 < answer->cap_ms ? wait_ms * 2 : answer->cap_ms;
    return larger(wait_ms, told_ms(answer));
}

static int64_t time_out_floor_ms(const struct endpoint_book *book, const struct answer *answer)
{
    return answer->answer.failure == PUSH_NO_ANSWER && book->time_outs > 1 ? 2 * MINUTE : 0;
}

static int64_t least_wait_ms(const struct endpoint_book *book, const struct answer *answer)
{
    unsigned doublings = book->alike ? book->alike - 1 : 0;
    return larger(grown_ms(answer, doublings), time_out_floor_ms(book, answer));
}

/* A day's quota is used up until midnight, but for an hour at most. */
static int64_t hurried_wait_ms(const struct endpoint_book *book, const struct answer *answer)
{
    if (answer == &answers[QUOTA])
        return answer->latest_ms;
    int64_t demanded_ms = grown_ms(answer, answer->hard ? book->failures - 1 : 0);
    if (demanded_ms == FOREVER)
        return FOREVER;
    return larger(demanded_ms, time_out_floor_ms(book, answer)) * 5 / 4;
}

static void note_unknown(struct endpoint_book *book, bool unknown, bool may_count, bool counts)
{
    book->unknown = unknown ? book->unknown + may_count : 0;
    book->unknown_surely = unknown ? book->unknown_surely + counts : 0;
    if (!unknown)
        book->unknown_since_ms = 0;
    else if (!book->unknown_since_ms)
        book->unknown_since_ms = world.now_ms;
}

static int64_t from_now(int64_t wait_ms)
{
    return wait_ms == FOREVER ? FOREVER : world.now_ms + wait_ms;
}

/* A push server that knows one endpoint again, or is reached again, may do so with the others:
 * their next try need not wait for what grew with each failure. */
static void note_recovery(unsigned origin)
{
    for (unsigned i = 0; i < world.accounts; i++) {
        struct endpoint_book *book = endpoint_book(i);
        if (!book->failures || origin_of(world.books[i].in_use) != origin)
            continue;
        world.books[i].retry_ms = 0;
        if (book->soonest_ms < book->soft_ms)
            book->soft_ms = book->soonest_ms;
    }
}

/* A push, a test too, was accepted: that ends all that was said before. */
static void end_floors(const struct transfer *transfer)
{
    *endpoint_book(transfer->account) = (struct endpoint_book){
        .accepted_ms = world.now_ms, .failures = is_denied(transfer->endpoint)};
    for (unsigned i = 0; i < world.accounts; i++) {
        const struct account *account = account_at(i);
        if (world.books[i].in_use != transfer->endpoint)
            continue;
        world.books[i].retry_ms = 0;
        if (account && !account->endpoint.proven)
            world.books[i].proven_ms = world.now_ms;
    }
    distance_spend(transfer->account, transfer->kind);
}

/* Accounts that share an endpoint that fails try it one after the other. */
static int64_t in_turn_ms(const struct transfer *transfer, int64_t at_ms)
{
    enum { APART_MS = 30 * SECOND };
    if (at_ms == FOREVER || !is_shared(transfer->endpoint, transfer->account))
        return at_ms;
    return at_ms + (ACCOUNTS - 1) * APART_MS;
}

/* Whether an answer says once more what the last one said: what was under way already, or what the
 * operator sent below the floor, says nothing new, and no 404 does that a gateway may remember. */
static bool counts(const struct endpoint_book *book, const struct transfer *transfer)
{
    const struct answer *answer = &answers[transfer->answer];
    if (!book->alike || book->answer != transfer->answer)
        return true;
    if (answer->hard)
        return !book->unsure && !transfer->by_operator && !transfer->again &&
               transfer->began > book->counted_tick;
    return world.now_ms - book->counted_ms >= answer->floor_ms;
}

static void count_alike(struct endpoint_book *book, const struct transfer *transfer)
{
    book->alike = book->alike && book->answer == transfer->answer ? book->alike + 1 : 1;
    book->answer = transfer->answer;
    book->counted_ms = world.now_ms;
    book->rounded_ms = 0;
    book->counted_tick = ++world.tick;
}

/* What was under way at the same time waited for the same silence. */
static void note_time_out(struct endpoint_book *book)
{
    if (book->time_outs && world.now_ms - book->timed_out_ms < TIME_OUT_MS)
        return;
    book->time_outs++;
    book->timed_out_ms = world.now_ms;
}

/* The first one that is not answered in time may be an accident. */
static int64_t latest_wait_ms(const struct endpoint_book *book, const struct answer *answer)
{
    bool is_first = answer->answer.failure == PUSH_NO_ANSWER && book->time_outs == 1;
    return is_first ? TIME_OUT_MS : answer->latest_ms;
}

static void note_floors(const struct transfer *transfer)
{
    struct endpoint_book *book = endpoint_book(transfer->account);
    const struct answer *answer = &answers[transfer->answer];
    bool is_counted = counts(book, transfer);
    bool may_count =
        is_counted || world.now_ms - book->counted_ms + book->rounded_ms >= answer->floor_ms;
    if (is_counted)
        count_alike(book, transfer);
    book->told_ms = world.now_ms;
    book->back = false;
    book->failures++;
    book->fails = true;
    if (answer->answer.failure == PUSH_NO_ANSWER)
        note_time_out(book);
    book->clock_jumps = world.clock_jumps;
    int64_t until_ms = from_now(least_wait_ms(book, answer));
    int64_t *floor = answer->hard ? &book->hard_ms : &book->soft_ms;
    *floor = larger(*floor, until_ms);
    book->doubled_ms = larger(book->doubled_ms, until_ms);
    if (answer->hard && until_ms != FOREVER) {
        book->finite_ms = larger(book->finite_ms, until_ms);
        book->finite_latest_ms =
            larger(book->finite_latest_ms, in_turn_ms(transfer, from_now(answer->latest_ms)));
    }
    int64_t own_ms = larger(answer->floor_ms, time_out_floor_ms(book, answer));
    book->soonest_ms = from_now(larger(own_ms, told_ms(answer)));
    book->hurried_ms =
        larger(book->hurried_ms, in_turn_ms(transfer, from_now(hurried_wait_ms(book, answer))));
    book->latest_ms =
        larger(book->latest_ms, in_turn_ms(transfer, from_now(latest_wait_ms(book, answer))));
    book->gone |= answer->answer.status == 410;
    note_unknown(book, answer->answer.status == 404, may_count, is_counted);
}

/* Its name was asked, and nobody else: it is tried again soon, and nothing that was said before
 * changes. */
static void note_elsewhere(const struct transfer *transfer)
{
    struct endpoint_book *book = endpoint_book(transfer->account);
    book->failures += !book->failures;
    book->latest_ms =
        larger(book->latest_ms, in_turn_ms(transfer, from_now(answers[ELSEWHERE].latest_ms)));
}

/* An endpoint's answer tells all accounts that use it; another ring may be waiting its turn
 * already. */
static void note_answer(const struct transfer *transfer)
{
    enum { RETRY_MIN_MS = 2 * SECOND }; /* push.retry_min */
    struct book *own = &world.books[transfer->account];
    for (unsigned i = 0; i < world.accounts; i++)
        if (world.books[i].in_use == transfer->endpoint)
            world.books[i].answered_ms = world.now_ms;
    if (transfer->answer == 0) {
        end_floors(transfer);
        return;
    }
    if (transfer->answer == ELSEWHERE)
        note_elsewhere(transfer);
    else
        note_floors(transfer);
    if (transfer->kind == PUSH_RING)
        own->retry_ms = world.now_ms + RETRY_MIN_MS;
    if (transfer->answer == GONE && transfer->first_began < pushes.renewed[transfer->endpoint])
        renew(transfer->endpoint); /* the answer is older than that */
    for (unsigned i = 0; i < world.accounts; i++)
        if (world.books[i].in_use == transfer->endpoint)
            distance_failed(i);
}

static unsigned in_flight(unsigned origin, unsigned *healthy)
{
    unsigned busy = 0;
    *healthy = 0;
    list_each(node, &pushes.transfers) {
        const struct transfer *transfer = list_owner(node, struct transfer, node);
        bool here = origin_of(transfer->endpoint) == origin;
        busy += here;
        *healthy += here && !transfer->behind;
    }
    return busy;
}

static void spend_allowance(const struct transfer *transfer, bool proven)
{
    unsigned origin = origin_of(transfer->endpoint);
    int64_t *full_ms = &pushes.full_ms[origin];
    int64_t *strangers_full_ms = &pushes.strangers_full_ms[origin];
    if (!has_budget(transfer->endpoint))
        return;
    *full_ms = larger(*full_ms, world.now_ms) + EVERY_MS;
    if (!proven)
        *strangers_full_ms = larger(*strangers_full_ms, world.now_ms) + STRANGERS_EVERY_MS;
}

static bool allowance_is_low(unsigned origin, bool proven)
{
    enum { NEARLY = 8 };
    int64_t missing_ms = pushes.full_ms[origin] - world.now_ms;
    int64_t strangers_ms = pushes.strangers_full_ms[origin] - world.now_ms;
    return missing_ms > (BURST - NEARLY) * EVERY_MS ||
           (!proven && strangers_ms > (STRANGERS_BURST - NEARLY) * STRANGERS_EVERY_MS);
}

/* What is put off may meet what holds everybody up. */
static void note_hold_up(unsigned origin)
{
    enum { PLACES = 3 };
    unsigned healthy;
    if (pushes.troubled_ms[origin] || allowance_is_low(origin, true) ||
        in_flight(origin, &healthy) >= PLACES)
        distance_obstacles(origin);
}

static bool is_own_trouble(const struct push_answer *answer)
{
    return answer->failure == PUSH_NO_CONNECT || answer->failure == PUSH_NO_TLS ||
           answer->failure == PUSH_UNTIMELY || (answer->status >= 502 && answer->status <= 504);
}

/* Any status but 500, which a phone may cause, ends an outage of the push server, only an accepted
 * push the doubt about it; a probe that learned nothing puts the next one off. */
static void note_origin(const struct transfer *transfer)
{
    const struct push_answer *answer = &answers[transfer->answer].answer;
    int64_t *troubled_ms = &pushes.troubled_ms[origin_of(transfer->endpoint)];
    bool own = is_own_trouble(answer), silent = !answer->status || answer->status == 500;
    pushes.recovered = transfer->answer == 0 || (*troubled_ms && !silent && !own);
    if (pushes.recovered)
        note_recovery(origin_of(transfer->endpoint));
    if (transfer->answer == 0)
        *troubled_ms = 0;
    else if (own || (*troubled_ms && silent))
        *troubled_ms = world.now_ms;
    note_hold_up(origin_of(transfer->endpoint));
}

/* Whoever wrote is told that the phone was rung, and has more to say. */
static void reply(unsigned account)
{
    struct device *device = &world.devices[account];
    if (!device->replies)
        return;
    device->replies--;
    messenger_message(account, true, false, 1);
}

/* What was encrypted with keys that the app has replaced may tell it nothing. */
static bool has_current_keys(const struct transfer *transfer)
{
    const struct account *account = account_at(transfer->account);
    return account && account->endpoint.keys->p256dh[KEY_VERSION] == transfer->keys;
}

static void note_accepted(const struct transfer *transfer)
{
    struct book *book = &world.books[transfer->account];
    if (transfer->kind != PUSH_RING)
        return;
    counters[COUNT_ACCEPTED]++;
    if (!has_current_keys(transfer)) {
        counters[COUNT_OUTDATED]++;
        return;
    }
    if (transfer->began > book->covered)
        book->covered = transfer->began;
    reply(transfer->account);
}

static void on_answer(void *arg)
{
    struct transfer copy = *(struct transfer *)arg;
    struct book *book = &world.books[copy.account];
    end(arg);
    trace("account %u: %s answered: %s", copy.account, copy.kind == PUSH_RING ? "ring" : "test",
          answers[copy.answer].text);
    pushes.answering = copy.arg;
    pushes.answered_by_operator = copy.by_operator;
    pushes.answered_first_began = copy.first_began;
    pushes.before = *endpoint_book(copy.account);
    if (copy.endpoint == book->in_use)
        note_answer(&copy);
    note_origin(&copy);
    if (copy.answer == 0)
        note_accepted(&copy);
    copy.fn(copy.arg, &answers[copy.answer].answer, "");
    pushes.answering = NULL;
    check_states();
    if (answers[copy.answer].answer.status == 404 && copy.endpoint == book->in_use)
        check_given_up(copy.account);
}

/* A phone's key says whose it is, so that pushes to an endpoint of several accounts can be told
 * apart; the first letter in a payload says what it is. */
enum { BODY_ACCOUNT, BODY_KIND, BODY_KEYS, PAYLOAD_LETTER = 2 };

int encrypt_payload(const uint8_t key[ENCRYPT_KEY_SIZE], const uint8_t auth[ENCRYPT_AUTH_SIZE],
                    const void *payload, size_t length, uint8_t body[ENCRYPT_BODY_SIZE],
                    struct err *err)
{
    (void)auth;
    (void)length;
    (void)err;
    body[BODY_ACCOUNT] = key[KEY_ACCOUNT];
    body[BODY_KEYS] = key[KEY_VERSION];
    body[BODY_KIND] = ((const uint8_t *)payload)[PAYLOAD_LETTER];
    return 0;
}

int encrypt_check_key(const uint8_t key[ENCRYPT_KEY_SIZE])
{
    (void)key;
    return 0;
}

static enum push_kind kind_of(const uint8_t *body)
{
    uint8_t letter = body[BODY_KIND];
    return letter == 'u' ? PUSH_RING : letter == 't' ? PUSH_TEST : PUSH_CONTESTED;
}

/* A second try with a new token is the same push, and its answer the one that counts. */
static bool is_second_try(const struct transfer_request *request, const struct transfer *transfer)
{
    if (!request->fresh || pushes.answering != transfer->arg)
        return false;
    *endpoint_book(transfer->account) = pushes.before;
    if (pushes.recovered)
        note_recovery(origin_of(transfer->endpoint));
    return true;
}

static bool is_proven(const struct transfer *transfer)
{
    const struct account *account = account_at(transfer->account);
    return account ? account->endpoint.proven : world.rows[transfer->account].proven;
}

struct transfer *transfer_start(struct transfers *transfers, const struct transfer_request *request,
                                transfer_fn *fn, void *arg)
{
    (void)transfers;
    struct transfer *transfer = calloc(1, sizeof *transfer);
    transfer->fn = fn;
    transfer->arg = arg;
    transfer->kind = kind_of(request->body);
    transfer->account = ((const uint8_t *)request->body)[BODY_ACCOUNT];
    transfer->keys = ((const uint8_t *)request->body)[BODY_KEYS];
    transfer->endpoint = endpoint_read(request->endpoint->target);
    unsigned *pings = &pushes.pings[transfer->account];
    trace("account %u: %s to endpoint %d", transfer->account,
          transfer->kind == PUSH_RING   ? "RING"
          : transfer->kind == PUSH_TEST ? "test push"
                                        : "notice of contention",
          transfer->endpoint);
    if (is_second_try(request, transfer)) {
        transfer->by_operator = pushes.answered_by_operator;
        transfer->first_began = pushes.answered_first_began;
        transfer->again = true;
    } else {
        transfer->by_operator = transfer->kind == PUSH_TEST && *pings;
        *pings -= transfer->by_operator;
        check_push(transfer->account, transfer->endpoint, transfer->keys, transfer->kind,
                   transfer->by_operator);
    }
    list_init(&transfer->node);
    list_append(&pushes.transfers, &transfer->node);
    count(transfer, 1);
    transfer->began = ++world.tick;
    if (!transfer->again)
        transfer->first_began = transfer->began;
    bool proven = is_proven(transfer);
    const struct endpoint_book *book = endpoint_book(transfer->account);
    transfer->behind = !proven || (book->failures && !book->back);
    spend_allowance(transfer, proven);
    note_hold_up(origin_of(transfer->endpoint));
    transfer->answer = choose_answer(transfer);
    int64_t after_ms = delay_ms(transfer);
    if (after_ms >= request->total_ms) {
        transfer->answer = TIMED_OUT;
        after_ms = request->total_ms;
    }
    timer_init(&transfer->timer, on_answer, transfer);
    outside_set(&transfer->timer, after_ms);
    return transfer;
}

void transfer_cancel(struct transfer *transfer)
{
    end(transfer);
}

void pushes_ping(unsigned account)
{
    pushes.pings[account]++;
}

bool pushes_are_held_up(int endpoint, bool proven)
{
    enum { IN_FLIGHT = 4 };
    unsigned origin = origin_of(endpoint), healthy, busy = in_flight(origin, &healthy);
    return pushes.troubled_ms[origin] || allowance_is_low(origin, proven) ||
           (proven ? busy >= IN_FLIGHT && healthy : busy > 0);
}

bool pushes_are_tried(int endpoint, bool proven)
{
    enum { IN_FLIGHT_FAILING = 2 };
    unsigned origin = origin_of(endpoint), healthy;
    bool several = proven && !pushes.troubled_ms[origin];
    return allowance_is_low(origin, proven) ||
           in_flight(origin, &healthy) >= (several ? IN_FLIGHT_FAILING : 1U);
}

int64_t pushes_latest_ms(int endpoint)
{
    unsigned origin = origin_of(endpoint);
    int64_t troubled_ms = pushes.troubled_ms[origin];
    int64_t strangers_ms =
        pushes.strangers_full_ms[origin] - (STRANGERS_BURST - ACCOUNTS) * STRANGERS_EVERY_MS;
    return larger(troubled_ms ? troubled_ms + 25 * MINUTE : 0, strangers_ms);
}

/* Connections are dead; whether the answer was on its way, nobody knows. */
void pushes_slept(void)
{
    list_each(node, &pushes.transfers) {
        struct transfer *transfer = list_owner(node, struct transfer, node);
        if (dice(transfer->account, 2) == 0)
            continue;
        transfer->answer = RESET;
        outside_set(&transfer->timer, dice(transfer->account, SECOND));
    }
}

void pushes_process_ended(void)
{
    struct list *node;
    while ((node = list_first(&pushes.transfers))) {
        if (!world.tearing_down)
            broke(STORM, "a push outlives its account");
        end(list_owner(node, struct transfer, node));
    }
    memset(pushes.pings, 0, sizeof pushes.pings);
    memset(pushes.full_ms, 0, sizeof pushes.full_ms);
    memset(pushes.strangers_full_ms, 0, sizeof pushes.strangers_full_ms);
}

/* The rest of the rim: one address, a token that nobody reads. */

struct transfers *transfers_new(struct loop *loop, const struct policy *policy, struct trust *trust,
                                struct err *err)
{
    (void)loop;
    (void)policy;
    (void)trust;
    (void)err;
    return (struct transfers *)&pushes;
}

void transfers_free(struct transfers *transfers)
{
    (void)transfers;
}

void transfers_renew(struct transfers *transfers, const struct policy *policy, struct trust *trust)
{
    (void)transfers;
    (void)policy;
    (void)trust;
}

struct trust *trust_load(const char *system_bundle, const char *ca_file, struct err *err)
{
    (void)system_bundle;
    (void)ca_file;
    (void)err;
    return (struct trust *)&pushes;
}

bool resolver_cached(struct resolver *resolver, enum resolver_lane lane, const char *host,
                     uint16_t port, struct address_list *addresses)
{
    (void)resolver;
    (void)lane;
    (void)host;
    (void)port;
    addresses->count = 1;
    memset(&addresses->items[0], 0, sizeof addresses->items[0]);
    return true;
}

struct lookup *resolver_start(struct resolver *resolver, enum resolver_lane lane, const char *host,
                              uint16_t port, bool proven, resolver_fn *fn, void *arg)
{
    (void)resolver;
    (void)lane;
    (void)host;
    (void)port;
    (void)proven;
    (void)fn;
    (void)arg;
    abort();
}

void resolver_cancel(struct lookup *lookup)
{
    (void)lookup;
}

const char *vapid_header(struct vapid *vapid, const char *origin, const char *subject,
                         int64_t now_unix, struct err *err)
{
    (void)vapid;
    (void)origin;
    (void)subject;
    (void)now_unix;
    (void)err;
    return "";
}

void vapid_forget(struct vapid *vapid, const char *origin)
{
    (void)vapid;
    (void)origin;
}

int policy_check_address(const struct policy *policy, const struct url *endpoint, bool proven,
                         const struct address *address, struct err *err)
{
    (void)policy;
    (void)endpoint;
    (void)proven;
    (void)address;
    (void)err;
    return 0;
}

bool policy_connect_to(const struct policy *policy, const struct url *endpoint,
                       struct connect_target *target)
{
    (void)policy;
    (void)endpoint;
    (void)target;
    return false;
}

bool policy_names_origin(const struct policy *policy, const struct url *endpoint)
{
    (void)policy;
    (void)endpoint;
    return world.sequence->options & NAMED;
}
