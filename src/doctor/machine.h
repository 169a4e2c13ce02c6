/* What this machine has for the server. Looked at by whoever runs the doctor, which may be another
 * user than the server's: see `owner`. */
#ifndef DOORBELL_DOCTOR_MACHINE_H
#define DOORBELL_DOCTOR_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "doctor/findings.h"

struct machine_facts {
    char folder[256]; /* of the store, for people */
    int missing;      /* errno, where the folder cannot be looked at; else 0 */
    bool read_only;   /* the file system */
    bool writable;    /* for us */
    uid_t us, owner;
    int64_t free_bytes, free_files; /* -1: not told */
    bool has_no_wal;                /* its file system: of a network, or of another process */
};

void machine_look(struct machine_facts *facts, const char *store_path);

/* Whether we are not whom the folder belongs to, nor a root who may go everywhere: then what we may
 * not read says nothing about the server, and the rights of a key must not be widened for our
 * sake. */
bool machine_is_of_another(const struct machine_facts *facts);

/* Pure. */
void diagnose_machine(struct findings *findings, const struct machine_facts *facts);

#endif
