#include "signal/server.h"

#include <stdio.h>
#include <string.h>

#include "base/b64.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "signal/resource.h"

#include "unit.h"

/* A link above a transport that only writes down what it is told, on a clock that only `advance`
 * moves. */

enum { SENT_MAX = 512, KEEPALIVE_MS = 30000, ANSWER_MS = 20000, DAY_MS = 24 * 3600 * 1000 };

struct channel {
    const struct transport_events *events;
    void *arg;
    bool closed, freed;
};

static struct played_road {
    struct channel channel;
    unsigned opens, idles, sent_count;
    char authorization[256], user_agent[128];
    bool candidate;
    uint8_t sent[SENT_MAX][RESOURCE_REQUEST_MAX];
    size_t sent_length[SENT_MAX];
    int close_code;
    int send_result;
} road;

static struct seen {
    unsigned up, waiting, drained, down;
    uint64_t ack;
    bool urgent, own;
    bool free_in_waiting, start_in_down;
    struct link_down last;
} seen;

static struct loop loop;
static struct config config;
static struct signal_server server;
static struct link *link_;

static struct channel *road_open(void *transport, bool candidate,
                                 const struct transport_events *events, void *arg)
{
    struct channel_credentials credentials;
    ck_assert_ptr_eq(transport, &road);
    road.opens++;
    events->asking(arg, &credentials);
    snprintf(road.authorization, sizeof road.authorization, "%s", credentials.authorization);
    snprintf(road.user_agent, sizeof road.user_agent, "%s", credentials.user_agent);
    mem_free_secret(credentials.authorization);
    road.candidate = candidate;
    road.channel = (struct channel){.events = events, .arg = arg};
    road.close_code = 0;
    return &road.channel;
}

static int note_sent(const struct channel *channel, const uint8_t *message, size_t length)
{
    ck_assert(!channel->freed);
    if (road.send_result != 0)
        return road.send_result;
    ck_assert_uint_lt(road.sent_count, SENT_MAX);
    memcpy(road.sent[road.sent_count], message, length);
    road.sent_length[road.sent_count++] = length;
    return 0;
}

/* What answers a message is in a hurry, a keep-alive is not: a response, a request. */
static int road_send(struct channel *channel, const uint8_t *message, size_t length)
{
    ck_assert_mem_eq(message, "\x08\x02", 2);
    return note_sent(channel, message, length);
}

static int road_send_lazily(struct channel *channel, const uint8_t *message, size_t length)
{
    ck_assert_mem_eq(message, "\x08\x01", 2);
    return note_sent(channel, message, length);
}

static void road_close(struct channel *channel, int code, const char *reason)
{
    (void)reason;
    ck_assert(!channel->freed);
    if (!channel->closed)
        road.close_code = code;
    channel->closed = true;
}

static void road_idle(struct channel *channel)
{
    ck_assert(!channel->freed);
    road.idles++;
}

static void road_free(struct channel *channel)
{
    ck_assert(!channel->freed);
    channel->freed = true;
}

static const struct transport_ops road_ops = {.name = "test",
                                              .open = road_open,
                                              .send = road_send,
                                              .send_lazily = road_send_lazily,
                                              .close = road_close,
                                              .idle = road_idle,
                                              .free = road_free};

static void on_up(void *arg)
{
    (void)arg;
    seen.up++;
}

static void on_waiting(void *arg, uint64_t ack, bool urgent, bool own)
{
    (void)arg;
    seen.waiting++;
    seen.ack = ack;
    seen.urgent = urgent;
    seen.own = own;
    if (!seen.free_in_waiting)
        return;
    signal_link_ops.free(link_);
    link_ = NULL;
}

static void on_drained(void *arg)
{
    (void)arg;
    seen.drained++;
}

static void on_down(void *arg, const struct link_down *down)
{
    (void)arg;
    ck_assert(road.channel.freed);
    seen.down++;
    seen.last = *down;
    if (seen.start_in_down)
        signal_link_ops.start(link_);
}

static const struct link_events events = {
    .up = on_up, .waiting = on_waiting, .drained = on_drained, .down = on_down};

static const char account[] = "9d0652a3-dcc3-4d11-975f-74d61598733f";

