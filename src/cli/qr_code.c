#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "web/qr.h"

/* Takes over `link`. */
static int print_code(char *link, const char *introduction)
{
    char *code = link ? qr_terminal(link) : NULL;
    struct err err;
    int status = CLI_DONE;
    if (code)
        printf("%s\n%s\n%s\n", introduction, code, link);
    else
        status =
            cli_fail((err_set(&err, ERR_LIMIT, "The address is too long for a QR code."), &err));
    free(code);
    free(link);
    return status;
}

#define WHERE "Scan this in Molly (Settings, Notifications, Delivery service: UnifiedPush)"

static int with_key(struct cli *cli, const char *url)
{
    struct err err;
    char key[VAPID_PUBLIC_TEXT_SIZE];
    if (cli_public_key(cli, key, &err) != 0)
        return cli_fail(&err);
    return url ? print_code(qr_link_webserver(key, url), WHERE " to link it with this server:")
               : print_code(qr_link_airgapped(key),
                            WHERE ", then paste the line that it shows into "
                                  "`doorbell connection add -`:");
}

static int run_url(struct cli *cli, int argc, char **argv)
{
    struct url url;
    struct err err;
    if (argc != 1) {
        fprintf(stderr, "doorbell: qr-code url needs one word: the URL of this server.\n");
        return CLI_WRONG_WORDS;
    }
    if (url_parse(&url, argv[0], &err) != 0) {
        err_prefix(&err, "That is not a usable URL");
        return cli_fail(&err);
    }
    bool https = strcmp(url.scheme, "https") == 0;
    url_fini(&url);
    if (!https) {
        err_set(&err, ERR_INVALID, "Molly links with https:// addresses only.");
        return cli_fail(&err);
    }
    return with_key(cli, argv[0]);
}

static int run_airgapped(struct cli *cli, int argc, char **argv)
{
    if (cli_refuse_words("qr-code airgapped", argc, argv))
        return CLI_WRONG_WORDS;
    return with_key(cli, NULL);
}

const struct cli_command cli_qr_code[] = {
    {.name = "url",
     .words = "URL",
     .needs = CLI_NEEDS_FILES,
     .help = "The code that links Molly with this server at its public URL.",
     .run = run_url,
     .example = "doorbell qr-code url https://push.example.org/",
     .mollysockets = true},
    {.name = "airgapped",
     .needs = CLI_NEEDS_FILES,
     .help = "The code for a server that Molly cannot reach.",
     .run = run_airgapped,
     .details = "Molly then shows a line for doorbell connection add.",
     .mollysockets = true},
    {0},
};
