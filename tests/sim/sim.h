/* A whole world in simulated time around the real bridge: a messenger's server, push servers, a
 * disk, people and their phones. Nothing here reads a clock or throws dice that the seed does not
 * know, so a sequence of events always ends the same way. tests/sim/main.c plays random sequences
 * by the million, shrinks one that breaks the guarantee and tells it in words.
 *
 * What is replaced at link time is the rim only: sockets (transfer_start, struct link_ops), names
 * and tokens of push servers, the disk (store_*), clocks, the timers' driver, dice, and the
 * judgement of endpoints' URLs. Everything else that decides is the program's own. */
#ifndef DOORBELL_SIM_SIM_H
#define DOORBELL_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/absence.h"
#include "base/loop.h"
#include "bridge/bridge.h"

enum {
    ACCOUNTS = 4,  /* at most, in one sequence */
    VERSIONS = 16, /* of a phone's endpoint, its keys and its password, over and over */
    ENDPOINTS = ACCOUNTS * VERSIONS,
    NOWHERE = ENDPOINTS,
    ENDPOINT_SIZE = 40,
    PASSWORD_SIZE = 16,
    MESSAGES = 768, /* of one device, in one sequence */
    WINDOW = 256,   /* the messenger's (signal.md 2.3) */
    EVENTS = 48,
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
};
#define FOREVER INT64_MAX

/* What the guarantee says (docs/delivery.md). */
enum invariant {
    HOLDS,
    RECORD,   /* I1: a waiting urgent message has a record that survives */
    ACK,      /* I2: no acknowledgement before record or acceptance */
    SILENCE,  /* I3: what is owed is rung soon after everything works */
    STORM,    /* I4: rings, notices and tests are bounded */
    FLOOR,    /* I5: no request below what an answer demands */
    APART,    /* I6: one account's trouble is not another's */
    GIVEN_UP, /* I7: nothing is given up before the rules allow it */
    LINKS,    /* I8: connections are bounded */
    ANSWERS,  /* I9: a registration is answered once, in time and truly */
    CRASHED,  /* an assertion of the program's own */
    INVARIANTS,
};

/* Events: encoded so that leaving one out keeps the others meaningful. */
struct event {
    uint8_t kind;
    uint8_t who; /* which account, modulo their number */
    uint8_t what, much;
    int64_t wait_ms; /* after the event before it */
};

/* What holds from the beginning to the end of a sequence. */
enum option {
    ONE_ORIGIN = 1,   /* all endpoints at one push server; else at two */
    OWN_MESSAGES = 2, /* wake.own_messages */
    NAMED = 4,        /* the operator vouches for the push servers */
    SHARING = 8,      /* the first accounts begin with one endpoint among them */
    ACCOUNTS_AT = 4,  /* then five bits for how each account begins */
    ACCOUNT_BITS = 5,
    NO_BUDGET = 3 << 24, /* one of these: no push server has a daily budget */
    JITTER_AT = 27,      /* three bits: push.jitter */
    ROOM_AT = 30,        /* two bits; 0: no more links than accounts */
};

struct sequence {
    uint64_t seed; /* of the world's dice */
    unsigned accounts, count;
    uint32_t options;
    struct event events[EVENTS];
};

void sequence_make(struct sequence *sequence, uint64_t seed);
void event_text(const struct sequence *sequence, const struct event *event, char *text,
                size_t size);
/* Plays it; what it breaks is in world.broken, and why in world.why. */
enum invariant sequence_play(const struct sequence *sequence);
const char *invariant_text(enum invariant invariant);

/* One account as the world sees it: the messenger's device, its queue, the phone. */
struct message {
    uint64_t noted; /* when the bridge first saw it; 0: not yet */
    int64_t delivered_ms;
    uint32_t delivered_on;
    bool prompt; /* its answer must not be held: the queue is drained, or many are held already */
    bool urgent, own, acked;
};

struct device {
    int password; /* the version that the messenger lets in */
    bool dead;    /* unlinked */
    struct link *connected;
    enum link_reason fault; /* of the next connections; LINK_STOPPED: none */
    unsigned fault_left;
    int64_t fault_retry_after_ms;
    unsigned contentions;  /* so often somebody else takes the place over */
    unsigned replies;      /* so many rings are followed by another message at once */
    unsigned count, first; /* messages; the first one that is not answered */
    int own_version;       /* of the endpoint that this phone got from its push server last */
    int phone_endpoint, phone_keys, phone_password; /* what the phone registers */
    struct message messages[MESSAGES];
};

