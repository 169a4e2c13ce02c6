/* Where the package's service keeps its store, the keys that systemd hands over to it, and the
 * variables that systemd sets for it: a command of root's is given neither, and may read both. */
#ifndef DOORBELL_CONFIG_SERVICE_H
#define DOORBELL_CONFIG_SERVICE_H

#include "config/schema.h"

#define CONFIG_SERVICE_FOLDER "/var/lib/doorbell/"
#define CONFIG_STORE_CREDENTIAL "doorbell-key"
#define CONFIG_SERVICE_KEY_FOLDER "/etc/credstore"
#define CONFIG_SERVICE_STORE_KEY CONFIG_SERVICE_KEY_FOLDER "/doorbell.store.key"
#define CONFIG_VAPID_CREDENTIAL "vapid.key"
#define CONFIG_SERVICE_VAPID_KEY CONFIG_SERVICE_KEY_FOLDER "/doorbell.vapid.key"
#define CONFIG_SERVICE_ENVIRONMENT "/etc/doorbell/environment"

/* What the file of variables says where the store is the service's; the caller frees it with
 * mem_free_secret. NULL: it is another one, or there is no such file for whom we are. */
char *service_environment(const struct config *config);
/* Whether a line of it sets this setting, also by a name of MollySocket's. */
bool service_environment_sets(const char *text, const struct setting *setting);

#endif
