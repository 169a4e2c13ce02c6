#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct cli_command commands[] = {
    {"server", cli_server, "", "Runs the bridge in the foreground.", false},
    {"connection", cli_connection, "add|list|remove|ping",
     "Accounts, on the running server or its store.", true},
    {"qr-code", cli_qr_code, "url|airgapped", "Prints the code that links Molly.", true},
    {"qrcode", cli_qr_code, "url|airgapped", "The same.", true},
    {"vapid", cli_vapid, "generate|test", "The key that signs pushes.", true},
    {"config", cli_config, "check|sample|table", "The configuration and its documents.", true},
    {"version", cli_version, "", "Prints the version.", false},
    {0},
};

/* Options come before the command: --config FILE (-c), --set PATH=VALUE, --version (-V). */
int main(int argc, char **argv)
{
    enum { OVERRIDES_MAX = 64 };
    const char *overrides[OVERRIDES_MAX];
    struct cli cli = {.sources = {.environment = environ, .overrides = overrides}};
    int at = 1;
    if (sodium_init() < 0) {
        fprintf(stderr, "doorbell: libsodium cannot be initialised.\n");
        return CLI_NOT_DONE;
    }
    for (; at < argc && argv[at][0] == '-'; at++) {
        bool config = strcmp(argv[at], "--config") == 0 || strcmp(argv[at], "-c") == 0;
        bool set = strcmp(argv[at], "--set") == 0;
        if (strcmp(argv[at], "--version") == 0 || strcmp(argv[at], "-V") == 0)
            return cli_version(&cli, 0, NULL);
        if (!config && !set)
            break; /* --help, or something that the table refuses */
        if (at + 1 == argc || (set && cli.sources.override_count == OVERRIDES_MAX)) {
            fprintf(stderr, "doorbell: %s needs a value.\n", argv[at]);
            return CLI_WRONG_WORDS;
        }
        at++;
        if (config)
            cli.sources.file = argv[at];
        else
            overrides[cli.sources.override_count++] = argv[at];
    }
    return cli_pick(commands, "doorbell", &cli, argc - at, argv + at);
}
