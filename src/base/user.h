/* Another user to become, for whoever was started as root (security.md 20): a container's first
 * process, or a service whose folder root made. */
#ifndef DOORBELL_BASE_USER_H
#define DOORBELL_BASE_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct user {
    uid_t uid;
    gid_t gid;
};

/* "doorbell", "1000" or "1000:1000", as container engines write it. ERR_NOT_FOUND. */
int user_find(struct user *user, const char *name, struct err *err);

/* Hands over a folder that belongs to root, and what root has in it, not below it: files that an
 * earlier program left there as root could not be written otherwise. Shared folders (/tmp, /var/lib
 * ...) stay root's. `spared`, which ends with NULL, names databases of that folder that stay
 * root's, with what SQLite has beside them, and are only made readable. Makes the folder where it
 * is missing. ERR_REFUSED: nothing there can be given away (no CAP_CHOWN; CIFS, exFAT and the like;
 * a read-only mount). */
int user_take_over(const struct user *user, const char *folder, const char *const *spared,
                   struct err *err);

/* Whose folder it is, if it is somebody's own: not root's, and no shared one. */
bool user_of_folder(struct user *user, const char *folder);

/* After something failed with EACCES at this path: root without CAP_DAC_OVERRIDE, as
 * `cap_drop: [ALL]` with the few to change users leaves it, is nobody in the folder that it has
 * handed over. Until user_leave it is the folder's owner, and may try again. False, with errno as
 * it was: that would be of no use. */
bool user_enter(const char *path);
void user_leave(void); /* keeps errno */

/* Whether this process can become that user. A container's root cannot that is the only user of its
 * namespace, or has no capabilities. */
bool user_is_possible(const struct user *user);

/* For good, with all groups and capabilities. */
int user_become(const struct user *user, struct err *err);

#endif
