/* How long push servers bind endpoints that no account uses any more: what they demand they demand
 * for the URL, or a client could go below it by registering another one in between, or by having
 * its account removed. Bounded, in memory only, and without the URLs. */
#ifndef DOORBELL_BRIDGE_LEFT_H
#define DOORBELL_BRIDGE_LEFT_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

enum { LEFT_MOST = 512 };

struct left {
    uint8_t key[crypto_shorthash_KEYBYTES];
    size_t count;
    struct left_floor {
        uint64_t mark; /* of the URL */
        int64_t until_ms;
    } floors[LEFT_MOST];
};

void left_init(struct left *left);

/* Its last account leaves it. Where there is no room, the floor that is over first is forgotten. */
void left_note(struct left *left, const char *url, int64_t until_ms, int64_t now_ms);

/* An account has it again, and knows from now on; 0: nothing binds it. */
int64_t left_take(struct left *left, const char *url, int64_t now_ms);

#endif