static void set_up(void)
{
    memset(&road, 0, sizeof road);
    memset(&seen, 0, sizeof seen);
    config = (struct config){.signal_user_agent = "Doorbell/1",
                             .signal_user_agent_fallback = "Signal-Android/9.9.9",
                             .signal_keepalive_ms = KEEPALIVE_MS,
                             .signal_keepalive_timeout_ms = ANSWER_MS,
                             .signal_reauthenticate_ms = DAY_MS};
    loop_init(&loop);
    signal_server_init(&server, &loop, &config, &road_ops, &road);
    struct link_request request = {.device = 2, .password = "pa:ss/+"};
    ck_assert_int_eq(uuid_parse(request.uuid, account), 0);
    link_ = signal_link_ops.open(&server, &request, &events, &seen);
}

static void tear_down(void)
{
    if (link_)
        signal_link_ops.free(link_);
    ck_assert_uint_eq(server.links[ROAD_HTTP1], 0); /* however it ended */
    ck_assert_uint_eq(loop.timers.count, 0);
    loop_fini(&loop);
}

/* Moves the loop's clock, firing what falls due at its own moment. */
static void advance(int64_t ms)
{
    int64_t until = loop_now_ms(&loop) + ms;
    for (;;) {
        int64_t next = timers_next_ms(&loop.timers);
        if (next > until)
            break;
        if (next > loop_now_ms(&loop))
            loop.uv.time = (uint64_t)next;
        timers_fire(&loop.timers, loop_now_ms(&loop));
    }
    loop.uv.time = (uint64_t)until;
}

static void start_and_open(void)
{
    signal_link_ops.start(link_);
    road.channel.events->opened(road.channel.arg);
}

static void end_with(const struct transport_end *end)
{
    road.channel.events->ended(road.channel.arg, end);
}

static size_t from_hex(uint8_t *bytes, size_t size, const char *hex)
{
    size_t length;
    ck_assert_int_eq(sodium_hex2bin(bytes, size, hex, strlen(hex), NULL, &length, NULL), 0);
    return length;
}

/* A message in pieces of at most `most` bytes. */
static void receive(const uint8_t *bytes, size_t length, size_t most)
{
    size_t at = 0;
    do {
        size_t piece = length - at < most ? length - at : most;
        /* Of a size of its own, so that reading past it is seen. */
        uint8_t *copy = (uint8_t *)mem_copy((const char *)bytes + at, piece);
        bool first = at == 0;
        at += piece;
        road.channel.events->piece(road.channel.arg, copy, piece, first, at == length);
        free(copy);
    } while (at < length);
}

static void receive_hex(const char *hex)
{
    uint8_t bytes[1024];
    receive(bytes, from_hex(bytes, sizeof bytes, hex), 512);
}

static void check_sent(unsigned index, const char *hex)
{
    uint8_t bytes[RESOURCE_REQUEST_MAX];
    size_t length = from_hex(bytes, sizeof bytes, hex);
    ck_assert_uint_gt(road.sent_count, index);
    ck_assert_uint_eq(road.sent_length[index], length);
    ck_assert_mem_eq(road.sent[index], bytes, length);
}

/* signal.md 2.6. */
static const char quiet_message[] =
    "08011280010a03505554120f2f6170692f76312f6d6573736167651a3c08062880b883a1f7324202aabb5081b883a1"
    "f732"
    "7000a201100102030405060708090a0b0c0d0e0f10aa01100102030405064708890a0b0c0d0e0f1020c5f486e7fef1"
    "beb5"
    "642a20582d5369676e616c2d54696d657374616d703a31373530303030303030303032";
static const char queue_empty[] =
    "0801121c0a0350555412132f6170692f76312f71756575652f656d7074792000";

/* WebSocketMessage{REQUEST, PUT path, body, id}; envelope as given; all lengths under 128. */
static void receive_message(const uint8_t *envelope, size_t length, bool has_id, uint8_t id)
{
    static const char head[] = "\x0a\x03PUT\x12\x0f/api/v1/message\x1a";
    uint8_t bytes[300] = {0x08, 0x01, 0x12};
    size_t request = sizeof head - 1 + 1 + length + (has_id ? 2 : 0);
    size_t at = 3;
    ck_assert_uint_lt(request, 128);
    bytes[at++] = (uint8_t)request;
    memcpy(bytes + at, head, sizeof head - 1);
    at += sizeof head - 1;
    bytes[at++] = (uint8_t)length;
    if (length)
        memcpy(bytes + at, envelope, length);
    at += length;
    if (has_id) {
        bytes[at++] = 0x20;
        bytes[at++] = id;
    }
    receive(bytes, at, 512);
}

