#include "net/resolver.h"

#include <string.h>

#include "fake_nameserver.h"
#include "net/name_cache.h"
#include "net/nameservers.h"
#include "unit.h"

enum { SHORT_MS = 2000, LONG_MS = 30000, PORT = 8443, MINUTE_MS = 60000 };

/* Stands before libuv's own, so that a test can let a minute pass. */
static uint64_t passed_ms;
uint64_t uv_now(const uv_loop_t *loop)
{
    return loop->time + passed_ms;
}

static struct fake_name names[] = {
    {.name = "good.test", .a = {"192.0.2.1"}, .aaaa = {"2001:db8::1"}},
    {.name = "many.test",
     .a = {"192.0.2.1", "192.0.2.2"},
     .aaaa = {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"}},
    {.name = "v4.test", .a = {"192.0.2.4"}},
    {.name = "half.test", .a = {"192.0.2.5"}, .silent_aaaa = true},
    {.name = "fails.test", .failure = FAKE_SERVFAIL},
    {.name = "silent.test", .silent = true},
    {.name = NULL},
};

struct world {
    struct loop loop;
    uv_timer_t tick; /* so that no turn of the loop takes long */
    struct fake_nameserver server;
    char *nameserver;
    struct config config;
    struct resolver *resolver;
};

struct result {
    struct world *world;
    int calls;
    bool found;
    struct address_list addresses;
    struct err err;
};

static void on_tick(uv_timer_t *tick)
{
    (void)tick;
}

/* What happens to questions for good.test. */
static void trouble(bool silent, int failure)
{
    names[0].silent = silent;
    names[0].failure = failure;
}

static struct world *world_new(int64_t dns_timeout_ms)
{
    struct world *world = calloc(1, sizeof *world);
    struct err err = {0};
    passed_ms = 0;
    trouble(false, 0);
    loop_init(&world->loop);
    uv_timer_init(&world->loop.uv, &world->tick);
    uv_timer_start(&world->tick, on_tick, 5, 5);
    fake_nameserver_start(&world->server, &world->loop.uv, names);
    world->nameserver = world->server.address;
    world->config.net_dns_timeout_ms = dns_timeout_ms;
    world->config.net_connect_timeout_ms = dns_timeout_ms;
    world->config.net_nameservers = (struct strings){&world->nameserver, 1};
    world->resolver = resolver_new(&world->loop, &world->config, &err);
    ck_assert_msg(world->resolver != NULL, "%s", err.text);
    return world;
}

static void world_free(struct world *world)
{
    resolver_free(world->resolver);
    fake_nameserver_stop(&world->server);
    uv_close((uv_handle_t *)&world->tick, NULL);
    loop_fini(&world->loop);
    free(world);
}

static void on_result(void *arg, const struct address_list *addresses, const struct err *err)
{
    struct result *result = arg;
    ck_assert((addresses == NULL) == (err != NULL));
    result->calls++;
    result->found = addresses != NULL;
    if (addresses)
        result->addresses = *addresses;
    else
        result->err = *err;
}

static struct lookup *start(struct world *world, struct result *result, const char *host,
                            bool proven)
{
    *result = (struct result){.world = world};
    struct lookup *lookup =
        resolver_start(world->resolver, RESOLVER_ENDPOINT, host, PORT, proven, on_result, result);
    ck_assert_int_eq(result->calls, 0);
    return lookup;
}

static void turn(struct world *world)
{
    uv_run(&world->loop.uv, UV_RUN_ONCE);
}

static void await(struct world *world, const struct result *result)
{
    while (!result->calls)
        turn(world);
}

static struct result ask(struct world *world, const char *host, bool proven)
{
    struct result result;
    start(world, &result, host, proven);
    await(world, &result);
    ck_assert_int_eq(result.calls, 1);
    return result;
}

static void check_first(const struct result *result, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];
    ck_assert_msg(result->found, "%s", result->err.text);
    address_format(text, &result->addresses.items[0]);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(address_port(&result->addresses.items[0]), PORT);
}

static unsigned asked(const struct world *world)
{
    return world->server.asked_a + world->server.asked_aaaa;
}

START_TEST(numeric_addresses_need_no_question)
{
    struct world *world = world_new(LONG_MS);
    struct result v4 = ask(world, "192.0.2.9", false), v6 = ask(world, "2001:DB8::9", false);
    check_first(&v4, "192.0.2.9");
    check_first(&v6, "2001:db8::9");
    ck_assert_uint_eq(v4.addresses.count, 1);
    struct address_list list;
    ck_assert(resolver_cached(world->resolver, RESOLVER_ENDPOINT, "192.0.2.9", PORT, &list));
    ck_assert_uint_eq(list.count, 1);
    ck_assert_uint_eq(address_port(&list.items[0]), PORT);
    ck_assert_uint_eq(asked(world), 0);
    world_free(world);
}
END_TEST

START_TEST(families_alternate_and_ipv6_comes_first)
{
    static const int families[] = {AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET6, AF_INET6};
    struct world *world = world_new(LONG_MS);
    struct result result = ask(world, "many.test", false);
    ck_assert(result.found);
    ck_assert_uint_eq(result.addresses.count, 6);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(result.addresses.items[i].any.sa_family, families[i]);
        ck_assert_uint_eq(address_port(&result.addresses.items[i]), PORT);
    }
    world_free(world);
}
END_TEST

