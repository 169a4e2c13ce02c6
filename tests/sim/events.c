/* What happens to the world: drawn from a seed, told in words, played. */
#include "sim.h"

#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include <string.h>

enum kind {
    MESSAGE,
    CHAT,
    CONNECTION_ENDS,
    CONNECT_FAULT,
    FLEET_FAULT,
    CONTENTION,
    ENDPOINT_BREAKS,
    ORIGIN_BREAKS,
    ENDPOINT_HEALS,
    DISK,
    CRASH,
    RESTART,
    REGISTER,
    SHARE,
    KEYS,
    MOVE,
    DENY,
    PING,
    OPERATOR_ADD,
    REMOVE,
    CONFIGURE,
    CLOCK,
    SUSPEND,
    UNLINK,
    NOTHING,
    KINDS,
};

static const uint8_t weights[KINDS] = {
    [MESSAGE] = 60,
    [CHAT] = 5,
    [CONNECTION_ENDS] = 12,
    [CONNECT_FAULT] = 8,
    [FLEET_FAULT] = 4,
    [CONTENTION] = 4,
    [ENDPOINT_BREAKS] = 20,
    [ORIGIN_BREAKS] = 6,
    [ENDPOINT_HEALS] = 6,
    [DISK] = 8,
    [CRASH] = 12,
    [RESTART] = 3,
    [REGISTER] = 14,
    [SHARE] = 5,
    [KEYS] = 6,
    [MOVE] = 4,
    [DENY] = 4,
    [PING] = 3,
    [OPERATOR_ADD] = 3,
    [REMOVE] = 1,
    [CONFIGURE] = 5,
    [CLOCK] = 2,
    [SUSPEND] = 6,
    [UNLINK] = 2,
    [NOTHING] = 10,
};

/* Dice of the generator's own */

static uint64_t draw_state;

static uint32_t draw(uint32_t sides)
{
    uint64_t z = draw_state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return (uint32_t)((z >> 32) * sides >> 32);
}

static int64_t draw_wait_ms(void)
{
    uint32_t class = draw(20);
    if (class < 5)
        return 0;
    if (class < 9)
        return draw(60);
    if (class < 14)
        return draw(3 * SECOND);
    if (class < 17)
        return draw(90 * SECOND);
    if (class < 19)
        return draw(25 * MINUTE);
    return draw(4 * HOUR);
}

/* Each sequence has its own few kinds of events, so that each meets every other in peace. */
static uint8_t draw_kind(const uint8_t *table, unsigned total)
{
    uint32_t at = draw(total);
    uint8_t kind = 0;
    while (at >= table[kind])
        at -= table[kind++];
    return kind;
}

void sequence_make(struct sequence *sequence, uint64_t seed)
{
    uint8_t table[KINDS];
    unsigned total = 0;
    draw_state = seed * 0x2545f4914f6cdd1dU + 1;
    sequence->seed = seed;
    sequence->accounts = 1 + draw(ACCOUNTS);
    sequence->options = draw(1U << 30) | draw(4) << ROOM_AT;
    sequence->count = 10 + draw(EVENTS - 20);
    uint32_t mask = draw(1U << KINDS) | draw(1U << KINDS);
    for (unsigned i = 0; i < KINDS; i++)
        total += table[i] = i == MESSAGE || mask >> i & 1 ? weights[i] : 0;
    for (unsigned i = 0; i < sequence->count; i++)
        sequence->events[i] = (struct event){.kind = draw_kind(table, total),
                                             .who = (uint8_t)draw(ACCOUNTS),
                                             .what = (uint8_t)draw(256),
                                             .much = (uint8_t)draw(256),
                                             .wait_ms = draw_wait_ms()};
}

/* Choices of an event */

static enum link_reason end_reason(const struct event *event)
{
    static const enum link_reason reasons[] = {
        LINK_LOST,         LINK_LOST,      LINK_CLOSED,  LINK_SERVER_TROUBLE,
        LINK_RATE_LIMITED, LINK_CONTESTED, LINK_REVOKED, LINK_PROTOCOL};
    return reasons[event->what % 8];
}

static enum link_reason fault_reason(const struct event *event)
{
    static const enum link_reason reasons[] = {
        LINK_UNREACHABLE,    LINK_UNAUTHORIZED,  LINK_UNAUTHORIZED,
        LINK_MIDDLEBOX,      LINK_RATE_LIMITED,  LINK_SERVER_TROUBLE,
        LINK_CLIENT_REFUSED, LINK_MISCONFIGURED, LINK_SILENT};
    return reasons[event->what % 9];
}

