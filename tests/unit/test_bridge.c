/* The bridge between stand-ins: a messenger, a sender and a store that do what the test says and
 * when. */
#include "bridge/bridge.h"

#include <string.h>

#include "base/list.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "bridge/alarms.h"
#include "bridge/arrivals.h"
#include "bridge/bell.h"
#include "bridge/checkup.h"
#include "bridge/figures.h"
#include "bridge/view.h"
#include "no_marks.h"
#include "unit.h"
#include "wake/wake.h"

#define ALICE "9d0652a3-dcc3-4d11-975f-74d61598733f"
#define BOB "6838237d-02f6-4098-b110-698253d15961"
#define CAROL "3c9d8a0e-5a0f-4b52-9d6c-0f5f3c2b7a11"
#define DAVE "c1f6a7de-2b1d-4f0a-8a3e-6f2d9b0e4c22"
#define ERIN "7e0b5d34-91c2-4d77-b6a8-2a4c8e6f0b33"
#define STRANGER "0f0c6df2-98ab-4a51-9a55-1db66d0f14aa"
#define ENDPOINT "https://push.example.org/upabcdefghijkl"
#define BUDGETED "https://ntfy.sh/upabcdefghijkl?up=1"
#define OTHER_ENDPOINT "https://push.example.org/upmnopqrstuvwx"

enum { MANY = 64 };

static char star[] = "*", bob_id[] = BOB;
static char *everybody[] = {star}, *bob_alone[] = {bob_id};

/* The messenger */

struct link {
    struct link_request request;
    const struct link_events *events;
    void *arg;
    bool started, stopping, freed, promoted;
    unsigned tests;
    uint64_t acked[MANY];
    size_t acked_count;
};

/* The sender */

struct push_request {
    char endpoint[128];
    enum push_kind kind;
    push_began_fn *began;
    push_fn *fn;
    void *arg;
    bool over;
};

static struct world {
    struct loop loop;
    struct config *standard;
    struct config config; /* the standard one, with what a test changes */
    struct policy *policy;
    struct bridge *bridge;
    struct link *links[MANY];
    size_t link_count;
    struct push_request *pushes[MANY];
    size_t push_count;
    /* The store: rows by key, and what waits to become durable. */
    struct store_account rows[MANY];
    size_t row_count;
    bool hold_store, store_fails;
    struct pending {
        store_done_fn *done;
        void *arg;
    } pending[MANY];
    size_t pending_count;
    int64_t writing_since_ms;
    int64_t owed;
    bool refused_stored;
    unsigned removed;
    enum registration_status status;
    unsigned answers;
    size_t descriptors, shares; /* for links; how many links share one: 0: none */
    bool in_use;                /* all of them, by connections that carry no link any more */
} world;

static struct link *link_open(void *messenger, const struct link_request *request,
                              const struct link_events *events, void *arg)
{
    (void)messenger;
    struct link *link = mem_new(sizeof *link);
    link->request = *request;
    link->events = events;
    link->arg = arg;
    world.links[world.link_count++] = link;
    return link;
}

static void link_start(struct link *link)
{
    ck_assert(!link->started && !link->freed);
    link->started = true;
}

static void link_stop(struct link *link)
{
    link->stopping = true; /* `down` comes in a turn of its own */
}

static void link_acknowledge(struct link *link, uint64_t ack)
{
    link->acked[link->acked_count++] = ack;
}

static void link_test(struct link *link)
{
    link->tests++;
}

static void link_promote(struct link *link)
{
    link->promoted = true;
}

static void link_free(struct link *link)
{
    link->freed = true;
    link->started = false;
}

static size_t link_most(void *messenger, size_t descriptors)
{
    (void)messenger;
    return world.in_use ? 0 : descriptors * (world.shares ? world.shares : 1);
}

static const struct link_ops fake_messenger = {.messenger = "fake",
                                               .most = link_most,
                                               .open = link_open,
                                               .start = link_start,
                                               .stop = link_stop,
                                               .acknowledge = link_acknowledge,
                                               .test = link_test,
                                               .promote = link_promote,
                                               .free = link_free};

struct push_request *push_send(struct push *push, const struct push_target *target,
                               enum push_kind kind, push_fn *fn, void *arg)
{
    (void)push;
    struct push_request *request = mem_new(sizeof *request);
    snprintf(request->endpoint, sizeof request->endpoint, "%s", target->endpoint);
    request->kind = kind;
    request->began = target->began;
    request->fn = fn;
    request->arg = arg;
    world.pushes[world.push_count++] = request;
    return request;
}

void push_cancel(struct push_request *request)
{
    ck_assert(!request->over);
    request->over = true;
}

void push_each_origin(struct push *push,
                      void (*each)(void *arg, const struct push_origin_state *state), void *arg)
{
    (void)push;
    (void)each;
    (void)arg;
}

enum push_login push_login_for(const struct push *push, const char *endpoint)
{
    (void)push;
    (void)endpoint;
    return LOGIN_HEADERS_FILE;
}

bool push_headers_changed(const struct push *push, const char *origin)
{
    (void)push;
    (void)origin;
    return false;
}

void push_listen(struct push *push, const struct push_events *events, void *arg)
{
    (void)push;
    (void)events;
    (void)arg;
}

int store_secret(struct store *store, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                 struct err *err)
{
    (void)store;
    (void)name;
    (void)err;
    memset(secret, 7, STORE_SECRET_SIZE);
    return 0;
}

int store_load(struct store *store, void (*each)(void *arg, const struct store_account *row),
               void *arg, struct err *err)
{
    (void)store;
    (void)err;
    for (size_t i = 0; i < world.row_count; i++)
        each(arg, &world.rows[i]);
    return 0;
}

static void write_later(store_done_fn *done, void *arg)
{
    if (done)
        world.pending[world.pending_count++] = (struct pending){done, arg};
}

void store_put(struct store *store, const struct store_account *row, store_done_fn *done, void *arg)
{
    (void)store;
    world.rows[world.row_count++] = *row; /* texts are not looked at later */
    world.owed = row->owed_since_unix;
    write_later(done, arg);
}

void store_put_instead(struct store *store, const struct store_account *row,
                       const struct account_key *gone, store_done_fn *done, void *arg)
{
    (void)gone;
    world.removed++;
    store_put(store, row, done, arg);
}

void store_remove(struct store *store, const struct account_key *key, store_done_fn *done,
                  void *arg)
{
    (void)store;
    (void)key;
    world.removed++;
    write_later(done, arg);
}

int64_t store_writing_since_ms(struct store *store)
{
    (void)store;
    return world.writing_since_ms;
}

void store_set_owed(struct store *store, const struct account_key *key, int64_t owed_since_unix,
                    store_done_fn *done, void *arg)
{
    (void)store;
    (void)key;
    world.owed = owed_since_unix;
    write_later(done, arg);
}

void store_set_refused(struct store *store, const struct account_key *key, bool refused,
                       store_done_fn *done, void *arg)
{
    (void)store;
    (void)key;
    world.refused_stored = refused;
    write_later(done, arg);
}

void store_forget(struct store *store, void *arg)
{
    (void)store;
    for (size_t i = 0; i < world.pending_count; i++)
        if (world.pending[i].arg == arg)
            world.pending[i].done = NULL;
}

/* Time and turns */

static void report_stopped(void)
{
    for (size_t i = 0; i < world.link_count; i++) {
        struct link *link = world.links[i];
        struct link_down down = {.reason = LINK_STOPPED};
        if (!link->stopping || link->freed)
            continue;
        link->stopping = link->started = false;
        link->events->down(link->arg, &down);
    }
}

static void finish(struct pending pending)
{
    if (pending.done)
        pending.done(pending.arg, world.store_fails ? ERR_IO : 0,
                     &(struct err){.text = "The disk is full."});
}

static void finish_oldest(void)
{
    struct pending oldest = world.pending[0];
    world.pending_count--;
    memmove(world.pending, world.pending + 1, world.pending_count * sizeof *world.pending);
    finish(oldest);
}

static void turn(void)
{
    for (int i = 0; i < 5; i++) {
        report_stopped();
        timers_fire(&world.loop.timers, loop_now_ms(&world.loop));
        size_t count = world.hold_store ? 0 : world.pending_count;
        for (size_t k = 0; k < count; k++)
            finish(world.pending[k]);
        world.pending_count -= count;
        for (size_t k = 0; k < world.pending_count; k++)
            world.pending[k] = world.pending[count + k];
    }
}

/* Fires what is set for up to `ms` from now, however far away. */
static void later(int64_t ms)
{
    world.loop.uv.time += (uint64_t)ms;
    turn();
}

static void begin(void)
{
    memset(&world, 0, sizeof world);
    loop_init(&world.loop);
    world.standard = config_new();
    world.config = *world.standard;
    struct err err;
    world.policy = policy_new(&world.config, &err);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
}

static void start(void)
{
    struct err err;
    struct bridge_parts parts = {.loop = &world.loop,
                                 .config = &world.config,
                                 .policy = world.policy,
                                 .link_ops = &fake_messenger,
                                 .descriptors = world.descriptors};
    world.bridge = bridge_new(&parts, &err);
    ck_assert_ptr_nonnull(world.bridge);
    turn();
}

static void end(void)
{
    bridge_free(world.bridge);
    policy_free(world.policy);
    config_free(world.standard);
    for (size_t i = 0; i < world.link_count; i++) {
        ck_assert(world.links[i]->freed);
        free(world.links[i]);
    }
    for (size_t i = 0; i < world.push_count; i++) {
        ck_assert(world.pushes[i]->over);
        free(world.pushes[i]);
    }
    loop_fini(&world.loop);
}

/* What happens outside */

static struct link *newest(void)
{
    return world.links[world.link_count - 1];
}

static void up(struct link *link)
{
    ck_assert(link->started);
    link->events->up(link->arg);
}

static void drained(struct link *link)
{
    up(link);
    link->events->drained(link->arg);
    turn();
}

static void down(struct link *link, enum link_reason reason)
{
    struct link_down end = {.reason = reason, .text = "it said so"};
    link->started = false;
    link->events->down(link->arg, &end);
    turn();
}

static unsigned count_pushes(enum push_kind kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < world.push_count; i++)
        count += world.pushes[i]->kind == kind;
    return count;
}

/* Every push that is out leaves. */
static void leave(void)
{
    for (size_t i = 0; i < world.push_count; i++)
        if (!world.pushes[i]->over && world.pushes[i]->began)
            world.pushes[i]->began(world.pushes[i]->arg);
}

/* Answers every push that is out. */
static void answer_verdict(const struct verdict *verdict)
{
    for (size_t i = 0; i < world.push_count; i++) {
        struct push_request *push = world.pushes[i];
        if (push->over)
            continue;
        push->over = true;
        push->fn(push->arg, verdict);
    }
    turn();
}

static void answer_floor(enum verdict_kind kind, int status, int64_t floor_ms)
{
    answer_verdict(&(struct verdict){
        .kind = kind, .status = status, .floor_ms = floor_ms, .text = "the answer"});
}

static void answer(enum verdict_kind kind, int status)
{
    answer_floor(kind, status, kind == VERDICT_GONE ? -1 : 0);
}

static void on_status(void *arg, enum registration_status status, const struct err *err)
{
    (void)arg;
    (void)err;
    world.status = status;
    world.answers++;
}

static void ask(const char *uuid, int device, const char *password, const char *endpoint, bool ping)
{
    struct registration registration = {
        .uuid = uuid, .device = device, .password = password, .endpoint = endpoint, .ping = ping};
    address_parse(&registration.client, "198.51.100.7", 0);
    world.answers = 0;
    bridge_register(world.bridge, &registration, on_status, NULL);
    ck_assert_uint_eq(world.answers, 0); /* never before returning */
    turn();
}

static void expect(enum registration_status status)
{
    ck_assert_uint_eq(world.answers, 1);
    ck_assert_str_eq(registration_status_word(world.status), registration_status_word(status));
}

static void register_alice(void)
{
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    answer(VERDICT_ACCEPTED, 201); /* the test push */
}

static struct link *link_of(const char *uuid)
{
    uint8_t bytes[16];
    ck_assert_int_eq(uuid_parse(bytes, uuid), 0);
    for (size_t i = world.link_count; i--;)
        if (!world.links[i]->freed &&
            memcmp(world.links[i]->request.uuid, bytes, sizeof bytes) == 0)
            return world.links[i];
    ck_abort_msg("no link of %s", uuid);
}

static void message(const char *uuid)
{
    struct link *link = link_of(uuid);
    link->events->waiting(link->arg, 1, true, false);
    turn();
}

static void try_keys(const char *uuid, bool ping)
{
    struct registration registration = {
        .uuid = uuid,
        .device = 2,
        .password = "secret",
        .endpoint = ENDPOINT,
        .p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkN"
                  "toIAiw4",
        .auth = "BTBZMqHH6r4Tts7J_aSIgg",
        .ping = ping};
    world.answers = 0;
    bridge_register(world.bridge, &registration, on_status, NULL);
    turn();
}