START_TEST(only_the_wanted_family_is_asked_for)
{
    struct world *world = world_new(LONG_MS);
    world->config.net_family = NET_FAMILY_IPV4;
    ck_assert_int_eq(resolver_reload(world->resolver, &world->config, NULL), 0);
    struct result result = ask(world, "many.test", false);
    check_first(&result, "192.0.2.1");
    ck_assert_uint_eq(result.addresses.count, 2);
    ck_assert_uint_eq(world->server.asked_aaaa, 0);

    world->config.net_family = NET_FAMILY_IPV6;
    ck_assert_int_eq(resolver_reload(world->resolver, &world->config, NULL), 0);
    result = ask(world, "v4.test", false);
    ck_assert(!result.found);
    ck_assert_str_eq(result.err.text, "The name \"v4.test\" exists, but has no IPv6 address");
    ck_assert_int_eq(result.err.code, ERR_NOT_FOUND);
    world_free(world);
}
END_TEST

START_TEST(failures_are_told_in_a_sentence)
{
    struct world *world = world_new(LONG_MS);
    struct result result = ask(world, "nowhere.example", false);
    ck_assert_str_eq(result.err.text, "The name \"nowhere.example\" does not exist (NXDOMAIN)");
    ck_assert_int_eq(result.err.code, ERR_NOT_FOUND);
    result = ask(world, "fails.test", false);
    ck_assert_str_eq(result.err.text,
                     "Every nameserver was unreachable or failed when asked for \"fails.test\"");
    ck_assert_int_eq(result.err.code, ERR_IO);
    world->config.net_dns_timeout_ms = SHORT_MS;
    ck_assert_int_eq(resolver_reload(world->resolver, &world->config, NULL), 0);
    result = ask(world, "silent.test", false);
    ck_assert_str_eq(result.err.text, "No nameserver answered in 2 s for \"silent.test\"");
    ck_assert_int_eq(result.err.code, ERR_TIMEOUT);
    world_free(world);
}
END_TEST

START_TEST(what_cannot_be_a_name_is_not_asked_for)
{
    char too_long[300];
    memset(too_long, 'a', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    const char *const wrong[] = {"", "a b.test", "a\nb", "m\xc3\xbcll.test", too_long};
    struct world *world = world_new(LONG_MS);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct result result = ask(world, wrong[i], false);
        ck_assert(!result.found);
        ck_assert_int_eq(result.err.code, ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(result.err.text, "is not a valid name"));
        ck_assert_ptr_null(strchr(result.err.text, '\n'));
        struct address_list list;
        ck_assert(!resolver_cached(world->resolver, RESOLVER_ENDPOINT, wrong[i], 1, &list));
    }
    ck_assert_uint_eq(asked(world), 0);
    world_free(world);
}
END_TEST