/* Fields 7 (device), 14 (urgent) and 19 (source). */
static void receive_from(const char *source, uint8_t device, bool urgent, uint8_t id)
{
    uint8_t envelope[64] = {0x08, 0x01, 0x38, device, 0x70, urgent, 0x9a, 0x01, 0x10};
    ck_assert_int_eq(uuid_parse(envelope + 9, source), 0);
    receive_message(envelope, 25, true, id);
}

static void answer_keepalive(uint64_t id, uint8_t status_low, uint8_t status_high)
{
    ck_assert_uint_lt(id, 128);
    uint8_t bytes[] = {0x08, 0x02,       0x1a,        0x08, 0x08, (uint8_t)id,
                       0x10, status_low, status_high, 0x1a, 0x01, 'x'};
    bytes[3] = sizeof bytes - 4;
    receive(bytes, sizeof bytes, 512);
}

/* Until the next message of ours goes out; returns how long that took. */
static int64_t await_sent(void)
{
    int64_t begun = loop_now_ms(&loop);
    unsigned before = road.sent_count;
    while (road.sent_count == before && loop_now_ms(&loop) - begun <= KEEPALIVE_MS)
        advance(10);
    return loop_now_ms(&loop) - begun;
}

START_TEST(a_start_carries_the_credentials)
{
    set_up();
    signal_link_ops.start(link_);
    ck_assert_uint_eq(road.opens, 1);
    ck_assert_str_eq(road.user_agent, "Doorbell/1");
    ck_assert_uint_eq(server.links[ROAD_HTTP1], 1);
    ck_assert_int_eq(strncmp(road.authorization, "Basic ", 6), 0);
    char plain[128] = "";
    const char *encoded = road.authorization + 6;
    ck_assert_int_gt(b64_decode(plain, sizeof plain - 1, encoded, strlen(encoded)), 0);
    ck_assert_str_eq(plain, "9d0652a3-dcc3-4d11-975f-74d61598733f.2:pa:ss/+");
    ck_assert(!road.candidate);
    ck_assert_uint_eq(seen.up, 0);
    road.channel.events->opened(road.channel.arg);
    ck_assert_uint_eq(seen.up, 1);
    tear_down();
}
END_TEST

START_TEST(a_message_is_reported_and_answered_only_when_the_owner_says_so)
{
    set_up();
    start_and_open();
    receive_hex(quiet_message);
    ck_assert_uint_eq(seen.waiting, 1);
    ck_assert_uint_eq(seen.ack, 7235872346897234501u);
    ck_assert(!seen.urgent);
    ck_assert(!seen.own);
    ck_assert_uint_eq(road.sent_count, 0);
    signal_link_ops.acknowledge(link_, seen.ack);
    ck_assert_uint_eq(road.sent_count, 1);
    check_sent(0, "08021a1108c5f486e7fef1beb56410c8011a024f4b");
    tear_down();
}
END_TEST

START_TEST(a_message_may_come_byte_by_byte)
{
    uint8_t bytes[256];
    size_t length = from_hex(bytes, sizeof bytes, quiet_message);
    set_up();
    start_and_open();
    receive(bytes, length, 1);
    receive(bytes, length, 7);
    ck_assert_uint_eq(seen.waiting, 2);
    ck_assert_uint_eq(seen.ack, 7235872346897234501u);
    tear_down();
}
END_TEST

START_TEST(only_copies_of_the_first_devices_messages_are_own)
{
    set_up();
    start_and_open();
    receive_from(account, 1, true, 5);
    ck_assert(seen.own);
    ck_assert(seen.urgent);
    receive_from(account, 3, true, 6);
    ck_assert(!seen.own);
    receive_from("aaaaaaaa-dcc3-4d11-975f-74d61598733f", 1, true, 7);
    ck_assert(!seen.own);
    ck_assert_uint_eq(seen.waiting, 3);
    tear_down();
}
END_TEST

START_TEST(what_cannot_be_read_as_an_envelope_is_urgent)
{
    static const uint8_t garbage[] = {0xff, 0xff, 0xff};
    set_up();
    start_and_open();
    receive_message(garbage, sizeof garbage, true, 9);
    ck_assert_uint_eq(seen.waiting, 1);
    ck_assert(seen.urgent);
    ck_assert(!seen.own);
    ck_assert_uint_eq(seen.ack, 9);
    tear_down();
}
END_TEST

