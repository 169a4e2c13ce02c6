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

/* Whether the wall clock was set since, or this machine slept: what was right need not be so now.
 */
static bool was_set_since(const struct skew_moment *then, const struct skew_moment *now)
{
    int64_t by_one_s = (now->now_ms - then->now_ms) / 1000;
    int64_t by_the_other_s = now->now_unix - then->now_unix;
    return llabs(by_one_s - by_the_other_s) > SKEW_MAX_S;
}

static enum skew_news judge_right(struct skew *skew, const char *origin,
                                  const struct skew_moment *now)
{
    bool was_said = skew->said;
    snprintf(skew->agrees, sizeof skew->agrees, "%s", origin);
    skew->agreed = *now;
    skew->origin[0] = '\0';
    skew->said = false;
    return was_said ? SKEW_RIGHT : SKEW_SAME;
}

static enum skew_news judge_wrong(struct skew *skew, const char *origin,
                                  const struct skew_moment *now)
{
    if (strcmp(skew->agrees, origin) == 0 || was_set_since(&skew->agreed, now))
        skew->agrees[0] = '\0';
    if (skew->agrees[0])
        return SKEW_SAME;
    skew->seen_ms = now->now_ms;
    if (!skew->origin[0])
        snprintf(skew->origin, sizeof skew->origin, "%s", origin);
    if (skew->said || !bucket_take(&skew->warnings, now->now_ms))
        return SKEW_SAME;
    skew->said = true;
    return SKEW_WRONG;
}

enum skew_news skew_judge(struct skew *skew, const char *origin, int64_t ahead_s,
                          const struct skew_moment *now)
{
    skew->judged = true;
    skew->untimely = false;
    if (skew->origin[0] && now->now_ms - skew->seen_ms > FORGET_MS) {
        skew->origin[0] = '\0';
        skew->said = false;
    }
    if (llabs(ahead_s) > SKEW_MAX_S)
        return judge_wrong(skew, origin, now);
    return judge_right(skew, origin, now);
}

void skew_untimely(struct skew *skew)
{
    skew->untimely = true;
}
