/* What the log and the service manager are told of the whole without anybody's asking: how many
 * accounts there are and how they fare, that none is connected, that rings are held up, that the
 * store hangs. One line when it begins and one when it is over, whether alert.url is set or not. On
 * the loop; cannot fail. */
#ifndef DOORBELL_APP_WATCH_H
#define DOORBELL_APP_WATCH_H

#include "app.h"

/* The server works: the log and the service manager are told, and go on to be. */
void app_watch_begin(struct app *app);
void app_watch_end(struct app *app);
/* Tells the service manager that the server works (again), and how. */
void app_watch_ready(struct app *app);

#endif
