#include "signal/answer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum {
    /* Whoever asks for more has made a mistake, or means us harm; once an hour harms nobody. */
    RETRY_AFTER_MAX_S = 3600,
    RETRY_AFTER_SIZE = 48,
};

int64_t answer_retry_after_ms(const char *value, size_t length)
{
    char text[RETRY_AFTER_SIZE], *rest;
    if (length == 0 || length >= sizeof text)
        return 0;
    memcpy(text, value, length);
    text[length] = '\0';
    int64_t seconds = strtoll(text, &rest, 10);
    if (rest == text || *rest) {
        struct tm date = {0};
        rest = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date);
        seconds = rest && !*rest ? timegm(&date) - clock_unix() : 0;
    }
    if (seconds <= 0)
        return 0;
    return 1000 * (seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S);
}