/* How a push server answers for one endpoint. */
struct behaviour {
    uint8_t answer; /* index into the table in pushes.c; 0: accepted */
    uint8_t delay;  /* class */
    uint8_t left;   /* so many answers, then all is well; 0: until told otherwise */
};

/* What an endpoint has said to the accounts that use it, kept apart from what the bridge thinks. */
struct endpoint_book {
    int64_t hard_ms;    /* no request before: 429, 507, 410 */
    int64_t soft_ms;    /* no ring before; a registration with a ping, or acceptance, ends it */
    int64_t soonest_ms; /* what the last answer alone demands, where others of its origin do well */
    int64_t doubled_ms; /* and with what it has doubled */
    int64_t finite_ms, finite_latest_ms; /* of hard_ms what is not for ever; so late, at most */
    int64_t hurried_ms;       /* by our own clock, with jitter: a ring in a hurry waits no longer */
    int64_t latest_ms;        /* a ring that is owed must have been tried by then */
    int64_t accepted_ms;      /* in this process; 0: never */
    int64_t unknown_since_ms; /* the first 404 in a row; 0: none */
    unsigned alike, unknown; /* answers alike, and 404, in a row, each after the floor of another */
    unsigned unknown_surely; /* likewise, without those that may have come within a floor */
    unsigned failures, time_outs; /* since it accepted a push; all, and those without an answer */
    int64_t timed_out_ms; /* when the last of these came that was not under way together with
                             the one before */
    int64_t counted_ms;   /* when the last of the answers alike that counts came */
    int64_t told_ms;      /* and when the last of all came: a start knows no more */
    int64_t rounded_ms;   /* so much sooner, perhaps: the disk has seconds, and rows may disagree */
    uint64_t counted_tick;
    unsigned clock_jumps; /* before it */
    bool unsure;          /* rows did not agree, so that some account may be more careful */
    uint8_t answer;       /* the last one */
    bool fails;           /* it was no acceptance, and all that use it know that */
    bool gone;            /* said 410 */
    bool back;            /* the app has subscribed anew since then: it counts as one that works */
};

/* How far apart rings must be, and how long one may be put off (distance.c). */
struct distance {
    int64_t day;               /* since 1970 */
    double spaced_ms;          /* grows with each push of that day; 0: no budget is known */
    int64_t least_ms, most_ms; /* between this ring and the next */
    int64_t put_off_until_ms; /* by push.jitter alone, at most; 0: not, or by something else, too */
};

/* What the messenger may refuse to everybody alike. */
enum refusal { REFUSED_ACCOUNT, REFUSED_CLIENT, REFUSALS };

/* The statement of the guarantee, per account. */
struct book {
    uint64_t acked, covered; /* newest urgent message acknowledged; newest accepted ring's begin */
    uint64_t heard;          /* when this process was last told of one */
    int64_t noted_ms;        /* when the bridge last saw one, or one of them again */
    int in_use, keys;        /* the endpoint that is rung; NOWHERE: none yet; with which keys */
    int64_t retry_ms;        /* not before, after a ring that failed without more to say */
    struct distance distance;
    int64_t answered_ms;  /* by its push server, last */
    int64_t proven_ms;    /* when its endpoint first accepted a push, in this process; 0: before */
    int64_t last_ring_ms; /* in this process, to this endpoint; -FOREVER: none */
    int64_t tests_full_ms;
    unsigned rings_out, tests_out;
    unsigned rings, contested, may_contest;
    bool gave_up_link, gave_up_endpoint; /* as seen last */
    int64_t refused_ms[REFUSALS];        /* first since anybody was let in; 0: not */
};

/* The disk. */
struct disk_row {
    bool there, refused, proven;
    uint8_t state;
    int endpoint, keys, password, status;
    int64_t not_before, retry, floor;
    unsigned repeated;
    int64_t owed, registered;
    uint32_t spent_day, spent;
    /* What the endpoint's last answer demands, and the most that it may mean, by the clock that
     * goes on while the machine sleeps; valid as long as nobody set the other clock. */
    int64_t demanded_ms, doubled_ms, hard_ms, hurried_ms, latest_ms, counted_ms, finite_latest_ms;
    unsigned clock_jumps;
    bool hard;
    /* What goes on with the next answer. */
    uint8_t answer;
    unsigned alike, failures, time_outs;
    struct distance distance; /* what was spent of a budget */
};

