#include "push/message.h"

#include <sodium.h>
#include <string.h>

#include "base/text.h"

static const struct {
    const char *payload, *topic;
} kinds[] = {
    /* Molly looks for these very bytes (push.md 1.5). */
    [PUSH_RING] = {"{\"urgent\":true}", "mollysocket"},
    [PUSH_TEST] = {"{\"test\":true}", "test"},
    [PUSH_CONTESTED] = {"{\"code\":4409}", "4409"},
};

/* Who has the phone's keys must not tell by the topic what is in the message: a test and a notice
 * look alike. A ring has a topic of its own, or they would replace it while the phone is away. Made
 * from the endpoint's secret, so that a ring after a restart still replaces the one before. */
static void write_topic(struct message *message)
{
    if (!message->has_keys) {
        text_add(message->topic, message->topic + sizeof message->topic,
                 kinds[message->kind].topic);
        return;
    }
    const char *use = message->kind == PUSH_RING ? "doorbell topic ring" : "doorbell topic other";
    uint8_t hash[MESSAGE_HASH_SIZE];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)use, strlen(use), message->auth,
                       sizeof message->auth);
    b64url_encode(message->topic, hash, sizeof hash);
}

void message_init(struct message *message, const struct push_target *target, enum push_kind kind)
{
    *message = (struct message){.kind = kind, .has_keys = target->has_keys};
    if (target->has_keys) {
        memcpy(message->p256dh, target->p256dh, sizeof message->p256dh);
        memcpy(message->auth, target->auth, sizeof message->auth);
    }
    write_topic(message);
}

void message_fini(struct message *message)
{
    sodium_memzero(message->auth, sizeof message->auth);
}

int message_seal(struct message *message, struct err *err)
{
    if (!message->has_keys || message->sealed_length)
        return 0;
    const char *payload = kinds[message->kind].payload;
    int result = encrypt_payload(message->p256dh, message->auth, payload, strlen(payload),
                                 message->sealed, err);
    message->sealed_length = result == 0 ? sizeof message->sealed : 0;
    return result;
}

const void *message_body(const struct message *message, size_t *length)
{
    const char *payload = kinds[message->kind].payload;
    *length = message->has_keys ? message->sealed_length : strlen(payload);
    return message->has_keys ? message->sealed : (const void *)payload;
}

const char *message_type(const struct message *message)
{
    return message->has_keys ? "application/octet-stream" : "application/json";
}