static void ask_with_keys(const char *uuid, bool ping)
{
    try_keys(uuid, ping);
    expect(REGISTRATION_OK);
}

static void reload(void)
{
    bridge_reload(world.bridge, &world.config, world.policy);
    turn();
}

static void on_pinged(void *arg, const struct verdict *verdict)
{
    (void)arg;
    (void)verdict;
}

static unsigned count_started(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < world.link_count; i++)
        count += world.links[i]->started;
    return count;
}

/* What the store has at the start. */
static struct store_account *store_row(size_t i, const char *uuid, const char *endpoint)
{
    world.rows[i] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                           .password = "secret",
                                           .endpoint = endpoint,
                                           .endpoint_proven = true};
    ck_assert_int_eq(uuid_parse(world.rows[i].key.uuid, uuid), 0);
    world.row_count = i + 1;
    return &world.rows[i];
}

/* By the operator. */
static struct registration registration_of(const char *uuid, const char *endpoint)
{
    return (struct registration){
        .uuid = uuid, .device = 2, .password = "secret", .endpoint = endpoint, .by_operator = true};
}

static void enter(const char *uuid, const char *endpoint)
{
    struct registration registration = registration_of(uuid, endpoint);
    bridge_register(world.bridge, &registration, on_status, NULL);
    turn();
}

/* Tests */

START_TEST(credentials_that_show_their_queue_become_an_account)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    ck_assert_uint_eq(world.answers, 0);
    ck_assert_uint_eq(world.row_count, 0); /* no row, no push before the proof */
    ck_assert_uint_eq(world.push_count, 0);
    struct link *link = newest();
    ck_assert(link->started && link->request.candidate);
    up(link); /* a 101 alone may be anonymous */
    turn();
    ck_assert_uint_eq(world.answers, 0);
    world.hold_store = true;
    link->events->drained(link->arg);
    turn();
    ck_assert_uint_eq(world.answers, 0); /* not before it is durable */
    ck_assert_uint_eq(world.row_count, 1);
    world.hold_store = false;
    turn();
    expect(REGISTRATION_OK);
    ck_assert(link->promoted && link->started);
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 1);
    end();
}
END_TEST

START_TEST(a_first_message_is_a_proof_and_rings)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    struct link *link = newest();
    up(link);
    link->events->waiting(link->arg, 11, true, false);
    turn();
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    end();
}
END_TEST

START_TEST(refused_credentials_leave_no_trace)
{
    begin();
    start();
    ask(ALICE, 2, "wrong", ENDPOINT, false);
    down(newest(), LINK_UNAUTHORIZED);
    expect(REGISTRATION_FORBIDDEN);
    ck_assert_uint_eq(world.row_count, 0);
    ck_assert_uint_eq(world.push_count, 0);
    ck_assert(newest()->freed);
    ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 0);
    end();
}
END_TEST

START_TEST(an_undecided_trial_goes_on_and_the_next_registration_finds_it_done)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    down(newest(), LINK_UNREACHABLE);
    later(5000);
    expect(REGISTRATION_INTERNAL_ERROR);
    later(5000);
    ck_assert_uint_eq(world.link_count, 1);
    drained(newest());
    ask(ALICE, 2, "secret", ENDPOINT, false);
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(world.link_count, 1);
    end();
}
END_TEST

START_TEST(known_credentials_are_answered_from_memory)
{
    begin();
    start();
    register_alice();
    size_t rows = world.row_count;
    ask(ALICE, 2, "secret", ENDPOINT, false);
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(world.link_count, 1);
    ck_assert_uint_eq(world.row_count, rows);
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    ask("9D0652A3-DCC3-4D11-975F-74D61598733F", 2, "secret", ENDPOINT, true);
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    end();
}
END_TEST

START_TEST(a_new_endpoint_is_stored_and_rung_at_once_when_a_ring_is_owed)
{
    begin();
    start();
    register_alice();
    struct link *link = newest();
    link->events->waiting(link->arg, 1, true, false);
    answer(VERDICT_GONE, 410);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    ask(ALICE, 2, "secret", OTHER_ENDPOINT, false);
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    ck_assert_str_eq(world.pushes[world.push_count - 1]->endpoint, OTHER_ENDPOINT);
    ck_assert(link->started); /* the link was not touched */
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(link->acked_count, 1);
    end();
}
END_TEST

START_TEST(a_ring_in_flight_to_an_old_endpoint_is_taken_back)
{
    begin();
    start();
    register_alice();
    newest()->events->waiting(newest()->arg, 1, true, false);
    ask(ALICE, 2, "secret", OTHER_ENDPOINT, false);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(newest()->acked_count, 1);
    end();
}
END_TEST

START_TEST(a_candidate_never_displaces_what_works_until_it_passes)
{
    begin();
    start();
    register_alice();
    struct link *old = newest();
    ask(ALICE, 2, "guess", OTHER_ENDPOINT, false);
    ck_assert(old->started && !old->freed);
    down(newest(), LINK_UNAUTHORIZED);
    expect(REGISTRATION_FORBIDDEN);
    ck_assert(old->started && !old->freed);

    ask(ALICE, 2, "changed", OTHER_ENDPOINT, false);
    struct link *new = newest();
    drained(new);
    expect(REGISTRATION_OK);
    ck_assert(old->freed && new->started);
    ck_assert_str_eq(new->request.password, "changed");
    ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 1);
    end();
}
END_TEST

START_TEST(what_was_owed_goes_over_to_new_credentials_of_the_device)
{
    begin();
    start();
    register_alice();
    newest()->events->waiting(newest()->arg, 1, true, false);
    answer(VERDICT_GONE, 410);
    ask(ALICE, 2, "changed", OTHER_ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    ck_assert(world.owed != 0);
    answer(VERDICT_ACCEPTED, 201);
    turn();
    ck_assert(world.owed == 0);
    end();
}
END_TEST

START_TEST(a_second_device_stands_beside_the_first_until_the_server_refuses_that_one)
{
    begin();
    start();
    register_alice();
    struct link *first = newest();
    ask(ALICE, 3, "relinked", ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 2);
    ck_assert(first->started);
    down(first, LINK_UNAUTHORIZED);
    ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 2); /* said once */
    /* Simulated time: the second word comes when the clock of the loop has moved on. */
    world.config.signal_refused_confirm_ms = 0;
    bridge_reload(world.bridge, &world.config, world.policy);
    later(100000);
    ck_assert(first->started);
    down(first, LINK_UNAUTHORIZED);
    ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 1);
    ck_assert_uint_eq(world.removed, 1);
    ck_assert(first->freed);
    end();
}
END_TEST

START_TEST(contention_is_told_to_the_phone_once)
{
    begin();
    start();
    register_alice();
    struct link *link = newest();
    for (int i = 0; i < 5; i++) {
        down(link, LINK_CONTESTED);
        answer(VERDICT_ACCEPTED, 201);
        later(4000000);
        drained(link);
    }
    ck_assert_uint_eq(count_pushes(PUSH_CONTESTED), 1);
    end();
}
END_TEST

/* Whoever has heard nothing of us for hours is told as well. */
START_TEST(contention_is_told_to_the_phone_however_long_ago_it_was_rung)
{
    static const int64_t quiet_ms[] = {1000, 59 * 60 * 1000, 61 * 60 * 1000, 48 * 3600 * 1000};
    for (size_t i = 0; i < sizeof quiet_ms / sizeof *quiet_ms; i++) {
        begin();
        start();
        register_alice();
        later(2000);
        message(ALICE);
        answer(VERDICT_ACCEPTED, 201);
        later(quiet_ms[i]);
        down(newest(), LINK_CONTESTED);
        ck_assert_uint_eq(count_pushes(PUSH_CONTESTED), 1);
        answer(VERDICT_ACCEPTED, 201);
        later(4000000);
        drained(newest());
        later(10 * 60 * 1000); /* an hour up would end it */
        down(newest(), LINK_CONTESTED);
        ck_assert_uint_eq(count_pushes(PUSH_CONTESTED), 1);
        end();
    }
}
END_TEST

START_TEST(a_form_that_is_wrong_asks_nobody)
{
    static const struct {
        const char *uuid;
        int device;
        const char *password, *endpoint;
        enum registration_status status;
    } rows[] = {
        {"alice", 2, "secret", ENDPOINT, REGISTRATION_INVALID_UUID},
        {"", 2, "secret", ENDPOINT, REGISTRATION_INVALID_UUID},
        {ALICE, 0, "secret", ENDPOINT, REGISTRATION_FORBIDDEN},
        {ALICE, 128, "secret", ENDPOINT, REGISTRATION_FORBIDDEN},
        {ALICE, -1, "secret", ENDPOINT, REGISTRATION_FORBIDDEN},
        {ALICE, 2, "", ENDPOINT, REGISTRATION_FORBIDDEN},
        {ALICE, 2, "sec ret", ENDPOINT, REGISTRATION_FORBIDDEN},
        {ALICE, 2, "sec\nret", ENDPOINT, REGISTRATION_FORBIDDEN},
        {ALICE, 2, "secret", "", REGISTRATION_INVALID_ENDPOINT},
        {ALICE, 2, "secret", "ntfy", REGISTRATION_INVALID_ENDPOINT},
        {ALICE, 2, "secret", "https://127.0.0.1/up", REGISTRATION_INVALID_ENDPOINT},
        {ALICE, 2, "secret", "http://push.example.org/up", REGISTRATION_INVALID_ENDPOINT},
    };
    begin();
    start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask(rows[i].uuid, rows[i].device, rows[i].password, rows[i].endpoint, true);
        expect(rows[i].status);
    }
    ck_assert_uint_eq(world.link_count, 0);
    ck_assert_uint_eq(world.push_count, 0);
    end();
}
END_TEST

START_TEST(a_neighbourhood_cannot_bring_unknown_credentials_without_end)
{
    char uuid[64];
    begin();
    start();
    for (unsigned i = 0; i < 40; i++) {
        snprintf(uuid, sizeof uuid, "%08x-dcc3-4d11-975f-74d61598733f", i);
        ask(uuid, 2, "secret", ENDPOINT, false);
        if (i >= 30)
            expect(REGISTRATION_INTERNAL_ERROR);
        else
            ck_assert_uint_eq(world.answers, 0);
    }
    ck_assert_uint_eq(world.link_count, 30);
    end();
}
END_TEST

START_TEST(of_one_user_the_newest_few_are_tried_and_of_one_device_one_at_a_time)
{
    static const char *const passwords[] = {"one", "two", "three", "four", "five"};
    begin();
    start();
    for (size_t i = 0; i < 5; i++)
        ask(ALICE, 2, passwords[i], ENDPOINT, false);
    unsigned alive = 0, started = 0;
    for (size_t i = 0; i < world.link_count; i++) {
        alive += !world.links[i]->freed;
        started += world.links[i]->started;
    }
    ck_assert_uint_eq(alive, 3);
    ck_assert_uint_le(started, 1);
    end();
}
END_TEST

START_TEST(an_endpoint_is_shared_by_three_accounts_at_most)
{
    char uuid[64];
    begin();
    start();
    for (unsigned i = 0; i < 4; i++) {
        snprintf(uuid, sizeof uuid, "%08x-dcc3-4d11-975f-74d61598733f", i);
        ask(uuid, 2, "secret", ENDPOINT, false);
        drained(newest());
        expect(i < 3 ? REGISTRATION_OK : REGISTRATION_INVALID_ENDPOINT);
        answer(VERDICT_ACCEPTED, 201);
    }
    ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 3);
    end();
}
END_TEST

