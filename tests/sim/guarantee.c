/* The guarantee, written down so that it can be executed. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* Of tests one more than the bucket has: it may have taken its token long before it left. */
enum {
    TESTS_BURST = 5 + 1,
    TESTS_EVERY_MS = MINUTE,
    SLACK_MS = MINUTE,
    DEMANDED_MOST_MS = 7 * HOUR, /* by any answer, with what comes on top */
};

uint64_t counters[COUNTERS];

const char *invariant_text(enum invariant invariant)
{
    static const char *const texts[] = {
        [HOLDS] = "holds",
        [RECORD] = "I1 no waiting message without a record",
        [ACK] = "I2 no acknowledgement before record or acceptance",
        [SILENCE] = "I3 no endless silence",
        [STORM] = "I4 no storm",
        [FLOOR] = "I5 no request below an answer's floor",
        [APART] = "I6 one account's trouble is not another's",
        [GIVEN_UP] = "I7 nothing is given up early",
        [LINKS] = "I8 connections keep their distance",
        [ANSWERS] = "I9 registrations are answered once, in time, truly",
        [CRASHED] = "the program ended itself",
    };
    return texts[invariant];
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void broke(enum invariant invariant, const char *format, ...)
{
    if (world.broken)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(world.why, sizeof world.why, format, args);
    va_end(args);
    world.broken = invariant;
    trace("BROKEN: %s: %s", invariant_text(invariant), world.why);
}

/* I1 and I2 */

bool is_owed(unsigned account)
{
    const struct book *book = &world.books[account];
    return book->acked > book->covered;
}

void check_record(unsigned account, enum invariant invariant, const char *when)
{
    const struct disk_row *row = &world.rows[account];
    if (is_owed(account) && !(row->there && row->owed))
        broke(invariant, "account %u: %s, a message has neither a ring nor a debt on disk", account,
              when);
    else if (invariant == ACK)
        counters[COUNT_ACKED_BY_DEBT] += is_owed(account);
}

/* I4 and I5 */

static void check_test(unsigned account, struct book *book)
{
    if (book->tests_out)
        broke(STORM, "account %u: two tests in flight", account);
    if (book->tests_full_ms - (TESTS_BURST - 1) * TESTS_EVERY_MS > world.now_ms)
        broke(STORM, "account %u: more tests than its bucket has", account);
    if (book->tests_full_ms < world.now_ms)
        book->tests_full_ms = world.now_ms;
    book->tests_full_ms += TESTS_EVERY_MS;
}

static const char *floor_text(const struct endpoint_book *endpoint)
{
    return endpoint->answer ? pushes_answer_text(endpoint->answer) : "what failed before the start";
}

/* Perhaps: no longer than this. */
bool is_still_bound(int endpoint)
{
    return world.endpoints[endpoint].finite_latest_ms > world.now_ms;
}

bool another_rings(unsigned account)
{
    const struct book *book = &world.books[account];
    for (unsigned i = 0; i < world.accounts; i++)
        if (i != account && world.books[i].in_use == book->in_use && world.books[i].rings_out)
            return true;
    return false;
}

static void check_ring(unsigned account, struct book *book)
{
    const struct endpoint_book *endpoint = endpoint_book(account);
    if (endpoint->fails && another_rings(account))
        broke(STORM, "account %u: another ring is on its way to what fails already", account);
    if (book->rings_out)
        broke(STORM, "account %u: two rings in flight", account);
    if (world.now_ms < book->last_ring_ms + distance_least_ms(account))
        broke(STORM, "account %u: two rings within %lld ms", account,
              (long long)(world.now_ms - book->last_ring_ms));
    if (world.now_ms < endpoint->soft_ms || world.now_ms < book->retry_ms)
        broke(FLOOR, "account %u: a ring below the floor of %s", account, floor_text(endpoint));
    distance_check(account);
    book->last_ring_ms = world.now_ms;
    book->rings++;
    counters[COUNT_SHARED] += endpoint_owner(book->in_use) != account;
}

struct endpoint_book *endpoint_book(unsigned account)
{
    return &world.endpoints[world.books[account].in_use];
}

bool is_shared(int endpoint, unsigned account)
{
    for (unsigned i = 0; i < world.accounts; i++)
        if (i != account && world.books[i].in_use == endpoint)
            return true;
    return false;
}

static bool others_gave_up(int endpoint, unsigned account)
{
    for (unsigned i = 0; i < world.accounts; i++)
        if (i != account && world.books[i].in_use == endpoint && world.books[i].gave_up_endpoint)
            return true;
    return false;
}

/* What its push server said about how often it may be asked it said to us, whoever has it. */
static void keep_hard_floor(struct endpoint_book *book, int64_t latest_ms)
{
    *book = (struct endpoint_book){.hard_ms = book->finite_ms,
                                   .soft_ms = book->finite_ms,
                                   .soonest_ms = book->finite_ms,
                                   .doubled_ms = book->finite_ms,
                                   .finite_ms = book->finite_ms,
                                   .finite_latest_ms = book->finite_latest_ms,
                                   .hurried_ms = latest_ms,
                                   .latest_ms = latest_ms,
                                   .clock_jumps = book->clock_jumps,
                                   .failures = 1,
                                   .back = book->finite_ms <= world.now_ms};
}

/* The app has subscribed anew: its push server knows the URL again. */
void renew(int endpoint)
{
    enum { ONE_AFTER_THE_OTHER_MS = ACCOUNTS * 30 * SECOND };
    struct endpoint_book *book = &world.endpoints[endpoint];
    int64_t latest_ms = later(book->finite_latest_ms, world.now_ms) + ONE_AFTER_THE_OTHER_MS;
    counters[COUNT_RENEWED]++;
    trace("endpoint %d is there again", endpoint);
    keep_hard_floor(book, latest_ms);
    for (unsigned i = 0; i < world.accounts; i++)
        if (world.books[i].in_use == endpoint)
            world.books[i].retry_ms = 0;
}

static void use_keys(unsigned account, int keys)
{
    struct book *book = &world.books[account];
    bool others = keys != book->keys;
    book->keys = keys;
    if (!others || book->in_use == NOWHERE)
        return;
    pushes_renew(book->in_use);
    if (endpoint_book(account)->gone)
        renew(book->in_use);
}

/* Nobody used it until now, but somebody may have before. */
static void take_up(int endpoint)
{
    struct endpoint_book *book = &world.endpoints[endpoint];
    if (!is_still_bound(endpoint)) {
        *book = (struct endpoint_book){.failures = is_denied(endpoint)};
        return;
    }
    counters[COUNT_TAKEN_UP]++;
    keep_hard_floor(book, book->finite_latest_ms);
}

/* What nobody uses is forgotten, but for a floor that binds all; what others use is known. */
void use_endpoint(unsigned account, int endpoint, int keys)
{
    struct book *book = &world.books[account];
    if (book->in_use == endpoint) {
        use_keys(account, keys);
        return;
    }
    book->in_use = endpoint;
    book->keys = keys;
    book->gave_up_endpoint = others_gave_up(endpoint, account);
    if (!is_shared(endpoint, account))
        take_up(endpoint);
    book->retry_ms = 0;
    distance_new_endpoint(account);
    book->proven_ms = 0;
    book->last_ring_ms = INT64_MIN / 2;
}

void check_push(unsigned account, int endpoint, int keys, enum push_kind kind, bool by_operator)
{
    struct book *book = &world.books[account];
    if (is_denied(endpoint))
        broke(STORM, "account %u: a push to a server that the settings forbid", account);
    use_endpoint(account, endpoint, keys);
    if (by_operator) /* the operator may do as he likes */
        return;
    if (world.now_ms < endpoint_book(account)->hard_ms)
        broke(FLOOR, "account %u: a %s below the floor of %s", account,
              kind == PUSH_RING ? "ring" : "test or notice", floor_text(endpoint_book(account)));
    counters[COUNT_RINGS] += kind == PUSH_RING;
    if (kind == PUSH_RING)
        check_ring(account, book);
    else if (kind == PUSH_TEST)
        check_test(account, book);
    else if (++book->contested > book->may_contest)
        broke(STORM, "account %u: more than one notice of contention", account);
}

/* I7 for endpoints */

int endpoint_of(const struct account *account)
{
    return endpoint_read(account->endpoint.url);
}

/* An account before this one uses the same endpoint. */
static bool is_counted(unsigned account)
{
    for (unsigned i = 0; i < account; i++)
        if (world.books[i].in_use == world.books[account].in_use)
            return true;
    return false;
}

/* Two other endpoints of its push server are unknown alike, and none accepted since. */
static bool origin_is_at_fault(unsigned account)
{
    int self = world.books[account].in_use;
    unsigned unknown = 0;
    for (unsigned i = 0; i < world.accounts; i++) {
        int other = world.books[i].in_use;
        const struct endpoint_book *book = endpoint_book(i);
        const struct account *known = account_at(i);
        if (other == self || is_counted(i) || !known || endpoint_of(known) != other ||
            origin_of(other) != origin_of(self))
            continue;
        if (book->accepted_ms > world.endpoints[self].unknown_since_ms)
            return false;
        unknown += book->unknown_since_ms > 0;
    }
    return unknown >= 2;
}

/* Unless it is its push server's fault, an endpoint that was unknown for an hour is given up. One
 * answer more than is needed, because the first since a start may be one of before. */
void check_given_up(unsigned account)
{
    enum { UNKNOWN_SURELY = 3 + 1 };
    const struct endpoint_book *endpoint = endpoint_book(account);
    const struct account *known = account_at(account);
    if (!known || endpoint_of(known) != world.books[account].in_use ||
        endpoint->unknown_surely < UNKNOWN_SURELY ||
        endpoint->counted_ms - endpoint->unknown_since_ms < HOUR || origin_is_at_fault(account))
        return;
    if (known->endpoint.state != ENDPOINT_GONE)
        broke(GIVEN_UP, "account %u: its endpoint is not given up after %u answers 404", account,
              endpoint->unknown);
}

static void check_gone(unsigned account, const struct endpoint_book *endpoint)
{
    counters[COUNT_GONE]++;
    if (endpoint->gone)
        return;
    int64_t unknown_ms = world.now_ms - endpoint->unknown_since_ms;
    if (endpoint->unknown < 3 || unknown_ms < HOUR)
        broke(GIVEN_UP, "account %u: its endpoint is given up after %u answers 404", account,
              endpoint->unknown);
    else if (origin_is_at_fault(account) && unknown_ms < 24 * HOUR)
        broke(GIVEN_UP, "account %u: its endpoint is given up where all of its server are unknown",
              account);
}

struct account *account_at(unsigned account)
{
    struct account_key key;
    key_of_account(account, &key);
    return world.bridge ? registry_find(bridge_registry(world.bridge), &key) : NULL;
}

void check_states(void)
{
    for (unsigned i = 0; i < world.accounts; i++) {
        struct book *book = &world.books[i];
        const struct account *account = account_at(i);
        if (!account)
            continue;
        bool gone = account->endpoint.state == ENDPOINT_GONE;
        if (gone && !book->gave_up_endpoint)
            check_gone(i, endpoint_book(i));
        book->gave_up_endpoint = gone;
    }
}

static void check_finding(unsigned i, const struct disk_row *known)
{
    const struct disk_row *row = &world.rows[i];
    bool same = row->there && row->endpoint == known->endpoint && row->keys == known->keys &&
                row->proven == known->proven && row->state == known->state &&
                row->status == known->status && row->not_before == known->not_before &&
                row->retry == known->retry && row->floor == known->floor &&
                row->repeated == known->repeated;
    if (!same)
        broke(FLOOR, "account %u: what its endpoint said is not on disk", i);
}

static struct disk_row known_row(unsigned i)
{
    struct store_account row;
    if (!account_at(i))
        return (struct disk_row){0};
    registry_row(account_at(i), &row);
    return disk_row_of(&row);
}

/* What the bridge knows of an endpoint, and a disk that works for as long as the store is tried
 * again after has not, is lost with the process. */
void check_findings(void)
{
    enum { STORE_RETRY_MS = 6 * SECOND };
    if (world.now_ms - disk_works_since_ms() < STORE_RETRY_MS || disk_is_busy())
        return;
    for (unsigned i = 0; i < world.accounts; i++) {
        struct disk_row known = known_row(i);
        if (known.there)
            check_finding(i, &known);
    }
}

/* One that is stopped forgets nothing of it. */
static struct disk_row remembered[ACCOUNTS];

void remember_findings(void)
{
    for (unsigned i = 0; i < world.accounts; i++)
        remembered[i] = disk_loses_nothing() ? known_row(i) : (struct disk_row){0};
}

static void check_remembered(void)
{
    for (unsigned i = 0; i < world.accounts; i++)
        if (remembered[i].there)
            check_finding(i, &remembered[i]);
    memset(remembered, 0, sizeof remembered);
}

/* A process that is restarted often must not ring below every floor. */
static struct endpoint_book resumed(const struct disk_row *row)
{
    enum { ROUNDED_MS = SECOND }; /* the disk has seconds */
    int64_t least_ms = row->state == ENDPOINT_FAILING   ? MINUTE
                       : row->state == ENDPOINT_SUSPECT ? 11 * MINUTE
                                                        : 0;
    bool clock_holds = row->clock_jumps == world.clock_jumps;
    int64_t away_ms = clock_boot_ms() - world.now_ms, slowest_ms = world.now_ms + least_ms * 5 / 4;
    int64_t shift_ms = -away_ms - ROUNDED_MS, most_ms = world.now_ms + DEMANDED_MOST_MS;
    int64_t demanded_ms = clock_holds ? row->demanded_ms + shift_ms : 0;
    int64_t doubled_ms = clock_holds ? row->doubled_ms + shift_ms : 0;
    int64_t hard_ms = clock_holds ? row->hard_ms + shift_ms : 0;
    int64_t hurried_ms = clock_holds ? row->hurried_ms - away_ms + ROUNDED_MS : most_ms;
    int64_t latest_ms = clock_holds ? row->latest_ms - away_ms + ROUNDED_MS : most_ms;
    int64_t finite_ms = clock_holds ? row->finite_latest_ms - away_ms + ROUNDED_MS : most_ms;
    int64_t soonest_ms = later(world.now_ms + least_ms, demanded_ms);
    hard_ms = later(hard_ms, row->hard ? demanded_ms : 0);
    hurried_ms = later(slowest_ms, row->hurried_ms ? hurried_ms : 0);
    latest_ms = later(slowest_ms, row->latest_ms ? latest_ms : 0);
    return (struct endpoint_book){
        .hard_ms = hard_ms,
        .soft_ms = later(soonest_ms, doubled_ms),
        .soonest_ms = soonest_ms,
        .doubled_ms = doubled_ms,
        .finite_ms = hard_ms,
        .finite_latest_ms = later(slowest_ms, row->finite_latest_ms ? finite_ms : 0),
        .hurried_ms = hurried_ms,
        .latest_ms = later(latest_ms, hurried_ms),
        .answer = clock_holds ? row->answer : 0,
        .alike = clock_holds ? row->alike : 0,
        .counted_ms = row->counted_ms - away_ms + 2 * ROUNDED_MS,
        .rounded_ms = 2 * ROUNDED_MS,
        .told_ms = row->counted_ms - away_ms,
        .failures = (unsigned)later(row->failures, least_ms > 0),
        .fails = row->state != ENDPOINT_OK,
        .time_outs = pushes_is_silence(row->answer) ? row->time_outs : 0,
        .clock_jumps = row->clock_jumps,
    };
}

static struct endpoint_book resumed_or_gone(const struct disk_row *row)
{
    if (row->state != ENDPOINT_GONE)
        return resumed(row);
    struct endpoint_book past = resumed(row);
    return (struct endpoint_book){.hard_ms = FOREVER,
                                  .finite_ms = past.finite_ms,
                                  .finite_latest_ms = past.finite_latest_ms,
                                  .hurried_ms = FOREVER,
                                  .latest_ms = FOREVER,
                                  .gone = true};
}

/* Rows of one endpoint that are not written alike: what all of them say binds, what one says may.
 */
static void merge(struct endpoint_book *book, const struct endpoint_book *other)
{
    book->unsure |= book->hard_ms != other->hard_ms;
    book->hard_ms = earlier(book->hard_ms, other->hard_ms);
    book->soft_ms = earlier(book->soft_ms, other->soft_ms);
    book->soonest_ms = earlier(book->soonest_ms, other->soonest_ms);
    book->doubled_ms = earlier(book->doubled_ms, other->doubled_ms);
    book->finite_ms = earlier(book->finite_ms, other->finite_ms);
    book->finite_latest_ms = later(book->finite_latest_ms, other->finite_latest_ms);
    book->alike = book->answer == other->answer && other->alike < book->alike ? other->alike
                  : book->answer == other->answer                             ? book->alike
                                                                              : 0;
    if (!pushes_is_hard(other->answer))
        book->answer = other->answer;
    int64_t soonest_ms =
        earlier(book->counted_ms - book->rounded_ms, other->counted_ms - other->rounded_ms);
    book->counted_ms = later(book->counted_ms, other->counted_ms);
    book->rounded_ms = book->counted_ms - soonest_ms;
    book->time_outs = (unsigned)earlier(book->time_outs, other->time_outs);
    book->hurried_ms = later(book->hurried_ms, other->hurried_ms);
    book->latest_ms = later(book->latest_ms, other->latest_ms);
    book->failures = (unsigned)later(book->failures, other->failures);
    book->fails &= other->fails;
    book->gone |= other->gone;
}

static void resume_endpoints(void)
{
    memset(world.endpoints, 0, sizeof world.endpoints);
    for (unsigned i = 0; i < world.accounts; i++) {
        const struct disk_row *row = &world.rows[i];
        world.books[i].in_use = row->there ? row->endpoint : NOWHERE;
        world.books[i].keys = row->keys;
        if (row->there && row->state == ENDPOINT_GONE && pushes_was_gone(row->endpoint))
            pushes_set_gone(row->endpoint, true); /* that it came back was not written */
    }
    for (unsigned i = 0; i < world.accounts; i++) {
        if (world.books[i].in_use == NOWHERE)
            continue;
        struct endpoint_book book = resumed_or_gone(&world.rows[i]);
        if (is_counted(i))
            merge(endpoint_book(i), &book);
        else
            *endpoint_book(i) = book;
        if (is_denied(world.books[i].in_use) && !endpoint_book(i)->failures)
            endpoint_book(i)->failures = 1; /* what is tried fails */
    }
}

/* Memory begins anew with the process; the disk says what is owed. */
void guarantee_process_began(void)
{
    distance_check_written();
    check_remembered();
    resume_endpoints();
    for (unsigned i = 0; i < world.accounts; i++) {
        struct book *book = &world.books[i];
        const struct disk_row *row = &world.rows[i];
        book->gave_up_endpoint = row->there && row->state == ENDPOINT_GONE;
        book->gave_up_link = row->there && row->refused;
        book->last_ring_ms = INT64_MIN / 2;
        book->tests_full_ms = book->proven_ms = 0;
        memset(book->refused_ms, 0, sizeof book->refused_ms);
        book->heard = book->covered;
        book->retry_ms = 0;
        distance_resume(i);
        book->rings_out = book->tests_out = 0;
        check_record(i, RECORD, "after the end of the process");
    }
}

/* I3 */

static bool may_link(unsigned i, const struct account *account)
{
    const struct device *device = &world.devices[i];
    return !device->dead && password_read(account->password) == device->password;
}

static bool may_ring(const struct account *account)
{
    return !pushes_is_gone(endpoint_of(account));
}

/* Its own distance holds it up, and where its endpoint fails that of those that ring before it. */
static int64_t apart_until_ms(unsigned account)
{
    int64_t until_ms = world.books[account].last_ring_ms + distance_most_ms(account);
    for (unsigned i = 0; i < world.accounts; i++)
        if (world.books[i].in_use == world.books[account].in_use && endpoint_book(i)->failures)
            until_ms = later(until_ms, world.books[i].last_ring_ms + distance_most_ms(i));
    return until_ms;
}

/* By when all of it must be rung, as far as the answers so far allow; FOREVER: only once it has a
 * new endpoint. */
static int64_t due_ms(unsigned i, int64_t healed_ms)
{
    const struct account *account = account_at(i);
    if (!account)
        return healed_ms;
    if (!may_ring(account))
        return FOREVER;
    const struct book *book = &world.books[i];
    int endpoint = endpoint_of(account);
    int64_t due = later(healed_ms, book->noted_ms + world.config.push_jitter_ms);
    due = later(due, pushes_latest_ms(endpoint));
    if (book->in_use == endpoint)
        due = later(due, later(world.endpoints[endpoint].latest_ms, apart_until_ms(i)));
    if (may_link(i, account))
        due = later(due, messenger_latest_start_ms(i));
    return due == FOREVER ? due : due + SLACK_MS;
}

static void check_rung(unsigned i)
{
    const struct device *device = &world.devices[i];
    const struct account *account = account_at(i);
    if (world.broken || !account || !may_ring(account))
        return;
    counters[COUNT_SETTLED]++;
    if (is_owed(i))
        broke(SILENCE, "account %u: all works, and what it is owed is not rung", i);
    else if (may_link(i, account) && device->first < device->count)
        broke(SILENCE, "account %u: all works, and %u messages are not fetched", i,
              device->count - device->first);
    else if (account->owed_since_unix)
        broke(STORM, "account %u: all works, and what was rung is still called owed", i);
}

/* An answer that is under way moves what is due. */
static void wait_until_due(unsigned i, int64_t healed_ms)
{
    for (int round = 0; round < 16; round++) {
        int64_t due = due_ms(i, healed_ms);
        if (due == FOREVER || due <= world.now_ms)
            return;
        world_pass(due - world.now_ms);
    }
}

static void replace_endpoint(unsigned i)
{
    const struct account *account = account_at(i);
    if (world.broken || !account || may_ring(account) || !may_link(i, account) ||
        account->state == ACCOUNT_REFUSED)
        return;
    do
        phone_gets_endpoint(i);
    while (pushes_is_gone(world.devices[i].phone_endpoint));
    world.devices[i].phone_password = world.devices[i].password;
    phone_registers(i, false);
    wait_until_due(i, world.now_ms);
    check_rung(i);
}

/* A reload hurries what was refused: only where there is something to allow. */
static void allow_everything(void)
{
    bool forbids = world.denied[0] || world.denied[1];
    for (unsigned i = 0; i < world.accounts; i++)
        forbids |= world.disallowed[i];
    memset(world.disallowed, 0, sizeof world.disallowed);
    memset(world.denied, 0, sizeof world.denied);
    if (forbids)
        reload();
}

/* Everything works from now on: endpoints accept, the disk writes, the messenger is there. */
void guarantee_settle(void)
{
    trace("from now on all works");
    messenger_heal();
    pushes_heal();
    disk_behave(DISK_WORKS);
    allow_everything();
    int64_t healed_ms = world.now_ms;
    for (unsigned i = 0; i < world.accounts; i++) {
        wait_until_due(i, healed_ms);
        check_rung(i);
    }
    for (unsigned i = 0; i < world.accounts; i++)
        replace_endpoint(i);
    world_pass(MINUTE);
    check_findings();
    check_answers_given();
}