/* What a phone's key says: whose it is, and which one in a row. */
enum { KEY_ACCOUNT, KEY_VERSION };

/* Who throws dice; the first ones are the accounts. */
enum party { THE_LOOP = ACCOUNTS, THE_BRIDGE, THE_TABLES, THE_DISK, PARTIES };

struct world {
    const struct sequence *sequence;
    uint64_t dice[PARTIES], tick;
    int64_t now_ms, unix_s, slept_ms;
    unsigned clock_jumps;
    struct absence_clocks looked; /* as the program last saw its clocks */
    struct loop loop;             /* the bridge's timers */
    struct timers outside;        /* everybody else's */
    struct config config;
    struct bridge *bridge;
    struct push *push;
    unsigned accounts;
    bool tearing_down; /* a crash: nobody hears anything any more */
    bool tracing;
    bool disallowed[ACCOUNTS];
    bool denied[2];      /* a push server, by the settings */
    size_t links_most;   /* 0: any number */
    bool ended_in_order; /* the process before, and its disk worked */
    int64_t process_ms;  /* when this process began */
    struct device devices[ACCOUNTS];
    struct book books[ACCOUNTS];
    struct endpoint_book endpoints[ENDPOINTS + 1];
    struct disk_row rows[ACCOUNTS];
    enum link_reason fleet_fault; /* for every account */
    unsigned fleet_left;
    enum invariant broken;
    char why[200];
};
extern struct world world;

/* world.c */
uint32_t dice(enum party party, uint32_t sides);
void world_begin(const struct sequence *sequence);
void world_end(void);
void world_start_bridge(void);
void world_crash(void);
void world_restart(void);
/* Lets the time pass, with all that happens meanwhile. */
void world_pass(int64_t ms);
void outside_set(struct timer *timer, int64_t after_ms);
void outside_cancel(struct timer *timer);
void world_allow(void); /* writes accounts.allowed from world.disallowed */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void key_of_account(unsigned i, struct account_key *key);
int account_of_key(const struct account_key *key);
int account_of_uuid(const uint8_t uuid[16], uint8_t device);
const char *uuid_of_account(unsigned i);
int64_t device_number(unsigned i);
/* An endpoint is a number: whose phone got it from its push server, and which one in a row. Phones
 * of other accounts may register it, too. */
int endpoint_number(unsigned owner, int version);
unsigned endpoint_owner(int endpoint);
void endpoint_write(char text[ENDPOINT_SIZE], int endpoint);
int endpoint_read(const char *text);
unsigned origin_of(int endpoint);
bool has_budget(int endpoint); /* of so many pushes a day */
bool is_denied(int endpoint);
void password_write(char text[PASSWORD_SIZE], unsigned account, int version);
int password_read(const char *text);

/* messenger.c */
extern const struct link_ops sim_messenger;
void messenger_begin(void);
void messenger_process_ended(void);
void messenger_message(unsigned account, bool urgent, bool own, unsigned count);
void messenger_drop(unsigned account, enum link_reason reason, int64_t retry_after_ms);
void messenger_pump(unsigned account);
void messenger_heal(void);
void messenger_allowed_again(unsigned account);
/* By when a link that is down must have been started again. */
int64_t messenger_latest_start_ms(unsigned account);
void messenger_hangs_up(void); /* nobody answered it for minutes: links are dead without a word */
void messenger_resumed(int64_t slept_ms);
void messenger_check_tested(void);
void messenger_check_made(void);

/* pushes.c */
void pushes_begin(void);
void pushes_process_ended(void);
void pushes_behave(unsigned account, struct behaviour behaviour);
void pushes_heal(void);
void pushes_ping(unsigned account); /* the operator asks for one */
/* By what is its push server's own: all places are taken, or it does not answer. */
bool pushes_are_held_up(int endpoint, bool proven);
int64_t pushes_latest_ms(int endpoint); /* so long, at most */
unsigned pushes_answer_count(void);
const char *pushes_answer_text(unsigned answer);
bool pushes_is_silence(unsigned answer);
bool pushes_is_hard(unsigned answer); /* its floor binds tests and notices, too */
bool pushes_is_gone(int endpoint);    /* it said 410, and will until the app subscribes anew */
void pushes_set_gone(int endpoint, bool gone);
bool pushes_was_gone(int endpoint);
void pushes_renew(int endpoint); /* the app has subscribed anew */
void pushes_slept(void);
/* Whether another push takes the place of one that is tried again: two may be on their way, one to
 * a push server that is in trouble or for an endpoint that never worked. */