START_TEST(an_endpoint_of_several_accounts_has_one_fate)
{
    enum { HOUR_MS = 3600 * 1000 };
    begin();
    start();
    register_alice();
    struct link *alice = newest();
    ask(BOB, 2, "secret", ENDPOINT, false);
    struct link *bob = newest();
    drained(bob);
    answer(VERDICT_ACCEPTED, 201);
    alice->events->waiting(alice->arg, 1, true, false);
    answer_floor(VERDICT_RETRY, 429, HOUR_MS);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    size_t rows = world.row_count;
    ck_assert_uint_ge(rows, 2);
    for (size_t i = rows - 2; i < rows; i++) {
        ck_assert_uint_eq(world.rows[i].endpoint_state, ENDPOINT_FAILING);
        ck_assert_int_eq(world.rows[i].endpoint_status, 429);
        ck_assert_int_gt(world.rows[i].endpoint_not_before_unix, clock_unix() + 3500);
    }
    bob->events->waiting(bob->arg, 1, true, false);
    later(HOUR_MS - 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    /* A third one joins, and knows it as well. */
    ask(ALICE, 3, "secret", ENDPOINT, false);
    drained(newest());
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    for (int i = 0; i < 3600 && count_pushes(PUSH_RING) == 1; i++)
        later(1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    answer(VERDICT_ACCEPTED, 201); /* and what one ends ends for all */
    ck_assert_uint_eq(count_pushes(PUSH_RING), 3);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(bob->acked_count, 1);
    end();
}
END_TEST

/* After a start, after an absence, and who joins. */
START_TEST(accounts_that_share_an_endpoint_that_fails_ring_one_after_the_other)
{
    begin();
    for (size_t i = 0; i < 2; i++) {
        struct store_account *row = store_row(i, i ? BOB : ALICE, ENDPOINT);
        row->endpoint_state = ENDPOINT_FAILING;
        row->endpoint_status = 500;
        row->owed_since_unix = 1700000000;
    }
    start();
    later(2 * 60 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    leave();
    bridge_resumed(world.bridge, 60000);
    later(25 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    answer(VERDICT_RETRY, 500);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    bridge_resumed(world.bridge, 60000);
    turn();
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    ask("b83e9a5c-3e8a-4b52-8a53-57f0d8f2d3c1", 2, "secret", ENDPOINT, false);
    drained(newest());
    message("b83e9a5c-3e8a-4b52-8a53-57f0d8f2d3c1");
    later(20 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    answer(VERDICT_ACCEPTED, 201); /* which tells the others that they may */
    ck_assert_uint_ge(count_pushes(PUSH_RING), 4);
    end();
}
END_TEST

START_TEST(of_rings_in_line_for_an_endpoint_that_turns_out_to_fail_one_stays_there)
{
    unsigned expected;
    struct err err;
    begin();
    store_row(0, ALICE, ENDPOINT);
    store_row(1, BOB, ENDPOINT);
    start();
    bridge_ping(world.bridge, ALICE, on_pinged, NULL, &expected, &err);
    struct push_request *ping = world.pushes[0];
    drained(link_of(ALICE));
    drained(link_of(BOB));
    message(ALICE);
    message(BOB);
    ck_assert_uint_eq(world.push_count, 3);
    const struct verdict verdict = {.kind = VERDICT_RETRY, .status = 500, .text = "it failed"};
    ping->over = true;
    ping->fn(ping->arg, &verdict);
    ck_assert_int_eq(world.pushes[1]->over + world.pushes[2]->over, 1);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(world.push_count, 4); /* it is sent again, once the other one was accepted */
    end();
}
END_TEST

START_TEST(what_an_unlinked_device_is_owed_goes_over_to_the_one_in_its_place)
{
    for (int linked_first = 0; linked_first < 2; linked_first++) {
        begin();
        world.rows[0] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                               .password = "secret",
                                               .endpoint = ENDPOINT,
                                               .endpoint_state = ENDPOINT_GONE,
                                               .refused = !linked_first,
                                               .owed_since_unix = 1700000000};
        uuid_parse(world.rows[0].key.uuid, ALICE);
        world.row_count = 1;
        start();
        struct link *old = newest();
        ask(ALICE, 3, "secret", OTHER_ENDPOINT, false);
        drained(newest());
        expect(REGISTRATION_OK);
        for (int i = 0; linked_first && i < 2; i++) { /* the first one is refused only now */
            down(old, LINK_UNAUTHORIZED);
            later(2 * 60 * 1000);
        }
        ck_assert_uint_eq(world.removed, 1);
        ck_assert_uint_eq(registry_count(bridge_registry(world.bridge)), 1);
        ck_assert_int_ne(world.owed, 0);
        ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
        end();
    }
}
END_TEST

START_TEST(a_floor_of_the_last_run_holds_after_the_start)
{
    begin();
    world.rows[0] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                           .password = "secret",
                                           .endpoint = ENDPOINT,
                                           .endpoint_proven = true,
                                           .endpoint_state = ENDPOINT_FAILING,
                                           .endpoint_status = 429,
                                           .endpoint_not_before_unix = clock_unix() + 3600,
                                           .owed_since_unix = 1700000000};
    world.row_count = 1;
    start();
    bridge_resumed(world.bridge, 20000);
    ask("00000000-0000-0000-0000-000000000000", 2, "secret", ENDPOINT, true);
    later(3590 * 1000);
    ck_assert_uint_eq(world.push_count, 0);
    later(20 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    end();
}
END_TEST

START_TEST(a_floor_that_another_clock_wrote_is_no_silence)
{
    begin();
    world.rows[0] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                           .password = "secret",
                                           .endpoint = ENDPOINT,
                                           .endpoint_state = ENDPOINT_FAILING,
                                           .endpoint_status = 507,
                                           .endpoint_not_before_unix = clock_unix() + 1700000000,
                                           .owed_since_unix = 1700000000};
    world.row_count = 1;
    start();
    ck_assert_uint_eq(world.push_count, 0);
    later(2 * 60 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    end();
}
END_TEST

START_TEST(accounts_that_the_configuration_forbids_are_disconnected_and_come_back)
{
    begin();
    start();
    register_alice();
    struct link *link = newest();
    world.config.accounts_allowed = (struct strings){bob_alone, 1};
    bridge_reload(world.bridge, &world.config, world.policy);
    turn();
    ck_assert(!link->started);
    ask(ALICE, 2, "secret", ENDPOINT, false);
    expect(REGISTRATION_INVALID_UUID);
    later(1000000);
    ck_assert(!link->started);
    world.config.accounts_allowed = (struct strings){everybody, 1};
    bridge_reload(world.bridge, &world.config, world.policy);
    turn();
    ck_assert(link->started);
    end();
}
END_TEST

START_TEST(a_debt_of_the_last_run_is_rung_at_the_start)
{
    begin();
    world.rows[0] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                           .password = "secret",
                                           .endpoint = ENDPOINT,
                                           .owed_since_unix = 1700000000};
    world.row_count = 1;
    start();
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert(world.owed == 0);
    end();
}
END_TEST

START_TEST(a_debt_that_could_not_be_written_and_was_paid_meanwhile_is_owed_no_more)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    leave();
    world.hold_store = true;
    later(20 * 1000);
    ck_assert(world.owed != 0);
    answer(VERDICT_ACCEPTED, 201);
    world.hold_store = false;
    world.store_fails = true;
    turn();
    ck_assert(world.owed == 0);
    world.store_fails = false;
    later(60 * 1000);
    ck_assert(world.owed == 0);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    end();
}
END_TEST

START_TEST(what_an_endpoint_said_is_written_again_where_its_write_failed)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    answer(VERDICT_ACCEPTED, 201);
    later(2000);
    message(ALICE);
    world.store_fails = true;
    answer_floor(VERDICT_RETRY, 429, 3600 * 1000);
    size_t rows = world.row_count;
    later(5000);
    ck_assert_uint_eq(world.row_count, rows + 1);
    ask(ALICE, 2, "secret", ENDPOINT, false); /* who needs nothing written does not wait for that */
    expect(REGISTRATION_OK);
    world.store_fails = false;
    rows = world.row_count;
    later(5000);
    ck_assert_uint_eq(world.row_count, rows + 1);
    ck_assert_int_gt(world.rows[rows].endpoint_floor_unix, clock_unix() + 3500);
    later(6000);
    ck_assert_uint_eq(world.row_count, rows + 1);
    end();
}
END_TEST

START_TEST(changes_of_a_row_do_not_pile_up_while_the_disk_hangs)
{
    begin();
    start();
    register_alice();
    later(2000);
    world.hold_store = true;
    size_t rows = world.row_count;
    for (unsigned i = 0; i < 10; i++) {
        try_keys(ALICE, false);
        ask(ALICE, 2, "secret", ENDPOINT, false);
    }
    try_keys(ALICE, false);
    ck_assert_uint_eq(world.row_count, rows + 1);
    ck_assert_uint_eq(world.pending_count, 1);
    world.answers = 0;
    world.hold_store = false;
    turn();
    ck_assert_uint_eq(world.row_count, rows + 2);
    ck_assert_uint_eq(world.answers, 21);
    ck_assert_int_eq(world.status, REGISTRATION_OK);
    end();
}
END_TEST

START_TEST(who_asked_after_a_put_that_fails_is_answered_by_the_next_one)
{
    begin();
    start();
    register_alice();
    later(2000);
    world.hold_store = true;
    try_keys(ALICE, false);
    ask(ALICE, 2, "secret", ENDPOINT, false);
    world.answers = 0;
    world.store_fails = true;
    finish_oldest();
    turn();
    expect(REGISTRATION_INTERNAL_ERROR);
    world.answers = 0;
    world.store_fails = false;
    finish_oldest();
    turn();
    expect(REGISTRATION_OK);
    ask(ALICE, 2, "secret", ENDPOINT, false); /* which has nothing to wait for now */
    expect(REGISTRATION_OK);
    end();
}
END_TEST

START_TEST(a_change_that_waits_for_another_one_is_written_at_the_end)
{
    begin();
    start();
    register_alice();
    later(2000);
    world.hold_store = true;
    try_keys(ALICE, false);
    ask(ALICE, 2, "secret", ENDPOINT, false);
    size_t rows = world.row_count;
    ck_assert(world.rows[rows - 1].has_push_keys);
    end();
    ck_assert_uint_eq(world.row_count, rows + 1);
    ck_assert(!world.rows[rows].has_push_keys);
}
END_TEST

START_TEST(other_keys_do_not_end_what_the_push_server_demands)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    answer(VERDICT_ACCEPTED, 201);
    later(2000);
    message(ALICE);
    answer_floor(VERDICT_RETRY, 429, 3600 * 1000);
    size_t pushes = world.push_count;
    ask_with_keys(ALICE, true);
    const struct store_account *row = &world.rows[world.row_count - 1];
    ck_assert(row->has_push_keys);
    ck_assert_uint_eq(row->endpoint_state, ENDPOINT_FAILING);
    ck_assert(row->endpoint_proven);
    ck_assert_int_gt(row->endpoint_floor_unix, clock_unix() + 3500);
    later(3590 * 1000);
    ck_assert_uint_eq(world.push_count, pushes);
    later(400 * 1000);
    ck_assert_uint_eq(world.push_count, pushes + 1);
    answer_floor(VERDICT_RETRY, 429, 3600 * 1000);
    end();
}
END_TEST

/* Alice's, that says 429 for an hour. */
static void begin_limited(void)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    answer_floor(VERDICT_RETRY, 429, 3600 * 1000);
}

/* Nothing is sent before the hour is over; then the ring is. */
static void expect_bound(void)
{
    size_t pushes = world.push_count;
    const struct store_account *row = &world.rows[world.row_count - 1];
    ck_assert_uint_eq(row->endpoint_state, ENDPOINT_FAILING);
    ck_assert_int_gt(row->endpoint_floor_unix, clock_unix() + 3500);
    later(3590 * 1000);
    message(ALICE);
    ck_assert_uint_eq(world.push_count, pushes);
    later(1000 * 1000);
    ck_assert_uint_eq(world.push_count, pushes + 1);
    answer(VERDICT_ACCEPTED, 201);
    end();
}

START_TEST(an_endpoint_in_between_does_not_end_what_the_push_server_demands)
{
    begin_limited();
    ask(ALICE, 2, "secret", OTHER_ENDPOINT, true);
    answer(VERDICT_ACCEPTED, 201); /* the ring, and the test */
    answer(VERDICT_ACCEPTED, 201);
    ask(ALICE, 2, "secret", ENDPOINT, true);
    expect(REGISTRATION_OK);
    expect_bound();
}
END_TEST

START_TEST(credentials_in_between_do_not_end_it_either)
{
    begin_limited();
    ask(ALICE, 2, "another", OTHER_ENDPOINT, false);
    drained(newest());
    answer(VERDICT_ACCEPTED, 201);
    answer(VERDICT_ACCEPTED, 201);
    ask(ALICE, 2, "third", ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    expect_bound();
}
END_TEST

START_TEST(who_is_removed_and_registers_anew_finds_the_floor_of_before)
{
    struct err err;
    begin_limited();
    ck_assert_int_eq(bridge_remove(world.bridge, ALICE, NULL, NULL, &err), 0);
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    expect_bound();
}
END_TEST

START_TEST(what_the_operator_enters_ends_the_floor_that_was_left)
{
    begin_limited();
    ask(ALICE, 2, "secret", OTHER_ENDPOINT, false);
    answer(VERDICT_ACCEPTED, 201);
    later(2000);
    message(ALICE);
    size_t pushes = world.push_count;
    enter(ALICE, ENDPOINT);
    ck_assert_uint_eq(world.push_count, pushes + 1);
    answer(VERDICT_ACCEPTED, 201);
    end();
}
END_TEST

START_TEST(an_endpoint_that_is_gone_comes_back_with_other_keys)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    answer(VERDICT_GONE, 410);
    later(48 * 3600 * 1000LL);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    ask_with_keys(ALICE, false);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    ck_assert_uint_eq(world.rows[world.row_count - 1].endpoint_state, ENDPOINT_OK);
    answer(VERDICT_ACCEPTED, 201);
    end();
}
END_TEST

