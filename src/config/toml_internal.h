/* What the files of the TOML reader share. */
#ifndef DOORBELL_CONFIG_TOML_INTERNAL_H
#define DOORBELL_CONFIG_TOML_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/map.h"
#include "config/internal.h"
#include "config/toml.h"

enum {
    TOML_DEPTH_MAX = 32,              /* arrays and inline tables in each other */
    TOML_NAMES_MAX = CONFIG_LIST_MAX, /* in one document, tables included */
};

struct toml_reader {
    const char *at, *end;
    unsigned line;       /* of `at`, from 1 */
    unsigned wrong_line; /* what toml_fail was given */
    struct err *err;
    size_t length;
    char text[CONFIG_VALUE_MAX + 1]; /* the last name, string or other scalar */
};

/* toml_text.c: bytes, blanks and strings */

int toml_fail(struct toml_reader *reader, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Refuses a typographic quote or space at hand, which word processors and web pages leave behind.
 */
int toml_check_stray(struct toml_reader *reader);
/* Fails about that when one is at hand, else with the sentence. */
int toml_fail_here(struct toml_reader *reader, const char *sentence);

/* Refuses what TOML allows nowhere, so that all others need not look for it: what is not UTF-8,
 * control characters (zero bytes among them), a carriage return without its newline. */
int toml_check_bytes(struct toml_reader *reader);

/* 0 at the end. */
char toml_peek(const struct toml_reader *reader);
bool toml_is_name_character(char c);                     /* without quotes */
bool toml_is_line_end(const struct toml_reader *reader); /* or a comment, or the end */
void toml_skip_spaces(struct toml_reader *reader);
void toml_skip_white(struct toml_reader *reader); /* newlines as well */
void toml_skip_blank(struct toml_reader *reader); /* comments as well */

int toml_add_text(struct toml_reader *reader, const char *bytes, size_t length);
/* Decodes the string whose opening quote is at hand into reader->text. */
int toml_read_string(struct toml_reader *reader, bool may_span_lines);

/* toml_plain.c: a number, a date, a bool, into reader->text */

int toml_read_plain(struct toml_reader *reader, enum toml_type *type);

/* toml_names.c: which names have been used for what */

struct toml_names {
    struct map map;
    size_t scopes; /* how many have been given out */
};

/* Where names are looked up: a table or one element of an array of tables. */
struct toml_place {
    size_t scope; /* 0 is the document's own */
    char path[CONFIG_PATH_SIZE];
};

/* The part that a name plays in a key or in a table's header. */
enum toml_step {
    TOML_STEP_INTO,   /* a in [a.b] */
    TOML_STEP_TABLE,  /* b in [a.b] */
    TOML_STEP_ARRAY,  /* b in [[a.b]] */
    TOML_STEP_DOTTED, /* a in a.b = 1 */
    TOML_STEP_VALUE,  /* b in a.b = 1 */
};

void toml_names_init(struct toml_names *names);
void toml_names_fini(struct toml_names *names);
size_t toml_names_new_scope(struct toml_names *names);
/* Goes from `place` to the name in reader->text, unless TOML forbids its use a second time. */
int toml_names_step(struct toml_names *names, struct toml_reader *reader, struct toml_place *place,
                    enum toml_step step);

#endif
