#include "push/skew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORGET_MS = 24 * 3600 * 1000, /* a server that is asked no more cannot say that all is well */
    WARNINGS = 3,
    WARNING_EVERY_MS = 3600 * 1000,
};

void skew_init(struct skew *skew)
{
    *skew = (struct skew){.origin = ""};
    bucket_init(&skew->warnings, WARNING_EVERY_MS, WARNINGS);
}

static enum skew_news judge_wrong(struct skew *skew, const char *origin, int64_t now_ms)
{
    skew->seen_ms = now_ms;
    if (skew->origin[0] || !bucket_take(&skew->warnings, now_ms))
        return SKEW_SAME;
    snprintf(skew->origin, sizeof skew->origin, "%s", origin);
    return SKEW_WRONG;
}

enum skew_news skew_judge(struct skew *skew, const char *origin, int64_t ahead_s, int64_t now_ms)
{
    skew->judged = true;
    if (skew->origin[0] && now_ms - skew->seen_ms > FORGET_MS)
        skew->origin[0] = '\0';
    if (llabs(ahead_s) > SKEW_MAX_S)
        return judge_wrong(skew, origin, now_ms);
    if (!skew->origin[0] || strcmp(skew->origin, origin) != 0)
        return SKEW_SAME;
    skew->origin[0] = '\0';
    return SKEW_RIGHT;
}