START_TEST(the_end_of_the_queue_is_answered_and_reported)
{
    set_up();
    start_and_open();
    receive_hex(queue_empty);
    ck_assert_uint_eq(seen.drained, 1);
    ck_assert_uint_eq(seen.waiting, 0);
    check_sent(0, "08021a09080010c8011a024f4b");
    tear_down();
}
END_TEST

START_TEST(other_requests_are_answered_and_not_reported)
{
    static const uint8_t other[] = {0x08, 0x01, 0x12, 0x0b, 0x0a, 0x03, 'P', 'U',
                                    'T',  0x12, 0x02, '/',  'x',  0x20, 0x07};
    set_up();
    start_and_open();
    receive(other, sizeof other, 512);
    ck_assert_uint_eq(road.sent_count, 1);
    check_sent(0, "08021a09080710c8011a024f4b");
    ck_assert_uint_eq(seen.waiting + seen.drained + seen.down, 0);
    tear_down();
}
END_TEST

/* A newer server may send messages to another path: none is lost over it. */
START_TEST(another_request_with_a_body_is_taken_for_a_message)
{
    set_up();
    start_and_open();
    receive_hex("0801120f0a0350555412022f781a0270012007"); /* PUT /x, an urgent envelope */
    ck_assert_uint_eq(seen.waiting, 1);
    ck_assert(seen.urgent);
    ck_assert_uint_eq(seen.ack, 7);
    receive_hex("080112100a0350555412022f781a03ffffff2008"); /* no envelope at all */
    ck_assert_uint_eq(seen.waiting, 2);
    ck_assert(seen.urgent);
    receive_hex("0801120f0a0350555412022f781a0270002009"); /* an envelope that is not urgent */
    ck_assert_uint_eq(seen.waiting, 3);
    ck_assert(!seen.urgent);
    ck_assert_uint_eq(road.sent_count, 0);
    receive_hex("0801120d0a0350555412022f781a027001"); /* without an id nothing can be answered */
    ck_assert_uint_eq(seen.waiting, 3);
    ck_assert_uint_eq(road.sent_count + seen.down, 0);
    ck_assert_int_eq(road.close_code, 0);
    tear_down();
}
END_TEST

START_TEST(a_message_that_cannot_be_read_closes_with_1007)
{
    static const uint8_t wrong[] = {0x08, 0x01, 0x12, 0x7f, 0x0a};
    set_up();
    start_and_open();
    receive(wrong, sizeof wrong, 2);
    ck_assert_int_eq(road.close_code, 1007);
    ck_assert_uint_eq(seen.down, 0);
    receive_hex(quiet_message); /* what still comes is of no interest */
    ck_assert_uint_eq(seen.waiting, 0);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_uint_eq(seen.down, 1);
    ck_assert_int_eq(seen.last.reason, LINK_PROTOCOL);
    tear_down();
}
END_TEST

START_TEST(a_message_without_id_closes_with_1007)
{
    set_up();
    start_and_open();
    receive_message(NULL, 0, false, 0);
    ck_assert_uint_eq(seen.waiting, 0);
    ck_assert_int_eq(road.close_code, 1007);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_int_eq(seen.last.reason, LINK_PROTOCOL);
    tear_down();
}
END_TEST

START_TEST(keepalives_go_out_at_their_interval_and_want_their_own_answer)
{
    set_up();
    start_and_open();
    ck_assert_int_le(await_sent(), KEEPALIVE_MS); /* anywhere in the first interval */
    check_sent(0, "080112160a03474554120d2f76312f6b656570616c6976652001");
    answer_keepalive(1, 0xc8, 0x01);
    int64_t after = await_sent();
    ck_assert(after >= KEEPALIVE_MS - 10 && after <= KEEPALIVE_MS);
    check_sent(1, "080112160a03474554120d2f76312f6b656570616c6976652002");
    answer_keepalive(1, 0xc8, 0x01); /* an old answer is none */
    advance(ANSWER_MS - 20);
    ck_assert_uint_eq(seen.down, 0);
    advance(20);
    ck_assert_uint_eq(seen.down, 1);
    ck_assert_int_eq(seen.last.reason, LINK_LOST);
    ck_assert(road.channel.freed);
    tear_down();
}
END_TEST

START_TEST(first_keepalives_are_spread_over_the_interval)
{
    int64_t least = INT64_MAX, most = 0;
    set_up();
    for (int i = 0; i < 100; i++) {
        start_and_open();
        int64_t after = await_sent();
        least = after < least ? after : least;
        most = after > most ? after : most;
        signal_link_ops.stop(link_);
        end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    }
    ck_assert_int_lt(least, KEEPALIVE_MS / 4);
    ck_assert_int_gt(most, KEEPALIVE_MS * 3 / 4);
    ck_assert_int_le(most, KEEPALIVE_MS);
    tear_down();
}
END_TEST

