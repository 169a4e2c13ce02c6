#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "base/b64.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/uuid.h"
#include "signal/judge.h"
#include "signal/resource.h"
#include "signal/scanner.h"
#include "signal/server.h"

enum {
    /* After so much quiet a link gives back the buffers of a burst. */
    IDLE_AFTER_MS = 5000,
    /* Testing thousands of links in one moment would be a burst of its own. */
    TEST_SPREAD_MS = 2000,
    CLOSE_NORMAL = 1000,
    CLOSE_UNREADABLE = 1007,
    STATUS_OK = 200,
    STATUS_CLIENT_REFUSED = 499,
    FIRST_DEVICE = 1,
};

struct link {
    struct signal_server *server;
    const struct link_events *events;
    void *arg;
    const char *password; /* sealed, where there is a key */
    const struct seal *seal;
    const struct transport_ops *transport; /* of `road` */
    struct channel *channel;               /* NULL: down */
    struct scanner *scanner;               /* while a message is coming in */
    struct timer timer;                    /* at the earliest of the next three */
    int64_t keepalive_at_ms;               /* when to send the next one */
    int64_t answer_by_ms;                  /* 0: no keep-alive is out */
    int64_t idle_at_ms;                    /* 0: idle already */
    int64_t reauthenticate_at_ms;
    const char *why_text;  /* why we end it ourselves; NULL: we do not */
    uint32_t last_request; /* the id of our last keep-alive */
    uint32_t unanswered;   /* messages that the owner has not acknowledged */
    uint8_t uuid[16];
    enum link_reason why : 8;
    uint8_t device;
    uint8_t road; /* enum road: the one that it took the last time */
    bool candidate : 1;
    bool use_fallback : 1; /* of the two User-Agents */
    bool one_refused : 1;  /* one of them was answered 499 since the last success */
    bool open : 1;         /* from the handshake's success until it comes down */
    bool heard : 1;        /* a whole message has come over this connection */
    bool drained : 1;
};

static int64_t now_ms(const struct link *link)
{
    return loop_now_ms(link->server->loop);
}

/* A number from 0 to below `range`. */
static int64_t spread(int64_t range)
{
    return range > 0 ? (int64_t)((uint64_t)range * random_u32() >> 32) : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return b && b < a ? b : a;
}

static void arm(struct link *link)
{
    int64_t at = link->answer_by_ms ? link->answer_by_ms : link->keepalive_at_ms;
    at = earlier(at, link->idle_at_ms);
    loop_timer_set(link->server->loop, &link->timer, at - now_ms(link));
}

/* The end of a connection. */

static void come_down(struct link *link)
{
    loop_timer_cancel(link->server->loop, &link->timer);
    link->open = link->heard = false;
    link->server->links[link->road]--;
    free(link->scanner);
    link->scanner = NULL;
    link->transport->free(link->channel);
    link->channel = NULL;
}

/* Ends the connection in the protocol's manner; `down` follows with this reason. Works from inside
 * calls as well, because the channel reports its end later. */
static void close_because(struct link *link, int code, enum link_reason why, const char *text)
{
    if (link->why_text)
        return;
    link->why = why;
    link->why_text = text;
    link->transport->close(link->channel, code, "");
}

/* Hangs up on a peer that is not there any more. Only from a timer: it reports at once. */
static void hang_up(struct link *link)
{
    static const struct transport_end silent = {
        .kind = TRANSPORT_LOST, .text = "links are let in, and then nothing comes over them"};
    static const struct link_down down = {.reason = LINK_LOST,
                                          .text = "Signal's server did not answer a keep-alive."};
    if (!link->heard)
        server_note_failure(link->server, link->road, &silent);
    come_down(link);
    link->events->down(link->arg, &down);
}

static const char *user_agent(const struct link *link, bool fallback)
{
    const struct config *config = link->server->config;
    const char *other = config->signal_user_agent_fallback;
    return fallback && other && other[0] ? other : config->signal_user_agent;
}

static bool has_other_user_agent(const struct link *link)
{
    return strcmp(user_agent(link, false), user_agent(link, true)) != 0;
}

