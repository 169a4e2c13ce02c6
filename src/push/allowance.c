#include "push/allowance.h"

#include <string.h>

/* The servers that ntfy's own documentation lists as public (integrations, "Alternative ntfy
 * servers"). ntfy.sh's proxy takes 45 requests a minute from one address; the others run the same
 * software with the same defaults and are shared by many in the same way. */
static const char *const public_ntfy[] = {
    "ntfy.sh",       "ntfy.tedomum.net", "ntfy.jae.fi",     "ntfy.adminforge.de",
    "ntfy.envs.net", "ntfy.mzte.de",     "ntfy.hostux.net", "ntfy.fossman.de",
};

enum { BURST = 200, STRANGERS_SHARE = 10, NTFY_SH_DAILY = 250 };

/* One request each. */
static const int64_t every_ms[] = {
    [ALLOWANCE_OTHER] = 1000 / 20,
    [ALLOWANCE_NAMED] = 1000 / 20, /* for its strangers alone */
    [ALLOWANCE_PUBLIC_NTFY] = 60 * 1000 / 40,
};

/* The host may end in the dot of a full name. */
static bool is_host(const char *host, const char *name)
{
    while (*name && *host == *name) {
        host++;
        name++;
    }
    return !*name && (!*host || (*host == '.' && !host[1]));
}

const char *allowance_public_host(const char *host)
{
    for (size_t i = 0; i < sizeof public_ntfy / sizeof *public_ntfy; i++)
        if (is_host(host, public_ntfy[i]))
            return public_ntfy[i];
    return NULL;
}

enum allowance_kind allowance_kind_of(const char *host, bool named)
{
    if (allowance_public_host(host))
        return ALLOWANCE_PUBLIC_NTFY;
    return named ? ALLOWANCE_NAMED : ALLOWANCE_OTHER;
}

unsigned allowance_daily(const char *host)
{
    return is_host(host, "ntfy.sh") ? NTFY_SH_DAILY : 0;
}

void allowance_init(struct allowance *allowance, enum allowance_kind kind)
{
    allowance->kind = kind;
    bucket_init(&allowance->requests, every_ms[kind], BURST);
    bucket_init(&allowance->strangers, every_ms[kind] * STRANGERS_SHARE, BURST / STRANGERS_SHARE);
    bucket_init(&allowance->errors, ALLOWANCE_ERRORS_PERIOD_MS / ALLOWANCE_ERRORS,
                ALLOWANCE_ERRORS);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t errors_next_ms(const struct bucket *errors, enum push_lane lane, int64_t now_ms)
{
    int64_t next = bucket_next_ms(errors, now_ms);
    if (lane != PUSH_HEALTHY)
        return next;
    return later(next - ALLOWANCE_ERRORS_RESERVE * errors->every_ms, now_ms);
}

int64_t allowance_next_ms(const struct allowance *allowance, enum push_lane lane, int64_t now_ms)
{
    int64_t next = now_ms;
    if (allowance->kind != ALLOWANCE_NAMED)
        next = later(errors_next_ms(&allowance->errors, lane, now_ms),
                     bucket_next_ms(&allowance->requests, now_ms));
    if (lane == PUSH_UNPROVEN)
        next = later(next, bucket_next_ms(&allowance->strangers, now_ms));
    return next;
}

/* Unlike bucket_take it overdraws. */
static void charge(struct bucket *bucket, int64_t amount, int64_t now_ms)
{
    bucket->full_at_ms = later(bucket->full_at_ms, now_ms) + amount * bucket->every_ms;
}

void allowance_spend(struct allowance *allowance, enum push_lane lane, int64_t now_ms)
{
    if (allowance->kind != ALLOWANCE_NAMED)
        charge(&allowance->requests, 1, now_ms);
    if (lane == PUSH_UNPROVEN)
        charge(&allowance->strangers, 1, now_ms);
}

/* 500 answers of 429 or of 507, or 225 of 400, within 30 minutes are a ban. A 503 there is the
 * proxy that had too many requests. */
static int weight_of(int status)
{
    if (status == 400)
        return 2;
    return status == 429 || status == 503 || status == 507 ? 1 : 0;
}

bool allowance_judge(struct allowance *allowance, int status, int64_t now_ms)
{
    int weight = allowance->kind == ALLOWANCE_NAMED ? 0 : weight_of(status);
    if (weight > 0)
        charge(&allowance->errors, weight, now_ms);
    return weight > 0;
}

bool allowance_is_full(const struct allowance *allowance, int64_t now_ms)
{
    return allowance->requests.full_at_ms <= now_ms && allowance->strangers.full_at_ms <= now_ms &&
           allowance->errors.full_at_ms <= now_ms;
}

int allowance_errors_left(const struct allowance *allowance, int64_t now_ms)
{
    const struct bucket *errors = &allowance->errors;
    int64_t missing_ms = later(errors->full_at_ms - now_ms, 0);
    int64_t missing = (missing_ms + errors->every_ms - 1) / errors->every_ms;
    return (int)(ALLOWANCE_ERRORS - missing);
}
