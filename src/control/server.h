/* The Unix socket beside the store on which the command line talks to the running server: mode
 * 0600, peers are root or our own user (security.md 17). */
#ifndef DOORBELL_CONTROL_SERVER_H
#define DOORBELL_CONTROL_SERVER_H

#include "control/commands.h"

struct control;

/* The caller holds the store's lock. A socket that nobody answers on is replaced; one that is
 * answered is ERR_BUSY; where this process may have no Unix sockets, ERR_REFUSED. */
struct control *control_new(struct loop *loop, const struct commands_host *host, const char *path,
                            struct err *err);
/* Before bridge_free: requests that are under way end without an answer. */
void control_free(struct control *control);

#endif
