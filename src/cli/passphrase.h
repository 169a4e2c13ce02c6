/* A passphrase, from a file or from a person at a terminal; never from the command line or the
 * environment, which others can read. */
#ifndef DOORBELL_CLI_PASSPHRASE_H
#define DOORBELL_CLI_PASSPHRASE_H

#include <stdbool.h>

#include "base/err.h"

/* The first line of the file. Where `file` is NULL it is asked
 * for, twice where it is `made`. In sodium memory: passphrase_free. NULL with a sentence. */
char *passphrase_get(const char *file, bool made, struct err *err);
void passphrase_free(char *passphrase);

#endif
