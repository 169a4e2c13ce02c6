/* The running server walls itself in (security.md 21): whoever takes it over by a flaw in a library
 * reaches the files that it needs, the network, and nothing else of the machine. Two walls of which
 * each may be missing: files (fence.h, places.h) and system calls (calls.h). Entered before the
 * first thread starts, as threads that exist stay outside, and before libuv makes its loop, which
 * must not find io_uring first and lose it then. docs/sandbox.md is for the operator. */
#ifndef DOORBELL_SANDBOX_SANDBOX_H
#define DOORBELL_SANDBOX_SANDBOX_H

#include "config/config.h"

enum sandbox_wall {
    SANDBOX_OFF,     /* by the setting */
    SANDBOX_MISSING, /* this machine, or its settings, do not allow it */
    SANDBOX_ON,
};

struct sandbox {
    enum sandbox_wall files, calls;
};

/* Says in the log what is on, and why what is not. There is no way back. `also` is a further file
 * to read, NULL: none. */
void sandbox_enter(struct sandbox *sandbox, const struct config *config, const char *also);

/* Whether what a new configuration names can be reached: ERR_NOT_NOW. */
int sandbox_check(const struct sandbox *sandbox, const struct config *config, struct err *err);

const char *sandbox_wall_name(enum sandbox_wall wall); /* "on", "off", "missing" */

#endif
