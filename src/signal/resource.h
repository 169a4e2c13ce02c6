/* The messages that we send in Signal's resource protocol (signal.md 2.1, 2.6). Pure. */
#ifndef DOORBELL_SIGNAL_RESOURCE_H
#define DOORBELL_SIGNAL_RESOURCE_H

#include <stddef.h>
#include <stdint.h>

enum { RESOURCE_ANSWER_MAX = 32, RESOURCE_REQUEST_MAX = 64 };

/* RESPONSE with id, status 200, message "OK": deletes the message at the server. Returns the
 * length. */
size_t resource_ok(uint8_t bytes[RESOURCE_ANSWER_MAX], uint64_t id);

/* REQUEST GET /v1/keepalive. Returns the length. */
size_t resource_keepalive(uint8_t bytes[RESOURCE_REQUEST_MAX], uint64_t id);

#endif