/* MollySocket starts its clock before it connects, and ends a slow connection once it is made. */
START_TEST(however_long_connecting_took_keepalives_begin_when_the_link_is_open)
{
    set_up();
    signal_link_ops.start(link_);
    advance(10 * (KEEPALIVE_MS + ANSWER_MS));
    ck_assert_uint_eq(road.sent_count, 0);
    ck_assert_uint_eq(seen.down, 0);
    road.channel.events->opened(road.channel.arg);
    advance(ANSWER_MS - 10); /* nothing is missed yet */
    ck_assert_uint_eq(seen.down, 0);
    while (road.sent_count == 0)
        ck_assert_int_le(await_sent(), KEEPALIVE_MS);
    answer_keepalive(1, 0xc8, 0x01);
    ck_assert_int_le(await_sent(), KEEPALIVE_MS);
    ck_assert_uint_eq(seen.down, 0);
    tear_down();
}
END_TEST

START_TEST(messages_do_not_stand_in_for_the_answer_to_a_keepalive)
{
    set_up();
    start_and_open();
    await_sent();
    for (int i = 0; i < 30 && !seen.down; i++) {
        receive_hex(quiet_message);
        advance(1000);
    }
    ck_assert_uint_eq(seen.down, 1);
    ck_assert_int_eq(seen.last.reason, LINK_LOST);
    tear_down();
}
END_TEST

START_TEST(a_refused_keepalive_is_the_servers_trouble)
{
    set_up();
    start_and_open();
    await_sent();
    answer_keepalive(1, 0xf4, 0x03);
    ck_assert_int_eq(road.close_code, 1000);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_int_eq(seen.last.reason, LINK_SERVER_TROUBLE);
    tear_down();
}
END_TEST

/* Answers keep-alives for so long; stops when the link is closed. */
static void live(int64_t ms)
{
    int64_t until = loop_now_ms(&loop) + ms;
    while (loop_now_ms(&loop) < until && !road.channel.closed) {
        unsigned sent = road.sent_count = 0;
        advance(1000);
        if (road.sent_count > sent) {
            uint8_t id[16];
            size_t length = road.sent_length[0];
            memcpy(id, road.sent[0] + 25, length - 25);
            size_t id_length = length - 25;
            uint8_t bytes[32] = {0x08, 0x02, 0x1a, (uint8_t)(id_length + 7), 0x08};
            memcpy(bytes + 5, id, id_length);
            memcpy(bytes + 5 + id_length, "\x10\xc8\x01\x1a\x01x", 6);
            receive(bytes, 5 + id_length + 6, 512);
        }
    }
}

START_TEST(a_link_is_opened_anew_once_a_day_when_nothing_is_held)
{
    set_up();
    start_and_open();
    receive_hex(queue_empty);
    receive_hex(quiet_message);
    live(DAY_MS * 7 / 6 + 2 * KEEPALIVE_MS);
    ck_assert(!road.channel.closed); /* a message is unanswered */
    signal_link_ops.acknowledge(link_, seen.ack);
    live(2 * KEEPALIVE_MS);
    ck_assert_int_eq(road.close_code, 1000);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_int_eq(seen.last.reason, LINK_STOPPED);
    tear_down();
}
END_TEST

START_TEST(a_link_is_not_opened_anew_early_or_when_it_is_switched_off)
{
    set_up();
    start_and_open();
    receive_hex(queue_empty);
    live(DAY_MS * 5 / 6 - KEEPALIVE_MS);
    ck_assert(!road.channel.closed);
    signal_link_ops.stop(link_);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    config.signal_reauthenticate_ms = 0;
    start_and_open();
    receive_hex(queue_empty);
    live(DAY_MS * 7 / 6 + 2 * KEEPALIVE_MS);
    ck_assert(!road.channel.closed);
    ck_assert_uint_eq(seen.down, 1);
    tear_down();
}
END_TEST