/* The next start tries the other User-Agent. Only that both were refused is a verdict, and each
 * verdict takes both: either may be the one that is let in by then. */
static void judge_client(struct link *link, struct link_down *down)
{
    if (!has_other_user_agent(link))
        return;
    link->use_fallback = !link->use_fallback;
    link->one_refused = !link->one_refused;
    if (!link->one_refused)
        return;
    down->reason = LINK_CLOSED;
    snprintf(down->text, sizeof down->text,
             "Signal wants another client (499): the other User-Agent is tried next.");
}

static void on_ended(void *arg, const struct transport_end *end)
{
    struct link *link = arg;
    struct link_down down = {.reason = link->why};
    if (link->why_text)
        snprintf(down.text, sizeof down.text, "%s", link->why_text);
    else
        judge(&down, end);
    if (!link->heard)
        server_note_failure(link->server, link->road, end);
    if (down.status == STATUS_CLIENT_REFUSED && down.reason == LINK_CLIENT_REFUSED)
        judge_client(link, &down);
    come_down(link);
    link->events->down(link->arg, &down);
}

/* Keep-alives, and what else time brings. */

static void send_keepalive(struct link *link)
{
    const struct config *config = link->server->config;
    uint8_t request[RESOURCE_REQUEST_MAX];
    size_t length = resource_keepalive(request, ++link->last_request);
    int64_t now = now_ms(link);
    link->keepalive_at_ms = now + config->signal_keepalive_ms;
    link->answer_by_ms = now + config->signal_keepalive_timeout_ms;
    link->transport->send_lazily(link->channel, request, length);
}

/* Nothing is lost by ending the connection in this moment. */
static bool is_at_rest(const struct link *link)
{
    return link->drained && !link->unanswered && !link->scanner;
}

/* The device counts as seen only when it authenticates (signal.md 4.3). */
static bool must_reauthenticate(const struct link *link)
{
    return link->reauthenticate_at_ms && now_ms(link) >= link->reauthenticate_at_ms &&
           is_at_rest(link);
}

/* A reload has closed its road, or on the other one it leaves room for those that wait. */
static bool must_move(const struct link *link)
{
    return is_at_rest(link) && server_wants_move(link->server, link->road);
}

static void on_keepalive_due(struct link *link)
{
    bool reauthenticates = must_reauthenticate(link);
    if (reauthenticates || must_move(link)) {
        if (reauthenticates)
            link->use_fallback = false; /* once a day our own User-Agent gets another chance */
        close_because(link, CLOSE_NORMAL, LINK_STOPPED,
                      reauthenticates
                          ? "The link is opened anew, so that the device counts as seen."
                          : "The link is opened anew, on the other road.");
        return;
    }
    send_keepalive(link);
}

static void on_timer(void *arg)
{
    struct link *link = arg;
    int64_t now = now_ms(link);
    if (link->why_text)
        return;
    if (link->answer_by_ms && now >= link->answer_by_ms) {
        hang_up(link);
        return;
    }
    if (link->idle_at_ms && now >= link->idle_at_ms) {
        link->idle_at_ms = 0;
        link->transport->idle(link->channel);
    }
    if (!link->answer_by_ms && now >= link->keepalive_at_ms)
        on_keepalive_due(link);
    if (!link->why_text)
        arm(link);
}

static int64_t reauthenticate_at(const struct link *link)
{
    int64_t every = link->server->config->signal_reauthenticate_ms;
    return every ? now_ms(link) + every - every / 6 + spread(every / 3) : 0;
}

static void on_opened(void *arg)
{
    struct link *link = arg;
    int64_t now = now_ms(link);
    link->one_refused = false;
    link->keepalive_at_ms = now + spread(link->server->config->signal_keepalive_ms);
    link->idle_at_ms = now + IDLE_AFTER_MS;
    link->reauthenticate_at_ms = reauthenticate_at(link);
    link->open = true;
    arm(link);
    link->events->up(link->arg);
}

/* Messages. */