START_TEST(one_of_an_endpoint_that_is_gone_brings_it_back_for_all_that_share_it)
{
    begin();
    for (size_t i = 0; i < 2; i++) {
        struct store_account *row = store_row(i, i ? BOB : ALICE, ENDPOINT);
        row->endpoint_state = ENDPOINT_GONE;
        row->endpoint_not_before_unix = INT64_MAX;
        row->owed_since_unix = 1700000000;
    }
    start();
    later(48 * 3600 * 1000LL);
    ck_assert_uint_eq(world.push_count, 0);
    ask_with_keys(ALICE, false);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1); /* one after the other */
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    answer(VERDICT_ACCEPTED, 201);
    end();
}
END_TEST

START_TEST(a_ring_with_old_keys_is_waited_for_and_followed_by_another_one)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    leave();
    ask_with_keys(ALICE, false);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    ck_assert(!world.pushes[world.push_count - 1]->over);
    answer(VERDICT_ACCEPTED, 201);
    later(1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    leave();
    ask_with_keys(ALICE, false); /* the same ones */
    answer(VERDICT_ACCEPTED, 201);
    later(1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    end();
}
END_TEST

START_TEST(what_a_ring_with_old_keys_was_for_is_answered_only_with_a_record)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    leave();
    ask_with_keys(ALICE, false);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(newest()->acked_count, 0);
    later(1000);
    leave();
    answer(VERDICT_RETRY, 503);
    later(1000);
    ck_assert_uint_eq(newest()->acked_count, 0);
    ck_assert(world.owed == 0);
    later(20 * 1000);
    ck_assert(world.owed != 0);
    ck_assert_uint_eq(newest()->acked_count, 1);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert(world.owed == 0);
    end();
}
END_TEST

