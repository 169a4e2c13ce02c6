/* Looks at what is outside: Signal's server, the push servers of the accounts, and the way by which
 * phones come in. Everything at once and within about 15 s. Rings nobody and registers nobody:
 * Signal's server is asked for an anonymous websocket on each road that is open, a push server and
 * whoever takes alerts for their front pages, the public address for the linking page and, as Molly
 * would, by an empty registration. Where something else answers there, it is asked whether it is
 * ntfy, in 10 s more at most. */
#ifndef DOORBELL_DOCTOR_PROBES_H
#define DOORBELL_DOCTOR_PROBES_H

#include <jansson.h>

#include "doctor/visit.h"
#include "signal/roads.h"
#include "web/witness.h"

enum { PROBE_ORIGINS_MOST = 8, PROBE_AGENT_SIZE = 128 };

/* By whose settings it was looked at: what decides how that ends (running_mark). */
enum judged {
    JUDGED_ALIKE,      /* the running server's, as far as is known */
    JUDGED_NOT_LOADED, /* those of the files, by which phones that are rung now will not be */
    JUDGED_OTHERWISE,  /* those of this command: the server's environment has others */
};

/* Of one road to Signal's server. */
struct road_facts {
    char origin[URL_ORIGIN_SIZE]; /* empty: the settings do not leave that road open */
    struct visit_facts v4, v6;
    struct visit_facts fallback; /* with the second User-Agent, over either */
};

struct signal_facts {
    struct road_facts roads[ROADS];
    char agent[PROBE_AGENT_SIZE], fallback_agent[PROBE_AGENT_SIZE];
    enum judged judged;
    bool has_left;        /* HTTP/2: as the running server says, and why (diagnose_road) */
    bool own_roots;       /* signal.ca_file */
    bool own_nameservers; /* net.nameservers */
};

struct origin_facts {
    char origin[URL_ORIGIN_SIZE];
    struct visit_facts visit;  /* as the server goes there */
    struct visit_facts v4, v6; /* over one of them alone; of push servers only */
    enum judged judged;
    bool own_roots;       /* push.ca_file */
    bool own_nameservers; /* net.nameservers */
};

/* How phones come to be registered, by the settings and by what setup was answered. */
enum linking {
    LINKING_UNKNOWN, /* nobody has said so */
    LINKING_BY_WEB,  /* by themselves, at web.public_url */
    LINKING_BY_HAND, /* air-gapped */
};

struct public_facts {
    enum linking linking;
    char origin[URL_ORIGIN_SIZE]; /* of web.public_url; empty: it is not set */
    bool secure;                  /* https */
    char listen[64];              /* where the server listens */
    /* `has_needle`: it has this server's VAPID key; not made where that cannot be read and no
     * server runs that could say that it came. */
    struct visit_facts visit;
    struct visit_facts v4, v6; /* the same page over one of them alone, of which nobody is told */
    /* What arrived here of that visit, by the running server's word (web/witness.h). */
    bool stopped; /* no server runs */
    bool asked;   /* there is a server of this kind that was asked */
    bool seen;    /* it came; else the rest is not known */
    struct sighting sighting;
    /* ntfy's own page of its health, at that origin; made where what answers is not this server. */
    struct visit_facts mark;
    /* Molly registers by POST: one that registers nobody, and whether that came. Not made where no
     * server runs that could say so. */
    struct visit_facts post;
    bool post_seen;
};

struct probe_facts {
    struct signal_facts signal;
    struct origin_facts origins[PROBE_ORIGINS_MOST];
    size_t origin_count, origins_more;
    struct origin_facts alerts;    /* of alert.url; not made: it is not set */
    struct origin_facts heartbeat; /* of alert.heartbeat_url, likewise */
    const json_t *told; /* how it went with them, by the running server's word; of the status */
    bool web;
    struct public_facts public;
};

/* `status` (may be NULL) names the push servers. An error means that nothing could be looked at. */
int probes_run(struct probe_facts *facts, const struct config *config, const json_t *status,
               struct err *err);

enum linking probes_linking(const struct config *config);

#endif
