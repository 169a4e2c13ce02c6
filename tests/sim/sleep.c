/* The machine sleeps: our clock and our timers stand still, everybody else's go on. When it is back
 * the program finds out by its clocks (base/absence.h) and does what app.c does. */
#include "sim.h"

#include "base/clock.h"

enum { PEERS_HANG_UP_MS = 30 * SECOND };

struct absence_clocks sleep_clocks(void)
{
    return (struct absence_clocks){
        .monotonic_ms = clock_ms(), .boot_ms = clock_boot_ms(), .wall_ms = clock_wall_ms()};
}

static bool owes(unsigned i)
{
    return is_owed(i) || world.books[i].heard > world.books[i].covered;
}

/* What is owed, and stands neither below an answer's floor nor too close to the ring before. */
static bool waits_in_vain(unsigned i)
{
    const struct book *book = &world.books[i];
    const struct account *account = account_at(i);
    int64_t apart_ms = distance_most_ms(i);
    if (!account || account->state == ACCOUNT_DISABLED || !owes(i) || book->rings_out)
        return false;
    if (endpoint_of(account) != book->in_use || is_denied(book->in_use))
        return false;
    return world.now_ms >= endpoint_book(i)->hurried_ms &&
           world.now_ms >= book->last_ring_ms + apart_ms &&
           world.now_ms >= book->answered_ms + apart_ms &&
           world.now_ms >= book->noted_ms + world.config.push_jitter_ms;
}

/* Where accounts share an endpoint, another one's ring may be in line in the place of this one's,
 * and what was there at the start need not know of it alike. */
static bool lines_up_as_proven(unsigned i)
{
    for (unsigned k = 0; k < world.accounts; k++) {
        const struct account *account = account_at(k);
        if (account && endpoint_of(account) == world.books[i].in_use && !account->endpoint.proven)
            return false;
    }
    return true;
}

static void check_tried(unsigned i)
{
    counters[COUNT_HURRIED]++;
    if (!world.books[i].rings_out && !another_rings(i) &&
        !pushes_are_tried(world.books[i].in_use, lines_up_as_proven(i)))
        broke(SILENCE, "account %u: the machine slept, and what it is owed is not tried", i);
}

/* Who waits because of failures tries as soon as the last answer alone allows. */
static void hurry(struct endpoint_book *endpoint)
{
    if (endpoint->soonest_ms < endpoint->soft_ms)
        endpoint->soft_ms = endpoint->soonest_ms;
}

/* Nor does the first message wait for what has doubled over tests of an endpoint that never
 * accepted a push. */
void hurry_first(unsigned account)
{
    const struct account *known = account_at(account);
    if (world.books[account].in_use == NOWHERE || owes(account) ||
        (known && known->endpoint.proven))
        return;
    world.books[account].retry_ms = 0;
    hurry(endpoint_book(account));
}

static void resume(int64_t slept_ms)
{
    bool waits[ACCOUNTS];
    trace("the machine was away");
    for (unsigned i = 0; i < world.accounts; i++) {
        waits[i] = waits_in_vain(i);
        world.books[i].retry_ms = 0;
    }
    for (int i = 0; i < ENDPOINTS; i++)
        hurry(&world.endpoints[i]);
    messenger_resumed(slept_ms);
    push_hurry(world.push);
    bridge_resumed(world.bridge, slept_ms);
    messenger_check_tested();
    for (unsigned i = 0; i < world.accounts; i++)
        if (waits[i])
            check_tried(i);
    world_pass(0);
    messenger_check_made();
}

void sleep_look(void)
{
    struct absence_clocks now = sleep_clocks();
    int64_t slept_ms;
    bool away = absence_between(&world.looked, &now, &slept_ms);
    world.looked = now;
    if (away)
        resume(slept_ms);
}

/* A floor is over when the clock of whoever demanded it says so. */
static void count_sleep(int64_t *floor_ms, int64_t slept_ms)
{
    if (*floor_ms != FOREVER)
        *floor_ms -= slept_ms;
}

void sleep_for(int64_t ms)
{
    world.slept_ms += ms;
    world.unix_s += ms / SECOND;
    for (int i = 0; i < ENDPOINTS; i++) {
        count_sleep(&world.endpoints[i].hard_ms, ms);
        count_sleep(&world.endpoints[i].soft_ms, ms);
        count_sleep(&world.endpoints[i].soonest_ms, ms);
        count_sleep(&world.endpoints[i].doubled_ms, ms);
        count_sleep(&world.endpoints[i].finite_ms, ms);
        count_sleep(&world.endpoints[i].told_ms, ms);
    }
    if (ms >= PEERS_HANG_UP_MS) {
        messenger_hangs_up();
        pushes_slept();
    }
    sleep_look();
}
