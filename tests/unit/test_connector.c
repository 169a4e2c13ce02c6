#include "net/connector.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake_nameserver.h"
#include "unit.h"

enum {
    STAGGER_MS = 250,
    SHORT_MS = 300,
    LONG_MS = 60000,
    FILLERS = 4,
    SLOTS = 64,
    CANDIDATE_SLOTS = 16
};

/* Stands before libuv's own, so that a test can stop the time for our timers. */
static uint64_t stopped_at_ms;
uint64_t uv_now(const uv_loop_t *loop)
{
    return stopped_at_ms ? stopped_at_ms : loop->time;
}

/* Addresses of the loopback network; what listens there is decided by each test. */
static struct fake_name names[] = {
    {.name = "two.test", .a = {"127.0.0.2", "127.0.0.3"}},
    {.name = "three.test", .a = {"127.0.0.2", "127.0.0.3", "127.0.0.4"}},
    {.name = "one.test", .a = {"127.0.0.2"}},
    {.name = "fails.test", .failure = FAKE_NXDOMAIN},
    {.name = "silent.test", .silent = true},
    {.name = NULL},
};

/* A listener, or with `fillers` one whose queue is full, so that further connects hang. */
struct listener {
    int socket, fillers[FILLERS];
    bool black_hole;
};

struct world {
    struct loop loop;
    uv_timer_t tick; /* so that no turn of the loop takes long */
    struct fake_nameserver server;
    char *nameserver;
    struct config config;
    struct resolver *resolver;
    struct connector *connector;
    struct listener listeners[4];
    size_t listener_count;
    uint16_t port; /* the same on all addresses */
    unsigned calls;
};

struct result {
    struct world *world;
    struct attempt *attempt;
    unsigned calls;
    bool found;
    struct address winner;
    struct err err;
    int socket; /* of those who take it */
};

static void on_tick(uv_timer_t *tick)
{
    (void)tick;
}

static struct sockaddr_in place(const char *host, uint16_t port)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &place.sin_addr);
    return place;
}

