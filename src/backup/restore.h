/* Puts a backup into an empty place: all of it or nothing. Only while no server runs there, which
 * the store's lock shows; what is there already and is the same is left, so that a restore that was
 * killed can be given again. */
#ifndef DOORBELL_BACKUP_RESTORE_H
#define DOORBELL_BACKUP_RESTORE_H

#include "backup/archive.h"
#include "config/config.h"

/* What the operator's own files are called beside the store: their paths and addresses were right
 * on another machine, so a person puts them in force. */
#define RESTORED_SUFFIX ".restored"

struct restored {
    size_t accounts, debts;
    bool config, molly; /* there is a file of that name with RESTORED_SUFFIX beside the store */
    bool setup;         /* setup.yaml */
};

/* Whether its parts can be used, before anything is written. `sealed`: whoever made it had the
 * passphrase. What nobody had to know one for has no secrets in it, or it is not ours. */
int restore_check(const struct archive *archive, bool sealed, struct err *err);
/* Whether the service that will have the restored store is handed another VAPID key (ERR_BUSY). For
 * whoever may read the key's file, who need not be the one that puts the rest in place. */
int restore_check_credential(const struct archive *archive, const struct config *config,
                             struct err *err);
/* ERR_BUSY: something is there, or a server runs. */
int restore_put(const struct archive *archive, const struct config *config,
                struct restored *restored, struct err *err);

#endif
