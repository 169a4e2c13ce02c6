/* What Molly asks of us: POST / registers a device, GET /discover says that we are a bridge
 * (mollysocket.md 3, signal.md 7.2). */
#ifndef DOORBELL_WEB_MOLLY_API_H
#define DOORBELL_WEB_MOLLY_API_H

#include <jansson.h>

#include "bridge/bridge.h"
#include "web/request.h"

struct molly_api {
    struct bridge *bridge;
    struct log_limit refusals;
};

/* The body of a registration, read. */
struct molly_registration {
    json_t *json; /* holds the texts */
    struct registration registration;
};

/* 0, or the HTTP status to answer: 400 for what is not JSON, 422 for JSON that is not a
 * registration. Whether uuid, device, password and endpoint are good ones is not judged here. */
int molly_read(struct molly_registration *read, const void *body, size_t length);
void molly_release(struct molly_registration *read); /* wipes the password */

void molly_discover(struct response *response);
/* POST /; answers once the bridge has given its verdict. `client` is for limits; `is_proxy`: it is
 * that of a proxy which does not say who asked. */
void molly_register(struct molly_api *api, const struct address *client, bool is_proxy,
                    struct exchange *exchange);

#endif