static void answer(struct link *link, uint64_t id)
{
    uint8_t message[RESOURCE_ANSWER_MAX];
    size_t length = resource_ok(message, id);
    if (link->transport->send(link->channel, message, length) == ERR_LIMIT)
        close_because(link, CLOSE_NORMAL, LINK_LOST,
                      "Signal's server stopped reading our answers.");
}

static bool is_own(const struct link *link, const struct scanned *scanned)
{
    return scanned->envelope_readable && scanned->has_source &&
           scanned->source_device == FIRST_DEVICE &&
           memcmp(scanned->source_uuid, link->uuid, sizeof link->uuid) == 0;
}

static void on_message(struct link *link, const struct scanned *scanned)
{
    if (!scanned->has_id) {
        close_because(link, CLOSE_UNREADABLE, LINK_PROTOCOL,
                      "Signal's server sent a message that cannot be answered: it has no id.");
        return;
    }
    link->unanswered++;
    bool urgent = !scanned->envelope_readable || scanned->urgent;
    link->events->waiting(link->arg, scanned->id, urgent, is_own(link, scanned));
}

/* To answer it unseen would tell the server that it arrived, and nobody would be rung for it. */
static void on_unknown(struct link *link, const struct scanned *scanned)
{
    if (!link->server->said_unknown)
        log_warn("Signal's server sends requests that this version of Doorbell does not "
                 "know. They are taken for messages, so that none is lost; look for a newer "
                 "version.");
    link->server->said_unknown = true;
    if (scanned->has_id)
        on_message(link, scanned);
}

static void on_queue_empty(struct link *link, const struct scanned *scanned)
{
    if (scanned->has_id)
        answer(link, scanned->id);
    link->drained = true;
    link->events->drained(link->arg);
}

static void on_response(struct link *link, const struct scanned *scanned)
{
    if (!link->answer_by_ms || !scanned->has_id || scanned->id != link->last_request)
        return;
    link->answer_by_ms = 0;
    if (scanned->status != STATUS_OK) {
        close_because(link, CLOSE_NORMAL, LINK_SERVER_TROUBLE,
                      "Signal's server refused a keep-alive.");
        return;
    }
    arm(link);
}

static void on_scanned(struct link *link, const struct scanned *scanned)
{
    switch (scanned->kind) {
    case SCANNED_MESSAGE:
        on_message(link, scanned);
        break;
    case SCANNED_QUEUE_EMPTY:
        on_queue_empty(link, scanned);
        break;
    case SCANNED_UNKNOWN:
        on_unknown(link, scanned);
        break;
    case SCANNED_OTHER:
        if (scanned->has_id)
            answer(link, scanned->id);
        break;
    case SCANNED_RESPONSE:
        on_response(link, scanned);
        break;
    }
}

/* The timer is left where it is when it is set: it finds the later time by itself. */
static void note_traffic(struct link *link)
{
    bool was_idle = !link->idle_at_ms;
    link->idle_at_ms = now_ms(link) + IDLE_AFTER_MS;
    if (was_idle)
        arm(link);
}

/* A message in one piece, as most of them are, needs no memory of its own. */
static struct scanner *scanner_for(struct link *link, struct scanner *whole, bool first, bool last)
{
    if (!first)
        return link->scanner;
    if (!last)
        link->scanner = mem_new(sizeof *link->scanner);
    struct scanner *scanner = last ? whole : link->scanner;
    scanner_begin(scanner);
    return scanner;
}

static void on_piece(void *arg, const uint8_t *bytes, size_t length, bool first, bool last)
{
    struct link *link = arg;
    struct scanner whole;
    if (link->why_text)
        return;
    struct scanner *scanner = scanner_for(link, &whole, first, last);
    int result = scanner_feed(scanner, bytes, length);
    if (result == 0 && last)
        result = scanner_end(scanner);
    if (result != 0) {
        close_because(link, CLOSE_UNREADABLE, LINK_PROTOCOL,
                      "Signal's server sent a message that cannot be read.");
        return;
    }
    if (!last)
        return;
    if (!link->heard)
        server_note_success(link->server, link->road);
    link->heard = true;
    if (link->events->heard)
        link->events->heard(link->arg);
    struct scanned scanned = scanner->result;
    free(link->scanner);
    link->scanner = NULL;
    if (scanned.kind != SCANNED_RESPONSE)
        note_traffic(link);
    on_scanned(link, &scanned);
}

