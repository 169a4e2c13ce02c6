#include "bridge/left.h"

#include <string.h>

#include "base/random.h"

void left_init(struct left *left)
{
    left->count = 0;
    random_bytes(left->key, sizeof left->key);
}

static uint64_t mark_of(const struct left *left, const char *url)
{
    uint64_t mark;
    _Static_assert(sizeof mark == crypto_shorthash_BYTES, "a mark is a hash");
    crypto_shorthash((uint8_t *)&mark, (const uint8_t *)url, strlen(url), left->key);
    return mark;
}

static void drop(struct left *left, size_t i)
{
    left->floors[i] = left->floors[--left->count];
}

static void drop_what_is_over(struct left *left, int64_t now_ms)
{
    for (size_t i = left->count; i--;)
        if (left->floors[i].until_ms <= now_ms)
            drop(left, i);
}

static void drop_soonest(struct left *left)
{
    size_t soonest = 0;
    for (size_t i = 1; i < left->count; i++)
        if (left->floors[i].until_ms < left->floors[soonest].until_ms)
            soonest = i;
    drop(left, soonest);
}

void left_note(struct left *left, const char *url, int64_t until_ms, int64_t now_ms)
{
    drop_what_is_over(left, now_ms);
    if (until_ms <= now_ms)
        return;
    if (left->count == LEFT_MOST)
        drop_soonest(left);
    left->floors[left->count++] =
        (struct left_floor){.mark = mark_of(left, url), .until_ms = until_ms};
}

int64_t left_take(struct left *left, const char *url, int64_t now_ms)
{
    uint64_t mark = mark_of(left, url);
    drop_what_is_over(left, now_ms);
    for (size_t i = 0; i < left->count; i++) {
        int64_t until_ms = left->floors[i].until_ms;
        if (left->floors[i].mark != mark)
            continue;
        drop(left, i);
        return until_ms;
    }
    return 0;
}