START_TEST(the_file_of_hosts_is_believed_before_any_nameserver)
{
    struct world *world = world_new(LONG_MS);
    struct result result = ask(world, "localhost", false);
    ck_assert(result.found);
    ck_assert_int_eq(address_classify(&result.addresses.items[0], NULL), ADDRESS_PRIVATE);
    ck_assert_uint_eq(asked(world), 0);
    world_free(world);
}
END_TEST

START_TEST(one_question_serves_all_who_ask)
{
    struct world *world = world_new(LONG_MS);
    struct result results[5];
    for (size_t i = 0; i < 5; i++)
        start(world, &results[i], i % 2 ? "GOOD.test" : "good.test", false);
    for (size_t i = 0; i < 5; i++) {
        await(world, &results[i]);
        check_first(&results[i], "2001:db8::1");
    }
    ck_assert_uint_eq(world->server.asked_a, 1);
    ck_assert_uint_eq(world->server.asked_aaaa, 1);
    world_free(world);
}
END_TEST

START_TEST(a_dropped_question_costs_only_its_family)
{
    struct world *world = world_new(LONG_MS);
    int64_t before_ms = loop_now_ms(&world->loop);
    struct result result = ask(world, "half.test", false);
    check_first(&result, "192.0.2.5");
    ck_assert_int_lt(loop_now_ms(&world->loop) - before_ms, LONG_MS / 2);
    passed_ms += 10000;
    struct address_list list;
    ck_assert(!resolver_cached(world->resolver, RESOLVER_ENDPOINT, "half.test", 1, &list));
    world_free(world);
}
END_TEST

START_TEST(an_answer_is_kept_for_a_minute)
{
    struct world *world = world_new(LONG_MS);
    struct address_list list;
    ck_assert(!resolver_cached(world->resolver, RESOLVER_ENDPOINT, "good.test", PORT, &list));
    ask(world, "good.test", false);
    unsigned before = asked(world);
    passed_ms += MINUTE_MS - 1000;
    struct result result = ask(world, "Good.Test", false);
    check_first(&result, "2001:db8::1");
    ck_assert_uint_eq(asked(world), before);
    ck_assert(resolver_cached(world->resolver, RESOLVER_ENDPOINT, "good.test", PORT, &list));
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(address_port(&list.items[1]), PORT);
    ck_assert(!resolver_cached(world->resolver, RESOLVER_MESSENGER, "good.test", PORT, &list));
    ck_assert_uint_eq(list.count, 0);
    passed_ms += 1000;
    ck_assert(!resolver_cached(world->resolver, RESOLVER_ENDPOINT, "good.test", PORT, &list));
    result = ask(world, "good.test", false);
    check_first(&result, "2001:db8::1");
    ck_assert_uint_gt(asked(world), before);
    world_free(world);
}
END_TEST

/* With the nameserver in trouble, or saying so, or denying the name. */
static struct result ask_in_trouble(struct world *world, bool silent, int failure, bool proven)
{
    trouble(silent, failure);
    struct result result = ask(world, "good.test", proven);
    trouble(false, 0);
    return result;
}

START_TEST(a_proven_name_keeps_its_last_addresses_when_a_look_up_fails)
{
    struct world *world = world_new(SHORT_MS);
    ask(world, "good.test", true);
    passed_ms += MINUTE_MS;
    struct result result = ask_in_trouble(world, true, 0, false);
    ck_assert_int_eq(result.err.code, ERR_TIMEOUT);
    result = ask_in_trouble(world, true, 0, true);
    check_first(&result, "2001:db8::1");
    unsigned before = asked(world);
    passed_ms += MINUTE_MS - 1000;
    result = ask_in_trouble(world, true, 0, true);
    check_first(&result, "2001:db8::1");
    ck_assert_uint_eq(asked(world), before);
    passed_ms += 60 * MINUTE_MS;
    result = ask_in_trouble(world, false, FAKE_SERVFAIL, true);
    check_first(&result, "2001:db8::1");
    passed_ms += 24 * 60 * MINUTE_MS;
    result = ask_in_trouble(world, false, FAKE_SERVFAIL, true);
    ck_assert(!result.found);
    world_free(world);
}
END_TEST

