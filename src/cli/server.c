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
    config_wipe_environment(environ);
    struct app app;
    struct err err = {0};
    int status = CLI_DONE;
    if (app_start(&app, APP_SERVER, &cli->sources, config, &err) == 0) {
        app_run(&app);
    } else {
        log_error("Doorbell cannot start. %s", err.text);
        status = CLI_NOT_DONE;
    }
    app_stop(&app);
    return status;
}
