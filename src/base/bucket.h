/* A token bucket without a clock: the time is an argument. Used wherever strangers or servers must
 * not get more than a rate. */
#ifndef DOORBELL_BASE_BUCKET_H
#define DOORBELL_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    int64_t every_ms;   /* one token each; 0 is read as 1 */
    int64_t burst;      /* at most so many at once */
    int64_t full_at_ms; /* when it will be full again */
};

void bucket_init(struct bucket *bucket, int64_t every_ms, int64_t burst);
bool bucket_take(struct bucket *bucket, int64_t now_ms);

/* When the next token will be there: now_ms where one is. */
int64_t bucket_next_ms(const struct bucket *bucket, int64_t now_ms);
/* Likewise, for one who leaves so many to others. */
int64_t bucket_next_leaving_ms(const struct bucket *bucket, int64_t left, int64_t now_ms);

#endif