START_TEST(a_name_that_is_gone_keeps_its_addresses_for_one_more_minute)
{
    struct world *world = world_new(LONG_MS);
    ask(world, "good.test", true);
    passed_ms += MINUTE_MS;
    struct result result = ask_in_trouble(world, false, FAKE_NXDOMAIN, true);
    check_first(&result, "2001:db8::1");
    passed_ms += MINUTE_MS + 1;
    result = ask_in_trouble(world, false, FAKE_NXDOMAIN, true);
    ck_assert_int_eq(result.err.code, ERR_NOT_FOUND);
    world_free(world);
}
END_TEST

START_TEST(a_messengers_answer_is_kept_for_ten_seconds)
{
    struct world *world = world_new(LONG_MS);
    struct result result = {.world = world};
    resolver_start(world->resolver, RESOLVER_MESSENGER, "good.test", PORT, false, on_result,
                   &result);
    await(world, &result);
    struct address_list list;
    passed_ms += 9000;
    ck_assert(resolver_cached(world->resolver, RESOLVER_MESSENGER, "good.test", PORT, &list));
    passed_ms += 1000;
    ck_assert(!resolver_cached(world->resolver, RESOLVER_MESSENGER, "good.test", PORT, &list));
    trouble(false, FAKE_SERVFAIL);
    result.calls = 0;
    resolver_start(world->resolver, RESOLVER_MESSENGER, "good.test", PORT, false, on_result,
                   &result);
    await(world, &result);
    check_first(&result, "2001:db8::1");
    world_free(world);
}
END_TEST

static void start_silent(struct world *world, struct result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char host[64];
        snprintf(host, sizeof host, "n%zu.silent.test", i);
        start(world, &results[i], host, false);
    }
}

static void await_seen(struct world *world, size_t count)
{
    while (world->server.seen_count < count)
        turn(world);
}

START_TEST(eight_silent_names_hold_up_strangers_and_nobody_else)
{
    struct world *world = world_new(LONG_MS);
    struct result silent[8], stranger, friend, messenger = {.world = world};
    start_silent(world, silent, 8);
    await_seen(world, 8);
    start(world, &stranger, "x.good.test", false);
    start(world, &friend, "y.good.test", true);
    resolver_start(world->resolver, RESOLVER_MESSENGER, "z.good.test", PORT, false, on_result,
                   &messenger);
    await(world, &friend);
    await(world, &messenger);
    check_first(&friend, "2001:db8::1");
    check_first(&messenger, "2001:db8::1");
    ck_assert_int_eq(stranger.calls, 0);
    ck_assert(!fake_seen(&world->server, "x.good.test"));
    world_free(world);
}
END_TEST

START_TEST(a_stranger_gets_its_turn_when_silent_names_are_given_up)
{
    struct world *world = world_new(SHORT_MS);
    struct result silent[9], stranger;
    start_silent(world, silent, 9);
    start(world, &stranger, "good.test", false);
    await(world, &stranger);
    check_first(&stranger, "2001:db8::1");
    await(world, &silent[8]);
    for (size_t i = 0; i < 9; i++)
        ck_assert_int_eq(silent[i].err.code, ERR_TIMEOUT);
    world_free(world);
}
END_TEST