START_TEST(a_410_that_was_on_its_way_when_the_keys_changed_is_an_old_one)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    leave();
    ask_with_keys(ALICE, false);
    answer(VERDICT_GONE, 410);
    later(1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    leave();
    answer(VERDICT_GONE, 410);
    later(3600 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    end();
}
END_TEST

START_TEST(a_ring_with_old_keys_that_has_not_left_is_sent_with_the_new_ones)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    ask_with_keys(ALICE, false);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    ck_assert(world.pushes[world.push_count - 2]->over);
    answer(VERDICT_ACCEPTED, 201);
    later(1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    end();
}
END_TEST

START_TEST(settings_that_allow_an_endpoint_again_let_its_ring_go)
{
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    answer_floor(VERDICT_DENIED, 0, 15 * 60 * 1000);
    later(60 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    reload();
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    answer(VERDICT_ACCEPTED, 201);
    end();
}
END_TEST

START_TEST(settings_that_allow_an_endpoint_again_end_no_floor)
{
    unsigned expected;
    struct err err;
    begin();
    start();
    register_alice();
    later(2000);
    message(ALICE);
    answer_floor(VERDICT_SUSPECT, 404, 11 * 60 * 1000);
    bridge_ping(world.bridge, ALICE, on_pinged, NULL, &expected, &err);
    answer_floor(VERDICT_DENIED, 0, 15 * 60 * 1000);
    reload();
    later(650 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    later(180 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    answer_floor(VERDICT_RETRY, 429, 3600 * 1000);
    bridge_ping(world.bridge, ALICE, on_pinged, NULL, &expected, &err);
    answer_floor(VERDICT_DENIED, 0, 15 * 60 * 1000);
    reload();
    later(3590 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    end();
}
END_TEST

START_TEST(what_was_spent_of_a_budget_is_spent_after_a_start)
{
    begin();
    for (size_t i = 0; i < 2; i++) {
        struct store_account *row = store_row(i, i ? BOB : ALICE, BUDGETED);
        row->spent_day = (uint32_t)(clock_unix() / (24 * 3600));
        row->spent = i ? 250 : 1;
    }
    start();
    up(link_of(ALICE));
    message(ALICE);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1); /* the first one after quiet */
    leave();
    answer(VERDICT_ACCEPTED, 201);
    message(ALICE);
    later(299 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    later(1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    answer(VERDICT_ACCEPTED, 201);
    end();
}
END_TEST

START_TEST(what_is_spent_of_a_budget_is_written_now_and_then_and_at_the_end)
{
    begin();
    store_row(0, ALICE, BUDGETED);
    start();
    up(link_of(ALICE));
    link_of(ALICE)->events->drained(link_of(ALICE)->arg);
    for (unsigned i = 1; i <= 9; i++) {
        message(ALICE);
        leave();
        answer(VERDICT_ACCEPTED, 201);
        later(10 * 1000);
        ck_assert_uint_eq(world.row_count, i < 8 ? 1 : 2);
    }
    ck_assert_uint_eq(world.rows[1].spent, 8);
    ck_assert_uint_eq(world.rows[1].spent_day, (uint32_t)(clock_unix() / (24 * 3600)));
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(world.row_count, 3);
    ck_assert_uint_eq(world.rows[2].spent, 9);
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(world.row_count, 3);
    message(ALICE);
    leave();
    answer(VERDICT_ACCEPTED, 201);
    end();
    ck_assert_uint_eq(world.row_count, 4);
    ck_assert_uint_eq(world.rows[3].spent, 10);
}
END_TEST

START_TEST(what_was_spent_and_could_not_be_written_is_written_later)
{
    begin();
    store_row(0, ALICE, BUDGETED);
    start();
    up(link_of(ALICE));
    link_of(ALICE)->events->drained(link_of(ALICE)->arg);
    message(ALICE);
    leave();
    answer(VERDICT_ACCEPTED, 201);
    world.store_fails = true;
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(world.row_count, 2);
    turn();
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(world.row_count, 3);
    world.store_fails = false;
    turn();
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(world.row_count, 3);
    end();
}
END_TEST

START_TEST(an_account_that_finds_no_room_is_connected_as_soon_as_another_one_goes)
{
    struct err err;
    begin();
    world.descriptors = 1;
    store_row(0, ALICE, ENDPOINT);
    store_row(1, BOB, OTHER_ENDPOINT);
    start();
    ck_assert_uint_eq(count_started(), 1);
    later(3600 * 1000);
    ck_assert_uint_eq(count_started(), 1);
    bool alice = link_of(ALICE)->started;
    bridge_remove(world.bridge, alice ? ALICE : BOB, NULL, NULL, &err);
    turn();
    ck_assert(link_of(alice ? BOB : ALICE)->started);
    end();
}
END_TEST

START_TEST(accounts_that_wait_are_connected_once_links_share_connections)
{
    begin();
    world.descriptors = 1;
    store_row(0, ALICE, ENDPOINT);
    store_row(1, BOB, OTHER_ENDPOINT);
    start();
    bridge_sweep(world.bridge);
    turn();
    ck_assert_uint_eq(count_started(), 1);
    struct bridge_view view;
    view_bridge(world.bridge, 0, &view);
    ck_assert(view.no_room);
    ck_assert_uint_eq(view.links_most, 1);
    world.shares = 100;
    bridge_sweep(world.bridge);
    turn();
    ck_assert_uint_eq(count_started(), 2);
    view_bridge(world.bridge, 0, &view);
    ck_assert(!view.no_room);
    ck_assert_uint_eq(view.links_most, 100);
    end();
}
END_TEST

START_TEST(descriptors_that_are_all_in_use_are_not_any_number)
{
    begin();
    world.descriptors = 2;
    world.in_use = true;
    store_row(0, ALICE, ENDPOINT);
    store_row(1, BOB, OTHER_ENDPOINT);
    start();
    ck_assert_uint_eq(count_started(), 1);
    world.in_use = false;
    bridge_sweep(world.bridge);
    turn();
    ck_assert_uint_eq(count_started(), 2);
    end();
}
END_TEST

START_TEST(trials_have_only_the_room_that_no_account_needs)
{
    begin();
    world.descriptors = 2;
    store_row(0, ALICE, ENDPOINT);
    start();
    down(link_of(ALICE), LINK_LOST);
    ask(BOB, 2, "one", OTHER_ENDPOINT, false);
    ask(STRANGER, 2, "one", OTHER_ENDPOINT, false);
    ck_assert(link_of(BOB)->started && !link_of(STRANGER)->started);
    later(5 * 60 * 1000);
    ck_assert(link_of(ALICE)->started);
    ck_assert(!link_of(STRANGER)->started);
    end();
}
END_TEST

START_TEST(a_trial_makes_way_for_an_account_and_one_is_enough)
{
    begin();
    world.descriptors = 3;
    start();
    for (unsigned i = 0; i < 3; i++) {
        char uuid[64];
        snprintf(uuid, sizeof uuid, "%08x-dcc3-4d11-975f-74d61598733f", i);
        ask(uuid, 2, "secret", ENDPOINT, false);
    }
    ck_assert_uint_eq(count_started(), 3);
    enter(ALICE, OTHER_ENDPOINT);
    ck_assert(link_of(ALICE)->started);
    ck_assert_uint_eq(count_started(), 3);
    ck_assert(!world.links[0]->started && world.links[1]->started && world.links[2]->started);
    later(10 * 60 * 1000);
    ck_assert(link_of(ALICE)->started);
    ck_assert(!world.links[0]->started);
    end();
}
END_TEST

START_TEST(a_trial_that_passes_while_it_makes_way_costs_no_other_one_its_place)
{
    begin();
    world.descriptors = 2;
    start();
    ask(BOB, 2, "one", OTHER_ENDPOINT, false);
    ask(STRANGER, 2, "one", OTHER_ENDPOINT, false);
    struct registration registration = registration_of(ALICE, ENDPOINT);
    bridge_register(world.bridge, &registration, on_status, NULL);
    timers_fire(&world.loop.timers, loop_now_ms(&world.loop)); /* no `down` comes yet */
    ck_assert(link_of(BOB)->stopping && !link_of(STRANGER)->stopping);
    up(link_of(BOB));
    link_of(BOB)->events->drained(link_of(BOB)->arg);
    timers_fire(&world.loop.timers, loop_now_ms(&world.loop));
    ck_assert(!link_of(STRANGER)->stopping);
    turn();
    ck_assert(link_of(ALICE)->started && link_of(BOB)->started);
    ck_assert(!link_of(STRANGER)->started);
    end();
}
END_TEST

START_TEST(what_the_operator_adds_needs_no_proof)
{
    struct registration registration = {.uuid = ALICE,
                                        .device = 2,
                                        .password = "secret",
                                        .endpoint = ENDPOINT,
                                        .by_operator = true};
    begin();
    start();
    world.answers = 0;
    bridge_register(world.bridge, &registration, on_status, NULL);
    turn();
    expect(REGISTRATION_OK);
    ck_assert(newest()->started && !newest()->request.candidate);
    unsigned expected;
    struct err err;
    ck_assert_int_eq(bridge_remove(world.bridge, BOB, NULL, NULL, &err), ERR_NOT_FOUND);
    ck_assert_int_eq(bridge_remove(world.bridge, ALICE, NULL, NULL, &err), 0);
    ck_assert(newest()->freed);
    ck_assert_int_eq(bridge_ping(world.bridge, ALICE, NULL, NULL, &expected, &err), ERR_NOT_FOUND);
    end();
}
END_TEST

START_TEST(own_messages_and_quiet_ones_do_not_ring)
{
    begin();
    start();
    register_alice();
    struct link *link = newest();
    link->events->waiting(link->arg, 1, true, true);
    link->events->waiting(link->arg, 2, false, false);
    turn();
    ck_assert_uint_eq(count_pushes(PUSH_RING), 0);
    ck_assert_uint_eq(link->acked_count, 2);
    world.config.wake_own_messages = true;
    link->events->waiting(link->arg, 3, true, true);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    end();
}
END_TEST

START_TEST(the_figures_tell_states_kinds_of_messages_and_what_is_owed)
{
    struct bridge_figures figures;
    begin();
    start();
    bridge_figures(world.bridge, &figures);
    ck_assert_uint_eq(figures.accounts[ACCOUNT_UP] + figures.endpoints[ENDPOINT_OK], 0);
    register_alice();
    struct link *link = newest();
    link->events->waiting(link->arg, 1, true, true);
    link->events->waiting(link->arg, 2, false, false);
    link->events->waiting(link->arg, 3, true, false);
    link->events->waiting(link->arg, 4, true, false);
    turn();
    bridge_figures(world.bridge, &figures);
    ck_assert_uint_eq(figures.accounts[ACCOUNT_UP], 1);
    ck_assert_uint_eq(figures.endpoints[ENDPOINT_OK], 1);
    ck_assert_uint_eq(figures.owed, 1);
    ck_assert_uint_eq(figures.tally->messages[TALLY_URGENT], 2);
    ck_assert_uint_eq(figures.tally->messages[TALLY_OWN], 1);
    ck_assert_uint_eq(figures.tally->messages[TALLY_QUIET], 1);
    ck_assert_uint_eq(figures.tally->delay.counts[0], 0);
    answer(VERDICT_ACCEPTED, 201);
    down(link, LINK_LOST);
    bridge_figures(world.bridge, &figures);
    uint64_t rings = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        rings += figures.tally->delay.counts[i];
    ck_assert_uint_eq(rings, 1);
    ck_assert_uint_eq(figures.accounts[ACCOUNT_BACKING_OFF], 1);
    ck_assert_uint_eq(figures.tally->downs[LINK_LOST], 1);
    end();
}
END_TEST

static const struct account *account_of(const char *uuid)
{
    struct account_key key = {.messenger = MESSENGER_SIGNAL, .device = 2};
    ck_assert_int_eq(uuid_parse(key.uuid, uuid), 0);
    return registry_find(bridge_registry(world.bridge), &key);
}

/* The ring of a message is owed, and its push server answers so; then time passes. */
static void owe(int status, enum verdict_kind kind)
{
    register_alice();
    later(2000);
    message(ALICE);
    answer(kind, status);
    later(world.config.push_hold_ms);
    later(bridge_patience_ms(&world.config) + 1000);
}

START_TEST(a_ring_is_late_where_somebody_could_be_rung_and_held_up_where_nobody_has_to_mend_it)
{
    static const struct {
        enum verdict_kind kind;
        int status;
        bool late, held_up;
    } cases[] = {{VERDICT_RETRY, 503, true, true},
                 {VERDICT_UNAUTHORIZED, 403, true, false},
                 {VERDICT_GONE, 410, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bridge_figures figures;
        struct bridge_counts counts;
        begin();
        start();
        owe(cases[i].status, cases[i].kind);
        bridge_figures(world.bridge, &figures);
        bridge_count(world.bridge, &counts);
        ck_assert_msg(figures.late == cases[i].late, "case %zu", i);
        ck_assert_msg(counts.overdue == cases[i].held_up, "case %zu", i);
        end();
    }
}
END_TEST

START_TEST(a_ring_for_an_account_that_is_refused_is_not_late)
{
    struct bridge_figures figures;
    begin();
    start();
    owe(503, VERDICT_RETRY);
    bridge_figures(world.bridge, &figures);
    ck_assert_uint_eq(figures.late, 1);
    for (unsigned i = 0; i < 4 && account_of(ALICE)->state != ACCOUNT_REFUSED; i++) {
        if (newest()->started)
            down(newest(), LINK_UNAUTHORIZED);
        later(world.config.signal_refused_confirm_ms);
    }
    ck_assert_int_eq(account_of(ALICE)->state, ACCOUNT_REFUSED);
    bridge_figures(world.bridge, &figures);
    ck_assert_uint_eq(figures.late, 0);
    end();
}
END_TEST

START_TEST(a_ring_is_not_late_as_soon_as_there_is_an_endpoint_again)
{
    struct bridge_figures figures;
    struct bridge_counts counts;
    begin();
    start();
    owe(410, VERDICT_GONE);
    later(bridge_patience_ms(&world.config));
    ask(ALICE, 2, "secret", OTHER_ENDPOINT, false);
    later(1000);
    bridge_figures(world.bridge, &figures);
    bridge_count(world.bridge, &counts);
    ck_assert_uint_eq(figures.owed, 1);
    ck_assert_uint_eq(figures.endpoints[ENDPOINT_GONE], 0);
    ck_assert_uint_eq(figures.late + counts.overdue, 0);
    end();
}
END_TEST

START_TEST(what_a_start_finds_owed_was_not_held_up_while_nobody_was_there_to_ring)
{
    struct bridge_figures figures;
    struct bridge_counts counts;
    begin();
    store_row(0, ALICE, ENDPOINT)->owed_since_unix = 1700000000;
    start();
    later(2000);
    bridge_figures(world.bridge, &figures);
    bridge_count(world.bridge, &counts);
    ck_assert_uint_eq(figures.late + counts.overdue, 0);
    ck_assert_int_gt(figures.oldest_owed_ms, bridge_patience_ms(&world.config));
    later(bridge_patience_ms(&world.config));
    bridge_figures(world.bridge, &figures);
    bridge_count(world.bridge, &counts);
    ck_assert_uint_eq(figures.late, 1);
    ck_assert_uint_eq(counts.overdue, 1);
    end();
}
END_TEST

START_TEST(a_debt_brings_the_whole_row_because_there_may_be_none_yet)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    world.store_fails = true;
    drained(newest());
    expect(REGISTRATION_INTERNAL_ERROR); /* nothing is on disk that we could be relied on for */
    answer(VERDICT_ACCEPTED, 201);
    struct link *link = newest();
    world.store_fails = false;
    world.hold_store = true;
    size_t rows = world.row_count;
    for (uint64_t i = 0; i < 9; i++) /* more than are held while the ring is out */
        link->events->waiting(link->arg, i, true, false);
    ck_assert_uint_gt(world.row_count, rows);
    ck_assert(world.rows[world.row_count - 1].owed_since_unix != 0);
    ck_assert_uint_eq(link->acked_count, 0);
    world.hold_store = false;
    turn();
    ck_assert_uint_eq(link->acked_count, 9);
    end();
}
END_TEST

/* Looked for now and then, all the time long. */
static enum health health_after(int64_t ms)
{
    for (int64_t step = ms / 10; ms > 0; ms -= step) {
        bridge_health(world.bridge);
        later(step);
    }
    return bridge_health(world.bridge);
}

START_TEST(it_is_not_ready_once_no_account_that_could_be_linked_is_linked_for_long)
{
    begin();
    const int64_t after_ms = world.config.health_links_down_after_ms;
    start();
    ck_assert_int_eq(health_after(2 * after_ms), HEALTH_WELL);
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_int_eq(health_after(2 * after_ms), HEALTH_WELL);
    down(newest(), LINK_LOST);
    ck_assert_int_eq(health_after(after_ms / 2), HEALTH_WELL);
    ck_assert_int_eq(health_after(after_ms), HEALTH_LINKS_DOWN);
    world.config.accounts_allowed = (struct strings){bob_alone, 1};
    bridge_reload(world.bridge, &world.config, world.policy);
    ck_assert_int_eq(health_after(2 * after_ms), HEALTH_WELL);
    end();
}
END_TEST

START_TEST(an_account_that_is_refused_or_contested_is_its_own_trouble)
{
    begin();
    const int64_t after_ms = world.config.health_links_down_after_ms;
    world.rows[0] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                           .password = "secret",
                                           .endpoint = ENDPOINT,
                                           .refused = true};
    uuid_parse(world.rows[0].key.uuid, ALICE);
    world.row_count = 1;
    start();
    ck_assert_int_eq(health_after(2 * after_ms), HEALTH_WELL);
    ask(BOB, 2, "secret", OTHER_ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    answer(VERDICT_ACCEPTED, 201);
    down(newest(), LINK_CONTESTED);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_int_eq(health_after(2 * after_ms), HEALTH_WELL);
    end();
}
END_TEST

START_TEST(a_write_that_does_not_come_back_shows_like_one_that_failed)
{
    struct bridge_figures figures;
    struct bridge_view whole;
    begin();
    start();
    later(1000);
    world.writing_since_ms = loop_now_ms(&world.loop);
    later(HEALTH_STORE_HANGS_MS - 1);
    bridge_figures(world.bridge, &figures);
    ck_assert(!figures.store_failing);
    later(1);
    bridge_figures(world.bridge, &figures);
    ck_assert(figures.store_failing);
    view_bridge(world.bridge, clock_wall_ms(), &whole);
    ck_assert(whole.store_fails);
    ck_assert_str_eq(whole.advice[0], health_advice(HEALTH_STORE_HANGS));
    world.writing_since_ms = 0;
    view_bridge(world.bridge, clock_wall_ms(), &whole);
    ck_assert(!whole.store_fails && !whole.advice[0]);
    end();
}
END_TEST

static enum account_state link_state_of(const char *uuid)
{
    struct account_key key = {.messenger = MESSENGER_SIGNAL, .device = 2};
    ck_assert_int_eq(uuid_parse(key.uuid, uuid), 0);
    return registry_find(bridge_registry(world.bridge), &key)->state;
}

/* Three that the store has, each with its link. */
static void start_three(void)
{
    begin();
    store_row(0, ALICE, ENDPOINT);
    store_row(1, BOB, OTHER_ENDPOINT);
    store_row(2, CAROL, "https://push.example.org/carol");
    start();
    drained(link_of(ALICE));
    drained(link_of(BOB));
    drained(link_of(CAROL));
}

/* By two refusals that are more than a minute apart. */
static void give_up(const char *uuid)
{
    for (int i = 0; i < 2; i++) {
        down(link_of(uuid), LINK_UNAUTHORIZED);
        later(100000);
    }
    ck_assert_int_eq(link_state_of(uuid), ACCOUNT_REFUSED);
}

START_TEST(who_was_given_up_before_all_were_refused_is_taken_back)
{
    start_three();
    give_up(BOB);
    give_up(ALICE);
    ck_assert(world.refused_stored && !link_of(ALICE)->started);
    down(link_of(CAROL), LINK_UNAUTHORIZED); /* so that was everybody */
    ck_assert_int_eq(link_state_of(ALICE), ACCOUNT_BACKING_OFF);
    ck_assert_int_eq(link_state_of(BOB), ACCOUNT_BACKING_OFF);
    ck_assert(!world.refused_stored);
    later(120000);
    ck_assert(link_of(ALICE)->started && link_of(BOB)->started);
    end();
}
END_TEST

START_TEST(who_is_given_up_alone_stays_so)
{
    start_three();
    give_up(ALICE);
    ask(DAVE, 2, "secret", "https://push.example.org/dave", false);
    drained(newest()); /* somebody is let in: that was no word about everybody */
    expect(REGISTRATION_OK);
    down(link_of(BOB), LINK_UNAUTHORIZED);
    down(link_of(CAROL), LINK_UNAUTHORIZED);
    down(link_of(DAVE), LINK_UNAUTHORIZED); /* but this is */
    ck_assert_int_eq(link_state_of(DAVE), ACCOUNT_BACKING_OFF);
    ck_assert_int_eq(link_state_of(ALICE), ACCOUNT_REFUSED);
    ck_assert(world.refused_stored);
    answer(VERDICT_ACCEPTED, 201);
    end();
}
END_TEST

START_TEST(who_was_given_up_long_before_all_were_refused_stays_so)
{
    start_three();
    ask(DAVE, 2, "secret", "https://push.example.org/dave", false);
    drained(newest());
    answer(VERDICT_ACCEPTED, 201);
    give_up(ALICE);
    later(world.config.signal_fleet_window_ms);
    down(link_of(BOB), LINK_UNAUTHORIZED);
    down(link_of(CAROL), LINK_UNAUTHORIZED);
    down(link_of(DAVE), LINK_UNAUTHORIZED);
    ck_assert_int_eq(link_state_of(DAVE), ACCOUNT_BACKING_OFF);
    ck_assert_int_eq(link_state_of(ALICE), ACCOUNT_REFUSED);
    end();
}
END_TEST

/* The fleet of three waits for minutes, and so does one who is being linked. */
static struct link *refuse_all(enum link_reason reason)
{
    ask(DAVE, 2, "secret", "https://push.example.org/dave", false);
    struct link *trial = newest();
    for (int i = 0; i < 6; i++) {
        down(link_of(ALICE), reason);
        down(link_of(BOB), reason);
        down(link_of(CAROL), reason);
        down(trial, reason);
        if (i < 5)
            later(8000000);
    }
    later(200000);
    ck_assert(!link_of(ALICE)->started && !link_of(BOB)->started && !trial->started);
    return trial;
}

START_TEST(who_waits_because_all_were_refused_tries_soon_once_one_is_let_in)
{
    static const enum link_reason reasons[] = {LINK_UNAUTHORIZED, LINK_CLIENT_REFUSED};
    for (size_t i = 0; i < 2; i++) {
        start_three();
        struct link *trial = refuse_all(reasons[i]);
        ask(ERIN, 2, "secret", "https://push.example.org/erin", false);
        drained(newest());
        later(120000);
        ck_assert(link_of(ALICE)->started && link_of(BOB)->started && trial->started);
        end();
    }
}
END_TEST

START_TEST(another_user_agent_is_tried_soon)
{
    start_three();
    struct link *trial = refuse_all(LINK_CLIENT_REFUSED);
    struct config other = world.config;
    other.signal_user_agent = (char *)"Signal-Android/99.0.0";
    bridge_reload(world.bridge, &other, world.policy);
    later(120000);
    ck_assert(link_of(ALICE)->started && link_of(BOB)->started && link_of(CAROL)->started);
    ck_assert(trial->started);
    end();
}
END_TEST

START_TEST(an_account_that_is_entered_anew_is_still_one_account)
{
    start_three();
    for (int i = 0; i < 3; i++) {
        down(link_of(ALICE), LINK_UNAUTHORIZED);
        enter(ALICE, ENDPOINT);
    }
    down(link_of(ALICE), LINK_UNAUTHORIZED);
    later(100000);
    down(link_of(ALICE), LINK_UNAUTHORIZED);
    ck_assert_int_eq(link_state_of(ALICE), ACCOUNT_REFUSED); /* not everybody's trouble */
    end();
}
END_TEST

static struct bridge_alarms alarms_now(void)
{
    struct bridge_alarms alarms;
    bridge_alarms(world.bridge, &alarms);
    return alarms;
}

static const struct account *alice(void)
{
    struct account_key key = {.messenger = MESSENGER_SIGNAL, .device = 2};
    uuid_parse(key.uuid, ALICE);
    return registry_find(bridge_registry(world.bridge), &key);
}

START_TEST(a_link_that_shows_no_queue_is_not_connected_and_is_given_up_as_silent)
{
    begin();
    const int64_t proof_ms = world.config.signal_proof_ms;
    start();
    register_alice();
    struct link *link = newest();
    down(link, LINK_LOST);
    later(world.config.signal_reconnect_min_ms);
    up(link);
    ck_assert_int_eq(alice()->state, ACCOUNT_CONNECTING);
    later(proof_ms - 1);
    ck_assert(link->started && alarms_now().silent == 0);
    later(1);
    ck_assert(!link->started);
    ck_assert_int_eq(alice()->state, ACCOUNT_BACKING_OFF);
    ck_assert(bridge_is_silent(alice()) && alarms_now().silent == 1 && alarms_now().up == 0);
    later(2 * world.config.signal_reconnect_min_ms);
    up(link);
    ck_assert(bridge_is_silent(alice())); /* nothing is different yet */
    link->events->waiting(link->arg, 1, false, false);
    turn();
    ck_assert_int_eq(alice()->state, ACCOUNT_UP);
    ck_assert(!bridge_is_silent(alice()));
    later(2 * proof_ms);
    ck_assert(link->started); /* a message is a proof, too */
    end();
}
END_TEST

START_TEST(links_that_are_silent_are_links_that_are_down)
{
    begin();
    const int64_t after_ms = world.config.health_links_down_after_ms;
    start();
    register_alice();
    struct link *link = newest();
    down(link, LINK_LOST);
    for (int64_t ms = 0; ms < 2 * after_ms; ms += 1000) {
        bridge_health(world.bridge);
        later(1000);
        if (link->started && alice()->state == ACCOUNT_CONNECTING)
            up(link);
    }
    ck_assert_int_eq(bridge_health(world.bridge), HEALTH_LINKS_DOWN);
    end();
}
END_TEST

static bool store_is_failing(void)
{
    return bridge_store_health(world.bridge) == HEALTH_STORE_FAILING;
}

/* A debt that could not be written and was rung away meanwhile: nobody tries to write it again. */
START_TEST(that_the_store_works_again_is_found_out_though_nothing_is_left_to_write)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_OK);
    answer(VERDICT_ACCEPTED, 201);
    world.store_fails = true;
    for (uint64_t i = 0; i < 9; i++) /* more than are held while the ring is out */
        newest()->events->waiting(newest()->arg, i, true, false);
    turn();
    answer(VERDICT_ACCEPTED, 201);
    later(2000); /* the ring that covers them all */
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(newest()->acked_count, 9);
    ck_assert(store_is_failing());
    bridge_sweep(world.bridge);
    turn();
    ck_assert(store_is_failing());
    world.store_fails = false;
    bridge_sweep(world.bridge);
    turn();
    ck_assert(!store_is_failing());
    size_t rows = world.row_count;
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(world.row_count, rows); /* nobody writes for nothing */
    end();
}
END_TEST

START_TEST(a_device_that_is_refused_stays_so_on_disk_while_the_settings_disable_it)
{
    begin();
    world.rows[0] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                           .password = "secret",
                                           .endpoint = ENDPOINT,
                                           .refused = true};
    uuid_parse(world.rows[0].key.uuid, ALICE);
    world.row_count = 1;
    world.config.accounts_allowed = (struct strings){bob_alone, 1};
    start();
    world.store_fails = true;
    ask(BOB, 2, "secret", OTHER_ENDPOINT, false);
    drained(newest());
    expect(REGISTRATION_INTERNAL_ERROR);
    ck_assert(store_is_failing());
    struct err err;
    ck_assert_int_eq(bridge_remove(world.bridge, BOB, NULL, NULL, &err), 0);
    world.store_fails = false;
    size_t rows = world.row_count;
    bridge_sweep(world.bridge); /* writes the only row that there is */
    turn();
    ck_assert(!store_is_failing());
    ck_assert_uint_eq(world.row_count, rows + 1);
    ck_assert(world.rows[rows].refused);
    end();
}
END_TEST

START_TEST(who_is_not_on_disk_is_not_told_that_all_is_well)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    world.store_fails = true;
    drained(newest());
    expect(REGISTRATION_INTERNAL_ERROR);
    ask(ALICE, 2, "secret", ENDPOINT, false);
    expect(REGISTRATION_INTERNAL_ERROR);
    world.store_fails = false;
    ask(ALICE, 2, "secret", ENDPOINT, false);
    expect(REGISTRATION_OK);
    end();
}
END_TEST

START_TEST(an_account_that_the_operator_enters_anew_keeps_what_it_is_owed)
{
    struct registration registration = {.uuid = ALICE,
                                        .device = 2,
                                        .password = "secret",
                                        .endpoint = ENDPOINT,
                                        .by_operator = true};
    begin();
    world.config.wake_interval_ms = 0;
    start();
    register_alice();
    struct link *link = newest();
    world.hold_store = true;
    for (uint64_t i = 0; i < 9; i++)
        link->events->waiting(link->arg, i, true, false);
    ck_assert_uint_eq(link->acked_count, 0); /* the debt is being written */
    bridge_register(world.bridge, &registration, on_status, NULL);
    turn();
    drained(newest());
    struct link *new = newest();
    new->events->waiting(new->arg, 1, true, false);
    ck_assert_uint_eq(new->acked_count, 0); /* nothing is on disk yet */
    world.hold_store = false;
    turn();
    ck_assert_uint_eq(new->acked_count, 1);
    ck_assert(world.owed != 0);
    answer(VERDICT_ACCEPTED, 201);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert(world.owed == 0);
    end();
}
END_TEST

START_TEST(a_debt_of_an_account_that_is_allowed_again_is_rung)
{
    begin();
    world.rows[0] = (struct store_account){.key = {.messenger = MESSENGER_SIGNAL, .device = 2},
                                           .password = "secret",
                                           .endpoint = ENDPOINT,
                                           .owed_since_unix = 1700000000};
    world.row_count = 1;
    world.config.accounts_allowed = (struct strings){bob_alone, 1};
    start();
    ck_assert_uint_eq(world.push_count, 0);
    struct bridge_figures figures;
    bridge_figures(world.bridge, &figures);
    ck_assert_uint_eq(figures.owed, 0); /* nobody need look after it meanwhile */
    world.config.accounts_allowed = (struct strings){everybody, 1};
    bridge_reload(world.bridge, &world.config, world.policy);
    turn();
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    bridge_figures(world.bridge, &figures);
    ck_assert_uint_eq(figures.owed, 1);
    ck_assert_int_gt(figures.oldest_owed_ms, 0);
    end();
}
END_TEST

START_TEST(new_credentials_of_a_device_are_no_contention)
{
    begin();
    start();
    register_alice();
    struct link *old = newest();
    ask(ALICE, 2, "changed", ENDPOINT, false);
    struct link *new = newest();
    up(new);
    down(old, LINK_CONTESTED); /* the server shows the door to the old link first */
    new->events->drained(new->arg);
    turn();
    expect(REGISTRATION_OK);
    ck_assert_uint_eq(count_pushes(PUSH_CONTESTED), 0);
    end();
}
END_TEST

START_TEST(a_word_about_contention_waits_for_a_test_that_is_out)
{
    begin();
    start();
    register_alice();
    ask(ALICE, 2, "secret", ENDPOINT, true);
    down(newest(), LINK_CONTESTED);
    ck_assert_uint_eq(count_pushes(PUSH_CONTESTED), 0);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_uint_eq(count_pushes(PUSH_CONTESTED), 1);
    end();
}
END_TEST

START_TEST(a_trial_that_passes_after_a_reload_forbade_its_user_is_not_taken)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    world.config.accounts_allowed = (struct strings){bob_alone, 1};
    bridge_reload(world.bridge, &world.config, world.policy);
    drained(newest());
    expect(REGISTRATION_INVALID_UUID);
    ck_assert_uint_eq(world.row_count, 0);
    ck_assert(newest()->freed);
    end();
}
END_TEST

START_TEST(failures_that_take_turns_are_not_repeated_faster_than_one_of_a_kind)
{
    begin();
    start();
    register_alice();
    newest()->events->waiting(newest()->arg, 1, true, false);
    for (int i = 0; i < 12; i++) {
        answer(VERDICT_RETRY, i % 2 ? 502 : 503);
        later(15 * 60 * 1000);
    }
    unsigned rings = count_pushes(PUSH_RING);
    answer(VERDICT_RETRY, 503);
    /* With 2 s * 2^n and full jitter, a wait of under 10 ms is one in many thousands. */
    later(10);
    ck_assert_uint_eq(count_pushes(PUSH_RING), rings);
    end();
}
END_TEST

/* Not counted as a push, and owed until one is. */
START_TEST(whatever_keeps_a_ring_from_being_taken_it_is_owed_and_tried_again)
{
    static const struct push_answer answers[] = {
        {.status = 302},
        {.status = 401},
        {.status = 403},
        {.status = 404},
        {.status = 429},
        {.status = 429, .retry_after_s = 3600},
        {.status = 500},
        {.status = 503},
        {.status = 507},
        {.failure = PUSH_NO_ADDRESS},
        {.failure = PUSH_NO_CONNECT},
        {.failure = PUSH_NO_TLS},
        {.failure = PUSH_UNTIMELY},
        {.failure = PUSH_NO_ANSWER},
        {.failure = PUSH_BROKEN},
        {.failure = PUSH_OURS},
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct bridge_counts before, after;
        struct verdict verdict;
        begin();
        start();
        register_alice();
        later(2000);
        bridge_count(world.bridge, &before);
        message(ALICE);
        for (unsigned tries = 1; tries < 4; tries++) {
            ck_assert_msg(count_pushes(PUSH_RING) == tries, "case %zu, try %u", i, tries);
            verdict_judge(&verdict, &answers[i], clock_unix());
            answer_verdict(&verdict);
            later(world.config.push_hold_ms);
            ck_assert(world.owed != 0);
            later(7 * 3600 * 1000); /* longer than the longest floor */
        }
        bridge_count(world.bridge, &after);
        ck_assert_uint_eq(after.pushes, before.pushes);
        answer(VERDICT_ACCEPTED, 201);
        bridge_count(world.bridge, &after);
        ck_assert_uint_eq(after.pushes, before.pushes + 1);
        ck_assert(world.owed == 0);
        later(24 * 3600 * 1000);
        ck_assert_uint_eq(count_pushes(PUSH_RING), 4);
        end();
    }
}
END_TEST

START_TEST(a_flood_beyond_the_window_ends_the_link_and_is_not_met_again_at_once)
{
    begin();
    start();
    register_alice();
    struct link *link = newest();
    for (uint64_t i = 0; i <= WAKE_HELD_MAX; i++)
        link->events->waiting(link->arg, i, true, false);
    ck_assert(link->stopping);
    turn();
    ck_assert(!link->started);
    later(300000);
    ck_assert(link->started);
    end();
}
END_TEST

static void ignore_answer(void *arg, const struct verdict *verdict)
{
    (void)arg;
    (void)verdict;
}

static void answer_ping(const char *uuid, enum verdict_kind kind, int status)
{
    unsigned expected;
    ck_assert_int_eq(bridge_ping(world.bridge, uuid, ignore_answer, NULL, &expected, NULL), 0);
    ck_assert_uint_eq(expected, 1);
    answer(kind, status);
}

static enum endpoint_state state_of(const char *uuid)
{
    return account_of(uuid)->endpoint.state;
}

/* The 404 of three endpoints of one push server: its fault. */
START_TEST(endpoints_that_are_unknown_alike_are_not_given_up)
{
    static const char *const users[] = {ALICE, BOB, "b83e9a5c-3e8a-4b52-8a53-57f0d8f2d3c1"};
    begin();
    world.config.push_suspect_after = 2;
    world.config.push_gone_after_ms = 0;
    start();
    for (int i = 0; i < 3; i++) {
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, "https://push.example.org/up%012d", i);
        ask(users[i], 2, "secret", endpoint, false);
        drained(newest());
        answer(VERDICT_ACCEPTED, 201);
    }
    later(5); /* what was accepted lies before what follows */
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 3; i++)
            answer_ping(users[i], VERDICT_SUSPECT, 404);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(state_of(users[i]), ENDPOINT_SUSPECT);
    /* One that is accepted shows that the server is well: the others are judged alone. */
    later(2);
    answer_ping(users[0], VERDICT_ACCEPTED, 201);
    answer_ping(users[1], VERDICT_SUSPECT, 404);
    ck_assert_int_eq(state_of(users[0]), ENDPOINT_OK);
    ck_assert_int_eq(state_of(users[1]), ENDPOINT_GONE);
    end();
}
END_TEST

