/* What the operator answered to "doorbell setup": a file of our own beside the store, so that it
 * survives a container that is made anew. It is YAML like doorbell.yaml, and the lowest file but
 * the package's: whatever somebody writes elsewhere wins. Only the settings that are asked for may
 * stand in it; where one of them, or anything else, cannot be read the load stops as with any file,
 * with file, line, key and remedy. */
#ifndef DOORBELL_CONFIG_SETUP_FILE_H
#define DOORBELL_CONFIG_SETUP_FILE_H

#include "base/buf.h"
#include "config/config.h"
#include "config/schema.h"

#define SETUP_FILE_NAME "setup.yaml"

/* Beside the store of this configuration; the caller frees it. */
char *setup_file_path(const struct config *config);

/* Whether it may have this setting. */
bool setup_file_takes(const struct setting *setting);
/* Whether a setting has the value that it has because the file says so. */
bool setup_file_decides(const struct config *config, const char *setting);

/* Defaults and what the file has, which need not be there. NULL with a sentence. */
struct config *setup_file_read(const char *path, struct err *err);
/* Whether such a file could be read; sentences call it setup.yaml. */
int setup_file_check(const void *bytes, size_t length, struct err *err);
/* Sets one of its settings, or takes it out (`text` NULL). The sentence is about the value alone.
 */
int setup_file_set(struct config *answers, const char *setting, const char *text, struct err *err);
/* Adds to the list of push.allowed_endpoints, which begins with what is in force now. */
int setup_file_allow(struct config *answers, const struct config *now, const char *origin,
                     struct err *err);
/* What setup_file_write would write; without `secrets` those that are none. ERR_LIMIT where it is
 * longer than a configuration may be. */
int setup_file_text(const struct config *answers, bool secrets, struct buf *text);
/* In one step, 0600. What root writes belongs to whom `store` belongs to, for the server to read.
 */
int setup_file_write(const char *path, const char *store, const struct config *answers,
                     struct err *err);

#endif
