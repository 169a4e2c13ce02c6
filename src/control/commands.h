/* Carries out what the operator asks: the same code whether the request came over the control
 * socket or the command line acts on the store by itself. */
#ifndef DOORBELL_CONTROL_COMMANDS_H
#define DOORBELL_CONTROL_COMMANDS_H

#include <jansson.h>

#include "bridge/bridge.h"

/* `answer` belongs to the receiver. Called once, perhaps before commands_run returns. */
typedef void commands_fn(void *arg, json_t *answer);

/* `request` is borrowed. `arg` must live until `fn` was called, which bridge_free ensures at the
 * latest. */
void commands_run(struct bridge *bridge, const json_t *request, commands_fn *fn, void *arg);

#endif