static enum link_reason fleet_reason(const struct event *event)
{
    static const enum link_reason reasons[] = {LINK_UNREACHABLE, LINK_UNAUTHORIZED,
                                               LINK_UNAUTHORIZED, LINK_SERVER_TROUBLE};
    return reasons[event->what % 4];
}

static int64_t retry_after_ms(const struct event *event, enum link_reason reason)
{
    return reason == LINK_RATE_LIMITED ? (1 + event->much) * 3 * SECOND : 0;
}

static unsigned answer_of(const struct event *event)
{
    return 1 + event->what % (pushes_answer_count() - 1);
}

static struct behaviour behaviour_of(const struct event *event)
{
    return (struct behaviour){
        .answer = (uint8_t)answer_of(event), .delay = event->much % 5, .left = event->much / 5 % 8};
}

/* A push server that has lost its memory, while something waits for everybody. */
static bool is_forgetful(const struct event *event)
{
    return event->kind == ORIGIN_BREAKS && event->much >= 216;
}

static bool spares(const struct event *event)
{
    return event->what >= 128;
}

static unsigned message_count(const struct event *event)
{
    return event->much < 200 ? 1 : event->much < 255 ? 2U + event->much % 15U : 300;
}

/* How often whoever writes has more to say: where there is a budget, sometimes until it is spent.
 */
static unsigned reply_count(const struct sequence *sequence, const struct event *event)
{
    bool long_one = event->much >= 192 && !(sequence->options & NO_BUDGET);
    return long_one ? (event->much - 191U) * 6 : 1 + event->much % 12U;
}

static bool is_urgent(const struct event *event)
{
    return event->what % 8 != 0;
}

static bool is_own(const struct event *event)
{
    return event->what % 8 == 1;
}

enum { REGISTRATIONS_MOST = 9 };
enum registering { NEW_ENDPOINT = 1, NEW_PASSWORD = 2, WITH_PING = 4, WRONG_PASSWORD = 8 };

static unsigned registering(const struct event *event)
{
    unsigned what = event->what & (NEW_ENDPOINT | WITH_PING);
    if ((event->what >> 3) % 4 == 0)
        what |= NEW_PASSWORD;
    else if ((event->what >> 3) % 8 == 1)
        what |= WRONG_PASSWORD;
    return what;
}

/* To the endpoint before, after another one in between. */
static bool comes_back(const struct event *event)
{
    return event->what & NEW_ENDPOINT && event->much >= 180 && event->much < 240;
}

/* Somebody cannot wait. */
static unsigned registration_count(const struct event *event)
{
    return event->much < 240 ? 1 : REGISTRATIONS_MOST;
}

static int64_t downtime_ms(const struct event *event)
{
    return event->much < 128 ? event->much * 20 : (event->much - 128) * MINUTE;
}

static int64_t asleep_ms(const struct event *event)
{
    return event->much < 48 ? event->much * SECOND : (event->much - 47) * MINUTE;
}

/* Whose endpoint it takes over. */
static unsigned sharer_of(const struct sequence *sequence, const struct event *event)
{
    unsigned others = sequence->accounts - 1;
    return others
               ? (event->who % sequence->accounts + 1 + event->much % others) % sequence->accounts
               : 0;
}

static bool asks_for_test(const struct event *event)
{
    return event->what % 4 == 1;
}

/* Its push server does not know it any more, and somebody finds out before the app does. */
static bool is_lost_before(const struct event *event)
{
    return event->much >= 160;
}

static bool is_by_operator(const struct event *event)
{
    return event->what % 4 == 0;
}

static int days(const struct event *event)
{
    return event->what % 2 ? 1 : -1;
}

/* Words */

static void time_text(char *text, size_t size, int64_t ms)
{
    if (ms < 10 * SECOND)
        snprintf(text, size, "%lld ms", (long long)ms);
    else if (ms < 10 * MINUTE)
        snprintf(text, size, "%lld s", (long long)ms / SECOND);
    else
        snprintf(text, size, "%lld min", (long long)ms / MINUTE);
}

