#include "web/admin_sessions.h"

#include <sodium.h>
#include <string.h>

bool admin_token_fits(const uint8_t token_hash[ADMIN_HASH_SIZE], const char *token)
{
    uint8_t hash[ADMIN_HASH_SIZE];
    admin_token_hash(hash, token);
    return sodium_memcmp(hash, token_hash, sizeof hash) == 0;
}

static struct admin_session *first_to_end(struct admin_sessions *sessions)
{
    struct admin_session *first = sessions->all;
    for (size_t i = 1; i < ADMIN_SESSIONS_MAX; i++)
        if (sessions->all[i].ends_ms < first->ends_ms)
            first = &sessions->all[i];
    return first;
}

void admin_sessions_open(struct admin_sessions *sessions, const uint8_t token_hash[ADMIN_HASH_SIZE],
                         int64_t ends_ms, char id[ADMIN_ID_TEXT_SIZE])
{
    struct admin_session *session = first_to_end(sessions);
    uint8_t bytes[ADMIN_ID_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    b64url_encode(id, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
    *session = (struct admin_session){.ends_ms = ends_ms};
    admin_token_hash(session->id_hash, id);
    memcpy(session->token_hash, token_hash, ADMIN_HASH_SIZE);
}

struct admin_session *admin_sessions_find(struct admin_sessions *sessions,
                                          const uint8_t token_hash[ADMIN_HASH_SIZE], const char *id,
                                          int64_t now_ms)
{
    for (size_t i = 0; id && i < ADMIN_SESSIONS_MAX; i++) {
        struct admin_session *session = &sessions->all[i];
        if (session->ends_ms <= now_ms ||
            sodium_memcmp(session->token_hash, token_hash, ADMIN_HASH_SIZE) != 0)
            admin_sessions_close(session);
        else if (admin_token_fits(session->id_hash, id))
            return session;
    }
    return NULL;
}

void admin_sessions_close(struct admin_session *session)
{
    *session = (struct admin_session){0};
}
