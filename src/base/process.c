#include "base/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t resident_bytes(void)
{
    long long all, resident;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return -1;
    int found = fscanf(file, "%lld %lld", &all, &resident);
    fclose(file);
    return found == 2 ? (int64_t)resident * sysconf(_SC_PAGESIZE) : -1;
}

/* Without the one that looks. */
static int64_t open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -1;
    if (!folder)
        return -1;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int64_t ms_of(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000 + time->tv_usec / 1000;
}

void process_look(struct process_use *use)
{
    struct rlimit limit;
    struct rusage usage;
    bool limited = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    *use = (struct process_use){.memory_bytes = resident_bytes(),
                                .descriptors_open = open_descriptors(),
                                .descriptors_most = limited ? (int64_t)limit.rlim_cur : -1};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        use->cpu_ms = ms_of(&usage.ru_utime) + ms_of(&usage.ru_stime);
}