static void what_text(const struct sequence *sequence, const struct event *event, char *text,
                      size_t size)
{
    static const char *const disks[] = {"works", "fails", "fails in part", "is slow"};
    unsigned who = event->who % sequence->accounts, how = registering(event);
    struct behaviour behaviour = behaviour_of(event);
    switch ((enum kind)event->kind) {
    case MESSAGE:
        snprintf(text, size, "%u %s message(s) for account %u", message_count(event),
                 is_own(event)      ? "own"
                 : is_urgent(event) ? "urgent"
                                    : "quiet",
                 who);
        break;
    case CHAT:
        snprintf(text, size, "an urgent message for account %u, and one after each of %u rings",
                 who, reply_count(sequence, event));
        break;
    case CONNECTION_ENDS:
        snprintf(text, size, "the connection of account %u ends: %s (%lld ms)", who,
                 link_reason_name(end_reason(event)),
                 (long long)retry_after_ms(event, end_reason(event)));
        break;
    case CONNECT_FAULT:
        snprintf(text, size, "account %u is cut off; its next %u connections: %s", who,
                 1 + event->much % 6U, link_reason_name(fault_reason(event)));
        break;
    case FLEET_FAULT:
        snprintf(text, size, "everybody is cut off; the next %u connections: %s",
                 1 + event->much % 16U, link_reason_name(fleet_reason(event)));
        break;
    case CONTENTION:
        snprintf(text, size, "somebody else takes the place of account %u, %u times", who,
                 1 + event->much % 5U);
        break;
    case ENDPOINT_BREAKS:
    case ORIGIN_BREAKS:
        if (is_forgetful(event)) {
            snprintf(text, size, "every endpoint answers 404, and everybody has a message");
            break;
        }
        snprintf(text, size, "%s %u answers %s (%s), speed %u",
                 event->kind == ENDPOINT_BREAKS ? "the endpoint of phone"
                 : spares(event)                ? "every endpoint except that of phone"
                                                : "every endpoint, like that of phone",
                 who, pushes_answer_text(behaviour.answer),
                 behaviour.left ? "a few times" : "until told otherwise", behaviour.delay);
        break;
    case ENDPOINT_HEALS:
        snprintf(text, size, "the endpoint of phone %u accepts", who);
        break;
    case DISK:
        snprintf(text, size, "the disk %s, for ten minutes at most", disks[event->what % 4]);
        break;
    case CRASH:
    case RESTART:
        snprintf(text, size, "%s, %lld ms of nothing, a new start",
                 event->kind == CRASH ? "SIGKILL" : "a stop", (long long)downtime_ms(event));
        break;
    case REGISTER:
        snprintf(text, size, "the phone of account %u registers%s%s%s%s", who,
                 registration_count(event) > 1 ? " every 2 s, 9 times," : "",
                 comes_back(event)    ? " a new endpoint, and the former one,"
                 : how & NEW_ENDPOINT ? " a new endpoint"
                                      : "",
                 how & NEW_PASSWORD     ? " with a new password"
                 : how & WRONG_PASSWORD ? " with a wrong password"
                                        : "",
                 how & WITH_PING ? " and asks for a test" : "");
        break;
    case SHARE:
        snprintf(text, size, "the %s of account %u registers what account %u has for an endpoint",
                 is_by_operator(event) ? "operator" : "phone", who, sharer_of(sequence, event));
        break;
    case KEYS:
        snprintf(text, size, "%sthe phone of account %u subscribes anew at the same URL%s",
                 is_lost_before(event) ? "the endpoint is lost, the operator pings, and " : "", who,
                 asks_for_test(event) ? " and asks for a test" : "");
        break;
    case MOVE:
        snprintf(text, size, "the phone of account %u moves to another push server%s", who,
                 asks_for_test(event) ? " and asks for a test" : "");
        break;
    case DENY:
        snprintf(text, size, "the settings forbid push server %u, or allow it again",
                 event->what % 2U);
        break;
    case PING:
        snprintf(text, size, "the operator pings account %u", who);
        break;
    case OPERATOR_ADD:
        snprintf(text, size, "the operator enters account %u%s", who,
                 event->what % 2 ? " with a new endpoint" : "");
        break;
    case REMOVE:
        snprintf(text, size, "the operator removes account %u", who);
        break;
    case CONFIGURE:
        snprintf(text, size, "accounts.allowed: account %u is taken out or in", who);
        break;
    case CLOCK:
        snprintf(text, size, "the clock jumps by %d day", days(event));
        break;
    case SUSPEND:
        snprintf(text, size, "the machine sleeps for %lld s", (long long)asleep_ms(event) / SECOND);
        break;
    case UNLINK:
        snprintf(text, size, "the device of account %u is unlinked", who);
        break;
    default:
        snprintf(text, size, "nothing");
    }
}

