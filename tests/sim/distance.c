/* How far apart an account's rings must be and may be, and how long one may be put off, written
 * down a second time apart from src/wake: the interval, the daily budget of a phone at public ntfy
 * (settled.md "budget-aware spacing"), push.jitter. */
#include "sim.h"

#include "base/clock.h"

enum { INTERVAL_MS = SECOND, SPACED_MOST_MS = 5 * MINUTE, DAY_S = 24 * 3600 };

/* 250 pushes, each by this factor further apart, lead from a second to five minutes. */
#define GROWTH 1.0230774
#define TOLERANCE 0.07 /* the program rounds */

static struct distance *distance_of(unsigned account)
{
    return &world.books[account].distance;
}

static int64_t at_least(int64_t ms)
{
    return ms > INTERVAL_MS ? ms : INTERVAL_MS;
}

static int64_t at_most(const struct distance *distance)
{
    int64_t ms = (int64_t)(distance->spaced_ms * (1 + TOLERANCE));
    return ms < SPACED_MOST_MS ? ms : SPACED_MOST_MS;
}

void distance_begin(unsigned account)
{
    *distance_of(account) = (struct distance){0};
}

static int64_t today(void)
{
    return clock_unix() / DAY_S;
}

void distance_spent(struct distance *distance, unsigned pushes)
{
    *distance = (struct distance){.day = today(), .spaced_ms = INTERVAL_MS};
    for (; pushes && distance->spaced_ms < SPACED_MOST_MS; pushes--)
        distance->spaced_ms *= GROWTH;
    if (distance->spaced_ms > SPACED_MOST_MS)
        distance->spaced_ms = SPACED_MOST_MS;
}

static void take_budget(struct distance *to, const struct distance *from)
{
    to->day = from->day;
    to->spaced_ms = from->spaced_ms;
}

/* The phone stays the same one, and what it was sent today was sent; unless it is another one, of
 * whose budget others know. */
void distance_new_endpoint(unsigned account)
{
    struct distance *distance = distance_of(account);
    for (unsigned i = 0; i < world.accounts; i++)
        if (i != account && world.books[i].in_use == world.books[account].in_use)
            take_budget(distance, distance_of(i));
    bool counts = has_budget(world.books[account].in_use);
    distance->most_ms = counts ? at_most(distance) : 0;
    distance->least_ms = distance->put_off_until_ms = 0;
}

static void grow(struct distance *distance)
{
    int64_t day = today();
    if (day != distance->day || distance->spaced_ms == 0)
        *distance = (struct distance){.day = day,
                                      .spaced_ms = INTERVAL_MS,
                                      .least_ms = distance->least_ms,
                                      .most_ms = distance->most_ms,
                                      .put_off_until_ms = distance->put_off_until_ms};
    distance->spaced_ms *= GROWTH;
    if (distance->spaced_ms > SPACED_MOST_MS)
        distance->spaced_ms = SPACED_MOST_MS;
}

/* A ring's distance to the next one is told by its answer; what others are told may come too late
 * to count for the ring before. */
static void move_apart(struct distance *distance, bool own)
{
    int64_t least_ms = (int64_t)(distance->spaced_ms * (1 - TOLERANCE));
    int64_t most_ms = at_most(distance);
    if (own || least_ms < distance->least_ms)
        distance->least_ms = least_ms;
    if (own || most_ms > distance->most_ms)
        distance->most_ms = most_ms;
}

static bool spent_more(const struct distance *a, const struct distance *b)
{
    return a->day == today() && (b->day != a->day || a->spaced_ms > b->spaced_ms);
}

/* Where the process before ended in order, nothing of it is forgotten. */
static void check_written(unsigned account)
{
    const struct disk_row *row = &world.rows[account];
    const struct distance *spent = distance_of(account);
    bool counts = row->endpoint == world.books[account].in_use && has_budget(row->endpoint) &&
                  spent->spaced_ms > INTERVAL_MS;
    if (world.ended_in_order && counts &&
        (row->distance.day != spent->day ||
         row->distance.spaced_ms < spent->spaced_ms * (1 - TOLERANCE)))
        broke(STORM, "account %u: what it spent of its budget is not on disk", account);
}

void distance_check_written(void)
{
    for (unsigned i = 0; i < world.accounts; i++)
        if (world.rows[i].there && world.books[i].in_use != NOWHERE)
            check_written(i);
}

void distance_resume(unsigned account)
{
    const struct disk_row *own = &world.rows[account];
    const struct distance *most = &(struct distance){0};
    distance_begin(account);
    if (!own->there)
        return;
    for (unsigned i = 0; i < world.accounts; i++) {
        const struct disk_row *row = &world.rows[i];
        if (row->there && row->endpoint == own->endpoint && spent_more(&row->distance, most))
            most = &row->distance;
    }
    struct distance *distance = distance_of(account);
    take_budget(distance, most);
    if (!has_budget(own->endpoint) || !distance->day)
        return;
    move_apart(distance, true);
    if (distance->day != today())
        distance->least_ms = 0;
}

void distance_spend(unsigned account, enum push_kind kind)
{
    struct distance *distance = distance_of(account);
    int endpoint = world.books[account].in_use;
    if (!has_budget(endpoint)) {
        distance->least_ms = distance->most_ms = 0;
        return;
    }
    grow(distance);
    move_apart(distance, kind == PUSH_RING);
    for (unsigned i = 0; i < world.accounts; i++) {
        if (i == account || world.books[i].in_use != endpoint)
            continue;
        take_budget(distance_of(i), distance);
        move_apart(distance_of(i), false);
    }
}

int64_t distance_least_ms(unsigned account)
{
    return at_least(distance_of(account)->least_ms);
}

int64_t distance_most_ms(unsigned account)
{
    return at_least(distance_of(account)->most_ms);
}

void distance_put_off(unsigned account)
{
    struct distance *distance = distance_of(account);
    if (!distance->put_off_until_ms)
        distance->put_off_until_ms = world.now_ms + world.config.push_jitter_ms;
}

void distance_obstacle(unsigned account)
{
    distance_of(account)->put_off_until_ms = 0;
}

void distance_failed(unsigned account)
{
    struct distance *distance = distance_of(account);
    distance_obstacle(account);
    if (distance->day != today())
        distance->least_ms = 0;
}

void distance_obstacles(unsigned origin)
{
    for (unsigned i = 0; i < world.accounts; i++)
        if (origin_of(world.books[i].in_use) == origin)
            distance_obstacle(i);
}

void distance_check(unsigned account)
{
    struct distance *distance = distance_of(account);
    counters[COUNT_SPACED] += distance->least_ms > INTERVAL_MS;
    counters[COUNT_PUT_OFF] += distance->put_off_until_ms > 0;
    if (distance->put_off_until_ms && world.now_ms > distance->put_off_until_ms)
        broke(SILENCE, "account %u: its ring is put off for %lld ms more than push.jitter", account,
              (long long)(world.now_ms - distance->put_off_until_ms));
    distance->put_off_until_ms = 0;
}