START_TEST(a_name_that_turns_out_to_be_proven_leaves_the_strangers_queue)
{
    struct world *world = world_new(LONG_MS);
    struct result silent[8], stranger, friend;
    start_silent(world, silent, 8);
    await_seen(world, 8);
    start(world, &stranger, "good.test", false);
    start(world, &friend, "good.test", true);
    await(world, &friend);
    await(world, &stranger);
    check_first(&stranger, "2001:db8::1");
    ck_assert_uint_eq(world->server.asked_a, 9);
    world_free(world);
}
END_TEST

START_TEST(the_strangers_queue_is_bounded)
{
    enum { ROOM = 8 + 256 };
    struct world *world = world_new(LONG_MS);
    struct result *results = calloc(ROOM, sizeof *results), last;
    start_silent(world, results, 8);
    await_seen(world, 8);
    start_silent(world, results, ROOM);
    start(world, &last, "good.test", false);
    await(world, &last);
    ck_assert_int_eq(last.err.code, ERR_LIMIT);
    ck_assert_str_eq(last.err.text, "\"good.test\" was not looked up, because 256 other names are "
                                    "waiting for their turn");
    ck_assert_uint_eq(world->server.seen_count, 8);
    world_free(world);
    free(results);
}
END_TEST

START_TEST(a_cancelled_look_up_is_never_called_in_any_phase)
{
    struct world *world = world_new(LONG_MS);
    struct result queued, asking, numeric, joined, witness;
    resolver_cancel(start(world, &queued, "v4.test", false));
    resolver_cancel(start(world, &numeric, "192.0.2.1", false));
    struct lookup *lookup = start(world, &asking, "silent.test", false);
    await_seen(world, 1);
    ck_assert(!fake_seen(&world->server, "v4.test"));
    resolver_cancel(lookup);

    lookup = start(world, &joined, "good.test", false);
    start(world, &witness, "good.test", false);
    resolver_cancel(lookup);
    await(world, &witness);
    check_first(&witness, "2001:db8::1");
    for (size_t i = 0; i < 20; i++)
        uv_run(&world->loop.uv, UV_RUN_NOWAIT);
    ck_assert_int_eq(queued.calls + asking.calls + numeric.calls + joined.calls, 0);
    world_free(world);
}
END_TEST

START_TEST(the_answer_to_a_cancelled_look_up_is_kept)
{
    struct world *world = world_new(LONG_MS);
    struct result result;
    struct address_list list;
    struct lookup *lookup = start(world, &result, "good.test", false);
    await_seen(world, 1);
    resolver_cancel(lookup);
    while (!resolver_cached(world->resolver, RESOLVER_ENDPOINT, "good.test", PORT, &list))
        turn(world);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_int_eq(result.calls, 0);
    world_free(world);
}
END_TEST

START_TEST(a_queued_look_up_that_is_cancelled_frees_its_place)
{
    struct world *world = world_new(LONG_MS);
    struct result silent[8], result;
    start_silent(world, silent, 8);
    await_seen(world, 8);
    for (size_t i = 0; i < 1000; i++)
        resolver_cancel(start(world, &result, "good.test", false));
    start(world, &result, "good.test", false);
    for (size_t i = 0; i < 20; i++)
        uv_run(&world->loop.uv, UV_RUN_NOWAIT);
    ck_assert_int_eq(result.calls, 0);
    world_free(world);
}
END_TEST

static void on_result_cancel_other(void *arg, const struct address_list *addresses,
                                   const struct err *err)
{
    struct lookup **other = arg;
    ck_assert_ptr_nonnull(addresses);
    ck_assert_ptr_null(err);
    if (*other)
        resolver_cancel(*other);
    *other = NULL;
}

START_TEST(one_waiter_may_cancel_the_next_while_being_told)
{
    struct world *world = world_new(LONG_MS);
    struct result second;
    struct lookup *other = NULL;
    resolver_start(world->resolver, RESOLVER_ENDPOINT, "good.test", PORT, false,
                   on_result_cancel_other, &other);
    struct lookup *lookup = start(world, &second, "good.test", false);
    other = lookup;
    while (other)
        turn(world);
    for (size_t i = 0; i < 20; i++)
        uv_run(&world->loop.uv, UV_RUN_NOWAIT);
    ck_assert_int_eq(second.calls, 0);
    world_free(world);
}
END_TEST

