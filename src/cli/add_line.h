/* The command by which an air-gapped Molly is added, as somebody pasted or typed it: "connection
 * add ACCOUNT_ID DEVICE_ID PASSWORD ENDPOINT", with anything before it and quotes around. */
#ifndef DOORBELL_CLI_ADD_LINE_H
#define DOORBELL_CLI_ADD_LINE_H

#include <jansson.h>

#include "base/err.h"

enum { ADD_LINE_MAX = 4096, ADD_LINE_WORDS = 16, ADD_LINE_WHOLE = 4 /* words */ };

struct add_line {
    char *text; /* owns what the items point to; NULL: the caller does */
    char *items[ADD_LINE_WORDS];
    int count;
};

void add_line_split(struct add_line *line, const char *text);
/* One argument is the whole line, "-" the first line of standard input that is not empty. */
void add_line_take(struct add_line *line, int argc, char **argv);
void add_line_fini(struct add_line *line); /* wipes the password in it */

/* The request to the server (control/proto.h); NULL: `err` says what is wrong with the words. */
json_t *add_line_request(const struct add_line *line, struct err *err);

#endif
