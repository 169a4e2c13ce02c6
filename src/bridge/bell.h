/* What hangs on one account: its link, the life of that link, its wake, the ring that is in flight.
 * A bell whose credentials nobody proved yet is on trial: it has no account and rings nobody.
 * Internal to bridge/. */
#ifndef DOORBELL_BRIDGE_BELL_H
#define DOORBELL_BRIDGE_BELL_H

#include "account/registry.h"
#include "base/list.h"
#include "bridge/arrivals.h"
#include "bridge/bridge.h"
#include "bridge/health.h"
#include "bridge/left.h"
#include "bridge/limits.h"
#include "bridge/room.h"
#include "bridge/tally.h"
#include "link/fleet.h"
#include "link/life.h"
#include "push/endpoint_life.h"
#include "wake/spacing.h"
#include "wake/wake.h"

struct trial;

/* What may befall all accounts alike, and is one alarm then. */
enum { FLEET_CREDENTIALS, FLEET_CLIENT, FLEET_SERVER, FLEET_CLOCK, FLEETS };

/* What bridge_health saw last. */
struct checkup {
    struct health_memory memory;
    struct health_sight sight;
    bool looked;
    int64_t looked_ms;
};

/* Of service.h. */
struct service {
    bool looked, well;
    int64_t looked_ms;
};

struct bridge {
    struct bridge_parts parts;
    const struct config *config;
    struct registry registry;
    struct wake_timing wake_timing;
    struct life_timing life_timing;
    struct endpoint_timing endpoint_timing;
    struct fleet fleets[FLEETS];
    struct limits limits;
    struct left left;
    struct list trials; /* of bells */
    size_t trial_count;
    struct room room;
    struct list buried;    /* bells to be freed outside of their own events */
    struct list immediate; /* waits that are answered in the next turn */
    struct timer bury_timer;
    bool store_failing; /* said once */
    bool said_silent;   /* of a link, since one was not; once for all of them */
    bool said_rival;    /* the MollySocket that was left running; once for all accounts */
    char down_text[LINK_TEXT_SIZE]; /* of the last link that ended */
    int64_t started_unix, started_ms;
    int64_t heard_unix, message_unix; /* the messenger's last frame, and message; 0: none yet */
    uint64_t connects, reconnections, messages, pushes; /* see bridge_counts */
    struct tally tally;
    struct checkup checkup;
    struct service service;
    struct arrivals arrivals;
};

struct bell {
    struct list node; /* in trials or buried */
    struct bridge *bridge;
    struct account *account; /* NULL while on trial and when buried */
    struct trial *trial;     /* NULL once it passed */
    struct link *link;       /* NULL: not linked (disabled, or a process without links) */
    struct list room_node;   /* in room.waiting */
    struct life life;
    struct wake wake;
    struct timer connect_timer, wake_timer, store_timer;
    struct push_request *ring, *notice; /* in flight; notice: a test or a word about contention */
    struct list pings;                  /* the operator's, who waits for the answers */
    struct fleet_mark fleet_marks[FLEETS];
    struct endpoint_life endpoint_life;
    int64_t tests_full_at_ms; /* of the bucket that they are taken from */
    int64_t held_until_ms;    /* a test was not sent; 0: none since one was */
    struct spending spending;

    /* Registrations that wait for a row to be durable, by the number of what they asked for. */
    struct list waits;
    unsigned puts_asked;           /* the last number */
    unsigned puts_out;             /* of it, what the put has that is out, or was out last */
    unsigned puts_kept;            /* and what is durable */
    bool put_out : 1, put_due : 1; /* the store has a put; another one is to follow it */

    bool linked : 1;     /* started and not down yet */
    bool makes_way : 1;  /* its link is being stopped for an account that needs the room */
    bool needs_room : 1; /* and is counted there */
    bool silent : 1;     /* a link was accepted and showed no queue, and none has shown it since */
    bool ring_left : 1, notice_left : 1;
    bool ring_outdated : 1, notice_outdated : 1; /* the app has subscribed anew since they left */
    bool test_due : 1, contested_due : 1;        /* asked for while another notice was in flight */
    enum { SAID_NOTHING, SAID_CONNECTED, SAID_DOWN } said : 2; /* in the log, last */
    enum link_reason said_reason : 6;                          /* of SAID_DOWN */
    enum link_reason down_reason : 6; /* why its link went down last; LINK_STOPPED: for nothing */
    enum link_reason stopped_for : 6; /* for this fault of the other side we stop the link
                                         ourselves; LINK_STOPPED: for none */
};

