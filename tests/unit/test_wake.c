#include "wake/wake.h"

#include <string.h>

#include "base/err.h"
#include "unit.h"

/* The world around one wake: what it asked for, and what is recorded where. */
struct world {
    struct wake wake;
    int64_t now;
    unsigned rings, stores, clears;
    int64_t blur;
    uint64_t acked[512];
    size_t acked_count;
};

static const struct wake_timing timing = {.interval_ms = 1000, .hold_ms = 20000, .held_most = 8};

static void on_acknowledge(void *arg, uint64_t ack)
{
    struct world *world = arg;
    world->acked[world->acked_count++] = ack;
}

static void on_ring(void *arg)
{
    ((struct world *)arg)->rings++;
}

static void on_store(void *arg)
{
    ((struct world *)arg)->stores++;
}

static void on_clear(void *arg)
{
    ((struct world *)arg)->clears++;
}

static int64_t on_blur(void *arg)
{
    return ((struct world *)arg)->blur;
}

static const struct wake_ops ops = {on_acknowledge, on_ring, on_store, on_clear, on_blur};

static void begin(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->now = 1000000;
    wake_init(&world->wake, &timing, &ops, world);
    wake_link_up(&world->wake);
    wake_link_drained(&world->wake, world->now);
}

static void later(struct world *world, int64_t ms)
{
    int64_t until = world->now + ms;
    while (wake_next_ms(&world->wake) <= until) {
        int64_t next = wake_next_ms(&world->wake);
        world->now = next > world->now ? next : world->now;
        wake_time(&world->wake, world->now);
    }
    world->now = until;
}

static void message(struct world *world, uint64_t ack)
{
    ck_assert_int_eq(wake_message(&world->wake, ack, false, world->now), 0);
}

static void accepted(struct world *world)
{
    wake_rung(&world->wake, true, 0, world->now);
}

static void failed(struct world *world, int64_t retry_in)
{
    wake_rung(&world->wake, false, world->now + retry_in, world->now);
}

