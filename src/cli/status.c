#include "cli/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

static const json_t *first_of(const void *element)
{
    return *(const json_t *const *)element;
}

static int rank(const json_t *account)
{
    static const char *const names[] = {"broken", "trying", "well", "off"};
    const char *health = json_string_value(json_object_get(account, "health"));
    for (int i = 0; i < 4; i++)
        if (health && strcmp(health, names[i]) == 0)
            return i;
    return 0;
}

static int compare(const void *one, const void *other)
{
    const json_t *a = first_of(one), *b = first_of(other);
    if (rank(a) != rank(b))
        return rank(a) - rank(b);
    bool a_is_owed = json_integer_value(json_object_get(a, "owed_since"));
    bool b_is_owed = json_integer_value(json_object_get(b, "owed_since"));
    if (a_is_owed != b_is_owed)
        return a_is_owed ? -1 : 1;
    int order = strcmp(json_string_value(json_object_get(a, "pseudonym")),
                       json_string_value(json_object_get(b, "pseudonym")));
    return order ? order
                 : (int)json_integer_value(json_object_get(a, "device")) -
                       (int)json_integer_value(json_object_get(b, "device"));
}

void status_sort(json_t *accounts)
{
    size_t count = json_array_size(accounts);
    json_t **sorted = count ? calloc(count, sizeof *sorted) : NULL;
    if (!sorted)
        return;
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_incref(json_array_get(accounts, i));
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count; i++)
        json_array_set_new(accounts, i, sorted[i]);
    free(sorted);
}

enum { OPTION_ACCOUNT, OPTION_TIMELINE, OPTION_JSON };

const struct cli_option cli_status_options[] = {
    [OPTION_ACCOUNT] = {"-a", "--account", "ID",
                        "One account alone, with all that is known of it: its id, its pseudonym or "
                        "the beginning of that. The id is not printed."},
    [OPTION_TIMELINE] = {"-t", "--timeline", NULL, "What happened to each account last, and when."},
    [OPTION_JSON] = {NULL, "--json", NULL, "The same for programs."},
    {0},
};

struct asked {
    const char *account; /* NULL: all */
    bool timeline, json;
};

static bool take_words(struct asked *asked, int argc, char **argv)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    while ((option = options_next(&read, cli_status_options, &value)) >= 0) {
        asked->timeline |= option == OPTION_TIMELINE;
        asked->json |= option == OPTION_JSON;
        if (option != OPTION_ACCOUNT)
            continue;
        if (!value || !*value)
            return false;
        asked->account = value;
    }
    return option == OPTIONS_END;
}

int cli_status(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {0};
    if (!take_words(&asked, argc, argv)) {
        fprintf(stderr, "doorbell: status takes --account ID, --timeline (-t) and --json.\n");
        return CLI_WRONG_WORDS;
    }
    json_t *request = json_pack("{s:s, s:b, s:s*}", "command", "status", "timeline", asked.timeline,
                                "account", asked.account);
    if (!request) {
        fprintf(stderr, "doorbell: The account has characters that are not text.\n");
        return CLI_WRONG_WORDS;
    }
    json_t *answer = cli_ask_done(cli, request);
    if (!answer)
        return CLI_NOT_DONE;
    status_sort(json_object_get(answer, "accounts"));
    if (asked.json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (asked.account) {
        status_print_one(answer);
    } else {
        status_print_all(answer);
    }
    json_decref(answer);
    return CLI_DONE;
}
