#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/url_normal.h"
#include "cli/cli.h"

static int run_generate(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    (void)argv;
    struct err err;
    char text[VAPID_PRIVATE_TEXT_SIZE];
    if (cli_refuse_words("vapid generate", argc, argv))
        return CLI_WRONG_WORDS;
    struct vapid *vapid = vapid_generate(&err);
    if (!vapid)
        return cli_fail(&err);
    vapid_private_text(vapid, text);
    puts(text);
    sodium_memzero(text, sizeof text);
    vapid_free(vapid);
    return CLI_DONE;
}

static int print_header(const struct config *config, const char *endpoint, struct err *err)
{
    char origin[URL_ORIGIN_SIZE], header[VAPID_HEADER_SIZE];
    char *normal = url_normal(endpoint, err);
    if (!normal) {
        err_prefix(err, "The endpoint is not a usable URL");
        return err->code;
    }
    endpoint_origin(normal, origin);
    mem_free_secret(normal);
    int result = cli_authorization(config, origin, header, err);
    if (result == 0)
        puts(header);
    return result;
}

static int run_test(struct cli *cli, int argc, char **argv)
{
    struct err err;
    if (argc != 1) {
        fprintf(stderr, "doorbell: vapid test needs one word: ENDPOINT.\n");
        return CLI_WRONG_WORDS;
    }
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    int status = print_header(config, argv[0], &err) == 0 ? CLI_DONE : cli_fail(&err);
    config_free(config);
    return status;
}

const struct cli_command cli_vapid[] = {
    {.name = "generate",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints a new private key for push.vapid_key_file.",
     .run = run_generate,
     .details = "Phones that were linked with another key have to be linked anew.",
     .example = "doorbell vapid generate > vapid.key",
     .mollysockets = true},
    {.name = "test",
     .words = "ENDPOINT",
     .needs = CLI_NEEDS_FILES,
     .help = "Prints the Authorization header for an endpoint's origin.",
     .run = run_test,
     .example = "doorbell vapid test https://ntfy.example.org/",
     .mollysockets = true},
    {0},
};
