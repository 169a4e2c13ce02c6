#include "account/account.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"

const char *account_state_name(enum account_state state)
{
    static const char *const names[] = {
        [ACCOUNT_CONNECTING] = "connecting",   [ACCOUNT_UP] = "up",
        [ACCOUNT_BACKING_OFF] = "backing-off", [ACCOUNT_CONTESTED] = "contested",
        [ACCOUNT_REFUSED] = "refused",         [ACCOUNT_DISABLED] = "disabled",
    };
    return names[state];
}

const char *endpoint_state_name(enum endpoint_state state)
{
    static const char *const names[] = {
        [ENDPOINT_OK] = "ok",
        [ENDPOINT_FAILING] = "failing",
        [ENDPOINT_SUSPECT] = "suspect",
        [ENDPOINT_GONE] = "gone",
    };
    return names[state];
}

/* Whoever has the URL can ring the phone, so it is wiped like the keys. */
void endpoint_origin(const char *url, char origin[URL_ORIGIN_SIZE])
{
    struct url parsed;
    origin[0] = '\0';
    if (url_parse(&parsed, url, NULL) != 0)
        return;
    url_origin(&parsed, origin);
    url_fini(&parsed);
}

enum endpoint_state endpoint_state_to_store(const struct endpoint *endpoint)
{
    bool asked_again = endpoint->state == ENDPOINT_GONE && !endpoint->for_good;
    return asked_again ? ENDPOINT_SUSPECT : endpoint->state;
}

void endpoint_fini(struct endpoint *endpoint)
{
    mem_free_secret(endpoint->url);
    endpoint_set_keys(endpoint, NULL);
    sodium_memzero(endpoint, sizeof *endpoint);
}

bool endpoint_same_url(const struct endpoint *a, const struct endpoint *b)
{
    return strcmp(a->url, b->url) == 0;
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
    if (!endpoint_same_url(a, b) || !a->keys != !b->keys)
        return false;
    return !a->keys || sodium_memcmp(a->keys, b->keys, sizeof *a->keys) == 0;
}

void endpoint_copy(struct endpoint *to, const struct endpoint *from)
{
    *to = *from;
    to->url = mem_text(from->url);
    to->keys = NULL;
    endpoint_set_keys(to, from->keys);
}

void endpoint_set_keys(struct endpoint *endpoint, const struct endpoint_keys *keys)
{
    if (!keys) {
        mem_free_wiped(endpoint->keys);
        endpoint->keys = NULL;
        return;
    }
    if (!endpoint->keys)
        endpoint->keys = mem_new(sizeof *keys);
    *endpoint->keys = *keys;
}

void endpoint_keys_to_row(const struct endpoint *endpoint, struct store_account *row)
{
    row->has_push_keys = endpoint->keys != NULL;
    if (!endpoint->keys)
        return;
    memcpy(row->push_p256dh, endpoint->keys->p256dh, sizeof row->push_p256dh);
    memcpy(row->push_auth, endpoint->keys->auth, sizeof row->push_auth);
}
