/* What an operator is told of, and when (alert.url). Somebody looks around now and then and says
 * what he finds bad; this compares it with what was told before. One message when a kind of trouble
 * begins, one when all of it is over, and while it lasts a summary of what has come and gone, at
 * most once every alert.every: a thousand accounts that fail alike are one message. What flaps may
 * begin and end twice, then once every alert.every. Nothing is queued but the state itself: a
 * message is written when it can be sent, the newest state wins, and trouble that was over before
 * anybody could be told is told as such.
 *
 * After a restart what was told before it is not told again, what was not is, and its end is told:
 * see alerts_inherit. Pure: the time is an argument. Memory grows with what is bad at once. */
#ifndef DOORBELL_ALERT_ALERT_H
#define DOORBELL_ALERT_ALERT_H

#include "alert/words.h"
#include "base/bucket.h"
#include "base/list.h"
#include "base/map.h"

struct alert_timing {
    int64_t every_ms;  /* between summaries of one kind */
    int64_t settle_ms; /* after a start: before that nobody says that all is well */
};

struct alert_topic {
    struct list troubles;
    struct bucket changes; /* from well to bad and back */
    int64_t told_ms;       /* the last message */
    bool inherited;
    bool unknown; /* in this look */
};

/* The operator has been told that this is bad, or that it is over, or is another one now. */
typedef void alerts_told_fn(void *arg, enum alert_kind kind, const char *subject, bool bad);

struct alerts {
    struct alert_timing timing;
    alerts_told_fn *told; /* NULL: nobody wants to know */
    void *told_arg;
    struct map map; /* of the troubles of all topics */
    struct alert_topic topics[ALERT_KINDS];
    int64_t begun_ms;
    uint64_t look;
};

void alerts_init(struct alerts *alerts, const struct alert_timing *timing, int64_t now_ms);
void alerts_fini(struct alerts *alerts);
void alerts_retime(struct alerts *alerts, const struct alert_timing *timing);

void alerts_listen(struct alerts *alerts, alerts_told_fn *told, void *arg);

/* Before the first look: the process before this one had told of this trouble, and not of its end.
 * Unless the first look finds it bad, its end is told; of what the store does not remember, only
 * where nothing shows it within settle_ms. An empty subject where it is about accounts: one that is
 * not known any more. */
void alerts_inherit(struct alerts *alerts, enum alert_kind kind, const char *subject);
/* Whoever is told from now on knows of nothing: what stands is taken back. */
void alerts_tell_anew(struct alerts *alerts);

/* One look: begun, what is bad, finished. Whatever it does not name is well. */
void alerts_look(struct alerts *alerts);
/* `subject`: the pseudonym of an account, empty for what is about all. `where`: a push server, or
 * NULL. It is worth a message once it has lasted for `after_ms`. */
void alerts_bad(struct alerts *alerts, enum alert_kind kind, const char *subject, const char *where,
                int64_t after_ms, int64_t now_ms);
/* After alerts_bad: why, by the push server's last answer (verdict_meaning), or, for
 * ALERT_UNLINKED, enum alert_unlinked, for ALERT_LINKS and ALERT_ALIKE, ALERT_CAUSE_OF_LINK; 0:
 * that is not known.
 */
void alerts_because(struct alerts *alerts, enum alert_kind kind, const char *subject,
                    unsigned cause);
/* Nothing can be said about this one, or about all of this kind: it stays as it was. */
void alerts_unsure(struct alerts *alerts, enum alert_kind kind, const char *subject);
void alerts_unknown(struct alerts *alerts, enum alert_kind kind);
void alerts_looked(struct alerts *alerts, int64_t now_ms);

/* The message that is due now, written as of now; false: none is. One at a time: it is taken or
 * failed before the next. */
bool alerts_next(struct alerts *alerts, struct alert_message *message, int64_t now_ms);
void alerts_taken(struct alerts *alerts, enum alert_kind kind, int64_t now_ms);
void alerts_failed(struct alerts *alerts, enum alert_kind kind); /* it is written anew later */

/* Whether the operator believes that something of this kind is bad. */
bool alerts_stands(const struct alerts *alerts, enum alert_kind kind);

#endif
