/* seccomp for system calls: an allow list, so that what nobody thought of is refused. A refused
 * call fails with ENOSYS, as on a kernel that does not have it, which is what libraries are
 * prepared for: nothing is ever killed. The kernel notes each in its log, where it has audit; a
 * filter cannot write a line of ours. */
#ifndef DOORBELL_SANDBOX_CALLS_H
#define DOORBELL_SANDBOX_CALLS_H

#include "base/err.h"

/* For this thread, and those that it will start; sets no_new_privs. ERR_NOT_FOUND: this kernel
 * cannot. */
int calls_limit(struct err *err);

#endif