START_TEST(an_urgent_message_rings_at_once_and_is_answered_when_the_ring_is_accepted)
{
    struct world w;
    begin(&w);
    message(&w, 7);
    ck_assert_uint_eq(w.rings, 1);
    ck_assert_uint_eq(w.acked_count, 0);
    later(&w, 50);
    accepted(&w);
    ck_assert_uint_eq(w.acked_count, 1);
    ck_assert_uint_eq(w.acked[0], 7);
    ck_assert_uint_eq(w.stores, 0);
    ck_assert(!wake_owes(&w.wake));
    ck_assert(wake_next_ms(&w.wake) == INT64_MAX);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_silent_message_is_answered_at_once_and_rings_nobody)
{
    struct world w;
    begin(&w);
    ck_assert_int_eq(wake_message(&w.wake, 3, true, w.now), 0);
    ck_assert_uint_eq(w.acked_count, 1);
    ck_assert_uint_eq(w.rings, 0);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_burst_shares_a_ring_and_what_came_after_gets_a_trailing_one)
{
    struct world w;
    begin(&w);
    for (uint64_t i = 0; i < 5; i++)
        message(&w, i);
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 10);
    accepted(&w); /* its request began after the first message only */
    ck_assert_uint_eq(w.acked_count, 1);
    later(&w, 980);
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 20);
    ck_assert_uint_eq(w.rings, 2);
    accepted(&w);
    ck_assert_uint_eq(w.acked_count, 5);
    later(&w, 60000);
    ck_assert_uint_eq(w.rings, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(rings_are_a_second_apart_however_many_messages_come)
{
    struct world w;
    begin(&w);
    for (uint64_t i = 0; i < 100; i++) {
        message(&w, i);
        if (w.wake.in_flight)
            accepted(&w);
        later(&w, 100);
    }
    ck_assert_uint_ge(w.rings, 10);
    ck_assert_uint_le(w.rings, 11);
    later(&w, 1000);
    if (w.wake.in_flight)
        accepted(&w);
    ck_assert(!wake_owes(&w.wake));
    ck_assert_uint_eq(w.acked_count, 100);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_ring_that_hangs_makes_a_debt_within_the_hold_time_and_then_answers)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    later(&w, 19999);
    ck_assert_uint_eq(w.stores, 0);
    later(&w, 1);
    ck_assert_uint_eq(w.stores, 1);
    ck_assert_uint_eq(w.acked_count, 0); /* not before it is on disk */
    wake_debt_stored(&w.wake, true, 0, w.now);
    ck_assert_uint_eq(w.acked_count, 1);
    message(&w, 2); /* covered by the debt that stands */
    ck_assert_uint_eq(w.acked_count, 2);
    accepted(&w); /* it does not cover the second message */
    ck_assert_uint_eq(w.clears, 0);
    later(&w, 0);
    ck_assert_uint_eq(w.rings, 2);
    accepted(&w);
    ck_assert_uint_eq(w.clears, 1);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(more_than_eight_held_answers_make_a_debt)
{
    struct world w;
    begin(&w);
    for (uint64_t i = 0; i < 8; i++)
        message(&w, i);
    ck_assert_uint_eq(w.stores, 0);
    message(&w, 8);
    ck_assert_uint_eq(w.stores, 1);
    wake_debt_stored(&w.wake, true, 0, w.now);
    ck_assert_uint_eq(w.acked_count, 9);
    for (size_t i = 0; i < 9; i++)
        ck_assert_uint_eq(w.acked[i], i);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_queue_that_is_drained_makes_the_debt_first)
{
    struct world w;
    begin(&w);
    wake_link_down(&w.wake);
    wake_link_up(&w.wake);
    message(&w, 1);
    ck_assert_uint_eq(w.rings, 1);
    ck_assert_uint_eq(w.stores, 1);
    ck_assert_uint_eq(w.acked_count, 0);
    wake_debt_stored(&w.wake, true, 0, w.now);
    for (uint64_t i = 2; i < 300; i++)
        message(&w, i);
    ck_assert_uint_eq(w.acked_count, 299);
    accepted(&w);
    later(&w, 1000);
    accepted(&w);
    ck_assert_uint_eq(w.clears, 0); /* not while more may come */
    wake_link_drained(&w.wake, w.now);
    ck_assert_uint_eq(w.clears, 1);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_store_that_fails_keeps_the_answers_held_and_is_asked_again)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    later(&w, 20000);
    ck_assert_uint_eq(w.stores, 1);
    wake_debt_stored(&w.wake, false, w.now + 5000, w.now);
    ck_assert_uint_eq(w.acked_count, 0);
    later(&w, 4999);
    ck_assert_uint_eq(w.stores, 1);
    later(&w, 1);
    ck_assert_uint_eq(w.stores, 2);
    wake_debt_stored(&w.wake, true, 0, w.now);
    ck_assert_uint_eq(w.acked_count, 1);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(no_message_brings_a_ring_below_the_floor_that_an_answer_demands)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    failed(&w, 60000);
    for (uint64_t i = 2; i < 60; i++) {
        later(&w, 1000);
        message(&w, i);
        if (w.wake.debt == WAKE_DEBT_STORING)
            wake_debt_stored(&w.wake, true, 0, w.now);
    }
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 2000);
    ck_assert_uint_eq(w.rings, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(an_endpoint_that_is_gone_is_not_rung_until_there_is_a_new_one)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    wake_rung(&w.wake, false, INT64_MAX, w.now);
    later(&w, 20000);
    wake_debt_stored(&w.wake, true, 0, w.now);
    ck_assert_uint_eq(w.acked_count, 1);
    later(&w, INT64_C(30) * 24 * 3600 * 1000);
    ck_assert_uint_eq(w.rings, 1);
    wake_new_endpoint(&w.wake, w.now, w.now);
    ck_assert_uint_eq(w.rings, 2);
    accepted(&w);
    ck_assert_uint_eq(w.clears, 1);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_debt_from_the_store_rings_at_once_and_is_cleared_by_acceptance_only)
{
    struct world w;
    begin(&w);
    wake_owed(&w.wake, w.now);
    ck_assert_uint_eq(w.rings, 1);
    failed(&w, 2000);
    ck_assert_uint_eq(w.clears, 0);
    later(&w, 2000);
    ck_assert_uint_eq(w.rings, 2);
    accepted(&w);
    ck_assert_uint_eq(w.clears, 1);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(answers_of_a_lost_connection_are_void_but_the_ring_is_still_owed)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    failed(&w, 2000);
    wake_link_down(&w.wake);
    later(&w, 2000);
    ck_assert_uint_eq(w.rings, 2);
    accepted(&w);
    ck_assert_uint_eq(w.acked_count, 0);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_ring_that_was_taken_back_is_sent_again)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    wake_ring_cancelled(&w.wake, w.now);
    ck_assert_uint_eq(w.rings, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_debt_that_was_paid_while_it_was_being_written_is_cleared)
{
    struct world w;
    begin(&w);
    for (uint64_t i = 0; i < 9; i++)
        message(&w, i);
    accepted(&w);
    later(&w, 1000);
    accepted(&w);
    ck_assert_uint_eq(w.acked_count, 9);
    ck_assert_uint_eq(w.clears, 0);
    wake_debt_stored(&w.wake, true, 0, w.now);
    ck_assert_uint_eq(w.clears, 1);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_server_that_breaks_its_own_window_is_noticed)
{
    struct world w;
    begin(&w);
    for (uint64_t i = 0; i < WAKE_HELD_MAX; i++)
        message(&w, i);
    ck_assert_int_eq(wake_message(&w.wake, 999, false, w.now), ERR_LIMIT);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(hurrying_respects_the_distance_between_rings)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    wake_ring_began(&w.wake, w.now);
    failed(&w, 900000);
    wake_hurry(&w.wake, w.now);
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 999);
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 1);
    ck_assert_uint_eq(w.rings, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_ring_that_never_left_keeps_no_other_one_waiting)
{
    struct world w;
    begin(&w);
    wake_space(&w.wake, 300000);
    message(&w, 1);
    ck_assert_uint_eq(w.rings, 1);
    failed(&w, 5000); /* it stood in line, and was taken back */
    later(&w, 4999);
    ck_assert_uint_eq(w.rings, 1);
    wake_hurry(&w.wake, w.now);
    later(&w, 0);
    ck_assert_uint_eq(w.rings, 2);
    wake_ring_began(&w.wake, w.now);
    failed(&w, 5000);
    later(&w, 299999);
    ck_assert_uint_eq(w.rings, 2);
    later(&w, 1);
    ck_assert_uint_eq(w.rings, 3);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_new_endpoint_owes_no_distance_to_the_old_one)
{
    struct world w;
    begin(&w);
    wake_space(&w.wake, 300000);
    message(&w, 1);
    wake_ring_began(&w.wake, w.now);
    accepted(&w);
    message(&w, 2);
    wake_new_endpoint(&w.wake, w.now + 60000, w.now); /* it is known to fail */
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 10);
    wake_hurry(&w.wake, w.now);
    later(&w, 0);
    ck_assert_uint_eq(w.rings, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_ring_that_waited_for_its_turn_covers_what_came_until_it_left)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    later(&w, 5000);
    message(&w, 2);
    wake_ring_began(&w.wake, w.now);
    message(&w, 3);
    later(&w, 100);
    accepted(&w);
    ck_assert_uint_eq(w.acked_count, 2);
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 899); /* the distance counts from when it left */
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 1);
    ck_assert_uint_eq(w.rings, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(spacing_moves_rings_apart_but_not_the_first_after_quiet)
{
    struct world w;
    begin(&w);
    wake_space(&w.wake, 60000);
    message(&w, 1);
    ck_assert_uint_eq(w.rings, 1);
    accepted(&w);
    message(&w, 2);
    later(&w, 59999);
    ck_assert_uint_eq(w.rings, 1);
    wake_hurry(&w.wake, 0);
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 1);
    ck_assert_uint_eq(w.rings, 2);
    accepted(&w);
    ck_assert(!wake_owes(&w.wake));
    later(&w, 60000);
    message(&w, 3);
    ck_assert_uint_eq(w.rings, 3);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(an_accepted_ring_ends_a_floor_that_came_while_it_was_out)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    wake_hold_off(&w.wake, INT64_MAX); /* a test push was answered 410 meanwhile */
    accepted(&w);
    later(&w, 1000);
    message(&w, 2);
    ck_assert_uint_eq(w.rings, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_debt_that_is_inherited_is_never_stored_twice_at_once)
{
    struct world w;
    begin(&w);
    for (uint64_t i = 0; i < 9; i++)
        message(&w, i);
    ck_assert_uint_eq(w.stores, 1);
    wake_inherit(&w.wake, w.now);
    wake_debt_stored(&w.wake, true, 0, w.now);
    wake_inherit(&w.wake, w.now);
    ck_assert_uint_eq(w.stores, 1);
    accepted(&w); /* of what was there when it left: the rest is still owed */
    ck_assert_uint_eq(w.clears, 0);
    later(&w, 1000);
    accepted(&w);
    ck_assert_uint_eq(w.rings, 2);
    ck_assert_uint_eq(w.clears, 1);
    wake_inherit(&w.wake, w.now);
    ck_assert_uint_eq(w.stores, 2);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(a_blurred_ring_leaves_later_than_its_message)
{
    struct world w;
    begin(&w);
    w.blur = 5000;
    message(&w, 1);
    later(&w, 3000);
    message(&w, 2); /* the ring that waits is for this one, too */
    later(&w, 1999);
    ck_assert_uint_eq(w.rings, 0);
    later(&w, 1);
    ck_assert_uint_eq(w.rings, 1);
    message(&w, 3); /* and this one asks for another */
    accepted(&w);
    ck_assert_uint_eq(w.acked_count, 2);
    later(&w, 4999);
    ck_assert_uint_eq(w.rings, 1);
    later(&w, 1);
    ck_assert_uint_eq(w.rings, 2);
    accepted(&w);
    w.blur = 60000; /* longer than answers may be held */
    message(&w, 4);
    later(&w, 20000);
    ck_assert_uint_eq(w.stores, 1);
    wake_debt_stored(&w.wake, true, 0, w.now);
    ck_assert_uint_eq(w.acked_count, 4);
    later(&w, 40000);
    ck_assert_uint_eq(w.rings, 3);
    wake_fini(&w.wake);
}
END_TEST

START_TEST(what_an_outdated_ring_was_for_keeps_its_record_until_the_one_after_it)
{
    struct world w;
    begin(&w);
    message(&w, 1);
    wake_ring_began(&w.wake, w.now);
    wake_ring_outdated(&w.wake);
    accepted(&w);
    ck_assert_uint_eq(w.acked_count, 0); /* the messenger has it still */
    later(&w, 1000);
    ck_assert_uint_eq(w.rings, 2);
    failed(&w, 900000);
    later(&w, 19000);
    ck_assert_uint_eq(w.stores, 1);
    wake_debt_stored(&w.wake, true, 0, w.now);
    ck_assert_uint_eq(w.acked_count, 1);
    later(&w, 900000);
    ck_assert_uint_eq(w.rings, 3);
    wake_ring_began(&w.wake, w.now);
    wake_ring_outdated(&w.wake);
    accepted(&w);
    ck_assert_uint_eq(w.clears, 0); /* nor does the next one pay the debt */
    later(&w, 1000);
    ck_assert_uint_eq(w.rings, 4);
    accepted(&w);
    ck_assert_uint_eq(w.clears, 1);
    ck_assert(!wake_owes(&w.wake));
    wake_fini(&w.wake);
}
END_TEST

/* Random events against the statement of the guarantee: what the messenger no longer has was not
 * urgent, or a ring that began later was accepted, or a debt is on disk that covers it. */
struct proof {
    struct wake wake;
    int64_t now, last_ring, floor;
    uint64_t next;        /* number of the next urgent message */
    uint64_t handed_over; /* messages noted when the ring in flight began */
    uint64_t rung;        /* messages covered by accepted rings */
    bool in_flight, left, up;
    /* The store applies in order: what is queued, and what is on disk. */
    bool queued[64];
    unsigned queue_length;
    bool on_disk;
    unsigned stores_open;
    uint64_t rings;
};

static void proof_acknowledge(void *arg, uint64_t ack)
{
    struct proof *proof = arg;
    ck_assert_msg(ack < proof->rung || proof->on_disk, "message %llu was answered too early",
                  (unsigned long long)ack);
}

static void leaves(struct proof *proof)
{
    if (!proof->in_flight || proof->left)
        return;
    ck_assert(!proof->rings || proof->now - proof->last_ring >= timing.interval_ms);
    proof->left = true;
    proof->handed_over = proof->next;
    proof->last_ring = proof->now;
    proof->rings++;
    wake_ring_began(&proof->wake, proof->now);
}

/* At once, or after it waited for its turn; it may be taken back before that. */
static void proof_ring(void *arg)
{
    struct proof *proof = arg;
    ck_assert(!proof->in_flight);
    ck_assert(!proof->rings || proof->now - proof->last_ring >= timing.interval_ms);
    ck_assert(proof->now >= proof->floor);
    proof->in_flight = true;
    proof->left = false;
    if (randombytes_uniform(2))
        leaves(proof);
}

static void proof_store(void *arg)
{
    struct proof *proof = arg;
    ck_assert_uint_eq(proof->stores_open, 0);
    proof->stores_open++;
    proof->queued[proof->queue_length++] = true;
}

static void proof_clear(void *arg)
{
    struct proof *proof = arg;
    ck_assert_uint_eq(proof->rung, proof->next);
    proof->queued[proof->queue_length++] = false;
}

static int64_t proof_blur(void *arg)
{
    (void)arg;
    return randombytes_uniform(2) ? 0 : randombytes_uniform(4000);
}

/* The oldest queued change becomes durable, or fails. A clearing that fails costs a ring too many
 * after the next start and nothing else, so here it always works. */
static void commit_one(struct proof *proof, bool works)
{
    if (!proof->queue_length)
        return;
    bool set = proof->queued[0];
    memmove(proof->queued, proof->queued + 1, --proof->queue_length * sizeof *proof->queued);
    if (works || !set)
        proof->on_disk = set;
    if (!set)
        return;
    proof->stores_open--;
    wake_debt_stored(&proof->wake, works, proof->now + 5000, proof->now);
}

static void random_event(struct proof *proof)
{
    static const struct wake_ops proof_ops = {proof_acknowledge, proof_ring, proof_store,
                                              proof_clear, proof_blur};
    proof->wake.ops = &proof_ops;
    switch (randombytes_uniform(11)) {
    case 0:
    case 1:
        if (proof->up && proof->wake.held_count < WAKE_HELD_MAX) {
            uint64_t number = proof->next++;
            ck_assert_int_eq(wake_message(&proof->wake, number, false, proof->now), 0);
        }
        break;
    case 2:
    case 3:
        if (proof->in_flight) {
            bool ok = proof->left && randombytes_uniform(3) != 0;
            proof->in_flight = false;
            if (ok)
                proof->rung = proof->handed_over;
            int64_t retry = proof->now + randombytes_uniform(5000);
            if (!ok && retry > proof->floor)
                proof->floor = retry;
            wake_rung(&proof->wake, ok, retry, proof->now);
        }
        break;
    case 4:
        commit_one(proof, randombytes_uniform(4) != 0);
        break;
    case 5:
        if (proof->up)
            wake_link_down(&proof->wake);
        else
            wake_link_up(&proof->wake);
        proof->up = !proof->up;
        break;
    case 6:
        if (proof->up)
            wake_link_drained(&proof->wake, proof->now);
        break;
    case 7:
        leaves(proof);
        break;
    case 8:
        if (proof->in_flight && proof->left) {
            proof->handed_over = proof->rung;
            wake_ring_outdated(&proof->wake);
        }
        break;
    default:
        proof->now += randombytes_uniform(3000);
        if (wake_next_ms(&proof->wake) <= proof->now)
            wake_time(&proof->wake, proof->now);
    }
}

/* Left alone with a push server and a disk that work, it becomes quiet and owes nothing. */
static void settle(struct proof *proof)
{
    for (int i = 0; i < 50; i++) {
        proof->now += 5000;
        if (wake_next_ms(&proof->wake) <= proof->now)
            wake_time(&proof->wake, proof->now);
        while (proof->queue_length)
            commit_one(proof, true);
        if (proof->in_flight) {
            leaves(proof);
            proof->in_flight = false;
            proof->rung = proof->handed_over;
            wake_rung(&proof->wake, true, 0, proof->now);
        }
    }
    if (proof->up)
        wake_link_drained(&proof->wake, proof->now);
    while (proof->queue_length)
        commit_one(proof, true);
    ck_assert(!wake_owes(&proof->wake));
    ck_assert(!proof->on_disk);
    ck_assert(proof->rung == proof->next);
    ck_assert_uint_eq(proof->wake.held_count, 0);
}

START_TEST(random_events_never_break_the_guarantee)
{
    for (int round = 0; round < 20000; round++) {
        struct proof proof = {.now = 1000000};
        wake_init(&proof.wake, &timing, &ops, &proof);
        unsigned events = 1 + randombytes_uniform(60);
        while (events-- && proof.queue_length < 60)
            random_event(&proof);
        settle(&proof);
        wake_fini(&proof.wake);
    }
}
END_TEST

UNIT_MAIN("wake", an_urgent_message_rings_at_once_and_is_answered_when_the_ring_is_accepted,
          a_silent_message_is_answered_at_once_and_rings_nobody,
          a_burst_shares_a_ring_and_what_came_after_gets_a_trailing_one,
          rings_are_a_second_apart_however_many_messages_come,
          a_ring_that_hangs_makes_a_debt_within_the_hold_time_and_then_answers,
          more_than_eight_held_answers_make_a_debt, a_queue_that_is_drained_makes_the_debt_first,
          a_store_that_fails_keeps_the_answers_held_and_is_asked_again,
          no_message_brings_a_ring_below_the_floor_that_an_answer_demands,
          an_endpoint_that_is_gone_is_not_rung_until_there_is_a_new_one,
          a_debt_from_the_store_rings_at_once_and_is_cleared_by_acceptance_only,
          answers_of_a_lost_connection_are_void_but_the_ring_is_still_owed,
          a_ring_that_was_taken_back_is_sent_again,
          a_debt_that_was_paid_while_it_was_being_written_is_cleared,
          a_server_that_breaks_its_own_window_is_noticed,
          hurrying_respects_the_distance_between_rings,
          a_ring_that_never_left_keeps_no_other_one_waiting,
          a_new_endpoint_owes_no_distance_to_the_old_one,
          a_ring_that_waited_for_its_turn_covers_what_came_until_it_left,
          spacing_moves_rings_apart_but_not_the_first_after_quiet,
          an_accepted_ring_ends_a_floor_that_came_while_it_was_out,
          a_debt_that_is_inherited_is_never_stored_twice_at_once,
          a_blurred_ring_leaves_later_than_its_message,
          what_an_outdated_ring_was_for_keeps_its_record_until_the_one_after_it,
          random_events_never_break_the_guarantee)