static void on_result_free(void *arg, const struct address_list *addresses, const struct err *err)
{
    struct world *world = arg;
    ck_assert_ptr_nonnull(addresses);
    ck_assert_ptr_null(err);
    resolver_free(world->resolver);
    world->resolver = NULL;
}

START_TEST(a_waiter_may_free_the_resolver_with_everything_under_way)
{
    struct world *world = world_new(LONG_MS);
    struct result silent[12], others[3];
    start_silent(world, silent, 12);
    await_seen(world, 8);
    start(world, &others[0], "192.0.2.1", false);
    start(world, &others[1], "silent.test", true);
    await_seen(world, 9);
    start(world, &others[2], "192.0.2.1", true);
    resolver_start(world->resolver, RESOLVER_ENDPOINT, "192.0.2.2", PORT, true, on_result_free,
                   world);
    start(world, &silent[0], "192.0.2.3", true);
    while (world->resolver)
        turn(world);
    ck_assert_int_eq(silent[0].calls, 0);
    world_free(world);
}
END_TEST

START_TEST(new_nameservers_are_asked_what_the_old_ones_left_unanswered)
{
    struct world *world = world_new(LONG_MS);
    struct fake_nameserver second;
    static struct fake_name answers[] = {{.name = "silent.test", .a = {"192.0.2.77"}},
                                         {.name = NULL}};
    fake_nameserver_start(&second, &world->loop.uv, answers);
    struct result result;
    start(world, &result, "silent.test", false);
    await_seen(world, 1);
    world->nameserver = second.address;
    ck_assert_int_eq(resolver_reload(world->resolver, &world->config, NULL), 0);
    await(world, &result);
    check_first(&result, "192.0.2.77");
    fake_nameserver_stop(&second);
    world_free(world);
}
END_TEST

START_TEST(wrong_nameservers_change_nothing)
{
    struct world *world = world_new(LONG_MS);
    struct err err = {0};
    char wrong[] = "dns.example.org";
    world->nameserver = wrong;
    ck_assert_int_eq(resolver_reload(world->resolver, &world->config, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "net.nameservers: \"dns.example.org\""));
    struct result result = ask(world, "good.test", false);
    check_first(&result, "2001:db8::1");
    ck_assert_ptr_null(resolver_new(&world->loop, &world->config, &err));
    world_free(world);
}
END_TEST

START_TEST(a_closed_port_fails_before_the_deadline)
{
    struct world *world = world_new(LONG_MS);
    struct fake_nameserver gone;
    fake_nameserver_start(&gone, &world->loop.uv, names);
    fake_nameserver_stop(&gone);
    uv_run(&world->loop.uv, UV_RUN_NOWAIT);
    world->nameserver = gone.address;
    world->config.net_dns_timeout_ms = 2000;
    ck_assert_int_eq(resolver_reload(world->resolver, &world->config, NULL), 0);
    struct result result = ask(world, "good.test", false);
    ck_assert(!result.found);
    ck_assert_ptr_nonnull(strstr(result.err.text, "\"good.test\""));
    world_free(world);
}
END_TEST

