/* A socket apart from the web port, for what strangers should not come near: the metrics, the
 * status page. The same HTTP/1 code as there reads what comes, with few connections. Doorbell runs
 * without it as well: an address that is taken is a warning, and the next reload tries again. */
#ifndef DOORBELL_WEB_SIDE_H
#define DOORBELL_WEB_SIDE_H

#include "base/loop.h"
#include "web/proxy_headers.h"
#include "web/request.h"

struct side;

/* How the log speaks of it; kept. */
struct side_words {
    const char *setting; /* "metrics.listen" */
    const char *is;      /* "The metrics for Prometheus are" */
    const char *path;    /* "/metrics" */
    const char *without; /* "there are no metrics" */
    const char *open;    /* what to know where others than this machine reach it */
};

/* `proxies` are those in front of it, and kept. Nobody listens yet. */
struct side *side_new(struct loop *loop, const struct side_words *words,
                      const struct proxies *proxies, exchange_handler *handler, void *arg);
void side_free(struct side *side); /* drops connections */
/* Listens there from now on, as one of web.listen, or nowhere: "none". Where that is another place
 * than before, the connections that came there are dropped. */
void side_follow(struct side *side, const char *where, int64_t timeout_ms);
/* Why nobody listens although somebody should, a clause; NULL: all is well. */
const char *side_refusal(const struct side *side);

#endif
