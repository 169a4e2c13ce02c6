#include <stdio.h>

#include "cli/options.h"
#include "control/client.h"

/* The running server is asked, through the control socket: with or without a web server. Whoever
 * asks may restart it, so no answer in time is an answer, too: it hangs. */

enum { PATIENCE_S = 5 };

const struct cli_option cli_health_options[] = {
    {NULL, "--links", NULL,
     "Also not well when no account has been connected for health.links_down_after."},
    {0},
};

static bool take_words(int argc, char **argv, bool *links)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    while ((option = options_next(&read, cli_health_options, &value)) >= 0)
        *links = true;
    if (option != OPTIONS_END)
        fprintf(stderr, "doorbell: health takes nothing but --links, and there is \"%s\".\n",
                value);
    return option == OPTIONS_END;
}

/* What is wrong, in `err`, with what to do. */
static json_t *ask(const struct config *config, bool links, struct err *err)
{
    const char *path = config->control_path;
    json_t *request = json_pack("{s:s, s:b}", "command", "health", "links", links);
    json_t *answer = control_ask_within(config, request, PATIENCE_S, err);
    json_decref(request);
    if (answer || (err->code != ERR_NOT_FOUND && err->code != ERR_TIMEOUT))
        return answer;
    if (err->code == ERR_NOT_FOUND)
        err_set(err, ERR_NOT_FOUND,
                "No server answers on the control socket %s. Start it, or name its configuration "
                "with --config.",
                path);
    else
        err_set(err, ERR_TIMEOUT,
                "The server has not answered on the control socket %s for %d s: it hangs. Restart "
                "it.",
                path, PATIENCE_S);
    return NULL;
}

/* Who names a file may have several servers: without it the one that is found could be another,
 * unless the environment or the command line says where it is. */
static bool is_the_one_meant(const struct config_sources *sources, const struct config *config)
{
    return !sources->file || !config_is_of_package(config, "control.path") ||
           !config_is_of_package(config, "store.path");
}

/* A file that was spoilt since the start is trouble for the next start: who restarts the server for
 * it ends one that works. It is mostly found without any file, as in the image and the package;
 * `fault` has text then. */
static struct config *load(const struct cli *cli, struct err *fault)
{
    struct config_sources sources = cli->sources;
    struct err err;
    struct config *config = config_load(&sources, fault);
    if (config) {
        *fault->text = '\0';
        return config;
    }
    sources.without_files = true;
    config = config_load(&sources, &err);
    if (!config || is_the_one_meant(&sources, config))
        return config;
    config_free(config);
    return NULL;
}

static void tell_well(bool links, const struct err *fault)
{
    fputs(links ? "The server works, and its links have not all been down for long."
                : "The server works.",
          stdout);
    if (*fault->text)
        printf(" It would not start again, nor load its configuration: %s", fault->text);
    putchar('\n');
}

int cli_health(struct cli *cli, int argc, char **argv)
{
    bool links = false;
    if (!take_words(argc, argv, &links))
        return CLI_WRONG_WORDS;
    struct err fault = {0}, err = {0};
    struct config *config = load(cli, &fault);
    if (!config)
        return cli_fail(&fault);
    json_t *answer = ask(config, links, &err);
    bool well = json_is_true(json_object_get(answer, "done"));
    if (answer && !well)
        err_set(&err, ERR_NOT_NOW, "%s", cli_why(answer));
    if (well)
        tell_well(links, &fault);
    else
        cli_fail(*fault.text && err.code == ERR_NOT_FOUND ? &fault : &err);
    json_decref(answer);
    config_free(config);
    return well ? CLI_DONE : CLI_NOT_DONE;
}
