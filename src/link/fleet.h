/* Whether refusals say something about an account or about all of us: three accounts or more that
 * are refused alike within minutes, with no success in between, are one alarm and disable nobody
 * (architecture.md "Account states"). Candidates never count. Pure. */
#ifndef DOORBELL_LINK_FLEET_H
#define DOORBELL_LINK_FLEET_H

#include <stdbool.h>
#include <stdint.h>

enum { FLEET_LEAST = 3, FLEET_WINDOW_MS = 10 * 60 * 1000 };

struct fleet {
    unsigned epoch; /* begins anew with every success; never 0 */
    unsigned refused;
    int64_t since_ms;
};

void fleet_init(struct fleet *fleet);
void fleet_success(struct fleet *fleet);

/* `mark` is the account's own, 0 at first: one account counts once. True when it is fleet-wide;
 * `*alarm` is set by the refusal that makes it so. */
bool fleet_refused(struct fleet *fleet, unsigned *mark, int64_t now_ms, bool *alarm);

#endif
