/* Reads TOML 1.0, the language of MollySocket's configuration file, strictly and within bounds: the
 * document is at most CONFIG_FILE_MAX long, each name or value CONFIG_VALUE_MAX, each array of
 * strings CONFIG_LIST_MAX. What it hands out is valid during the call only. Errors are ERR_INVALID
 * (ERR_LIMIT for a document that is too large) and one sentence that names what to mend, but never
 * a value, which may be a key. */
#ifndef DOORBELL_CONFIG_TOML_H
#define DOORBELL_CONFIG_TOML_H

#include <stddef.h>

#include "base/err.h"

enum toml_type {
    TOML_STRING,
    TOML_INTEGER, /* text in decimal; fits an int64_t */
    TOML_FLOAT,   /* text without underscores */
    TOML_BOOL,    /* text is "true" or "false" */
    TOML_DATE,    /* also a time, or both; text as it is written */
    TOML_STRINGS, /* an array of nothing but strings */
    TOML_OTHER,   /* another array, an inline table: only checked */
};

struct toml_value {
    enum toml_type type;
    const char *text; /* UTF-8 without a zero byte inside; NULL for TOML_STRINGS and TOML_OTHER */
    char **items;
    size_t count;
    unsigned line; /* where it begins, from 1 */
};

/* Takes one value; not zero stops the reading, and toml_read returns it. `key` is the dotted path
 * in printable ASCII: parts that TOML must quote are in quotes, a path that is very long ends in
 * "...". The tables of an array of tables have the same path. */
typedef int toml_fn(void *arg, const char *key, const struct toml_value *value, struct err *err);

/* Calls `fn` for each key of the document in its order, until something is wrong; its line is
 * written to *line (may be NULL). */
int toml_read(const void *bytes, size_t length, toml_fn *fn, void *arg, unsigned *line,
              struct err *err);

/* Reads an array of strings as environment variables hold it: members may lack their quotes
 * ([https://a.tld,*]), then they end at the comma; # begins no comment. The caller frees items. */
int toml_read_array(const char *text, char ***items, size_t *count, struct err *err);

#endif
