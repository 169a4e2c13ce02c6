/* What befalls all accounts together, for whoever tells the operator of it. */
#ifndef DOORBELL_BRIDGE_ALARMS_H
#define DOORBELL_BRIDGE_ALARMS_H

#include "bridge/bridge.h"

struct bridge_alarms {
    size_t served; /* accounts that the settings do not disable */
    size_t wanted; /* accounts whose link is to be up: not those refused, contested or disabled */
    size_t up;     /* of them */
    size_t silent; /* accounts whose link was accepted, but did not show its queue since */
    size_t down_for[LINK_REASONS]; /* accounts whose link is to be up and is not, by what ended it
                                      last */
    bool refused_alike; /* the messenger's server refuses all accounts for another reason than the
                           client */
};

void bridge_alarms(struct bridge *bridge, struct bridge_alarms *alarms);
/* Whether it is one of the silent ones. */
bool bridge_is_silent(const struct account *account);
/* Whether its link is up, and has been for so long that nobody else can be using its device. */
bool bridge_is_undisturbed(const struct account *account);
/* For how long a ring may be owed before it is late: one that is blurred is owed for
 * push.jitter while all is well. */
int64_t bridge_patience_ms(const struct config *config);
/* Whether the account is owed a ring for longer than that, and could be rung: the messenger does
 * not refuse it, the settings do not disable it, and its endpoint is not gone. What was owed before
 * this process began was not held up until then. */
bool bridge_is_late(const struct account *account);
/* Why the account's endpoint takes no push: verdict_meaning; 0: that is not known, or it does. */
unsigned bridge_endpoint_cause(const struct account *account);
/* Likewise by the row alone, which has no more than the status of the last answer. */
unsigned bridge_stored_cause(const struct account *account);
/* Whether it takes no push at all, by its answer or by our settings, or fails and never took one:
 * no ring has to be overdue to show that. */
bool bridge_endpoint_refuses(const struct account *account);

#endif
