/* A YAML file of two levels, read as strictly as our configuration: names, and below each of them
 * "key: value" lines. What they mean is up to the caller; values may be secrets, so that no error
 * of this reader repeats one. */
#ifndef DOORBELL_CONFIG_YAML_TABLE_H
#define DOORBELL_CONFIG_YAML_TABLE_H

#include <stddef.h>

#include "base/err.h"

/* Both return 0, or an ERR_ code with a sentence, before which the file and the line are put. */
struct yaml_table {
    int (*begin)(void *arg, const char *name, struct err *err);
    int (*take)(void *arg, const char *key, const char *value, struct err *err);
    const char *example; /* of a name, for errors: "https://ntfy.example.org" */
};

/* ERR_INVALID or ERR_LIMIT with "NAME:LINE: what is wrong and the fix". `err` must be given. */
int yaml_table_read(const struct yaml_table *table, void *arg, const char *name, const void *bytes,
                    size_t length, struct err *err);

#endif