/* A port that was free a moment ago; nothing listens on it. */
static uint16_t free_port(void)
{
    struct sockaddr_in here = place("127.0.0.2", 0);
    socklen_t length = sizeof here;
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(probe, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(getsockname(probe, (struct sockaddr *)&here, &length), 0);
    close(probe);
    return ntohs(here.sin_port);
}

static struct world *world_new(int64_t connect_timeout_ms)
{
    struct world *world = calloc(1, sizeof *world);
    stopped_at_ms = 0;
    loop_init(&world->loop);
    uv_timer_init(&world->loop.uv, &world->tick);
    uv_timer_start(&world->tick, on_tick, 5, 5);
    fake_nameserver_start(&world->server, &world->loop.uv, names);
    world->nameserver = world->server.address;
    world->config.net_dns_timeout_ms = LONG_MS;
    world->config.net_connect_timeout_ms = connect_timeout_ms;
    world->config.net_nameservers = (struct strings){&world->nameserver, 1};
    world->resolver = resolver_new(&world->loop, &world->config, NULL);
    ck_assert_ptr_nonnull(world->resolver);
    world->connector = connector_new(&world->loop, world->resolver, &world->config);
    world->port = free_port();
    return world;
}

static void unlisten(struct listener *listener)
{
    for (size_t i = 0; i < FILLERS && listener->black_hole; i++)
        close(listener->fillers[i]);
    if (listener->socket >= 0)
        close(listener->socket);
    listener->socket = -1;
    listener->black_hole = false;
}

static void world_free(struct world *world)
{
    connector_free(world->connector);
    resolver_free(world->resolver);
    fake_nameserver_stop(&world->server);
    uv_close((uv_handle_t *)&world->tick, NULL);
    loop_fini(&world->loop);
    for (size_t i = 0; i < world->listener_count; i++)
        unlisten(&world->listeners[i]);
    free(world);
}

static struct listener *listen_at(struct world *world, const char *host, int backlog)
{
    struct sockaddr_in here = place(host, world->port);
    struct listener *listener = &world->listeners[world->listener_count++];
    int yes = 1;
    listener->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    ck_assert_int_eq(bind(listener->socket, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(listen(listener->socket, backlog), 0);
    return listener;
}

/* The kernel drops connects to a listener whose queue is full: they hang like those to an address
 * that is not there. */
static struct listener *black_hole_at(struct world *world, const char *host)
{
    struct listener *listener = listen_at(world, host, 0);
    struct sockaddr_in there = place(host, world->port);
    listener->black_hole = true;
    for (size_t i = 0; i < FILLERS; i++) {
        listener->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int status = connect(listener->fillers[i], (struct sockaddr *)&there, sizeof there);
        ck_assert(status == 0 || errno == EINPROGRESS);
    }
    struct pollfd last = {.fd = listener->fillers[FILLERS - 1], .events = POLLOUT};
    ck_assert_int_eq(poll(&last, 1, 0), 0);
    return listener;
}

/* How many connects arrived since the last count. */
static unsigned arrived(struct listener *listener)
{
    unsigned count = 0;
    for (int peer; (peer = accept(listener->socket, NULL, NULL)) >= 0; count++)
        close(peer);
    return count;
}

static void on_result(void *arg, const struct address *winner, const struct err *err)
{
    struct result *result = arg;
    ck_assert((winner == NULL) == (err != NULL));
    result->calls++;
    result->world->calls++;
    result->found = winner != NULL;
    if (winner)
        result->winner = *winner;
    else
        result->err = *err;
}

static void start_in(struct world *world, enum connector_lane lane, struct result *result,
                     const char *host)
{
    *result = (struct result){.world = world};
    result->attempt = connector_start(world->connector, lane, host, world->port, on_result, result);
    ck_assert_uint_eq(result->calls, 0);
}

static void start(struct world *world, struct result *result, const char *host)
{
    start_in(world, CONNECTOR_ACCOUNT, result, host);
}

static void turn(struct world *world)
{
    uv_run(&world->loop.uv, UV_RUN_ONCE);
}

static void some_turns(struct world *world)
{
    for (size_t i = 0; i < 50; i++)
        turn(world);
}

static void await(struct world *world, const struct result *result)
{
    while (!result->calls)
        turn(world);
}

static void await_calls(struct world *world, unsigned calls)
{
    while (world->calls < calls)
        turn(world);
}

static void check_winner(const struct result *result, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];
    ck_assert_uint_eq(result->calls, 1);
    ck_assert_msg(result->found, "%s", result->err.text);
    address_format(text, &result->winner);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(address_port(&result->winner), result->world->port);
}

static struct attempt *reach(struct world *world, const char *host, const char *expected)
{
    struct result result;
    start(world, &result, host);
    await(world, &result);
    check_winner(&result, expected);
    return result.attempt;
}

static void connect_to(struct world *world, const char *host, const char *expected)
{
    connector_end(reach(world, host, expected));
}

/* The same, but what comes after the TCP connection fails. */
static void fail_at(struct world *world, const char *host, const char *expected)
{
    struct attempt *attempt = reach(world, host, expected);
    connector_failed(attempt);
    connector_end(attempt);
}

START_TEST(one_address_needs_no_race)
{
    struct world *world = world_new(LONG_MS);
    struct listener *only = listen_at(world, "127.0.0.2", 64);
    connect_to(world, "one.test", "127.0.0.2");
    connect_to(world, "127.0.0.2", "127.0.0.2");
    ck_assert_uint_eq(arrived(only), 0);
    world_free(world);
}
END_TEST

START_TEST(the_first_address_wins_when_it_answers)
{
    struct world *world = world_new(LONG_MS);
    struct listener *first = listen_at(world, "127.0.0.2", 64);
    struct listener *second = listen_at(world, "127.0.0.3", 64);
    connect_to(world, "two.test", "127.0.0.2");
    ck_assert_uint_eq(arrived(first), 1);
    ck_assert_uint_eq(arrived(second), 0);
    world_free(world);
}
END_TEST

START_TEST(a_black_holed_address_loses_to_the_next)
{
    struct world *world = world_new(LONG_MS);
    black_hole_at(world, "127.0.0.2");
    struct listener *second = listen_at(world, "127.0.0.3", 64);
    connect_to(world, "three.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 1);
    world_free(world);
}
END_TEST

START_TEST(refused_addresses_are_passed_over_at_once)
{
    struct world *world = world_new(LONG_MS);
    struct listener *last = listen_at(world, "127.0.0.4", 64);
    stopped_at_ms = uv_now(&world->loop.uv);
    connect_to(world, "three.test", "127.0.0.4");
    ck_assert_uint_eq(arrived(last), 1);
    world_free(world);
}
END_TEST

START_TEST(a_winner_is_remembered_until_it_is_forgotten)
{
    struct world *world = world_new(LONG_MS);
    struct listener *second = listen_at(world, "127.0.0.3", 64);
    connect_to(world, "two.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 1);
    connect_to(world, "two.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 0);
    fail_at(world, "h1.two.test", "127.0.0.3"); /* another host */
    ck_assert_uint_eq(arrived(second), 1);
    connect_to(world, "two.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 0);
    fail_at(world, "two.test", "127.0.0.3");
    connect_to(world, "two.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 1);
    world_free(world);
}
END_TEST

START_TEST(what_was_learned_in_another_network_can_be_forgotten)
{
    struct world *world = world_new(LONG_MS);
    struct listener *second = listen_at(world, "127.0.0.3", 64);
    connect_to(world, "two.test", "127.0.0.3");
    connect_to(world, "h1.two.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 2);
    connector_forget_all(world->connector);
    connect_to(world, "two.test", "127.0.0.3"); /* each by a race */
    connect_to(world, "h1.two.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 2);
    struct result waiting;
    start(world, &waiting, "two.test");
    connector_forget_all(world->connector); /* while somebody waits */
    await(world, &waiting);
    check_winner(&waiting, "127.0.0.3");
    ck_assert_uint_eq(arrived(second), 1);
    connector_end(waiting.attempt);
    world_free(world);
}
END_TEST

START_TEST(a_winner_whose_handshake_failed_is_tried_last)
{
    struct world *world = world_new(LONG_MS);
    struct listener *first = listen_at(world, "127.0.0.2", 64);
    listen_at(world, "127.0.0.3", 64);
    fail_at(world, "two.test", "127.0.0.2");
    connect_to(world, "two.test", "127.0.0.3");
    fail_at(world, "two.test", "127.0.0.3");
    ck_assert_uint_eq(arrived(first), 1);
    connect_to(world, "two.test", "127.0.0.2");
    world_free(world);
}
END_TEST

START_TEST(a_handshake_that_fails_late_does_not_blame_the_address_that_has_won_since)
{
    struct world *world = world_new(LONG_MS);
    struct result late;
    struct listener *first = listen_at(world, "127.0.0.2", 64);
    struct listener *second = listen_at(world, "127.0.0.3", 64);
    start(world, &late, "two.test");
    await(world, &late);
    check_winner(&late, "127.0.0.2");
    fail_at(world, "two.test", "127.0.0.2");
    connect_to(world, "two.test", "127.0.0.3");
    connector_failed(late.attempt);
    connector_end(late.attempt);
    ck_assert_uint_eq(arrived(first) + arrived(second), 2);
    connect_to(world, "two.test", "127.0.0.3"); /* without a race */
    ck_assert_uint_eq(arrived(first) + arrived(second), 0);
    world_free(world);
}
END_TEST

START_TEST(the_last_reason_and_the_number_of_addresses_are_told)
{
    char expected[256];
    struct world *world = world_new(LONG_MS);
    struct result result;
    start(world, &result, "three.test");
    await(world, &result);
    snprintf(expected, sizeof expected,
             "None of the 3 addresses of \"three.test\" took a connection on port %u; the last try "
             "said: connection refused",
             world->port);
    ck_assert(!result.found);
    ck_assert_str_eq(result.err.text, expected);
    ck_assert_int_eq(result.err.code, ERR_IO);
    connector_end(result.attempt);
    world_free(world);
}
END_TEST

START_TEST(every_address_gets_its_time_and_no_more)
{
    struct world *world = world_new(SHORT_MS);
    struct result result;
    black_hole_at(world, "127.0.0.2");
    black_hole_at(world, "127.0.0.3");
    int64_t before_ms = loop_now_ms(&world->loop);
    start(world, &result, "two.test");
    await(world, &result);
    ck_assert_int_ge(loop_now_ms(&world->loop) - before_ms, SHORT_MS + STAGGER_MS);
    ck_assert(!result.found);
    ck_assert_int_eq(result.err.code, ERR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(result.err.text, "None of the 2 addresses of \"two.test\""));
    ck_assert_ptr_nonnull(strstr(result.err.text, "timed out"));
    connector_end(result.attempt);
    world_free(world);
}
END_TEST

START_TEST(a_failed_look_up_is_told_in_its_own_words)
{
    struct world *world = world_new(LONG_MS);
    struct result result;
    start(world, &result, "fails.test");
    await(world, &result);
    ck_assert_str_eq(result.err.text, "The name \"fails.test\" does not exist (NXDOMAIN)");
    ck_assert_int_eq(result.err.code, ERR_NOT_FOUND);
    connector_end(result.attempt);
    world_free(world);
}
END_TEST

START_TEST(many_attempts_share_one_race)
{
    enum { MANY = 20 };
    struct world *world = world_new(LONG_MS);
    struct result results[MANY];
    black_hole_at(world, "127.0.0.2");
    struct listener *second = listen_at(world, "127.0.0.3", 64);
    stopped_at_ms = uv_now(&world->loop.uv);
    for (size_t i = 0; i < MANY; i++)
        start_in(world, i % 2 ? CONNECTOR_CANDIDATE : CONNECTOR_ACCOUNT, &results[i], "two.test");
    /* While the time stands still, only the first address is tried. */
    some_turns(world);
    ck_assert_uint_eq(world->calls + arrived(second), 0);
    stopped_at_ms = 0;
    await_calls(world, MANY);
    for (size_t i = 0; i < MANY; i++) {
        check_winner(&results[i], "127.0.0.3");
        connector_end(results[i].attempt);
    }
    ck_assert_uint_eq(arrived(second), 1);
    ck_assert_uint_eq(world->server.asked_a, 1);
    world_free(world);
}
END_TEST

START_TEST(all_who_share_a_race_hear_that_it_was_lost)
{
    struct world *world = world_new(LONG_MS);
    struct result results[5];
    for (size_t i = 0; i < 5; i++)
        start(world, &results[i], "two.test");
    await_calls(world, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!results[i].found);
        ck_assert_ptr_nonnull(strstr(results[i].err.text, "connection refused"));
        connector_end(results[i].attempt);
    }
    world_free(world);
}
END_TEST

START_TEST(at_most_64_handshakes_are_in_flight)
{
    enum { MANY = SLOTS + 6 };
    struct world *world = world_new(LONG_MS);
    struct result results[MANY];
    for (size_t i = 0; i < MANY; i++)
        start(world, &results[i], "127.0.0.2");
    await_calls(world, SLOTS);
    some_turns(world);
    ck_assert_uint_eq(world->calls, SLOTS);
    for (size_t i = 0; i < SLOTS; i++)
        ck_assert_uint_eq(results[i].calls, 1);
    connector_end(results[3].attempt);
    connector_end(results[63].attempt);
    await_calls(world, SLOTS + 2);
    some_turns(world);
    ck_assert_uint_eq(world->calls, SLOTS + 2);
    ck_assert_uint_eq(results[SLOTS + 1].calls, 1);
    connector_end(results[MANY - 1].attempt);
    world_free(world);
}
END_TEST

START_TEST(starts_are_limited_to_100_a_second)
{
    enum { MANY = 40, BURST = 10, EVERY_MS = 10 };
    struct world *world = world_new(LONG_MS);
    struct result results[MANY];
    int64_t before_ms = loop_now_ms(&world->loop);
    for (size_t i = 0; i < MANY; i++)
        start(world, &results[i], "127.0.0.2");
    await_calls(world, MANY);
    ck_assert_int_ge(loop_now_ms(&world->loop) - before_ms, (MANY - BURST) * EVERY_MS);
    world_free(world);
}
END_TEST

START_TEST(candidates_never_take_the_slots_or_the_tokens_of_accounts)
{
    enum { MANY = CANDIDATE_SLOTS + 20, ACCOUNTS = SLOTS - CANDIDATE_SLOTS };
    struct world *world = world_new(LONG_MS);
    struct result candidates[MANY], accounts[ACCOUNTS];
    for (size_t i = 0; i < MANY; i++)
        start_in(world, CONNECTOR_CANDIDATE, &candidates[i], "127.0.0.2");
    await_calls(world, CANDIDATE_SLOTS);
    some_turns(world);
    ck_assert_uint_eq(world->calls, CANDIDATE_SLOTS);
    for (size_t i = 0; i < ACCOUNTS; i++)
        start(world, &accounts[i], "127.0.0.2");
    await_calls(world, SLOTS);
    for (size_t i = 0; i < ACCOUNTS; i++)
        ck_assert_uint_eq(accounts[i].calls, 1);
    connector_end(candidates[0].attempt);
    await(world, &candidates[CANDIDATE_SLOTS]);
    world_free(world);
}
END_TEST

START_TEST(candidates_wait_while_accounts_hold_every_slot)
{
    struct world *world = world_new(LONG_MS);
    struct result accounts[SLOTS], candidate, account;
    for (size_t i = 0; i < SLOTS; i++)
        start(world, &accounts[i], "127.0.0.2");
    await_calls(world, SLOTS);
    start_in(world, CONNECTOR_CANDIDATE, &candidate, "127.0.0.2");
    start(world, &account, "127.0.0.2");
    some_turns(world); /* now both lanes have tokens again */
    ck_assert_uint_eq(candidate.calls + account.calls, 0);
    connector_end(accounts[0].attempt);
    await(world, &account);
    some_turns(world);
    ck_assert_uint_eq(candidate.calls, 0);
    connector_end(account.attempt);
    await(world, &candidate);
    world_free(world);
}
END_TEST

START_TEST(attempts_start_in_the_order_in_which_they_came)
{
    enum { MANY = 30 };
    struct world *world = world_new(LONG_MS);
    struct result results[MANY];
    for (size_t i = 0; i < MANY; i++)
        start(world, &results[i], "127.0.0.2");
    for (size_t i = 0; i < MANY; i++) {
        await(world, &results[i]);
        for (size_t later = i + 1; later < MANY && world->calls <= i + 1; later++)
            ck_assert_uint_eq(results[later].calls, 0);
    }
    world_free(world);
}
END_TEST

START_TEST(an_attempt_that_is_ended_is_never_called_in_any_phase)
{
    struct world *world = world_new(LONG_MS);
    struct result queued, resolving, racing, ready[2];
    black_hole_at(world, "127.0.0.2");
    black_hole_at(world, "127.0.0.3");
    start(world, &queued, "127.0.0.2");
    connector_end(queued.attempt);
    start(world, &resolving, "silent.test");
    while (!fake_seen(&world->server, "silent.test"))
        turn(world);
    connector_end(resolving.attempt);
    start(world, &racing, "two.test");
    while (!fake_seen(&world->server, "two.test"))
        turn(world);
    some_turns(world); /* a quarter of a second: both addresses are being tried */
    connector_end(racing.attempt);
    start(world, &ready[0], "127.0.0.2");
    start(world, &ready[1], "127.0.0.2");
    await(world, &ready[0]);
    connector_end(ready[1].attempt);
    connector_end(ready[0].attempt);
    some_turns(world);
    ck_assert_uint_eq(queued.calls + resolving.calls + racing.calls, 0);
    ck_assert_uint_le(ready[1].calls, 1);
    world_free(world);
}
END_TEST

START_TEST(ending_an_attempt_in_every_phase_frees_its_slot)
{
    struct world *world = world_new(LONG_MS);
    struct result results[SLOTS], last;
    black_hole_at(world, "127.0.0.2");
    black_hole_at(world, "127.0.0.3");
    for (size_t i = 0; i < SLOTS; i++)
        start(world, &results[i],
              i % 3 == 0   ? "silent.test"
              : i % 3 == 1 ? "two.test"
                           : "127.0.0.9");
    await_calls(world, SLOTS / 3);
    for (size_t i = 0; i < SLOTS; i++)
        connector_end(results[i].attempt);
    world->calls = 0;
    for (size_t i = 0; i < SLOTS; i++)
        start(world, &results[i], "127.0.0.2");
    await_calls(world, SLOTS);
    start(world, &last, "127.0.0.2");
    some_turns(world);
    ck_assert_uint_eq(last.calls, 0);
    world_free(world);
}
END_TEST

START_TEST(a_race_that_nobody_waits_for_is_given_up)
{
    struct world *world = world_new(LONG_MS);
    struct result holder, leaver;
    black_hole_at(world, "127.0.0.2");
    struct listener *second = listen_at(world, "127.0.0.3", 64);
    start(world, &holder, "two.test");
    await(world, &holder);
    ck_assert_uint_eq(arrived(second), 1);
    connector_failed(holder.attempt);
    stopped_at_ms = uv_now(&world->loop.uv);
    start(world, &leaver, "two.test");
    some_turns(world);
    connector_end(leaver.attempt);
    stopped_at_ms = 0;
    for (int64_t start_ms = loop_now_ms(&world->loop);
         loop_now_ms(&world->loop) < start_ms + 2 * STAGGER_MS;)
        turn(world);
    ck_assert_uint_eq(leaver.calls + arrived(second), 0);
    connector_end(holder.attempt);
    world_free(world);
}
END_TEST

START_TEST(those_who_go_on_waiting_do_not_lose_the_race_of_one_who_left)
{
    struct world *world = world_new(LONG_MS);
    struct result leaver, stayer;
    black_hole_at(world, "127.0.0.2");
    listen_at(world, "127.0.0.3", 64);
    start(world, &leaver, "two.test");
    start(world, &stayer, "two.test");
    while (!fake_seen(&world->server, "two.test"))
        turn(world);
    connector_end(leaver.attempt);
    await(world, &stayer);
    check_winner(&stayer, "127.0.0.3");
    ck_assert_uint_eq(leaver.calls, 0);
    connector_end(stayer.attempt);
    world_free(world);
}
END_TEST

static void on_result_end(void *arg, const struct address *winner, const struct err *err)
{
    struct result *result = arg;
    on_result(arg, winner, err);
    connector_end(result->attempt);
    result->attempt = NULL;
}

START_TEST(an_attempt_may_be_ended_inside_its_own_call)
{
    static const char *const hosts[] = {"127.0.0.2", "two.test", "fails.test"};
    struct world *world = world_new(LONG_MS);
    for (size_t i = 0; i < 3; i++) {
        struct result result = {.world = world};
        result.attempt = connector_start(world->connector, CONNECTOR_ACCOUNT, hosts[i], world->port,
                                         on_result_end, &result);
        await(world, &result);
        ck_assert_ptr_null(result.attempt);
    }
    world_free(world);
}
END_TEST

static void on_result_restart(void *arg, const struct address *winner, const struct err *err)
{
    struct result *result = arg;
    on_result(arg, winner, err);
    struct attempt *old = result->attempt;
    result->attempt = NULL;
    if (result->calls < 3)
        result->attempt = connector_start(result->world->connector, CONNECTOR_CANDIDATE, "two.test",
                                          result->world->port, on_result_restart, result);
    connector_failed(old);
    connector_end(old);
}

START_TEST(a_new_attempt_may_be_started_inside_a_call)
{
    struct world *world = world_new(LONG_MS);
    struct result result = {.world = world};
    listen_at(world, "127.0.0.2", 64);
    listen_at(world, "127.0.0.3", 64);
    result.attempt = connector_start(world->connector, CONNECTOR_ACCOUNT, "two.test", world->port,
                                     on_result_restart, &result);
    await_calls(world, 3);
    ck_assert(result.found);
    world_free(world);
}
END_TEST

/* The socket of the race */

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void on_result_take(void *arg, const struct address *winner, const struct err *err)
{
    struct result *result = arg;
    on_result(arg, winner, err);
    result->socket = connector_take_socket(result->attempt);
    ck_assert_int_eq(connector_take_socket(result->attempt), -1);
}

static void start_taking(struct world *world, struct result *result, const char *host)
{
    *result = (struct result){.world = world, .socket = -1};
    result->attempt = connector_start(world->connector, CONNECTOR_ACCOUNT, host, world->port,
                                      on_result_take, result);
    ck_assert_int_eq(connector_take_socket(result->attempt), -1); /* too early */
}

static void check_socket(struct listener *listener, int taken)
{
    char bytes[6] = "";
    int peer = accept(listener->socket, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_ne(fcntl(taken, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(taken, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(send(taken, "hello", 5, MSG_NOSIGNAL), 5);
    ck_assert_int_eq(recv(peer, bytes, 5, MSG_WAITALL), 5);
    ck_assert_str_eq(bytes, "hello");
    close(peer);
}

START_TEST(the_first_who_waited_for_a_race_may_take_its_socket)
{
    struct world *world = world_new(LONG_MS);
    struct result first, second, later;
    black_hole_at(world, "127.0.0.2");
    struct listener *winner = listen_at(world, "127.0.0.3", 64);
    start_taking(world, &first, "two.test");
    start_taking(world, &second, "two.test");
    await_calls(world, 2);
    check_winner(&first, "127.0.0.3");
    check_winner(&second, "127.0.0.3");
    ck_assert_int_ge(first.socket, 0);
    ck_assert_int_eq(second.socket, -1);
    connector_end(first.attempt);
    check_socket(winner, first.socket);
    close(first.socket);
    start_taking(world, &later, "two.test"); /* without a race */
    await(world, &later);
    ck_assert_int_eq(later.socket, -1);
    connector_end(later.attempt);
    connector_end(second.attempt);
    world_free(world);
}
END_TEST

/* libuv keeps some of its own from the first race on. */
static unsigned descriptors_of(struct world *world)
{
    connect_to(world, "two.test", "127.0.0.2");
    ck_assert_uint_eq(arrived(&world->listeners[0]), 1);
    connector_forget_all(world->connector);
    some_turns(world);
    return open_descriptors();
}

static void check_hung_up(struct listener *listener)
{
    char byte;
    int peer = accept(listener->socket, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(recv(peer, &byte, 1, 0), 0);
    close(peer);
}

START_TEST(a_socket_that_nobody_takes_is_closed)
{
    struct world *world = world_new(LONG_MS);
    struct result kept, ended;
    struct listener *first = listen_at(world, "127.0.0.2", 64);
    listen_at(world, "127.0.0.3", 64);
    unsigned before = descriptors_of(world);
    start(world, &kept, "two.test");
    await(world, &kept);
    ck_assert_int_eq(connector_take_socket(kept.attempt), -1); /* too late */
    check_hung_up(first);
    connector_forget_all(world->connector);
    ended = (struct result){.world = world};
    ended.attempt = connector_start(world->connector, CONNECTOR_ACCOUNT, "two.test", world->port,
                                    on_result_end, &ended);
    await(world, &ended);
    check_hung_up(first);
    some_turns(world);
    ck_assert_uint_eq(open_descriptors(), before);
    connector_end(kept.attempt);
    world_free(world);
}
END_TEST

START_TEST(no_socket_is_forgotten_whenever_an_attempt_is_ended)
{
    struct world *world = world_new(LONG_MS);
    struct result result;
    listen_at(world, "127.0.0.2", 128);
    listen_at(world, "127.0.0.3", 128);
    unsigned before = descriptors_of(world);
    bool taken = false;
    for (int turns = 0; !taken; turns++) {
        start_taking(world, &result, "two.test");
        for (int i = 0; i < turns && !result.calls; i++)
            uv_run(&world->loop.uv, UV_RUN_NOWAIT);
        taken = result.socket >= 0;
        if (taken)
            close(result.socket);
        connector_end(result.attempt);
        connector_forget_all(world->connector);
        some_turns(world); /* and a token for the next */
        ck_assert_uint_eq(open_descriptors(), before);
    }
    world_free(world);
}
END_TEST

static void on_result_free(void *arg, const struct address *winner, const struct err *err)
{
    struct world *world = arg;
    ck_assert_ptr_nonnull(winner);
    ck_assert_ptr_null(err);
    connector_free(world->connector);
    resolver_free(world->resolver);
    world->connector = NULL;
    world->resolver = NULL;
}

START_TEST(everything_may_be_freed_inside_a_call)
{
    struct world *world = world_new(LONG_MS);
    struct result results[40];
    black_hole_at(world, "127.0.0.2");
    black_hole_at(world, "127.0.0.3");
    listen_at(world, "127.0.0.5", 64);
    start(world, &results[0], "127.0.0.5");
    start(world, &results[1], "silent.test");
    start(world, &results[2], "two.test");
    await_calls(world, 1);
    while (!fake_seen(&world->server, "two.test"))
        turn(world);
    some_turns(world);
    for (size_t i = 3; i < 40; i++)
        start(world, &results[i], i % 2 ? "one.test" : "127.0.0.5");
    connector_start(world->connector, CONNECTOR_CANDIDATE, "127.0.0.6", world->port, on_result_free,
                    world);
    while (world->connector)
        turn(world);
    some_turns(world);
    ck_assert_uint_eq(results[1].calls + results[2].calls, 0);
    world_free(world);
}
END_TEST

START_TEST(what_is_remembered_is_bounded)
{
    enum { HOSTS = 40, KEPT = 32 };
    struct world *world = world_new(LONG_MS);
    struct listener *second = listen_at(world, "127.0.0.3", 128);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < HOSTS; i++) {
            char host[32];
            snprintf(host, sizeof host, "h%zu.two.test", round ? HOSTS - 1 - i : i);
            connect_to(world, host, "127.0.0.3");
        }
        ck_assert_uint_eq(arrived(second), round ? HOSTS - KEPT : HOSTS);
    }
    world_free(world);
}
END_TEST

UNIT_MAIN("connector", one_address_needs_no_race, the_first_address_wins_when_it_answers,
          a_black_holed_address_loses_to_the_next, refused_addresses_are_passed_over_at_once,
          a_winner_is_remembered_until_it_is_forgotten,
          what_was_learned_in_another_network_can_be_forgotten,
          a_winner_whose_handshake_failed_is_tried_last,
          a_handshake_that_fails_late_does_not_blame_the_address_that_has_won_since,
          the_last_reason_and_the_number_of_addresses_are_told,
          every_address_gets_its_time_and_no_more, a_failed_look_up_is_told_in_its_own_words,
          many_attempts_share_one_race, all_who_share_a_race_hear_that_it_was_lost,
          at_most_64_handshakes_are_in_flight, starts_are_limited_to_100_a_second,
          candidates_never_take_the_slots_or_the_tokens_of_accounts,
          candidates_wait_while_accounts_hold_every_slot,
          attempts_start_in_the_order_in_which_they_came,
          an_attempt_that_is_ended_is_never_called_in_any_phase,
          ending_an_attempt_in_every_phase_frees_its_slot, a_race_that_nobody_waits_for_is_given_up,
          those_who_go_on_waiting_do_not_lose_the_race_of_one_who_left,
          an_attempt_may_be_ended_inside_its_own_call, a_new_attempt_may_be_started_inside_a_call,
          the_first_who_waited_for_a_race_may_take_its_socket, a_socket_that_nobody_takes_is_closed,
          no_socket_is_forgotten_whenever_an_attempt_is_ended,
          everything_may_be_freed_inside_a_call, what_is_remembered_is_bounded)
