/* A push server's answer: a line "STATUS RETRY-AFTER DATE FAILURES", then the body. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "push/verdict.h"

enum { NOW = 1700000000, LINE_SIZE = 128, RETRY_MIN = 2000, RETRY_MAX = 900000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void expect_sense(const struct verdict *verdict, unsigned failures)
{
    expect(verdict->text[0] != '\0' && strlen(verdict->text) < VERDICT_TEXT_SIZE - 1);
    for (const char *c = verdict->text; *c; c++)
        expect(*c >= ' ' && *c < 0x7f);
    expect(verdict_kind_name(verdict->kind)[0] != '\0');
    int64_t least = verdict_wait_ms(verdict, failures, RETRY_MIN, RETRY_MAX, 0);
    int64_t most = verdict_wait_ms(verdict, failures, RETRY_MIN, RETRY_MAX, UINT32_MAX);
    expect(least >= RETRY_MIN && least >= verdict->floor_ms && most >= least);
    expect(most == INT64_MAX || most <= 7 * 3600 * 1000);
    expect((most == INT64_MAX) == (verdict->floor_ms == -1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    char line[LINE_SIZE];
    if (!end || (size_t)(end - data) >= sizeof line)
        return 0;
    memcpy(line, data, (size_t)(end - data));
    line[end - data] = '\0';
    int status = 0;
    long long retry_after = 0, date = 0;
    unsigned failures = 0;
    sscanf(line, "%d %lld %lld %u", &status, &retry_after, &date, &failures);
    struct push_answer answer = {.status = status,
                                 .retry_after_s = retry_after,
                                 .date_unix = date,
                                 .body = (const char *)end + 1,
                                 .body_length = size - (size_t)(end + 1 - data)};
    struct verdict verdict;
    verdict_judge(&verdict, &answer, NOW);
    expect_sense(&verdict, failures);
    return 0;
}
