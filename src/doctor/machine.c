#include "doctor/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/sqlite.h"

enum {
    LEAST_MB = 16,  /* a write-ahead log and its checkpoint */
    SMALL_MB = 128, /* a log that grows fills it within days */
    LEAST_FILES = 16,
};
#define MB INT64_C(1000000)

static const char subject[] = "store";

static bool has_no_wal(const char *folder)
{
    struct statfs system;
    if (statfs(folder, &system) != 0)
        return false;
    return sqlite_journal_for((uint32_t)system.f_type) == SQLITE_JOURNAL_ROLLBACK;
}

/* Some file systems have no fixed number of files and say 0. */
static void look_at_room(struct machine_facts *facts, const char *folder)
{
    struct statvfs room;
    facts->free_bytes = facts->free_files = -1;
    if (statvfs(folder, &room) != 0)
        return;
    facts->read_only = room.f_flag & ST_RDONLY;
    facts->free_bytes = (int64_t)(room.f_bavail * room.f_frsize);
    if (room.f_files)
        facts->free_files = (int64_t)room.f_favail;
}

void machine_look(struct machine_facts *facts, const char *store_path)
{
    *facts = (struct machine_facts){.us = geteuid()};
    char *copy = mem_text(store_path);
    const char *folder = dirname(copy);
    struct stat about;
    snprintf(facts->folder, sizeof facts->folder, "%s", folder);
    if (stat(folder, &about) != 0) {
        facts->missing = errno;
    } else {
        facts->owner = about.st_uid;
        facts->writable = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
        facts->has_no_wal = has_no_wal(folder);
        look_at_room(facts, folder);
    }
    free(copy);
}

bool machine_is_of_another(const struct machine_facts *facts)
{
    if (facts->us == 0 && facts->read_only)
        return false; /* which keeps everybody from writing */
    return facts->missing ? facts->missing == EACCES
                          : facts->us != facts->owner && !facts->writable;
}

static void diagnose_right(struct findings *findings, const struct machine_facts *facts)
{
    char fix[FINDING_FIX_SIZE];
    if (machine_is_of_another(facts))
        snprintf(fix, sizeof fix, "Run this as the user that runs the server: uid %u owns it.",
                 (unsigned)facts->owner);
    else
        snprintf(fix, sizeof fix,
                 "Give the server's user the right to write there (chown, chmod).");
    findings_add(findings, SEVERITY_FAULT, subject, fix, "uid %u may not write to the folder %s.",
                 (unsigned)facts->us, facts->folder);
}

static bool diagnose_room(struct findings *findings, const struct machine_facts *facts)
{
    long long mb = facts->free_bytes / MB;
    if (facts->free_files >= 0 && facts->free_files < LEAST_FILES) {
        findings_add(findings, SEVERITY_FAULT, subject, "Remove files that nobody needs.",
                     "The disk of the folder %s can hold no further file.", facts->folder);
        return false;
    }
    if (facts->free_bytes < 0 || mb >= SMALL_MB)
        return true;
    findings_add(findings, mb < LEAST_MB ? SEVERITY_FAULT : SEVERITY_WARNING, subject,
                 "Make room on it.", "The disk of the folder %s has only %lld MB left.",
                 facts->folder, mb);
    return false;
}

void diagnose_machine(struct findings *findings, const struct machine_facts *facts)
{
    if (facts->missing == EACCES) {
        findings_add(findings, SEVERITY_FAULT, subject,
                     "Run this as the user that runs the server.",
                     "uid %u may not look at the folder %s.", (unsigned)facts->us, facts->folder);
        return;
    }
    if (facts->missing) {
        findings_add(findings, SEVERITY_FAULT, subject,
                     "Start the server, which makes it, or run this as its user and with its "
                     "configuration (--config).",
                     "The folder %s cannot be looked at: %s.", facts->folder,
                     strerror(facts->missing));
        return;
    }
    if (facts->read_only) {
        findings_add(findings, SEVERITY_FAULT, subject,
                     "Mount it for writing; look into the kernel's log whether the disk fails.",
                     "The folder %s is on a file system that is read-only.", facts->folder);
        return;
    }
    if (!facts->writable) {
        diagnose_right(findings, facts);
        return;
    }
    if (!diagnose_room(findings, facts))
        return;
    findings_add(findings, SEVERITY_WELL, subject, NULL, "Its folder can be written%s%s.",
                 facts->free_bytes >= 0 ? " and has room" : "",
                 facts->has_no_wal ? "; its file system is one on which WAL is not used" : "");
}
