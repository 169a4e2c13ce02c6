#include "cli/when.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static bool is_same_day(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday;
}

const char *when_text(char text[WHEN_SIZE], int64_t unix_s, int64_t now_unix)
{
    time_t at = (time_t)unix_s, now = (time_t)now_unix;
    struct tm then, today;
    snprintf(text, WHEN_SIZE, "-");
    if (!unix_s || !localtime_r(&at, &then) || !localtime_r(&now, &today))
        return text;
    strftime(text, WHEN_SIZE, is_same_day(&then, &today) ? "%H:%M:%S" : "%b %e %H:%M", &then);
    return text;
}