START_TEST(a_new_connection_starts_from_nothing)
{
    set_up();
    start_and_open();
    receive_hex(queue_empty);
    receive_hex(quiet_message);
    end_with(&(struct transport_end){.kind = TRANSPORT_LOST}); /* the unanswered message is void */
    start_and_open();
    live(DAY_MS * 7 / 6 + 2 * KEEPALIVE_MS);
    ck_assert(!road.channel.closed); /* this one has not shown its queue yet */
    receive_hex(queue_empty);
    live(2 * KEEPALIVE_MS);
    ck_assert_int_eq(road.close_code, 1000);
    tear_down();
}
END_TEST

START_TEST(buffers_are_given_back_after_each_burst)
{
    set_up();
    start_and_open();
    advance(4000);
    receive_hex(quiet_message);
    advance(4000);
    ck_assert_uint_eq(road.idles, 0);
    advance(1000);
    ck_assert_uint_eq(road.idles, 1);
    receive_hex(quiet_message);
    advance(5000);
    ck_assert_uint_eq(road.idles, 2);
    live(2 * KEEPALIVE_MS); /* keep-alives are no burst */
    ck_assert_uint_eq(road.idles, 2);
    tear_down();
}
END_TEST

START_TEST(a_link_that_is_up_is_tested_at_once_when_asked_to)
{
    set_up();
    signal_link_ops.test(link_); /* it is down */
    signal_link_ops.start(link_);
    signal_link_ops.test(link_); /* it is not up yet */
    road.channel.events->opened(road.channel.arg);
    await_sent();
    answer_keepalive(1, 0xc8, 0x01);
    ck_assert_uint_eq(road.sent_count, 1);
    signal_link_ops.test(link_);
    advance(2000);
    ck_assert_uint_eq(road.sent_count, 2);
    signal_link_ops.test(link_); /* it is being tested */
    advance(ANSWER_MS - 2000);
    ck_assert_uint_eq(road.sent_count, 2);
    ck_assert_uint_eq(seen.down, 0);
    advance(2000);
    ck_assert_uint_eq(seen.down, 1);
    ck_assert_int_eq(seen.last.reason, LINK_LOST);
    signal_link_ops.test(link_);
    tear_down();
}
END_TEST

START_TEST(a_sent_close_is_judged)
{
    set_up();
    start_and_open();
    end_with(&(struct transport_end){
        .kind = TRANSPORT_CLOSE, .close_code = 4409, .text = "Connected elsewhere"});
    ck_assert_int_eq(seen.last.reason, LINK_CONTESTED);
    ck_assert_int_eq(seen.last.close_code, 4409);
    tear_down();
}
END_TEST

static void refuse_client(void)
{
    end_with(&(struct transport_end){.kind = TRANSPORT_STATUS, .status = 499});
}

START_TEST(the_user_agents_take_turns_until_both_are_refused)
{
    set_up();
    signal_link_ops.start(link_);
    refuse_client();
    ck_assert_int_eq(seen.last.reason, LINK_CLOSED);
    ck_assert_int_eq(seen.last.status, 499);
    signal_link_ops.start(link_);
    ck_assert_str_eq(road.user_agent, "Signal-Android/9.9.9");
    refuse_client();
    ck_assert_int_eq(seen.last.reason, LINK_CLIENT_REFUSED);
    signal_link_ops.start(link_);
    ck_assert_str_eq(road.user_agent, "Doorbell/1");
    refuse_client(); /* each round takes both: either may be let in by then */
    ck_assert_int_eq(seen.last.reason, LINK_CLOSED);
    signal_link_ops.start(link_);
    ck_assert_str_eq(road.user_agent, "Signal-Android/9.9.9");
    refuse_client();
    ck_assert_int_eq(seen.last.reason, LINK_CLIENT_REFUSED);
    tear_down();
}
END_TEST

START_TEST(the_user_agent_that_worked_is_remembered)
{
    set_up();
    signal_link_ops.start(link_);
    refuse_client();
    start_and_open();
    end_with(&(struct transport_end){.kind = TRANSPORT_LOST});
    ck_assert_int_eq(seen.last.reason, LINK_LOST);
    signal_link_ops.start(link_);
    ck_assert_str_eq(road.user_agent, "Signal-Android/9.9.9");
    refuse_client(); /* the first refusal since the success */
    ck_assert_int_eq(seen.last.reason, LINK_CLOSED);
    signal_link_ops.start(link_);
    ck_assert_str_eq(road.user_agent, "Doorbell/1");
    tear_down();
}
END_TEST