/* For an account that the registry holds; connects unless the configuration does not allow it. */
struct bell *bell_new(struct bridge *bridge, struct account *account);
/* For credentials on trial; owns `trial`. */
struct bell *bell_on_trial(struct bridge *bridge, struct trial *trial,
                           const struct link_request *request);
/* It has become the bell of this account: what is owed goes over from `old` (may be NULL), and what
 * is known about the endpoint where its URL stays the same. */
void bell_adopt(struct bell *bell, struct account *account, struct bell *old, bool same_url);
/* Not from inside one of its own events: see bell_bury. */
void bell_free(struct bell *bell);
/* Ends everything at once and frees it in the next turn of the loop. */
void bell_bury(struct bell *bell);

/* Its device was unlinked and another one of the user, which knows its debts already, has taken its
 * place: gone, with its row, as soon as the heir's is on disk. */
void bell_remove_account(struct bell *bell, struct bell *heir);
/* Memory or store say that a ring is due. */
bool bell_owes(const struct bell *bell);
/* The row says that a ring is owed. */
void bell_owed(struct bell *bell);
/* A ring is owed by word of another bell, or of a row whose writing may have failed. */
void bell_inherit(struct bell *bell);
/* For people, on the account's timeline and record; a trial has none. */
void bell_note(struct bell *bell, enum timeline_kind kind, unsigned detail);
void bell_connect_in(struct bell *bell, int64_t wait_ms);
/* Starts its link, for which there is room. */
void bell_link(struct bell *bell);
/* Follows accounts.allowed: disconnects or connects. */
void bell_follow_config(struct bell *bell);
/* The machine was away: its link is tested, or made at once. */
void bell_resumed(struct bell *bell, int64_t slept_ms);
/* What was refused may be let in now, because the server lets others in or because we say something
 * else: who waits for that reason tries soon. */
void bell_refusal_is_over(struct bell *bell);
void bridge_refusals_are_over(struct bridge *bridge);
/* All are refused alike: those who were given up for it before that showed are taken back. */
void bell_absolve(struct bell *bell);
void bridge_absolve(struct bridge *bridge);
/* Once in a while. */
void bell_sweep(struct bell *bell);
void bell_endpoint_changed(struct bell *bell);
/* The same URL, with other keys. What is under way may be of no use to the app, and another ring
 * follows it; but its answer counts for the endpoint, or a client could keep us asking without ever
 * hearing one. */
void bell_keys_changed(struct bell *bell);
void bell_test_push(struct bell *bell);
/* The operator's test push: no bucket, and the answer is told. */
void bell_ping(struct bell *bell, push_fn *fn, void *arg);
/* Writes the account's row; `waits` with this number are answered once it is durable. */
unsigned bell_put(struct bell *bell);
/* Likewise, for what is found out about the endpoint: no registration waits for that. Either is
 * made again until the store has the row. */
void bell_put_quietly(struct bell *bell);
/* At the end of the process: what waits for another put, or to be tried again. One that is out may
 * fail yet, and nobody hears of it. */
void bell_put_last(struct bell *bell);
/* Writes the row, and removes that of a device in one with it. */
void bell_put_instead(struct bell *bell, const struct account_key *gone);

int64_t bell_now_ms(const struct bell *bell);
const char *bell_name(const struct bell *bell); /* for logs: a pseudonym */
/* After everything that may have changed when the wake wants to be called. */
void bell_plan_wake(struct bell *bell);
/* What is owed may be rung as early as that, and is, unless the account is disabled. */
void bell_hurry(struct bell *bell, int64_t not_before_ms);

/* bell_link.c: what the link tells. */
extern const struct link_events bell_link_events;
void bell_show_state(struct bell *bell); /* the account has the link's */
void bell_set_linked(struct bell *bell, bool linked);
bool bell_is_disabled(const struct bell *bell);

