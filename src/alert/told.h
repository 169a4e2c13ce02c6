/* What the operator was told of, and not yet of its end, over a restart: as marks in the store, one
 * for each kind of trouble and one for each account that it is about. They hold for the receiver
 * that was told: another alert.url knows of nothing. A reload that changes it takes them back; a
 * start that finds it changed cannot, so those stay until it comes back. They are keyed hashes,
 * which name neither the account nor the receiver. */
#ifndef DOORBELL_ALERT_TOLD_H
#define DOORBELL_ALERT_TOLD_H

#include "alert/alert.h"
#include "store/store.h"

struct told {
    struct store *store;
    uint8_t key[STORE_SECRET_SIZE];
    char *url;                       /* of the receiver; NULL: there is none */
    int64_t since_unix[ALERT_KINDS]; /* 0: nothing of this kind was told */
};

/* Hands what was told to alerts_inherit. Before the first change of the store. `told` is to be
 * freed on failure, too. */
int told_read(struct told *told, struct store *store, const char *url, struct alerts *alerts,
              struct err *err);
void told_fini(struct told *told); /* all zero is fine */

/* The receiver was told that this is bad, or that it is over; and that all of a kind is. */
void told_keep(struct told *told, enum alert_kind kind, const char *subject, bool bad);
void told_all_over(struct told *told, enum alert_kind kind);

/* From now on this is the receiver. Where it was another one before, what that was told is
 * forgotten, by `alerts`, too, which this listens to (alerts_listen). */
void told_turn_to(struct told *told, const char *url, struct alerts *alerts);

#endif