START_TEST(our_own_user_agent_is_tried_again_with_each_fresh_authentication)
{
    set_up();
    signal_link_ops.start(link_);
    refuse_client();
    start_and_open();
    ck_assert_str_eq(road.user_agent, "Signal-Android/9.9.9");
    receive_hex(queue_empty);
    live(DAY_MS * 7 / 6 + 2 * KEEPALIVE_MS);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_int_eq(seen.last.reason, LINK_STOPPED);
    signal_link_ops.start(link_);
    ck_assert_str_eq(road.user_agent, "Doorbell/1");
    refuse_client();
    ck_assert_int_eq(seen.last.reason, LINK_CLOSED);
    start_and_open();
    ck_assert_str_eq(road.user_agent, "Signal-Android/9.9.9");
    tear_down();
}
END_TEST

START_TEST(without_another_user_agent_the_first_refusal_counts)
{
    set_up();
    config.signal_user_agent_fallback = NULL;
    signal_link_ops.start(link_);
    refuse_client();
    ck_assert_int_eq(seen.last.reason, LINK_CLIENT_REFUSED);
    tear_down();
}
END_TEST

START_TEST(a_refusal_of_the_credentials_keeps_its_status)
{
    set_up();
    signal_link_ops.start(link_);
    end_with(
        &(struct transport_end){.kind = TRANSPORT_STATUS, .status = 403, .has_timestamp = true});
    ck_assert_int_eq(seen.last.reason, LINK_UNAUTHORIZED);
    ck_assert_int_eq(seen.last.status, 403);
    ck_assert_uint_eq(seen.up, 0);
    tear_down();
}
END_TEST

START_TEST(a_server_that_does_not_read_loses_the_link)
{
    set_up();
    start_and_open();
    receive_hex(quiet_message);
    road.send_result = ERR_LIMIT;
    signal_link_ops.acknowledge(link_, seen.ack);
    ck_assert_uint_eq(seen.down, 0); /* not from inside the call */
    ck_assert_int_eq(road.close_code, 1000);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_int_eq(seen.last.reason, LINK_LOST);
    tear_down();
}
END_TEST

START_TEST(stopping_ends_in_down)
{
    set_up();
    start_and_open();
    signal_link_ops.stop(link_);
    ck_assert_uint_eq(seen.down, 0);
    ck_assert_int_eq(road.close_code, 1000);
    advance(KEEPALIVE_MS + ANSWER_MS); /* no keep-alive on the way out */
    ck_assert_uint_eq(road.sent_count, 0);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_int_eq(seen.last.reason, LINK_STOPPED);
    signal_link_ops.stop(link_);
    signal_link_ops.acknowledge(link_, 1);
    ck_assert_uint_eq(seen.down, 1);
    tear_down();
}
END_TEST

START_TEST(a_link_may_be_started_from_its_own_down)
{
    set_up();
    start_and_open();
    seen.start_in_down = true;
    end_with(&(struct transport_end){.kind = TRANSPORT_LOST});
    ck_assert_uint_eq(road.opens, 2);
    road.channel.events->opened(road.channel.arg);
    ck_assert_uint_eq(seen.up, 2);
    tear_down();
}
END_TEST

START_TEST(a_link_may_be_freed_from_its_own_event_in_the_protocols_manner)
{
    set_up();
    start_and_open();
    seen.free_in_waiting = true;
    receive_hex(quiet_message);
    ck_assert_int_eq(road.close_code, 1000);
    ck_assert(road.channel.freed);
    ck_assert_uint_eq(seen.down, 0);
    tear_down();
}
END_TEST

START_TEST(a_promoted_candidate_connects_as_an_account)
{
    set_up();
    signal_link_ops.free(link_);
    struct link_request request = {.device = 2, .password = "x", .candidate = true};
    link_ = signal_link_ops.open(&server, &request, &events, &seen);
    signal_link_ops.start(link_);
    ck_assert(road.candidate);
    signal_link_ops.promote(link_);
    end_with(&(struct transport_end){.kind = TRANSPORT_LOST});
    signal_link_ops.start(link_);
    ck_assert(!road.candidate);
    tear_down();
}
END_TEST

START_TEST(an_unfinished_message_dies_with_its_connection)
{
    uint8_t bytes[256];
    set_up();
    from_hex(bytes, sizeof bytes, quiet_message);
    start_and_open();
    road.channel.events->piece(road.channel.arg, bytes, 50, true, false);
    end_with(&(struct transport_end){.kind = TRANSPORT_LOST});
    start_and_open();
    receive_hex(quiet_message);
    ck_assert_uint_eq(seen.waiting, 1);
    tear_down();
}
END_TEST

