#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backup/restore.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/options.h"

static const struct cli_command commands[] = {
    {.name = "server",
     .help = "Runs the bridge in the foreground.",
     .run = cli_server,
     .mollysockets = true},
    {.name = "setup",
     .words = "[--url URL] [--alert URL] [--allow ORIGIN] [--wait TIME] [--qr] [--no-link]",
     .needs = CLI_NEEDS_SERVER,
     .help = "Sets up the running server: asks, checks, links a phone and waits until it rings.",
     .run = cli_setup,
     .options = cli_setup_options,
     .details =
         "Run it with the server's configuration and environment. It asks nothing that it can find "
         "out, and without a terminal nothing at all. Answers are "
         "kept in setup.yaml beside the store, and whatever doorbell.yaml, the environment or the "
         "command line say wins over them. A fault of the public address is told with its remedy "
         "and the lines that the proxy needs. Exit status 0: the push server took a ring, or "
         "nothing was to be waited for; 1: not.",
     .example = "doorbell setup --url https://push.example.org/ --alert none"},
    {.name = "status",
     .words = "[--account ID] [--timeline] [--json]",
     .needs = CLI_NEEDS_EITHER,
     .help = "Shows how each account fares, the worst first, and what is to be done.",
     .run = cli_status,
     .options = cli_status_options,
     .details =
         "Both halves of the path are told apart: LINK is the messenger's, ENDPOINT the push "
         "server's. The exit status says only whether there was an answer.",
     .example = "doorbell status --account 4c98 --timeline"},
    {.name = "doctor",
     .words = "[--json]",
     .needs = CLI_NEEDS_EITHER,
     .help = "Looks at the whole path and says what is wrong, each with its remedy.",
     .run = cli_doctor,
     .options = cli_doctor_options,
     .details = "It rings nobody and changes nothing. The report has no account id, password or "
                "endpoint path, and names for accounts that mean nothing elsewhere: it may be "
                "shown to whoever helps. Exit status 0: no fault; 1: a fault was found.",
     .example = "doorbell doctor"},
    {.name = "connection",
     .help = "Adds, lists, removes and tests accounts.",
     .table = cli_connection,
     .mollysockets = true},
    {.name = "qr-code",
     .help = "Prints the code that links Molly.",
     .table = cli_qr_code,
     .details = "Also spelled qrcode.",
     .mollysockets = true},
    {.name = "qrcode", .table = cli_qr_code, .mollysockets = true},
    {.name = "health",
     .words = "[--links]",
     .needs = CLI_NEEDS_SERVER,
     .help = "Says whether the running server is well, with or without a web server.",
     .run = cli_health,
     .options = cli_health_options,
     .details = "It is not when it does not answer within 5 s or cannot write its store; that "
                "Signal's server is away makes no difference without --links. Exit status 0: well; "
                "1: not, and standard error says why.",
     .example = "doorbell health --links"},
    {.name = "config",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints every setting with its value and where it was written; secrets are hidden.",
     .run = cli_config_effective,
     .table = cli_config},
    {.name = "admin",
     .help = "Makes and revokes the token that opens the status page.",
     .table = cli_admin},
    {.name = "test",
     .help = "Says whether the configuration allows an endpoint or an account.",
     .table = cli_test,
     .mollysockets = true},
    {.name = "vapid",
     .help = "Makes and tries the key that signs pushes.",
     .table = cli_vapid,
     .mollysockets = true},
    {.name = "import",
     .words = "PATH [--dry-run]",
     .needs = CLI_NEEDS_REST,
     .help = "Takes accounts over from MollySocket's database, which is never written.",
     .run = cli_import,
     .options = cli_import_options,
     .details = "A server that is started beside that database does so by itself. With --dry-run "
                "it only looks, also while the server runs.",
     .example = "doorbell import mollysocket.db --dry-run"},
    {.name = "export",
     .words = "--mollysocket FILE",
     .needs = CLI_NEEDS_STORE,
     .help = "Writes a database for MollySocket, also while the server runs.",
     .run = cli_export,
     .options = cli_export_options,
     .details = "MollySocket keeps one device for each account; it gets the one that registered "
                "last.",
     .example = "doorbell export --mollysocket mollysocket.db"},
    {.name = "backup",
     .words = "FILE [--passphrase-file FILE | --without-secrets] [--replace]",
     .needs = CLI_NEEDS_EITHER,
     .help = "Writes the store, the VAPID key and the settings into one file, encrypted.",
     .run = cli_backup,
     .options = cli_backup_options,
     .details =
         "The server goes on meanwhile. FILE may be -, standard output. The passphrase is asked "
         "for at a terminal; without it nobody can open the file. Printed is also what is not in "
         "it: settings of the environment, and files such as certificates.",
     .example = "doorbell backup doorbell.backup --passphrase-file /root/passphrase"},
    {.name = "restore",
     .words = "FILE [--passphrase-file FILE]",
     .needs = CLI_NEEDS_REST,
     .help = "Puts what \"doorbell backup\" has written into an empty place: all of it or nothing.",
     .run = cli_restore,
     .options = cli_restore_options,
     .details =
         "FILE may be -, standard input. Stop the server whose backup it is before another one "
         "starts with it. doorbell.yaml is put beside the store as doorbell.yaml" RESTORED_SUFFIX
         ", for you to look at and put where it belongs. docs/moving.md has the whole way.",
     .example = "doorbell restore doorbell.backup"},
    {.name = "unseal",
     .needs = CLI_NEEDS_REST,
     .help = "Puts the device passwords of a sealed store back into the clear.",
     .run = cli_unseal,
     .details = "It needs the key, as the server does. docs/sealing.md has more.",
     .example = "doorbell --set store.key_file=/etc/credstore/doorbell.store.key unseal"},
    {.name = "man",
     .help = "Prints the manual: 1 for the commands, 5 for the settings.",
     .table = cli_man},
    {.name = "completion",
     .help = "Prints a script that completes commands in bash, zsh or fish.",
     .table = cli_completion},
    {.name = "version",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints the version, the commit that it was built of, and the libraries that run.",
     .run = cli_version,
     .details = "doorbell --version prints the first line only."},
    {0},
};

