#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/cli.h"
#include "web/qr.h"

char *cli_code_of(const char *link, char **why_not)
{
    int columns = qr_terminal_columns(link), width = terminal_width(stdout);
    *why_not = NULL;
    if (isatty(STDOUT_FILENO) && terminal_is_dumb())
        *why_not = mem_text("Only the link is shown, because a terminal of the kind \"dumb\" "
                            "(TERM) cannot show its code; run this in another one.");
    else if (width && columns > width)
        *why_not = mem_format("Only the link is shown, because its code needs %d columns and this "
                              "terminal has %d; make it wider and run this again.",
                              columns, width);
    return *why_not ? NULL : qr_terminal(link);
}

static void say(const char *sentence)
{
    text_wrap(stdout, sentence, 0, 0, terminal_columns(stdout));
}

/* Takes over `link`. */
static int print_code(char *link, const char *introduction)
{
    struct err err;
    char *why_not = NULL;
    char *code = link ? cli_code_of(link, &why_not) : NULL;
    int status = CLI_DONE;
    if (!code && !why_not) {
        err_set(&err, ERR_LIMIT, "The address is too long for a QR code.");
        status = cli_fail(&err);
    } else {
        say(introduction);
        if (why_not)
            say(why_not);
        printf("%s\n%s\n", code ? code : "", link);
    }
    free(why_not);
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