/* The link's functions. */

static struct link *link_open(void *messenger, const struct link_request *request,
                              const struct link_events *events, void *arg)
{
    struct link *link = mem_new(sizeof *link);
    link->server = messenger;
    link->events = events;
    link->arg = arg;
    memcpy(link->uuid, request->uuid, sizeof link->uuid);
    link->device = request->device;
    link->password = request->password;
    link->seal = request->seal;
    link->candidate = request->candidate;
    timer_init(&link->timer, on_timer, link);
    return link;
}

/* "Basic ..." (signal.md 1.2). */
static char *authorization(const struct link *link)
{
    static const char scheme[] = "Basic ";
    char uuid[UUID_TEXT_SIZE];
    uuid_format(uuid, link->uuid);
    struct account_key key = {.messenger = MESSENGER_SIGNAL, .device = link->device};
    memcpy(key.uuid, link->uuid, sizeof key.uuid);
    char *password = seal_open(link->seal, &key, link->password);
    assert(password); /* it was opened when the store was */
    char *plain = mem_format("%s.%u:%s", uuid, link->device, password);
    mem_free_secret(password);
    size_t length = strlen(plain);
    char *header = mem_new(sizeof scheme + B64_TEXT_SIZE(length));
    memcpy(header, scheme, sizeof scheme);
    b64_encode(header + strlen(scheme), plain, length);
    mem_free_secret(plain);
    return header;
}

static void on_asking(void *arg, struct channel_credentials *credentials)
{
    const struct link *link = arg;
    credentials->authorization = authorization(link);
    credentials->user_agent = user_agent(link, link->use_fallback);
}

static void link_start(struct link *link)
{
    static const struct transport_events events = {
        .asking = on_asking, .opened = on_opened, .piece = on_piece, .ended = on_ended};
    link->why_text = NULL;
    link->answer_by_ms = 0;
    link->unanswered = 0;
    link->drained = false;
    link->road = (uint8_t)server_pick_road(link->server, link->candidate);
    link->transport = link->server->transports[link->road];
    link->server->links[link->road]++;
    link->channel =
        link->transport->open(link->server->ways[link->road], link->candidate, &events, link);
}

static void link_stop(struct link *link)
{
    if (link->channel)
        close_because(link, CLOSE_NORMAL, LINK_STOPPED, "We closed the link.");
}

static void link_acknowledge(struct link *link, uint64_t ack)
{
    if (!link->channel)
        return;
    if (link->unanswered)
        link->unanswered--;
    answer(link, ack);
}

/* A link that waits for an answer already is tested by that. */
static void link_test(struct link *link)
{
    int64_t at = now_ms(link) + spread(TEST_SPREAD_MS);
    if (!link->open || link->why_text || link->answer_by_ms || link->keepalive_at_ms <= at)
        return;
    link->keepalive_at_ms = at;
    arm(link);
}

static void link_promote(struct link *link)
{
    link->candidate = false;
}

static void link_free(struct link *link)
{
    static const struct transport_end stopped = {.kind = TRANSPORT_STOPPED};
    if (link->channel && !link->heard)
        server_note_failure(link->server, link->road, &stopped);
    if (link->channel) {
        link->transport->close(link->channel, CLOSE_NORMAL, "");
        come_down(link);
    }
    free(link);
}

static size_t link_most(void *messenger, size_t descriptors)
{
    return server_most_links(messenger, descriptors);
}

const struct link_ops signal_link_ops = {
    .messenger = "Signal",
    .most = link_most,
    .open = link_open,
    .start = link_start,
    .stop = link_stop,
    .acknowledge = link_acknowledge,
    .test = link_test,
    .promote = link_promote,
    .free = link_free,
};