bool pushes_are_tried(int endpoint, bool proven);

/* disk.c */
enum disk_mode { DISK_WORKS, DISK_FAILS, DISK_PARTLY, DISK_SLOW };
void disk_begin(void);
void disk_behave(enum disk_mode mode);
int64_t disk_works_since_ms(void); /* FOREVER: it does not */
bool disk_is_busy(void);
bool disk_loses_nothing(void); /* all that it was given, and did not say otherwise of */
struct disk_row disk_row_of(const struct store_account *row);
void disk_process_ended(bool crashed);

/* guarantee.c */
void broke(enum invariant invariant, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool is_owed(unsigned account); /* an acknowledged message without a ring that covers it */
void check_record(unsigned account, enum invariant invariant, const char *when);
void check_push(unsigned account, int endpoint, int keys, enum push_kind kind, bool by_operator);
void check_states(void);
void check_findings(void);
void check_given_up(unsigned account); /* its endpoint has said 404 */
void remember_findings(void);          /* the process is being stopped */
int endpoint_of(const struct account *account);
struct endpoint_book *endpoint_book(unsigned account);
/* From now on; nothing for the same again. Other keys at the same URL end a 410, and no floor. */
void use_endpoint(unsigned account, int endpoint, int keys);
void renew(int endpoint);                       /* a 410 does not count any more */
bool is_shared(int endpoint, unsigned account); /* others use it, too */
bool is_still_bound(int endpoint);              /* by a floor that binds whoever has it */
bool another_rings(unsigned account);           /* one of these is ringing */
struct account *account_at(unsigned account);   /* the bridge's; NULL: it has none */
void guarantee_process_began(void);
void guarantee_settle(void);

/* distance.c */
void distance_begin(unsigned account); /* nothing was spent and nothing is put off */
void distance_spent(struct distance *distance, unsigned pushes); /* today */
void distance_check_written(void);
void distance_resume(unsigned account); /* what the rows of its endpoint say was spent */
void distance_new_endpoint(unsigned account);
void distance_spend(unsigned account, enum push_kind kind); /* it was accepted */
int64_t distance_least_ms(unsigned account);
int64_t distance_most_ms(unsigned account);
void distance_put_off(unsigned account);  /* nothing but push.jitter may delay its ring */
void distance_obstacle(unsigned account); /* something does */
void distance_obstacles(unsigned origin);
void distance_failed(
    unsigned account);                 /* its endpoint did; the budget may be that of another day */
void distance_check(unsigned account); /* it rings */

/* sleep.c */
struct absence_clocks sleep_clocks(void);
void sleep_look(void); /* at the clocks: the machine may have been away */
void sleep_for(int64_t ms);
void hurry_first(unsigned account); /* as a message is delivered to it */

/* events.c: what the phone does, also while the world settles. */
void phone_registers(unsigned account, bool ping);
void phone_gets_endpoint(unsigned account);
void registration_hurries(unsigned account, int endpoint);
void check_answers_given(void);
void reload(void);

/* So that a run can show what it met. */
enum counter {
    COUNT_SEQUENCES,
    COUNT_EVENTS,
    COUNT_MESSAGES,
    COUNT_RINGS,
    COUNT_ACCEPTED,
    COUNT_ACKED_BY_DEBT,
    COUNT_CRASHES,
    COUNT_FAILED_WRITES,
    COUNT_GONE,
    COUNT_REFUSED,
    COUNT_FLEET,
    COUNT_CONTESTED,
    COUNT_AT_ONCE,
    COUNT_REPLACED,
    COUNT_SHARED,
    COUNT_SPACED,
    COUNT_RENEWED,
    COUNT_OUTDATED,
    COUNT_TAKEN_UP,
    COUNT_DENIED,
    COUNT_NO_ROOM,
    COUNT_MUTE,
    COUNT_PUT_OFF,
    COUNT_TESTED,
    COUNT_MADE,
    COUNT_HURRIED,
    COUNT_SETTLED,
    COUNTERS,
};
extern uint64_t counters[COUNTERS];

#endif