START_TEST(where_room_is_lacking_a_link_leaves_http1_once_http2_is_back)
{
    static const struct transport_end no_road = {.kind = TRANSPORT_NO_ROAD};
    set_up();
    roads_init(&server.roads, true, true);
    roads_failed(&server.roads, ROAD_HTTP2, &no_road, loop_now_ms(&loop), UINT32_MAX);
    start_and_open();
    receive_hex(queue_empty);
    ck_assert_uint_eq(signal_link_ops.most(&server, 1), 1);
    live(2 * KEEPALIVE_MS);
    ck_assert(!road.channel.closed); /* the other road is no better */
    roads_worked(&server.roads, ROAD_HTTP2);
    ck_assert_uint_gt(signal_link_ops.most(&server, 2), 1);
    live(2 * KEEPALIVE_MS);
    ck_assert(!road.channel.closed); /* there is room */
    ck_assert_uint_eq(signal_link_ops.most(&server, 1), 1);
    receive_hex(quiet_message);
    live(2 * KEEPALIVE_MS);
    ck_assert(!road.channel.closed); /* a message is unanswered */
    signal_link_ops.acknowledge(link_, seen.ack);
    live(2 * KEEPALIVE_MS);
    ck_assert_int_eq(road.close_code, 1000);
    end_with(&(struct transport_end){.kind = TRANSPORT_STOPPED});
    ck_assert_int_eq(seen.last.reason, LINK_STOPPED);
    tear_down();
}
END_TEST

START_TEST(a_link_counts_for_its_road_only_once_something_was_said_over_it)
{
    set_up();
    roads_init(&server.roads, true, true);
    server.transports[ROAD_HTTP2] = server.transports[ROAD_HTTP1];
    server.ways[ROAD_HTTP2] = server.ways[ROAD_HTTP1];
    for (int round = 0; round < 3 && !server.roads.fallen; round++) {
        start_and_open();
        advance(KEEPALIVE_MS + ANSWER_MS);
        ck_assert_int_eq(seen.last.reason, LINK_LOST);
    }
    ck_assert(server.roads.fallen); /* to HTTP/1.1 */
    start_and_open();
    receive_hex(queue_empty);
    roads_resumed(&server.roads);
    end_with(&(struct transport_end){.kind = TRANSPORT_LOST});
    start_and_open(); /* the scout */
    ck_assert(server.roads.fallen);
    receive_hex(queue_empty);
    ck_assert(!server.roads.fallen);
    tear_down();
}
END_TEST

UNIT_MAIN(
    "link", a_start_carries_the_credentials,
    a_message_is_reported_and_answered_only_when_the_owner_says_so, a_message_may_come_byte_by_byte,
    only_copies_of_the_first_devices_messages_are_own, what_cannot_be_read_as_an_envelope_is_urgent,
    the_end_of_the_queue_is_answered_and_reported, other_requests_are_answered_and_not_reported,
    another_request_with_a_body_is_taken_for_a_message,
    a_message_that_cannot_be_read_closes_with_1007, a_message_without_id_closes_with_1007,
    keepalives_go_out_at_their_interval_and_want_their_own_answer,
    however_long_connecting_took_keepalives_begin_when_the_link_is_open,
    first_keepalives_are_spread_over_the_interval,
    messages_do_not_stand_in_for_the_answer_to_a_keepalive,
    a_refused_keepalive_is_the_servers_trouble,
    a_link_is_opened_anew_once_a_day_when_nothing_is_held,
    a_link_is_not_opened_anew_early_or_when_it_is_switched_off,
    a_new_connection_starts_from_nothing, buffers_are_given_back_after_each_burst,
    a_link_that_is_up_is_tested_at_once_when_asked_to, a_sent_close_is_judged,
    the_user_agents_take_turns_until_both_are_refused, the_user_agent_that_worked_is_remembered,
    our_own_user_agent_is_tried_again_with_each_fresh_authentication,
    without_another_user_agent_the_first_refusal_counts,
    a_refusal_of_the_credentials_keeps_its_status, a_server_that_does_not_read_loses_the_link,
    stopping_ends_in_down, a_link_may_be_started_from_its_own_down,
    a_link_may_be_freed_from_its_own_event_in_the_protocols_manner,
    a_promoted_candidate_connects_as_an_account, an_unfinished_message_dies_with_its_connection,
    where_room_is_lacking_a_link_leaves_http1_once_http2_is_back,
    a_link_counts_for_its_road_only_once_something_was_said_over_it)
