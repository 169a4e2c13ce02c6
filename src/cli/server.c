#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"

static void say_root(const char *why_not)
{
    if (geteuid() != 0)
        return;
    if (why_not)
        log_info("Doorbell stays root: %s", why_not);
    else
        log_info("Doorbell runs as root and need not: the setting user names whom to become.");
}

int cli_server(struct cli *cli, int argc, char **argv)
{
    if (cli_refuse_words("server", argc, argv))
        return CLI_WRONG_WORDS;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    struct err err = {0};
    const char *why_not = NULL;
    app_take_log_settings(config);
    if (cli_become_server(config, true, &why_not, &err) != 0) {
        config_free(config);
        return cli_fail(&err);
    }
    say_root(why_not);
    char **environment = config_take_environment(environ);
    cli->sources.environment = environment;
    struct app app;
    int status = CLI_DONE;
    if (app_start(&app, APP_SERVER, &cli->sources, config, &err) == 0) {
        app_run(&app);
    } else {
        log_error("Doorbell cannot start. %s", err.text);
        status = CLI_NOT_DONE;
    }
    app_stop(&app);
    config_free_environment(environment);
    return status;
}
