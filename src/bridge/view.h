/* What there is to see of the bridge and of each account, for people: the status command, doctor,
 * the status page and alerts all read this and nothing else. Plain data of one moment, without ids,
 * passwords and endpoint paths, so that whoever shows it cannot show too much. Times are seconds
 * since 1970, 0 where there is none (never, or not since the start).
 *
 * For each account it says how well it is, each half of its path in words, and, where a person can
 * do something about it, one sentence that tells what. */
#ifndef DOORBELL_BRIDGE_VIEW_H
#define DOORBELL_BRIDGE_VIEW_H

#include "bridge/bridge.h"

/* From best to worst, so that a greater one is shown first. */
enum view_health {
    VIEW_OFF,    /* disabled by the configuration */
    VIEW_WELL,   /* as far as is known: nothing failed */
    VIEW_TRYING, /* something fails, and is tried again without anybody's help */
    VIEW_BROKEN, /* nobody is rung, most likely until a person does something */
};
enum { VIEW_HEALTHS = VIEW_BROKEN + 1 };

enum { VIEW_WORDS_SIZE = 160, VIEW_DENIED_SIZE = 400, VIEW_ADVICE_SIZE = 512 };

/* The messenger's half. */
struct link_view {
    enum account_state state;
    bool known;              /* false: no server runs, so that only the store's word is known */
    bool proven;             /* this connection has shown its queue */
    bool failed;             /* the last connection, or try, ended for `reason` */
    bool alike;              /* for all accounts: see fleet_alarm */
    enum link_reason reason; /* valid where `failed` */
    int code;                /* HTTP status or close code of that; 0: none */
    int64_t since_unix;      /* in this state; tries that fail are one */
    int64_t next_unix;       /* the next try to connect */
    char words[VIEW_WORDS_SIZE];
};

/* The push server's half. */
struct endpoint_view {
    char origin[URL_ORIGIN_SIZE];
    enum endpoint_state state;
    bool proven;             /* has accepted a push, at any time */
    bool for_good;           /* gone by a 410 */
    enum verdict_kind kind;  /* of the last answer since the start */
    unsigned cause;          /* of the last answer: verdict_meaning; 0: none is known */
    int status;              /* of the last answer; 0: there was none */
    int64_t accepted_unix;   /* the last accepted push, a test push perhaps */
    int64_t not_before_unix; /* the floor that the last answer demands */
    bool is_of_before;       /* nothing was pushed to it since the start */
    const char *summary;     /* as view_endpoint_words */
    char words[VIEW_WORDS_SIZE];
    bool is_listed;                /* where it was denied: an entry other than "*" names it */
    char denied[VIEW_DENIED_SIZE]; /* why the settings forbid its text; empty: they do not */
};

struct messages_view {
    int64_t last_unix; /* the last of any kind but copies of own ones */
    bool urgent;       /* it was one that rings */
    int64_t own_unix;  /* the last copy of what the user's own phone sent */
    unsigned count;    /* since the start, of all kinds */
};

struct rings_view {
    int64_t accepted_unix;
    int accepted_status;
    int64_t latency_ms; /* of that one, from its oldest message to the acceptance; 0: not known */
    int64_t failed_unix;
    int failed_status; /* 0: there was no answer */
    unsigned count;    /* accepted since the start */
    bool queued;       /* one is due, and waits for its turn at the push server */
    bool sent;         /* one is under way */
    int64_t next_unix; /* one is owed and comes then */
};

struct account_view {
    char pseudonym[PSEUDONYM_SIZE]; /* of the user: devices of one share it */
    unsigned device;
    enum view_health health;
    struct link_view link;
    struct endpoint_view endpoint;
    struct messages_view messages;
    struct rings_view rings;
    int64_t owed_since_unix;            /* a message waits for a ring to be accepted */
    bool owed_is_stored;                /* and the store has the debt */
    const char *advice;                 /* one sentence; NULL: nothing needs to be done */
    char advice_text[VIEW_ADVICE_SIZE]; /* holds it where it names something */
    const struct timeline *timeline;    /* borrowed */
};

enum view_alarm {
    VIEW_NO_ALARM,
    VIEW_ALARM_CREDENTIALS,
    VIEW_ALARM_CLIENT,
    VIEW_ALARM_SERVER,
    VIEW_ALARM_CLOCK,
};

struct bridge_view {
    bool has_links; /* false: no server runs */
    int64_t started_unix;
    size_t accounts, owed;
    size_t by_health[VIEW_HEALTHS];
    size_t by_state[ACCOUNT_STATES], by_endpoint[ENDPOINT_STATES];
    enum view_alarm alarm; /* all accounts are refused alike, for: */
    bool store_fails;
    bool no_room;             /* for more links: see LimitNOFILE */
    size_t links_most;        /* for so many there is; 0: for any number */
    int64_t heard_unix;       /* the last frame of the messenger's server, of any link */
    int64_t message_unix;     /* the last message of any account */
    unsigned queued, sending; /* pushes that wait for their turn; that are under way */
    unsigned origins_down;    /* push servers that do not answer */
    bool other_key;           /* than that with which phones were linked (push/linked_key.h) */
    const char *advice[5];    /* on what concerns all; NULL behind the last */
};

/* The whole, at this moment, `wall_ms` being what clock_wall_ms says. Looks at every account. */
void view_bridge(struct bridge *bridge, int64_t wall_ms, struct bridge_view *view);

typedef void view_fn(void *arg, const struct account_view *view);
/* All accounts, in no order; `fn` changes nothing of the bridge. */
void view_each(struct bridge *bridge, int64_t wall_ms, view_fn *fn, void *arg);
/* The devices of the one user that `name` means: an account id, a pseudonym, or the beginning of
 * one that no other user has. ERR_NOT_FOUND, ERR_INVALID (several), with a sentence. */
int view_each_named(struct bridge *bridge, const char *name, int64_t wall_ms, view_fn *fn,
                    void *arg, struct err *err);
/* How an account's endpoint fares, for a list: the name of its state, or what that leaves out: that
 * the settings do not allow it, or that nothing was ever pushed to it. */
const char *view_endpoint_words(struct bridge *bridge, const struct account *account);
/* Push servers that are in use or remembered; push_each_origin. */
void view_each_origin(struct bridge *bridge,
                      void (*fn)(void *arg, const struct push_origin_state *state), void *arg);
bool view_origin_is_down(const struct push_origin_state *state);

/* Sets health and advice by what else is in the view. Pure. */
void view_judge(struct account_view *view);

const char *view_health_name(enum view_health health); /* "trying" */
const char *view_alarm_name(enum view_alarm alarm);    /* "client"; NULL: none */
const char *view_alarm_advice(enum view_alarm alarm);
/* What to do where no link is up for this reason; NULL: nothing that is not known anyway. */
const char *view_down_advice(enum link_reason reason);

#endif
