/* The command line's end of the control socket. Blocking: it has nothing else to do. */
#ifndef DOORBELL_CONTROL_CLIENT_H
#define DOORBELL_CONTROL_CLIENT_H

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"

/* Asks the running server. NULL with ERR_NOT_FOUND when nobody listens there; other errors carry a
 * sentence. Checks that root, our own user, the owner of the socket's folder or of the store, or
 * the user that is configured answers. */
json_t *control_ask(const struct config *config, const json_t *request, struct err *err);
/* Likewise; ERR_TIMEOUT where it says nothing for so long, or for ten seconds where the request
 * only looks: then it hangs. */
json_t *control_ask_within(const struct config *config, const json_t *request, int seconds,
                           struct err *err);

#endif