/* ring.c: debts and rings, tests and notices. */
extern const struct wake_ops ring_wake_ops;
void ring_on_store_timer(void *arg);
void ring_notice(struct bell *bell, enum push_kind kind);
/* A test push, if its bucket has one. */
bool ring_test(struct bell *bell);
/* A push that was no ring of this bell has shown how its endpoint fares. */
void ring_learned(struct bell *bell, bool accepted, int64_t retry_at_ms);
void ring_outdate(struct bell *bell);   /* what is under way: the app has subscribed anew */
void ring_end_pings(struct bell *bell); /* whoever waits is told that the account changed */

/* verdicts.c: what the endpoint's answers mean for it, and for others of its origin. Takes note of
 * one and returns when the next ring may be tried. */
int64_t verdicts_take(struct bell *bell, const struct verdict *verdict);
/* At the start: what the row knows about the endpoint holds. */
void verdicts_resume(struct bell *bell);
/* It has this endpoint now: what others know about it holds. When it may be rung; 0: at once. */
int64_t verdicts_join(struct bell *bell);
/* It is about to have another endpoint, or to be removed: what binds the URL does so still. */
void verdicts_leave(struct bell *bell);
/* Whether another account that shares its endpoint has a ring on its way, or in line. */
bool verdicts_another_rings(const struct bell *bell);
/* Its app has subscribed anew at the same URL, with other keys: what is known about the URL stays,
 * but a 410 is not for ever then. */
void verdicts_renew(struct bell *bell);
/* Its two halves: what is under way is older than that; a 410 does not count any more. */
void verdicts_outdate(struct bell *bell);
void verdicts_revive(struct bell *bell);
/* The settings may allow the endpoint now: what they held up is rung as soon as answers allow. Or
 * its push server may get another login, to which what it said of the former one does not apply. */
void verdicts_follow_config(struct bell *bell);
/* At each look around: another test follows one that could not be sent for what a name server said,
 * or because its push server was known to be down, or that failed where the endpoint has accepted
 * no push yet; no ring is owed that would show as much. */
void verdicts_try_again(struct bell *bell);
/* What it spent of a daily budget is written, if it is not yet. */
void verdicts_keep_spent(struct bell *bell);
/* A ring is about to be owed: what tests have doubled while nobody waited does not hold it up. */
void verdicts_before_ring(struct bell *bell);
/* Rings what is owed as soon as the last answer's own floor allows. */
void verdicts_hurry(struct bell *bell);
/* What waited for this push server may ring, as soon as the answers' own floors allow. */
void verdicts_origin_recovered(struct bridge *bridge, const char *origin);

static inline struct bell *bell_of(struct account *account)
{
    return account->owner;
}

bool bridge_allows(const struct bridge *bridge, const struct account_key *key);
/* Whether it may register: it is on the list, or registered already where that is enough. */
bool bridge_admits(struct bridge *bridge, const struct account_key *key);
int64_t bridge_now_ms(const struct bridge *bridge);

/* trial.c: what a bell on trial does with its link's events. */
void trial_proven(struct bell *bell);
void trial_refused(struct bell *bell);
/* To the operator: why it goes on (REGISTRATION_INTERNAL_ERROR), or what it came to. */
void trial_explain(struct bell *bell, enum registration_status status, const char *why);
void trial_expired(struct bell *bell);
void trial_free(struct bell *bell);
bool trial_may_connect(struct bell *bell);
/* Whether credentials for this device are being tried over a link right now. */
bool trial_is_linked(const struct bridge *bridge, const struct account_key *key);
int64_t trial_expires_ms(const struct bell *bell);

/* registration.c: those who wait for this bell's verdict, then for its row to be durable. */
void waits_answer(struct bell *bell, enum registration_status status, const char *why);
void waits_explain(struct bell *bell); /* a trial's link went down, and nothing is decided */
void waits_bind(struct bell *bell, unsigned put);
void waits_answer_stored(struct bell *bell, unsigned put, bool stored);
void waits_answer_immediate(struct bridge *bridge);

#endif