START_TEST(accounts_that_share_an_unknown_endpoint_are_no_fault_of_its_push_server)
{
    static const char *const users[] = {ALICE, BOB, "b83e9a5c-3e8a-4b52-8a53-57f0d8f2d3c1"};
    static const char *const shared[][3] = {{ENDPOINT, ENDPOINT, ENDPOINT},
                                            {ENDPOINT, ENDPOINT, OTHER_ENDPOINT},
                                            {ENDPOINT, OTHER_ENDPOINT, OTHER_ENDPOINT}};
    for (size_t k = 0; k < sizeof shared / sizeof *shared; k++) {
        begin();
        world.config.push_suspect_after = 2;
        world.config.push_gone_after_ms = 0;
        for (size_t i = 0; i < 3; i++)
            store_row(i, users[i], shared[k][i]);
        start();
        for (int round = 0; round < 4; round++)
            for (int i = 0; i < 3; i++)
                answer_ping(users[i], VERDICT_SUSPECT, 404);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(state_of(users[i]), ENDPOINT_GONE);
        end();
    }
}
END_TEST

/* The lookout tells the operator of it, though nothing is owed. */
START_TEST(a_429_that_only_a_person_can_mend_is_a_refusal)
{
    static const struct {
        const char *body;
        bool refuses;
    } cases[] = {{"{\"code\":42901,\"http\":429}", false},
                 {"{\"code\":42904,\"http\":429}", true},
                 {"{\"code\":42909,\"http\":429}", true},
                 {"slow down", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct push_answer said = {
            .status = 429, .body = cases[i].body, .body_length = strlen(cases[i].body)};
        struct verdict verdict;
        begin();
        start();
        register_alice();
        later(2000);
        message(ALICE);
        verdict_judge(&verdict, &said, clock_unix());
        answer_verdict(&verdict);
        ck_assert_int_eq(account_of(ALICE)->endpoint.status, 429);
        ck_assert_int_eq(bridge_endpoint_refuses(account_of(ALICE)), cases[i].refuses);
        end();
    }
}
END_TEST

static void fail_push(enum push_failure failure)
{
    const struct push_answer said = {.failure = failure};
    struct verdict verdict;
    verdict_judge(&verdict, &said, clock_unix());
    answer_verdict(&verdict);
}

/* Its name has no address, or one that is forbidden: no request was begun. */
START_TEST(a_test_that_cannot_be_sent_shows_that_the_account_cannot_be_rung)
{
    static const enum push_failure cases[] = {PUSH_NO_ADDRESS, PUSH_FORBIDDEN, PUSH_ELSEWHERE,
                                              PUSH_NO_TLS};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        start();
        ask(ALICE, 2, "secret", ENDPOINT, false);
        drained(newest());
        ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
        fail_push(cases[i]);
        const struct account *alice = account_of(ALICE);
        ck_assert_int_eq(alice->endpoint.state, ENDPOINT_FAILING);
        ck_assert_uint_eq(bridge_endpoint_cause(alice), verdict_cause_of_failure(cases[i]));
        ck_assert(bridge_endpoint_refuses(alice));
        end();
    }
}
END_TEST

