/* Whether the running server has the settings that a command reads: by those, and not by its own,
 * a command judges. Its shell may lack what the server's environment says, or say what that does
 * not, and a file may have been changed, and not been loaded again or been refused. */
#ifndef DOORBELL_DOCTOR_RUNNING_H
#define DOORBELL_DOCTOR_RUNNING_H

#include <jansson.h>

#include "config/config.h"
#include "doctor/findings.h"
#include "doctor/probes.h"

/* Takes over `request`. NULL: no server runs (ERR_NOT_FOUND), or one that does not know it; the
 * caller owns the answer. */
json_t *running_ask(const struct config *config, json_t *request, struct err *err);

/* Asks it which settings differ ("compare" of control/proto.h). NULL: no server runs, or one of a
 * version that does not tell; the caller owns it. */
json_t *running_compare(const struct config *config);

/* Pure. `status`, `comparison` and `facts`, which running_mark has seen, may be NULL. */
void diagnose_running(struct findings *findings, const struct config *config, const json_t *status,
                      const json_t *comparison, const struct probe_facts *facts);
/* To be called last: what is not in force may be the remedy of the faults that there are, and is
 * then to be mended first. */
void diagnose_running_first(struct findings *findings);

/* Pure. Marks what was looked at by settings that decide it and are not the running server's: its
 * faults are none of the server's (probes.h); that phones come in at an address that only the
 * server's environment has; and what the server says of its roads to Signal. `status` may be NULL.
 */
void running_mark(struct probe_facts *facts, const struct config *config, const json_t *status,
                  const json_t *comparison);

/* Where the server's environment or command line has this setting otherwise than `config`: the
 * variable, or "command line"; NULL: nowhere. */
const char *running_place(const json_t *comparison, const char *setting);

#endif