START_TEST(nameservers_are_read_strictly)
{
    char *right[] = {"192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353",
                     "[2001:db8::53]"};
    char *wrong[] = {"",
                     "dns.example.org",
                     "192.0.2.53:",
                     "192.0.2.53:0",
                     "192.0.2.53:65536",
                     "192.0.2.53:123456",
                     "192.0.2.53:53x",
                     "192.0.2.53:-1",
                     "[2001:db8::53]5353",
                     "[2001:db8::53",
                     "[]",
                     "[]:53",
                     "192.0.2.53,192.0.2.54",
                     "fe80::1%eth0",
                     "[192.0.2.53]:"};
    char *csv;
    struct err err;
    const struct strings all = {right, sizeof right / sizeof *right};
    ck_assert_int_eq(nameservers_read(&csv, &all, &err), 0);
    ck_assert_str_eq(csv, "192.0.2.53:53,192.0.2.53:5353,[2001:db8::53]:53,[2001:db8::53]:5353,"
                          "[2001:db8::53]:53");
    free(csv);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct strings one = {&wrong[i], 1};
        ck_assert_msg(nameservers_read(&csv, &one, &err) == ERR_INVALID, "%s", wrong[i]);
        ck_assert_ptr_null(csv);
    }
    const struct strings none = {NULL, 0};
    ck_assert_int_eq(nameservers_read(&csv, &none, &err), 0);
    ck_assert_ptr_null(csv);
    char *many[100];
    for (size_t i = 0; i < 100; i++)
        many[i] = right[3];
    const struct strings too_many = {many, 100};
    ck_assert_int_eq(nameservers_read(&csv, &too_many, &err), ERR_LIMIT);
}
END_TEST

START_TEST(the_cache_is_bounded_and_the_longest_unused_goes_first)
{
    struct name_cache cache;
    const struct address_list list = {.count = 1};
    name_cache_init(&cache, 3);
    name_cache_put(&cache, "a", &list, 0, 100);
    name_cache_put(&cache, "b", &list, 0, 100);
    name_cache_put(&cache, "c", &list, 0, 100);
    ck_assert_ptr_nonnull(name_cache_fresh(&cache, "a", 99));
    ck_assert_ptr_null(name_cache_fresh(&cache, "a", 100));
    name_cache_put(&cache, "d", &list, 99, 100);
    ck_assert_ptr_nonnull(name_cache_fresh(&cache, "a", 99));
    ck_assert_ptr_null(name_cache_fresh(&cache, "b", 99));
    ck_assert_ptr_null(name_cache_stale(&cache, "b", 99, 1000, 100));
    ck_assert_ptr_nonnull(name_cache_stale(&cache, "c", 1000, 1000, 100));
    ck_assert_ptr_nonnull(name_cache_fresh(&cache, "c", 1099));
    ck_assert_ptr_null(name_cache_stale(&cache, "c", 1100, 1000, 100));
    name_cache_put(&cache, "c", &list, 1100, 1);
    ck_assert_ptr_nonnull(name_cache_fresh(&cache, "c", 1100));
    name_cache_fini(&cache);
}
END_TEST

UNIT_MAIN("resolver", numeric_addresses_need_no_question, families_alternate_and_ipv6_comes_first,
          only_the_wanted_family_is_asked_for, failures_are_told_in_a_sentence,
          what_cannot_be_a_name_is_not_asked_for,
          the_file_of_hosts_is_believed_before_any_nameserver, one_question_serves_all_who_ask,
          a_dropped_question_costs_only_its_family, an_answer_is_kept_for_a_minute,
          a_proven_name_keeps_its_last_addresses_when_a_look_up_fails,
          a_name_that_is_gone_keeps_its_addresses_for_one_more_minute,
          a_messengers_answer_is_kept_for_ten_seconds,
          eight_silent_names_hold_up_strangers_and_nobody_else,
          a_stranger_gets_its_turn_when_silent_names_are_given_up,
          a_name_that_turns_out_to_be_proven_leaves_the_strangers_queue,
          the_strangers_queue_is_bounded, a_cancelled_look_up_is_never_called_in_any_phase,
          the_answer_to_a_cancelled_look_up_is_kept,
          a_queued_look_up_that_is_cancelled_frees_its_place,
          one_waiter_may_cancel_the_next_while_being_told,
          a_waiter_may_free_the_resolver_with_everything_under_way,
          new_nameservers_are_asked_what_the_old_ones_left_unanswered,
          wrong_nameservers_change_nothing, a_closed_port_fails_before_the_deadline,
          nameservers_are_read_strictly, the_cache_is_bounded_and_the_longest_unused_goes_first)
