/* Reads the words of a command one by one, by its table of options (cli.h), as MollySocket's users
 * may write them: "-a ID", "-aID", "-a=ID", "--account ID", "--account=ID"; short options without a
 * value may stand in one word ("-ta ID"). "--" ends the options: what follows are arguments, also
 * where it begins with "-". "-" alone is an argument. What is wrong is said by whoever reads. */
#ifndef DOORBELL_CLI_OPTIONS_H
#define DOORBELL_CLI_OPTIONS_H

#include <stdbool.h>

#include "cli/cli.h"

/* What a word may be besides an option. */
enum { OPTIONS_ARGUMENT = -1, OPTIONS_END = -2, OPTIONS_UNKNOWN = -3 };

/* Begins with argc and argv, all else zero. */
struct options {
    int argc;
    char **argv;
    const char *brief; /* what is left of a word of short options; NULL: none is begun */
    int at;            /* the next word */
    bool ended;        /* by "--" */
};

/* Returns the option's place in the table, with its value, NULL where it is missing; or
 * OPTIONS_ARGUMENT or OPTIONS_UNKNOWN with the word as `*value`; or OPTIONS_END. */
int options_next(struct options *options, const struct cli_option *table, const char **value);

#endif
