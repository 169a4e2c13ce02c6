#include "cli/options.h"

#include <string.h>

#include "base/text.h"

static const char *next_word(struct options *options)
{
    return options->at < options->argc ? options->argv[options->at++] : NULL;
}

/* "--account ID" and "--account=ID". */
static int take_whole(struct options *options, const struct cli_option *table, const char **value)
{
    const char *word = *value;
    for (int i = 0; table[i].whole; i++) {
        size_t length = strlen(table[i].whole);
        if (!text_starts(word, table[i].whole) || (word[length] && word[length] != '='))
            continue;
        if (!table[i].value)
            return word[length] ? OPTIONS_UNKNOWN : i;
        *value = word[length] ? word + length + 1 : next_word(options);
        return i;
    }
    return OPTIONS_UNKNOWN;
}

static const char *rest_of_word(struct options *options)
{
    const char *rest = options->brief;
    options->brief = NULL;
    if (!*rest)
        return next_word(options);
    return *rest == '=' ? rest + 1 : rest;
}

/* One letter of a word of them. */
static int take_brief(struct options *options, const struct cli_option *table, const char **value)
{
    char letter = *options->brief++;
    for (int i = 0; table[i].whole; i++) {
        if (!table[i].brief || table[i].brief[1] != letter)
            continue;
        if (table[i].value)
            *value = rest_of_word(options);
        else if (!*options->brief)
            options->brief = NULL;
        return i;
    }
    options->brief = NULL;
    return OPTIONS_UNKNOWN;
}

int options_next(struct options *options, const struct cli_option *table, const char **value)
{
    if (options->brief) {
        *value = options->argv[options->at - 1];
        return take_brief(options, table, value);
    }
    *value = next_word(options);
    if (*value && !options->ended && strcmp(*value, "--") == 0) {
        options->ended = true;
        *value = next_word(options);
    }
    const char *word = *value;
    if (!word)
        return OPTIONS_END;
    if (options->ended || word[0] != '-' || !word[1])
        return OPTIONS_ARGUMENT;
    if (word[1] == '-')
        return take_whole(options, table, value);
    options->brief = word + 1;
    return take_brief(options, table, value);
}