/* Who waits for the first phone is told why it is not let in, and not that none came. */
START_TEST(a_phone_that_signal_does_not_let_in_is_told_with_the_reason)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    down(newest(), LINK_MIDDLEBOX);
    later(world.config.accounts_verdict_ms);
    expect(REGISTRATION_INTERNAL_ERROR);
    struct arrivals *arrivals = bridge_arrivals(world.bridge);
    const struct arrival *told = arrivals_refused(arrivals, clock_unix());
    ck_assert_ptr_nonnull(told);
    ck_assert_str_eq(told->why, "something in between answers in the messenger's place; the trial "
                                "goes on");
    later(60 * 1000);
    down(newest(), LINK_SILENT); /* found out later, when nobody waits for an answer */
    ck_assert_ptr_nonnull(strstr(told->why, "never shows the account's messages"));
    later(60 * 1000);
    drained(newest());
    ck_assert_ptr_nonnull(account_of(ALICE));
    ck_assert_ptr_null(arrivals_refused(arrivals, clock_unix()));
    end();
}
END_TEST

enum trial_end { TRIAL_REFUSED, TRIAL_EXPIRED, TRIAL_ENTERED };

static void end_trial(enum trial_end end)
{
    if (end == TRIAL_ENTERED)
        enter(ALICE, ENDPOINT);
    else
        down(newest(), end == TRIAL_REFUSED ? LINK_UNAUTHORIZED : LINK_MIDDLEBOX);
    later(24 * 3600 * 1000);
}

/* Nobody waits for the answer any more, and asks again perhaps never. */
START_TEST(what_a_trial_came_to_is_told_though_nobody_asked_again)
{
    static const struct {
        enum trial_end end;
        const char *told;
    } cases[] = {{TRIAL_REFUSED, "refused the credentials"},
                 {TRIAL_EXPIRED, "has ended"},
                 {TRIAL_ENTERED, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        start();
        ask(ALICE, 2, "secret", ENDPOINT, false);
        down(newest(), LINK_MIDDLEBOX);
        later(world.config.accounts_verdict_ms);
        expect(REGISTRATION_INTERNAL_ERROR);
        const struct arrival *told = arrivals_refused(bridge_arrivals(world.bridge), clock_unix());
        ck_assert_ptr_nonnull(strstr(told->why, "the trial goes on"));
        end_trial(cases[i].end);
        told = arrivals_refused(bridge_arrivals(world.bridge), clock_unix());
        ck_assert_int_eq(told != NULL, cases[i].told != NULL);
        ck_assert(!told || strstr(told->why, cases[i].told));
        ck_assert(!told ||
                  (told->status == REGISTRATION_FORBIDDEN) == (cases[i].end == TRIAL_REFUSED));
        end();
    }
}
END_TEST

static void look_around(void)
{
    later(60 * 1000);
    bridge_sweep(world.bridge);
}

/* Nobody sends a message that would show that it works. */
START_TEST(a_test_that_failed_is_made_again_until_a_push_was_accepted)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    fail_push(PUSH_NO_CONNECT);
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    answer_floor(VERDICT_RETRY, 429, 3600 * 1000);
    later(3539 * 1000);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    later(600 * 1000);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 3);
    answer(VERDICT_ACCEPTED, 200);
    ck_assert_int_eq(account_of(ALICE)->endpoint.state, ENDPOINT_OK);
    ck_assert(!bridge_endpoint_refuses(account_of(ALICE)));
    ask(ALICE, 2, "secret", ENDPOINT, true);
    fail_push(PUSH_NO_CONNECT); /* one that worked before waits for the next message */
    later(3600 * 1000);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 4);
    ck_assert(!bridge_endpoint_refuses(account_of(ALICE)));
    end();
}
END_TEST

/* Not even where a start, which forgets short waits, makes all of them due together. */
START_TEST(accounts_that_share_an_endpoint_that_never_worked_test_it_once)
{
    static const char *const users[] = {ALICE, BOB, "b83e9a5c-3e8a-4b52-8a53-57f0d8f2d3c1"};
    begin();
    for (size_t i = 0; i < 3; i++) {
        struct store_account *row = store_row(i, users[i], ENDPOINT);
        row->endpoint_state = ENDPOINT_FAILING;
        row->endpoint_proven = false;
    }
    start();
    later(60 * 1000);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    answer(VERDICT_RETRY, 500);
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    verdicts_origin_recovered(world.bridge, "https://push.example.org");
    turn();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    answer(VERDICT_ACCEPTED, 200);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    for (size_t i = 0; i < 3; i++)
        ck_assert(!bridge_endpoint_refuses(account_of(users[i])));
    end();
}
END_TEST

/* By a 404 it may be over, after a 410 nobody asks again. */
START_TEST(an_unknown_endpoint_that_never_worked_is_tested_also_when_it_is_given_up)
{
    static const struct {
        enum verdict_kind kind;
        int status;
        unsigned tests;
    } cases[] = {{VERDICT_SUSPECT, 404, 2}, {VERDICT_GONE, 410, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        world.config.push_suspect_after = 1;
        world.config.push_gone_after_ms = 0;
        start();
        ask(ALICE, 2, "secret", ENDPOINT, false);
        drained(newest());
        answer(cases[i].kind, cases[i].status);
        ck_assert_int_eq(state_of(ALICE), ENDPOINT_GONE);
        later(24 * 3600 * 1000);
        look_around();
        ck_assert_uint_eq(count_pushes(PUSH_TEST), cases[i].tests);
        end();
    }
}
END_TEST

static void fail_tests_for_a_day(void)
{
    const struct verdict refused = {.kind = VERDICT_UNAUTHORIZED,
                                    .status = 403,
                                    .floor_ms = 15 * 60 * 1000,
                                    .cap_ms = 6 * 3600 * 1000};
    answer_verdict(&refused);
    for (unsigned i = 0, tests = 1; i < 24 * 60; i++) {
        look_around();
        if (count_pushes(PUSH_TEST) == tests)
            continue;
        answer_verdict(&refused);
        tests = count_pushes(PUSH_TEST);
    }
}

/* It may have been mended since: what doubled while nobody waited must not hold up who waits now.
 */
START_TEST(a_message_does_not_wait_as_long_as_the_tests_before_it)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    fail_tests_for_a_day();
    unsigned tests = count_pushes(PUSH_TEST);
    ck_assert_uint_gt(tests, 3);
    ck_assert_uint_lt(tests, 12);
    message(ALICE);
    later(16 * 60 * 1000);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 1);
    end();
}
END_TEST

START_TEST(a_test_that_was_held_follows_once_its_push_server_works_again)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    answer_verdict(&(struct verdict){.kind = VERDICT_RETRY, .held = true});
    later(1000);
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    verdicts_origin_recovered(world.bridge, "https://push.example.org");
    turn();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    answer_verdict(&(struct verdict){.kind = VERDICT_RETRY, .held = true, .held_ms = 90 * 1000});
    later(29 * 1000);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 3);
    end();
}
END_TEST

START_TEST(a_start_makes_a_test_again_that_failed_before_it)
{
    begin();
    struct store_account *row = store_row(0, ALICE, ENDPOINT);
    row->endpoint_state = ENDPOINT_FAILING;
    row->endpoint_proven = false;
    start();
    bridge_sweep(world.bridge);
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 0);
    later(60 * 1000);
    look_around();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    end();
}
END_TEST

/* By a reload, such as one that brings another push.ca_file. */
START_TEST(a_reload_tries_an_endpoint_that_never_worked)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    fail_push(PUSH_NO_TLS);
    reload();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    answer_floor(VERDICT_RETRY, 507, 60 * 1000);
    reload();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    end();
}
END_TEST

START_TEST(a_test_that_is_held_because_its_push_server_is_down_says_nothing_new)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
    answer_verdict(&(struct verdict){.kind = VERDICT_RETRY, .held = true});
    ck_assert_int_eq(account_of(ALICE)->endpoint.state, ENDPOINT_OK);
    end();
}
END_TEST

START_TEST(a_test_that_a_name_held_up_is_sent_again_where_no_message_would_show_that_it_is_over)
{
    static const enum push_failure failures[] = {PUSH_NO_ADDRESS, PUSH_ELSEWHERE};
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        begin();
        start();
        ask(ALICE, 2, "secret", ENDPOINT, false);
        drained(newest());
        fail_push(failures[i]);
        bridge_sweep(world.bridge); /* a ring would not be tried yet either */
        ck_assert_uint_eq(count_pushes(PUSH_TEST), 1);
        later(60 * 1000);
        bridge_sweep(world.bridge);
        bridge_sweep(world.bridge); /* it is out */
        ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
        answer(VERDICT_ACCEPTED, 201);
        ck_assert_int_eq(account_of(ALICE)->endpoint.state, ENDPOINT_OK);
        later(60 * 1000);
        bridge_sweep(world.bridge);
        ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
        end();
    }
}
END_TEST

/* With no message that would show it. */
START_TEST(a_reload_tries_what_the_settings_forbade)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    fail_push(PUSH_FORBIDDEN);
    reload();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    answer(VERDICT_ACCEPTED, 201);
    ck_assert_int_eq(account_of(ALICE)->endpoint.state, ENDPOINT_OK);
    ck_assert(!bridge_endpoint_refuses(account_of(ALICE)));
    reload();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    message(ALICE);
    fail_push(PUSH_FORBIDDEN);
    reload();
    ck_assert_uint_eq(count_pushes(PUSH_TEST), 2);
    ck_assert_uint_eq(count_pushes(PUSH_RING), 2);
    end();
}
END_TEST

