/* Small files, read and written whole: they may hold secrets, so the bytes are in the caller's own
 * memory, which the caller wipes. */
#ifndef DOORBELL_BASE_FILE_H
#define DOORBELL_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads up to `most` bytes: as many as that show that the file is larger than `most` - 1. Returns
 * how many there are, or -1 with errno set. `*is_open`: every user of this machine may read, write
 * or execute it. Never waits for a writer, as a FIFO would have it. */
long file_read(const char *path, char *bytes, size_t most, bool *is_open);

/* Whether both are there and the same, by whatever names. */
bool file_is_same(const char *a, const char *b);
/* Whether every user of this machine may read, write or execute it. */
bool file_is_open(const char *path);

/* Whether the file, or its folder where there is no such file, is kept from us by the sandbox of
 * this process (sandbox/fence.h): what decides who may read it would let us. Keeps errno. */
bool file_is_fenced_off(const char *path);

enum file_replaced { FILE_REPLACED, FILE_NOT_REPLACED, FILE_NOT_SYNCED };
/* Durably and in one step, 0600: there is the file of before, or all of this. Root gives it to the
 * owner of `like`, if that is there. With errno set otherwise; FILE_NOT_SYNCED: it is in place, but
 * after a power cut the one before may be back. */
enum file_replaced file_replace(const char *path, const void *bytes, size_t length,
                                const char *like);
/* Likewise, where there is no such file yet: FILE_NOT_REPLACED with EEXIST where there is one,
 * which stays. `like` NULL: it belongs to whom we are. */
enum file_replaced file_create(const char *path, const void *bytes, size_t length,
                               const char *like);
/* Opens a file to read and write, made (0600) where it is missing. -1 with errno set. One that root
 * makes in somebody's folder becomes that user's, whose server could not use it otherwise; one that
 * was there stays whose it was. ENOENT, too: root met a link of others that leads to no file. */
int file_open_or_make(const char *path);
/* Likewise where there is none yet, not even a link: EEXIST. */
int file_make(const char *path);
/* Root gives the file to the owner of `like`, if that is there. False with errno set. */
bool file_hand_over(const char *path, const char *like);
/* Gives a file another name in the same folder, in one step, and never that of one that is there:
 * EEXIST. False with errno set. */
bool file_put_in_place(const char *temporary, const char *path);
/* The entries of the folder that `path` is in, durably. False with errno set. */
bool file_sync_folder(const char *path);

#endif
