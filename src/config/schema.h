/* The one table of settings: YAML path, type, default, environment name (derived: DOORBELL_ + path
 * in capitals, dots as underscores), help. Adding a setting is one row here and one field in
 * config.h. */
#ifndef DOORBELL_CONFIG_SCHEMA_H
#define DOORBELL_CONFIG_SCHEMA_H

#include <stddef.h>

#include "config/config.h"

enum setting_type {
    SETTING_TEXT,     /* char * */
    SETTING_BOOL,     /* true, false, yes, no, on, off, 1, 0 */
    SETTING_NUMBER,   /* int64_t within [least, most] */
    SETTING_DURATION, /* int64_t in ms within [least, most]: 250ms, 20s, 5m, 1h, 2d */
    SETTING_CHOICE,   /* enum stored as int: the position in `choices` */
    SETTING_LIST, /* struct strings: YAML sequence or scalar; in the environment comma-separated or
                     a JSON array */
};

struct setting {
    const char *path;
    enum setting_type type;
    size_t offset;        /* in struct config */
    const char *standard; /* the default as text; NULL: none, and the value may be empty */
    int64_t least, most;
    const char *const *choices;                       /* ends with NULL */
    int (*check)(const char *value, struct err *err); /* per value or member; may be NULL */
    const char *help;                                 /* one sentence */
    bool fixed;                                       /* cannot change while the server runs */
    bool secret;                                      /* printed only where it is the default */
};

extern const struct setting schema[];
extern const size_t schema_count;

/* NULL when there is none. */
const struct setting *schema_find(const char *path);
/* The known path that is nearest to a wrong one, or NULL when none is near. */
const char *schema_nearest(const char *path);

/* Parses `text`, trimmed, into the setting's field, freeing what was there; on failure that stays.
 * The sentence names neither the setting nor the place: the caller puts them before it. */
int schema_set(struct config *config, const struct setting *setting, const char *text,
               struct err *err);
int schema_set_list(struct config *config, const struct setting *setting, char *const *items,
                    size_t count, struct err *err);

/* For members that were checked already, in the way of wherever they come from. */
int schema_set_checked_list(struct config *config, const struct setting *setting,
                            char *const *items, size_t count, struct err *err);

/* Whether its text is the path of a file. */
bool schema_names_file(const struct setting *setting);

/* "DOORBELL_PUSH_TIMEOUT" for "push.timeout"; the caller frees it. */
char *schema_environment_name(const struct setting *setting);

/* The first setting that a reload would have to change and cannot, or NULL. */
const struct setting *schema_changed(const struct config *old, const struct config *new);

#define SCHEMA_HIDDEN "(hidden)"
/* What a setting has now, as it would stand in our file, but for user names and passwords in lists
 * of URLs, which our files do not take; the caller frees it. */
char *schema_get(const struct config *config, const struct setting *setting);

/* The documents that come from the table: a commented sample YAML, the README's Markdown table and
 * the manual page doorbell.yaml(5); and what a configuration comes to, as a file whose comments
 * tell where each value was written, without secrets: all of it, or only what somebody wrote. The
 * caller frees them. */
char *schema_sample_yaml(void);
char *schema_markdown(void);
char *schema_manual(void);
char *schema_effective_yaml(const struct config *config);
char *schema_written_yaml(const struct config *config);

#endif
