/* Gathers what is backed up: by the running server, which alone knows what its environment and its
 * credentials say, or by a command where none runs. Reads the store beside whoever writes it, as it
 * was at one moment. Blocks for some milliseconds per thousand accounts. */
#ifndef DOORBELL_BACKUP_COLLECT_H
#define DOORBELL_BACKUP_COLLECT_H

#include "backup/archive.h"
#include "config/config.h"

/* Adds an archive to `content`, which is a secret one with ENVELOPE_CONTENT_MAX. Without `secrets`
 * it has the settings that are none, and no account: one without its password is of no use. `seal`
 * opens what is sealed in the store. */
int backup_collect(const struct config *config, const struct seal *seal, bool secrets,
                   struct buf *content, struct err *err);

#endif
