#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "control/client.h"
#include "control/commands.h"

/* The running server is asked, or the store itself where no server runs. */

struct local {
    struct app *app;
    json_t *answer;
    bool over;
};

static void on_answer(void *arg, json_t *answer)
{
    struct local *local = arg;
    local->answer = answer;
    local->over = true;
    loop_stop(&local->app->loop);
}

/* Only an account that is added may make a store and a key: from any other command it would be a
 * mistake, in a wrong folder for instance, and an empty list a lie. */
static bool has_store(const struct config *config, struct err *err)
{
    if (access(config->store_path, F_OK) == 0 || errno != ENOENT)
        return true;
    err_set(err, ERR_NOT_FOUND,
            "No server answers on the control socket %s, and there is no store %s. Run this where "
            "the server runs, or name its configuration with --config.",
            config->control_path, config->store_path);
    return false;
}

static bool may_make(const json_t *request)
{
    return strcmp(json_string_value(json_object_get(request, "command")), "add") == 0;
}

/* An operator who adds the first account by hand may have a key for it. */
static void tell_made_key(const struct app *app)
{
    char text[OWN_KEY_TEXT_SIZE];
    if (app->made_key && app_key_is_own(app, text))
        fprintf(stderr, "doorbell: %s\n", text);
}

/* Takes over `config`. */
static json_t *ask_store(struct cli *cli, struct config *config, const json_t *request,
                         struct err *err)
{
    struct app app;
    struct local local = {.app = &app};
    enum app_kind kind = may_make(request) ? APP_FOUNDER : APP_LOCAL;
    int result = cli_start(cli, &app, kind, config, err);
    if (result == 0) {
        tell_made_key(&app);
        commands_run(&(struct commands_host){.bridge = app.bridge}, request, on_answer, &local);
        if (!local.over)
            app_run(&app);
    } else if (result == ERR_BUSY) {
        err_set(err, ERR_BUSY,
                "Another process holds the store, but no server answers on the control socket %s. "
                "Is a server running with another control.path, or with another folder mounted?",
                config->control_path);
    }
    app_stop(&app);
    return local.answer;
}

json_t *cli_ask(struct cli *cli, const json_t *request, struct err *err)
{
    struct config *config = config_load(&cli->sources, err);
    if (!config)
        return NULL;
    json_t *answer = control_ask(config, request, err);
    if (!answer && err->code == ERR_NOT_FOUND && (may_make(request) || has_store(config, err)) &&
        cli_become_user(config, may_make(request), err) == 0)
        return ask_store(cli, config, request, err);
    config_free(config);
    return answer;
}

json_t *cli_ask_done(struct cli *cli, json_t *request)
{
    struct err err = {0};
    json_t *answer = cli_ask(cli, request, &err);
    json_decref(request);
    if (answer && json_is_true(json_object_get(answer, "done")))
        return answer;
    if (answer)
        err_set(&err, ERR_REFUSED, "%s", cli_why(answer));
    cli_fail(&err);
    json_decref(answer);
    return NULL;
}
