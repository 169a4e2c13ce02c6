/* Whether two processes have the same settings, without either telling the other what they are: the
 * one that asks hashes each of its own with a key that it makes for this one question, the other
 * one hashes likewise and names those that differ. So nobody can find out a secret by guessing but
 * who may ask the server again and again, and that is who may read its files. Files that a reload
 * reads again are compared by what they had in them when they were loaded. */
#ifndef DOORBELL_CONFIG_LIKENESS_H
#define DOORBELL_CONFIG_LIKENESS_H

#include <jansson.h>

#include "config/config.h"

enum { LIKENESS_FILES = 2, LIKENESS_FILE_SIZE = 32 };

/* What was in the files of push.ca_file and push.headers_file; unknown: it could not be read, or
 * none is set. */
struct likeness_files {
    bool known[LIKENESS_FILES];
    unsigned char digests[LIKENESS_FILES][LIKENESS_FILE_SIZE];
};

void likeness_read_files(struct likeness_files *files, const struct config *config);

/* {"key", "digests": {"push.timeout": hash, ...}, "files": {"push.ca_file": hash}}, of the files as
 * they are now; the caller owns it. */
json_t *likeness_ask(const struct config *config);

/* [{"setting", "place" (null: its default), "fixed", "content"}] of those that `config` has
 * otherwise; "content": the same file had something else in it, by `files`. What only one of the
 * two knows is left out. NULL: the question makes no sense. */
json_t *likeness_answer(const struct config *config, const struct likeness_files *files,
                        const json_t *question);

#endif