START_TEST(after_an_absence_links_are_tested_or_made_at_once)
{
    begin();
    start();
    register_alice();
    struct link *link = newest();
    bridge_resumed(world.bridge, 60000);
    ck_assert_uint_eq(link->tests, 1);
    ck_assert(link->started);
    for (int i = 0; i < 8; i++) {
        down(link, LINK_UNREACHABLE);
        later(400000);
    }
    down(link, LINK_UNREACHABLE);
    bridge_resumed(world.bridge, 60000);
    turn();
    ck_assert(link->started);
    down(link, LINK_CONTESTED);
    bridge_resumed(world.bridge, 1000); /* at least ten seconds are due */
    turn();
    ck_assert(!link->started);
    bridge_resumed(world.bridge, 60000); /* which the machine slept */
    turn();
    ck_assert(link->started);
    end();
}
END_TEST

enum { NOW_UNIX = 1700000000 };

static void take_view(void *arg, const struct account_view *view)
{
    *(struct account_view *)arg = *view;
}

static struct account_view look(void)
{
    struct account_view view = {0};
    view_each(world.bridge, NOW_UNIX * INT64_C(1000), take_view, &view);
    return view;
}

START_TEST(what_there_is_to_see_follows_what_happens)
{
    begin();
    start();
    ask(ALICE, 2, "secret", ENDPOINT, false);
    drained(newest());
    struct link *link = newest();
    struct account_view view = look();
    ck_assert_int_eq(view.health, VIEW_WELL);
    ck_assert(view.link.known && view.link.proven && !view.link.failed);
    ck_assert_str_eq(view.link.words, "connected");
    ck_assert_str_eq(view.endpoint.origin, "https://push.example.org");
    ck_assert_str_eq(view.endpoint.words, "has accepted no push yet");
    ck_assert_str_eq(view.endpoint.summary, "not tried yet");
    ck_assert_uint_eq(view.messages.count, 0);
    link->events->waiting(link->arg, 1, true, false);
    turn();
    view = look();
    ck_assert(view.rings.queued && view.owed_since_unix && !view.owed_is_stored);
    later(42);
    answer(VERDICT_ACCEPTED, 201);
    view = look();
    ck_assert_int_eq(view.rings.latency_ms, 42);
    ck_assert_str_eq(view.endpoint.words, "accepts pushes");
    ck_assert_str_eq(view.endpoint.summary, "ok");
    ck_assert_int_eq(view.endpoint.accepted_unix, NOW_UNIX);
    ck_assert_int_eq(view.rings.accepted_status, 201);
    ck_assert(!view.rings.queued && !view.owed_since_unix && view.messages.urgent);
    later(5000);
    link->events->waiting(link->arg, 2, true, false);
    answer_floor(VERDICT_RETRY, 507, 60000);
    view = look();
    ck_assert_int_eq(view.health, VIEW_TRYING);
    ck_assert_int_eq(view.endpoint.status, 507);
    ck_assert_int_ge(view.endpoint.not_before_unix, NOW_UNIX + 60);
    ck_assert_int_ge(view.rings.next_unix, NOW_UNIX + 60);
    ck_assert_int_eq(view.rings.failed_status, 507);
    end();
}
END_TEST

START_TEST(a_link_that_is_down_shows_why_and_when_it_is_tried_again)
{
    begin();
    start();
    register_alice();
    down(newest(), LINK_UNREACHABLE);
    struct account_view view = look();
    ck_assert_int_eq(view.health, VIEW_TRYING);
    ck_assert_str_eq(view.link.words, "not connected: the messenger's server cannot be reached");
    ck_assert_int_gt(view.link.next_unix, NOW_UNIX);
    int64_t since = view.link.since_unix;
    ck_assert_int_ne(since, 0);
    later(600000); /* the next try */
    view = look();
    ck_assert_int_eq(view.link.state, ACCOUNT_CONNECTING);
    ck_assert_int_eq(view.link.since_unix, since); /* it is down for as long as before */
    ck_assert_int_eq(view.health, VIEW_TRYING);
    struct bridge_view whole;
    view_bridge(world.bridge, NOW_UNIX * INT64_C(1000), &whole);
    ck_assert_uint_eq(whole.accounts, 1);
    ck_assert_uint_eq(whole.by_state[ACCOUNT_CONNECTING], 1);
    ck_assert_uint_eq(whole.by_health[VIEW_TRYING], 1);
    ck_assert_int_eq(whole.alarm, VIEW_NO_ALARM);
    ck_assert_ptr_null(whole.advice[0]);
    end();
}
END_TEST

START_TEST(an_account_is_seen_by_its_id_or_the_beginning_of_its_pseudonym)
{
    begin();
    start();
    register_alice();
    ask(BOB, 2, "secret", OTHER_ENDPOINT, false);
    drained(newest());
    answer(VERDICT_ACCEPTED, 201);
    struct account_view alice = {0}, view = {0};
    struct err err;
    ck_assert_int_eq(view_each_named(world.bridge, ALICE, 0, take_view, &alice, &err), 0);
    ck_assert_int_eq(view_each_named(world.bridge, alice.pseudonym, 0, take_view, &view, &err), 0);
    ck_assert_str_eq(view.pseudonym, alice.pseudonym);
    ck_assert_int_eq(view_each_named(world.bridge, "", 0, take_view, &view, &err), ERR_NOT_FOUND);
    ck_assert_int_eq(view_each_named(world.bridge, "0g", 0, take_view, &view, &err), ERR_NOT_FOUND);
    ck_assert_int_eq(view_each_named(world.bridge, "9d0652a3-dcc3-4d11-975f-74d615987330", 0,
                                     take_view, &view, &err),
                     ERR_NOT_FOUND);
    end();
}
END_TEST

UNIT_MAIN(
    "bridge", a_link_that_shows_no_queue_is_not_connected_and_is_given_up_as_silent,
    links_that_are_silent_are_links_that_are_down, what_there_is_to_see_follows_what_happens,
    a_link_that_is_down_shows_why_and_when_it_is_tried_again,
    an_account_is_seen_by_its_id_or_the_beginning_of_its_pseudonym,
    after_an_absence_links_are_tested_or_made_at_once,
    endpoints_that_are_unknown_alike_are_not_given_up,
    accounts_that_share_an_unknown_endpoint_are_no_fault_of_its_push_server,
    a_429_that_only_a_person_can_mend_is_a_refusal,
    a_test_that_cannot_be_sent_shows_that_the_account_cannot_be_rung,
    a_test_that_is_held_because_its_push_server_is_down_says_nothing_new,
    a_phone_that_signal_does_not_let_in_is_told_with_the_reason,
    what_a_trial_came_to_is_told_though_nobody_asked_again,
    a_test_that_a_name_held_up_is_sent_again_where_no_message_would_show_that_it_is_over,
    a_test_that_failed_is_made_again_until_a_push_was_accepted,
    accounts_that_share_an_endpoint_that_never_worked_test_it_once,
    an_unknown_endpoint_that_never_worked_is_tested_also_when_it_is_given_up,
    a_message_does_not_wait_as_long_as_the_tests_before_it,
    a_test_that_was_held_follows_once_its_push_server_works_again,
    a_start_makes_a_test_again_that_failed_before_it, a_reload_tries_an_endpoint_that_never_worked,
    a_reload_tries_what_the_settings_forbade, credentials_that_show_their_queue_become_an_account,
    a_first_message_is_a_proof_and_rings, refused_credentials_leave_no_trace,
    an_undecided_trial_goes_on_and_the_next_registration_finds_it_done,
    known_credentials_are_answered_from_memory,
    a_new_endpoint_is_stored_and_rung_at_once_when_a_ring_is_owed,
    a_ring_in_flight_to_an_old_endpoint_is_taken_back,
    a_candidate_never_displaces_what_works_until_it_passes,
    what_was_owed_goes_over_to_new_credentials_of_the_device,
    a_second_device_stands_beside_the_first_until_the_server_refuses_that_one,
    contention_is_told_to_the_phone_once,
    contention_is_told_to_the_phone_however_long_ago_it_was_rung, a_form_that_is_wrong_asks_nobody,
    a_neighbourhood_cannot_bring_unknown_credentials_without_end,
    of_one_user_the_newest_few_are_tried_and_of_one_device_one_at_a_time,
    an_endpoint_is_shared_by_three_accounts_at_most, an_endpoint_of_several_accounts_has_one_fate,
    accounts_that_share_an_endpoint_that_fails_ring_one_after_the_other,
    of_rings_in_line_for_an_endpoint_that_turns_out_to_fail_one_stays_there,
    what_an_unlinked_device_is_owed_goes_over_to_the_one_in_its_place,
    a_floor_of_the_last_run_holds_after_the_start, a_floor_that_another_clock_wrote_is_no_silence,
    accounts_that_the_configuration_forbids_are_disconnected_and_come_back,
    a_debt_of_the_last_run_is_rung_at_the_start, what_the_operator_adds_needs_no_proof,
    own_messages_and_quiet_ones_do_not_ring,
    the_figures_tell_states_kinds_of_messages_and_what_is_owed,
    a_ring_is_late_where_somebody_could_be_rung_and_held_up_where_nobody_has_to_mend_it,
    a_ring_for_an_account_that_is_refused_is_not_late,
    a_ring_is_not_late_as_soon_as_there_is_an_endpoint_again,
    what_a_start_finds_owed_was_not_held_up_while_nobody_was_there_to_ring,
    a_debt_brings_the_whole_row_because_there_may_be_none_yet,
    it_is_not_ready_once_no_account_that_could_be_linked_is_linked_for_long,
    an_account_that_is_refused_or_contested_is_its_own_trouble,
    a_write_that_does_not_come_back_shows_like_one_that_failed,
    who_was_given_up_before_all_were_refused_is_taken_back, who_is_given_up_alone_stays_so,
    who_was_given_up_long_before_all_were_refused_stays_so,
    who_waits_because_all_were_refused_tries_soon_once_one_is_let_in,
    another_user_agent_is_tried_soon, an_account_that_is_entered_anew_is_still_one_account,
    that_the_store_works_again_is_found_out_though_nothing_is_left_to_write,
    a_device_that_is_refused_stays_so_on_disk_while_the_settings_disable_it,
    who_is_not_on_disk_is_not_told_that_all_is_well,
    an_account_that_the_operator_enters_anew_keeps_what_it_is_owed,
    a_debt_of_an_account_that_is_allowed_again_is_rung,
    new_credentials_of_a_device_are_no_contention,
    a_word_about_contention_waits_for_a_test_that_is_out,
    a_trial_that_passes_after_a_reload_forbade_its_user_is_not_taken,
    failures_that_take_turns_are_not_repeated_faster_than_one_of_a_kind,
    whatever_keeps_a_ring_from_being_taken_it_is_owed_and_tried_again,
    a_flood_beyond_the_window_ends_the_link_and_is_not_met_again_at_once,
    a_debt_that_could_not_be_written_and_was_paid_meanwhile_is_owed_no_more,
    what_an_endpoint_said_is_written_again_where_its_write_failed,
    changes_of_a_row_do_not_pile_up_while_the_disk_hangs,
    who_asked_after_a_put_that_fails_is_answered_by_the_next_one,
    a_change_that_waits_for_another_one_is_written_at_the_end,
    other_keys_do_not_end_what_the_push_server_demands,
    an_endpoint_in_between_does_not_end_what_the_push_server_demands,
    credentials_in_between_do_not_end_it_either,
    who_is_removed_and_registers_anew_finds_the_floor_of_before,
    what_the_operator_enters_ends_the_floor_that_was_left,
    an_endpoint_that_is_gone_comes_back_with_other_keys,
    one_of_an_endpoint_that_is_gone_brings_it_back_for_all_that_share_it,
    a_ring_with_old_keys_is_waited_for_and_followed_by_another_one,
    what_a_ring_with_old_keys_was_for_is_answered_only_with_a_record,
    a_410_that_was_on_its_way_when_the_keys_changed_is_an_old_one,
    a_ring_with_old_keys_that_has_not_left_is_sent_with_the_new_ones,
    settings_that_allow_an_endpoint_again_let_its_ring_go,
    settings_that_allow_an_endpoint_again_end_no_floor,
    what_was_spent_of_a_budget_is_spent_after_a_start,
    what_is_spent_of_a_budget_is_written_now_and_then_and_at_the_end,
    what_was_spent_and_could_not_be_written_is_written_later,
    an_account_that_finds_no_room_is_connected_as_soon_as_another_one_goes,
    accounts_that_wait_are_connected_once_links_share_connections,
    descriptors_that_are_all_in_use_are_not_any_number,
    trials_have_only_the_room_that_no_account_needs,
    a_trial_makes_way_for_an_account_and_one_is_enough,
    a_trial_that_passes_while_it_makes_way_costs_no_other_one_its_place)
