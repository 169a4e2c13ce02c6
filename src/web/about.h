/* The public page at /status: whether the service is well (bridge/service.h), its version, and in
 * plain words what it stores, what can be inferred, for how long, and how to be forgotten (users.md
 * 4, security.md 24). Anybody may read it, so it says nothing of accounts, of push servers, or of
 * what the trouble is: the operator has "doorbell status" for that. Pure. */
#ifndef DOORBELL_WEB_ABOUT_H
#define DOORBELL_WEB_ABOUT_H

#include <stdint.h>

#include "web/request.h"

struct about {
    int64_t trouble_since_unix; /* 0: it is well */
    const char *contact;        /* web.privacy_contact; NULL: none */
};

void page_about(struct response *response, const struct about *about);

#endif
