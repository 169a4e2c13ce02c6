/* The view of bridge and accounts (bridge/view.h) as JSON: the answer to the command "status". Its
 * fields are told in commands.h. */
#ifndef DOORBELL_CONTROL_STATUS_H
#define DOORBELL_CONTROL_STATUS_H

#include <jansson.h>

#include "bridge/view.h"
#include "sandbox/sandbox.h"

/* NULL: `err` says why. The caller owns the answer. */
json_t *status_answer(struct bridge *bridge, const json_t *request, struct err *err);

json_t *status_of_sandbox(const struct sandbox *sandbox);
json_t *status_of_bridge(struct bridge *bridge, int64_t wall_ms);
json_t *status_of_timeline(const struct timeline *timeline);
json_t *status_of_account(const struct account_view *view, bool timeline);

#endif