void event_text(const struct sequence *sequence, const struct event *event, char *text, size_t size)
{
    char when[32], what[160];
    time_text(when, sizeof when, event->wait_ms);
    what_text(sequence, event, what, sizeof what);
    snprintf(text, size, "after %s: %s", when, what);
}

/* Registrations */

enum {
    ASKED_MOST = EVENTS * REGISTRATIONS_MOST + ACCOUNTS,
    USERS_MOST = 3, /* of one endpoint (settled.md) */
};

static struct asked {
    int64_t asked_ms;
    unsigned account;
    int endpoint, keys, password;
    bool new_endpoint; /* it had another one, or none */
    bool answered;
} asked[ASKED_MOST];
static unsigned asked_count, newest_of[ACCOUNTS];
static bool operator_shares; /* who may let any number of accounts have one endpoint */

static unsigned count_users(int endpoint)
{
    unsigned count = 0;
    for (unsigned i = 0; i < world.accounts; i++) {
        const struct account *account = account_at(i);
        count += account && endpoint_of(account) == endpoint;
    }
    return count;
}

/* Whoever is told that all is well relies on us from then on. */
static void check_told(unsigned number, enum registration_status status)
{
    const struct asked *ask = &asked[number];
    const struct disk_row *row = &world.rows[ask->account];
    if (status != REGISTRATION_OK || newest_of[ask->account] != number)
        return;
    if (!row->there || row->endpoint != ask->endpoint || row->keys != ask->keys ||
        row->password != ask->password)
        broke(ANSWERS, "account %u: was told ok, and the disk does not have it", ask->account);
    if (!operator_shares && ask->new_endpoint && count_users(ask->endpoint) > USERS_MOST)
        broke(ANSWERS, "account %u: was told ok, and it is one too many at its endpoint",
              ask->account);
}

static void on_status(void *arg, enum registration_status status, const struct err *err)
{
    struct asked *ask = arg;
    if (world.tearing_down)
        return;
    trace("account %u: the phone is told: %s (%s)", ask->account, registration_status_word(status),
          err->text);
    if (ask->answered)
        broke(ANSWERS, "account %u: a registration is answered twice", ask->account);
    if (world.now_ms > ask->asked_ms + world.config.accounts_verdict_ms)
        broke(ANSWERS, "account %u: a registration waits too long", ask->account);
    ask->answered = true;
    check_told((unsigned)(ask - asked), status);
}

static int endpoint_at(unsigned i)
{
    const struct account *account = account_at(i);
    return account ? endpoint_of(account) : -1;
}

/* The phone's own, which say whose it is (pushes.c). */
static void write_keys(char *p256dh, char *auth, unsigned i)
{
    const uint8_t key[STORE_PUSH_KEY_SIZE] = {(uint8_t)i, (uint8_t)world.devices[i].phone_keys};
    b64url_encode(p256dh, key, STORE_PUSH_KEY_SIZE);
    b64url_encode(auth, key, STORE_PUSH_AUTH_SIZE);
}

/* The bridge has it at once, its row perhaps only after the one that is being written. */
static void note_endpoint(unsigned i)
{
    const struct account *account = account_at(i);
    if (account)
        use_endpoint(i, endpoint_of(account), account->endpoint.keys->p256dh[KEY_VERSION]);
}

/* It retries at once what is owed (settled.md "test pushes"). */
void registration_hurries(unsigned i, int endpoint)
{
    world.endpoints[endpoint].soft_ms = 0;
    world.books[i].retry_ms = 0;
}

