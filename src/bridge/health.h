/* How well the server is, for those who watch it and may restart it: /healthz and /readyz on the
 * web port (web/probes.h), "doorbell health" and "doorbell health --links" through the control
 * socket, and the service manager's watchdog.
 *
 * Liveness is what a restart may mend: the process, its loop and the store, which must take what is
 * to be kept. Readiness is also that somebody is linked: once links are wanted and none has been up
 * for health.links_down_after it fails, and liveness does not, so that an outage of the messenger
 * restarts nothing.
 *
 * A link is wanted for every account that nothing but the connection keeps from it. One that the
 * messenger refuses, that another program uses or that the settings disable is that account's
 * trouble: there is an alert for it and a line in the status, no restart mends it, and a phone must
 * be able to reach us to be linked anew. So with such accounts only, or with none at all, the
 * server is ready. Pure: times are monotonic and arguments. */
#ifndef DOORBELL_BRIDGE_HEALTH_H
#define DOORBELL_BRIDGE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health {
    HEALTH_WELL,
    HEALTH_LINKS_DOWN,    /* alive, not ready */
    HEALTH_STORE_FAILING, /* the last write failed; it is tried again */
    HEALTH_STORE_HANGS,   /* a write does not come back */
};

/* A disk that sleeps, or a card that tidies up, is back long before. */
enum { HEALTH_STORE_HANGS_MS = 60 * 1000 };

/* What is seen at one moment. */
struct health_sight {
    size_t wanted, up;              /* links */
    uint64_t connects;              /* links that came up since the start */
    bool store_failing;             /* its last write */
    int64_t store_writing_since_ms; /* 0: it writes nothing at the moment */
};

/* What is remembered between two looks; zero at the start. */
struct health_memory {
    bool down;
    int64_t down_since_ms; /* the first look at which no link was up */
    uint64_t connects;
};

/* The worst of what is wrong. A link that was up between two looks counts. */
enum health health_judge(struct health_memory *memory, const struct health_sight *sight,
                         int64_t links_down_after_ms, int64_t now_ms);
/* Of the store alone. */
enum health health_judge_store(const struct health_sight *sight, int64_t now_ms);
bool health_is_alive(enum health health);
/* What is wrong, and what to do: for the operator. */
const char *health_advice(enum health health);

#endif
