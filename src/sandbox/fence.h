/* Landlock for files: a process that closes the fence behind it reaches only what was let in
 * before, and can never open it again. What is open already stays open. Looking (stat, access,
 * readlink) and chmod are not the fence's business, and neither is connecting to a socket. What the
 * kernel lacks of the rights that we know is left out: those of Linux 5.13 are enough to be worth
 * it. */
#ifndef DOORBELL_SANDBOX_FENCE_H
#define DOORBELL_SANDBOX_FENCE_H

#include "base/err.h"

enum fence_right {
    FENCE_READ,
    FENCE_WRITE,  /* and read, make, remove, rename within a folder; sockets, too */
    FENCE_LISTEN, /* make and remove sockets */
};

struct fence;

/* NULL: this kernel has none, and `err` says why. */
struct fence *fence_new(struct err *err);
void fence_free(struct fence *fence);

/* Lets in a file, or a folder with all that is in it now or will be: a file that is to be replaced
 * (by rename) needs its folder. What is not there is passed over. */
int fence_let_in(struct fence *fence, const char *path, enum fence_right right, struct err *err);

/* For this thread, and those that it will start. Also sets no_new_privs. */
int fence_close(struct fence *fence, struct err *err);

#endif
