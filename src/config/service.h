/* Where the package's service keeps its store, and the key for it that systemd hands over. */
#ifndef DOORBELL_CONFIG_SERVICE_H
#define DOORBELL_CONFIG_SERVICE_H

#define CONFIG_SERVICE_FOLDER "/var/lib/doorbell/"
#define CONFIG_STORE_CREDENTIAL "doorbell-key"
#define CONFIG_SERVICE_KEY_FOLDER "/etc/credstore"
#define CONFIG_SERVICE_STORE_KEY CONFIG_SERVICE_KEY_FOLDER "/doorbell.store.key"

#endif