enum { OPTION_CONFIG, OPTION_SET, OPTION_VERBOSE, OPTION_VERSION, OPTION_HELP };

static const struct cli_option options[] = {
    [OPTION_CONFIG] = {"-c", "--config", "FILE",
                       "The configuration to load; one in TOML is MollySocket's."},
    [OPTION_SET] = {NULL, "--set", "PATH=VALUE",
                    "A setting, over file and environment; may be repeated."},
    [OPTION_VERBOSE] =
        {"-v", "--verbose", NULL,
         "Logs more, never less: log.level is info at least, with -vv debug. A --set "
         "log.level= wins, wherever it stands."},
    [OPTION_VERSION] = {"-V", "--version", NULL, "Prints the version."},
    [OPTION_HELP] = {"-h", "--help", NULL, "Prints help; after a command, on that command."},
    {0},
};

enum { OVERRIDES_MAX = 64 };

struct words {
    struct cli *cli;
    const char **overrides;
};

static bool add_override(struct words *words, const char *override)
{
    size_t *count = &words->cli->sources.override_count;
    if (*count == OVERRIDES_MAX) {
        fprintf(stderr, "doorbell: There may be %d of --set at most; use a file.\n", OVERRIDES_MAX);
        return false;
    }
    words->overrides[(*count)++] = override;
    return true;
}

static bool take_option(struct words *words, int option, const char *value)
{
    if (option == OPTION_VERBOSE) {
        words->cli->sources.verbose++;
        return true;
    }
    if (!value) {
        fprintf(stderr, "doorbell: %s needs a value.\n", options[option].whole);
        return false;
    }
    if (option == OPTION_SET)
        return add_override(words, value);
    words->cli->sources.file = value;
    return true;
}

static int help(struct cli *cli)
{
    char *word[] = {"--help"};
    return cli_run(cli, 1, word);
}

/* What stands before the command, then the command, which also refuses what is no option. */
static int run(struct words *words, struct options *read)
{
    const char *value;
    int option;
    while ((option = options_next(read, options, &value)) >= 0) {
        if (option == OPTION_VERSION)
            return cli_version_line();
        if (option == OPTION_HELP)
            return help(words->cli);
        if (!take_option(words, option, value))
            return CLI_WRONG_WORDS;
    }
    int at = option == OPTIONS_END ? read->argc : read->at - 1;
    return cli_run(words->cli, read->argc - at, read->argv + at);
}

static bool is_mollysockets_name(const char *word)
{
    const char *slash = strrchr(word, '/');
    const char *name = slash ? slash + 1 : word;
    return strcmp(name, "mollysocket") == 0 || strcmp(name, "ms") == 0;
}

/* The program's name as a first word: in a container it is the entrypoint already, and
 * MollySocket's instructions have it twice, images made from its own with the folder. */
static bool is_program_name(const char *word)
{
    const char *slash = strrchr(word, '/');
    return strcmp(slash ? slash + 1 : word, "doorbell") == 0 || is_mollysockets_name(word);
}

int main(int argc, char **argv)
{
    const char *overrides[OVERRIDES_MAX];
    struct cli cli = {.sources = {.environment = environ, .overrides = overrides},
                      .commands = commands,
                      .options = options};
    struct words words = {.cli = &cli, .overrides = overrides};
    /* Whatever it is going to do, secrets stay out of core dumps and of the reach of others
     * (security.md 18). */
    prctl(PR_SET_DUMPABLE, 0);
    json_set_alloc_funcs(malloc, mem_free_wiped); /* what control says may have passwords in it */
    log_find_journal(getenv("JOURNAL_STREAM"));
    if (sodium_init() < 0) {
        fprintf(stderr, "doorbell: libsodium cannot be initialised.\n");
        return CLI_NOT_DONE;
    }
    int first = argc > 1 && is_program_name(argv[1]) ? 2 : 1;
    if (first > argc) /* without even a name */
        return cli_run(&cli, 0, argv);
    cli.sources.as_mollysocket = is_mollysockets_name(argv[first - 1]);
    const struct passwd *user = getpwuid(geteuid());
    char *home = mem_text(user ? user->pw_dir : NULL); /* before it becomes another one */
    cli.sources.home = home;
    config_follow_volume("/data", "/app");
    struct options read = {.argc = argc - first, .argv = argv + first};
    int status = run(&words, &read);
    free(home);
    return status;
}
