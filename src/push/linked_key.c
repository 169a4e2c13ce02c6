#include "push/linked_key.h"

#include <sodium.h>
#include <string.h>

#include "base/clock.h"

/* `key` empty: of any key. */
static void mark_of(const char *key, uint8_t mark[STORE_MARK_SIZE])
{
    static const char what[] = "doorbell: phones were linked with this VAPID key";
    crypto_generichash(mark, STORE_MARK_SIZE, (const unsigned char *)key, strlen(key),
                       (const unsigned char *)what, sizeof what - 1);
}

int linked_key_read(struct linked_key *key, const char *public, int64_t took_over_unix,
                    struct store *store, struct err *err)
{
    int64_t this_unix, any_unix;
    uint8_t any[STORE_MARK_SIZE];
    *key = (struct linked_key){0};
    if (!public)
        return 0;
    mark_of("", any);
    mark_of(public, key->mark);
    if (store_marked(store, any, &any_unix, err) != 0 ||
        store_marked(store, key->mark, &this_unix, err) != 0)
        return err->code;
    key->is_given = true;
    key->is_known = this_unix != 0;
    key->is_other = any_unix && any_unix >= took_over_unix && !this_unix;
    return 0;
}

void linked_key_note(struct linked_key *key, struct store *store)
{
    uint8_t any[STORE_MARK_SIZE];
    if (!key->is_given || key->is_known)
        return;
    mark_of("", any);
    store_mark(store, key->mark, clock_unix());
    store_mark(store, any, clock_unix());
    key->is_known = true;
    key->is_other = false;
}

const char *linked_key_advice(void)
{
    return "No phone was linked with the VAPID key that signs now, but others were with another "
           "one: put the former key back (push.vapid_key_file) and restart, or link each phone "
           "again.";
}
