/* What the process does with a configuration: looks whether it can be used, takes it, takes another
 * one while it runs. Of app.h. */
#ifndef DOORBELL_APP_CONFIG_H
#define DOORBELL_APP_CONFIG_H

#include "app.h"
#include "base/descriptors.h"

/* Who may have how many descriptors with it. */
struct descriptors app_share_descriptors(const struct app *app, const struct config *config);

/* Loads the configuration again, and logs what came of it. When it fails, the old one stays. */
int app_reload(struct app *app, struct err *err);
void app_free_abandoned(struct app *app); /* what reloads that failed may have left in use */

#endif
