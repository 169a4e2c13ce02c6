#include "sim.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "push/policy.h"

enum { STEPS_MOST = 20000 }; /* in one moment: more is a loop that never ends */

struct world world;

/* Dice: splitmix64. Each party throws its own, so that an event that is left out changes nothing
 * for the others. */

static uint64_t roll(enum party party)
{
    uint64_t z = world.dice[party] += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

uint32_t dice(enum party party, uint32_t sides)
{
    return (uint32_t)((roll(party) >> 32) * sides >> 32);
}

/* The ends of every jitter are worth more than its middle. */
uint32_t random_u32(void)
{
    uint32_t which = dice(THE_BRIDGE, 8);
    return which == 0 ? 0 : which == 1 ? UINT32_MAX : (uint32_t)roll(THE_BRIDGE);
}

void random_bytes(void *bytes, size_t length)
{
    uint8_t *byte = bytes;
    while (length--)
        *byte++ = (uint8_t)roll(THE_TABLES);
}

/* Clocks */

int64_t clock_ms(void)
{
    return world.now_ms;
}

int64_t clock_boot_ms(void)
{
    return world.now_ms + world.slept_ms;
}

int64_t clock_wall_ms(void)
{
    return world.unix_s * SECOND + world.now_ms;
}

int64_t clock_unix(void)
{
    return world.unix_s + world.now_ms / SECOND;
}

int64_t loop_now_ms(const struct loop *loop)
{
    (void)loop;
    return world.now_ms;
}

void loop_timer_set(struct loop *loop, struct timer *timer, int64_t after_ms)
{
    timers_set(&loop->timers, timer, world.now_ms + (after_ms > 0 ? after_ms : 0));
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
    timers_cancel(&loop->timers, timer);
}

void outside_set(struct timer *timer, int64_t after_ms)
{
    timers_set(&world.outside, timer, world.now_ms + after_ms);
}

void outside_cancel(struct timer *timer)
{
    timers_cancel(&world.outside, timer);
}

/* What is due at the same moment inside and outside comes in either order. */
static void step(void)
{
    int64_t inside = timers_next_ms(&world.loop.timers), outside = timers_next_ms(&world.outside);
    int64_t next = inside < outside ? inside : outside;
    if (next > world.now_ms)
        world.now_ms = next;
    bool ours = inside <= world.now_ms && (outside > world.now_ms || dice(THE_LOOP, 2));
    timers_fire(ours ? &world.loop.timers : &world.outside, world.now_ms);
}

static bool is_due(int64_t end_ms)
{
    return timers_next_ms(&world.loop.timers) <= end_ms || timers_next_ms(&world.outside) <= end_ms;
}

void world_pass(int64_t ms)
{
    int64_t end_ms = world.now_ms + ms, moment_ms = world.now_ms;
    unsigned steps = 0;
    while (!world.broken && is_due(end_ms)) {
        step();
        steps = world.now_ms == moment_ms ? steps + 1 : 0;
        moment_ms = world.now_ms;
        if (steps > STEPS_MOST)
            broke(STORM, "the loop does not come to rest");
    }
    if (!world.broken)
        world.now_ms = end_ms;
}

/* What the program says to people costs time and changes nothing. */

void log_write(enum log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
}

void log_pseudonym(char text[PSEUDONYM_SIZE], const uint8_t key[PSEUDONYM_KEY_SIZE], const void *id,
                   size_t length)
{
    (void)key;
    (void)id;
    (void)length;
    memcpy(text, "pseudonym", 10);
}

void trace(const char *format, ...)
{
    if (!world.tracing)
        return;
    va_list args;
    va_start(args, format);
    printf("    %12.3f s  ", (double)world.now_ms / SECOND);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/* What else is allowed has tests of its own. */
int policy_check_endpoint(const struct policy *policy, const char *endpoint, bool proven,
                          struct err *err)
{
    (void)policy;
    (void)proven;
    if (!is_denied(endpoint_read(endpoint)))
        return 0;
    *err = (struct err){.code = ERR_REFUSED, .text = "the settings forbid it"};
    return err->code;
}

int policy_read_endpoint(const struct policy *policy, struct url *url, const char *endpoint,
                         bool proven, struct err *err)
{
    int result = policy_check_endpoint(policy, endpoint, proven, err);
    return result == 0 ? url_parse(url, endpoint, err) : result;
}

/* Names. The last account is a second device of the first one's user. */

static char uuids[ACCOUNTS][37] = {
    "9d0652a3-dcc3-4d11-975f-74d615987300", "6838237d-02f6-4098-b110-698253d15901",
    "0f0c6df2-98ab-4a51-9a55-1db66d0f1402", "9d0652a3-dcc3-4d11-975f-74d615987300"};
static const uint8_t uuid_bytes[ACCOUNTS][16] = {
    {0x9d, 0x06, 0x52, 0xa3, 0xdc, 0xc3, 0x4d, 0x11, 0x97, 0x5f, 0x74, 0xd6, 0x15, 0x98, 0x73, 0},
    {0x68, 0x38, 0x23, 0x7d, 0x02, 0xf6, 0x40, 0x98, 0xb1, 0x10, 0x69, 0x82, 0x53, 0xd1, 0x59, 1},
    {0x0f, 0x0c, 0x6d, 0xf2, 0x98, 0xab, 0x4a, 0x51, 0x9a, 0x55, 0x1d, 0xb6, 0x6d, 0x0f, 0x14, 2},
    {0x9d, 0x06, 0x52, 0xa3, 0xdc, 0xc3, 0x4d, 0x11, 0x97, 0x5f, 0x74, 0xd6, 0x15, 0x98, 0x73, 0}};

const char *uuid_of_account(unsigned i)
{
    return uuids[i];
}

int64_t device_number(unsigned i)
{
    return i == ACCOUNTS - 1 ? 3 : 2;
}

void key_of_account(unsigned i, struct account_key *key)
{
    *key = (struct account_key){.messenger = MESSENGER_SIGNAL, .device = (uint8_t)device_number(i)};
    memcpy(key->uuid, uuid_bytes[i], sizeof key->uuid);
}

int account_of_uuid(const uint8_t uuid[16], uint8_t device)
{
    int user = uuid[15];
    return user == 0 && device == 3 ? ACCOUNTS - 1 : user;
}

int account_of_key(const struct account_key *key)
{
    return account_of_uuid(key->uuid, key->device);
}

int endpoint_number(unsigned owner, int version)
{
    return (int)owner * VERSIONS + version;
}

unsigned endpoint_owner(int endpoint)
{
    return (unsigned)endpoint / VERSIONS;
}

/* All at one push server, or two beside each other, between which a phone may move. */
unsigned origin_of(int endpoint)
{
    bool away = endpoint % VERSIONS >= VERSIONS / 2;
    return world.sequence->options & ONE_ORIGIN ? 0 : (endpoint_owner(endpoint) + away) % 2;
}

bool is_denied(int endpoint)
{
    return endpoint != NOWHERE && world.denied[origin_of(endpoint)];
}

/* Public ntfy gives a phone so many messages a day. */
bool has_budget(int endpoint)
{
    return !(world.sequence->options & NO_BUDGET) && origin_of(endpoint) == 0;
}

static const char path[] = "/up00secret";
enum { NUMBER_AT = 3 };

/* Often: without printf. */
static void write_number(char *text, int number)
{
    text[0] = (char)('0' + number / 10);
    text[1] = (char)('0' + number % 10);
}

void endpoint_write(char text[ENDPOINT_SIZE], int endpoint)
{
    static const char *const hosts[] = {"https://p0.example.org", "https://p1.example.org"};
    const char *host = has_budget(endpoint) ? "https://ntfy.sh" : hosts[origin_of(endpoint)];
    size_t length = strlen(host);
    memcpy(text, host, length);
    memcpy(text + length, path, sizeof path);
    write_number(text + length + NUMBER_AT, endpoint);
}

int endpoint_read(const char *text)
{
    const char *number = text + strlen(text) - strlen(path) + NUMBER_AT;
    return (number[0] - '0') * 10 + number[1] - '0';
}

void password_write(char text[PASSWORD_SIZE], unsigned account, int version)
{
    enum { ACCOUNT_AT = 6, VERSION_AT = 8 };
    static const char password[] = "secret0-00";
    memcpy(text, password, sizeof password);
    text[ACCOUNT_AT] = (char)('0' + account);
    write_number(text + VERSION_AT, version);
}

int password_read(const char *text)
{
    return (text[8] - '0') * 10 + text[9] - '0';
}

/* Life */

static char star[] = "*";
static char *allowed[ACCOUNTS];

void world_allow(void)
{
    size_t count = 0;
    bool any = false;
    for (unsigned i = 0; i < world.accounts; i++)
        any |= world.disallowed[i];
    if (!any)
        allowed[count++] = star;
    for (unsigned i = 0; any && i < world.accounts; i++)
        if (!world.disallowed[i])
            allowed[count++] = uuids[i];
    world.config.accounts_allowed = (struct strings){allowed, count};
}

static void configure(void)
{
    static const int64_t jitters_ms[] = {0, 0, 0, 0, 0, 700, 10 * SECOND, 4 * MINUTE};
    world.config =
        (struct config){.accounts_max = 1000,
                        .accounts_verdict_ms = 5 * SECOND,
                        .signal_reconnect_min_ms = 2 * SECOND,
                        .signal_reconnect_max_ms = 5 * MINUTE,
                        .signal_contested_min_ms = 10 * SECOND,
                        .signal_contested_max_ms = 30 * MINUTE,
                        .signal_reconnect_reset_ms = MINUTE,
                        .signal_proof_ms = MINUTE,
                        .signal_contested_end_ms = HOUR,
                        .signal_refused_confirm_ms = MINUTE,
                        .signal_refused_max_ms = HOUR,
                        .signal_refused_retry_ms = 24 * HOUR,
                        .signal_client_refused_min_ms = 5 * MINUTE,
                        .signal_client_refused_max_ms = HOUR,
                        .signal_fleet_window_ms = 10 * MINUTE,
                        .store_retry_ms = 5 * SECOND,
                        .push_hold_ms = 20 * SECOND,
                        .push_retry_min_ms = 2 * SECOND,
                        .push_retry_max_ms = 15 * MINUTE,
                        .push_suspect_after = 3,
                        .push_gone_after_ms = HOUR,
                        .push_gone_alike_ms = 24 * HOUR,
                        .push_floor_percent = 100,
                        .push_timeout_ms = 15 * SECOND,
                        .push_connect_timeout_ms = 5 * SECOND,
                        .push_breaker_failures = 5,
                        .push_breaker_open_ms = 30 * SECOND,
                        .push_breaker_max_ms = 15 * MINUTE,
                        .push_jitter_ms = jitters_ms[world.sequence->options >> JITTER_AT & 7],
                        .wake_interval_ms = SECOND,
                        .wake_own_messages = world.sequence->options & OWN_MESSAGES};
    world_allow();
}

void world_start_bridge(void)
{
    struct err err;
    struct bridge_parts parts = {.loop = &world.loop,
                                 .config = &world.config,
                                 .link_ops = &sim_messenger,
                                 .descriptors = world.links_most};
    parts.push = world.push = push_new(&world.loop, NULL, NULL, NULL, &world.config, &err);
    trace("the bridge starts");
    world.process_ms = world.now_ms;
    world.looked = sleep_clocks();
    guarantee_process_began();
    world.bridge = bridge_new(&parts, &err);
}

static void end_process(bool crashed)
{
    world.tearing_down = crashed;
    if (!crashed)
        remember_findings();
    bridge_free(world.bridge);
    push_free(world.push);
    world.bridge = NULL;
    messenger_process_ended();
    pushes_process_ended();
    world.ended_in_order = !crashed && disk_works_since_ms() != FOREVER;
    disk_process_ended(crashed);
    world.tearing_down = false;
}

void world_crash(void)
{
    trace("SIGKILL");
    end_process(true);
}

void world_restart(void)
{
    trace("the bridge is stopped");
    end_process(false);
}

void world_begin(const struct sequence *sequence)
{
    struct timers inside = world.loop.timers, outside = world.outside;
    inside.count = outside.count = 0; /* their heaps are kept */
    bool tracing = world.tracing;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        memset(&world.devices[i], 0, offsetof(struct device, messages));
        world.devices[i].phone_endpoint = endpoint_number(i, 0);
    }
    memset(&world.books, 0, sizeof world.books);
    memset(&world.endpoints, 0, sizeof world.endpoints);
    memset(&world.rows, 0, sizeof world.rows);
    memset(&world.disallowed, 0, sizeof world.disallowed);
    memset(&world.denied, 0, sizeof world.denied);
    world.ended_in_order = false;
    world.sequence = sequence;
    world.links_most = sequence->options >> ROOM_AT ? 0 : sequence->accounts;
    for (unsigned i = 0; i < PARTIES; i++)
        world.dice[i] = (sequence->seed + 1) * (2 * i + 0x632be59bd9b4e019U);
    world.tick = 1;
    world.now_ms = HOUR + dice(THE_LOOP, SECOND);
    world.unix_s = 1790000000;
    world.slept_ms = 0;
    world.clock_jumps = 0;
    world.loop.timers = inside;
    world.outside = outside;
    world.accounts = sequence->accounts;
    world.tearing_down = false;
    world.tracing = tracing;
    world.fleet_left = 0;
    world.broken = HOLDS;
    world.why[0] = '\0';
    world.bridge = NULL;
    configure();
    messenger_begin();
    pushes_begin();
    disk_begin();
}

void world_end(void)
{
    world.tearing_down = true;
    if (world.bridge)
        bridge_free(world.bridge);
    push_free(world.push);
    world.bridge = NULL;
    messenger_process_ended();
    pushes_process_ended();
    disk_process_ended(true);
    world.tearing_down = false;
}
