/* The command line's end of the control socket. Blocking: it has nothing else to do. */
#ifndef DOORBELL_CONTROL_CLIENT_H
#define DOORBELL_CONTROL_CLIENT_H

#include <jansson.h>

#include "base/err.h"

/* Asks the running server. NULL with ERR_NOT_FOUND when nobody listens there; other errors carry a
 * sentence. Checks that root, our own user or the owner of the socket's folder answers. */
json_t *control_ask(const char *path, const json_t *request, struct err *err);
/* Likewise; ERR_TIMEOUT where it says nothing for so long. */
json_t *control_ask_within(const char *path, const json_t *request, int seconds, struct err *err);

#endif
