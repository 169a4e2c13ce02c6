#include "push/own_key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static void mark_of(const struct vapid *vapid, uint8_t mark[STORE_MARK_SIZE])
{
    static const char what[] = "doorbell: a VAPID key that was made here";
    const char *key = vapid_public_text(vapid);
    crypto_generichash(mark, STORE_MARK_SIZE, (const unsigned char *)key, strlen(key),
                       (const unsigned char *)what, sizeof what - 1);
}

int own_key_note(struct store *store, const struct vapid *vapid, struct err *err)
{
    uint8_t mark[1][STORE_MARK_SIZE];
    const struct store_intake intake = {.marks = mark, .mark_count = 1, .at_unix = clock_unix()};
    mark_of(vapid, mark[0]);
    return store_take(store, &intake, err);
}

bool own_key_is(struct store *store, const struct vapid *vapid)
{
    int64_t at_unix;
    uint8_t mark[STORE_MARK_SIZE];
    struct err err;
    mark_of(vapid, mark);
    return store_marked(store, mark, &at_unix, &err) == 0 && at_unix != 0;
}

void own_key_tell(const char *path, char text[OWN_KEY_TEXT_SIZE])
{
    snprintf(text, OWN_KEY_TEXT_SIZE,
             "There was no VAPID key, so a new one was made. If MollySocket had one, put it into "
             "%s and restart: phones that were linked with it refuse pushes that another one has "
             "signed.",
             path);
}
