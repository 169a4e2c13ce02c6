/* What of the file system the running server needs, as its settings have it: no more is let in. */
#ifndef DOORBELL_SANDBOX_PLACES_H
#define DOORBELL_SANDBOX_PLACES_H

#include "config/config.h"
#include "sandbox/fence.h"

/* `also` is a further file to read, NULL: none. Folders that are to be written must be there. */
int places_let_in(struct fence *fence, const struct config *config, const char *also,
                  struct err *err);

/* Of the settings that a reload may change, the first whose file or socket lies where this process,
 * fenced in, does not reach: ERR_NOT_NOW with a sentence. */
int places_check(const struct config *config, struct err *err);

#endif
