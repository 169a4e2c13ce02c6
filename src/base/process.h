/* What this process uses, as the kernel tells it. */
#ifndef DOORBELL_BASE_PROCESS_H
#define DOORBELL_BASE_PROCESS_H

#include <stdint.h>

struct process_use {
    int64_t memory_bytes;                       /* resident; -1: not known */
    int64_t descriptors_open, descriptors_most; /* -1: not known */
    int64_t cpu_ms;
};

void process_look(struct process_use *use);

#endif