static void send_registration(unsigned i, int password_version, bool ping, bool by_operator)
{
    char endpoint[ENDPOINT_SIZE], password[PASSWORD_SIZE];
    char p256dh[B64_TEXT_SIZE(STORE_PUSH_KEY_SIZE)], auth[B64_TEXT_SIZE(STORE_PUSH_AUTH_SIZE)];
    struct device *device = &world.devices[i];
    struct book *book = &world.books[i];
    struct asked *ask = &asked[asked_count];
    *ask = (struct asked){.asked_ms = world.now_ms,
                          .account = i,
                          .endpoint = device->phone_endpoint,
                          .keys = device->phone_keys,
                          .password = password_version,
                          .new_endpoint = endpoint_at(i) != device->phone_endpoint};
    newest_of[i] = asked_count++;
    endpoint_write(endpoint, device->phone_endpoint);
    password_write(password, i, password_version);
    write_keys(p256dh, auth, i);
    struct registration registration = {.uuid = uuid_of_account(i),
                                        .device = device_number(i),
                                        .password = password,
                                        .endpoint = endpoint,
                                        .p256dh = p256dh,
                                        .auth = auth,
                                        .ping = ping,
                                        .by_operator = by_operator};
    if (ping)
        registration_hurries(i, device->phone_endpoint);
    int before = endpoint_at(i);
    unsigned rings = book->rings;
    bool free = !pushes_are_held_up(device->phone_endpoint, false) &&
                !is_shared(device->phone_endpoint, i) && !is_still_bound(device->phone_endpoint) &&
                world.now_ms >= book->noted_ms + world.config.push_jitter_ms;
    bridge_register(world.bridge, &registration, on_status, ask);
    note_endpoint(i);
    bool replaced = before >= 0 && endpoint_at(i) != before && free;
    counters[COUNT_REPLACED] += replaced && is_owed(i);
    if (replaced && is_owed(i) && book->rings == rings)
        broke(SILENCE, "account %u: its endpoint was replaced, and what it is owed is not rung", i);
}

void phone_gets_endpoint(unsigned i)
{
    struct device *device = &world.devices[i];
    device->own_version = (device->own_version + 1) % VERSIONS;
    device->phone_endpoint = endpoint_number(i, device->own_version);
}

void phone_registers(unsigned i, bool ping)
{
    send_registration(i, world.devices[i].phone_password, ping, false);
}

void check_answers_given(void)
{
    for (unsigned i = 0; i < asked_count; i++)
        if (!asked[i].answered)
            broke(ANSWERS, "account %u: a registration was never answered", asked[i].account);
}

/* Those who asked a process that was killed hear nothing. */
static void forget_askers(void)
{
    for (unsigned i = 0; i < asked_count; i++)
        asked[i].answered = true;
}

/* Play */

static bool is_disabled(unsigned i)
{
    const struct account *account = account_at(i);
    return account && account->state == ACCOUNT_DISABLED;
}

void reload(void)
{
    for (unsigned i = 0; i < world.accounts; i++)
        if (world.disallowed[i])
            distance_obstacle(i);
        else if (is_disabled(i))
            messenger_allowed_again(i);
    world_allow();
    struct err err;
    for (unsigned i = 0; i < world.accounts; i++)
        if (!is_denied(world.books[i].in_use))
            world.books[i].retry_ms = 0; /* by our own back-off alone */
    push_reload(world.push, NULL, &world.config, &err);
    bridge_reload(world.bridge, &world.config, NULL);
}

static void play_fault(unsigned who, const struct event *event)
{
    struct device *device = &world.devices[who];
    device->fault = fault_reason(event);
    device->fault_left = 1 + event->much % 6U;
    device->fault_retry_after_ms = retry_after_ms(event, device->fault);
    messenger_drop(who, LINK_LOST, 0);
}

static void drop_all(enum link_reason reason)
{
    for (unsigned i = 0; i < world.accounts; i++)
        messenger_drop(i, reason, 0);
}

static void register_in_between(unsigned who)
{
    int former = world.devices[who].phone_endpoint;
    phone_gets_endpoint(who);
    phone_registers(who, false);
    world.devices[who].phone_endpoint = former;
}

static void play_register(unsigned who, const struct event *event)
{
    struct device *device = &world.devices[who];
    unsigned how = registering(event);
    if (comes_back(event))
        register_in_between(who);
    else if (how & NEW_ENDPOINT)
        phone_gets_endpoint(who);
    if (how & NEW_PASSWORD) {
        device->password = device->phone_password = (device->password + 1) % VERSIONS;
        device->dead = false;
    }
    int password =
        how & WRONG_PASSWORD ? (device->password + 7) % VERSIONS : device->phone_password;
    for (unsigned i = registration_count(event); i && !world.broken; i--) {
        send_registration(who, password, how & WITH_PING, false);
        if (i > 1)
            world_pass(2 * SECOND);
    }
}

static void on_pinged(void *arg, const struct verdict *verdict)
{
    (void)arg;
    (void)verdict;
}

