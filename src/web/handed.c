#include "web/handed.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* 0 for what is missing or no number. */
static long number_of(const char *variable)
{
    const char *text = getenv(variable);
    char *rest;
    if (!text)
        return 0;
    long number = strtol(text, &rest, 10);
    return *text && !*rest ? number : 0;
}

int handed_take(void)
{
    long count = number_of("LISTEN_FDS");
    if (number_of("LISTEN_PID") != (long)getpid() || count < 0 || count > INT_MAX - HANDED_FIRST)
        return 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return (int)count;
}
