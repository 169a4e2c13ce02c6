/* Preloaded into the program under test: as by a power cut, it ends once a file has got the name that
 * CUT_OFF_AT is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int link(const char *from, const char *to)
{
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
    const char *name = strrchr(to, '/');
    int result = real(from, to);
    if (strcmp(name ? name + 1 : to, getenv("CUT_OFF_AT")) == 0)
        _exit(3);
    return result;
}
