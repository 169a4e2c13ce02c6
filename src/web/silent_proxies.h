/* Who hands on requests of others and says nothing of it, which a few lines of nginx or HAProxy do.
 * A single request of theirs may look as if it came directly, since strangers choose its Host
 * header, and a proxy without any line for it writes our own address there. But nobody speaks plain
 * HTTP as a phone does, or asks us for a name that is known outside, without a proxy that had the
 * TLS: one such request tells of all others from that address, until the program ends. Requests
 * that carry a proxy's marks tell nothing of who else is at their address, such as a Prometheus
 * beside the proxy. Serves /metrics only (metrics.h). Pure. */
#ifndef DOORBELL_WEB_SILENT_PROXIES_H
#define DOORBELL_WEB_SILENT_PROXIES_H

#include "web/request.h"

enum { SILENT_PROXIES_MOST = 16 }; /* one or two are usual; with so many nobody can be told apart */

/* All zero in the beginning. */
struct silent_proxies {
    struct address peers[SILENT_PROXIES_MOST]; /* private ones: others see no metrics anyway */
    size_t count;                              /* full: every peer counts as one */
};

/* To be called with each request, before it is answered. `is_mollys`: it is one of a phone. */
void silent_proxies_note(struct silent_proxies *silent, const struct request *request,
                         bool is_mollys);
/* Nothing of the request is a proxy's or looks like it, and its peer has not shown to be one. */
bool silent_proxies_came_directly(const struct silent_proxies *silent,
                                  const struct request *request);

#endif
