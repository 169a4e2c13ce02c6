#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/cli.h"
#include "web/qr.h"

/* NULL: it can be. */
static char *why_not_shown(const char *link)
{
    int columns = qr_terminal_columns(link), width = terminal_width(stdout);
    if (isatty(STDOUT_FILENO) && terminal_is_dumb())
        return mem_text("Only the link is shown, because a terminal of the kind \"dumb\" (TERM) "
                        "cannot show its code; run this in another one.");
    if (width && columns > width)
        return mem_format("Only the link is shown, because its code needs %d columns and this "
                          "terminal has %d; make it wider and run this again.",
                          columns, width);
    return NULL;
}

/* A part of it cannot be scanned. NULL: all of it is seen. */
static char *why_in_part(const char *link)
{
    int lines = qr_terminal_lines(link), height = terminal_height(stdout);
    if (!height || lines <= height)
        return NULL;
    return mem_format("The code has %d lines and this terminal shows %d: enlarge its window or "
                      "make its font smaller, then scroll up to the code.",
                      lines, height);
}

char *cli_code_of(const char *link, char **note)
{
    *note = why_not_shown(link);
    if (*note)
        return NULL;
    *note = why_in_part(link);
    return qr_terminal(link);
}

static void say(const char *sentence)
{
    text_wrap(stdout, sentence, 0, 0, terminal_columns(stdout));
}

/* Takes over `link`. */
static int print_code(char *link, const char *introduction)
{
    struct err err;
    char *note = NULL;
    char *code = link ? cli_code_of(link, &note) : NULL;
    int status = CLI_DONE;
    if (!code && !note) {
        err_set(&err, ERR_LIMIT, "The address is too long for a QR code.");
        status = cli_fail(&err);
    } else {
        say(introduction);
        if (note && !code)
            say(note);
        printf("%s\n%s\n", code ? code : "", link);
        if (note && code) /* before it, it would scroll away */
            say(note);
    }
    free(note);
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