static void play_ping(unsigned who)
{
    unsigned expected;
    struct err err;
    for (unsigned i = 0; i < world.accounts; i++)
        if (strcmp(uuid_of_account(i), uuid_of_account(who)) == 0 && account_at(i))
            pushes_ping(i);
    bridge_ping(world.bridge, uuid_of_account(who), on_pinged, NULL, &expected, &err);
}

static void play_configure(unsigned who)
{
    bool disallow = !world.disallowed[who];
    world.disallowed[who] = disallow;
    if (world.accounts == ACCOUNTS && (who == 0 || who == ACCOUNTS - 1))
        world.disallowed[0] = world.disallowed[ACCOUNTS - 1] = disallow;
    reload();
}

static void play_end(const struct event *event)
{
    counters[COUNT_CRASHES] += event->kind == CRASH;
    if (event->kind == CRASH)
        world_crash();
    else
        world_restart();
    forget_askers();
    world_pass(downtime_ms(event));
    world_start_bridge();
}

/* A person's word ends what the endpoint said, unless it said it to other accounts, too. */
static void operator_enters(unsigned who)
{
    struct book *book = &world.books[who];
    int endpoint = world.devices[who].phone_endpoint;
    if (is_denied(endpoint))
        return;
    if (!is_shared(endpoint, who))
        world.endpoints[endpoint] = (struct endpoint_book){0};
    book->last_ring_ms = INT64_MIN / 2;
    book->tests_full_ms = book->retry_ms = 0;
    if (book->in_use == endpoint)
        distance_new_endpoint(who);
    operator_shares |= count_users(endpoint) >= USERS_MOST;
    send_registration(who, world.devices[who].phone_password, false, true);
    const struct account *account = account_at(who);
    book->gave_up_link = account && account->state == ACCOUNT_REFUSED;
}

static void play_add(unsigned who, const struct event *event)
{
    if (world.disallowed[who])
        return;
    if (event->what % 2)
        phone_gets_endpoint(who);
    operator_enters(who);
}

static void play_share(unsigned who, const struct event *event)
{
    unsigned other = sharer_of(world.sequence, event);
    world.devices[who].phone_endpoint = world.devices[other].phone_endpoint;
    if (!is_by_operator(event)) {
        phone_registers(who, event->what % 4 == 1);
        return;
    }
    if (!world.disallowed[who])
        operator_enters(who);
}

static void play_keys(unsigned who, const struct event *event)
{
    enum { FOUND_OUT_MS = 20 * SECOND };
    struct device *device = &world.devices[who];
    if (is_lost_before(event)) {
        pushes_set_gone(device->phone_endpoint, true);
        play_ping(who);
        world_pass(FOUND_OUT_MS);
    }
    device->phone_keys = (device->phone_keys + 1) % VERSIONS;
    phone_registers(who, asks_for_test(event));
}

static void play_forgetful(void)
{
    enum { UNKNOWN = 1 };
    for (unsigned i = 0; i < world.accounts; i++) {
        pushes_behave(i, (struct behaviour){.answer = UNKNOWN});
        messenger_message(i, true, false, 1);
    }
}

static void play_move(unsigned who, const struct event *event)
{
    struct device *device = &world.devices[who];
    device->own_version = (device->own_version + VERSIONS / 2) % VERSIONS;
    phone_gets_endpoint(who);
    phone_registers(who, asks_for_test(event));
}

/* What is tried meanwhile fails, whatever its endpoint says. */
static void note_denied(unsigned origin)
{
    for (int i = 0; i < ENDPOINTS; i++)
        if (origin_of(i) == origin && !world.endpoints[i].failures)
            world.endpoints[i].failures = 1;
    for (unsigned i = 0; i < world.accounts; i++)
        counters[COUNT_DENIED] += origin_of(world.books[i].in_use) == origin && is_owed(i);
    distance_obstacles(origin);
}

static void play_deny(const struct event *event)
{
    unsigned origin = event->what % 2;
    world.denied[origin] = !world.denied[origin];
    if (world.denied[origin])
        note_denied(origin);
    reload();
}

static void play_chat(unsigned who, const struct event *event)
{
    world.devices[who].replies = reply_count(world.sequence, event);
    messenger_message(who, true, false, 1);
}

