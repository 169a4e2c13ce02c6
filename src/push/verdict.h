/* What a push server's answer means (push-measured.md section 5) and when to try again. Pure. */
#ifndef DOORBELL_PUSH_VERDICT_H
#define DOORBELL_PUSH_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum push_failure {
    PUSH_ANSWERED,   /* there is a status */
    PUSH_NO_ADDRESS, /* the name did not resolve */
    PUSH_NO_CONNECT, /* TCP refused, unreachable, connect deadline */
    PUSH_NO_TLS,     /* certificate or handshake */
    PUSH_UNTIMELY,   /* by our clock the certificate is not valid yet, or no more */
    PUSH_NO_ANSWER,  /* our total deadline passed */
    PUSH_BROKEN,     /* EOF, reset or garbage before an answer, also after the one retry at once */
    PUSH_FORBIDDEN,  /* policy refused the endpoint or all of its addresses */
    PUSH_ELSEWHERE,  /* the latter alone: its name may have another address soon */
    PUSH_OURS,       /* something on our side (memory, signing) */
};

/* What stood in the request's Authorization. */
enum push_login {
    LOGIN_TOKEN,        /* our VAPID token */
    LOGIN_HEADERS_FILE, /* what push.headers_file has for the origin */
    LOGIN_ENDPOINT,     /* user name and password of the endpoint */
};

struct push_answer {
    enum push_failure failure;
    int status;
    int64_t retry_after_s; /* 0: none; clamped to [1 s, 1 h] here */
    int64_t date_unix;     /* the answer's Date header; 0: none */
    const char *server;    /* Server header, may be NULL */
    const char *body;      /* of any bytes, read up to VERDICT_BODY_MAX; may be NULL */
    size_t body_length;
    enum push_login login;
    bool names_secret; /* the body repeats a part of the endpoint's path, of its user name and
                          password or of a header that the operator has added: it is not quoted */
};

enum { VERDICT_TEXT_SIZE = 256, VERDICT_BODY_MAX = 4096 };

enum verdict_kind {
    VERDICT_ACCEPTED,      /* 2xx */
    VERDICT_RETRY,         /* temporary */
    VERDICT_SUSPECT,       /* 404: dead, or the server's trouble; to be confirmed over time */
    VERDICT_GONE,          /* 410: dead for certain */
    VERDICT_UNAUTHORIZED,  /* 401, 403: key, clock or the server's access list */
    VERDICT_MISCONFIGURED, /* wrong scheme or URL, no POST, our own fault: for a person to mend */
    VERDICT_DENIED,        /* our policy */
};

struct verdict {
    enum verdict_kind kind;
    uint8_t cause; /* for verdict_meaning, where the text is not kept; 0: not known */
    int status;    /* 0: there was no answer */
    /* The next try comes no earlier than floor_ms * 2^n (at most cap_ms) after the answer, n being
     * the number of such answers before this one; jitter comes on top, never below. floor_ms 0:
     * full jitter between push.retry_min and push.retry_max. cap_ms 0: floor_ms itself. -1: no
     * further try. */
    int64_t floor_ms, cap_ms;
    int64_t first_ms; /* not 0: the first of such answers is followed by a try within this time,
                         and the floor counts from the second on */
    int64_t retry_after_ms;       /* the server's own word: a floor that does not double; 0: none */
    int64_t held_ms;              /* where it is held: until its push server is tried again */
    bool held;                    /* it was not sent, because its push server is known to be down */
    bool sign_anew;               /* a fresh VAPID token is worth one try */
    bool origin_trouble;          /* counts against the whole origin, not only this endpoint */
    bool doubtful;                /* the phone's trouble or its push server's (origin_judge) */
    char text[VERDICT_TEXT_SIZE]; /* printable: what it means and, where it helps, what to do */
};

/* `now_unix` tells how far the push server's clock is from ours, and when its day ends. */
void verdict_judge(struct verdict *verdict, const struct push_answer *answer, int64_t now_unix);

/* How long to wait after this verdict; INT64_MAX for never. `failures` counts answers like this one
 * before it, `random` is any 32 random bits. */
int64_t verdict_wait_ms(const struct verdict *verdict, unsigned failures, int64_t retry_min_ms,
                        int64_t retry_max_ms, uint32_t random);

const char *verdict_kind_name(enum verdict_kind kind);

/* The words of a verdict that was not kept, without a full stop; NULL where there are none. */
const char *verdict_meaning(unsigned cause);
const char *verdict_advice(unsigned cause);
/* The push server refuses what push.headers_file has for it: for the operator to mend. */
bool verdict_is_of_own_login(unsigned cause);
/* A person has to mend it: time alone does not. */
bool verdict_needs_person(unsigned cause);
/* What a status means as a rule; 0: nothing. */
unsigned verdict_cause_of_status(int status, enum push_login login);
/* Likewise where there was no answer. */
unsigned verdict_cause_of_failure(enum push_failure failure);
enum verdict_kind verdict_kind_of_status(int status);

#endif
