#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return code;
}

void err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return;
    char rest[sizeof err->text];
    char prefix[sizeof err->text];
    snprintf(rest, sizeof rest, "%s", err->text);
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    int used = snprintf(err->text, sizeof err->text, "%s: ", prefix);
    if (used > 0 && (size_t)used < sizeof err->text)
        snprintf(err->text + used, sizeof err->text - (size_t)used, "%.*s",
                 (int)(sizeof err->text - 1 - (size_t)used), rest);
}
