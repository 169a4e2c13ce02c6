/* What the process starts from: the store, the key that phones were linked with, and the accounts
 * that come from MollySocket. Of app.h. */
#ifndef DOORBELL_APP_ACCOUNTS_H
#define DOORBELL_APP_ACCOUNTS_H

#include "app.h"

/* Opens the store, reads the key or makes the first one, and takes over what is new in
 * MollySocket's database. Who comes from there keeps its policy: app->policy may be another one
 * afterwards. */
int app_open_accounts(struct app *app, struct err *err);

#endif
