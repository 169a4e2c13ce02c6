/* What one wake-up says: the bytes that the app looks for, sealed for the phone where it gave keys
 * (RFC 8291), and the Topic by which a newer one replaces an older one (RFC 8030 section 5.4). */
#ifndef DOORBELL_PUSH_MESSAGE_H
#define DOORBELL_PUSH_MESSAGE_H

#include "base/b64.h"
#include "push/encrypt.h"
#include "push/push.h"

enum {
    MESSAGE_HASH_SIZE = 24, /* 32 characters, the most that a Topic may have */
    MESSAGE_TOPIC_SIZE = B64_TEXT_SIZE(MESSAGE_HASH_SIZE),
};

struct message {
    enum push_kind kind;
    bool has_keys;
    uint8_t p256dh[ENCRYPT_KEY_SIZE];
    uint8_t auth[ENCRYPT_AUTH_SIZE];
    char topic[MESSAGE_TOPIC_SIZE];
    uint8_t sealed[ENCRYPT_BODY_SIZE];
    size_t sealed_length; /* 0: not sealed yet */
};

void message_init(struct message *message, const struct push_target *target, enum push_kind kind);
void message_fini(struct message *message);

/* Before its body is asked for; once, so that a second try sends the same bytes. */
int message_seal(struct message *message, struct err *err);
const void *message_body(const struct message *message, size_t *length);
const char *message_type(const struct message *message);

#endif
