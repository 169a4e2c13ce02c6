/* Tells the operator what needs him: looks around every alert.interval, and sends what has changed
 * to alert.url, an ntfy topic or any webhook, until it is taken. While all is well it calls
 * alert.heartbeat_url, so that somebody notices when it does not come (bridge/health.h).
 *
 * What is bad is polled, not hooked: whoever comes late to a change misses nothing. What was told
 * is in memory (alert.h); that a kind of trouble was told is marked in the store, so that a restart
 * neither repeats it nor forgets to say that it is over. */
#ifndef DOORBELL_ALERT_LOOKOUT_H
#define DOORBELL_ALERT_LOOKOUT_H

#include "bridge/bridge.h"

struct lookout;

struct lookout_parts {
    struct loop *loop;
    struct resolver *resolver;
    struct store *store;
    struct push *push;
    const struct config *config;
};

/* Before the first change of the store (store_marked). */
struct lookout *lookout_new(const struct lookout_parts *parts, struct err *err);
/* Looks for the first time. The bridge must outlast it. */
void lookout_begin(struct lookout *lookout, struct bridge *bridge);
/* On failure the old configuration stays in force. */
int lookout_reload(struct lookout *lookout, const struct config *config, struct err *err);
/* `why` is a clause for people where it was not taken. */
typedef void lookout_tried_fn(void *arg, bool taken, const char *why);
/* Sends a message that says that it is none: whether alerts arrive is to be known before one is
 * due. Calls `fn` once, never before returning; on an error not at all. */
int lookout_try(struct lookout *lookout, lookout_tried_fn *fn, void *arg, struct err *err);
/* When the certificate ends that the web server uses; 0: it has none. To be told again and again.
 */
void lookout_certificate(struct lookout *lookout, int64_t ends_unix);
/* What it knows at this moment, for whoever counts. */
struct lookout_figures {
    bool alerts_failing, clock_wrong;
    int64_t certificate_ends_unix; /* 0: there is none */
    bool certificate_ends_soon;    /* or has ended: what alert.certificate_within says */
};
void lookout_figures(const struct lookout *lookout, struct lookout_figures *figures);
/* How it went with whom alerts, or heartbeats, are sent to. */
enum lookout_receiver { LOOKOUT_ALERTS, LOOKOUT_HEARTBEATS };
struct lookout_delivery {
    const char *url;    /* NULL: there is nobody */
    int64_t since_unix; /* what was sent last did not arrive, since then; 0: it did, or none was */
    const char *why;    /* not: a clause, without path and password */
};
void lookout_delivery(const struct lookout *lookout, enum lookout_receiver receiver,
                      struct lookout_delivery *delivery);
void lookout_free(struct lookout *lookout); /* NULL is fine */

#endif
