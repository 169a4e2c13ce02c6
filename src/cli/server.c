#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"

int cli_server(struct cli *cli, int argc, char **argv)
{
    if (cli_refuse_words("server", argc, argv))
        return CLI_WRONG_WORDS;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    struct err err = {0};
    if (cli_become_user(config, true, &err) != 0) {
        config_free(config);
        return cli_fail(&err);
    }
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
