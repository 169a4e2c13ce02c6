/* Who may see the status page: browsers to which the right token was given, until they log out, a
 * time has passed, the token is not the valid one any more, or so many others came after them. In
 * memory only, so a restart ends them all. A session's id is 256 random bits; only its hash is
 * kept. Pure: times are monotonic and arguments. */
#ifndef DOORBELL_WEB_ADMIN_SESSIONS_H
#define DOORBELL_WEB_ADMIN_SESSIONS_H

#include <stdbool.h>

#include "base/log.h"
#include "push/verdict.h"
#include "web/admin_token.h"

enum {
    ADMIN_SESSIONS_MAX = 16,
    ADMIN_ID_BYTES = 32,
    ADMIN_ID_TEXT_SIZE = B64_TEXT_SIZE(ADMIN_ID_BYTES),
};

/* What came of the last test that this browser asked for. */
struct admin_test {
    char pseudonym[PSEUDONYM_SIZE];
    unsigned device;
    int64_t at_unix; /* 0: there was none */
    bool accepted;
    char text[VERDICT_TEXT_SIZE];
};

struct admin_session {
    uint8_t id_hash[ADMIN_HASH_SIZE];
    uint8_t token_hash[ADMIN_HASH_SIZE]; /* that it was opened with */
    int64_t ends_ms;                     /* 0: the place is free */
    struct admin_test test;
};

struct admin_sessions {
    struct admin_session all[ADMIN_SESSIONS_MAX];
};

/* Whether it is the token that this is the hash of, compared in constant time. */
bool admin_token_fits(const uint8_t token_hash[ADMIN_HASH_SIZE], const char *token);

/* A session for who gave that token; the one that would end first makes room. */
void admin_sessions_open(struct admin_sessions *sessions, const uint8_t token_hash[ADMIN_HASH_SIZE],
                         int64_t ends_ms, char id[ADMIN_ID_TEXT_SIZE]);
/* NULL: there is none, or none any more. `id` may be NULL. */
struct admin_session *admin_sessions_find(struct admin_sessions *sessions,
                                          const uint8_t token_hash[ADMIN_HASH_SIZE], const char *id,
                                          int64_t now_ms);
void admin_sessions_close(struct admin_session *session);

#endif
