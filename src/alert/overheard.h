/* Whether what opens alert.url, alert.token or a password in the URL, goes over a network as plain
 * text. To this machine itself it goes over none. Pure. */
#ifndef DOORBELL_ALERT_OVERHEARD_H
#define DOORBELL_ALERT_OVERHEARD_H

#include "config/config.h"

/* A sentence without its full stop, with the origin in it; false: there is nothing to say. */
enum { OVERHEARD_SIZE = 512 };
bool alert_is_overheard(const struct config *config, char text[OVERHEARD_SIZE]);

#define OVERHEARD_ADVICE                                                                           \
    "Let alert.url begin with https://, or give it a token that may only write to that topic."

#endif