static void play(const struct event *event)
{
    struct err err;
    unsigned who = event->who % world.accounts;
    struct device *device = &world.devices[who];
    switch ((enum kind)event->kind) {
    case MESSAGE:
        messenger_message(who, is_urgent(event), is_own(event), message_count(event));
        break;
    case CHAT:
        play_chat(who, event);
        break;
    case CONNECTION_ENDS:
        messenger_drop(who, end_reason(event), retry_after_ms(event, end_reason(event)));
        break;
    case CONNECT_FAULT:
        play_fault(who, event);
        break;
    case FLEET_FAULT:
        world.fleet_fault = fleet_reason(event);
        world.fleet_left = 1 + event->much % 16U;
        drop_all(LINK_LOST);
        break;
    case CONTENTION:
        device->contentions = event->much % 5U;
        messenger_drop(who, LINK_CONTESTED, 0);
        break;
    case ENDPOINT_BREAKS:
        pushes_behave(who, behaviour_of(event));
        break;
    case ORIGIN_BREAKS:
        if (is_forgetful(event)) {
            play_forgetful();
            break;
        }
        for (unsigned i = 0; i < world.accounts; i++)
            if (!spares(event) || i != who)
                pushes_behave(i, behaviour_of(event));
        break;
    case ENDPOINT_HEALS:
        pushes_behave(who, (struct behaviour){0});
        break;
    case DISK:
        disk_behave(event->what % 4);
        break;
    case CRASH:
    case RESTART:
        play_end(event);
        break;
    case REGISTER:
        play_register(who, event);
        break;
    case SHARE:
        play_share(who, event);
        break;
    case KEYS:
        play_keys(who, event);
        break;
    case MOVE:
        play_move(who, event);
        break;
    case DENY:
        play_deny(event);
        break;
    case PING:
        play_ping(who);
        break;
    case OPERATOR_ADD:
        play_add(who, event);
        break;
    case REMOVE:
        newest_of[who] = ASKED_MOST;
        bridge_remove(world.bridge, uuid_of_account(who), NULL, NULL, &err);
        break;
    case CONFIGURE:
        play_configure(who);
        break;
    case CLOCK:
        world.unix_s += days(event) * 24 * 3600;
        world.clock_jumps++;
        sleep_look();
        break;
    case SUSPEND:
        sleep_for(asleep_ms(event));
        break;
    case UNLINK:
        device->dead = true;
        messenger_drop(who, LINK_REVOKED, 0);
        break;
    default:
        break;
    }
}

/* Most have budget left; of some a day's is spent, or nearly. */
static void spend_some(struct disk_row *row)
{
    static const uint32_t spent[] = {0, 0, 0, 7, 90, 180, 240, 300};
    row->spent = spent[dice(THE_DISK, sizeof spent / sizeof *spent)];
    if (!row->spent)
        return;
    row->spent_day = (uint32_t)(clock_unix() / (24 * 3600));
    distance_spent(&row->distance, row->spent);
}

/* What is on disk when the first process starts: three of four accounts, most of them with an
 * endpoint that works, half of them with a ring owed. */
static void prepare(const struct sequence *sequence)
{
    for (unsigned i = 0; i < sequence->accounts; i++) {
        uint32_t bits = sequence->options >> (ACCOUNTS_AT + ACCOUNT_BITS * i);
        if (sequence->options & SHARING && i < USERS_MOST)
            world.devices[i].phone_endpoint = endpoint_number(0, 0);
        if (bits % 4 == 0)
            continue;
        world.rows[i] = (struct disk_row){.there = true,
                                          .endpoint = world.devices[i].phone_endpoint,
                                          .proven = bits / 4 % 4 > 0,
                                          .registered = clock_unix()};
        spend_some(&world.rows[i]);
        if (bits / 16 % 2)
            continue;
        world.rows[i].owed = clock_unix();
        world.books[i].acked = ++world.tick;
    }
}

enum invariant sequence_play(const struct sequence *sequence)
{
    world_begin(sequence);
    asked_count = 0;
    operator_shares = false;
    prepare(sequence);
    world_start_bridge();
    for (unsigned i = 0; i < sequence->count && !world.broken; i++) {
        char text[256];
        world_pass(sequence->events[i].wait_ms);
        check_findings();
        if (world.broken)
            break;
        if (world.tracing) {
            event_text(sequence, &sequence->events[i], text, sizeof text);
            trace("* %s", text);
        }
        play(&sequence->events[i]);
        check_states();
    }
    if (!world.broken)
        guarantee_settle();
    counters[COUNT_SEQUENCES]++;
    counters[COUNT_EVENTS] += sequence->count;
    enum invariant broken = world.broken;
    world_end();
    return broken;
}
